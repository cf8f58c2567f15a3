/** The parts of methods that unite SFT and RL: values and gradients of the methods' code, and laws. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { checkGradients, grad } from "@unitune/autodiff";
import {
  concat,
  exp,
  gather,
  leavesOf,
  log,
  mapTree,
  mul,
  ones,
  reshape,
  slice,
  softmax,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  addEvaluations,
  advantage,
  authorAdvantage,
  binomialHints,
  byEntropy,
  byOrigin,
  bySign,
  cappedRatio,
  chord,
  chordMu,
  clipped,
  distilled,
  drGrpo,
  drift,
  entropyBonus,
  type EntropyEvidence,
  estimate,
  estimator,
  evaluationLoss,
  gammaWeighted,
  generalizedJsd,
  geometricMean,
  type GivenEvidence,
  gold,
  hpt,
  indicator,
  literal,
  luffy,
  modelOf,
  negativeAware,
  nll,
  type Objective,
  objective,
  onGiven,
  onOwn,
  opsd,
  type Optimization,
  passRate,
  plain,
  policyGradient,
  probability,
  psft,
  rarity,
  relift,
  riseAndFall,
  type RolloutEvidence,
  sampled,
  saturating,
  scoreTokens,
  sft,
  shaped,
  softGate,
  sumOf,
  teacher,
  type TokenOptimization,
  tokenReturns,
  type TokenWeight,
  trusted,
  uncertainty,
  uniformHints,
  weighed,
  weight,
} from "@unitune/objectives";
import fc from "fast-check";
import {
  assertClose,
  assertNear,
  context,
  idsOf,
  lossOf as objectiveLoss,
  policy,
  rowsOf,
} from "./arbitrary.ts";
import vectors from "./method_vectors.json" with { type: "json" };
import { theorem } from "./theorem.ts";
import { worldOf } from "./worlds.ts";

/** The evidence of all cases, whose log-probabilities are what is differentiated. */
type Evidence = RolloutEvidence & EntropyEvidence & GivenEvidence;

/** Evidence as tensors. */
interface Tokens {
  readonly logProbs: Tensor;
  readonly entropies: Tensor;
  readonly oldLogProbs: Tensor;
  readonly advantages: Tensor;
  readonly given: Tensor;
  readonly mask: Tensor;
}

function evidenceOf({ logProbs, entropies, ...others }: Tokens): Evidence {
  return { ...others, logProbs: () => logProbs, entropy: () => entropies };
}

const f64 = { dtype: "f64" } as const;
const GROUP = 4;
const rewards = tensor(vectors.rewards, f64);
const signs = sub(mul(rewards, 2), 1);

/** The tokens of the vectors, with advantages by a form. */
function tokensOf(advantages: Tensor): Tokens {
  return {
    logProbs: tensor(vectors.logProbs, f64),
    entropies: tensor(vectors.entropies, f64),
    oldLogProbs: tensor(vectors.oldLogProbs, f64),
    given: tensor(vectors.given, f64),
    mask: tensor(vectors.mask, f64),
    advantages,
  };
}

function lossOn(
  optimization: Optimization<Evidence>,
  tokens: Tokens,
): (logProbs: Tensor) => Tensor {
  return (logProbs) =>
    evaluationLoss(optimization.optimize(evidenceOf({ ...tokens, logProbs }), context));
}

const bySequence = { normalizer: "sequence" } as const;
const bySum = { normalizer: 64 } as const;
const unclipped = shaped(plain, bySum);

/** Optimizations by the names of the vectors' cases, with the advantages that they read. */
const cases: Readonly<Record<string, readonly [Optimization<Evidence>, Tensor]>> = (() => {
  const form = (name: Parameters<typeof estimator>[0]) => estimator(name, GROUP).estimate(rewards);
  const centred = form("group-mean");
  return {
    sapo: [shaped(softGate(), bySequence), centred],
    vespo: [shaped(gammaWeighted()), centred],
    gmpo: [shaped(geometricMean(), bySequence), centred],
    nft: [shaped(negativeAware(), { normalizer: 125 }), form("pass-rate")],
    nft_scaled: [
      shaped(negativeAware({ scale: "group" }), { normalizer: 125 }),
      form("pass-rate-z-score"),
    ],
    luffy: [byOrigin(shaped(saturating(), { denominator: "one", ...bySum }), unclipped), centred],
    rl_plus: [
      byOrigin(weighed(rarity(), shaped(plain, { denominator: "mixture", ...bySum })), unclipped),
      centred,
    ],
    uft: [byOrigin(weighed(0.001, nll()), clipped()), centred],
    relift: [
      sumOf(
        sumOf(onOwn(unclipped), onGiven(nll())),
        weight(0.001, entropyBonus()),
      ),
      centred,
    ],
    psft: [clipped({ epsilon: 0.28 }), ones([8], "f64")],
    chord_phi: [weighed(uncertainty, nll()), signs],
    weighted_reinforce: [weighed(bySign({ positive: 0.1 }), policyGradient()), signs],
    dppo: [
      sumOf(weighed(trusted(), shaped(plain)), weight(1e-3, shaped(drift))),
      centred,
    ],
    srft: [
      sumOf(
        onGiven(weighed(byEntropy({ scale: 0.5 }), nll())),
        onOwn(
          weighed(bySign({ positive: byEntropy({ factor: 1, scale: 0.1 }) }), policyGradient()),
        ),
      ),
      signs,
    ],
  };
})();

