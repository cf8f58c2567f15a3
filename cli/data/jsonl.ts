/**
 * JSONL files: a JSON object on each line, in one of these formats.
 *
 * | columns | content of a row |
 * | --- | --- |
 * | `messages` | a conversation: a list of messages |
 * | `prompt`, `chosen`, `rejected` | a prompt and two answers, the first preferred |
 * | `prompt`, `completion`, `label` | a prompt and an answer, desirable (`true`) or not |
 * | `prompt`, `completion` | a prompt and its answer |
 * | `text` | a piece of running text |
 * | `prompt` | a prompt; rewards read the other columns |
 *
 * Prompts and answers are texts or lists of messages, which have roles, contents and calls of tools
 * (`cli/data/messages.ts`). Beside them, every row may have `tools` and `chat_template_kwargs`, with
 * which its messages are rendered. An answer whose messages repeat the prompt is
 * read from behind it, and earlier messages belong to the prompt. Other columns are ignored, unless
 * rewards may read them. The first row decides the format of the file: if it fits several, the one
 * that the objective prefers, otherwise the first of the table. A column that is null there counts
 * as missing.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { ChatMessage, Role } from "@unitune/models";
import {
  type Dataset,
  type RowDetails,
  type Source,
  trainingLength,
  UserError,
} from "@unitune/training";
import { isRecord } from "../files/guards.ts";
import type { Line } from "../files/lines.ts";
import { type JsonObject, kindOf, string, truth, wrong } from "./cells.ts";
import { messageList, rowDetails } from "./messages.ts";
import { longestText, textDataset } from "./text.ts";
import { decodeUtf8 } from "../files/utf8.ts";

/** The names of the columns with the prompt and the completion. */
export interface Columns {
  /** The column with the prompt (default `prompt`). */
  readonly prompt?: string | undefined;
  /** The column with the completion (default `completion`). */
  readonly completion?: string | undefined;
}

/** Collects the rows of a file. */
interface Gathering {
  add(row: JsonObject, source: Source): void;
  dataset(file: string): Dataset;
}

/** The formats of rows. */
export type FormatName = "messages" | "pairs" | "labels" | "completions" | "text" | "prompts";

/** A format of rows. */
interface Format {
  readonly name: FormatName;
  readonly columns: readonly string[];
  readonly gather: (keepsColumns: boolean) => Gathering;
}

/**
 * Reads a JSONL file as a dataset. The last 10 % of the rows, and at least one, are for validation;
 * rows of `text` are joined by newlines and split as one text. Blank lines are skipped.
 *
 * @param lines The lines of the file.
 * @param file The name of the file, for errors.
 * @param columns The names of the columns.
 * @param options The preferred formats, and a listener for the progress.
 * @returns The dataset.
 * @throws {UserError} If a line is not UTF-8 or not a JSON object, or a column is missing or of the
 * wrong type (the message has file and line); or if the file is too small to be split.
 */
export async function parseJsonl(
  lines: AsyncIterable<Line> | Iterable<Line>,
  file: string,
  columns: Columns = {},
  { needs = [], keepsColumns = false, tell = () => {} }: ReadOptions = {},
): Promise<Dataset> {
  const known = formats(columns);
  let next = STRIDE;
  let reading: { readonly format: Format; readonly gathered: Gathering } | undefined;
  for await (const line of lines) {
    if (line.offset >= next) {
      tell(line.offset);
      next = line.offset + STRIDE;
    }
    const source: Source = { file, line: line.number };
    const object = rowIn(line, source);
    if (object === undefined) continue;
    if (reading === undefined) {
      const format = formatOf(object, known, { needs, columns }, source);
      reading = { format, gathered: format.gather(keepsColumns) };
    }
    requireColumns(object, reading.format, known, source);
    reading.gathered.add(object, source);
  }
  if (reading === undefined) throw new UserError(`${file} is empty: there is nothing to train on`);
  return reading.gathered.dataset(file);
}

/** Options of reading rows. */
export interface ReadOptions {
  /** The preferred formats, if the first row fits several (default: none). */
  readonly needs?: readonly FormatName[];
  /** Whether rows keep all their columns beside the prompt, for rewards (default: no). */
  readonly keepsColumns?: boolean;
  /** Called now and then with the number of bytes read so far. */
  readonly tell?: (bytes: number) => void;
}

/** Bytes between two reports of progress. */
const STRIDE = 2 ** 18;

