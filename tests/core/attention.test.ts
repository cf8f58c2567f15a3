/** Attention beyond the sizes of the table: of several tiles, blocks and slices, on every thread. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import fc from "fast-check";
import {
  abs,
  add,
  and,
  attention,
  type AttentionOptions,
  broadcastTo,
  cast,
  compile,
  concat,
  type Device,
  div,
  equal,
  evaluate,
  exp,
  floor,
  iota,
  key,
  less,
  lessEqual,
  matmul,
  mul,
  normal,
  not,
  reference,
  reshape,
  type Shape,
  ShapeError,
  slice,
  softmax,
  split,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  transpose,
  transposeLast,
  uniform,
  wasm,
  where,
  zeros,
} from "@unitune/core";
import { packedAttention } from "../packed_attention.ts";

/** What attention is made of, step by step. */
function composed(x: Tensor): Tensor {
  const [batch = 0, length = 0, , heads = 0, width = 0] = x.shape;
  const [queries, keys, values] = split(x, 3, 2).map((part) =>
    transpose(reshape(part, [batch, length, heads, width]), [0, 2, 1, 3])
  );
  assert(queries && keys && values);
  const scores = mul(matmul(queries, transposeLast(keys)), 1 / Math.sqrt(width));
  const visible = lessEqual(iota([length, length], 1), iota([length, length], 0));
  const weights = softmax(where(visible, scores, -1e9));
  return transpose(matmul(weights, values), [0, 2, 1, 3]);
}

/** Attention and its gradient for a cotangent that differs everywhere. */
async function attended(
  attention: (x: Tensor) => Tensor,
  shape: Shape,
  device: Device,
): Promise<Tensor[]> {
  const [x, g] = evaluate(
    [normal(key(1), shape), normal(key(2), shape.toSpliced(2, 1))],
    wasm({ threads: 1 }),
  );
  assert(x && g);
  const both = compile((x: Tensor, g: Tensor) => [
    attention(x),
    grad((y: Tensor) => sum(mul(attention(y), g)))(x),
  ], { device });
  return both(tensor(await x.data(), { shape }), tensor(await g.data(), { shape: g.shape }));
}

async function largestDifference(a: readonly Tensor[], b: readonly Tensor[]): Promise<number> {
  const differences = await Promise.all(a.map(async (x, i) => {
    const [left, right] = [await x.data(), await b[i]?.data()];
    return Math.max(...left.map((value, j) => Math.abs(value - Number(right?.[j]))));
  }));
  return Math.max(...differences);
}

/** Sums of some hundred terms of size 1 in f32, half a unit of 6e-8 lost at each. */
const TOLERANCE = 3e-5;

const shapes: readonly Shape[] = [
  [2, 37, 3, 3, 20],
  [1, 96, 3, 1, 8],
  [1, 110, 3, 2, 5],
  [1, 300, 3, 1, 16],
  [1, 7, 3, 1, 300],
];

for (const shape of shapes) {
  Deno.test(`attention of [${shape}] on wasm is the reference's`, async () => {
    using device = wasm({ threads: 1 });
    const [ours, expected] = [
      await attended(packedAttention, shape, device),
      await attended(packedAttention, shape, reference()),
    ];
    assert(await largestDifference(ours, expected) < TOLERANCE);
  });
}

Deno.test("attention is the softmax of products times values, and so is its gradient", async () => {
  using device = wasm({ threads: 1 });
  const shape = [2, 100, 3, 2, 12];
  const [ours, expected] = [
    await attended(packedAttention, shape, device),
    await attended(composed, shape, device),
  ];
  assert(await largestDifference(ours, expected) < TOLERANCE);
});

