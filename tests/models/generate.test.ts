import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "@std/assert";
import {
  add,
  concat,
  type Device,
  dynamicSlice,
  evaluate,
  key,
  onDevice,
  oneHot,
  reference,
  rem,
  reshape,
  slice,
  sub,
  tensor,
  wasm,
} from "@unitune/core";
import {
  type CachedModel,
  type Completion,
  createGenerator,
  generatedIds,
  type GenerateOptions,
  generationBytes,
  gpt,
  NonFiniteLogitsError,
} from "@unitune/models";
import fc from "fast-check";
import { powerAbove, sizeAbove } from "../../models/generation/sizes.ts";
import { largestDifference, logitsOf, sineParameters, tinyConfig, tokenIds } from "./tiny.ts";

const { vocabulary, context } = tinyConfig;
const model = gpt(tinyConfig);
const params = evaluate(sineParameters(tinyConfig));
const generator = createGenerator(model);

const prompt = fc.array(fc.integer({ min: 0, max: vocabulary - 1 }), {
  minLength: 1,
  maxLength: context - 1,
});
const prompts = fc.array(prompt, { minLength: 1, maxLength: 4 });

/** Logits of the token after a sequence, without a cache. */
async function naiveLogits(ids: readonly number[]): Promise<number[]> {
  const elements = await logitsOf(tinyConfig, params, tokenIds([ids])).data();
  return [...elements.subarray(-vocabulary)];
}

/** The tokens of completions, without the stop tokens. */
function idsOf(completions: readonly Completion[]): readonly (readonly number[])[] {
  return completions.map(({ ids }) => ids);
}