for (const [name, [optimization, advantages]] of Object.entries(cases)) {
  const expected = Object.entries(vectors.cases).find(([other]) => other === name)?.[1];
  Deno.test(`${name}: value and gradient are those of the method's code`, async () => {
    assert(expected !== undefined);
    const tokens = tokensOf(advantages);
    const loss = lossOn(optimization, tokens);
    // Constants of the options pass through f32 in no place: the digits of the vectors' doubles.
    assertAlmostEquals(await loss(tokens.logProbs).item(), expected.loss, 1e-9);
    await assertClose(grad(loss)(tokens.logProbs), tensor(expected.gradient, f64), 1e-9);
  });
}

const number = (min: number, max: number) =>
  fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });

/** Random tokens in groups of two rows, of advantages that a pass rate may give. */
const drawn = fc.record({
  rows: fc.constantFrom(2, 4),
  length: fc.integer({ min: 2, max: 4 }),
}).chain(({ rows, length }) => {
  const table = (cell: fc.Arbitrary<number>) =>
    fc.array(fc.array(cell, { minLength: length, maxLength: length }), {
      minLength: rows,
      maxLength: rows,
    });
  return fc.record({
    logProbs: table(number(-3, -0.1)),
    oldLogProbs: table(number(-3, -0.1)),
    entropies: table(number(0.1, 2)),
    given: table(fc.constantFrom(0, 1)),
    mask: table(fc.constantFrom(0, 1, 1)).map((mask) => mask.map((row) => [1, ...row.slice(1)])),
    right: fc.array(fc.constantFrom(0, 1), { minLength: rows, maxLength: rows }),
  });
}).map(({ right, ...tables }) => (dtype: "f64" | "f32"): Tokens => ({
  ...mapTokens(tables, dtype),
  advantages: passRate(tensor(right, { dtype }), { groupSize: 2 }),
}));

function mapTokens(
  tables: Readonly<Record<Exclude<keyof Tokens, "advantages">, readonly (readonly number[])[]>>,
  dtype: "f64" | "f32",
): Omit<Tokens, "advantages"> {
  const { logProbs, oldLogProbs, entropies, given, mask } = tables;
  const of = (rows: readonly (readonly number[])[]) => tensor(rows, { dtype });
  return {
    logProbs: of(logProbs),
    oldLogProbs: of(oldLogProbs),
    entropies: of(entropies),
    given: of(given),
    mask: of(mask),
  };
}

/** Few: on wasm each shape of a batch is a program to compile. */
const few = { f64: 4, f32: 1 };

/** Asserts that two optimizations have the same loss and gradient on tokens. */
async function assertSame(
  a: Optimization<Evidence>,
  b: Optimization<Evidence>,
  tokens: Tokens,
  tolerance: number,
): Promise<void> {
  const [x, y] = [lossOn(a, tokens), lossOn(b, tokens)];
  await assertNear(x(tokens.logProbs), y(tokens.logProbs), tolerance);
  await assertNear(grad(x)(tokens.logProbs), grad(y)(tokens.logProbs), tolerance);
}

theorem(
  "weighed by 1 nothing changes; weighed by a number it is the loss times that number",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(drawn, number(-2, 2), async (draw, factor) => {
      const tokens = draw(dtype);
      const one: TokenWeight<unknown> = {
        of: () => ones([], dtype),
        formula: { text: "1", binding: "letter" },
        where: {},
        slot: "advantage",
        by: literal(1),
      };
      for (const part of [nll(), clipped(), nll({ normalizer: "sequence" })]) {
        const plainly: TokenOptimization<Evidence> = part;
        await assertSame(weighed(1, plainly), plainly, tokens, tolerance);
        await assertSame(weighed(one, plainly), plainly, tokens, tolerance);
        await assertSame(weighed(factor, plainly), weight(factor, plainly), tokens, tolerance);
      }
    }),
  few,
);