Deno.test("weights are right in their own last places, however small", async () => {
  // Position 1 has query 1; position 0 has key 0 and value 1, position 1 has key d and value 0.
  const distances = Array.from({ length: 421 }, (_, i) => i / 4);
  const x = tensor(distances.flatMap((d) => [0, 0, 1, 1, d, 0]), {
    shape: [distances.length, 2, 3, 1, 1],
  });
  using device = wasm({ threads: 1 });
  const weights = await compile((x: Tensor) => slice(packedAttention(x), 1, 1), { device })(x)
    .data();
  distances.forEach((d, i) => {
    const exact = 1 / (1 + Math.exp(d));
    // The distance in powers of 2 is rounded, as is what it is multiplied by; then some units are
    // lost, and what is below 2^-126.
    const tolerance = exact * (d * (2 ** -24 + 2 ** -25) + 4e-7) + 2 ** -126;
    const weight = weights[i] ?? NaN;
    assert(Math.abs(weight - exact) <= tolerance, `at a distance of ${d}: ${weight}, not ${exact}`);
  });
});

Deno.test("what comes later changes nothing before", async () => {
  const x = normal(key(3), [1, 50, 3, 2, 8]);
  const whole = packedAttention(x);
  for (const length of [1, 6, 31, 49]) {
    const [some, same] = [packedAttention(slice(x, 1, 0, length)), slice(whole, 1, 0, length)];
    assert(await largestDifference([some], [same]) < TOLERANCE);
  }
});

Deno.test("attention gives the same bits on one, two and three threads", async () => {
  const shape = [3, 70, 3, 3, 16];
  const results: Float32Array[][] = [];
  for (const threads of [1, 2, 3]) {
    using device = wasm({ threads });
    await attended(packedAttention, shape, device);
    // Workers take part once they are up.
    for (let wait = 0; wait < 200; wait++) {
      const program = compile((x: Tensor) => packedAttention(x), { device });
      program(zeros(shape));
      if (program.statistics()[0]?.threads === threads) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [y, gradient] = await attended(packedAttention, shape, device);
    assert(y && gradient);
    results.push([
      new Float32Array(await y.data()),
      new Float32Array(await gradient.data()),
    ]);
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("scores far apart give no NaN", async () => {
  const x = mul(normal(key(4), [1, 20, 3, 1, 4]), 300);
  for (const element of await packedAttention(x).data()) assert(Number.isFinite(element));
});

/** Sizes, options and a seed of attention of any kind. */
interface Attended {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly keyHeads: number;
  readonly group: number;
  readonly width: number;
  readonly causal: boolean;
  readonly window: number | undefined;
  readonly start: number | "data";
  readonly hasSegments: boolean;
  readonly hasPadding: boolean;
  readonly softcap: number | undefined;
  readonly scale: number | undefined;
  readonly seed: number;
}

const anyAttention: fc.Arbitrary<Attended> = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  queries: fc.integer({ min: 1, max: 12 }),
  keys: fc.integer({ min: 12, max: 24 }),
  keyHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 9 }),
  causal: fc.boolean(),
  window: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
  start: fc.oneof(fc.integer({ min: 0, max: 0 }), fc.constant("data" as const)),
  hasSegments: fc.boolean(),
  hasPadding: fc.boolean(),
  softcap: fc.option(fc.double({ min: 0.5, max: 20, noNaN: true }), { nil: undefined }),
  scale: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
  seed: fc.nat(1000),
});

/** The operands of attention, and its options, whose tensors are operands, too. */
function operandsOf(attended: Attended, dtype: "f32" | "f64"): {
  readonly floats: Tensor[];
  readonly integers: { start: Tensor; segments: Tensor; padding: Tensor };
} {
  const { batch, queries, keys, keyHeads, group, width, seed } = attended;
  const shapes = [
    [batch, queries, keyHeads * group, width],
    [batch, keys, keyHeads, width],
    [batch, keys, keyHeads, width],
    [batch, queries, keyHeads * group, width],
  ];
  const whole = (from: number, shape: Shape, below: number) =>
    cast(floor(mul(uniform(key(from), shape), below)), "i32");
  return {
    floats: shapes.map((shape, i) => cast(normal(key(10 * seed + i), shape), dtype)),
    integers: {
      start: whole(10 * seed + 5, [batch], keys - queries + 1),
      segments: whole(10 * seed + 6, [batch, keys], 3),
      padding: lessEqual(whole(10 * seed + 7, [batch, keys], 4), 0),
    },
  };
}

