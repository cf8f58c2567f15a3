/**
 * Expressions as data: they are printed for people, and evaluated by whoever has the numbers; nobody
 * reads their text.
 */
import type { Constant } from "../arithmetic.ts";

/**
 * The quantities that expressions are made of, of a token or of its answer:
 *
 * | quantity | meaning |
 * | --- | --- |
 * | `p`, `p_old`, `p_ref` | the token's probability under the policy, the sampler, the reference |
 * | `A` | the advantage that the signal gives |
 * | `r` | the reward of the answer |
 * | `H_bt` | the entropy of the prediction |
 * | `collision` | `sum_a p(a)^2` of the prediction |
 * | `M_b` | the number of the answer's tokens that the term sees |
 * | `desirable` | the label of the answer, 1 or 0 |
 * | `kl`, `shift` | the reference points of KTO and of BCO |
 * | `pass rate` | the share of the group's own answers that pass |
 * | `helped` | 1 for an answer that has given tokens, else 0 |
 * | `w(step)` | a weight that follows a schedule |
 */
export type Quantity =
  | "p"
  | "p_old"
  | "p_ref"
  | "A"
  | "r"
  | "H_bt"
  | "collision"
  | "M_b"
  | "desirable"
  | "kl"
  | "shift"
  | "pass rate"
  | "helped"
  | "w(step)";

/** An operation on the values of a token; a condition is 1 where it holds, else 0. */
export type Pointwise =
  | "neg"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "min"
  | "max"
  | "pow"
  | "exp"
  | "expm1"
  | "log"
  | "sigmoid"
  | "log sigmoid"
  | "log odds"
  | ">"
  | "<="
  | "and"
  | "either";

/**
 * An operation on the values of several tokens: the mean and the sum over an answer; over the batch
 * the mean, and the quantile of a level; the sums `sum_{i>=t} g^(i-t) x_i` and `sum_{i<=t} g^(t-i)
 * x_i` of a decay g; and the value of an answer on the chosen or on the rejected side of its pair.
 */
export type Reduction =
  | "mean_t"
  | "sum_t"
  | "mean_bt"
  | "quantile"
  | "after"
  | "before"
  | "chosen"
  | "rejected";

/** An expression that is printed by its name. */
export interface NamedExpression {
  /** It is an expression with a name. */
  readonly kind: "named";
  /** The name. */
  readonly name: string;
  /** What the name stands for. */
  readonly is: Expression;
}

/** An expression of the quantities of a token. */
export type Expression =
  | {
    readonly kind: "constant";
    readonly value: number;
    /** Its name (default: it is printed as a number). */
    readonly name?: string;
  }
  | { readonly kind: "quantity"; readonly name: Quantity }
  | NamedExpression
  | {
    readonly kind: "pointwise";
    readonly operation: Pointwise;
    readonly of: readonly Expression[];
  }
  | {
    readonly kind: "reduction";
    readonly operation: Reduction;
    readonly of: Expression;
    /** The decay of sums before and after a token, the level of a quantile; else 1. */
    readonly by: Constant;
  }
  | {
    readonly kind: "ranked";
    /** The value that is taken, of the row of the batch that has this rank in it. */
    readonly of: Expression;
    /** The value whose rank in the batch it is. */
    readonly by: Expression;
  };

/**
 * A quantity as an expression.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quantity } from "@unitune/objectives";
 *
 * assertEquals(quantity("A"), { kind: "quantity", name: "A" });
 * ```
 *
 * @param name The quantity.
 * @returns The expression.
 */
export function quantity(name: Quantity): Expression {
  return { kind: "quantity", name };
}

/**
 * An expression that is printed by a name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { definitionsOf, named, quantity, write } from "@unitune/objectives";
 *
 * const rho = named("rho", write.div(quantity("p"), quantity("p_old")));
 * assertEquals(definitionsOf(rho), { rho: "p/p_old" });
 * ```
 *
 * @param name The name.
 * @param is What it stands for.
 * @returns The expression.
 */
export function named(name: string, is: Expression): NamedExpression {
  return { kind: "named", name, is };
}
