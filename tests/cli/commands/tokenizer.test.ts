/** A tokenizer of one's own, and the models that are trained with it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { prepare } from "@unitune/cli";
import { byteTokenizer } from "@unitune/models";
import { pretrainedTokenizer } from "@unitune/models/pretrained";
import { trainSettings, UserError } from "@unitune/training";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  data as inspect,
  inFolder,
  permissionsOf,
  sample,
  start,
  tiny,
  tokenizer,
  train,
  trained,
  writeRows,
} from "../command.ts";

/** Texts of few words, in files of a folder. */
async function writeTexts(folder: string): Promise<string> {
  await Deno.mkdir(folder);
  for (const [i, word] of ["river", "silver", "shiver"].entries()) {
    await Deno.writeTextFile(`${folder}/${i}.txt`, `the ${word} of the ${word} `.repeat(30));
  }
  return folder;
}

/** The tokenizer in a folder. */
async function tokenizerIn(folder: string) {
  const names = ["tokenizer.json", "tokenizer_config.json"];
  const texts = names.map(async (name) =>
    [name, await Deno.readTextFile(`${folder}/${name}`)] as const
  );
  return pretrainedTokenizer(new Map(await Promise.all(texts)));
}

inFolder(
  "a tokenizer is learned from texts, and a new model is trained with it",
  async (folder) => {
    const data = await writeTexts(`${folder}/texts`);
    const own = `${folder}/tokenizer`;
    const learned = await tokenizer("--data", data, "--vocabulary", "275", "--out", own);
    assertEquals(learned.code, 0, learned.stderr);
    // Of 690, 750 and 750 characters nine tenths each, and two empty lines.
    assertStringIncludes(learned.stdout, "275 tokens learned from 1,975 bytes\n");
    assertStringIncludes(learned.stdout, " bytes per token in the 223 bytes for validation\n");
    assertStringIncludes(learned.stdout, `  deno task train --data ${data} --tokenizer ${own}\n`);

    const { encode, size } = await tokenizerIn(own);
    assertEquals(size, 275);
    const said = encode("the silver of");
    assert(said.length < 8, `${said}`);

    const run = `${folder}/run`;
    const flags = ["--data", data, "--tokenizer", own, ...tiny, "--save-steps", "3"];
    const { stdout } = await trained(...flags, "--steps", "12", "--out", run);
    assertStringIncludes(stdout, "tokens to train on");
    const shown = await inspect(data, "--tokenizer", own, ...tiny);
    assertEquals(shown.code, 0, shown.stderr);
    // A model is read with its tokens: by its run, as a run to start from, and as a pretrained model.
    const checkpoint = `${run}/checkpoints/step-000012`;
    for (const place of [["--run", run], ["--model", checkpoint, "--chat-template", "none"]]) {
      const { code, stderr } = await sample(...place, "--prompt", "the", "--max-new-tokens", "2");
      assertEquals(code, 0, stderr);
    }
    const rows = await writeRows(`${folder}/rows.jsonl`);
    const further = ["--data", rows, "--device", "wasm", "--steps", "2", "--batch-size", "4"];
    await trained("--model", checkpoint, ...further, "--out", `${folder}/tuned`);
    await trained("--from", run, ...further, "--out", `${folder}/on`);
    assertEquals(await tokenizerIn(`${folder}/tuned/checkpoints/step-000002`).then(sizeOf), 275);

    // Resumed, a run needs no other tokenizer than that of its checkpoint, and ends with the same bytes.
    await Deno.remove(own, { recursive: true });
    const again = `${folder}/again`;
    await copyFolder(run, again);
    await trained("--resume", again, "--from-step", "9");
    await assertSameFiles(again, run);
  },
);

const sizeOf = ({ size }: { readonly size: number }) => size;

inFolder("a tokenizer is learned from the texts of rows", async (folder) => {
  const rows = Array.from({ length: 20 }, (_, i) => ({ ask: `what of ${i}?`, say: "nothing" }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const columns = ["--prompt-column", "ask", "--completion-column", "say"];
  const out = `${folder}/tokenizer`;
  const flags = ["--data", data, ...columns, "--out", out];
  const { code, stdout, stderr } = await tokenizer(...flags, "--validation-share", "0");
  assertEquals(code, 0, stderr);
  // 10 rows of 17 bytes and 10 of 18, and no text for validation.
  const [first, second] = stdout.split("\n");
  assertStringIncludes(first ?? "", " tokens learned from 350 bytes, which have no more pairs");
  assertEquals(second, `the tokenizer is in ${out}; train a model with it by`);
  const { encode, decode, size } = await tokenizerIn(out);
  assert(size < 4096, `${size}`);
  assertEquals(encode("nothing").length, 1);
  assertEquals(decode(encode("nothing of 20?")), "nothing of 20?");
  assertRefused(await tokenizer(...flags), 1, `${out} exists already`);
});

inFolder("the task may learn a tokenizer, and no more than that", async (folder) => {
  const data = await writeTexts(`${folder}/texts`);
  assertEquals(permissionsOf("tokenizer"), [
    ...["read", "write", "env=HF_HUB_CACHE,HF_HOME,XDG_CACHE_HOME,HOME,USERPROFILE"],
  ]);
  const { code } = await start("tokenizer", ["--data", data, "--out", `${folder}/own`]).output();
  assertEquals(code, 0);
});

inFolder("wrong tokenizers are refused", async (folder) => {
  const data = await writeTexts(`${folder}/texts`);
  const out = ["--out", `${folder}/out`];
  assertRefused(await tokenizer(...out), 2, "--data DATA is needed");
  assertRefused(await tokenizer("--data", data), 2, "--out DIR is needed");
  const small = await tokenizer("--data", data, ...out, "--vocabulary", "260");
  assertRefused(small, 2, "--vocabulary");
  assertRefused(await tokenizer("--data", `${folder}/no.txt`, ...out), 1, "it does not exist");

  const run = (name: string) => train("--data", data, "--tokenizer", name, ...tiny, ...out);
  const meant = 'there is no tokenizer "byts": it is characters or bytes, or a folder with a ' +
    "tokenizer.json; did you mean bytes?";
  assertRefused(await run("byts"), 1, meant);
  assertRefused(await run(`${folder}/none`), 1, `there is no tokenizer "${folder}/none"`);
  assertRefused(await run(data), 1, `can't read the tokenizer in ${data}: there is no tokenizer`);
  await Deno.mkdir(`${folder}/broken`);
  const text = byteTokenizer().files().get("tokenizer.json") ?? "";
  await Deno.writeTextFile(`${folder}/broken/tokenizer.json`, text.slice(0, -20));
  assertRefused(await run(`${folder}/broken`), 1, "tokenizer.json is not JSON");
  // Nothing half-written is left.
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
  assertEquals(names, ["broken", "texts"]);
});

Deno.test("a tokenizer that nobody has read is refused", async () => {
  const settings = trainSettings({ layers: 1, tokenizer: "elsewhere" });
  const message = 'tokenizer "elsewhere" is none of characters, bytes';
  assert(`${await assertRejects(() => prepare(settings), UserError)}`.includes(message));
});
