/** Advantages: signals that should cancel do, exactly; those that nearly do keep their digits. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { adamw, sgd } from "@unitune/autodiff";
import {
  compile,
  type FloatDType,
  key,
  mapTree,
  mul,
  slice,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  accumulateGradients,
  advantage,
  type AdvantageForm,
  againstReference,
  applyAccumulated,
  batchZScore,
  best,
  bestOfN,
  estimate,
  estimator,
  gate,
  gold,
  groupMeanBatchStd,
  groupZScore,
  grpo,
  initTrainingState,
  maskedWhiten,
  modelOf,
  objective,
  onlineDpo,
  packSamples,
  paired,
  policyGradient,
  ranked,
  reinforce,
  reinforcePlusPlus,
  type Rollouts,
  sampled,
  sft,
  summarize,
  trainingStep,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, context, idsOf, lossOf, type Parameters, policy } from "./arbitrary.ts";
import { entriesOf, type Parts, type World, worldOf } from "./worlds.ts";

/** All estimators that compare rewards. */
const forms = [
  "group-z-score",
  "group-mean",
  "group-mean-batch-std",
  "leave-one-out",
  "batch-z-score",
  "max-rl",
] as const satisfies readonly AdvantageForm[];

/** Any finite f32: subnormal, tiny, huge, of both signs. */
const anyNumber = fc.float({ noNaN: true, noDefaultInfinity: true });

const sizes = fc.oneof(fc.integer({ min: 2, max: 64 }), fc.constantFrom(41, 1000));

async function assertZero(x: Tensor, what: string): Promise<void> {
  assert((await x.data()).every((value) => value === 0), `${what}: ${await x.data()}`);
}

for (const dtype of ["f32", "f64"] as const) {
  Deno.test(`equal rewards give advantages of exactly 0, whoever is left out (${dtype})`, () =>
    fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 1, max: 3 }),
        fc.oneof(anyNumber, fc.constantFrom(Infinity, -Infinity)),
        fc.array(fc.constantFrom("counts", "left out", "unscorable"), { maxLength: 9 }),
        async (groupSize, groups, reward, fates) => {
          const rows = Array.from({ length: groupSize * groups }, (_, i) => fates[i] ?? "counts");
          const rewards = tensor(
            rows.map((fate) => ({ "counts": reward, "left out": -3, "unscorable": NaN })[fate]),
            { dtype },
          );
          const counted = tensor(rows.map((fate) => fate === "left out" ? 0 : 1));
          for (const form of forms) {
            await assertZero(estimator(form, groupSize).estimate(rewards, counted), form);
          }
          const mask = tensor(rows.map((fate) => fate === "counts" ? 1 : 0));
          const white = [...await maskedWhiten(rewards, mask, { epsilon: 0 }).data()];
          assert(white.every((x, i) => rows[i] !== "counts" || x === 0), `${white}`);
        },
      ),
      { numRuns: dtype === "f32" ? 25 : 60 },
    ));
}

Deno.test("groups that agree give 0 where the batch does not", async () => {
  const rewards = tensor([0.7, 0.7, 0.7, 0.1, 0.1, 0.1]);
  for (const form of forms.filter((form) => form !== "batch-z-score")) {
    await assertZero(estimator(form, 3).estimate(rewards), form);
  }
});

