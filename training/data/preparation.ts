/**
 * From material to all that a run trains and evaluates on: tokens, a model, rows and splits.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import {
  type Architecture,
  architectures,
  baseTemplates,
  byteTokenizer,
  changedConfig,
  characterTokenizer,
  isAdapted,
  type LanguageModel,
  languageModel,
  presetConfig,
  type Tokenizer,
} from "@unitune/models";
import { type EvaluationSizes, evaluationSizes } from "../evaluation_sizes.ts";
import { stageSeed } from "./batches.ts";
import { silentWatch, type Watch } from "./watch.ts";
import { UserError } from "../text/errors.ts";
import { dataKinds } from "../kinds/kinds.ts";
import type { PreparedStage } from "../kinds/stage.ts";
import { encodedText, type Material } from "./material.ts";
import { message, setting, type UserMessage } from "../text/message.ts";
import type { TrainSettings } from "../settings.ts";
import {
  conversationSplit,
  type Exam,
  promptSplit,
  type Split,
  textSplit,
  textsSplit,
} from "./splits.ts";
import type { RowDetails } from "./dataset.ts";
import { foundRows, type RowTable } from "./table.ts";
import { listTables, memoryTables, type TableStore } from "./table_store.ts";
import { taskMaterial } from "./task_material.ts";

/** Everything that a run trains and evaluates on. */
export interface PreparedRun {
  /** The name of the data. */
  readonly name: string;
  /** Text to tokens. */
  readonly tokenizer: Tokenizer;
  /** The language model. */
  readonly model: LanguageModel;
  /** The architectures, the model's among them. */
  readonly architectures: readonly Architecture[];
  /** The data of each stage. */
  readonly stages: readonly PreparedStage[];
  /** Validation splits: the first is evaluated during training, all of them before and after. */
  readonly splits: readonly Split[];
  /** Test splits, which no choice is made by, if the data is large enough. */
  readonly test: readonly Split[];
  /**
   * Training prompts whose answers are wrong on purpose, where there are some: a model that is right
   * there has not believed its data.
   */
  readonly mistaught: readonly Split[];
  /** Notes for the user on the data. */
  readonly notes: readonly UserMessage[];
}

/** A model that was trained, which is kept with its tokens. */
export interface BaseModel {
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The language model. */
  readonly model: LanguageModel;
}

/** A stage with its data. */
export interface StageMaterial {
  /** The settings. */
  readonly settings: TrainSettings;
  /** The data. */
  readonly material: Material;
  /** The name of the data in messages. */
  readonly source: string;
}

/** Options of a preparation. */
export interface PreparationOptions {
  /** The architectures (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** The model that is trained on (default: a new one). */
  readonly base?: BaseModel;
  /** Follows the preparation (default: nobody). */
  readonly watch?: Watch;
  /** Keeps the tokens of rows (default: in memory). */
  readonly tables?: TableStore;
}

/** The name of the built-in tasks in messages. */
export const TASKS_SOURCE = "the built-in tasks";

/**
 * Prepares a run on the built-in tasks.
 *
 * @param stages The settings of its stages.
 * @param options The model that is trained on, and who follows the preparation.
 * @returns All that it trains and evaluates on.
 * @throws {UserError} Where the data does not fit the model.
 *
 * @example
 * ```ts
 * import { prepareTasks, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { splits } = await prepareTasks([trainSettings({ layers: 1, examples: 100 })]);
 * assertEquals(splits.map(({ name }) => name), ["held-out", "longer", "reformatted"]);
 * ```
 */
export function prepareTasks(
  stages: readonly TrainSettings[],
  options: PreparationOptions = {},
): Promise<PreparedRun> {
  const { watch = silentWatch } = options;
  const known = new Map<string, Material>();
  return prepareRun(
    stages.map((settings) => {
      const { tasks, examples, noise, dataSeed, seed } = settings;
      const key = JSON.stringify([tasks, examples, noise, dataSeed, seed]);
      const material = known.get(key) ?? taskMaterial(settings, watch);
      known.set(key, material);
      return { settings, material, source: TASKS_SOURCE };
    }),
    options,
  );
}

