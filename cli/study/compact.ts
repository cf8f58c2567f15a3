/**
 * The results of a study's trials in one file, from which any machine goes on with the study, without
 * the folders of its runs: a JSON object with the study's name, the digest of its plan, and a line for
 * each trial.
 *
 * @module
 */

import { type Cost, settingTable, UserError } from "@unitune/training";
import { writeFileAtomically } from "../files/atomic.ts";
import { digestOf } from "../files/digest.ts";
import { isThere } from "../files/folders.ts";
import { isNumber, isRecord } from "../files/guards.ts";
import { readJson } from "../files/read.ts";
import type { Measures } from "./measures.ts";
import { isTrialResult, placesOf, type Trial, type TrialResult } from "./trial.ts";
import type { TrialTime } from "./workers.ts";

/** A trial in the file, with what leads back to it. */
export interface CompactTrial extends TrialTime {
  /** The arm. */
  readonly arm: string;
  /** The point of its grid. */
  readonly point: string;
  /** The seed. */
  readonly seed: number;
  /** The digest of its settings, by {@linkcode settingsDigest}. */
  readonly settings: string;
  /** The digest of the model's file of weights. */
  readonly weights: string;
  /** The commit of the code; empty outside of a checkout. */
  readonly commit: string;
  /** The cost. */
  readonly cost: Cost;
  /** The measures. */
  readonly measures: Measures;
}

/** Digits of a digest that tells settings apart. */
const DIGITS = 16;

/** Whether a setting changes nothing that is computed. */
const places: ReadonlySet<string> = new Set(
  Object.entries(settingTable).flatMap(([name, row]) => "isPlace" in row ? [name] : []),
);

/**
 * A digest of the settings of a trial, without the places of its files: on another machine it is the
 * same.
 *
 * @param trial The trial.
 * @returns The first digits of a SHA-256.
 */
export function settingsDigest({ stages }: Pick<Trial, "stages">): string {
  const own = stages.map((settings) =>
    Object.keys(settings).filter((name) => !places.has(name)).toSorted()
      .map((name) => [name, settings[name]])
  );
  return digestOf(JSON.stringify(own)).slice(0, DIGITS);
}

/** The name of a trial in the file. */
const nameOf = ({ arm, point, seed }: Pick<Trial, "arm" | "point" | "seed">): string =>
  JSON.stringify([arm, point, seed]);

/** A number of seconds to a tenth. */
const inTenths = (seconds: number): number => Math.round(seconds * 10) / 10;

/** The finished trials of a study. */
export interface CompactResults {
  /** The result of a trial; undefined if it is not finished. */
  get(trial: Trial): TrialResult | undefined;
  /** Adds a trial. */
  add(trial: Trial, result: TrialResult, time: TrialTime): Promise<void>;
  /** All finished trials. */
  all(): readonly CompactTrial[];
}

/** The study whose results are in the file. */
export interface CompactStudy {
  /** The path of the file. */
  readonly path: string;
  /** The name of the study. */
  readonly study: string;
  /** The digest of the plan. */
  readonly plan: string;
  /** The commit of the code. */
  readonly commit: string | undefined;
}

function isCompactTrial(value: unknown): value is CompactTrial {
  if (!isRecord(value)) return false;
  const { settings, commit, seconds, processorSeconds = 0 } = value;
  return isTrialResult({ ...value, run: "" }) && [seconds, processorSeconds].every(isNumber) &&
    [settings, commit].every((text) => typeof text === "string");
}

/** Reads the trials of a file, which must be of the study. */
async function readTrials({ path, study, plan }: CompactStudy): Promise<readonly CompactTrial[]> {
  if (!await isThere(path)) return [];
  const value = await readJson(path);
  if (!isRecord(value) || typeof value.study !== "string" || !Array.isArray(value.trials)) {
    throw new UserError(`${path} does not hold the results of a study: name another --results`);
  }
  if (value.study !== study) {
    throw new UserError(
      `${path} holds results of the study ${value.study}: name another --results`,
    );
  }
  if (value.plan !== plan) {
    throw new UserError(
      `${path} holds results by another plan, ${value.plan} in place of ${plan}: go on with the ` +
        `code of that plan, or name another --results`,
    );
  }
  if (value.trials.every(isCompactTrial)) return value.trials;
  throw new UserError(`${path} holds a trial without its result: it was changed`);
}

/** The text of the file: a line for each trial, in the order of their names. */
function textOf({ study, plan }: CompactStudy, trials: readonly CompactTrial[]): string {
  const written = new Map(trials.map((trial) => [nameOf(trial), JSON.stringify(trial)]));
  const lines = [...written.keys()].toSorted().map((name) => written.get(name));
  const head = `{"study":${JSON.stringify(study)},"plan":${JSON.stringify(plan)},"trials":[`;
  return `${head}\n${lines.join(",\n")}\n]}\n`;
}

/**
 * Opens the file of a study's results.
 *
 * @param own The file, and the study that it has to be of.
 * @returns The finished trials; none if there is no file yet.
 * @throws {UserError} If the file is of another study or plan, or damaged. `get` throws it where the
 * settings of a trial are others than those of the plan.
 */
export async function openCompact(own: CompactStudy): Promise<CompactResults> {
  const known = new Map((await readTrials(own)).map((trial) => [nameOf(trial), trial]));
  // One at a time, so that the file has the trials of all who write.
  let written = Promise.resolve();
  return {
    all: () => [...known.values()],
    get(trial) {
      const found = known.get(nameOf(trial));
      if (found === undefined) return undefined;
      const { arm, point, seed, settings, weights, cost, measures } = found;
      const { run } = placesOf(trial);
      if (settings === settingsDigest(trial)) {
        return { arm, point, seed, run, measures, cost, weights };
      }
      throw new UserError(
        `${own.path}: ${trial.arm}, seed ${trial.seed}, was trained with other settings than the ` +
          `plan has: remove its line, and it is trained again`,
      );
    },
    async add(trial, { run: _, ...result }, { seconds, processorSeconds }) {
      const settings = settingsDigest(trial);
      const time: TrialTime = {
        seconds: inTenths(seconds),
        ...processorSeconds !== undefined && { processorSeconds: inTenths(processorSeconds) },
      };
      const { commit = "" } = own;
      known.set(nameOf(trial), { ...result, settings, commit, ...time });
      const text = textOf(own, [...known.values()]);
      written = written.then(() => writeFileAtomically(own.path, text));
      await written;
    },
  };
}
