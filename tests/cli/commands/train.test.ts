import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { decodeSafetensors, fromRawTensor } from "@unitune/core";
import {
  areEqual,
  assertSameFiles,
  ended,
  filesIn,
  inFolder,
  permissionsOf,
  readRows,
  sample,
  start,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";

const stepMetrics = [
  "cost/backward_tokens",
  "cost/examples",
  "cost/forward_tokens",
  "entropy",
  "epoch",
  "grad_norm",
  "learning_rate",
  "loss",
  "mean_token_accuracy",
  "nll",
  "num_tokens",
  "padding",
  "step",
];

const checkpoint = [
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "run.json",
  "tokenizer.json",
  "tokenizer_config.json",
];

inFolder("a run folder has settings, metrics, samples and checkpoints", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const out = `${folder}/run`;
  const { stdout } = await trained("--data", data, ...tiny, "--save-steps", "2", "--out", out);
  assertStringIncludes(stdout, "sft on rows: 21 examples to train on, 3 for validation");
  assertStringIncludes(stdout, "validation, before");
  assertStringIncludes(stdout, "validation, after");
  assertStringIncludes(stdout, `deno task sample --run ${out} --prompt`);

  const kept = ["step-000004", "step-000006"].flatMap((name) =>
    [...checkpoint, "training.safetensors"].map((file) => `checkpoints/${name}/${file}`)
  );
  assertEquals(
    Object.keys(await filesIn(out)).sort(),
    [
      ...kept,
      ...["config.json", "lock", "metrics.jsonl", "samples.jsonl"],
    ].sort(),
  );

  const config = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
  assertEquals(Object.keys(config), ["settings", "model", "data"]);
  assertEquals([config.settings.steps, config.settings.device], [6, "wasm"]);
  assertEquals(config.model.vocabulary, 5 + 4);

  const lines = await readRows(`${out}/metrics.jsonl`);
  const steps = lines.filter((line) => !("split" in line));
  assertEquals(steps.map(({ step }) => step), [1, 2, 3, 4, 5, 6]);
  for (const line of steps) assertEquals(Object.keys(line).sort(), stepMetrics);
  assertEquals(steps.at(-1)?.epoch, 6 * 4 / 21);
  const evaluations = lines.filter(({ split }) => split === "validation");
  assertEquals(evaluations.map(({ step }) => step), [0, 6]);
  for (const name of ["eval_loss", "eval_exact_match", "eval_exact_match_gap"]) {
    for (const line of evaluations) assertEquals(typeof line[name], "number");
  }
  const samples = await readRows(`${out}/samples.jsonl`);
  assertEquals(samples.map(({ step }) => step), [0, 0, 0, 6, 6, 6]);
  assertEquals(samples[0], {
    step: 0,
    split: "validation",
    prompt: "db",
    gold: "bd",
    answer: samples[0]?.answer,
    right: false,
  });
});

inFolder("the same seed gives the same bytes, another seed does not", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = ["--data", data, ...tiny, "--dropout", "0.1"];
  await trained(...args, "--out", `${folder}/a`);
  await trained(...args, "--out", `${folder}/b`);
  await trained(...args, "--seed", "1", "--out", `${folder}/c`);
  await assertSameFiles(`${folder}/a`, `${folder}/b`);
  const [a, c] = [await filesIn(`${folder}/a`), await filesIn(`${folder}/c`)];
  for (const file of ["metrics.jsonl", "checkpoints/step-000006/model.safetensors"]) {
    assert(!areEqual(a[file] ?? new Uint8Array(), c[file]));
  }
});

const messages = (prompt: string, answer: string) => [
  { role: "system", content: "b" },
  { role: "user", content: prompt },
  { role: "assistant", content: answer },
];

/** Rows in lines of JSON, each of a word of its own of as many letters. */
const lines = (count: number, letters: number, row: (word: string) => unknown) =>
  Array.from(
    { length: count },
    (_, i) =>
      [...i.toString(2).padStart(letters, "0")].map((digit) => "ab"[Number(digit)]).join(""),
  ).map((word) => `${JSON.stringify(row(word))}\n`).join("");

