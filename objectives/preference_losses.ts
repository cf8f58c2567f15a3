/**
 * Losses of preference pairs against a reference: functions of the answers' summed
 * log-probabilities. One table holds them all.
 */
import {
  checkOptions,
  checkRange,
  div,
  maximum,
  type Range,
  ranges,
  sub,
  type Tensor,
} from "@unitune/core";
import {
  type Arithmetic,
  type Constant,
  type Formula,
  half,
  letter,
  logistic,
  one,
  onFormulas,
  onNumbers,
  onTensors,
} from "./arithmetic.ts";
import { checkName, checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import {
  divergenceConstants,
  type DivergenceOptions,
  divergenceScore,
  scoreOn,
} from "./divergences.ts";
import { bounded, logRatio } from "./log_probs.ts";
import { formulaOf, type LossFormula } from "./formula.ts";
import { type Expression, named } from "./unified/expression.ts";
import { type Dual, fixed, onDuals, variable } from "./unified/slope.ts";
import { isZero, write } from "./unified/write.ts";

/**
 * The losses of a pair, with the log-ratios `Dw = log pi(w) - log ref(w)` of the chosen answer and
 * `Dl` of the rejected one, `d = Dw - Dl`, and the label smoothing eps:
 *
 * | form | loss | source |
 * | --- | --- | --- |
 * | `dpo` | `-((1-eps) log sigmoid(beta d) + eps log sigmoid(-beta d))` | arXiv 2305.18290 |
 * | `hinge` | `relu(1 - beta d)` | SLiC, 2305.10425 |
 * | `ipo` | `(d - 1/(2 beta))^2`, `D` averaged over tokens by default | 2310.12036 |
 * | `exponential` | `e^(-beta d)` | GPO, 2402.05749 |
 * | `robust` | `(eps log sigmoid(-beta d) - (1-eps) log sigmoid(beta d))/(1 - 2 eps)` | 2403.00409 |
 * | `exo` | `sigmoid(beta d) (log sigmoid(beta d) - log(1-eps)) + sigmoid(-beta d) (log sigmoid(-beta d) - log eps)` | 2402.00856 |
 * | `nca` | `-(log sigmoid(beta Dw) + 1/2 (log sigmoid(-beta Dw) + log sigmoid(-beta Dl)))` | 2402.05369 |
 * | `bco` | `-(log sigmoid(beta Dw) + log sigmoid(-beta Dl))` | 2404.04656 |
 * | `sppo` | `(Dw - 1/(2 beta))^2 + (Dl + 1/(2 beta))^2` | hard labels, 2405.00675 |
 * | `aot` | `-log sigmoid(beta (sort(lw - ll) - sort(lw_ref - ll_ref)))`, smoothed as dpo | 2406.05882 |
 * | `aot-unpaired` | `-log sigmoid(beta (sort(Dw) - sort(Dl)))`, smoothed as dpo | 2406.05882 |
 * | `apo-zero` | `sigmoid(-beta Dw) + sigmoid(beta Dl)`, that is `1 - sigmoid(beta Dw) + sigmoid(beta Dl)` | 2408.06266 |
 * | `apo-down` | `sigmoid(beta Dw) + sigmoid(-beta d)`, that is `sigmoid(beta Dw) + 1 - sigmoid(beta d)` | 2408.06266 |
 * | `discopop` | `e^(log sigmoid(beta d/tau) - beta d) - sigmoid(-beta d/tau) log sigmoid(beta d)`, tau the temperature | 2406.08414 |
 *
 * The two forms of AOT compare distributions, not pairs: their losses depend on the whole batch, so
 * a batch that is cut into micro-batches has another loss.
 */
export type PreferenceForm =
  | "dpo"
  | "hinge"
  | "ipo"
  | "exponential"
  | "robust"
  | "exo"
  | "nca"
  | "bco"
  | "sppo"
  | "aot"
  | "aot-unpaired"
  | "apo-zero"
  | "apo-down"
  | "discopop";

/** The options of a loss of pairs. */
export interface PreferenceOptions extends DivergenceOptions {
  /** The strength beta of the reference, above 0 (default 0.1). */
  readonly beta?: number;
  /**
   * The probability eps that a label is wrong, from 0 to 1/2; `robust` takes less than 1/2, `exo`
   * more than 0 (default 0; for `robust`, which is DPO at 0, 0.1, and for `exo` 0.001). Forms
   * without eps ignore it.
   */
  readonly labelSmoothing?: number;
  /** The temperature of discopop's mixture (default 0.05). */
  readonly temperature?: number;
}

/**
 * Token counts `[B]` of answers whose log-probabilities are sums: scores D are divided by them, and
 * so are averages of a token. A count of 0 is taken as 1.
 */
export interface PairLengths {
  /** Of the chosen answers. */
  readonly chosenLengths?: Tensor;
  /** Of the rejected answers. */
  readonly rejectedLengths?: Tensor;
}

/** The variables of a form: the scores of both sides, their difference, and AOT's two margins. */
interface Margins<X> {
  readonly chosen: X;
  readonly rejected: X;
  readonly margin: X;
  readonly policyMargin: X;
  readonly referenceMargin: X;
}

/** The constants of the formulas. */
interface PreferenceConstants {
  /** beta, and with the opposite sign. */
  readonly b: Constant;
  readonly minusB: Constant;
  /** `1 / (2 beta)`. */
  readonly target: Constant;
  /** The probabilities that a label is wrong, and that it is right. */
  readonly e: Constant;
  readonly right: Constant;
  /** The logarithms of both. */
  readonly logE: Constant;
  readonly logRight: Constant;
  /** `1 - 2 eps`. */
  readonly unbiased: Constant;
  /** The temperature of discopop's mixture. */
  readonly t: Constant;
}

/** The probability eps that a label is wrong: its range and its default. */
export interface LabelSmoothing {
  readonly range: Range;
  readonly usual: number;
}

interface PreferenceRule {
  /** The loss, over any arithmetic: it is the formula and the value before the first step, too. */
  readonly loss: <X>(on: Arithmetic<X>, margins: Margins<X>, constants: PreferenceConstants) => X;
  /** The label smoothing eps, of a form that reads it. */
  readonly smoothing?: LabelSmoothing;
  /** Whether the form reads the temperature. */
  readonly mixes?: true;
  /** The two variables that it compares rank by rank of the batch (default: it compares pairs). */
  readonly ranks?: readonly [keyof Margins<unknown>, keyof Margins<unknown>];
  /** Whether log-ratios are averaged over an answer's tokens by default (default: summed). */
  readonly usualLogRatios?: "mean";
}

const anySmoothing: LabelSmoothing = { range: ranges.between(0, 0.5), usual: 0 };

const rules: Readonly<Record<PreferenceForm, PreferenceRule>> = {
  dpo: {
    smoothing: anySmoothing,
    loss: (on, { margin }, k) => logistic(on, on.mul(k.b, margin), k),
  },
  hinge: {
    loss: (on, { margin }, { b }) => on.relu(on.sub(one, on.mul(b, margin))),
  },
  ipo: {
    usualLogRatios: "mean",
    loss: (on, { margin }, { target }) => on.square(on.sub(margin, target)),
  },
  exponential: {
    loss: (on, { margin }, { minusB }) => on.exp(on.mul(minusB, margin)),
  },
  robust: {
    smoothing: {
      range: { min: 0, below: 0.5 },
      usual: 0.1,
    },
    loss: (on, { margin }, { b, e, right, unbiased }) => {
      const x = on.mul(b, margin);
      const wrong = on.mul(e, on.logSigmoid(on.neg(x)));
      return on.div(on.sub(wrong, on.mul(right, on.logSigmoid(x))), unbiased);
    },
  },
  exo: {
    smoothing: {
      range: { above: 0, max: 0.5 },
      usual: 1e-3,
    },
    loss: (on, { margin }, { b, logRight, logE }) => {
      const x = on.mul(b, margin);
      const y = on.neg(x);
      return on.add(
        on.mul(on.sigmoid(x), on.sub(on.logSigmoid(x), logRight)),
        on.mul(on.sigmoid(y), on.sub(on.logSigmoid(y), logE)),
      );
    },
  },
  nca: {
    loss: (on, { chosen, rejected }, { b, minusB }) => {
      const [away, fromRejected] = [on.mul(minusB, chosen), on.mul(minusB, rejected)];
      const negatives = on.add(on.logSigmoid(away), on.logSigmoid(fromRejected));
      return on.neg(on.add(on.logSigmoid(on.mul(b, chosen)), on.mul(half, negatives)));
    },
  },
  bco: {
    loss: (on, { chosen, rejected }, { b, minusB }) =>
      on.neg(
        on.add(on.logSigmoid(on.mul(b, chosen)), on.logSigmoid(on.mul(minusB, rejected))),
      ),
  },
  sppo: {
    loss: (on, { chosen, rejected }, { target }) =>
      on.add(on.square(on.sub(chosen, target)), on.square(on.add(rejected, target))),
  },
  aot: {
    smoothing: anySmoothing,
    ranks: ["policyMargin", "referenceMargin"],
    loss: (on, { policyMargin, referenceMargin }, k) =>
      logistic(on, on.mul(k.b, on.sub(on.sort(policyMargin), on.sort(referenceMargin))), k),
  },
  "aot-unpaired": {
    smoothing: anySmoothing,
    ranks: ["chosen", "rejected"],
    loss: (on, { chosen, rejected }, k) =>
      logistic(on, on.mul(k.b, on.sub(on.sort(chosen), on.sort(rejected))), k),
  },
  "apo-zero": {
    loss: (on, { chosen, rejected }, { b, minusB }) =>
      on.add(on.sigmoid(on.mul(minusB, chosen)), on.sigmoid(on.mul(b, rejected))),
  },
  "apo-down": {
    loss: (on, { chosen, margin }, { b, minusB }) =>
      on.add(on.sigmoid(on.mul(b, chosen)), on.sigmoid(on.mul(minusB, margin))),
  },
  discopop: {
    mixes: true,
    // m e^-x as one exponential: apart, the one vanishes while the other overflows.
    loss: (on, { margin }, { b, t }) => {
      const x = on.mul(b, margin);
      const y = on.div(x, t);
      const exponential = on.exp(on.sub(on.logSigmoid(y), x));
      return on.sub(exponential, on.mul(on.sigmoid(on.neg(y)), on.logSigmoid(x)));
    },
  },
};

/** The variables as letters. */
const letters: Margins<Formula> = {
  chosen: letter("Dw"),
  rejected: letter("Dl"),
  margin: letter("d"),
  policyMargin: letter("lw - ll"),
  referenceMargin: letter("lw_ref - ll_ref"),
};

/** The variables where the policy is its reference, under every divergence. */
const atReference: Margins<number> = {
  chosen: 0,
  rejected: 0,
  margin: 0,
  policyMargin: 0,
  referenceMargin: 0,
};

/** The label smoothing of a form; that of `dpo` for forms that read none. */
export function smoothingOf(form: PreferenceForm): LabelSmoothing {
  return rules[form].smoothing ?? anySmoothing;
}

/** The options of a form, checked, its defaults filled in. */
export function preferenceConstants(
  name: string,
  form: PreferenceForm,
  options: PreferenceOptions,
): Required<PreferenceOptions> {
  checkName(`${name}: form`, form, rules);
  const smoothing = smoothingOf(form);
  const { beta = objectiveDefaults.beta, labelSmoothing = smoothing.usual, temperature = 0.05 } =
    options;
  checkOptions(name, { beta: ranges.positive, temperature: ranges.positive }, {
    beta,
    temperature,
  });
  checkRange(`${name}: labelSmoothing`, labelSmoothing, smoothing.range);
  const ofDivergence = divergenceConstants(name, options);
  const { divergence } = ofDivergence;
  if (form === "aot" && divergence !== "reverse-kl") {
    throw new RangeError(`${name}: divergence: aot has no log-ratios to score; got ${divergence}`);
  }
  return { beta, labelSmoothing, temperature, ...ofDivergence };
}

/** The constants of the formulas from the options. */
function constantsOf(
  { beta, labelSmoothing: e, temperature }: Required<PreferenceOptions>,
): PreferenceConstants {
  return {
    b: { constant: beta, name: "beta" },
    minusB: { constant: -beta, name: "-beta", minus: { constant: beta, name: "beta" } },
    target: { constant: 1 / (2 * beta), name: "1/(2 beta)" },
    e: { constant: e, name: "eps" },
    right: { constant: 1 - e, name: "(1-eps)" },
    logE: { constant: Math.log(e), name: "log eps" },
    logRight: { constant: Math.log1p(-e), name: "log(1-eps)" },
    unbiased: { constant: 1 - 2 * e, name: "(1 - 2 eps)" },
    t: { constant: temperature, name: "tau" },
  };
}

/** The sides of a pair, with the names of their scores and the way to read them. */
const sides = {
  chosen: { name: "Dw", of: write.chosen },
  rejected: { name: "Dl", of: write.rejected },
} as const;

/** The names of the variables in expressions; a name with a prime is that of the value at a rank. */
const names: Readonly<Record<keyof Margins<unknown>, string>> = {
  chosen: sides.chosen.name,
  rejected: sides.rejected.name,
  margin: "d",
  policyMargin: "m",
  referenceMargin: "m_ref",
};

/** What an answer's tokens sum to. */
export interface AnswerSums {
  /** Of their log-ratios. */
  readonly logRatio: Expression;
  /** Of their log-probabilities. */
  readonly logProb: Expression;
  /** Of their log-probabilities under the reference. */
  readonly referenceLogProb: Expression;
}

/** The variable that changes of two, and in place of the other one its value at the same rank. */
function atOneRank(
  margins: Margins<Dual>,
  [a, b]: readonly [keyof Margins<unknown>, keyof Margins<unknown>],
): Margins<Dual> {
  const [own, other] = isZero(margins[a].slope) ? [b, a] : [a, b];
  const value = write.ranked(margins[other].value, margins[own].value);
  return { ...margins, [other]: fixed(named(`${names[other]}'`, value)) };
}

/**
 * How much the answers of a pair are to be raised: minus the slopes of the loss in their log-ratios.
 *
 * @param form The form of the loss.
 * @param options Its hyperparameters.
 * @param sums What the tokens of an answer sum to.
 * @param length The number that sums are divided by.
 * @returns The advantage of each side.
 */
export function preferenceAdvantages(
  form: PreferenceForm,
  options: PreferenceOptions,
  { logRatio, logProb, referenceLogProb }: AnswerSums,
  length: Expression,
): Readonly<Record<keyof typeof sides, Expression>> {
  const { loss, ranks } = rules[form];
  const known = preferenceConstants("pairwise", form, options);
  const scored = (side: keyof typeof sides, raised: keyof typeof sides): Dual => {
    const { value, slope } = scoreOn(
      onDuals,
      side === raised ? variable(logRatio) : fixed(logRatio),
      known,
    );
    const { name, of } = sides[side];
    return { value: named(name, of(write.div(value, length))), slope: of(slope) };
  };
  const between = (name: keyof Margins<unknown>, of: (side: keyof typeof sides) => Dual): Dual => {
    const { value, slope } = onDuals.sub(of("chosen"), of("rejected"));
    return { value: named(names[name], value), slope };
  };
  const averaged = (sum: Expression, side: keyof typeof sides) =>
    sides[side].of(write.div(sum, length));
  const advantage = (raised: keyof typeof sides) => {
    const margins: Margins<Dual> = {
      chosen: scored("chosen", raised),
      rejected: scored("rejected", raised),
      margin: between("margin", (side) => scored(side, raised)),
      policyMargin: between("policyMargin", (side) => {
        const value = averaged(logProb, side);
        return side === raised ? variable(value) : fixed(value);
      }),
      referenceMargin: between(
        "referenceMargin",
        (side) => fixed(averaged(referenceLogProb, side)),
      ),
    };
    const compared = ranks === undefined ? margins : atOneRank(margins, ranks);
    return write.neg(loss(onDuals, compared, constantsOf(known)).slope);
  };
  return { chosen: advantage("chosen"), rejected: advantage("rejected") };
}

/** Whether a form's log-ratios are summed over an answer's tokens or averaged by default. */
export function usualLogRatios(form: PreferenceForm): "sum" | "mean" {
  return rules[form].usualLogRatios ?? "sum";
}

/** The formula of a form, and its value before the first step. */
export function describePreference(
  form: PreferenceForm,
  options: PreferenceOptions,
): { readonly formula: LossFormula; readonly stepZero: number } {
  const known = preferenceConstants("pairwise", form, options);
  const { beta, labelSmoothing: e, temperature, divergence, alpha } = known;
  const { loss, smoothing, mixes } = rules[form];
  const constants = constantsOf(known);
  const told = {
    beta: `${beta}`,
    ...(smoothing !== undefined && e > 0 ? { eps: `${e}` } : {}),
    ...(mixes ? { tau: `${temperature}` } : {}),
    ...(divergence === "reverse-kl" ? {} : { D: `the score of pi/ref by ${divergence}` }),
    ...(divergence === "alpha" ? { alpha: `${alpha}` } : {}),
  };
  return {
    formula: formulaOf(loss(onFormulas, letters, constants).text, told),
    stepZero: loss(onNumbers, atReference, constants),
  };
}

/**
 * A loss of pairs from log-probabilities of answers; see {@linkcode PreferenceForm}. With lengths,
 * each score D is divided by its answer's. An impossible answer (`-Infinity`) counts as -1e15,
 * and exponents are cut to -80..80: losses are large, finite and never NaN.
 *
 * @param form The form of the loss.
 * @param policyChosen `log pi` of the chosen answers, `[B]`, in nats: of all their tokens or, of
 * `ipo` without lengths, the average of a token.
 * @param policyRejected `log pi` of the rejected answers, `[B]`.
 * @param referenceChosen `log ref` of the chosen answers, `[B]`.
 * @param referenceRejected `log ref` of the rejected answers, `[B]`.
 * @param options Hyperparameters, and lengths.
 * @returns The loss of each pair, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function preferenceLoss(
  form: PreferenceForm,
  policyChosen: Tensor,
  policyRejected: Tensor,
  referenceChosen: Tensor,
  referenceRejected: Tensor,
  options: PreferenceOptions & PairLengths = {},
): Tensor {
  const name = `${form} loss`;
  const constants = constantsOf(preferenceConstants(name, form, options));
  const { chosenLengths, rejectedLengths } = options;
  checkShapes(name, ["B"], {
    policyChosen,
    policyRejected,
    referenceChosen,
    referenceRejected,
    ...(chosenLengths === undefined ? {} : { chosenLengths }),
    ...(rejectedLengths === undefined ? {} : { rejectedLengths }),
  });
  const by = (x: Tensor, lengths: Tensor | undefined) =>
    lengths === undefined ? x : div(x, maximum(lengths, 1));
  // Cut again: the score of an impossible answer may be infinite.
  const score = (policy: Tensor, reference: Tensor, lengths: Tensor | undefined) =>
    by(bounded(divergenceScore(logRatio(policy, reference), options)), lengths);
  const chosen = score(policyChosen, referenceChosen, chosenLengths);
  const rejected = score(policyRejected, referenceRejected, rejectedLengths);
  const over = (w: Tensor, l: Tensor) =>
    sub(by(bounded(w), chosenLengths), by(bounded(l), rejectedLengths));
  return rules[form].loss(onTensors, {
    chosen,
    rejected,
    margin: sub(chosen, rejected),
    policyMargin: over(policyChosen, policyRejected),
    referenceMargin: over(referenceChosen, referenceRejected),
  }, constants);
}

/**
 * A loss of pairs, from the log-probabilities `[B]` of the chosen and the rejected answers under
 * the policy, then of both under the reference, to `[B]`; see {@linkcode PreferenceForm}.
 * Log-probabilities are sums over an answer's tokens; {@linkcode ipoLoss} takes averages, or sums
 * if lengths are given.
 */
export type PreferenceLoss = (
  policyChosen: Tensor,
  policyRejected: Tensor,
  referenceChosen: Tensor,
  referenceRejected: Tensor,
  options?: PreferenceOptions & PairLengths,
) => Tensor;

function loss(form: PreferenceForm): PreferenceLoss {
  return (policyChosen, policyRejected, referenceChosen, referenceRejected, options) =>
    preferenceLoss(
      form,
      policyChosen,
      policyRejected,
      referenceChosen,
      referenceRejected,
      options,
    );
}

/**
 * Direct preference optimization (arXiv 2305.18290):
 * `-(1-eps) log sigmoid(beta d) - eps log sigmoid(-beta d)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { dpoLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await dpoLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const dpoLoss: PreferenceLoss = loss("dpo");

/**
 * The hinge of SLiC (arXiv 2305.10425): `relu(1 - beta d)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { hingeLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await hingeLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const hingeLoss: PreferenceLoss = loss("hinge");

/**
 * Identity preference optimization (arXiv 2310.12036): `(d - 1/(2 beta))^2`, `d = Dw/nw - Dl/nl`.
 *
 * The log-ratios are averages of a token, as IPO's authors and TRL have it (the paper does not tell;
 * summed, the loss grows with the square of an answer's length). So give average log-probabilities;
 * or sums, and the lengths.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { mul, tensor } from "@unitune/core";
 * import { ipoLoss } from "@unitune/objectives";
 *
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * const reference = [tensor([-5], { dtype: "f64" }), tensor([-3], { dtype: "f64" })] as const;
 * const loss = ipoLoss(w, l, ...reference, { beta: 0.1 });
 * assertAlmostEquals(await loss.item(), (2 - -1 - 5) ** 2);
 * // Answers of two tokens: sums are twice the averages.
 * const lengths = tensor([2], { dtype: "f64" });
 * const [rw, rl] = reference;
 * const ofSums = ipoLoss(mul(w, 2), mul(l, 2), mul(rw, 2), mul(rl, 2), {
 *   beta: 0.1,
 *   chosenLengths: lengths,
 *   rejectedLengths: lengths,
 * });
 * assertAlmostEquals(await ofSums.item(), await loss.item());
 * ```
 */
export const ipoLoss: PreferenceLoss = loss("ipo");

/**
 * The exponential member of GPO (arXiv 2402.05749): `e^(-beta d)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { exponentialLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await exponentialLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const exponentialLoss: PreferenceLoss = loss("exponential");

/**
 * Provably robust DPO (arXiv 2403.00409), unbiased for labels that are wrong with probability e:
 * `(-(1-eps) log sigmoid(beta d) + eps log sigmoid(-beta d)) / (1 - 2 eps)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { robustLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await robustLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const robustLoss: PreferenceLoss = loss("robust");

/**
 * Exact optimization (arXiv 2402.00856): the reverse KL of `q = sigmoid(beta d)` from labels
 * smoothed by eps,
 * `q (log q - log(1-eps)) + (1-q) (log(1-q) - log eps)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { exoLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await exoLoss(w, l, w, l, { beta: 0.1 }).item(), 2.7612306, 1e-6);
 * ```
 */
export const exoLoss: PreferenceLoss = loss("exo");

/**
 * Noise-contrastive alignment of pairs (arXiv 2402.05369):
 * `-log sigmoid(beta Dw) - log sigmoid(-beta Dw)/2 - log sigmoid(-beta Dl)/2`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { ncaLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await ncaLoss(w, l, w, l, { beta: 0.1 }).item(), 1.3862943611, 1e-6);
 * ```
 */
export const ncaLoss: PreferenceLoss = loss("nca");

/**
 * Binary classifier optimization of pairs (arXiv 2404.04656):
 * `-log sigmoid(beta Dw) - log sigmoid(-beta Dl)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { bcoLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await bcoLoss(w, l, w, l, { beta: 0.1 }).item(), 1.3862943611, 1e-6);
 * ```
 */
export const bcoLoss: PreferenceLoss = loss("bco");

/**
 * Self-play preference optimization, hard labels (arXiv 2405.00675):
 * `(Dw - 1/(2 beta))^2 + (Dl + 1/(2 beta))^2`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { sppoLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await sppoLoss(w, l, w, l, { beta: 0.1 }).item(), 50, 1e-6);
 * ```
 */
export const sppoLoss: PreferenceLoss = loss("sppo");

/**
 * Alignment via optimal transport, paired (arXiv 2406.05882): DPO's loss of
 * `d = sort(lw - ll) - sort(lw_ref - ll_ref)`, sorted over the batch.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { aotLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await aotLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const aotLoss: PreferenceLoss = loss("aot");

/**
 * Alignment via optimal transport, unpaired (arXiv 2406.05882): DPO's loss of
 * `d = sort(Dw) - sort(Dl)`, sorted over the batch.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { aotUnpairedLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await aotUnpairedLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const aotUnpairedLoss: PreferenceLoss = loss("aot-unpaired");

/**
 * Anchored preference optimization (arXiv 2408.06266), which raises the chosen and lowers the
 * rejected answer: `1 - sigmoid(beta Dw) + sigmoid(beta Dl)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { apoZeroLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await apoZeroLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const apoZeroLoss: PreferenceLoss = loss("apo-zero");

/**
 * Anchored preference optimization (arXiv 2408.06266), which lowers both, the rejected answer more:
 * `sigmoid(beta Dw) + 1 - sigmoid(beta d)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { apoDownLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await apoDownLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const apoDownLoss: PreferenceLoss = loss("apo-down");

/**
 * The discovered loss of DiscoPOP (arXiv 2406.08414): `(1-m)(-log sigmoid(beta d)) + m e^(-beta d)`,
 * `m = sigmoid(beta d / temperature)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { discopopLoss } from "@unitune/objectives";
 *
 * // The policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await discopopLoss(w, l, w, l, { beta: 0.1 }).item(), 0.8465735903, 1e-6);
 * ```
 */
export const discopopLoss: PreferenceLoss = loss("discopop");
