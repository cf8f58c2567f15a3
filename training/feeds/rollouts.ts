/**
 * Batches of answers that the policy itself gives: sampled on the device with a cache of keys and
 * values, judged, scored under the policy and its reference, and used for some steps.
 *
 * @module
 */

import { compile, dims, mapTree, sizeOf, type Tensor, tensor, zeros } from "@unitune/core";
import {
  decodeTree,
  encodeTree,
  generationBytes,
  geometricMixture,
  type LanguageModel,
  rewardModelOn,
  type ScoredParameters,
  type Tokenizer,
} from "@unitune/models";
import {
  type BatchElements,
  commonPrefix,
  type Demonstrations,
  type Guidance,
  type Guided,
  klEstimate,
  learnedPositions,
  modelOf,
  type Objective,
  packSamples,
  type PrefixOptions,
  type ReferenceScores,
  type RewardParts,
  type Rollouts,
  scored,
  scoreTokens,
  type ValueScores,
} from "@unitune/objectives";
import { alone } from "../collective/collective.ts";
import { gatherValues } from "../collective/plain.ts";
import { rangeOf } from "../collective/vector.ts";
import { inRandomOrder, toBatch } from "../data/batches.ts";
import { type Cost, noCost } from "../learner/cost.ts";
import type { Models, Teacher } from "../learner/models.ts";
import { longestRow } from "../data/fit.ts";
import type { RowTable } from "../data/table.ts";
import { randomStream, seedFrom } from "../random.ts";
import { longest } from "../longest.ts";
import {
  type AnswerReward,
  JUDGMENT,
  rewardModelReward,
  rewardsOf,
  type RewardTerm,
  type TextReward,
} from "../rewards/rewards.ts";
import { answeredPrompt } from "../sampling/answers.ts";
import {
  createAnswerSampler,
  createSampler,
  type SampledAnswer,
  type SamplingOptions,
} from "../sampling/sampler.ts";
import { createScorer } from "../sampling/scorer.ts";
import type { TrainablePolicy } from "../learner/trainee.ts";
import type { TrainingPrompt } from "../data/examples.ts";
import { type Feed, paddingShare, type RolloutSample } from "./feed.ts";
import {
  demonstratedAnswer,
  emptyPrivileged,
  givenTokens,
  isOfTeacher,
  type ModelAuthor,
  type PlannedAnswer,
  plannedAnswers,
  privilegedRows,
  resumedAnswer,
  startAfter,
  turnOf,
  type TurnStart,
} from "./guidance.ts";
import type { Reference } from "./offline.ts";
import { groupAt, groupScore, type GroupValue, movedGroups, replayOf } from "./replay.ts";

/**
 * A batch of rollouts, with values where the policy has a critic, what guides the answers, and each
 * reward by itself where the objective reads it so.
 */
export type RolloutBatch = AnswerBatch & PolicyScores;

/** A batch of rollouts without what the policy says of their tokens. */
export type AnswerBatch =
  & Omit<Rollouts, "oldLogProbs">
  & Guided
  & RewardParts;

/** What the policy that has sampled says of the tokens of answers. */
export type PolicyScores = Pick<Rollouts, "oldLogProbs"> & ValueScores;

/**
 * Answers that are used for some steps.
 *
 * @typeParam B A batch.
 */
export interface Experience<B> {
  /** A batch for each micro-batch of a step. */
  readonly batches: readonly B[];
  /** The metrics of their sampling: scalars by name. */
  readonly report: Readonly<Record<string, Tensor>>;
  /** The tokens of prompts and answers, a scalar. */
  readonly tokens: Tensor;
  /**
   * The place in the data behind them, where right answers take turns with answers of the policy: the
   * number of the next prompt, the numbers of failed prompts that wait, and -1 behind them, i32
   * `[1 + W]`.
   */
  readonly turns?: Tensor;
  /**
   * Groups that may come again: their rows as one batch, and the score and the tokens of each, `[K, 2]`
   * (default: none do).
   */
  readonly kept?: { readonly groups: B; readonly values: Tensor };
}

