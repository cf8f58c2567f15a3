/**
 * The five special tokens that both tokenizers of this package start with, and the chat format that
 * is made of them. A special token has no spelling: `encode` never returns one for any text, so a
 * user who writes `<stop>` gets the characters of `<stop>`.
 *
 * A message is its role's token and its content; an assistant's content ends with `<stop>`:
 *
 *     <system> content  <user> content  <assistant> content <stop>  <user> content …
 */

import {
  ChatError,
  type ChatFormat,
  type ChatMessage,
  firstOf,
  roles,
} from "../chat/chat_format.ts";
import { type DecodeOptions, requireId, type Tokenizer } from "./tokenizer.ts";

/** The names of the special tokens; a name's index is its id, in both tokenizers. */
export const specialTokens = ["pad", "stop", "system", "user", "assistant"] as const;

/** The name of a special token. */
export type SpecialToken = typeof specialTokens[number];

/** The ids of the special tokens. */
export const specialIds: Readonly<Record<SpecialToken, number>> = {
  pad: 0,
  stop: 1,
  system: 2,
  user: 3,
  assistant: 4,
};

/** The id of the first ordinary token. */
export const firstOrdinary = specialTokens.length;

/** The special tokens as they are shown; the index is the id. */
export const specialPieces: readonly string[] = specialTokens.map((name) => `<${name}>`);

/**
 * The same chat format for `transformers`. There, a content that spells a special token becomes
 * that token.
 */
export const roleTemplate = "{% for message in messages %}" +
  "{{ '<' + message['role'] + '>' + message['content'] }}" +
  "{% if message['role'] == 'assistant' %}{{ '<stop>' }}{% endif %}" +
  "{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";

/** The role and the content of a message, if the role has a token and there is nothing else. */
function spoken({ role, content, tool_calls, reasoning_content, thinking }: ChatMessage) {
  const known = roles.find((name) => name === role);
  if (known === undefined) {
    throw new ChatError(
      `The tokenizer has no token for the role ${role}: its roles are ${roles.join(", ")}; use ` +
        `the tokenizer of a pretrained model`,
    );
  }
  if (tool_calls !== undefined || typeof content !== "string") {
    throw new ChatError(
      "The tokenizer has no tokens for calls of tools: every content is a text; use the tokenizer " +
        "of a pretrained model",
    );
  }
  if (reasoning_content !== undefined || thinking !== undefined) {
    throw new ChatError(
      "The tokenizer has no tokens for thoughts apart from the text: write them into the content, " +
        "or use the tokenizer of a pretrained model",
    );
  }
  return { role: known, content };
}

/** Refuses what the format has no tokens for. */
function requireNoTools(tools: readonly unknown[] | undefined): void {
  if (tools === undefined) return;
  throw new ChatError(
    "The tokenizer has no tokens for tools: use the tokenizer of a pretrained model",
  );
}

/** The chat format of special tokens for roles. */
function roleFormat(encode: Tokenizer["encode"]): ChatFormat {
  const rowOf = (messages: readonly ChatMessage[], learnedFrom: number, most: number) => {
    const ids: number[] = [];
    const mask: boolean[] = [];
    for (const [i, message] of messages.entries()) {
      const { role, content } = spoken(message);
      const said = encode(content, Math.max(0, most - ids.length));
      const isAnswer = role === "assistant";
      if (isAnswer) said.push(specialIds.stop);
      ids.push(specialIds[role]);
      mask.push(false);
      for (const id of said) {
        ids.push(id);
        mask.push(isAnswer && i >= learnedFrom);
      }
    }
    return { ids, mask };
  };
  return {
    rows(messages, { tools, learnedFrom = 0, most = Infinity } = {}) {
      requireNoTools(tools);
      return [firstOf(rowOf(messages, learnedFrom, most), most)];
    },
    prompt(messages, { tools, most = Infinity } = {}) {
      requireNoTools(tools);
      return [...rowOf(messages, 0, most).ids, specialIds.assistant].slice(0, most);
    },
  };
}

/** What a tokenizer with the five special tokens has beside its way to encode and decode. */
export function withRoleTokens(
  encode: Tokenizer["encode"],
): Pick<Tokenizer, "special" | "begin" | "stop" | "stops" | "pad" | "chat"> {
  return {
    special: new Set(Object.values(specialIds)),
    begin: [],
    stop: specialIds.stop,
    stops: [specialIds.stop],
    pad: specialIds.pad,
    chat: roleFormat(encode),
  };
}

/**
 * The text of ids: runs of ordinary ones by a function of their own, special ones by name or not at
 * all. Each id is checked to be in the vocabulary.
 */
export function decodeRuns(
  ids: Iterable<number>,
  size: number,
  { special = "skipped" }: DecodeOptions,
  textOf: (run: readonly number[]) => string,
): string {
  let text = "";
  let run: number[] = [];
  for (const id of ids) {
    requireId(id, size);
    if (id >= firstOrdinary) run.push(id);
    else if (special === "shown") {
      text += textOf(run) + specialPieces[id];
      run = [];
    }
  }
  return text + textOf(run);
}
