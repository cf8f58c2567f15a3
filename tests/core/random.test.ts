import { assert, assertEquals, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import {
  add,
  apply,
  arange,
  argmax,
  bernoulli,
  broadcastTo,
  categorical,
  compile,
  concat,
  type Device,
  foldKey,
  gumbelRows,
  key,
  mul,
  normal,
  randomBits,
  reference,
  reshape,
  type Shape,
  sin,
  slice,
  splitKey,
  type Tensor,
  tensor,
  transpose,
  uniform,
  wasm,
  zeros,
} from "@unitune/core";
import fc from "fast-check";

const devices: readonly Device[] = [reference(), wasm()];

/** Known answers of Threefry-2x32-20 from Random123's distribution (`kat_vectors`). */
const knownAnswers: readonly { key: number[]; counter: number[]; words: number[] }[] = [
  { key: [0, 0], counter: [0, 0], words: [0x6b200159, 0x99ba4efe] },
  {
    key: [0xffffffff, 0xffffffff],
    counter: [0xffffffff, 0xffffffff],
    words: [0x1cb996fc, 0xbb002be7],
  },
  {
    key: [0x13198a2e, 0x03707344],
    counter: [0x243f6a88, 0x85a308d3],
    words: [0xc4923a9c, 0x483df7a0],
  },
];

for (const device of devices) {
  Deno.test(`Threefry on ${device.name} gives the published answers`, async () => {
    const words = compile(
      (key: Tensor, counter: Tensor) => apply("randomBits", [key, counter], { shape: [2] }),
      { device },
    );
    for (const known of knownAnswers) {
      const bits = words(
        tensor(known.key, { dtype: "u32" }),
        tensor(known.counter, { dtype: "u32" }),
      );
      assertEquals([...await bits.data()], known.words);
    }
  });
}

/** What a function of a key gives on every device. */
function everywhere(f: (key: Tensor) => Tensor, seed: number): Promise<readonly number[][]> {
  return Promise.all(devices.map(async (device) => {
    using program = compile(f, { device });
    return [...await program(key(seed)).data()];
  }));
}

Deno.test("bits are the same on every backend, whatever is made of them", async () => {
  const shape = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 });
  const seed = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  await fc.assert(
    fc.asyncProperty(shape, seed, async (shape, seed) => {
      const [first = 0, ...rest] = shape;
      const views: readonly ((bits: Tensor) => Tensor)[] = [
        (bits) => bits,
        (bits) => transpose(bits, [...shape.keys()].toReversed()),
        (bits) => slice(bits, 0, Math.min(1, first)),
        (bits) => mul(reshape(bits, [-1, 1]), tensor([1, 3], { dtype: "u32" })),
      ];
      const whole = await everywhere((key) => randomBits(key, shape), seed);
      for (const view of views) {
        const [expected, actual] = await everywhere((key) => view(randomBits(key, shape)), seed);
        assertEquals(actual, expected);
      }
      // A slice's bits are those of the whole at the same place.
      const width = rest.reduce((size, axis) => size * axis, 1);
      const sliced = await everywhere((key) => slice(randomBits(key, shape), 0, first >> 1), seed);
      assertEquals(sliced, whole.map((bits) => bits.slice((first >> 1) * width)));
    }),
    { numRuns: 25 },
  );
});

Deno.test("a row with a key and a counter of its own has the bits of that key there", async () => {
  const keys = tensor([[1, 2], [3, 4], [1, 2]], { dtype: "u32" });
  const counters = tensor([[0, 0], [7, 1], [2 ** 32 - 1, 0]], { dtype: "u32" });
  for (const width of [1, 4, 5]) {
    const row = (whole: Tensor, i: number) => reshape(slice(whole, 0, i, i + 1), [2]);
    for (const device of devices) {
      using rows = compile(
        () => apply("randomBits", [keys, counters], { shape: [3, width] }),
        { device },
      );
      using apart = compile(
        () =>
          concat(
            [0, 1, 2].map((i) =>
              apply("randomBits", [row(keys, i), row(counters, i)], { shape: [width] })
            ),
            0,
          ),
        { device },
      );
      assertEquals(await rows().data(), await apart().data());
    }
  }
});

Deno.test("numbers begin alike, however many are drawn", async () => {
  const long = await randomBits(key(5), [9]).data();
  for (const size of [1, 2, 7, 8]) {
    assertEquals(await randomBits(key(5), [size]).data(), long.slice(0, size));
  }
});

