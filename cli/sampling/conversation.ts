/**
 * A conversation with a model, line by line.
 *
 * @module
 */

import type { ChatMessage } from "@unitune/models";
import { UserError } from "@unitune/training";
import { promptIds, type PromptReader } from "../data/prompts.ts";
import type { Spoken } from "./speech.ts";

/** The other side of a conversation. */
export interface Listener {
  /** The lines that a person writes. */
  readonly lines: AsyncIterable<string>;
  /** Called before each line is read. */
  readonly ask: () => void;
  /** Called after each answer, and with notes on it. */
  readonly answered: (notes: readonly string[]) => void;
  /** Takes a note that is no part of an answer. */
  readonly tell: (note: string) => void;
}

/** Options of a conversation. */
export interface ConversationOptions {
  /** The message of the system at its start (default: none). */
  readonly system?: string | undefined;
  /** Answers the ids of a prompt, the number of the answer beside them; undefined ends it all. */
  readonly answer: (prompt: readonly number[], turn: number) => Promise<Spoken | undefined>;
}

/** The words that are commands, with what they do. */
export const chatCommands = {
  "/new": "begins a new conversation",
  "/quit": "ends, as Ctrl-D does",
} as const;

/**
 * Keeps up a conversation until the lines end or one is `/quit`. A message that the model cannot read,
 * or that does not fit the context, is told and taken back.
 *
 * @param reader The model that reads the messages.
 * @param listener The other side.
 * @param options The message of the system, and the answers.
 *
 * @example
 * ```ts
 * import { converse } from "./conversation.ts";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const reader = { tokenizer: byteTokenizer(), context: 32, kind: "conversations" } as const;
 * const lengths: number[] = [];
 * await converse(reader, {
 *   lines: ReadableStream.from(["hi", "you", "/new", "hi"]),
 *   ...{ ask: () => {}, answered: () => {}, tell: () => {} },
 * }, {
 *   answer: (prompt) => {
 *     lengths.push(prompt.length);
 *     return Promise.resolve({ text: "ho", tokens: 2, isEnded: true, isStopped: false });
 *   },
 * });
 * // <user>hi<assistant>, and then ho<stop><user>you<assistant>.
 * assertEquals(lengths, [4, 4 + 3 + 5, 4]);
 * ```
 */
export async function converse(
  reader: PromptReader,
  { lines, ask, answered, tell }: Listener,
  { system, answer }: ConversationOptions,
): Promise<void> {
  const opening: readonly ChatMessage[] = system === undefined
    ? []
    : [{ role: "system", content: system }];
  let messages = opening;
  let turn = 0;
  ask();
  for await (const line of lines) {
    const text = line.trim();
    if (text === "/quit") return;
    if (text === "/new") {
      messages = opening;
      tell("A new conversation.");
    } else if (/^\/\w+$/.test(text)) {
      const known = Object.entries(chatCommands).map(([name, what]) => `${name} ${what}`);
      tell(`There is no command ${text}: ${known.join(", ")}.`);
    } else if (text !== "") {
      const asked: readonly ChatMessage[] = [...messages, { role: "user", content: line }];
      const ids = readable(reader, asked, tell);
      if (ids !== undefined) {
        const spoken = await answer(ids, turn);
        if (spoken === undefined) return;
        turn += 1;
        // An answer that was stopped before its first word is no turn of the conversation.
        if (!spoken.isStopped || spoken.text !== "") {
          messages = [...asked, { role: "assistant", content: spoken.text }];
        }
        answered(notesOn(spoken, ids.length, reader.context));
      }
    }
    ask();
  }
}

/** The ids of a conversation; undefined where it cannot be read, which is told. */
function readable(
  reader: PromptReader,
  messages: readonly ChatMessage[],
  tell: (note: string) => void,
): readonly number[] | undefined {
  try {
    return promptIds(reader, messages, "the conversation");
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const isBegun = messages.some(({ role }) => role === "assistant");
    tell(
      `${error.message}. The message is taken back${isBegun ? "; /new begins a new one" : ""}.`,
    );
    return undefined;
  }
}

/** Notes on the end of an answer. */
function notesOn(
  { tokens, isEnded, isStopped }: Spoken,
  prompt: number,
  context: number,
): readonly string[] {
  if (isStopped) return ["Stopped."];
  if (isEnded) return [];
  return prompt + tokens >= context
    ? [`The context of ${context} tokens is full: /new begins a new conversation.`]
    : [`Cut off after ${tokens} tokens: --max-new-tokens allows more.`];
}
