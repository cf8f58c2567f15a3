/**
 * Messages in the columns of a row, and what they are rendered with.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { type ChatMessage, type ChatOptions, type ChatRole, chatRoles } from "@unitune/models";
import type { RowDetails, Source } from "@unitune/training";
import { isRecord } from "../../files/guards.ts";
import { type JsonObject, kindOf, string, wrong } from "../cells.ts";

/**
 * A list of messages. A message has a `role` and a `content`, which is a text or a list of parts of
 * text; an assistant's that has `tool_calls` may lack it. ShareGPT's `from` and `value`, of whom `human`
 * is the user and `gpt` the assistant, are read as well. Thoughts (`reasoning_content` or
 * `thinking`), `tool_call_id`, `name` and further fields are handed to the chat template. Fields that
 * are null count as missing, as tables have them.
 *
 * @param value The list.
 * @param column The column that it is in.
 * @param source The line of the row.
 * @returns The messages.
 * @throws {UserError} If it is no such list; the message has file, line and field.
 *
 * @example
 * ```ts
 * import { messageList } from "./messages.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const said = [{ role: "user", content: [{ type: "text", text: "Hi" }], name: null }];
 * const source = { file: "rows.jsonl", line: 1 };
 * assertEquals(messageList(said, "messages", source), [{ role: "user", content: "Hi" }]);
 * ```
 */
export function messageList(value: unknown, column: string, source: Source): ChatMessage[] {
  if (!Array.isArray(value)) {
    throw wrong(source, `${quoted(column)} is a list of messages, not ${kindOf(value)}`);
  }
  return value.map((message: unknown, i) => messageOf(message, `${column}[${i}]`, source));
}

/** The roles of ShareGPT's messages, beside those that it shares with others. */
const shareGptRoles: ReadonlyMap<unknown, ChatRole> = new Map([
  ["human", "user"],
  ["gpt", "assistant"],
]);

/** A message of ShareGPT, with `from` and `value`, as one with `role` and `content`. */
function withRole(message: JsonObject): JsonObject {
  if (message.role !== undefined || message.from === undefined) return message;
  const { from, value, ...others } = message;
  return {
    ...others,
    role: shareGptRoles.get(from) ?? from,
    ...value !== undefined && { content: value },
  };
}

function messageOf(given: unknown, place: string, source: Source): ChatMessage {
  if (!isRecord(given)) throw wrong(source, `${quoted(place)} is an object, not ${kindOf(given)}`);
  const value = withRole(given);
  const role = chatRoles.find((role) => role === value.role);
  if (role === undefined) {
    const given = value.role === undefined ? "missing" : quoted(value.role);
    throw wrong(
      source,
      `${quoted(`${place}.role`)} is one of ${chatRoles.join(", ")}, not ${given}`,
    );
  }
  const { role: _, content, ...fields } = value;
  const others = Object.entries(fields).filter(([, field]) => field !== null);
  if (others.length === 0) {
    return { role, content: contentOf(content, `${place}.content`, source) };
  }
  const { tool_calls, ...rest } = Object.fromEntries(others);
  const calls = callsOf(tool_calls, role, `${place}.tool_calls`, source);
  const texts = textFields.flatMap((name) =>
    rest[name] === undefined
      ? []
      : [[name, string(rest[name], `${place}.${name}`, source)] as const]
  );
  const isCall = calls !== undefined && (content === undefined || content === null);
  return {
    ...rest,
    ...Object.fromEntries(texts),
    ...calls !== undefined && { tool_calls: calls },
    role,
    // A template may ask whether there is a content.
    ...isCall
      ? content === null && { content }
      : { content: contentOf(content, `${place}.content`, source) },
  };
}

/** The fields of a message that are texts. */
const textFields = ["reasoning_content", "thinking", "tool_call_id", "name"] as const;

/** The text of a content: of parts, all of them joined. */
function contentOf(value: unknown, place: string, source: Source): string {
  if (!Array.isArray(value)) return string(value, place, source);
  return value.map((part: unknown, i) => {
    const own = `${place}[${i}]`;
    if (!isRecord(part)) throw wrong(source, `${quoted(own)} is an object, not ${kindOf(part)}`);
    if (part.type === "text") return string(part.text, `${own}.text`, source);
    const given = part.type === undefined ? "missing" : quoted(part.type);
    throw wrong(
      source,
      `${quoted(`${own}.type`)} is "text", not ${given}: models here read text only`,
    );
  }).join("");
}

