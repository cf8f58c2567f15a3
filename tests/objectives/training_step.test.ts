import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import {
  adamw,
  chain,
  clipByGlobalNorm,
  globalNorm,
  linearWarmup,
  movingAverage,
  sgd,
} from "@unitune/autodiff";
import {
  add,
  cast,
  compile,
  evaluate,
  inFloats,
  key,
  leafPaths,
  mapTree,
  matmul,
  mean,
  mul,
  ones,
  slice,
  sub,
  type Tensor,
  tensor,
  uniform,
  where,
  zeros,
  zipTrees,
} from "@unitune/core";
import {
  type Accumulated,
  accumulateGradients,
  addEvaluations,
  applyAccumulated,
  asft,
  type Demonstrations,
  evaluationStep,
  ift,
  initTrainingState,
  linearLambda,
  type Model,
  modelOf,
  noisyLambda,
  type Objective,
  type Policy,
  sft,
  summarize,
  sumOf,
  trainingStep,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, cases, idsOf, type Parameters, policy } from "./arbitrary.ts";

/** SFT by token plus SFT by sequence: a loss of two terms with different normalizers. */
const twoTerms: Objective<Demonstrations> = sumOf(sft(), sft({ normalizer: "sequence" }));

const objectives: Readonly<Record<string, Objective<Demonstrations>>> = {
  "sft by token": sft(),
  "sft by sequence": sft({ normalizer: "sequence" }),
  "ift": ift(),
  "ift with noisy lambda": ift({ lambda: noisyLambda({ lambda: 0.4 }) }),
  "two terms": twoTerms,
};

/** The rows of a batch as batches of one. */
function rowByRow({ ids, mask }: Demonstrations): Demonstrations[] {
  const [rows = 0] = ids.shape;
  return Array.from({ length: rows }, (_, b) => ({
    ids: slice(ids, 0, b, b + 1),
    mask: slice(mask, 0, b, b + 1),
  }));
}

for (const [name, objective] of Object.entries(objectives)) {
  Deno.test(`${name}: a batch at once and row by row give the same step`, async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ params, batch }) => {
        const optimizer = chain(clipByGlobalNorm(0.5), sgd(0.1));
        const training = { policy, objective, optimizer, learningRate: () => tensor(0.1) };
        const state = initTrainingState(params, optimizer, key(1));
        const whole = trainingStep(training)(state, batch);
        const accumulated = rowByRow(batch).reduce<Accumulated<Parameters> | undefined>(
          (sums, row) => accumulateGradients(training)(state, row, sums),
          undefined,
        );
        assert(accumulated !== undefined);
        const cut = applyAccumulated(training)(state, accumulated);
        await assertClose(cut.state, whole.state);
        await assertClose(cut.metrics, whole.metrics);
      }),
      { numRuns: 12 },
    );
  });
}

const demonstrations: Demonstrations = {
  ids: idsOf([[1, 2, 0, 2, 1, 3], [2, 1, 0, 1, 2, 3]]),
  mask: tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]]),
};
const parameters = (dtype: "f32" | "f64"): Parameters => ({
  table: tensor([[0.3, -0.2, 0.1], [0.5, 0.4, -0.6], [-0.1, 0.7, 0.2], [0.2, -0.3, 0.5]], {
    dtype,
  }),
  mixing: tensor([[1, 0, 0.2], [0.1, 1, 0], [0, -0.2, 1]], { dtype }),
});
const start = parameters("f64");

for (const [name, objective] of Object.entries(objectives)) {
  Deno.test(`${name}: the loss falls, in one program whatever the step`, async () => {
    const optimizer = adamw(0.05);
    const step = compile(trainingStep({ policy, objective, optimizer }), { donate: [0] });
    let state = initTrainingState(parameters("f32"), optimizer, key(3));
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) {
      const result = step(state, demonstrations);
      state = result.state;
      losses.push(await result.metrics.loss?.item() ?? NaN);
    }
    assertEquals(step.statistics().length, 1);
    assertEquals(await state.step.item(), 30);
    const [first = NaN, last = NaN] = [losses[0], losses.at(-1)];
    assert(last < 0.7 * first, `from ${first} to ${last}`);
  });
}

