/** The algebra of expressions, which leaves out what is trivial. */
import { type Constant, one } from "../arithmetic.ts";
import {
  type Expression,
  named,
  type Pointwise,
  type Quantity,
  quantity,
  type Reduction,
} from "./expression.ts";

/**
 * A number as an expression.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { expressionText, literal, quantity, write } from "@unitune/objectives";
 *
 * assertEquals(expressionText(write.mul(literal(2), write.mul(literal(0.1), quantity("A")))), "0.2 A");
 * ```
 *
 * @param value The number.
 * @returns The expression; of a negative number the opposite of its size.
 */
export function literal(value: number): Expression {
  return value < 0 ? apply("neg", literal(-value)) : { kind: "constant", value };
}

/** One, which as a factor is not printed. */
export const ONE: Expression = literal(1);

/** Zero. */
export const ZERO: Expression = literal(0);

const isValue = (x: Expression, value: number): boolean =>
  x.kind === "constant" && x.value === value;

/** Whether an expression is the number 1. */
export function isOne(x: Expression): boolean {
  return isValue(x, 1);
}

/** Whether an expression is the number 0. */
export function isZero(x: Expression): boolean {
  return isValue(x, 0);
}

/** The expression whose opposite this is; undefined if it is none. */
function opposite(x: Expression): Expression | undefined {
  return x.kind === "pointwise" && x.operation === "neg" ? x.of[0] : undefined;
}

function apply(operation: Pointwise, ...of: readonly Expression[]): Expression {
  return { kind: "pointwise", operation, of };
}

/** The operands of an operation; undefined for another expression. */
function operandsOf(
  x: Expression,
  operation: Pointwise,
): readonly [Expression, Expression] | undefined {
  if (x.kind !== "pointwise" || x.operation !== operation) return undefined;
  const [a = ZERO, b = ZERO] = x.of;
  return [a, b];
}

/** The opposite of an expression that has a difference, which is turned round; else undefined. */
function turned(x: Expression): Expression | undefined {
  const [difference, product, quotient] = (["sub", "mul", "div"] as const).map((operation) =>
    operandsOf(x, operation)
  );
  if (difference !== undefined) return sub(difference[1], difference[0]);
  if (product !== undefined) {
    const [left, right] = product.map(turned);
    if (right !== undefined) return mul(product[0], right);
    return left && mul(left, product[1]);
  }
  const over = quotient && turned(quotient[0]);
  return quotient && over && div(over, quotient[1]);
}

function neg(x: Expression): Expression {
  if (isValue(x, 0)) return x;
  return opposite(x) ?? turned(x) ?? apply("neg", x);
}

function add(a: Expression, b: Expression): Expression {
  if (isValue(a, 0)) return b;
  if (isValue(b, 0)) return a;
  const [x, y] = [opposite(a), opposite(b)];
  if (y !== undefined) return sub(a, y);
  const difference = operandsOf(b, "sub");
  if (difference !== undefined) return sub(add(a, difference[0]), difference[1]);
  return x === undefined ? apply("add", a, b) : sub(b, x);
}

function sub(a: Expression, b: Expression): Expression {
  if (isValue(b, 0)) return a;
  if (isValue(a, 0)) return neg(b);
  const given = opposite(b);
  return given === undefined ? apply("sub", a, b) : add(a, given);
}

/** The value of a number without a name. */
function valueOf(x: Expression): number | undefined {
  return x.kind === "constant" && x.name === undefined ? x.value : undefined;
}

function mul(a: Expression, b: Expression): Expression {
  if (isValue(a, 0) || isValue(b, 0)) return ZERO;
  if (isValue(a, 1)) return b;
  if (isValue(b, 1)) return a;
  const [x, y] = [opposite(a), opposite(b)];
  if (x !== undefined) return neg(mul(x, b));
  if (y !== undefined) return neg(mul(a, y));
  const first = valueOf(a);
  const [second, rest = ONE] = operandsOf(b, "mul") ?? [b];
  const next = valueOf(second);
  if (first !== undefined && next !== undefined) return mul(literal(first * next), rest);
  return apply("mul", a, b);
}

