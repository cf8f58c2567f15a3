/** SFT as a special case of RLHF, and the laws of the family, as properties that run. */
import { assert, assertAlmostEquals, assertNotEquals, assertRejects } from "@std/assert";
import { checkGradients, grad } from "@unitune/autodiff";
import {
  add,
  exp,
  type FloatDType,
  gather,
  leavesOf,
  log,
  mapTree,
  mul,
  neg,
  ones,
  replaceLeaves,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  advantage,
  againstReference,
  both,
  cispoLoss,
  clipped,
  clippedLoss,
  dapoLoss,
  dpo,
  dpoLoss,
  estimate,
  estimator,
  evaluationLoss,
  exponentialLoss,
  gaeAdvantages,
  gold,
  groupMeanBaseline,
  groupZScore,
  grpoLoss,
  gspoLoss,
  hingeLoss,
  indicator,
  intuitive,
  intuitiveDpo,
  type IntuitiveOptions,
  ipoLoss,
  kl,
  leaveOneOut,
  lossValue,
  maxRl,
  modelOf,
  modelOfLogits,
  nll,
  type Objective,
  objective,
  onlineDpo,
  policyGradient,
  ppoLoss,
  type PreferenceLoss,
  reinforceLoss,
  rlooLoss,
  sampled,
  scoreTokens,
  sequenceLogProbs,
  sft,
  sumOf,
  weight,
} from "@unitune/objectives";
import fc from "fast-check";
import {
  assertClose,
  assertNear,
  context,
  idsOf,
  lossOf,
  type Parameters,
  policy,
  rowsOf,
} from "./arbitrary.ts";
import { theorem } from "./theorem.ts";
import { entriesOf, worldOf, worlds } from "./worlds.ts";

/** Numbers that f32 has: options are refused that it would make 0. */
const number = (min: number, max: number) =>
  fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });
const f64 = { dtype: "f64" } as const;

/** Asserts that two objectives have the same gradient at a policy. */
async function assertSameGradient<A, B>(
  params: Parameters,
  [a, x]: readonly [Objective<A>, A],
  [b, y]: readonly [Objective<B>, B],
  tolerance: number,
): Promise<void> {
  await assertNear(grad(lossOf(a, x))(params), grad(lossOf(b, y))(params), tolerance);
}

theorem(
  "SFT is the policy gradient on the demonstration with the target indicator as reward",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, async (options) => {
      const { params, demonstrations } = worldOf({ ...options, dtype });
      const [rows = 0] = demonstrations.ids.shape;
      // The demonstration's every token is the target: reward 1.
      const rewarded = {
        ...demonstrations,
        rewards: ones([rows], dtype),
        oldLogProbs: demonstrations.referenceLogProbs,
      };
      const reinforced = objective(
        estimate(gold, advantage(estimator("raw"))),
        policyGradient({ normalizer: "token" }),
      );
      await assertSameGradient(params, [sft(), demonstrations], [reinforced, rewarded], tolerance);
    }),
);

/** Every answer of a length, after one prompt token. */
function everyAnswer(prompt: number, vocabulary: number, length: number): number[][] {
  return Array.from({ length: vocabulary ** length }, (_, code) => [
    prompt,
    ...Array.from({ length }, (_, t) => Math.floor(code / vocabulary ** t) % vocabulary),
  ]);
}