Deno.test("metrics have the field's names, and only those that are known", async () => {
  const optimizer = sgd(0.1);
  const state = initTrainingState(start, optimizer, key(0));
  const names = (learningRate?: () => Tensor) =>
    Object.keys(
      trainingStep({
        policy,
        objective: ift({ lambda: linearLambda({ from: 0, to: 0.2, steps: 10 }) }),
        optimizer,
        ...(learningRate === undefined ? {} : { learningRate }),
      })(state, demonstrations).metrics,
    ).toSorted();
  const known = [
    "entropy",
    "grad_norm",
    "lambda",
    "loss",
    "mean_token_accuracy",
    "nll",
    "num_tokens",
  ];
  assertEquals(names(), known);
  assertEquals(names(() => tensor(1)), [...known, "learning_rate"].toSorted());

  const schedule = linearWarmup({ peak: 1, warmup: 3 });
  const training = { policy, objective: sft(), optimizer: sgd(schedule), learningRate: schedule };
  const first = trainingStep(training)(
    initTrainingState(start, training.optimizer, key(0)),
    demonstrations,
  );
  assertEquals(await first.metrics.learning_rate?.item(), 0.25);
  // The update was 0.25 times the gradient.
  const change = zipTrees(first.state.params, start, (after, before) => sub(after, before));
  const norm = globalNorm(change);
  assertAlmostEquals(await first.metrics.grad_norm?.item() ?? NaN, 4 * await norm.item(), 1e-12);
});

/** Hidden states that are noise of the key: a test sees which key a forward pass was given. */
const noisyPolicy: Policy<Parameters> = {
  ...policy,
  hidden(params, embeddings, options) {
    const hidden = policy.hidden(params, embeddings);
    const { key: dropout } = options ?? {};
    return dropout === undefined
      ? hidden
      : where(cast(zeros([]), "bool"), hidden, cast(uniform(dropout, hidden.shape), "f64"));
  },
};

Deno.test("randomness is that of key, step and micro-batch alone", async () => {
  const optimizer = sgd(0);
  const training = { policy: noisyPolicy, objective: sft(), optimizer };
  const lossAt = async (seed: number, step: number, microBatch: number) => {
    const state = {
      ...initTrainingState(start, optimizer, key(seed)),
      step: tensor(step, { dtype: "i32" }),
    };
    const accumulate = accumulateGradients(training);
    let sums: Accumulated<Parameters> | undefined;
    let before = 0;
    for (let i = 0; i <= microBatch; i++) {
      before = await sums?.terms[0]?.total.item() ?? 0;
      sums = accumulate(state, demonstrations, sums);
    }
    return (await sums?.terms[0]?.total.item() ?? NaN) - before;
  };
  const draws = [
    await lossAt(0, 0, 0),
    await lossAt(0, 0, 1),
    await lossAt(0, 1, 0),
    await lossAt(1, 0, 0),
  ];
  assertEquals(new Set(draws.map((loss) => loss.toFixed(9))).size, draws.length);
  assertEquals(await lossAt(0, 0, 0), draws[0]);
  assertNotEquals(draws[0], await lossAt(0, 0, 1));
});

Deno.test("the first pass and validation are without dropout", async () => {
  const state = initTrainingState(start, sgd(0), key(5));
  const { nll } = trainingStep({ policy: noisyPolicy, objective: ift(), optimizer: sgd(0) })(
    state,
    demonstrations,
  ).metrics;
  const validation = summarize(
    evaluationStep({ policy: noisyPolicy, objective: sft() })(state, demonstrations),
  );
  const plain = summarize(evaluationStep({ policy, objective: sft() })(state, demonstrations));
  await assertClose({ nll }, { nll: plain.nll });
  await assertClose(validation, plain, 0);
});

Deno.test("evaluations of two batches add up to that of both", async () => {
  const evaluate = evaluationStep({ policy, objective: ift({ lambda: 0.3 }) });
  const state = initTrainingState(start, sgd(0), key(0));
  const [first, second] = rowByRow(demonstrations);
  assert(first !== undefined && second !== undefined);
  const { lambda: _both, ...sums } = summarize(
    addEvaluations(evaluate(state, first), evaluate(state, second)),
  );
  const { lambda: _one, ...whole } = summarize(evaluate(state, demonstrations));
  await assertClose(sums, whole);
});

