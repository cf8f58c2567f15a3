/**
 * Surrogates as shapes of a ratio: each sampled token has the loss `-g(rho, A)`, where
 * `rho = p / q` has a denominator q of its own. PPO's clip is one such shape ({@linkcode clipped}).
 */
import {
  add,
  broadcastTo,
  checkOptions,
  clip,
  div,
  exp,
  greater,
  greaterEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  ranges,
  sigmoid,
  square,
  stopGradient,
  sub,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import type { Normalizer } from "./aggregation.ts";
import { factor, type Formula } from "./arithmetic.ts";
import { checkName, checkShapes, perToken } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { LossFormula } from "./formula.ts";
import { bounded, boundedExp, choose, sequenceLogProbs } from "./log_probs.ts";
import type { RolloutEvidence } from "./optimization.ts";
import { type TokenOptimization, tokenwise } from "./tokenwise.ts";
import { SAMPLED_TRANSITION } from "./transitions.ts";
import { type Expression, named } from "./unified/expression.ts";
import { slots, type UnifiedSlots } from "./unified/gradient.ts";
import { A, p, pOld } from "./unified/ratios.ts";
import { literal, ONE, write, ZERO } from "./unified/write.ts";

/**
 * The denominator q of a ratio `p / q`: `"old"`, the policy that sampled; `"one"`, 1, for tokens
 * whose author's probabilities are unknown (LUFFY); `"mixture"`, `3/4 p_old + 1/4`, an even mixture
 * of the policy that sampled and a guess at the author, itself half the one and half 1 (RL-PLUS).
 */
export type Denominator = "old" | "one" | "mixture";

/** The share of 1 in the mixture. */
const MIXED = 0.25;

interface DenominatorRule {
  readonly formula: string;
  /** The denominator. */
  readonly policy: Expression;
  /** The logarithm of a ratio. */
  readonly logRatio: (logProbs: Tensor, oldLogProbs: Tensor) => Tensor;
}

const denominators: Readonly<Record<Denominator, DenominatorRule>> = {
  old: {
    formula: "p/p_old",
    policy: pOld,
    logRatio: (logProbs, old) => sub(logProbs, bounded(old)),
  },
  one: { formula: "p", policy: ONE, logRatio: (logProbs) => logProbs },
  mixture: {
    formula: "p/(0.75 p_old + 0.25)",
    policy: write.add(write.mul(literal(1 - MIXED), pOld), literal(MIXED)),
    logRatio: (logProbs, old) => sub(logProbs, log(add(mul(exp(bounded(old)), 1 - MIXED), MIXED))),
  },
};

/** One of two expressions, by the sign of the advantage. */
function bySignOf(positive: Expression, others: Expression): Expression {
  return write.either(write.above(A, ZERO), positive, others);
}

/** The tokens of a surrogate. */
export interface ShapedTokens {
  /** `log (p / q)`, `[B, T-1]`, with gradient. */
  readonly logRatios: Tensor;
  /** `log p`, `[B, T-1]`, with gradient. */
  readonly logProbs: Tensor;
  /** Advantages, `[B, T-1]`, or `[B, 1]` of sequences; constants. */
  readonly advantages: Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** A surrogate: what of a token is maximised. */
export interface RatioShape {
  /** The surrogate, `[B, T-1]`, or `[B, 1]` of sequences. */
  readonly surrogate: (tokens: ShapedTokens) => Tensor;
  /** The surrogate as a formula in rho, p and A. */
  readonly formula: Formula;
  /** The definitions of the symbols in it, beside rho. */
  readonly where: LossFormula["where"];
  /** The slots of its gradient, from the ratio `p/q` and its denominator q. */
  readonly slots: (rho: Expression, q: Expression) => UnifiedSlots;
}

/** The options of {@linkcode shaped}. */
export interface ShapedOptions {
  /** The denominator of the ratio (default `"old"`). */
  readonly denominator?: Denominator;
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/**
 * The policy gradient on a shape: the loss of a token is `-g(rho, A)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, saturating, shaped } from "@unitune/objectives";
 *
 * const { formula } = shaped(saturating(), { denominator: "one", normalizer: 64 }).description;
 * assertEquals(
 *   formulaText(formula),
 *   "mean_b sum_t -A rho/(rho + 0.1) / L, where rho = p, L = 64",
 * );
 * ```
 *
 * @param shape The surrogate.
 * @param options The denominator of the ratio, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If the denominator or the normalizer is unknown.
 */
export function shaped(
  { surrogate, formula, where, slots: slotsOf }: RatioShape,
  { denominator = "old", normalizer = objectiveDefaults.normalizer }: ShapedOptions = {},
): TokenOptimization<RolloutEvidence> {
  checkName("shaped: denominator", denominator, denominators);
  const { logRatio, formula: rho, policy } = denominators[denominator];
  return tokenwise<RolloutEvidence>(SAMPLED_TRANSITION, {
    losses({ logProbs: given, oldLogProbs, advantages, mask }) {
      const logProbs = bounded(given());
      checkShapes("shaped", ["B", "T"], { logProbs, oldLogProbs, mask });
      const value = surrogate({
        logRatios: logRatio(logProbs, oldLogProbs),
        logProbs,
        advantages: stopGradient(perToken("shaped", advantages, logProbs)),
        mask,
      });
      return neg(broadcastTo(value, mask.shape));
    },
    normalizer,
    formula: { text: `-${factor(formula)}`, binding: "sum" },
    where: { ...where, rho },
    gradient: [slotsOf(named("rho", write.div(p, policy)), policy)],
  });
}

/**
 * The plain importance-weighted advantage, `rho A`, without a clip.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { plain } from "@unitune/objectives";
 *
 * assertEquals(plain.formula.text, "A rho");
 * ```
 */
export const plain: RatioShape = {
  surrogate: ({ logRatios, advantages }) => mul(boundedExp(logRatios), advantages),
  formula: { text: "A rho", binding: "product" },
  where: {},
  slots: (_rho, denominator) => slots({ denominator, advantage: A }),
};

/**
 * A pull back to the policy that sampled, whatever the advantage: `-(log rho)^2`, twice the k2
 * estimate of the KL between the two. DPPO and prime-rl add 1e-3 of it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { drift, formulaText, shaped } from "@unitune/objectives";
 *
 * const { formula } = shaped(drift).description;
 * assertEquals(
 *   formulaText(formula),
 *   "sum_b sum_t -(-(log rho)^2) / sum_b M_b, where rho = p/p_old",
 * );
 * ```
 */
export const drift: RatioShape = {
  surrogate: ({ logRatios }) => neg(square(logRatios)),
  formula: { text: "-(log rho)^2", binding: "sum" },
  where: {},
  slots: (rho) => slots({ advantage: write.mul(literal(-2), write.log(rho)) }),
};

/** The options of {@linkcode saturating}. */
export interface SaturatingOptions {
  /** The ratio at which the surrogate has reached half of its bound, above 0 (default 0.1). */
  readonly constant?: number;
}

/**
 * A surrogate that saturates, `A rho / (rho + c)`: its gradient is largest for ratios far below c,
 * so that improbable tokens of a demonstration are learned first. LUFFY (arXiv 2504.14945) takes it
 * of the probability itself, `p / (p + 0.1)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ones, tensor } from "@unitune/core";
 * import { saturating } from "@unitune/objectives";
 *
 * const logRatios = tensor([[Math.log(0.3)]], { dtype: "f64" });
 * const [advantages, mask] = [tensor([[2]], { dtype: "f64" }), ones([1, 1])];
 * const { surrogate } = saturating({ constant: 0.1 });
 * const value = surrogate({ logRatios, logProbs: logRatios, advantages, mask });
 * assertAlmostEquals(await value.item(), 1.5);
 * ```
 *
 * @param options The constant.
 * @returns The surrogate.
 * @throws {RangeError} If the constant is not above 0.
 */
export function saturating({ constant = 0.1 }: SaturatingOptions = {}): RatioShape {
  checkOptions("saturating", { constant: ranges.positive }, { constant });
  return {
    surrogate({ logRatios, advantages }) {
      const rho = boundedExp(logRatios);
      return mul(div(rho, add(rho, constant)), advantages);
    },
    formula: { text: `A rho/(rho + ${constant})`, binding: "product" },
    where: {},
    slots(rho, denominator) {
      const [c, sum] = [literal(constant), write.add(rho, literal(constant))];
      const falling = write.div(c, write.pow(sum, 2));
      return slots({ denominator, advantage: write.mul(falling, A) });
    },
  };
}

/** The options of {@linkcode softGate}. */
export interface SoftGateOptions {
  /** The steepness of the gate where the advantage is above 0, above 0 (default 1). */
  readonly positive?: number;
  /** The steepness of the gate elsewhere, above 0 (default 1.05). */
  readonly negative?: number;
}

/**
 * The soft gate of SAPO (arXiv 2511.20347): `4/tau sigmoid(tau (rho - 1)) A`. Its gradient at ratio
 * 1 is that of `rho A`, and falls off smoothly on both sides where PPO's clip ends at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { softGate } from "@unitune/objectives";
 *
 * assertEquals(softGate().formula.text, "4/tau sigmoid(tau (rho - 1)) A");
 * ```
 *
 * @param options The steepness by the sign of the advantage.
 * @returns The surrogate.
 * @throws {RangeError} If a steepness is not above 0.
 */
export function softGate({ positive = 1, negative = 1.05 }: SoftGateOptions = {}): RatioShape {
  const steep = { positive: ranges.positive, negative: ranges.positive };
  checkOptions("softGate", steep, { positive, negative });
  return {
    surrogate({ logRatios, advantages }) {
      const tau = choose(greater(advantages, 0), positive, negative, advantages.dtype);
      const gate = sigmoid(mul(tau, sub(boundedExp(logRatios), 1)));
      return mul(mul(div(4, tau), gate), advantages);
    },
    formula: { text: "4/tau sigmoid(tau (rho - 1)) A", binding: "product" },
    where: { tau: `A > 0 ? ${positive} : ${negative}` },
    slots(rho, denominator) {
      const tau = named("tau", bySignOf(literal(positive), literal(negative)));
      const x = write.mul(tau, write.sub(rho, ONE));
      const bell = write.mul(write.sigmoid(x), write.sigmoid(write.neg(x)));
      return slots({ mask: write.mul(literal(4), bell), denominator, advantage: A });
    },
  };
}

/** A weight `e^d w^k e^(-d w)` of a ratio w, which is 1 at 1. */
export interface GammaWeight {
  /** The exponent k of the ratio, at least 0. */
  readonly power: number;
  /** The decay d, above 0. */
  readonly decay: number;
}

/** The options of {@linkcode gammaWeighted}. */
export interface GammaWeightedOptions {
  /** The weight of sequences whose advantage is at least 0 (default power 2, decay 3). */
  readonly positive?: GammaWeight;
  /** The weight of the other sequences (default power 3, decay 2). */
  readonly negative?: GammaWeight;
}

/** Log-ratios of VESPO's tokens are cut to -20..20, and those of sequences to log 1e-8..20. */
const GAMMA_BOUNDS = { largest: 20, least: Math.log(1e-8) } as const;

/**
 * The surrogate of VESPO (arXiv 2602.10693): `sg(phi(w)) A log p`, w the ratio of the whole sequence
 * and `phi(w) = e^d w^k e^(-d w)`, 1 at w = 1, which falls to 0 on both sides.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ones, tensor, zeros } from "@unitune/core";
 * import { gammaWeighted } from "@unitune/objectives";
 *
 * const tokens = { logRatios: zeros([1, 2]), logProbs: tensor([[-1, -3]]), mask: ones([1, 2]) };
 * const [first = NaN] = await gammaWeighted().surrogate({ ...tokens, advantages: tensor([[2]]) })
 *   .data();
 * assertAlmostEquals(first, -2, 1e-6);
 * ```
 *
 * @param options The weights by the sign of the advantage.
 * @returns The surrogate.
 * @throws {RangeError} If a power is below 0, or a decay not above 0.
 */
export function gammaWeighted(
  { positive = { power: 2, decay: 3 }, negative = { power: 3, decay: 2 } }: GammaWeightedOptions =
    {},
): RatioShape {
  for (const [name, { power, decay }] of Object.entries({ positive, negative })) {
    const limits = { power: ranges.nonNegative, decay: ranges.positive };
    checkOptions(`gammaWeighted: ${name}`, limits, { power, decay });
  }
  const { largest, least } = GAMMA_BOUNDS;
  return {
    surrogate({ logRatios, logProbs, advantages, mask }) {
      const ofTokens = clip(logRatios, -largest, largest);
      const logW = clip(unsqueeze(sequenceLogProbs(ofTokens, mask), -1), least, largest);
      const isGood = greaterEqual(advantages, 0);
      const { dtype } = advantages;
      const power = choose(isGood, positive.power, negative.power, dtype);
      const decay = choose(isGood, positive.decay, negative.decay, dtype);
      const phi = exp(add(mul(power, logW), mul(decay, sub(1, exp(logW)))));
      return mul(mul(stopGradient(phi), advantages), logProbs);
    },
    formula: { text: "sg(w^k e^(d (1 - w))) A log p", binding: "product" },
    where: {
      w: "prod_t rho",
      "k, d":
        `A >= 0 ? ${positive.power}, ${positive.decay} : ${negative.power}, ${negative.decay}`,
    },
    slots(rho) {
      const w = named("w", write.exp(write.sumOfAnswer(write.log(rho))));
      const of = ({ power, decay }: GammaWeight) => {
        const falling = write.exp(write.mul(literal(decay), write.sub(ONE, w)));
        return write.mul(write.pow(w, power), falling);
      };
      const weight = write.either(write.above(ZERO, A), of(negative), of(positive));
      return slots({ advantage: write.mul(weight, A) });
    },
  };
}

/** The options of {@linkcode geometricMean}. */
export interface GeometricMeanOptions {
  /** How far a log-ratio counts below 0, where the advantage is not above 0 (default 0.4). */
  readonly epsilon?: number;
  /** How far a log-ratio counts above 0, where the advantage is above 0 (default `epsilon`). */
  readonly epsilonHigh?: number;
}

/**
 * The surrogate of GMPO (arXiv 2507.20673): the geometric mean of a sequence's ratios, times its
 * advantage, `e^(mean_t c_t) A`, where c is the log-ratio, cut on the side on which PPO clips.
 * Divided by sequence it is the mean over sequences.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ones, tensor } from "@unitune/core";
 * import { geometricMean } from "@unitune/objectives";
 *
 * const logRatios = tensor([[1, -1]], { dtype: "f64" });
 * const tokens = { logRatios, logProbs: logRatios, mask: ones([1, 2]) };
 * const value = geometricMean().surrogate({
 *   ...tokens,
 *   advantages: tensor([[1]], { dtype: "f64" }),
 * });
 * assertAlmostEquals(await value.item(), Math.exp((0.4 - 1) / 2));
 * ```
 *
 * @param options The clip ranges of log-ratios.
 * @returns The surrogate.
 * @throws {RangeError} If a range is below 0.
 */
export function geometricMean(
  { epsilon = 0.4, epsilonHigh = epsilon }: GeometricMeanOptions = {},
): RatioShape {
  const limits = { epsilon: ranges.upToInfinity, epsilonHigh: ranges.upToInfinity };
  checkOptions("geometricMean", limits, { epsilon, epsilonHigh });
  return {
    surrogate({ logRatios, advantages, mask }) {
      const cut = where(
        greater(advantages, 0),
        minimum(logRatios, epsilonHigh),
        maximum(logRatios, -epsilon),
      );
      return mul(boundedExp(unsqueeze(sequenceLogProbs(cut, mask, "mean"), -1)), advantages);
    },
    formula: { text: "e^(mean_t c) A", binding: "product" },
    where: { c: `A > 0 ? min(log rho, ${epsilonHigh}) : max(log rho, -${epsilon})` },
    slots(rho) {
      const [x, low, high] = [write.log(rho), literal(-epsilon), literal(epsilonHigh)];
      const c = named("c", bySignOf(write.min(x, high), write.max(x, low)));
      return slots({
        mask: bySignOf(write.atMost(x, high), write.atMost(low, x)),
        denominator: write.div(p, write.exp(write.meanOfAnswer(c))),
        advantage: A,
        advantages: "answers",
      });
    },
  };
}

/** The options of {@linkcode negativeAware}. */
export interface NegativeAwareOptions {
  /**
   * The scale of the advantages: `"none"`, they are `r - q` of a pass rate q; `"group"`, they are
   * divided by `sqrt(q (1 - q))` (default `"none"`).
   */
  readonly scale?: "none" | "group";
}

/** A log-ratio counts as 10 at most, as in the code of NFT. */
const LARGEST_NEGATIVE_AWARE = 10;

/** The weight of an answer that is wrong, of its advantage's size. */
const wrongWeights: Readonly<Record<"none" | "group", (size: Tensor) => Tensor>> = {
  none: (size) => sub(1, size),
  group: (size) => div(1, size),
};

/**
 * The surrogate of negative-aware fine-tuning (NFT, arXiv 2505.18116): supervised learning from
 * right and wrong answers. With the pass rate q of a group and a weight w, right answers have
 * `w log rho`; wrong ones have w times the log-likelihood of the negative policy that remains when
 * the right answers are taken out of the old policy, `log max(1, (1 - q rho) / (1 - q))`, its
 * gradient passed through the maximum. q and w follow from the advantages of
 * `estimator("pass-rate")` (w = 1 - q) or `estimator("pass-rate-z-score")` (w = sqrt((1 - q) / q)).
 * At ratio 1 its gradient is the policy gradient's.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ones, tensor } from "@unitune/core";
 * import { negativeAware } from "@unitune/objectives";
 *
 * // A pass rate of 1/2: a right answer, and a wrong one that became less likely.
 * const logRatios = tensor([[Math.log(0.8)], [Math.log(0.8)]], { dtype: "f64" });
 * const advantages = tensor([[0.5], [-0.5]], { dtype: "f64" });
 * const tokens = { logRatios, logProbs: logRatios, advantages, mask: ones([2, 1]) };
 * const [right = NaN, wrong = NaN] = await negativeAware().surrogate(tokens).data();
 * assertAlmostEquals(right, 0.5 * Math.log(0.8));
 * assertAlmostEquals(wrong, 0.5 * Math.log(1.2));
 * ```
 *
 * @param options The scale of the advantages.
 * @returns The surrogate.
 * @throws {RangeError} If the scale is unknown.
 */
export function negativeAware({ scale = "none" }: NegativeAwareOptions = {}): RatioShape {
  checkName("negativeAware: scale", scale, wrongWeights);
  const weightOf = wrongWeights[scale];
  return {
    surrogate({ logRatios, advantages }) {
      const isWrong = greater(0, advantages);
      // Any number where it is not read, so that nothing is divided by 0.
      const size = where(isWrong, neg(advantages), 0.5);
      const weight = weightOf(size);
      const logRho = minimum(logRatios, LARGEST_NEGATIVE_AWARE);
      const odds = div(size, weight);
      const likelihood = sub(1, mul(odds, sub(boundedExp(logRho), 1)));
      const atLeastOne = add(likelihood, stopGradient(sub(maximum(likelihood, 1), likelihood)));
      return where(isWrong, mul(weight, log(atLeastOne)), mul(advantages, logRho));
    },
    formula: { text: "(A > 0 ? A log rho : w log max(1, (1 - q rho)/(1 - q)))", binding: "call" },
    where: { q: "pass rate", w: scale === "none" ? "1 - q" : "sqrt((1 - q)/q)" },
    slots(rho, old) {
      // Advantages of wrong answers are -q, or -sqrt(q/(1 - q)).
      const square = write.pow(A, 2);
      const is = scale === "none" ? write.neg(A) : write.div(square, write.add(ONE, square));
      const q = named("q", is);
      const left = write.div(write.sub(ONE, write.mul(q, rho)), write.sub(ONE, q));
      return slots({
        denominator: bySignOf(p, write.mul(old, write.max(ONE, left))),
        advantage: A,
      });
    },
  };
}
