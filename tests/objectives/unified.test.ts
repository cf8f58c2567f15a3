/** The form of UPGE: every objective's gradient is what its description says. */
import { assert, assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { leavesOf, type Tensor, tensor } from "@unitune/core";
import {
  advantage,
  againstReference,
  authorAdvantage,
  authored,
  both,
  byOrigin,
  cappedRatio,
  clipped,
  correctedKl,
  definitionsOf,
  describeEntry,
  dft,
  early,
  entropyBonus,
  estimate,
  estimator,
  evaluationLoss,
  type Expression,
  expressionText,
  type FDivergence,
  gae,
  gammaWeighted,
  gate,
  gatedByPassRate,
  geometricMean,
  gold,
  gradientText,
  gspo,
  hpt,
  indicator,
  intuitive,
  kl,
  type KlEstimator,
  type LearnedTerm,
  literal,
  modelOf,
  named,
  namesInGradient,
  negativeAware,
  nll,
  type Objective,
  objective,
  objectiveRegistry,
  type ObjectiveTerm,
  onGiven,
  onOwn,
  paired,
  pairwise,
  policyGradient,
  powerSft,
  probability,
  propagated,
  quantity,
  type RatioLevel,
  reinforce,
  sampled,
  sapo,
  saturating,
  sft,
  shaped,
  slots,
  slotTexts,
  softGate,
  sumOf,
  tokenReturns,
  weighed,
  weight,
  withoutReference,
  write,
} from "@unitune/objectives";
import { context, type Parameters, policy } from "./arbitrary.ts";
import { claimedLoss, coefficients, type Evaluated, evaluated, SCHEDULED } from "./unified.ts";
import { entriesOf, type Parts, worldOf } from "./worlds.ts";

const world = worldOf({ seed: 9, distance: 0.5, length: 5, vocabulary: 3 });

/** Weights of 0 take away the terms that have no unified form, where others have it. */
const alone = {
  ...{ entropyWeight: 0, anchor: 0, valueWeight: 0 },
  // A course of one value, that of the other schedules.
  ...{ mixturePeak: SCHEDULED, mixtureValley: SCHEDULED },
};

/**
 * The largest distance of a claimed gradient, relative to the largest entry. Sums of tens of terms in
 * f64 are exact to 1e-12; log-ratios that differ in their last digits are magnified by some powers.
 */
const TOLERANCE = 1e-6;

const isLearned = (term: ObjectiveTerm): term is LearnedTerm => term.kind === "unified";
const learnedOf = ({ objective }: { readonly objective: Objective<never> }) =>
  objective.description.gradient.filter(isLearned);

const largest = (values: readonly number[]) =>
  values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/**
 * The loss without the terms that have no unified form, where each of its terms is one of the
 * gradient's; the others have a weight of 0.
 */
function learnedLoss<B>({ policy, objective, batch }: Parts<B>): (params: Parameters) => Tensor {
  const { gradient } = objective.description;
  return (params) => {
    const model = modelOf(policy, params);
    const collected = objective.collect(model, batch, context);
    const { terms, metrics } = objective.evaluate(model, collected, context);
    const isOneToOne = terms.length === gradient.length;
    const kept = isOneToOne ? terms.filter((_, i) => gradient[i]?.kind === "unified") : terms;
    return evaluationLoss({ terms: kept, metrics });
  };
}

/** How far the gradient that is claimed is from the loss's, relative to the largest entry of that. */
async function distance<B>(
  parts: Parts<B>,
  own: Evaluated,
  terms: readonly LearnedTerm[],
): Promise<number> {
  const numbers = async (gradient: Parameters) =>
    (await Promise.all(leavesOf(gradient).map(async (x) => [...await x.data()]))).flat();
  const claimed = await numbers(grad(claimedLoss(parts, own, terms, world))(world.params));
  const actual = await numbers(grad(learnedLoss(parts))(world.params));
  const size = largest(actual);
  assert(size > 0, "a gradient of 0 says nothing");
  return largest(claimed.map((x, i) => x - (actual[i] ?? NaN))) / size;
}

/** Asserts that an objective's gradient is what its terms say. */
async function assertUnified<B>(name: string, parts: Parts<B>): Promise<Evaluated> {
  const own = await evaluated(parts, world);
  const apart = await distance(parts, own, learnedOf(parts));
  assert(apart < TOLERANCE, `${name}: the gradient is ${apart} from its form`);
  return own;
}

/** Slots that say nothing. */
const trivial = slots();

/** Slots that make no difference in this world, by entry. */
const idle: Readonly<Record<string, readonly string[]>> = {
  // Each group has one own answer here, which does not pass, and an advantage over itself of 0.
  hpt: [
    "mask of 1[own, helped ? pass rate <= 0 : pass rate > 0] 1/p A grad p(s_n)",
    "advantage of 1[own, helped ? pass rate <= 0 : pass rate > 0] 1/p A grad p(s_n)",
    "mask of 1[given, pass rate <= 0] 1/p grad p(s_n)",
  ],
  // Nor has it in these, so that no mask shows.
  chord: ["mask of 1[own, A > 0 ? rho <= 1.2 : 0.8 <= rho] 1/p_old 0.9 A grad p(s_n)"],
  "chord-mu": [
    "mask of 1[own, A > 0 ? rho <= 1.2 : 0.8 <= rho] 1/p_old (1 - w(step)) A grad p(s_n)",
  ],
  // Its advantage is 1.
  psft: ["advantage of 1[A > 0 ? rho <= 1.28 : 0.72 <= rho] 1/p_old A grad p(s*_n)"],
  // What was collected is masked by it already.
  "rejection-sampling": ["mask of 1[1 <= r] 1/p grad p(s_n)"],
  "prefix-rft": [
    "mask of 1[own, A > 0 ? rho <= 1.2 : 0.8 <= rho and rho <= 3] 1/p_old A grad p(s_n)",
  ],
};

for (const { name, use } of entriesOf(world, undefined, alone)) {
  Deno.test(`${name}: its gradient has the form of UPGE that it is described by`, () =>
    use(async (parts) => {
      const terms = learnedOf(parts);
      if (terms.length === 0) return;
      const { answers } = await assertUnified(name, parts);
      const isIdle: string[] = [];
      for (const term of terms) {
        const table = coefficients(term, answers);
        for (const slot of ["mask", "denominator", "advantage"] as const) {
          const bare = coefficients({ ...term, [slot]: trivial[slot] }, answers);
          const isTrivial = JSON.stringify(term[slot]) === JSON.stringify(trivial[slot]);
          if (!isTrivial && JSON.stringify(bare) === JSON.stringify(table)) {
            isIdle.push(`${slot} of ${gradientText(term)}`);
          }
        }
      }
      assertEquals(isIdle, idle[name] ?? [], "slots that nothing here depends on");
    }));
}

Deno.test("a claim that is false fails, whichever slot it is in", async () => {
  const entry = entriesOf(world).find(({ name }) => name === "dapo");
  assert(entry !== undefined);
  await entry.use(async (parts) => {
    const own = await evaluated(parts, world);
    const [term] = learnedOf(parts);
    assert(term !== undefined);
    const false_: readonly Partial<LearnedTerm>[] = [
      { mask: trivial.mask },
      { denominator: quantity("p") },
      { advantage: trivial.advantage },
      { normalizer: "sequence" },
      { tokens: "own" },
      { likelihood: intuitive({ lambda: 0.2 }).description.modelStates },
    ];
    for (const change of false_) {
      const apart = await distance(parts, own, [{ ...term, ...change }]);
      assert(apart > 1000 * TOLERANCE, `${Object.keys(change)}: ${apart}`);
    }
  });
});

Deno.test("every entry has a unified form, or says why it has none", () => {
  for (const entry of objectiveRegistry) {
    const kinds = describeEntry(entry).gradient.map(({ kind }) => kind);
    assert(kinds.length > 0, entry.name);
    assert(!kinds.includes("unstated"), entry.name);
    assertEquals(kinds.includes("values"), entry.values, entry.name);
    assertEquals(kinds.includes("scores"), entry.trains !== "policy", entry.name);
    // A teacher predicts the whole vocabulary, or judges the tokens that were said.
    if (entry.data === "demonstrations") {
      assertEquals(
        kinds.includes("vocabulary"),
        ["distillation", "asft"].includes(entry.name),
        entry.name,
      );
    }
  }
});

/** Objectives on rollouts beyond the registry, by what is different in them. */
function onRollouts(): Readonly<Record<string, Objective<typeof world.rollouts>>> {
  const rewarded = estimate(sampled, advantage(estimator("group-mean", 2)));
  const referred = estimate(
    sampled,
    both(advantage(estimator("group-mean", 2)), againstReference("precomputed")),
  );
  const judged = estimate(sampled, tokenReturns({ by: "reference", discount: 0.5 }));
  const tight = { epsilon: 0.05, epsilonHigh: 0.1, dualClip: 1.1 };
  const levels: readonly RatioLevel[] = [
    ...["token", "sequence-mean", "sequence-sum", "sequence-token"] as const,
  ];
  const kls: readonly KlEstimator[] = ["k1", "k2", "k3", "k3-k2"];
  return {
    ...Object.fromEntries(levels.flatMap((ratio) => [
      [`clipped ${ratio}`, objective(rewarded, clipped({ ...tight, ratio, normalizer: 3 }))],
    ])),
    unclipped: objective(rewarded, clipped({ epsilon: Infinity })),
    "tokens of a sequence's ratio": objective(
      judged,
      clipped({ ...tight, ratio: "sequence-token" }),
    ),
    ...Object.fromEntries(kls.flatMap((form) => [
      [`kl ${form}`, objective(referred, sumOf(policyGradient(), kl({ estimator: form })))],
      [
        `corrected ${form}`,
        objective(referred, sumOf(policyGradient(), correctedKl({ estimator: form }))),
      ],
    ])),
    "capped ratio": objective(rewarded, weighed(cappedRatio({ cap: 1.01 }), policyGradient())),
    early: objective(judged, weighed(early(), policyGradient({ normalizer: "sequence" }))),
    "group-scaled nft": objective(
      estimate(sampled, advantage(estimator("pass-rate-z-score", 2))),
      shaped(negativeAware({ scale: "group" })),
    ),
    ...Object.fromEntries(
      [saturating(), softGate(), gammaWeighted(), geometricMean({ epsilon: 0.1 })].map((
        shape,
        i,
      ) => [
        `shape ${i}`,
        objective(rewarded, shaped(shape, { denominator: "mixture", normalizer: "sequence" })),
      ]),
    ),
    scheduled: objective(rewarded, weight(() => tensor(SCHEDULED), policyGradient())),
    "power of a weighed one": objective(
      rewarded,
      weighed(0.5, weighed(probability({ power: 2 }), policyGradient())),
    ),
  };
}

Deno.test("parts have the forms that they say under every option", async () => {
  for (const [name, own] of Object.entries(onRollouts())) {
    await assertUnified(name, { policy, objective: own, batch: world.rollouts });
  }
  // One group of four answers, of which two are the policy's alone.
  for (const rewards of [[1, 1, 0, 1], [0, 1, 0, 1]]) {
    await assertUnified(`hpt of ${rewards}`, {
      policy,
      objective: hpt({ groupSize: 4, entropyWeight: 0 }),
      batch: { ...world.rollouts, rewards: tensor(rewards, { dtype: "f64" }) },
    });
  }
  const gated = gatedByPassRate({ groupSize: 4 }, estimate(sampled, authored));
  await assertUnified("all tokens behind a gate", {
    policy,
    objective: objective(gated, sumOf(byOrigin(nll(), nll()), nll())),
    batch: { ...world.rollouts, rewards: tensor([1, 1, 0, 1], { dtype: "f64" }) },
  });
  const divergences: readonly FDivergence[] = ["forward-kl", "jensen-shannon", "alpha"];
  const against = paired(estimate(gold, againstReference("precomputed")));
  for (const divergence of divergences) {
    for (const logRatios of ["sum", "mean"] as const) {
      const loss = pairwise({ form: "nca", divergence, alpha: 2, logRatios, tailWeight: 0.3 });
      await assertUnified(`${divergence} ${logRatios}`, {
        policy,
        objective: objective(against, loss),
        batch: world.pairs,
      });
    }
  }
  const free = withoutReference(pairwise({ form: "ipo", beta: 0.5 }));
  await assertUnified("without a reference", {
    policy,
    objective: objective(paired(estimate(gold, indicator)), free),
    batch: world.pairs,
  });
  for (
    const form of ["none", "eq21", "eq21-decay", "as-run", "as-run-detached", "reach"] as const
  ) {
    await assertUnified(form, {
      policy,
      objective: objective(estimate(gold, indicator), propagated({ form, gamma: 0.7 })),
      batch: world.demonstrations,
    });
  }
});

Deno.test("what would be false of advantages of tokens is not stated", () => {
  const kinds = (ratio: RatioLevel) =>
    objective(estimate(sampled, gae()), clipped({ ratio })).description.gradient.map(({ kind }) =>
      kind
    );
  assertEquals(kinds("sequence-mean"), ["unstated"]);
  assertEquals(kinds("sequence-sum"), ["unstated"]);
  assertEquals(kinds("sequence-token"), ["unified"]);
  assertEquals(kinds("token"), ["unified"]);
});

const [p, old, A] = [quantity("p"), quantity("p_old"), quantity("A")];
const { add, sub, mul, div, neg, pow } = write;

Deno.test("expressions leave out what is trivial, and read as formulas do", () => {
  const [two, minusTwo] = [literal(2), literal(-2)];
  const half = write.constant({ constant: 0.5, name: "h" });
  const rows: readonly (readonly [Expression, string])[] = [
    [mul(literal(0), A), "0"],
    [mul(A, literal(0)), "0"],
    [mul(literal(1), A), "A"],
    [mul(A, literal(1)), "A"],
    [mul(two, mul(literal(0.1), A)), "0.2 A"],
    [mul(two, literal(3)), "6"],
    [mul(half, mul(two, A)), "h 2 A"],
    [mul(minusTwo, A), "-2 A"],
    [mul(A, neg(p)), "-A p"],
    [neg(neg(A)), "A"],
    [neg(literal(0)), "0"],
    [neg(sub(A, p)), "p - A"],
    [neg(mul(A, sub(p, old))), "A (p_old - p)"],
    [neg(mul(sub(p, old), A)), "(p_old - p) A"],
    [neg(div(sub(p, old), A)), "(p_old - p)/A"],
    [neg(div(p, A)), "-p/A"],
    [add(A, literal(0)), "A"],
    [add(literal(0), A), "A"],
    [add(A, neg(p)), "A - p"],
    [add(neg(A), p), "p - A"],
    [add(A, sub(p, old)), "A + p - p_old"],
    [add(A, p), "A + p"],
    [sub(A, literal(0)), "A"],
    [sub(literal(0), A), "-A"],
    [sub(A, neg(p)), "A + p"],
    [div(p, pow(p, 0.25)), "p^0.75"],
    [div(p, p), "1"],
    [div(pow(p, 3), pow(p, 1)), "p^2"],
    [div(p, old), "p/p_old"],
    [div(p, mul(old, A)), "p/(p_old A)"],
    [div(literal(0), p), "0"],
    [div(p, literal(1)), "p"],
    [div(neg(p), A), "-p/A"],
    [div(p, neg(A)), "-p/A"],
    [div(mul(half, A), half), "A"],
    [div(mul(two, A), half), "2 A/h"],
    [div(write.sumOfAnswer(A), quantity("M_b")), "mean_t A"],
    [div(write.meanOfAnswer(A), quantity("M_b")), "mean_t A/M_b"],
    [div(write.sumOfAnswer(A), p), "sum_t A/p"],
    [write.inverse(div(p, old)), "p_old/p"],
    [write.inverse(p), "1/p"],
    [pow(A, 0), "1"],
    [pow(add(A, p), 2), "(A + p)^2"],
    [write.atMost(p, literal(Infinity)), "1"],
    [write.atMost(write.constant({ constant: -Infinity, name: "none" }), p), "1"],
    [write.atMost(p, two), "p <= 2"],
    [write.and(literal(1), write.above(A, p)), "A > p"],
    [write.and(write.above(A, p), literal(1)), "A > p"],
    [
      write.and(write.above(A, p), write.either(write.above(p, A), p, A)),
      "A > p and (p > A ? p : A)",
    ],
    [write.either(write.above(A, p), two, literal(2)), "2"],
    [write.either(write.above(A, p), two, A), "A > p ? 2 : A"],
    [mul(two, write.above(A, p)), "2 1[A > p]"],
    [mul(two, write.either(write.above(A, p), A, p)), "2 (A > p ? A : p)"],
    [write.log(add(p, A)), "log (p + A)"],
    [write.max(p, write.min(A, old)), "max(p, min(A, p_old))"],
    [write.chosen(literal(1)), "1"],
    [write.rejected(add(p, A)), "rejected (p + A)"],
    [write.chosen(p), "chosen p"],
    [write.meanOfBatch(add(p, A)), "mean_bt (p + A)"],
    [write.quantile(A, { constant: 0.5, name: "1/2" }), "quantile 1/2 of A"],
    [write.after(A, { constant: 0.5, name: "g" }), "sum_{i>=t} g^(i-t) A_i"],
    [write.before(literal(1), { constant: 1, name: "1" }), "sum_{i<=t} 1"],
    [write.before(mul(A, p), { constant: 1, name: "1" }), "sum_{i<=t} (A p)_i"],
    [literal(1 - 0.9), "0.1"],
  ];
  for (const [expression, text] of rows) assertEquals(expressionText(expression), text);
});

Deno.test("names stand for expressions, which a reader is told", () => {
  const rho = named("rho", div(p, old));
  const c = named("c", write.meanOfAnswer(write.log(rho)));
  assertEquals(definitionsOf(mul(A, c)), { c: "mean_t log rho", rho: "p/p_old" });
  assertEquals(definitionsOf(A), {});
  const terms = clippedTerms();
  assertEquals(namesInGradient(terms), { rho: "p/p_old" });
});

/** The terms of an objective with one that has no unified form. */
function clippedTerms(): readonly ObjectiveTerm[] {
  return objective(
    estimate(sampled, both(advantage(estimator("raw")), indicator)),
    sumOf(clipped({ dualClip: 3 }), weight(0.5, entropyBonus())),
  ).description.gradient;
}

Deno.test("a term is a formula, a row of four slots, or a reason", () => {
  const terms = clippedTerms();
  assertEquals(terms.map(gradientText), [
    "1[A > 0 ? rho <= 1.2 : 0.8 <= rho and rho <= 3] 1/p_old A grad p(s_n)",
    "a sum over all tokens of the vocabulary",
  ]);
  assertEquals(terms.map(slotTexts), [
    {
      mask: "A > 0 ? rho <= 1.2 : 0.8 <= rho and rho <= 3",
      denominator: "p_old",
      advantage: "A",
      likelihood: "s_n",
    },
    undefined,
  ]);
  const shown = (own: Objective<never>) => own.description.gradient.map(gradientText);
  // A mask that is a number stands as a factor; a denominator of 1 and an advantage of 1 do not.
  assertEquals(shown(sapo({ groupSize: 2 }))[0]?.slice(0, 22), "4 sigmoid(tau (rho - 1");
  assertEquals(shown(dft()), ["grad p(s*_n)"]);
  assertEquals(shown(powerSft({ power: 0.25 })), ["1/p^0.75 grad p(s*_n)"]);
  assert(shown(gspo({ groupSize: 2 }))[0]?.endsWith("] rho/p A grad p(s_n)"));
  const given = objective(
    estimate(sampled, authorAdvantage({ own: estimator("raw"), theirs: estimator("raw") })),
    // What is given is not the policy's own: of the inner part nothing is left.
    sumOf(onGiven(onOwn(policyGradient())), byOrigin(shaped(softGate()), policyGradient())),
  );
  assertEquals(shown(given).map((text) => text.slice(0, 12)), ["1[given] 4 s", "1[own] 1/p A"]);
  const [first] = given.description.gradient;
  assertEquals(first && slotTexts(first)?.mask.slice(0, 8), "given, 4");
  const gated = gate({ groupSize: 4 }, reinforce(), sft());
  assertEquals(shown(gated), [
    "1[pass rate > 0] 1/p A grad p(s_n)",
    "1[pass rate <= 0] 1/p grad p(s*_n)",
  ]);
});
