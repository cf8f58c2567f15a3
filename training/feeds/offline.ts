/**
 * Batches of data that was there before the training: answers, pairs and labels, scored beforehand
 * by the model that the stage starts from, where the objective compares with it.
 *
 * @module
 */

import { type Device, type None, tensor } from "@unitune/core";
import type { EncodedSequence, LanguageModel, Tokenizer } from "@unitune/models";
import type {
  ObjectiveDescription,
  ScoredDemonstrations,
  ScoredLabelledAnswers,
  ScoredPairs,
} from "@unitune/objectives";
import { answerLimit } from "../answers.ts";
import { inRandomOrder, paddedLength, type RowSource, toBatch } from "../batches.ts";
import { type Cost, noCost, tokensOf } from "../cost.ts";
import { fitOne, fitRows, isSameSequence } from "../data/fit.ts";
import { UserError } from "../errors.ts";
import type { Feed } from "./feed.ts";
import { longest } from "../longest.ts";
import { message, setting, type UserMessage } from "../message.ts";
import type { Models } from "../models.ts";
import { createSampler } from "../sampler.ts";
import { createScorer, type Scores, scoresOf } from "../scorer.ts";
import type { EncodedLabel, EncodedPair, PairCandidate } from "../data/examples.ts";

/** How rows become batches. */
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
  /** Where to compute. */
  readonly device: Device;
}

/** How rows of one kind are read: the sequences in them, and the batch that they make. */
interface RowForm<Row, B> {
  /** Those that a reference scores, and that are paid for. */
  readonly sequences: (row: Row) => readonly EncodedSequence[];
  /** Those that a gradient is taken through. */
  readonly learned: (row: Row) => readonly EncodedSequence[];
  readonly batch: (rows: readonly Row[], options: BatchOptions) => B;
}

/** How sequences become a batch. */
export interface BatchOptions {
  /** The tokens of a row. */
  readonly length: number;
  /** The id that pads. */
  readonly padding: number;
  /** What a reference says of the sequences, where the objective reads it. */
  readonly scores: Scores | undefined;
}

/** Sequences as a batch with their scores. */
function scoredBatch(
  rows: readonly EncodedSequence[],
  { length, padding, scores }: BatchOptions,
): ScoredDemonstrations {
  return {
    ...toBatch(rows, { length, padding }),
    referenceLogProbs: scoresOf(rows, scores, length),
  };
}

/** Whether an objective reads a reference's log-probabilities. */
export function needsReference({ data }: Pick<ObjectiveDescription, "data">): boolean {
  return data.includes("reference log-probs");
}

/**
 * Rows in the order of a source as micro-batches. Where the objective needs it, all that the stage
 * will read is scored first.
 */
