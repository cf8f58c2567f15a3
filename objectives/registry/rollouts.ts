/** The rows of objectives on rollouts: the policy's own answers, with rewards. */
import {
  bestOfN,
  cispo,
  dapo,
  drGrpo,
  grpo,
  grpoKl,
  grpoKlDefaults,
  gspo,
  intuitiveGrpo,
  maxRlGradient,
  onlineDpo,
  ppo,
  ppoDefaults,
  reinforce,
  reinforcePlusPlus,
  rejectionSampling,
  replayGrpo,
  replayGrpoDefaults,
  rloo,
} from "../catalogue/rollouts.ts";
import { objectiveDefaults } from "../defaults.ts";
import { passedDefaults } from "../passing.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import {
  beta,
  clipOf,
  clipRange,
  constantLength,
  embeddings,
  groupSize,
  klWeight,
  lambdaOf,
  lambdaOptions,
  onRollouts,
  scaleRewards,
} from "./shared.ts";

/** The objectives on rollouts. */
export const rolloutEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...onRollouts,
    name: "reinforce",
    options: {},
    make: () => reinforce(),
  }),
  defineObjective({
    ...onRollouts,
    name: "reinforce-plus-plus",
    needsWholeBatch: true,
    aliases: ["reinforce++"],
    options: { clipRange },
    make: ({ clipRange }) => reinforcePlusPlus({ epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "rloo",
    options: { groupSize, clipRange: clipOf("rloo") },
    make: ({ groupSize, clipRange }) => rloo({ groupSize, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "grpo",
    options: { groupSize, scaleRewards, clipRange: clipOf("grpo") },
    make: ({ clipRange, ...group }) => grpo({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "replay-grpo",
    aliases: ["grpo-with-replay-buffer"],
    options: {
      groupSize,
      scaleRewards,
      clipRange: clipOf("grpo"),
      keptGroups: {
        kind: "integer",
        min: 1,
        default: replayGrpoDefaults.keptGroups,
        help: "The number of groups that are kept to replace those of equal rewards.",
      },
    },
    keptGroups: ({ keptGroups }) => keptGroups,
    make: ({ groupSize, scaleRewards, clipRange }) =>
      replayGrpo({ groupSize, scaleRewards, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "grpo-kl",
    reference: "log-probs",
    options: {
      groupSize,
      scaleRewards,
      clipRange: clipOf("grpo"),
      klWeight: { ...klWeight, default: grpoKlDefaults.beta },
    },
    make: ({ clipRange, klWeight, ...group }) =>
      grpoKl({ ...group, epsilon: clipRange, beta: klWeight }),
  }),
  defineObjective({
    ...onRollouts,
    name: "dapo",
    options: { groupSize, scaleRewards, clipRange: clipOf("dapo") },
    make: ({ clipRange, ...group }) => dapo({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "dr-grpo",
    options: {
      groupSize,
      clipRange: clipOf("drGrpo"),
      maxNewTokens: constantLength,
    },
    make: ({ groupSize, clipRange, maxNewTokens }) =>
      drGrpo({ groupSize, epsilon: clipRange, maxLength: maxNewTokens }),
  }),
  defineObjective({
    ...onRollouts,
    name: "gspo",
    options: { groupSize, scaleRewards, clipRange: clipOf("gspo") },
    make: ({ clipRange, ...group }) => gspo({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "cispo",
    options: { groupSize, scaleRewards },
    make: cispo,
  }),
  defineObjective({
    ...onRollouts,
    name: "max-rl",
    aliases: ["max-rl-gradient"],
    options: { groupSize, clipRange: clipOf("ppo") },
    make: ({ groupSize, clipRange }) => maxRlGradient({ groupSize, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "intuitive-grpo",
    options: { ...lambdaOptions, embeddings, groupSize, scaleRewards },
    make: ({ embeddings, groupSize, scaleRewards, ...lambda }) =>
      intuitiveGrpo({ lambda: lambdaOf(lambda), embeddings, groupSize, scaleRewards }),
  }),
  defineObjective({
    ...onRollouts,
    name: "online-dpo",
    reference: "log-probs",
    options: { beta, groupSize: { ...groupSize, default: objectiveDefaults.rankedGroupSize } },
    make: onlineDpo,
  }),
  defineObjective({
    ...onRollouts,
    name: "best-of-n",
    options: { groupSize },
    make: bestOfN,
  }),
  defineObjective({
    ...onRollouts,
    name: "rejection-sampling",
    aliases: ["raft", "rft"],
    options: {
      groupSize: { ...groupSize, help: "The number of answers to each prompt." },
      passingReward: {
        kind: "number",
        default: passedDefaults.passing,
        help: "The reward from which an answer is learned.",
      },
    },
    make: ({ groupSize, passingReward }) =>
      rejectionSampling({ groupSize, passing: passingReward }),
  }),
  defineObjective({
    ...onRollouts,
    name: "ppo",
    needsWholeBatch: true,
    reference: "log-probs",
    values: true,
    rolloutEpochs: 4,
    options: {
      clipRange: {
        ...clipOf("ppo"),
        help:
          "How far a ratio may move from 1, and a value from its old one, before it is clipped.",
      },
      klWeight: { ...klWeight, default: ppoDefaults.penalty },
      valueWeight: {
        kind: "number",
        default: ppoDefaults.valueWeight,
        min: 0,
        help: "The weight of the value loss.",
      },
      gaeLambda: {
        kind: "number",
        default: ppoDefaults.lambda,
        min: 0,
        max: 1,
        help: "The lambda of generalised advantage estimation: 0 looks ahead to the next value, " +
          "1 to the end of the answer.",
      },
      whiten: {
        kind: "boolean",
        default: ppoDefaults.whiten,
        help: "Uses advantages as they are, without normalising them to z-scores over the batch.",
      },
    },
    make: ({ clipRange, klWeight, valueWeight, gaeLambda, whiten }) =>
      ppo({
        epsilon: clipRange,
        valueEpsilon: clipRange,
        penalty: klWeight,
        valueWeight,
        lambda: gaeLambda,
        whiten,
        // A batch is used for several steps, and the policy's values change with the first of them.
        values: "precomputed",
      }),
  }),
];