/** Advantages of a group in doubles. */
const exactly: Readonly<Record<AdvantageForm, (r: readonly number[]) => number[]>> = (() => {
  const mean = (r: readonly number[]) => r.reduce((a, b) => a + b, 0) / r.length;
  const centred = (r: readonly number[]) => {
    // From the first, as a double rounds sums too.
    const from = r.map((x) => x - (r[0] ?? NaN));
    return from.map((x) => x - mean(from));
  };
  const z = (epsilon: number) => (r: readonly number[]) => {
    const c = centred(r);
    const std = Math.sqrt(c.reduce((total, x) => total + x * x, 0) / (r.length - 1));
    return c.map((x) => x / (std + epsilon));
  };
  const passed = (r: readonly number[]) => r.map((x) => Number(x >= 1));
  const passRate = (r: readonly number[]) => passed(r).map((x) => x - mean(passed(r)));
  return {
    "raw": (r) => [...r],
    "sign": (r) => r.map((x) => x >= 1 ? 1 : -1),
    "pass-rate": passRate,
    "pass-rate-z-score": (r) => {
      const rate = mean(passed(r));
      return passRate(r).map((x) => x === 0 ? 0 : x / Math.sqrt(rate * (1 - rate)));
    },
    "group-mean": centred,
    "group-z-score": z(1e-4),
    "group-mean-batch-std": z(1e-4),
    "batch-z-score": z(1e-8),
    "leave-one-out": (r) => centred(r).map((x) => x * r.length / (r.length - 1)),
    "max-rl": (r) => centred(r).map((x) => x / mean(r)),
  };
})();

Deno.test("rewards that nearly agree keep the digits of their differences", () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(2, 3, 7, 16, 64),
      fc.constantFrom(0.7, 1, 1000, 1e6, 1e-6),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 64, maxLength: 64 }),
      async (groupSize, base, steps) => {
        // Some units in the last place apart.
        const rewards = Float32Array.from(
          steps.slice(0, groupSize),
          (k) => base * (1 + k * 2 ** -22),
        );
        for (const form of forms) {
          const expected = exactly[form]([...rewards]);
          const actual = await estimator(form, groupSize).estimate(tensor(rewards)).data();
          const size = Math.max(...expected.map(Math.abs));
          // A hundred roundings of f32: sums of up to 64 differences, a root and two quotients.
          const allowed = 100 * 2 ** -24 * size;
          expected.forEach((x, i) => assertAlmostEquals(actual[i] ?? NaN, x, allowed, form));
        }
      },
    ),
    { numRuns: 30 },
  ));

Deno.test("TRL 1.13: scale_rewards of groups and of the batch, an answer being unscorable", async () => {
  const r = [0.1, 0.7, 0.4, 0.4, 0.9, 0.9, 0.9, 0.9, 0, NaN, 1, 0.25];
  // By torch.nanmean and trl.trainer.utils.nanstd, in f32.
  const byGroup = [
    ...[-1.2242452, 1.2242451, 0, 0, 0, 0, 0, 0],
    ...[-0.8004868, 0, 1.1206816, -0.3201947],
  ];
  const byBatch = [
    ...[-0.8191749, 0.8191749, 0, 0, 0, 0, 0, 0],
    ...[-1.137743, 0, 1.5928403, -0.4550972],
  ];
  // Some roundings of f32 at sizes of up to 1.6.
  const printed = 1e-6;
  for (const dtype of ["f32", "f64"] as const) {
    const rewards = tensor(r, { dtype });
    const like = (values: readonly number[]) => tensor(values, { dtype });
    await assertClose(groupZScore(rewards, { groupSize: 4 }), like(byGroup), printed);
    await assertClose(groupMeanBatchStd(rewards, { groupSize: 4 }), like(byBatch), printed);
    // The batch's z-score is another one: it takes the batch's mean away.
    const [first = NaN] = await batchZScore(rewards, { epsilon: 1e-4 }).data();
    assert(Math.abs(first - -0.8191749) > 0.1);
  }
});

Deno.test("an answer that is left out moves nobody's advantage", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 3, maxLength: 6 }),
      fc.double({ min: -9, max: 9, noNaN: true }),
      async (rewards, other) => {
        const f64 = { dtype: "f64" } as const;
        for (const form of forms) {
          const alone = estimator(form, rewards.length).estimate(tensor(rewards, f64));
          const counted = tensor([...rewards.map(() => 1), 0]);
          const beside = estimator(form, rewards.length + 1)
            .estimate(tensor([...rewards, other], f64), counted);
          const [own, rest] = [[...await alone.data()], [...await beside.data()]];
          // Roundings of f64, magnified where a mean (of max-rl) or a deviation is small.
          const allowed = 1e-9 * (1 + Math.max(...own.map(Math.abs)));
          assertEquals(rest.at(-1), 0);
          own.forEach((x, i) => assertAlmostEquals(rest[i] ?? NaN, x, allowed, form));
        }
      },
    ),
    { numRuns: 20 },
  ));

