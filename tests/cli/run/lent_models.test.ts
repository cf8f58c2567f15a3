/** Stages that learn from the models of other runs: a teacher's predictions, a judge's scores. */
import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { characterTokenizer, type Tokenizer } from "@unitune/models";
import { tokensApart } from "../../../cli/run/trained.ts";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  filesIn,
  inFolder,
  readRows,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";

/** What the steps of a run have measured under a name. */
async function measured(run: string, name: string): Promise<readonly number[]> {
  const lines = await readRows(`${run}/metrics.jsonl`);
  return lines.flatMap(({ [name]: value }) => typeof value === "number" ? [value] : []);
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

inFolder("a student comes to expect what its teacher does", async (folder) => {
  const [teacher, student, twin] = [`${folder}/teacher`, `${folder}/student`, `${folder}/twin`];
  const common = ["--device", "wasm", "--tasks", "pick", "--batch-size", "16"];
  const schedule = ["--warmup-steps", "0", "--logging-steps", "1", "--learning-rate", "1e-2"];
  const size = (width: number) => ["--layers", "1", "--heads", "1", "--width", `${width}`];
  await trained(...common, ...schedule, ...size(32), "--steps", "60", "--out", teacher);

  const distillation = [...common, ...schedule, "--objective", "distillation"];
  const lent = ["--teacher", teacher, "--teacher-share", "0"];
  await trained(...distillation, ...size(16), ...lent, "--steps", "60", "--out", student);
  const losses = await measured(student, "loss");
  assertLess(mean(losses.slice(-5)), mean(losses.slice(0, 5)) / 2);
  const agreement = await measured(student, "teacher_agreement");
  assertGreater(mean(agreement.slice(-5)), mean(agreement.slice(0, 5)) + 0.3);

  // A model that is its own teacher has nothing to learn.
  await trained(
    ...[...distillation, "--from", teacher, "--teacher", teacher, "--steps", "1", "--out", twin],
  );
  // Of f32, sums over a vocabulary of 37.
  assertAlmostEquals((await measured(twin, "loss"))[0] ?? NaN, 0, 1e-5);
  assertEquals(await measured(twin, "teacher_agreement"), [1]);
});

inFolder("a folder that is no run, but a model of another tool, is called so", async (folder) => {
  const run = `${folder}/run`;
  await trained(...tiny, "--context", "32", "--objective", "reward-model", "--out", run);
  const checkpoint = `${run}/checkpoints/step-000006`;
  const settings = JSON.parse(await Deno.readTextFile(`${checkpoint}/reward_model/config.json`));
  assertEquals([settings.num_labels, settings.eos_token_id, settings.pad_token_id], [1, 1, 0]);

  // One checkpoint is a model like any other.
  const next = ["--device", "wasm", "--batch-size", "2", "--steps", "1", "--out", `${folder}/next`];
  await trained("--from", checkpoint, ...next);

  const other = `${folder}/gpt2`;
  await Deno.mkdir(other);
  await Deno.copyFile(`${checkpoint}/config.json`, `${other}/config.json`);
  const last = ["--steps", "1", "--out", `${folder}/last`];
  assertRefused(
    await train("--from", other, ...last),
    1,
    `can't read the model in ${other}: model.safetensors is missing; the files are: config.json`,
  );
  await Deno.writeTextFile(`${other}/model.safetensors.index.json`, "{}");
  assertRefused(await train("--from", other, ...last), 1, 'has no "weight_map"');
  assertRefused(
    await train("--resume", other),
    1,
    `${other} holds no run, but a model in the layout of Hugging Face`,
  );
  assertEquals([...Deno.readDirSync(other)].length, 2);
});

/** Stages that need a model of another run, LENT, and what trains one. */
const borrowing = {
  "a teacher": {
    lender: ["--objective", "sft", "--width", "32"],
    borrower: ["--objective", "sft,distillation", "--width", "16", "--teacher", "LENT"],
  },
  "a reward model": {
    lender: ["--objective", "reward-model", "--width", "16"],
    borrower: [
      ...["--objective", "sft,rloo", "--width", "16", "--group-size", "2"],
      ...["--rewards", "reward-model", "--reward-model", "LENT"],
    ],
  },
};

for (const [what, { lender, borrower }] of Object.entries(borrowing)) {
  inFolder(`a run goes on the same after it was lent ${what} that is gone`, async (folder) => {
    const [lent, whole, cut] = [`${folder}/lent`, `${folder}/whole`, `${folder}/cut`];
    const common = [...tiny, "--context", "32", "--tasks", "pick", "--save-steps", "3"];
    await trained(...common, ...lender, "--out", lent);
    const named = borrower.map((argument) => argument === "LENT" ? lent : argument);
    await trained(...common, ...named, "--out", whole);
    await Deno.remove(lent, { recursive: true });
    // In the middle of the second stage, then where it begins.
    for (const lost of [["step-000012"], ["step-000012", "step-000009"]]) {
      await copyFolder(whole, cut);
      for (const name of lost) {
        await Deno.remove(`${cut}/checkpoints/${name}`, { recursive: true });
      }
      await trained("--resume", cut);
      await assertSameFiles(cut, whole);
    }
  });
}

Deno.test("the tokens of two models are told apart by what one knows, or by their order", () => {
  const known = characterTokenizer("ab");
  const apart = (own: Partial<Tokenizer>) => tokensApart({ ...known, ...own }, known);
  assertEquals(apart({}), undefined);
  assertEquals(apart({ kind: "bytes" }), "reads bytes, and the policy characters");
  assertEquals(
    apart({ tokens: known.tokens.with(-1, "c") }),
    `does not know "b" and knows "c", which the policy does not`,
  );
  assertEquals(
    apart({ tokens: known.tokens.toReversed() }),
    "has the same tokens in another order",
  );
});

inFolder("a teacher of other tokens is refused, and what differs is told", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const others = await writeRows(`${folder}/others.jsonl`, [
    ...Array.from({ length: 9 }, () => ({ prompt: "ax", completion: "xa" })),
  ]);
  const teacher = `${folder}/teacher`;
  await trained("--data", data, ...tiny, "--out", teacher);
  const before = Object.keys(await filesIn(folder));
  const refusals: [args: string[], message: string][] = [
    [["--data", others], `the teacher of ${teacher} does not know "x" and knows "bcd", which the `],
    [
      ["--data", data, "--tokenizer", "bytes"],
      `the teacher of ${teacher} reads characters, and the policy bytes`,
    ],
  ];
  const distillation = ["--objective", "distillation", "--teacher", teacher, "--out"];
  for (const [args, message] of refusals) {
    assertRefused(await train(...tiny, ...args, ...distillation, `${folder}/run`), 1, message);
  }
  const text = `${folder}/long.txt`;
  await Deno.writeTextFile(text, "dcba".repeat(200));
  const long = ["--data", text, ...tiny, "--context", "48"];
  assertRefused(
    await train(...long, ...distillation, `${folder}/run`),
    1,
    `the teacher of ${teacher} sees 24 tokens, and rows have 48`,
  );
  assertEquals(Object.keys(await filesIn(folder)).filter((path) => path !== "long.txt"), before);
});
