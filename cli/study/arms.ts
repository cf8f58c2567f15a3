/**
 * The arms of the study: ways to train one checkpoint further, and the settings tried for each.
 *
 * @module
 */

import type { OptionValue } from "@unitune/objectives";
import type { GivenSettings } from "@unitune/training";

/** Settings to try, under a name. */
export interface GridPoint {
  /** The name in folders and tables: `learningRate-0.001,beta-0.1`. */
  readonly name: string;
  /** The settings. */
  readonly settings: GivenSettings;
}

/** A stage of an arm before its last. */
export interface ArmStage {
  /** The settings in which it differs from what all arms share. */
  readonly settings: GivenSettings;
  /** Its share of the cost of the arm: of the budget of tokens, or of the steps without one. */
  readonly share: number;
}

/** A way to train the checkpoint further. */
export interface Arm {
  /** The name of the arm. */
  readonly name: string;
  /** A description in a few words. */
  readonly about: string;
  /** The settings in which it differs from the others: of its last stage, if there are several. */
  readonly settings: GivenSettings;
  /** The stages before it (default: there are none). */
  readonly before?: readonly ArmStage[];
  /** The helper whose policy of the same seed is its teacher (default: it has none). */
  readonly teacher?: string;
  /** The number of seeds, if fewer than the study has (default: all). */
  readonly seeds?: number;
  /** A factor for the learning rates to try (default 1). */
  readonly rateScale?: number;
  /** The values to try of other settings, which make a grid with the learning rates. */
  readonly tried?: Readonly<Record<string, readonly OptionValue[]>>;
}

/** The name of the checkpoint from which all arms start, which results list like an arm. */
export const BASE = "base";

/** Further supervised training, with which all other arms are compared. */
export const BASELINE = "sft";

/**
 * Factors of the learning rates for losses that make rejected answers less likely, and for losses
 * on sampled answers: for both, lower learning rates than for SFT are usual.
 */
const [PAIRS, ROLLOUTS] = [0.1, 0.3] as const;

/**
 * The arms. All are trained on the same prompts and right answers for the same number of steps.
 * Only `sft-early` stops before, which shows how much of a difference is overfitting.
 */
export const arms: readonly Arm[] = [
  { name: "sft", about: "more of the same", settings: { objective: "sft" } },
  {
    name: "sft-early",
    about: "less of the same, before it learns by heart",
    settings: { objective: "sft" },
    tried: { steps: [50, 100, 200] },
  },
  { name: "dft", about: "tokens weighed by their probability", settings: { objective: "dft" } },
  { name: "ift", about: "IFT as its code runs", settings: { objective: "ift" } },
  {
    name: "ift-detached",
    about: "IFT, weights without gradient",
    settings: { objective: "ift", propagation: "as-run-detached" },
  },
  {
    name: "ift-lambda",
    about: "IFT's states alone",
    settings: { objective: "ift", propagation: "none" },
  },
  {
    name: "ift-propagation",
    about: "IFT's propagation alone",
    settings: { objective: "ift", lambda: 0 },
  },
  {
    name: "dpo",
    about: "gold over mistakes",
    settings: { objective: "dpo" },
    rateScale: PAIRS,
    tried: { beta: [0.1, 0.5] },
  },
  {
    name: "ipo",
    about: "gold over mistakes",
    settings: { objective: "ipo" },
    rateScale: PAIRS,
    tried: { beta: [0.1, 0.5] },
  },
  {
    name: "kto",
    about: "gold liked, mistakes not",
    settings: { objective: "kto" },
    rateScale: PAIRS,
    tried: { beta: [0.1, 0.5] },
  },
  {
    name: "orpo",
    about: "gold over mistakes, no reference",
    settings: { objective: "orpo" },
    tried: { beta: [0.1, 0.5] },
  },
  {
    name: "simpo",
    about: "gold over mistakes, no reference",
    settings: { objective: "simpo" },
    rateScale: PAIRS,
  },
  {
    name: "ppo",
    about: "own answers, verified; value head",
    settings: { objective: "ppo", batchSize: 128 },
    rateScale: ROLLOUTS,
  },
  {
    name: "grpo",
    about: "own answers, verified; groups of 8",
    settings: { objective: "grpo", batchSize: 128 },
    rateScale: ROLLOUTS,
  },
  {
    name: "rloo",
    about: "own answers, verified; groups of 8",
    settings: { objective: "rloo", batchSize: 128 },
    rateScale: ROLLOUTS,
  },
];

/** SFT and the arms that differ from it in the states that they learn in, and in the weights of these. */
export const stateArms: readonly Arm[] = [
  {
    name: "sft",
    about: "more of the same: gold answers after gold prefixes",
    settings: { objective: "sft" },
  },
  {
    name: "scheduled-sampling",
    about: "a fifth of the read tokens are the model's own",
    settings: { objective: "scheduled-sampling" },
  },
  { name: "ift", about: "IFT as its code runs", settings: { objective: "ift" } },
  {
    name: "ift-reach",
    about: "IFT's states; tokens weighed by the chance of their states",
    settings: { objective: "ift", propagation: "reach", gamma: 0.5 },
  },
];

/** A reward model, trained from the checkpoint of the arms on more data. */
export const rewardModelArm: Arm = {
  name: "reward-model",
  about: "gold over mistakes, as a score",
  settings: {
    objective: "reward-model",
    tasks: "sort+pick",
    examples: 20_000,
    steps: 600,
    learningRate: 2e-3,
    evalSteps: 1_000_000,
  },
};

/**
 * The grid of an arm: every learning rate with every value of its own settings.
 *
 * @param arm The arm.
 * @param rates The learning rates.
 * @param isWhole Whether to try all values of its own settings, or only the first of each.
 * @returns The points of the grid.
 *
 * @example
 * ```ts
 * import { gridOf } from "./arms.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const arm = { name: "dpo", about: "", settings: {}, tried: { beta: [0.1, 0.5] } };
 * const names = gridOf(arm, [1e-3], true).map(({ name }) => name);
 * assertEquals(names, ["learningRate-0.001,beta-0.1", "learningRate-0.001,beta-0.5"]);
 * ```
 */
export function gridOf(
  { tried = {}, rateScale = 1 }: Arm,
  rates: readonly number[],
  isWhole: boolean,
): readonly GridPoint[] {
  const own = Object.entries(tried).map(([name, values]): [string, readonly OptionValue[]] => [
    name,
    isWhole ? values : values.slice(0, 1),
  ]);
  let points: readonly (readonly [string, OptionValue])[][] = [[]];
  // Rounded to two digits, for short names.
  const scaled = rates.map((rate) => Number((rate * rateScale).toPrecision(2)));
  for (const [name, values] of [["learningRate", scaled] as const, ...own]) {
    points = points.flatMap((point) => values.map((value) => [...point, [name, value] as const]));
  }
  return points.map((point) => ({
    name: point.map(([name, value]) => `${name}-${value}`).join(","),
    settings: Object.fromEntries(point),
  }));
}
