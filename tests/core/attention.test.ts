/** Attention beyond the sizes of the table: of several tiles, blocks and slices, on every thread. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  causalAttention,
  compile,
  type Device,
  evaluate,
  iota,
  key,
  lessEqual,
  matmul,
  mul,
  normal,
  reference,
  reshape,
  type Shape,
  ShapeError,
  slice,
  softmax,
  split,
  sum,
  type Tensor,
  tensor,
  transpose,
  transposeLast,
  wasm,
  where,
  zeros,
} from "@unitune/core";

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
      await attended(causalAttention, shape, device),
      await attended(causalAttention, shape, reference()),
    ];
    assert(await largestDifference(ours, expected) < TOLERANCE);
  });
}

Deno.test("attention is the softmax of products times values, and so is its gradient", async () => {
  using device = wasm({ threads: 1 });
  const shape = [2, 100, 3, 2, 12];
  const [ours, expected] = [
    await attended(causalAttention, shape, device),
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
  const weights = await compile((x: Tensor) => slice(causalAttention(x), 1, 1), { device })(x)
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
  const whole = causalAttention(x);
  for (const length of [1, 6, 31, 49]) {
    const [some, same] = [causalAttention(slice(x, 1, 0, length)), slice(whole, 1, 0, length)];
    assert(await largestDifference([some], [same]) < TOLERANCE);
  }
});

Deno.test("attention gives the same bits on one, two and three threads", async () => {
  const shape = [3, 70, 3, 3, 16];
  const results: Float32Array[][] = [];
  for (const threads of [1, 2, 3]) {
    using device = wasm({ threads });
    await attended(causalAttention, shape, device);
    // Workers take part once they are up.
    for (let wait = 0; wait < 200; wait++) {
      const program = compile((x: Tensor) => causalAttention(x), { device });
      program(zeros(shape));
      if (program.statistics()[0]?.threads === threads) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [y, gradient] = await attended(causalAttention, shape, device);
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
  for (const element of await causalAttention(x).data()) assert(Number.isFinite(element));
});

Deno.test("attention refuses what it is not for", () => {
  assertThrows(() => causalAttention(zeros([2, 3])), ShapeError, "expected [B, T, 3, H, D]");
  assertThrows(() => causalAttention(zeros([1, 2, 2, 1, 4])), ShapeError, "side by side");
  assertThrows(() => causalAttention(zeros([1, 2, 3, 1, 4]), { scale: 0 }), RangeError, "scale");
});
