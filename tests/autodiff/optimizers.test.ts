/** Optimizers against their definitions, written out in plain numbers, over several steps. */
import {
  accumulate,
  type Accumulation,
  adamw,
  addDecayedWeights,
  applyUpdates,
  averaged,
  chain,
  clipByGlobalNorm,
  emptyAccumulation,
  globalNorm,
  grad,
  type GradientTransform,
  lion,
  rmsprop,
  scaleByLearningRate,
  scaleBySchedule,
  sgd,
  valueAndGrad,
  valueAndGradAux,
  warmupCosine,
} from "@unitune/autodiff";
import {
  add,
  cast,
  compile,
  div,
  leafPaths,
  leavesOf,
  matmul,
  mean,
  mul,
  slice,
  square,
  squeeze,
  sub,
  sum,
  type Tensor,
  tensor,
  zipTrees,
} from "@unitune/core";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";

const f64 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: "f64" });

/** A matrix of one element, which decays, and a vector of one, which does not. */
interface Params {
  readonly w: Tensor;
  readonly b: Tensor;
}

const start = { w: 0.8, b: -0.4 };
const gradients = [
  { w: 0.5, b: -1 },
  { w: -0.25, b: 3 },
  { w: 2, b: 0 },
  { w: 1e-3, b: -0.7 },
  { w: 0, b: 0.2 },
  { w: -4, b: 1e3 },
];
const asParams = ({ w, b }: { w: number; b: number }): Params => ({ w: f64([[w]]), b: f64([b]) });

/** One parameter's update rule in plain numbers: from gradient, parameter and step, counted from 1. */
type Scalar = (gradient: number, param: number, step: number) => number;

/** The optimizer on tensors and its definition on numbers, side by side. */
async function assertFollows<S>(
  optimizer: GradientTransform<S>,
  definition: (decays: boolean) => Scalar,
): Promise<void> {
  let params = asParams(start);
  let state = optimizer.init(params);
  const rules = { w: definition(true), b: definition(false) };
  const expected = { ...start };
  for (const [i, gradient] of gradients.entries()) {
    const updated = optimizer.update(asParams(gradient), state, params);
    params = applyUpdates(params, updated.updates);
    state = updated.state;
    for (const name of ["w", "b"] as const) {
      expected[name] += rules[name](gradient[name], expected[name], i + 1);
      // Rounding of f64 alone, in another order of operations.
      const bound = 1e-13 * Math.max(1, Math.abs(expected[name]));
      assertAlmostEquals(await params[name].item(), expected[name], bound);
    }
  }
}

Deno.test("sgd, plain, with momentum and after Nesterov", async () => {
  await assertFollows(sgd(0.1), () => (g) => -0.1 * g);
  await assertFollows(sgd(0.1, { momentum: 0.9 }), () => {
    let buffer = 0;
    return (g) => -0.1 * (buffer = 0.9 * buffer + g);
  });
  await assertFollows(sgd(0.1, { momentum: 0.9, nesterov: true }), () => {
    let buffer = 0;
    return (g) => {
      buffer = 0.9 * buffer + g;
      return -0.1 * (g + 0.9 * buffer);
    };
  });
});

Deno.test("adamw: corrected moments, and decay of the matrices alone", async () => {
  const options = { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1 };
  await assertFollows(adamw(0.01, options), (decays) => {
    let [m, v] = [0, 0];
    return (g, param, step) => {
      m = 0.8 * m + 0.2 * g;
      v = 0.95 * v + 0.05 * g * g;
      const [mean, square] = [m / (1 - 0.8 ** step), v / (1 - 0.95 ** step)];
      return -0.01 * (mean / (Math.sqrt(square) + 1e-6) + (decays ? 0.1 * param : 0));
    };
  });
});

Deno.test("adamw: a mask of paths chooses what decays", async () => {
  const options = { weightDecay: 0.5, mask: (path: string) => path === "b" };
  const optimizer = adamw(1, options);
  const params = asParams(start);
  const { updates } = optimizer.update(asParams({ w: 0, b: 0 }), optimizer.init(params), params);
  assertEquals([await updates.w.item(), await updates.b.item()], [-0, 0.2]);
});

