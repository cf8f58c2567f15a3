/**
 * The plans of all studies, in both of their forms, in words and by their digests, with some of the
 * settings of a trial of each arm. Run as a program,
 * this writes `plans.txt`, which the test beside it compares with them:
 *
 *     deno run -A tests/cli/study/plans.ts
 */
import { gridsOf, seedsOf, type StudyPlan } from "../../../cli/study/plan.ts";
import { withMaterial } from "../../../cli/study/language_plan.ts";
import { planMarkdown } from "../../../cli/study/plan_text.ts";
import { studies } from "../../../cli/study/studies.ts";
import type { Trial } from "../../../cli/study/trial.ts";
import { trialsOf } from "../../../cli/study/trials.ts";

/** The place of the plans that were last looked at. */
export const known = new URL("plans.txt", import.meta.url);

/** The settings by which trials differ, beside those of their arms. */
const shown = [
  ...[
    "objective",
    "tasks",
    "steps",
    "tokenBudget",
    "learningRate",
    "seed",
    "dataSeed",
    "evalSteps",
  ],
  ...["saveSteps", "loggingSteps", "model", "from", "teacher", "data"],
];

/** The files of a study on a language model. */
const material = { model: "MODEL", teacher: "TEACHER", data: "ROWS", columns: {}, files: {} };

/** The stages of a trial. */
const trialText = ({ arm, point, seed, stages }: Trial) =>
  `- ${[arm, point, seed].filter((part) => part !== "").join("/")}: ${
    stages.map((settings) =>
      shown.flatMap((name) => settings[name] === undefined ? [] : [`${name} ${settings[name]}`])
        .join(", ")
    ).join("; then ")
  }`;

/** A trial of each arm, of the second seed and the first point, with the arms that it needs. */
function trialTexts(plan: StudyPlan): string {
  const trials = trialsOf(plan, "DIR");
  const [, seed = 0] = seedsOf(plan);
  const texts = gridsOf(plan).flatMap(({ arm, grid: [point] }) => {
    const needed = trials.needs(arm, seed).map((trial) => `${trial.arm}/${trial.seed}`);
    return point === undefined
      ? []
      : [`${trialText(trials.of(arm, point, seed))} (after ${needed.join(", ") || "none"})`];
  });
  return [trialText(trials.base(seed)), ...texts].join("\n");
}

/** All plans, each below its name. */
export function plans(): string {
  return Object.entries(studies).flatMap(([name, forms]) =>
    (["whole", "quick"] as const).map((form) =>
      `# ${name}, ${form}\n\n${planMarkdown(forms[form])}\nTrials of the second seed:\n\n${
        trialTexts(name === "language" ? withMaterial(forms[form], material) : forms[form])
      }\n`
    )
  ).join("\n");
}

if (import.meta.main) await Deno.writeTextFile(known, plans());
