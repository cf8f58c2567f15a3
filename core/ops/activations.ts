/** Functions with a kink or a tail: cut ones, and those made of exponentials. */
import { GELU_CUBIC, GELU_LINEAR } from "../primitives.ts";
import { apply, type TensorLike } from "../tensor.ts";
import type { Tensor } from "../value.ts";
import {
  abs,
  add,
  and,
  div,
  exp,
  floor,
  lessEqual,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  square,
  sub,
  where,
} from "./elementwise.ts";

/**
 * x cut to an interval: `min(max(x, low), high)`. At a bound the gradient is x's, as in PyTorch; beyond
 * it is the bound's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { clip, tensor } from "@unitune/core";
 *
 * assertEquals(await clip(tensor([-2, 0.5, 2]), -1, 1).data(), new Float32Array([-1, 0.5, 1]));
 * ```
 *
 * @param x Any shape.
 * @param low The least value of the result.
 * @param high The greatest value of the result; where it is below `low`, it wins.
 * @returns The shape to which x and the bounds broadcast.
 */
export function clip(x: Tensor, low: TensorLike, high: TensorLike): Tensor {
  const inside = and(lessEqual(low, x), lessEqual(x, high));
  return where(inside, x, minimum(maximum(x, low), high));
}

/**
 * `max(x, 0)`. At 0 the gradient is 0, as in PyTorch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { relu, tensor } from "@unitune/core";
 *
 * assertEquals(await relu(tensor([-1, 2])).data(), new Float32Array([0, 2]));
 * ```
 */
export function relu(x: Tensor): Tensor {
  return where(lessEqual(x, 0), 0, x);
}

/** Whether x is at least 0, and `e^-|x|`, in whose gradients 0 is as the numbers above it. */
function decay(x: Tensor): { readonly isPositive: Tensor; readonly e: Tensor } {
  const isPositive = lessEqual(0, x);
  return { isPositive, e: exp(where(isPositive, neg(x), x)) };
}

/**
 * `1 / (1 + e^-x)`, computed as `e^x / (1 + e^x)` below 0, so that nothing overflows and small results
 * keep their digits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sigmoid, tensor } from "@unitune/core";
 *
 * assertEquals(await sigmoid(tensor([-1000, 0, 1000])).data(), new Float32Array([0, 0.5, 1]));
 * ```
 */
export function sigmoid(x: Tensor): Tensor {
  const { isPositive, e } = decay(x);
  return div(where(isPositive, 1, e), add(e, 1));
}

/**
 * `ln(1 + e^x)`, computed as `max(x, 0) + ln(1 + e^-|x|)`, which cannot overflow.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { softplus, tensor } from "@unitune/core";
 *
 * assertEquals(await softplus(tensor([-1000, 1000])).data(), new Float32Array([0, 1000]));
 * ```
 */
export function softplus(x: Tensor): Tensor {
  const { isPositive, e } = decay(x);
  return add(where(isPositive, x, 0), log1p(e));
}

/**
 * `ln(1 / (1 + e^-x)) = min(x, 0) - ln(1 + e^-|x|)`: the log-probability of an event of logit x.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { logSigmoid, tensor } from "@unitune/core";
 *
 * assertEquals(await logSigmoid(tensor([-1000])).item(), -1000);
 * ```
 */
export function logSigmoid(x: Tensor): Tensor {
  const { isPositive, e } = decay(x);
  return sub(where(isPositive, 0, x), log1p(e));
}

/** A value whose derivative with respect to x is known: gradients go by it, and so do theirs. */
function withSlope(value: Tensor, x: Tensor, slope: (x: Tensor) => Tensor): Tensor {
  const rule = {
    name: slope.name,
    backward: ([x]: readonly Tensor[], _: readonly Tensor[], [cotangent]: readonly Tensor[]) =>
      x === undefined || cotangent === undefined ? [] : [mul(cotangent, slope(x))],
  };
  return apply("customVjp", [value, x], { rule, values: 1 });
}

/** Digits behind the point, base 2, of the part of x that is squared without a rounding. */
const SPLIT = 2 ** 8;

