/** What a person can get wrong: one line that says what to do, a failed exit code, nothing written. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { reseal } from "../checkpoints.ts";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  ended,
  filesIn,
  inFolder,
  readRows,
  sample,
  startLimited,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";

const row = `{"prompt": "ab", "completion": "ba"}\n`;

/** Files that cannot be trained on. */
const files: Record<string, { name: string; content: string | number[]; message: string }> = {
  "an empty text": { name: "a.txt", content: "", message: "a.txt is empty" },
  "a blank text": { name: "a.txt", content: " \n\n", message: "a.txt is empty" },
  "a text of one character": { name: "a.txt", content: "a", message: "a.txt has 1 character" },
  "a text of two": {
    name: "a.txt",
    content: "ab",
    message: "the training part of FOLDER/a.txt has 1 token: it takes 2 to predict one",
  },
  "a text with nothing left for validation": {
    name: "a.txt",
    content: "abcabcabc",
    message: "the validation part of FOLDER/a.txt has 1 token: it takes 2 to predict one",
  },
  "a text that is not UTF-8": {
    name: "a.txt",
    content: [0x61, 0xe9, 0x61],
    message: "a.txt is not UTF-8: at byte 1 there is the byte 0xE9: save the file as UTF-8",
  },
  "an empty list of rows": { name: "a.jsonl", content: "\n", message: "a.jsonl is empty" },
  "one row": { name: "a.jsonl", content: row, message: "a.jsonl has 1 row" },
  "a row that is not UTF-8": {
    name: "a.jsonl",
    content: [...new TextEncoder().encode(row), 0xff],
    message: `a.jsonl:2: not UTF-8: at byte ${row.length} of the file, byte 0xFF`,
  },
  "a broken row": {
    name: "a.jsonl",
    content: `${row}${row}{"prompt": "ab", "comp\n${row}`,
    message: "a.jsonl:3: not JSON: ",
  },
  "a row without a column": {
    name: "a.jsonl",
    content: `${row}{"prompt": "ab"}\n`,
    message: `a.jsonl:2: there is no "completion"; the columns are "prompt"`,
  },
  "other columns": {
    name: "a.jsonl",
    content: `{"question": "ab", "answer": "ba"}\n`.repeat(3),
    message: "name others with --prompt-column and --completion-column",
  },
  "prompts longer than the context": {
    name: "a.jsonl",
    content: `{"prompt": "${"ab".repeat(30)}", "completion": "ba"}\n`.repeat(3),
    message: "none of the 2 training examples fits a context of 24 tokens: the shortest prompt " +
      "needs --context 62, and the longest example --context 64",
  },
  "validation prompts longer than the context": {
    name: "a.jsonl",
    content: `${row}${row}{"prompt": "${"ab".repeat(30)}", "completion": "ba"}\n`,
    message: "none of the 1 validation examples fits a context of 24 tokens",
  },
  "an unknown ending": {
    name: "a.xml",
    content: "<a/>\n",
    message: "a data file is named .txt, .jsonl",
  },
};

for (const [what, { name, content, message }] of Object.entries(files)) {
  inFolder(`train refuses ${what}`, async (folder) => {
    const data = `${folder}/${name}`;
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(data, Uint8Array.from(bytes));
    const result = await train("--data", data, ...tiny, "--out", `${folder}/run`);
    assertRefused(result, 1, message.replace("FOLDER", folder));
    assertEquals(Object.keys(await filesIn(folder)), [name]);
  });
}

inFolder("train refuses a file that is not there, and a folder", async (folder) => {
  for (
    const [data, message] of [
      [`${folder}/no.txt`, "it does not exist"],
      [folder, 'has no files of the split "train"'],
    ]
  ) {
    const result = await train("--data", `${data}`, ...tiny, "--out", `${folder}/run`);
    assertRefused(result, 1, `${message}`);
  }
  assertEquals(await filesIn(folder), {});
});