Deno.test("a batch without an answer has loss 0, gradient 0, and moves nothing", async () => {
  const optimizer = sgd(1);
  const nothing = { ...demonstrations, mask: zeros(demonstrations.mask.shape) };
  for (const objective of Object.values(objectives)) {
    const { state, metrics } = trainingStep({ policy, objective, optimizer })(
      initTrainingState(start, optimizer, key(0)),
      nothing,
    );
    await assertClose(state.params, start, 0);
    for (const name of ["loss", "nll", "entropy", "num_tokens", "grad_norm"]) {
      assertEquals(await metrics[name]?.item(), 0, name);
    }
  }
});

Deno.test("f32 agrees with f64", async () => {
  // Rounding of f32 through one forward and backward pass of some ten operations.
  const optimizer = sgd(0.1);
  const run = (dtype: "f32" | "f64") => {
    const state = initTrainingState(parameters(dtype), optimizer, key(0));
    return trainingStep({ policy, objective: ift(), optimizer })(state, demonstrations);
  };
  const [single, double] = [run("f32"), run("f64")];
  await assertClose(single.metrics, double.metrics, 1e-5);
  await assertClose(single.state.params, double.state.params, 1e-5);
});

Deno.test("a policy of adapters over a base that it captures trains the adapters, and leaves the base", async () => {
  const base = parameters("f32");
  /** A low-rank update of the head (LoRA, arXiv 2106.09685): `W + B A`, with B 0 at first. */
  type Adapters = { readonly a: Tensor; readonly b: Tensor };
  const adapted: Policy<Adapters> = {
    embed: (_, ids) => policy.embed(base, ids),
    hidden: (_, embeddings, options) => policy.hidden(base, embeddings, options),
    head: ({ a, b }) => ({ weight: add(base.table, matmul(b, a)) }),
  };
  const adapters = { a: ones([1, 3]), b: zeros([4, 1]) };
  const before = [...await base.table.data()];
  const optimizer = sgd(0.5);
  const step = compile(trainingStep({ policy: adapted, objective: ift(), optimizer }), {
    donate: [0],
  });
  const first = step(initTrainingState(adapters, optimizer, key(0)), demonstrations);
  const plain = evaluationStep({ policy, objective: ift() })(
    { params: base, step: zeros([], "i32") },
    demonstrations,
  );
  await assertClose(first.metrics.loss, summarize(plain).loss, 1e-6);
  const second = step(first.state, demonstrations);
  const losses = [await first.metrics.loss?.item(), await second.metrics.loss?.item()];
  const [from = NaN, to = NaN] = losses;
  assert(to < from, `from ${from} to ${to}`);
  assertEquals(Object.keys(second.state.params), ["a", "b"]);
  assertEquals([...await base.table.data()], before);
});

/** The parameters in 16 bits. */
const stored = (dtype: "bf16" | "f16") => mapTree(parameters("f32"), (leaf) => cast(leaf, dtype));

Deno.test("weights of 16 bits take the step of f32, rounded to a neighbour", async () => {
  const optimizer = adamw(1e-2);
  for (const dtype of ["bf16", "f16"] as const) {
    const training = { policy, objective: sft(), optimizer };
    const state = initTrainingState(stored(dtype), optimizer, key(0));
    const wide = initTrainingState(inFloats(state.params), optimizer, key(0));
    const [whole, expected] = [state, wide].map((state) =>
      trainingStep(training)(state, demonstrations)
    );
    const sums = accumulateGradients(training)(state, demonstrations);
    const accumulated = applyAccumulated(training)(state, sums);
    assert(whole !== undefined && expected !== undefined);
    await assertClose(whole.metrics, expected.metrics, 0);
    await assertClose(whole.state.optimizer, expected.state.optimizer, 0);
    await assertClose(inFloats(accumulated.state.params), inFloats(whole.state.params), 0);
    // A bfloat16 has 8 bits, an f16 has 11.
    const unit = dtype === "bf16" ? 2 ** -7 : 2 ** -10;
    for (const [path, leaf] of leafPaths(whole.state.params)) {
      assertEquals(leaf.dtype, dtype);
      const floats = await leafPaths(expected.state.params).get(path)?.data() ?? [];
      const rounded = await cast(leaf, "f32").data();
      const units = Array.from(floats, (x, i) => Math.abs((rounded[i] ?? NaN) - x) / Math.abs(x));
      assert(units.every((share) => share < unit), `${path}: ${units}`);
      assert(units.some((share) => share > 0));
    }
  }
});