theorem(
  "byOrigin gives every token to its side: all to one side is that side, and its parts add up",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(drawn, async (draw) => {
      const tokens = draw(dtype);
      const [theirs, own] = [nll(), clipped()];
      const both = byOrigin(theirs, own);
      const all = (x: Tensor) => ({ ...tokens, given: x });
      await assertSame(both, theirs, all(ones(tokens.given.shape, dtype)), tolerance);
      await assertSame(both, own, all(zeros(tokens.given.shape, dtype)), tolerance);
      // Under a constant normalizer, the parts are those of two losses.
      const sides = [nll({ normalizer: 3 }), clipped({ normalizer: 3 })] as const;
      await assertSame(
        byOrigin(...sides),
        sumOf(onGiven(sides[0]), onOwn(sides[1])),
        tokens,
        tolerance,
      );
      await assertSame(byOrigin(theirs, theirs), theirs, tokens, tolerance);
    }),
  few,
);

theorem(
  "the q-family is (1 - p^q)/q in gradient: SFT's as q goes to 0, dynamic fine-tuning's at 1",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(drawn, number(0.2, 3), async (draw, q) => {
      const { logProbs, mask } = draw(dtype);
      const gradient = (power: number) =>
        grad((x: Tensor) =>
          evaluationLoss(
            weighed(probability({ power }), nll()).optimize({ logProbs: () => x, mask }, context),
          )
        )(logProbs);
      const family = (x: Tensor) =>
        evaluationLoss(
          policyGradient().optimize({
            logProbs: () => mul(exp(mul(x, q)), 1 / q),
            advantages: ones([mask.shape[0] ?? 0], dtype),
            mask,
          }, context),
        );
      await assertNear(gradient(q), grad(family)(logProbs), tolerance);
      const supervised = grad((x: Tensor) =>
        evaluationLoss(nll().optimize({ logProbs: () => x, mask }, context))
      )(logProbs);
      // A millionth of a log-probability of 3 is left of the weight.
      await assertNear(gradient(1e-6), supervised, tolerance + 4e-6);
    }),
  few,
);

theorem(
  "at ratio 1 all shapes have the policy gradient: NFT, supervised on right and wrong answers, as well",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(drawn, async (draw) => {
      const { oldLogProbs: _moved, advantages, ...others } = draw(dtype);
      const atOne = { ...others, oldLogProbs: others.logProbs };
      const gradient = (optimization: Optimization<Evidence>, tokens: Tokens) =>
        grad(lossOn(optimization, tokens))(tokens.logProbs);
      const same = { ...atOne, advantages };
      for (const shape of [plain, softGate(), gammaWeighted(), negativeAware()]) {
        await assertNear(
          gradient(shaped(shape), same),
          gradient(policyGradient(), same),
          tolerance,
        );
      }
      await assertNear(
        gradient(shaped(geometricMean(), bySequence), same),
        gradient(policyGradient(bySequence), same),
        tolerance,
      );
      // GRPO's advantages, with the deviation of the population, and no epsilon.
      const right = tensor(
        Array.from(await advantages.data(), (a) => a > 0 ? 1 : 0),
        { dtype },
      );
      const scaled = passRate(right, { groupSize: 2, scale: "group" });
      await assertNear(
        gradient(shaped(negativeAware({ scale: "group" })), { ...same, advantages: scaled }),
        gradient(policyGradient(), { ...same, advantages: scaled }),
        tolerance,
      );
    }),
  few,
);

Deno.test("pass-rate advantages are GRPO's with the population's deviation where the rate is not cut", async () => {
  const mixed = tensor([1, 0, 0, 1, 0, 1, 0.5, 2], f64);
  const scores = await passRate(mixed, { groupSize: 4, scale: "group" }).data();
  const by = (rate: number, right: boolean) =>
    (Number(right) - rate) / Math.sqrt(rate * (1 - rate));
  assertEquals([...scores].map((a) => a.toFixed(12)), [
    ...[true, false, false, true].map((right) => by(0.5, right).toFixed(12)),
    ...[false, true, false, true].map((right) => by(0.5, right).toFixed(12)),
  ]);
  // A group whose answers are all right, or all wrong, still teaches a little.
  const agreed = await passRate(tensor([1, 1, 0, 0], f64), { groupSize: 2 }).data();
  assertEquals(
    [...agreed].map((a) => a.toFixed(12)),
    ["0.02", "0.02", "-0.02", "-0.02"].map(
      (a) => Number(a).toFixed(12),
    ),
  );
  const uncounted = passRate(tensor([1, 0], f64), { groupSize: 2, counted: tensor([1, 0]) });
  assertEquals([...await uncounted.data()].map((a) => a.toFixed(12)), [
    "0.020000000000",
    "0.000000000000",
  ]);
  assertThrows(() => passRate(mixed, { groupSize: 4, margin: 0.6 }), RangeError, "margin");
});

