/**
 * From the name of an objective and the settings to the objective itself.
 *
 * @module
 */

import {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bco,
  bestOfN,
  cispo,
  cpo,
  dapo,
  dft,
  discopop,
  distillation,
  dpo,
  drGrpo,
  exo,
  exponential,
  fixedLambda,
  grpo,
  grpoKl,
  gspo,
  hinge,
  ift,
  intuitiveDpo,
  intuitiveGrpo,
  type IntuitiveOptions,
  ipo,
  iwSft,
  kto,
  type LambdaSchedule,
  linearLambda,
  maxRlGradient,
  type Model,
  modelOfLogits,
  mpo,
  nca,
  noisyLambda,
  type Objective,
  type ObjectiveDescription,
  onlineDpo,
  orpo,
  type Pairs,
  ppo,
  reinforce,
  reinforcePlusPlus,
  rewardModel,
  rloo,
  robust,
  rpo,
  scheduledSampling,
  type ScoredDemonstrations,
  type ScoredLabelledAnswers,
  type ScoredPairs,
  type ScoredRollouts,
  sft,
  simpo,
  sppo,
  type ValueScores,
} from "@unitune/objectives";
import type { NameIn, ObjectiveGroup } from "../flags/objective_names.ts";
import { groupSizeOf, type TrainSettings } from "../flags/settings.ts";

const lambdaSchedules: {
  readonly [Name in TrainSettings["lambdaSchedule"]]: (settings: TrainSettings) => LambdaSchedule;
} = {
  fixed: ({ lambda }) => fixedLambda(lambda),
  linear: ({ lambda, warmupSteps }) =>
    linearLambda({ from: 0, to: lambda, steps: Math.max(1, warmupSteps) }),
  noisy: ({ lambda }) => noisyLambda({ lambda }),
};

const lambdaOf = (settings: TrainSettings) => lambdaSchedules[settings.lambdaSchedule](settings);

const intuitiveStates = (settings: TrainSettings): IntuitiveOptions => ({
  lambda: lambdaOf(settings),
  embeddings: settings.embeddings,
});

const preference = ({ beta, labelSmoothing }: TrainSettings) => ({
  ...(beta !== undefined && { beta }),
  ...(labelSmoothing !== undefined && { labelSmoothing }),
});

const strength = ({ beta }: TrainSettings) => (beta === undefined ? {} : { beta });

const clipping = (settings: TrainSettings) => ({
  groupSize: groupSizeOf(settings),
  ...(settings.clipRange !== undefined && { epsilon: settings.clipRange }),
});

const clippingGroups = (settings: TrainSettings) => ({
  ...clipping(settings),
  scaleRewards: settings.scaleRewards,
});

/** What the objectives of each group read. */
export interface Batches {
  /** Answers. */
  readonly demonstrations: ScoredDemonstrations;
  /** Preferences. */
  readonly pairs: ScoredPairs;
  /** The same, without a reference. */
  readonly rewardModels: Pairs;
  /** Answers with labels. */
  readonly labels: ScoredLabelledAnswers;
  /** Rewarded answers. */
  readonly rollouts: ScoredRollouts;
  /** The same, with values. */
  readonly actorCritics: ScoredRollouts & ValueScores;
}

/** A batch of a group's objectives. */
export type BatchOf<Group extends ObjectiveGroup> = Batches[Group];

/** The models that objectives ask in a step, beside the policy. */
export interface Asked {
  /** The policy before the stage. */
  readonly start: Model;
  /** Whose predictions are learned from; undefined where the stage has no teacher. */
  readonly teacher: Model | undefined;
}

/** The objectives of a group from the settings and the models that they ask. */
type Table<Group extends ObjectiveGroup> = {
  readonly [Name in NameIn<Group>]: (
    settings: TrainSettings,
    asked: Asked,
  ) => Objective<BatchOf<Group>>;
};

const demonstrations: Table<"demonstrations"> = {
  "sft": ({ normalizer }) => sft({ normalizer }),
  "dft": ({ normalizer }) => dft({ normalizer }),
  "iw-sft": () => iwSft(),
  "ift": (settings) =>
    ift({
      ...intuitiveStates(settings),
      gamma: settings.gamma,
      propagation: settings.propagation,
    }),
  "scheduled-sampling": (settings) => scheduledSampling({ lambda: lambdaOf(settings) }),
  "distillation": ({ teacherShare: beta, temperature, normalizer }, { teacher }) => {
    if (teacher === undefined) throw new RangeError("distillation: there is no teacher");
    return distillation(teacher, { beta, temperature, normalizer });
  },
};

const pairs: Table<"pairs"> = {
  "dpo": (settings) => dpo(preference(settings)),
  "ipo": (settings) => ipo(strength(settings)),
  "hinge": (settings) => hinge(strength(settings)),
  "exponential": (settings) => exponential(strength(settings)),
  "robust": (settings) => robust(preference(settings)),
  "exo": (settings) => exo(preference(settings)),
  "nca": (settings) => nca(strength(settings)),
  "bco": (settings) => bco(strength(settings)),
  "sppo": (settings) => sppo(strength(settings)),
  "aot": (settings) => aot(strength(settings)),
  "aot-unpaired": (settings) => aotUnpaired(strength(settings)),
  "apo-zero": (settings) => apoZero(strength(settings)),
  "apo-down": (settings) => apoDown(strength(settings)),
  "discopop": (settings) => discopop(strength(settings)),
  "rpo": (settings) => rpo(strength(settings)),
  "mpo": (settings) => mpo(strength(settings)),
  "intuitive-dpo": (settings, { start }) =>
    intuitiveDpo(start, { ...intuitiveStates(settings), ...strength(settings) }),
  "orpo": (settings) => orpo(strength(settings)),
  "simpo": (settings) =>
    simpo({
      ...strength(settings),
      ...(settings.targetMargin !== undefined && { gamma: settings.targetMargin }),
    }),
  "cpo": (settings) => cpo(preference(settings)),
};

