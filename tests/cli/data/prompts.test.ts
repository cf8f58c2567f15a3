/** Prompts as a model reads them: those of a command line, and those of a file. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { characterTokenizer, type ChatMessage, encodePrompt } from "@unitune/models";
import { UserError } from "@unitune/training";
// Not public: what the commands read prompts by.
import { parsePrompts } from "../../../cli/data/prompt_rows.ts";
import { promptIds, readPrompt } from "../../../cli/data/prompts.ts";
import { bytesInMemory } from "../../../cli/data/readers/bytes_in_memory.ts";
import { readJsonLines } from "../../../cli/data/readers/json_lines.ts";

const tokenizer = characterTokenizer("ab");
const user = (content: string): ChatMessage => ({ role: "user", content });
const system = (content: string): ChatMessage => ({ role: "system", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

Deno.test("a prompt is a conversation, or the beginning of a text that the model continues", () => {
  const reader = { tokenizer, context: 8 };
  const [text, answers] = ["texts", "conversations"] as const;
  assertEquals(readPrompt({ ...reader, kind: text }, "ab"), tokenizer.encode("ab"));
  assertEquals(readPrompt({ ...reader, kind: "text" }, "ab", "b"), tokenizer.encode("ab"));
  assertEquals(
    readPrompt({ ...reader, kind: answers }, "ab"),
    encodePrompt(tokenizer, [user("ab")]),
  );
  assertEquals(
    readPrompt({ ...reader, kind: answers }, "ab", "b"),
    encodePrompt(tokenizer, [system("b"), user("ab")]),
  );
});

Deno.test("whether a prompt is a plain text is told to the chat template", () => {
  const told: unknown[] = [];
  const chat = {
    rows: () => [],
    prompt: (messages: readonly ChatMessage[], { plain }: { plain?: boolean } = {}) => {
      told.push([messages.length, plain]);
      return [1];
    },
  };
  const reader = { tokenizer: { ...tokenizer, chat }, context: 8, kind: "conversations" } as const;
  readPrompt(reader, "ab");
  readPrompt(reader, "ab", "b");
  promptIds(reader, [user("a")], "row 1");
  assertEquals(told, [[1, true], [2, false], [1, undefined]]);
});

Deno.test("a prompt leaves room for a token of the answer, and has one itself", () => {
  const idsOf = (context: number, prompt: string | readonly ChatMessage[], own = tokenizer) =>
    promptIds({ tokenizer: own, context, kind: "conversations" }, prompt, "row 7");
  assertEquals(idsOf(4, "aba").length, 3);
  const refused = (use: () => unknown, sentence: string) => {
    assertEquals(assertThrows(use, UserError).message, sentence);
  };
  refused(
    () => idsOf(3, "aba"),
    "row 7 has 3 tokens, and the context holds 3 with the answer: shorten it by 1",
  );
  refused(
    () => idsOf(2, [user("ab")]),
    "row 7 has 4 tokens, and the context holds 2 with the answer: shorten it by 3",
  );
  refused(() => idsOf(4, ""), "row 7 has no token: there is nothing to continue");
  assertThrows(() => idsOf(4, "abc"), UserError, "row 7: ");
  const { chat: _, ...bare } = tokenizer;
  assertThrows(() => idsOf(4, [user("a")], bare), UserError, "row 7: ");
  const failing = { ...tokenizer, encode: () => fail() };
  assertThrows(() => idsOf(4, "a", failing), TypeError, "not of the prompt");
});

function fail(): never {
  throw new TypeError("not of the prompt");
}

/** The prompts of rows. */
const promptsOf = async (...rows: readonly unknown[]) => {
  const text = rows.map((row) => JSON.stringify(row)).join("\n");
  const bytes = bytesInMemory("a.jsonl", new TextEncoder().encode(text));
  return (await parsePrompts(readJsonLines(bytes), "a.jsonl"));
};

Deno.test("a row's prompt is a text, or messages up to the answer, with what they are rendered by", async () => {
  const [q, a] = [user("q"), assistant("a")];
  const tools = [{ name: "f" }];
  const rows = await promptsOf(
    { prompt: "q" },
    { prompt: null, messages: [q, a] },
    { prompt: [q], messages: [a], tools },
    { messages: [system("s"), q, a, user("r"), a] },
    { messages: [q], other: 1 },
  );
  assertEquals(
    rows.map(({ prompt, rendering, source }) => [source.line, prompt, rendering]),
    [
      [1, "q", { plain: true }],
      [2, [q], undefined],
      [3, [q], { tools }],
      [4, [system("s"), q, a, user("r")], undefined],
      [5, [q], undefined],
    ],
  );
});

Deno.test("a row without a prompt is refused, and so is a file of none", async () => {
  const a = assistant("a");
  const refused = async (row: unknown, sentence: string) => {
    const error = await assertRejects(() => promptsOf({ prompt: "q" }, row), UserError);
    assertEquals(error.message, `a.jsonl:2: ${sentence}`);
  };
  await refused({ text: "q" }, `there is no "prompt" or "messages"; the columns are "text"`);
  await refused({ prompt: null }, `there is no "prompt" or "messages"; the columns are "prompt"`);
  await refused({ prompt: 5 }, `"prompt" is a text, not a number`);
  await refused({ messages: "q" }, `"messages" is a list of messages, not a string`);
  await refused({ messages: [a] }, `"messages" has no message to answer`);
  await refused({ prompt: [] }, `"prompt" has no message to answer`);
  const ends = "ends with a message of the assistant: nothing to answer";
  await refused({ prompt: [user("q"), a] }, `"prompt" ${ends}`);
  await refused({ messages: [user("q"), a, a] }, `"messages" ${ends}`);
  const error = await assertRejects(() => promptsOf(), UserError);
  assertEquals(error.message, "a.jsonl is empty: there is no prompt to answer");
});