async function naiveGreedy(prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  while (ids.length < Math.min(prompt.length + count, context)) {
    const logits = await naiveLogits(ids);
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  return ids.slice(prompt.length);
}

Deno.test("logits with a cache are those without, each row at its own place", async () => {
  const sequence = [3, 1, 4, 1, 5, 2];
  const i32 = (numbers: readonly number[]) => tensor(numbers, { dtype: "i32" });
  // Row 0 has 3 tokens, row 1 has 1, and both are filled up; then one token at a time.
  const lengths = [3, 1];
  const prompts = tokenIds([[3, 1, 4, 6], [3, 6, 6, 6]]);
  let state = model.decode(params, prompts, model.emptyCache(2, 12), {
    start: i32([0, 0]),
    count: i32(lengths),
  });
  for (;;) {
    const elements = await state.logits.data();
    for (const [row, length] of lengths.entries()) {
      const cached = elements.subarray(row * vocabulary, (row + 1) * vocabulary);
      const naive = await naiveLogits(sequence.slice(0, length));
      // Logits of size 1, f32: the same sums, at most in another order.
      assertLess(largestDifference(cached, naive), 1e-5, `row ${row}, ${length} tokens`);
    }
    if (lengths[0] === sequence.length) break;
    const next = tokenIds(lengths.map((length) => [sequence[length] ?? NaN]));
    state = model.decode(params, next, state.cache, { start: i32(lengths) });
    lengths.forEach((length, row) => lengths[row] = length + 1);
  }
});

Deno.test("greedy generation is that of recomputing everything for each token", async () => {
  await fc.assert(
    fc.asyncProperty(prompts, fc.integer({ min: 1, max: 5 }), async (prompts, maxNewTokens) => {
      assertEquals(
        idsOf(await generator.generate(params, prompts, { maxNewTokens })),
        await Promise.all(prompts.map((prompt) => naiveGreedy(prompt, maxNewTokens))),
      );
    }),
    { numRuns: 20 },
  );
});

const settings: fc.Arbitrary<GenerateOptions> = fc.record({
  maxNewTokens: fc.constant(4),
  temperature: fc.constantFrom(0, 0.7, 2),
  topK: fc.constantFrom(2, vocabulary),
  topP: fc.constantFrom(0.7, 1),
  stop: fc.constantFrom<number | readonly number[]>(0, 1, [], [2], [0, 3, 1]),
  seed: fc.nat(),
});

Deno.test("a prompt's completion does not depend on the others in the batch", async () => {
  await fc.assert(
    fc.asyncProperty(prompts, settings, async (prompts, options) => {
      const together = await generator.generate(params, prompts, options);
      const apart: Completion[] = [];
      for (const [firstRow, prompt] of prompts.entries()) {
        apart.push(...await generator.generate(params, [prompt], { ...options, firstRow }));
      }
      assertEquals(together, apart);
    }),
    { numRuns: 25 },
  );
});

Deno.test("a completion does not depend on how long other prompts of its batch are", async () => {
  // Prompts are padded to multiples of 8, so that these begin to answer in other columns alone.
  const config = { ...tinyConfig, context: 24 };
  const long = sineParameters(config);
  using generator = createGenerator(gpt(config));
  const prompts = [[1, 2], Array.from({ length: 10 }, (_, i) => i % vocabulary)];
  const options = { maxNewTokens: 8, temperature: 1, seed: 5 };
  const together = await generator.generate(long, prompts, options);
  for (const [firstRow, prompt] of prompts.entries()) {
    const [alone] = await generator.generate(long, [prompt], { ...options, firstRow });
    assertEquals(alone, together[firstRow]);
  }
});

Deno.test("the first of the stop tokens ends a completion, and stands apart from it", async () => {
  await fc.assert(
    fc.asyncProperty(prompts, settings, async (prompts, { stop = [], ...options }) => {
      const endless = await generator.generate(params, prompts, options);
      const stopped = await generator.generate(params, prompts, { ...options, stop });
      assertEquals(
        stopped,
        endless.map(({ ids }) => {
          const end = ids.findIndex((id) => [stop].flat().includes(id));
          const ended = ids[end];
          return ended === undefined ? { ids } : { ids: ids.slice(0, end), stop: ended };
        }),
      );
    }),
    { numRuns: 20 },
  );
});

Deno.test("a seed gives the same completions again, another seed others", async () => {
  const run = (seed: number) =>
    generator.generate(params, new Array(8).fill([1]), { maxNewTokens: 5, temperature: 1, seed });
  const first = await run(1);
  assertEquals(await run(1), first);
  assertNotEquals(await run(2), first);
  assert(new Set(idsOf(first).map(String)).size > 1, "rows with one prompt differ");
});

/** Counts up: the token after n is n + 1, modulo the vocabulary. */
function countingTo(vocabulary: number): CachedModel<Record<never, never>, Record<never, never>> {
  return {
    config: { vocabulary, context: 40 },
    emptyCache: () => ({}),
    decode: (_, ids, cache, { count }) => {
      const end = count === undefined ? slice(ids, 1, -1) : dynamicSlice(ids, 1, sub(count, 1), 1);
      const next = rem(add(reshape(end, [-1]), 1), vocabulary);
      return { logits: oneHot(next, vocabulary), cache };
    },
  };
}

const counting = countingTo(10);

/** A device that counts programs, their runs, and the buffers that are read. */
function counted(): { device: Device; counts: { programs: number; runs: number; reads: number } } {
  const inner = reference();
  const counts = { programs: 0, runs: 0, reads: 0 };
  const device: Device = {
    ...inner,
    compile(graph, options) {
      counts.programs++;
      const program = inner.compile(graph, options);
      return {
        ...program,
        run(operands) {
          counts.runs++;
          // A device knows its buffers by identity, so that they are changed, not wrapped.
          return program.run(operands).map((buffer) => {
            const read = buffer.read.bind(buffer);
            return Object.assign(buffer, {
              read() {
                counts.reads++;
                return read();
              },
            });
          });
        },
      };
    },
  };
  return { device, counts };
}

Deno.test("completions end at the context's end, each row at its own", async () => {
  using generator = createGenerator(counting);
  const long = Array.from({ length: 38 }, (_, i) => i % 10);
  const completions = await generator.generate({}, [long, [3], long.slice(1)], {
    maxNewTokens: 6,
  });
  assertEquals(idsOf(completions), [[8, 9], [4, 5, 6, 7, 8, 9], [8, 9, 0]]);
});

Deno.test("generation stops soon after all rows have, and reads rarely", async () => {
  const { device, counts } = counted();
  using generator = createGenerator(counting, { device });
  const options = { maxNewTokens: 30, stop: 0 };
  assertEquals(
    await generator.generate({}, [[5], [8]], options),
    [{ ids: [6, 7, 8, 9], stop: 0 }, { ids: [9], stop: 0 }],
  );
  // Prompts are read and given places, and seven tokens follow the first.
  assertEquals(counts, { programs: 3, runs: 9, reads: 1 });
  // One row has ended when the tokens are first read, and the other has not.
  const apart = await generator.generate({}, [[0], [8]], options);
  assertEquals(idsOf(apart), [[1, 2, 3, 4, 5, 6, 7, 8, 9], [9]]);
  assertEquals(counts, { programs: 3, runs: 26, reads: 3 });
  const none = await generator.generate({}, [[5], [8]], { maxNewTokens: 30 });
  assertEquals(none.map(({ ids }) => ids.length), [30, 30]);
  // Reads at 8, 16, 24 and 30 tokens.
  assertEquals(counts, { programs: 3, runs: 57, reads: 7 });
});

Deno.test("prompts of about one length share programs", async () => {
  const { device, counts } = counted();
  using generator = createGenerator(counting, { device });
  for (const length of [9, 11, 16]) {
    for (const temperature of [0.5, 1]) {
      const prompt = new Array<number>(length).fill(1);
      await generator.generate({}, [prompt], { maxNewTokens: 8, temperature, seed: length });
    }
  }
  assertEquals(counts.programs, 3);
});

Deno.test("sizes of programs are few, and none is a half more than it needs or 8", () => {
  const sizes = Array.from({ length: 1024 }, (_, i) => sizeAbove(i + 1));
  assertEquals([...new Set(sizes.slice(0, 100))], [8, 16, 24, 32, 48, 64, 96, 128]);
  assertEquals(new Set(sizes).size, 14);
  sizes.forEach((size, i) => assert(size > i && (size <= 8 + i || size < 1.5 * (i + 1))));
  assertEquals([1, 2, 3, 4, 5, 8, 9].map(powerAbove), [1, 2, 4, 4, 8, 8, 16]);
});

/** Prompts of which many are equal, and the number of those that are completed at once. */
const crowds = fc.record({
  prompts: fc.array(fc.constantFrom([1], [2, 3], [4, 5, 6], [0, 1, 2, 3, 4]), {
    minLength: 1,
    maxLength: 12,
  }),
  places: fc.integer({ min: 1, max: 5 }),
});

Deno.test("completions are the same in any number of places, whoever has the others", async () => {
  await fc.assert(
    fc.asyncProperty(crowds, settings, async ({ prompts, places }, options) => {
      const expected: Completion[] = [];
      for (const [firstRow, prompt] of prompts.entries()) {
        expected.push(...await generator.generate(params, [prompt], { ...options, firstRow }));
      }
      assertEquals(await generator.generate(params, prompts, { ...options, places }), expected);
    }),
    { numRuns: 15 },
  );
});

Deno.test("a place whose completion has ended is taken by the next prompt", async () => {
  const { device, counts } = counted();
  using generator = createGenerator(countingTo(40), { device });
  // Completions of 1 to 40 tokens, the stop token included.
  const prompts = Array.from({ length: 24 }, (_, i) => [(17 * i) % 40]);
  const options = { maxNewTokens: 39, stop: 0 };
  const told: number[] = [];
  const completions = await generator.generate({}, prompts, {
    ...options,
    places: 4,
    progress: (count) => told.push(count),
  });
  prompts.forEach(([first = NaN], i) => {
    const ids = Array.from({ length: 39 - first }, (_, t) => first + 1 + t);
    assertEquals(completions[i], first === 0 ? { ids } : { ids, stop: 0 });
  });
  assertEquals(told.at(-1), prompts.length);
  assertEquals(told, [...new Set(told)].toSorted((a, b) => a - b));
  const { runs } = counts;
  // One batch after the other takes as many steps as the longest of each four needs.
  for (let first = 0; first < prompts.length; first += 4) {
    await generator.generate({}, prompts.slice(first, first + 4), options);
  }
  assertLess(runs, 0.8 * (counts.runs - runs));
});

Deno.test("rows have the same bits in any number of places, and whatever their padding", async () => {
  const config = { ...tinyConfig, vocabulary: 101, context: 40, width: 48 };
  const wide = gpt(config);
  const weights = evaluate(wide.init(key(0)));
  const sequence = Array.from({ length: 9 }, (_, i) => (5 + 31 * i) % 101);
  const i32 = (numbers: readonly number[]) => tensor(numbers, { dtype: "i32" });
  const bits = async (rows: number, length: number) => {
    const padded = [...sequence, ...Array<number>(length - sequence.length).fill(rows)];
    const others = Array.from({ length: rows - 1 }, (_, row) => padded.toSpliced(row, 1, 7));
    const place = { start: i32(Array(rows).fill(0)), count: i32(Array(rows).fill(9)) };
    const empty = wide.emptyCache(rows, 40);
    const read = wide.decode(weights, tokenIds([...others, padded]), empty, place);
    const next = tokenIds(Array(rows).fill([3]));
    const step = wide.decode(weights, next, read.cache, { start: place.count });
    const own = [read.logits, step.logits].map((logits) => slice(logits, 0, rows - 1));
    return await concat(own, 0).data();
  };
  const expected = await bits(1, 9);
  for (const [rows, length] of [[1, 16], [2, 9], [3, 9], [7, 24], [17, 16]] as const) {
    assertEquals(await bits(rows, length), expected, `${rows} rows of ${length}`);
  }
});

Deno.test("a prompt that is asked for several times is read once", async () => {
  const read: (readonly number[])[] = [];
  const caches: (readonly number[])[] = [];
  const observed: typeof counting = {
    ...counting,
    emptyCache: (...sizes) => {
      caches.push(sizes);
      return {};
    },
    decode: (params, ids, cache, place) => {
      if (place.count !== undefined) read.push(ids.shape);
      return counting.decode(params, ids, cache, place);
    },
  };
  using generator = createGenerator(observed);
  const groups = (prompts: readonly number[][], size: number) =>
    prompts.flatMap((prompt) => Array<number[]>(size).fill(prompt));
  const options = { maxNewTokens: 3 };
  const answers = await generator.generate({}, groups([[1], [2, 3]], 8), { ...options, places: 3 });
  assertEquals(idsOf(answers), groups([[2, 3, 4], [4, 5, 6]], 8));
  assertEquals(read, [[2, 8]]);
  // A cache for the two prompts, and one of 3 places of 8 columns.
  assertEquals(caches, [[2, 8], [3, 8]]);
  // More prompts than places: one program reads as many as there are places.
  await generator.generate({}, groups([[1], [2], [3], [4], [5]], 2), { ...options, places: 4 });
  assertEquals(read, [[2, 8], [4, 8], [1, 8]]);
  // No more tokens than are read at once, and no more columns than the context.
  read.length = caches.length = 0;
  const long = Array.from({ length: 50 }, (_, i) => {
    return [i % 10, ...Array<number>(16 + i % 8).fill(Math.floor(i / 10))];
  });
  await generator.generate({}, long, { maxNewTokens: 40 });
  assertEquals(read, [[42, 24], [8, 24]]);
  assertEquals(caches.filter(([, columns]) => columns !== 24), [[50, 40]]);
});

Deno.test("a stream gives the tokens of the completion one by one, with the stop token", async () => {
  await fc.assert(
    fc.asyncProperty(prompt, settings, async (prompt, options) => {
      const streamed = await Array.fromAsync(generator.stream(params, prompt, options));
      const completions = await generator.generate(params, [prompt], options);
      assertEquals([streamed], completions.map(generatedIds));
    }),
    { numRuns: 20 },
  );
});

Deno.test("a stream computes no token before it is asked for, and ends where it is left", async () => {
  const { device, counts } = counted();
  using generator = createGenerator(counting, { device });
  const tokens: number[] = [];
  for await (const token of generator.stream({}, [3], { maxNewTokens: 30 })) {
    tokens.push(token);
    assertEquals(counts, {
      programs: Math.min(3, tokens.length + 1),
      runs: token - 2,
      reads: token - 3,
    });
    if (token === 6) break;
  }
  assertEquals(tokens, [4, 5, 6]);
  assertEquals(counts.runs, 4);
});

Deno.test("a signal ends generation, before it begins and while timers wait", async () => {
  using generator = createGenerator(counting);
  const options = { maxNewTokens: 30 };
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  const early = await assertRejects(() =>
    generator.generate({}, [[3]], { ...options, signal: aborted })
  );
  assertEquals(early, reason);
  const controller = new AbortController();
  const tokens: number[] = [];
  const late = await assertRejects(async () => {
    const { signal } = controller;
    for await (const token of generator.stream({}, [3], { ...options, signal })) {
      // The timer is due at the next turn of the event loop, before the next token but one.
      if (tokens.push(token) === 3) setTimeout(() => controller.abort(reason), 0);
    }
  });
  assertEquals(late, reason);
  assert(tokens.length >= 3 && tokens.length < 30, `${tokens}`);
});

Deno.test("no prompts give no completions", async () => {
  assertEquals(await generator.generate(params, [], { maxNewTokens: 3 }), []);
});

const good: GenerateOptions = { maxNewTokens: 3 };

const refused: Record<
  string,
  readonly [prompts: number[][], options: GenerateOptions, message: string]
> = {
  "an empty prompt": [[[1], []], good, "prompt 1 is empty"],
  "a prompt as long as the context": [
    [[1, 2, 3, 4, 5, 6]],
    good,
    "prompt 0 has 6 tokens, which leaves no room in a context of 6: shorten it to at most 5",
  ],
  "an unknown token": [[[1, 7]], good, "prompt 0 has token 7; the vocabulary is 0 to 6"],
  "half a token": [[[0.5]], good, "prompt 0 has token 0.5"],
  "no new token": [[[1]], { maxNewTokens: 0 }, "maxNewTokens is 0, expected an integer from 1"],
  "negative temperature": [[[1]], { ...good, temperature: -1 }, "temperature is -1"],
  "endless temperature": [[[1]], { ...good, temperature: Infinity }, "temperature is Infinity"],
  "no token to draw": [[[1]], { ...good, topK: 0 }, "topK is 0"],
  "no probability": [[[1]], { ...good, topP: 0 }, "topP is 0, expected a probability above 0"],
  "more than certainty": [[[1]], { ...good, topP: 1.5 }, "topP is 1.5"],
  "an unknown stop token": [
    [[1]],
    { ...good, stop: 7 },
    "stop is 7, expected a token id from 0 to 6",
  ],
  "an unknown stop token among several": [[[1]], { ...good, stop: [1, -1] }, "stop is -1"],
  "no place": [[[1]], { ...good, places: 0 }, "places is 0, expected an integer from 1"],
  "a negative row": [[[1]], { ...good, firstRow: -1 }, "firstRow is -1"],
};

for (const [name, [prompts, options, message]] of Object.entries(refused)) {
  Deno.test(`generation refuses ${name}`, async () => {
    await assertRejects(
      () => generator.generate(params, prompts, options),
      RangeError,
      message,
    );
  });
}

for (
  const [name, value] of Object.entries({ NaN, infinity: Infinity, "minus infinity": -Infinity })
) {
  for (const temperature of [0, 1]) {
    Deno.test(`${name} in the weights gives an error, not a token, at temperature ${temperature}`, async () => {
      const bias = tensor(new Float32Array(tinyConfig.width).fill(value));
      const damaged = { ...params, ln_f: { ...params.ln_f, bias } };
      await assertRejects(
        () => generator.generate(damaged, [[1, 2]], { maxNewTokens: 3, temperature }),
        NonFiniteLogitsError,
        "the model's logits for token 1 of completion 1 are not finite",
      );
    });
  }
}

Deno.test("generation keeps the bytes that are told of it, for places and for prompts that wait", async () => {
  using device = wasm({ threads: 1 });
  const sizes = { vocabulary: 300, context: 64, layers: 2, heads: 2, width: 32, dropout: 0 };
  const model = gpt(sizes);
  const params = onDevice(model.init(key(0)), device);
  using generator = createGenerator(model, { device });
  const used = () => {
    const { bytes, keptBytes } = device.statistics();
    return bytes - keptBytes;
  };
  // Completions of 3 tokens end together, and their places go to the prompts that wait.
  const prompts = Array.from({ length: 6 }, (_, i) => Array.from({ length: 9 }, (_, t) => i + t));
  const generate = async () => {
    const peaks: number[] = [];
    await generator.generate(params, prompts, {
      ...{ maxNewTokens: 3, places: 4, progress: () => peaks.push(used()) },
    });
    return peaks[0] ?? NaN;
  };
  await generate();
  const before = used();
  const kept = await generate() - before;
  const told = generationBytes(model, { prompts: 6, longestPrompt: 9, maxNewTokens: 3, places: 4 });
  // Beside them a few numbers for each place.
  assert(kept >= told && kept <= told + 1024, `${kept} of ${told}`);
  assertEquals(
    generationBytes(model, { prompts: 0, longestPrompt: 0, maxNewTokens: 3, places: 4 }),
    0,
  );
});
