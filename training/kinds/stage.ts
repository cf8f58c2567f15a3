/**
 * A stage of a run, as the kinds of data see it.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import type { LanguageModel, Tokenizer } from "@unitune/models";
import {
  type AskedModels,
  type DataKind,
  modelOf,
  type ObjectiveDescription,
  type ObjectiveEntry,
} from "@unitune/objectives";
import type { Collective } from "../collective/collective.ts";
import { inRandomOrder, type RowSource, stageSeed } from "../data/batches.ts";
import type { StageData } from "../data/examples.ts";
import type { EvaluationMemory } from "../evaluation.ts";
import type { RowForm } from "../feeds/forms.ts";
import type { Layout, Reference } from "../feeds/offline.ts";
import type { Learner } from "../learner/learner.ts";
import type { Material } from "../data/material.ts";
import { UserError } from "../text/errors.ts";
import { message, setting, type UserMessage } from "../text/message.ts";
import { stopTexts } from "../text/stop_texts.ts";
import type { Models } from "../learner/models.ts";
import type { TextReward } from "../rewards/rewards.ts";
import { describeObjective, type TrainSettings } from "../settings.ts";
import { type Trainee, traineeOf } from "../learner/trainee.ts";
import type { RowTable } from "../data/table.ts";
import type { TableStore } from "../data/table_store.ts";
import type { Watch } from "../data/watch.ts";

/** The data of a stage, and what is known of answers to it. */
export interface PreparedStage {
  /** The rows. */
  readonly data: StageData;
  /** Rewards that come with the data, in addition to the built-in ones. */
  readonly judges: readonly TextReward[];
  /** The expected format of answers, if it is known. */
  readonly format?: RegExp;
}

/** The tokenizer, context and seed by which the rows of a stage become tokens. */
export interface Encoding {
  /** The tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The tokens that the model sees. */
  readonly context: number;
  /** The stage's seed. */
  readonly seed: number;
  /** Follows the preparation. */
  readonly watch: Watch;
  /** The name of the data in messages. */
  readonly source: string;
  /** Keeps the rows. */
  readonly tables: TableStore;
  /** The key of rows in a form; undefined for rows that are not kept. */
  readonly keyOf: (form: string) => string | undefined;
}

/** The rows of a stage, and what the user should know of them. */
export interface EncodedStage {
  /** The rows. */
  readonly data: StageData;
  /** Sentences. */
  readonly notes: readonly UserMessage[];
}

/** The parts from which a learner is made. */
export interface LearnerPlan {
  /** The settings of the stage. */
  readonly settings: TrainSettings;
  /** Its number, from 0. */
  readonly stage: number;
  /** The training data. */
  readonly prepared: PreparedStage;
  /** The policy. */
  readonly model: LanguageModel;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The models before the stage. They stay as they are, unless the stage owns the policy. */
  readonly start: Models;
  /** The device to compute on. */
  readonly device: Device;
  /** The processes that train together. */
  readonly collective: Collective;
  /** Whether only the plan of a step is wanted, for which no model needs weights (default: no). */
  readonly isOutline?: boolean;
  /**
   * Whether nobody else needs the policy before the stage, so that its tensors themselves may be trained
   * (default: they stay as they are).
   */
  readonly ownsStart?: boolean;
  /** The memory of the run's evaluations. */
  readonly evaluation: EvaluationMemory;
}

/** A kind of data: how its rows are prepared, and what learns from them. */
export interface KindRow {
  /** Rows of a dataset as tokens. */
  readonly prepare: (
    settings: TrainSettings,
    material: Material,
    encoding: Encoding,
  ) => EncodedStage | Promise<EncodedStage>;
  /** The learner of a stage on such rows. */
  readonly learner: (plan: LearnerPlan) => Promise<Learner>;
}

/** The parts of a learner that follow from a plan, for every kind of data. */
export interface StageParts {
  /** The model in training. */
  readonly trainee: Trainee;
  /** The models that the objective asks. */
  readonly asked: AskedModels;
  /** The sizes of batches and steps. */
  readonly layout: Layout;
  /** The models before the stage. */
  readonly reference: Reference;
  /** The stage's seed. */
  readonly seed: number;
  /** The description of the objective. */
  readonly description: ObjectiveDescription;
}

