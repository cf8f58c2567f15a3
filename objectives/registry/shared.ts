/**
 * Options that several objectives share, each defined once. An objective with another default
 * spreads the row and sets its own.
 */
import { drGrpoDefaults } from "../catalogue/rollouts.ts";
import { objectiveDefaults } from "../defaults.ts";
import { jsdConstants } from "../jsd.ts";
import { fixedLambda, type LambdaSchedule, linearLambda, noisyLambda } from "../lambda.ts";
import type { Option, OptionTable, OptionValues } from "../options.ts";
import { clippedDefaults } from "../policy_gradient.ts";
import type { LabelSmoothing } from "../preference_losses.ts";

/** The normalizer of a sum over tokens. */
export const normalizer = {
  kind: "choice",
  choices: ["token", "sequence"],
  default: objectiveDefaults.normalizer,
  help: "Whether the loss is averaged over all answer tokens of the batch, or over each sequence " +
    "first and then over sequences.",
} as const satisfies Option;

/** The embedding table for mixed embeddings. */
export const embeddings = {
  kind: "choice",
  choices: ["live", "synchronised"],
  default: objectiveDefaults.embeddings,
  help: "live lets the gradient reach the embedding table through the mixed embeddings; " +
    "synchronised does not, as in the paper's code.",
} as const satisfies Option;

/** The options of lambda, and of its schedule. */
export const lambdaOptions = {
  lambda: {
    kind: "number",
    default: objectiveDefaults.lambda,
    min: 0,
    max: 1,
    help: "The weight of the model's own token in each prior state.",
  },
  lambdaSchedule: {
    kind: "choice",
    choices: ["fixed", "linear", "noisy"],
    default: "fixed",
    help: "fixed keeps lambda constant, linear raises it from 0 over the warm-up, noisy adds " +
      "noise to it.",
  },
  warmupSteps: {
    kind: "integer",
    default: objectiveDefaults.warmupSteps,
    min: 0,
    help: "The number of steps over which a linear lambda rises.",
  },
} as const satisfies OptionTable;

type LambdaOptions = OptionValues<typeof lambdaOptions>;

const lambdaSchedules: {
  readonly [Name in LambdaOptions["lambdaSchedule"]]: (options: LambdaOptions) => LambdaSchedule;
} = {
  fixed: ({ lambda }) => fixedLambda(lambda),
  linear: ({ lambda, warmupSteps }) =>
    linearLambda({ from: 0, to: lambda, steps: Math.max(1, warmupSteps) }),
  noisy: ({ lambda }) => noisyLambda({ lambda }),
};

/** Lambda over the steps of a training. */
export function lambdaOf(options: LambdaOptions): LambdaSchedule {
  return lambdaSchedules[options.lambdaSchedule](options);
}

/** The strength of a reference, or of a preference. */
export const beta = {
  kind: "number",
  default: objectiveDefaults.beta,
  above: 0,
  help: "The strength of the reference, or of the preference for objectives without a reference.",
} as const satisfies Option;

/** The probability that a label is wrong, with the limits and the default of a loss. */
export function smoothingOption({ range: { min, above, max, below }, usual }: LabelSmoothing) {
  return {
    kind: "number",
    ...(min !== undefined && { min }),
    ...(above !== undefined && { above }),
    ...(max !== undefined && { max }),
    ...(below !== undefined && { below }),
    default: usual,
    help: "The assumed probability that a preference is reversed.",
  } as const satisfies Option;
}

/** The margin by which a chosen answer should win; its default is the loss's. */
export const targetMargin = {
  kind: "number",
  min: 0,
  help: "The margin by which the chosen answer is to win.",
} as const satisfies Option;

/** The answers to each prompt that are compared. */
export const groupSize = {
  kind: "integer",
  default: objectiveDefaults.groupSize,
  min: 2,
  help: "The number of answers to each prompt, which are compared with each other.",
} as const satisfies Option;

/** The scale of advantages. */
export const scaleRewards = {
  kind: "choice",
  choices: ["group", "batch", "none"],
  default: objectiveDefaults.scaleRewards,
  help: "Advantages are rewards less the mean of their group, divided by the standard deviation " +
    "of the group, by that of the (micro-)batch, or by nothing.",
} as const satisfies Option;

/** The range of ratios without clipping. */
export const clipRange = {
  kind: "number",
  default: objectiveDefaults.clipRange,
  above: 0,
  help: "How far a ratio may move from 1 before it is clipped.",
} as const satisfies Option;

/** The weight of a KL; its default is the objective's. */
export const klWeight = {
  kind: "number",
  min: 0,
  help: "The weight of the divergence from the policy that the stage started with.",
} as const satisfies Option;

/** The longest answer, by which a loss is divided. */
export const constantLength = {
  kind: "integer",
  default: drGrpoDefaults.maxLength,
  min: 1,
  help: "The most tokens of an answer, by which the loss is divided.",
} as const satisfies Option;

/** The teacher's share in a mixture. */
export const teacherShare = {
  kind: "number",
  default: jsdConstants("distillation", {}).beta,
  min: 0,
  max: 1,
  help: "The teacher's weight in the mixture that both models are compared with: 0 gives " +
    "KL(teacher, student), 1 gives KL(student, teacher).",
} as const satisfies Option;
/** The clip range of a form. */
export const clipOf = (form: keyof typeof clippedDefaults) => {
  const { epsilon, epsilonHigh = epsilon } = clippedDefaults[form];
  return {
    ...clipRange,
    default: epsilon,
    // The upper range of these forms stays what it is.
    ...epsilonHigh !== epsilon && {
      help:
        `How far a ratio may fall below 1 before it is clipped; it may rise ${epsilonHigh} above 1.`,
    },
  } as const satisfies Option;
};

/** The data and models of most objectives on rollouts. */
export const onRollouts = {
  data: "rollouts",
  reference: "none",
  teacher: false,
  values: false,
  trains: "policy",
} as const;
