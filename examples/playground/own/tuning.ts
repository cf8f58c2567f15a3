/** An adapter of a visitor's own model, trained on rows that are pasted. */
import type { Device } from "@unitune/core";
import { adapt, type SavedAdapter } from "@unitune/models";
import {
  type GivenSettings,
  memoryStore,
  messageText,
  planOf,
  prepareRun,
  train,
  trainSettings,
  UserError,
} from "@unitune/training";
import { laneOf } from "../lanes.ts";
import type { Point } from "../protocol.ts";
import { modelsOf } from "../lab/training.ts";
import { rowsMaterial } from "../lab/rows.ts";
import type { OwnModel } from "./checkpoint.ts";
import type { Tuning } from "./tuning_table.ts";

/** What follows a training. */
export interface TuningWatch {
  /** Hears sentences on the rows, before the first step. */
  readonly notes: (notes: readonly string[]) => void;
  /** Hears of the metrics of each step. */
  readonly points: (points: readonly Point[]) => void;
  /** Ends the training after the step under way. */
  readonly signal: AbortSignal;
}

/** The settings of the trainer. */
function settingsOf({ objective, steps, batchSize, learningRate, context }: Tuning["values"]) {
  const { entry } = laneOf(objective);
  const given: GivenSettings = {
    ...{ steps, batchSize, learningRate, context, objective: entry.name },
    // Answers of a real model take long, so few are asked for, before the first step and at the end.
    ...{ evalSteps: steps, saveSteps: steps, evalExamples: 8, evalAnswers: 1 },
    ...{ loggingSteps: 1, warmupSteps: Math.min(3, steps) },
  };
  return trainSettings(given);
}

/**
 * Trains an adapter of all linear layers.
 *
 * @param own The model, which stays as it is.
 * @param tuning The rows and the settings.
 * @param device The device, on which the model's parameters are.
 * @param watch Follows the training.
 * @returns The adapter, and its steps.
 * @throws {UserError} If the rows cannot be read, or do not fit the objective, the model or memory.
 */
export async function tuneAdapter(
  own: OwnModel,
  { rows, values }: Tuning,
  device: Device,
  { notes, points, signal }: TuningWatch,
): Promise<SavedAdapter & { readonly steps: number }> {
  const settings = settingsOf(values);
  const material = await rowsMaterial(rows, settings.objective.data);
  const model = adapt(own, {
    ...{ rank: values.rank, alpha: 2 * values.rank, dropout: 0, saved: [] },
    ...{ isRankStabilized: false, hasMagnitudes: false },
    targets: "all-linear",
  });
  const { tokenizer } = own;
  const stage = { settings, material, source: material.name };
  const prepared = await prepareRun([stage], { base: { tokenizer, model } });
  notes(prepared.notes.map((note) => messageText(note)));
  const store = memoryStore();
  const plan = planOf({ stages: [settings], prepared, device, store, signal });
  let steps = 0;
  for await (const event of train(plan)) {
    if (event.kind === "metrics") {
      points([{ lane: 0, seed: 0, step: event.step, values: event.metrics }]);
    }
    if (event.kind === "evaluation") {
      points([{ lane: 0, seed: 0, step: event.step, values: event.report.metrics }]);
    }
    steps = event.step;
  }
  if (steps === 0) throw new UserError("the training was ended before its first step");
  const { policy: params } = await modelsOf(store);
  return { model, params, steps };
}
