import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  add,
  argmax,
  concat,
  gather,
  isTensor,
  key,
  ShapeError,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  advantage,
  againstReference,
  best,
  both,
  clipped,
  type Demonstrations,
  distilled,
  entropyBonus,
  type Environment,
  estimate,
  estimator,
  evaluationLoss,
  gae,
  gold,
  ift,
  indicator,
  intuitive,
  kahnemanTversky,
  kl,
  labelled,
  linearLambda,
  metricValues,
  type Model,
  modelOf,
  modelOfLogits,
  nll,
  noisyLambda,
  type Objective,
  objective,
  oddsRatio,
  onChosen,
  type Optimization,
  paired,
  pairwise,
  penalized,
  policyGradient,
  ppo,
  propagated,
  type PropagationForm,
  ranked,
  sampled,
  scheduled,
  scored,
  sft,
  type Signal,
  simplePreference,
  summarize,
  sumOf,
  teacher,
  type TokenEvidence,
  valueRegression,
  weight,
} from "@unitune/objectives";
import fc from "fast-check";
import {
  assertClose,
  assertNear,
  cases,
  casesIn,
  context,
  idsOf,
  lossOf,
  type Parameters,
  policy,
} from "./arbitrary.ts";
import { theorem } from "./theorem.ts";

const modest = { numRuns: 25 };
const forms: readonly PropagationForm[] = [
  "none",
  "eq21",
  "eq21-decay",
  "as-run",
  "as-run-detached",
  "reach",
];
const bySequence = sft({ normalizer: "sequence" });

theorem(
  "ift with lambda = gamma = 0 is sft by sequence, in loss and gradient",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(
      casesIn(dtype),
      fc.constantFrom<PropagationForm>("none", "as-run", "as-run-detached", "reach"),
      async ({ params, batch }, propagation) => {
        const intuitive = lossOf(ift({ lambda: 0, gamma: 0, propagation }), batch);
        const supervised = lossOf(bySequence, batch);
        await assertNear(intuitive(params), supervised(params), tolerance);
        await assertNear(grad(intuitive)(params), grad(supervised)(params), tolerance);
      },
    ),
);

Deno.test("synchronised embeddings keep it from being sft in the gradient of the table (counterexample)", async () => {
  const [sample] = fc.sample(cases, { seed: 7, numRuns: 1 });
  assert(sample !== undefined);
  const { params, batch } = sample;
  const everything = { ...batch, mask: add(zeros(batch.mask.shape), 1) };
  const frozen = lossOf(ift({ lambda: 0, gamma: 0, embeddings: "synchronised" }), everything);
  const supervised = lossOf(bySequence, everything);
  await assertClose(frozen(params), supervised(params));
  const [a, b] = [grad(frozen)(params), grad(supervised)(params)];
  await assertClose(a.mixing, b.mixing);
  assertNotEquals(await a.table.data(), await b.table.data());
});

Deno.test("live and synchronised embeddings differ in gradient only, and only in the table's", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ params, batch }) => {
      const live = lossOf(ift({ lambda: 0.4, embeddings: "live" }), batch);
      const frozen = lossOf(ift({ lambda: 0.4, embeddings: "synchronised" }), batch);
      await assertClose(live(params), frozen(params), 0);
      await assertClose(grad(live)(params).mixing, grad(frozen)(params).mixing);
    }),
    modest,
  );
});

/** A model, and the embeddings that it was asked about. */
function spy(model: Model): Model & { readonly asked: Tensor[] } {
  const asked: Tensor[] = [];
  return {
    asked,
    embed: model.embed,
    predict(embeddings, options) {
      asked.push(embeddings);
      return model.predict(embeddings, options);
    },
  };
}