/** Everything that is made of the parts, by a name of its own. */
const parts: Readonly<Record<string, Optimization<Evidence>>> = {
  ...Object.fromEntries(
    Object.entries(cases).map(([name, [optimization]]) => [name, optimization]),
  ),
  capped: weighed(cappedRatio(), policyGradient()),
  entropy: byOrigin(entropyBonus(), policyGradient()),
};

/** What holds a batch together, by the names of the parts. */
const ofTheBatch: Readonly<Record<string, string>> = { srft: "its weights are means of a batch" };

Deno.test("padding and the order of rows change no part; a cut between rows does where a weight is the batch's", async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (draw) => {
      const tokens = draw("f64");
      const [rows = 0] = tokens.mask.shape;
      const padded = mapTree(
        tokens,
        (x) => x.shape.length === 1 ? x : concat([x, zeros([rows, 2], x.dtype)], 1),
      );
      const order = tensor(Array.from({ length: rows }, (_, b) => rows - 1 - b), { dtype: "i32" });
      const reversed = mapTree(tokens, (x) => gather(x, order));
      const cut = (from: number, to: number) => mapTree(tokens, (x) => slice(x, 0, from, to));
      for (const [name, part] of Object.entries(parts)) {
        const evaluation = (on: Tokens) => part.optimize(evidenceOf(on), context);
        const whole = evaluationLoss(evaluation(tokens));
        await assertClose(evaluationLoss(evaluation(padded)), whole);
        await assertClose(evaluationLoss(evaluation(reversed)), whole);
        const added = addEvaluations(evaluation(cut(0, 1)), evaluation(cut(1, rows)));
        if (ofTheBatch[name] === undefined) await assertClose(evaluationLoss(added), whole);
      }
    }),
    { numRuns: 3 },
  );
});

Deno.test("weights by a batch's entropy are others in micro-batches (counterexample)", async () => {
  const tokens = tokensOf(signs);
  const loss = (on: Tokens) => weighed(byEntropy(), nll()).optimize(evidenceOf(on), context);
  const part = (from: number, to: number) => mapTree(tokens, (x) => slice(x, 0, from, to));
  const [whole, cut] = [loss(tokens), addEvaluations(loss(part(0, 2)), loss(part(2, 8)))];
  const [a, b] = [await evaluationLoss(whole).item(), await evaluationLoss(cut).item()];
  assert(Math.abs(a - b) > 1e-3, `${a} and ${b}`);
});

Deno.test("gradients of shapes are those of central differences, where nothing is held constant", async () => {
  for (const name of ["sapo", "gmpo", "luffy", "uft"]) {
    const [optimization, advantages] = cases[name] ?? [];
    assert(optimization !== undefined && advantages !== undefined);
    const tokens = tokensOf(advantages);
    await checkGradients(lossOn(optimization, tokens), tokens.logProbs, { tolerance: 1e-6 });
  }
});

Deno.test("impossible tokens have losses and gradients that are numbers", async () => {
  const impossible = log(zeros([8, 6], "f64"));
  for (const name of ["sapo", "vespo", "gmpo", "nft", "nft_scaled", "luffy", "rl_plus", "dppo"]) {
    const [part, advantages] = cases[name] ?? [];
    assert(part !== undefined && advantages !== undefined);
    const tokens = { ...tokensOf(advantages), logProbs: impossible };
    const loss = lossOn(part, tokens);
    assert(Number.isFinite(await loss(tokens.logProbs).item()), name);
    assert((await grad(loss)(tokens.logProbs).data()).every(Number.isFinite), name);
  }
  // The weight 0 of an impossible token outweighs its infinite loss.
  const loss = lossOn(weighed(uncertainty, nll()), tokensOf(signs));
  assertEquals(await loss(impossible).item(), 0);
});

Deno.test("a demonstration is learned by the one rule, an own answer by the other; metrics are of each side", async () => {
  const tokens = tokensOf(signs);
  const { metrics } = byOrigin(nll(), clipped({ epsilon: 0.01 })).optimize(
    evidenceOf(tokens),
    context,
  );
  const own = { ...tokens, mask: mul(tokens.mask, sub(1, tokens.given)) };
  const alone = clipped({ epsilon: 0.01 }).optimize(evidenceOf(own), context);
  assertEquals(Object.keys(metrics), ["clip_ratio/low", "clip_ratio/high"]);
  await assertClose(metrics, alone.metrics);
});

