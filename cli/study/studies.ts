/**
 * The plans of the studies that `deno task compare` carries out, each in a whole and in a quick form.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { sameName } from "@unitune/objectives";
import { nearest, UserError } from "@unitune/training";
import { arms, BASELINE, rewardModelArm } from "./arms.ts";
import { exposure } from "./exposure_plan.ts";
import { language, type LanguageMaterial, withMaterial } from "./language_plan.ts";
import type { StudyPlan } from "./plan.ts";

/** What the user decides of a study. */
export interface StudyChoice {
  /** The name of the study (default `"objectives"`). */
  readonly study?: StudyName | undefined;
  /** Whether it is the quick form. */
  readonly quick: boolean;
  /** The first seed (default: that of the form). */
  readonly firstSeed?: number | undefined;
  /** The number of seeds (default: that of the form). */
  readonly seeds?: number | undefined;
  /** The names of the arms, joined by commas (default: those of the form). */
  readonly arms?: string | undefined;
  /** The fraction of training answers that are made wrong. */
  readonly noise: number;
  /** The files of the study on a language model (default: none are known). */
  readonly material?: LanguageMaterial | undefined;
}

/** The study of objectives on answers of a few characters. */
const objectivesWhole: StudyPlan = {
  seeds: 5,
  selectionSeeds: 2,
  rates: [1e-4, 3e-4, 1e-3, 3e-3],
  isWholeGrid: true,
  helpers: [rewardModelArm],
  arms,
  base: { examples: 2000, evalSteps: 100, warmupSteps: 20, steps: 150 },
  shared: { examples: 2000, evalSteps: 100, warmupSteps: 20, steps: 400 },
  samples: 8,
};

/** Few examples of a task with many right answers, so that memorizing them is not enough. */
const few = { tasks: "pick", examples: 100, evalSteps: 60, warmupSteps: 10 };

/** The arms of the quick form. */
const quickArms = ["sft", "sft-early", "dft", "ift", "dpo", "orpo", "ppo", "grpo"];

const objectivesQuick: StudyPlan = {
  seeds: 5,
  selectionSeeds: 1,
  rates: [1e-3, 3e-3],
  isWholeGrid: false,
  helpers: [rewardModelArm],
  arms: arms.filter(({ name }) => quickArms.includes(name)),
  base: { ...few, steps: 50, learningRate: 1e-3 },
  shared: { ...few, steps: 200 },
  samples: 4,
};

/** The studies by name, each in both forms. */
export const studies = {
  objectives: { whole: objectivesWhole, quick: objectivesQuick },
  exposure,
  language,
} as const satisfies Readonly<Record<string, Readonly<Record<"whole" | "quick", StudyPlan>>>>;

/** The name of a study. */
export type StudyName = keyof typeof studies;

/** The arm that a word names. */
function armNamed(word: string, names: readonly string[]): string {
  const name = sameName(word, names);
  if (name !== undefined) return name;
  const meant = nearest(word, names);
  throw new UserError(
    `--arms: there is no arm ${quoted(word)}${
      meant === undefined ? `; there are ${names.join(", ")}` : `: did you mean ${meant}?`
    }`,
  );
}

/**
 * The plan of a study. SFT, with which all arms are compared, is always among them. Claims on arms that
 * are left out are left out.
 *
 * @param choice What the user decides.
 * @returns The plan.
 * @throws {UserError} If an arm is unknown, or noise is asked for where rows are those of a file.
 * @throws {RangeError} If the study is that on a language model, and its files are not given.
 *
 * @example
 * ```ts
 * import { studyPlan } from "./studies.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const plan = studyPlan({ quick: true, firstSeed: 0, seeds: 2, arms: "dpo", noise: 0 });
 * assertEquals(plan.arms.map(({ name }) => name), ["sft", "dpo"]);
 * ```
 */
export function studyPlan(choice: StudyChoice): StudyPlan {
  const { study = "objectives", noise, material } = choice;
  const { whole, quick } = studies[study];
  const form: StudyPlan = choice.quick ? quick : whole;
  const { firstSeed = form.firstSeed ?? 0, seeds = form.seeds } = choice;
  const names = whole.arms.map(({ name }) => name);
  const wanted = choice.arms === undefined
    ? undefined
    : new Set(choice.arms.split(",").map((word) => armNamed(word, names)));
  // The arms of the form, and those of the whole study that are asked for.
  const known = wanted === undefined
    ? form.arms
    : whole.arms.map((arm) => form.arms.find(({ name }) => name === arm.name) ?? arm);
  const isThere = (name: string) =>
    name === BASELINE || (wanted?.has(name) ?? known.some((arm) => arm.name === name));
  const { firstSeed: _, claims, ...rest } = form;
  if (study === "language" && noise > 0) {
    throw new UserError("--noise: the rows of --study language are those of a file, as they are");
  }
  const noisy = noise === 0 && study !== "objectives" ? {} : { noise };
  const plan = {
    // Omitted if it is 0: plans are compared as JSON, and one without it is the same study.
    ...(firstSeed > 0 && { firstSeed }),
    ...rest,
    seeds,
    arms: known.filter(({ name }) => isThere(name)),
    ...claims && {
      claims: claims.filter(({ arm, against }) => isThere(arm) && isThere(against)),
    },
    base: { ...form.base, ...noisy },
    shared: { ...form.shared, ...noisy },
  };
  if (study !== "language") return plan;
  if (material === undefined) throw new RangeError("studyPlan: a language study without its files");
  return withMaterial(plan, material);
}