/**
 * Finds the format in which {@linkcode parseJsonl} reads a file, from its first row.
 *
 * @param lines The lines of the file.
 * @param file The name of the file, for errors.
 * @param columns The names of the columns.
 * @param needs The preferred formats, if the row fits several.
 * @returns The format.
 * @throws {UserError} If the first row fits no format, or there is no row.
 *
 * @example
 * ```ts
 * import { linesOf } from "../files/lines.ts";
 * import { jsonlFormat } from "./jsonl.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { prompt: "1+1", completion: "2", chosen: "2", rejected: "3" };
 * const lines = () => linesOf([new TextEncoder().encode(JSON.stringify(row))]);
 * assertEquals(await jsonlFormat(lines(), "rows.jsonl", {}, ["pairs"]), "pairs");
 * assertEquals(await jsonlFormat(lines(), "rows.jsonl", {}, ["completions"]), "completions");
 * ```
 */
export async function jsonlFormat(
  lines: AsyncIterable<Line> | Iterable<Line>,
  file: string,
  columns: Columns = {},
  needs: readonly FormatName[] = [],
): Promise<FormatName> {
  const known = formats(columns);
  for await (const line of lines) {
    const source: Source = { file, line: line.number };
    const object = rowIn(line, source);
    if (object !== undefined) return formatOf(object, known, { needs, columns }, source).name;
  }
  throw new UserError(`${file} is empty: there is nothing to train on`);
}

/** The row on a line; undefined if the line is blank. */
export function rowIn(line: Line, source: Source): JsonObject | undefined {
  const text = lineText(line, source);
  return text.trim() === "" ? undefined : parseObject(text, source);
}

/** A format whose rows are read one by one, and split by their number. */
function rowsOf<T extends RowDetails>(
  name: FormatName,
  columns: readonly string[],
  read: (row: JsonObject, source: Source) => T,
  datasetOf: (train: readonly T[], validation: readonly T[]) => Dataset,
): Format {
  return {
    name,
    columns,
    gather: (keepsColumns) => {
      const rows: T[] = [];
      return {
        add: (row, source) => {
          const own = read(row, source);
          rows.push(keepsColumns ? { ...own, columns: beside(row, columns) } : own);
        },
        dataset: (file) => {
          if (rows.length === 1) {
            throw new UserError(`${file} has 1 row: it takes 2, one of them for validation`);
          }
          const cut = trainingLength(rows.length);
          return datasetOf(rows.slice(0, cut), rows.slice(cut));
        },
      };
    },
  };
}

/** The columns of a row beside the first of its format, the prompt. */
function beside(row: JsonObject, [prompt = ""]: readonly string[]): JsonObject {
  const { [prompt]: _, ...columns } = row;
  return columns;
}

/**
 * The formats, in order of preference. With a named completion column, only formats with a
 * completion are tried; with a named prompt column, only formats with a prompt.
 */
function formats({ prompt, completion }: Columns): readonly Format[] {
  const ask = prompt ?? "prompt";
  const answer = completion ?? "completion";
  const withCompletion = [labels(ask, answer), promptAndCompletion(ask, answer)];
  if (completion !== undefined) return withCompletion;
  const withPrompt = [pairs(ask), ...withCompletion];
  return prompt === undefined
    ? [messages, ...withPrompt, text, prompts(ask)]
    : [...withPrompt, prompts(ask)];
}

const messages: Format = rowsOf(
  "messages",
  ["messages"],
  (row, source) => {
    const said = messageList(row.messages, "messages", source);
    if (isAnswered(said)) return { messages: said, ...rowDetails(row, source) };
    throw wrong(source, "there is no message of the assistant: nothing to learn from");
  },
  (train, validation) => ({ kind: "conversations", train, validation }),
);

const text: Format = {
  name: "text",
  columns: ["text"],
  gather: () => {
    const texts: string[] = [];
    let length = 0;
    return {
      add: (row, source) => {
        const own = string(row.text, "text", source);
        length += own.length + 1;
        if (length > longestText) {
          throw wrong(
            source,
            `the texts up to here have more than ${longestText} characters, the most that one ` +
              `text can have: cut the file in pieces`,
          );
        }
        texts.push(own);
      },
      dataset: (file) => textDataset(texts.join("\n"), file),
    };
  },
};

/** The messages in a column: a text is one message of the given role. */
function side(row: JsonObject, column: string, role: Role, source: Source): ChatMessage[] {
  return Array.isArray(row[column])
    ? messageList(row[column], column, source)
    : [{ role, content: string(row[column], column, source) }];
}

/** A prompt and an answer to it. */
interface Answered {
  readonly prompt: readonly ChatMessage[];
  readonly answer: readonly ChatMessage[];
}

/** Separates the system messages at the start of a conversation from the rest. */
function withoutSystem(messages: readonly ChatMessage[]) {
  const start = messages.findIndex(({ role }) => role !== "system");
  const end = start < 0 ? messages.length : start;
  return { system: messages.slice(0, end), rest: messages.slice(end) };
}

