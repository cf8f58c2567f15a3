/**
 * The plan of the study on a real language model: whether states of its own help a model that was
 * pretrained on text, and learns to answer.
 *
 * @module
 */

import type { GivenSettings } from "@unitune/training";
import { type Arm, stateArms } from "./arms.ts";
import type { StudyClaim, StudyPlan } from "./plan.ts";

/** What the plan reads of the user's files. */
export interface LanguageMaterial {
  /** The folder or the run of the pretrained model. */
  readonly model: string;
  /** The run of a better model with the same tokens. */
  readonly teacher: string;
  /** The file of rows. */
  readonly data: string;
  /** The columns of the rows (default: those that are known). */
  readonly columns: Pick<GivenSettings, "promptColumn" | "completionColumn">;
  /** The digests of the three, by their paths. */
  readonly files: Readonly<Record<string, string>>;
}

/** The cost in tokens at which every arm ends, by `tokenCost`. */
const BUDGET = 300_000;

/** The user's better model. */
const TEACHER = "teacher";

/** A factor of the learning rates for losses on sampled answers. */
const ROLLOUTS = 0.3;

const arms: readonly Arm[] = [
  ...stateArms,
  {
    name: "sft-then-distillation",
    about: "half of the budget on gold answers, half on own answers that the better model judges",
    before: [{ share: 0.5, settings: { objective: "sft", learningRate: 1e-3 } }],
    settings: { objective: "on-policy-distillation" },
    teacher: TEACHER,
    rateScale: ROLLOUTS,
  },
];

/** A claim that an arm has less of a measure. */
const less = (arm: string, against: string, measure: string, meaning: string): StudyClaim => ({
  ...{ arm, against, measure, meaning },
  isLess: true,
});

const claims: readonly StudyClaim[] = [
  less("ift", "sft", "own_kl", "IFT's own states and propagation help where the model goes itself"),
  less("ift-reach", "sft", "own_kl", "IFT's states help if its weights are held constant"),
  less("scheduled-sampling", "sft", "own_kl", "own tokens in the prefix help by themselves"),
  less(
    "sft-then-distillation",
    "sft",
    "own_kl",
    "own states help if a better model says what to do there",
  ),
  less("ift", "sft", "excess_error", "IFT's states lessen exposure bias"),
  less(
    "scheduled-sampling",
    "sft",
    "excess_error",
    "own tokens in the prefix lessen exposure bias",
  ),
  {
    ...{ arm: "ift", against: "sft", measure: "length" },
    meaning: "the weights of IFT as run push the stop token away, as in the first study",
  },
  less("ift-reach", "ift", "length", "weights that are held constant do not"),
];

/** Batches and evaluations of all trainings. */
const common: GivenSettings = {
  batchSize: 8,
  gradientAccumulation: 1,
  warmupSteps: 10,
  evalExamples: 120,
  evalAnswers: 4,
};

/** The title of the page. */
const title = "A pretrained model learns to answer, on gold and on own states";

/** The whole study. */
const whole: StudyPlan = {
  title,
  primary: "own_kl",
  seeds: 10,
  selectionSeeds: 1,
  rates: [1e-3, 3e-3],
  isWholeGrid: false,
  arms,
  helpers: [],
  claims,
  base: { ...common, objective: "sft", steps: 60, learningRate: 1e-3 },
  shared: { ...common, evalSteps: 50, steps: 2000, tokenBudget: BUDGET },
  samples: 1,
  probed: 24,
};

/** The arms of the quick form. */
const quickArms = ["sft", "ift", "sft-then-distillation"];

const quick: StudyPlan = {
  ...whole,
  firstSeed: 1000,
  seeds: 3,
  selectionSeeds: 1,
  rates: [1e-3],
  arms: arms.filter(({ name }) => quickArms.includes(name)),
  claims: claims.filter(({ arm }) => quickArms.includes(arm)),
  shared: { ...whole.shared, tokenBudget: BUDGET / 5 },
};

/**
 * The study on a language model, before its files are known. An arm with a teacher is taught by the
 * better model of the files.
 */
export const language: Readonly<Record<"whole" | "quick", StudyPlan>> = { whole, quick };

/**
 * A plan on the user's files.
 *
 * @param form The plan before its files are known.
 * @param material The files.
 * @returns The plan.
 */
export function withMaterial(
  form: StudyPlan,
  { model, teacher, data, columns, files }: LanguageMaterial,
): StudyPlan {
  return {
    ...form,
    files,
    judge: teacher,
    arms: form.arms.map(({ teacher: taughtBy, settings, ...arm }) => ({
      ...arm,
      settings: taughtBy === undefined ? settings : { ...settings, teacher },
    })),
    base: { ...form.base, model, data, ...columns },
    shared: { ...form.shared, data, ...columns },
  };
}