/** The sampling of answers, and their use. */
export interface RolloutPlan {
  /** The prompts. */
  readonly prompts: RowTable<TrainingPrompt>;
  /** The tokens of the longest prompt (default: as the prompts have them). */
  readonly longestPrompt?: number;
  /** The rewards of answers. */
  readonly rewards: readonly RewardTerm[];
  /** Answers to each prompt. */
  readonly groupSize: number;
  /** Answers of a micro-batch; a multiple of the size of a group. */
  readonly batchSize: number;
  /** Micro-batches of a step. */
  readonly microBatches: number;
  /** Steps on the same answers. */
  readonly epochs: number;
  /** Tokens of an answer at most, the stop token included. */
  readonly maxNewTokens: number;
  /** The temperature that answers are sampled at. */
  readonly temperature: number;
  /** The stage's seed. */
  readonly seed: number;
  /** Forward passes of a step over its batch. */
  readonly forwardPasses: number;
  /** The share of answers that a gradient is taken of. */
  readonly learnedShare: number;
  /** The right answers that batches hold (default: none). */
  readonly guidance?: Guidance;
  /** The tokens of the longest right answer, without the stop token (default 0). */
  readonly longestAnswer?: number;
  /**
   * The author of the answers of each group after the first: the policy, the one before the stage, or
   * a mixture of both, in whose logits the latter has a share (default: the policy).
   */
  readonly others?: OtherAnswers;
  /** Whether batches have each reward by itself (default no). */
  readonly hasParts?: boolean;
  /**
   * The number of groups that are kept, to take the places of groups that teach nothing (default: none
   * are).
   */
  readonly kept?: number;
}

/** The author of the answers of a group after the first, with all that it needs. */
export type OtherAnswers = "policy" | "reference" | { readonly referenceShare: number };

/**
 * The answers that grow at once, where a micro-batch has no more: so the cache does not grow with the
 * number of micro-batches.
 */
const PLACES = 64;

/** The streams of a stage's seed: sampled answers, the lengths of hints, turns, groups that come again. */
const [SAMPLING, HINTS, TURNS, REPLAY] = [7, 11, 13, 17] as const;

/** Stands in the place of a prompt that waits where there is none. */
const NO_PROMPT = -1;

/** The metric of a step: 1 if its answers are right ones of the data, 0 if the policy gave them. */
const GIVEN = "given_answers";

/** The metric of a step: the fraction of its groups that have come again. */
const REPLACED = "replayed_groups";

const sumOf = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0);

/** The parameters of the models that answer and score in a step. */
interface StepModels {
  /** The policy's, as they are then. */
  readonly policy: unknown;
  /** The reference's. */
  readonly reference: unknown;
}

/**
 * What models say of the tokens of a batch.
 *
 * @typeParam B The batch with it.
 */
export interface BatchScoring<B> extends Disposable {
  /** The batch with what is said of its tokens. */
  complete(batch: AnswerBatch, models: ScoringModels): B;
  /** A batch of zeros with zeros for it. */
  empty(batch: AnswerBatch, scores: PolicyScores): B;
  /** Its measures. */
  report(batches: readonly B[]): Promise<Readonly<Record<string, number>>>;
  /** The names of its measures. */
  readonly measures: readonly string[];
  /** Passes over the answers that it takes. */
  readonly passes: number;
}

/** The models that a batch may be scored by, and the way to read it. */
export interface ScoringModels {
  /** The scores of the policy that has sampled, in a pass over the answers. */
  scores(): PolicyScores;
  /** The parameters of the reference in this step. */
  readonly reference: unknown;
  /** What need not be computed. */
  readonly reading: AnswerReading;
}

/** The positions that a model has to predict at, and the tokens that it may read once. */
export type AnswerReading = Pick<Demonstrations, "learned" | "prefix">;

/** The tokens of the vocabulary, the size of a group, and the most tokens of a prompt and behind it. */
export type ReadingSizes = Omit<PrefixOptions, "rows"> & { readonly vocabulary: number };

/**
 * What a model need not compute of a batch of answers: predictions of the prompts where a head is
 * wide, and a prompt more than once a group.
 *
 * @param batch The answers.
 * @param sizes The sizes.
 * @returns The reading.
 */
