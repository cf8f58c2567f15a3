/**
 * The plans of the studies that `deno task compare` carries out: a whole one and a quick one.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { sameName } from "@unitune/objectives";
import { nearest, UserError } from "@unitune/training";
import { arms } from "./arms.ts";
import type { StudyPlan } from "./study.ts";

/** What the user decides of a study. */
export interface StudyChoice {
  /** Whether it is the quick form. */
  readonly quick: boolean;
  /** The first seed. */
  readonly firstSeed: number;
  /** The number of seeds. */
  readonly seeds: number;
  /** The names of the arms, joined by commas (default: all arms, or some in the quick form). */
  readonly arms?: string | undefined;
  /** The fraction of training answers that are made wrong. */
  readonly noise: number;
}

/** The parts of a plan that its form decides. */
type Form = Omit<StudyPlan, "firstSeed" | "seeds" | "arms"> & { readonly names: readonly string[] };

const whole: Form = {
  names: arms.map(({ name }) => name),
  selectionSeeds: 2,
  rates: [1e-4, 3e-4, 1e-3, 3e-3],
  isWholeGrid: true,
  base: { examples: 2000, evalSteps: 100, warmupSteps: 20, steps: 150 },
  shared: { examples: 2000, evalSteps: 100, warmupSteps: 20, steps: 400 },
  samples: 8,
};

/** Few examples of a task with many right answers, so that memorizing them is not enough. */
const few = { tasks: "pick", examples: 100, evalSteps: 60, warmupSteps: 10 };

const quick: Form = {
  names: ["sft", "sft-early", "dft", "ift", "dpo", "orpo", "ppo", "grpo"],
  selectionSeeds: 1,
  rates: [1e-3, 3e-3],
  isWholeGrid: false,
  base: { ...few, steps: 50, learningRate: 1e-3 },
  shared: { ...few, steps: 200 },
  samples: 4,
};

/** The arm that a word names. */
function armNamed(word: string): string {
  const name = sameName(word, whole.names);
  if (name !== undefined) return name;
  const meant = nearest(word, whole.names);
  throw new UserError(
    `--arms: there is no arm ${quoted(word)}${
      meant === undefined ? `; there are ${whole.names.join(", ")}` : `: did you mean ${meant}?`
    }`,
  );
}

/**
 * The plan of a study. SFT, with which all arms are compared, is always among them.
 *
 * @param choice What the user decides.
 * @returns The plan.
 * @throws {UserError} If an arm is unknown.
 *
 * @example
 * ```ts
 * import { studyPlan } from "./plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const plan = studyPlan({ quick: true, firstSeed: 0, seeds: 2, arms: "dpo", noise: 0 });
 * assertEquals(plan.arms.map(({ name }) => name), ["sft", "dpo"]);
 * ```
 */
export function studyPlan(choice: StudyChoice): StudyPlan {
  const { firstSeed, seeds, noise } = choice;
  const { names, base, shared, ...form } = choice.quick ? quick : whole;
  const wanted = new Set(choice.arms?.split(",").map(armNamed) ?? names);
  return {
    // Omitted if it is 0: plans are compared as JSON, and one without it is the same study.
    ...(firstSeed > 0 && { firstSeed }),
    seeds,
    ...form,
    arms: arms.filter(({ name }) => name === "sft" || wanted.has(name)),
    base: { ...base, noise },
    shared: { ...shared, noise },
  };
}
