/** What `train` says, as a whole: before a training, meanwhile, and at its end. */
import { assertEquals } from "@std/assert";
import { inFolder, train, writeRows } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

/** A text without what depends on the folder, the pace, and the bits of a machine. */
const masked = (text: string, folder: string) =>
  text.replaceAll(folder, "DIR")
    .replaceAll(/ · \d+s left( · [\d.,]+ (?:steps\/s|s\/step|tokens\/s))*/g, " · PACE")
    .replaceAll(/-?\d+\.\d{3,4}(?=[ ,\n])/g, "#")
    .replaceAll(/-> {2}\S+ +/g, "->  ANSWER  ")
    .replaceAll(/^(?:\d+m )?\d+s in all$/gm, "TIME in all");

const small = [
  ...["--layers", "1", "--heads", "1", "--width", "8", "--context", "40", "--device", "wasm"],
  ...["--warmup-steps", "0", "--logging-steps", "2"],
];

inFolder(
  "a training of one stage says what it is, how it comes on, and how it ended",
  async (folder) => {
    const out = `${folder}/run`;
    const tasks = ["--tasks", "sort", "--examples", "40", "--batch-size", "4", "--steps", "4"];
    const { code, stdout, stderr } = await train(...small, ...tasks, "--out", out);
    assertEquals(code, 0, stderr);
    assertEquals(
      masked(stdout, folder),
      `sft on tasks: 40 examples to train on, 250 for validation
evaluations look at 64 of 250 held-out examples and answer 8, evenly spread.
evaluations look at 64 of 250 longer examples and answer 8, evenly spread.
evaluations look at 64 of 250 reformatted examples and answer 8, evenly spread.
loss: sum_b sum_t l_bt / sum_b M_b, where l = -log p (divided by answer tokens of the batch)
evaluation: cross-entropy in nats per token; uniform guessing gives ln 37 = #
model: GPT-2 of 1,504 parameters (vocabulary 37, context 40, layers 1, heads 1, width 8) on wasm
run: DIR/run

                       loss  token accuracy  exact match  forced    gap
held-out, before     #           #        #   #  #
held-out, after      #           #        #   #  #
longer, before       #           #        #   #  #
longer, after        #           #        #   #  #
reformatted, before  #           #        #   #  #
reformatted, after   #           #        #   #  #

sort 1001  ->  ANSWER  wrong, e.g. 0011
sort 7226  ->  ANSWER  wrong, e.g. 2267
sort 7643  ->  ANSWER  wrong, e.g. 3467
sort 6983  ->  ANSWER  wrong, e.g. 3689
sort 2692  ->  ANSWER  wrong, e.g. 2269
sort 8842  ->  ANSWER  wrong, e.g. 2488

the model is in DIR/run/checkpoints/step-000004; ask it:
  deno task sample --run DIR/run --prompt "..."
TIME in all
`,
    );
    assertEquals(
      masked(stderr, folder),
      `step 0/4 · held-out: loss #, token accuracy #, exact match #
step 0/4 · longer: loss #, token accuracy #, exact match #
step 0/4 · reformatted: loss #, token accuracy #, exact match #
step 2/4 · loss # · PACE · 0 % padding
step 4/4 · loss # · PACE · 0 % padding
step 4/4 · held-out: loss #, token accuracy #, exact match #
step 4/4 · longer: loss #, token accuracy #, exact match #
step 4/4 · reformatted: loss #, token accuracy #, exact match #
`,
    );
    const again = await train("--resume", out);
    assertEquals(
      [again.code, masked(again.stdout, folder), again.stderr],
      [
        0,
        `DIR/run is complete: all 4 steps are done.
A run keeps its settings; to train its model further, start another from it:
  deno task train --from DIR/run
`,
        "",
      ],
    );
  },
);