Deno.test("options of parts out of range are errors that name them", () => {
  const faults: readonly (readonly [() => unknown, string])[] = [
    [() => weighed(Infinity, nll()), "weighed: by"],
    [() => probability({ power: 0 }), "probability: power"],
    [() => rarity({ power: 0 }), "rarity: power"],
    [() => bySign({ positive: NaN }), "bySign: positive"],
    [() => bySign({ negative: NaN }), "bySign: negative"],
    [() => byEntropy({ factor: Infinity }), "byEntropy: factor"],
    [() => byEntropy({ scale: Infinity }), "byEntropy: scale"],
    [() => trusted({ distance: -1 }), "trusted: distance"],
    [() => cappedRatio({ cap: 0 }), "cappedRatio: cap"],
    [() => saturating({ constant: 0 }), "saturating: constant"],
    [() => softGate({ positive: 0 }), "softGate: positive"],
    [() => softGate({ negative: 0 }), "softGate: negative"],
    [() => gammaWeighted({ positive: { power: -1, decay: 1 } }), "gammaWeighted: positive: power"],
    [() => gammaWeighted({ negative: { power: 1, decay: 0 } }), "gammaWeighted: negative: decay"],
    [() => geometricMean({ epsilon: -1 }), "geometricMean: epsilon"],
    [() => geometricMean({ epsilonHigh: -1 }), "geometricMean: epsilonHigh"],
    [
      () => byOrigin(nll(), clipped({ normalizer: 2 })),
      "byOrigin: got the normalizers token and 2",
    ],
  ];
  for (const [make, says] of faults) assertThrows(make, RangeError, says);
});

const world = worldOf({ seed: 6, distance: 0.4 });

Deno.test("a live teacher that reads no more than the policy teaches nothing: its gradient is 0", async () => {
  const own = objective(
    estimate(sampled, teacher("self", { reading: "privileged" })),
    distilled({ beta: 1 }),
  );
  for (const gradient of leavesOf(grad(objectiveLoss(own, world.rollouts))(world.params))) {
    assert((await gradient.data()).every((g) => Math.abs(g) < 1e-12));
  }
});

Deno.test("a privileged teacher predicts an answer's tokens behind its own prompt, wherever they stand", async () => {
  const { rollouts, params, reference } = world;
  const [rows = 0] = rollouts.ids.shape;
  const behind = (x: Tensor) => concat([zeros([rows, 2], x.dtype), x], 1);
  const { ids, mask } = rollouts;
  const longer = { ids: behind(ids), mask: behind(mask), temperature: 1 };
  const model = modelOf(policy, reference);
  const signal = tokenReturns({ by: model, reading: "privileged" });
  const guided = { ...rollouts, privileged: longer };
  const { advantages, gaps } = estimate(sampled, signal)
    .collect(modelOf(policy, params), guided, context).signal;
  // The tokens of the longer rows, moved back by the two tokens that stand before them.
  const there = slice(scoreTokens(model, longer), 1, 3);
  const expected = mul(sub(there, slice(rollouts.oldLogProbs, 1, 1)), slice(mask, 1, 1));
  await assertClose(advantages, expected, 1e-9);
  await assertClose(gaps, mul(expected, -1), 1e-9);
  const taught = estimate(sampled, teacher(model, { reading: "privileged" }))
    .collect(modelOf(policy, params), guided, context).signal.teacher;
  assert(taught.kind === "logits");
  const whole = model.predict(model.embed(slice(longer.ids, 1, 0, -1))).logits();
  const onAnswer = reshape(slice(mask, 1, 1), [rows, -1, 1]);
  await assertClose(mul(taught.logits, onAnswer), mul(slice(whole, 1, 2), onAnswer), 1e-9);
});

Deno.test("returns of tokens: at discount 0 each token's own, at 1 all that follow, and an answer's advantage at each", async () => {
  const { rollouts, params } = world;
  const at = (discount: number, coefficient = 1, answer = false) =>
    estimate(
      sampled,
      tokenReturns({
        ...{ by: "reference", discount, coefficient },
        ...answer && { answer: estimator("group-mean", 2) },
      }),
    ).collect(modelOf(policy, params), rollouts, context).signal.advantages;
  const mask = await rowsOf(slice(rollouts.mask, 1, 1));
  const ratios = await rowsOf(
    mul(
      sub(slice(rollouts.referenceLogProbs, 1, 1), slice(rollouts.oldLogProbs, 1, 1)),
      slice(rollouts.mask, 1, 1),
    ),
  );
  const sums = (discount: number) =>
    ratios.map((row, b) =>
      row.map((_, t) =>
        (mask[b]?.[t] ?? 0) *
        row.slice(t).reduce((total, ratio, i) => total + discount ** i * ratio, 0)
      )
    );
  for (const discount of [0, 0.5, 1]) {
    await assertClose(at(discount), tensor(sums(discount), f64), 1e-9);
  }
  await assertClose(at(0.5, 3), mul(at(0.5), 3), 1e-9);
  const [first = NaN] = await sub(at(0, 1, true), at(0)).data();
  const [a = NaN, b = NaN] = await rollouts.rewards.data();
  assertAlmostEquals(first, (a - b) / 2, 1e-9);
});