Deno.test("adamw: the bias correction is exact in f32 at the first steps", async () => {
  const optimizer = adamw(1, { weightDecay: 0, epsilon: 0 });
  const params = tensor([1]);
  const { updates } = optimizer.update(tensor([0.3]), optimizer.init(params), params);
  // 1 - 0.999 in f32 would be off by 1e-5; a few roundings are 1e-7 each.
  assertAlmostEquals(await updates.item(), -1, 5e-7);
});

Deno.test("rmsprop, plain and with momentum", async () => {
  const scaled = (decay: number, epsilon: number) => {
    let v = 0;
    return (g: number) => {
      v = decay * v + (1 - decay) * g * g;
      return g / (Math.sqrt(v) + epsilon);
    };
  };
  await assertFollows(rmsprop(0.01), () => {
    const rms = scaled(0.99, 1e-8);
    return (g) => -0.01 * rms(g);
  });
  await assertFollows(rmsprop(0.01, { decay: 0.9, epsilon: 1e-3, momentum: 0.5 }), () => {
    const rms = scaled(0.9, 1e-3);
    let buffer = 0;
    return (g) => -0.01 * (buffer = 0.5 * buffer + rms(g));
  });
});

Deno.test("lion: the sign of the blend, then the momentum", async () => {
  await assertFollows(lion(0.02, { beta1: 0.7, beta2: 0.9, weightDecay: 0.3 }), (decays) => {
    let m = 0;
    return (g, param) => {
      const direction = Math.sign(0.7 * m + 0.3 * g);
      m = 0.9 * m + 0.1 * g;
      return -0.02 * (direction + (decays ? 0.3 * param : 0));
    };
  });
});

Deno.test("weight decay before an adaptive scaling is an L2 penalty", async () => {
  await assertFollows(chain(addDecayedWeights(0.5), sgd(0.1)), (decays) => (g, param) => {
    return -0.1 * (g + (decays ? 0.5 * param : 0));
  });
});

Deno.test("a schedule sees 0 at the first update, and one more at each", async () => {
  await assertFollows(
    chain(scaleBySchedule((step) => div(1, add(cast(step, "f32"), 1))), scaleByLearningRate(0.5)),
    () => (g, _, step) => -0.5 * Math.fround(1 / step) * g,
  );
});

Deno.test("clipping leaves small gradients, and scales large ones together", async () => {
  const params = asParams(start);
  const clip = clipByGlobalNorm(5);
  const clipped = async (w: number, b: number) => {
    const { updates } = clip.update(asParams({ w, b }), clip.init(params), params);
    return [await updates.w.item(), await updates.b.item()];
  };
  assertEquals(await clipped(3, 4), [3, 4]);
  assertEquals(await clipped(0, 0), [0, 0]);
  assertEquals(await clipped(-6, 8), [-3, 4]);
  const [w = NaN] = await clipped(NaN, 1);
  assert(Number.isNaN(w), "a gradient that is no number is not hidden");
  assertEquals(await globalNorm([f64([1, 2]), { x: f64([[2, 4]]) }]).item(), 5);
});

Deno.test("the moments of a state are found by the paths of the parameters", () => {
  const params = { blocks: [{ w: f64([[1]]) }], out: f64([1]) };
  const paths = [...leafPaths(adamw(0.1).init(params)).keys()];
  assertEquals(paths, [
    "[0].first.blocks[0].w",
    "[0].first.out",
    "[0].second.blocks[0].w",
    "[0].second.out",
    "[0].step",
    "[2].step",
  ]);
});