/** Data of every kind, and what a run on it says. */
const kinds: Record<string, { ending: string; text: string; flags?: string[]; says: string }> = {
  "plain text": {
    ending: "txt",
    text: "to be or not to be ".repeat(20),
    says: "342 tokens to train on, 38 for validation",
  },
  "text shorter than the context": {
    ending: "txt",
    text: "abcabcabcabc",
    says: "shorter than the context of 24 tokens: a row is all of it",
  },
  "text rows": {
    ending: "jsonl",
    text: lines(18, 5, (word) => ({ text: `${word}${word}c` })),
    says: "16 texts to train on, 2 for validation",
  },
  "prompts and completions": {
    ending: "jsonl",
    text: lines(10, 4, (word) => ({ prompt: word, completion: "ba" })),
    says: "9 examples to train on, 1 for validation",
  },
  "messages": {
    ending: "jsonl",
    text: lines(10, 4, (word) => ({ messages: messages(word, "ba") })),
    says: "9 examples to train on, 1 for validation",
  },
  "named columns": {
    ending: "jsonl",
    text: lines(10, 4, (word) => ({ question: word, answer: "ba" })),
    flags: ["--prompt-column", "question", "--completion-column", "answer"],
    says: "9 examples to train on, 1 for validation",
  },
  "bytes": {
    ending: "jsonl",
    text: lines(10, 4, (word) => ({ prompt: `é${word}`, completion: "🦊" })),
    flags: ["--tokenizer", "bytes"],
    says: "vocabulary 261",
  },
  "examples that are too long": {
    ending: "jsonl",
    text: ["ab", "aa", "ba", "bb"].flatMap((word) => [
      { prompt: word, completion: "ba" },
      { prompt: word, completion: "ab".repeat(20) },
      { prompt: word.repeat(20), completion: "b" },
    ]).map((row) => `${JSON.stringify(row)}\n`).join(""),
    says: "6 of 10 training examples exceed the context of 24 tokens: 3 cut at the end of the " +
      "answer; 3 skipped, with no room for an answer. --context 44 fits all of them.",
  },
};

for (const [kind, { ending, text, flags = [], says }] of Object.entries(kinds)) {
  // Of the two ways of reading a file, text and conversations, each is enough once.
  const both = kind === "plain text" || kind === "messages";
  for (const objective of both ? ["sft", "ift"] : ["sft"]) {
    inFolder(`${objective} trains on ${kind}`, async (folder) => {
      const data = `${folder}/data.${ending}`;
      await Deno.writeTextFile(data, text);
      const { stdout } = await trained(
        ...["--data", data, "--objective", objective, ...flags, ...tiny],
        ...["--steps", "20", "--learning-rate", "0.02", "--out", `${folder}/run`],
      );
      assertStringIncludes(stdout, says);
      const lines = await readRows(`${folder}/run/metrics.jsonl`);
      const losses = lines.flatMap(({ eval_loss: loss }) => typeof loss === "number" ? [loss] : []);
      assertEquals(losses.length, 2);
      assertLess(losses[1] ?? NaN, losses[0] ?? NaN);
    });
  }
}

inFolder("a configuration file and a run's own give the settings; flags win", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const config = `${folder}/settings.json`;
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      ...{ data, layers: 1, heads: 1, width: 16, context: 24, steps: 3, "batch-size": 4 },
      ...{ warmup_steps: 0, loggingSteps: 1 },
    }),
  );
  await trained("--config", config, "--out", `${folder}/a`);
  await trained("--config", `${folder}/a/config.json`, "--out", `${folder}/b`);
  await assertSameFiles(`${folder}/a`, `${folder}/b`);
  await trained("--config", config, "--steps", "2", "--out", `${folder}/c`);
  const settings = async (run: string) =>
    JSON.parse(await Deno.readTextFile(`${folder}/${run}/config.json`)).settings;
  assertEquals(await settings("c"), { ...await settings("a"), steps: 2 });
});