Deno.test("steps of less than a unit move weights of 16 bits on average, others each time", async () => {
  const params = { table: cast(ones([64, 64]), "bf16"), mixing: ones([1]) };
  const optimizer = sgd(2 ** -12);
  const apply = applyAccumulated({ policy, objective: sft(), optimizer });
  const sums = {
    terms: [{
      total: tensor(0),
      normalizer: tensor(1),
      gradient: mapTree(params, ({ shape }) => ones(shape)),
    }],
    ...{ metrics: {}, microBatches: tensor(1, { dtype: "i32" }) },
  };
  let state = initTrainingState(params, optimizer, key(3));
  for (const step of [1, 2, 3]) {
    state = evaluate(apply(state, sums).state);
    // One in 16 goes down by 2^-8; the share among 4,096 has a standard error of at most 0.007.
    const fallen = (1 - await mean(cast(state.params.table, "f32")).item()) / 2 ** -8;
    assert(Math.abs(fallen - step / 16) < 0.03, `${fallen} after ${step} steps`);
    assertEquals(await state.params.mixing.data(), new Float32Array([1 - step * 2 ** -12]));
  }
});

Deno.test("a step asks the averaged policy, and then averages what the policy has become", async () => {
  const optimizer = sgd(0.5);
  const average = movingAverage({ rate: 0.25 });
  const objectiveOf = (reference: Model) => asft(reference, { anchor: 2 });
  await fc.assert(
    fc.asyncProperty(cases, async ({ params, batch }) => {
      const objective = objectiveOf(modelOf(policy, params));
      const training = { policy, objective, objectiveOf, optimizer, average };
      let state = initTrainingState(params, optimizer, key(1), undefined, average);
      let reference = params;
      for (let step = 0; step < 3; step++) {
        const byHand = trainingStep({
          ...{ policy, optimizer, objective: objectiveOf(modelOf(policy, reference)) },
        })(initTrainingState(state.params, optimizer, key(1)), batch);
        const whole = trainingStep(training)(state, batch);
        const cut = applyAccumulated(training)(state, accumulateGradients(training)(state, batch));
        await assertClose(whole.metrics, byHand.metrics);
        await assertClose(
          summarize(evaluationStep(training)(state, batch)).loss,
          byHand.metrics.loss,
        );
        reference = zipTrees(
          reference,
          byHand.state.params,
          (a, b) => add(mul(a, 0.75), mul(b, 0.25)),
        );
        for (const { state: next } of [whole, cut]) {
          await assertClose(next.params, byHand.state.params);
          await assertClose(next.average, { params: reference });
        }
        state = whole.state;
      }
    }),
    { numRuns: 3 },
  );
});

Deno.test("an average of 16-bit weights is in f32, and a state without one is refused", async () => {
  const [{ params, batch } = never()] = fc.sample(cases, 1);
  const [optimizer, average] = [sgd(0.5), movingAverage()];
  const stored = mapTree(params, (x) => cast(cast(x, "f32"), "bf16"));
  const { average: own } = initTrainingState(stored, optimizer, key(1), undefined, average);
  await assertClose(own, { params: inFloats(stored) });
  for (const more of [{ average }, { objectiveOf: () => sft() }]) {
    const step = trainingStep({ policy, objective: sft(), optimizer, ...more });
    assertThrows(
      () => step(initTrainingState(params, optimizer, key(1)), batch),
      RangeError,
      "the training's state has no average",
    );
  }
});

function never(): never {
  throw new RangeError("an example is drawn");
}