/** The calls of a message; undefined without any. */
function callsOf(
  value: unknown,
  role: ChatRole,
  place: string,
  source: Source,
): readonly unknown[] | undefined {
  if (value === undefined) return undefined;
  const calls = objects(value, place, source);
  if (calls.length === 0) return undefined;
  if (role === "assistant") return calls;
  throw wrong(source, `${quoted(place)} is in a message of the ${role}: only the assistant calls`);
}

/** A list of objects. */
function objects(value: unknown, place: string, source: Source): readonly JsonObject[] {
  if (!Array.isArray(value)) {
    throw wrong(source, `${quoted(place)} is a list of objects, not ${kindOf(value)}`);
  }
  return value.map((element: unknown, i) => {
    if (isRecord(element)) return element;
    throw wrong(source, `${quoted(`${place}[${i}]`)} is an object, not ${kindOf(element)}`);
  });
}

/** The variables of a chat template that are not the row's to set. */
const reserved = [
  "messages",
  "tools",
  "add_generation_prompt",
  "continue_final_message",
  "chat_template",
  "tokenize",
] as const;

/** Whether a column holds a message: in a list, or for several answers in a list of lists. */
function hasMessage(value: unknown): boolean {
  const isMessages = (own: unknown) => Array.isArray(own) && own.some(isRecord);
  return isMessages(value) || Array.isArray(value) && value.some(isMessages);
}

/**
 * The tools and variables in the columns `tools` and `chat_template_kwargs`, with the line. Tools are
 * a list of JSON schemas, or the JSON of such a list; an empty list is none, as in TRL. A row whose
 * prompts and answers are texts is plain.
 *
 * @param row The row.
 * @param columns The columns of its prompts and answers.
 * @param source Its line.
 * @returns What the row has beside its messages.
 * @throws {UserError} If a column is of another kind, or sets a variable that training sets.
 *
 * @example
 * ```ts
 * import { rowDetails } from "./messages.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const source = { file: "rows.jsonl", line: 1 };
 * const row = { messages: [{ role: "user", content: "Hi" }], chat_template_kwargs: { brief: true } };
 * assertEquals(rowDetails(row, ["messages"], source), {
 *   rendering: { variables: { brief: true } },
 *   source,
 * });
 * assertEquals(rowDetails({ prompt: "Hi", tools: "[]" }, ["prompt"], source), {
 *   rendering: { plain: true },
 *   source,
 * });
 * ```
 */
export function rowDetails(
  row: JsonObject,
  columns: readonly string[],
  source: Source,
): RowDetails {
  const tools = toolsOf(row.tools, source);
  const variables = variablesOf(row.chat_template_kwargs, source);
  const plain = !columns.some((column) => hasMessage(row[column]));
  if (tools === undefined && variables === undefined && !plain) return { source };
  const rendering: ChatOptions = {
    ...tools !== undefined && { tools },
    ...variables !== undefined && { variables },
    ...plain && { plain },
  };
  return { rendering, source };
}

function toolsOf(value: unknown, source: Source): readonly JsonObject[] | undefined {
  if (value === undefined || value === null) return undefined;
  const tools = objects(typeof value === "string" ? parsed(value, source) : value, "tools", source);
  return tools.length === 0 ? undefined : tools;
}

/** Tools that are written as JSON: tables have one type a column, and tools differ. */
function parsed(text: string, source: Source): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(source, `"tools" is a list of JSON schemas, or its JSON, not ${quoted(text)}`);
  }
}

function variablesOf(value: unknown, source: Source): JsonObject | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) {
    throw wrong(source, `"chat_template_kwargs" is an object, not ${kindOf(value)}`);
  }
  const own = reserved.find((name) => Object.hasOwn(value, name));
  if (own !== undefined) {
    throw wrong(
      source,
      `"chat_template_kwargs.${own}" is not a row's to set: leave it out` +
        (own === "tools" ? `, and write the tools into the column "tools"` : ""),
    );
  }
  return Object.keys(value).length === 0 ? undefined : value;
}