for (const ending of ["jsonl", "txt"]) {
  inFolder(`1 x 8 accumulation is 8 x 1, on .${ending}`, async (folder) => {
    const data = `${folder}/data.${ending}`;
    if (ending === "txt") await Deno.writeTextFile(data, "to be or not to be ".repeat(20));
    else await writeRows(data);
    const args = ["--data", data, ...tiny, "--learning-rate", "0.01", "--optimizer", "sgd"];
    await trained(...args, "--batch-size", "8", "--out", `${folder}/whole`);
    await trained(
      ...[...args, "--batch-size", "1", "--gradient-accumulation", "8"],
      ...["--out", `${folder}/parts`],
    );
    const weights = async (run: string) => {
      const path = `${folder}/${run}/checkpoints/step-000006/model.safetensors`;
      return decodeSafetensors(await Deno.readFile(path)).tensors;
    };
    const [whole, parts] = [await weights("whole"), await weights("parts")];
    for (const [name, raw] of whole) {
      const other = parts.get(name);
      assert(other !== undefined);
      const [a, b] = [fromRawTensor(raw).data, fromRawTensor(other).data];
      // Sums of f32 in another order: six steps move weights of order 1 by rounding alone.
      for (const [i, value] of a.entries()) assertLess(Math.abs(value - (b[i] ?? NaN)), 1e-5, name);
    }
    const losses = async (run: string) =>
      (await readRows(`${folder}/${run}/metrics.jsonl`)).flatMap(({ loss, num_tokens }) =>
        typeof loss === "number" ? [{ loss, num_tokens }] : []
      );
    const [all, cut] = [await losses("whole"), await losses("parts")];
    assertEquals(all.length, 6);
    for (const [i, { loss, num_tokens }] of all.entries()) {
      assertLess(Math.abs(loss - (cut[i]?.loss ?? NaN)), 1e-5);
      assertEquals(num_tokens, cut[i]?.num_tokens);
    }
  });
}

inFolder("a model that learned its few rows answers them, and stops by itself", async (folder) => {
  // The first letter decides the answer, so that the answer to a row that is not trained on is known.
  const rows = ["ab", "ac", "bc", "ba", "bb", "ca", "cb", "cc", "aa"].map((prompt) => ({
    prompt,
    completion: { a: "ba", b: "cb", c: "ac" }[prompt.slice(0, 1)],
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const out = `${folder}/run`;
  await trained(
    ...["--data", data, ...tiny, "--steps", "150", "--learning-rate", "0.01"],
    ...["--weight-decay", "0", "--eval-steps", "10", "--out", out],
  );
  for (const { prompt = "", completion } of rows) {
    const { code, stdout, stderr } = await sample("--run", out, "--prompt", prompt);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: `${completion}\n`, stderr: "" });
  }
  const lines = await readRows(`${out}/metrics.jsonl`);
  const evaluations = lines.filter((line) => "split" in line);
  assertEquals(evaluations.map((line) => line.eval_exact_match).toSpliced(1, 14), [0, 1]);
  // One answer is right: greedy answers are right where every token of it is the most likely one.
  assertEquals(new Set(evaluations.map((line) => line.eval_exact_match_gap)), new Set([0]));
});

inFolder("a model of running text goes on with a text", async (folder) => {
  const data = `${folder}/song.txt`;
  await Deno.writeTextFile(data, "abcd".repeat(60));
  const out = `${folder}/run`;
  const { stdout } = await trained(
    ...["--data", data, ...tiny, "--steps", "60", "--learning-rate", "0.02", "--out", out],
  );
  assertStringIncludes(stdout, "abcdabcdabcd>>abcdabcd");
  const { stdout: text } = await sample("--run", out, "--prompt", "cdab", "--max-new-tokens", "8");
  assertEquals(text, "cdabcdabcdab\n");
  const drawn = ["--prompt", "c", "--temperature", "1", "--count", "3", "--top-k", "2"];
  const { stdout: three } = await sample("--run", out, ...drawn);
  assertEquals(three.trimEnd().split("\n").length, 3);
  assertEquals((await sample("--run", out, ...drawn)).stdout, three);
});

inFolder("without arguments the built-in tasks, before and after", async (folder) => {
  const out = `${folder}/run`;
  const { stdout } = await trained(
    ...["--layers", "1", "--heads", "1", "--width", "8", "--steps", "2", "--out", out],
    // So few steps have few evaluations of their own.
    ...["--eval-answers", "250"],
  );
  for (const split of ["held-out", "longer", "reformatted"]) {
    assertStringIncludes(stdout, `\n${split}, before `);
    assertStringIncludes(stdout, `\n${split}, after `);
  }
  assertStringIncludes(stdout, "\nexact match          reverse  sort   add  given  pick\n");
  assertStringIncludes(stdout, "\nreverse ");
  const lines = await readRows(`${out}/metrics.jsonl`);
  assertGreater(lines.filter((line) => "eval_exact_match/pick" in line).length, 0);
});

inFolder("a reader that is gone is no reason to stop, nor to show a stack", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const out = `${folder}/run`;
  const child = start("train", ["--data", data, ...tiny, "--out", out]).spawn();
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  assertEquals((await child.status).code, 0);
  assertEquals((await readRows(`${out}/metrics.jsonl`)).at(-1)?.step, 6);
});

