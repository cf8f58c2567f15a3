/**
 * From settings to what is trained on: data, tokenizer, model sizes, training rows and what is kept
 * aside.
 *
 * @module
 */

import type { DataKind } from "@unitune/objectives";
import { parse } from "node:path";
import { quoted } from "@unitune/core";
import {
  byteTokenizer,
  changedConfig,
  characterTokenizer,
  type LanguageModel,
  languageModel,
  presetConfig,
  type Tokenizer,
} from "@unitune/models";
import {
  charactersOf,
  conversationsOf,
  conversationSplit,
  type Dataset,
  describeFit,
  type Exam,
  type Example,
  exampleOf,
  fitConversations,
  type Fitted,
  forEachTold,
  generateTasks,
  GOLD,
  labelsOf,
  longestAnswer,
  message,
  mistakeFor,
  MOST_SEQUENCES,
  pairsOf,
  promptsOf,
  promptSplit,
  randomStream,
  reformatted,
  requireFit,
  type RowKind,
  type Rows,
  shuffledRows,
  type Split,
  spread,
  spreadNote,
  type StageData,
  stageSeed,
  taskCharacters,
  taskConversation,
  taskDataset,
  type TaskExample,
  tasks,
  type TextReward,
  textSplit,
  type TrainSettings,
  UserError,
  type UserMessage,
  verifierReward,
  verifyAnswer,
  verifyPrompt,
  type Watch,
  windowRows,
  withNoise,
} from "@unitune/training";
import type { FormatName } from "./jsonl.ts";
import { datasetFormat, readDataset } from "./data_file.ts";
import { processHeap, tooLarge, watchMemory } from "./memory.ts";
import { beginDigest } from "../files/digest.ts";
import { rewardTerms, unscorable, unscorableNotes } from "../run/reward_terms.ts";

/** What a stage trains on, and what is known of answers to it. */
export interface PreparedStage {
  /** The rows. */
  readonly data: StageData;
  /** Judges that the data brings along, beside those that there always are. */
  readonly judges: readonly TextReward[];
  /** What answers look like, where that is known. */
  readonly format?: RegExp;
}

/** The data of a run, as its configuration records it. */
export interface RunData {
  /** The kind of data of the last stage. */
  readonly kind: Dataset["kind"];
  /** A digest of the content, by which a resumed run recognizes its data. */
  readonly digest: string;
}

/** Everything that a run trains and evaluates on. */
export interface Prepared {
  /** What the data is called. */
  readonly name: string;
  /** What the data is. */
  readonly data: RunData;
  /** Text to tokens. */
  readonly tokenizer: Tokenizer;
  /** The language model. */
  readonly model: LanguageModel;
  /** What each stage trains on. */
  readonly stages: readonly PreparedStage[];
  /** What is kept aside; the first is looked at during training, all of them before and after. */
  readonly splits: readonly Split[];
  /** What is kept aside for a test after all choices, where the data is large enough to have it. */
  readonly test: readonly Split[];
  /**
   * Training prompts whose answers are wrong on purpose, where there are some: a model that is right
   * there has not believed its data.
   */
  readonly mistaught: readonly Split[];
  /** What the user should know of the data. */
  readonly notes: readonly UserMessage[];
}

/** A language model that was trained, whose tokens and sizes are kept. */
export interface BaseModel {
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The model. */
  readonly model: LanguageModel;
}

/** What a preparation can be told. */
export interface PrepareOptions {
  /** Follows it: told how far it is, and asked whether memory will do. */
  readonly watch?: Watch;
}

/** A dataset, how what it keeps aside is judged, and what is known of answers. */
interface Material {
  readonly name: string;
  readonly dataset: Dataset;
  /** What it is written with. */
  readonly characters: ReadonlySet<string>;
  /** Its rows as examples, and those of what it keeps aside. */
  readonly examples: {
    readonly train: readonly Example[];
    readonly validation: readonly Example[];
    /** Rows without an answer at their end, which are no examples. */
    readonly unanswered: { readonly train: number; readonly validation: number };
  };
  /** The splits of conversations, by name. */
  readonly exams: ReadonlyMap<string, readonly Exam[]>;
  /** Rows kept aside that have no right answer. */
  readonly unjudged: number;
  /** Those that nothing is chosen by. */
  readonly test: ReadonlyMap<string, readonly Exam[]>;
  /** What is trained on with wrong answers, and how right ones are told. */
  readonly mistaught: readonly Exam[];
  readonly judges: readonly TextReward[];
  readonly format?: RegExp;
}