/** Tells whether a list contains some messages at an index. */
function standAt(
  part: readonly ChatMessage[],
  list: readonly ChatMessage[],
  place: number,
): boolean {
  return part.every(({ role, content, tool_calls }, i) => {
    const other = list[place + i];
    return role === other?.role && content === other.content &&
      JSON.stringify(tool_calls) === JSON.stringify(other.tool_calls);
  });
}

const isAnswered = (messages: readonly ChatMessage[]) =>
  messages.some(({ role }) => role === "assistant");

/**
 * Finds a repeated prompt in a conversation: the whole prompt, perhaps after earlier messages, or
 * only its last messages, from one of the user on. Both lists have no system messages.
 *
 * @returns The end of the prompt and whether all of it is repeated; undefined if the conversation
 * is an answer alone.
 */
function repeated(
  prompt: readonly ChatMessage[],
  said: readonly ChatMessage[],
): { readonly end: number; readonly isWhole: boolean } | undefined {
  const { length } = prompt;
  if (length === 0) return undefined;
  const whole = said.findIndex((_, place) =>
    standAt(prompt, said, place) && isAnswered(said.slice(place + length)) &&
    (place === 0 || said[0]?.role === "user")
  );
  if (whole >= 0) return { end: whole + length, isWhole: true };
  if (said[0]?.role !== "user") return undefined;
  const first = prompt.findIndex((_, i) => standAt(prompt.slice(i), said, 0));
  return first < 0 ? undefined : { end: length - first, isWhole: false };
}

/**
 * The prompt of a row and the assistant's answer from one of its columns. If the messages of the
 * answer repeat the prompt, the answer is read from behind it; earlier messages and system messages
 * there belong to the prompt.
 */
function answerIn(
  row: JsonObject,
  prompt: readonly ChatMessage[],
  column: string,
  source: Source,
): Answered {
  const said = side(row, column, "assistant", source);
  const answered = splitAnswer(prompt, said, column, source);
  requireTurn(answered, source);
  return answered;
}

/** Separates an answer from the messages of the prompt that stand before it. */
function splitAnswer(
  prompt: readonly ChatMessage[],
  said: readonly ChatMessage[],
  column: string,
  source: Source,
): Answered {
  const [asked, given] = [withoutSystem(prompt), withoutSystem(said)];
  const place = repeated(asked.rest, given.rest);
  if (place === undefined) {
    if (isAnswered(said)) return { prompt, answer: said };
    throw wrong(source, `${quoted(column)} has no message of the assistant: nothing to learn from`);
  }
  const { end, isWhole } = place;
  const [own, other] = [asked.system, given.system];
  if (own.length > 0 && other.length > 0 && JSON.stringify(own) !== JSON.stringify(other)) {
    throw wrong(source, `${quoted(column)} repeats the prompt with another message of the system`);
  }
  const answer = given.rest.slice(end);
  if (!isAnswered(answer)) {
    throw wrong(source, `${quoted(column)} has no message of the assistant: nothing to learn from`);
  }
  const system = own.length > 0 ? own : other;
  return {
    prompt: [...system, ...(isWhole ? given.rest.slice(0, end) : asked.rest)],
    answer,
  };
}

/**
 * Refuses a prompt that ends with the assistant, where the assistant goes on: TRL reads it now as the
 * beginning of the answer, now as an answer of its own.
 */
function requireTurn({ prompt, answer }: Answered, source: Source): void {
  const [last, next] = [prompt.at(-1), answer[0]];
  if (last?.role !== "assistant" || (next !== undefined && next.role !== "assistant")) return;
  throw wrong(
    source,
    "the prompt ends with a message of the assistant, which an answer cannot go on with: end it " +
      "with a message of the user or of a tool, and begin the answer with what the assistant has said",
  );
}

function promptAndCompletion(prompt: string, completion: string): Format {
  return rowsOf(
    "completions",
    [prompt, completion],
    (row, source) => {
      const asked = side(row, prompt, "user", source);
      const answered = answerIn(row, asked, completion, source);
      const messages = [...answered.prompt, ...answered.answer];
      return { messages, ...rowDetails(row, source) };
    },
    (train, validation) => ({ kind: "conversations", train, validation }),
  );
}

function pairs(prompt: string): Format {
  return rowsOf(
    "pairs",
    [prompt, "chosen", "rejected"],
    (row, source) => {
      const asked = side(row, prompt, "user", source);
      const chosen = answerIn(row, asked, "chosen", source);
      const rejected = answerIn(row, asked, "rejected", source);
      if (JSON.stringify(chosen.answer) === JSON.stringify(rejected.answer)) {
        throw wrong(source, `"chosen" and "rejected" are the same: no preference to learn from`);
      }
      return {
        prompt: samePrompt(asked, chosen, rejected, source),
        chosen: chosen.answer,
        rejected: rejected.answer,
        ...rowDetails(row, source),
      };
    },
    (train, validation) => ({ kind: "pairs", train, validation }),
  );
}

