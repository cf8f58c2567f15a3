/** Measures of exposure, on models that say what they are told, and on one that is trained a little. */
import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { evaluate, mul, tensor, wasm, zeros } from "@unitune/core";
import { characterTokenizer } from "@unitune/models";
import { reinforce, rloo, sft } from "@unitune/objectives";
import {
  END,
  memoryStore,
  mistaken,
  planOf,
  prepareTasks,
  type Question,
  questionOf,
  randomStream,
  rightAnswer,
  toBatch,
  train,
  trainSettings,
  worlds,
} from "@unitune/training";
import {
  bigramFeatures,
  classifierDistance,
  totalVariation,
  trainClassifier,
} from "../../../cli/study/exposure/distances.ts";
import { cosines } from "../../../cli/study/exposure/gradients.ts";
import { createProbe, exposureMeasures } from "../../../cli/study/exposure/probe.ts";
import { accuracies, distances, reach } from "../../../cli/study/exposure/readings.ts";
import { answerTally, forcedTally, ownTally } from "../../../cli/study/exposure/tallies.ts";
import { scripted } from "../scripted.ts";

const device = wasm();
const CONTEXT = 64;
const tokenizer = characterTokenizer(worlds.order.characters);

/** A question, and a model that answers it with a text. */
function asked(prompt: string, answer: string) {
  const gold = rightAnswer(worlds.order.begin(prompt));
  const messages = [{ role: "user", content: prompt }, {
    role: "assistant",
    content: gold,
  }] as const;
  const question = questionOf({ conversation: { messages }, kind: "order" }, tokenizer, CONTEXT);
  if (question === undefined) throw new Error("the question does not fit");
  const before = new Array<number>(question.ids.length - 1).fill(tokenizer.stop);
  return { question, ...scripted(tokenizer, CONTEXT, [...before, ...tokenizer.encode(answer)]) };
}

const prompt = "order 4321";
// From 4321: 43 42 32 41 31 21.
const gold = rightAnswer(worlds.order.begin(prompt));

Deno.test("a model that answers as the data has no gap, no distance, and reaches every state", async () => {
  const { model, params, question } = asked(prompt, gold);
  using probe = createProbe(model, tokenizer, device);
  assertEquals(accuracies(await probe.readings(params, [question])), {
    forced_token_accuracy: 1,
    own_token_accuracy: 1,
    token_gap: 0,
    forced_step_accuracy: 1,
    own_step_accuracy: 1,
    step_gap: 0,
    answer_token_accuracy: 1,
    answer_token_gap: 0,
    answer_step_accuracy: 1,
    answer_step_gap: 0,
  });
  const { state_distance, classifier_distance } = distances(
    await probe.readings(params, [question, question]),
  );
  assertEquals([state_distance, classifier_distance], [0, 0]);
  assertEquals(reach(await probe.readings(params, [question])).reached_share, 1);
});

Deno.test("after one wrong step the model's own states are not those of the data", async () => {
  // 4321, 3421, and now 3412 in place of 3241. The model goes on by rote.
  assertEquals(gold, "43 42 32 41 31 21");
  const own = "43 21 32 41 31 21";
  const { model, params, question } = asked(prompt, own);
  using probe = createProbe(model, tokenizer, device);
  const measures = accuracies(await probe.readings(params, [question]));
  // 18 tokens, two of which are wrong where the right ones stand before them.
  assertAlmostEquals(measures.forced_token_accuracy ?? NaN, 16 / 18);
  assertAlmostEquals(measures.forced_step_accuracy ?? NaN, 5 / 6);
  // After 21 the moves 41, 31 and 42 are right; 32 moves nothing, and 21 stands in the place of 42.
  assertAlmostEquals(measures.own_step_accuracy ?? NaN, 3 / 6);
  assertAlmostEquals(measures.step_gap ?? NaN, 2 / 6);
  assertAlmostEquals(measures.answer_step_accuracy ?? NaN, 5 / 6);
  const { state_distance } = distances(await probe.readings(params, [question]));
  assertAlmostEquals(state_distance ?? NaN, 4 / 6);
  // Greedy decoding writes the first three tokens of the 18, and stands before the fourth.
  assertAlmostEquals(reach(await probe.readings(params, [question])).reached_share ?? NaN, 4 / 18);
});