theorem(
  "SFT is the on-policy gradient with reward 1[y = y*] / pi(y), by enumeration of all answers",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(fc.nat(1e4), fc.integer({ min: 2, max: 3 }), async (seed, vocabulary) => {
      const { params } = worldOf({ seed, distance: 0, vocabulary, dtype });
      const answers = everyAnswer(seed % vocabulary, vocabulary, 2);
      const target = seed % answers.length;
      const ids = idsOf(answers);
      const mask = tensor(answers.map(() => [0, 1, 1]));
      const at = (p: Parameters) => scoreTokens(modelOf(policy, p), { ids });
      const likelihood = exp(sequenceLogProbs(at(params), mask));
      const isTarget = tensor(answers.map((_, y) => y === target ? 1 : 0), { dtype });
      // The expectation over y ~ pi is a sum weighted by pi(y): pi(y) 1[y = y*] / pi(y).
      const weights = mul(likelihood, mul(isTarget, exp(neg(log(likelihood)))));
      const onPolicy = (p: Parameters) =>
        reinforceLoss(at(p), weights, mask, { normalizer: 1 }).total;
      const supervised = (p: Parameters) => neg(sum(mul(sequenceLogProbs(at(p), mask), isTarget)));
      await assertNear(grad(onPolicy)(params), grad(supervised)(params), tolerance);
      // Without the reward, every answer weighs pi(y), and the expected gradient is 0.
      const baseline = (p: Parameters) =>
        reinforceLoss(at(p), likelihood, mask, { normalizer: 1 }).total;
      await assertNear(grad(baseline)(params), mapTree(params, (x) => mul(x, 0)), tolerance);
    }),
);

theorem(
  "SFT overestimates: T(s*_n, s*_{n-1}) >= T(s*_n, rho0), the chance to reach s*_n at all",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, async (options) => {
      const { params, demonstrations: { ids, mask } } = worldOf({ ...options, dtype });
      const along = await rowsOf(mul(scoreTokens(modelOf(policy, params), { ids }), mask));
      for (const row of along) {
        let reached = 0;
        for (const logProb of row) {
          reached += logProb;
          assert(logProb >= reached - tolerance);
        }
      }
    }),
);

Deno.test("T(s*_n, s*_{n-1}) >= T(s*_n, s_{n-1}) need not hold: own tokens can lead back (counterexample)", async () => {
  // After 0 the model says 1 where gold says 2; from 1 the gold 3 is near certain, from 2 it is not.
  const table = tensor([[0, 9, 0, 0], [0, 0, 0, 9], [9, 0, 0, 0], [0, 0, 0, 0]], f64);
  const model = modelOfLogits({ embed: (ids) => gather(table, ids), logits: (x) => x });
  const batch = { ids: idsOf([[0, 2, 3]]), mask: tensor([[0, 1, 1]]) };
  const along = async (lambda: number) => {
    const states = intuitive({ lambda });
    const { logProbs } = states.evaluate(
      model,
      states.collect(model, batch, context),
      context,
    );
    const [, last = NaN] = await logProbs().data();
    return last;
  };
  assert(await along(1) > await along(0) + 5);
});

theorem(
  "recursive intuitive states are the fixed point of the paper's figure: s_i = (1-l) s*_i + l pi(s_{i-1})",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, number(0.1, 1), async (options, lambda) => {
      const { params, demonstrations } = worldOf({ ...options, dtype });
      const model = modelOf(policy, params);
      const recursive = intuitive({ lambda, passes: "recursive" });
      const [, length = 0] = demonstrations.ids.shape;
      const more = intuitive({ lambda, passes: length + 2 });
      const [a, b] = [recursive, more].map((states) =>
        states.collect(model, demonstrations, context).own
      );
      await assertNear(a, b, tolerance);
      const once = intuitive({ lambda }).collect(model, demonstrations, context);
      const onePass = intuitive({ lambda, passes: 1 }).collect(model, demonstrations, context);
      await assertNear(onePass.own, once.own, tolerance);
    }),
);

Deno.test("expected own tokens are argmax's where the policy is certain; a share of 0 is gold whatever they are", async () => {
  const { params, demonstrations } = worldOf({ seed: 2, distance: 0 });
  const certain: Parameters = { ...params, table: mul(params.table, 200) };
  const at = (own: "argmax" | "expected" | "sampled", lambda: number, p: Parameters) =>
    lossOf(objective(estimate(intuitive({ own, lambda }), indicator), nll()), demonstrations)(p);
  await assertClose(at("expected", 0.4, certain), at("argmax", 0.4, certain), 1e-6);
  for (const own of ["argmax", "expected", "sampled"] as const) {
    await assertClose(at(own, 0, params), lossOf(sft(), demonstrations)(params), 1e-12);
  }
});

