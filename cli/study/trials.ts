/**
 * The trials of a study: the settings of every training that its plan asks for.
 *
 * @module
 */

import {
  type GivenSettings,
  settingTable,
  trainSettings,
  writtenSettings,
} from "@unitune/training";
import { type ArmStage, BASE, type GridPoint } from "./arms.ts";
import { FIXED, type Helper, type StudyPlan } from "./plan.ts";
import { placesOf, type Trial } from "./trial.ts";

/** Settings of all runs: no evaluations on the way, few checkpoints, metrics now and then. */
const quiet = { evalSteps: 1_000_000, saveSteps: 250, loggingSteps: 20 };

/** Added to the seed of an arm's run: its rows come in another order than the checkpoint's. */
const ARM_SEED = 1000;

/** The trials of a study. */
interface StudyTrials {
  /** The training of the checkpoint of a seed. */
  base(seed: number): Trial;
  /** An arm with some settings, or a helper. */
  of(arm: Helper, point: GridPoint, seed: number): Trial;
  /** The trials whose models such a trial starts from. */
  needs(arm: Helper, seed: number): readonly Trial[];
}

/**
 * Where the stages of an arm end: budgets count from the start of the run, and steps from that of the
 * stage.
 */
function extentsOf(
  { tokenBudget, steps = settingTable.steps.default }: GivenSettings,
  before: readonly ArmStage[],
): { readonly extents: readonly GivenSettings[]; readonly last: GivenSettings } {
  const shares = before.map(({ share }) => share);
  const upTo = (i: number) => shares.slice(0, i + 1).reduce((total, share) => total + share, 0);
  return {
    extents: shares.map((share, i) =>
      tokenBudget === undefined
        ? { steps: Math.round(share * steps) }
        : { tokenBudget: Math.round(upTo(i) * tokenBudget) }
    ),
    last: before.length === 0 || tokenBudget !== undefined
      ? {}
      : { steps: Math.round((1 - upTo(before.length)) * steps) },
  };
}

/**
 * The settings that decide on the data of a seed.
 *
 * @param plan The plan.
 * @param seed The seed.
 * @returns Its own rows, of its task where seeds have tasks in turn; nothing where the rows are those of
 * a file, which all seeds have in another order.
 */
export function dataOf(
  { tasks, shared }: Pick<StudyPlan, "tasks" | "shared">,
  seed: number,
): GivenSettings {
  if (shared.data !== undefined) return {};
  const own = tasks?.[seed % tasks.length];
  return { dataSeed: seed, ...own !== undefined && { tasks: own } };
}

/**
 * The trials of a study in a folder.
 *
 * @param plan The plan.
 * @param folder The folder.
 * @returns What makes them.
 */
export function trialsOf(plan: StudyPlan, folder: string): StudyTrials {
  const written = (given: GivenSettings) => writtenSettings(trainSettings({ ...quiet, ...given }));
  const base = (seed: number): Trial => ({
    ...{ arm: BASE, point: "", seed },
    stages: [written({ ...plan.base, ...dataOf(plan, seed), seed })],
  });
  const placeOf = (trial: Pick<Trial, "arm" | "point" | "seed">) =>
    `${folder}/${placesOf(trial).run}`;
  /** The helper that a name stands for. */
  const helperNamed = (name: string): Helper => {
    const helper = plan.helpers.find((one) => one.name === name);
    if (helper === undefined) throw new RangeError(`a study without the helper ${name}`);
    return helper;
  };
  const of = (arm: Helper, point: GridPoint, seed: number): Trial => {
    const { name, settings, before = [], teacher, isNew = false } = arm;
    const lent = teacher === undefined
      ? {}
      : { teacher: placeOf({ arm: teacher, point: FIXED.name, seed }) };
    const shared = isNew ? plan.base : plan.shared;
    const start = isNew ? {} : { from: placeOf({ arm: BASE, point: "", seed }) };
    const stage = (own: GivenSettings) =>
      written({
        ...shared,
        ...own,
        ...lent,
        ...start,
        ...dataOf(plan, seed),
        seed: ARM_SEED + seed,
      });
    const { extents, last } = extentsOf(shared, before);
    return {
      ...{ arm: name, point: point.name, seed },
      stages: [
        ...before.map(({ settings: own }, i) => stage({ ...own, ...extents[i] })),
        stage({ ...last, ...settings, ...point.settings }),
      ],
    };
  };
  return {
    base,
    of,
    needs: ({ isNew = false, teacher }, seed) => [
      ...isNew ? [] : [base(seed)],
      ...teacher === undefined ? [] : [of(helperNamed(teacher), FIXED, seed)],
    ],
  };
}
