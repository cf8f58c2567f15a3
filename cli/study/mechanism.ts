/**
 * What a study tells of the reasons: its arms task by task, how far the checkpoints' own states are
 * from those of the data, and where gradients point.
 *
 * @module
 */

import { BASE, BASELINE } from "./arms.ts";
import { estimateOf, pairedDifference } from "./statistics.ts";
import { seedsOf, type StudyPlan } from "./plan.ts";
import { measuresBySeed, type StudyResults } from "./results.ts";
import { showDifference, type StudyTable } from "./table.ts";

/** Measures by seed, of some seeds. */
type BySeed = ReadonlyMap<number, number>;

/** The entries of some seeds. */
function ofSeeds(values: BySeed, seeds: ReadonlySet<number>): BySeed {
  return new Map([...values].filter(([seed]) => seeds.has(seed)));
}

/** A mean to three decimals; empty without values. */
function showMean(values: BySeed): string {
  return values.size === 0 ? "" : estimateOf([...values.values()]).mean.toFixed(3);
}

/** The tasks of a plan, each with its seeds. */
function seedsOfTasks(plan: StudyPlan): readonly (readonly [string, ReadonlySet<number>])[] {
  const { tasks = [] } = plan;
  const seeds = seedsOf(plan);
  return [...new Set(tasks)].map((task) =>
    [task, new Set(seeds.filter((seed) => tasks[seed % tasks.length] === task))] as const
  );
}

/** Exact match of each arm on each task, and what it has more than further supervised training. */
function taskTable(plan: StudyPlan, results: StudyResults): StudyTable {
  const tasks = seedsOfTasks(plan);
  const match = (arm: string) => measuresBySeed(results, arm, "exact_match");
  const baseline = match(BASELINE);
  const rows = [BASE, ...plan.arms.map(({ name }) => name)].map((arm) => [
    arm,
    ...tasks.map(([, seeds]) => {
      const own = ofSeeds(match(arm), seeds);
      const difference = arm === BASELINE ? undefined : pairedDifference(own, baseline)?.mean;
      return difference === undefined
        ? showMean(own)
        : `${showMean(own)} (${
          showDifference({ mean: difference, low: NaN, high: NaN, count: 0 })
        })`;
    }),
  ]);
  return {
    title: "Task by task",
    cells: [["exact match", ...tasks.map(([task]) => task)], ...rows],
    note: `Means of exact match on the test over the seeds of a task, and in brackets the mean ` +
      `difference from ${BASELINE} on the same seeds. A task has few seeds, so a difference here ` +
      `may be chance.`,
  };
}

/** The measures of exposure that are shown task by task. */
const exposures = [
  { measure: "token_gap", title: "token gap" },
  { measure: "step_gap", title: "step gap" },
  { measure: "answer_step_gap", title: "answer step gap" },
  { measure: "state_distance", title: "state distance" },
  { measure: "classifier_distance", title: "classifier" },
  { measure: "reached_share", title: "reached" },
] as const;

/** The exposure of the checkpoint and of further supervised training, task by task. */
function exposureTable(plan: StudyPlan, results: StudyResults): StudyTable {
  const tasks = seedsOfTasks(plan);
  const all = ["all", new Set(seedsOf(plan))] as const;
  return {
    title: "The room for exposure bias",
    cells: [
      [
        "task",
        ...[BASE, BASELINE].flatMap((arm) => exposures.map(({ title }) => `${arm}: ${title}`)),
      ],
      ...[...tasks, all].map(([task, seeds]) => [
        task,
        ...[BASE, BASELINE].flatMap((arm) =>
          exposures.map(({ measure }) =>
            showMean(ofSeeds(measuresBySeed(results, arm, measure), seeds))
          )
        ),
      ]),
    ],
    note: `Means over the seeds of a task, of the checkpoint (${BASE}) and after further SFT.`,
  };
}

/** The beginnings of the names of cosines, and the rewards that GRPO has in them. */
const rewards = [
  { start: "cosine/", title: "right answers" },
  { start: "step_cosine/", title: "right steps" },
] as const;

/** The angle between each compared gradient and that of GRPO. */
function gradientTable(results: StudyResults): StudyTable | undefined {
  const names = [
    ...new Set(
      results.results.flatMap(({ measures }) =>
        Object.keys(measures).flatMap((measure) =>
          rewards.flatMap(({ start }) =>
            measure.startsWith(start) ? [measure.slice(start.length)] : []
          )
        )
      ),
    ),
  ];
  if (names.length === 0) return undefined;
  /** A cosine by seed: that of a teacher's arm is measured in its own trials. */
  const cosines = (measure: string): BySeed =>
    new Map(
      results.results.flatMap(({ seed, measures: { [measure]: value } }) =>
        value !== undefined && Number.isFinite(value) ? [[seed, value] as const] : []
      ),
    );
  const shown = (measure: string): readonly string[] => {
    const values = [...cosines(measure).values()];
    return values.length === 0
      ? ["", "0"]
      : [showDifference(estimateOf(values)), String(values.length)];
  };
  return {
    title: "Where gradients point",
    cells: [
      ["cosine with GRPO", ...rewards.flatMap(({ title }) => [title, "seeds"])],
      ...names.map((name) => [name, ...rewards.flatMap(({ start }) => shown(start + name))]),
    ],
    note: `Cosines between the gradient of an objective and that of GRPO at the checkpoints, the ` +
      `mean over seeds and its 95 % interval; GRPO is rewarded for right answers, or for the share ` +
      `of right steps. Seeds on which all rewards of each prompt are equal have no direction.`,
  };
}

/**
 * The tables of a study's mechanism.
 *
 * @param plan The plan.
 * @param results The results.
 * @returns The tables; none where seeds do not have tasks in turn.
 */
export function mechanismTables(
  plan: StudyPlan,
  results: StudyResults,
): readonly StudyTable[] {
  if (plan.tasks === undefined) return [];
  const gradients = gradientTable(results);
  return [
    taskTable(plan, results),
    exposureTable(plan, results),
    ...gradients === undefined ? [] : [gradients],
  ];
}