Deno.test("frozen embeddings mix the table that was given; synchronised ones that of the step", async () => {
  const { params, reference, demonstrations } = worldOf({ seed: 4, distance: 0.5 });
  const { embed: table } = modelOf(policy, reference);
  const at = (states: IntuitiveOptions) =>
    lossOf(objective(estimate(intuitive(states), indicator), nll()), demonstrations)(params);
  const frozen = await at({ lambda: 0.5, embeddings: "frozen", table }).item();
  const synchronised = await at({ lambda: 0.5, embeddings: "synchronised" }).item();
  assertNotEquals(frozen, synchronised);
  const own = modelOf(policy, params).embed;
  await assertClose(
    at({ lambda: 0.5, embeddings: "frozen", table: own }),
    at({ lambda: 0.5, embeddings: "synchronised" }),
  );
});

/** Log-probs of sampled tokens, an old policy's, advantages and a mask. */
const rollouts = fc.record({
  rows: fc.integer({ min: 1, max: 3 }),
  length: fc.integer({ min: 1, max: 4 }),
}).chain(({ rows, length }) => {
  const table = (cell: fc.Arbitrary<number>) =>
    fc.array(fc.array(cell, { minLength: length, maxLength: length }), {
      minLength: rows,
      maxLength: rows,
    });
  return fc.record({
    logProbs: table(number(-3, -0.1)),
    old: table(number(-3, -0.1)),
    mask: table(fc.constantFrom(0, 1, 1)).map((mask) => mask.map((row) => [1, ...row.slice(1)])),
    advantages: fc.array(number(-2, 2), { minLength: rows, maxLength: rows }),
  });
});

theorem(
  "PPO at ratio 1 has REINFORCE's gradient; without clipping, the importance-weighted one",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(rollouts, async (plain) => {
      const [logProbs, old, mask] = [plain.logProbs, plain.old, plain.mask].map((x) =>
        tensor(x, { dtype })
      );
      const advantages = tensor(plain.advantages, { dtype });
      assert(logProbs !== undefined && old !== undefined && mask !== undefined);
      const gradient = (loss: (x: Tensor) => Tensor) => grad(loss)(logProbs);
      await assertNear(
        gradient((x) => lossValue(ppoLoss(x, logProbs, advantages, mask))),
        gradient((x) => lossValue(reinforceLoss(x, advantages, mask))),
        tolerance,
      );
      const rho = exp(sub(logProbs, old));
      await assertNear(
        gradient((x) => lossValue(ppoLoss(x, old, advantages, mask, { epsilon: Infinity }))),
        gradient((x) => lossValue(reinforceLoss(x, mul(rho, reshape(advantages, [-1, 1])), mask))),
        tolerance,
      );
      // CISPO is what is left of it where no ratio reaches the cap.
      await assertNear(
        gradient((x) => lossValue(cispoLoss(x, old, advantages, mask, { cap: 1e9 }))),
        gradient((x) => lossValue(ppoLoss(x, old, advantages, mask, { epsilon: Infinity }))),
        tolerance,
      );
    }),
);

theorem(
  "DAPO is GRPO on equal lengths, not otherwise; on length 1 token, mean and product ratios agree",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(rollouts, async ({ logProbs: p, old: q, advantages: a }) => {
      const [logProbs, old, advantages] = [
        tensor(p, { dtype }),
        tensor(q, { dtype }),
        tensor(a, { dtype }),
      ];
      const mask = ones(logProbs.shape, dtype);
      const same = { epsilon: 0.2, epsilonHigh: 0.2 };
      await assertNear(
        lossValue(dapoLoss(logProbs, old, advantages, mask, same)),
        lossValue(grpoLoss(logProbs, old, advantages, mask, same)),
        tolerance,
      );
      const first = (x: Tensor) => slice(x, 1, 0, 1);
      const short = [first(logProbs), first(old), advantages, first(mask), same] as const;
      const ppo = lossValue(clippedLoss(...short));
      await assertNear(lossValue(gspoLoss(...short)), ppo, tolerance);
      await assertNear(lossValue(rlooLoss(...short)), ppo, tolerance);
    }),
);

