/**
 * What rows are like: how many there are, and which of them nobody would want to train on.
 *
 * @module
 */

import {
  ChatError,
  type ChatMessage,
  conversationRows,
  encodePrompt,
  type Tokenizer,
  UnknownCharacterError,
} from "@unitune/models";
import {
  encodeAnswer,
  encodeSteps,
  fitTexts,
  placeText,
  type Rows,
  UserError,
} from "@unitune/training";
import { digestOf } from "../files/digest.ts";
import { rowFormer } from "./row_former.ts";
import type { FormOptions } from "./forms/recognition.ts";
import type { FormedRow, RowForm } from "./forms/row_forms.ts";
import type { FoundRow } from "./readers/reader.ts";

/** Rows that have something in common. */
export interface FoundRows {
  /** What they have in common, in words. */
  readonly what: string;
  /** The number of them. */
  readonly count: number;
  /** The place of the first. */
  readonly first: string;
}

/** What is known of rows. */
export interface Inspection {
  /** The form of all; undefined if none was read. */
  readonly form: RowForm | undefined;
  /** The number of rows. */
  readonly count: number;
  /** Rows that training refuses, by the reason. */
  readonly refused: readonly FoundRows[];
  /** Rows that training takes, and that may be mistakes. */
  readonly odd: readonly FoundRows[];
}

/** Counts rows by what is said of them. */
function tally() {
  const found = new Map<string, { count: number; first: string }>();
  return {
    add(what: string, first: string) {
      const own = found.get(what);
      if (own === undefined) found.set(what, { count: 1, first });
      else own.count += 1;
    },
    rows: (): readonly FoundRows[] => [...found].map(([what, own]) => ({ what, ...own })),
  };
}

/** The answers of a pair, and the gold one where there is one. */
function pairAnswers({ chosen, rejected, gold }: Rows["pairs"]): (readonly ChatMessage[])[] {
  return [chosen, rejected, ...gold === undefined ? [] : [gold]];
}

/** The texts that a row has to learn; a message that calls a tool needs no text. */
function learnedTexts({ row }: FormedRow): readonly string[] {
  const said = (messages: readonly ChatMessage[]) =>
    messages.flatMap(({ role, content, tool_calls }) =>
      role === "assistant" && tool_calls === undefined ? [content ?? ""] : []
    );
  if ("text" in row) return [row.text];
  if ("steps" in row) return row.steps;
  if ("messages" in row) return said(row.messages);
  if ("chosen" in row) return pairAnswers(row).flatMap(said);
  if ("answers" in row) return row.answers.flatMap(({ answer }) => said(answer));
  return "completion" in row ? said(row.completion) : [];
}

/** What a row says, wherever it is. */
function contentOf({ row: { source: _, ...row } }: FormedRow): string {
  return digestOf(JSON.stringify(row)).slice(0, 24);
}

/**
 * Looks at rows, and goes on where training would refuse one.
 *
 * @param found The rows.
 * @param options The preferred forms, and the names of columns.
 * @returns What is known of them.
 * @throws {UserError} If a file cannot be read any further.
 *
 * @example
 * ```ts
 * import { inspectRows } from "./inspection.ts";
 * import { bytesInMemory } from "./readers/bytes_in_memory.ts";
 * import { readJsonLines } from "./readers/json_lines.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = '{"text": "a"}\n{"text": "a"}\n{"text": 5}\n';
 * const bytes = bytesInMemory("rows.jsonl", new TextEncoder().encode(text));
 * const { count, refused, odd } = await inspectRows(readJsonLines(bytes));
 * assertEquals([count, refused, odd], [
 *   3,
 *   [{ what: '"text" is a text, not a number', count: 1, first: "rows.jsonl:3" }],
 *   [{ what: "duplicates", count: 1, first: "rows.jsonl:2" }],
 * ]);
 * ```
 */
export async function inspectRows(
  found: AsyncIterable<FoundRow>,
  options: FormOptions = {},
): Promise<Inspection> {
  const { read, form } = rowFormer(options);
  const [refused, odd, seen] = [tally(), tally(), new Set<string>()];
  let count = 0;
  for await (const one of found) {
    const place = placeText(one.source);
    count += 1;
    try {
      const { formed } = read(one);
      const content = contentOf(formed);
      if (seen.has(content)) odd.add("duplicates", place);
      seen.add(content);
      if (learnedTexts(formed).some((text) => text.trim() === "")) {
        odd.add("empty texts to learn", place);
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused.add(error.message.replace(`${place}: `, ""), place);
    }
  }
  return { form: form(), count, refused: refused.rows(), odd: odd.rows() };
}

/**
 * The lengths of a row in tokens: of each sequence that may be learned, or of its prompt.
 *
 * @param tokenizer The tokenizer.
 * @param formed The row.
 * @param measure The most tokens that are counted, and the text behind each step of an answer in steps.
 * @returns The numbers of tokens, at most `most` each.
 * @throws {UserError} If the tokenizer cannot express the row.
 */
export function rowLengths(
  tokenizer: Tokenizer,
  { row }: FormedRow,
  { most, separator }: { readonly most: number; readonly separator: string },
): readonly number[] {
  const options = { ...row.rendering, most };
  const answered = (prompt: readonly ChatMessage[], answer: readonly ChatMessage[]) =>
    encodeAnswer(tokenizer, prompt, answer, options).ids.length;
  try {
    if ("text" in row) {
      return fitTexts(tokenizer, [row], most - 1).rows.map(({ ids }) => ids.length);
    }
    if ("messages" in row) {
      return conversationRows(tokenizer, row.messages, options).map(({ ids }) => ids.length);
    }
    if ("chosen" in row) {
      return pairAnswers(row).map((answer) => answered(row.prompt, answer));
    }
    if ("answers" in row) return row.answers.map(({ answer }) => answered(row.prompt, answer));
    if ("steps" in row) return [encodeSteps(tokenizer, row, separator, most).ids.length];
    if ("completion" in row) return [answered(row.prompt, row.completion)];
    return [encodePrompt(tokenizer, row.prompt, options).length];
  } catch (error) {
    if (!(error instanceof ChatError || error instanceof UnknownCharacterError)) throw error;
    throw new UserError(error.message, { cause: error });
  }
}
