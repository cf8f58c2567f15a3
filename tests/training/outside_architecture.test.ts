/** What trains takes a language model of an architecture that no file of ours knows. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { type Device, key, wasm } from "@unitune/core";
import {
  actorCritic,
  byteTokenizer,
  createGenerator,
  encodePrompt,
  generatedIds,
  type LanguageModel,
  languageModel,
  presetConfig,
  withScore,
} from "@unitune/models";
import { modelOf, scoreTokens } from "@unitune/objectives";
import { createEvaluator, createSampler, questionOf, toBatch } from "@unitune/training";
import { toy } from "../models/toy_rotary.ts";

const tokenizer = byteTokenizer();
const model: LanguageModel = languageModel(
  presetConfig("toy-tiny", { vocabulary: tokenizer.size, context: 16 }, [toy]),
  [toy],
);
const params = model.init(key(1));
const device: Device = wasm();
const prompts = ["a", "bc"].map((content) => encodePrompt(tokenizer, [{ role: "user", content }]));
const options = { maxNewTokens: 5, temperature: 0.8, seed: 2 };

Deno.test("its answers are sampled and scored, the same with a value head and without", async () => {
  using sampler = createSampler(model, tokenizer, device);
  using generator = createGenerator(model, { device });
  const answers = await sampler.sample(params, prompts, options);
  const { stop } = tokenizer;
  const completions = await generator.generate(params, prompts, { ...options, stop });
  assertEquals(answers.map(({ ids }) => ids), completions.map(generatedIds));
  const critic = createSampler(actorCritic(model), tokenizer, device);
  const scored = withScore(model, params);
  assertEquals(await critic.sample(scored, prompts, options), answers);
  const rows = answers.map(({ prompt, ids }) => ({
    ids: [...prompt, ...ids],
    mask: [...prompt.map(() => false), ...ids.map(() => true)],
  }));
  const { ids } = toBatch(rows, { length: 16, padding: tokenizer.pad });
  const [plain, own] = [sampler.score(params, { ids }), critic.score(scored, { ids })];
  assertEquals(plain.values, undefined);
  assertEquals(await own.values?.data(), new Float32Array(2 * 16));
  const expected = await scoreTokens(modelOf(model, params), { ids }).data();
  for (const { logProbs } of [plain, own]) {
    // Log-probabilities below 100 in f32: the same sums, at most in another order.
    for (const [i, x] of (await logProbs.data()).entries()) {
      assertLess(Math.abs(x - (expected[i] ?? NaN)), 1e-4);
    }
  }
  critic[Symbol.dispose]();
});

Deno.test("it is evaluated: the loss of sequences, and its answers to questions", async () => {
  using evaluator = createEvaluator(model, tokenizer, device);
  const messages = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }] as const;
  const question = questionOf(
    { conversation: { messages }, kind: "toy", isRight: (answer) => answer !== "b" },
    tokenizer,
    16,
  );
  assert(question !== undefined);
  const { sequence } = question;
  const { answers: [answer], metrics } = await evaluator.evaluate(params, {
    ...{ name: "toy", sequences: [sequence], questions: [question], notes: [] },
  });
  assertEquals(metrics.eval_loss, await evaluator.loss(params, [sequence]));
  using generator = createGenerator(model, { device });
  const [own] = await generator.generate(params, [question.ids], {
    maxNewTokens: 6,
    stop: tokenizer.stops,
  });
  assertEquals(answer?.text, tokenizer.decode(own?.ids ?? []));
});