/** Command lines that make no sense; FILE is a good data file, FOLDER where it is. */
const lines: [flags: string, code: 1 | 2, message: string][] = [
  ["--stesp 5", 2, "unknown flag --stesp: did you mean --steps?"],
  ["--lerning-rate 1", 2, "unknown flag --lerning-rate: did you mean --learning-rate?"],
  ["--steps", 2, "--steps needs a value"],
  ["--steps 0", 2, "--steps must be a whole number, at least 1"],
  ["--learning-rate fast", 2, `--learning-rate must be a number, above 0, not "fast"`],
  ["--objective dop", 2, `error: --objective can't be "dop": did you mean dpo?`],
  ["--objective banana", 2, '--objective can\'t be "banana"; `deno task objectives` lists'],
  ["--device webgl", 2, "--device must be one of "],
  ["--device wasm --precision f16", 1, "--precision f16: --device wasm computes on wasm here"],
  ["book.txt", 2, `unexpected argument "book.txt"`],
  ["--lambda 0.5", 2, "--lambda has an effect only with --objective ift, scheduled-sampling, "],
  [
    "--objective ift --normalizer token",
    2,
    "--normalizer has an effect only with objectives on answers (not iw-sft, ift and " +
    "scheduled-sampling), not with ift",
  ],
  [
    "--optimizer sgd --beta2 0.9",
    2,
    "--beta2 has an effect only with --optimizer adamw, adamw8bit, muon, rmsprop or lion",
  ],
  [
    "--beta 0.5",
    2,
    "--beta has an effect only with objectives on pairs (not reward-model), triples or ",
  ],
  ["--objective sft,dpo --lambda 0.5", 2, "--lambda has an effect only with --objective ift, "],
  ["--objective sft,dpo --steps 1,2,3", 2, "--steps has 3 values, and the run 2 stages (sft, dpo)"],
  ["--objective sft,dop", 2, `error: --objective can't be "dop": did you mean dpo?`],
  ["--objective grpo --batch-size 12", 2, "--batch-size 12 is no multiple of --group-size 8"],
  ["--objective grpo --rewards verifer", 1, 'unknown reward "verifer": did you mean verifier?'],
  ["--objective grpo --rewards x*verifier", 1, 'a weight is a number, not "x"'],
  ["--objective grpo --rewards reward-model", 1, "--rewards names reward-model, and there is none"],
  ["--objective grpo --reward-model FOLDER/none", 1, "FOLDER/none holds no run"],
  ["--objective distillation", 2, "name the run that trained one by --teacher"],
  ["--objective sft,distillation", 2, "name the run that trained one by --teacher"],
  ["--objective distillation --teacher FOLDER/none", 1, "FOLDER/none holds no run"],
  ["--teacher FOLDER/none", 2, "--teacher has an effect only with --objective distillation"],
  [
    "--objective kto --data FILE",
    1,
    "kto reads liked and disliked answers, and FILE has only liked",
  ],
  ["--steps -5", 2, '--steps must be a whole number, at least 1, at most 2147483647, not "-5"'],
  ["--no-whiten", 2, "--no-whiten has an effect only with --objective"],
  ["--objective dpo --data FILE", 1, "dpo compares two answers, and FILE has one to a prompt"],
  ["--data FILE --noise 0.1", 2, "--tasks, --noise and --data-seed are of the built-in tasks"],
  ["--tasks pik", 1, `there is no task "pik"`],
  ["--from FOLDER/none", 1, "FOLDER/none holds no run"],
  ["--from FOLDER/none --width 8", 2, "--from keeps the sizes of its model: leave out --width"],
  ["--prompt-column q", 2, "--prompt-column and --completion-column name columns of a --data"],
  ["--steps 2147483648", 2, "--steps must be a whole number, at least 1, at most 2147483647"],
  ["--min-learning-rate 1", 2, "--min-learning-rate 1 is above --learning-rate 0.003"],
  [
    "--data FILE --prompt-column q",
    1,
    `rows.jsonl:1: there is no column "q"; the columns are "prompt", "completion"`,
  ],
  ["--data FILE --width 17 --heads 2", 1, "a width of 17 does not divide into 2 heads"],
  ["--data FILE --out FILE", 1, "can't make the folder FILE: a file of this name is there already"],
  ["--data FILE --out FILE/run", 1, "a part of its path is not a folder"],
  ["--data FILE --from-step 3", 2, "--from-step needs --resume"],
  ["--data FILE --config FOLDER/none.json", 1, "can't read FOLDER/none.json: it does not exist"],
  ["--data FILE --config FILE", 1, "FILE is not JSON"],
];

