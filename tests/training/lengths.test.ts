/** Classes of length: batches as long as their longest row, of rows of similar length. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sgd } from "@unitune/autodiff";
import { compile, key, leafPaths } from "@unitune/core";
import {
  type EncodedSequence,
  gpt,
  type LanguageModel,
  languageModel,
  presetConfig,
} from "@unitune/models";
import {
  accumulateGradients,
  applyAccumulated,
  type Demonstrations,
  initTrainingState,
  sft,
} from "@unitune/objectives";
import {
  classOf,
  inRandomOrder,
  lengthClasses,
  microBatches,
  paddedTo,
  textMark,
  toBatch,
} from "@unitune/training";

const rowOf = (length: number, first = 3): EncodedSequence => ({
  ids: Array.from({ length }, (_, i) => (first + 7 * i) % 20),
  mask: Array.from({ length }, (_, i) => i > 0),
});

Deno.test("classes of length: at most eight, evenly spaced by 64 tokens at least, up to the longest row", () => {
  assertEquals(lengthClasses(8), [8]);
  assertEquals(lengthClasses(64), [64]);
  assertEquals(lengthClasses(72), [64, 72]);
  assertEquals(lengthClasses(512), [64, 128, 192, 256, 320, 384, 448, 512]);
  assertEquals(lengthClasses(513), [72, 144, 216, 288, 360, 432, 504, 513]);
  fc.assert(fc.property(fc.nat(20_000), fc.nat(20_000), (longest, context) => {
    const top = paddedTo(longest, context + 1);
    const classes = lengthClasses(top);
    assert(classes.length <= 8);
    assertEquals(classes.at(-1), top);
    const inner = classes.slice(0, -1);
    const [step = top] = classes;
    assert(inner.every((own, i) => own === (i + 1) * step && own % 8 === 0 && own < top));
    assert(inner.length === 0 || step >= 64);
  }));
});

Deno.test("the class of a length is the least that it fits in", () => {
  const classes = lengthClasses(200);
  for (const length of Array(201).keys()) {
    const own = classOf(classes, length);
    assert(length <= own && !classes.some((other) => length <= other && other < own));
  }
  assertThrows(() => classOf(classes, 201), RangeError, "201 tokens do not fit in 200");
});

const lengths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 });

Deno.test("micro-batches have every row of a step once, in batches that hold them", () => {
  fc.assert(fc.property(
    lengths,
    fc.integer({ min: 1, max: 9 }),
    fc.option(fc.integer({ min: 1, max: 2000 }), { nil: undefined }),
    (step, batchSize, batchTokens) => {
      const classes = lengthClasses(304);
      const batches = microBatches(step, {
        ...{ classes, batchSize },
        ...batchTokens !== undefined && { batchTokens },
      });
      const rows = batches.flatMap(({ rows }) => rows);
      assertEquals(rows.toSorted((a, b) => a - b), [...step.keys()]);
      for (const { rows, length, size } of batches) {
        const longest = Math.max(...rows.map((row) => step[row] ?? NaN));
        assertEquals(length, classOf(classes, longest));
        assert(rows.length >= 1 && rows.length <= size);
        if (batchTokens !== undefined) assert(size === 1 || size * length <= batchTokens);
      }
      if (batchTokens === undefined) {
        assertEquals(rows, [...step.keys()]);
        assertEquals(batches.slice(0, -1).every(({ size }) => size === batchSize), true);
        assertEquals(batches.length, Math.ceil(step.length / batchSize));
      } else {
        // One number of rows for each length, as many as fit; only the last batch is not full.
        assertEquals(
          new Set(batches.map(({ length, size }) => `${length} ${size}`)).size,
          new Set(batches.map(({ length }) => length)).size,
        );
        for (const { length, size } of batches) {
          assert(size === step.length || (size + 1) * length > batchTokens);
        }
        assert(batches.slice(0, -1).every(({ rows, size }) => rows.length === size));
      }
    },
  ));
});

Deno.test("in batches of one length, no row is read twice for its length", () => {
  const read: number[] = [];
  const lengthOf = (length: number) => (read.push(length), length);
  const rows = Array.from({ length: 30 }, (_, i) => 10 * i + 1);
  const source = inRandomOrder(rows, 3, 304, { batchSize: 4, lengthOf });
  for (let number = 0; number < 90; number++) source.place(number);
  assertEquals(read.toSorted((a, b) => a - b), rows);
});

const bucketed = (rows: readonly number[], seed: number, batchSize: number) =>
  inRandomOrder(rows, seed, 304, { batchSize, lengthOf: (length) => length });

Deno.test("in batches of one length, every row is read once an epoch, at a place of seed and number", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 150 }),
    fc.nat(),
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.nat(450), { maxLength: 8 }),
    (rows, seed, batchSize, jumps) => {
      const source = bucketed(rows, seed, batchSize);
      const places = Array.from({ length: 3 * rows.length }, (_, number) => source.place(number));
      for (const epoch of [0, 1, 2]) {
        const own = places.slice(epoch * rows.length, (epoch + 1) * rows.length);
        assertEquals(own.toSorted((a, b) => a - b), [...rows.keys()]);
      }
      // Resumed anywhere, in any order.
      const again = bucketed(rows, seed, batchSize);
      for (const number of jumps.map((jump) => jump % places.length)) {
        assertEquals(again.place(number), places[number]);
        assertEquals(again.row(number), rows[places[number] ?? NaN]);
      }
      assertEquals(source.epoch(rows.length), 1);
    },
  ));
});

Deno.test("rows of one class are put into one batch, and the batches are not in the order of length", () => {
  const rows = Array.from({ length: 1280 }, (_, i) => 1 + (i * 173) % 300);
  const batchesOf = (seed: number) => {
    const source = bucketed(rows, seed, 4);
    return Array.from(
      { length: 320 },
      (_, batch) => [0, 1, 2, 3].map((i) => classOf(lengthClasses(304), source.row(4 * batch + i))),
    );
  };
  const batches = batchesOf(1);
  // In each of five windows of 64 batches, one batch may be mixed at each end of a class.
  const mixed = batches.filter((batch) => new Set(batch).size > 1).length;
  assert(mixed <= 5 * 4, `${mixed} mixed batches`);
  const first = batches.slice(0, 64).map(([own]) => own ?? NaN);
  assert(first.filter((own, i) => i > 0 && own < (first[i - 1] ?? 0)).length > 8);
  assert(JSON.stringify(batchesOf(2)) !== JSON.stringify(batches));
  // Another window has another order.
  assert(JSON.stringify(batches.slice(64, 128)) !== JSON.stringify(batches.slice(0, 64)));
});

Deno.test("the order of rows and batches is the same in every version", () => {
  // A run goes on with rows where it stopped. Batches of 3 end in no window of 64 of them or epoch.
  const rows = Array.from({ length: 500 }, (_, i) => (i * 173) % 300);
  const markOf = (seed: number, batchSize?: number) => {
    const bucketing = batchSize !== undefined && { batchSize, lengthOf: (row: number) => row };
    const source = inRandomOrder(rows, seed, 304, ...bucketing ? [bucketing] : []);
    const order = Array.from({ length: 1100 }, (_, number) => source.place(number));
    return textMark(JSON.stringify(order));
  };
  assertEquals([markOf(3), markOf(4), markOf(3, 3), markOf(3, 1), markOf(4, 16)], [
    7_830_126_330_349_962,
    636_634_003_357_832,
    8_834_602_986_857_521,
    703_781_181_338_052,
    6_609_095_065_090_448,
  ]);
});

Deno.test("rows that are all of one class keep their order", () => {
  const rows = Array.from({ length: 100 }, (_, i) => i % 60);
  const plain = inRandomOrder(rows, 7, 64);
  const source = inRandomOrder(rows, 7, 64, { batchSize: 4, lengthOf: (length) => length });
  for (let number = 0; number < 250; number++) {
    assertEquals(source.place(number), plain.place(number));
  }
});

const tiny = { vocabulary: 20, layers: 1, heads: 2, width: 8 };
const models: Readonly<Record<string, LanguageModel>> = {
  "GPT-2": gpt({ ...tiny, context: 80, dropout: 0 }),
  Llama: languageModel({ ...presetConfig("nano-llama", tiny), context: 80 }),
};

for (const [name, model] of Object.entries(models)) {
  Deno.test(`${name}: micro-batches as long as their rows have the loss and the gradient of padded ones`, async () => {
    const optimizer = sgd(1);
    const training = { policy: model, objective: sft(), optimizer };
    const state = initTrainingState(model.init(key(0)), optimizer, key(1));
    using step = compile((batches: readonly Demonstrations[]) => {
      const [first, ...others] = batches;
      assert(first !== undefined);
      const accumulate = accumulateGradients(training);
      const sums = others.reduce(
        (sums, batch) => accumulate(state, batch, sums),
        accumulate(state, first),
      );
      const { state: { params }, metrics: { loss } } = applyAccumulated(training)(state, sums);
      return { params, loss };
    });
    const resultsOf = (batches: readonly Demonstrations[]) =>
      Promise.all(
        [...leafPaths(step(batches))].map(async ([path, x]) => [path, await x.data()] as const),
      );
    const rows = [rowOf(80), rowOf(12, 5), rowOf(9, 1)];
    const padding = { length: 80, padding: 0 };
    const whole = await resultsOf([toBatch(rows, padding)]);
    const cut = await resultsOf([
      toBatch(rows.slice(0, 1), padding),
      toBatch(rows.slice(1), { ...padding, length: 16, size: 3 }),
    ]);
    // Sums of as many terms, in another order.
    whole.forEach(([path, expected], i) => {
      const [other, found] = cut[i] ?? [];
      assertEquals(other, path);
      expected.forEach((x, j) => assertAlmostEquals(found?.[j] ?? NaN, x, 1e-5, path));
    });
  });
}