const ROWS = 32;

/** A world of answers that are all worth the same. */
function agreed(dtype: FloatDType): World {
  const world = worldOf({ seed: 3, distance: 0.3, rows: ROWS, dtype });
  const rewards = tensor(new Float64Array(ROWS).fill(0.7), { dtype });
  const rewardParts = tensor(Array.from({ length: ROWS }, () => [0.7, 0.7]), { dtype });
  return {
    ...world,
    rollouts: { ...world.rollouts, rewards, rewardParts },
  };
}

/** Asserts that some compiled steps leave the weights as they are, bit for bit. */
async function assertUntouched<B>(
  { policy, objective, batch }: Parts<B>,
  params: Parameters,
  name: string,
): Promise<void> {
  const optimizer = adamw(1e-2, { weightDecay: 0 });
  const step = compile(trainingStep({ policy, objective, optimizer }));
  let state = initTrainingState(params, optimizer, key(1));
  for (let i = 0; i < 6; i++) {
    const { state: next, metrics } = step(state, batch);
    state = next;
    assertEquals(await metrics.grad_norm?.item(), 0, name);
    const { reward_std: deviation } = metrics;
    if (deviation !== undefined) assertEquals(await deviation.item(), 0, name);
  }
  assertEquals(await state.params.table.data(), await params.table.data(), name);
  assertEquals(await state.params.mixing.data(), await params.mixing.data(), name);
}

/** Entries that learn from answers whatever the others are worth. */
const notCompared = [
  ...["reinforce", "grpo-kl", "best-of-n", "masked-grpo", "adaptive-entropy-grpo"],
  ...["a-star-po", "xpo"],
  ...["nft", "weighted-reinforce", "dppo", "on-policy-distillation", "luffy", "rl-plus", "hpt"],
  ...["srft", "chord", "chord-mu", "relift", "interleaved", "uft", "prefix-rft"],
  ...["sdft", "opsd", "sdpo"],
  ...["minillm", "iw-opd", "gkd", "nash-md"],
];

const world = agreed("f32");
for (const { name, data, values, use } of entriesOf(world)) {
  if (data !== "rollouts" || values || notCompared.includes(name)) continue;
  Deno.test(`${name}: equal rewards leave the weights untouched`, () =>
    use((parts) => assertUntouched(parts, world.params, name)));
}

Deno.test("groups of 32 and batches of equal rewards leave the weights untouched", async () => {
  const { rollouts, params } = world;
  for (const form of forms) {
    const compared = objective(
      estimate(sampled, advantage(estimator(form, ROWS))),
      policyGradient(),
    );
    await assertUntouched({ policy, objective: compared, batch: rollouts }, params, form);
  }
});

Deno.test("an unscorable answer among equal ones leaves the weights untouched", async () => {
  const sample = (...completion: number[]) => ({ prompt: [0], completion });
  const samples = [sample(1, 2), sample(2), sample(3, 1), sample(2, 2)];
  // Of groups of one, as REINFORCE++ has them, nothing is known of an unscorable answer.
  for (const groupSize of [1, 2, 4]) {
    const packed = packSamples(samples, [0.7, null, 0.7, 0.7], { groupSize });
    const batch: Rollouts = { ...packed, oldLogProbs: packed.mask, temperature: 1 };
    await assertUntouched(
      { policy, objective: reinforcePlusPlus(), batch },
      world.params,
      `in groups of ${groupSize}`,
    );
    const { advantages } = advantage(estimator("leave-one-out", 2))
      .collect(modelOf(policy, world.params), batch, () => {
        throw new Error("nothing is asked");
      });
    await assertZero(advantages, "leave-one-out");
  }
});