export async function readingOf(
  { ids, mask }: Pick<AnswerBatch, "ids" | "mask">,
  sizes: ReadingSizes,
): Promise<AnswerReading> {
  const { B } = dims(mask, "B T");
  return readingOfElements({ ids: await ids.data(), mask: await mask.data() }, B, sizes);
}

function readingOfElements(
  batch: BatchElements,
  rows: number,
  { vocabulary, ...sizes }: ReadingSizes,
): AnswerReading {
  const learned = learnedPositions(batch.mask, { rows, vocabulary });
  const prefix = commonPrefix(batch, { rows, ...sizes });
  return { ...learned !== undefined && { learned }, ...prefix && { prefix } };
}

/** The reading of rows whose prompts and answers are as long as they may be. */
function longestReading(rows: number, length: number, sizes: ReadingSizes): AnswerReading {
  const isLearned = (t: number) => t >= sizes.longest && t <= sizes.longest + sizes.rest;
  const mask = Array.from({ length: rows * length }, (_, i) => Number(isLearned(i % length)));
  return readingOfElements({ ids: mask.map(() => 0), mask }, rows, sizes);
}

/** What no scoring measures. */
const unmeasured = {
  report: () => Promise.resolve({}),
  measures: [],
  [Symbol.dispose]: () => {},
} as const;

/**
 * Batches by themselves: for an objective that asks the policy in the step itself; see
 * {@linkcode onFreshAnswers}.
 */
export const fresh: BatchScoring<AnswerBatch> = {
  ...unmeasured,
  complete: (batch) => batch,
  empty: (batch) => batch,
  passes: 0,
};

/** Batches with what the policy that has sampled says of their tokens. */
export const unscored: BatchScoring<RolloutBatch> = {
  ...unmeasured,
  complete: (batch, { scores }) => ({ ...batch, ...scores() }),
  empty: (batch, scores) => ({ ...batch, ...scores }),
  passes: 1,
};

/**
 * Batches with the log-probabilities of the reference, and the divergence from it.
 *
 * @param reference The model, and where to compute.
 * @returns The scoring.
 */
export function scoredByReference(
  { model, device }: Pick<Reference, "model" | "device">,
): BatchScoring<RolloutBatch & ReferenceScores> {
  const scorer = createScorer(model, device);
  return {
    complete: (batch, { scores, reference, reading }) => ({
      ...batch,
      ...scores(),
      referenceLogProbs: scorer.score(reference, { ...batch, ...reading }),
    }),
    empty: (batch, scores) => ({
      ...batch,
      ...scores,
      referenceLogProbs: zeros(batch.ids.shape),
    }),
    report: async (batches) => ({ kl: await meanKl(batches) }),
    measures: ["kl"],
    passes: 2,
    [Symbol.dispose]: () => scorer[Symbol.dispose](),
  };
}

/**
 * An objective on answers that the policy has just given: it is asked in the step for the
 * log-probabilities by which it has sampled, in the pass that learns from them. Answers that are used
 * for one step need no pass of their own then.
 *
 * @param objective The objective.
 * @returns The objective on batches without these log-probabilities.
 */
export function onFreshAnswers<S extends AnswerBatch>(
  objective: Objective<S & Pick<Rollouts, "oldLogProbs">>,
): Objective<S> {
  return {
    ...objective,
    collect: (model, batch, context) =>
      objective.collect(model, { ...batch, oldLogProbs: scoreTokens(model, batch) }, context),
  };
}

/**
 * Answers to prompts, sampled anew every few steps by the policy as it is then. What is sampled
 * depends on the stage's seed, the number of the answer and the policy alone. Each process samples,
 * judges and scores the answers of its own micro-batches, and all of them know all answers.
 *
 * @param plan How answers are sampled and used.
 * @param policy The policy; its values are read where it has a critic.
 * @param tokenizer Its tokenizer.
 * @param reference The models before the stage, the reward model among them if there is one.
 * @param scoring What models say of the tokens of batches.
 * @returns The feed.
 */