function optionsOf(
  { causal, window, start, hasSegments, hasPadding, softcap, scale }: Attended,
  integers: ReturnType<typeof operandsOf>["integers"],
): AttentionOptions {
  return {
    causal,
    start: start === "data" ? integers.start : start,
    ...(window === undefined ? {} : { window }),
    ...(hasSegments ? { segments: integers.segments } : {}),
    ...(hasPadding ? { padding: integers.padding } : {}),
    ...(softcap === undefined ? {} : { softcap }),
    ...(scale === undefined ? {} : { scale }),
  };
}

/** What attention is made of, with every number of the mask written out. */
function composedOf(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  attended: Attended,
  { start, segments, padding }: ReturnType<typeof operandsOf>["integers"],
): Tensor {
  const { batch, queries, keys, keyHeads, group, width } = attended;
  const shape = [batch, queries, keys];
  const first = attended.start === "data" ? reshape(start, [batch, 1, 1]) : attended.start;
  const [p, s] = [add(iota(shape, 1), first), iota(shape, 2)];
  const ofKeys = reshape(segments, [batch, 1, keys]);
  // The segment of the column in which a query stands.
  const ofQueries = reshape(
    sum(mul(cast(equal(p, s), "i32"), broadcastTo(ofKeys, shape)), { axes: [2] }),
    [batch, queries, 1],
  );
  const every = iota(shape, 0);
  const visible = [
    ...(attended.causal ? [lessEqual(s, p)] : []),
    ...(attended.window === undefined ? [] : [less(abs(sub(p, s)), attended.window)]),
    ...(attended.hasSegments ? [equal(ofQueries, ofKeys)] : []),
    ...(attended.hasPadding ? [not(reshape(padding, [batch, 1, keys]))] : []),
  ].reduce(and, equal(every, every));
  const heads = (x: Tensor, copies: number) => {
    const byHead = transpose(x, [0, 2, 1, 3]);
    return concat(
      split(byHead, keyHeads * (copies === 1 ? group : 1), 1).flatMap((head) =>
        Array.from({ length: copies }, () => head)
      ),
      1,
    );
  };
  const { scale = 1 / Math.sqrt(width), softcap } = attended;
  const raw = mul(matmul(heads(q, 1), transposeLast(heads(k, group))), scale);
  const scores = softcap === undefined ? raw : mul(tanh(div(raw, softcap)), softcap);
  const mask = reshape(visible, [batch, 1, queries, keys]);
  const exponentials = where(mask, exp(scores), 0);
  const total = sum(exponentials, { axes: [-1], keepDims: true });
  const weights = div(exponentials, where(equal(total, 0), 1, total));
  return transpose(matmul(weights, heads(v, group)), [0, 2, 1, 3]);
}

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

/** The value of attention, its gradients for a cotangent, and gradients of those gradients. */
function withDerivatives(attend: Attend, [q, k, v, g]: readonly Tensor[]): Tensor[] {
  if (q === undefined || k === undefined || v === undefined || g === undefined) return [];
  const inputs = { q, k, v };
  const gradients = (x: typeof inputs, g: Tensor) =>
    grad((y: typeof inputs) => sum(mul(attend(y.q, y.k, y.v), g)))(x);
  const size = ({ x, g }: { x: typeof inputs; g: Tensor }) => {
    const { q, k, v } = gradients(x, g);
    return [sum(square(q)), sum(mul(k, square(k))), sum(square(v))].reduce(add);
  };
  const first = gradients(inputs, g);
  const second = grad(size)({ x: inputs, g });
  return [
    attend(q, k, v),
    ...[first.q, first.k, first.v],
    ...[second.x.q, second.x.k, second.x.v, second.g],
  ];
}

Deno.test("values, gradients and second derivatives are those of the steps, in f64", async () => {
  await fc.assert(
    fc.asyncProperty(anyAttention, async (attended) => {
      const { floats, integers } = operandsOf(attended, "f64");
      const ours = withDerivatives(
        (q, k, v) => attention(q, k, v, optionsOf(attended, integers)),
        floats,
      );
      const steps = withDerivatives(
        (q, k, v) => composedOf(q, k, v, attended, integers),
        floats,
      );
      // Sums of some hundred terms up to 1e3, each with 1e-16 lost.
      assert(await largestDifference(ours, steps) < 1e-9);
    }),
    { numRuns: 25 },
  );
});