Deno.test("intuitive states: the prompt is untouched, answers are mixed with the own token", async () => {
  await fc.assert(
    fc.asyncProperty(
      cases,
      fc.float({ min: 0, max: 1, noNaN: true }),
      async ({ params, batch }, lambda) => {
        const { embed, predict, asked } = spy(modelOf(policy, params));
        const model = { embed, predict };
        const states = intuitive({ lambda });
        states.evaluate(model, states.collect(model, batch, context), context);
        assertEquals(asked.length, 2);
        const [first, second] = asked;
        assert(first !== undefined && second !== undefined);

        const [rows = 0, length = 0, width = 0] = first.shape;
        const predicted = await argmax(predict(first).logits()).data();
        const [table, ids, mask, before, after] = await Promise.all(
          [params.table, batch.ids, batch.mask, first, second].map((x) => x.data()),
        );
        for (let b = 0; b < rows; b++) {
          for (let t = 0; t < length; t++) {
            const id = ids?.[b * (length + 1) + t] ?? NaN;
            const own = t === 0 ? id : predicted[b * length + t - 1] ?? NaN;
            const isAnswer = mask?.[b * (length + 1) + t] === 1;
            for (let d = 0; d < width; d++) {
              const gold = table?.[id * width + d] ?? NaN;
              const mixed = (1 - lambda) * gold + lambda * (table?.[own * width + d] ?? NaN);
              const position = (b * length + t) * width + d;
              assertEquals(before?.[position], gold);
              if (isAnswer) assertAlmostEquals(after?.[position] ?? NaN, mixed, 1e-12);
              else assertEquals(after?.[position], gold);
            }
          }
        }
      },
    ),
    modest,
  );
});

Deno.test("the gradient of ift is that of the second pass alone", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ params, batch }) => {
      const whole = ift({ lambda: 0.3 });
      const collected = whole.collect(modelOf(policy, params), batch, context);
      const second = (p: Parameters) =>
        evaluationLoss(whole.evaluate(modelOf(policy, p), collected, context));
      await assertClose(grad(lossOf(whole, batch))(params), grad(second)(params));
    }),
    modest,
  );
});

const named: Readonly<Record<string, Objective<Demonstrations>>> = {
  "sft by token": sft(),
  "sft by sequence": bySequence,
  "ift": ift(),
};
for (const [name, method] of Object.entries(named)) {
  Deno.test(`${name}: padding and the order of the rows change nothing`, async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(3), async ({ params, batch: { ids, mask } }, extra) => {
        const [rows = 0] = ids.shape;
        const pad = (x: Tensor) => concat([x, zeros([rows, 1 + extra], x.dtype)], 1);
        const reverse = tensor(Array.from({ length: rows }, (_, b) => rows - 1 - b), {
          dtype: "i32",
        });
        const loss = (batch: Demonstrations) => lossOf(method, batch);
        const plain = loss({ ids, mask });
        for (
          const other of [
            loss({ ids: pad(ids), mask: pad(mask) }),
            loss({ ids: gather(ids, reverse), mask: gather(mask, reverse) }),
          ]
        ) {
          await assertClose(other(params), plain(params));
          await assertClose(grad(other)(params), grad(plain)(params));
        }
      }),
      modest,
    );
  });
}

Deno.test("the stop token is trained: the last token alone makes the loss, and has a gradient", async () => {
  const stop = 3;
  const logits = tensor([[[0, 0, 0, 1], [0, 0, 0, 2], [1, 2, 3, 4]]], { dtype: "f64" });
  const batch = { ids: idsOf([[0, 1, 2, stop]]), mask: tensor([[0, 0, 0, 1]]) };
  const model = (logits: Tensor) =>
    modelOfLogits({ embed: (ids) => gather(zeros([4, 1], "f64"), ids), logits: () => logits });
  for (const objective of [sft(), bySequence]) {
    const loss = (x: Tensor) => {
      const collected = objective.collect(model(x), batch, context);
      return evaluationLoss(objective.evaluate(model(x), collected, context));
    };
    const partition = Math.exp(-3) + Math.exp(-2) + Math.exp(-1) + 1;
    assertAlmostEquals(await loss(logits).item(), Math.log(partition), 1e-12);
    const gradient = await grad(loss)(logits).data();
    assertAlmostEquals(gradient[11] ?? NaN, 1 / partition - 1, 1e-12);
    assertEquals([...gradient.slice(0, 8)], new Array(8).fill(0));
  }
});

Deno.test("nll is cross-entropy on gold prefixes, whatever the objective", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ params, batch }) => {
      const model = modelOf(policy, params);
      const supervised = sft();
      const expected = summarize(
        supervised.evaluate(model, supervised.collect(model, batch, context), context),
      );
      await assertClose(expected.loss, expected.nll);
      for (const propagation of forms) {
        const objective = ift({ lambda: 0.5, propagation });
        const { loss: _loss, lambda, ...metrics } = summarize(
          objective.evaluate(model, objective.collect(model, batch, context), context),
        );
        const { loss: _nll, ...others } = expected;
        await assertClose(metrics, others);
        assertEquals(await lambda?.item(), 0.5);
      }
    }),
    modest,
  );
});