inFolder("train refuses command lines that make no sense", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const fill = (text: string) => text.replaceAll("FILE", data).replaceAll("FOLDER", folder);
  for (const [flags, code, message] of lines) {
    const args = fill(flags).split(" ");
    const out = args.includes("--out") ? [] : ["--out", `${folder}/run`];
    assertRefused(await train(...args, ...out), code, fill(message));
    assertEquals(Object.keys(await filesIn(folder)), ["rows.jsonl"], flags);
  }
});

/** Configuration files that make no sense. */
const configs: [unknown, string][] = [
  [[], "must hold a JSON object"],
  [{ stesp: 5 }, `unknown key "stesp": did you mean steps?`],
  [{ steps: "5" }, `"steps" must be a whole number, at least 1, at most 2147483647, not "5"`],
  [{ resume: "runs/a" }, `unknown key "resume"`],
  [{ "learning-rate": 1, learning_rate: 2 }, "says learning-rate a second time"],
  [{ learningRate: 1e-3, minLearningRate: 1 }, "--min-learning-rate 1 is above --learning-rate"],
];

inFolder("train refuses configurations that make no sense", async (folder) => {
  const config = `${folder}/c.json`;
  for (const [content, message] of configs) {
    await Deno.writeTextFile(config, JSON.stringify(content));
    const result = await train("--config", config, "--out", `${folder}/run`);
    assertRefused(result, result.code === 2 ? 2 : 1, message);
    assertEquals(Object.keys(await filesIn(folder)), ["c.json"]);
  }
});

inFolder("train does not write over a run", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, before] = [`${folder}/run`, `${folder}/before`];
  await trained("--data", data, ...tiny, "--out", run);
  await copyFolder(run, before);
  const result = await train("--data", data, ...tiny, "--out", run);
  assertRefused(result, 1, `${run} holds a run already: choose another --out, or go on with it by`);
  await assertSameFiles(run, before);
});

inFolder("a loss that is no number stops a run, and its last good model stays", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  // One step with a checkpoint after each: the weights after it are finite, and useless.
  const result = await train(
    ...["--data", data, ...tiny, "--learning-rate", "1e30", "--save-steps", "1", "--out", run],
  );
  assertRefused(result, 1, /training stopped at step \d+, where the .* is (NaN|Infinity)/);
  assertStringIncludes(
    result.stderr,
    `A lower rate usually helps:\n  deno task train --config ${run}`,
  );
  const [, good = ""] = /the last good checkpoint is (\S+)\./.exec(result.stderr) ?? [];
  assert((await Deno.stat(good)).isDirectory);
  assertEquals((await sample("--run", run, "--prompt", "ab")).code, 0);
  for (const line of await readRows(`${run}/metrics.jsonl`)) {
    assert(Object.values(line).every((value) => value !== null));
  }
  // It stops again in the same place, and starts anew from its settings with a lower rate.
  assertRefused(await train("--resume", run), 1, "training stopped at step ");
  const again = ["--config", `${run}/config.json`, "--learning-rate", "1e-3"];
  await trained(...again, "--out", `${folder}/again`);
});

inFolder("a run that the machine has no room for leaves nothing", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const large = [...tiny, "--width", "128", "--batch-size", "200000", "--memory", "4GiB"];
  const result = await train("--data", data, ...large, "--out", `${folder}/new/run`);
  assertRefused(result, 1, /a step of sft takes [\d.]+ GiB .*, and wasm has 4 GiB: take a smaller/);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["rows.jsonl"]);
  // What was there before stays.
  await Deno.mkdir(`${folder}/old`);
  await Deno.writeTextFile(`${folder}/old/notes.md`, "mine");
  assertRefused(
    await train("--data", data, ...large, "--out", `${folder}/old`),
    1,
    "a step of sft takes",
  );
  assertEquals([...Deno.readDirSync(`${folder}/old`)].map(({ name }) => name), ["notes.md"]);
  await trained("--data", data, ...tiny, "--out", `${folder}/old`);
});

