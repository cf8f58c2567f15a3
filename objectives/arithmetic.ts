/**
 * Losses that are written once, over any arithmetic: on tensors they train, on numbers they give
 * the value before the first step, on formulas they give their own text.
 */
import {
  add,
  div,
  expm1,
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
import { boundedExp, boundedExponent, logOdds } from "./log_probs.ts";

/** A number that has a name in formulas, such as beta. */
export interface Constant {
  /** The number. */
  readonly constant: number;
  /** Its name, a letter or an expression; or the number itself. */
  readonly name: string;
  /** The constant whose opposite it is (default: it has a name of its own). */
  readonly minus?: Constant;
  /** Whether its name is the number itself (default no). */
  readonly isNumber?: true;
}

/** One half. */
export const half: Constant = { constant: 0.5, name: "1/2" };

/** One. */
export const one: Constant = { constant: 1, name: "1" };

/** The operations that losses are made of, on values X. */
export interface Arithmetic<X> {
  readonly neg: (x: X) => X;
  readonly add: (a: X, b: X | Constant) => X;
  readonly sub: (a: X | Constant, b: X | Constant) => X;
  readonly mul: (a: X | Constant, b: X) => X;
  readonly div: (x: X, by: Constant) => X;
  readonly square: (x: X) => X;
  /** `max(x, 0)`. */
  readonly relu: (x: X) => X;
  /** `sigmoid(x) = 1 / (1 + e^-x)`. */
  readonly sigmoid: (x: X) => X;
  /** `log sigmoid(x)`. */
  readonly logSigmoid: (x: X) => X;
  /** `e^x`; on tensors the exponent is cut to -80..80. */
  readonly exp: (x: X) => X;
  /** `e^x - 1`, exact near 0; on tensors the exponent is cut likewise. */
  readonly expm1: (x: X) => X;
  /** `log(p / (1 - p))` of `p = e^x`; on tensors x is at most -1e-6, so that odds are finite. */
  readonly logOdds: (x: X) => X;
  /** The values of a batch in ascending order. */
  readonly sort: (x: X) => X;
}

/** A constant that formulas show by its value. */
export function numeric(value: number): Constant {
  return { constant: value, name: `${value}`, isNumber: true };
}

/** `-(1-e) log sigmoid(x) - e log sigmoid(-x)`, of a label smoothing e. */
export function logistic<X>(
  on: Arithmetic<X>,
  x: X,
  { e, right }: { readonly e: Constant; readonly right: Constant },
): X {
  return on.neg(on.add(
    on.mul(right, on.logSigmoid(x)),
    on.mul(e, on.logSigmoid(on.neg(x))),
  ));
}

function isConstant(x: unknown): x is Constant {
  return typeof x === "object" && x !== null && "constant" in x;
}

/** Constants as values. */
function lifting<X, Y>(lift: (constant: Constant) => Y): (x: X | Constant) => X | Y {
  return (x) => isConstant(x) ? lift(x) : x;
}

const numberOf = ({ constant }: Constant) => constant;
const operand = lifting<Tensor, number>(numberOf);
const number = lifting<number, number>(numberOf);

/** On tensors. */
export const onTensors: Arithmetic<Tensor> = {
  neg,
  add: (a, b) => add(a, operand(b)),
  sub: (a, b) => sub(operand(a), operand(b)),
  mul: (a, b) => mul(operand(a), b),
  div: (x, { constant }) => div(x, constant),
  square,
  relu,
  sigmoid,
  logSigmoid,
  exp: boundedExp,
  expm1: (x) => expm1(boundedExponent(x)),
  logOdds,
  sort,
};

/** On numbers, each a batch of one. */
export const onNumbers: Arithmetic<number> = {
  neg: (x) => -x,
  add: (a, b) => a + number(b),
  sub: (a, b) => number(a) - number(b),
  mul: (a, b) => number(a) * b,
  div: (x, { constant }) => x / constant,
  square: (x) => x * x,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  logSigmoid: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
  exp: Math.exp,
  expm1: Math.expm1,
  logOdds: (x) => x - Math.log(-Math.expm1(x)),
  sort: (x) => x,
};

/** A formula: its text, and how closely its outermost operation binds. */
export interface Formula {
  /** The text. */
  readonly text: string;
  /** A letter or a call binds more closely than a product, and that more closely than a sum. */
  readonly binding: "letter" | "call" | "product" | "sum";
}

/** A variable of formulas. */
export function letter(text: string): Formula {
  return { text, binding: "letter" };
}

/** Texts that bind as closely as a call, a product, a sum. */
export const call = (text: string): Formula => ({ text, binding: "call" });
export const product = (text: string): Formula => ({ text, binding: "product" });
export const sum = (text: string): Formula => ({ text, binding: "sum" });
const formula = lifting<Formula, Formula>(({ name }) => letter(name));

const ZERO = "0";

/** In parentheses, where it is a sum. */
export function factor({ text, binding }: Formula): string {
  return binding === "sum" ? `(${text})` : text;
}

/**
 * On formulas. A sum with 0 is its other term, a product by 1 its other factor; so a smoothing of 0
 * does not show.
 */
export const onFormulas: Arithmetic<Formula> = {
  neg: (x) => sum(`-${factor(x)}`),
  add(a, b) {
    const [left, right] = [a, formula(b)];
    if (left.text === ZERO) return right;
    return right.text === ZERO ? left : sum(`${left.text} + ${right.text}`);
  },
  sub(a, b) {
    const [left, right] = [formula(a), formula(b)];
    if (right.text === ZERO) return left;
    return sum(left.text === ZERO ? `-${factor(right)}` : `${left.text} - ${factor(right)}`);
  },
  mul(a, b) {
    if (isConstant(a) && a.constant === 0) return letter(ZERO);
    if (isConstant(a) && a.constant === 1) return b;
    return product(`${factor(formula(a))} ${factor(b)}`);
  },
  div: (x, { name }) => product(`${factor(x)}/${name}`),
  square: (x) => call(x.binding === "letter" ? `${x.text}^2` : `(${x.text})^2`),
  relu: ({ text }) => call(`relu(${text})`),
  sigmoid: ({ text }) => call(`sigmoid(${text})`),
  logSigmoid: ({ text }) => call(`log sigmoid(${text})`),
  exp: ({ text }) => call(`e^(${text})`),
  expm1: ({ text }) => sum(`e^(${text}) - 1`),
  logOdds: ({ text }) => call(`log odds(${text})`),
  sort: ({ text }) => call(`sort(${text})`),
};
