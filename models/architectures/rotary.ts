/**
 * Rotary positions (Su et al. 2021, "RoFormer", arXiv 2104.09864), and the ways in which models
 * stretch them to longer contexts.
 *
 * Shapes: B sequences, T tokens, H heads, Dh width of a head, R rotated elements of a head.
 */
import {
  add,
  cast,
  concat,
  cos,
  dims,
  type DType,
  mul,
  reshape,
  sin,
  slice,
  sub,
  type Tensor,
  tensor,
} from "@unitune/core";

/** Position interpolation (Chen et al. 2023, arXiv 2306.15595): all frequencies divided by a factor. */
export interface LinearScaling {
  /** Its name in Hugging Face's settings. */
  readonly kind: "linear";
  /** The divisor. */
  readonly factor: number;
}

/**
 * The scaling of Llama 3.1 (Grattafiori et al. 2024, arXiv 2407.21783): low frequencies are divided by
 * a factor, high ones stay, and those between are interpolated by the number of turns that they make
 * in the original context.
 */
export interface Llama3Scaling {
  /** Its name in Hugging Face's settings. */
  readonly kind: "llama3";
  /** The divisor of low frequencies. */
  readonly factor: number;
  /** Frequencies of fewer turns are low. */
  readonly lowTurns: number;
  /** Frequencies of more turns are high. */
  readonly highTurns: number;
  /** The number of tokens in the context of pretraining. */
  readonly originalContext: number;
}

/**
 * YaRN (Peng et al. 2023, arXiv 2309.00071): as in Llama 3.1, but interpolated by the number of the
 * frequency, and with queries and keys multiplied by a factor.
 */
export interface YarnScaling {
  /** Its name in Hugging Face's settings. */
  readonly kind: "yarn";
  /** The divisor of low frequencies. */
  readonly factor: number;
  /** Frequencies of at most so many turns in the original context are low. */
  readonly lowTurns: number;
  /** Frequencies of at least so many turns are high. */
  readonly highTurns: number;
  /** The number of tokens in the context of pretraining. */
  readonly originalContext: number;
  /** The factor of queries and of keys. */
  readonly attentionFactor: number;
  /** Whether the ends of the interpolation are rounded outward to whole numbers of frequencies. */
  readonly truncate: boolean;
}

/** A way to stretch rotary positions to longer contexts. */
export type RotaryScaling = LinearScaling | Llama3Scaling | YarnScaling;

/** Rotary positions: the base of their wave lengths, and their scaling. */
export interface Rotary {
  /** The base theta: frequency i of R / 2 is `theta^(-2 i / R)` radians a token. */
  readonly base: number;
  /** The scaling, or null for none. */
  readonly scaling: RotaryScaling | null;
}

/** `(1 - share) low + share high`, the share cut to 0 to 1. */
function blend(low: number, high: number, share: number): number {
  const inside = Math.min(Math.max(share, 0), 1);
  return (1 - inside) * low + inside * high;
}

function llama3Frequency(
  { factor, lowTurns, highTurns, originalContext }: Llama3Scaling,
  frequency: number,
): number {
  const turns = originalContext * frequency / (2 * Math.PI);
  return blend(frequency / factor, frequency, (turns - lowTurns) / (highTurns - lowTurns));
}

/** Keeps an interpolation between equal ends from dividing by 0; the value in transformers. */
const LEAST_RAMP = 0.001;

/** The frequency in place of the one of number i, for R rotated elements. */
function yarnFrequency(
  { factor, lowTurns, highTurns, originalContext, truncate }: YarnScaling,
  frequency: number,
  { i, base, R }: { readonly i: number; readonly base: number; readonly R: number },
): number {
  /** The number, not whole, of the frequency that makes so many turns in the original context. */
  const numberOf = (turns: number) =>
    R * Math.log(originalContext / (turns * 2 * Math.PI)) / (2 * Math.log(base));
  const [first, last] = [numberOf(highTurns), numberOf(lowTurns)];
  const start = Math.max(truncate ? Math.floor(first) : first, 0);
  const end = Math.min(truncate ? Math.ceil(last) : last, R - 1);
  const share = (i - start) / (end === start ? LEAST_RAMP : end - start);
  return blend(frequency, frequency / factor, share);
}

/**
 * The frequencies of rotary positions, in radians a token: `theta^(-2 i / R)` for pair i, scaled.
 *
 * @param rotary The base and the scaling.
 * @param R The number of rotated elements of a head, even.
 * @returns R / 2 frequencies, the highest first.
 */
export function rotaryFrequencies({ base, scaling }: Rotary, R: number): readonly number[] {
  return Array.from({ length: R / 2 }, (_, i) => {
    const frequency = base ** (-2 * i / R);
    if (scaling === null) return frequency;
    switch (scaling.kind) {
      case "linear":
        return frequency / scaling.factor;
      case "llama3":
        return llama3Frequency(scaling, frequency);
      case "yarn":
        return yarnFrequency(scaling, frequency, { i, base, R });
      default:
        return scaling satisfies never;
    }
  });
}

/** The turn of each pair of elements at each position. */
export interface Turn {
  /** The cosines of the angles, `[1 or B, T, 1, R / 2]`. */
  readonly cosine: Tensor;
  /** The sines of the angles, `[1 or B, T, 1, R / 2]`. */
  readonly sine: Tensor;
}

/**
 * The turns at positions: angles `position * frequency`, and their cosines and sines times YaRN's
 * factor of queries and keys.
 *
 * @param rotary The base and the scaling.
 * @param R The number of rotated elements of a head, even.
 * @param positions The positions, i32 `[1 or B, T]`.
 * @param dtype The element type of the heads.
 * @returns The turns.
 */
export function turnAt(rotary: Rotary, R: number, positions: Tensor, dtype: DType): Turn {
  const { N, T } = dims(positions, "N T", "rotary positions");
  const frequencies = tensor(rotaryFrequencies(rotary, R), { dtype });
  const angles = mul(cast(reshape(positions, [N, T, 1, 1]), dtype), frequencies);
  const factor = rotary.scaling?.kind === "yarn" ? rotary.scaling.attentionFactor : 1;
  return { cosine: mul(cos(angles), factor), sine: mul(sin(angles), factor) };
}

/**
 * Rotates pairs of elements of every head: the pair `(x_i, x_{i + R/2})` by the turn's angle i. The
 * elements behind the first R stay.
 *
 * @param x Heads of queries or keys, `[B, T, H, Dh]`.
 * @param turn The turns, R rotated elements of a head.
 * @returns `[B, T, H, Dh]`.
 */
export function rotate(x: Tensor, { cosine, sine }: Turn): Tensor {
  const { Dh } = dims(x, "B T H Dh", "rotate: heads");
  const { half } = dims(cosine, "N T 1 half");
  const [a, b] = [slice(x, 3, 0, half), slice(x, 3, half, 2 * half)];
  const turned = [sub(mul(a, cosine), mul(b, sine)), add(mul(b, cosine), mul(a, sine))];
  return concat(2 * half === Dh ? turned : [...turned, slice(x, 3, 2 * half, Dh)], 3);
}
