/** Options: each number is checked when an objective is made, and defaults are the same everywhere. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { mul, ones, type Tensor, tensor } from "@unitune/core";
import {
  advantage,
  againstReference,
  aggregate,
  batchZScore,
  bestOfN,
  blended,
  both,
  bradleyTerry,
  cappedPolicyGradient,
  cispo,
  clipped,
  contrastivePreference,
  cpo,
  dapo,
  dft,
  distilled,
  divergenceScore,
  dpo,
  drGrpo,
  entropyBonus,
  estimate,
  estimator,
  evaluationLoss,
  fixedLambda,
  gae,
  gate,
  generalizedJsd,
  gold,
  groupMeanBatchStd,
  groupZScore,
  grpo,
  grpoKl,
  ift,
  importanceRatio,
  importanceWeightedNll,
  intuitive,
  intuitiveDpo,
  ipo,
  ipoLoss,
  iwSft,
  kahnemanTversky,
  kl,
  klEstimate,
  kto,
  linearLambda,
  lossToGo,
  maskedWhiten,
  modelOf,
  modelOfLogits,
  neftune,
  nll,
  noisyLambda,
  objective,
  onlineDpo,
  orpo,
  orpoLoss,
  packSamples,
  pairwise,
  penalized,
  policyGradient,
  ppo,
  propagated,
  reinforce,
  rewardModel,
  rewardModelLoss,
  rpo,
  sampled,
  scheduled,
  sequenceLogProbs,
  sft,
  simplePreference,
  simpo,
  sumOf,
  valueRegression,
  weight,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertNear, context, lossOf, policy } from "./arbitrary.ts";
import { theorem } from "./theorem.ts";
import { worldOf, worlds } from "./worlds.ts";

const nobody = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
const scores = tensor([1, 0]);
const rows = tensor([[1, 0]]);

/** Numbers that are out of every range but those that have no bound above: f32 does not have 1e39. */
const never = [NaN, -Infinity, Infinity, 1e39];
const notPositive = [...never, 0, -1, 1e-46];
const negative = [...never, -0.1];
const noShare = [...negative, 1.1];
const noBound = [NaN, -Infinity, -0.1];
const noCount = [...never, 0, -1, 1.5];

/** A group of one has nothing to be compared with, a row of one token nothing to predict. */
const noGroup = [...noCount, 1];

/** The ends of the range that refuses each of these. */
const ends: ReadonlyMap<readonly number[], readonly number[]> = new Map([
  [never, [-3e38, 3e38]],
  [notPositive, [1e-30, 3e38]],
  [negative, [0, 3e38]],
  [noShare, [0, 1]],
  [noBound, [0, Infinity]],
  [noCount, [1]],
  [noGroup, [2]],
]);