Deno.test("on-policy distillation: value and gradient are those of the method's code, with a discount as well", async () => {
  const behind = (x: readonly (readonly number[])[]) => tensor(x.map((row) => [0, ...row]), f64);
  const batch = {
    mask: behind(vectors.mask),
    oldLogProbs: behind(vectors.oldLogProbs),
    referenceLogProbs: behind(vectors.teacherLogProbs),
    rewards,
  };
  const named = { on_policy_distillation: 0, discounted_distillation: 0.9 } as const;
  for (const name of ["on_policy_distillation", "discounted_distillation"] as const) {
    const signal = tokenReturns({ by: "reference", discount: named[name] });
    const { advantages } = signal.collect(modelOf(policy, world.params), batch, () => {
      throw new Error("no model is asked");
    });
    const tokens = tokensOf(advantages);
    const loss = lossOn(shaped(plain, { normalizer: 1 }), tokens);
    const { loss: value, gradient } = vectors.cases[name];
    assertAlmostEquals(await loss(tokens.logProbs).item(), value, 1e-9);
    await assertClose(grad(loss)(tokens.logProbs), tensor(gradient, f64), 1e-9);
  }
});

Deno.test("the top of a vocabulary and its tail: all tokens are the divergence, one is a coin", async () => {
  const student = tensor([[2, 1, 0, -1]], f64);
  const judge = tensor([[0, 3, 1, 0]], f64);
  for (const beta of [0, 0.5, 1]) {
    const whole = generalizedJsd(student, judge, { beta });
    await assertClose(generalizedJsd(student, judge, { beta, topK: 9 }), whole, 1e-12);
    await assertClose(generalizedJsd(student, judge, { beta, topK: 4, tail: false }), whole, 1e-12);
  }
  const [p = NaN] = await softmax(student).data();
  const [q = NaN] = await softmax(judge).data();
  const coin = p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
  const top = await generalizedJsd(student, judge, { beta: 1, topK: 1 }).item();
  assertAlmostEquals(top, coin, 1e-12);
  // Without the others, the only token is certain for both.
  const alone = await generalizedJsd(student, judge, { beta: 1, topK: 1, tail: false }).item();
  assertAlmostEquals(alone, 0, 1e-12);
});

Deno.test("advantages by author: own answers among each other, given tokens among all, a continuation by its own rule", async () => {
  const { params } = world;
  const rollouts = {
    ...world.rollouts,
    mask: tensor([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]], f64),
    given: tensor([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], f64),
    oldLogProbs: zeros([3, 4], "f64"),
    rewards: tensor([1, 0, 1], f64),
  };
  const signal = authorAdvantage({
    own: estimator("group-mean", 3),
    theirs: estimator("leave-one-out", 3),
    continued: estimator("raw"),
  });
  const collected = signal.collect(modelOf(policy, params), rollouts, () => {
    throw new Error("no model is asked");
  });
  await assertClose(
    collected.advantages,
    tensor([[0.5], [-0.5], [0.5]].map(([a = 0], b) => b < 2 ? [a, a, a] : [a, 1, 1]), f64),
  );
});

Deno.test("the gate of HPT: without a success the demonstration teaches alone, with one the policy's answers", async () => {
  const ids = idsOf([[0, 1, 2, 1], [0, 2, 1, 1], [0, 1, 1, 2]]);
  const batch = {
    ids,
    mask: tensor([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]], f64),
    given: tensor([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]], f64),
    oldLogProbs: zeros([3, 4], "f64"),
    temperature: 1,
  };
  const options = { groupSize: 3, maxLength: 3, entropyWeight: 0 };
  const loss = (rewards: readonly number[]) =>
    objectiveLoss(hpt(options), { ...batch, rewards: tensor(rewards, f64) });
  const gold = { ids: slice(ids, 0, 2), mask: slice(batch.mask, 0, 2) };
  const supervised = objectiveLoss(sft(), gold);
  const { params } = world;
  await assertClose(loss([0, 0, 1])(params), supervised(params), 1e-9);
  await assertClose(grad(loss([0, 0, 1]))(params), grad(supervised)(params), 1e-9);
  const own = mapTree(
    { ids, mask: batch.mask, oldLogProbs: batch.oldLogProbs, rewards: tensor([1, 0, 1], f64) },
    (x) => slice(x, 0, 0, 2),
  );
  // Without clipping, at the constant that counts all three rows.
  const reinforced = objectiveLoss(
    objective(
      estimate(sampled, advantage(estimator("group-mean", 2))),
      policyGradient({ normalizer: 3 }),
    ),
    { ...own, temperature: 1 },
  );
  await assertClose(loss([1, 0, 1])(params), mul(reinforced(params), 2 / 3), 1e-9);
  // A pass rate of a half is not above a half.
  const strict = objectiveLoss(hpt({ ...options, gate: 0.5 }), {
    ...batch,
    rewards: tensor([1, 0, 1], f64),
  });
  await assertClose(strict(params), supervised(params), 1e-9);
});

