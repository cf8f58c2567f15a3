/**
 * JSONL files: an object a line, and which of its columns are learned from.
 *
 * | columns | a row is |
 * | --- | --- |
 * | `messages` | a conversation: a list of `{role, content}` |
 * | `prompt`, `chosen`, `rejected` | a question and two answers, the first preferred |
 * | `prompt`, `completion`, `label` | a question and an answer, liked (`true`) or not |
 * | `prompt`, `completion` | a question and its answer |
 * | `text` | a piece of running text |
 * | `prompt` | a question; other columns are handed to rewards |
 *
 * Questions and answers are texts, or lists of messages; an answer whose messages repeat the prompt
 * is read from behind it, and turns before the prompt belong to it. Other columns are ignored,
 * unless a row is a prompt. All rows of a file are of one format, which the first row decides: where
 * it fits several, the one that the objective needs, else the first of the table. A column that is
 * null counts as missing there.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { type Message, type Role, roles } from "@unitune/models";
import { type Dataset, type Source, trainingLength, UserError } from "@unitune/training";
import type { Line } from "../files/lines.ts";
import { longestText, textDataset } from "./text.ts";
import { decodeUtf8 } from "../files/utf8.ts";

/** Which columns hold the prompt and the completion, where they have names of their own. */
export interface Columns {
  /** The column of the prompt: `prompt`, unless said. */
  readonly prompt?: string | undefined;
  /** The column of the completion: `completion`, unless said. */
  readonly completion?: string | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** What is gathered of a file's rows. */
interface Gathering {
  add(row: JsonObject, source: Source): void;
  dataset(file: string): Dataset;
}

/** The formats of rows, by what they hold. */
export type FormatName = "messages" | "pairs" | "labels" | "completions" | "text" | "prompts";

/** A format, and how rows of it are gathered. */
interface Format {
  readonly name: FormatName;
  readonly columns: readonly string[];
  readonly gather: () => Gathering;
}

/**
 * A JSONL file as a dataset. The last 10 % of its rows, and at least one, are for
 * validation; rows of `text` are joined by newlines and cut as one text. Blank lines are skipped.
 *
 * @param lines The lines of the file.
 * @param file Its name, for errors.
 * @param columns Where the prompt and the completion are, under other names.
 * @param options What is read first where the first row fits several, and who is told how far it is.
 * @returns The dataset.
 * @throws {UserError} Where a line is not UTF-8 or not a JSON object, lacks a column or has
 * something else than text in it (with file and line), or where there is too little to be cut in two.
 */
export async function parseJsonl(
  lines: AsyncIterable<Line> | Iterable<Line>,
  file: string,
  columns: Columns = {},
  { needs = [], tell = () => {} }: ReadOptions = {},
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
      const format = formatOf(object, known, needs, source);
      reading = { format, gathered: format.gather() };
    }
    requireColumns(object, reading.format, known, source);
    reading.gathered.add(object, source);
  }
  if (reading === undefined) throw new UserError(`${file} is empty: there is nothing to train on`);
  return reading.gathered.dataset(file);
}

/** How rows are read. */
export interface ReadOptions {
  /** The formats to read first, where the first row fits several (default: none). */
  readonly needs?: readonly FormatName[];
  /** Told now and then how many bytes are read. */
  readonly tell?: (bytes: number) => void;
}

/** Bytes between two looks at how far the reading is. */
const STRIDE = 2 ** 18;

/**
 * The format in which {@linkcode parseJsonl} reads a file, by its first row alone.
 *
 * @param lines The lines of the file.
 * @param file Its name, for errors.
 * @param columns Where the prompt and the completion are, under other names.
 * @param needs The formats that are read first where the row fits several.
 * @returns The format.
 * @throws {UserError} Where the first row is of no format, or there is none.
 *
 * @example
 * ```ts
 * import { jsonlFormat, linesOf } from "@unitune/cli";
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
    if (object !== undefined) return formatOf(object, known, needs, source).name;
  }
  throw new UserError(`${file} is empty: there is nothing to train on`);
}

/** The row in a line; undefined in a blank one. */
function rowIn(line: Line, source: Source): JsonObject | undefined {
  const text = lineText(line, source);
  return text.trim() === "" ? undefined : parseObject(text, source);
}

