/**
 * The plan of a study: its arms, seeds, grids and claims, and what follows from them before anything is
 * trained.
 *
 * @module
 */

import type { GivenSettings } from "@unitune/training";
import { digestOf } from "../files/digest.ts";
import type { PrimaryName } from "./primary.ts";
import { type Arm, BASE, gridOf, type GridPoint } from "./arms.ts";
import type { Asked } from "./examination.ts";

/** The plan of a study. */
export interface StudyPlan extends Asked {
  /** The title of its page (default: that of the study of objectives). */
  readonly title?: string;
  /** The measure that decides (default `"exact_match"`). */
  readonly primary?: PrimaryName;
  /** Digests of the files and folders that settings name, by their paths (default: none are named). */
  readonly files?: Readonly<Record<string, string>>;
  /** The first seed (default 0). */
  readonly firstSeed?: number;
  /** The number of seeds. */
  readonly seeds: number;
  /**
   * The number of seeds, from the first on, whose validation data chooses the settings of an arm.
   */
  readonly selectionSeeds: number;
  /** The arms. */
  readonly arms: readonly Arm[];
  /** Trainings beside the arms that are not compared: of teachers and of judges, a run a seed. */
  readonly helpers: readonly Helper[];
  /** What the study claims of its arms, before they are trained (default: nothing). */
  readonly claims?: readonly StudyClaim[];
  /** The learning rates to try. */
  readonly rates: readonly number[];
  /** Whether to try all values of an arm's own settings, or only the first of each. */
  readonly isWholeGrid: boolean;
  /** The tasks, of which each seed has one, in turn (default: all seeds have those of the settings). */
  readonly tasks?: readonly string[];
  /** The settings of the training that makes the checkpoint. */
  readonly base: GivenSettings;
  /** The settings that all arms share. */
  readonly shared: GivenSettings;
}

/** A claim that is tested: one arm has more of a measure than another, or less. */
export interface StudyClaim {
  /** The arm. */
  readonly arm: string;
  /** The arm that it is compared with. */
  readonly against: string;
  /** The measure. */
  readonly measure: string;
  /** Whether the arm has less of it, as of a divergence (default: it has more). */
  readonly isLess?: boolean;
  /** What it would mean, in a few words. */
  readonly meaning: string;
}

/** A training beside the arms. */
export interface Helper extends Arm {
  /** Whether it starts from a new model, and not from the checkpoint (default: it does not). */
  readonly isNew?: boolean;
}

/**
 * The name of the validation data in the records of a study's runs.
 *
 * @param plan The plan.
 * @returns That of the built-in tasks, or that of the rows of a file.
 */
export function validationSplit({ shared }: Pick<StudyPlan, "shared">): string {
  return shared.data === undefined ? "held-out" : "validation";
}

/** The most seeds of a study: a plan that was edited must not fill the memory. */
export const MOST_SEEDS = 10_000;

/** The largest first seed of a study: all seeds after it are exact integers. */
export const LAST_FIRST_SEED = 2 ** 31 - 1;

/**
 * The seeds of a study.
 *
 * @param plan The plan.
 * @returns The seeds, in order.
 *
 * @example
 * ```ts
 * import { seedsOf } from "./plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(seedsOf({ firstSeed: 100, seeds: 3 }), [100, 101, 102]);
 * ```
 */
export function seedsOf(
  { firstSeed = 0, seeds }: Pick<StudyPlan, "firstSeed" | "seeds">,
): readonly number[] {
  return Array.from({ length: seeds }, (_, i) => firstSeed + i);
}

/** The one point of a grid of settings that are not tried. */
export const FIXED: GridPoint = { name: "as-it-is", settings: {} };

/** An arm with the settings to try. */
export interface ArmGrid {
  /** The arm, or the helper. */
  readonly arm: Helper;
  /** The points, of which the best on validation data is chosen. */
  readonly grid: readonly GridPoint[];
}

/**
 * The arms of a study with their grids.
 *
 * @param plan The plan.
 * @returns The helpers and the arms. The helpers are the first: their trials take longest, so no
 * worker waits for them at the end.
 */
export function gridsOf(
  { arms, helpers, rates, isWholeGrid }: Pick<
    StudyPlan,
    "arms" | "helpers" | "rates" | "isWholeGrid"
  >,
): readonly ArmGrid[] {
  return [
    ...helpers.map((arm) => ({ arm, grid: [FIXED] })),
    ...arms.map((arm) => ({ arm, grid: gridOf(arm, rates, isWholeGrid) })),
  ];
}

/**
 * The number of seeds on which every point of a grid is tried; the best goes on to the others.
 *
 * @param plan The plan.
 * @param own The arm and its grid.
 * @returns The number; all seeds of the arm where there is nothing to choose.
 */
export function triedSeeds(
  { seeds, selectionSeeds }: Pick<StudyPlan, "seeds" | "selectionSeeds">,
  { arm, grid: { length } }: ArmGrid,
): number {
  return length === 1 ? arm.seeds ?? seeds : selectionSeeds;
}

/**
 * The most trials that a study can take.
 *
 * @param plan The plan.
 * @returns The number of trials.
 */
export function countTrials(plan: StudyPlan): number {
  return [...countsOf(plan).values()].reduce((total, count) => total + count, 0);
}

/**
 * The trials of the checkpoint, of each helper and of each arm.
 *
 * @param plan The plan.
 * @returns Their numbers by name.
 */
export function countsOf(plan: StudyPlan): ReadonlyMap<string, number> {
  const { seeds } = plan;
  return new Map([
    [BASE, seeds] as const,
    ...gridsOf(plan).map((own) => {
      const { arm, grid } = own;
      const tried = triedSeeds(plan, own);
      return [arm.name, grid.length * tried + (arm.seeds ?? seeds) - tried] as const;
    }),
  ]);
}

/**
 * The digest of a plan: two plans with the same one have the same trials. Files count by their content,
 * wherever they are.
 *
 * @param plan The plan.
 * @returns A SHA-256, in hexadecimal.
 */
export function planDigest({ files = {}, ...plan }: StudyPlan): string {
  return digestOf(
    JSON.stringify(plan, (_, value) => typeof value === "string" ? files[value] ?? value : value),
  );
}
