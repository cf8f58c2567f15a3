/**
 * What is compared: ways to go on from one checkpoint, and what is tried of each.
 *
 * @module
 */

import { type TrainSettings, trainSettings } from "../flags/settings.ts";

/** Settings that are tried, under a name of their own. */
export interface GridPoint {
  /** What it is called, in folders and tables: `lr-0.001`. */
  readonly name: string;
  /** The settings. */
  readonly settings: Partial<TrainSettings>;
}

/** A way to go on from the checkpoint. */
export interface Arm {
  /** What it is called. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly about: string;
  /** What sets it apart. */
  readonly settings: Partial<TrainSettings>;
  /** What the learning rates that are tried are multiplied by; 1 unless told. */
  readonly rateScale?: number;
  /** Further settings, each a list of values, that the grid is made of beside the learning rate. */
  readonly tried?: Readonly<
    Partial<{ [Name in keyof TrainSettings]: readonly TrainSettings[Name][] }>
  >;
}

/** The checkpoint that all arms go on from, as if it were one. */
export const BASE = "base";

/** Further supervised training: what all others are compared with. */
export const BASELINE = "sft";

/**
 * What the common learning rates are multiplied by for losses that push answers away, and for those
 * on sampled answers: both are trained with lower ones than SFT everywhere.
 */
const [PAIRS, ROLLOUTS] = [0.1, 0.3] as const;

/**
 * The arms. All see the same prompts and the same right answers, for as many steps; but the early
 * end of SFT, which tells what of a difference is overfitting.
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

/** The judge that is trained beside the arms, from their checkpoints but on more data. */
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
 * What is tried of an arm: every learning rate with every value of its own settings.
 *
 * @param arm The arm.
 * @param rates The learning rates.
 * @param isWhole Whether its own settings are tried as well, or the first value of each only.
 * @returns The points of its grid.
 *
 * @example
 * ```ts
 * import { gridOf } from "@unitune/cli";
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
  const own = Object.entries(tried).map(([name, values]): [string, readonly unknown[]] => [
    name,
    isWhole ? values : values.slice(0, 1),
  ]);
  let points: readonly (readonly [string, unknown])[][] = [[]];
  // To two digits, so that a name is a number that somebody would write.
  const scaled = rates.map((rate) => Number((rate * rateScale).toPrecision(2)));
  for (const [name, values] of [["learningRate", scaled] as const, ...own]) {
    points = points.flatMap((point) => values.map((value) => [...point, [name, value] as const]));
  }
  return points.map((point) => ({
    name: point.map(([name, value]) => `${name}-${value}`).join(","),
    settings: partial(Object.fromEntries(point)),
  }));
}

/** Settings among all that may stand in an object. */
function partial(values: Readonly<Record<string, unknown>>): Partial<TrainSettings> {
  const known = Object.entries(trainSettings()).map(([name]) => name);
  return Object.fromEntries(Object.entries(values).filter(([name]) => known.includes(name)));
}
