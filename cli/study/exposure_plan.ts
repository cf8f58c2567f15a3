/**
 * The plan of the study of exposure bias: whether it helps to train on states that the model itself
 * would reach, at an equal cost in tokens.
 *
 * @module
 */

import type { GivenSettings } from "@unitune/training";
import { type Arm, type ArmStage, stateArms } from "./arms.ts";
import type { Helper, StudyClaim, StudyPlan } from "./plan.ts";

/** The cost in tokens at which every arm ends, by `tokenCost`. */
const BUDGET = 2_000_000;

/** Seeds of arms that no claim is about. */
const FEW_SEEDS = 5;

/** A factor of the learning rates for losses on sampled answers. */
const ROLLOUTS = 0.03;

/** A factor where gold answers are learned beside sampled ones. */
const MIXES = 0.1;

/** A factor for losses that make an answer less likely. */
const PAIRS = 0.01;

/** Answers of a step: eight to each of four prompts. */
const sampled = { batchSize: 32, groupSize: 8 };

/** Few examples, for an arm that answers each of them. */
const few = { examples: 800 };

/** The helper that teaches. */
const TEACHER = "teacher";

/** The supervised half of an arm that goes on with sampled answers, at the lower rate of SFT's grid. */
const supervised: ArmStage = { share: 0.5, settings: { objective: "sft", learningRate: 3e-3 } };

/** The arms that claims are about. */
const claimed: readonly Arm[] = [
  ...stateArms,
  {
    name: "sft-then-distillation",
    about: "half of the budget on gold answers, half on own answers that a larger model judges",
    before: [supervised],
    settings: { objective: "on-policy-distillation" },
    teacher: TEACHER,
    rateScale: ROLLOUTS,
  },
  {
    name: "sft-then-grpo",
    about: "half of the budget on gold answers, half on own answers with rewards",
    before: [supervised],
    settings: { objective: "grpo", ...sampled },
    rateScale: ROLLOUTS,
  },
  {
    name: "luffy",
    about: "a gold answer among seven own ones",
    settings: { objective: "luffy", ...sampled },
    rateScale: MIXES,
  },
  {
    name: "chord",
    about: "own answers with rewards, and gold ones weighed by p(1 - p)",
    settings: { objective: "chord", ...sampled },
    rateScale: MIXES,
  },
];

/** The arms beside them. */
const others: readonly Arm[] = [
  {
    name: "ift-detached",
    about: "IFT, weights without gradient",
    settings: { objective: "ift", propagation: "as-run-detached" },
  },
  {
    name: "ift-lambda",
    about: "IFT's states alone: no propagation",
    settings: { objective: "ift", gamma: 0 },
  },
  {
    name: "ift-propagation",
    about: "IFT's weights alone: gold states",
    settings: { objective: "ift", lambda: 0 },
  },
  {
    name: "ift-linear",
    about: "IFT, lambda rising to 0.4 over 100 steps",
    settings: { objective: "ift", lambdaSchedule: "linear", lambda: 0.4, warmupSteps: 100 },
  },
  {
    name: "ift-recursive",
    about: "IFT, own tokens after own tokens, three deep",
    settings: { objective: "ift", passes: 3 },
  },
  { name: "dft", about: "tokens weighed by their probability", settings: { objective: "dft" } },
  {
    name: "hpt",
    about: "own answers with rewards, or the gold one where too few are right",
    settings: { objective: "hpt", ...sampled },
    rateScale: MIXES,
  },
  {
    name: "on-policy-distillation",
    about: "own answers that a larger model judges, from the checkpoint on",
    settings: { objective: "on-policy-distillation" },
    teacher: TEACHER,
    rateScale: ROLLOUTS,
  },
  {
    name: "sft-then-ppo",
    about: "half of the budget on gold answers, half on own answers and a value head",
    before: [supervised],
    settings: { objective: "ppo" },
    rateScale: ROLLOUTS,
  },
  {
    name: "sft-then-nft",
    about: "the same with NFT: right answers become likelier and wrong ones less likely",
    before: [supervised],
    settings: { objective: "nft", ...sampled },
    rateScale: ROLLOUTS,
  },
  {
    name: "sft-then-sdft",
    about: "the same with SDFT: the model that has read the gold answer judges",
    before: [supervised],
    settings: { objective: "sdft" },
    rateScale: ROLLOUTS,
  },
  {
    name: "sft-then-dpo",
    about: "the same with DPO: gold answers over the model's own mistakes",
    // The answers to all prompts are sampled and scored beforehand, which the budget pays for.
    before: [{ ...supervised, settings: { ...supervised.settings, ...few } }],
    settings: { objective: "dpo", rejected: "model", ...few },
    rateScale: PAIRS,
  },
];

