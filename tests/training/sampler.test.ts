/** The sampler: answers as the generator gives them, and log-probabilities of the policy that sampled. */
import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { key, mapTree, mul, tensor, wasm } from "@unitune/core";
import { byteTokenizer, createGenerator, encodePrompt, gpt } from "@unitune/models";
import { modelOf, scoreTokens } from "@unitune/objectives";
import { createSampler } from "@unitune/training";

const tokenizer = byteTokenizer();
const device = wasm();
const sizes = { vocabulary: tokenizer.size, context: 12, layers: 1, heads: 2, width: 8 };
const model = gpt({ ...sizes, dropout: 0 });
// Larger weights than new ones, so that the policy has preferences.
const params = mapTree(model.init(key(1)), (leaf) => mul(leaf, 3));
const prompts = ["a", "bc", "def", "g"].map((content) =>
  encodePrompt(tokenizer, [{ role: "user", content }])
);
const options = { maxNewTokens: 6, temperature: 0.7, seed: 3 };

Deno.test("answers are the generator's, with the stop token where one was said", async () => {
  using sampler = createSampler(model, tokenizer, device);
  using generator = createGenerator(model, { device });
  const { stop } = tokenizer;
  const answers = await sampler.sample(params, prompts, options);
  const completions = await generator.generate(params, prompts, { ...options, stop });
  assertEquals(answers.map(({ prompt }) => prompt), prompts);
  assertEquals(
    answers.map(({ ids, isEnded }) => isEnded ? ids.slice(0, -1) : ids),
    completions,
  );
  for (const { ids, isEnded } of answers) assertEquals(isEnded, ids.at(-1) === stop);
});

Deno.test("an answer depends on its number, not on how many are asked at once", async () => {
  using sampler = createSampler(model, tokenizer, device);
  const all = await sampler.sample(params, prompts, options);
  for (const rows of [1, 3]) {
    assertEquals(await sampler.sample(params, prompts, { ...options, rows }), all);
  }
  const rest = await sampler.sample(params, prompts.slice(1), { ...options, firstRow: 1 });
  assertEquals(rest, all.slice(1));
});

Deno.test("log-probabilities are those of the policy at the temperature that sampled", async () => {
  using sampler = createSampler(model, tokenizer, device);
  for (const temperature of [0.5, 1, 2]) {
    const answers = await sampler.sample(params, prompts, { ...options, temperature });
    const found = await sampler.logProbs(params, answers, temperature);
    for (const [i, { prompt, ids }] of answers.entries()) {
      const row = tensor([[...prompt, ...ids]], { dtype: "i32" });
      const scores = await scoreTokens(modelOf(model, params), { ids: row, temperature }).data();
      const expected = Array.from(scores.slice(prompt.length));
      assertEquals(found[i]?.length, ids.length);
      // The same sums of f32, by two programs.
      expected.forEach((one, t) => assertAlmostEquals(found[i]?.[t] ?? NaN, one, 1e-4));
    }
  }
  assertEquals(await sampler.logProbs(params, []), []);
});

Deno.test("tokens are drawn as often as their log-probabilities say", async () => {
  using sampler = createSampler(model, tokenizer, device);
  const temperature = 0.8;
  const [prompt = []] = prompts;
  const count = 2000;
  const answers = await sampler.sample(params, Array(count).fill(prompt), {
    ...{ maxNewTokens: 1, temperature, seed: 5, rows: 500 },
  });
  const [first] = answers;
  assert(first !== undefined);
  const logProbs = await sampler.logProbs(params, answers.slice(0, 64), temperature);
  const shares = Map.groupBy(answers, ({ ids }) => ids.join());
  assertGreater(shares.size, 1);
  for (const [i, { ids }] of answers.slice(0, 64).entries()) {
    const p = Math.exp(logProbs[i]?.[0] ?? NaN);
    const share = (shares.get(ids.join())?.length ?? 0) / count;
    // Five standard deviations of a share of so many draws.
    const bound = 5 * Math.sqrt(p * (1 - p) / count);
    assert(Math.abs(share - p) <= bound, `drawn ${share}, and p is ${p}`);
  }
});
