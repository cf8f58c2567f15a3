/**
 * Batches of data that was there before the training, scored beforehand by the model that the stage
 * starts from where the objective reads that.
 *
 * @module
 */

import type { Device, None } from "@unitune/core";
import type { EncodedSequence, LanguageModel } from "@unitune/models";
import type { ObjectiveDescription } from "@unitune/objectives";
import { gatherArrays } from "../collective/arrays.ts";
import { alone, type Collective } from "../collective/collective.ts";
import { shareOf, type Sharing } from "../collective/shares.ts";
import { rangeOf } from "../collective/vector.ts";
import type { RowSource } from "../data/batches.ts";
import { lengthClasses } from "../data/lengths.ts";
import { type Cost, noCost, tokensOf } from "../learner/cost.ts";
import { UserError } from "../text/errors.ts";
import { message, setting } from "../text/message.ts";
import type { Models } from "../learner/models.ts";
import { EVALUATION_ROWS } from "../limits.ts";
import { createScorer, type Scores, type TokenScorer } from "../sampling/scorer.ts";
import { type Feed, paddingShare } from "./feed.ts";
import type { Padding, RowForm } from "./forms.ts";
import { microBatches } from "./micro_batches.ts";

/** The sizes of batches and steps. */
export interface Layout {
  /** Rows of a micro-batch. */
  readonly batchSize: number;
  /** Micro-batches of a step. */
  readonly microBatches: number;
  /** The most tokens of a micro-batch, by which the same rows of a step are cut (default: none). */
  readonly batchTokens?: number;
  /** Steps of the stage. */
  readonly steps: number;
  /** The id that pads. */
  readonly padding: number;
  /** The tokens of the vocabulary, where the token head is trained. */
  readonly vocabulary?: number;
  /** How steps are shared out among processes (default: one process computes them). */
  readonly sharing?: Sharing;
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
  /** Texts that end answers that are sampled, beside the tokenizer's stop tokens (default none). */
  readonly stopStrings?: readonly string[];
  /** The processes that train together (default: this one alone). */
  readonly collective?: Collective;
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
  /** The scores of the sequences of a row, in their order, by the place of the row in the data. */
  readonly scores: ReadonlyMap<number, readonly Float32Array[]>;
  /** The cost of the scores. */
  readonly cost: Cost;
}

/** Makes a batch of some rows, which are at some places in the data. */
export type BatchMaker<Row, B> = (
  rows: readonly Row[],
  places: readonly number[],
  padding: Padding,
) => B;

/**
 * Rows in the order of a source as micro-batches, each padded to the class of its longest row.
 *
 * @param source The rows.
 * @param form How they are read.
 * @param batch Makes a batch of some rows, which are at some places in the data.
 * @param description What the objective says of itself.
 * @param layout How many rows make a batch, and how many batches a step.
 * @param followed Makes a batch by the parameters of a reference that follows the policy, in place of
 * `batch`, with one more pass over its rows (default: the batches of all steps are as `batch` makes
 * them).
 * @returns The feed.
 */
export function offlineFeed<Row, B>(
  source: RowSource<Row>,
  { sequences, learned, examples, sides, lengthOf }: Omit<
    RowForm<Row, unknown, unknown>,
    "batch" | "scored"
  >,
  batch: BatchMaker<Row, B>,
  { forwardPasses, sequences: perRow }: ObjectiveDescription,
  { batchSize, microBatches: parts, batchTokens, padding, vocabulary, sharing = alone }: Layout,
  followed?: (rows: readonly Row[], padding: Padding, reference: unknown) => Promise<B>,
): Feed<B, None> {
  const passes = forwardPasses / perRow + Number(followed !== undefined);
  const cut = {
    classes: lengthClasses(source.length),
    batchSize,
    // A row may be several rows of tokens.
    ...batchTokens !== undefined && { batchTokens: Math.floor(batchTokens / sides) },
  };
  const each = parts * batchSize;
  return {
    empty: {},
    setUp: noCost,
    notes: [],
    epoch: (done) => source.epoch(done * each),
    // The rows of the first step, as if they were all as long as the longest.
    outline: () => {
      const whole = microBatches(new Array<number>(each).fill(source.length), cut);
      const { batches } = shareOf(whole, sharing);
      // A step of few tokens may have no micro-batch for this process, and the next one has.
      return (batches.length > 0 ? batches : whole.slice(0, 1)).map(({ rows, length, size }) =>
        batch(rows.map(source.row), rows.map(source.place), { length, size, padding })
      );
    },
    next: async (_params, experience, index, reference) => {
      const numbers = Array.from({ length: each }, (_, i) => index * each + i);
      const given = numbers.map((number) => ({
        row: source.row(number),
        place: source.place(number),
      }));
      const batches = microBatches(given.map(({ row }) => lengthOf(row)), cut);
      const share = shareOf(batches, sharing);
      const rows = given.map(({ row }) => row);
      const tokens = tokensOf(rows.flatMap(sequences));
      const slots = batches.reduce((total, { length, size }) => total + length * size * sides, 0);
      const made = share.batches.map(({ rows, length, size }) => {
        const own = rows.flatMap((i) => given[i] ?? []);
        const ownRows = own.map(({ row }) => row);
        const layout = {
          ...{ length, size, padding },
          ...vocabulary !== undefined && { vocabulary },
        };
        return followed === undefined
          ? batch(ownRows, own.map(({ place }) => place), layout)
          : followed(ownRows, layout, reference);
      });
      return {
        first: share.first,
        batches: await Promise.all(made),
        experience,
        metrics: paddingShare(tokens, slots),
        samples: [],
        cost: {
          examples: rows.reduce((total, row) => total + examples(row), 0),
          forwardTokens: passes * tokens,
          backwardTokens: tokensOf(rows.flatMap(learned)),
        },
      };
    },
    [Symbol.dispose]: () => {},
  };
}

