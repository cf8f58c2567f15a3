/**
 * How far two models are from each other on answers.
 *
 * @module
 */

import { cast, slice, sum, type Tensor } from "@unitune/core";
import { maskedSum, type Model } from "@unitune/objectives";

/** Sequences and the tokens of them that are the answer. */
export interface AnswerBatch {
  /** Token ids, `[B, T]`. */
  readonly ids: Tensor;
  /** 1 on the tokens of the answer, 0 elsewhere, `[B, T]`. */
  readonly mask: Tensor;
}

/** Sums over the answer tokens of a batch. */
export interface AnswerSums {
  /** The divergence `KL(p || q)`, exact over the vocabulary, in nats. */
  readonly kl: Tensor;
  /** The entropy of p, in nats. */
  readonly entropy: Tensor;
  /** The number of tokens. */
  readonly tokens: Tensor;
}

/**
 * The divergence between two models in the states of answers.
 *
 * @param p The model whose distribution weighs.
 * @param q The model that it is compared with.
 * @param batch The answers.
 * @returns The sums.
 */
export function answerDivergence(p: Model, q: Model, { ids, mask }: AnswerBatch): AnswerSums {
  const read = slice(ids, 1, 0, -1);
  const counted = cast(slice(mask, 1, 1), "f32");
  const predicted = (model: Model) => model.predict(model.embed(read));
  const own = predicted(p);
  // At the end beta = 1 the generalized divergence is KL(p || q); large vocabularies come in blocks.
  const kl = own.divergence(predicted(q).distribution(), { beta: 1 });
  return {
    kl: maskedSum(kl, counted),
    entropy: maskedSum(own.entropy(), counted),
    tokens: sum(counted),
  };
}

/** A sequence, and which of its tokens are the answer. */
export interface AnswerRow {
  /** Token ids. */
  readonly ids: readonly number[];
  /** Whether each is of the answer. */
  readonly mask: readonly boolean[];
}

/**
 * A prompt with an answer as a sequence.
 *
 * @param prompt The ids of the prompt.
 * @param answer The ids of the answer.
 * @returns The sequence.
 *
 * @example
 * ```ts
 * import { answerRow } from "./divergence.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(answerRow([5, 6], [7]), { ids: [5, 6, 7], mask: [false, false, true] });
 * ```
 */
export function answerRow(prompt: readonly number[], answer: readonly number[]): AnswerRow {
  const ids = [...prompt, ...answer];
  return { ids, mask: ids.map((_, t) => t >= prompt.length) };
}
