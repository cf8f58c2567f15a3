/**
 * How long the trials of a study took, and what is left of it takes.
 *
 * @module
 */

import { formatDuration } from "../terminal/progress.ts";
import type { CompactTrial } from "./compact.ts";
import { meanOf } from "./statistics.ts";
import type { StudyTable } from "./table.ts";
import { countsOf, type StudyPlan } from "./plan.ts";

/** What is done of a study, and what is left. */
export interface Schedule {
  /** Finished trials. */
  readonly done: number;
  /** All trials. */
  readonly total: number;
  /** Seconds that the finished trials took, one after the other. */
  readonly spent: number;
  /** Seconds that the others will take so; undefined where no trial was timed. */
  readonly left?: number;
}

/**
 * The schedule of a study: a trial that is left takes as long as those of its arm, or, where none of
 * them is finished, as long as an average one.
 *
 * @param plan The plan.
 * @param trials The finished trials.
 * @returns The schedule.
 */
export function scheduleOf(plan: StudyPlan, trials: readonly CompactTrial[]): Schedule {
  const timed = trials.filter(({ seconds }) => seconds > 0).map(({ seconds }) => seconds);
  const spent = timed.reduce((sum, seconds) => sum + seconds, 0);
  const counts = countsOf(plan);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const done = trials.length;
  if (timed.length === 0) return { done, total, spent };
  const average = meanOf(timed);
  const left = [...counts].reduce((sum, [arm, count]) => {
    const own = trials.filter((trial) => trial.arm === arm);
    const ownTimes = own.flatMap(({ seconds }) => seconds > 0 ? [seconds] : []);
    const each = ownTimes.length === 0 ? average : meanOf(ownTimes);
    return sum + Math.max(0, count - own.length) * each;
  }, 0);
  return { done, total, spent, left };
}

/**
 * What is done of a study and how long the rest takes, in words.
 *
 * @param plan The plan.
 * @param trials The finished trials.
 * @param jobs The number of trials at a time.
 * @returns A sentence without its point.
 */
export function scheduleText(
  plan: StudyPlan,
  trials: readonly CompactTrial[],
  jobs: number,
): string {
  const { done, total, spent, left } = scheduleOf(plan, trials);
  const time = (seconds: number) => formatDuration(seconds / jobs);
  return `${done} of ${total} trials are finished` +
    (left === undefined
      ? ""
      : `, in ${time(spent)} at ${jobs} at a time; the others take about ${time(left)}`);
}

/**
 * What the trials of a study took by the clock, beside each other as they ran.
 *
 * @param plan The plan.
 * @param trials The finished trials.
 * @returns A table with a row for the checkpoint, each helper and each arm.
 */
export function timeTable(plan: StudyPlan, trials: readonly CompactTrial[]): StudyTable {
  const rows = [...countsOf(plan).keys()].flatMap((arm) => {
    const own = trials.filter((trial) => trial.arm === arm && trial.seconds > 0);
    if (own.length === 0) return [];
    const thousands = (of: (cost: CompactTrial["cost"]) => number) =>
      (meanOf(own.map(({ cost }) => of(cost))) / 1000).toFixed(0);
    return [[
      arm,
      String(own.length),
      meanOf(own.map(({ seconds }) => seconds)).toFixed(1),
      thousands(({ forwardTokens }) => forwardTokens),
      thousands(({ backwardTokens }) => backwardTokens),
    ]];
  });
  return {
    title: "The time of a trial",
    cells: [["", "trials", "seconds", "k fwd", "k bwd"], ...rows],
    note: `Means over all trials, those of settings that were not chosen among them, from the ` +
      `checkpoint to the last measure, by the clock.`,
  };
}
