/**
 * Pairs without a column for their prompt: it is what both answers begin with.
 *
 * @module
 */

import type { ChatMessage } from "@unitune/models";
import type { Source } from "@unitune/training";
import { string, wrong } from "../cells.ts";
import { messageList } from "./messages.ts";

/** A prompt, and two answers to it. */
export interface CommonPrompt {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The first answer. */
  readonly chosen: readonly ChatMessage[];
  /** The second answer. */
  readonly rejected: readonly ChatMessage[];
}

/** The length of what two sequences begin with. */
function commonLength<T>(
  a: ArrayLike<T>,
  b: ArrayLike<T>,
  isSame: (a: T, b: T) => boolean,
): number {
  let length = 0;
  for (; length < Math.min(a.length, b.length); length++) {
    const [one, other] = [a[length], b[length]];
    if (one === undefined || other === undefined || !isSame(one, other)) break;
  }
  return length;
}

/**
 * Separates the prompt that two answers begin with: of lists, their first messages, as far as they are
 * the same and up to where the assistant speaks; of texts, their first characters, without a space at
 * the end, as `extract_prompt` of TRL has it. A prompt without a character is none.
 *
 * @param row The row, with the columns `chosen` and `rejected`.
 * @param source Its place.
 * @returns The prompt and the answers.
 * @throws {UserError} If the columns are not both texts or both lists of messages.
 *
 * @example
 * ```ts
 * import { commonPrompt } from "./common_prompt.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { chosen: "The sky is blue", rejected: "The sky is low" };
 * const { prompt, chosen } = commonPrompt(row, { file: "rows.jsonl", line: 1 });
 * assertEquals([prompt[0]?.content, chosen[0]?.content], ["The sky is", " blue"]);
 * ```
 */
export function commonPrompt(
  row: { readonly chosen?: unknown; readonly rejected?: unknown },
  source: Source,
): CommonPrompt {
  if (Array.isArray(row.chosen) !== Array.isArray(row.rejected)) {
    throw wrong(source, `"chosen" and "rejected" are both texts, or both lists of messages`);
  }
  return Array.isArray(row.chosen) ? ofMessages(row, source) : ofTexts(row, source);
}

function ofMessages(
  row: { readonly chosen?: unknown; readonly rejected?: unknown },
  source: Source,
): CommonPrompt {
  const chosen = messageList(row.chosen, "chosen", source);
  const rejected = messageList(row.rejected, "rejected", source);
  const isSame = (a: ChatMessage, b: ChatMessage) => JSON.stringify(a) === JSON.stringify(b);
  const common = chosen.slice(0, commonLength(chosen, rejected, isSame));
  const end = common.findLastIndex(({ role }) => role !== "assistant") + 1;
  return {
    prompt: common.slice(0, end),
    chosen: chosen.slice(end),
    rejected: rejected.slice(end),
  };
}

function ofTexts(
  row: { readonly chosen?: unknown; readonly rejected?: unknown },
  source: Source,
): CommonPrompt {
  const chosen = string(row.chosen, "chosen", source);
  const rejected = string(row.rejected, "rejected", source);
  const common = chosen.slice(0, commonLength(chosen, rejected, (a, b) => a === b));
  // Half a surrogate pair is no character, and TRL leaves the space to the answers.
  const prompt = common.replace(/(?:[\ud800-\udbff]| )$/, "");
  const answer = (text: string) =>
    [{ role: "assistant", content: text.slice(prompt.length) }] as const;
  return {
    prompt: prompt === "" ? [] : [{ role: "user", content: prompt }],
    chosen: answer(chosen),
    rejected: answer(rejected),
  };
}
