/**
 * The objectives that a run can be told, by the data that they read.
 *
 * @module
 */

/** The names, in the groups of `@unitune/objectives`' catalogue. */
export const objectiveNames = {
  /** Learned from right answers. */
  demonstrations: ["sft", "dft", "iw-sft", "ift", "scheduled-sampling", "distillation"],
  /** Learned from a preferred answer and another one. */
  pairs: [
    "dpo",
    "ipo",
    "hinge",
    "exponential",
    "robust",
    "exo",
    "nca",
    "bco",
    "sppo",
    "aot",
    "aot-unpaired",
    "apo-zero",
    "apo-down",
    "discopop",
    "rpo",
    "mpo",
    "intuitive-dpo",
    "orpo",
    "simpo",
    "cpo",
  ],
  /** Pairs teach a reward model, and leave the policy as it is. */
  rewardModels: ["reward-model"],
  /** Learned from answers that were liked or not. */
  labels: ["kto"],
  /** Learned from own answers that were rewarded. */
  rollouts: [
    "reinforce",
    "reinforce-plus-plus",
    "rloo",
    "grpo",
    "grpo-kl",
    "dapo",
    "dr-grpo",
    "gspo",
    "cispo",
    "max-rl",
    "intuitive-grpo",
    "online-dpo",
    "best-of-n",
  ],
  /** The same, with a value head. */
  actorCritics: ["ppo"],
} as const;

/** A group of objectives that read the same data. */
export type ObjectiveGroup = keyof typeof objectiveNames;

/** The name of an objective in a group. */
export type NameIn<Group extends ObjectiveGroup> = typeof objectiveNames[Group][number];

/** The name of an objective. */
export type ObjectiveName = NameIn<ObjectiveGroup>;

/** All names. */
export const allObjectives: readonly ObjectiveName[] = Object.values(objectiveNames).flat();

/** Names that objectives have elsewhere: in papers, and as functions of `@unitune/objectives`. */
export const objectiveAliases: Readonly<Record<string, ObjectiveName>> = {
  "max-rl-gradient": "max-rl",
  "reinforce++": "reinforce-plus-plus",
};

/** Those that learn from rewarded answers of their own. */
export const onRollouts: readonly ObjectiveName[] = [
  ...objectiveNames.rollouts,
  ...objectiveNames.actorCritics,
];

/** Those that learn from a preferred answer and another one. */
export const onPairs: readonly ObjectiveName[] = [
  ...objectiveNames.pairs,
  ...objectiveNames.rewardModels,
];

/** Those that compare several answers to one prompt. */
export const inGroups: readonly ObjectiveName[] = objectiveNames.rollouts.filter((name) =>
  name !== "reinforce" && name !== "reinforce-plus-plus"
);