/**
 * `e^(-x^2 / 2)`. In f32 the relative error is at most 5e-7 wherever the result is a normal number:
 * `x^2` is not rounded: an error of half a unit in it would be multiplied by up to 87.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gaussian, tensor } from "@unitune/core";
 *
 * assertAlmostEquals(await gaussian(tensor([-1])).item(), Math.exp(-0.5), 1e-6);
 * ```
 *
 * @param x Floats of any shape.
 * @returns The shape of x.
 */
export function gaussian(x: Tensor): Tensor {
  // x^2 = h^2 + (x - h)(x + h), where h has 12 digits before the result ends.
  const size = minimum(abs(x), 64);
  const h = div(floor(mul(size, SPLIT)), SPLIT);
  const rest = mul(sub(size, h), add(size, h));
  return mul(exp(mul(square(h), -0.5)), exp(mul(rest, -0.5)));
}

/** The form in which {@linkcode gelu} computes the normal distribution's cumulative function. */
export type GeluForm = "erf" | "tanh";

/** The density of the normal distribution. */
function density(x: Tensor): Tensor {
  return mul(gaussian(x), 1 / Math.sqrt(2 * Math.PI));
}

/** The steepness `u'` of the tanh form's argument, times 2: below infinity, so that times 0 it is 0. */
function steepness(x: Tensor): Tensor {
  return minimum(add(mul(square(x), 6 * GELU_CUBIC), 2 * GELU_LINEAR), 1e30);
}

/** `h = e^-|u|` of the tanh form, and `1 / (1 + h^2)`, which is Phi(|x|) there. */
function decayByTanh(x: Tensor): { readonly h: Tensor; readonly part: Tensor } {
  const h = apply("geluDecay", [x], {});
  return { h, part: div(1, add(square(h), 1)) };
}

/** The density of the tanh form: the derivative of `1 / (1 + e^-2u)`. */
function densityByTanh(x: Tensor): Tensor {
  const { h, part } = decayByTanh(x);
  return mul(steepness(x), square(mul(h, part)));
}

/** Phi(x), of whose smallest values all digits are right. */
const cumulative: Readonly<Record<GeluForm, (x: Tensor) => Tensor>> = {
  erf(x) {
    const tail = apply("normalTail", [x], {});
    return withSlope(where(lessEqual(0, x), sub(1, tail), tail), x, density);
  },
  tanh(x) {
    const { h, part } = decayByTanh(x);
    const value = where(lessEqual(0, x), part, mul(h, mul(h, part)));
    return withSlope(value, x, densityByTanh);
  },
};

/** `x Phi(x)`: where h^2 is too small for its digits, its product with x may not be. */
function geluByTanh(x: Tensor): Tensor {
  const h = apply("geluDecay", [x], {});
  return div(where(lessEqual(0, x), x, mul(mul(x, h), h)), add(square(h), 1));
}

/** `Phi(x) + x Phi'(x)`, with x in every product that it does not overflow. */
function slopeByTanh(x: Tensor): Tensor {
  const { h, part } = decayByTanh(x);
  const root = mul(h, part);
  const near = mul(x, root);
  const far = mul(mul(near, x), x);
  const steep = add(mul(near, 2 * GELU_LINEAR), mul(far, 6 * GELU_CUBIC));
  return add(cumulative.tanh(x), mul(steep, root));
}

/**
 * The Gaussian error linear unit `x Phi(x)` (Hendrycks and Gimpel, arXiv 1606.08415), with Phi by erf
 * or by GPT-2's approximation `(1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`. In f32 the relative
 * error is at most 1e-6 wherever the result is a normal number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gelu, tensor } from "@unitune/core";
 *
 * assertAlmostEquals(await gelu(tensor([1]), "erf").item(), 0.8413447, 1e-6);
 * assertAlmostEquals(await gelu(tensor([1])).item(), 0.841192, 1e-6);
 * ```
 *
 * @param x Floats of any shape.
 * @param form The form in which Phi is computed (default `"tanh"`).
 * @returns The shape of x.
 */
export function gelu(x: Tensor, form: GeluForm = "tanh"): Tensor {
  return form === "tanh" ? withSlope(geluByTanh(x), x, slopeByTanh) : mul(x, cumulative.erf(x));
}