/** Rows that are cut in two, one by one. */
function rowsOf<T>(
  name: FormatName,
  columns: readonly string[],
  read: (row: JsonObject, source: Source) => T,
  datasetOf: (train: readonly T[], validation: readonly T[]) => Dataset,
): Format {
  return {
    name,
    columns,
    gather: () => {
      const rows: T[] = [];
      return {
        add: (row, source) => rows.push(read(row, source)),
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

/**
 * The formats, in order of preference. Where a prompt and a completion are named, no other is looked
 * for; where the prompt is, none that has no prompt.
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
    if (said.some((message) => message.role === "assistant")) return { messages: said, source };
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

/** A column of a question or of an answer: a text, or a list of messages. */
function side(row: JsonObject, column: string, role: Role, source: Source): Message[] {
  return Array.isArray(row[column])
    ? messageList(row[column], column, source)
    : [{ role, content: string(row[column], column, source) }];
}

/** A prompt and an answer to it. */
interface Answered {
  readonly prompt: readonly Message[];
  readonly answer: readonly Message[];
}

/** A conversation as what the system says first, and the rest. */
function withoutSystem(messages: readonly Message[]) {
  const start = messages.findIndex(({ role }) => role !== "system");
  const end = start < 0 ? messages.length : start;
  return { system: messages.slice(0, end), rest: messages.slice(end) };
}

/** Whether some messages stand in a list at a place. */
function standAt(part: readonly Message[], list: readonly Message[], place: number): boolean {
  return part.every(({ role, content }, i) => {
    const other = list[place + i];
    return role === other?.role && content === other.content;
  });
}

const isAnswered = (messages: readonly Message[]) =>
  messages.some(({ role }) => role === "assistant");

/**
 * How much of a conversation the prompt takes, where it is repeated there: all of it, after earlier
 * turns or not, or its last turns, from one of the user's on. Messages of the system are left out on
 * both sides. Undefined where the conversation is an answer alone.
 */
function repeated(
  prompt: readonly Message[],
  said: readonly Message[],
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
 * A prompt and the answer in a column, which the assistant gives. Where the messages of the answer
 * repeat the prompt, they are read from behind it; earlier turns and what the system says there
 * belong to the prompt.
 */
function answerIn(
  row: JsonObject,
  prompt: readonly Message[],
  column: string,
  source: Source,
): Answered {
  const said = side(row, column, "assistant", source);
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

function promptAndCompletion(prompt: string, completion: string): Format {
  return rowsOf(
    "completions",
    [prompt, completion],
    (row, source) => {
      const asked = side(row, prompt, "user", source);
      const answered = answerIn(row, asked, completion, source);
      return { messages: [...answered.prompt, ...answered.answer], source };
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
        source,
      };
    },
    (train, validation) => ({ kind: "pairs", train, validation }),
  );
}

/** The prompt of a pair, from both of its answers: one of them may tell what was said before it. */
function samePrompt(
  asked: readonly Message[],
  chosen: Answered,
  rejected: Answered,
  source: Source,
): readonly Message[] {
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
        source,
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
      const { [prompt]: _, ...columns } = row;
      return { prompt: side(row, prompt, "user", source), columns, source };
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
    throw wrong(source, `not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value)) throw wrong(source, `a row is a JSON object, not ${kindOf(value)}`);
  return value;
}

/** The format of a row: the first that is needed of those that it fits, else the first of all. */
function formatOf(
  row: JsonObject,
  known: readonly Format[],
  needs: readonly FormatName[],
  source: Source,
): Format {
  const isWhole = ({ columns }: Format) => columns.every((column) => row[column] !== null);
  const fitting = known.filter((format) => has(row, format));
  const needed = needs.flatMap((name) => fitting.filter((format) => format.name === name));
  const format = [...needed, ...fitting].find(isWhole) ?? fitting[0];
  if (format !== undefined) return format;
  const expected = known.map((format) => listed(format.columns, " and ")).join(", or ");
  const hint = known.length > 1 ? "; name others with --prompt-column and --completion-column" : "";
  throw wrong(source, `there is no ${expected}; the columns are ${columnsOf(row)}${hint}`);
}

/** Rows after the first have the first one's columns. */
function requireColumns(
  row: JsonObject,
  format: Format,
  known: readonly Format[],
  source: Source,
): void {
  if (has(row, format)) return;
  const missing = format.columns.filter((column) => !Object.hasOwn(row, column));
  // A row that merely lacks some of the columns is not of another format.
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

function columnsOf(row: JsonObject): string {
  const names = Object.keys(row);
  return names.length === 0 ? "none" : listed(names, ", ");
}

function messageList(value: unknown, column: string, source: Source): Message[] {
  if (!Array.isArray(value)) {
    throw wrong(source, `${quoted(column)} is a list of messages, not ${kindOf(value)}`);
  }
  return value.map((message: unknown, index) => {
    const name = `${column}[${index}]`;
    if (!isObject(message)) {
      throw wrong(source, `${quoted(name)} is an object, not ${kindOf(message)}`);
    }
    const role = roles.find((role) => role === message.role);
    if (role === undefined) {
      const given = message.role === undefined ? "missing" : quoted(message.role);
      throw wrong(source, `${quoted(`${name}.role`)} is one of ${roles.join(", ")}, not ${given}`);
    }
    return { role, content: string(message.content, `${name}.content`, source) };
  });
}

function string(value: unknown, column: string, source: Source): string {
  if (typeof value !== "string") {
    throw wrong(source, `${quoted(column)} is a text, not ${kindOf(value)}`);
  }
  // JSON can escape half a surrogate pair, which is no character and has no UTF-8.
  if (!value.isWellFormed()) {
    throw wrong(source, `${quoted(column)} has half a surrogate pair (\\ud…)`);
  }
  return value;
}

/** True or false; 1 and 0 stand for them. */
function truth(value: unknown, column: string, source: Source): boolean {
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw wrong(source, `${quoted(column)} is true or false, not ${quoted(value)}`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Columns that are named in a message. */
const MOST_NAMED = 12;

/** Names of columns, which a file may have many of, of any length. */
function listed(names: readonly string[], separator: string): string {
  const more = names.length - MOST_NAMED;
  const shown = names.slice(0, MOST_NAMED).map((name) => quoted(name, 40)).join(separator);
  return more > 0 ? `${shown}${separator}and ${more} more` : shown;
}

function wrong({ file, line }: Source, why: string): UserError {
  return new UserError(`${file}:${line}: ${why}`);
}
