/**
 * Prompts in files of rows: the column `prompt`, a text or a list of messages, or `messages` up to the
 * assistant's last answer. `tools` and `chat_template_kwargs` are rendered with the messages; other
 * columns are ignored.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { ChatMessage } from "@unitune/models";
import { type RowDetails, type Source, UserError } from "@unitune/training";
import { type JsonObject, string, wrong } from "./cells.ts";
import { columnsIn } from "./row_former.ts";
import { messageList, rowDetails } from "./forms/messages.ts";
import { columnsOf } from "./forms/recognition.ts";
import type { FoundRow } from "./readers/reader.ts";

/** A prompt in a file. */
export interface PromptRow extends RowDetails {
  /** A text, or the messages of a conversation up to the answer. */
  readonly prompt: string | readonly ChatMessage[];
  /** Its place. */
  readonly source: Source;
}

/**
 * Reads the prompts of a file of rows.
 *
 * @param found The rows.
 * @param file The name of the file, for errors.
 * @returns The prompts, in order.
 * @throws {UserError} If a row is no such row (the message has its place), or there is none.
 *
 * @example
 * ```ts
 * import { parsePrompts } from "./prompt_rows.ts";
 * import { bytesInMemory } from "./readers/bytes_in_memory.ts";
 * import { readJsonLines } from "./readers/json_lines.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const question = { role: "user", content: "1+1" } as const;
 * const answer = { role: "assistant", content: "2" } as const;
 * const rows = [{ prompt: "1+1" }, { messages: [question, answer] }];
 * const bytes = new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join("\n"));
 * const found = readJsonLines(bytesInMemory("rows.jsonl", bytes));
 * const prompts = await parsePrompts(found, "rows.jsonl");
 * assertEquals(prompts.map(({ prompt }) => prompt), ["1+1", [question]]);
 * ```
 */
export async function parsePrompts(
  found: AsyncIterable<FoundRow>,
  file: string,
): Promise<readonly PromptRow[]> {
  const rows: PromptRow[] = [];
  for await (const one of found) {
    const { source } = one;
    const row = columnsIn(one);
    const prompt = promptIn(row, source);
    rows.push({ prompt, ...rowDetails(row, ["prompt", "messages"], source), source });
  }
  if (rows.length > 0) return rows;
  throw new UserError(`${file} is empty: there is no prompt to answer`);
}

function promptIn(row: JsonObject, source: Source): PromptRow["prompt"] {
  const column = ["prompt", "messages"].find((name) => (row[name] ?? null) !== null);
  if (column === undefined) {
    throw wrong(source, `there is no "prompt" or "messages"; the columns are ${columnsOf(row)}`);
  }
  if (column === "prompt" && !Array.isArray(row.prompt)) return string(row.prompt, column, source);
  const said = messageList(row[column], column, source);
  const isAnswer = column === "messages" && said.at(-1)?.role === "assistant";
  const asked = isAnswer ? said.slice(0, -1) : said;
  const last = asked.at(-1);
  if (last === undefined) throw wrong(source, `${quoted(column)} has no message to answer`);
  if (last.role !== "assistant") return asked;
  throw wrong(source, `${quoted(column)} ends with a message of the assistant: nothing to answer`);
}