/**
 * Reads the data and prepares everything that a run trains and evaluates on.
 *
 * @param settings The settings of the run, or of each of its stages.
 * @param base The model that is trained on, if it is none of the run's own.
 * @param options Who follows the preparation.
 * @returns What to train and evaluate on.
 * @throws {UserError} If the data cannot be read, fits neither the model nor memory, or is none that
 * the objective can read.
 *
 * @example
 * ```ts
 * import { prepare } from "@unitune/cli";
 * import { trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { model, splits } = await prepare(trainSettings({ layers: 1 }));
 * assertEquals([model.config.layers, model.config.context], [1, 32]);
 * assertEquals(splits.map(({ name }) => name), ["held-out", "longer", "reformatted"]);
 * ```
 */
export async function prepare(
  settings: TrainSettings | readonly TrainSettings[],
  base?: BaseModel,
  { watch = watchMemory() }: PrepareOptions = {},
): Promise<Prepared> {
  const stages: readonly TrainSettings[] = [settings].flat();
  const known = new Map<string, Material>();
  const materials: Material[] = [];
  for (const stage of stages) {
    const key = JSON.stringify(await materialSettings(stage));
    const material = known.get(key) ??
      (stage.data === undefined ? builtIn(stage, watch) : await fromFile(stage.data, stage, watch));
    known.set(key, material);
    materials.push(material);
  }
  const [first] = stages;
  const last = materials.at(-1);
  if (first === undefined || last === undefined) throw new UserError("there is no stage");
  const tokenizer = base?.tokenizer ??
    (first.tokenizer === "bytes"
      ? byteTokenizer()
      : characterTokenizer(new Set(materials.flatMap(({ characters }) => [...characters]))));
  const model = base === undefined
    ? newModel(first, tokenizer.size)
    : languageModel(changedConfig(base.model.config, { dropout: first.dropout }));
  const { context } = model.config;

  const prepared: (StageMaterial & { readonly material: Material })[] = [];
  for (const [i, stage] of stages.entries()) {
    const material = materials[i] ?? last;
    const seed = stageSeed(stage.seed, i);
    const own = await stageData(stage, material, { tokenizer, context, seed, watch });
    prepared.push({ material, ...own });
  }
  const judged = materials.findLast(({ dataset }) => dataset.kind !== "prompts") ?? last;
  const asSplit = (name: string, own: readonly Exam[]) =>
    conversationSplit(name, own, tokenizer, context);
  const splits = splitsOf(judged, tokenizer, context, first);
  return {
    name: [...new Set(materials.map(({ name }) => name))].join("-"),
    data: { kind: last.dataset.kind, digest: digestOf([...known.values()]) },
    tokenizer,
    model,
    stages: prepared.map(({ material: { judges, format }, data }) => ({
      data,
      judges,
      ...(format !== undefined && { format }),
    })),
    splits,
    test: [...judged.test].map(([name, own]) => asSplit(name, own)),
    mistaught: judged.mistaught.length === 0 ? [] : [asSplit("mistaught", judged.mistaught)],
    notes: [
      ...prepared.flatMap(({ notes }, i) =>
        stages.length === 1 ? notes : notes.map((note) => message(`stage ${i + 1}: `, note))
      ),
      ...splits.flatMap(({ notes }) => notes),
    ],
  };
}

/** The formats of each kind of data that are read first, where the rows of a file fit several. */
const neededFormats: Readonly<Record<DataKind, readonly FormatName[]>> = {
  // With labels, a completion may be one that nobody liked.
  demonstrations: ["messages", "labels", "completions"],
  pairs: ["pairs"],
  labels: ["labels", "pairs"],
  // The completion is what answers are compared with.
  rollouts: ["labels", "completions", "pairs", "messages", "prompts"],
};

/** How a stage reads its file. */
function readingOf(settings: TrainSettings) {
  const { promptColumn: prompt, completionColumn: completion } = settings;
  return { columns: { prompt, completion }, needs: neededFormats[settings.objective.data] };
}

/** All that a stage's data depends on. */
async function materialSettings(settings: TrainSettings) {
  const { data, promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise } = settings;
  const { columns, needs } = readingOf(settings);
  const format = data === undefined ? undefined : await datasetFormat(data, columns, needs);
  return { data, promptColumn, completionColumn, seed, dataSeed, tasks, examples, noise, format };
}

/** What is kept aside of a dataset. */
function splitsOf(
  { dataset, exams, unjudged, examples }: Material,
  tokenizer: Tokenizer,
  context: number,
  { data }: TrainSettings,
): Split[] {
  if (dataset.kind === "text") {
    const validation = encoded(tokenizer, dataset.validation, `the last tenth of ${data}`);
    return [textSplit("validation", validation, tokenizer, context)];
  }
  if (dataset.kind === "prompts") {
    return [promptSplit("validation", examples.validation, tokenizer, context)];
  }
  return [...exams].map(([name, own]) =>
    conversationSplit(name, own, tokenizer, context, unjudged)
  );
}

