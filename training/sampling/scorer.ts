/**
 * Log-probabilities of given tokens under a fixed model, computed once and kept.
 *
 * @module
 */

import { compile, type Device, type Tensor, tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import { type Demonstrations, modelOf, type Policy, scoreTokens } from "@unitune/objectives";
import { toBatch } from "../data/batches.ts";
import { classOf, lengthClasses } from "../data/lengths.ts";
import { longest } from "../longest.ts";

/** Scores tokens under a policy. */
export interface TokenScorer<P> extends Disposable {
  /**
   * Log-probabilities of the tokens of a batch, `[B, T]`; of the learned ones where it says how many
   * there are. See {@linkcode scoreTokens}.
   */
  score(params: P, batch: ScoredBatch): Tensor;
  /**
   * The same of sequences, `rows` at once: a list for each, in order, as long as the sequence; NaN for
   * tokens that are not learned where the layout says how wide the vocabulary is.
   */
  scoreEach(
    params: P,
    sequences: Iterable<EncodedSequence>,
    layout: ScoringLayout,
  ): AsyncIterable<Float32Array>;
  /** The same by sequence. */
  scoreAll(
    params: P,
    sequences: readonly EncodedSequence[],
    layout: ScoringLayout,
  ): Promise<Scores>;
}

/** The batches in which sequences are scored. */
export interface ScoringLayout {
  /** The length of the longest row with its padding, in tokens. */
  readonly length: number;
  /** The id that pads. */
  readonly padding: number;
  /** The rows of a batch. */
  readonly rows: number;
  /** The tokens of a vocabulary, where only learned tokens need scores (default: all do). */
  readonly vocabulary?: number;
}

/** The parts of a batch that its scores depend on. */
export type ScoredBatch =
  & Pick<Demonstrations, "ids" | "temperature">
  & Partial<Pick<Demonstrations, "mask" | "learned" | "prefix">>;

/** Only these parts: a program's arguments are copied to the device. */
export function scoredPart(
  { ids, temperature = 1, mask, learned, prefix }: ScoredBatch,
): ScoredBatch {
  return {
    ids,
    temperature,
    ...mask && learned !== undefined && { mask, learned },
    ...prefix && { prefix },
  };
}

/** Log-probabilities by sequence: at t that of the t-th token, 0 at the first. */
export type Scores = ReadonlyMap<EncodedSequence, Float32Array>;

/**
 * Prepares the scoring of tokens, compiled when first needed.
 *
 * @param policy The policy.
 * @param device Where to compute.
 * @returns The scorer.
 */
export function createScorer<P>(policy: Policy<P>, device: Device): TokenScorer<P> {
  const score = compile(
    (params: P, batch: ScoredBatch) => scoreTokens(modelOf(policy, params), batch),
    { device },
  );
  const scoreEach: TokenScorer<P>["scoreEach"] = async function* (
    params,
    sequences,
    { length: most, padding, rows: size, vocabulary },
  ) {
    const classes = lengthClasses(most);
    for (const rows of groups(sequences, size)) {
      const length = classOf(classes, longest(rows, ({ ids }) => ids.length));
      // One size, so that one program serves all of a length.
      const batch = toBatch(rows, {
        ...{ length, padding, size },
        ...vocabulary !== undefined && { vocabulary },
      });
      const values = Float32Array.from(await score(params, scoredPart(batch)).data());
      for (const [i, { ids }] of rows.entries()) {
        yield values.slice(i * length, i * length + ids.length);
      }
    }
  };
  return {
    score: (params, batch) => score(params, scoredPart(batch)),
    scoreEach,
    async scoreAll(params, sequences, layout) {
      const scores = await Array.fromAsync(scoreEach(params, sequences, layout));
      return new Map(sequences.flatMap((sequence, i) => {
        const own = scores[i];
        return own === undefined ? [] : [[sequence, own] as const];
      }));
    },
    [Symbol.dispose]: () => score[Symbol.dispose](),
  };
}

/** Elements in groups of a size, the last of which may be smaller. */
function* groups<T>(elements: Iterable<T>, size: number): Generator<readonly T[]> {
  let group: T[] = [];
  for (const element of elements) {
    group.push(element);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/**
 * The log-probabilities of a batch's rows, as a batch holds them.
 *
 * @param rows The sequences.
 * @param scores Theirs.
 * @param padding The length of the batch's rows, and their number (default: as many as given).
 * @returns `[B, T]`; 0 on padding.
 * @throws {RangeError} If a sequence has no scores.
 */
export function scoresOf(
  rows: readonly EncodedSequence[],
  scores: Scores,
  { length, size = rows.length }: { readonly length: number; readonly size?: number },
): Tensor {
  const values = new Float32Array(size * length);
  rows.forEach((row, i) => {
    const own = scores.get(row);
    if (own === undefined) throw new RangeError(`scoresOf: row ${i} has no scores`);
    values.set(own, i * length);
  });
  return tensor(values, { shape: [size, length] });
}