/**
 * The parts of a learner that follow from a plan, for every kind of data.
 *
 * @param plan The plan.
 * @returns The parts.
 */
export function partsOf(
  { settings, stage, model, tokenizer, start, device, collective }: LearnerPlan,
): StageParts {
  const { teacher } = start;
  const { rank, size } = collective;
  return {
    trainee: traineeOf(settings.objective, model, start),
    asked: {
      reference: modelOf(model, start.policy),
      ...teacher && { teacher: modelOf(teacher.model, teacher.params) },
    },
    layout: {
      batchSize: settings.batchSize,
      microBatches: settings.gradientAccumulation,
      steps: settings.steps,
      padding: tokenizer.pad,
      ...settings.objective.trains === "policy" && { vocabulary: model.config.vocabulary },
      ...settings.batchTokens !== undefined && { batchTokens: settings.batchTokens },
      sharing: { rank, size, isWhole: sharesWhole(settings) },
    },
    reference: {
      ...{ model, start, device, rows: settings.evalBatchSize, collective },
      stopStrings: stopTexts(settings.stop),
    },
    seed: stageSeed(settings.seed, stage),
    description: describeObjective(settings),
  };
}

/**
 * Whether the micro-batches of a stage stay whole where its steps are shared out: those of answers
 * have metrics of their own, and those of a number of tokens one size for each length.
 */
function sharesWhole({ objective, batchTokens }: TrainSettings): boolean {
  return objective.needsWholeBatch || objective.data === "rollouts" || batchTokens !== undefined;
}

/**
 * Refuses a stage whose steps have nothing for some of the processes.
 *
 * @param settings The settings of the stage.
 * @param size The number of processes.
 * @throws {UserError} If a step has fewer parts than there are processes: with what to do.
 */
export function requireShares(settings: TrainSettings, size: number): void {
  const { objective, batchSize, gradientAccumulation, batchTokens } = settings;
  // By tokens, steps have as many micro-batches as it takes.
  if (batchTokens !== undefined) return;
  const isWhole = sharesWhole(settings);
  const parts = isWhole ? gradientAccumulation : batchSize * gradientAccumulation;
  if (parts >= size) return;
  throw new UserError(
    isWhole
      ? message(
        `the micro-batches of ${objective.name} are not cut, and a step has ${parts} for ${size} ` +
          `processes: give `,
        setting("gradientAccumulation"),
        ` ${size} or more, with a smaller `,
        setting("batchSize"),
      )
      : message(
        `a step of ${objective.name} has ${parts} rows for ${size} processes: start fewer, or give a ` +
          `larger `,
        setting("batchSize"),
      ),
  );
}

/**
 * Rows in the order in which a stage reads them.
 *
 * @param settings The settings of the stage.
 * @param form How rows are read.
 * @param rows The rows.
 * @param order The stage's seed, and the length of the longest row with its padding, in tokens.
 * @returns The source.
 */
export function orderedRows<Row>(
  { batching, batchSize }: Pick<TrainSettings, "batching" | "batchSize">,
  { lengthOf }: Pick<RowForm<Row, unknown, unknown>, "lengthOf">,
  rows: RowTable<Row>,
  { seed, length }: { readonly seed: number; readonly length: number },
): RowSource<Row> {
  return batching === "random"
    ? inRandomOrder(rows, seed, length)
    : inRandomOrder(rows, seed, length, { batchSize, lengthOf });
}

/** The objectives that read data of a kind. */
export type EntryOn<K extends DataKind> = Extract<ObjectiveEntry, { readonly data: K }>;

/**
 * The objective of a stage, which reads data of a kind.
 *
 * @param entry The objective.
 * @param kind The kind.
 * @returns The same.
 * @throws {RangeError} If it reads other data.
 */
export function entryOn<K extends DataKind>(entry: ObjectiveEntry, kind: K): EntryOn<K> {
  const isOn = (entry: ObjectiveEntry): entry is EntryOn<K> => entry.data === kind;
  if (isOn(entry)) return entry;
  throw new RangeError(`${entry.name} reads ${entry.data}, not ${kind}`);
}