Deno.test("CHORD at 0 is GRPO on own answers, at 1 the weighed likelihood of demonstrations", async () => {
  const { rollouts, params } = world;
  const at = (mixture: number) => objectiveLoss(chord({ groupSize: 2, mixture }), rollouts)(params);
  const by = { own: estimator("group-z-score", 2), theirs: estimator("raw") };
  const estimation = estimate(sampled, authorAdvantage(by));
  const part = (side: typeof onOwn | typeof onGiven, of: TokenOptimization<Evidence>) =>
    objectiveLoss(objective(estimation, side(of)), rollouts)(params);
  await assertClose(at(0), part(onOwn, clipped()), 1e-12);
  await assertClose(at(1), part(onGiven, weighed(uncertainty, nll())), 1e-12);
  assertThrows(() => chord({ mixture: 2 }), RangeError, "chord: mixture");
});

Deno.test("CHORD's mu: value and gradient are those of the method's code at a step of its course", async () => {
  const mu = riseAndFall({ peak: 0.9, valley: 0.05, warmup: 60, decay: 120 });
  const at = { ...context, step: tensor(90, { dtype: "i32" }) };
  const mixed = sumOf(
    weight((step) => sub(1, mu(step)), onOwn(clipped())),
    weight(mu, onGiven(nll())),
  );
  const tokens = tokensOf(estimator("group-mean", GROUP).estimate(rewards));
  const loss = (logProbs: Tensor) =>
    evaluationLoss(mixed.optimize(evidenceOf({ ...tokens, logProbs }), at));
  const { loss: value, gradient } = vectors.cases.chord_mu;
  // A schedule is f32.
  assertAlmostEquals(await loss(tokens.logProbs).item(), value, 1e-6);
  await assertClose(grad(loss)(tokens.logProbs), tensor(gradient, f64), 1e-6);
  const course = [0, 30, 60, 120, 180, 500].map((step) =>
    mu(tensor(step, { dtype: "i32" })).item()
  );
  const expected = [0, 0.45, 0.9, 0.475, 0.05, 0.05];
  for (const [i, own] of (await Promise.all(course)).entries()) {
    assertAlmostEquals(own, expected[i] ?? NaN, 1e-6);
  }
  for (const option of ["peak", "valley"]) {
    assertThrows(() => riseAndFall({ [option]: 1.1 }), RangeError, `riseAndFall: ${option}`);
  }
  for (const option of ["warmup", "decay"]) {
    assertThrows(() => riseAndFall({ [option]: -1 }), RangeError, `riseAndFall: ${option}`);
  }
});

Deno.test("CHORD at mu 0 is GRPO on own answers, at mu 1 SFT on demonstrations, whose tokens may be weighed", async () => {
  const { rollouts, params } = world;
  const theirs = { ...rollouts, mask: mul(rollouts.mask, rollouts.given) };
  const reinforced = objective(
    estimate(
      sampled,
      authorAdvantage({ own: estimator("group-z-score", 2), theirs: estimator("raw") }),
    ),
    onOwn(clipped()),
  );
  const grpoOnOwn = objectiveLoss(reinforced, rollouts);
  const weighedSft = objective(estimate(gold, indicator), weighed(uncertainty, nll()));
  const pairs = [
    [chord({ groupSize: 2, mixture: 0 }), grpoOnOwn],
    [chordMu({ groupSize: 2, peak: 0, valley: 0 }), grpoOnOwn],
    [chord({ groupSize: 2, mixture: 1 }), objectiveLoss(weighedSft, theirs)],
    [chordMu({ groupSize: 2, peak: 1, valley: 1 }), objectiveLoss(sft(), theirs)],
  ] as const;
  for (const [mixed, alone] of pairs) {
    const loss = objectiveLoss(mixed, rollouts);
    await assertClose(loss(params), alone(params), 1e-9);
    await assertClose(grad(loss)(params), grad(alone)(params), 1e-9);
  }
});

