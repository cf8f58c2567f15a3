import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { type Device, key, reference, wasm } from "@unitune/core";
import {
  describeReport,
  kindCells,
  mainCells,
  momentsOf,
  sampleLines,
} from "../../../cli/report/summary.ts";
import { alignTable, fitTable } from "@unitune/cli";
import {
  conversationSplit,
  createEvaluator,
  createSampler,
  type Exam,
  textSplit,
  trainSettings,
} from "@unitune/training";
import { characterTokenizer, gpt } from "@unitune/models";
import { scripted } from "../scripted.ts";

const device = reference();
const tokenizer = characterTokenizer("abc");
const sizes = {
  vocabulary: tokenizer.size,
  context: 12,
  layers: 1,
  heads: 1,
  width: 8,
  dropout: 0,
};
const model = gpt(sizes);
const params = model.init(key(5));

/** Conversations of two kinds, more than are evaluated at once, of several lengths. */
const exams = Array.from({ length: 70 }, (_, i): Exam => ({
  kind: i % 2 === 0 ? "even" : "odd",
  conversation: {
    messages: [
      { role: "user", content: "abc".slice(0, 1 + i % 3) },
      { role: "assistant", content: "cba".repeat(3).slice(0, i % 7) },
    ],
  },
}));
const split = conversationSplit("held-out", exams, tokenizer, sizes.context);

Deno.test("long sequences are evaluated in batches of their length, to the same metrics", async () => {
  const own = wasm({ threads: 1 });
  let programs = 0;
  const counting: Device = {
    ...own,
    compile: (graph, options) => {
      programs += 1;
      return own.compile(graph, options);
    },
  };
  const long = gpt({ ...sizes, context: 200 });
  const given = long.init(key(5));
  const sequences = [150, 9, 70, 30, 160, 66, 12].map((length, i) => ({
    ids: Array.from({ length }, (_, t) => (t * (i + 2)) % tokenizer.size),
    mask: Array.from({ length }, (_, t) => t > i),
  }));
  using whole = createEvaluator(long, tokenizer, counting, { rows: 7 });
  const expected = await whole.evaluate(given, { ...split, sequences, questions: [] });
  const before = programs;
  using parted = createEvaluator(long, tokenizer, counting, { rows: 2 });
  const found = await parted.evaluate(given, { ...split, sequences, questions: [] });
  // Three lengths of batches, sums of them, and their ratios.
  assert(programs - before >= 3 && programs - before <= 6, `${programs - before}`);
  for (const [name, value] of Object.entries(expected.metrics)) {
    assertAlmostEquals(found.metrics[name] ?? NaN, value, 1e-5, name);
  }
  own[Symbol.dispose]();
});

Deno.test("a batch has as many sequences as are predicted at once, or as there are", async () => {
  const rowsOf = async (rows: number, count: number) => {
    const read = new Set<number | undefined>();
    const watched: typeof model = {
      ...model,
      embed: (own, ids) => {
        read.add(ids.shape[0]);
        return model.embed(own, ids);
      },
    };
    using evaluator = createEvaluator(watched, tokenizer, device, { rows });
    await evaluator.loss(params, split.sequences.slice(0, count));
    return [...read];
  };
  assertEquals([await rowsOf(2, 5), await rowsOf(5, 2)], [[2], [2]]);
});

Deno.test("a loss is the mean over all learned tokens, however they are batched", async () => {
  using evaluator = createEvaluator(model, tokenizer, device);
  const { sequences } = split;
  assertEquals(sequences.length, 70);
  let [total, tokens] = [0, 0];
  for (const sequence of sequences.slice(60)) {
    const learned = sequence.mask.filter(Boolean).length;
    total += learned * await evaluator.loss(params, [sequence]);
    tokens += learned;
  }
  // f32 sums of a few dozen numbers of order 1.
  assertAlmostEquals(await evaluator.loss(params, sequences.slice(60)), total / tokens, 1e-5);
  const { metrics } = await evaluator.evaluate(params, { ...split, questions: [] });
  const parts = [sequences.slice(0, 30), sequences.slice(30)];
  const counts = parts.map((part) => part.flatMap(({ mask }) => mask.filter(Boolean)).length);
  const losses = await Promise.all(parts.map((part) => evaluator.loss(params, part)));
  const [a = 0, b = 0] = losses.map((loss, i) => loss * (counts[i] ?? 0));
  assertEquals(metrics.eval_num_tokens, (counts[0] ?? 0) + (counts[1] ?? 0));
  assertAlmostEquals(metrics.eval_loss ?? NaN, (a + b) / (metrics.eval_num_tokens ?? NaN), 1e-5);
});

