/** Heads: from the last hidden states of a model to its outputs, such as the logits of a vocabulary. */
import { dims } from "../dims.ts";
import { checkOptions, ranges } from "../ranges.ts";
import type { Tensor } from "../value.ts";
import { add, div, mul, tanh } from "./elementwise.ts";
import { matmul } from "./reduce.ts";
import { squeeze, transposeLast } from "./shape.ts";

/**
 * A linear head as data, so that log-probabilities can be computed without its logits in memory:
 *
 *     logits = softcap(scale (h W^T + b)) / temperature,   softcap(x) = c tanh(x / c)
 *
 * The order is that of the field. Cohere's models multiply the product by `logit_scale`, Granite's
 * divide it by `logits_scaling`; Gemma 2 caps the product by `final_logit_softcapping`; Muse Glimmer
 * multiplies first (`output_multiplier`) and caps then (their modeling files in Hugging Face's
 * transformers). A sampling temperature divides the result.
 */
export interface LinearHead {
  /** W, `[V, D]`: a row for each output. In a tied head, the token embedding. */
  readonly weight: Tensor;
  /** b, `[V]` (default none). */
  readonly bias?: Tensor;
  /** The factor of the product, finite (default 1). */
  readonly scale?: number;
  /** The bound c of a logit's absolute value, above 0 (default none). */
  readonly softcap?: number;
  /** The divisor of the logits, above 0 (default 1). */
  readonly temperature?: number;
  /**
   * The tokens of a block, where predictions are computed in blocks of the vocabulary and their logits
   * are never held at once: an integer from 1, or `Infinity` for no blocks (default: chosen by the sizes). It
   * changes predictions by rounding only.
   */
  readonly block?: number;
}

/**
 * A head: a linear one as data, or any function from hidden states `[..., T, D]` to logits
 * `[..., T, V]`.
 */
export type Head = LinearHead | ((hidden: Tensor) => Tensor);

/**
 * The logits of a head: `softcap(scale (h W^T + b)) / temperature` of a {@linkcode LinearHead}, or
 * the result of the function.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { headLogits, tensor } from "@unitune/core";
 *
 * const hidden = tensor([[1, 2]]);
 * const weight = tensor([[1, 0], [0, 1], [1, 1]]);
 * const logits = headLogits({ weight, bias: tensor([0, 0, 1]), scale: 0.5 }, hidden);
 * assertEquals(await logits.data(), new Float32Array([0.5, 1, 2]));
 * const [capped = NaN] = await headLogits({ weight, softcap: 3 }, hidden).data();
 * assertAlmostEquals(capped, 3 * Math.tanh(1 / 3), 1e-6);
 * ```
 *
 * @param head The head.
 * @param hidden Hidden states, `[..., T, D]`.
 * @returns Logits, `[..., T, V]`.
 * @throws {ShapeError} If the shapes do not fit.
 * @throws {RangeError} If scale, softcap or temperature is out of range.
 */
export function headLogits(head: Head, hidden: Tensor): Tensor {
  if (typeof head === "function") return head(hidden);
  const { V, D } = dims(head.weight, "V D", "headLogits: weight");
  dims(hidden, `... T ${D}`, "headLogits: hidden states");
  if (head.bias !== undefined) dims(head.bias, `${V}`, "headLogits: bias");
  return logitsOfProduct(head, matmul(hidden, transposeLast(head.weight)));
}

/**
 * The logits of a linear head from its product of hidden states and weight:
 * `softcap(scale (x + b)) / temperature`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { logitsOfProduct, tensor } from "@unitune/core";
 *
 * const logits = logitsOfProduct({ bias: tensor([0, 1]), scale: 2 }, tensor([[3, 4]]));
 * assertEquals(await logits.data(), new Float32Array([6, 10]));
 * ```
 *
 * @param head The head, without its weight.
 * @param product `h W^T`, `[..., V]`.
 * @returns Logits, `[..., V]`.
 * @throws {ShapeError} If the shapes do not fit.
 * @throws {RangeError} If scale, softcap or temperature is out of range.
 */
export function logitsOfProduct(
  { bias, scale = 1, softcap, temperature = 1 }: Omit<LinearHead, "weight" | "block">,
  product: Tensor,
): Tensor {
  const { positive, finite } = ranges;
  checkOptions("headLogits", { scale: finite, temperature: positive }, { scale, temperature });
  const shifted = bias === undefined ? product : add(product, bias);
  const scaled = scale === 1 ? shifted : mul(shifted, scale);
  const capped = softcap === undefined ? scaled : softCapped(scaled, softcap);
  return temperature === 1 ? capped : div(capped, temperature);
}

function softCapped(x: Tensor, softcap: number): Tensor {
  checkOptions("headLogits", { softcap: ranges.positive }, { softcap });
  return mul(tanh(div(x, softcap)), softcap);
}

/**
 * The only output of a head of one output at each position, such as the value of a state or the
 * score of an answer.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headScores, tensor } from "@unitune/core";
 *
 * const scores = headScores({ weight: tensor([[1, -1]]) }, tensor([[[3, 1], [2, 5]]]));
 * assertEquals(scores.shape, [1, 2]);
 * assertEquals(await scores.data(), new Float32Array([2, -3]));
 * ```
 *
 * @param head A head of one output.
 * @param hidden Hidden states, `[..., T, D]`.
 * @returns The output, `[..., T]`.
 * @throws {ShapeError} If the head has another number of outputs, or the shapes do not fit.
 */
export function headScores(head: Head, hidden: Tensor): Tensor {
  const outputs = headLogits(head, hidden);
  dims(outputs, "... 1", "headScores: outputs");
  return squeeze(outputs, -1);
}
