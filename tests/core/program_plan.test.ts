/** Plans of programs: what they take and do, known before anything is made. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  add,
  attention,
  compile,
  evaluate,
  exp,
  gather,
  graphOf,
  matmul,
  mul,
  outline,
  reference,
  sub,
  sum,
  type Tensor,
  tensor,
  wasm,
  zeros,
} from "@unitune/core";
import { grad } from "@unitune/autodiff";
import { lower, planMemory } from "@unitune/core/backend";
import { movedBytes, multiplicationsOf, peakOf } from "../../core/lowering/work.ts";

const f32 = (...shape: number[]): Tensor => outline({ shape, dtype: "f32" });

/** Multiplications of a function of outlines. */
function multiplications<A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A): number {
  const { kernels } = lower(graphOf(f, args));
  return kernels.reduce((total, kernel) => total + multiplicationsOf(kernel), 0);
}

Deno.test("plan: a program takes what its plan says, and is traced once for both", async () => {
  let traces = 0;
  const captured = zeros([100]);
  using device = wasm({ threads: 1 });
  evaluate(captured, device);
  const f = (state: { readonly w: Tensor }, x: Tensor) => {
    traces++;
    const y = exp(matmul(x, state.w));
    return {
      w: sub(state.w, mul(sum(y), 0.5)),
      y: add(exp(matmul(y, y)), gather(captured, tensor([1], { dtype: "i32" }))),
    };
  };
  using program = compile(f, { device, donate: [0] });
  const used = () => {
    const { bytes, keptBytes } = device.statistics();
    return bytes - keptBytes;
  };
  const plan = program.plan({ w: f32(64, 64) }, f32(64, 64));
  assertEquals(plan.operandBytes, [4 * 64 * 64, 4 * 64 * 64]);
  assertEquals([plan.resultBytes, plan.multiplications], [4 * 64 * 64, 2 * 64 ** 3]);
  assert(plan.capturedBytes >= 400, `${plan.capturedBytes}`);
  const before = used();
  const state = evaluate({ w: zeros([64, 64]) }, device);
  const x = evaluate(zeros([64, 64]), device);
  const { y } = program(state, x);
  assertEquals(traces, 1);
  // Beside what is planned: a table of addresses and the index.
  const taken = used() - before;
  const planned = plan.ownBytes + plan.resultBytes + 2 * 4 * 64 * 64;
  assert(taken >= planned && taken <= planned + 256, `${taken} of ${planned}`);
  assertEquals((await y.data()).length, 64 * 64);
});

Deno.test("plan: donated operands are told apart, and static arguments belong to the signature", () => {
  using device = wasm({ threads: 1 });
  const kept = compile((x: Tensor, k: number) => mul(x, k), { device });
  const given = compile((x: Tensor, k: number) => mul(x, k), { device, donate: [0] });
  assertEquals([kept, given].map((f) => f.plan(f32(5000), 2).resultBytes), [20032, 0]);
  assertThrows(() => Reflect.apply(kept.plan, undefined, [f32(1), () => 1]), TypeError);
  assertEquals(device.memoryBytes, device.statistics().mostBytes);
});

Deno.test("plan: the reference backend keeps every intermediate", () => {
  const f = compile((x: Tensor) => sum(mul(exp(x), x)), { device: reference() });
  const { operandBytes, ownBytes, resultBytes } = f.plan(f32(10));
  assertEquals([operandBytes, ownBytes, resultBytes], [[40], 84, 4]);
});

Deno.test("plan: products multiply, attention for the keys that queries see", () => {
  assertEquals(
    multiplications((a, b) => matmul(a, b), [f32(2, 3, 5), f32(2, 5, 7)]),
    2 * 3 * 5 * 7,
  );
  const heads: [Tensor, Tensor, Tensor] = [
    ...[f32(2, 8, 4, 16), f32(2, 8, 2, 16), f32(2, 8, 2, 16)] as const,
  ];
  const of = (options: Parameters<typeof attention>[3]) =>
    multiplications((q, k, v) => attention(q, k, v, options), heads) / (2 * 4 * 16 * 8);
  // Of keys for each query: all, half of them, those in a window of both sides, or of one.
  assertEquals([of({}), of({ causal: true })], [2 * 8, 2 * 4]);
  assertEquals([of({ window: 2 }), of({ causal: true, window: 2 })], [2 * 3, 2 * 2]);
  assertEquals(of({ causal: true, start: 2 }), 2 * 6);
  const gradient = (q: Tensor, k: Tensor, v: Tensor) =>
    grad((q: Tensor) => sum(attention(q, k, v, {})))(q);
  assertEquals(multiplications(gradient, heads) / (2 * 4 * 16 * 8), 5 * 8);
});

Deno.test("plan: kernels without products move what they read and write", () => {
  const moved = <A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A) =>
    movedBytes(lower(graphOf(f, args)));
  assertEquals(moved((x: Tensor) => [exp(x), sum(x)], [f32(100)]), 4 * (100 + 100 + 100 + 1));
  assertEquals(moved((x: Tensor) => matmul(x, x), [f32(10, 10)]), 0);
});

Deno.test("plan: gradients are what the places of donated operands are written from", () => {
  const x = f32(10, 10);
  /** Two weights from the norm of both gradients, which waits for the second. */
  const step = ({ a, b }: { readonly a: Tensor; readonly b: Tensor }) => {
    const { a: da, b: db } = grad((w: { readonly a: Tensor; readonly b: Tensor }) =>
      sum(exp(matmul(exp(matmul(x, w.a)), w.b)))
    )({ a, b });
    const norm = add(sum(mul(da, da)), sum(mul(db, db)));
    return { a: sub(a, mul(da, norm)), b: sub(b, mul(db, norm)) };
  };
  const lowered = lower(graphOf(step, [{ a: x, b: x }]));
  const peak = peakOf(lowered, planMemory(lowered, [0, 1]));
  // 400 bytes take 448. While the first gradient is made: both results of exp, and a slope of one.
  assertEquals(peak, { gradientBytes: 448, activationBytes: 3 * 448 });
  // Results in storage of their own are no updates.
  assertEquals(peakOf(lowered, planMemory(lowered, [])).gradientBytes, 0);
});

Deno.test("outline: it has a shape and an element type, and nothing to compute with", async () => {
  const x = outline({ shape: [2, 3], dtype: "i32" });
  assertEquals([x.shape, x.dtype], [[2, 3], "i32"]);
  const why = "cannot be read: it is an outline, which has a shape and no elements";
  await assertRejects(() => x.data(), Error, why);
  await assertRejects(() => add(x, 1).data(), Error, why);
  assertThrows(() => outline({ shape: [0.5], dtype: "f32" }), Error);
  assertEquals(Deno.inspect(x), "Tensor i32[2, 3] (an outline, which has no elements)");
});
