/**
 * Losses of preference pairs against a reference: functions of the answers' summed
 * log-probabilities. One table holds them all.
 */
import {
  add,
  checkOptions,
  checkRange,
  div,
  logSigmoid,
  maximum,
  mul,
  neg,
  type Range,
  ranges,
  relu,
  sigmoid,
  sort,
  square,
  sub,
  type Tensor,
} from "@unitune/core";
import { checkName, checkShapes } from "./checks.ts";
import { divergenceConstants, type DivergenceOptions, divergenceScore } from "./divergences.ts";
import { bounded, boundedExp, logRatio } from "./log_probs.ts";

/**
 * The losses of a pair, with the log-ratios `Dw = log pi(w) - log ref(w)` of the chosen answer and
 * `Dl` of the rejected one, `d = Dw - Dl`, s the sigmoid, b = beta, e = label smoothing:
 *
 * | form | loss | source |
 * | --- | --- | --- |
 * | `dpo` | `-(1-e) log s(bd) - e log s(-bd)` | arXiv 2305.18290 |
 * | `hinge` | `relu(1 - bd)` | SLiC, 2305.10425 |
 * | `ipo` | `(d - 1/(2b))^2`, `D` averaged over tokens unless told | 2310.12036 |
 * | `exponential` | `e^(-bd)` | GPO, 2402.05749 |
 * | `robust` | `(-(1-e) log s(bd) + e log s(-bd)) / (1-2e)` | 2403.00409 |
 * | `exo` | `q (log q - log(1-e)) + (1-q) (log(1-q) - log e)`, `q = s(bd)` | 2402.00856 |
 * | `nca` | `-log s(bDw) - log s(-bDw) / 2 - log s(-bDl) / 2` | 2402.05369 |
 * | `bco` | `-log s(bDw) - log s(-bDl)` | 2404.04656 |
 * | `sppo` | `(Dw - 1/(2b))^2 + (Dl + 1/(2b))^2` | hard labels, 2405.00675 |
 * | `aot` | dpo, d from `sort(lw - ll) - sort(rw - rl)` over the batch | 2406.05882 |
 * | `aot-unpaired` | dpo, d from `sort(Dw) - sort(Dl)` over the batch | 2406.05882 |
 * | `apo-zero` | `1 - s(bDw) + s(bDl)` | 2408.06266 |
 * | `apo-down` | `s(bDw) + 1 - s(bd)` | 2408.06266 |
 * | `discopop` | `(1-m) (-log s(bd)) + m e^(-bd)`, `m = s(bd / temperature)` | 2406.08414 |
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

/** What a loss of pairs can be told. */
export interface PreferenceOptions extends DivergenceOptions {
  /** The strength b of the reference, above 0; 0.1 unless told. */
  readonly beta?: number;
  /**
   * The probability e that a label is wrong, from 0 to 1/2; `robust` takes less than 1/2, `exo`
   * more than 0. 0 unless told; 0.1 for `robust`, which is DPO at 0, and 0.001 for `exo`. Forms
   * without e ignore it.
   */
  readonly labelSmoothing?: number;
  /** The temperature of discopop's mixture; 0.05 unless told. */
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

/** What a form sees: the scores of both sides, their difference, and AOT's two margins. */
interface Margins {
  readonly chosen: Tensor;
  readonly rejected: Tensor;
  readonly margin: Tensor;
  readonly policyMargin: Tensor;
  readonly referenceMargin: Tensor;
}

interface PreferenceConstants {
  readonly b: number;
  readonly e: number;
  readonly temperature: number;
}

/** The probability e that a label is wrong. */
interface LabelSmoothing {
  readonly range: Range;
  readonly usual: number;
}

interface PreferenceRule {
  readonly formula: (constants: PreferenceConstants) => string;
  /** The label smoothing e, of a form that reads it. */
  readonly smoothing?: LabelSmoothing;
  /** Whether log-ratios are averaged over an answer's tokens unless told; summed unless told here. */
  readonly usualLogRatios?: "mean";
  /** The loss where policy and reference agree, under every divergence. */
  readonly stepZero: (constants: PreferenceConstants) => number;
  readonly loss: (margins: Margins, constants: PreferenceConstants) => Tensor;
}

/** `-(1-e) log s(x) - e log s(-x)`. */
function logistic(x: Tensor, e: number): Tensor {
  return neg(add(mul(logSigmoid(x), 1 - e), mul(logSigmoid(neg(x)), e)));
}

/** {@linkcode logistic} of `bd` as text. */
function logisticFormula(e: number): string {
  return e === 0 ? "-log s(bd)" : "-(1-e) log s(bd) - e log s(-bd)";
}

const anySmoothing: LabelSmoothing = { range: ranges.between(0, 0.5), usual: 0 };

const rules: Readonly<Record<PreferenceForm, PreferenceRule>> = {
  dpo: {
    formula: ({ e }) => logisticFormula(e),
    smoothing: anySmoothing,
    stepZero: () => Math.LN2,
    loss: ({ margin }, { b, e }) => logistic(mul(margin, b), e),
  },
  hinge: {
    formula: () => "relu(1 - bd)",
    stepZero: () => 1,
    loss: ({ margin }, { b }) => relu(sub(1, mul(margin, b))),
  },
  ipo: {
    formula: () => "(d - 1/(2b))^2",
    usualLogRatios: "mean",
    stepZero: ({ b }) => 1 / (4 * b * b),
    loss: ({ margin }, { b }) => square(sub(margin, 1 / (2 * b))),
  },
  exponential: {
    formula: () => "e^(-bd)",
    stepZero: () => 1,
    loss: ({ margin }, { b }) => boundedExp(mul(margin, -b)),
  },
  robust: {
    formula: () => "(-(1-e) log s(bd) + e log s(-bd)) / (1-2e)",
    smoothing: {
      range: { words: "a number from 0 to less than 0.5", holds: (e) => e >= 0 && e < 0.5 },
      usual: 0.1,
    },
    stepZero: () => Math.LN2,
    loss: ({ margin }, { b, e }) => {
      const x = mul(margin, b);
      const difference = sub(mul(logSigmoid(neg(x)), e), mul(logSigmoid(x), 1 - e));
      return div(difference, 1 - 2 * e);
    },
  },
  exo: {
    formula: () => "q (log q - log(1-e)) + (1-q) (log(1-q) - log e), q = s(bd)",
    smoothing: {
      range: { words: "a number of more than 0, up to 0.5", holds: (e) => e > 0 && e <= 0.5 },
      usual: 1e-3,
    },
    stepZero: ({ e }) => -Math.LN2 - (Math.log1p(-e) + Math.log(e)) / 2,
    loss: ({ margin }, { b, e }) => {
      const x = mul(margin, b);
      return add(
        mul(sigmoid(x), sub(logSigmoid(x), Math.log1p(-e))),
        mul(sigmoid(neg(x)), sub(logSigmoid(neg(x)), Math.log(e))),
      );
    },
  },
  nca: {
    formula: () => "-log s(bDw) - log s(-bDw)/2 - log s(-bDl)/2",
    stepZero: () => 2 * Math.LN2,
    loss: ({ chosen, rejected }, { b }) => {
      const negatives = add(logSigmoid(mul(chosen, -b)), logSigmoid(mul(rejected, -b)));
      return neg(add(logSigmoid(mul(chosen, b)), mul(negatives, 0.5)));
    },
  },
  bco: {
    formula: () => "-log s(bDw) - log s(-bDl)",
    stepZero: () => 2 * Math.LN2,
    loss: ({ chosen, rejected }, { b }) =>
      neg(add(logSigmoid(mul(chosen, b)), logSigmoid(mul(rejected, -b)))),
  },
  sppo: {
    formula: () => "(Dw - 1/(2b))^2 + (Dl + 1/(2b))^2",
    stepZero: ({ b }) => 1 / (2 * b * b),
    loss: ({ chosen, rejected }, { b }) =>
      add(square(sub(chosen, 1 / (2 * b))), square(add(rejected, 1 / (2 * b)))),
  },
  aot: {
    formula: ({ e }) => `${logisticFormula(e)}, d = sort(lw - ll) - sort(rw - rl)`,
    smoothing: anySmoothing,
    stepZero: () => Math.LN2,
    loss: ({ policyMargin, referenceMargin }, { b, e }) =>
      logistic(mul(sub(sort(policyMargin), sort(referenceMargin)), b), e),
  },
  "aot-unpaired": {
    formula: ({ e }) => `${logisticFormula(e)}, d = sort(Dw) - sort(Dl)`,
    smoothing: anySmoothing,
    stepZero: () => Math.LN2,
    loss: ({ chosen, rejected }, { b, e }) =>
      logistic(mul(sub(sort(chosen), sort(rejected)), b), e),
  },
  "apo-zero": {
    formula: () => "1 - s(bDw) + s(bDl)",
    stepZero: () => 1,
    loss: ({ chosen, rejected }, { b }) => add(sigmoid(mul(chosen, -b)), sigmoid(mul(rejected, b))),
  },
  "apo-down": {
    formula: () => "s(bDw) + 1 - s(bd)",
    stepZero: () => 1,
    loss: ({ chosen, margin }, { b }) => add(sigmoid(mul(chosen, b)), sigmoid(mul(margin, -b))),
  },
  discopop: {
    formula: () => "(1-m)(-log s(bd)) + m e^(-bd), m = s(bd / temperature)",
    stepZero: () => (Math.LN2 + 1) / 2,
    // m e^-x as one exponential: apart, the one vanishes while the other overflows.
    loss: ({ margin }, { b, temperature }) => {
      const x = mul(margin, b);
      const y = div(x, temperature);
      const exponential = boundedExp(sub(logSigmoid(y), x));
      return sub(exponential, mul(sigmoid(neg(y)), logSigmoid(x)));
    },
  },
};

/** The options of a form, checked, its defaults filled in. */
export function preferenceConstants(
  name: string,
  form: PreferenceForm,
  options: PreferenceOptions,
): Required<PreferenceOptions> {
  checkName(`${name}: form`, form, rules);
  const { smoothing = anySmoothing } = rules[form];
  const { beta = 0.1, labelSmoothing = smoothing.usual, temperature = 0.05 } = options;
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

/** The constants of a formula by its letters. */
function lettersOf(
  { beta, labelSmoothing, temperature }: Required<PreferenceOptions>,
): PreferenceConstants {
  return { b: beta, e: labelSmoothing, temperature };
}

/** Whether a form's log-ratios are summed over an answer's tokens or averaged, unless told. */
export function usualLogRatios(form: PreferenceForm): "sum" | "mean" {
  return rules[form].usualLogRatios ?? "sum";
}

/** What a form says of itself. */
export function describePreference(
  form: PreferenceForm,
  options: PreferenceOptions,
): { readonly formula: string; readonly stepZero: number } {
  const known = preferenceConstants("pairwise", form, options);
  const { beta, labelSmoothing: e, divergence, alpha } = known;
  const { formula, smoothing, stepZero } = rules[form];
  const constants = lettersOf(known);
  const told = [
    `b = ${beta}`,
    ...(smoothing !== undefined && e > 0 ? [`e = ${e}`] : []),
    ...(divergence === "alpha" ? [`alpha ${alpha}`] : []),
    ...(divergence === "reverse-kl" ? [] : [`D scored by ${divergence}`]),
  ];
  return {
    formula: `${formula(constants)}, ${told.join(", ")}`,
    stepZero: stepZero(constants),
  };
}

/**
 * A loss of pairs from log-probabilities of answers; see {@linkcode PreferenceForm}. With lengths,
 * each score D is divided by its answer's. An impossible answer (`-Infinity`) counts as -1e15,
 * and exponents are cut to -80..80: losses are large, finite and never NaN.
 *
 * @param form Which loss.
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
  const constants = lettersOf(preferenceConstants(name, form, options));
  const { chosenLengths, rejectedLengths } = options;
  checkShapes(name, "[B]", {
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
  return rules[form].loss({
    chosen,
    rejected,
    margin: sub(chosen, rejected),
    policyMargin: over(policyChosen, policyRejected),
    referenceMargin: over(referenceChosen, referenceRejected),
  }, constants);
}

/**
 * A loss of pairs, from the log-probabilities `[B]` of the chosen and the rejected answers under the
 * policy, then of both under the reference, to `[B]`; see {@linkcode PreferenceForm}.
 * Log-probabilities are sums over an answer's tokens, those of {@linkcode ipoLoss} averages; with
 * lengths, sums.
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
 * Direct preference optimization (arXiv 2305.18290): `-(1-e) log s(bd) - e log s(-bd)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { dpoLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await dpoLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const dpoLoss: PreferenceLoss = loss("dpo");

/**
 * The hinge of SLiC (arXiv 2305.10425): `relu(1 - bd)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { hingeLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await hingeLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const hingeLoss: PreferenceLoss = loss("hinge");

/**
 * Identity preference optimization (arXiv 2310.12036): `(d - 1/(2b))^2`, `d = Dw/nw - Dl/nl`.
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
 * The exponential member of GPO (arXiv 2402.05749): `e^(-bd)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { exponentialLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await exponentialLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const exponentialLoss: PreferenceLoss = loss("exponential");

/**
 * Provably robust DPO (arXiv 2403.00409), unbiased for labels that are wrong with probability e:
 * `(-(1-e) log s(bd) + e log s(-bd)) / (1-2e)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { robustLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await robustLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const robustLoss: PreferenceLoss = loss("robust");

/**
 * Exact optimization (arXiv 2402.00856): the reverse KL of `q = s(bd)` from labels smoothed by e,
 * `q (log q - log(1-e)) + (1-q) (log(1-q) - log e)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { exoLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await exoLoss(w, l, w, l, { beta: 0.1 }).item(), 2.7612306, 1e-6);
 * ```
 */
export const exoLoss: PreferenceLoss = loss("exo");

/**
 * Noise-contrastive alignment of pairs (arXiv 2402.05369):
 * `-log s(bDw) - log s(-bDw)/2 - log s(-bDl)/2`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { ncaLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await ncaLoss(w, l, w, l, { beta: 0.1 }).item(), 1.3862943611, 1e-6);
 * ```
 */
export const ncaLoss: PreferenceLoss = loss("nca");

/**
 * Binary classifier optimization of pairs (arXiv 2404.04656): `-log s(bDw) - log s(-bDl)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { bcoLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await bcoLoss(w, l, w, l, { beta: 0.1 }).item(), 1.3862943611, 1e-6);
 * ```
 */
export const bcoLoss: PreferenceLoss = loss("bco");

/**
 * Self-play preference optimization, hard labels (arXiv 2405.00675):
 * `(Dw - 1/(2b))^2 + (Dl + 1/(2b))^2`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { sppoLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await sppoLoss(w, l, w, l, { beta: 0.1 }).item(), 50, 1e-6);
 * ```
 */
export const sppoLoss: PreferenceLoss = loss("sppo");

/**
 * Alignment via optimal transport, paired (arXiv 2406.05882): DPO's loss of
 * `d = sort(lw - ll) - sort(rw - rl)`, sorted over the batch.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { aotLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
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
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await aotUnpairedLoss(w, l, w, l, { beta: 0.1 }).item(), 0.6931471806, 1e-6);
 * ```
 */
export const aotUnpairedLoss: PreferenceLoss = loss("aot-unpaired");

/**
 * Anchored preference optimization (arXiv 2408.06266), which raises the chosen and lowers the
 * rejected answer: `1 - s(bDw) + s(bDl)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { apoZeroLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await apoZeroLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const apoZeroLoss: PreferenceLoss = loss("apo-zero");

/**
 * Anchored preference optimization (arXiv 2408.06266), which lowers both, the rejected answer more:
 * `s(bDw) + 1 - s(bd)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { apoDownLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await apoDownLoss(w, l, w, l, { beta: 0.1 }).item(), 1, 1e-6);
 * ```
 */
export const apoDownLoss: PreferenceLoss = loss("apo-down");

/**
 * The discovered loss of DiscoPOP (arXiv 2406.08414): `(1-m)(-log s(bd)) + m e^(-bd)`,
 * `m = s(bd / temperature)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { discopopLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await discopopLoss(w, l, w, l, { beta: 0.1 }).item(), 0.8465735903, 1e-6);
 * ```
 */
export const discopopLoss: PreferenceLoss = loss("discopop");