const rewardModels: Table<"rewardModels"> = {
  "reward-model": ({ targetMargin: margin = 0 }) => rewardModel({ margin }),
};

const labels: Table<"labels"> = {
  "kto": (settings) => kto(strength(settings)),
};

const rollouts: Table<"rollouts"> = {
  "reinforce": () => reinforce(),
  "reinforce-plus-plus": (settings) => reinforcePlusPlus(clipping(settings)),
  "rloo": (settings) => rloo(clipping(settings)),
  "grpo": (settings) => grpo(clippingGroups(settings)),
  "grpo-kl": (settings) =>
    grpoKl({
      ...clippingGroups(settings),
      ...(settings.klWeight !== undefined && { beta: settings.klWeight }),
    }),
  "dapo": (settings) => dapo(clippingGroups(settings)),
  "dr-grpo": (settings) =>
    drGrpo({
      ...clipping(settings),
      ...(settings.maxNewTokens !== undefined && { maxLength: settings.maxNewTokens }),
    }),
  "gspo": (settings) => gspo(clippingGroups(settings)),
  "cispo": (settings) =>
    cispo({ groupSize: groupSizeOf(settings), scaleRewards: settings.scaleRewards }),
  "max-rl": (settings) => maxRlGradient(clipping(settings)),
  "intuitive-grpo": (settings) =>
    intuitiveGrpo({
      ...intuitiveStates(settings),
      groupSize: groupSizeOf(settings),
      scaleRewards: settings.scaleRewards,
    }),
  "online-dpo": (settings) =>
    onlineDpo({ ...strength(settings), groupSize: groupSizeOf(settings) }),
  "best-of-n": (settings) => bestOfN({ groupSize: groupSizeOf(settings) }),
};

const actorCritics: Table<"actorCritics"> = {
  "ppo": ({ klWeight, valueWeight, gaeLambda, whiten, clipRange }) =>
    ppo({
      valueWeight,
      lambda: gaeLambda,
      whiten,
      values: "precomputed",
      ...(klWeight !== undefined && { penalty: klWeight }),
      ...(clipRange !== undefined && { epsilon: clipRange, valueEpsilon: clipRange }),
    }),
};

/** What a stage minimizes, by the data that it reads. */
export type Recipe = {
  [Group in ObjectiveGroup]: {
    /** The data that it reads. */
    readonly group: Group;
    /** The objective; some ask other models. */
    readonly objective: (asked: Asked) => Objective<BatchOf<Group>>;
  };
}[ObjectiveGroup];

/**
 * The objective that the settings name, and what it reads.
 *
 * @param settings The settings of a stage.
 * @returns The recipe.
 *
 * @example
 * ```ts
 * import { recipeOf } from "./recipes.ts";
 * import { trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(recipeOf(trainSettings({ objective: "dpo" })).group, "pairs");
 * ```
 */
export function recipeOf(settings: TrainSettings): Recipe {
  const among = <Group extends ObjectiveGroup>(group: Group, table: Table<Group>) => {
    const makers = new Map<string, Table<Group>[NameIn<Group>]>(Object.entries(table));
    const make = makers.get(settings.objective);
    return make === undefined
      ? undefined
      : { group, objective: (asked: Asked) => make(settings, asked) };
  };
  const recipe = among("demonstrations", demonstrations) ?? among("pairs", pairs) ??
    among("rewardModels", rewardModels) ?? among("labels", labels) ??
    among("rollouts", rollouts) ?? among("actorCritics", actorCritics);
  if (recipe === undefined) throw new RangeError(`unknown objective ${settings.objective}`);
  return recipe;
}

/** Stands for a model where nothing is asked. */
const nobody = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });

/**
 * What the objective that the settings name says of itself.
 *
 * @param settings The settings of a stage.
 * @returns Its row of Table 1.
 *
 * @example
 * ```ts
 * import { describeObjective } from "./recipes.ts";
 * import { trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(describeObjective(trainSettings()).normalizer, "answer tokens of the batch");
 * ```
 */
export function describeObjective(settings: TrainSettings): ObjectiveDescription {
  return recipeOf(settings).objective({ start: nobody, teacher: nobody }).description;
}

/**
 * Whether the objective that the settings name learns from a teacher's predictions.
 *
 * @param settings The settings of a stage.
 * @returns Whether it does.
 *
 * @example
 * ```ts
 * import { asksTeacher } from "./recipes.ts";
 * import { trainSettings } from "@unitune/cli";
 * import { assert } from "@std/assert";
 *
 * assert(asksTeacher(trainSettings({ objective: "distillation", teacher: "runs/sft-tasks" })));
 * ```
 */
export function asksTeacher(settings: TrainSettings): boolean {
  return describeObjective(settings).models.includes("teacher");
}