Deno.test("PSFT right after its reference was renewed has SFT's gradient, and none beyond its clip", async () => {
  const { demonstrations, params } = world;
  const model = modelOf(policy, params);
  const renewed = { ...demonstrations, referenceLogProbs: scoreTokens(model, demonstrations) };
  const loss = objectiveLoss(psft(), renewed);
  assertAlmostEquals(await loss(params).item(), -1, 1e-12);
  await assertClose(grad(loss)(params), grad(objectiveLoss(sft(), demonstrations))(params), 1e-12);
  const far = sub(renewed.referenceLogProbs, Math.log(1.3));
  const clippedOff = objectiveLoss(psft(), { ...renewed, referenceLogProbs: far });
  for (const leaf of leavesOf(grad(clippedOff)(params))) {
    assert((await leaf.data()).every((g) => g === 0));
  }
  assertAlmostEquals(await clippedOff(params).item(), -1.28, 1e-6);
  assertThrows(() => psft({ clipRange: 0 }), RangeError, "psft: clipRange");
});

Deno.test("ReLIFT in turns of the policy is Dr. GRPO without clipping, in turns of demonstrations SFT", async () => {
  const { rollouts, params } = world;
  const turn = (given: Tensor) =>
    objectiveLoss(relift({ groupSize: 2, maxLength: 8, entropyWeight: 0 }), { ...rollouts, given });
  const own = turn(zeros(rollouts.mask.shape, "f64"));
  const unclipped = objective(
    estimate(sampled, advantage(estimator("group-mean", 2))),
    shaped(plain, { normalizer: 8 }),
  );
  const expected = objectiveLoss(unclipped, rollouts);
  await assertClose(own(params), expected(params), 1e-12);
  await assertClose(grad(own)(params), grad(expected)(params), 1e-12);
  const theirs = turn(rollouts.mask);
  await assertClose(theirs(params), objectiveLoss(sft(), rollouts)(params), 1e-12);
  await assertClose(grad(theirs)(params), grad(objectiveLoss(sft(), rollouts))(params), 1e-12);
});

Deno.test("LUFFY without demonstrations is Dr. GRPO without clipping", async () => {
  const { rollouts, params } = world;
  const own = { ...rollouts, given: mul(rollouts.given, 0) };
  const a = objectiveLoss(luffy({ groupSize: 2, maxLength: 7, entropyWeight: 0 }), own);
  const b = objectiveLoss(drGrpo({ groupSize: 2, maxLength: 7, epsilon: Infinity }), own);
  await assertClose(a(params), b(params));
  await assertClose(grad(a)(params), grad(b)(params));
});

Deno.test("rollouts without what guides them are an error that says so", () => {
  const { given: _given, privileged: _privileged, ...plainly } = world.rollouts;
  const model = modelOf(policy, world.params);
  const collect = (of: Objective<typeof plainly>) => () => of.collect(model, plainly, context);
  assertThrows(collect(luffy({ groupSize: 2 })), TypeError, "authored: got rollouts without given");
  assertThrows(collect(hpt({ groupSize: 2 })), TypeError, "without given");
  assertThrows(collect(chord({ groupSize: 2 })), TypeError, "without given");
  assertThrows(collect(opsd(model)), TypeError, "teacher: got rollouts without privileged");
});

Deno.test("hints are shares of an answer that fall over the steps, and stay", () => {
  const { at } = binomialHints({ from: 1, to: 0, steps: 10, chunks: 4 });
  const draws = [0.1, 0.6, 0.4, 0.9];
  let next = 0;
  assertEquals(at(5, () => draws[next++ % 4] ?? NaN), 0.5);
  assertEquals([at(0, () => 0.999), at(10, () => 0), at(11, () => 0)], [1, 0, 0]);
  const uniform = uniformHints({ from: 0.8, to: 0.2, steps: 4, most: 0.9 });
  assertAlmostEquals(uniform.at(0, () => 0), 0.8, 1e-12);
  assertAlmostEquals(uniform.at(2, () => 0), 0.5, 1e-12);
  assertAlmostEquals(uniform.at(9, () => 0.5), 0.55, 1e-12);
  assertAlmostEquals(uniformHints().at(0, () => 0.5), 0.95, 1e-12);
  assertThrows(() => binomialHints({ chunks: 0 }), RangeError, "binomialHints: chunks");
  assertThrows(() => uniformHints({ most: 2 }), RangeError, "uniformHints: most");
  assertThrows(() => uniformHints({ from: 2 }), RangeError, "uniformHints: from");
});
