/** Reverse-mode differentiation: the gradient of an expression is an expression. */
import {
  isFloat,
  isTensor,
  leafPaths,
  ones,
  replaceLeaves,
  ShapeError,
  showShape,
  type Tensor,
  zeros,
} from "@unitune/core";
import { cotangentLeaves, pull } from "./pull.ts";
import { recordCall, replay, resolve } from "./record.ts";
import type { Cotangents } from "./rules.ts";

/** A function's value and its vector-Jacobian product. */
export interface Vjp<T, R> {
  /** The value `f(x)`. */
  readonly value: R;
  /**
   * The product of a cotangent and the Jacobian of f at x: for a cotangent of the structure of the
   * value, the gradient of `sum(cotangent * f(x))` with respect to the tensors of x.
   */
  readonly pullback: (cotangent: R) => T;
}

/** A function's value with its gradient. */
export interface ValueAndGradient<P> {
  /** The value, a scalar. */
  readonly value: Tensor;
  /** The gradient of the value, in the structure of the parameters. */
  readonly gradient: P;
}

/** A value to differentiate, and anything else that a function computed on the way. */
export interface ValueAndAux<X> {
  /** The value, a scalar. */
  readonly value: Tensor;
  /** Anything else, such as metrics; not differentiated. */
  readonly aux: X;
}

/** Checks that a tree can be differentiated, and returns its tensors. */
function differentiableLeaves(name: string, tree: unknown): Tensor[] {
  return [...leafPaths(tree)].map(([path, leaf]) => {
    if (isFloat(leaf.dtype)) return leaf;
    throw new TypeError(
      `${name}: ${path === "" ? "the argument" : path} is ${leaf.dtype}${showShape(leaf.shape)}; ` +
        `only f32 and f64 have gradients, so pass it as a further argument or close over it`,
    );
  });
}

/**
 * A function's value, and its vector-Jacobian product for cotangents of its tensors, in their
 * order.
 */
interface Differentiated<T, R> {
  readonly value: R;
  readonly pullFrom: (cotangents: Cotangents) => T;
}

function differentiate<T, R>(name: string, f: (x: T) => R, x: T): Differentiated<T, R> {
  const leaves = differentiableLeaves(name, x);
  const { result, recording } = recordCall(f, x);
  // Replayed on x itself, results and gradients depend on no variable, only on the inputs of x.
  const slots = replay(recording, leaves);
  return {
    value: replaceLeaves(result, recording.results.map((source) => resolve(source, slots))),
    pullFrom(cotangents) {
      const pulled = pull(recording, slots, cotangents);
      return replaceLeaves(x, leaves.map((leaf, i) => pulled[i] ?? zeros(leaf.shape, leaf.dtype)));
    },
  };
}

/**
 * The value of a function and its vector-Jacobian product.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mul, tensor } from "@unitune/core";
 * import { vjp } from "@unitune/autodiff";
 *
 * const { value, pullback } = vjp((x) => mul(x, x), tensor([1, 2, 3]));
 * assertEquals(await value.data(), new Float32Array([1, 4, 9]));
 * assertEquals(await pullback(tensor([1, 0, 10])).data(), new Float32Array([2, 0, 60]));
 * ```
 *
 * @param f A pure function of a tree of tensors to a tree of tensors.
 * @param x The point; its tensors are floats, static leaves pass through.
 * @returns The value, and the function from a cotangent of it to the cotangent of x.
 * @throws {TypeError} If a tensor of x is not f32 or f64.
 * @throws {Error} If f reads or evaluates a tensor that depends on x.
 */
export function vjp<T, R>(f: (x: T) => R, x: T): Vjp<T, R> {
  const { value, pullFrom } = differentiate("vjp", f, x);
  return {
    value,
    pullback: (cotangent) => pullFrom(cotangentLeaves("pullback", value, cotangent)),
  };
}

