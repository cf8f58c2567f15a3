/** The rows of GRPO's kin: other ratios, other surrogates, other weights of tokens. */
import {
  adaptiveEntropyGrpo,
  gdpo,
  gmpo,
  gspoToken,
  highEntropyDapo,
  highEntropyDefaults,
  luspo,
  maskedGrpo,
  maskedGrpoDefaults,
  sapo,
  vespo,
} from "../catalogue/shaped_rollouts.ts";
import { adaptiveEntropyDefaults } from "../rollout_regularizers.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import { clipOf, clipRange, groupSize, klWeight, onRollouts, scaleRewards } from "./shared.ts";

const group = { groupSize, scaleRewards };

/** The objectives. */
export const shapedRolloutEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...onRollouts,
    name: "luspo",
    options: { ...group, clipRange: clipOf("luspo") },
    make: ({ clipRange, ...group }) => luspo({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "gspo-token",
    options: { ...group, clipRange: clipOf("gspoToken") },
    make: ({ clipRange, ...group }) => gspoToken({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "sapo",
    options: {
      ...group,
      gatePositive: {
        kind: "number",
        default: 1,
        above: 0,
        help: "The steepness of the gate where the advantage is above 0.",
      },
      gateNegative: {
        kind: "number",
        default: 1.05,
        above: 0,
        help: "The steepness of the gate where the advantage is not above 0.",
      },
    },
    make: ({ gatePositive, gateNegative, ...group }) =>
      sapo({ ...group, positive: gatePositive, negative: gateNegative }),
  }),
  defineObjective({ ...onRollouts, name: "vespo", options: group, make: vespo }),
  defineObjective({
    ...onRollouts,
    name: "gmpo",
    options: {
      ...group,
      clipRange: { ...clipRange, default: 0.4, help: "How far a log-ratio may move from 0." },
    },
    make: ({ clipRange, ...group }) => gmpo({ ...group, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "gdpo",
    needsWholeBatch: true,
    options: { groupSize, clipRange: clipOf("ppo") },
    make: ({ groupSize, clipRange }) => gdpo({ groupSize, epsilon: clipRange }),
  }),
  defineObjective({
    ...onRollouts,
    name: "high-entropy-dapo",
    needsWholeBatch: true,
    options: {
      ...group,
      clipRange: clipOf("dapo"),
      entropyShare: {
        kind: "number",
        default: highEntropyDefaults.share,
        min: 0,
        max: 1,
        help: "The share of answer tokens that teach: those at which the policy is most uncertain.",
      },
    },
    make: ({ clipRange, entropyShare, ...group }) =>
      highEntropyDapo({ ...group, epsilon: clipRange, share: entropyShare }),
  }),
  defineObjective({
    ...onRollouts,
    name: "adaptive-entropy-grpo",
    aliases: ["skywork-or1"],
    options: {
      ...group,
      clipRange: clipOf("ppo"),
      entropyTarget: {
        kind: "number",
        default: adaptiveEntropyDefaults.target,
        min: 0,
        help: "The entropy, in nats, below which the bonus counts and its weight grows.",
      },
      entropyChange: {
        kind: "number",
        default: adaptiveEntropyDefaults.change,
        min: 0,
        help: "The change of the bonus's weight after each step.",
      },
    },
    make: ({ clipRange, entropyTarget, entropyChange, ...group }) =>
      adaptiveEntropyGrpo({
        ...group,
        epsilon: clipRange,
        entropy: { target: entropyTarget, change: entropyChange },
      }),
  }),
  defineObjective({
    ...onRollouts,
    name: "masked-grpo",
    aliases: ["deepseek-v3.2"],
    reference: "log-probs",
    options: {
      groupSize,
      scaleRewards: { ...scaleRewards, default: maskedGrpoDefaults.scaleRewards },
      clipRange: clipOf("grpo"),
      klWeight: { ...klWeight, default: maskedGrpoDefaults.beta },
      offPolicyThreshold: {
        kind: "number",
        default: maskedGrpoDefaults.threshold,
        min: 0,
        help: "The mean log-ratio of the old to the present policy above which an answer of " +
          "negative advantage is left out.",
      },
    },
    make: ({ clipRange, klWeight, offPolicyThreshold, ...group }) =>
      maskedGrpo({
        ...group,
        epsilon: clipRange,
        beta: klWeight,
        threshold: offPolicyThreshold,
      }),
  }),
];