inFolder("a folder that may not be written is told in a sentence, and left", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const closed = `${folder}/closed`;
  await Deno.mkdir(closed);
  await Deno.chmod(closed, 0o500);
  // The superuser may write anywhere.
  const isClosed = await Deno.mkdir(`${closed}/trial`).then(() => false, () => true);
  if (isClosed) {
    for (const out of [closed, `${closed}/run`]) {
      assertRefused(await train("--data", data, ...tiny, "--out", out), 1, "the permission");
    }
    assertEquals([...Deno.readDirSync(closed)], []);
  }
  await Deno.chmod(closed, 0o700);
});

inFolder("a disk that is full stops a run, and it goes on with more room", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = ["--data", data, ...tiny, "--steps", "300", "--save-steps", "100"];
  await trained(...args, "--out", `${folder}/whole`);
  /** Blocks that are too few for a checkpoint, and for the metrics of all steps. */
  for (const [blocks, file, checkpoints] of [[40, "step-000000", 0], [130, "metrics.jsonl", 2]]) {
    const run = `${folder}/${file}`;
    const result = await ended(startLimited(Number(blocks), [...args, "--out", run]));
    assertRefused(result, 1, new RegExp(`can't write \\S+${file}: File too large`));
    const names = [...Deno.readDirSync(`${run}/checkpoints`)].map(({ name }) => name);
    assertEquals(names.filter((name) => /^step-\d+$/.test(name)).length, checkpoints);
    assertEquals(names.filter((name) => name.endsWith(".partial")), []);
    await readRows(`${run}/metrics.jsonl`);
    await trained("--resume", run);
    await assertSameFiles(run, `${folder}/whole`);
  }
});

