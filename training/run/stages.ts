/**
 * Runs by their settings: what learns in each stage, and the plan of the trainer.
 *
 * @module
 */

import { type Device, key, splitKey } from "@unitune/core";
import { alone, type Collective } from "../collective/collective.ts";
import { withAnswerLength } from "../sampling/answer_length.ts";
import { evaluationMemory } from "../evaluation.ts";
import { dataKinds } from "../kinds/kinds.ts";
import { requirePrompts } from "../kinds/labels.ts";
import { requireRewards } from "../kinds/rollouts.ts";
import { requireShares } from "../kinds/stage.ts";
import type { Learner } from "../learner/learner.ts";
import { type Models, storedModels } from "../learner/models.ts";
import type { PreparedRun } from "../data/preparation.ts";
import { requireBudgets, requireShared, type TrainSettings } from "../settings.ts";
import type { Store } from "./store.ts";
import type { StagePlan, TrainingPlan } from "./trainer.ts";
import { stopTexts } from "../text/stop_texts.ts";

/** The models that other runs lend to a stage. */
export type LentModels = Omit<Models, "policy">;

/** A run by the settings of its stages. */
export interface RunSettings {
  /** The settings of its stages, at least one, in order. */
  readonly stages: readonly TrainSettings[];
  /** Its training and evaluation data. */
  readonly prepared: PreparedRun;
  /** The models that it starts from (default: new ones). */
  readonly start?: Models;
  /**
   * Whether their policy may be given up once the run no longer needs it (default: it stays as it is).
   */
  readonly ownsStart?: boolean;
  /** Reads the models that other runs lend to a stage (default: none are lent). */
  readonly lent?: (stage: number, settings: TrainSettings) => Promise<LentModels>;
  /** The device to compute on. */
  readonly device: Device;
  /** The store of its checkpoints. */
  readonly store: Store;
  /** Stops the run after the step that it is at, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** The processes that train together (default: this one alone). */
  readonly collective?: Collective;
}

/**
 * The plan of a run, for the trainer.
 *
 * @param run The run.
 * @returns The plan.
 * @throws {RangeError} If there is no stage.
 * @throws {SettingsError} If stages differ in a setting that all stages of a run share, or their
 * budgets do not rise.
 * @throws {UserError} If a step of a stage has nothing for some of the processes.
 *
 * @example
 * ```ts
 * import { memoryStore, planOf, prepareTasks, train, trainSettings } from "@unitune/training";
 * import { wasm } from "@unitune/core";
 * import { assert } from "@std/assert";
 *
 * const tiny = { layers: 1, heads: 1, width: 8, examples: 20, tasks: "pick" };
 * const stages = [trainSettings({ ...tiny, steps: 2, batchSize: 2 })];
 * const prepared = await prepareTasks(stages);
 * const store = memoryStore();
 * const plan = planOf({ stages, prepared, device: wasm(), store });
 * for await (const event of train(plan)) assert(event.step <= 2);
 * assert(store.latest()?.step === 2);
 * ```
 */
export function planOf(run: RunSettings): TrainingPlan {
  const { stages, prepared, start, device, store, signal, collective = alone } = run;
  const { ownsStart = start === undefined } = run;
  const [first] = stages;
  if (first === undefined) throw new RangeError("planOf: a run has at least one stage");
  requireShared(stages);
  requireBudgets(stages);
  for (const settings of stages) requireShares(settings, collective.size);
  const { loggingSteps, evalSteps, saveSteps, evalBatchSize: rows, stop } = first;
  return {
    ...{ loggingSteps, evalSteps, saveSteps, device, store, collective },
    evaluation: { rows, stopStrings: stopTexts(stop) },
    stages: stages.map((settings, stage) => stagePlan(run, settings, stage)),
    ownsStart,
    start: () => start ?? initialModels(first, prepared),
    model: prepared.model,
    tokenizer: prepared.tokenizer,
    // Only the first process evaluates; the others wait for its next step.
    splits: collective.rank === 0 ? prepared.splits : [],
    ...signal && { signal },
  };
}

