/**
 * The formulas of losses: sums of terms, and the definitions of the symbols in them. Sums and
 * multiples are made of formulas, not of texts; {@linkcode formulaText} alone writes one out.
 */

/** A term of a loss. */
export interface LossTerm {
  /** The expression. */
  readonly expression: string;
  /** The factor before it, where there is one. */
  readonly factor?: string;
}

/** The formula of a loss. */
export interface LossFormula {
  /** The terms, whose sum it is; at least one. */
  readonly terms: readonly LossTerm[];
  /** The definitions of symbols in the terms, by symbol. */
  readonly where: Readonly<Record<string, string>>;
}

/**
 * The formula of one expression.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaOf, formulaText } from "@unitune/objectives";
 *
 * assertEquals(formulaText(formulaOf("c x^2", { c: "3" })), "c x^2, where c = 3");
 * ```
 *
 * @param expression The expression.
 * @param where The definitions of its symbols, by symbol (default: none).
 * @returns The formula.
 */
export function formulaOf(
  expression: string,
  where: Readonly<Record<string, string>> = {},
): LossFormula {
  return { terms: [{ expression }], where };
}

/** The terms as one expression; each of several is in parentheses, as is one with a factor. */
function expressionOf({ terms }: LossFormula): string {
  return terms.map(({ expression, factor }) => {
    if (factor !== undefined) return `${factor} (${expression})`;
    return terms.length === 1 ? expression : `(${expression})`;
  }).join(" + ");
}

/**
 * A formula as text: its expression, then the definitions.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, nll, pairwise, sumOf, weight } from "@unitune/objectives";
 *
 * const { formula } = pairwise({ form: "dpo", beta: 0.5 }).description;
 * assertEquals(formulaText(formula), "mean -log sigmoid(beta d), where beta = 0.5");
 * const both = sumOf(nll(), weight(0.1, nll())).description;
 * assertEquals(
 *   formulaText(both.formula),
 *   "(sum_b sum_t l_bt / sum_b M_b) + 0.1 (sum_b sum_t l_bt / sum_b M_b), where l = -log p",
 * );
 * ```
 *
 * @param formula The formula.
 * @returns One line.
 */
export function formulaText(formula: LossFormula): string {
  const definitions = Object.entries(formula.where).map(([symbol, meaning]) =>
    `${symbol} = ${meaning}`
  );
  const expression = expressionOf(formula);
  return definitions.length === 0 ? expression : `${expression}, where ${definitions.join(", ")}`;
}

/** The definitions of two formulas; undefined where they give one symbol two meanings. */
function mergedWhere(
  { where: a }: LossFormula,
  { where: b }: LossFormula,
): LossFormula["where"] | undefined {
  const differ = Object.entries(a).some(([symbol, meaning]) =>
    Object.hasOwn(b, symbol) && b[symbol] !== meaning
  );
  return differ ? undefined : { ...a, ...b };
}

/**
 * A formula of two, whose definitions stand at its end; where the two give one symbol different
 * meanings, each keeps its own beside its expression.
 */
export function combined(
  a: LossFormula,
  b: LossFormula,
  terms: (a: LossFormula, b: LossFormula) => readonly LossTerm[],
): LossFormula {
  const where = mergedWhere(a, b);
  return where === undefined
    ? { terms: terms(formulaOf(formulaText(a)), formulaOf(formulaText(b))), where: {} }
    : { terms: terms(a, b), where };
}

/** The sum of two formulas. */
export function sumFormula(a: LossFormula, b: LossFormula): LossFormula {
  return combined(a, b, (a, b) => [...a.terms, ...b.terms]);
}

/** The same formula, its expression inside a larger one. */
export function within(
  formula: LossFormula,
  write: (expression: string) => LossTerm,
): LossFormula {
  return { terms: [write(expressionOf(formula))], where: formula.where };
}

/** One of two formulas, as a condition says. */
export function eitherFormula(condition: string, a: LossFormula, b: LossFormula): LossFormula {
  return combined(a, b, (a, b) => [
    { expression: `${condition} ? ${expressionOf(a)} : ${expressionOf(b)}` },
  ]);
}
