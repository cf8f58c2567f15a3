/**
 * A study: arms that train one checkpoint further, on the same prompts and answers, for the same
 * number of steps or tokens, each with the best of its tried settings, over several seeds. Each trial,
 * an arm with some settings and a seed, is a run of its own. A trial that was measured is not
 * repeated, be its result in the study's folder or in a file of compact results (`compact.ts`).
 *
 * ```text
 * study.json                                the plan
 * runs/base/seed-0/                         the checkpoint that all arms of a seed start from
 * runs/dpo/learningRate-0.001,beta-0.1/seed-0/
 * measures/...                              the measures of each run, under the same names
 * results.json, study.md, report.html       the results
 * ```
 *
 * @module
 */

import type { TrainSettings } from "@unitune/training";
import type { ProgressReporter } from "../terminal/progress.ts";
import type { GridPoint } from "./arms.ts";
import type { CompactResults } from "./compact.ts";
import { type ArmGrid, gridsOf, type Helper, seedsOf, type StudyPlan, triedSeeds } from "./plan.ts";
import { primaryOf } from "./primary.ts";
import { bestPoint, type StudyResults } from "./results.ts";
import { keepPlan, writeResults } from "./saved_study.ts";
import type { Asked } from "./examination.ts";
import { placesOf, readTrialResult, type Trial, type TrialResult } from "./trial.ts";
import { trialsOf } from "./trials.ts";
import { type HandMaker, ownHands, startWorkers } from "./workers.ts";

/** A study to carry out. */
export interface StudyRun {
  /** The folder of the study. */
  readonly folder: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The command that the user typed, which the folder keeps. */
  readonly command?: string;
  /** The name of the device. */
  readonly device: TrainSettings["device"];
  /** What carries out trials, each one at a time (default: one worker). */
  readonly hands?: readonly HandMaker[];
  /** The results of trials that are finished, wherever they were carried out (default: none). */
  readonly compact?: CompactResults;
  /** Whether a further trial may begin (default: always). */
  readonly mayBegin?: () => boolean;
  /** Shows the progress. */
  readonly progress: ProgressReporter;
  /** Stops the trials after their current steps. */
  readonly signal: AbortSignal;
}

/** The results of one arm. */
interface ArmResults {
  readonly arm: string;
  readonly chosen: string;
  readonly results: readonly TrialResult[];
}

/** The reason why a trial does not begin: no further one may. */
const postponed: unique symbol = Symbol("postponed");

/** The questions of a plan. */
const askedOf = ({ samples, probed = 0, projected = 0, judge }: Asked): Asked => ({
  ...{ samples, probed, projected },
  ...judge !== undefined && { judge },
});

/** The running trials in a few words: `ppo, seed 3, and 1 more`. */
function describe([first, ...others]: readonly Trial[]): string {
  if (first === undefined) return "waiting";
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return `${first.arm}, seed ${first.seed}${more}`;
}

/**
 * Carries out a study, or the remaining trials of one. A trial starts as soon as its checkpoint
 * exists and a worker is free. The results depend on neither the order nor the number of workers. A
 * checkpoint or a teacher whose result is known from elsewhere is trained only for a trial that starts
 * from it.
 *
 * @param study The study.
 * @returns The results; undefined if the study was interrupted, or no further trial may begin.
 * @throws {UserError} If the folder holds another study, or a run fails.
 */
export async function carryOutStudy(study: StudyRun): Promise<StudyResults | undefined> {
  const { folder, plan, command, device, hands = ownHands(1), progress, signal } = study;
  const { compact, mayBegin = () => true } = study;
  using _claim = await keepPlan(folder, plan, command);
  await using workers = startWorkers({
    ...{ hands, device, folder, asked: askedOf(plan), signal },
    onChange: (running) => progress.phase(describe(running)),
  });
  let done = 0;
  const settled = new Map<string, Promise<TrialResult>>();

  const carryOut = async (trial: Trial): Promise<TrialResult> => {
    const known = await readTrialResult(folder, trial);
    const { result, time } = known === undefined
      ? await workers.carryOut(trial, () => {
        if (!mayBegin()) throw postponed;
      })
      : { result: known, time: { seconds: 0 } };
    // A run that is there again for others to start from: the first result of a trial stays.
    if (compact?.get(trial) !== undefined) return result;
    await compact?.add(trial, result, time);
    done++;
    // Results from before say nothing about the duration of the rest.
    if (known === undefined) progress.update(done);
    return result;
  };

  /** The result of a trial whose run is in the folder. */
  const run = (trial: Trial): Promise<TrialResult> => {
    const { run: place } = placesOf(trial);
    const settling = settled.get(place) ?? carryOut(trial);
    settled.set(place, settling);
    return settling;
  };

  /** The result of a trial, wherever it was carried out; `needed` are the runs that it starts from. */
  const settle = async (trial: Trial, needed: readonly Trial[]): Promise<TrialResult> => {
    const known = compact?.get(trial);
    if (known !== undefined) {
      done++;
      return known;
    }
    await Promise.all(needed.map(run));
    return await run(trial);
  };

  const trials = trialsOf(plan, folder);
  const seeds = seedsOf(plan);

  const settleAll = (arm: Helper, point: GridPoint, of: readonly number[]) =>
    Promise.all(of.map((seed) => settle(trials.of(arm, point, seed), trials.needs(arm, seed))));

  /** Tries every point on the first seeds, then the best of them on the others. */
  const settleArm = async ({ arm, grid }: ArmGrid): Promise<ArmResults> => {
    const own = seeds.slice(0, arm.seeds ?? plan.seeds);
    const first = triedSeeds(plan, { arm, grid });
    const tried = await Promise.all(grid.map(async (point) => ({
      point,
      results: await settleAll(arm, point, own.slice(0, first)),
    })));
    const best = bestPoint(tried, primaryOf(plan));
    if (best === undefined) throw new RangeError(`${arm.name}: a grid without points`);
    const others = await settleAll(arm, best, own.slice(first));
    const results = [...tried.flatMap(({ results }) => results), ...others];
    return { arm: arm.name, chosen: best.name, results };
  };

  try {
    const [checkpoints, settled] = await Promise.all([
      Promise.all(seeds.map((seed) => settle(trials.base(seed), []))),
      Promise.all(gridsOf(plan).map(settleArm)),
    ]);
    const { length: helpers } = plan.helpers;
    const arms = [...settled.slice(helpers), ...settled.slice(0, helpers)];
    const all: StudyResults = {
      chosen: Object.fromEntries(arms.map(({ arm, chosen }) => [arm, chosen])),
      results: [...checkpoints, ...arms.flatMap(({ results }) => results)],
    };
    await writeResults(folder, all);
    return all;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    if (error !== postponed) throw error;
    // What has begun is finished, and its result kept.
    const rest = await Promise.allSettled(settled.values());
    const failure = rest.find((one) => one.status === "rejected" && one.reason !== postponed);
    if (failure?.status === "rejected" && !signal.aborted) throw failure.reason;
    return undefined;
  }
}
