/** The rows of objectives on the policy's answers beside those of another model. */
import {
  aStarPo,
  aStarPoDefaults,
  nashMd,
  nashMdDefaults,
  xpo,
  xpoDefaults,
} from "../catalogue/compared_rollouts.ts";
import { defineObjective, type ObjectiveEntry } from "./entry.ts";
import { beta, groupSize, onRollouts } from "./shared.ts";

const scoredRollouts = { ...onRollouts, reference: "log-probs" } as const;

/** The objectives. */
export const comparedRolloutEntries: readonly ObjectiveEntry[] = [
  defineObjective({
    ...scoredRollouts,
    name: "a-star-po",
    aliases: ["a2po"],
    options: {
      groupSize: {
        ...groupSize,
        default: aStarPoDefaults.groupSize,
        help:
          "The number of answers to each prompt: one of the policy, the others of the reference.",
      },
      valueTemperature: {
        kind: "number",
        default: aStarPoDefaults.valueTemperature,
        above: 0,
        help: "The temperature by which the reference's answers estimate the value of a prompt.",
      },
      beta: { ...beta, default: aStarPoDefaults.beta },
    },
    make: aStarPo,
  }),
  defineObjective({
    ...scoredRollouts,
    name: "xpo",
    options: {
      beta,
      exploration: {
        kind: "number",
        default: xpoDefaults.alpha,
        min: 0,
        help: "The weight of the bonus for moving away from the reference's answers.",
      },
    },
    make: ({ beta, exploration }) => xpo({ beta, alpha: exploration }),
  }),
  defineObjective({
    ...scoredRollouts,
    name: "nash-md",
    options: {
      beta,
      referenceShare: {
        kind: "number",
        min: 0,
        max: 1,
        default: nashMdDefaults.referenceShare,
        help: "The share of the reference's logits in those that sample the second answer; the " +
          "policy's have the rest of 1.",
      },
    },
    mixture: ({ referenceShare }) => referenceShare,
    make: ({ beta }) => nashMd({ beta }),
  }),
];