/** A stage's rows, and what the user should know of them. */
interface StageMaterial {
  readonly data: StageData;
  readonly notes: readonly UserMessage[];
}

/** How a stage's rows become tokens. */
interface Encoding {
  readonly tokenizer: Tokenizer;
  readonly context: number;
  /** The stage's seed. */
  readonly seed: number;
  readonly watch: Watch;
}

/** A stage's rows in the form that its objective reads, and what there is to say of them. */
async function stageData(
  settings: TrainSettings,
  { dataset, examples, judges, format }: Material,
  { tokenizer, context, seed, watch }: Encoding,
): Promise<StageMaterial> {
  const { objective: { name: objective, data: kind }, data: path = "the built-in tasks" } =
    settings;
  if (dataset.kind === "text") {
    if (kind !== "demonstrations") {
      throw new UserError(`${objective} needs questions and answers, and ${path} is running text`);
    }
    const train = encoded(tokenizer, dataset.train, `the training part of ${path}`);
    const { length } = encoded(tokenizer, dataset.validation, `the last tenth of ${path}`);
    return {
      data: { kind: "demonstrations", source: windowRows(train, seed, context) },
      notes: [
        `${train.length} tokens to train on, ${length} for validation`,
        ...(train.length <= context
          ? [`The text is shorter than the context of ${context} tokens: a row is all of it.`]
          : []),
      ],
    };
  }

  const tell = watch.begin({ doing: `encoding ${path}`, subject: path });
  const kept = `${dataset.validation.length} for validation`;
  /** The rows that are trained on, and what is told of them. */
  const withNotes = <T>(fitted: Fitted<T>, what: string, header = what) => {
    requireFit(fitted, `training ${what}`);
    if (fitted.rows.length === 0) throw new UserError(`${path} has no ${what} for ${objective}`);
    const told = describeFit(fitted, `training ${what}`) ?? [];
    return [`${fitted.rows.length} ${header}, ${kept}`, told].flat();
  };
  switch (kind) {
    case "demonstrations": {
      const conversations = conversationsOf(dataset.train);
      if (conversations.length === 0) {
        throw new UserError(`${objective} learns from answers, and ${path} has none`);
      }
      const unanswered = dataset.train.length - conversations.length;
      const fitted = fitConversations(tokenizer, conversations, context, { unanswered, tell });
      return {
        notes: withNotes(fitted, "examples", "examples to train on"),
        data: { kind: "demonstrations", source: shuffledRows(fitted.rows, seed, context) },
      };
    }
    case "pairs": {
      const { train, validation } = trainingPairs(settings, examples);
      const pairs = pairsOf(tokenizer, context, train.examples, { ...train, tell });
      const aside = pairsOf(tokenizer, context, validation.examples, validation);
      const whole = aside.rows.flatMap(({ chosen, rejected }) =>
        rejected === undefined ? [] : [{ chosen, rejected }]
      );
      return {
        notes: [
          withNotes(pairs, "pairs", "pairs to train on"),
          describeFit(aside, "validation pairs") ?? [],
          spreadNote(whole.length, MOST_SEQUENCES, "validation pairs") ?? [],
        ].flat(),
        data: { kind: "pairs", train: pairs.rows, validation: spread(whole, MOST_SEQUENCES) },
      };
    }
    case "labels": {
      if (dataset.kind === "labels") {
        const labels = labelsOf(tokenizer, context, examples.train, { tell });
        return {
          notes: withNotes(labels, "answers", "answers to train on"),
          data: { kind: "labels", train: labels.rows, pairs: [] },
        };
      }
      const { train } = trainingPairs(settings, examples);
      const pairs = pairsOf(tokenizer, context, train.examples, { ...train, tell });
      return {
        notes: withNotes(pairs, "pairs", "pairs as labels"),
        data: { kind: "labels", train: [], pairs: pairs.rows },
      };
    }
    case "rollouts": {
      const { unanswered } = examples;
      const prompts = promptsOf(tokenizer, context, examples.train, {
        unanswered: unanswered.train,
        tell,
      });
      const notes = withNotes(prompts, "prompts", "prompts to train on");
      const { tokens, characters } = longestAnswer(tokenizer, examples.train);
      const terms = rewardTerms(settings, {
        judges,
        longestText: characters,
        ...(format !== undefined && { format }),
      });
      const found = await unscorable(terms, prompts.rows);
      return {
        notes: [...notes, ...unscorableNotes(found, terms, prompts.rows.length)],
        data: {
          kind: "prompts",
          train: prompts.rows,
          longestAnswer: tokens,
          longestText: characters,
        },
      };
    }
    default:
      return kind satisfies never;
  }
}