Deno.test("an unscorable answer is never the best or the worst of its group", async () => {
  const sample = (...completion: number[]) => ({ prompt: [0], completion });
  const samples = [sample(3, 1), sample(1, 2)];
  const stepOf = (rewards: readonly (number | null)[], rows: typeof samples) => {
    const packed = packSamples(rows, rewards, { length: 3, groupSize: rows.length });
    const batch = {
      ...packed,
      oldLogProbs: packed.mask,
      referenceLogProbs: packed.mask,
      temperature: 1,
    };
    const steps = [bestOfN, onlineDpo].map((make) => {
      const training = { policy, objective: make({ groupSize: rows.length }), optimizer: sgd(1) };
      return trainingStep(training)(initTrainingState(world.params, sgd(1), key(1)), batch);
    });
    return steps;
  };
  const [best, pair] = stepOf([null, 1, 1], [sample(2, 2), ...samples]);
  const [scoredBest, scoredPair] = stepOf([1, 1], samples);
  for (const [actual, expected] of [[best, scoredBest], [pair, scoredPair]]) {
    await assertClose(actual?.state.params, expected?.state.params, 1e-6);
    assertAlmostEquals(
      await actual?.metrics.loss?.item() ?? NaN,
      await expected?.metrics.loss?.item() ?? Infinity,
      1e-6,
    );
  }
});

Deno.test("the mean of a group's scored rewards is theirs where they agree", () =>
  fc.assert(
    fc.asyncProperty(anyNumber, fc.integer({ min: 1, max: 40 }), async (reward, others) => {
      const samples = Array.from({ length: others + 1 }, () => ({ prompt: [0], completion: [1] }));
      const { rewards } = packSamples(samples, [null, ...Array(others).fill(reward)]);
      assertEquals(new Set(await rewards.data()).size, 1);
    }),
    { numRuns: 50 },
  ));

Deno.test("rewards and lengths are logged of the answers that count", async () => {
  const sample = (...completion: number[]) => ({ prompt: [0], completion });
  const packed = packSamples(
    [sample(1, 2), sample(2, 1, 1), sample(3, 1), sample(2)],
    [1, null, 0.5, 0],
    { groupSize: 2 },
  );
  const batch: Rollouts = { ...packed, oldLogProbs: packed.mask, temperature: 1 };
  const model = modelOf(policy, world.params);
  const signal = objective(
    estimate(sampled, advantage(estimator("group-mean", 2))),
    policyGradient(),
  );
  const metrics = summarize(
    signal.evaluate(model, signal.collect(model, batch, context), context),
  );
  const value = (name: string) => metrics[name]?.item();
  assertEquals(await value("reward"), 0.5);
  // Of one scored answer the deviation is 0, of 0.5 and 0 it is 0.5 / sqrt(2).
  assertAlmostEquals(await value("reward_std") ?? NaN, 0.5 * Math.SQRT1_2 / 2, 1e-6);
  assertAlmostEquals(await value("completions/mean_length") ?? NaN, 5 / 3, 1e-6);
  assertEquals(await value("completions/min_length"), 1);
  assertEquals(await value("completions/max_length"), 2);
});

Deno.test("a reward that is NaN is in no metric, as it is in no mean of an estimator", async () => {
  const world = worldOf({ seed: 3, distance: 0.3, rows: 4 });
  const rewards = tensor([1, NaN, 0.5, 0], { dtype: "f64" });
  const training = { policy, objective: grpo({ groupSize: 2 }), optimizer: adamw(1e-2) };
  const state = initTrainingState(world.params, training.optimizer, key(1));
  const { metrics } = trainingStep(training)(state, { ...world.rollouts, rewards });
  assertEquals(await metrics.reward?.item(), 0.5);
  assertAlmostEquals(await metrics.reward_std?.item() ?? NaN, 0.5 * Math.SQRT1_2 / 2, 1e-6);
});

