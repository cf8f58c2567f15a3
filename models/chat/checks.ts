/** Checks of the training rows of a conversation, and a row token by token. */

import { quoted } from "@unitune/core";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { ChatMessage, EncodedSequence, RowOptions } from "./chat_format.ts";
import { conversationRows } from "./conversation.ts";

/**
 * The kinds of findings. An error makes a model that does not answer as it was taught; a note is
 * for whoever looks at the data.
 */
export const findingKinds = {
  /** Generation does not stop at the last token that an answer teaches. */
  "unlearned-stop": "error",
  /** A row begins with two beginning tokens. */
  "double-beginning": "error",
  /** Part of an answer is not learned. */
  "unlearned-words": "error",
  /** Words of another turn are learned. */
  "learned-prompt": "error",
  /** A row has no beginning token, though texts of this tokenizer have one. */
  "no-beginning": "note",
  /** Text of the template is learned with an answer. */
  "learned-template": "note",
  /** A content spells a special token, which the tokenizer reads as that token. */
  "spelled-special": "note",
  /** Each answer has a row of its own. */
  "several-rows": "note",
} as const;

/** The kind of a finding. */
export type FindingKind = keyof typeof findingKinds;

/** A fact about the training rows of a conversation. */
export interface Finding {
  /** The kind of the finding. */
  readonly kind: FindingKind;
  /** The index of the message, if the finding is about one. */
  readonly message?: number;
  /** The finding as a sentence without its full stop, with what to do about it. */
  readonly sentence: string;
}

/** The learned ids of a row between two that are not learned. */
function learnedRuns({ ids, mask }: EncodedSequence): readonly (readonly number[])[] {
  const runs: number[][] = [];
  for (const [t, id] of ids.entries()) {
    if (mask[t] !== true) continue;
    const run = runs.at(-1);
    if (t > 0 && mask[t - 1] === true && run !== undefined) run.push(id);
    else runs.push([id]);
  }
  return runs;
}

/** A text without white space, which templates trim and add. */
function squeezed(text: string): string {
  return text.replace(/\s+/g, "");
}

/**
 * Checks the training rows of a conversation: whether every answer teaches a token at which
 * generation stops, whether the beginning token is there once, and whether the assistant's words
 * are learned, and nothing else.
 *
 * White space does not count, since templates trim it. The text that is learned beside an answer's
 * content is reported, unless the message has calls or thoughts, which are the assistant's as well.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation.
 * @param options The options that its rows are made with.
 * @returns The findings, errors and notes; see {@linkcode findingKinds}.
 * @throws {ChatError} If the chat format cannot express the conversation.
 *
 * @example
 * ```ts
 * import { byteTokenizer, checkConversation } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const messages = [
 *   { role: "user", content: "What is 1 + 1?" },
 *   { role: "assistant", content: "2" },
 * ] as const;
 * assertEquals(checkConversation(byteTokenizer(), messages), []);
 *
 * // Generation would run on after such an answer.
 * const [finding] = checkConversation({ ...byteTokenizer(), stops: [2] }, messages);
 * assertEquals([finding?.kind, finding?.message], ["unlearned-stop", 1]);
 * ```
 */
export function checkConversation(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: RowOptions = {},
): readonly Finding[] {
  const rows = conversationRows(tokenizer, messages, options);
  const { learnedFrom = 0 } = options;
  const answers = messages.flatMap((message, i) =>
    message.role === "assistant" && i >= learnedFrom ? [{ message, i }] : []
  );
  const runs = rows.flatMap(learnedRuns);
  const findings = [
    ...rows.slice(0, 1).flatMap((row) => beginning(tokenizer, row)),
    ...spelled(tokenizer, messages),
    ...(rows.length > 1 ? [severalRows(rows.length)] : []),
  ];
  if (runs.length !== answers.length) {
    const kind = runs.length < answers.length ? "unlearned-words" : "learned-prompt";
    return [...findings, {
      kind,
      sentence: `${runs.length} runs of tokens are learned, and the conversation has ` +
        `${answers.length} answers: use a chat template with a header for each turn`,
    }];
  }
  return [
    ...findings,
    ...answers.flatMap(({ message, i }, place) =>
      answer(tokenizer, messages, message, i, runs[place] ?? [])
    ),
  ];
}

/** A text without what it ends with. */
function withoutEnd(text: string, end: string): string {
  return text.endsWith(end) ? text.slice(0, text.length - end.length) : text;
}

/** The findings about the start of a row. */
function beginning({ begin, tokens }: Tokenizer, { ids }: EncodedSequence): readonly Finding[] {
  const [first] = begin;
  if (first === undefined) return [];
  const piece = quoted(tokens[first] ?? String(first));
  if (ids[0] !== first) {
    return [{
      kind: "no-beginning",
      sentence: `Conversations do not begin with ${piece}, with which texts begin: a base model ` +
        `may expect it in the chat template`,
    }];
  }
  if (ids[1] !== first) return [];
  return [{
    kind: "double-beginning",
    sentence: `Conversations begin with ${piece} twice: remove it from the chat template or from ` +
      `the first message`,
  }];
}