/** What takes a number, the number's name, and values that it refuses. */
const numbers: readonly [string, string, (x: number) => unknown, readonly number[]][] = [
  ["dpo", "beta", (beta) => dpo({ beta }), notPositive],
  ["dpo", "labelSmoothing", (labelSmoothing) => dpo({ labelSmoothing }), [...negative, 0.6]],
  ["dpo", "alpha", (alpha) => dpo({ divergence: "alpha", alpha }), never],
  ["pairwise", "temperature", (temperature) => pairwise({ temperature }), notPositive],
  ["pairwise", "labelSmoothing", (e) => pairwise({ form: "exo", labelSmoothing: e }), [0, 0.6]],
  ["pairwise", "labelSmoothing", (e) => pairwise({ form: "robust", labelSmoothing: e }), [0.5]],
  ["onlineDpo", "beta", (beta) => onlineDpo({ beta }), notPositive],
  ["onlineDpo", "groupSize", (groupSize) => onlineDpo({ groupSize }), noGroup],
  ["bestOfN", "groupSize", (groupSize) => bestOfN({ groupSize }), noGroup],
  ["intuitiveDpo", "beta", (beta) => intuitiveDpo(nobody, { beta }), notPositive],
  ["rpo", "alpha", (alpha) => rpo({ alpha }), negative],
  ["cpo", "alpha", (alpha) => cpo({ alpha }), negative],
  ["cpo", "beta", (beta) => cpo({ beta }), notPositive],
  ["contrastivePreference", "labelSmoothing", (e) => contrastivePreference({ labelSmoothing: e }), [
    ...negative,
    0.6,
  ]],
  ["orpo", "beta", (beta) => orpo({ beta }), notPositive],
  ["orpo", "normalizer", (normalizer) => orpo({ normalizer }), notPositive],
  ["simpo", "beta", (beta) => simpo({ beta }), notPositive],
  ["simplePreference", "gamma", (gamma) => simplePreference({ gamma }), negative],
  ["kto", "beta", (beta) => kto({ beta }), notPositive],
  ["kahnemanTversky", "desirableWeight", (x) => kahnemanTversky({ desirableWeight: x }), negative],
  [
    "kahnemanTversky",
    "undesirableWeight",
    (x) => kahnemanTversky({ undesirableWeight: x }),
    negative,
  ],
  ["rewardModel", "margin", (margin) => rewardModel({ margin }), never],
  ["bradleyTerry", "centering", (centering) => bradleyTerry({ centering }), negative],
  ["rewardModelLoss", "margin", (margin) => rewardModelLoss(scores, scores, { margin }), never],
  ["divergenceScore", "alpha", (alpha) => divergenceScore(scores, { alpha }), never],
  ["sft", "normalizer", (normalizer) => sft({ normalizer }), notPositive],
  ["dft", "normalizer", (normalizer) => dft({ normalizer }), notPositive],
  ["nll", "normalizer", (normalizer) => nll({ normalizer }), notPositive],
  ["iwSft", "power", (power) => iwSft({ power }), notPositive],
  ["importanceWeightedNll", "cap", (cap) => importanceWeightedNll({ cap }), notPositive],
  ["distilled", "beta", (beta) => distilled({ beta }), noShare],
  ["distilled", "temperature", (temperature) => distilled({ temperature }), notPositive],
  ["generalizedJsd", "beta", (beta) => generalizedJsd(rows, rows, { beta }), noShare],
  ["ift", "lambda", (lambda) => ift({ lambda }), noShare],
  ["ift", "gamma", (gamma) => ift({ gamma }), noShare],
  ["ift", "passes", (passes) => ift({ passes }), noCount],
  ["intuitive", "lambda", (lambda) => intuitive({ lambda }), noShare],
  ["scheduled", "lambda", (lambda) => scheduled({ lambda }), noShare],
  ["propagated", "gamma", (gamma) => propagated({ gamma }), noShare],
  ["lossToGo", "gamma", (gamma) => lossToGo(rows, gamma), noShare],
  ["fixedLambda", "lambda", (lambda) => fixedLambda(lambda), noShare],
  ["linearLambda", "from", (from) => linearLambda({ from, to: 1, steps: 1 }), noShare],
  ["linearLambda", "to", (to) => linearLambda({ from: 0, to, steps: 1 }), noShare],
  ["linearLambda", "steps", (steps) => linearLambda({ from: 0, to: 1, steps }), noCount],
  ["noisyLambda", "lambda", (lambda) => noisyLambda({ lambda }), noShare],
  ["noisyLambda", "scale", (scale) => noisyLambda({ lambda: 0.2, scale }), negative],
  ["neftune", "alpha", (alpha) => neftune(gold, { alpha }), negative],
  ["clipped", "epsilon", (epsilon) => clipped({ epsilon }), noBound],
  ["clipped", "epsilonHigh", (epsilonHigh) => clipped({ epsilonHigh }), noBound],
  ["clipped", "dualClip", (dualClip) => clipped({ dualClip }), [...never, 1, 0]],
  ["clipped", "normalizer", (normalizer) => clipped({ normalizer }), notPositive],
  ["cispo", "cap", (cap) => cispo({ cap }), notPositive],
  ["cappedPolicyGradient", "normalizer", (n) => cappedPolicyGradient({ normalizer: n }), [0]],
  ["policyGradient", "normalizer", (n) => policyGradient({ normalizer: n }), notPositive],
  ["reinforce", "normalizer", (normalizer) => reinforce({ normalizer }), notPositive],
  ["grpo", "groupSize", (groupSize) => grpo({ groupSize }), noGroup],
  ["dapo", "epsilon", (epsilon) => dapo({ epsilon }), noBound],
  ["drGrpo", "maxLength", (maxLength) => drGrpo({ maxLength }), notPositive],
  ["grpoKl", "beta", (beta) => grpoKl({ beta }), negative],
  ["ppo", "penalty", (penalty) => ppo({ penalty }), negative],
  ["ppo", "valueWeight", (valueWeight) => ppo({ valueWeight }), negative],
  ["ppo", "valueEpsilon", (valueEpsilon) => ppo({ valueEpsilon }), noBound],
  ["ppo", "entropyWeight", (entropyWeight) => ppo({ entropyWeight }), negative],
  ["ppo", "lambda", (lambda) => ppo({ lambda }), noShare],
  ["gae", "gamma", (gamma) => gae({ gamma }), noShare],
  ["penalized", "coefficient", (coefficient) => penalized({ coefficient }, gae()), negative],
  ["valueRegression", "epsilon", (epsilon) => valueRegression({ epsilon }), noBound],
  ["valueRegression", "normalizer", (n) => valueRegression({ normalizer: n }), notPositive],
  ["kl", "normalizer", (normalizer) => kl({ normalizer }), notPositive],
  ["entropyBonus", "normalizer", (normalizer) => entropyBonus({ normalizer }), notPositive],
  ["weight", "factor", (factor) => weight(factor, nll()), never],
  ["blended", "share", (share) => blended(share, nll(), nll()), noShare],
  ["gate", "threshold", (x) => gate({ groupSize: 2, threshold: x }, sft(), sft()), noShare],
  ["gate", "passing", (passing) => gate({ groupSize: 2, passing }, sft(), sft()), never],
  ["gate", "groupSize", (groupSize) => gate({ groupSize }, sft(), sft()), noGroup],
  ["estimator", "groupSize", (groupSize) => estimator("raw", groupSize), noCount],
  ["groupZScore", "epsilon", (x) => groupZScore(scores, { groupSize: 2, epsilon: x }), negative],
  [
    "groupMeanBatchStd",
    "epsilon",
    (epsilon) => groupMeanBatchStd(scores, { groupSize: 2, epsilon }),
    negative,
  ],
  ["batchZScore", "epsilon", (epsilon) => batchZScore(scores, { epsilon }), negative],
  ["maskedWhiten", "epsilon", (epsilon) => maskedWhiten(rows, rows, { epsilon }), negative],
  ["packSamples", "length", (length) => packSamples([sample], [1], { length }), noGroup],
  ["packSamples", "pad", (pad) => packSamples([sample], [1], { pad }), [...negative, 0.5]],
  ["packSamples", "groupSize", (x) => packSamples([sample], [1], { groupSize: x }), noCount],
];

