/**
 * From settings to what is trained on: data, tokenizer, model sizes, training rows and what is kept
 * aside.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  byteTokenizer,
  characterTokenizer,
  checkGptConfig,
  type GptConfig,
  gptPresets,
  type Tokenizer,
} from "@unitune/models";
import { type RowSource, shuffledRows, windowRows } from "./batches.ts";
import { charactersOf, type Dataset } from "./data/dataset.ts";
import { describeFit, fitConversations, requireFit } from "./data/fit.ts";
import { readDataset } from "./data/read.ts";
import {
  generateTasks,
  taskConversation,
  taskDataset,
  type TaskExample,
  verifyAnswer,
} from "./data/tasks.ts";
import { UserError } from "./errors.ts";
import type { RunData } from "./run_folder.ts";
import type { TrainSettings } from "./settings.ts";
import { conversationSplit, type Exam, type Split, textSplit } from "./splits.ts";

/** Everything that a run trains and evaluates on. */
export interface Prepared {
  /** What the data is called. */
  readonly name: string;
  /** What the data is. */
  readonly data: RunData;
  /** Text to tokens. */
  readonly tokenizer: Tokenizer;
  /** The sizes of the model. */
  readonly config: GptConfig;
  /** What is trained on. */
  readonly source: RowSource;
  /** What is kept aside; the first is looked at during training, all of them before and after. */
  readonly splits: readonly Split[];
  /** What the user should know of the data. */
  readonly notes: readonly string[];
}

/** A dataset, and how what it keeps aside is judged. */
interface Material {
  readonly name: string;
  readonly dataset: Dataset;
  /** The splits of conversations, by name. */
  readonly exams: ReadonlyMap<string, readonly Exam[]>;
}

/**
 * Reads the data and prepares everything that a run trains and evaluates on.
 *
 * @param settings The run's settings.
 * @returns What to train and evaluate on.
 * @throws {UserError} If the data cannot be read or does not fit the model.
 *
 * @example
 * ```ts
 * import { prepare, trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const { config, splits } = await prepare(trainSettings({ layers: 1 }));
 * assertEquals([config.layers, config.context], [1, 32]);
 * assertEquals(splits.map(({ name }) => name), ["held-out", "longer"]);
 * ```
 */
export async function prepare(settings: TrainSettings): Promise<Prepared> {
  const { name, dataset, exams } = settings.data === undefined
    ? builtIn(settings.seed)
    : await fromFile(settings.data, settings);
  const tokenizer = settings.tokenizer === "bytes"
    ? byteTokenizer()
    : characterTokenizer(charactersOf(dataset));
  const config = modelConfig(settings, tokenizer.size);
  const { context } = config;
  const data = { kind: dataset.kind, digest: digestOf(dataset) };
  const common = { name, data, tokenizer, config };

  if (dataset.kind === "text") {
    const train = encoded(tokenizer, dataset.train, `the training part of ${settings.data}`);
    const validation = encoded(tokenizer, dataset.validation, `the last tenth of ${settings.data}`);
    return {
      ...common,
      source: windowRows(train, settings.seed, context),
      splits: [textSplit("validation", validation, tokenizer, context)],
      notes: [
        `${train.length} tokens to train on, ${validation.length} for validation`,
        ...(train.length <= context
          ? [`The text is shorter than the context of ${context} tokens: a row is all of it.`]
          : []),
      ],
    };
  }

  const fitted = fitConversations(tokenizer, dataset.train, context);
  requireFit(fitted, "training examples");
  return {
    ...common,
    source: shuffledRows(fitted.sequences, settings.seed, context),
    splits: [...exams].map(([name, own]) => conversationSplit(name, own, tokenizer, context)),
    notes: [
      `${fitted.sequences.length} examples to train on, ${dataset.validation.length} for validation`,
      describeFit(fitted, "training examples") ?? [],
      describeFit(
        fitConversations(tokenizer, dataset.validation, context),
        "validation examples",
      ) ?? [],
    ].flat(),
  };
}

/** The built-in tasks, asked in a way that a right answer other than the example's counts. */
function builtIn(seed: number): Material {
  const splits = generateTasks({ seed });
  const exam = (example: TaskExample): Exam => ({
    conversation: taskConversation(example),
    kind: example.task,
    isRight: (answer) => verifyAnswer(example, answer),
  });
  return {
    name: "tasks",
    dataset: taskDataset(splits),
    exams: new Map([
      ["held-out", splits.heldOut.map(exam)],
      ["longer", splits.longer.map(exam)],
    ]),
  };
}

async function fromFile(path: string, settings: TrainSettings): Promise<Material> {
  const dataset = await readDataset(path, {
    prompt: settings.promptColumn,
    completion: settings.completionColumn,
  });
  const kept = dataset.kind === "text" ? [] : dataset.validation;
  return {
    name: path.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "") || "data",
    dataset,
    exams: new Map([["validation", kept.map((conversation) => ({ conversation, kind: "all" }))]]),
  };
}

/** A text's tokens; one is read and one is predicted at the least. */
function encoded(tokenizer: Tokenizer, text: string, part: string): Int32Array {
  const ids = Int32Array.from(tokenizer.encode(text));
  if (ids.length >= 2) return ids;
  throw new UserError(`${part} has ${ids.length} token: it takes 2 to predict one, add more text`);
}

/**
 * The sizes of the model: a preset's, with the given ones in their place.
 *
 * @param settings The run's settings.
 * @param vocabulary The number of tokens.
 * @returns The sizes.
 * @throws {UserError} If no model can have them.
 */
export function modelConfig(settings: TrainSettings, vocabulary: number): GptConfig {
  const preset = gptPresets[settings.preset];
  try {
    return checkGptConfig({
      vocabulary,
      context: settings.context ?? preset.context,
      layers: settings.layers ?? preset.layers,
      heads: settings.heads ?? preset.heads,
      width: settings.width ?? preset.width,
      dropout: settings.dropout ?? preset.dropout,
    });
  } catch (error) {
    if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

/** A digest of what the data says, wherever it is read from. */
function digestOf(dataset: Dataset): string {
  const hash = createHash("sha256");
  for (const part of [dataset.train, dataset.validation]) {
    if (typeof part === "string") hash.update(part);
    else for (const { messages } of part) hash.update(`${JSON.stringify(messages)}\n`);
    hash.update("\0");
  }
  return hash.digest("hex");
}