Deno.test("a whole training step compiles to one program, and equals the steps by hand", async () => {
  const x = tensor([[1, 0.5], [-1, 2], [0.25, -0.75]]);
  const y = tensor([[1], [-2], [0.5]]);
  const loss = ({ w }: { w: Tensor }, x: Tensor, y: Tensor) => mean(square(sub(matmul(x, w), y)));
  const rate = warmupCosine({ peak: 0.1, end: 0.01, warmup: 3, total: 20 });
  const optimizer = chain(clipByGlobalNorm(1), adamw(rate));
  type State = ReturnType<typeof optimizer.init>;

  const step = (params: { w: Tensor }, state: State, x: Tensor, y: Tensor) => {
    const { value, gradient } = valueAndGrad(loss)(params, x, y);
    const { updates, state: next } = optimizer.update(gradient, state, params);
    return { value, params: applyUpdates(params, updates), state: next };
  };
  using compiled = compile(step, { donate: [0, 1] });

  const initial = { w: tensor([[0.3], [-0.2]]) };
  let outside = { params: initial, state: optimizer.init(initial) };
  const copy = { w: tensor([[0.3], [-0.2]]) };
  let inside = { params: copy, state: optimizer.init(copy) };
  const losses: number[] = [];
  for (let i = 0; i < 12; i++) {
    outside = step(outside.params, outside.state, x, y);
    const { value, ...rest } = compiled(inside.params, inside.state, x, y);
    inside = rest;
    losses.push(await value.item());
  }
  const expected = await outside.params.w.data();
  // Twelve steps of f32, fused differently.
  (await inside.params.w.data()).forEach((element, i) => {
    assertAlmostEquals(element, expected[i] ?? NaN, 1e-5);
  });
  assert((losses.at(-1) ?? NaN) < (losses[0] ?? NaN) / 2, `${losses}`);
  assertEquals(compiled.statistics().length, 1);
  for (const leaf of leavesOf(inside.state)) await leaf.data();
});

Deno.test("eight batches of one row accumulate to the gradient of one batch of eight", async () => {
  const rows = 8;
  const x = f64(Array.from({ length: rows }, (_, i) => [Math.sin(i), Math.cos(3 * i)]));
  // Rows count differently, as answers of different lengths do.
  const weight = f64(Array.from({ length: rows }, (_, i) => i % 3));
  const total = (w: Tensor, x: Tensor, weight: Tensor) => ({
    value: sum(mul(square(squeeze(matmul(x, w), 1)), weight)),
    aux: sum(weight),
  });
  const batch = (w: Tensor, x: Tensor, weight: Tensor): Accumulation<Tensor> => {
    const { value, aux, gradient } = valueAndGradAux(total)(w, x, weight);
    return { total: value, normalizer: aux, gradient };
  };
  const w = f64([[0.5], [-1]]);
  const whole = averaged(batch(w, x, weight));
  const empty = emptyAccumulation(w);
  const zeros = { ...empty, total: f64(0), normalizer: f64(0) };
  const parts = averaged(
    Array.from(
      { length: rows },
      (_, i) => batch(w, slice(x, 0, i, i + 1), slice(weight, 0, i, i + 1)),
    )
      .reduce((sums, part) => accumulate(sums, part), zeros),
  );
  // f64 sums in another order.
  assertAlmostEquals(await parts.value.item(), await whole.value.item(), 1e-14);
  const difference = zipTrees(parts.gradient, whole.gradient, sub);
  assertAlmostEquals(await globalNorm(difference).item(), 0, 1e-14);
});

Deno.test("an accumulation of nothing has no gradient rather than NaN", async () => {
  const { value, gradient } = averaged(emptyAccumulation({ w: tensor([1, 2]) }));
  assertEquals(await value.item(), 0);
  assertEquals(await gradient.w.data(), new Float32Array([0, 0]));
});

Deno.test("the gradient through an update: a learning rate is learnt", async () => {
  // After w - rate 2 w the loss is w^2 (1 - 2 rate)^2, of derivative -4 w^2 (1 - 2 rate).
  const loss = (w: Tensor) => sum(square(w));
  const after = (rate: Tensor) => {
    const w = f64([3]);
    return loss(sub(w, mul(grad(loss)(w), rate)));
  };
  assertAlmostEquals(await grad(after)(f64(0.1)).item(), -4 * 9 * 0.8, 1e-12);
});