/** The findings about special tokens in contents. */
function spelled(
  { special, encode, decode }: Tokenizer,
  messages: readonly ChatMessage[],
): readonly Finding[] {
  return messages.flatMap(({ content }, message): Finding[] => {
    const found = encode(content ?? "").find((id) => special.has(id));
    if (found === undefined) return [];
    const piece = quoted(decode([found], { special: "shown" }));
    return [{
      kind: "spelled-special",
      message,
      sentence: `Message ${message + 1} spells the special token ${piece}, and is read as having ` +
        `that token: change the text unless that is intended`,
    }];
  });
}

function severalRows(count: number): Finding {
  return {
    kind: "several-rows",
    sentence: `The chat template changes earlier answers, so a conversation of ${count} answers ` +
      `is ${count} rows, each as the model sees it when it gives the answer`,
  };
}

/** The findings about one answer and the ids that are learned for it. */
function answer(
  { stops, tokens, encode, decode }: Tokenizer,
  messages: readonly ChatMessage[],
  { content, tool_calls, reasoning_content, thinking }: ChatMessage,
  message: number,
  run: readonly number[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const last = run.at(-1);
  const isStopped = last !== undefined && stops.includes(last);
  const place = `message ${message + 1}`;
  if (!isStopped) {
    const names = stops.map((id) => quoted(tokens[id] ?? String(id))).join(" and ");
    findings.push({
      kind: "unlearned-stop",
      message,
      sentence: `The answer in ${place} does not end with a token at which generation stops, ` +
        `${names}: name the token that ends answers in generation_config.json, as eos_token_id`,
    });
  }
  const said = squeezed(decode(run, { special: "shown" }));
  const stop = isStopped ? squeezed(decode([last], { special: "shown" })) : "";
  // The tokenizer may normalize a text, which may spell the stop token itself.
  const words = squeezed(decode(encode(content ?? ""), { special: "shown" }));
  const at = said.indexOf(words);
  if (at < 0) {
    findings.push({
      kind: "unlearned-words",
      message,
      sentence: `The answer in ${place} is not learned as it is written: its learned text is ` +
        `${quoted(withoutEnd(said, stop))}; use a chat template that keeps contents`,
    });
    return findings;
  }
  const rest = withoutEnd(said.slice(0, at) + said.slice(at + words.length), stop);
  const foreign = messages.findIndex((other, i) => {
    const text = squeezed(other.content ?? "");
    // A word or two may be in a template by chance.
    return i !== message && text.length >= 16 && rest.includes(text);
  });
  if (foreign >= 0) {
    findings.push({
      kind: "learned-prompt",
      message,
      sentence: `The text of message ${foreign + 1} is learned with the answer in ${place}: use ` +
        `a chat template that has a header for each turn`,
    });
  } else if (
    rest !== "" && [tool_calls, reasoning_content, thinking].every((own) => own === undefined)
  ) {
    findings.push({
      kind: "learned-template",
      message,
      sentence: `The template's text ${quoted(rest)} is learned with the answer in ${place}`,
    });
  }
  return findings;
}

/**
 * A training row token by token, for people: place, id, whether the token is learned, and its text.
 *
 * @param tokenizer The tokenizer.
 * @param sequence The row.
 * @returns A line a token.
 *
 * @example
 * ```ts
 * import { byteTokenizer, describeTokens, encodeConversation } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const row = encodeConversation(tokenizer, [{ role: "assistant", content: "a" }]);
 * assertEquals(describeTokens(tokenizer, row), [
 *   '0    4  given    "<assistant>"',
 *   '1  102  learned  "a"',
 *   '2    1  learned  "<stop>"',
 * ]);
 * ```
 */
export function describeTokens(
  { tokens, decode }: Tokenizer,
  { ids, mask }: EncodedSequence,
): readonly string[] {
  const widthOf = (numbers: readonly number[]) =>
    numbers.reduce((width, number) => Math.max(width, String(number).length), 1);
  const placeWidth = widthOf([ids.length - 1]);
  const idWidth = widthOf(ids);
  return ids.map((id, t) => {
    const text = decode([id], { special: "shown" });
    // Part of a character is no text of its own.
    const shown = text === "" || text.includes("\ufffd") ? tokens[id] ?? text : text;
    const state = mask[t] === true ? "learned" : "given  ";
    return `${String(t).padStart(placeWidth)}  ${String(id).padStart(idWidth)}  ${state}  ${
      quoted(shown)
    }`;
  });
}
