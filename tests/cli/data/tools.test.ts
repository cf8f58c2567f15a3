/** Rows with tools, in the forms that TRL reads, and refusals that name the field. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { prepare } from "@unitune/cli";
import { trainSettings, UserError } from "@unitune/training";
import { jsonl } from "./jsonl.ts";
import { inFolder, writeRows } from "../command.ts";

/** The first row of a dataset of such rows. */
async function firstOf(row: unknown): Promise<unknown> {
  const { train: [first] } = await jsonl([row, row]);
  assert(typeof first === "object");
  const { source, ...read } = first;
  assertEquals(source, { file: "data.jsonl", line: 1 });
  return read;
}

const tools = [{ type: "function", function: { name: "add", parameters: { type: "object" } } }];
const call = { type: "function", function: { name: "add", arguments: { a: 1, b: 2 } } };
const asked = { role: "user", content: "1+2?" };
const again = { role: "user", content: "And 4?" };
const called = { role: "assistant", content: null, tool_calls: [call] };
const other = { ...called, tool_calls: [{ ...call, function: { name: "add", arguments: {} } }] };
const result = { role: "tool", content: "3", name: "add", tool_call_id: "c1" };
const said = { role: "assistant", content: "It is 3.", reasoning_content: "The tool says so." };
const rules = { role: "developer", content: "Be brief." };
const kwargs = { enable_thinking: false };
const rendering = { tools, variables: kwargs };
const columns = { tools, chat_template_kwargs: kwargs };

/** Rows in every form, and what is read. */
const forms: Record<string, [row: unknown, read: unknown]> = {
  messages: [
    { messages: [rules, asked, called, result, said], ...columns },
    { messages: [rules, asked, called, result, said], rendering },
  ],
  "a prompt and a completion": [
    { prompt: [asked], completion: [called, result, said], ...columns },
    { messages: [asked, called, result, said], learnedFrom: 1, rendering },
  ],
  "a prompt and a completion as texts": [
    { prompt: "1+2?", completion: "3", ...columns },
    {
      messages: [asked, { role: "assistant", content: "3" }],
      learnedFrom: 1,
      rendering: { ...rendering, plain: true },
    },
  ],
  "a preference": [
    { prompt: [asked, called, result], chosen: [said], rejected: "4", ...columns },
    {
      prompt: [asked, called, result],
      chosen: [said],
      rejected: [{ role: "assistant", content: "4" }],
      rendering,
    },
  ],
  "a label": [
    { prompt: [asked], completion: [called], label: false, ...columns },
    { prompt: [asked], completion: [called], label: false, rendering },
  ],
  "a prompt alone": [
    { prompt: [asked, called, result], ...columns, answer: 3 },
    { prompt: [asked, called, result], columns: { ...columns, answer: 3 }, rendering },
  ],
  "tools as JSON": [
    { messages: [asked, said], tools: JSON.stringify(tools) },
    { messages: [asked, said], rendering: { tools } },
  ],
  "no tools and no variables, in three ways": [
    { messages: [asked, said], tools: [], chat_template_kwargs: {} },
    { messages: [asked, said] },
  ],
  "columns that are null, as tables have them": [
    {
      messages: [
        { ...asked, tool_calls: null, name: null },
        { ...said, tool_calls: [], thinking: null },
      ],
      tools: null,
      chat_template_kwargs: null,
    },
    { messages: [asked, said] },
  ],
  "a content of parts": [
    {
      messages: [{
        role: "user",
        content: [{ type: "text", text: "1+" }, { type: "text", text: "2?" }],
      }, said],
    },
    { messages: [asked, said] },
  ],
  "a call without a content": [
    { messages: [asked, { role: "assistant", tool_calls: [call] }] },
    { messages: [asked, { role: "assistant", tool_calls: [call] }] },
  ],
  "a call with a content": [
    { messages: [asked, { role: "assistant", content: "", tool_calls: [call] }] },
    { messages: [asked, { role: "assistant", content: "", tool_calls: [call] }] },
  ],
  "thoughts by the name that gpt-oss has, and a field of a template's own": [
    { messages: [asked, { role: "assistant", content: "3", thinking: "hm", channel: "final" }] },
    { messages: [asked, { role: "assistant", content: "3", thinking: "hm", channel: "final" }] },
  ],
  "calls that answers repeat with the prompt": [
    { prompt: [asked, called, result], completion: [asked, called, result, said] },
    { messages: [asked, called, result, said], learnedFrom: 3 },
  ],
  "another call than the prompt's is no repetition": [
    { prompt: [asked, called, result], completion: [asked, other, result, said] },
    { messages: [asked, called, result, asked, other, result, said], learnedFrom: 3 },
  ],
  "a question that both answers begin with": [
    { prompt: [asked, said], chosen: [again, called], rejected: [again, said], ...columns },
    { prompt: [asked, said], chosen: [again, called], rejected: [again, said], rendering },
  ],
};

for (const [form, [row, read]] of Object.entries(forms)) {
  Deno.test(`rows with tools are read: ${form}`, async () => {
    assertEquals(await firstOf(row), read);
  });
}

const image = { type: "image_url", image_url: { url: "x" } };