Deno.test("micro-batches without an answer have no say in the extremes of lengths", async () => {
  const { params, rollouts } = worldOf({ seed: 3, distance: 0.3, rows: 4 });
  const silent = {
    ...rollouts,
    mask: mul(rollouts.mask, tensor([[1], [1], [0], [0]], { dtype: "f64" })),
  };
  const training = { policy, objective: grpo({ groupSize: 2 }), optimizer: adamw(1e-2) };
  const state = initTrainingState(params, training.optimizer, key(1));
  const accumulate = accumulateGradients(training);
  const half = (from: number) => mapTree(silent, (x) => slice(x, 0, from, from + 2));
  const cut = applyAccumulated(training)(
    state,
    accumulate(state, half(2), accumulate(state, half(0))),
  );
  const whole = trainingStep(training)(state, silent);
  for (const name of ["completions/min_length", "completions/max_length"]) {
    assertEquals(await cut.metrics[name]?.item(), await whole.metrics[name]?.item(), name);
  }
});

Deno.test("a pass rate that is the threshold does not pass, whatever it is rounded to", async () => {
  const f64 = { dtype: "f64" } as const;
  const plain = worldOf({ seed: 5, distance: 0, rows: 2 });
  for (const [passing, of] of [[3, 10], [7, 10], [1, 3], [9, 41]] as const) {
    const ids = idsOf(Array.from({ length: of }, () => [0, 1, 2]));
    const mask = tensor(Array.from({ length: of }, () => [0, 1, 1]), f64);
    const rewards = tensor(Array.from({ length: of }, (_, i) => i < passing ? 1 : 0), f64);
    const demonstrations = { ids: idsOf([[0, 2, 1]]), mask: tensor([[0, 1, 1]], f64) };
    const batch = { rollouts: { ids, mask, rewards }, demonstrations };
    const loss = (threshold: number) =>
      lossOf(gate({ groupSize: of, threshold }, sft(), sft()), batch)(plain.params);
    const [demonstrated, sampled] = [
      lossOf(sft(), demonstrations)(plain.params),
      lossOf(sft(), { ids, mask })(plain.params),
    ];
    await assertClose(loss(passing / of), demonstrated);
    await assertClose(loss((passing - 0.5) / of), sampled);
  }
});

Deno.test("rewards whose squares no float holds have the z-scores of their ratios", async () => {
  for (const size of [1e20, 1e-30]) {
    const rewards = tensor([size, -size]);
    // Two deviations of 1 from their mean have a standard deviation of sqrt(2).
    const expected = [Math.SQRT1_2, -Math.SQRT1_2];
    for (
      const z of [
        groupZScore(rewards, { groupSize: 2, epsilon: 0 }),
        batchZScore(rewards, { epsilon: 0 }),
      ]
    ) {
      // A few roundings in f32 of numbers below 1.
      await assertClose(z, tensor(expected), 1e-6);
    }
  }
});

Deno.test("answers that are compared with none are one group in reward_std", async () => {
  const world = worldOf({ seed: 3, distance: 0.3, rows: 4 });
  const rewards = tensor([1, 0, 0.5, 0.5], { dtype: "f64" });
  const training = { policy, objective: reinforce(), optimizer: adamw(1e-2) };
  const state = initTrainingState(world.params, training.optimizer, key(1));
  const { metrics } = trainingStep(training)(state, { ...world.rollouts, rewards });
  assertAlmostEquals(await metrics.reward_std?.item() ?? NaN, Math.sqrt(0.5 / 3), 1e-6);
});

Deno.test("of a group that is ranked two answers are learned, of its best one", () => {
  const side = estimate(gold, againstReference("precomputed"));
  assertEquals(ranked(paired(side), { groupSize: 8 }).description.learnedShare, 2 / 8);
  assertEquals(best(side, { groupSize: 8 }).description.learnedShare, 1 / 8);
});