Deno.test("metrics of a batch by hand", async () => {
  const logits = tensor([[[0, Math.log(3)], [5, -Infinity], [2, 2]]], { dtype: "f64" });
  const batch = { ids: idsOf([[0, 1, 0, 1]]), mask: tensor([[0, 1, 1, 0]]) };
  const { metrics } = gold.evaluate(
    modelOfLogits({ embed: (ids) => gather(zeros([2, 1]), ids), logits: () => logits }),
    batch,
    context,
  );
  const values = metricValues(metrics());
  assertEquals(Object.keys(values), ["nll", "entropy", "mean_token_accuracy", "num_tokens"]);
  // Token 1 with probability 3/4, then token 0 with certainty.
  assertAlmostEquals(await values.nll?.item() ?? NaN, Math.log(4 / 3) / 2, 1e-12);
  const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
  assertAlmostEquals(await values.entropy?.item() ?? NaN, entropy / 2, 1e-12);
  assertEquals(await values.mean_token_accuracy?.item(), 1);
  assertEquals(await values.num_tokens?.item(), 2);
});

Deno.test("rewards of the odds ratio are the mean log-probabilities of the answers", async () => {
  const side = (logProb: number): TokenEvidence => {
    const mask = tensor([[0, 1, 1]], { dtype: "f64" });
    const logProbs = tensor([[-9, logProb, logProb - 1]], { dtype: "f64" });
    return { mask, logProbs: () => logProbs };
  };
  const { metrics } = oddsRatio().optimize({ chosen: side(-1), rejected: side(-3) }, context);
  const values = metricValues(metrics);
  assertEquals(await values["rewards/chosen"]?.item(), -1.5);
  assertEquals(await values["rewards/rejected"]?.item(), -3.5);
  assertEquals(await values["rewards/accuracies"]?.item(), 1);
});

Deno.test("lambda follows its schedule", async () => {
  const at = async (schedule: ReturnType<typeof linearLambda>, step: number, seed?: number) => {
    const keys = seed === undefined ? {} : { keys: { step: key(seed), batch: key(seed + 1) } };
    const lambda = schedule.at({ step: tensor(step, { dtype: "i32" }), ...keys });
    return isTensor(lambda) ? await lambda.item() : lambda;
  };
  const warmUp = linearLambda({ from: 0.1, to: 0.5, steps: 4 });
  for (const [step, lambda] of [[0, 0.1], [1, 0.2], [4, 0.5], [100, 0.5]] as const) {
    assertAlmostEquals(await at(warmUp, step), lambda, 1e-7);
  }
  const draws = await Promise.all(
    Array.from({ length: 400 }, (_, seed) => at(noisyLambda({ lambda: 0.6 }), 0, 2 * seed)),
  );
  assert(draws.every((lambda) => lambda >= 0 && lambda <= 1));
  assert(draws.includes(0) && draws.includes(1), "the noise reaches both ends");
  // Cut at 0 and 1 from a mean of 0.6 and a deviation of 0.3: four deviations of the mean of 400.
  assertAlmostEquals(draws.reduce((a, b) => a + b) / draws.length, 0.59, 0.06);
  assertEquals(await at(noisyLambda({ lambda: 0.6 }), 0), 0.6);
});

Deno.test("options out of range and batches that do not fit are errors", () => {
  const model = modelOfLogits({ embed: (ids) => ids, logits: (x) => x });
  const wrong: [() => unknown, new () => Error, string][] = [
    [
      () => ift({ lambda: 1.5 }),
      RangeError,
      "lambda: expected a number, at least 0, at most 1, got 1.5",
    ],
    [() => ift({ lambda: NaN }), RangeError, "lambda"],
    // A caller in JavaScript.
    [() => scheduled(JSON.parse('{"own":"gold"}')), RangeError, "scheduled: own"],
    [
      () => ift({ gamma: -0.1 }),
      RangeError,
      "gamma: expected a number, at least 0, at most 1, got -0.1",
    ],
    [() => linearLambda({ from: 0, to: 2, steps: 3 }), RangeError, "lambda to"],
    [
      () => linearLambda({ from: 0, to: 1, steps: 0 }),
      RangeError,
      "steps: expected a whole number",
    ],
    [() => noisyLambda({ lambda: 0.5, scale: -1 }), RangeError, "scale"],
    [
      () => gold.collect(model, { ids: idsOf([[0, 1]]), mask: tensor([[1]]) }, context),
      ShapeError,
      "ids i32[1, 2] and mask [1, 1]",
    ],
    [
      () => gold.collect(model, { ids: idsOf([[0]]), mask: tensor([[1]]) }, context),
      ShapeError,
      "at least two tokens",
    ],
    [
      () => intuitive().collect(model, { ids: zeros([0, 4], "i32"), mask: zeros([0, 4]) }, context),
      ShapeError,
      "at least one row",
    ],
  ];
  for (const [f, error, message] of wrong) assertThrows(f, error, message);
  // @ts-expect-error: no such form.
  assertThrows(() => propagated({ form: "eq22" }), RangeError, "expected one of none, eq21");
  // @ts-expect-error: no such normalizer.
  assertThrows(() => nll({ normalizer: "batch" }), RangeError, "expected one of token, sequence");
  // @ts-expect-error: no such choice of own tokens.
  assertThrows(() => intuitive({ own: "median" }), RangeError, "expected one of argmax");
  assertThrows(
    () => intuitive({ passes: 0 }),
    RangeError,
    "passes: expected a whole number, at least 1",
  );
  assertThrows(() => intuitive({ embeddings: "frozen" }), TypeError, "give `table`");
});