const sample = { prompt: [0], completion: [1] };

Deno.test("a number out of its range is refused when it is told, with its name, range and value", () => {
  for (const [of, option, make, values] of numbers) {
    for (const value of values) {
      const error = assertThrows(() => make(value), RangeError, undefined, `${of} ${option}`);
      const { message } = error;
      assert(message.includes(`${option}: expected `), `${of}: ${message}`);
      assert(message.includes(`, got ${value}`), `${of}: ${message}`);
    }
  }
});

Deno.test("a number at an end of its range is taken", () => {
  for (const [, , make, values] of numbers) {
    for (const value of ends.get(values) ?? []) make(value);
  }
});

/** A text where a name is expected, as a caller without types may hand it over. */
const unknownName = <T>(): T => JSON.parse('"median"');

Deno.test("a name that is none of a table's is refused when it is told", () => {
  const names: Readonly<Record<string, () => unknown>> = {
    "kl: estimator": () => kl({ estimator: unknownName() }),
    "kl: normalizer": () => kl({ normalizer: unknownName() }),
    "klEstimate: estimator": () => klEstimate(rows, rows, unknownName()),
    "penalized: estimator": () => penalized({ coefficient: 1, estimator: unknownName() }, gae()),
    "importanceRatio: level": () => importanceRatio(rows, rows, rows, unknownName()),
    "clipped: ratio": () => clipped({ ratio: unknownName() }),
    "intuitive: own": () => intuitive({ own: unknownName() }),
    "intuitive: embeddings": () => intuitive({ embeddings: unknownName() }),
    "scheduled: own": () => scheduled({ own: unknownName() }),
    "estimator: form": () => estimator(unknownName(), 2),
    "gae: values": () => gae({ values: unknownName() }),
    "grpo: scaleRewards": () => grpo({ scaleRewards: unknownName() }),
    "pairwise: form": () => pairwise({ form: unknownName() }),
    "pairwise: logRatios": () => pairwise({ logRatios: unknownName() }),
    "pairwise: divergence": () => pairwise({ divergence: unknownName() }),
    "propagated: form": () => propagated({ form: unknownName() }),
    "aggregate: normalizer": () => aggregate(rows, rows, unknownName()),
  };
  for (const [name, make] of Object.entries(names)) {
    const { message } = assertThrows(make, RangeError, `${name}: expected`, name);
    assertMatch(message, /got "?median/, name);
  }
});

Deno.test("what is no number is refused as well", () => {
  // @ts-expect-error: a text is no number.
  assertThrows(() => simpo({ beta: "2" }), RangeError, `expected a number, above 0, got "2"`);
  // @ts-expect-error: null is no number.
  assertThrows(() => grpoKl({ beta: null }), RangeError, "beta: expected a number, at least 0");
  // @ts-expect-error: no such scale.
  assertThrows(() => grpo({ scaleRewards: "std" }), RangeError, "expected one of group, batch");
  // @ts-expect-error: no such reduction.
  assertThrows(() => pairwise({ logRatios: "median" }), RangeError, "expected one of sum, mean");
});

theorem(
  "ipo is the mean of ipoLoss of averages, orpo that of orpoLoss, whatever the lengths",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, async (options) => {
      const { params, pairs } = worldOf({ ...options, dtype });
      const model = modelOf(policy, params);
      const average = (of: "logProbs" | "referenceLogProbs", side: "chosen" | "rejected") => {
        const estimation = estimate(gold, againstReference("precomputed"));
        const collected = estimation.collect(model, pairs[side], context);
        const { evidence } = estimation.evaluate(model, collected, context);
        const { logProbs, referenceLogProbs, mask } = evidence;
        const values = { logProbs: logProbs(), referenceLogProbs };
        return sequenceLogProbs(values[of], mask, "mean");
      };
      const mean = async (losses: Tensor) => {
        const values = [...await losses.data()];
        return values.reduce((a, b) => a + b, 0) / values.length;
      };
      const [w, l] = [average("logProbs", "chosen"), average("logProbs", "rejected")];
      const [rw, rl] = [
        average("referenceLogProbs", "chosen"),
        average("referenceLogProbs", "rejected"),
      ];
      const close = async (whole: Tensor, losses: Tensor) => {
        const expected = await mean(losses);
        assertAlmostEquals(await whole.item(), expected, tolerance * (1 + Math.abs(expected)));
      };
      await close(lossOf(ipo(), pairs)(params), ipoLoss(w, l, rw, rl));
      await close(lossOf(orpo(), pairs)(params), orpoLoss(w, l));
      await close(
        lossOf(ipo({ beta: 0.4, divergence: "reverse-kl" }), pairs)(params),
        ipoLoss(w, l, rw, rl, { beta: 0.4 }),
      );
    }),
);

