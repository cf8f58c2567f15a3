/** An experiment: a common checkpoint, and trainings of several objectives from it in turns. */
import { type Device, OutOfMemoryError, WebGpuFailedError, WebGpuLimitError } from "@unitune/core";
import { objectiveRegistry } from "@unitune/objectives";
import {
  type GivenSettings,
  type LentModels,
  type Material,
  type MemoryStore,
  memoryStore,
  type Models,
  planOf,
  type PreparationOptions,
  type PreparedRun,
  prepareRun,
  prepareTasks,
  train,
  type TrainingEvent,
  type TrainingPlan,
  type TrainSettings,
  trainSettings,
  UserError,
} from "@unitune/training";
import { EVALUATED_EVERY, type Experiment, type ExperimentValues } from "../experiment.ts";
import { type Lane, laneOf } from "../lanes.ts";
import type { Point, Tiding } from "../protocol.ts";
import { rowsMaterial } from "./rows.ts";
import type { Turns } from "./turns.ts";

/** The number of answers that an evaluation asks for, and of examples that it predicts. */
const ASKED = 64;

/** The training examples; drawing more takes longer than a visitor waits. */
const EXAMPLES = 4000;

/** Whether there are pasted rows, in place of the built-in task. */
const hasRows = (rows: string) => rows.trim() !== "";

/** The settings of a training, whatever its objective. */
function sharedSettings(
  { task, noise, rows, context, batchSize, learningRate, width, layers }: ExperimentValues,
  seed: number,
  dataSeed: number,
): GivenSettings {
  return {
    ...hasRows(rows)
      ? { data: "the pasted text" }
      : { tasks: task, noise, examples: EXAMPLES, dataSeed },
    ...{ context, batchSize, learningRate, width, layers, seed },
    heads: width % 16 === 0 ? 2 : 1,
    evalExamples: ASKED,
    evalAnswers: ASKED,
    evalSteps: EVALUATED_EVERY,
    saveSteps: EVALUATED_EVERY,
    loggingSteps: 1,
    warmupSteps: 10,
  };
}

/** A training of one objective from one seed. */
export interface Training {
  /** The index of the objective. */
  readonly lane: number;
  /** The index of the seed. */
  readonly seed: number;
  readonly store: MemoryStore;
  readonly events: AsyncGenerator<TrainingEvent, void, void>;
}

/** The common checkpoint, and the data of all trainings. */
export interface Bench {
  readonly prepared: PreparedRun;
  readonly base: MemoryStore;
  readonly lanes: readonly Lane[];
  readonly trainings: readonly Training[];
}

/** The rows of an experiment, for its checkpoint and for each of its objectives. */
interface ExperimentRows {
  readonly base: Material;
  readonly lanes: readonly Material[];
}

/** The pasted rows; undefined for those of the built-in task. */
async function rowsOf(
  { rows }: ExperimentValues,
  lanes: readonly Lane[],
): Promise<ExperimentRows | undefined> {
  if (!hasRows(rows)) return undefined;
  const base = await rowsMaterial(rows, "demonstrations");
  const own: Material[] = [];
  for (const { entry } of lanes) own.push(await rowsMaterial(rows, entry.data));
  // The tokens are those of all objectives, some of which read columns that others leave out.
  const characters = new Set([base, ...own].flatMap((material) => [...material.characters]));
  return { base: { ...base, characters }, lanes: own };
}

/** Prepares a training on rows, or on the built-in task. */
function prepareOn(
  material: Material | undefined,
  settings: TrainSettings,
  options: PreparationOptions = {},
): Promise<PreparedRun> {
  return material === undefined
    ? prepareTasks([settings], options)
    : prepareRun([{ settings, material, source: material.name }], options);
}

/** Validation alone: the other splits are not shown. */
const withValidation = (prepared: PreparedRun): PreparedRun => ({
  ...prepared,
  splits: prepared.splits.slice(0, 1),
});

/** Carries a training out while it is wanted; returns whether it is to the end. */
async function carryOutWhile(
  isWanted: () => boolean,
  plan: TrainingPlan,
  hear: (event: TrainingEvent) => void,
): Promise<boolean> {
  for await (const event of train(plan)) {
    if (!isWanted()) return false;
    hear(event);
  }
  return true;
}

/** The models of a store's latest checkpoint. */
export async function modelsOf(store: MemoryStore): Promise<Models> {
  const latest = store.latest();
  if (latest === undefined) throw new RangeError("playground: the checkpoint is not there yet");
  return await latest.models();
}

/**
 * Trains the common checkpoint of an experiment, and a teacher of it if an objective wants one, and
 * prepares the trainings.
 *
 * @param experiment The experiment.
 * @param device The device to compute on.
 * @param tell Hears of the progress.
 * @param isWanted Whether the experiment is still wanted.
 * @returns The trainings; undefined if they are not wanted any more.
 * @throws {UserError} If a setting is wrong.
 */
