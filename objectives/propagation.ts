/**
 * Dynamic relation propagation (arXiv 2405.11870, equation 21): the loss of a token is weighted by
 * the losses that follow it. Several objectives go by this name, in the paper and in its code; here
 * each has a name of its own.
 */
import {
  add,
  cast,
  checkOptions,
  div,
  exp,
  greater,
  less,
  matmul,
  mul,
  neg,
  ranges,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from "@unitune/core";
import { type Constant, one } from "./arithmetic.ts";
import { objectiveDefaults } from "./defaults.ts";
import { decays, discountedSum } from "./discount.ts";
import { checkName, checkTokens } from "./checks.ts";
import { countRows, masked, maskedMean } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import type { Optimization, TokenEvidence } from "./optimization.ts";
import { formulaOf, type LossFormula } from "./formula.ts";
import { type Expression, named } from "./unified/expression.ts";
import { ofAnswers, slots, type UnifiedTerm } from "./unified/gradient.ts";
import { p } from "./unified/ratios.ts";
import { ONE, write } from "./unified/write.ts";

/**
 * The forms of propagation, with `c_t = sum_{i >= t} g^(i-t) l_i` the discounted loss to go:
 *
 * | form | loss of a row with M answer tokens | gradient on l_k |
 * | --- | --- | --- |
 * | `none` | `sum_t l_t / M` | `1 / M` |
 * | `eq21` | `sum_t c_t`, g = 1 | number of answer tokens up to k |
 * | `eq21-decay` | `sum_t c_t` | `b_k`: on an answer without gaps `(1 - g^(k+1)) / (1 - g)` |
 * | `as-run` | `sum_t l_t c_t / sum_t c_t` | `(c_k + a_k - L b_k) / sum_t c_t` |
 * | `as-run-detached` | the same, weights held constant | `c_k / sum_t c_t` |
 * | `reach` | `sum_t l_t w_t / sum_t w_t`, weights held constant | `w_k / sum_t w_t` |
 *
 * where `a_k = sum_{t <= k} g^(k-t) l_t` and `b_k = sum_{t <= k, t in answer} g^(k-t)`. As run, the
 * gradient on an easy late token can be negative: the loss falls if that token gets less likely.
 *
 * With g = 0 both forms as run are `none` as well, by definition: propagation is off, and the weights are
 * 1. This is not their limit, which weights each token by its own loss, `sum_t l_t^2 / sum_t l_t`.
 *
 * The form `reach` is not the paper's. It takes the paper's reason for the propagation at its word:
 * SFT sets `T(s*_t, rho0) = 1`, as if the model left to itself were at every gold state, where it is
 * with the chance `d_t = prod_{i < t} p_i`, the product of equation 21. Training on the states that the
 * learner visits (Ross, Gordon and Bagnell, "A reduction of imitation learning and structured
 * prediction to no-regret online learning", 2011) weighs the loss at a state by the chance of being
 * there. Where the model drives in a share g of the trajectories and the human in the others, the gold
 * state of t has the weight `w_t = (1 - g) + g d_t`. The weights are chances of states, which imitation
 * holds constant, so the gradient on a token is never negative, and at least `1 - g` of that on the
 * first; it is that of `none` once the model makes no mistakes.
 */
export type PropagationForm =
  | "none"
  | "eq21"
  | "eq21-decay"
  | "as-run"
  | "as-run-detached"
  | "reach";

/** The options of propagation. */
export interface PropagationOptions {
  /** The form (default `"as-run"`). */
  readonly form?: PropagationForm;
  /**
   * The decay g for each position, from 0 to 1; for `reach`, the share g of trajectories that the model
   * drives (default 0.95). `none` and `eq21` ignore it.
   */
  readonly gamma?: number;
}

/**
 * The discounted loss to go, `c_t = l_t + g c_{t+1} = sum_{i >= t} g^(i-t) l_i`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossToGo } from "@unitune/objectives";
 *
 * assertEquals(await lossToGo(tensor([[1, 0, 4]]), 0.5).data(), new Float32Array([2, 2, 4]));
 * ```
 *
 * @param losses Losses of tokens, `[B, T]`; 0 off the answer. The decay continues through gaps.
 * @param gamma The decay g for each position, from 0 to 1.
 * @returns c, `[B, T]`, at every position.
 * @throws {RangeError} If gamma is out of range.
 */
export function lossToGo(losses: Tensor, gamma: number): Tensor {
  checkOptions("lossToGo", { gamma: ranges.share }, { gamma });
  return discountedSum(losses, gamma);
}

/** The form of a propagation: weights `[B, T]` from losses and mask, both 0 off the answer. */
interface PropagationRule {
  readonly transition: string;
  readonly normalizer: string;
  readonly formula: (gamma: number) => LossFormula;
  readonly weights: (losses: Tensor, mask: Tensor, gamma: number) => Tensor;
  /** The term of the gradient. */
  readonly gradient: (gamma: Constant) => UnifiedTerm;
}

const own = named("l", write.neg(write.log(p)));

/** The propagated gradient of a token, divided by sequences. */
const propagatedBy = (advantage: Expression) => ofAnswers(slots({ advantage }), "single");

/** The decayed number of answer tokens up to a token. */
const reachOf = (gamma: Constant) => named("b_bt", write.before(ONE, gamma));

/** The discounted loss to go, and its sum. */
function toGoOf(gamma: Constant) {
  const c = named("c_bt", write.after(own, gamma));
  return { c, total: write.sumOfAnswer(c) };
}

/** M of each row, `[B, 1]`. */
function answerLength(mask: Tensor): Tensor {
  return sum(mask, { axes: [-1], keepDims: true });
}

/** `M b_k`, b_k being the decayed number of answer tokens up to k: the weights of eq. 21. */
function reach(mask: Tensor, gamma: number): Tensor {
  return mul(mul(mask, matmul(mask, decays(gamma, mask))), answerLength(mask));
}

/** `M c_t / sum_t c_t`: weights whose mean is 1. All are 1 where the sum is 0. */
function relative(losses: Tensor, mask: Tensor, gamma: number): Tensor {
  const toGo = mul(lossToGo(losses, gamma), mask);
  const total = sum(toGo, { axes: [-1], keepDims: true });
  const some = greater(total, 0);
  const weights = div(mul(toGo, answerLength(mask)), where(some, total, 1));
  return where(some, weights, mask);
}

/** `d_t = prod_{i < t} p_i`: the chance that the model left to itself is at the gold state of t. */
function chancesOfStates(losses: Tensor): Tensor {
  return exp(sub(losses, matmul(losses, decays(1, losses))));
}

/** `M w_t / sum_t w_t` with `w_t = (1 - g) + g d_t`: weights whose mean is 1. */
function visited(losses: Tensor, mask: Tensor, gamma: number): Tensor {
  const weights = mul(mask, add(mul(chancesOfStates(losses), gamma), 1 - gamma));
  const total = sum(weights, { axes: [-1], keepDims: true });
  return div(mul(weights, answerLength(mask)), where(greater(total, 0), total, 1));
}

const whole = "prod_{i<=n} T(s*_{i+1}, s_i) -> T*";

/** The definitions of a decayed loss to go. */
function decayed(gamma: number): LossFormula["where"] {
  return { c_bt: "sum_{i>=t} gamma^(i-t) l_bi", gamma: `${gamma}`, l: "-log p" };
}

const rules: Readonly<Record<PropagationForm, PropagationRule>> = {
  none: {
    transition: "T(s*_n, s_{n-1}) -> T*",
    normalizer: "answer tokens of each sequence, then sequences",
    formula: () => formulaOf("mean_b (1/M_b) sum_t l_bt", { l: "-log p" }),
    weights: (_, mask) => mask,
    gradient: () => ({ ...propagatedBy(ONE), normalizer: "sequence" }),
  },
  eq21: {
    transition: whole,
    normalizer: "sequences",
    formula: () => formulaOf("mean_b sum_t c_bt", { c_bt: "sum_{i>=t} l_bi", l: "-log p" }),
    weights: (_, mask) => reach(mask, 1),
    gradient: () => propagatedBy(reachOf(one)),
  },
  "eq21-decay": {
    transition: whole,
    normalizer: "sequences",
    formula: (gamma) => formulaOf("mean_b sum_t c_bt", decayed(gamma)),
    weights: (_, mask, gamma) => reach(mask, gamma),
    gradient: (gamma) => propagatedBy(reachOf(gamma)),
  },
  "as-run": {
    transition: whole,
    normalizer: "sum_t c_bt of each sequence, then sequences",
    formula: (gamma) => formulaOf("mean_b sum_t l_bt c_bt / sum_t c_bt", decayed(gamma)),
    weights: relative,
    gradient(gamma) {
      const { c, total } = toGoOf(gamma);
      const a = named("a_bt", write.before(own, gamma));
      const loss = named("L_b", write.div(write.sumOfAnswer(write.mul(own, c)), total));
      const weight = write.sub(write.add(c, a), write.mul(loss, reachOf(gamma)));
      return propagatedBy(write.div(weight, total));
    },
  },
  "as-run-detached": {
    transition: whole,
    normalizer: "sum_t c_bt of each sequence, then sequences",
    formula: (gamma) => formulaOf("mean_b sum_t l_bt sg(c_bt / sum_t c_bt)", decayed(gamma)),
    weights: (losses, mask, gamma) => stopGradient(relative(losses, mask, gamma)),
    gradient(gamma) {
      const { c, total } = toGoOf(gamma);
      return propagatedBy(write.div(c, total));
    },
  },
  reach: {
    transition: "T(s*_{n+1}, s_n) -> T*, at states as likely as the model's own",
    normalizer: "sum_t w_bt of each sequence, then sequences",
    formula: (gamma) =>
      formulaOf("mean_b sum_t l_bt sg(w_bt / sum_t w_bt)", {
        w_bt: "1 - gamma + gamma d_bt",
        d_bt: "prod_{i<t} p_bi",
        gamma: `${gamma}`,
        l: "-log p",
      }),
    weights: (losses, mask, gamma) => stopGradient(visited(losses, mask, gamma)),
    gradient(gamma) {
      const d = named("d_bt", write.exp(write.sub(own, write.before(own, one))));
      const share = write.constant(gamma);
      const w = named("w_bt", write.add(write.sub(ONE, share), write.mul(share, d)));
      return propagatedBy(write.div(w, write.sumOfAnswer(w)));
    },
  },
};

/** The largest loss of a token that still takes part in the weights. */
const LARGEST_LOSS = 3e38;

/** The rule of a form, its options checked. */
function ruleOf(name: string, form: PropagationForm, gamma: number): PropagationRule {
  checkName(`${name}: form`, form, rules);
  checkOptions(name, { gamma: ranges.share }, { gamma });
  const isOff = gamma === 0 && form !== "eq21" && form !== "eq21-decay";
  return isOff ? rules.none : rules[form];
}

/**
 * The weights w of a form of propagation: the loss of a row is `(1/M) sum_t w_t l_t`. As run they
 * are `M c_t / sum_t c_t` and average 1; where every answer token is certain (`sum_t c_t = 0`) they
 * are 1. They are 0 off the answer.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { propagationWeights } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-1, -0.5, -2, -0.3]], { dtype: "f64" });
 * const [first, , , last] = await propagationWeights(logProbs, tensor([[1, 1, 1, 1]])).data();
 * assertAlmostEquals(first ?? NaN, 1.6091106951, 1e-10);
 * assertAlmostEquals(last ?? NaN, 0.1364727758, 1e-10);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The form and its decay.
 * @returns The weights, `[B, T]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the form is unknown or gamma out of range.
 */
export function propagationWeights(
  logProbs: Tensor,
  mask: Tensor,
  { form = objectiveDefaults.propagation, gamma = objectiveDefaults.gamma }: PropagationOptions =
    {},
): Tensor {
  checkTokens("propagationWeights", logProbs, mask);
  const { weights } = ruleOf("propagationWeights", form, gamma);
  return weights(masked(neg(logProbs), mask), cast(mask, logProbs.dtype), gamma);
}

/**
 * The propagated negative log-likelihood, `mean_b (1/M_b) sum_t w_bt l_bt` with `l_t = -log p_t`
 * and the weights of {@linkcode propagationWeights}; see {@linkcode PropagationForm}.
 *
 * A row without answer tokens adds nothing and is not counted. An impossible answer token (log-prob
 * `-Infinity`) makes the loss infinite, and takes no part in the weights of the others. The value
 * is not comparable with cross-entropy: log cross-entropy beside it.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, propagationLoss } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-1, -0.5, -2, -0.3], [-0.2, -1.5, -0.7, 0]], { dtype: "f64" });
 * const mask = tensor([[1, 1, 1, 1], [1, 1, 1, 0]]);
 * const asRun = propagationLoss(logProbs, mask, { form: "as-run", gamma: 0.95 });
 * assertAlmostEquals(await lossValue(asRun).item(), 0.9509853946, 1e-10);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The form and its decay.
 * @returns The loss; its normalizer is the number of rows with answer tokens.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the form is unknown or gamma out of range.
 */
export function propagationLoss(
  logProbs: Tensor,
  mask: Tensor,
  { form = objectiveDefaults.propagation, gamma = objectiveDefaults.gamma }: PropagationOptions =
    {},
): Loss {
  checkTokens("propagationLoss", logProbs, mask);
  const rule = ruleOf("propagationLoss", form, gamma);
  const all = masked(neg(logProbs), mask);
  const possible = less(all, LARGEST_LOSS);
  const losses = where(possible, all, 0);
  const weights = rule.weights(losses, cast(mask, logProbs.dtype), gamma);
  const rows = maskedMean(mul(weights, losses), mask, { axes: [-1] });
  return {
    total: add(sum(rows), sum(where(possible, 0, all))),
    normalizer: countRows(mask, logProbs.dtype),
  };
}

/**
 * {@linkcode propagationLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { propagated } from "@unitune/objectives";
 *
 * assertEquals(propagated({ form: "none" }).description.transition, "T(s*_n, s_{n-1}) -> T*");
 * ```
 *
 * @param options The form and its decay.
 * @returns The optimization.
 * @throws {RangeError} If the form is unknown or gamma out of range.
 */
export function propagated(
  { form = objectiveDefaults.propagation, gamma = objectiveDefaults.gamma }: PropagationOptions =
    {},
): Optimization<TokenEvidence> {
  const { transition, normalizer, formula, gradient } = ruleOf("propagated", form, gamma);
  return {
    description: {
      transition,
      normalizer,
      formula: formula(gamma),
      gradient: [gradient({ constant: gamma, name: "gamma" })],
    },
    optimize: ({ logProbs, mask }) => ({
      terms: [propagationLoss(logProbs(), mask, { form, gamma })],
      metrics: {},
    }),
  };
}
