/**
 * A study in its folder: the plan that it was begun with, and its results once it is finished.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { writeFileAtomically } from "../files/atomic.ts";
import { type Claim, claimFolder, holdFolder } from "../files/claims.ts";
import { isThere } from "../files/folders.ts";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { readJson } from "../files/read.ts";
import { LAST_FIRST_SEED, MOST_SEEDS, type StudyPlan } from "./plan.ts";
import { isStudyResults, type StudyResults } from "./results.ts";

/** The files of a study. */
export const studyPaths = (folder: string) => ({
  plan: `${folder}/study.json`,
  results: `${folder}/results.json`,
});

/** A study that was read from its folder. */
export interface SavedStudy {
  /** The command that began it. */
  readonly command: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The results. */
  readonly results: StudyResults;
}

/** Tells whether a folder holds a study. */
export function holdsStudy(folder: string): Promise<boolean> {
  return isThere(studyPaths(folder).plan);
}

/** Tells whether the study in a folder is finished. */
export function isStudyFinished(folder: string): Promise<boolean> {
  return isThere(studyPaths(folder).results);
}

/**
 * Reads a study that is finished.
 *
 * @param folder The folder of the study.
 * @returns The study.
 * @throws {UserError} If the study is not finished, or one of its files was changed.
 */
export async function readStudy(folder: string): Promise<SavedStudy> {
  const paths = studyPaths(folder);
  const { command = "deno task compare", ...plan } = await readPlan(folder);
  if (!await isStudyFinished(folder)) {
    throw new UserError(
      `the study in ${folder} is not finished: resume it by ${command}, or add --watch to see it as ` +
        `it is`,
    );
  }
  const results = await readJson(paths.results);
  if (isStudyResults(results)) return { command, plan, results };
  throw new UserError(`${paths.results} is not a study's results: it was changed`);
}

/**
 * Reads the plan of a study, and the command that began it.
 *
 * @param folder The folder of the study.
 * @returns The plan.
 * @throws {UserError} If it was changed.
 */
export async function readPlan(
  folder: string,
): Promise<StudyPlan & { readonly command?: string }> {
  const { plan: path } = studyPaths(folder);
  const plan = await readJson(path);
  if (isPlan(plan)) return plan;
  throw new UserError(`${path} is not a study's plan: it was changed`);
}

function isPlan(value: unknown): value is StudyPlan & { readonly command?: string } {
  if (!isRecord(value)) return false;
  const { arms, seeds, selectionSeeds, firstSeed = 0, rates, base, shared, samples, command } =
    value;
  const { helpers, probed = 0, projected = 0 } = value;
  const counts = [seeds, selectionSeeds, firstSeed, samples, probed, projected];
  return [arms, helpers].every((list) => Array.isArray(list) && list.every(isArm)) &&
    Array.isArray(rates) &&
    rates.every(isNumber) &&
    counts.every(isNatural) && Number(seeds) <= MOST_SEEDS &&
    Number(firstSeed) <= LAST_FIRST_SEED && isRecord(base) && isRecord(shared) &&
    (command === undefined || typeof command === "string");
}

function isArm(value: unknown): boolean {
  return isRecord(value) && typeof value.name === "string" && isRecord(value.settings);
}

/** The purpose for which a study claims its folder. */
const studyUse = {
  what: "study",
  names: ["study.json", "results.json", "study.md", "report.html", "runs", "measures"],
  others: ["config.json"],
} as const;

/** Claims a folder and writes the plan, or checks that the study there has the same plan. */
export async function keepPlan(
  folder: string,
  plan: StudyPlan,
  command: string | undefined,
): Promise<Claim> {
  if (!await holdsStudy(folder)) {
    const claim = await claimFolder(folder, studyUse);
    try {
      const text = `${JSON.stringify({ command, ...plan }, null, 1)}\n`;
      await writeFileAtomically(studyPaths(folder).plan, text);
      return claim;
    } catch (error) {
      await claim.discard();
      claim[Symbol.dispose]();
      throw error;
    }
  }
  // A folder that is no study gets no lock.
  await readPlan(folder);
  const claim = await holdFolder(folder);
  try {
    const { command: begunBy, ...begun } = await readPlan(folder);
    if (JSON.stringify(begun) === JSON.stringify(plan)) return claim;
    throw new UserError(
      `${folder} holds another study: resume it by ${
        begunBy ?? "the command that began it"
      }, or give --out`,
    );
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
}

/** Writes the results of a study that is finished. */
export async function writeResults(folder: string, results: StudyResults): Promise<void> {
  await writeFileAtomically(studyPaths(folder).results, `${JSON.stringify(results, null, 1)}\n`);
}