Deno.test("recovery asks for the world's step after a wrong one, and for all of its rest", async () => {
  const made = mistaken(worlds.order, prompt, randomStream(5, 0));
  if (made === undefined) throw new Error("no mistake");
  const { before, step, rest } = made;
  const measure = async (answer: string, sharpness = 1) => {
    const { model, params, question } = asked(prompt, answer);
    using probe = createProbe(model, tokenizer, device);
    const weight = evaluate(mul(params.wte.weight, sharpness), device);
    return await probe.recovery({ ...params, wte: { weight } }, [question], 5);
  };
  const recovered = await measure(before + step + rest);
  assertEquals([recovered.step_recovery, recovered.answer_recovery], [1, 1]);
  assertEquals(recovered.solved_after_mistake, 1);
  // What is said is the likeliest, however likely others are.
  assertEquals(await measure(before + step + rest, 1e-3), recovered);
  const blind = await measure(gold);
  assertEquals([blind.step_recovery_control, blind.answer_recovery], [1, 0]);
});

Deno.test("at the checkpoint, sampled answers are rewarded for what they solve and for their steps", async () => {
  const rewards = async (answer: string, kind = "order") => {
    const { model, params, question } = asked(prompt, answer);
    using probe = createProbe(model, tokenizer, device);
    return await probe.projections(params, [{ ...question, kind }], {}, 0);
  };
  const of = (solved: number, steps: number) => ({
    ...{ projection_reward: solved, projection_step_reward: steps },
  });
  assertEquals(await rewards(gold), of(1, 1));
  // Three of its six steps are right in the states that they are made in.
  assertEquals(await rewards("43 21 32 41 31 21"), of(0, 3 / 6));
  assertEquals(await rewards(""), of(0, 0));
  assertEquals(await rewards(gold, "sort"), {});
});

Deno.test("a question of another task is left out, and kinds are told apart where there are some", async () => {
  const { model, params, question } = asked(prompt, gold);
  using probe = createProbe(model, tokenizer, device);
  const other: Question = { ...question, kind: "sort" };
  assertEquals(accuracies(await probe.readings(params, [other])), {});
  assertEquals(await exposureMeasures(probe, params, [other], 0), {});
  const measures = reach(await probe.readings(params, [question, other]));
  assertEquals(Object.keys(measures), ["reached_share", "sampled_share"]);
});

Deno.test("tokens of several characters belong to the step in which they begin", () => {
  const texts = ["3", "1", " 4", "2", " ", "32", END];
  const hits = [true, true, false, true, true, true, true];
  const { order } = worlds;
  const { steps, rightSteps, tokens, rightTokens } = forcedTally(order, "order 3142", texts, hits);
  assertEquals([steps, rightSteps, tokens, rightTokens], [3, 2, 7, 6]);
  assertEquals(ownTally(order, "order 3142", texts).rightTokens, 7);
  assertEquals(answerTally(order, "order 3142", texts, texts).rightSteps, 3);
  assertEquals(ownTally(order, "order 3142", ["3", "?", END]), {
    tokens: 3,
    rightTokens: 1,
    steps: 1,
    rightSteps: 0,
  });
  assertEquals(ownTally(order, "order 3142", []).steps, 0);
});

Deno.test("total variation is half the sum of differences, and bounded", () => {
  assertEquals(totalVariation(["a", "a", "b", "c"], ["a", "b", "b", "d"]), 0.5);
  assertEquals(totalVariation(["a"], ["b", "b"]), 1);
  assertEquals(totalVariation([], ["a"]), NaN);
  assertEquals(totalVariation(["a"], []), NaN);
});

Deno.test("a classifier finds what tells states apart, and nothing where nothing does", () => {
  const random = randomStream(3);
  const noise = () => Array.from({ length: 4 }, () => Math.floor(random() * 20));
  const questions = (sign: readonly number[]) =>
    Array.from({ length: 60 }, () => ({
      trained: [noise(), noise()],
      reached: [[...noise(), ...sign]],
    }));
  assertGreater(classifierDistance(questions([99])), 0.45);
  // 90 judged states of either kind: a standard deviation of some 0.05, and three of them.
  assert(Math.abs(classifierDistance(questions([]))) < 0.16);
  // Two of three states of either kind have a feature, so that their scores come near log 2. Feature
  // 7 is not in training, and tells nothing.
  const learned = { trained: [[0], [0], [1]], reached: [[1], [1], [0]] };
  const told = { trained: [[0, 7]], reached: [[1, 7]] };
  assertEquals(classifierDistance([learned, told]), 0.5);
  // It learns from every other question. Of those that it is judged on, it errs in one of two.
  const mistold = { trained: [[1]], reached: [[0]] };
  assertEquals(classifierDistance([learned, mistold, learned, told]), 0);
});

