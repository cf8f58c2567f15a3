/** `objective = estimation x transition optimization`. */
import { add, type Tensor, zipTrees } from "@unitune/core";
import type { EstimationDescription, ObjectiveDescription, SideStates } from "./description.ts";
import type { Estimation } from "./estimation.ts";
import type { Evaluation } from "./evaluation.ts";
import { lossValue } from "./loss.ts";
import { type Memory, remembering } from "./memory.ts";
import { metricValues } from "./metrics.ts";
import type { Reading } from "./optimization.ts";
import { type Context, type Model, withoutGradient } from "./policy.ts";
import type { GradientTerm, ObjectiveTerm } from "./unified/gradient.ts";
import { stateText } from "./unified/states.ts";
import { write } from "./unified/write.ts";

/**
 * An objective: a preference estimation and a transition optimization. Code that only runs an
 * objective need not know what it collects: `Objective<B>` is every objective on batches B.
 *
 * @typeParam B A batch of data.
 * @typeParam C The tensors collected from it outside the gradient.
 */
export interface Objective<B, C = unknown> {
  /** Its row of Table 1. */
  readonly description: ObjectiveDescription;
  /** Chooses states and scores them. No gradient flows through the result. */
  readonly collect: (model: Model, batch: B, context: Context) => C;
  /** The loss, with gradient, and the metrics of tensors that the same objective collected. */
  // A method, so that C may be forgotten: parameters of methods are not compared contravariantly.
  evaluate(model: Model, collected: C, context: Context): Evaluation;
  /** What it carries from step to step, as a part of the training's state (default: nothing). */
  readonly memory?: Memory;
}

/** States as text, with the answers that they are of where a row has several. */
function statesText(states: SideStates): string {
  return Object.entries(states)
    .map(([side, state]) => `${side === "single" ? "" : `${side} `}${stateText(state)}`)
    .join(" and ");
}

/** The terms of an optimization's gradient on an estimation, which says at which states they are. */
function learnedTerms(
  terms: readonly GradientTerm[],
  { learnedStates, advantages, gate }: Pick<
    EstimationDescription,
    "learnedStates" | "advantages" | "gate"
  >,
): readonly ObjectiveTerm[] {
  return terms.map((term) => {
    if (term.kind !== "unified") return term;
    if (advantages === "tokens" && term.advantages === "answers") return { kind: "unstated" };
    const { tokens, mask, side } = term;
    const likelihood = learnedStates[side];
    if (likelihood === undefined) return { kind: "unstated" };
    return {
      ...term,
      mask: gate === undefined ? mask : write.and(gate[tokens], mask),
      likelihood,
    };
  });
}

/**
 * An objective from its two halves. The optimization must need no more evidence than the estimation
 * gives, and must read the evidence that each of its signals exists for (the advantages of a
 * reward, the log-probabilities of a reference, a teacher's logits, labels); otherwise the types do
 * not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, indicator, intuitive, objective, propagated } from "@unitune/objectives";
 *
 * const intuitiveStates = estimate(intuitive({ lambda: 0.2 }), indicator);
 * const ift = objective(intuitiveStates, propagated({ gamma: 0.95 }));
 * assertEquals(ift.description.forwardPasses, 2);
 * ```
 *
 * @param estimation The states and the signal of the comparison.
 * @param optimization The loss of the difference.
 * @returns The objective.
 */
export function objective<B, C, G extends N, N>(
  estimation: Estimation<B, C, G>,
  optimization: Reading<G, N>,
): Objective<B, C> {
  const { humanStates, modelStates, learnedStates, advantages, gate, ...estimated } =
    estimation.description;
  return {
    description: {
      ...estimated,
      humanStates: statesText(humanStates),
      modelStates: statesText(modelStates),
      ...optimization.description,
      gradient: learnedTerms(optimization.description.gradient, {
        learnedStates,
        advantages,
        ...gate && { gate },
      }),
    },
    ...remembering(optimization.memory),
    collect: (model, batch, context) => estimation.collect(withoutGradient(model), batch, context),
    evaluate(model, collected, context) {
      const { evidence, metrics } = estimation.evaluate(model, collected, context);
      const { terms, metrics: own } = optimization.optimize(evidence, context);
      return { terms, metrics: { ...metrics, ...own } };
    },
  };
}

/**
 * The value of the loss: `sum_k total_k / normalizer_k`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { evaluationLoss } from "@unitune/objectives";
 *
 * const terms = [{ total: tensor(6), normalizer: tensor(4) }];
 * assertEquals(await evaluationLoss({ terms, metrics: {} }).item(), 1.5);
 * ```
 *
 * @param evaluation The evaluation of a batch.
 * @returns A scalar.
 */
export function evaluationLoss({ terms }: Evaluation): Tensor {
  return terms.map(lossValue).reduce((total, term) => add(total, term));
}

/**
 * The evaluation of two batches together: everything is summed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { addEvaluations, evaluationLoss } from "@unitune/objectives";
 *
 * const a = { terms: [{ total: tensor(6), normalizer: tensor(4) }], metrics: {} };
 * const b = { terms: [{ total: tensor(3), normalizer: tensor(2) }], metrics: {} };
 * assertEquals(await evaluationLoss(addEvaluations(a, b)).item(), 1.5);
 * ```
 *
 * @param a One batch.
 * @param b The other, by the same objective.
 * @returns Both.
 */
export function addEvaluations(a: Evaluation, b: Evaluation): Evaluation {
  return zipTrees(a, b, add);
}

/**
 * The values to log: `loss`, and every metric.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { summarize } from "@unitune/objectives";
 *
 * const { loss, nll } = summarize({
 *   terms: [{ total: tensor(6), normalizer: tensor(4) }],
 *   metrics: { nll: { total: tensor(5), weight: tensor(4) } },
 * });
 * assertEquals([await loss?.item(), await nll?.item()], [1.5, 1.25]);
 * ```
 *
 * @param evaluation The evaluation of one batch, or of many together.
 * @returns A scalar for each name.
 */
export function summarize(evaluation: Evaluation): Readonly<Record<string, Tensor>> {
  return { loss: evaluationLoss(evaluation), ...metricValues(evaluation.metrics) };
}