Deno.test("DAPO and GRPO differ on unequal lengths (counterexample)", async () => {
  const [logProbs, mask] = [tensor([[-1, -1], [-1, -1]], f64), tensor([[1, 1], [1, 0]])];
  const advantages = tensor([1, -1], f64);
  const same = { epsilon: 0.2, epsilonHigh: 0.2 };
  const of = (loss: typeof dapoLoss) =>
    lossValue(loss(logProbs, logProbs, advantages, mask, same)).item();
  assertAlmostEquals(await of(grpoLoss), 0, 1e-12);
  assertAlmostEquals(await of(dapoLoss), -1 / 3, 1e-12);
});

const pairs = fc.tuple(number(-9, 0), number(-9, 0), number(-9, 0), number(-9, 0));
const asTensors = (dtype: FloatDType, values: readonly [number, number, number, number]) => {
  const [a, b, c, d] = values.map((x) => tensor([x], { dtype }));
  assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
  return [a, b, c, d] as const;
};

theorem(
  "DPO: antisymmetric under swap, invariant to a function of the prompt, ln 2 at its reference",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(pairs, number(-5, 5), number(0.05, 1), async (values, shift, beta) => {
      const [lw, ll, rw, rl] = asTensors(dtype, values);
      const [a, b, c, d] = values;
      const forth = await dpoLoss(lw, ll, rw, rl, { beta }).item();
      const back = await dpoLoss(ll, lw, rl, rw, { beta }).item();
      // -log s(x) + log s(-x) = -x.
      assertAlmostEquals(forth - back, -beta * (a - b - c + d), tolerance);
      const moved = dpoLoss(add(lw, shift), add(ll, shift), rw, rl, { beta });
      assertAlmostEquals(await moved.item(), forth, tolerance);
      assertAlmostEquals(await dpoLoss(lw, ll, lw, ll, { beta }).item(), Math.LN2, tolerance);
    }),
);

theorem(
  "DPO, hinge, IPO and the exponential are one family: f(beta d), f convex, falling at 0",
  ({ dtype, tolerance }) => {
    const family: Readonly<Record<string, [PreferenceLoss, (b: number) => number]>> = {
      dpo: [dpoLoss, () => 1],
      hinge: [hingeLoss, () => 1],
      // (d - 1/(2b))^2 = (bd - 1/2)^2 / b^2.
      ipo: [ipoLoss, (b) => b * b],
      exponential: [exponentialLoss, () => 1],
    };
    return fc.asyncProperty(
      number(-6, 6),
      number(-6, 6),
      number(0.1, 2),
      number(-4, 0),
      async (x, y, beta, other) => {
        for (const [loss, scale] of Object.values(family)) {
          // At a margin d; the second log-probability is any, the references are any.
          const at = async (d: number, l = -1, b = beta) => {
            const value = await loss(...asTensors(dtype, [l + d, l, -1, -1]), { beta: b }).item();
            return value * scale(b);
          };
          const [p, q, between] = [await at(x), await at(y), await at((x + y) / 2)];
          const near = tolerance * (1 + Math.abs(p) + Math.abs(q));
          assert(between <= (p + q) / 2 + near, "convex");
          assertAlmostEquals(await at(x, other), p, near);
          assertAlmostEquals(await at(x / 2, -1, 2 * beta), p, near);
          assert(await at(0.01) < await at(0), "falls at 0");
        }
      },
    );
  },
);

theorem(
  "online DPO on given samples is DPO on the pairs that they make",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, async (options) => {
      const { params, rollouts } = worldOf({ ...options, dtype });
      const rewards = await rollouts.rewards.data();
      const ranks = Array.from({ length: rewards.length / 2 }, (_, g) => {
        const [first = 0, second = 0] = rewards.slice(2 * g, 2 * g + 2);
        return first >= second ? [2 * g, 2 * g + 1] : [2 * g + 1, 2 * g];
      });
      if (ranks.some(([a = 0, b = 0]) => rewards[a] === rewards[b])) return;
      const side = (k: number) => {
        const order = tensor(ranks.map((rank) => rank[k] ?? 0), { dtype: "i32" });
        const { ids, mask, referenceLogProbs } = rollouts;
        return mapTree({ ids, mask, referenceLogProbs }, (x) => gather(x, order));
      };
      const offline = lossOf(dpo(), { chosen: side(0), rejected: side(1) });
      const online = lossOf(onlineDpo(), rollouts);
      await assertNear(online(params), offline(params), tolerance);
      await assertNear(grad(online)(params), grad(offline)(params), tolerance);
    }),
);

