/**
 * Losses of preference pairs against a reference: functions of the answers' summed
 * log-probabilities. One table holds them all.
 */
import {
  add,
  div,
  logSigmoid,
  mul,
  neg,
  relu,
  sigmoid,
  sort,
  square,
  sub,
  type Tensor,
} from "@unitune/core";
import { checkInterval, checkName, checkPositive, checkShapes } from "./checks.ts";
import { checkDivergence, type DivergenceOptions, divergenceScore } from "./divergences.ts";
import { bounded, boundedExp } from "./log_probs.ts";

/**
 * The losses of a pair, with the log-ratios `Dw = log pi(w) - log ref(w)` of the chosen answer and
 * `Dl` of the rejected one, `d = Dw - Dl`, s the sigmoid, b = beta, e = label smoothing:
 *
 * | form | loss | source |
 * | --- | --- | --- |
 * | `dpo` | `-(1-e) log s(bd) - e log s(-bd)` | arXiv 2305.18290 |
 * | `hinge` | `relu(1 - bd)` | SLiC, 2305.10425 |
 * | `ipo` | `(d - 1/(2b))^2` | 2310.12036 |
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
   * more than 0. 0 unless told; 0.001 for `exo`. Forms without e ignore it.
   */
  readonly labelSmoothing?: number;
  /** The temperature of discopop's mixture; 0.05 unless told. */
  readonly temperature?: number;
}

/** Token counts `[B]` that log-probabilities are divided by: then D is an average of a token. */
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

interface PreferenceRule {
  readonly formula: string;
  /** The loss where policy and reference agree. */
  readonly stepZero: (constants: PreferenceConstants) => number;
  readonly loss: (margins: Margins, constants: PreferenceConstants) => Tensor;
}

/** `-(1-e) log s(x) - e log s(-x)`. */
function logistic(x: Tensor, e: number): Tensor {
  return neg(add(mul(logSigmoid(x), 1 - e), mul(logSigmoid(neg(x)), e)));
}

const smoothed = "-(1-e) log s(bd) - e log s(-bd)";

