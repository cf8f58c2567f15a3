/**
 * What learns in a stage: the policy, the objective and the optimizer as compiled programs, and the
 * feed of their batches.
 *
 * @module
 */

import type { GradientTransform, Schedule } from "@unitune/autodiff";
import {
  abs,
  cast,
  compile,
  type Device,
  div,
  evaluate,
  foldKey,
  key,
  maximum,
  notEqual,
  splitKey,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import {
  actorCritic,
  rewardModelOn,
  type ScoredParameters,
  type Tokenizer,
  withScore,
} from "@unitune/models";
import {
  accumulateGradients,
  addEvaluations,
  applyAccumulated,
  type AskedModels,
  evaluationStep,
  initTrainingState,
  type Model,
  modelOf,
  type Objective,
  type Policy,
  type Rollouts,
  type ScoredDemonstrations,
  type ScoredLabelledAnswers,
  type ScoredPairs,
  scoreTokens,
  type StepParts,
  type StepResult,
  summarize,
  type TrainingState,
  trainingStep,
} from "@unitune/objectives";
import { maxNewTokensOf, withAnswerLength } from "./answer_length.ts";
import {
  addCost,
  checkIdentities,
  copyTree,
  createScorer,
  dataOf,
  demonstrationFeed,
  describeObjective,
  type EncodedLabel,
  type EncodedPair,
  type Feed,
  identitiesOf,
  labelFeed,
  type Layout,
  type Learner,
  LOG_RATIO,
  mismatchedAnswers,
  type Models,
  objectiveOptions,
  type OwnPairs,
  pairBatch,
  type PairCandidate,
  pairFeed,
  pairLength,
  readScalars,
  type Reference,
  rewardModelReward,
  type RewardTerm,
  type RolloutBatch,
  rolloutFeed,
  type RolloutPlan,
  type Scores,
  type StageData,
  stageSeed,
  type TrainSettings,
  UserError,
  withOwnAnswers,
} from "@unitune/training";
import { optimizerOf, scheduleOf } from "./optimizer.ts";
import type { Prepared, PreparedStage } from "../data/prepare.ts";
import { requireScorable, rewardTerms, unscorable } from "./reward_terms.ts";
import { lentModels } from "./trained.ts";

/** All that a stage carries from step to step: saved and restored, it goes on the same. */
interface StageState<P, E> {
  /** Parameters, optimizer, step and key. */
  readonly training: TrainingState<P, unknown>;
  /** What the feed carries. */
  readonly experience: E;
}

/** What {@linkcode createLearner} is told. */
export interface LearnerPlan {
  /** The settings of the stage. */
  readonly settings: TrainSettings;
  /** Its number, from 0. */
  readonly stage: number;
  /** What the run trains on. */
  readonly prepared: Prepared;
  /** The models before the stage. They stay as they are. */
  readonly start: Models;
  /** Where to compute. */
  readonly device: Device;
}

/**
 * The parameters that a run starts from, where it starts from none that were trained.
 *
 * @param settings The settings of the first stage.
 * @param prepared What it trains on.
 * @returns The models.
 */
export function initialModels({ seed }: TrainSettings, { model }: Prepared): Models {
  const [initKey = key(seed)] = splitKey(key(seed));
  return { policy: model.init(initKey) };
}

/** The key of a stage's training. */
function trainingKey(seed: number, stage: number): Tensor {
  const [, own = key(seed)] = splitKey(key(seed));
  return stage === 0 ? own : foldKey(own, stage);
}

/**
 * The learner of a stage. A step is one program; with gradient accumulation it is one for each
 * micro-batch and one for the update. They are compiled when first needed.
 *
 * @param plan The stage.
 * @returns The learner.
 * @throws {UserError} Where the data does not suffice, or a reward cannot be given.
 */
export async function createLearner(plan: LearnerPlan): Promise<Learner> {
  const { stage, prepared, start, device } = plan;
  const { model, tokenizer } = prepared;
  const own = prepared.stages[stage];
  if (own === undefined) throw new RangeError(`there is no stage ${stage}`);
  const settings = withAnswerLength(plan.settings, own.data);
  const seed = stageSeed(settings.seed, stage);
  const reference: Reference = { model, start, device };
  const layout: Layout = {
    batchSize: settings.batchSize,
    microBatches: settings.gradientAccumulation,
    steps: settings.steps,
    padding: tokenizer.special.pad,
  };
  const { objective: entry } = settings;
  const { teacher, ...handedOn } = start;
  const models: AskedModels = {
    reference: modelOf(model, start.policy),
    ...teacher && { teacher: modelOf(teacher.model, teacher.params) },
  };
  const options = objectiveOptions(settings);
  const common = { settings, stage, device, reference };
  const asPolicy = {
    ...common,
    policy: model,
    params: start.policy,
    models: (policy: unknown) => ({ ...handedOn, policy }),
  };
  const { data } = own;

  switch (entry.data) {
    case "demonstrations": {
      const objective: Objective<ScoredDemonstrations> = entry.make(options, models);
      const { source } = dataOf(data, "demonstrations");
      const feed = await demonstrationFeed(source, objective.description, layout, reference);
      return learnerOf({ ...asPolicy, objective, feed });
    }
    case "pairs": {
      const objective: Objective<ScoredPairs> = entry.make(options, models);
      const pairs = dataOf(data, "pairs");
      if (entry.trains === "policy") {
        return pairLearner({ ...asPolicy, objective }, pairs, layout, tokenizer);
      }
      const asJudge = {
        ...common,
        policy: rewardModelOn(model),
        params: withScore(model, start.policy),
        models: (rewardModel: ScoredParameters<unknown>) => ({ ...handedOn, rewardModel }),
      };
      return pairLearner({ ...asJudge, objective }, pairs, layout, tokenizer);
    }
    case "labels": {
      const objective: Objective<ScoredLabelledAnswers> = entry.make(options, models);
      const { train, pairs: candidates } = dataOf(data, "labels");
      const { pairs, cost, notes } = await ownPairs(
        candidates,
        settings,
        tokenizer,
        seed,
        reference,
      );
      const answers = labelledAnswers(train, pairs);
      const feed = await labelFeed(answers, seed, objective.description, layout, reference);
      return learnerOf({
        ...asPolicy,
        objective,
        feed: {
          ...feed,
          setUp: addCost(feed.setUp, cost),
          notes: [...notes, ...feed.notes],
        },
      });
    }
    case "rollouts": {
      const objective: Objective<RolloutBatch> = entry.make(options, models);
      const sampling = await rolloutPlan(settings, own, seed, start);
      if (!entry.values) {
        const feed = rolloutFeed(sampling, model, tokenizer, reference);
        return learnerOf({ ...asPolicy, objective, feed, startMetrics: ratioAtStart });
      }
      const policy = actorCritic(model);
      const feed = rolloutFeed(sampling, policy, tokenizer, reference);
      return learnerOf({
        ...asPolicy,
        policy,
        params: withScore(model, start.policy),
        models: (actor: ScoredParameters<unknown>) => ({ ...handedOn, policy: actor.model }),
        objective,
        feed,
        startMetrics: ratioAtStart,
      });
    }
    default:
      return entry satisfies never;
  }
}

/**
 * The mean of `|log p - log p_old|` over the tokens of answers: 0 before the first step, since the
 * policy that learns is the one that has sampled, at its temperature.
 */
function ratioAtStart(model: Model, batch: Rollouts): Readonly<Record<string, Tensor>> {
  const difference = abs(sub(scoreTokens(model, batch), batch.oldLogProbs));
  const answer = notEqual(batch.mask, 0);
  const tokens = maximum(sum(cast(answer, "f32")), 1);
  return { [LOG_RATIO]: div(sum(where(answer, difference, 0)), tokens) };
}

/** Answers with labels, and pairs as two of them each: the chosen one is liked. */
function labelledAnswers(
  labels: readonly EncodedLabel[],
  pairs: readonly EncodedPair[],
): readonly EncodedLabel[] {
  return [
    ...labels,
    ...pairs.flatMap(({ chosen, rejected }) => [
      { sequence: chosen, label: true },
      { sequence: rejected, label: false },
    ]),
  ];
}

/** What learns from pairs, and is asked about those that are kept aside. */
async function pairLearner<P>(
  parts: Parts<P, ScoredPairs> & { readonly reference: Reference },
  { train, validation }: Extract<StageData, { readonly kind: "pairs" }>,
  layout: Layout,
  tokenizer: Tokenizer,
): Promise<Learner> {
  const { settings, stage, objective, reference } = parts;
  const seed = stageSeed(settings.seed, stage);
  const { pairs, cost, notes } = await ownPairs(train, settings, tokenizer, seed, reference);
  const feed = await pairFeed(pairs, seed, objective.description, layout, reference);
  return learnerOf({
    ...parts,
    feed: { ...feed, setUp: addCost(feed.setUp, cost), notes },
    validation: await pairValidation(parts, validation, layout.padding),
  });
}

/** Pairs, with rejected answers of the model's own where the data has none. */
function ownPairs(
  candidates: readonly PairCandidate[],
  { steps, batchSize, gradientAccumulation }: TrainSettings,
  tokenizer: Tokenizer,
  seed: number,
  reference: Reference,
): Promise<OwnPairs> {
  const needed = steps * batchSize * gradientAccumulation;
  return withOwnAnswers(candidates, needed, tokenizer, seed, reference);
}

async function rolloutPlan(
  settings: TrainSettings,
  own: PreparedStage,
  seed: number,
  { rewardModel }: Models,
): Promise<RolloutPlan> {
  const { objective, batchSize, gradientAccumulation, temperature, rolloutEpochs } = settings;
  const data = dataOf(own.data, "prompts");
  const { train, longestText } = data;
  const { groupSize, forwardPasses, sequences, learnedShare } = describeObjective(settings);
  const rewards = rewardTerms(settings, { ...own, longestText });
  requireJudge(settings, rewards, rewardModel !== undefined);
  requireScorable(objective.name, await unscorable(rewards, train), train);
  return {
    prompts: train,
    rewards,
    groupSize,
    batchSize,
    microBatches: gradientAccumulation,
    epochs: rolloutEpochs,
    maxNewTokens: maxNewTokensOf(settings, data),
    temperature,
    seed,
    hasReference: objective.reference === "log-probs",
    // Both sides of a pair are one answer each.
    forwardPasses: forwardPasses / sequences,
    learnedShare,
  };
}

/** Refuses to ask a reward model that there is none of. */
function requireJudge(
  { objective }: TrainSettings,
  rewards: readonly RewardTerm[],
  hasJudge: boolean,
): void {
  if (hasJudge || rewards.every(({ reward }) => reward !== rewardModelReward)) return;
  throw new UserError(
    `--rewards names reward-model, and there is none: train one in a stage before ${objective.name}, ` +
      `or name a run that has by --reward-model`,
  );
}

/**
 * Refuses stages whose rewards cannot be given or whose models are not there, before anything is
 * trained.
 *
 * @param stages The settings of each stage.
 * @param prepared What they train on.
 * @param start The models that the run starts from, if it starts from any.
 * @throws {UserError} Where a reward is unknown or can judge no answer, a reward model or a teacher
 * is missing or of other tokens, or all labels are of answers to one prompt.
 */
export async function checkModels(
  stages: readonly TrainSettings[],
  prepared: Prepared,
  start?: Models,
): Promise<void> {
  let hasJudge = start?.rewardModel !== undefined;
  for (const [stage, settings] of stages.entries()) {
    const own = prepared.stages[stage];
    const { rewardModel } = await lentModels(stage, settings, prepared);
    hasJudge ||= settings.objective.trains === "reward model" || rewardModel !== undefined;
    if (own?.data.kind === "labels") {
      const { train, pairs } = own.data;
      // Rejected answers of the model's own are not there yet.
      const known = pairs.flatMap(({ chosen, rejected }) =>
        rejected === undefined ? [] : [{ chosen, rejected }]
      );
      if (known.length === pairs.length) mismatchedAnswers(labelledAnswers(train, known));
    }
    if (own?.data.kind !== "prompts") continue;
    const { train, longestText } = own.data;
    const terms = rewardTerms(settings, { ...own, longestText });
    requireJudge(settings, terms, hasJudge);
    requireScorable(settings.objective.name, await unscorable(terms, train), train);
  }
}

/** The parts of a learner. */
interface Parts<P, B> {
  readonly settings: TrainSettings;
  readonly stage: number;
  readonly device: Device;
  readonly policy: Policy<P>;
  readonly params: P;
  readonly objective: Objective<B>;
  readonly models: (params: P) => Models;
}

/** Steps of one stage: a program, or two where gradients are accumulated. */
interface Steps<P, B> extends Disposable {
  (state: TrainingState<P, unknown>, batches: readonly B[]): StepResult<P, unknown>;
}

function compileSteps<P, B>(
  training: StepParts<P, B, unknown>,
  microBatches: number,
  device: Device,
): Steps<P, B> {
  if (microBatches === 1) {
    const step = compile(trainingStep(training), { device, donate: [0] });
    return Object.assign(
      (state: TrainingState<P, unknown>, batches: readonly B[]) => step(state, only(batches)),
      { [Symbol.dispose]: () => step[Symbol.dispose]() },
    );
  }
  const accumulate = compile(accumulateGradients(training), { device, donate: [2] });
  const update = compile(applyAccumulated(training), { device, donate: [0, 1] });
  return Object.assign(
    (state: TrainingState<P, unknown>, batches: readonly B[]) => {
      const [first, ...rest] = batches;
      if (first === undefined) throw new RangeError("a step without a batch");
      let sums = accumulate(state, first);
      for (const batch of rest) sums = accumulate(state, batch, sums);
      return update(state, sums);
    },
    {
      [Symbol.dispose]() {
        accumulate[Symbol.dispose]();
        update[Symbol.dispose]();
      },
    },
  );
}

function only<T>(elements: readonly T[]): T {
  const [first] = elements;
  if (first === undefined) throw new RangeError("a step without a batch");
  return first;
}

/** A learner from its parts. */
function learnerOf<P, B, E>(
  parts: Parts<P, B> & {
    readonly feed: Feed<P, B, E>;
    readonly validation?: Validation<P>;
    /** More that is known before the first step, for {@linkcode identitiesOf}. */
    readonly startMetrics?: (model: Model, batch: B) => Readonly<Record<string, Tensor>>;
  },
): Promise<Learner<StageState<P, E>>> {
  const { settings, stage, device, policy, objective, feed } = parts;
  const optimizer: GradientTransform<unknown> = optimizerOf(settings);
  const learningRate: Schedule = scheduleOf(settings);
  const training = { policy, objective, optimizer, learningRate };
  const steps = compileSteps(training, settings.gradientAccumulation, device);
  const identities = identitiesOf(settings);
  const params = copyTree(parts.params);

  /** What is known of the metrics before the first step holds. */
  const checkStart = async (params: P, batch: B) => {
    if (identities.length === 0) return;
    const evaluated = evaluationStep({ policy, objective });
    // One program, so that the policy is asked once for all of it.
    using score = compile((params: P, step: Tensor, batch: B) => ({
      ...summarize(evaluated({ params, step }, batch)),
      ...parts.startMetrics?.(modelOf(policy, params), batch),
    }), { device });
    const metrics = await readScalars(score(params, tensor(0, { dtype: "i32" }), batch));
    checkIdentities(settings.objective.name, identities, metrics);
  };

  return params.then((params) => ({
    setUp: feed.setUp,
    notes: feed.notes,
    epoch: feed.epoch,
    init: () => ({
      training: evaluate(
        initTrainingState(params, optimizer, trainingKey(settings.seed, stage)),
        device,
      ),
      experience: feed.empty,
    }),
    async step({ training, experience: before }, index) {
      const { batches, experience, metrics, samples, cost } = await feed.next(
        training.params,
        before,
        index,
      );
      if (index === 0) await checkStart(training.params, only(batches));
      const result = steps(training, batches);
      return {
        state: { training: result.state, experience },
        metrics: { ...metrics, ...result.metrics },
        samples,
        cost,
      };
    },
    models: ({ training: { params } }) => parts.models(params),
    validate: ({ training: { params } }) =>
      parts.validation?.metrics(params) ?? Promise.resolve({}),
    [Symbol.dispose]() {
      parts.validation?.[Symbol.dispose]();
      steps[Symbol.dispose]();
      feed[Symbol.dispose]();
    },
  }));
}

/** What an objective says of data that is kept aside. */
interface Validation<P> extends Disposable {
  metrics(params: P): Promise<Readonly<Record<string, number>>>;
}

/** Pairs that are looked at at once. */
const PAIR_ROWS = 32;

/**
 * What an objective on pairs says of pairs that are kept aside: how often and by how much the
 * preferred answer wins.
 */
async function pairValidation<P>(
  { settings, policy, objective, device, reference }:
    & Pick<Parts<P, ScoredPairs>, "settings" | "policy" | "objective" | "device">
    & { readonly reference: Reference },
  pairs: readonly EncodedPair[],
  padding: number,
): Promise<Validation<P>> {
  if (pairs.length === 0) return { metrics: () => Promise.resolve({}), [Symbol.dispose]: () => {} };
  const length = pairLength(pairs, reference.model.config.context);
  let scores: Scores | undefined;
  if (settings.objective.reference === "log-probs") {
    using scorer = createScorer(reference.model, device);
    const sequences = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
    scores = await scorer.scoreAll(reference.start.policy, sequences, { length, padding });
  }
  // The last batch is smaller, not padded: some objectives compare the pairs of a batch.
  const batches = Array.from({ length: Math.ceil(pairs.length / PAIR_ROWS) }, (_, i) => {
    const own = pairs.slice(i * PAIR_ROWS, (i + 1) * PAIR_ROWS);
    return pairBatch(own, { length, padding, scores });
  });
  const score = compile(evaluationStep({ policy, objective }), { device });
  const step = tensor(0, { dtype: "i32" });
  return {
    metrics: async (params) => {
      const whole = batches.map((batch) => score({ params, step }, batch)).reduce(addEvaluations);
      const metrics = Object.entries(await readScalars(summarize(whole)));
      return Object.fromEntries(
        metrics.filter(([name]) => /^(?:rewards|logps)\//.test(name))
          .map(([name, value]) => [`eval_${name}`, value]),
      );
    },
    [Symbol.dispose]: () => score[Symbol.dispose](),
  };
}
