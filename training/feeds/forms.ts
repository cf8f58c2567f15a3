/**
 * Forms of rows, one for each kind of data: the sequences in a row, and the batch of some rows.
 *
 * @module
 */

import { tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import type {
  Demonstrations,
  LabelledAnswers,
  Pairs,
  ScoredDemonstrations,
  ScoredLabelledAnswers,
  ScoredPairs,
} from "@unitune/objectives";
import { paddedTo, toBatch } from "../data/batches.ts";
import type { EncodedPair } from "../data/examples.ts";
import type { MatchedLabel } from "../data/mismatched.ts";
import { longest } from "../longest.ts";
import { type Scores, scoresOf } from "../sampling/scorer.ts";

/** The padding of the sequences of a batch. */
export interface Padding {
  /** The tokens of a row. */
  readonly length: number;
  /** The id that pads. */
  readonly padding: number;
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
    referenceLogProbs: scoresOf(rows, scores, padding.length),
  };
}

/** Right answers. */
export const demonstrationForm: RowForm<EncodedSequence, Demonstrations, ScoredDemonstrations> = {
  sequences: (row) => [row],
  learned: (row) => [row],
  batch: toBatch,
  scored: scoredBatch,
};

/** Both sides of a pair. */
const sides = ({ chosen, rejected }: EncodedPair) => [chosen, rejected];

/** A preferred answer and another one. */
export const pairForm: RowForm<EncodedPair, Pairs, ScoredPairs> = {
  sequences: sides,
  learned: sides,
  batch: (pairs, padding) => ({
    chosen: toBatch(pairs.map(({ chosen }) => chosen), padding),
    rejected: toBatch(pairs.map(({ rejected }) => rejected), padding),
  }),
  scored: (pairs, padding, scores) => ({
    chosen: scoredBatch(pairs.map(({ chosen }) => chosen), padding, scores),
    rejected: scoredBatch(pairs.map(({ rejected }) => rejected), padding, scores),
  }),
};

/** Answers with labels, and the same prompts with other answers. */
export const labelForm: RowForm<MatchedLabel, LabelledAnswers, ScoredLabelledAnswers> = {
  sequences: ({ sequence, mismatched }) => [sequence, mismatched],
  learned: ({ sequence }) => [sequence],
  batch: (rows, padding) => ({
    ...toBatch(rows.map(({ sequence }) => sequence), padding),
    labels: tensor(rows.map(({ label }) => Number(label))),
    mismatched: toBatch(rows.map(({ mismatched }) => mismatched), padding),
  }),
  scored: (rows, padding, scores) => ({
    ...scoredBatch(rows.map(({ sequence }) => sequence), padding, scores),
    labels: tensor(rows.map(({ label }) => Number(label))),
    mismatched: scoredBatch(rows.map(({ mismatched }) => mismatched), padding, scores),
  }),
};

/**
 * The tokens that all rows of a form are padded to.
 *
 * @param rows The rows.
 * @param form How they are read.
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function formLength<Row>(
  rows: Iterable<Row>,
  { sequences }: Pick<RowForm<Row, unknown, unknown>, "sequences">,
  context: number,
): number {
  return paddedTo(
    longest(rows, (row) => longest(sequences(row), ({ ids }) => ids.length)),
    context,
  );
}
