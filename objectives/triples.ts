/** Triples of answers: a pair and a gold answer beside it. */
import type { Estimation } from "./estimation.ts";
import type { Optimization, Triple } from "./optimization.ts";
import { describedOn, onlyState } from "./sides.ts";
import { stateOf } from "./unified/states.ts";

/**
 * An estimation on the three answers of a triple. Its metrics are the gold answer's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator, tripled } from "@unitune/objectives";
 *
 * assertEquals(tripled(estimate(gold, indicator)).description.forwardPasses, 3);
 * ```
 *
 * @param side The estimation on one answer.
 * @returns The estimation on triples: batch, collected and evidence have three sides.
 */
export function tripled<B, C, E>(
  side: Estimation<B, C, E>,
): Estimation<Triple<B>, Triple<C>, Triple<E>> {
  const { description } = side;
  const [human, model] = [onlyState(description.humanStates), onlyState(description.modelStates)];
  const [chosen, rejected] = [stateOf("chosen", model), stateOf("rejected", model)];
  return {
    description: {
      ...description,
      humanStates: { gold: human, chosen: stateOf("chosen", human) },
      modelStates: { rejected },
      learnedStates: { chosen, rejected, gold: model },
      data: [
        "gold, chosen and rejected",
        ...description.data.filter((name) => name !== "demonstration"),
      ],
      forwardPasses: 3 * description.forwardPasses,
      sequences: 3 * description.sequences,
    },
    collect: (model, { chosen, rejected, gold }, context) => ({
      chosen: side.collect(model, chosen, context),
      rejected: side.collect(model, rejected, context),
      gold: side.collect(model, gold, context),
    }),
    evaluate(model, { chosen, rejected, gold }, context) {
      const [a, b, c] = [
        side.evaluate(model, chosen, context),
        side.evaluate(model, rejected, context),
        side.evaluate(model, gold, context),
      ];
      return {
        evidence: { chosen: a.evidence, rejected: b.evidence, gold: c.evidence },
        metrics: c.metrics,
      };
    },
  };
}

/**
 * An optimization on the gold answers of triples.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll, onGold } from "@unitune/objectives";
 *
 * assertEquals(onGold(nll()).description.normalizer, "gold: answer tokens of the batch");
 * ```
 *
 * @param optimization The optimization on single sequences.
 * @returns The same on triples, reading one side only.
 */
export function onGold<E>(optimization: Optimization<E>): Optimization<Pick<Triple<E>, "gold">> {
  return {
    ...describedOn("gold", optimization),
    optimize: ({ gold }, context) => optimization.optimize(gold, context),
  };
}