theorem(
  "grpo-kl divides surrogate and KL alike, whatever they are divided by",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(
      worlds,
      fc.constantFrom("token" as const, "sequence" as const, 5),
      async (options, normalizer) => {
        const { params, rollouts } = worldOf({ ...options, dtype });
        const signal = both(
          advantage(estimator("group-z-score", 2)),
          againstReference("precomputed"),
        );
        const parts = sumOf(clipped({ normalizer }), weight(0.3, kl({ normalizer })));
        await assertNear(
          lossOf(grpoKl({ groupSize: 2, beta: 0.3, normalizer }), rollouts)(params),
          lossOf(objective(estimate(sampled, signal), parts), rollouts)(params),
          tolerance,
        );
        const { description } = grpoKl({ normalizer });
        assertEquals(description.normalizer, clipped({ normalizer }).description.normalizer);
      },
    ),
);

Deno.test("a description tells by what the sum over tokens is divided", () => {
  const shown = (["token", "sequence", 1, 0.5, 2] as const).map((normalizer) =>
    sft({ normalizer }).description.normalizer
  );
  assertEquals(shown, [
    "answer tokens of the batch",
    "answer tokens of each sequence, then sequences",
    "sequences",
    "sequences x 0.5",
    "sequences x 2",
  ]);
});

Deno.test("ppo divides policy, value and entropy alike", () => {
  for (const normalizer of ["token", "sequence", 7] as const) {
    const { description } = ppo({ normalizer, entropyWeight: 0.1 });
    assertEquals(description.normalizer, clipped({ normalizer }).description.normalizer);
  }
});

Deno.test("the scale of rewards is the one that was told", () => {
  const signals = (["group", "batch", "none"] as const).map((scaleRewards) =>
    grpo({ groupSize: 4, scaleRewards }).description.signal
  );
  assertEquals(signals, [
    "reward, A = (r - mean)/(std + 1e-4) of the group of 4",
    "reward, A = (r - mean)/(std of the batch + 1e-4), mean of the group of 4",
    "reward, A = r - mean of the group of 4",
  ]);
  assertEquals(grpo({ groupSize: 4 }).description.signal, signals[0]);
});

Deno.test("a pair counts for a reward model where both sides have answers", async () => {
  const side = (scores: Tensor, counted: Tensor) => ({ scores, counted });
  const [first, second] = [tensor([1, 2]), tensor([0, 5])];
  const loss = (counted: Tensor) =>
    evaluationLoss(
      bradleyTerry().optimize({
        chosen: side(first, ones([2])),
        rejected: side(second, counted),
      }, context),
    ).item();
  assertAlmostEquals(await loss(tensor([1, 0])), Math.log1p(Math.exp(-1)), 1e-6);
  assertEquals(await loss(mul(ones([2]), 0)), 0);
});

Deno.test("PPO has an entropy term only where it is asked for", () => {
  const formulaOf = (options?: Parameters<typeof ppo>[0]) => ppo(options).description.formula;
  assertEquals(formulaOf(), formulaOf({ entropyWeight: 0 }));
  assertEquals(formulaOf({ entropyWeight: 0.5 }).terms.at(-1)?.factor, "0.5");
});