Deno.test("the classifier is that of 200 steps of gradient descent from 0, at a rate of 0.5", () => {
  const weights = trainClassifier([
    { trained: [[0]], reached: [[0], [1]] },
    { trained: [[0], [0]], reached: [] },
  ]);
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  let [bias, zero, one] = [0, 0, 0];
  for (let step = 0; step < 200; step++) {
    // Half of the weight is that of trained states, all with feature 0; of reached ones half have it.
    const [p, q] = [sigmoid(bias + zero), sigmoid(bias + one)];
    const [slopeZero, slopeOne] = [(1 - p) / 4 - p / 2, (1 - q) / 4];
    bias += (slopeZero + slopeOne) / 2;
    zero += slopeZero / 2;
    one += slopeOne / 2;
  }
  // Sums of f64 in other orders; one step more or less changes the third digit.
  for (const [feature, weight] of [bias, zero, one].entries()) {
    assertAlmostEquals(weights.get(feature - 1) ?? NaN, weight, 1e-12);
  }
  assertEquals(weights.size, 3);
});

Deno.test("a prefix has the pairs of its last characters as features, each once", () => {
  const pair = (a: string, b: string) => a.charCodeAt(0) * 65_536 + b.charCodeAt(0);
  assertEquals(bigramFeatures("cabab", 4), [pair("a", "b"), pair("b", "a")]);
  assertEquals(bigramFeatures("abcdefghijklmnopq").length, 15);
  assertEquals(bigramFeatures("a"), []);
});

Deno.test("the cosine of a gradient with itself is 1, and with its opposite -1", async () => {
  const { model, params, question } = asked(prompt, gold.replace("42", "21"));
  const batch = toBatch([question.sequence], { length: 48, padding: tokenizer.pad });
  const objective = sft();
  const rewarded = (reward: number) => ({
    ...{ ...batch, temperature: 1, oldLogProbs: zeros(batch.mask.shape) },
    rewards: tensor([reward]),
  });
  const found = await cosines(
    model,
    params,
    { objective: reinforce(), batches: { liked: rewarded(1), disliked: rewarded(-1) } },
    { sft: { objective, batch } },
    device,
  );
  // Products of f32 sums over some thousand numbers.
  assertAlmostEquals(found.liked?.sft ?? NaN, 1, 1e-5);
  assertAlmostEquals(found.disliked?.sft ?? NaN, -1, 1e-5);
});

Deno.test("a trained model is measured by all measures", async () => {
  const settings = trainSettings({
    ...{ tasks: "maze", examples: 64, steps: 2, batchSize: 4, evalSteps: 100 },
    ...{ layers: 1, heads: 1, width: 8, context: 64 },
  });
  const prepared = await prepareTasks([settings]);
  const few = prepared.splits.slice(0, 1).map((split) => ({
    ...split,
    sequences: split.sequences.slice(0, 4),
    questions: split.questions.slice(0, 2),
  }));
  const store = memoryStore();
  const plan = planOf({
    stages: [settings],
    prepared: { ...prepared, splits: few },
    device,
    store,
  });
  for await (const _ of train(plan));
  const { policy } = await store.latest()?.models() ?? {};
  const questions = prepared.test[0]?.questions.slice(0, 4) ?? [];
  using probe = createProbe(prepared.model, prepared.tokenizer, device);
  const projected = await probe.projections(
    policy,
    questions.slice(0, 1),
    { demonstrations: { "sft": sft() }, rollouts: { "rloo": rloo() } },
    1,
  );
  assertEquals(Object.keys(projected), [
    ...["cosine/sft", "step_cosine/sft", "cosine/rloo", "step_cosine/rloo"],
    ...["projection_reward", "projection_step_reward"],
  ]);
  const shares = await exposureMeasures(probe, policy, questions, 1);
  for (const [name, value] of Object.entries(shares)) assert(-1 <= value && value <= 1, name);
});