Deno.test("with any mask and grouped heads wasm gives what the reference gives", async () => {
  using device = wasm({ threads: 1 });
  await fc.assert(
    fc.asyncProperty(anyAttention, async (attended) => {
      const { floats, integers } = operandsOf(attended, "f32");
      const [q, k, v, g] = floats;
      assert(q && k && v && g);
      const program = (on: Device) =>
        compile((x: { q: Tensor; k: Tensor; v: Tensor }, g: Tensor, masks: typeof integers) => {
          const attend = (y: typeof x) => attention(y.q, y.k, y.v, optionsOf(attended, masks));
          const { q, k, v } = grad((y: typeof x) => sum(mul(attend(y), g)))(x);
          return [attend(x), q, k, v];
        }, { device: on });
      const read = async (x: Tensor) => tensor(await x.data(), x);
      const args = [
        { q: await read(q), k: await read(k), v: await read(v) },
        await read(g),
        {
          start: await read(integers.start),
          segments: await read(integers.segments),
          padding: await read(integers.padding),
        },
      ] as const;
      using ours = program(device);
      using expected = program(reference());
      assert(await largestDifference(ours(...args), expected(...args)) < TOLERANCE);
    }),
    { numRuns: 40 },
  );
});

Deno.test("nine heads of queries and three of keys, of several blocks, on wasm", async () => {
  using device = wasm({ threads: 1 });
  const attend = (on: Device) =>
    compile((q: Tensor, k: Tensor, v: Tensor, g: Tensor) => {
      const options = { causal: true, window: 70, softcap: 3 };
      const loss = (x: { q: Tensor; k: Tensor; v: Tensor }) =>
        sum(mul(attention(x.q, x.k, x.v, options), g));
      const gradient = grad(loss)({ q, k, v });
      return [attention(q, k, v, options), gradient.q, gradient.k, gradient.v];
    }, { device: on });
  const operands = [[2, 150, 9, 20], [2, 150, 3, 20], [2, 150, 3, 20], [2, 150, 9, 20]].map(
    async (shape, i) => tensor(await normal(key(i), shape).data(), { shape }),
  );
  const [q, k, v, g] = await Promise.all(operands);
  assert(q && k && v && g);
  using ours = attend(device);
  using expected = attend(reference());
  assert(await largestDifference(ours(q, k, v, g), expected(q, k, v, g)) < TOLERANCE);
});

Deno.test("documents packed in a row are attended as if each were alone", async () => {
  const lengths = [5, 1, 9];
  const [q, k, v] = evaluate([1, 2, 3].map((from) => normal(key(from), [1, 15, 2, 4])));
  assert(q && k && v);
  const segments = tensor([lengths.flatMap((length, i) => Array(length).fill(i))], {
    dtype: "i32",
  });
  const packed = attention(q, k, v, { causal: true, segments });
  let end = 0;
  for (const length of lengths) {
    const start = end;
    end += length;
    const [ownQ, ownK, ownV] = [q, k, v].map((x) => slice(x, 1, start, end));
    assert(ownQ && ownK && ownV);
    const alone = attention(ownQ, ownK, ownV, { causal: true });
    assert(await largestDifference([slice(packed, 1, start, end)], [alone]) < TOLERANCE);
  }
});

Deno.test("queries one by one against a cache give what all together give", async () => {
  const [q, k, v] = evaluate([1, 2, 3].map((from) => normal(key(from), [2, 9, 2, 4])));
  assert(q && k && v);
  const whole = attention(q, k, v, { causal: true });
  for (let t = 0; t < 9; t++) {
    // What stands in columns that are not reached yet does not matter.
    const [keys, values] = [k, v].map((x) => where(lessEqual(iota([2, 9, 2, 4], 1), t), x, NaN));
    assert(keys && values);
    const one = attention(slice(q, 1, t, t + 1), keys, values, {
      causal: true,
      start: tensor(t, { dtype: "i32" }),
    });
    assert(await largestDifference([one], [slice(whole, 1, t, t + 1)]) < TOLERANCE);
  }
});