inFolder(
  "the commands ask for files and for where caches are, as their tasks allow",
  async (folder) => {
    // The variables say where caches are: those of models of the hub, and of the rows of large files.
    const cache = "env=HF_HUB_CACHE,HF_HOME,XDG_CACHE_HOME,HOME,USERPROFILE";
    // The package that reads YAML asks for two more; the machine's memory limits that of wasm.
    assertEquals(permissionsOf("train"), [
      ...["read", "write", `${cache},LOG_STREAM,LOG_TOKENS`, "sys=systemMemoryInfo"],
    ]);
    assertEquals(permissionsOf("sample"), ["read", "write", cache]);
    const data = await writeRows(`${folder}/rows.jsonl`);
    const run = `${folder}/run`;
    // On a terminal, any other permission would be asked for in the middle of the run.
    const asked = async (name: "train" | "sample", ...args: string[]) => {
      const audit = `${folder}/${name}.jsonl`;
      const { code } = await ended(start(name, args, { DENO_AUDIT_PERMISSIONS: audit }));
      assertEquals(code, 0);
      return new Set((await readRows(audit)).map(({ permission }) => permission));
    };
    const files = new Set<unknown>(["read", "write"]);
    const allowed = files.union(new Set(["env", "sys"]));
    assertEquals(await asked("train", "--data", data, ...tiny, "--out", run), allowed);
    assertEquals((await asked("sample", "--run", run, "--prompt", "ab")).difference(files).size, 0);
  },
);

Deno.test("help is for people, on standard output", async () => {
  for (const command of [train, sample]) {
    const { code, stdout, stderr } = await command("--help");
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assert(stdout.split("\n").every((line) => line.length <= 88));
    assertStringIncludes(stdout, "--device");
  }
});

inFolder("a configuration of two stages takes a flag's value for each", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [first, again] = [`${folder}/first`, `${folder}/again`];
  await trained("--data", data, ...tiny, "--objective", "sft,ift", "--out", first);
  await trained("--config", `${first}/config.json`, "--steps", "3,2", "--out", again);
  const { settings } = JSON.parse(await Deno.readTextFile(`${again}/config.json`));
  assertEquals(
    settings.map(({ objective, steps }: Record<string, unknown>) => [objective, steps]),
    [["sft", 3], ["ift", 2]],
  );
});

inFolder("the first example of each stage is shown before the first step", async (folder) => {
  const rows = Array.from({ length: 12 }, () => ({ prompt: "ab", chosen: "ba", rejected: "aa" }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const { stdout } = await trained(
    ...["--objective", "sft,dpo", "--data", data, ...tiny, "--out", `${folder}/run`],
    "--show-example",
  );
  const shown = stdout.slice(stdout.indexOf("\nstage 1, sft\n"), stdout.indexOf("step "));
  const heads = shown.split("\n").filter((line) => line !== "" && !line.startsWith(" "));
  assertEquals(heads.slice(0, 5), [
    "stage 1, sft",
    "example: 7 tokens, of which 3 are learned",
    "stage 2, dpo",
    "preferred answer: 7 tokens, of which 3 are learned",
    "rejected answer: 7 tokens, of which 3 are learned",
  ]);
  assertStringIncludes(shown, '  6  1  learned  "<stop>"\n');
  // The run is the same, and is resumed with and without.
  const { stdout: again } = await trained("--resume", `${folder}/run`, "--show-example");
  assertStringIncludes(again, "is complete");
});