export async function prepareBench(
  { values, lanes: words }: Experiment,
  device: Device,
  tell: (tiding: Tiding) => void,
  isWanted: () => boolean,
): Promise<Bench | undefined> {
  const lanes = words.map(laneOf);
  const { seed, seeds, baseSteps, steps } = values;
  const shared = sharedSettings(values, seed, seed);
  const first = trainSettings({ ...shared, objective: "sft", steps: baseSteps });
  const stages = [first];
  const registry = [...objectiveRegistry, ...lanes.map(({ entry }) => entry)];
  const settingsOf = ({ entry, options }: Lane, i: number) =>
    trainSettings({
      ...sharedSettings(values, seed + i, seed),
      ...options,
      ...{ objective: entry.name, steps },
      ...entry.teacher && { teacher: "the teacher of the page" },
    }, registry);
  // Wrong settings are refused before anything is trained.
  lanes.forEach((lane) => settingsOf(lane, 0));
  const rows = await rowsOf(values, lanes);
  const prepared = withValidation(await prepareOn(rows?.base, first));
  const teacherSteps = lanes.some(({ entry }) => entry.teacher) ? values.teacherSteps : 0;
  const progress = (step: number) => tell({ kind: "base", step, steps: baseSteps + teacherSteps });
  const base = memoryStore();
  let exactMatch = NaN;
  const plan = planOf({ stages, prepared, device, store: base });
  const isBased = await carryOutWhile(isWanted, plan, (event) => {
    if (event.kind === "step") progress(event.step);
    if (event.kind === "evaluation") exactMatch = event.report.metrics.eval_exact_match ?? NaN;
  });
  if (!isBased) return undefined;
  const start = await modelsOf(base);
  const teacher = memoryStore();
  if (teacherSteps > 0) {
    const further = trainSettings({ ...shared, objective: "sft", steps: teacherSteps });
    const data = await prepareOn(rows?.base, further, { base: prepared });
    const plan = planOf({
      ...{ stages: [further], device, store: teacher, start },
      prepared: { ...data, splits: [] },
    });
    const isTaught = await carryOutWhile(isWanted, plan, (event) => {
      if (event.kind === "step") progress(baseSteps + event.step);
    });
    if (!isTaught) return undefined;
  }
  const lent = async (_: number, { objective }: TrainSettings): Promise<LentModels> =>
    objective.teacher
      ? { teacher: { model: prepared.model, params: (await modelsOf(teacher)).policy } }
      : {};
  const trainings: Training[] = [];
  for (let i = 0; i < seeds; i++) {
    for (const [number, lane] of lanes.entries()) {
      const own = settingsOf(lane, i);
      const store = memoryStore();
      const options = { base: prepared };
      const data = withValidation(await prepareOn(rows?.lanes[number], own, options));
      const plan = planOf({ stages: [own], prepared: data, device, store, start, lent });
      trainings.push({ lane: number, seed: i, store, events: train(plan) });
    }
  }
  const questions = prepared.splits.flatMap(({ questions }) =>
    questions.map(({ prompt, gold }) => ({ prompt, gold }))
  );
  tell({ kind: "ready", device: device.name, exactMatch, questions });
  return { prepared, base, lanes, trainings };
}

/** Takes one step of a training; the points that it measured. */
async function takeStep({ lane, seed, events }: Training, now: () => number): Promise<{
  readonly points: readonly Point[];
  readonly isDone: boolean;
}> {
  const points: Point[] = [];
  let began = now();
  while (true) {
    const { value: event, done } = await events.next();
    if (done === true) return { points, isDone: true };
    if (event.kind === "evaluation") {
      points.push({ lane, seed, step: event.step, values: event.report.metrics });
    }
    // Evaluations and checkpoints are no part of a step's time.
    if (event.kind === "evaluation" || event.kind === "saved" || event.kind === "stage") {
      began = now();
    }
    if (event.kind === "metrics") {
      points.push({ lane, seed, step: event.step, values: event.metrics });
    }
    if (event.kind === "step") {
      const seconds = (now() - began) / 1000;
      const tokens_per_second = event.cost.forwardTokens / event.step / seconds;
      points.push({ lane, seed, step: event.step, values: { tokens_per_second } });
      return { points, isDone: false };
    }
  }
}

/**
 * Trains in turns: a step of each training, then the next.
 *
 * @param bench The trainings.
 * @param turns Says when to take a step.
 * @param tell Hears of the points, and of the end.
 */
export async function carryOut(
  { trainings }: Bench,
  turns: Turns,
  tell: (tiding: Tiding) => void,
  now: () => number = () => performance.now(),
): Promise<void> {
  let live = trainings;
  try {
    while (live.length > 0 && await turns.next()) {
      const going: Training[] = [];
      for (const training of live) {
        const { points, isDone } = await takeStep(training, now);
        if (points.length > 0) tell({ kind: "points", points });
        if (!isDone) going.push(training);
      }
      live = going;
    }
    if (live.length === 0) tell({ kind: "done" });
    // Questions are answered until the next experiment is opened.
    do turns.pause(); while (await turns.next());
  } finally {
    for (const { events } of trainings) await events.return();
  }
}

/** A sentence on an error: that of a user error, or what the program said. */
export function sentenceOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  if (error instanceof WebGpuFailedError || error instanceof WebGpuLimitError) {
    return `${error.message}; or choose WebAssembly as the device`;
  }
  if (error instanceof OutOfMemoryError) {
    return `there is not enough memory: ${error.message}`;
  }
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