Deno.test("a row of Table 1 comes from the parts, and says what differs", () => {
  const [supervised, intuitiveTuning] = [sft().description, ift().description];
  assertEquals(supervised.modelStates, supervised.humanStates);
  assertNotEquals(intuitiveTuning.modelStates, intuitiveTuning.humanStates);
  assertStringIncludes(ift({ lambda: 0.3 }).description.modelStates, "0.3");
  assertEquals(ift({ gamma: 0.9 }).description.formula.where.gamma, "0.9");
  assertEquals([supervised.forwardPasses, intuitiveTuning.forwardPasses], [1, 2]);
  assertEquals(supervised.signal, intuitiveTuning.signal);
  assertEquals(
    ift({ gamma: 0 }).description.formula,
    sft({ normalizer: "sequence" }).description.formula,
  );
});

Deno.test("states and signals stand in the formulas of others with their symbols in place", () => {
  const world: Environment = (_observed, actions) => actions;
  const recursive = intuitive({ passes: 2, environment: world });
  const row = objective(paired(estimate(recursive, againstReference("precomputed"))), pairwise());
  // The world answers from the state that was demonstrated, to an action at a state of the model's.
  assertEquals(
    [row.description.humanStates, row.description.modelStates],
    [
      "chosen s*_n",
      "rejected (1 - lambda) s-_n + lambda step(s-_{n-1}, argmax pi(s_{n-1})), where lambda = 0.2",
    ],
  );
  const twice = penalized(
    { coefficient: 0.1, estimator: "k3" },
    penalized(
      { coefficient: 0.5 },
      both(againstReference("precomputed"), advantage(estimator("raw"))),
    ),
  );
  assertEquals(
    estimate(sampled, twice).description.signal,
    "target token, pi against a reference; reward - 0.1 KL (k3) - 0.5 KL (k1), A = r",
  );
  const { data, models } = sft().description;
  // @ts-expect-error: no such data.
  assertEquals(data.includes("reference logprobs"), false);
  // @ts-expect-error: no such model.
  assertEquals(models.includes("critic"), false);
});