/** The quantity and the exponent of a power of one; undefined for another expression. */
function powerOf(x: Expression): { readonly of: Quantity; readonly power: number } | undefined {
  if (x.kind === "quantity") return { of: x.name, power: 1 };
  if (x.kind !== "pointwise" || x.operation !== "pow") return undefined;
  const [base, power] = x.of;
  return base?.kind === "quantity" && power?.kind === "constant"
    ? { of: base.name, power: power.value }
    : undefined;
}

function pow(x: Expression, power: number): Expression {
  if (power === 0) return ONE;
  return power === 1 ? x : apply("pow", x, literal(power));
}

function div(a: Expression, b: Expression): Expression {
  if (isValue(a, 0) || isValue(b, 1)) return a;
  const [over, under] = [powerOf(a), powerOf(b)];
  if (over !== undefined && over.of === under?.of) {
    return pow(quantity(over.of), over.power - under.power);
  }
  if (a.kind === "reduction" && a.operation === "sum_t" && under?.of === "M_b") {
    return { ...a, operation: "mean_t" };
  }
  const product = operandsOf(a, "mul");
  if (product !== undefined && b.kind === "constant" && isValue(product[0], b.value)) {
    return product[1];
  }
  const [x, y] = [opposite(a), opposite(b)];
  if (y !== undefined) return neg(div(a, y));
  return x === undefined ? apply("div", a, b) : neg(div(x, b));
}

/** A constant of a loss; one that is another's opposite is printed as that. */
function lifted({ constant, name, minus, isNumber }: Constant): Expression {
  if (minus !== undefined) return neg(lifted(minus));
  return isNumber ? literal(constant) : { kind: "constant", value: constant, name };
}

const reduced = (operation: Reduction) => (of: Expression, by: Constant = one): Expression => ({
  kind: "reduction",
  operation,
  of,
  by,
});

/** The value on a side of a pair; a number is the same on both. */
const onSide = (side: "chosen" | "rejected") => (x: Expression): Expression =>
  x.kind === "constant" ? x : reduced(side)(x);

/** The operations that expressions are built by; {@linkcode Pointwise}, {@linkcode Reduction}. */
export interface ExpressionWriter {
  /** A constant of a loss, by its name. */
  readonly constant: (constant: Constant) => Expression;
  /** `-x`. */
  readonly neg: (x: Expression) => Expression;
  /** `a + b`. */
  readonly add: (a: Expression, b: Expression) => Expression;
  /** `a - b`. */
  readonly sub: (a: Expression, b: Expression) => Expression;
  /** `a b`. */
  readonly mul: (a: Expression, b: Expression) => Expression;
  /** `a / b`. */
  readonly div: (a: Expression, b: Expression) => Expression;
  /** `1 / x`. */
  readonly inverse: (x: Expression) => Expression;
  /** The smaller of two. */
  readonly min: (a: Expression, b: Expression) => Expression;
  /** The larger of two. */
  readonly max: (a: Expression, b: Expression) => Expression;
  /** `e^x`. */
  readonly exp: (x: Expression) => Expression;
  /** `e^x - 1`. */
  readonly expm1: (x: Expression) => Expression;
  /** The natural logarithm. */
  readonly log: (x: Expression) => Expression;
  /** `1 / (1 + e^-x)`. */
  readonly sigmoid: (x: Expression) => Expression;
  /** `log sigmoid(x)`. */
  readonly logSigmoid: (x: Expression) => Expression;
  /** `log(p / (1 - p))` of `p = e^x`. */
  readonly logOdds: (x: Expression) => Expression;
  /** `x^power`. */
  readonly pow: (x: Expression, power: number) => Expression;
  /** Whether both conditions hold. */
  readonly and: (a: Expression, b: Expression) => Expression;
  /** Whether a is above b. */
  readonly above: (a: Expression, b: Expression) => Expression;
  /** Whether a is at most b; 1 where one of them is no bound. */
  readonly atMost: (a: Expression, b: Expression) => Expression;
  /** One of two expressions by a condition; a number where both are that number. */
  readonly either: (condition: Expression, a: Expression, b: Expression) => Expression;
  /** The mean over the tokens of an answer. */
  readonly meanOfAnswer: (x: Expression) => Expression;
  /** The sum over the tokens of an answer. */
  readonly sumOfAnswer: (x: Expression) => Expression;
  /** The mean over the tokens of the batch. */
  readonly meanOfBatch: (x: Expression) => Expression;
  /** The quantile of the batch's tokens at a level. */
  readonly quantile: (x: Expression, level: Constant) => Expression;
  /** `sum_{i>=t} g^(i-t) x_i`. */
  readonly after: (x: Expression, decay: Constant) => Expression;
  /** `sum_{i<=t} g^(t-i) x_i`. */
  readonly before: (x: Expression, decay: Constant) => Expression;
  /** The value of the pair's chosen answer. */
  readonly chosen: (x: Expression) => Expression;
  /** The value of the pair's rejected answer. */
  readonly rejected: (x: Expression) => Expression;
  /** The value of the row of the batch that has in it the rank that a row has in the other. */
  readonly ranked: (x: Expression, by: Expression) => Expression;
}

