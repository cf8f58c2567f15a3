/** Preference pairs: estimations on two sides, and the optimizations that take them. */
import { cast, greater, max, mul, sub, type Tensor } from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import { type Formula, letter, onFormulas } from "./arithmetic.ts";
import { checkName } from "./checks.ts";
import type { Estimation } from "./estimation.ts";
import { logRatio, maskedCount, maskedSum, sequenceLogProbs } from "./log_probs.ts";
import type { Metric, Metrics } from "./metrics.ts";
import type { Optimization, ReferenceEvidence, Sides, TokenEvidence } from "./optimization.ts";
import {
  describePreference,
  preferenceConstants,
  type PreferenceForm,
  preferenceLoss,
  type PreferenceOptions,
  usualLogRatios,
} from "./preference_losses.ts";
import {
  cpo,
  cpoConstants,
  cpoLoss,
  type CpoOptions,
  oddsRatioLoss,
  oddsRatioTerm,
  simpo,
  simpoConstants,
  simpoLoss,
  type SimpoOptions,
} from "./reference_free.ts";
import { formulaOf, within } from "./formula.ts";

/** The symbol of the states of the rejected side. */
const REJECTED = "s-";

/**
 * An estimation on both sides of a pair. Its metrics are the chosen side's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator, paired } from "@unitune/objectives";
 *
 * assertEquals(paired(estimate(gold, indicator)).description.forwardPasses, 2);
 * ```
 *
 * @param side The estimation on one side.
 * @returns The estimation on pairs: batch, collected and evidence have two sides.
 */
export function paired<B, C, E>(
  side: Estimation<B, C, E>,
): Estimation<Sides<B>, Sides<C>, Sides<E>> {
  const { description } = side;
  const { humanStates, modelStates } = description;
  return {
    description: {
      ...description,
      humanStates: (s) => `chosen ${humanStates(s)}`,
      modelStates: () => `rejected ${modelStates(REJECTED)}`,
      data: ["chosen and rejected", ...description.data.filter((name) => name !== "demonstration")],
      forwardPasses: 2 * description.forwardPasses,
      sequences: 2 * description.sequences,
    },
    collect: (model, { chosen, rejected }, context) => ({
      chosen: side.collect(model, chosen, context),
      rejected: side.collect(model, rejected, context),
    }),
    evaluate(model, { chosen, rejected }, context) {
      const [a, b] = [
        side.evaluate(model, chosen, context),
        side.evaluate(model, rejected, context),
      ];
      return { evidence: { chosen: a.evidence, rejected: b.evidence }, metrics: a.metrics };
    },
  };
}

/** 1 for each pair whose two sides have answers, `[B]`. */
function countedPairs({ chosen, rejected }: Sides<{ readonly mask: Tensor }>): Tensor {
  const has = ({ mask }: { readonly mask: Tensor }) => max(mask, { axes: [-1] });
  return mul(has(chosen), has(rejected));
}

/** The mean of a value of pairs, over the pairs that count. */
function pairMetric(values: Tensor, counted: Tensor): Metric {
  return {
    total: maskedSum(values, counted),
    weight: maskedCount(counted, values.dtype),
  };
}

/** Log-probabilities of both sides, `logps/chosen` and `logps/rejected`, with implicit rewards. */
function pairMetrics(
  evidence: Sides<TokenEvidence>,
  rewards: Sides<Tensor>,
): Metrics {
  const counted = countedPairs(evidence);
  const { chosen, rejected } = evidence;
  const wins = cast(greater(rewards.chosen, rewards.rejected), counted.dtype);
  const values = {
    "logps/chosen": sequenceLogProbs(chosen.logProbs(), chosen.mask),
    "logps/rejected": sequenceLogProbs(rejected.logProbs(), rejected.mask),
    "rewards/chosen": rewards.chosen,
    "rewards/rejected": rewards.rejected,
    "rewards/margins": sub(rewards.chosen, rewards.rejected),
    "rewards/accuracies": wins,
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, pairMetric(value, counted)]),
  );
}

/** A function of each side. */
function onSides<T, R>({ chosen, rejected }: Sides<T>, of: (side: T) => R): Sides<R> {
  return { chosen: of(chosen), rejected: of(rejected) };
}

const pairMean = "pairs";

/** The options of {@linkcode pairwise}. */
export interface PairwiseOptions extends PreferenceOptions {
  /** The form of the loss (default `"dpo"`). */
  readonly form?: PreferenceForm;
  /**
   * Whether log-ratios are summed over an answer's tokens or averaged (default `"mean"` for `ipo`,
   * `"sum"` for the others).
   */
  readonly logRatios?: "sum" | "mean";
}

/**
 * A loss of pairs against a reference as a transition optimization; see {@linkcode PreferenceForm}.
 * A pair counts where both sides have answers. It logs
 * `rewards/{chosen,rejected,margins,accuracies}`, the implicit rewards being `beta log (pi / ref)`,
 * and `logps/{chosen,rejected}`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { pairwise } from "@unitune/objectives";
 *
 * assertAlmostEquals(pairwise({ form: "dpo" }).description.stepZero ?? NaN, Math.LN2);
 * ```
 *
 * @param options The form and its hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If the form is unknown or a hyperparameter out of range.
 */