Deno.test("exact match is the share of answers that are judged right, in all and by kind", async () => {
  // Answers of text throughout: others are wrong, whatever the judge says.
  const [letter = 0] = tokenizer.encode("a");
  const text = Array.from({ length: sizes.context }, () => letter);
  const { model, params } = scripted(tokenizer, sizes.context, text);
  using evaluator = createEvaluator(model, tokenizer, device);
  const isRight = (i: number) => i % 5 === 0;
  const judged = conversationSplit(
    "judged",
    exams.map((exam, i) => ({ ...exam, isRight: () => isRight(i) })),
    tokenizer,
    sizes.context,
  );
  const { metrics, answers } = await evaluator.evaluate(params, judged);
  assertEquals(answers.map((answer) => answer.isRight), exams.map((_, i) => isRight(i)));
  assertEquals(
    ["", "/even", "/odd"].map((kind) => metrics[`eval_exact_match${kind}`]),
    [14 / 70, 7 / 35, 7 / 35],
  );
  const forced = answers.filter((answer) => answer.isRightForced).length / 70;
  assertEquals(metrics.eval_forced_exact_match, forced);
  assertEquals(metrics.eval_exact_match_gap, forced - 14 / 70);
});

Deno.test("an answer that the model says is right by itself and under forced prefixes", async () => {
  const [exam] = exams.slice(6);
  const split = conversationSplit(
    "one",
    exam === undefined ? [] : [{ ...exam, isRight: (text) => text === "cbacba" }],
    tokenizer,
    sizes.context,
  );
  const ids = split.questions[0]?.sequence.ids ?? [];
  const { model, params } = scripted(tokenizer, sizes.context, ids.slice(1));
  using evaluator = createEvaluator(model, tokenizer, device);
  const { metrics, answers } = await evaluator.evaluate(params, split);
  assertEquals(answers.map(({ isRight, isRightForced }) => [isRight, isRightForced]), [[
    true,
    true,
  ]]);
  assertEquals([metrics.eval_exact_match, metrics.eval_forced_exact_match], [1, 1]);
  // One token of the answer, its last letter, is another one.
  const wrong = scripted(tokenizer, sizes.context, ids.slice(1).with(-2, ids.at(-3) ?? NaN));
  using other = createEvaluator(wrong.model, tokenizer, device);
  const { metrics: missed } = await other.evaluate(wrong.params, split);
  assertEquals([missed.eval_exact_match, missed.eval_forced_exact_match], [0, 0]);
});

Deno.test("of a wide vocabulary, right answers are forced at the tokens that are learned", async () => {
  // Rows of 64 positions, three of which have many logits.
  const context = 65;
  const [a = 0, b = 0, c = 0] = tokenizer.encode("abc");
  const ids = Array.from({ length: context }, (_, t) => t % 2 === 0 ? a : b);
  const { model, params } = scripted(tokenizer, context, ids.slice(1), 2 ** 14);
  using fast = wasm({ threads: 1 });
  using evaluator = createEvaluator(model, tokenizer, fast);
  // Whole rows, and others whose first or last learned token, or the one before, is another one.
  const questions = [undefined, 55, 64, 54].map((changed) => {
    const own = changed === undefined ? ids : ids.with(changed, c);
    const mask = own.map((_, t) => t >= 55);
    return {
      ...{ kind: "k", prompt: "", gold: "", ids: own.slice(0, 55) },
      ...{ sequence: { ids: own, mask }, isRight: () => false },
    };
  });
  const report = await evaluator.evaluate(params, { ...split, sequences: [], questions });
  const forced = report.answers.map(({ isRightForced }) => isRightForced);
  assertEquals(forced, [true, false, false, true]);
});

Deno.test("a text is gone on with, and not judged", async () => {
  let passes = 0;
  const counting = {
    ...model,
    hidden: (...args: Parameters<typeof model.hidden>) => (passes++, model.hidden(...args)),
  };
  using evaluator = createEvaluator(counting, tokenizer, device);
  const ids = tokenizer.encode("abcabcabcabcabcabcabcabcabcabc");
  const report = await evaluator.evaluate(params, textSplit("v", ids, tokenizer, 12));
  assertEquals(Object.keys(report.metrics).sort(), [
    "eval_entropy",
    "eval_loss",
    "eval_mean_token_accuracy",
    "eval_num_tokens",
  ]);
  assertEquals(report.answers.map(({ isRight }) => isRight), [undefined, undefined]);
  assert(sampleLines(report.answers)[0]?.startsWith("abcabc>>"));
  // Of all tokens, once; nobody asks whether the likeliest ones are right.
  assertEquals(passes, 1);
  // They are drawn, at 0.8: half a window, and four tokens more than its other half.
  using sampler = createSampler(model, tokenizer, device);
  const prompts = report.answers.map(({ question: { ids } }) => ids);
  const said = async (temperature: number) => {
    const given = await sampler.sample(params, prompts, { maxNewTokens: 11, temperature });
    return given.map(({ text }) => text);
  };
  assertEquals(report.answers.map(({ text }) => text), await said(0.8));
  assertNotEquals(await said(0.8), await said(0));
});