Deno.test("a key is its seed, and takes integers only", async () => {
  assertEquals(await key(2 ** 32 * 3 + 4).data(), new Uint32Array([3, 4]));
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) {
    assertThrows(() => key(seed), RangeError, "expected an integer from 0 to 2^53 - 1");
  }
});

Deno.test("keys that are split or folded off one key differ, from it and each other", async () => {
  const parent = key(1);
  const keys = [
    parent,
    ...splitKey(parent, 50),
    ...Array.from({ length: 50 }, (_, i) => foldKey(parent, i)),
  ];
  const bits = await Promise.all(keys.map(async (key) => [...await randomBits(key, [2]).data()]));
  assertEquals(new Set(bits.map(String)).size, keys.length);
  assertEquals(new Set(bits.flat()).size, 2 * keys.length);
});

Deno.test("a key that is split more finely keeps its first keys", async () => {
  const [few, many] = [splitKey(key(3), 2), splitKey(key(3), 5)];
  for (const [i, one] of few.entries()) assertEquals(await one.data(), await many[i]?.data());
});

Deno.test("the integer folded into a key may be data, and counts modulo 2^32", async () => {
  const fold = compile((data: Tensor) => foldKey(key(7), data));
  for (const step of [0, 1, 1000]) {
    const folded = await foldKey(key(7), step).data();
    assertEquals(await fold(tensor(step, { dtype: "i32" })).data(), folded);
    assertEquals(await fold(tensor([step], { dtype: "u32" })).data(), folded);
  }
  const last = tensor(-1, { dtype: "i32" });
  assertEquals(await fold(last).data(), await foldKey(key(7), 2 ** 32 - 1).data());
});

// Sample statistics at a fixed seed, within five standard errors of what is expected: a right
// generator misses such a bound once in two million seeds, a wrong one at almost any.
const COUNT = 100_000;
const ERRORS = 5;

/** The mean of `f` over elements. */
function average(elements: Iterable<number>, f: (x: number) => number): number {
  let [total, count] = [0, 0];
  for (const x of elements) {
    total += f(x);
    count++;
  }
  return total / count;
}

function assertNear(actual: number, expected: number, deviation: number, what: string): void {
  const bound = ERRORS * deviation / Math.sqrt(COUNT);
  assert(
    Math.abs(actual - expected) <= bound,
    `${what} is ${actual}, more than ${bound} from ${expected}`,
  );
}

Deno.test("uniform has the moments of its interval, and stays in it", async () => {
  const numbers = await uniform(key(1), [COUNT]).data();
  assert(numbers.every((x) => 0 <= x && x < 1));
  // Of u on [0, 1): E u^k = 1 / (k + 1), and the variance of u^k is 1 / (2k + 1) - 1 / (k + 1)^2.
  for (const k of [1, 2, 3]) {
    const deviation = Math.sqrt(1 / (2 * k + 1) - 1 / (k + 1) ** 2);
    assertNear(average(numbers, (x) => x ** k), 1 / (k + 1), deviation, `E u^${k}`);
  }
  const lag = average(numbers.keys(), (i) => (numbers[i] ?? 0) * (numbers[i + 1] ?? 0));
  // Neighbouring products share a factor: 7/144 + 2/48 for each.
  assertNear(lag, 1 / 4, Math.sqrt(13) / 12, "E u_i u_(i+1)");

  const scaled = await uniform(key(1), [COUNT], { low: -3, high: 5 }).data();
  assert(scaled.every((x) => -3 <= x && x <= 5));
  assertNear(average(scaled, (x) => x), 1, 8 / Math.sqrt(12), "E of [-3, 5)");
});

Deno.test("every bit of a word is 1 half of the time", async () => {
  const words = await randomBits(key(2), [COUNT]).data();
  for (let bit = 0; bit < 32; bit++) {
    assertNear(average(words, (word) => (word >>> bit) & 1), 1 / 2, 1 / 2, `bit ${bit}`);
  }
});