Deno.test("an optimization takes every estimation that gives what it needs, and nothing else", () => {
  const supervised = estimate(gold, indicator);
  const pairs = paired(supervised);
  const referenced = paired(estimate(gold, againstReference("precomputed")));
  const rollouts = estimate(sampled, advantage(estimator("leave-one-out", 2)));
  const reference = modelOfLogits({ embed: (ids) => ids, logits: (x) => x });
  const needsLess: Optimization<Pick<TokenEvidence, "mask">> = {
    description: nll().description,
    optimize: ({ mask }) => ({
      terms: [{ total: sum(mask), normalizer: tensor(1) }],
      metrics: {},
    }),
  };

  const twoSignals = estimate(
    sampled,
    both(advantage(estimator("raw")), againstReference("precomputed")),
  );
  const ownSignal: Signal<unknown, unknown, TokenEvidence & { readonly difficulty: Tensor }> = {
    ...indicator,
    compare: (states) => ({
      evidence: { ...indicator.compare(states, {}).evidence, difficulty: states.mask },
      metrics: {},
    }),
  };

  objective(supervised, needsLess);
  objective(twoSignals, sumOf(policyGradient(), kl()));
  objective(supervised, entropyBonus());
  objective(estimate(intuitive(), indicator), propagated());
  objective(pairs, simplePreference());
  objective(pairs, onChosen(propagated()));
  objective(referenced, pairwise());
  objective(rollouts, sumOf(clipped(), weight(0.01, entropyBonus())));
  objective(ranked(referenced), pairwise());
  objective(estimate(intuitive(), teacher(reference)), distilled());
  // Combinations that nobody has a name for.
  objective(
    paired(estimate(intuitive(), againstReference(reference))),
    pairwise({ form: "hinge" }),
  );
  objective(estimate(intuitive(), advantage(estimator("max-rl", 2))), clipped());
  objective(estimate(scheduled(), both(indicator, teacher(reference))), sumOf(nll(), distilled()));

  objective(estimate(sampled, gae()), clipped());
  objective(estimate(sampled, gae()), sumOf(clipped(), valueRegression()));
  objective(estimate(sampled, gae()), valueRegression());
  objective(rollouts, policyGradient());
  objective(best(supervised), nll());
  objective(referenced, sumOf(simplePreference(), onChosen(kl())));
  objective(estimate(gold, labelled("precomputed")), sumOf(kahnemanTversky(), entropyBonus()));

  // @ts-expect-error: a pairwise optimization on unpaired data.
  objective(supervised, simplePreference());
  // @ts-expect-error: the same on intuitive states.
  objective(estimate(intuitive(), indicator), simplePreference());
  // @ts-expect-error: the likelihood of one side, on pairs.
  objective(pairs, nll());
  // @ts-expect-error: propagation on pairs.
  objective(pairs, propagated());
  // @ts-expect-error: DPO without a reference.
  objective(pairs, pairwise());
  // @ts-expect-error: a policy gradient without advantages.
  objective(supervised, policyGradient());
  // @ts-expect-error: clipping without the old policy.
  objective(supervised, clipped());
  // @ts-expect-error: a KL without a reference, beside what fits.
  objective(rollouts, sumOf(clipped(), kl()));
  // @ts-expect-error: a value loss without values.
  objective(rollouts, valueRegression());
  // @ts-expect-error: distillation without a teacher.
  objective(supervised, distilled());
  // @ts-expect-error: KTO without labels.
  objective(estimate(gold, againstReference("precomputed")), kahnemanTversky());
  // @ts-expect-error: the likelihood of own answers, whatever they are rewarded with.
  objective(rollouts, nll());
  // @ts-expect-error: the same for advantages on gold prefixes.
  objective(estimate(gold, advantage(estimator("group-z-score", 8))), nll());
  // @ts-expect-error: the same propagated, on intuitive states.
  objective(estimate(intuitive(), advantage(estimator("raw"))), propagated());
  // @ts-expect-error: the same where only the entropy is looked at.
  objective(rollouts, weight(0.1, entropyBonus()));
  // @ts-expect-error: the same for advantages by a critic.
  objective(estimate(sampled, gae()), nll());
  // @ts-expect-error: a margin without the reference that was asked.
  objective(referenced, simplePreference());
  // @ts-expect-error: the same where only the chosen side is looked at.
  objective(referenced, onChosen(nll()));
  // @ts-expect-error: odds without the reference of ranked answers.
  objective(ranked(referenced), oddsRatio());
  // @ts-expect-error: a likelihood without the teacher that was asked.
  objective(estimate(gold, teacher(reference)), nll());
  // @ts-expect-error: one of two signals.
  objective(twoSignals, clipped());
  // @ts-expect-error: the other one.
  objective(twoSignals, kl());
  // @ts-expect-error: a divergence from the reference without the labels.
  objective(estimate(gold, labelled("precomputed")), kl());
  // @ts-expect-error: a signal of one's own.
  objective(estimate(gold, ownSignal), nll());
  // @ts-expect-error: scores of a reward model as tokens' log-probabilities.
  objective(paired(scored), simplePreference());
  // @ts-expect-error: ranking what is not in pairs.
  ranked(supervised);
  // @ts-expect-error: an optimization is no estimation.
  assertThrows(() => objective(nll(), nll()), TypeError);
  // @ts-expect-error: prior states and signal in the wrong order.
  assertThrows(() => estimate(indicator, gold), TypeError);
  // @ts-expect-error: an optimization and an objective make no sum.
  assertThrows(() => sumOf(nll(), sft()), TypeError, "got one of each");
  // @ts-expect-error: a PPO that gets no rewards has nothing to learn from.
  const wrongBatch: Objective<Demonstrations> = ppo();
  assertEquals(typeof wrongBatch, "object");

  const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
  const incomplete = { ids: idsOf([[0, 1]]) };
  // @ts-expect-error: demonstrations need a mask.
  assertThrows(() => gold.collect(model, incomplete, context), TypeError);
});