/** A safetensors file from its header and data. */
function safetensors(header: string, data: Uint8Array, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** A file's header and data. */
function parts(file: Uint8Array): { header: string; data: Uint8Array } {
  const end = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { header: new TextDecoder().decode(file.subarray(8, end)), data: file.subarray(end) };
}

/** What can be wrong with a file of weights, and what is said of it. */
const corruptions: Record<string, [(file: Uint8Array) => Uint8Array, string]> = {
  "nothing in it": [() => new Uint8Array(), ""],
  "a file cut in its header": [(file) => file.subarray(0, 100), ""],
  "a file cut in its data": [(file) => file.subarray(0, file.length - 1), ""],
  "more data than tensors": [(file) => Uint8Array.from([...file, 0, 0, 0, 0]), ""],
  "an absurd header length": [
    (file) => safetensors(parts(file).header, parts(file).data, 2n ** 62n),
    "header",
  ],
  "a header that is no JSON": [
    (file) => safetensors(parts(file).header.slice(1), parts(file).data),
    "header",
  ],
  "an unknown element type": [
    (file) => safetensors(parts(file).header.replace("F32", "F33"), parts(file).data),
    "F33",
  ],
  "overlapping tensors": [
    (file) => {
      const { header, data } = parts(file);
      const entries = Object.entries(JSON.parse(header));
      const [first, second] = entries.filter(([name]) => name !== "__metadata__");
      const overlapping = { ...JSON.parse(header), [`${second?.[0]}`]: first?.[1] };
      return safetensors(JSON.stringify(overlapping), data);
    },
    "",
  ],
  "tensors beyond the end": [
    (file) => {
      const { header, data } = parts(file);
      return safetensors(
        header.replaceAll(/"data_offsets":\[(\d+),/g, `"data_offsets":[9$1,`),
        data,
      );
    },
    "",
  ],
  "a negative shape": [
    (file) => safetensors(parts(file).header.replace(`"shape":[`, `"shape":[-`), parts(file).data),
    "",
  ],
  "a tensor that is missing": [
    (file) => safetensors(parts(file).header.replace("ln_f.bias", "ln_f.bist"), parts(file).data),
    "missing ln_f.bias",
  ],
};

inFolder("sample refuses what it cannot read or understand", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, before] = [`${folder}/run`, `${folder}/before`];
  await trained("--data", data, ...tiny, "--out", run);
  await copyFolder(run, before);

  const lines: [string[], 1 | 2, string][] = [
    [[], 2, "--run DIR is needed"],
    [["--run", run], 2, `--prompt "..." is needed`],
    [["--run", run, "--promt", "ab"], 2, "unknown flag --promt: did you mean --prompt?"],
    [["--run", run, "--prompt", "ab", "--top-k", "3"], 2, "--top-k: nothing is drawn at temperat"],
    [["--run", `${folder}/none`, "--prompt", "ab"], 1, `${folder}/none holds no run`],
    [["--run", run, "--prompt", "a?"], 1, `--prompt: The character "?" (U+003F) at position 1`],
    [["--run", run, "--prompt", "ab".repeat(20)], 1, "has 42 tokens, and the context holds 24"],
  ];
  for (const [args, code, message] of lines) assertRefused(await sample(...args), code, message);

  const checkpoint = `${run}/checkpoints/step-000006`;
  const ask = () => sample("--run", run, "--prompt", "ab");
  const weights = await Deno.readFile(`${checkpoint}/model.safetensors`);
  for (const [what, [corrupt, message]] of Object.entries(corruptions)) {
    await Deno.writeFile(`${checkpoint}/model.safetensors`, corrupt(weights));
    assertRefused(await ask(), 1, `${checkpoint}/model.safetensors is damaged`);
    // By somebody who knows of the digests.
    await reseal(checkpoint);
    const result = await ask();
    assertRefused(result, 1, `can't read ${checkpoint}`);
    assertStringIncludes(result.stderr, message, what);
  }
  await Deno.writeFile(`${checkpoint}/model.safetensors`, weights);
  await reseal(checkpoint);

  const rewrite = async (file: string, from: string, to: string, message: string) => {
    const text = await Deno.readTextFile(`${checkpoint}/${file}`);
    await Deno.writeTextFile(`${checkpoint}/${file}`, text.replace(from, to));
    assertRefused(await ask(), 1, `${checkpoint}/${file} is damaged`);
    if (file !== "run.json") await reseal(checkpoint);
    assertRefused(await ask(), 1, message);
    await Deno.writeTextFile(`${checkpoint}/${file}`, text);
    if (file !== "run.json") await reseal(checkpoint);
  };
  await rewrite("config.json", `"n_embd": 16`, `"n_embd": 32`, "expected f32[");
  await rewrite(
    "config.json",
    `"n_layer": 1`,
    `"n_layer": 2000000000`,
    "layers is 2000000000, expected",
  );
  await rewrite("config.json", `"gpt2"`, `"mamba"`, "the architectures that can be read are");
  await rewrite("config.json", "{", "[", "config.json is not JSON");
  await rewrite(
    "tokenizer.json",
    `"d": 8`,
    `"d": 8, "e": 9`,
    "the model has 9 tokens, but tokenizer.json 10",
  );
  await rewrite("tokenizer.json", `"d": 8`, `"d": 7`, "restore the file");
  await rewrite("tokenizer.json", "{", "", `can't read ${checkpoint}/tokenizer.json: `);
  await rewrite("run.json", `"step":6`, `"step":-1`, "run.json is damaged");
  await reseal(checkpoint, { step: 5 });
  assertRefused(await ask(), 1, `${checkpoint} holds the checkpoint of step 5: it was renamed`);
  await reseal(checkpoint, { step: 6 });
  await Deno.remove(`${checkpoint}/tokenizer.json`);
  assertRefused(await ask(), 1, `can't read ${checkpoint}/tokenizer.json: it does not exist`);

  await Deno.remove(`${run}/checkpoints`, { recursive: true });
  await Deno.mkdir(`${run}/checkpoints`);
  assertRefused(await ask(), 1, `${run} has no model yet: go on with it by`);
});