/** 1, in the shape and dtype of a loss. */
function unitCotangent(name: string, value: unknown): Tensor {
  if (!isTensor(value)) {
    throw new TypeError(`${name}: expected a function to a scalar tensor, got ${typeof value}`);
  }
  if (value.shape.length !== 0 || !isFloat(value.dtype)) {
    throw new ShapeError(
      `${name}: expected a scalar float loss, got ${value.dtype}${showShape(value.shape)}; ` +
        `reduce it with sum or mean`,
    );
  }
  return ones([], value.dtype);
}

/**
 * A function's value with its gradient with respect to the first argument.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mul, sum, type Tensor, tensor } from "@unitune/core";
 * import { valueAndGrad } from "@unitune/autodiff";
 *
 * const squares = valueAndGrad(({ w }: { w: Tensor }) => sum(mul(w, w)));
 * const { value, gradient } = squares({ w: tensor([1, 2]) });
 * assertEquals(await value.item(), 5);
 * assertEquals(await gradient.w.data(), new Float32Array([2, 4]));
 * ```
 *
 * @param f A pure function to a scalar, differentiated by the tensors of its first argument.
 * @returns The function to value and gradient; parameters that f does not use have gradient 0.
 * @throws {ShapeError} When called, if the value is not a scalar.
 */
export function valueAndGrad<P, A extends readonly unknown[]>(
  f: (params: P, ...rest: A) => Tensor,
): (params: P, ...rest: A) => ValueAndGradient<P> {
  return (params, ...rest) => {
    const { value, pullFrom } = differentiate("valueAndGrad", (p: P) => f(p, ...rest), params);
    return { value, gradient: pullFrom([unitCotangent("valueAndGrad", value)]) };
  };
}

/**
 * {@linkcode valueAndGrad} of a function that computes more than its value.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mul, sum, type Tensor, tensor } from "@unitune/core";
 * import { valueAndGradAux } from "@unitune/autodiff";
 *
 * const f = valueAndGradAux((x: Tensor) => {
 *   const squares = mul(x, x);
 *   return { value: sum(squares), aux: { squares } };
 * });
 * const { aux, gradient } = f(tensor([1, 2]));
 * assertEquals(await aux.squares.data(), new Float32Array([1, 4]));
 * assertEquals(await gradient.data(), new Float32Array([2, 4]));
 * ```
 *
 * @param f A pure function to a scalar `value`, which is differentiated, and `aux`, which is not.
 * @returns The function to value, aux and gradient.
 * @throws {ShapeError} When called, if the value is not a scalar.
 */
export function valueAndGradAux<P, A extends readonly unknown[], X>(
  f: (params: P, ...rest: A) => ValueAndAux<X>,
): (params: P, ...rest: A) => ValueAndGradient<P> & ValueAndAux<X> {
  return (params, ...rest) => {
    const run = (p: P): readonly [Tensor, X] => {
      const { value, aux } = f(p, ...rest);
      return [value, aux];
    };
    const { value: [value, aux], pullFrom } = differentiate("valueAndGradAux", run, params);
    // The value stands first among the results; the others have no cotangent.
    return { value, aux, gradient: pullFrom([unitCotangent("valueAndGradAux", value)]) };
  };
}

/**
 * The gradient of a function with respect to its first argument.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mul, type Tensor, tensor } from "@unitune/core";
 * import { grad } from "@unitune/autodiff";
 *
 * const cube = (x: Tensor) => mul(x, mul(x, x));
 * assertEquals(await grad(cube)(tensor(2)).item(), 12);
 * assertEquals(await grad(grad(cube))(tensor(2)).item(), 12);
 * assertEquals(await grad(grad(grad(cube)))(tensor(2)).item(), 6);
 * ```
 *
 * @param f A pure function to a scalar, differentiated by the tensors of its first argument.
 * @returns The function to the gradient, in the structure of the first argument.
 * @throws {ShapeError} When called, if the value is not a scalar.
 */
export function grad<P, A extends readonly unknown[]>(
  f: (params: P, ...rest: A) => Tensor,
): (params: P, ...rest: A) => P {
  return (params, ...rest) => {
    const { value, pullFrom } = differentiate("grad", (p: P) => f(p, ...rest), params);
    return pullFrom([unitCotangent("grad", value)]);
  };
}