/** Examples to make pairs of, and how many have no answers for that. */
interface PairMaterial {
  readonly examples: readonly Example[];
  readonly unanswered: number;
}

/** The examples that pairs are made of. */
function trainingPairs(
  settings: TrainSettings,
  { train, validation, unanswered }: Material["examples"],
): { readonly train: PairMaterial; readonly validation: PairMaterial } {
  const of = (own: readonly Example[], without: number): PairMaterial => {
    const examples = withRejected(settings, own);
    return { examples, unanswered: without + own.length - examples.length };
  };
  return { train: of(train, unanswered.train), validation: of(validation, unanswered.validation) };
}

/**
 * Examples as they are where their rejected answers are those of the data; without them where these
 * are to be the model's own, and only mistakes are known.
 */
function withRejected(
  settings: TrainSettings,
  examples: readonly Example[],
): readonly Example[] {
  const { objective: { name: objective, data: kind }, rejected, data } = settings;
  const preferred = examples.filter(({ chosen }) => chosen !== undefined);
  const given = preferred.filter(({ rejected }) => rejected !== undefined);
  if (data !== undefined && given.length === 0 && preferred.length > 0 && rejected !== "model") {
    const labelled = kind === "labels" ? "prompt, completion and label, or " : "";
    throw new UserError(
      `${objective} compares two answers, and ${data} has one to a prompt: give rows with ` +
        `${labelled}prompt, chosen and rejected, or --rejected model for wrong answers of the ` +
        `model's own`,
    );
  }
  if (rejected !== "model") return given;
  return preferred.map(({ rejected: _, ...example }) => example);
}

/** Examples of the built-in tasks: each has a mistake beside its answer. */
function taskExamples(examples: readonly TaskExample[], seed: number): Example[] {
  const said = (role: "user" | "assistant", content: string) => [{ role, content }];
  return examples.map((example, i) => ({
    prompt: said("user", example.prompt),
    chosen: said("assistant", example.completion),
    // Where noise has put a wrong answer first, the preference is the wrong way round, too.
    rejected: said(
      "assistant",
      example.intended ?? mistakeFor(example, randomStream(seed, REJECTED, i)),
    ),
    columns: { [GOLD]: example.completion },
    isRight: (answer: string) => verifyAnswer(example, answer),
  }));
}

/** The streams of a data seed for what is added to the generated examples. */
const NOISE = 1;
const REJECTED = 2;

/** What answers to the built-in tasks look like. */
const TASK_FORMAT = /^(?:[a-j]+|\d+)$/;

/** The built-in tasks, asked in a way that a right answer other than the example's counts. */
function builtIn(settings: TrainSettings, watch: Watch): Material {
  requireExamples(settings.examples);
  const seed = settings.dataSeed ?? settings.seed;
  const names = settings.tasks === undefined ? undefined : taskNames(settings.tasks);
  const splits = generateTasks({
    seed,
    size: settings.examples,
    tell: watch.begin({
      doing: "generating examples",
      subject: `--examples ${settings.examples}`,
      later: LATER,
    }),
    ...(names !== undefined && { tasks: names }),
  });
  const train = withNoise(splits.train, settings.noise, randomStream(seed, NOISE)() * 2 ** 32);
  const exam = (example: TaskExample, prompt = example.prompt): Exam => ({
    conversation: taskConversation({ ...example, prompt }),
    kind: example.task,
    isRight: (answer) => verifyAnswer(example, answer),
  });
  return {
    name: "tasks",
    dataset: taskDataset({ ...splits, train }),
    characters: taskCharacters,
    examples: {
      train: taskExamples(train, seed),
      validation: taskExamples(splits.heldOut, seed),
      unanswered: { train: 0, validation: 0 },
    },
    exams: new Map([
      ["held-out", splits.heldOut.map((example) => exam(example))],
      ["longer", splits.longer.map((example) => exam(example))],
      ["reformatted", splits.heldOut.map((example) => exam(example, reformatted(example.prompt)))],
    ]),
    unjudged: 0,
    test: new Map([
      ["test", splits.test.map((example) => exam(example))],
      ["longer", splits.longer.map((example) => exam(example))],
      ["reformatted", splits.test.map((example) => exam(example, reformatted(example.prompt)))],
    ]),
    mistaught: train.filter(({ intended }) => intended !== undefined)
      .map((example) => exam(example)),
    judges: [verifierReward(verifyPrompt)],
    format: TASK_FORMAT,
  };
}