const lines = [
  { step: 0, split: "b", metrics: { eval_loss: 2, "eval_exact_match/sort": 0 } },
  { step: 0, split: "a", metrics: { eval_loss: 3, "eval_exact_match/sort": 0.25 } },
  { step: 5, split: "a", metrics: { eval_loss: 2.5, "eval_exact_match/sort": 0.5 } },
  { step: 9, split: "a", metrics: { eval_loss: 1, "eval_exact_match/sort": 1 } },
  { step: 9, split: "b", metrics: { eval_loss: 1.5, "eval_exact_match/sort": 0.75 } },
];

Deno.test("the tables have the first and the last evaluation of each split", () => {
  const moments = momentsOf([trainSettings({ steps: 9 })]);
  assertEquals(fitTable(mainCells(lines, moments)), [
    "             loss",
    "a, before  3.0000",
    "a, after   1.0000",
    "b, before  2.0000",
    "b, after   1.5000",
  ]);
  assertEquals(fitTable(kindCells(lines, moments)), [
    "exact match  sort",
    "a, before    0.25",
    "a, after     1.00",
    "b, before    0.00",
    "b, after     0.75",
  ]);
  assertEquals(kindCells([{ step: 0, split: "a", metrics: { eval_loss: 1 } }], moments), []);
  assertEquals(alignTable([]), []);
});

Deno.test("the tables of a run in stages have the end of each stage", () => {
  const stages = [
    trainSettings({ steps: 5 }),
    trainSettings({ objective: "dpo", steps: 3 }),
    trainSettings({ steps: 1 }),
  ];
  assertEquals(fitTable(mainCells(lines, momentsOf(stages))), [
    "                         loss",
    "a, before              3.0000",
    "a, after stage 1, sft  2.5000",
    "a, after stage 3, sft  1.0000",
    "b, before              2.0000",
    "b, after stage 3, sft  1.5000",
  ]);
  assertEquals(momentsOf(stages.slice(0, 2)), [
    { step: 0, name: "before" },
    { step: 5, name: "after sft" },
    { step: 8, name: "after dpo" },
  ]);
});

Deno.test("samples are on a line each, of each kind a few", () => {
  const question = { kind: "add", prompt: "1+1", gold: "2", ids: [], sequence: split.sequences[0] };
  const { sequence = { ids: [], mask: [] } } = question;
  const answer = (kind: string, text: string, isRight: boolean) => ({
    question: { ...question, sequence, kind },
    text,
    isRight,
    isRightForced: isRight,
  });
  assertEquals(
    sampleLines([
      answer("add", "2", true),
      answer("add", "x\ny".repeat(30), false),
      answer("add", "3", false),
      answer("sort", "2", true),
    ]),
    [
      `1+1  ->  2${" ".repeat(17)}  right`,
      `1+1  ->  ${"x yx yx yx yx yx yx".slice(0, 17)}…  wrong, e.g. 2`,
      `1+1  ->  2${" ".repeat(17)}  right`,
    ],
  );
  const ofOne = Array.from({ length: 9 }, () => answer("add", "2", true));
  assertEquals(sampleLines(ofOne).length, 6);
});

Deno.test("an evaluation on one line leaves details to the table", () => {
  const metrics = { eval_loss: 1, eval_exact_match: 0.5, eval_exact_match_gap: 0.1 };
  const report = { split: "held-out", metrics, answers: [] };
  assertEquals(describeReport(report), "held-out: loss 1.0000, exact match 0.500");
  const steps = { ...report, metrics: { "eval_rewards/step_accuracies": 0.25 } };
  assertEquals(describeReport(steps), "held-out: step accuracy 0.250");
  // Prompts alone have nothing that an answer is compared with.
  const bare = { ...report, metrics: { eval_entropy: 1 } };
  assertEquals(describeReport(bare), "held-out: no right answers to compare with");
  const evaluation = { step: 0, split: "held-out", metrics: bare.metrics };
  assertEquals(mainCells([evaluation], [{ step: 0, name: "before" }]), []);
});
