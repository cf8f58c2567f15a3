/** Objectives on triples of answers by the field's names, each one expression of the parts. */
import { checkOptions, ranges } from "@unitune/core";
import { checkName } from "../checks.ts";
import { sumOf, weight } from "../combinators.ts";
import { estimate } from "../estimation.ts";
import { type Demonstrations, gold } from "../gold.ts";
import { nll } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import type { Optimization, Sides, TokenEvidence, Triple } from "../optimization.ts";
import { pairwise, simplePreference, withoutReference } from "../pairs.ts";
import { indicator } from "../signals.ts";
import { onGold, tripled } from "../triples.ts";
import type { ScoredDemonstrations } from "./demonstrations.ts";

/** Chosen and rejected answers, and gold ones to the same prompts. */
export type Triples = Triple<Demonstrations>;

/** The same, whose tokens a reference has scored. */
export type ScoredTriples = Triple<ScoredDemonstrations>;

/** The losses of pairs that {@linkcode tpo} takes. */
export type TripleForm = "sigmoid" | "hinge" | "ipo" | "length-mean";

/** The options of {@linkcode tpo}. */
export interface TpoOptions {
  /** The loss of the pair (default `"sigmoid"`); `"length-mean"` is TPO-L, SimPO's loss. */
  readonly form?: TripleForm;
  /** The strength b, above 0 (default 0.01). */
  readonly beta?: number;
  /** The margin of `"length-mean"`, at least 0 (default 0.5). */
  readonly gamma?: number;
  /** The weight alpha of the gold answer's likelihood, at least 0 (default 1). */
  readonly alpha?: number;
}

/** The defaults of {@linkcode tpo}. */
export const tpoDefaults: Required<TpoOptions> = {
  form: "sigmoid",
  beta: 0.01,
  gamma: 0.5,
  alpha: 1,
};

const tripleForms: {
  readonly [Form in TripleForm]: (
    options: Required<TpoOptions>,
  ) => Optimization<Sides<TokenEvidence>>;
} = {
  sigmoid: ({ beta }) => withoutReference(pairwise({ form: "dpo", beta })),
  hinge: ({ beta }) => withoutReference(pairwise({ form: "hinge", beta })),
  ipo: ({ beta }) => withoutReference(pairwise({ form: "ipo", beta })),
  "length-mean": ({ beta, gamma }) => simplePreference({ beta, gamma }),
};

/**
 * Triple preference optimization (TPO, arXiv 2405.16681): a loss of the chosen and the rejected answer
 * without a reference, and the likelihood of a third, gold answer. The authors' code divides the
 * likelihood by the gold answers' tokens, as here, and has the first two forms; the others are TRL's.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, tpo } from "@unitune/objectives";
 *
 * const { formula } = tpo({ alpha: 0.5 }).description;
 * assertStringIncludes(formulaText(formula), "0.5 (gold: sum_b sum_t l_bt / sum_b M_b)");
 * ```
 *
 * @param options The loss of the pair, and the weight of the likelihood.
 * @returns The objective, on pairs with a gold answer.
 * @throws {RangeError} If an option is out of range.
 */
export function tpo(options: TpoOptions = {}): Objective<Triples> {
  const known = { ...tpoDefaults, ...options };
  checkName("tpo: form", known.form, tripleForms);
  checkOptions("tpo", { alpha: ranges.nonNegative }, known);
  return objective(
    tripled(estimate(gold, indicator)),
    sumOf(tripleForms[known.form](known), weight(known.alpha, onGold(nll()))),
  );
}