export function rolloutFeed<B extends AnswerBatch>(
  plan: RolloutPlan,
  policy: LanguageModel & TrainablePolicy,
  tokenizer: Tokenizer,
  { model, start, device, collective = alone, stopStrings = [] }: Reference,
  scoring: BatchScoring<B>,
): Feed<B, Experience<B>> {
  const { batchSize, microBatches, groupSize, epochs, maxNewTokens } = plan;
  const { pad } = tokenizer;
  const { context, vocabulary } = model.config;
  const answers = batchSize * microBatches;
  const asked = answers / groupSize;
  const { longestPrompt = longest(plan.prompts, ({ ids }) => ids.length) } = plan;
  const { guidance, longestAnswer = 0, others = "policy" } = plan;
  const rowLength = (tokens: number) => Math.min(longestRow(context), Math.ceil(tokens / 8) * 8);
  const hasTeacher = isOfTeacher(guidance);
  // A right answer has its stop token as well.
  const known = guidance === undefined || hasTeacher ? 0 : longestAnswer + 1;
  // The most tokens that an answer is sampled behind: of a prompt, and of a hint where there are any.
  const longestStart = longestPrompt + (guidance?.kind === "hint" ? known : 0);
  const longestEnd = longestStart + Math.max(maxNewTokens, known);
  const length = rowLength(longestEnd);
  // The last token of an answer is predicted, and not read.
  const sizes = {
    ...{ vocabulary, groupSize, longest: Math.max(1, longestPrompt) },
    rest: Math.max(1, longestEnd - longestPrompt - 1),
  };
  const privilegedLayout = {
    length: rowLength(2 * longestPrompt + Math.max(known, maxNewTokens) + maxNewTokens),
    padding: pad,
    temperature: plan.temperature,
  };
  const source = inRandomOrder(plan.prompts, plan.seed, length);
  const seedOf = (stream: number) => seedFrom(randomStream(plan.seed, stream));
  const [samplingSeed, hintSeed, turnSeed] = [seedOf(SAMPLING), seedOf(HINTS), seedOf(TURNS)];
  const replaySeed = seedOf(REPLAY);
  const readsGiven = guidance !== undefined && guidance.kind !== "context";
  const hasTurns = guidance?.kind === "turns";
  // Before a turn less than the answers of a step wait, and it may fail all of its prompts.
  const mostWaiting = answers + asked;
  const judges = plan.rewards.map(({ reward }) => reward);
  const isJudged = judges.includes(rewardModelReward);

  /** The micro-batches of a process. */
  const partOf = (rank: number) => rangeOf(microBatches, rank, collective.size);
  const part = partOf(collective.rank);
  const [firstAnswer, endAnswer] = [part.from * batchSize, part.to * batchSize];

  const places = Math.max(batchSize, PLACES);
  const hasValues = policy.value !== undefined;
  const sampler = createSampler(policy, tokenizer, device, { stopStrings });
  const mixture = typeof others === "string" ? undefined : createAnswerSampler(
    geometricMixture(policy, { share: others.referenceShare }),
    tokenizer,
    device,
    { stopStrings },
  );
  const taught = hasTeacher ? teacherOf(start) : undefined;
  const teaching = taught === undefined ? undefined : {
    sampler: createAnswerSampler(taught.model, tokenizer, device, { stopStrings }),
    params: taught.params,
  };
  const rewarder = rewardModelOn(model);
  const judge = compile((params: ScoredParameters<unknown>, ids: Tensor, mask: Tensor) => {
    const context = { step: zeros([], "i32") };
    return scored.evaluate(modelOf(rewarder, params), { ids, mask }, context).evidence.scores;
  }, { device });

  /** The reward model's scores, where one of the rewards is its. */
  const judgments = async (given: readonly SampledAnswer[]): Promise<readonly number[]> => {
    if (!isJudged || start.rewardModel === undefined) return [];
    const rows = given.map(({ prompt, ids }) => answeredPrompt(prompt, ids));
    const { ids, mask } = toBatch(rows, { length, padding: pad });
    return Array.from(await judge(start.rewardModel, ids, mask).data());
  };

  /** The micro-batches of all processes. */
  const gatherBatches = async (own: readonly B[]): Promise<readonly B[]> => {
    if (collective.size === 1) return own;
    const all = await collective.allGather(await encodeTree(own));
    return all.flatMap((bytes, rank) => {
      const { from, to } = partOf(rank);
      return decodeTree(emptyBatches.slice(from, to), bytes);
    });
  };

  /** The models that answer, in the order in which their answers are numbered. */
  const authors = (
    { policy: params, reference }: StepModels,
  ): readonly { readonly author: ModelAuthor; readonly sample: Answering }[] => [
    { author: "policy", sample: (...asked) => sampler.sample(params, ...asked) },
    { author: "reference", sample: (...asked) => sampler.sample(reference, ...asked) },
    ...mixture === undefined ? [] : [{
      author: "mixture" as const,
      sample: (...asked: Parameters<Answering>) =>
        mixture.sample({ own: params, other: reference }, ...asked),
    }],
    ...teaching === undefined ? [] : [{
      author: "teacher" as const,
      sample: (...asked: Parameters<Answering>) =>
        teaching.sampler.sample(teaching.params, ...asked),
    }],
  ];

  /**
   * What models say behind the beginnings of this process's answers, by the number of the answer. A
   * draw is that of one process: the answers of a model are numbered among all of a collection.
   */
  const sampledBehind = async (
    models: StepModels,
    prompts: readonly TrainingPrompt[],
    planned: readonly PlannedAnswer[],
    number: number,
  ): Promise<ReadonlyMap<number, SampledAnswer>> => {
    const options = { maxNewTokens, temperature: plan.temperature, seed: samplingSeed, places };
    const said = new Map<number, SampledAnswer>();
    let firstRow = number * answers;
    for (const { author, sample } of authors(models)) {
      const all = planned.flatMap((answer, row) => answer.author === author ? [row] : []);
      const rows = all.filter((row) => row >= firstAnswer && row < endAnswer);
      const before = all.filter((row) => row < firstAnswer).length;
      const starts = rows.map((row) => [
        ...(prompts[row] ?? never()).ids,
        ...(planned[row] ?? never()).beginning,
      ]);
      const sampled = starts.length === 0 ? [] : await sample(starts, {
        ...options,
        firstRow: firstRow + before,
      });
      rows.forEach((row, i) => said.set(row, sampled[i] ?? never()));
      firstRow += all.length;
    }
    return said;
  };

  /** The place in the data where the `number`-th collection begins. */
  const startOf = async ({ turns }: Experience<B>, number: number): Promise<TurnStart> => {
    if (turns === undefined) return { next: number * asked, waiting: [] };
    const [next = NO_PROMPT, ...waiting] = await turns.data();
    return { next, waiting: waiting.filter((prompt) => prompt !== NO_PROMPT) };
  };

  /** The same as a tensor. */
  const startTensor = ({ next, waiting }: TurnStart): Tensor => {
    const places = Array.from({ length: mostWaiting }, (_, i) => waiting[i] ?? NO_PROMPT);
    return tensor([next, ...places], { dtype: "i32" });
  };

  /** Batches whose groups of equal rewards are replaced by earlier ones, where some are kept. */
  const replayed = async (
    batches: readonly B[],
    { kept }: Experience<B>,
    rewards: readonly (number | null)[],
    lengths: readonly number[],
    number: number,
  ) => {
    const before = { batches, tokens: sumOf(lengths), replaced: 0 };
    if (kept === undefined) return { ...before, kept };
    const ofGroup = <T>(group: number, values: readonly T[]) =>
      values.slice(group * groupSize, (group + 1) * groupSize);
    const fresh = Array.from({ length: asked }, (_, group): GroupValue => ({
      score: groupScore(ofGroup(group, rewards)),
      tokens: sumOf(ofGroup(group, lengths)),
    }));
    const values = await kept.values.data();
    const earlier = Array.from({ length: values.length / 2 }, (_, i): GroupValue => ({
      score: values[2 * i] ?? NaN,
      tokens: values[2 * i + 1] ?? NaN,
    }));
    const replay = replayOf(fresh, earlier, randomStream(replaySeed, number));
    const valueOf = (group: number) => groupAt(fresh, earlier, group);
    const moved = movedGroups(batches, kept.groups, replay, { groupSize, device });
    return {
      batches: moved.batches,
      tokens: sumOf(replay.batch.map((group) => valueOf(group).tokens)),
      replaced: replay.batch.filter((group, i) => group !== i).length / asked,
      kept: {
        groups: moved.kept,
        values: tensor(replay.kept.map(valueOf).map(({ score, tokens }) => [score, tokens])),
      },
    };
  };

  const collect = async (models: StepModels, earlier: Experience<B>, number: number) => {
    const layout = { number, answers, groupSize, seed: turnSeed };
    const turn = turnOf(guidance, layout, await startOf(earlier, number));
    const allPrompts = turn.prompts.map(source.row);
    const planned = plannedAnswers(guidance, {
      ...{ prompts: allPrompts, groupSize, isGiven: turn.isGiven },
      ...{ step: number * epochs, seed: hintSeed },
      others: typeof others === "string" ? others : "mixture",
    });
    const prompts = allPrompts.slice(firstAnswer, endAnswer);
    const beginnings = planned.slice(firstAnswer, endAnswer).map(({ beginning }) => beginning);
    const said = await sampledBehind(models, allPrompts, planned, number);
    const own = prompts.map(({ ids }, row): SampledAnswer => {
      const rest = said.get(firstAnswer + row);
      const beginning = beginnings[row] ?? never();
      return rest === undefined
        ? demonstratedAnswer(tokenizer, ids, beginning)
        : resumedAnswer(tokenizer, ids, beginning, rest);
    });
    // All tokens of a teacher's answer are given to the policy.
    const givenParts = own.map(({ ids }, row) =>
      planned[firstAnswer + row]?.author === "teacher" ? ids : beginnings[row] ?? never()
    );
    const scores = await judgments(own);
    const ownRewards = await rewardsOf(
      plan.rewards,
      own.map(({ text, ids, isEnded, isText }, i) => {
        const { prompt, columns, source } = prompts[i] ?? never();
        return {
          ...{ prompt, answer: text, ids, isEnded: isEnded && isText },
          columns: isJudged ? { ...columns, [JUDGMENT]: scores[i] } : columns,
          ...source && { source },
        };
      }),
    );
    const batchOf = async (index: number): Promise<B> => {
      const rowsOf = <T>(rows: readonly T[]) =>
        rows.slice(index * batchSize, (index + 1) * batchSize);
      const packed = packSamples(
        rowsOf(own).map(({ prompt, ids: completion }) => ({ prompt, completion })),
        rowsOf(ownRewards).map(({ total }) => total),
        { length, pad, groupSize },
      );
      const tokens = {
        ...packed,
        ...(plan.hasParts === true && rewardPartsOf(plan.rewards, rowsOf(ownRewards))),
        temperature: plan.temperature,
      };
      const reading = await readingOf(tokens, sizes);
      const scores = (): PolicyScores => {
        const { logProbs, values } = sampler.score(models.policy, { ...tokens, ...reading });
        return { oldLogProbs: logProbs, ...(values !== undefined && { oldValues: values }) };
      };
      return scoring.complete(
        {
          ...tokens,
          ...(readsGiven && { given: givenTokens(rowsOf(own), rowsOf(givenParts), length) }),
          ...(guidance?.kind === "context" && {
            privileged: privilegedRows(guidance.from, {
              answers: rowsOf(own),
              prompts: rowsOf(prompts),
              rewards: rowsOf(ownRewards).map(({ total }) => total),
              groupSize,
            }, privilegedLayout),
          }),
        },
        { scores, reference: models.reference, reading },
      );
    };
    const ownBatches = await Promise.all(
      Array.from({ length: part.to - part.from }, (_, index) => batchOf(index)),
    );
    const told = await gatherValues(collective, { given: own, rewards: ownRewards });
    const given = told.flatMap(({ given }) => given);
    const rewards = told.flatMap(({ rewards }) => rewards);
    const lengths = given.map(({ prompt, ids }) => prompt.length + ids.length);
    const sampled = await gatherBatches(ownBatches);
    const { batches, kept, replaced, tokens } = await replayed(
      sampled,
      earlier,
      rewards.map(({ total }) => total),
      lengths,
      number,
    );
    const ofModels = <T>(all: readonly T[]) =>
      all.filter((_, row) => !["data", "teacher"].includes(planned[row]?.author ?? never()));
    // A turn of right answers says nothing new of those of the policy.
    const report = turn.isGiven ? { ...earlier.report, [GIVEN]: tensor(1) } : scalars({
      ...rewardReport(judges, ofModels(given), ofModels(rewards)),
      ...await scoring.report(sampled),
      ...hasTurns && { [GIVEN]: 0 },
      ...kept && { [REPLACED]: replaced },
    });
    const sampledTokens = sumOf(lengths);
    const samples = ofModels(given.map(({ text }, i): RolloutSample => ({
      prompt: (allPrompts[i] ?? never()).prompt,
      answer: text,
      reward: rewards[i]?.total ?? null,
      rewards: rewards[i]?.parts ?? {},
    })));
    // Sampling, where there is some, and passes for log-probabilities and values.
    const reads = Number(!turn.isGiven || hasTeacher) + scoring.passes + Number(isJudged);
    const totals = rewards.map(({ total }) => total);
    const experience: Experience<B> = {
      ...{ batches, report, tokens: tensor(tokens) },
      ...hasTurns && { turns: startTensor(startAfter(guidance, turn, totals, groupSize)) },
      ...kept && { kept },
    };
    return {
      experience,
      samples,
      cost: { ...noCost, forwardTokens: reads * sampledTokens },
    };
  };

  const emptyBatches = Array.from({ length: microBatches }, () =>
    scoring.empty({
      ids: zeros([batchSize, length], "i32"),
      mask: zeros([batchSize, length]),
      rewards: zeros([batchSize]),
      ...(plan.hasParts === true && {
        rewardParts: zeros([batchSize, judges.length]),
        rewardWeights: zeros([batchSize, judges.length]),
      }),
      temperature: plan.temperature,
      ...(readsGiven && { given: zeros([batchSize, length]) }),
      ...(guidance?.kind === "context" && {
        privileged: emptyPrivileged(batchSize, privilegedLayout),
      }),
    }, {
      oldLogProbs: zeros([batchSize, length]),
      ...(hasValues && { oldValues: zeros([batchSize, length]) }),
    }));

  /** Bytes that a model's answers take. */
  const bytesOf = (answering: LanguageModel) =>
    generationBytes(answering, {
      prompts: Math.ceil((endAnswer - firstAnswer) / groupSize),
      completions: endAnswer - firstAnswer,
      ...{ longestPrompt: longestStart, maxNewTokens, places },
    });

  const [emptyBatch = never()] = emptyBatches;
  // On the host: what is read before the first step would otherwise be on another device.
  const { kept: keptGroups } = plan;
  const noneKept = keptGroups === undefined ? undefined : {
    groups: mapTree(emptyBatch, ({ shape: [, ...row], dtype }) => {
      const shape = [keptGroups * groupSize, ...row];
      return tensor(new Float32Array(sizeOf(shape)), { shape, dtype });
    }),
    values: tensor(new Float32Array(2 * keptGroups), { shape: [keptGroups, 2] }),
  };

  return {
    empty: {
      batches: emptyBatches,
      report: scalars({
        ...rewardReport(judges, [], []),
        ...Object.fromEntries(scoring.measures.map((name) => [name, 0])),
        ...hasTurns && { [GIVEN]: 0 },
        ...plan.kept !== undefined && { [REPLACED]: 0 },
      }),
      tokens: tensor(0),
      ...noneKept && { kept: noneKept },
      ...hasTurns && { turns: startTensor({ next: 0, waiting: [] }) },
    },
    outline: () => {
      const reading = longestReading(batchSize, length, sizes);
      return emptyBatches.slice(part.from, part.to).map((batch) => ({ ...batch, ...reading }));
    },
    // A mixture has a cache of each of its models.
    generationBytes: Math.max(
      (mixture === undefined ? 1 : 2) * bytesOf(policy),
      taught === undefined ? 0 : bytesOf(taught.model),
    ),
    setUp: noCost,
    notes: [],
    epoch: (steps) => source.epoch(Math.ceil(steps / epochs) * asked),
    next: async (params, before, index, reference = start.policy) => {
      const collected = index % epochs === 0
        ? await collect({ policy: params, reference }, before, index / epochs)
        : { experience: before, samples: [], cost: noCost };
      const { experience, samples } = collected;
      const tokens = await experience.tokens.item();
      const step: Cost = {
        examples: Math.round(plan.learnedShare * answers),
        forwardTokens: plan.forwardPasses * Math.round(plan.learnedShare * tokens),
        backwardTokens: Math.round(plan.learnedShare * tokens),
      };
      return {
        batches: await Promise.all(
          experience.batches.slice(part.from, part.to).map(async (batch) => ({
            ...batch,
            ...await readingOf(batch, sizes),
          })),
        ),
        first: part.from,
        experience,
        metrics: { ...experience.report, ...paddingShare(tokens, answers * length) },
        samples,
        cost: { ...step, forwardTokens: step.forwardTokens + collected.cost.forwardTokens },
      };
    },
    [Symbol.dispose]() {
      for (const part of [sampler, mixture, teaching?.sampler, scoring, judge]) {
        part?.[Symbol.dispose]();
      }
    },
  };
}

