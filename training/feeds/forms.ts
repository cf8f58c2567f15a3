/**
 * Forms of rows, one for each kind of data: the sequences in a row, and the batch of some rows.
 *
 * @module
 */

import { type Tensor, tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import type {
  Demonstrations,
  LabelledAnswers,
  LabelledSteps,
  Pairs,
  ScoredDemonstrations,
  ScoredLabelledAnswers,
  ScoredPairs,
  ScoredTriples,
  Triples,
} from "@unitune/objectives";
import { paddedTo, toBatch } from "../data/batches.ts";
import type { EncodedPair, EncodedTriple } from "../data/examples.ts";
import type { MatchedLabel } from "../data/mismatched.ts";
import type { EncodedSteps } from "../data/steps.ts";
import { longest } from "../longest.ts";
import { type Scores, scoresOf } from "../sampling/scorer.ts";

/** The padding of the sequences of a batch. */
export interface Padding {
  /** The tokens of a row. */
  readonly length: number;
  /** The id that pads. */
  readonly padding: number;
  /** The number of rows, of which missing ones consist of padding (default: as many as given). */
  readonly size?: number;
  /** The tokens of the vocabulary, by which a batch says at how few positions it is predicted. */
  readonly vocabulary?: number;
}

/**
 * The form of rows of one kind.
 *
 * @typeParam Row A row.
 * @typeParam B A batch.
 * @typeParam S A batch with the log-probabilities of a reference.
 */
export interface RowForm<Row, B, S> {
  /** The sequences that models are asked about, and that are paid for. */
  readonly sequences: (row: Row) => readonly EncodedSequence[];
  /** Those that a gradient is taken through. */
  readonly learned: (row: Row) => readonly EncodedSequence[];
  /** The examples in a row, as costs count them. */
  readonly examples: (row: Row) => number;
  /** The rows of tokens that a batch has for each row. */
  readonly sides: number;
  /** The tokens of the longest of them, without padding. */
  readonly lengthOf: (row: Row) => number;
  /** Rows as a batch. */
  readonly batch: (rows: readonly Row[], padding: Padding) => B;
  /** Rows as a batch, with the scores of their sequences. */
  readonly scored: (rows: readonly Row[], padding: Padding, scores: Scores) => S;
}

/** Sequences as a batch with their scores. */
function scoredBatch(
  rows: readonly EncodedSequence[],
  padding: Padding,
  scores: Scores,
): ScoredDemonstrations {
  return {
    ...toBatch(rows, padding),
    referenceLogProbs: scoresOf(rows, scores, padding),
  };
}

/** The tokens of the longest of some sequences. */
const lengthOfAll = (sequences: readonly EncodedSequence[]): number =>
  longest(sequences, ({ ids }) => ids.length);

/** Right answers. */
export const demonstrationForm: RowForm<EncodedSequence, Demonstrations, ScoredDemonstrations> = {
  sequences: (row) => [row],
  learned: (row) => [row],
  examples: () => 1,
  sides: 1,
  lengthOf: ({ ids }) => ids.length,
  batch: toBatch,
  scored: scoredBatch,
};

/** Both sides of a pair. */
const sides = ({ chosen, rejected }: EncodedPair) => [chosen, rejected];

/** A preferred answer and another one. */
export const pairForm: RowForm<EncodedPair, Pairs, ScoredPairs> = {
  sequences: sides,
  learned: sides,
  examples: () => 1,
  sides: 2,
  lengthOf: (pair) => lengthOfAll(sides(pair)),
  batch: (pairs, padding) => ({
    chosen: toBatch(pairs.map(({ chosen }) => chosen), padding),
    rejected: toBatch(pairs.map(({ rejected }) => rejected), padding),
  }),
  scored: (pairs, padding, scores) => ({
    chosen: scoredBatch(pairs.map(({ chosen }) => chosen), padding, scores),
    rejected: scoredBatch(pairs.map(({ rejected }) => rejected), padding, scores),
  }),
};

/** The answers of a triple. */
const triples = ({ chosen, rejected, gold }: EncodedTriple) => [chosen, rejected, gold];

/** A preferred answer, another one, and a gold one. */
export const tripleForm: RowForm<EncodedTriple, Triples, ScoredTriples> = {
  sequences: triples,
  learned: triples,
  examples: () => 1,
  sides: 3,
  lengthOf: (triple) => lengthOfAll(triples(triple)),
  batch: (rows, padding) => ({
    ...pairForm.batch(rows, padding),
    gold: toBatch(rows.map(({ gold }) => gold), padding),
  }),
  scored: (rows, padding, scores) => ({
    ...pairForm.scored(rows, padding, scores),
    gold: scoredBatch(rows.map(({ gold }) => gold), padding, scores),
  }),
};

/** The labels of some rows, `[B]`; 0 for rows of padding. */
function labelTensor(rows: readonly MatchedLabel[], { size = rows.length }: Padding): Tensor {
  return tensor(Float32Array.from({ length: size }, (_, i) => Number(rows[i]?.label ?? false)));
}

/** Answers with labels, and the same prompts with other answers. */
export const labelForm: RowForm<MatchedLabel, LabelledAnswers, ScoredLabelledAnswers> = {
  sequences: ({ sequence, mismatched }) => [sequence, mismatched],
  learned: ({ sequence }) => [sequence],
  examples: () => 1,
  sides: 2,
  lengthOf: ({ sequence, mismatched }) => lengthOfAll([sequence, mismatched]),
  batch: (rows, padding) => ({
    ...toBatch(rows.map(({ sequence }) => sequence), padding),
    labels: labelTensor(rows, padding),
    mismatched: toBatch(rows.map(({ mismatched }) => mismatched), padding),
  }),
  scored: (rows, padding, scores) => ({
    ...scoredBatch(rows.map(({ sequence }) => sequence), padding, scores),
    labels: labelTensor(rows, padding),
    mismatched: scoredBatch(rows.map(({ mismatched }) => mismatched), padding, scores),
  }),
};

/** Answers in steps as a batch. */
function stepBatch(rows: readonly EncodedSteps[], padding: Padding): LabelledSteps {
  const right = rows.map(({ ids, labels }) => ({ ids, mask: labels }));
  return { ...toBatch(rows, padding), labels: toBatch(right, padding).mask };
}

/** Answers in steps with labels. */
export const stepForm: RowForm<
  EncodedSteps,
  LabelledSteps,
  LabelledSteps & ScoredDemonstrations
> = {
  sequences: (row) => [row],
  examples: () => 1,
  learned: (row) => [row],
  sides: 1,
  lengthOf: ({ ids }) => ids.length,
  batch: stepBatch,
  scored: (rows, padding, scores) => ({
    ...stepBatch(rows, padding),
    referenceLogProbs: scoresOf(rows, scores, padding),
  }),
};

/**
 * The length of the longest row of a form with its padding, in tokens.
 *
 * @param rows The rows.
 * @param form How they are read.
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function formLength<Row>(
  rows: Iterable<Row>,
  { lengthOf }: Pick<RowForm<Row, unknown, unknown>, "lengthOf">,
  context: number,
): number {
  return paddedTo(longest(rows, lengthOf), context);
}