theorem(
  "intuitive DPO at lambda 0 is DPO; at its reference it is ln 2 whatever lambda",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, number(0, 1), async (options, lambda) => {
      const { params, reference, pairs } = worldOf({ ...options, dtype });
      const model = modelOf(policy, reference);
      const plain = lossOf(dpo({ reference: model }), pairs);
      await assertNear(
        lossOf(intuitiveDpo(model, { lambda: 0 }), pairs)(params),
        plain(params),
        tolerance,
      );
      // A reference that is asked is a reference that was asked beforehand.
      await assertNear(lossOf(dpo(), pairs)(params), plain(params), tolerance);
      const start = await lossOf(intuitiveDpo(model, { lambda }), pairs)(reference).item();
      assertAlmostEquals(start, Math.LN2, tolerance);
    }),
);

const groups = fc.array(number(-3, 3), { minLength: 4, maxLength: 4 });

theorem(
  "advantages: GRPO's know no shift nor scale, RLOO's are the mean baseline's times G/(G-1)",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(groups, number(-4, 4), number(0.5, 5), async (values, shift, scale) => {
      const rewards = tensor(values, { dtype });
      const z = (x: Tensor) => groupZScore(x, { groupSize: 4, epsilon: 0 });
      const spread = Math.max(...values) - Math.min(...values);
      // Where rewards all but agree, their differences are rounding.
      if (spread > 0.5) {
        await assertNear(z(add(mul(rewards, scale), shift)), z(rewards), tolerance);
      }
      await assertNear(
        leaveOneOut(rewards, { groupSize: 4 }),
        mul(groupMeanBaseline(rewards, { groupSize: 4 }), 4 / 3),
        tolerance,
      );
      const agreed = tensor(values.map(() => shift), { dtype });
      for (const estimate of [groupZScore, groupMeanBaseline, leaveOneOut, maxRl]) {
        await assertNear(estimate(agreed, { groupSize: 4 }), mul(rewards, 0), tolerance);
      }
    }),
);

Deno.test("with epsilon, GRPO's advantages do know the scale (counterexample)", async () => {
  const rewards = tensor([0, 1e-4], f64);
  const [small = NaN] = await groupZScore(rewards, { groupSize: 2 }).data();
  const [large = NaN] = await groupZScore(mul(rewards, 1e4), { groupSize: 2 }).data();
  assert(Math.abs(small) < 0.6 * Math.abs(large));
});

theorem(
  "GAE: at lambda 1 the discounted return less the value, at 0 the TD error",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(
      fc.array(fc.tuple(number(-2, 2), number(-2, 2)), { minLength: 1, maxLength: 6 }),
      number(0, 1),
      async (steps, gamma) => {
        const rewards = steps.map(([reward]) => reward);
        const values = [...steps.map(([, value]) => value), 0];
        const [r, v] = [tensor([rewards], { dtype }), tensor([values], { dtype })];
        const returns = rewards.map((_, t) =>
          rewards.slice(t).reduce((total, x, i) => total + gamma ** i * x, 0)
        );
        await assertNear(
          gaeAdvantages(r, v, { gamma, lambda: 1 }),
          tensor([returns.map((x, t) => x - (values[t] ?? NaN))], { dtype }),
          tolerance,
        );
        await assertNear(
          gaeAdvantages(r, v, { gamma, lambda: 0 }),
          tensor(
            [rewards.map((x, t) => x + gamma * (values[t + 1] ?? NaN) - (values[t] ?? NaN))],
            { dtype },
          ),
          tolerance,
        );
      },
    ),
);