inFolder("a training of two stages names them, and shows an example of each", async (folder) => {
  const rows = Array.from({ length: 8 }, (_, i) => ({
    ...{ prompt: "ab".repeat(1 + i % 3), chosen: `b${i}`, rejected: "a" },
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const { code, stdout, stderr } = await train(
    ...["--data", data, ...small, "--batch-size", "2", "--gradient-accumulation", "2"],
    ...["--objective", "sft,dpo", "--steps", "2,1", "--out", `${folder}/run`, "--show-example"],
  );
  assertEquals(code, 0, stderr);
  assertEquals(
    masked(stdout, folder),
    `sft, dpo on rows: stage 1: 7 examples to train on, 1 for validation
stage 2: 7 pairs to train on, 1 for validation
loss of sft: sum_b sum_t l_bt / sum_b M_b, where l = -log p (divided by answer tokens of the batch)
loss of dpo: mean -log sigmoid(beta d), where beta = 0.1 (divided by pairs)
evaluation: cross-entropy in nats per token; uniform guessing gives ln 15 = #
model: GPT-2 of 1,328 parameters (vocabulary 15, context 40, layers 1, heads 1, width 8) on wasm
run: DIR/run

stage 1, sft
example: 7 tokens, of which 3 are learned
  0   3  given    "<user>"
  1  13  given    "a"
  2  14  given    "b"
  3   4  given    "<assistant>"
  4  14  learned  "b"
  5   5  learned  "0"
  6   1  learned  "<stop>"

stage 2, dpo
preferred answer: 7 tokens, of which 3 are learned
  0   3  given    "<user>"
  1  13  given    "a"
  2  14  given    "b"
  3   4  given    "<assistant>"
  4  14  learned  "b"
  5   5  learned  "0"
  6   1  learned  "<stop>"
rejected answer: 6 tokens, of which 2 are learned
  0   3  given    "<user>"
  1  13  given    "a"
  2  14  given    "b"
  3   4  given    "<assistant>"
  4  13  learned  "a"
  5   1  learned  "<stop>"

                         loss  token accuracy  exact match  forced    gap
validation, before     #           #        #   #  #
validation, after sft  #           #        #   #  #
validation, after dpo  #           #        #   #  #

abab  ->  ANSWER  wrong, e.g. b7

the model is in DIR/run/checkpoints/step-000003; ask it:
  deno task sample --run DIR/run --prompt "..."
TIME in all
`,
  );
  assertEquals(
    masked(stderr, folder),
    `step 0/3 · validation: loss #, token accuracy #, exact match #
step 2/3 · loss # · PACE · 44 % padding
step 2/3 · validation: loss #, token accuracy #, exact match #
step 3/3 · loss # · PACE · 47 % padding
step 3/3 · validation: loss #, token accuracy #, exact match #
`,
  );
});

inFolder("a training of a pretrained model says its pace and its adapter", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`);
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = ["--model", model, "--data", data, "--batch-size", "1", "--steps", "1"];
  const beginning = async (name: string, ...more: readonly string[]) => {
    const { code, stdout, stderr } = await train(...args, ...more, "--out", `${folder}/${name}`);
    assertEquals(code, 0, stderr);
    return masked(stdout, folder).split("\n").filter((line) => /^(?:model|steps|run)\b/.test(line));
  };
  assertEquals(await beginning("one", "--gradient-accumulation", "1", "--context", "64"), [
    "model: Llama of 62,400 parameters (vocabulary 264, context 192, layers 1, heads 4, " +
    "keyValueHeads 2, headWidth 16, width 64, hiddenWidth 172) on wasm",
    "steps: 1 of 1 rows of at most 64 tokens, learning rate 0.00002, evaluated every 50 steps",
    "run: DIR/one",
  ]);
  const lora = ["--lora", "--lora-rank", "2", "--gradient-accumulation", "2"];
  assertEquals(await beginning("two", "--objective", "sft,sft", ...lora), [
    "model: Llama of 62,400 parameters (vocabulary 264, context 192, layers 1, heads 4, " +
    "keyValueHeads 2, headWidth 16, width 64, hiddenWidth 172), with a LoRA adapter of rank 2 " +
    "and 2,312 parameters, on wasm",
    "steps of sft: 1 of 2 x 1 rows of at most 192 tokens, learning rate #, evaluated every 50 steps",
    "steps of sft: 1 of 2 x 1 rows of at most 192 tokens, learning rate #, evaluated every 50 steps",
    "run: DIR/two",
  ]);
});