const rules: Readonly<Record<PreferenceForm, PreferenceRule>> = {
  dpo: {
    formula: smoothed,
    stepZero: () => Math.LN2,
    loss: ({ margin }, { b, e }) => logistic(mul(margin, b), e),
  },
  hinge: {
    formula: "relu(1 - bd)",
    stepZero: () => 1,
    loss: ({ margin }, { b }) => relu(sub(1, mul(margin, b))),
  },
  ipo: {
    formula: "(d - 1/(2b))^2",
    stepZero: ({ b }) => 1 / (4 * b * b),
    loss: ({ margin }, { b }) => square(sub(margin, 1 / (2 * b))),
  },
  exponential: {
    formula: "e^(-bd)",
    stepZero: () => 1,
    loss: ({ margin }, { b }) => boundedExp(mul(margin, -b)),
  },
  robust: {
    formula: "(-(1-e) log s(bd) + e log s(-bd)) / (1-2e)",
    stepZero: () => Math.LN2,
    loss: ({ margin }, { b, e }) => {
      const x = mul(margin, b);
      const difference = sub(mul(logSigmoid(neg(x)), e), mul(logSigmoid(x), 1 - e));
      return div(difference, 1 - 2 * e);
    },
  },
  exo: {
    formula: "q (log q - log(1-e)) + (1-q) (log(1-q) - log e), q = s(bd)",
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
    formula: "-log s(bDw) - log s(-bDw)/2 - log s(-bDl)/2",
    stepZero: () => 2 * Math.LN2,
    loss: ({ chosen, rejected }, { b }) => {
      const negatives = add(logSigmoid(mul(chosen, -b)), logSigmoid(mul(rejected, -b)));
      return neg(add(logSigmoid(mul(chosen, b)), mul(negatives, 0.5)));
    },
  },
  bco: {
    formula: "-log s(bDw) - log s(-bDl)",
    stepZero: () => 2 * Math.LN2,
    loss: ({ chosen, rejected }, { b }) =>
      neg(add(logSigmoid(mul(chosen, b)), logSigmoid(mul(rejected, -b)))),
  },
  sppo: {
    formula: "(Dw - 1/(2b))^2 + (Dl + 1/(2b))^2",
    stepZero: ({ b }) => 1 / (2 * b * b),
    loss: ({ chosen, rejected }, { b }) =>
      add(square(sub(chosen, 1 / (2 * b))), square(add(rejected, 1 / (2 * b)))),
  },
  aot: {
    formula: `${smoothed}, d = sort(lw - ll) - sort(rw - rl)`,
    stepZero: () => Math.LN2,
    loss: ({ policyMargin, referenceMargin }, { b, e }) =>
      logistic(mul(sub(sort(policyMargin), sort(referenceMargin)), b), e),
  },
  "aot-unpaired": {
    formula: `${smoothed}, d = sort(Dw) - sort(Dl)`,
    stepZero: () => Math.LN2,
    loss: ({ chosen, rejected }, { b, e }) =>
      logistic(mul(sub(sort(chosen), sort(rejected)), b), e),
  },
  "apo-zero": {
    formula: "1 - s(bDw) + s(bDl)",
    stepZero: () => 1,
    loss: ({ chosen, rejected }, { b }) => add(sigmoid(mul(chosen, -b)), sigmoid(mul(rejected, b))),
  },
  "apo-down": {
    formula: "s(bDw) + 1 - s(bd)",
    stepZero: () => 1,
    loss: ({ chosen, margin }, { b }) => add(sigmoid(mul(chosen, b)), sigmoid(mul(margin, -b))),
  },
  discopop: {
    formula: "(1-m)(-log s(bd)) + m e^(-bd), m = s(bd / temperature)",
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
function constantsOf(
  name: string,
  form: PreferenceForm,
  options: PreferenceOptions,
): PreferenceConstants {
  checkName(`${name}: form`, form, rules);
  const {
    beta = 0.1,
    labelSmoothing = form === "exo" ? 1e-3 : 0,
    temperature = 0.05,
    divergence = "reverse-kl",
  } = options;
  checkPositive(`${name}: beta`, beta);
  checkPositive(`${name}: temperature`, temperature);
  checkInterval(`${name}: labelSmoothing`, labelSmoothing, 0, 0.5);
  if (form === "robust" && labelSmoothing === 0.5) {
    throw new RangeError(`${name}: labelSmoothing: expected less than 0.5, got 0.5`);
  }
  if (form === "exo" && labelSmoothing === 0) {
    throw new RangeError(`${name}: labelSmoothing: expected more than 0, got 0`);
  }
  checkDivergence(name, options);
  if (form === "aot" && divergence !== "reverse-kl") {
    throw new RangeError(`${name}: divergence: aot has no log-ratios to score; got ${divergence}`);
  }
  return { b: beta, e: labelSmoothing, temperature };
}

/** What a form says of itself. */
export function describePreference(
  form: PreferenceForm,
  options: PreferenceOptions,
): { readonly formula: string; readonly stepZero?: number } {
  const constants = constantsOf("pairwise", form, options);
  const { formula, stepZero } = rules[form];
  const { divergence = "reverse-kl", alpha = 1 } = options;
  const known = [
    `b = ${constants.b}`,
    ...(/\be\b(?!\^)/.test(formula) && constants.e > 0 ? [`e = ${constants.e}`] : []),
    ...(divergence === "alpha" ? [`alpha ${alpha}`] : []),
    ...(divergence === "reverse-kl" ? [] : [`D scored by ${divergence}`]),
  ];
  const plain = constants.e === 0 ? formula.replace(smoothed, "-log s(bd)") : formula;
  return {
    formula: `${plain}, ${known.join(", ")}`,
    ...(divergence === "reverse-kl" ? { stepZero: stepZero(constants) } : {}),
  };
}

/**
 * A loss of pairs from summed log-probabilities; see {@linkcode PreferenceForm}. With lengths, each
 * log-probability is divided by its answer's. An impossible answer (`-Infinity`) counts as -1e15,
 * and exponents are cut to -80..80: losses are large, finite and never NaN.
 *
 * @param form Which loss.
 * @param policyChosen `log pi` of the chosen answers, `[B]`, in nats.
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
  const constants = constantsOf(name, form, options);
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
    lengths === undefined ? bounded(x) : div(bounded(x), lengths);
  const [lw, ll] = [by(policyChosen, chosenLengths), by(policyRejected, rejectedLengths)];
  const [rw, rl] = [by(referenceChosen, chosenLengths), by(referenceRejected, rejectedLengths)];
  // Cut again: the score of an impossible answer may be infinite.
  const chosen = bounded(divergenceScore(sub(lw, rw), options));
  const rejected = bounded(divergenceScore(sub(ll, rl), options));
  return rules[form].loss({
    chosen,
    rejected,
    margin: sub(chosen, rejected),
    policyMargin: sub(lw, ll),
    referenceMargin: sub(rw, rl),
  }, constants);
}

/**
 * A loss of pairs, from the summed log-probabilities `[B]` of the chosen and the rejected answers
 * under the policy, then of both under the reference, to `[B]`; see {@linkcode preferenceLoss}.
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
 * Identity preference optimization (arXiv 2310.12036): `(d - 1/(2b))^2`; with lengths, `d = Dw/nw -
 * Dl/nl`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { ipoLoss } from "@unitune/objectives";
 *
 * // Where the policy is its reference.
 * const [w, l] = [tensor([-3], { dtype: "f64" }), tensor([-4], { dtype: "f64" })];
 * assertAlmostEquals(await ipoLoss(w, l, w, l, { beta: 0.1 }).item(), 25, 1e-6);
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
