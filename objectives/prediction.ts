/** What a model says at the states that it is asked about, each answer when it is asked for. */
import {
  argmax,
  checkRange,
  dims,
  div,
  type Head,
  headLogits,
  headScores,
  ranges,
  type Tensor,
} from "@unitune/core";
import { tokenEntropy, tokenLogProbs } from "./log_probs.ts";

/**
 * What a model says after each of T positions. Every answer is made from the same hidden states,
 * which are computed once, and only when it is asked for: log-probabilities of given tokens, entropy
 * and arg max do without logits in memory wherever the head can.
 */
export interface Prediction {
  /** The hidden states that all heads read, `[B, T, D]`. */
  readonly hidden: Tensor;
  /** The number of tokens, V. */
  readonly vocabulary: () => number;
  /** The log-probabilities of given tokens `[B, T]` (i32): `[B, T]`, in nats. */
  readonly logProbs: (ids: Tensor) => Tensor;
  /** The entropy of the next token, `[B, T]`, in nats. */
  readonly entropy: () => Tensor;
  /** The most likely token, `[B, T]` (i32). */
  readonly argmax: () => Tensor;
  /** Logits of the next token, `[B, T, V]`. */
  readonly logits: () => Tensor;
  /**
   * The scores of a reward model, whose head has one output, `[B, T]`.
   *
   * @throws {ShapeError} If the head has another number of outputs.
   */
  readonly scores: () => Tensor;
  /**
   * The values of the states, `[B, T]`.
   *
   * @throws {TypeError} If the policy has no value head.
   */
  readonly values: () => Tensor;
}

/**
 * A prediction on the targets of T - 1 prior states. Each answer of the model is computed when it is
 * asked for, once: who needs log-probabilities only asks for no logits.
 */
export interface TargetPrediction {
  /** The target tokens, `[B, T-1]` (i32). */
  readonly targets: Tensor;
  /** 1 where the target belongs to an answer, 0 elsewhere, `[B, T-1]`, of the model's dtype. */
  readonly mask: Tensor;
  /** Log-probabilities of the targets, `[B, T-1]`, in nats. */
  readonly logProbs: () => Tensor;
  /** Entropies of the predictions, `[B, T-1]`, in nats. */
  readonly entropy: () => Tensor;
  /** The most likely tokens, `[B, T-1]` (i32). */
  readonly argmax: () => Tensor;
  /** Logits, `[B, T-1, V]`. */
  readonly logits: () => Tensor;
  /** Values of the states, `[B, T-1]`; a TypeError where the policy has no value head. */
  readonly values: () => Tensor;
}

/** A function whose result is made at the first call, and kept. */
export function once<T>(make: () => T): () => T {
  let made: { readonly result: T } | undefined;
  return () => (made ??= { result: make() }).result;
}

/** The head, or its logits divided by a temperature. */
function tempered(head: Head, temperature: number): Head {
  checkRange("temperature", temperature, ranges.positive);
  if (temperature === 1) return head;
  if (typeof head === "function") return (hidden) => div(head(hidden), temperature);
  const { temperature: own = 1 } = head;
  return { ...head, temperature: own * temperature };
}

/** What heads say of hidden states `[B, T, D]`, the token head at a temperature. */
export function predictionOf(
  hidden: Tensor,
  { head, value, temperature = 1 }: {
    readonly head: Head;
    readonly value?: Head;
    readonly temperature?: number;
  },
): Prediction {
  const tokens = tempered(head, temperature);
  const logits = once(() => headLogits(tokens, hidden));
  return {
    hidden,
    vocabulary: () =>
      typeof head === "function" ? dims(logits(), "... V").V : dims(head.weight, "V D").V,
    logProbs: (ids) => tokenLogProbs(logits(), ids),
    entropy: once(() => tokenEntropy(logits())),
    argmax: once(() => argmax(logits())),
    logits,
    scores: once(() => headScores(head, hidden)),
    values: once(() => {
      if (value === undefined) {
        throw new TypeError("values: the policy has no value head; give it a head `value`");
      }
      return headScores(value, hidden);
    }),
  };
}

/** A prediction with every tensor of its answers replaced. */
export function mapPrediction(
  { hidden, vocabulary, logProbs, entropy, argmax, logits, scores, values }: Prediction,
  f: (answer: Tensor) => Tensor,
): Prediction {
  return {
    hidden: f(hidden),
    vocabulary,
    logProbs: (ids) => f(logProbs(ids)),
    entropy: once(() => f(entropy())),
    argmax: once(() => f(argmax())),
    logits: once(() => f(logits())),
    scores: once(() => f(scores())),
    values: once(() => f(values())),
  };
}