Deno.test("queries from a column of each row on have the segments of their columns", async () => {
  const [q, k, v] = evaluate([1, 2, 3].map((from) => normal(key(from), [3, 7, 2, 4])));
  assert(q && k && v);
  const documents = [[0, 0, 1, 1, 1, 2, 2], [0, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 6, 6, 6]];
  const segments = tensor(documents, { dtype: "i32" });
  const whole = attention(q, k, v, { causal: true, segments });
  const starts = [4, 0, 2];
  const from = (x: Tensor) =>
    concat(starts.map((start, row) => slice(slice(x, 0, row, row + 1), 1, start, start + 3)), 0);
  const start = tensor(starts, { dtype: "i32" });
  const some = attention(from(q), k, v, { causal: true, segments, start });
  assert(await largestDifference([some], [from(whole)]) < TOLERANCE);
});

Deno.test("a query that sees no key gives 0, and gradients of 0", async () => {
  const [q, k] = [normal(key(1), [1, 3, 1, 2]), normal(key(2), [1, 3, 1, 2])];
  const padding = tensor([[1, 1, 0]], { dtype: "bool" });
  for (const device of [reference(), wasm({ threads: 1 })]) {
    const f = compile((q: Tensor, k: Tensor) => {
      const attend = (x: Tensor) => attention(x, k, k, { causal: true, padding });
      return [attend(q), grad((x: Tensor) => sum(attend(x)))(q)];
    }, { device });
    const [y, gradient] = f(tensor(await q.data(), q), tensor(await k.data(), k));
    assert(y && gradient);
    assertEquals([...await y.data()].slice(0, 4), [0, 0, 0, 0]);
    assertEquals([...await gradient.data()].slice(0, 4), [0, 0, 0, 0]);
  }
});

Deno.test("attention sees all keys, unless it is told that it is causal", async () => {
  const [q, k] = [normal(key(1), [1, 3, 1, 2]), normal(key(2), [1, 3, 1, 2])];
  const [plain, full, causal] = await Promise.all(
    [{}, { causal: false }, { causal: true }].map((options) => attention(q, k, k, options).data()),
  );
  assertEquals(plain, full);
  assertNotEquals(plain, causal);
});

Deno.test("attention refuses what it is not for", () => {
  const x = zeros([2, 3, 4, 5]);
  const refused: readonly (readonly [() => Tensor, string])[] = [
    [() => attention(zeros([2, 3]), x, x), "attention: queries: got shape [2, 3]; expected [B, T"],
    [() => attention(x, zeros([2, 3]), x), "attention: keys: got shape [2, 3]; expected [B, S"],
    [() => attention(x, x, zeros([2, 3, 4, 6])), "keys and values [B, S, Hkv, D]"],
    [() => attention(x, zeros([2, 3, 3, 5]), zeros([2, 3, 3, 5])), "Hq a multiple of Hkv"],
    [() => attention(x, x, x, { scale: NaN }), "a finite scale"],
    [() => attention(x, x, x, { softcap: 0 }), "a positive softcap"],
    [() => attention(x, x, x, { window: 0 }), "a window of at least 1"],
    [() => attention(x, x, x, { start: 0.5 }), "an integer start"],
    [() => attention(x, x, x, { start: zeros([3], "i32") }), "start is i32[3]; expected i32[]"],
    [() => attention(x, x, x, { segments: zeros([2, 4], "i32") }), "segments are i32[2, 4]"],
    [() => attention(x, x, x, { padding: zeros([2, 3]) }), "columns of padding are f32[2, 3]"],
    [
      () => attention(x, x, x, { start: 1, segments: zeros([2, 3], "i32") }),
      "3 queries from column 1 on are not among the 3 columns of segments",
    ],
  ];
  for (const [attend, message] of refused) assertThrows(attend, ShapeError, message);
});
