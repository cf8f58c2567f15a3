/**
 * JSONL files: an object a line, and which of its columns are learned from.
 *
 * | columns | a row is |
 * | --- | --- |
 * | `messages` | a conversation: a list of `{role, content}` |
 * | `prompt`, `completion` | a question and its answer: texts, or lists of messages |
 * | `text` | a piece of running text |
 *
 * A row that has several is read as the first of them. Other columns are ignored. All rows of a file
 * are of one format, which the first row decides.
 *
 * @module
 */

import { type Message, type Role, roles } from "@unitune/models";
import { UserError } from "../errors.ts";
import { type Conversation, type Dataset, type Source, trainingLength } from "./dataset.ts";
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

/** What one row gives. */
type Row =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "conversations"; readonly conversation: Conversation };

type JsonObject = Readonly<Record<string, unknown>>;

/** How rows of one format are read. */
interface Format {
  readonly columns: readonly string[];
  readonly read: (row: JsonObject, source: Source) => Row;
}

/**
 * A JSONL file as a dataset. The last 10 % of its conversations, and at least one, are for
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
  let format: Format | undefined;
  const texts: string[] = [];
  const conversations: Conversation[] = [];
  for await (const line of lines) {
    const source: Source = { file, line: line.number };
    const text = lineText(line, source);
    if (text.trim() === "") continue;
    const object = parseObject(text, source);
    format ??= formatOf(object, known, source);
    requireColumns(object, format, known, source);
    const row = format.read(object, source);
    if (row.kind === "text") texts.push(row.text);
    else conversations.push(row.conversation);
  }
  if (texts.length > 0) return textDataset(texts.join("\n"), file);
  const rows = conversations.length;
  if (rows === 0) throw new UserError(`${file} is empty: there is nothing to train on`);
  if (rows === 1) throw new UserError(`${file} has 1 row: it takes 2, one of them for validation`);
  const cut = trainingLength(rows);
  return {
    kind: "conversations",
    train: conversations.slice(0, cut),
    validation: conversations.slice(cut),
  };
}

/** The formats, in order of preference. Columns that were named are the only ones looked for. */
function formats({ prompt, completion }: Columns): readonly Format[] {
  const pair = promptAndCompletion(prompt ?? "prompt", completion ?? "completion");
  return prompt === undefined && completion === undefined ? [messages, pair, text] : [pair];
}

const messages: Format = {
  columns: ["messages"],
  read: (row, source) => ({
    kind: "conversations",
    conversation: conversation(messageList(row.messages, "messages", source), source),
  }),
};

const text: Format = {
  columns: ["text"],
  read: (row, source) => ({ kind: "text", text: string(row.text, "text", source) }),
};

function promptAndCompletion(prompt: string, completion: string): Format {
  const side = (row: JsonObject, column: string, role: Role, source: Source): Message[] =>
    Array.isArray(row[column])
      ? messageList(row[column], column, source)
      : [{ role, content: string(row[column], column, source) }];
  return {
    columns: [prompt, completion],
    read: (row, source) => ({
      kind: "conversations",
      conversation: conversation([
        ...side(row, prompt, "user", source),
        ...side(row, completion, "assistant", source),
      ], source),
    }),
  };
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
  const other = known.find((format) => has(row, format));
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

function conversation(messages: readonly Message[], source: Source): Conversation {
  if (!messages.some((message) => message.role === "assistant")) {
    throw wrong(source, "there is no message of the assistant: nothing to learn from");
  }
  return { messages, source };
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