/**
 * Bytes of memory of an example of the built-in tasks, whatever it is learned by: its texts, its
 * mistake, and the tokens and masks of both answers, measured as the heap's growth.
 */
const EXAMPLE_BYTES = 2500;

/** Refuses more examples than memory will hold, before the first is generated. */
function requireExamples(count: number): void {
  const { used, limit } = processHeap();
  if (used + count * EXAMPLE_BYTES <= 0.8 * limit) return;
  throw tooLarge(`--examples ${count}`, used + count * EXAMPLE_BYTES, limit);
}

/** The names of tasks in a setting. */
function taskNames(text: string): readonly string[] {
  const names = text.split("+");
  const unknown = names.find((name) => tasks.every((task) => task.name !== name));
  if (unknown === undefined) return names;
  throw new UserError(
    `--tasks: there is no task ${quoted(unknown)}; there are ` +
      tasks.map(({ name }) => name).join(", "),
  );
}

async function fromFile(path: string, settings: TrainSettings, watch: Watch): Promise<Material> {
  const { columns, needs } = readingOf(settings);
  const dataset = await readDataset(path, columns, { needs, watch });
  const rows = (part: string | readonly Rows[RowKind][]) => typeof part === "string" ? [] : part;
  const tell = watch.begin({ doing: `sorting ${path}`, subject: path, later: LATER });
  const examplesOf = (own: readonly Rows[RowKind][]) => {
    const found: Example[] = [];
    forEachTold(own, tell, (row) => {
      const example = exampleOf(row);
      if (example !== undefined) found.push(example);
    });
    return found;
  };
  const [own, kept] = [rows(dataset.train), rows(dataset.validation)];
  const [train, validation] = [examplesOf(own), examplesOf(kept)];
  const right = conversationsOf(kept);
  return {
    name: parse(path).name || "data",
    dataset,
    characters: charactersOf(dataset),
    examples: {
      train,
      validation,
      unanswered: {
        train: own.length - train.length,
        validation: kept.length - validation.length,
      },
    },
    exams: new Map([["validation", right.map((conversation) => ({ conversation, kind: "all" }))]]),
    unjudged: kept.length - right.length,
    test: new Map(),
    mistaught: [],
    judges: [],
  };
}

/** Memory that encoding takes for each byte of what is sorted. */
const LATER = 4;

/** Bytes of the heap for each code unit of a text that is encoded: a list of ids, while it grows. */
const ENCODING_BYTES = 24;

/** A text's tokens; one is read and one is predicted at the least. */
function encoded(tokenizer: Tokenizer, text: string, part: string): Int32Array {
  const { used, limit } = processHeap();
  const needed = used + ENCODING_BYTES * text.length;
  if (needed > limit) throw tooLarge(part, needed, limit);
  const ids = Int32Array.from(tokenizer.encode(text));
  if (ids.length >= 2) return ids;
  throw new UserError(`${part} has ${ids.length} token: it takes 2 to predict one, add more text`);
}

/**
 * The language model of a new run: a preset's, with the given sizes in their place.
 *
 * @param settings The run's settings.
 * @param vocabulary The number of tokens.
 * @returns The model.
 * @throws {UserError} If there is no model of such sizes.
 */
export function newModel(
  { preset, context, layers, heads, width, dropout }: TrainSettings,
  vocabulary: number,
): LanguageModel {
  const sizes = { vocabulary, context, layers, heads, width, dropout };
  try {
    return languageModel(presetConfig(preset, sizes));
  } catch (error) {
    if (error instanceof RangeError) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

/** A digest of what the data says, wherever it is read from. */
function digestOf(materials: readonly Material[]): string {
  const digest = beginDigest();
  const encoder = new TextEncoder();
  const add = (text: string) => digest.add(encoder.encode(text));
  for (const { dataset, examples } of materials) {
    for (const part of [dataset.train, dataset.validation]) {
      if (typeof part === "string") add(part);
      // Every kind of row but a conversation says more than its messages.
      else {
        for (const row of part) {
          add(`${JSON.stringify("messages" in row ? row.messages : withoutSource(row))}\n`);
        }
      }
      add("\0");
    }
    // The mistakes of the built-in tasks are data as well.
    if (dataset.kind === "conversations") {
      for (const { rejected } of examples.train) {
        if (rejected !== undefined) add(`${JSON.stringify(rejected)}\n`);
      }
    }
  }
  return digest.value();
}

/** A row without the place that it was read from. */
function withoutSource({ source: _, ...row }: Rows[RowKind]): unknown {
  return row;
}
