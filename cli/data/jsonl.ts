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
 * Questions and answers are texts, or lists of messages. A row that has several is read as the first
 * of them. Other columns are ignored, unless a row is a prompt. All rows of a file are of one format,
 * which the first row decides.
 *
 * @module
 */

import { type Message, type Role, roles } from "@unitune/models";
import { UserError } from "../errors.ts";
import { type Dataset, type Source, trainingLength } from "./dataset.ts";
import type { Line } from "./lines.ts";
import { textDataset } from "./text.ts";
import { decodeUtf8 } from "./utf8.ts";

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

/** A format, and how rows of it are gathered. */
interface Format {
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
 * @returns The dataset.
 * @throws {UserError} Where a line is not UTF-8 or not a JSON object, lacks a column or has
 * something else than text in it (with file and line), or where there is too little to be cut in two.
 */
export async function parseJsonl(
  lines: AsyncIterable<Line> | Iterable<Line>,
  file: string,
  columns: Columns = {},
): Promise<Dataset> {
  const known = formats(columns);
  let reading: { readonly format: Format; readonly gathered: Gathering } | undefined;
  for await (const line of lines) {
    const source: Source = { file, line: line.number };
    const text = lineText(line, source);
    if (text.trim() === "") continue;
    const object = parseObject(text, source);
    if (reading === undefined) {
      const format = formatOf(object, known, source);
      reading = { format, gathered: format.gather() };
    }
    requireColumns(object, reading.format, known, source);
    reading.gathered.add(object, source);
  }
  if (reading === undefined) throw new UserError(`${file} is empty: there is nothing to train on`);
  return reading.gathered.dataset(file);
}

/** Rows that are cut in two, one by one. */
function rowsOf<T>(
  columns: readonly string[],
  read: (row: JsonObject, source: Source) => T,
  datasetOf: (train: readonly T[], validation: readonly T[]) => Dataset,
): Format {
  return {
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
  ["messages"],
  (row, source) => {
    const said = messageList(row.messages, "messages", source);
    if (said.some((message) => message.role === "assistant")) return { messages: said, source };
    throw wrong(source, "there is no message of the assistant: nothing to learn from");
  },
  (train, validation) => ({ kind: "conversations", train, validation }),
);

const text: Format = {
  columns: ["text"],
  gather: () => {
    const texts: string[] = [];
    return {
      add: (row, source) => texts.push(string(row.text, "text", source)),
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

/** An answer, which the assistant gives. */
function answerIn(row: JsonObject, column: string, source: Source): Message[] {
  const said = side(row, column, "assistant", source);
  if (said.some((message) => message.role === "assistant")) return said;
  throw wrong(source, `"${column}" has no message of the assistant: nothing to learn from`);
}

function promptAndCompletion(prompt: string, completion: string): Format {
  return rowsOf(
    [prompt, completion],
    (row, source) => ({
      messages: [
        ...side(row, prompt, "user", source),
        ...answerIn(row, completion, source),
      ],
      source,
    }),
    (train, validation) => ({ kind: "conversations", train, validation }),
  );
}

function pairs(prompt: string): Format {
  return rowsOf(
    [prompt, "chosen", "rejected"],
    (row, source) => {
      const chosen = answerIn(row, "chosen", source);
      const rejected = answerIn(row, "rejected", source);
      if (JSON.stringify(chosen) === JSON.stringify(rejected)) {
        throw wrong(source, `"chosen" and "rejected" are the same: no preference to learn from`);
      }
      return { prompt: side(row, prompt, "user", source), chosen, rejected, source };
    },
    (train, validation) => ({ kind: "pairs", train, validation }),
  );
}

function labels(prompt: string, completion: string): Format {
  return rowsOf(
    [prompt, completion, "label"],
    (row, source) => ({
      prompt: side(row, prompt, "user", source),
      completion: answerIn(row, completion, source),
      label: truth(row.label, "label", source),
      source,
    }),
    (train, validation) => ({ kind: "labels", train, validation }),
  );
}

function prompts(prompt: string): Format {
  return rowsOf(
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

function formatOf(row: JsonObject, known: readonly Format[], source: Source): Format {
  const format = known.find((format) => has(row, format));
  if (format !== undefined) return format;
  const expected = known.map((format) => quoted(format.columns, " and ")).join(", or ");
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
      ? `there is no ${quoted(missing, " and ")}; the columns are ${columnsOf(row)}`
      : `this row has ${quoted(other.columns, " and ")}, but the rows before it have ` +
        `${quoted(format.columns, " and ")}: keep one format in a file`,
  );
}

const has = (row: JsonObject, format: Format) =>
  format.columns.every((column) => Object.hasOwn(row, column));

function columnsOf(row: JsonObject): string {
  const names = Object.keys(row);
  return names.length === 0 ? "none" : quoted(names, ", ");
}

function messageList(value: unknown, column: string, source: Source): Message[] {
  if (!Array.isArray(value)) {
    throw wrong(source, `"${column}" is a list of messages, not ${kindOf(value)}`);
  }
  return value.map((message: unknown, index) => {
    const name = `${column}[${index}]`;
    if (!isObject(message)) {
      throw wrong(source, `"${name}" is an object, not ${kindOf(message)}`);
    }
    const role = roles.find((role) => role === message.role);
    if (role === undefined) {
      const given = JSON.stringify(message.role) ?? "missing";
      throw wrong(source, `"${name}.role" is one of ${roles.join(", ")}, not ${given}`);
    }
    return { role, content: string(message.content, `${name}.content`, source) };
  });
}

function string(value: unknown, column: string, source: Source): string {
  if (typeof value !== "string") {
    throw wrong(source, `"${column}" is a text, not ${kindOf(value)}`);
  }
  // JSON can escape half a surrogate pair, which is no character and has no UTF-8.
  if (!value.isWellFormed()) throw wrong(source, `"${column}" has half a surrogate pair (\\ud…)`);
  return value;
}

/** True or false; 1 and 0 stand for them. */
function truth(value: unknown, column: string, source: Source): boolean {
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw wrong(source, `"${column}" is true or false, not ${JSON.stringify(value)}`);
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

const quoted = (names: readonly string[], separator: string) =>
  names.map((name) => `"${name}"`).join(separator);

function wrong({ file, line }: Source, why: string): UserError {
  return new UserError(`${file}:${line}: ${why}`);
}