/** The teacher of a stage whose objective asks one. */
function teacherOf({ teacher }: Models): Teacher {
  if (teacher !== undefined) return teacher;
  throw new RangeError("rolloutFeed: there is no teacher to answer");
}

/** Asks a model for answers to prompts. */
type Answering = (
  prompts: readonly (readonly number[])[],
  options: SamplingOptions,
) => Promise<readonly SampledAnswer[]>;

function never(): never {
  throw new RangeError("there is an answer to each prompt");
}

/** The rewards of answers one by one, and their weights; NaN where one cannot judge an answer. */
function rewardPartsOf(
  terms: readonly RewardTerm[],
  rewards: readonly AnswerReward[],
): Required<RewardParts> {
  const rows = <T>(of: (term: RewardTerm, reward: AnswerReward) => T) =>
    rewards.map((reward) => terms.map((term) => of(term, reward)));
  return {
    rewardParts: tensor(rows(({ reward: { name } }, { parts }) => parts[name] ?? NaN)),
    rewardWeights: tensor(rows(({ weight }) => weight)),
  };
}

/** Scalars in the order of their names, in which a file of tensors has them, too. */
function scalars(values: Readonly<Record<string, number>>): Readonly<Record<string, Tensor>> {
  const names = Object.keys(values).toSorted();
  return Object.fromEntries(names.map((name) => [name, tensor(values[name] ?? NaN)]));
}

