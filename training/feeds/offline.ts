/**
 * Batches of data that was there before the training, scored beforehand by the model that the stage
 * starts from where the objective reads that.
 *
 * @module
 */

import type { Device, None } from "@unitune/core";
import type { EncodedSequence, LanguageModel } from "@unitune/models";
import type { ObjectiveDescription } from "@unitune/objectives";
import type { RowSource } from "../data/batches.ts";
import { type Cost, noCost, tokensOf } from "../learner/cost.ts";
import { UserError } from "../text/errors.ts";
import { message, setting } from "../text/message.ts";
import type { Models } from "../learner/models.ts";
import { EVALUATION_ROWS } from "../limits.ts";
import { createScorer, type Scores } from "../sampling/scorer.ts";
import type { Feed } from "./feed.ts";
import type { Padding, RowForm } from "./forms.ts";

/** The sizes of batches and steps. */
export interface Layout {
  /** Rows of a micro-batch. */
  readonly batchSize: number;
  /** Micro-batches of a step. */
  readonly microBatches: number;
  /** Steps of the stage. */
  readonly steps: number;
  /** The id that pads. */
  readonly padding: number;
}

/** The models before a stage, by which rows are scored. */
export interface Reference {
  /** The language model whose parameters they are. */
  readonly model: LanguageModel;
  /** The parameters before the stage. */
  readonly start: Models;
  /** The device to compute on. */
  readonly device: Device;
  /** The sequences that it scores at once (default 64). */
  readonly rows?: number;
}

/**
 * The log-probabilities of sequences under the policy before the stage.
 *
 * @param reference The policy.
 * @param sequences The sequences.
 * @param padding Their length, and the id that pads.
 * @returns The scores by sequence.
 */
export async function scoreAll(
  { model, start, device, rows = EVALUATION_ROWS }: Reference,
  sequences: readonly EncodedSequence[],
  padding: Padding,
): Promise<Scores> {
  const scorer = createScorer(model, device);
  try {
    return await scorer.scoreAll(start.policy, sequences, { ...padding, rows });
  } finally {
    scorer[Symbol.dispose]();
  }
}

/** The scores of rows, and what they have cost. */
export interface ScoredRows {
  /** The scores by sequence. */
  readonly scores: Scores;
  /** The cost of the scores. */
  readonly cost: Cost;
}

/**
 * Rows in the order of a source as micro-batches.
 *
 * @param source The rows.
 * @param form How they are read.
 * @param batch Makes a batch of some rows.
 * @param description What the objective says of itself.
 * @param layout How many rows make a batch, and how many batches a step.
 * @returns The feed.
 */
export function offlineFeed<Row, B>(
  source: RowSource<Row>,
  { sequences, learned }: Pick<RowForm<Row, unknown, unknown>, "sequences" | "learned">,
  batch: (rows: readonly Row[]) => B,
  { forwardPasses, sequences: perRow }: ObjectiveDescription,
  { batchSize, microBatches }: Layout,
): Feed<B, None> {
  const passes = forwardPasses / perRow;
  return {
    empty: {},
    setUp: noCost,
    notes: [],
    epoch: (done) => source.epoch(done * microBatches * batchSize),
    next: (_params, experience, index) => {
      const parts = Array.from({ length: microBatches }, (_, part) => {
        const first = (index * microBatches + part) * batchSize;
        return Array.from({ length: batchSize }, (_, i) => source.row(first + i));
      });
      const rows = parts.flat();
      return Promise.resolve({
        batches: parts.map(batch),
        experience,
        metrics: {},
        samples: [],
        cost: {
          examples: rows.length,
          forwardTokens: passes * tokensOf(rows.flatMap(sequences)),
          backwardTokens: tokensOf(rows.flatMap(learned)),
        },
      });
    },
    [Symbol.dispose]: () => {},
  };
}

/**
 * Scores all that a stage will read, under the policy that it starts from.
 *
 * @param source The rows.
 * @param sequences The sequences of a row that are scored.
 * @param layout How many rows the stage reads, and the id that pads.
 * @param reference The model that scores.
 * @returns The scores, and what they have cost.
 * @throws {UserError} Where there are more tokens than memory.
 */
export async function scoreRows<Row>(
  source: RowSource<Row>,
  sequences: (row: Row) => readonly EncodedSequence[],
  { batchSize, microBatches, steps, padding }: Layout,
  reference: Reference,
): Promise<ScoredRows> {
  const all = sequencesOf(source, sequences, steps * microBatches * batchSize);
  const scores = await scoreAll(reference, all, { length: source.length, padding });
  return { scores, cost: { ...noCost, forwardTokens: tokensOf(all) } };
}

/** Tokens that a reference scores beforehand at most: two lists of numbers of each are kept. */
const MOST_SCORED = 2 ** 28;

/** The distinct sequences of the first rows of a source, in the order in which they come. */
function sequencesOf<Row>(
  source: RowSource<Row>,
  of: (row: Row) => readonly EncodedSequence[],
  rows: number,
): readonly EncodedSequence[] {
  const sequences = new Set<EncodedSequence>();
  // Where the rows of a whole epoch are known, so are those of later ones.
  const epoch = Math.ceil(1 / source.epoch(1));
  for (let row = 0, latest = 0; row < rows && row - latest <= epoch; row++) {
    const before = sequences.size;
    for (const sequence of of(source.row(row))) sequences.add(sequence);
    if (sequences.size > before) latest = row;
    if (sequences.size * source.length > MOST_SCORED) {
      throw new UserError(
        message(
          `the first model has to score every row beforehand, and ${rows} rows of ` +
            `${source.length} tokens are more than there is memory for: take fewer `,
          setting("steps"),
        ),
      );
    }
  }
  return [...sequences];
}