async function offlineFeed<Row, B>(
  source: RowSource<Row>,
  form: RowForm<Row, B>,
  description: ObjectiveDescription,
  { batchSize, microBatches, steps, padding }: Layout,
  { model, start, device }: Reference,
): Promise<Feed<unknown, B, None>> {
  const { length } = source;
  const passes = description.forwardPasses / description.sequences;
  let scores: Scores | undefined;
  let setUp: Cost = noCost;
  if (needsReference(description)) {
    const sequences = sequencesOf(source, form.sequences, steps * microBatches * batchSize);
    using scorer = createScorer(model, device);
    scores = await scorer.scoreAll(start.policy, sequences, { length, padding });
    setUp = { ...noCost, forwardTokens: tokensOf(sequences) };
  }
  return {
    empty: {},
    setUp,
    notes: [],
    epoch: (done) => source.epoch(done * microBatches * batchSize),
    next: (_params, experience, index) => {
      const batches = Array.from({ length: microBatches }, (_, part) => {
        const first = (index * microBatches + part) * batchSize;
        return Array.from({ length: batchSize }, (_, i) => source.row(first + i));
      });
      const rows = batches.flat();
      return Promise.resolve({
        batches: batches.map((own) => form.batch(own, { length, padding, scores })),
        experience,
        metrics: {},
        samples: [],
        cost: {
          examples: rows.length,
          forwardTokens: passes * tokensOf(rows.flatMap(form.sequences)),
          backwardTokens: tokensOf(rows.flatMap(form.learned)),
        },
      });
    },
    [Symbol.dispose]: () => {},
  };
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

/**
 * Right answers.
 *
 * @param source The rows.
 * @param description What the objective says of itself.
 * @param layout How rows become batches.
 * @param reference What scores them.
 * @returns The feed.
 */
export function demonstrationFeed(
  source: RowSource<EncodedSequence>,
  description: ObjectiveDescription,
  layout: Layout,
  reference: Reference,
): Promise<Feed<unknown, ScoredDemonstrations, None>> {
  const form = {
    sequences: (row: EncodedSequence) => [row],
    learned: (row: EncodedSequence) => [row],
    batch: scoredBatch,
  };
  return offlineFeed(source, form, description, layout, reference);
}

/** Both sides of a pair. */
const sides = ({ chosen, rejected }: EncodedPair) => [chosen, rejected];

/**
 * Pairs as a batch.
 *
 * @param pairs The pairs.
 * @param options The tokens of a row, the id that pads, and the scores of the sequences.
 * @returns Both sides.
 */
export function pairBatch(pairs: readonly EncodedPair[], options: BatchOptions): ScoredPairs {
  return {
    chosen: scoredBatch(pairs.map(({ chosen }) => chosen), options),
    rejected: scoredBatch(pairs.map(({ rejected }) => rejected), options),
  };
}

/**
 * The tokens that all pairs are padded to.
 *
 * @param pairs Pairs.
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function pairLength(pairs: readonly EncodedPair[], context: number): number {
  return paddedLength(pairs.flatMap(sides), context);
}

/**
 * Pairs.
 *
 * @param pairs The pairs.
 * @param seed The stage's seed.
 * @param description What the objective says of itself.
 * @param layout How rows become batches.
 * @param reference What scores them.
 * @returns The feed.
 */
export function pairFeed(
  pairs: readonly EncodedPair[],
  seed: number,
  description: ObjectiveDescription,
  layout: Layout,
  reference: Reference,
): Promise<Feed<unknown, ScoredPairs, None>> {
  const source = inRandomOrder(pairs, seed, pairLength(pairs, reference.model.config.context));
  const form = { sequences: sides, learned: sides, batch: pairBatch };
  return offlineFeed(source, form, description, layout, reference);
}

/** An answer with a label, and the same prompt with another prompt's answer. */
interface MatchedLabel extends EncodedLabel {
  readonly mismatched: EncodedSequence;
}

/** The prompt's tokens of an answer, as a text by which prompts are told apart. */
function promptKey({ sequence: { ids, mask } }: EncodedLabel): string {
  return ids.slice(0, mask.indexOf(true)).join();
}

/**
 * For each answer one to another prompt, by number. The answers to a prompt are given those to the
 * prompts after it, in turn; so the two answers of a pair get the two of the next one.
 *
 * @param answers The answers.
 * @returns The numbers of the other answers.
 * @throws {UserError} Where all answers are to one prompt.
 *
 * @example
 * ```ts
 * import { mismatchedAnswers } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = (prompt: number) => ({
 *   sequence: { ids: [prompt, 7], mask: [false, true] },
 *   label: true,
 * });
 * assertEquals(mismatchedAnswers([answer(1), answer(1), answer(2), answer(2)]), [2, 3, 0, 1]);
 * ```
 */
export function mismatchedAnswers(answers: readonly EncodedLabel[]): readonly number[] {
  const numbers = answers.map((_, i) => i);
  const byPrompt = [...Map.groupBy(numbers, (i) => promptKey(answers[i] ?? never())).values()];
  if (byPrompt.length < 2) {
    throw new UserError(
      `kto compares answers with answers to other prompts, and all ${answers.length} answers are ` +
        `to one prompt: add rows with other prompts`,
    );
  }
  const inTurn = byPrompt.flat();
  const others = new Array<number>(answers.length);
  let end = 0;
  for (const own of byPrompt) {
    end += own.length;
    const foreign = answers.length - own.length;
    own.forEach((number, i) => {
      others[number] = inTurn[(end + i % foreign) % answers.length] ?? never();
    });
  }
  return others;
}

function never(): never {
  throw new RangeError("an answer that is none");
}

/** A prompt with the answer to another one. */
function mismatch(
  { sequence: { ids, mask } }: EncodedLabel,
  { sequence: other }: EncodedLabel,
): EncodedSequence {
  const own = mask.indexOf(true);
  const answer = other.ids.slice(other.mask.indexOf(true));
  return {
    ids: [...ids.slice(0, own), ...answer],
    mask: [...ids.slice(0, own).map(() => false), ...answer.map(() => true)],
  };
}

/**
 * Answers with labels. Each is mismatched with an answer to another prompt, whatever the batch. A
 * mismatched answer that does not fit behind the prompt is cut at its end, which the notes tell.
 *
 * @param answers The answers; to two prompts at least.
 * @param seed The stage's seed.
 * @param description What the objective says of itself.
 * @param layout How rows become batches.
 * @param reference What scores them.
 * @returns The feed.
 * @throws {UserError} Where all answers are to one prompt.
 */
export async function labelFeed(
  answers: readonly EncodedLabel[],
  seed: number,
  description: ObjectiveDescription,
  layout: Layout,
  reference: Reference,
): Promise<Feed<unknown, ScoredLabelledAnswers, None>> {
  const { context } = reference.model.config;
  const others = mismatchedAnswers(answers);
  const couples = answers.map((row, i) => ({ row, other: answers[others[i] ?? -1] ?? never() }));
  const fitted = fitRows(couples, context, ({ row, other }) => {
    const { made, ...fit } = fitOne(mismatch(row, other), context);
    return { ...fit, made: "skipped" in made ? made : { row: { ...row, mismatched: made.row } } };
  });
  const matched: readonly MatchedLabel[] = fitted.rows;
  const length = paddedLength(
    matched.flatMap(({ sequence, mismatched }) => [sequence, mismatched]),
    context,
  );
  const form: RowForm<MatchedLabel, ScoredLabelledAnswers> = {
    sequences: ({ sequence, mismatched }) => [sequence, mismatched],
    learned: ({ sequence }) => [sequence],
    batch: (rows, options) => ({
      ...scoredBatch(rows.map(({ sequence }) => sequence), options),
      labels: tensor(rows.map(({ label }) => Number(label))),
      mismatched: scoredBatch(rows.map(({ mismatched }) => mismatched), options),
    }),
  };
  const feed = await offlineFeed(
    inRandomOrder(matched, seed, length),
    form,
    description,
    layout,
    reference,
  );
  const { truncated, total } = fitted;
  return {
    ...feed,
    notes: truncated === 0 ? [] : [
      `${truncated} of ${total} mismatched answers, those to other prompts, exceed the context of ` +
      `${context} tokens behind their prompt: they are cut at their end.`,
    ],
  };
}

/** Answers that a model is asked for at once. */
const ASKED = 256;

/** Pairs, and what it took to have them. */
export interface OwnPairs {
  /** The pairs. */
  readonly pairs: readonly EncodedPair[];
  /** What they have cost. */
  readonly cost: Cost;
  /** How many prompts give no pair, and why, for the user; nothing where each gives one. */
  readonly notes: readonly UserMessage[];
}

/**
 * Pairs whose rejected answers are there: those of the data, and where it has none, wrong answers of
 * the model's own. A prompt that the model answers rightly gives no pair. An answer that was cut off
 * has no stop token: the model has not said one.
 *
 * @param candidates The pairs, rejected answers missing.
 * @param needed How many are needed at most; of more candidates only so many are asked.
 * @param tokenizer The tokenizer.
 * @param seed The seed of the answers.
 * @param reference The model that answers.
 * @returns The pairs, what they have cost, and which prompts give none.
 * @throws {UserError} Where none is left.
 */
export async function withOwnAnswers(
  candidates: readonly PairCandidate[],
  needed: number,
  tokenizer: Tokenizer,
  seed: number,
  { model, start, device }: Reference,
): Promise<OwnPairs> {
  const known = candidates.flatMap(({ chosen, rejected }) =>
    rejected === undefined ? [] : [{ chosen, rejected }]
  );
  if (known.length === candidates.length) return { pairs: known, cost: noCost, notes: [] };
  using sampler = createSampler(model, tokenizer, device);
  const pairs: EncodedPair[] = [];
  let forwardTokens = 0;
  let [total, right, same] = [0, 0, 0];
  for (let first = 0; first < candidates.length && pairs.length < needed; first += ASKED) {
    const asked = candidates.slice(first, first + ASKED);
    total += asked.length;
    const longestAnswer = longest(
      asked,
      ({ prompt, chosen }) => chosen.ids.length - prompt.length,
    );
    const answers = await sampler.sample(start.policy, asked.map(({ prompt }) => prompt), {
      maxNewTokens: answerLimit(longestAnswer),
      temperature: 1,
      seed,
      firstRow: first,
    });
    asked.forEach(({ prompt, chosen, isRight }, i) => {
      const given = answers[i] ?? never();
      forwardTokens += prompt.length + given.ids.length - Number(given.isEnded);
      if (given.isText && isRight(given.text)) {
        right += 1;
        return;
      }
      const ids = [...prompt, ...given.ids];
      const rejected = { ids, mask: ids.map((_, t) => t >= prompt.length) };
      // A preferred answer that was cut, or is wrong itself, may be what the model says.
      if (isSameSequence(chosen, rejected)) same += 1;
      else pairs.push({ chosen, rejected });
    });
  }
  if (pairs.length === 0) {
    throw new UserError(
      "the model gives no wrong answer to any prompt: there is nothing for it to reject",
    );
  }
  return { pairs, cost: { ...noCost, forwardTokens }, notes: noteOfLost({ total, right, same }) };
}

/** What is told of prompts that give no pair. */
function noteOfLost(
  { total, right, same }: {
    readonly total: number;
    readonly right: number;
    readonly same: number;
  },
): readonly string[] {
  const why = [
    ...(right > 0 ? [`the model answers ${right} rightly`] : []),
    ...(same > 0 ? [`it gives the preferred answer itself to ${same}`] : []),
  ];
  return why.length === 0
    ? []
    : [`${right + same} of ${total} prompts give no pair: ${why.join(", and ")}.`];
}