/**
 * `rewards/NAME`, the mean of each reward over the answers that it can judge;
 * `completions/clipped_ratio`, the share of answers that were cut off; `unscorable`, the share that
 * nobody could judge.
 */
function rewardReport(
  judges: readonly TextReward[],
  given: readonly SampledAnswer[],
  rewards: readonly AnswerReward[],
): Record<string, number> {
  const mean = (values: readonly number[]) =>
    values.reduce((total, value) => total + value, 0) / Math.max(values.length, 1);
  return {
    ...Object.fromEntries(judges.map(({ name }) => [
      `rewards/${name}`,
      mean(rewards.flatMap(({ parts: { [name]: value = null } }) => value === null ? [] : [value])),
    ])),
    "completions/clipped_ratio": mean(given.map(({ isEnded }) => Number(!isEnded))),
    "unscorable": mean(rewards.map(({ total }) => Number(total === null))),
  };
}

/** The KL of the policy from its reference, estimated: the mean of k3 over answer tokens. */
async function meanKl(batches: readonly (RolloutBatch & ReferenceScores)[]): Promise<number> {
  let [total, count] = [0, 0];
  for (const { mask, oldLogProbs, referenceLogProbs } of batches) {
    const [counted, own, reference] = [
      await mask.data(),
      await oldLogProbs.data(),
      await referenceLogProbs.data(),
    ];
    counted.forEach((isCounted, i) => {
      if (isCounted === 0) return;
      total += klEstimate(own[i] ?? NaN, reference[i] ?? NaN);
      count += 1;
    });
  }
  return total / Math.max(count, 1);
}