/**
 * Writes expressions, without sums with 0, products with 1, and opposites of differences.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { expressionText, literal, quantity, write } from "@unitune/objectives";
 *
 * const [p, old] = [quantity("p"), quantity("p_old")];
 * assertEquals(expressionText(write.neg(write.sub(p, old))), "p_old - p");
 * assertEquals(expressionText(write.mul(literal(1), write.div(p, old))), "p/p_old");
 * assertEquals(expressionText(write.div(p, write.pow(p, 0.25))), "p^0.75");
 * ```
 */
export const write: ExpressionWriter = {
  neg,
  add,
  sub,
  mul,
  div,
  inverse(x) {
    const quotient = operandsOf(x, "div");
    return quotient === undefined ? div(ONE, x) : div(quotient[1], quotient[0]);
  },
  constant: lifted,
  min: (a, b) => apply("min", a, b),
  max: (a, b) => apply("max", a, b),
  exp: (x) => apply("exp", x),
  log: (x) => apply("log", x),
  expm1: (x) => apply("expm1", x),
  sigmoid: (x) => apply("sigmoid", x),
  logSigmoid: (x) => apply("log sigmoid", x),
  logOdds: (x) => apply("log odds", x),
  pow,
  and(a, b) {
    if (isValue(a, 1)) return b;
    return isValue(b, 1) ? a : apply("and", a, b);
  },
  above: (a, b) => apply(">", a, b),
  atMost: (a, b) => isValue(b, Infinity) || isValue(a, -Infinity) ? ONE : apply("<=", a, b),
  either(condition, a, b) {
    const same = a.kind === "constant" && isValue(b, a.value);
    return same ? a : apply("either", condition, a, b);
  },
  meanOfAnswer: (x) => reduced("mean_t")(x),
  sumOfAnswer: (x) => reduced("sum_t")(x),
  meanOfBatch: (x) => reduced("mean_bt")(x),
  quantile: reduced("quantile"),
  after: reduced("after"),
  before: reduced("before"),
  chosen: onSide("chosen"),
  rejected: onSide("rejected"),
  ranked: (x, by) => ({ kind: "ranked", of: x, by }),
};

/** An expression in which a quantity is another expression. */
export function replaced(expression: Expression, name: Quantity, by: Expression): Expression {
  const within = (x: Expression) => replaced(x, name, by);
  switch (expression.kind) {
    case "constant":
      return expression;
    case "quantity":
      return expression.name === name ? by : expression;
    case "named":
      return named(expression.name, within(expression.is));
    case "pointwise": {
      const of = expression.of.map(within);
      const [a = ZERO, b = ZERO] = of;
      return expression.operation === "div" ? div(a, b) : { ...expression, of };
    }
    case "reduction":
      return { ...expression, of: within(expression.of) };
    case "ranked":
      return { ...expression, of: within(expression.of), by: within(expression.by) };
    default:
      return expression satisfies never;
  }
}