/** A stage of a run, for the trainer. */
function stagePlan(
  { prepared, lent, device, collective = alone }: RunSettings,
  settings: TrainSettings,
  stage: number,
): StagePlan {
  const { steps, tokenBudget: budget } = settings;
  return {
    steps,
    ...budget !== undefined && { budget },
    looksBack: looksBack(settings),
    learner: (start, ownsStart) =>
      createLearner({ settings, stage, prepared, start, ownsStart, device, collective }),
    lent: () => lent?.(stage, settings) ?? Promise.resolve({}),
  };
}

/**
 * Whether a stage needs the models of its start until its end.
 *
 * @param settings The settings of the stage.
 * @returns True for a stage with a reference or a teacher, or with answers of the model's own, which are
 * those of the model that it starts from.
 *
 * @example
 * ```ts
 * import { looksBack, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const objectives = ["sft", "dpo", "grpo"];
 * assertEquals(objectives.map((objective) => looksBack(trainSettings({ objective }))), [
 *   false,
 *   true,
 *   true,
 * ]);
 * ```
 */
export function looksBack(
  { objective: { data, teacher, reference } }: Pick<TrainSettings, "objective">,
): boolean {
  return data !== "demonstrations" || teacher || reference !== "none";
}

/** A stage of a run. */
export interface RunStage {
  /** Its settings. */
  readonly settings: TrainSettings;
  /** Its number, from 0. */
  readonly stage: number;
  /** The data of the run. */
  readonly prepared: PreparedRun;
  /** The models before the stage. They stay as they are, unless the stage owns the policy. */
  readonly start: Models;
  /** The device to compute on. */
  readonly device: Device;
  /** The processes that train together (default: this one alone). */
  readonly collective?: Collective;
  /**
   * Whether only the plan of a step is wanted: then models may be outlines, no row is scored or
   * answered, and nothing is refused for lack of memory (default: no).
   */
  readonly isOutline?: boolean;
  /**
   * Whether nobody else needs the policy before the stage, so that its tensors themselves may be trained
   * (default: no). It may be outlines where the stage goes on from a saved state.
   */
  readonly ownsStart?: boolean;
}

/**
 * The learner of a stage.
 *
 * @param own The stage.
 * @returns The learner.
 * @throws {UserError} Where the data does not suffice, or a reward cannot be given.
 * @throws {RangeError} If the run has no data for the stage.
 */
export async function createLearner(
  { prepared, collective = alone, ...own }: RunStage,
): Promise<Learner> {
  const { model, tokenizer, stages, splits } = prepared;
  const data = stages[own.stage];
  if (data === undefined) throw new RangeError(`createLearner: stage ${own.stage} has no data`);
  const settings = withAnswerLength(own.settings, data.data);
  const start = await storedModels(own.start, model, settings);
  return await dataKinds[settings.objective.data].learner({
    ...own,
    start,
    evaluation: evaluationMemory(model, start.policy, splits, {
      ...{ rows: settings.evalBatchSize, device: own.device },
      ...own.isOutline !== undefined && { isOutline: own.isOutline },
    }),
    settings,
    collective,
    prepared: data,
    model,
    tokenizer,
  });
}

/**
 * The parameters that a run starts from, where it starts from none that were trained.
 *
 * @param settings The settings of the first stage.
 * @param prepared The language model.
 * @returns The models.
 */
export function initialModels(
  { seed }: Pick<TrainSettings, "seed">,
  { model }: Pick<PreparedRun, "model">,
): Models {
  const [initKey = key(seed)] = splitKey(key(seed));
  return { policy: model.init(initKey) };
}

/**
 * Refuses stages whose rewards cannot be given or whose models are not there, before anything is
 * trained.
 *
 * @param run The run.
 * @throws {UserError} Where a reward is unknown or can judge no answer, a reward model or a teacher
 * is missing or of other tokens, or all labels are of answers to one prompt.
 */
export async function checkStages(
  { stages, prepared, start, lent }: Pick<RunSettings, "stages" | "prepared" | "start" | "lent">,
): Promise<void> {
  let hasJudge = start?.rewardModel !== undefined;
  for (const [stage, settings] of stages.entries()) {
    const own = prepared.stages[stage];
    const models = await lent?.(stage, settings);
    hasJudge ||= settings.objective.trains === "reward model" ||
      models?.rewardModel !== undefined;
    if (own === undefined) continue;
    requirePrompts(own);
    if (own.data.kind === "rollouts") requireRewards(settings, own, hasJudge);
  }
}
