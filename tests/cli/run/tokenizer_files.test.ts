/** The tokenizer of a model: of which size it is, and who reads it. */
import { assertEquals, assertRejects } from "@std/assert";
import { byteTokenizer, characterTokenizer, TokenizerError } from "@unitune/models";
import { UserError } from "@unitune/training";
import { readTemplate, readTokenizerFiles } from "../../../cli/run/pretrained_tokenizer.ts";
import { inFolder } from "../command.ts";

const bytes = byteTokenizer();

Deno.test("a tokenizer of this program has the vocabulary of its model, or a smaller one", async () => {
  const files = bytes.files();
  assertEquals((await readTokenizerFiles(files)).size, bytes.size);
  assertEquals((await readTokenizerFiles(files, { vocabulary: bytes.size })).size, bytes.size);
  const larger = bytes.size + 3;
  assertEquals((await readTokenizerFiles(files, { vocabulary: larger })).size, larger);
  const wrong = async (given: ReadonlyMap<string, string>, vocabulary?: number) =>
    (await assertRejects(
      () => readTokenizerFiles(given, vocabulary === undefined ? {} : { vocabulary }),
      TokenizerError,
    )).message;
  assertEquals(
    await wrong(files, bytes.size - 1),
    `the model has ${
      bytes.size - 1
    } tokens, but tokenizer.json ${bytes.size}: take both from one model`,
  );
  assertEquals(
    await wrong(new Map()),
    "there is no tokenizer.json: save the tokenizer as such (in Python, " +
      "`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`)",
  );
});

Deno.test("a template is for a tokenizer of any size, and its tokens may come in addition", async () => {
  const files = bytes.files();
  const own = "{{ messages[0].content }}";
  const size = async (tokens: readonly string[], vocabulary?: number) =>
    (await readTokenizerFiles(files, {
      template: { template: own, tokens },
      ...vocabulary !== undefined && { vocabulary },
    })).size;
  assertEquals(await size([]), bytes.size);
  assertEquals(await size(["<|new|>"]), bytes.size + 1);
  // The model's vocabulary counts where it is the larger one.
  assertEquals(await size(["<|new|>"], bytes.size), bytes.size + 1);
  assertEquals(await size(["<|new|>"], bytes.size + 1), bytes.size + 1);
  assertEquals(await size(["<|new|>"], bytes.size + 2), bytes.size + 2);
});

Deno.test("a damaged list of characters is refused as such", async () => {
  const files = characterTokenizer("ab").files();
  const text = files.get("tokenizer.json") ?? "";
  assertEquals((await readTokenizerFiles(files)).size, characterTokenizer("ab").size);
  const value = JSON.parse(text);
  delete value.model.vocab.a;
  const damaged = new Map([...files, ["tokenizer.json", JSON.stringify(value)]]);
  const { message } = await assertRejects(() => readTokenizerFiles(damaged), TokenizerError);
  assertEquals(
    message,
    "tokenizer.json is none of a character or byte tokenizer as Unitune writes them: restore the file, " +
      "or read it as the tokenizer of a pretrained model",
  );
});

inFolder("a chat template is one of those built in, or that of a file", async (folder) => {
  assertEquals((await readTemplate("ChatML")).tokens.length > 0, true);
  assertEquals(await readTemplate("none"), { template: "", tokens: [] });
  await Deno.writeTextFile(`${folder}/own.jinja`, "{{ 1 }}");
  assertEquals(await readTemplate(`${folder}/own.jinja`), { template: "{{ 1 }}", tokens: [] });
  const wrong = async (name: string) =>
    (await assertRejects(() => readTemplate(name), UserError)).message;
  const told = await wrong("chatlm");
  assertEquals(told.startsWith("there is no chat template chatlm: it is "), true, told);
  assertEquals(told.endsWith(", none or a file; did you mean chatml?"), true, told);
  assertEquals((await wrong("xylophone")).endsWith(", none or a file"), true);
});