/**
 * Prepares a run.
 *
 * @param stages Its stages with their data; at least one.
 * @param options The model that is trained on, and who follows the preparation.
 * @returns All that it trains and evaluates on.
 * @throws {UserError} Where the data fits neither the model nor memory, or is none that the objective
 * can read.
 */
export async function prepareRun(
  stages: readonly StageMaterial[],
  {
    base,
    watch = silentWatch,
    architectures: rows = architectures,
    tables = memoryTables,
  }: PreparationOptions = {},
): Promise<PreparedRun> {
  const [first] = stages;
  const last = stages.at(-1);
  if (first === undefined || last === undefined) throw new UserError("there is no stage");
  const materials = stages.map(({ material }) => material);
  const tokenizer = base?.tokenizer ?? newTokenizer(first.settings, stages);
  const model = base === undefined
    ? newModel(first.settings, tokenizer.size, rows)
    : withDropout(base.model, first.settings.dropout, rows);
  // A pretrained model may see more tokens than rows are to have.
  const context = Math.min(model.config.context, first.settings.context ?? Infinity);

  const prepared: PreparedStage[] = [];
  const notes: UserMessage[] = [];
  for (const [i, { settings, material, source }] of stages.entries()) {
    const { judges, format } = material;
    requireUse(settings, material, source);
    requireChat(tokenizer, material, source);
    const seed = stageSeed(settings.seed, i);
    const encoding = {
      ...{ tokenizer, context, seed, watch, source },
      tables: material.isListed === true ? listTables : tables,
      keyOf: (form: string) => encodingKey(material, tokenizer, [form, context]),
    };
    const own = await dataKinds[settings.objective.data].prepare(settings, material, encoding);
    prepared.push({ data: own.data, judges, ...(format !== undefined && { format }) });
    for (const note of own.notes) {
      notes.push(stages.length === 1 ? note : message(`stage ${i + 1}: `, note));
    }
  }
  const judged = stages.findLast(({ material }) => material.dataset.kind !== "prompts") ?? last;
  const asSplit = (name: string, own: readonly Exam[]) =>
    conversationSplit(name, own, tokenizer, context);
  const limits = evaluationSizes(stages.map(({ settings }) => settings));
  const splits = splitsOf(judged.material, tokenizer, context, first.source, limits, watch);
  const { test, mistaught } = judged.material;
  return {
    name: [...new Set(materials.map(({ name }) => name))].join("-"),
    tokenizer,
    model,
    architectures: rows,
    stages: prepared,
    splits,
    test: [...test].map(([name, own]) => asSplit(name, own)),
    mistaught: mistaught.length === 0 ? [] : [asSplit("mistaught", mistaught)],
    notes: [...notes, ...judged.material.notes ?? [], ...splits.flatMap(({ notes }) => notes)],
  };
}

/** The tokenizers that follow from the data, by the names that the setting has for them. */
const dataTokenizers: Readonly<Record<string, (stages: readonly StageMaterial[]) => Tokenizer>> = {
  characters: (stages) => characterTokenizer(new Set(stages.flatMap(charactersRead))),
  bytes: byteTokenizer,
};

/** The values of the setting `tokenizer` that name no folder. */
export const dataTokenizerNames: readonly string[] = Object.keys(dataTokenizers);

/** The tokenizer of a new model. */
function newTokenizer(
  { tokenizer: name }: Pick<TrainSettings, "tokenizer">,
  stages: readonly StageMaterial[],
): Tokenizer {
  const make = Object.hasOwn(dataTokenizers, name) ? dataTokenizers[name] : undefined;
  if (make !== undefined) return make(stages);
  throw new UserError(
    message(
      ...[
        setting("tokenizer"),
        ` ${quoted(name)} is none of ${dataTokenizerNames.join(", ")}, and `,
      ],
      "no other tokenizer was read",
    ),
  );
}

/** The characters of a stage's data, and of what is written between its steps. */
function charactersRead({ material, settings }: StageMaterial): readonly string[] {
  const { objective, stepSeparator } = settings;
  return [...material.characters, ...objective.data === "steps" ? stepSeparator : ""];
}

/** Refuses rows of steps, which objectives on other data do not read. */
function requireUse(
  { objective }: Pick<TrainSettings, "objective">,
  { dataset }: Pick<Material, "dataset">,
  source: string,
): void {
  if (dataset.kind !== "steps" || objective.data === "steps") return;
  throw new UserError(
    `${source} has answers in steps, each with a label, which train a process reward model: ` +
      `${objective.name} does not read them`,
  );
}