Deno.test("normal has the moments of its distribution", async () => {
  const numbers = await normal(key(3), [COUNT]).data();
  // E x^2k = (2k - 1)!!, odd moments are 0; the deviation of x^k is sqrt(E x^2k - (E x^k)^2).
  const moments = [1, 0, 1, 0, 3, 0, 15, 0, 105];
  for (const k of [1, 2, 3, 4]) {
    const [expected = NaN, squared = NaN] = [moments[k], moments[2 * k]];
    const deviation = Math.sqrt(squared - expected ** 2);
    assertNear(average(numbers, (x) => x ** k), expected, deviation, `E x^${k}`);
  }
  // Phi(1) - Phi(-1) = 0.6827.
  const inside = average(numbers, (x) => Math.abs(x) < 1 ? 1 : 0);
  assertNear(inside, 0.682689, Math.sqrt(0.682689 * 0.317311), "P(|x| < 1)");
  assert(numbers.every((x) => Math.abs(x) < 5.8));

  const moved = await normal(key(3), [COUNT], { mean: 4, standardDeviation: 0.5 }).data();
  // Twice rounded in f32, at values below 8: 5e-7 each.
  moved.forEach((x, i) => assertLess(Math.abs(x - (4 + 0.5 * (numbers[i] ?? NaN))), 1e-6));
});

Deno.test("odd shapes of normal numbers are finite and of that shape", async () => {
  for (const shape of [[], [1], [3, 0], [3, 5], [7]] satisfies Shape[]) {
    const numbers = normal(key(4), shape);
    assertEquals(numbers.shape, shape);
    assert((await numbers.data()).every(Number.isFinite));
  }
});

Deno.test("bernoulli is true as often as it should be", async () => {
  for (const probability of [0, 0.1, 0.75, 1]) {
    const truths = bernoulli(key(5), probability, [COUNT]);
    assertEquals(truths.dtype, "bool");
    const deviation = Math.sqrt(probability * (1 - probability));
    assertNear(average(await truths.data(), (x) => x), probability, deviation, "P(true)");
  }
});

Deno.test("categorical draws with the probabilities of softmax", async () => {
  const logits = [0.5, -1, 2, 0, -Infinity, 1];
  const weights = logits.map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  const rows = tensor(Array.from({ length: COUNT }, () => logits));
  const counts = logits.map(() => 0);
  for (const index of await categorical(key(6), rows).data()) {
    counts[index] = (counts[index] ?? 0) + 1;
  }
  assertEquals(counts[4], 0);
  const chiSquare = counts.reduce((sum, count, i) => {
    const expected = COUNT * (weights[i] ?? 0) / total;
    return expected === 0 ? sum : sum + (count - expected) ** 2 / expected;
  }, 0);
  // Four degrees of freedom: exceeded once in a million seeds.
  assertLess(chiSquare, 33.4);
});

Deno.test("categorical draws independently in each row, by its own logits", async () => {
  const indices = await categorical(key(7), zeros([200, 3, 4])).data();
  assertEquals(indices.length, 600);
  assertEquals(new Set(indices).size, 4);
  const sure = tensor([[0, 90, 0], [90, 0, 0]]);
  assertEquals(await categorical(key(7), sure).data(), new Int32Array([1, 0]));
});

Deno.test("rows of noise draw what categorical draws, whichever rows they are among", async () => {
  const logits = reshape(sin(arange(60, "f32")), [6, 10]);
  const noise = (...rows: number[]) =>
    gumbelRows(broadcastTo(key(7), [rows.length, 2]), tensor(rows, { dtype: "u32" }), 10);
  const all = await categorical(key(7), logits).data();
  assertEquals(await argmax(add(logits, noise(0, 1, 2, 3, 4, 5))).data(), all);
  assertEquals(await argmax(add(slice(logits, 0, 4, 5), noise(4))).data(), all.slice(4, 5));
  // Rows of an odd number of words begin with a word of their own as well.
  const odd = (...rows: number[]) =>
    gumbelRows(broadcastTo(key(7), [rows.length, 2]), tensor(rows, { dtype: "u32" }), 3);
  assertEquals(await odd(1).data(), await slice(odd(0, 1), 0, 1).data());
  assertEquals(new Set(await odd(0, 1, 2).data()).size, 9);
});

Deno.test("the same key gives the same numbers, another key others", async () => {
  for (const draw of [uniform, normal, randomBits]) {
    const [first, again, other] = [draw(key(8), [16]), draw(key(8), [16]), draw(key(9), [16])];
    assertEquals(await first.data(), await again.data());
    assertNotEquals(await first.data(), await other.data());
  }
});
