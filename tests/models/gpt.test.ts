import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { compile, evaluate, key, leafPaths, ShapeError, tensor, zeros } from "@unitune/core";
import {
  applyGpt,
  decodeGpt,
  embedTokens,
  emptyGptCache,
  gpt,
  type GptCache,
  type HiddenOptions,
  initGpt,
} from "@unitune/models";
import fc from "fast-check";
import { dropout } from "../../models/layers.ts";
import { largestDifference, logitsOf, sineParameters, tinyConfig, tokenIds } from "./tiny.ts";

const { vocabulary, context } = tinyConfig;
const params = evaluate(sineParameters(tinyConfig));
const logits = compile((ids: ReturnType<typeof tensor>) => logitsOf(tinyConfig, params, ids));

const sequence = fc.array(fc.integer({ min: 0, max: vocabulary - 1 }), {
  minLength: context,
  maxLength: context,
});

/** f32 logits of size 1 after some twenty rounded operations. */
const TOLERANCE = 1e-5;

Deno.test("logits are those of the transformers library's GPT-2", async () => {
  // GPT2LMHeadModel (transformers 5.18, f64) on the checkpoint of these parameters.
  const expected = [
    [0.4546534, 0.3446857, 0.7095342, -0.7276580, -1.2213734, 0.4896096, -1.9148933],
    [0.2852500, 0.3767986, 0.6531460, -0.7650325, -1.3000786, 0.5330976, -1.8853057],
  ];
  const ids = tokenIds([[1, 2, 3, 6, 0], [5, 5, 4, 0, 2]]);
  const all = await logits(ids).data();
  expected.forEach((row, b) => {
    const last = all.subarray((5 * b + 4) * vocabulary, 5 * (b + 1) * vocabulary);
    assertLess(largestDifference(last, row), TOLERANCE);
  });
});

