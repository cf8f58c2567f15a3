/** Texts without turns: a prompt, and the completion that follows it, as base models read them. */

import { quoted } from "@unitune/core";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import {
  ChatError,
  type ChatFormat,
  type ChatMessage,
  type ChatOptions,
  firstOf,
} from "./chat_format.ts";
import { firstDifference } from "./prefixes.ts";

/** The parts of a tokenizer that texts need. */
type TextTokenizer = Pick<Tokenizer, "begin" | "stop" | "encode" | "decode">;

/** Refuses conversations, and what has no place in a text. */
function requirePlain({ plain, tools, variables }: ChatOptions): void {
  if (plain !== true) {
    throw new ChatError(
      "The tokenizer has no chat template, so conversations cannot be encoded: add one, or train " +
        "on texts",
    );
  }
  if (tools === undefined && variables === undefined) return;
  throw new ChatError(
    "The tokenizer has no chat template, and a text has no place for tools and variables of one: " +
      "add a chat template, or remove them",
  );
}

/** The contents of messages, one after the other. */
function textOf(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => content ?? "").join("");
}

/** Tells whether one text begins with the other one, where both may be cut inside a character. */
function beginsAlike(a: string, b: string): boolean {
  const whole = (text: string) => text.replace(/\ufffd+$/, "");
  return whole(a).startsWith(whole(b)) || whole(b).startsWith(whole(a));
}

/**
 * The ids of a prompt and of the completion behind it. They are those of the joined text, if the
 * prompt's own are their beginning; otherwise the tokenizer joins characters of both to one token,
 * which generation never does, and the completion is encoded by itself.
 */
function joinedIds(
  { begin, encode, decode }: TextTokenizer,
  prompt: readonly number[],
  before: string,
  completion: string,
  most: number,
): readonly number[] {
  const ids = [...begin, ...encode(before + completion, most)].slice(0, most);
  if (firstDifference(prompt, ids) === prompt.length) return ids;
  const apart = [...prompt, ...encode(completion, most)].slice(0, most);
  const [shown = "", wanted = ""] = [apart, ids].map((own) => decode(own, { special: "shown" }));
  if (shown === wanted || apart.length === most && beginsAlike(shown, wanted)) return apart;
  throw new ChatError(
    `The completion begins inside a token: the tokenizer joins its first characters with the end ` +
      `of the prompt, ${quoted(before.slice(-20) + completion.slice(0, 20))}, and has no other ` +
      `ids for them. Let the prompt end, or the completion begin, with white space`,
  );
}

/**
 * The format of a tokenizer without a chat template. It takes texts alone
 * ({@linkcode ChatOptions.plain}): a row is the prompt, the completion, which is the last message if
 * the assistant says it, and the stop token, unless the completion spells it. So does TRL 1.13 with
 * rows that have no messages; where a token would have characters of both texts, its mask is wrong,
 * and the completion is encoded by itself here.
 *
 * @param tokenizer The tokenizer.
 * @returns The format.
 */
export function plainFormat(tokenizer: TextTokenizer): ChatFormat {
  const { begin, stop, encode } = tokenizer;
  const promptIds = (messages: readonly ChatMessage[], most: number) =>
    [...begin, ...encode(textOf(messages), most)].slice(0, most);
  return {
    rows(messages, { learnedFrom = 0, most = Infinity, ...options } = {}) {
      requirePlain(options);
      const last = messages.at(-1);
      if (last?.role !== "assistant" || messages.length <= learnedFrom) {
        const ids = promptIds(messages, most);
        return [{ ids, mask: ids.map(() => false) }];
      }
      const before = messages.slice(0, -1);
      const prompt = promptIds(before, most);
      const ids = joinedIds(tokenizer, prompt, textOf(before), textOf([last]), most);
      const ended = ids.length > prompt.length && ids.at(-1) === stop ? ids : [...ids, stop];
      return [firstOf({ ids: ended, mask: ended.map((_, t) => t >= prompt.length) }, most)];
    },
    prompt(messages, { most = Infinity, ...options } = {}) {
      requirePlain(options);
      const ids = promptIds(messages, most);
      if (ids.length > 0) return ids;
      throw new ChatError("The prompt has no token, so there is nothing to continue: write one");
    },
  };
}