theorem(
  "a sum is the sum of its parts' losses, a weight their multiple; both signals see one model",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, number(-2, 2), async (options, factor) => {
      const { params, rollouts } = worldOf({ ...options, dtype });
      const rewarded = advantage(estimator("group-z-score", 2));
      const referred = againstReference("precomputed");
      const estimation = estimate(sampled, both(rewarded, referred));
      const whole = lossOf(
        objective(estimation, sumOf(clipped(), weight(factor, kl()))),
        rollouts,
      );
      const parts = (p: Parameters) =>
        add(
          lossOf(objective(estimate(sampled, rewarded), clipped()), rollouts)(p),
          mul(lossOf(objective(estimate(sampled, referred), kl()), rollouts)(p), factor),
        );
      await assertNear(whole(params), parts(params), tolerance);
      await assertNear(grad(whole)(params), grad(parts)(params), tolerance);
      const objectives = sumOf(sft(), weight(factor, sft()));
      await assertNear(
        lossOf(objectives, rollouts)(params),
        mul(lossOf(sft(), rollouts)(params), 1 + factor),
        tolerance,
      );
    }),
);

/** Entries whose gradients are not those of their values, by what they hold constant. */
const stopped: readonly string[] = [
  ...[
    "dft",
    "iw-sft",
    "cispo",
    "asft",
    "power-sft",
    "nft",
    "rl-plus",
    "srft",
    "chord",
    "sdft",
    "sdpo",
    "wpo",
    "vespo",
    "nash-md",
  ],
];

/** A tree whose tensors are on no device, so that any may take them. */
async function hosted<T>(tree: T): Promise<T> {
  return replaceLeaves(
    tree,
    await Promise.all(leavesOf(tree).map(async (x) => tensor(await x.data(), x))),
  );
}

const small = worldOf({ seed: 21, distance: 0.3, rows: 2, length: 5, vocabulary: 3 });
for (const { name, use } of entriesOf(small)) {
  const differs = stopped.includes(name);
  Deno.test(
    `${name}: the gradient is ${differs ? "not " : ""}that of central differences${
      differs ? ", its weights being held constant (counterexample)" : ""
    }`,
    () =>
      use(async ({ policy, objective, batch }) => {
        const collected = await hosted(
          objective.collect(modelOf(policy, small.params), batch, context),
        );
        const loss = (p: Parameters) =>
          evaluationLoss(objective.evaluate(modelOf(policy, p), collected, context));
        const check = () => checkGradients(loss, small.params, { tolerance: 1e-5 });
        if (!differs) return await check();
        await assertRejects(check, Error, "central differences");
      }),
  );
}

const [double, single] = (["f64", "f32"] as const).map((dtype) =>
  // At a temperature, by which logits of rollouts are divided.
  entriesOf(worldOf({ seed: 8, distance: 0.3, temperature: 2, dtype }))
);
const at64 = worldOf({ seed: 8, distance: 0.3 }).params;
const at32 = worldOf({ seed: 8, distance: 0.3, dtype: "f32" }).params;
Deno.test("the default backend in f32 agrees with the reference in f64 on every entry", async () => {
  for (const [i, { name, use }] of (double ?? []).entries()) {
    const run = (entry: typeof use, params: Parameters) =>
      entry(({ policy, objective, batch }) => {
        const loss = (p: Parameters) => {
          const model = modelOf(policy, p);
          return evaluationLoss(
            objective.evaluate(model, objective.collect(model, batch, context), context),
          );
        };
        return { value: loss(params), gradient: grad(loss)(params) };
      });
    const exact = run(use, at64);
    const twin = single?.[i];
    assert(twin !== undefined);
    const rounded = run(twin.use, at32);
    const size = Math.abs(await exact.value.item());
    // Some tens of roundings of f32, relative to the loss.
    const tolerance = 2e-4 * (1 + size);
    await assertClose(rounded, exact, tolerance).catch((error) => {
      throw new Error(name, { cause: error });
    });
  }
});