/** Refuses conversations, where the model has no form for them. The first row tells for all. */
function requireChat(
  { chat }: Tokenizer,
  { dataset }: Pick<Material, "dataset">,
  source: string,
): void {
  if (chat !== undefined || dataset.kind === "text" || dataset.kind === "texts") return;
  const rows: RowTable<RowDetails> = dataset.train;
  const [first] = rows.slice(0, 1);
  if (first?.rendering?.plain === true) return;
  throw new UserError(
    message(
      `${source} ${source === TASKS_SOURCE ? "are" : "has"} conversations, and the model has no ` +
        `chat template, as base models have none: give it one by `,
      setting("chatTemplate"),
      ` (${Object.keys(baseTemplates).join(", ")}, or a file)`,
    ),
  );
}

/** The edition of the bytes in which rows are kept, which changes with them. */
const EDITION = 2;

/**
 * The key of encoded rows: all that their tokens depend on.
 *
 * @param material The data.
 * @param tokenizer The tokenizer.
 * @param others What else they depend on.
 * @returns The key; undefined for rows that are not kept.
 */
function encodingKey(
  { key, dataset }: Material,
  { size, stop, stops, pad, files }: Tokenizer,
  others: readonly (string | number)[],
): string | undefined {
  if (key === undefined) return undefined;
  const own = [dataset.kind, dataset.train.length, ...others];
  return JSON.stringify([EDITION, key, own, size, stop, stops, pad, [...files()].toSorted()]);
}

/** The validation splits of a dataset. */
function splitsOf(
  { dataset, exams, unjudged, examples }: Material,
  tokenizer: Tokenizer,
  context: number,
  source: string,
  limits: EvaluationSizes,
  watch: Watch,
): Split[] {
  if (dataset.validation.length === 0) return [];
  if (dataset.kind === "text") {
    const part = `the validation part of ${source}`;
    const validation = encodedText(tokenizer, dataset.validation, part, watch);
    return [textSplit("validation", validation, tokenizer, context, limits)];
  }
  if (dataset.kind === "texts") {
    return [textsSplit("validation", dataset.validation, tokenizer, context, limits)];
  }
  // A policy is asked for nothing here; the objective has metrics of its own.
  if (dataset.kind === "steps") {
    return [{ name: "validation", sequences: [], questions: [], notes: [] }];
  }
  if (dataset.kind === "prompts") {
    const prompts = foundRows(examples.validation, (own) => own);
    return [promptSplit("validation", prompts, tokenizer, context, limits)];
  }
  return [...exams].map(([name, own]) =>
    conversationSplit(name, own, tokenizer, context, { ...limits, unanswered: unjudged })
  );
}

/**
 * The language model of a new run: a preset's, with the given sizes in their place.
 *
 * @param settings The run's settings.
 * @param vocabulary The number of tokens.
 * @param rows The architectures (default: those of `@unitune/models`).
 * @returns The model.
 * @throws {UserError} If there is no model of such sizes.
 */
export function newModel(
  { preset, context, layers, heads, width, dropout }: Pick<
    TrainSettings,
    "preset" | "context" | "layers" | "heads" | "width" | "dropout"
  >,
  vocabulary: number,
  rows: readonly Architecture[] = architectures,
): LanguageModel {
  const sizes = { vocabulary, context, layers, heads, width, dropout };
  try {
    return languageModel(presetConfig(preset, sizes, rows), rows);
  } catch (error) {
    if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

/**
 * A model with another dropout. An adapter's base has its own already.
 *
 * @param model The model.
 * @param dropout The probability with which training zeroes an activation (default: the model's).
 * @param rows The architectures (default: those of `@unitune/models`).
 * @returns The model.
 * @throws {UserError} If the model's architecture has no dropout.
 */
export function withDropout(
  model: LanguageModel,
  dropout: number | undefined,
  rows: readonly Architecture[] = architectures,
): LanguageModel {
  if (dropout === undefined || isAdapted(model)) return model;
  try {
    return languageModel(changedConfig(model.config, { dropout }, rows), rows);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`the model takes no dropout: ${error.message}`, { cause: error });
  }
}