/** The prompt of a pair: one of its answers may have messages from before the prompt. */
function samePrompt(
  asked: readonly ChatMessage[],
  chosen: Answered,
  rejected: Answered,
  source: Source,
): readonly ChatMessage[] {
  const told = [chosen.prompt, rejected.prompt].filter((own) => own.length > asked.length);
  const [first = asked, second = first] = told;
  if (JSON.stringify(first) === JSON.stringify(second)) return first;
  throw wrong(source, `"chosen" and "rejected" have different messages before the prompt`);
}

function labels(prompt: string, completion: string): Format {
  return rowsOf(
    "labels",
    [prompt, completion, "label"],
    (row, source) => {
      const asked = side(row, prompt, "user", source);
      const answered = answerIn(row, asked, completion, source);
      return {
        prompt: answered.prompt,
        completion: answered.answer,
        label: truth(row.label, "label", source),
        ...rowDetails(row, source),
      };
    },
    (train, validation) => ({ kind: "labels", train, validation }),
  );
}

function prompts(prompt: string): Format {
  return rowsOf(
    "prompts",
    [prompt],
    (row, source) => {
      const asked = side(row, prompt, "user", source);
      requireTurn({ prompt: asked, answer: [] }, source);
      return { prompt: asked, columns: beside(row, [prompt]), ...rowDetails(row, source) };
    },
    (train, validation) => ({ kind: "prompts", train, validation }),
  );
}

function lineText(line: Line, source: Source): string {
  const decoded = decodeUtf8(
    line.bytes,
    (offset, description) =>
      wrong(source, `not UTF-8: at byte ${line.offset + offset} of the file, ${description}`),
  );
  return decoded.endsWith("\r") ? decoded.slice(0, -1) : decoded;
}

function parseObject(text: string, source: Source): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // The engine counts the lines of this text, which is one line of the file.
    throw wrong(source, `not JSON: ${why.replace(/\(line 1 column (\d+)\)$/, "(column $1)")}`);
  }
  if (!isRecord(value)) throw wrong(source, `a row is a JSON object, not ${kindOf(value)}`);
  return value;
}

/** The format of a row: the first preferred one that it fits, otherwise the first that it fits. */
function formatOf(
  row: JsonObject,
  known: readonly Format[],
  { needs, columns }: { readonly needs: readonly FormatName[]; readonly columns: Columns },
  source: Source,
): Format {
  const isWhole = ({ columns }: Format) => columns.every((column) => row[column] !== null);
  const fitting = known.filter((format) => has(row, format));
  const needed = needs.flatMap((name) => fitting.filter((format) => format.name === name));
  const format = [...needed, ...fitting].find(isWhole) ?? fitting[0];
  if (format !== undefined) return format;
  const unknown = [columns.prompt, columns.completion].flatMap((name) =>
    name === undefined || Object.hasOwn(row, name) ? [] : [name]
  );
  if (unknown.length > 0) {
    throw wrong(
      source,
      `there is no column ${listed(unknown, " or ")}; the columns are ${columnsOf(row)}`,
    );
  }
  const expected = known.map((format) => listed(format.columns, " and ")).join(", or ");
  const hint = known.length > 1 ? "; name others with --prompt-column and --completion-column" : "";
  throw wrong(source, `there is no ${expected}; the columns are ${columnsOf(row)}${hint}`);
}

/** Refuses a row that lacks columns of the first row's format. */
function requireColumns(
  row: JsonObject,
  format: Format,
  known: readonly Format[],
  source: Source,
): void {
  if (has(row, format)) return;
  const missing = format.columns.filter((column) => !Object.hasOwn(row, column));
  // A row that merely lacks some of the columns has no other format.
  const other = known.find((other) =>
    has(row, other) && other.columns.some((column) => !format.columns.includes(column))
  );
  throw wrong(
    source,
    other === undefined
      ? `there is no ${listed(missing, " and ")}; the columns are ${columnsOf(row)}`
      : `this row has ${listed(other.columns, " and ")}, but the rows before it have ` +
        `${listed(format.columns, " and ")}: keep one format in a file`,
  );
}

const has = (row: JsonObject, format: Format) =>
  format.columns.every((column) => Object.hasOwn(row, column));

export function columnsOf(row: JsonObject): string {
  const names = Object.keys(row);
  return names.length === 0 ? "none" : listed(names, ", ");
}

/** The most columns that a message lists. */
const MOST_NAMED = 12;

/** A list of column names; of many names, the first, and of long names, the beginning. */
function listed(names: readonly string[], separator: string): string {
  const more = names.length - MOST_NAMED;
  const shown = names.slice(0, MOST_NAMED).map((name) => quoted(name, 40)).join(separator);
  return more > 0 ? `${shown}${separator}and ${more} more` : shown;
}