/**
 * Scores all that a stage will read, under the policy that it starts from. Each process scores a part,
 * and tells the others.
 *
 * @param source The rows.
 * @param form The sequences of a row that are scored.
 * @param layout How many rows the stage reads, and the id that pads.
 * @param reference The model that scores.
 * @returns The scores, and what they have cost.
 * @throws {UserError} Where there are more tokens than memory.
 */
export async function scoreRows<Row>(
  source: RowSource<Row>,
  form: ScoredForm<Row>,
  layout: ScoredLayout,
  reference: Reference,
): Promise<ScoredRows> {
  const scorer = createScorer(reference.model, reference.device);
  try {
    return await scoreRowsBy(scorer, source, form, layout, reference);
  } finally {
    scorer[Symbol.dispose]();
  }
}

/** The sequences of a row that are scored. */
export type ScoredForm<Row> = Pick<RowForm<Row, unknown, unknown>, "sequences" | "sides">;

/** The rows that are scored, and how they are padded. */
export type ScoredLayout = Pick<
  Layout,
  "batchSize" | "microBatches" | "steps" | "padding" | "vocabulary"
>;

/**
 * The same by a scorer that is there.
 *
 * @param scorer Scores tokens under the policy's model.
 * @param source The rows.
 * @param form The sequences of a row that are scored.
 * @param layout How many rows are read, and the id that pads.
 * @param reference The policy that scores.
 * @returns The scores, and what they have cost.
 * @throws {UserError} Where there are more tokens than memory.
 */
export async function scoreRowsBy<Row>(
  scorer: TokenScorer<unknown>,
  source: RowSource<Row>,
  { sequences, sides }: ScoredForm<Row>,
  { batchSize, microBatches, steps, padding, vocabulary }: ScoredLayout,
  { start, rows = EVALUATION_ROWS, collective = alone }: Omit<Reference, "model" | "device">,
): Promise<ScoredRows> {
  const numbers = distinctRows(source, sides, steps * microBatches * batchSize);
  const { from, to } = rangeOf(numbers.length, collective.rank, collective.size);
  const handedOut = function* () {
    for (const number of numbers.slice(from, to)) yield* sequences(source.row(number));
  };
  const scored: Float32Array[] = [];
  const layout = {
    ...{ length: source.length, padding, rows },
    ...vocabulary !== undefined && { vocabulary },
  };
  for await (const values of scorer.scoreEach(start.policy, handedOut(), layout)) {
    scored.push(values);
  }
  const all = (await gatherArrays(collective, scored)).values();
  const scores = new Map<number, Float32Array[]>();
  let forwardTokens = 0;
  for (const number of numbers) {
    const own = sequences(source.row(number));
    scores.set(source.place(number), own.map(() => all.next().value ?? never()));
    forwardTokens += tokensOf(own);
  }
  return { scores, cost: { ...noCost, forwardTokens } };
}

/**
 * The scores of the rows of a batch, by sequence.
 *
 * @param rows The rows.
 * @param places Their places in the data.
 * @param sequences The sequences of a row that were scored.
 * @param scores The scores of all rows.
 * @returns The scores of the sequences that have some.
 */
export function scoresAt<Row>(
  rows: readonly Row[],
  places: readonly number[],
  sequences: (row: Row) => readonly EncodedSequence[],
  scores: ScoredRows["scores"],
): Scores {
  return new Map(rows.flatMap((row, i) => {
    const own = scores.get(places[i] ?? NaN) ?? [];
    return sequences(row).flatMap((sequence, side) => {
      const values = own[side];
      return values === undefined ? [] : [[sequence, values] as const];
    });
  }));
}

/**
 * Makes batches of which only the shapes are of account.
 *
 * @param form How rows are read.
 * @returns The function that makes them, with a score of 0 for each token.
 */
export function outlinedBy<Row, S>(
  { scored, sequences }: Pick<RowForm<Row, unknown, S>, "scored" | "sequences">,
): BatchMaker<Row, S> {
  return (rows, _places, padding) => {
    const own = rows.flatMap(sequences);
    return scored(rows, padding, new Map(own.map((x) => [x, new Float32Array(x.ids.length)])));
  };
}

/** Tokens that a reference scores beforehand at most: a number of each is kept. */
const MOST_SCORED = 2 ** 28;

/**
 * The numbers of the distinct rows among the first ones of a source.
 *
 * @throws {UserError} Where their sequences have more tokens than memory holds scores.
 */
function distinctRows<Row>(
  source: RowSource<Row>,
  sides: number,
  rows: number,
): readonly number[] {
  const each = sides * source.length;
  const known = new Set<number>();
  const numbers: number[] = [];
  for (let number = 0; number < rows && known.size < source.places; number++) {
    const place = source.place(number);
    if (known.has(place)) continue;
    known.add(place);
    numbers.push(number);
    if (numbers.length * each > MOST_SCORED) {
      throw new UserError(
        message(
          `the first model has to score every row beforehand, and ${rows} rows of ` +
            `${source.length} tokens are more than there is memory for: take fewer `,
          setting("steps"),
        ),
      );
    }
  }
  return numbers;
}

function never(): never {
  throw new RangeError("a sequence that was handed out has no scores");
}