/** Rows that are refused on their second line. */
const refused: Record<string, [row: unknown, message: string]> = {
  "a part that is an image": [
    { messages: [{ role: "user", content: [{ type: "text", text: "a" }, image] }, said] },
    `"messages[0].content[1].type" is "text", not "image_url": models here read text only`,
  ],
  "a part without a type": [
    { messages: [{ role: "user", content: [{ text: "a" }] }, said] },
    `"messages[0].content[0].type" is "text", not missing`,
  ],
  "a part that is a number": [
    { messages: [{ role: "user", content: [1] }, said] },
    `"messages[0].content[0]" is an object, not a number`,
  ],
  "a part whose text is none": [
    { messages: [{ role: "user", content: [{ type: "text" }] }, said] },
    `"messages[0].content[0].text" is a text, not missing`,
  ],
  "a user without a content": [
    { messages: [{ role: "user", content: null, name: "Ada" }, said] },
    `"messages[0].content" is a text, not null`,
  ],
  "an answer of nothing but thoughts": [
    { messages: [asked, { role: "assistant", reasoning_content: "hm" }] },
    `"messages[1].content" is a text, not missing`,
  ],
  "an empty list of calls in place of a content": [
    { messages: [asked, { role: "assistant", content: null, tool_calls: [] }] },
    `"messages[1].content" is a text, not null`,
  ],
  "thoughts that are no text": [
    { messages: [asked, { ...said, reasoning_content: 3 }] },
    `"messages[1].reasoning_content" is a text, not a number`,
  ],
  "a name that is no text": [
    { messages: [{ ...asked, name: {} }, said] },
    `"messages[0].name" is a text, not an object`,
  ],
  "calls that are no list": [
    { messages: [asked, { ...called, tool_calls: call }] },
    `"messages[1].tool_calls" is a list of objects, not an object`,
  ],
  "a call that is no object": [
    { messages: [asked, { ...called, tool_calls: ["add"] }] },
    `"messages[1].tool_calls[0]" is an object, not a string`,
  ],
  "a call of the user": [
    { messages: [{ ...asked, tool_calls: [call] }, said] },
    `"messages[0].tool_calls" is in a message of the user: only the assistant calls`,
  ],
  "tools that are no list": [
    { messages: [asked, said], tools: { name: "add" } },
    `"tools" is a list of objects, not an object`,
  ],
  "a tool that is no object": [
    { messages: [asked, said], tools: ["add"] },
    `"tools[0]" is an object, not a string`,
  ],
  "tools that are no JSON": [
    { messages: [asked, said], tools: "[{" },
    `"tools" is a list of JSON schemas, or its JSON, not "[{"`,
  ],
  "tools whose JSON is no list": [
    { messages: [asked, said], tools: "3" },
    `"tools" is a list of objects, not a number`,
  ],
  "variables that are no object": [
    { messages: [asked, said], chat_template_kwargs: [1] },
    `"chat_template_kwargs" is an object, not a list`,
  ],
  "a variable that training sets": [
    { messages: [asked, said], chat_template_kwargs: { add_generation_prompt: true } },
    `"chat_template_kwargs.add_generation_prompt" is not a row's to set: leave it out`,
  ],
  "tools among the variables": [
    { messages: [asked, said], chat_template_kwargs: { tools } },
    `"chat_template_kwargs.tools" is not a row's to set: leave it out, and write the tools into`,
  ],
};

for (const [what, [row, message]] of Object.entries(refused)) {
  Deno.test(`rows with tools are refused: ${what}`, async () => {
    const good = { messages: [asked, said] };
    await assertRejects(() => jsonl([good, row]), UserError, `data.jsonl:2: ${message}`);
  });
}

/** Prompts that end with the assistant, with which the answer would go on. */
const begun: Record<string, unknown> = {
  "a prompt alone": { prompt: [asked, said] },
  "a completion": { prompt: [asked, said], completion: "3" },
  "a preference": { prompt: [asked, said], chosen: "3", rejected: "4" },
  "a label": { prompt: [asked, said], completion: [said], label: true },
};

for (const [form, row] of Object.entries(begun)) {
  Deno.test(`an answer that is begun in the prompt is refused: ${form}`, async () => {
    await assertRejects(
      () => jsonl([row]),
      UserError,
      "data.jsonl:1: the prompt ends with a message of the assistant",
    );
  });
}

inFolder("a tokenizer without tokens for tools refuses them with the line", async (folder) => {
  const plain = { prompt: "1+2?", completion: "3" };
  const others: Record<string, [row: unknown, message: string]> = {
    tools: [{ ...plain, tools }, "no tokens for tools"],
    calls: [{ prompt: "1+2?", completion: [called] }, "no tokens for calls"],
    thoughts: [{ prompt: "1+2?", completion: [said] }, "no tokens for thoughts"],
    developer: [{ prompt: [rules, asked], completion: "3" }, "no token for the role developer"],
  };
  for (const [name, [row, message]] of Object.entries(others)) {
    const data = await writeRows(`${folder}/${name}.jsonl`, [plain, row, plain]);
    for (const objective of ["sft", "grpo"] as const) {
      // The answer is none of the prompt.
      if (objective === "grpo" && name === "calls") continue;
      await assertRejects(
        () => prepare(trainSettings({ objective, data })),
        UserError,
        `${name}.jsonl:2: The tokenizer has ${message}`,
      );
    }
  }
});

inFolder("the digest of data tells tools and variables apart", async (folder) => {
  const digests = new Set<string>();
  const rows = [{}, { chat_template_kwargs: kwargs }, { chat_template_kwargs: { level: 1 } }];
  for (const [i, more] of rows.entries()) {
    const row = { prompt: "1+2?", completion: "3", ...more };
    const data = await writeRows(`${folder}/${i}.jsonl`, [row, row]);
    digests.add((await prepare(trainSettings({ data }))).data.digest);
  }
  assertEquals(digests.size, rows.length);
});
