/** The sampler: answers as the generator gives them, and log-probabilities of the policy that sampled. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertNotEquals,
} from "@std/assert";
import { div, evaluate, key, logSoftmax, mapTree, mul, tensor, wasm } from "@unitune/core";
import {
  byteTokenizer,
  createGenerator,
  encodePrompt,
  generatedIds,
  gpt,
  type Tokenizer,
} from "@unitune/models";
import { modelOf, scoreTokens } from "@unitune/objectives";
import { createSampler } from "@unitune/training";
import fc from "fast-check";

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

Deno.test("answers are the generator's, with the stop token where one was generated", async () => {
  using sampler = createSampler(model, tokenizer, device);
  using generator = createGenerator(model, { device });
  const { stop } = tokenizer;
  const answers = await sampler.sample(params, prompts, options);
  const completions = await generator.generate(params, prompts, { ...options, stop });
  assertEquals(answers.map(({ prompt }) => prompt), prompts);
  assertEquals(answers.map(({ ids }) => ids), completions.map(generatedIds));
  for (const { ids, isEnded } of answers) assertEquals(isEnded, ids.at(-1) === stop);
});

Deno.test("with two stop tokens, the tokens that are scored are those that were sampled, at ratio 1", async () => {
  using generator = createGenerator(model, { device });
  // The second stop token is a likely one, which no conversation of this tokenizer ends with.
  const free = await generator.generate(params, prompts, { ...options, temperature: 0 });
  const other = free.flatMap(({ ids }) => ids.slice(-1))[0] ?? NaN;
  assertNotEquals(other, tokenizer.stop);
  const two: Tokenizer = { ...tokenizer, stops: [tokenizer.stop, other] };
  using sampler = createSampler(model, two, device);
  const endings = new Set<number | undefined>();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(0.7, 1, 2),
      async (seed, temperature) => {
        const asked = { maxNewTokens: 6, temperature, seed };
        const prompt = prompts[seed % prompts.length] ?? [];
        const rows = Array(4).fill(prompt);
        const answers = await sampler.sample(params, rows, asked);
        // Without stop tokens, the model goes on behind the tokens that were sampled.
        const endless = await generator.generate(params, rows, asked);
        const scores = await sampler.logProbs(params, answers, temperature);
        for (const [i, { ids, text, isEnded }] of answers.entries()) {
          assertEquals(ids, endless[i]?.ids.slice(0, ids.length));
          const last = ids.at(-1);
          const isStop = last !== undefined && two.stops.includes(last);
          assertEquals(isEnded, isStop);
          endings.add(isStop ? last : undefined);
          const said = isEnded ? ids.slice(0, -1) : ids;
          assert(!said.some((id) => two.stops.includes(id)));
          assertEquals(text, two.decode(said, { special: "shown" }));
          // The policy that samples, one token at a time with the cache: the logits over the
          // temperature of the tokens before.
          const behaviour = await sampledLogProbs(prompt, ids, temperature);
          behaviour.forEach((own, t) => {
            // The same sums of f32, by two programs.
            assertAlmostEquals(Math.exp((scores[i]?.[t] ?? NaN) - own), 1, 1e-4);
          });
        }
      },
    ),
    { numRuns: 6 },
  );
  assertEquals(endings, new Set([undefined, tokenizer.stop, other]));
});

/** The log-probabilities of generated tokens at the steps that generated them, with the cache. */
async function sampledLogProbs(
  prompt: readonly number[],
  ids: readonly number[],
  temperature: number,
): Promise<readonly number[]> {
  const found: number[] = [];
  let cache = model.emptyCache(1, sizes.context);
  let column = 0;
  let read = prompt;
  for (const id of ids) {
    const place = { start: tensor([column], { dtype: "i32" }) };
    const step = model.decode(params, tensor([read], { dtype: "i32" }), cache, place);
    const scores = await logSoftmax(div(step.logits, temperature)).data();
    found.push(scores[id] ?? NaN);
    cache = evaluate(step.cache);
    column += read.length;
    read = [id];
  }
  return found;
}

Deno.test("an answer depends on its number, not on how many are asked at once", async () => {
  using sampler = createSampler(model, tokenizer, device);
  const all = await sampler.sample(params, prompts, options);
  for (const places of [1, 3]) {
    assertEquals(await sampler.sample(params, prompts, { ...options, places }), all);
  }
  const rest = await sampler.sample(params, prompts.slice(1), { ...options, firstRow: 1 });
  assertEquals(rest, all.slice(1));
});

Deno.test("answers of a group, whose prompt is read once, are those of the prompt read for each", async () => {
  using sampler = createSampler(model, tokenizer, device);
  const group = prompts.flatMap((prompt) => Array<readonly number[]>(3).fill(prompt));
  const together = await sampler.sample(params, group, { ...options, places: 6 });
  const apart = [];
  for (const [firstRow, prompt] of group.entries()) {
    apart.push(...await sampler.sample(params, [prompt], { ...options, firstRow }));
  }
  assertEquals(together, apart);
  assertEquals(await sampler.logProbs(params, together), await sampler.logProbs(params, apart));
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
  // At temperature 1, where none is named, and of one answer as of several.
  const answers = await sampler.sample(params, prompts, options);
  const found = await sampler.logProbs(params, answers);
  assertEquals(found, await sampler.logProbs(params, answers, 1));
  const [alone] = await sampler.logProbs(params, answers.slice(0, 1));
  assertEquals(alone?.length, answers[0]?.ids.length);
});

Deno.test("tokens are drawn as often as their log-probabilities say", async () => {
  using sampler = createSampler(model, tokenizer, device);
  const temperature = 0.8;
  const [prompt = []] = prompts;
  const count = 2000;
  const answers = await sampler.sample(params, Array(count).fill(prompt), {
    ...{ maxNewTokens: 1, temperature, seed: 5, places: 500 },
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