/** The larger model, trained on the gold answers of the same seed. */
const teacher: Helper = {
  name: TEACHER,
  about: "a larger model, trained on the same gold answers",
  isNew: true,
  settings: { objective: "sft", layers: 3, heads: 3, width: 96, steps: 600 },
};

/** A claim on exact match in the test, greedily decoded: the primary measure. */
const more = (arm: string, against: string, meaning: string): StudyClaim => ({
  ...{ arm, against, meaning },
  measure: "exact_match",
});

/** The claims, all of which are tested together. */
const claims: readonly StudyClaim[] = [
  more("ift", "sft", "IFT's own states and propagation help where mistakes ruin the rest"),
  more("ift-reach", "sft", "IFT's states help if its weights are held constant and never vanish"),
  more("scheduled-sampling", "sft", "own tokens in the prefix help by themselves"),
  more("sft-then-distillation", "sft", "own states help if a teacher says what to do there"),
  more("sft-then-distillation", "ift", "own states are worth more than states mixed towards them"),
  more("sft-then-grpo", "sft", "own answers with rewards are worth more than more gold answers"),
  more("sft-then-grpo", "luffy", "rewards after gold answers, rather than among them (LUFFY)"),
  more("sft-then-grpo", "chord", "rewards after gold answers, rather than among them (CHORD)"),
  {
    ...{ arm: "ift-reach", against: "ift", measure: "mean@k" },
    meaning: "the weights of IFT as run harm the end of sampled answers",
  },
];

/** Settings that the checkpoint and all arms share. */
const common: GivenSettings = { examples: 8000, warmupSteps: 20 };

/** The sizes of the model: rows of a prompt, an answer and once more an answer fit into its context. */
const sizes: GivenSettings = { layers: 2, heads: 2, width: 64, context: 256 };

/** The checkpoint: its steps are right more often after right ones than after its own. */
const checkpoint: GivenSettings = { ...common, ...sizes, evalSteps: 1_000_000, steps: 300 };

/**
 * The settings of all arms: evaluations on the way, and more steps than any arm takes to spend its
 * budget.
 */
const shared: GivenSettings = { ...common, evalSteps: 80, steps: 2000, tokenBudget: BUDGET };

/** The title of the page. */
const title = "Gold states and own states at equal tokens";

/** The whole study: three seeds of each of five tasks; settings are chosen on one of each. */
const whole: StudyPlan = {
  title,
  seeds: 15,
  selectionSeeds: 5,
  tasks: ["carry", "order", "maze", "trace", "word"],
  rates: [3e-3, 1e-2],
  isWholeGrid: false,
  arms: [...claimed, ...others.map((arm) => ({ ...arm, seeds: FEW_SEEDS }))],
  helpers: [teacher],
  claims,
  base: checkpoint,
  shared,
  samples: 4,
  probed: 100,
  projected: 16,
};

/** The arms of the quick form. */
const quickArms = ["sft", "ift", "ift-reach", "sft-then-grpo"];

/** The quick study: fewer arms, tasks and seeds, one rate, the whole budget, and seeds that chose nothing. */
const quick: StudyPlan = {
  title,
  firstSeed: 1000,
  seeds: 4,
  selectionSeeds: 1,
  tasks: ["order", "trace"],
  rates: [3e-3],
  isWholeGrid: false,
  arms: claimed.filter(({ name }) => quickArms.includes(name)),
  helpers: [],
  claims: claims.filter(({ arm, against }) =>
    quickArms.includes(arm) && quickArms.includes(against)
  ),
  base: checkpoint,
  shared,
  samples: 4,
  probed: 50,
  projected: 16,
};

/** The study of exposure bias. */
export const exposure: Readonly<Record<"whole" | "quick", StudyPlan>> = { whole, quick };
