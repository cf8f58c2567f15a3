/** Losses of preference pairs that need no reference. */
import { checkOptions, mul, ranges, sub, type Tensor } from "@unitune/core";
import { type Arithmetic, logistic, numeric, onTensors } from "./arithmetic.ts";
import { checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import { bounded } from "./log_probs.ts";
import type { LabelSmoothing } from "./preference_losses.ts";

/** The options of {@linkcode cpoLoss}. */
export interface CpoOptions {
  /** The strength b, above 0 (default 0.1). */
  readonly beta?: number;
  /** The probability e that a label is wrong, from 0 to 1/2 (default 0). */
  readonly labelSmoothing?: number;
}

/** The label smoothing of CPO: its range and its default. */
export const cpoSmoothing: LabelSmoothing = { range: ranges.between(0, 0.5), usual: 0 };

/** The options of CPO, checked, its defaults filled in. */
export function cpoConstants(
  name: string,
  { beta = objectiveDefaults.beta, labelSmoothing = cpoSmoothing.usual }: CpoOptions,
): Required<CpoOptions> {
  const constants = { beta, labelSmoothing };
  checkOptions(name, { beta: ranges.positive, labelSmoothing: cpoSmoothing.range }, constants);
  return constants;
}

/** The loss of CPO over any arithmetic. */
export function cpo<X>(
  on: Arithmetic<X>,
  chosen: X,
  rejected: X,
  { beta, labelSmoothing: e }: Required<CpoOptions>,
): X {
  const x = on.mul(numeric(beta), on.sub(chosen, rejected));
  return logistic(on, x, { e: numeric(e), right: { constant: 1 - e, name: `(1-${e})` } });
}

/**
 * Contrastive preference optimization (arXiv 2401.08417), its preference term: with
 * `x = b (lw - ll)`, `-(1-e) log sigmoid(x) - e log sigmoid(-x)`. The whole objective adds `alpha` times the
 * chosen answer's nll.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { cpoLoss } from "@unitune/objectives";
 *
 * const same = tensor([-3], { dtype: "f64" });
 * assertAlmostEquals(await cpoLoss(same, same).item(), Math.LN2);
 * ```
 *
 * @param chosen Summed log-probabilities of the chosen answers, `[B]`, in nats.
 * @param rejected Summed log-probabilities of the rejected answers, `[B]`.
 * @param options Hyperparameters.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function cpoLoss(
  chosen: Tensor,
  rejected: Tensor,
  options: CpoOptions = {},
): Tensor {
  checkShapes("cpoLoss", ["B"], { chosen, rejected });
  const constants = cpoConstants("cpoLoss", options);
  return cpo(onTensors, bounded(chosen), bounded(rejected), constants);
}

/** The options of {@linkcode simpoLoss}. */
export interface SimpoOptions {
  /** The strength b, above 0 (default 2). */
  readonly beta?: number;
  /** The margin to be reached, at least 0 (default `beta / 2`). */
  readonly gamma?: number;
}

/** The defaults of SimPO, checked. */
export function simpoConstants(
  name: string,
  { beta = 2, gamma = beta / 2 }: SimpoOptions,
): Required<SimpoOptions> {
  checkOptions(name, { beta: ranges.positive, gamma: ranges.nonNegative }, { beta, gamma });
  return { beta, gamma };
}

/** The loss of SimPO over any arithmetic. */
export function simpo<X>(
  on: Arithmetic<X>,
  averageChosen: X,
  averageRejected: X,
  { beta, gamma }: Required<SimpoOptions>,
): X {
  const scaled = on.mul(numeric(beta), on.sub(averageChosen, averageRejected));
  return on.neg(on.logSigmoid(on.sub(scaled, numeric(gamma))));
}

/**
 * SimPO (arXiv 2405.14734): `-log sigmoid(beta (aw - al) - gamma)`, of average log-probabilities.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { simpoLoss } from "@unitune/objectives";
 *
 * const [chosen, rejected] = [tensor([-0.5], { dtype: "f64" }), tensor([-1], { dtype: "f64" })];
 * assertAlmostEquals(await simpoLoss(chosen, rejected, { beta: 2, gamma: 1 }).item(), Math.LN2);
 * ```
 *
 * @param averageChosen Average log-probabilities of the chosen answers' tokens, `[B]`, in nats.
 * @param averageRejected Average log-probabilities of the rejected answers' tokens, `[B]`.
 * @param options Hyperparameters; note that gamma is the margin itself, not its ratio to beta.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function simpoLoss(
  averageChosen: Tensor,
  averageRejected: Tensor,
  options: SimpoOptions = {},
): Tensor {
  checkShapes("simpoLoss", ["B"], { averageChosen, averageRejected });
  const constants = simpoConstants("simpoLoss", options);
  return simpo(onTensors, bounded(averageChosen), bounded(averageRejected), constants);
}

/** The options of {@linkcode alphaPoLoss}. */
export interface AlphaPoOptions {
  /** The shape a of the reward, any finite number (default 0.25). At 0 the loss is SimPO's. */
  readonly alpha?: number;
  /** The strength b, above 0 (default 2.5). */
  readonly beta?: number;
  /** The margin to be reached, at least 0 (default 0.1). */
  readonly gamma?: number;
}

/** The options of AlphaPO, checked; defaults are those of arXiv 2501.03884, table 3. */
export function alphaPoConstants(
  name: string,
  { alpha = 0.25, beta = 2.5, gamma = 0.1 }: AlphaPoOptions,
): Required<AlphaPoOptions> {
  const constants = { alpha, beta, gamma };
  checkOptions(
    name,
    { alpha: ranges.finite, beta: ranges.positive, gamma: ranges.nonNegative },
    constants,
  );
  return constants;
}

/** AlphaPO's reward of an average log-probability, `(1 - e^(-alpha a)) / alpha`; a at alpha 0. */
function shapedReward<X>(on: Arithmetic<X>, average: X, alpha: number): X {
  if (alpha === 0) return average;
  return on.div(on.expm1(on.mul(numeric(-alpha), average)), numeric(-alpha));
}

/** The loss of AlphaPO over any arithmetic: SimPO's of shaped rewards. */
export function alphaPo<X>(
  on: Arithmetic<X>,
  averageChosen: X,
  averageRejected: X,
  { alpha, ...constants }: Required<AlphaPoOptions>,
): X {
  return simpo(
    on,
    shapedReward(on, averageChosen, alpha),
    shapedReward(on, averageRejected, alpha),
    constants,
  );
}

/**
 * AlphaPO (arXiv 2501.03884): `-log sigmoid(beta (rw - rl) - gamma)`, with the reward
 * `r = (1 - e^(-alpha a)) / alpha` of an average log-probability a. As alpha goes to 0, r goes to a,
 * and the loss is {@linkcode simpoLoss}; above 0, unlikely answers weigh more. The exponent is cut to
 * -80..80.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { alphaPoLoss } from "@unitune/objectives";
 *
 * const [chosen, rejected] = [tensor([0], { dtype: "f64" }), tensor([-Math.LN2], { dtype: "f64" })];
 * // Rewards of 0 and 1 - 2 = -1.
 * const loss = alphaPoLoss(chosen, rejected, { alpha: 1, beta: 1, gamma: 1 });
 * assertAlmostEquals(await loss.item(), Math.LN2);
 * ```
 *
 * @param averageChosen Average log-probabilities of the chosen answers' tokens, `[B]`, in nats.
 * @param averageRejected Average log-probabilities of the rejected answers' tokens, `[B]`.
 * @param options Hyperparameters; note that gamma is the margin itself, not its ratio to beta.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function alphaPoLoss(
  averageChosen: Tensor,
  averageRejected: Tensor,
  options: AlphaPoOptions = {},
): Tensor {
  checkShapes("alphaPoLoss", ["B"], { averageChosen, averageRejected });
  const constants = alphaPoConstants("alphaPoLoss", options);
  return alphaPo(onTensors, bounded(averageChosen), bounded(averageRejected), constants);
}

/** The odds ratio term over any arithmetic. */
export function oddsRatioTerm<X>(on: Arithmetic<X>, averageChosen: X, averageRejected: X): X {
  return on.neg(on.logSigmoid(on.sub(on.logOdds(averageChosen), on.logOdds(averageRejected))));
}

/**
 * The odds ratio term of ORPO (arXiv 2403.07691), with `p = e^a` the geometric mean of the tokens'
 * probabilities: `-log s(log odds(pw) - log odds(pl))`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { oddsRatioLoss } from "@unitune/objectives";
 *
 * // Odds of 3 against odds of 1.
 * const chosen = tensor([Math.log(3 / 4)], { dtype: "f64" });
 * const rejected = tensor([Math.log(1 / 2)], { dtype: "f64" });
 * assertAlmostEquals(await oddsRatioLoss(chosen, rejected).item(), Math.log(4 / 3));
 * ```
 *
 * @param averageChosen Average log-probabilities of the chosen answers' tokens, `[B]`, in nats.
 * @param averageRejected Average log-probabilities of the rejected answers' tokens, `[B]`.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function oddsRatioLoss(averageChosen: Tensor, averageRejected: Tensor): Tensor {
  checkShapes("oddsRatioLoss", ["B"], { averageChosen, averageRejected });
  return oddsRatioTerm(onTensors, averageChosen, averageRejected);
}

/** The options of ORPO. */
export interface OrpoOptions {
  /** The weight b of the odds ratio, above 0 (default 0.1). */
  readonly beta?: number;
}

/** The options of ORPO, checked, its defaults filled in. */
export function orpoConstants(
  name: string,
  { beta = objectiveDefaults.beta }: OrpoOptions,
): Required<OrpoOptions> {
  checkOptions(name, { beta: ranges.positive }, { beta });
  return { beta };
}

/**
 * ORPO (arXiv 2403.07691), nll and odds ratio of each pair:
 * `-aw - b log s(log odds(pw) - log odds(pl))`. Its mean over pairs is the paper's objective, in
 * which an answer's likelihood is its tokens' geometric mean; TRL divides the nll by the tokens of
 * all chosen answers.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { orpoLoss } from "@unitune/objectives";
 *
 * const same = tensor([-1], { dtype: "f64" });
 * assertAlmostEquals(await orpoLoss(same, same, { beta: 0.1 }).item(), 1 + 0.1 * Math.LN2);
 * ```
 *
 * @param averageChosen Average log-probabilities of the chosen answers' tokens, `[B]`, in nats.
 * @param averageRejected Average log-probabilities of the rejected answers' tokens, `[B]`.
 * @param options The weight b of the odds ratio.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If beta is not above 0.
 */
export function orpoLoss(
  averageChosen: Tensor,
  averageRejected: Tensor,
  options: OrpoOptions = {},
): Tensor {
  const { beta } = orpoConstants("orpoLoss", options);
  return sub(mul(oddsRatioLoss(averageChosen, averageRejected), beta), bounded(averageChosen));
}
