/** Preference pairs: estimations on two sides, and the optimizations that take them. */
import {
  cast,
  checkOptions,
  greater,
  less,
  max,
  minimum,
  mul,
  ranges,
  stopGradient,
  sub,
  type Tensor,
  zeros,
} from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import { type Arithmetic, letter, one, onFormulas } from "./arithmetic.ts";
import { checkName } from "./checks.ts";
import { discountedSum } from "./discount.ts";
import type { Estimation } from "./estimation.ts";
import {
  bounded,
  boundedExp,
  choose,
  logRatio,
  maskedCount,
  sequenceLogProbs,
} from "./log_probs.ts";
import { meanOver, type Metrics } from "./metrics.ts";
import type {
  CollisionEvidence,
  Optimization,
  ReferenceEvidence,
  Sides,
  TokenEvidence,
} from "./optimization.ts";
import {
  describePreference,
  preferenceAdvantages,
  preferenceConstants,
  type PreferenceForm,
  preferenceLoss,
  type PreferenceOptions,
  usualLogRatios,
} from "./preference_losses.ts";
import {
  alphaPo,
  alphaPoConstants,
  alphaPoLoss,
  type AlphaPoOptions,
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
import { describedOn, onlyState } from "./sides.ts";
import { type Expression, named, quantity } from "./unified/expression.ts";
import {
  type GradientTerm,
  mapUnified,
  multiplied,
  ofAnswers,
  slots,
  type UnifiedTerm,
} from "./unified/gradient.ts";
import { answerLogProb, logReferenceRatio, p } from "./unified/ratios.ts";
import { fixed, onDuals, variable } from "./unified/slope.ts";
import { stateOf } from "./unified/states.ts";
import { literal, ONE, replaced, write } from "./unified/write.ts";

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
  const [human, model] = [onlyState(description.humanStates), onlyState(description.modelStates)];
  const rejected = stateOf("rejected", model);
  return {
    description: {
      ...description,
      humanStates: { chosen: human },
      modelStates: { rejected },
      learnedStates: { chosen: model, rejected },
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
    Object.entries(values).map(([name, value]) => [name, meanOver(value, counted)]),
  );
}

/** A function of each side. */
function onSides<T, R>({ chosen, rejected }: Sides<T>, of: (side: T) => R): Sides<R> {
  return { chosen: of(chosen), rejected: of(rejected) };
}

const pairMean = "pairs";

/** An optimization that is the mean of a loss of pairs. */
export interface PairOptimization<E extends TokenEvidence> extends Optimization<Sides<E>> {
  /** The loss of each pair, `[B]`, with gradient. */
  readonly losses: (evidence: Sides<E>) => Tensor;
}

/** The options of {@linkcode pairwise}. */
export interface PairwiseOptions extends PreferenceOptions {
  /** The form of the loss (default `"dpo"`). */
  readonly form?: PreferenceForm;
  /**
   * Whether log-ratios are summed over an answer's tokens or averaged (default `"mean"` for `ipo`,
   * `"sum"` for the others).
   */
  readonly logRatios?: "sum" | "mean";
  /**
   * The weight, from 0 to 1, of the tokens by which an answer is longer than the other of its pair:
   * the alpha of LD-DPO (arXiv 2409.06411) (default 1).
   */
  readonly tailWeight?: number;
}

/** The number of answer tokens of each row, `[B, 1]`. */
function lengthsOf(mask: Tensor): Tensor {
  return maskedCount(mask, mask.dtype, { axes: [-1], keepDims: true });
}

/**
 * The weights of LD-DPO (arXiv 2409.06411): 1 for as many tokens of an answer as the shorter one of
 * its pair has, and another weight for those after them, `[B, T-1]` on each side.
 */
function tailWeights(
  { chosen, rejected }: Sides<TokenEvidence>,
  weight: number,
): Sides<Tensor> {
  const shorter = minimum(lengthsOf(chosen.mask), lengthsOf(rejected.mask));
  const of = ({ mask }: TokenEvidence) => {
    // Tokens are counted from the end, since that is the sum that there is.
    const before = sub(lengthsOf(mask), discountedSum(mask, 1));
    return choose(less(before, shorter), 1, weight, mask.dtype);
  };
  return onSides({ chosen, rejected }, of);
}

/** The summed log-probabilities of both sides, `[B]`, and the token counts that average them. */
interface PairLogProbs {
  readonly policy: Sides<Tensor>;
  readonly reference: Sides<Tensor>;
  readonly lengths: Sides<Tensor>;
}

function pairLogProbs(evidence: Sides<ReferenceEvidence>, tailWeight: number): PairLogProbs {
  const weights = tailWeight === 1 ? undefined : tailWeights(evidence, tailWeight);
  const summed = (side: keyof Sides<unknown>, logProbs: Tensor) => {
    const { mask } = evidence[side];
    const own = weights === undefined ? logProbs : mul(bounded(logProbs), weights[side]);
    return sequenceLogProbs(own, mask);
  };
  const { chosen, rejected } = evidence;
  return {
    policy: {
      chosen: summed("chosen", chosen.logProbs()),
      rejected: summed("rejected", rejected.logProbs()),
    },
    reference: {
      chosen: summed("chosen", chosen.referenceLogProbs),
      rejected: summed("rejected", rejected.referenceLogProbs),
    },
    lengths: onSides(evidence, ({ mask }) => maskedCount(mask, mask.dtype, { axes: [-1] })),
  };
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
export function pairwise(options: PairwiseOptions = {}): PairOptimization<ReferenceEvidence> {
  const { form = "dpo", tailWeight = 1 } = options;
  const { beta } = preferenceConstants("pairwise", form, options);
  const { logRatios = usualLogRatios(form) } = options;
  checkName("pairwise: logRatios", logRatios, { sum: true, mean: true });
  checkOptions("pairwise", { tailWeight: ranges.share }, { tailWeight });
  const { formula, stepZero } = describePreference(form, options);
  const normalizer = logRatios === "sum"
    ? pairMean
    : `answer tokens in log-ratios, then ${pairMean}`;
  const losses = (evidence: Sides<ReferenceEvidence>) => {
    const { policy, reference, lengths } = pairLogProbs(evidence, tailWeight);
    return preferenceLoss(
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
  };
  return {
    description: {
      transition: "T(s+_n, rho0) over T(s-_n, rho0)",
      normalizer,
      formula: within(
        tailWeight === 1 ? formula : {
          ...formula,
          where: {
            ...formula.where,
            D: `log pi/ref, tokens beyond the shorter length x ${tailWeight}`,
          },
        },
        (expression) => ({ expression: `mean ${expression}` }),
      ),
      gradient: pairTerms(form, options, { logRatios, tailWeight }),
      stepZero,
    },
    losses,
    optimize(evidence) {
      const { policy, reference } = pairLogProbs(evidence, tailWeight);
      return {
        terms: [averageOver(losses(evidence), countedPairs(evidence))],
        metrics: pairMetrics(evidence, {
          chosen: mul(logRatio(policy.chosen, reference.chosen), beta),
          rejected: mul(logRatio(policy.rejected, reference.rejected), beta),
        }),
      };
    },
  };
}

/** The terms of both sides of a pair; those of an average divide an answer's advantage by its length. */
function sideTerms(
  advantages: Sides<Expression>,
  reduction: "sum" | "mean",
  ofToken: Expression = ONE,
): readonly UnifiedTerm[] {
  return (["chosen", "rejected"] as const).map((side) => {
    const advantage = write.mul(ofToken, advantages[side]);
    const own = reduction === "sum" ? advantage : write.div(advantage, quantity("M_b"));
    return ofAnswers(slots({ advantage: own }), side);
  });
}

/** The weight of a token in LD-DPO: 1 for as many tokens as the shorter answer has. */
function tailExpression(tailWeight: number): Expression {
  const length = quantity("M_b");
  const shorter = write.min(write.chosen(length), write.rejected(length));
  const place = named("n", write.before(ONE, one));
  const isInBoth = write.atMost(place, shorter);
  return tailWeight === 1 ? ONE : named("tail", write.either(isInBoth, ONE, literal(tailWeight)));
}

/** The terms of a loss of pairs against a reference. */
function pairTerms(
  form: PreferenceForm,
  options: PreferenceOptions,
  { logRatios, tailWeight }: Required<Pick<PairwiseOptions, "logRatios" | "tailWeight">>,
): readonly GradientTerm[] {
  const tail = tailExpression(tailWeight);
  const summed = (x: Expression) => write.sumOfAnswer(write.mul(tail, x));
  const sums = {
    logRatio: summed(logReferenceRatio),
    logProb: summed(write.log(p)),
    referenceLogProb: summed(write.log(quantity("p_ref"))),
  };
  const length = logRatios === "mean" ? quantity("M_b") : ONE;
  return sideTerms(preferenceAdvantages(form, options, sums, length), logRatios, tail);
}

/** The weight of an answer in WPO, `[B]`: `sg e^(mean_t (log p_t - log sum_a p_t(a)^2))`. */
function onPolicyWeight({ logProbs, collision, mask }: TokenEvidence & CollisionEvidence): Tensor {
  const relative = sub(bounded(logProbs()), collision());
  return stopGradient(boundedExp(sequenceLogProbs(relative, mask, "mean")));
}

/** The weights of both answers, as an expression. */
const bothWeights = (() => {
  const w = write.exp(write.meanOfAnswer(write.log(write.div(p, quantity("collision")))));
  return write.mul(named("ww", write.chosen(w)), named("wl", write.rejected(w)));
})();

/**
 * Weighted preference optimization (WPO, arXiv 2406.11827): the loss of each pair is multiplied by
 * the weights of both answers, `w = e^(mean_t (log p_t - log sum_a p_t(a)^2))`, held constant. An
 * answer that the policy would sample has a weight near 1, an unlikely one a small weight. So pairs
 * that others wrote count as if the policy had sampled them. The mean is still divided by pairs.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, onPolicyWeighed, pairwise } from "@unitune/objectives";
 *
 * const { formula } = onPolicyWeighed(pairwise()).description;
 * assertStringIncludes(formulaText(formula), "ww wl (mean -log sigmoid(beta d))");
 * ```
 *
 * @param part The optimization on pairs.
 * @returns The weighed optimization.
 */
export function onPolicyWeighed<E extends TokenEvidence>(
  part: PairOptimization<E>,
): PairOptimization<E & CollisionEvidence> {
  const { stepZero: _unweighed, ...description } = part.description;
  const losses = (evidence: Sides<E & CollisionEvidence>) => {
    const { chosen, rejected } = onSides(evidence, onPolicyWeight);
    return mul(part.losses(evidence), mul(chosen, rejected));
  };
  return {
    description: {
      ...description,
      formula: {
        ...within(description.formula, (expression) => ({ expression, factor: "ww wl" })),
        where: {
          ...description.formula.where,
          w: "sg e^(mean_t (log p - log sum_a p(a)^2))",
        },
      },
      gradient: multiplied(description.gradient, { slot: "advantage", by: bothWeights }),
    },
    losses,
    optimize: (evidence, context) => ({
      terms: [averageOver(losses(evidence), countedPairs(evidence))],
      metrics: part.optimize(evidence, context).metrics,
    }),
  };
}

/**
 * A loss of pairs without its reference, whose log-probabilities count as 0: so log-ratios are
 * log-probabilities. CPO (arXiv 2401.08417) and TPO (arXiv 2405.16681) take DPO's, SLiC's and IPO's
 * loss so.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, pairwise, withoutReference } from "@unitune/objectives";
 *
 * const { formula } = withoutReference(pairwise({ form: "hinge" })).description;
 * assertStringIncludes(formulaText(formula), "D = log pi");
 * ```
 *
 * @param part The loss against a reference.
 * @returns The loss without one.
 */
export function withoutReference(
  part: PairOptimization<ReferenceEvidence>,
): PairOptimization<TokenEvidence> {
  const { stepZero: _ofReference, ...description } = part.description;
  const alone = (evidence: Sides<TokenEvidence>): Sides<ReferenceEvidence> =>
    onSides(evidence, (side) => ({
      ...side,
      referenceLogProbs: zeros(side.mask.shape, side.mask.dtype),
    }));
  return {
    description: {
      ...description,
      formula: {
        ...description.formula,
        where: { ...description.formula.where, D: "log pi" },
      },
      gradient: mapUnified(description.gradient, (own) => ({
        ...own,
        advantage: replaced(own.advantage, "p_ref", ONE),
      })),
    },
    losses: (evidence) => part.losses(alone(evidence)),
    optimize: (evidence, context) => part.optimize(alone(evidence), context),
  };
}

/** A loss of two log-probabilities over any arithmetic. */
type LossOfSides = <X>(on: Arithmetic<X>, chosen: X, rejected: X) => X;

/** The names of both sides' log-probabilities. */
const sideNames = { sum: ["lw", "ll"], mean: ["aw", "al"] } as const;

/** An optimization on pairs without a reference, from a loss of two log-probabilities. */
function referenceFree(
  form: LossOfSides,
  scale: number,
  reduction: "sum" | "mean",
  loss: (chosen: Tensor, rejected: Tensor) => Tensor,
): Optimization<Sides<TokenEvidence>> {
  const [w, l] = sideNames[reduction];
  const { text } = form(onFormulas, letter(w), letter(l));
  const own = answerLogProb[reduction];
  const [chosen, rejected] = [named(w, write.chosen(own)), named(l, write.rejected(own))];
  const advantages = {
    chosen: write.neg(form(onDuals, variable(chosen), fixed(rejected)).slope),
    rejected: write.neg(form(onDuals, fixed(chosen), variable(rejected)).slope),
  };
  return {
    description: {
      transition: "T(s+_n, rho0) over T(s-_n, rho0)",
      normalizer: reduction === "sum" ? pairMean : `answer tokens in averages, then ${pairMean}`,
      formula: formulaOf(`mean ${text}`),
      gradient: sideTerms(advantages, reduction),
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
    (on, chosen, rejected) => cpo(on, chosen, rejected, constants),
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
    (on, chosen, rejected) => simpo(on, chosen, rejected, constants),
    constants.beta,
    "mean",
    (chosen, rejected) => simpoLoss(chosen, rejected, options),
  );
}

/**
 * {@linkcode alphaPoLoss} as a transition optimization. Its implicit rewards are beta times averages,
 * not shaped.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, shapedPreference } from "@unitune/objectives";
 *
 * const { formula } = shapedPreference({ alpha: 1 }).description;
 * assertStringIncludes(formulaText(formula), "(e^(-1 aw) - 1)");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function shapedPreference(options: AlphaPoOptions = {}): Optimization<Sides<TokenEvidence>> {
  const constants = alphaPoConstants("shapedPreference", options);
  return referenceFree(
    (on, chosen, rejected) => alphaPo(on, chosen, rejected, constants),
    constants.beta,
    "mean",
    (chosen, rejected) => alphaPoLoss(chosen, rejected, options),
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
  return referenceFree(oddsRatioTerm, 1, "mean", oddsRatioLoss);
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
  return {
    ...describedOn("chosen", optimization),
    optimize: ({ chosen }, context) => optimization.optimize(chosen, context),
  };
}
