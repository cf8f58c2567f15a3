/** Expressions as text. */
import {
  call,
  type Constant,
  factor,
  type Formula,
  letter,
  onFormulas,
  product,
  sum,
} from "../arithmetic.ts";
import type { Expression, Pointwise, Reduction } from "./expression.ts";
import { isOne } from "./write.ts";

const { neg: minus, add: plus, sub: less, mul: times } = onFormulas;

/** A text that binds as loosely as a sum. */
const sentence = sum;

/** In parentheses, unless it binds more closely than a product. */
function tight(x: Formula): string {
  return x.binding === "product" || x.binding === "sum" ? `(${x.text})` : x.text;
}

/** A number in as many digits as a product of two written ones has. */
function numberText(value: number): string {
  return `${Number(value.toPrecision(12))}`;
}

/** The formulas of operations, from those of their operands. */
const formulas: {
  readonly [Name in Exclude<Pointwise, "and">]: (a: Formula, b: Formula, c: Formula) => Formula;
} = {
  neg: minus,
  add: plus,
  sub: less,
  mul: times,
  div: (a, b) => product(`${factor(a)}/${tight(b)}`),
  min: (a, b) => call(`min(${a.text}, ${b.text})`),
  max: (a, b) => call(`max(${a.text}, ${b.text})`),
  pow: (a, b) => call(`${tight(a)}^${b.text}`),
  exp: onFormulas.exp,
  expm1: onFormulas.expm1,
  log: (a) => call(`log ${factor(a)}`),
  sigmoid: onFormulas.sigmoid,
  "log sigmoid": onFormulas.logSigmoid,
  "log odds": onFormulas.logOdds,
  ">": (a, b) => sentence(`${a.text} > ${b.text}`),
  "<=": (a, b) => sentence(`${a.text} <= ${b.text}`),
  either: (a, b, c) => sentence(`${a.text} ? ${b.text} : ${c.text}`),
};

/** A sum with decaying weights, of a number or of the values of tokens i. */
function decayedText(range: string, distance: string, of: Expression, by: Constant): Formula {
  const item = tight(formulaOf(of));
  const value = of.kind === "constant" ? item : `${item}_i`;
  return call(`sum_{${range}} ${by.constant === 1 ? "" : `${by.name}^(${distance}) `}${value}`);
}

/** The formulas of operations on several tokens, by their decay or level. */
const reductions: Readonly<Record<Reduction, (of: Expression, by: Constant) => Formula>> = {
  mean_t: (of) => call(`mean_t ${factorText(of)}`),
  sum_t: (of) => call(`sum_t ${factorText(of)}`),
  mean_bt: (of) => call(`mean_bt ${factorText(of)}`),
  quantile: (of, { name }) => call(`quantile ${name} of ${factorText(of)}`),
  after: (of, by) => decayedText("i>=t", "i-t", of, by),
  before: (of, by) => decayedText("i<=t", "t-i", of, by),
  chosen: (of) => call(`chosen ${factorText(of)}`),
  rejected: (of) => call(`rejected ${factorText(of)}`),
};

/** Whether an expression is a condition, 1 where it holds and else 0. */
export function isCondition(x: Expression): boolean {
  if (x.kind !== "pointwise") return false;
  if (x.operation === "either") return x.of.slice(1).every((one) => isCondition(one) || isOne(one));
  return x.operation === ">" || x.operation === "<=" || x.operation === "and";
}

/** A condition among other factors. */
function factorFormula(x: Expression): Formula {
  const own = formulaOf(x);
  return isCondition(x) ? call(`1[${own.text}]`) : own;
}

/** A condition among others. */
function conjunct(x: Expression): string {
  const { text } = formulaOf(x);
  return x.kind === "pointwise" && x.operation === "either" ? `(${text})` : text;
}

function formulaOf(expression: Expression): Formula {
  switch (expression.kind) {
    case "constant":
      return letter(expression.name ?? numberText(expression.value));
    case "quantity":
    case "named":
      return letter(expression.name);
    case "pointwise": {
      const { operation, of } = expression;
      if (operation === "and") return sentence(of.map(conjunct).join(" and "));
      const [a = letter(""), b = a, c = b] = of.map(
        operation === "mul" ? factorFormula : formulaOf,
      );
      return formulas[operation](a, b, c);
    }
    case "reduction": {
      const { operation, of, by } = expression;
      return reductions[operation](of, by);
    }
    case "ranked":
      return sentence(
        `${expressionText(expression.of)} at the rank of ${factorText(expression.by)}`,
      );
    default:
      return expression satisfies never;
  }
}

/**
 * An expression as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { definitionsOf, expressionText, named, quantity, write } from "@unitune/objectives";
 *
 * const rho = named("rho", write.div(quantity("p"), quantity("p_old")));
 * assertEquals(expressionText(write.neg(write.mul(rho, quantity("A")))), "-rho A");
 * assertEquals(definitionsOf(rho), { rho: "p/p_old" });
 * ```
 *
 * @param expression The expression.
 * @returns One line.
 */
export function expressionText(expression: Expression): string {
  return formulaOf(expression).text;
}

/** An expression as a factor of a product: a sum is in parentheses. */
export function factorText(expression: Expression): string {
  return factor(factorFormula(expression));
}

/**
 * The names in an expression, with what they stand for, those in definitions included.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { definitionsOf, named, quantity, write } from "@unitune/objectives";
 *
 * const half = named("h", write.sub(quantity("p"), named("q", quantity("p_ref"))));
 * assertEquals(definitionsOf(half), { h: "p - q", q: "p_ref" });
 * ```
 *
 * @param expression The expression.
 * @returns The definition of each name.
 */
export function definitionsOf(expression: Expression): Readonly<Record<string, string>> {
  switch (expression.kind) {
    case "constant":
    case "quantity":
      return {};
    case "named":
      return {
        [expression.name]: expressionText(expression.is),
        ...definitionsOf(expression.is),
      };
    case "pointwise":
      return Object.fromEntries(expression.of.map(definitionsOf).flatMap(Object.entries));
    case "reduction":
      return definitionsOf(expression.of);
    case "ranked":
      return { ...definitionsOf(expression.of), ...definitionsOf(expression.by) };
    default:
      return expression satisfies never;
  }
}