Deno.test("a token changes no logits before it, and all from it on", async () => {
  await fc.assert(
    fc.asyncProperty(
      sequence,
      fc.nat(context - 1),
      fc.integer({ min: 1, max: vocabulary - 1 }),
      async (ids, position, change) => {
        const changed = ids.with(position, ((ids[position] ?? 0) + change) % vocabulary);
        const [before, after] = await Promise.all(
          [ids, changed].map((row) => logits(tokenIds([row])).data()),
        );
        const rows = Array.from(
          { length: context },
          (_, t) =>
            [before, after].map((all) => all?.subarray(t * vocabulary, (t + 1) * vocabulary)),
        );
        for (const [a, b] of rows.slice(0, position)) assertEquals(a, b);
        for (const [a, b] of rows.slice(position)) assertNotEquals(a, b);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("rows of a batch do not see each other", async () => {
  await fc.assert(
    fc.asyncProperty(sequence, sequence, async (a, b) => {
      const together = await logits(tokenIds([a, b])).data();
      const apart = await Promise.all([a, b].map((row) => logits(tokenIds([row])).data()));
      assertEquals([...together], apart.flatMap((row) => [...row]));
    }),
    { numRuns: 20 },
  );
});

Deno.test("what follows a sequence, such as padding, changes none of its logits", async () => {
  const short = await logits(tokenIds([[1, 2, 3]])).data();
  const long = await logits(tokenIds([[1, 2, 3, 0, 0, 0]])).data();
  assertLess(largestDifference(short, long.subarray(0, short.length)), TOLERANCE);
});

Deno.test("texts in one row, told apart by segments and positions, read as rows of their own", async () => {
  const model = gpt({ ...tinyConfig, dropout: 0.5 });
  const read = async (rows: number[][], options: HiddenOptions) =>
    await model.hidden(params, model.embed(params, tokenIds(rows)), options).data();
  const packed = {
    segments: tokenIds([[0, 0, 0, 1, 1], [7, 7, 7, 7, 7]]),
    positions: tokenIds([[0, 1, 2, 0, 1], [0, 1, 2, 3, 4]]),
  };
  const rows = [[1, 2, 3, 4, 5], [6, 5, 4, 3, 2]];
  const together = await read(rows, packed);
  const apart = [[1, 2, 3], [4, 5], [6, 5, 4, 3, 2]].map((row) => read([row], {}));
  const expected = (await Promise.all(apart)).flatMap((states) => [...states]);
  assertLess(largestDifference(together, expected), TOLERANCE);
  // Where weights are dropped, other code attends: a token still sees its own text alone.
  const dropped = async (first: number) =>
    await read([[first, 2, 3, 4, 5], [6, 5, 4, 3, 2]], { ...packed, key: key(1) });
  const [one, other] = [await dropped(1), await dropped(0)];
  assertNotEquals(one.subarray(0, 3 * 8), other.subarray(0, 3 * 8));
  assertEquals(one.subarray(3 * 8), other.subarray(3 * 8));
});

Deno.test("embeddings of another width or beyond the context are refused", () => {
  const model = gpt(tinyConfig);
  const refused: readonly (readonly [number[], string])[] = [
    [[1, context + 1, 8], "GPT: embeddings: got 7 tokens; expected at most 6"],
    [[1, 3, 9], "GPT: embeddings: got shape [1, 3, 9]; expected [B, T, 8]"],
    [[3, 8], "GPT: embeddings: got shape [3, 8]; expected [B, T, 8]"],
  ];
  for (const [shape, message] of refused) {
    assertThrows(() => model.hidden(params, zeros(shape)), ShapeError, message);
  }
});

Deno.test("decoding refuses a cache of other rows, and one without layers", () => {
  const place = { start: zeros([2], "i32") };
  const decode = (cache: GptCache) =>
    decodeGpt(tinyConfig, params, tokenIds([[1, 2], [3, 4]]), cache, place);
  assertEquals(decode(emptyGptCache(tinyConfig, 2, 5)).logits.shape, [2, vocabulary]);
  assertThrows(
    () => decode(emptyGptCache(tinyConfig, 3, 5)),
    ShapeError,
    "GPT: cached keys: got shape [3, ",
  );
  assertThrows(() => decode([]), ShapeError, "GPT: the cache has no layers");
});

Deno.test("dropout happens with a key only, and the key decides it", async () => {
  const dropping = { ...tinyConfig, dropout: 0.3 };
  const embeddings = embedTokens(params, tokenIds([[1, 2, 3, 4]]));
  const run = (config: typeof tinyConfig, seed?: number) =>
    applyGpt(config, params, embeddings, seed === undefined ? {} : { key: key(seed) }).data();
  const plain = await run(tinyConfig);
  assertEquals(await run(dropping), plain);
  assertEquals(await run(tinyConfig, 1), plain);
  const dropped = await run(dropping, 1);
  assertNotEquals(dropped, plain);
  assertEquals(await run(dropping, 1), dropped);
  assertNotEquals(await run(dropping, 2), dropped);
});

Deno.test("attention computed weight by weight, for dropout, is the primitive's", async () => {
  // So rarely that nothing is dropped.
  const rare = { ...tinyConfig, dropout: 1e-9 };
  const embeddings = embedTokens(params, tokenIds([[1, 2, 3, 4], [5, 6, 0, 1]]));
  const dropping = await applyGpt(rare, params, embeddings, { key: key(1) }).data();
  const plain = await applyGpt(tinyConfig, params, embeddings).data();
  assertLess(largestDifference(dropping, plain), TOLERANCE);
});

Deno.test("dropout keeps the expectation: what it leaves is divided by the share that it leaves", async () => {
  const count = 4096;
  for (const rate of [0.1, 0.5, 0.9]) {
    const elements = Array.from({ length: count }, (_, i) => 1 + i / count);
    const dropped = Array.from(await dropout(tensor(elements), rate, key(7)).data());
    const kept = dropped.flatMap((element, i) =>
      element === 0 ? [] : [element / (elements[i] ?? NaN)]
    );
    // A product and a quotient, each rounded to f32.
    for (const factor of kept) assertAlmostEquals(factor * (1 - rate), 1, 4 * 2 ** -24);
    // Five standard errors of a share: sqrt(p (1 - p) / n).
    const error = Math.sqrt(rate * (1 - rate) / count);
    assertAlmostEquals(kept.length / count, 1 - rate, 5 * error);
    // The mean of x is 1.5 and of x^2 7/3: five standard errors of the mean of what is left.
    const mean = dropped.reduce((total, element) => total + element, 0) / count;
    assertAlmostEquals(mean, 1.5, 5 * Math.sqrt(7 / 3 * rate / (1 - rate) / count));
  }
});

Deno.test("weights start with the deviations of GPT-2, scaled to the width", async () => {
  const config = { ...tinyConfig, vocabulary: 64, context: 64, layers: 3, width: 48 };
  // GPT-2's 0.02 is for a width of 768, 16 times this one.
  const scaled = 4 * 0.02;
  const initial = evaluate(initGpt(key(1), config));
  for (const [path, leaf] of leafPaths(initial)) {
    const elements = Array.from(await leaf.data());
    if (leaf.shape.length === 1) {
      const gain = path.includes("ln_") && path.endsWith("weight");
      assert(elements.every((element) => element === (gain ? 1 : 0)), path);
      continue;
    }
    const deviation = path.includes("c_proj") ? scaled / Math.sqrt(2 * 3) : scaled;
    const mean = elements.reduce((a, b) => a + b, 0) / elements.length;
    const variance = elements.reduce((a, b) => a + (b - mean) ** 2, 0) / elements.length;
    // Five standard errors of at least 1024 draws: deviation / sqrt(n) and deviation / sqrt(2 n).
    const error = 5 * deviation / Math.sqrt(elements.length);
    assertAlmostEquals(mean, 0, error, path);
    assertAlmostEquals(Math.sqrt(variance), deviation, error / Math.SQRT2, path);
  }
});

Deno.test("initial tensors share no draws, and the key decides them", async () => {
  /** The first draws of every matrix, relative to its scale, which is halved (1 / sqrt(2 L)) in c_proj. */
  const firstDraws = async (seed: number) => {
    const matrices = [...leafPaths(initGpt(key(seed), tinyConfig))]
      .filter(([, { shape }]) => shape.length === 2);
    return await Promise.all(matrices.map(async ([path, matrix]) => {
      const deviation = path.includes("c_proj") ? 0.5 : 1;
      const [first = NaN, second = NaN] = await matrix.data();
      return [first, second].map((element) => (element / deviation).toFixed(4)).join();
    }));
  };
  const draws = await firstDraws(1);
  assertEquals(await firstDraws(1), draws);
  assertEquals(new Set([...draws, ...await firstDraws(2)]).size, 2 * draws.length);
});

Deno.test("a new model's prediction is near uniform", async () => {
  const fresh = initGpt(key(0), tinyConfig);
  const elements = await logitsOf(tinyConfig, fresh, tokenIds([[1, 2, 3]])).data();
  // A head of deviation 0.02 sqrt(768 / 8) on a normalized width of 8: logits of deviation 0.55.
  assertLess(Math.max(...elements.map(Math.abs)), 2.75);
  assertGreater(Math.max(...elements.map(Math.abs)), 0);
});
