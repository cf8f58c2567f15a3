/** The negative log-likelihood of target tokens, and its weighted forms. */
import {
  checkOptions,
  exp,
  minimum,
  mul,
  neg,
  ranges,
  stopGradient,
  type Tensor,
  unsqueeze,
} from "@unitune/core";
import { aggregate, checkNormalizer, type Normalizer } from "./aggregation.ts";
import { letter } from "./arithmetic.ts";
import { checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import { bounded, boundedExp, logRatio, sequenceLogProbs } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import type { ReferenceEvidence, TokenEvidence } from "./optimization.ts";
import { type TokenOptimization, type TokenWeight, tokenwise, weighed } from "./tokenwise.ts";
import { SUPERVISED_TRANSITION } from "./transitions.ts";
import { named } from "./unified/expression.ts";
import { slots } from "./unified/gradient.ts";
import { logReferenceRatio } from "./unified/ratios.ts";
import { literal, write } from "./unified/write.ts";
import { probability } from "./weights.ts";

/** The options of a negative log-likelihood. */
export interface NllOptions {
  /** The normalizer of the sum (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/**
 * The negative log-likelihood of the answer tokens, `l_t = -log p_t`: by token
 * `sum_b sum_t l_bt / sum_b M_b`, by sequence `mean_b (1/M_b) sum_t l_bt`, with M_b answer tokens
 * in row b. A row without answer tokens adds nothing and is not counted. An impossible answer token
 * (log-prob `-Infinity`) makes the loss infinite.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, nllLoss } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-1, -0.5, -2, -0.3], [-0.2, -1.5, -0.7, -9]], { dtype: "f64" });
 * const mask = tensor([[1, 1, 1, 1], [1, 1, 1, 0]]);
 * assertAlmostEquals(await lossValue(nllLoss(logProbs, mask)).item(), 6.2 / 7);
 * const bySequence = nllLoss(logProbs, mask, { normalizer: "sequence" });
 * assertAlmostEquals(await lossValue(bySequence).item(), 0.875);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The normalizer.
 * @returns The loss; its normalizer is a number of tokens or of rows.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the normalizer is unknown.
 */
export function nllLoss(
  logProbs: Tensor,
  mask: Tensor,
  { normalizer = objectiveDefaults.normalizer }: NllOptions = {},
): Loss {
  return aggregate(neg(logProbs), mask, normalizer);
}

/**
 * {@linkcode nllLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll } from "@unitune/objectives";
 *
 * assertEquals(nll().description.normalizer, "answer tokens of the batch");
 * ```
 *
 * @param options The normalizer.
 * @returns The optimization.
 * @throws {RangeError} If the normalizer is unknown.
 */
export function nll(
  { normalizer = objectiveDefaults.normalizer }: NllOptions = {},
): TokenOptimization<TokenEvidence> {
  checkNormalizer("nll: normalizer", normalizer);
  return tokenwise(SUPERVISED_TRANSITION, {
    losses: ({ logProbs }) => neg(logProbs()),
    normalizer,
    formula: letter("l_bt"),
    where: { l: "-log p" },
    gradient: [slots()],
  });
}

/**
 * Dynamic fine-tuning (arXiv 2508.05629): `-sg(p_t) log p_t`. SFT's gradient is a policy gradient
 * whose reward has a factor `1/p`; the weight removes this factor. An impossible token has weight
 * 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { dftLoss, lossValue } from "@unitune/objectives";
 *
 * const loss = dftLoss(tensor([[Math.log(0.5)]], { dtype: "f64" }), tensor([[1]]));
 * assertAlmostEquals(await lossValue(loss).item(), 0.5 * Math.LN2);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function dftLoss(
  logProbs: Tensor,
  mask: Tensor,
  { normalizer = objectiveDefaults.normalizer }: NllOptions = {},
): Loss {
  const finite = bounded(logProbs);
  return aggregate(neg(mul(stopGradient(exp(finite)), finite)), mask, normalizer);
}

/**
 * {@linkcode dftLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, probabilityWeightedNll } from "@unitune/objectives";
 *
 * const { formula } = probabilityWeightedNll().description;
 * assertEquals(formulaText(formula), "sum_b sum_t sg(p_bt) l_bt / sum_b M_b, where l = -log p");
 * ```
 *
 * @param options The normalizer.
 * @returns The optimization.
 */
export function probabilityWeightedNll(options: NllOptions = {}): TokenOptimization<TokenEvidence> {
  return weighed(probability(), nll(options));
}

/** The options of importance-weighted SFT. */
export interface IwSftOptions extends NllOptions {
  /** The exponent of the sequence's geometric-mean ratio (default 2). */
  readonly power?: number;
  /** The largest weight (default 16). */
  readonly cap?: number;
}

/** The options of importance-weighted SFT, checked, its defaults filled in. */
function iwSftConstants(
  name: string,
  { normalizer = objectiveDefaults.normalizer, power = 2, cap = 16 }: IwSftOptions,
): Required<IwSftOptions> {
  checkOptions(name, { power: ranges.positive, cap: ranges.positive }, { power, cap });
  checkNormalizer(`${name}: normalizer`, normalizer);
  return { normalizer, power, cap };
}

/**
 * Importance-weighted SFT (arXiv 2507.12856): the nll of each sequence has the weight
 * `w = sg clamp(exp(power mean_t log(pi / ref)), 0, cap)`; 1 at the reference.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { iwSftLoss, lossValue } from "@unitune/objectives";
 *
 * const [logProbs, reference] = [tensor([[-1, -2]]), tensor([[-2, -2]])];
 * const loss = iwSftLoss(logProbs, reference, tensor([[1, 1]]));
 * assertAlmostEquals(await lossValue(loss).item(), Math.E * 1.5, 1e-6);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param referenceLogProbs Log-probabilities under the reference, `[B, T]`.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The options of the weight, and the normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If an option is not positive.
 */
export function iwSftLoss(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  mask: Tensor,
  options: IwSftOptions = {},
): Loss {
  const { normalizer, ...known } = iwSftConstants("iwSftLoss", options);
  const weights = stopGradient(iwSftWeights(logProbs, referenceLogProbs, mask, known));
  return aggregate(mul(weights, neg(bounded(logProbs))), mask, normalizer);
}

/** The weights of sequences, `[B, 1]`. */
function iwSftWeights(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  mask: Tensor,
  { power, cap }: Pick<Required<IwSftOptions>, "power" | "cap">,
): Tensor {
  checkShapes("iwSftLoss", ["B", "T"], { logProbs, referenceLogProbs, mask });
  const ratios = sequenceLogProbs(logRatio(logProbs, referenceLogProbs), mask, "mean");
  return unsqueeze(minimum(boundedExp(mul(ratios, power)), cap), -1);
}

/**
 * {@linkcode iwSftLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, importanceWeightedNll } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(importanceWeightedNll({ cap: 8 }).description.formula), "8");
 * ```
 *
 * @param options The options of the weight, and the normalizer.
 * @returns The optimization.
 * @throws {RangeError} If an option is not positive.
 */
export function importanceWeightedNll(
  options: IwSftOptions = {},
): TokenOptimization<ReferenceEvidence> {
  const { normalizer, ...known } = iwSftConstants("importanceWeightedNll", options);
  const weight: TokenWeight<ReferenceEvidence> = {
    of: ({ logProbs, referenceLogProbs, mask }) =>
      iwSftWeights(logProbs(), referenceLogProbs, mask, known),
    formula: letter("w_b"),
    where: {
      w: "min(e^(power mean_t log p/p_ref), cap)",
      power: `${known.power}`,
      cap: `${known.cap}`,
    },
    slot: "advantage",
    by: named(
      "w",
      write.min(
        write.exp(write.mul(literal(known.power), write.meanOfAnswer(logReferenceRatio))),
        literal(known.cap),
      ),
    ),
  };
  return weighed(weight, nll({ normalizer }));
}