export function pairwise(options: PairwiseOptions = {}): Optimization<Sides<ReferenceEvidence>> {
  const { form = "dpo" } = options;
  const { beta } = preferenceConstants("pairwise", form, options);
  const { logRatios = usualLogRatios(form) } = options;
  checkName("pairwise: logRatios", logRatios, { sum: true, mean: true });
  const { formula, stepZero } = describePreference(form, options);
  return {
    description: {
      transition: "T(s+_n, rho0) over T(s-_n, rho0)",
      normalizer: logRatios === "sum" ? pairMean : `answer tokens in log-ratios, then ${pairMean}`,
      formula: within(formula, (expression) => ({ expression: `mean ${expression}` })),
      stepZero,
    },
    optimize(evidence) {
      const policy = onSides(evidence, ({ logProbs, mask }) => sequenceLogProbs(logProbs(), mask));
      const reference = onSides(
        evidence,
        ({ referenceLogProbs, mask }) => sequenceLogProbs(referenceLogProbs, mask),
      );
      const lengths = onSides(
        evidence,
        ({ mask }) => maskedCount(mask, mask.dtype, { axes: [-1] }),
      );
      const losses = preferenceLoss(
        form,
        policy.chosen,
        policy.rejected,
        reference.chosen,
        reference.rejected,
        {
          ...options,
          ...(logRatios === "mean"
            ? { chosenLengths: lengths.chosen, rejectedLengths: lengths.rejected }
            : {}),
        },
      );
      return {
        terms: [averageOver(losses, countedPairs(evidence))],
        metrics: pairMetrics(evidence, {
          chosen: mul(logRatio(policy.chosen, reference.chosen), beta),
          rejected: mul(logRatio(policy.rejected, reference.rejected), beta),
        }),
      };
    },
  };
}

/** An optimization on pairs without a reference, from a loss of two log-probabilities. */
function referenceFree(
  { text }: Formula,
  scale: number,
  reduction: "sum" | "mean",
  loss: (chosen: Tensor, rejected: Tensor) => Tensor,
): Optimization<Sides<TokenEvidence>> {
  return {
    description: {
      transition: "T(s+_n, rho0) over T(s-_n, rho0)",
      normalizer: reduction === "sum" ? pairMean : `answer tokens in averages, then ${pairMean}`,
      formula: formulaOf(`mean ${text}`),
    },
    optimize(evidence) {
      const { chosen, rejected } = onSides(
        evidence,
        ({ logProbs, mask }) => sequenceLogProbs(logProbs(), mask, reduction),
      );
      return {
        terms: [averageOver(loss(chosen, rejected), countedPairs(evidence))],
        metrics: pairMetrics(evidence, {
          chosen: mul(chosen, scale),
          rejected: mul(rejected, scale),
        }),
      };
    },
  };
}

/**
 * {@linkcode cpoLoss} as a transition optimization. Its implicit rewards are `beta log pi`.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { contrastivePreference, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(contrastivePreference({ beta: 0.3 }).description.formula), "0.3");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function contrastivePreference(
  options: CpoOptions = {},
): Optimization<Sides<TokenEvidence>> {
  const constants = cpoConstants("contrastivePreference", options);
  return referenceFree(
    cpo(onFormulas, letter("lw"), letter("ll"), constants),
    constants.beta,
    "sum",
    (chosen, rejected) => cpoLoss(chosen, rejected, options),
  );
}

/**
 * {@linkcode simpoLoss} as a transition optimization. Its implicit rewards are beta times averages.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, simplePreference } from "@unitune/objectives";
 *
 * const { formula } = simplePreference({ beta: 4 }).description;
 * assertStringIncludes(formulaText(formula), "-log sigmoid(4 (aw - al) - 2)");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function simplePreference(options: SimpoOptions = {}): Optimization<Sides<TokenEvidence>> {
  const constants = simpoConstants("simplePreference", options);
  return referenceFree(
    simpo(onFormulas, letter("aw"), letter("al"), constants),
    constants.beta,
    "mean",
    (chosen, rejected) => simpoLoss(chosen, rejected, options),
  );
}

/**
 * {@linkcode oddsRatioLoss} as a transition optimization, to be weighed and added to the chosen
 * answer's nll.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, oddsRatio } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(oddsRatio().description.formula), "odds");
 * ```
 *
 * @returns The optimization.
 */
export function oddsRatio(): Optimization<Sides<TokenEvidence>> {
  const formula = oddsRatioTerm(onFormulas, letter("aw"), letter("al"));
  return referenceFree(formula, 1, "mean", oddsRatioLoss);
}

/**
 * An optimization on the chosen side of pairs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll, onChosen } from "@unitune/objectives";
 *
 * assertEquals(onChosen(nll()).description.normalizer, "chosen: answer tokens of the batch");
 * ```
 *
 * @param optimization The optimization on single sequences.
 * @returns The same on pairs, reading one side only.
 */
export function onChosen<E>(
  optimization: Optimization<E>,
): Optimization<Pick<Sides<E>, "chosen">> {
  const { formula, normalizer, transition } = optimization.description;
  return {
    description: {
      transition,
      formula: within(formula, (expression) => ({ expression: `chosen: ${expression}` })),
      normalizer: `chosen: ${normalizer}`,
    },
    optimize: ({ chosen }, context) => optimization.optimize(chosen, context),
  };
}
