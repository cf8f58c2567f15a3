/** Discounted sums over later positions, as a product with a triangular matrix. */
import {
  cast,
  dims,
  equal,
  exp,
  greaterEqual,
  iota,
  matmul,
  maximum,
  mul,
  type Shape,
  sub,
  type Tensor,
  transposeLast,
  where,
} from "@unitune/core";

/** `D[t, i] = g^(i-t)` for i >= t, 0 before: `[T, T]`, for sums over `x [B, T]`. */
export function decays(gamma: number, x: Tensor): Tensor {
  const { T } = dims(x, "B T", "discounted sums");
  const { dtype } = x;
  const square: Shape = [T, T];
  const distance = sub(iota(square, 1, dtype), iota(square, 0, dtype));
  if (gamma === 0) return cast(equal(distance, 0), dtype);
  const decay = exp(mul(maximum(distance, 0), Math.log(gamma)));
  return where(greaterEqual(distance, 0), decay, 0);
}

/** `sum_{i >= t} g^(i-t) x_i` of `x [B, T]`. */
export function discountedSum(x: Tensor, gamma: number): Tensor {
  return matmul(x, transposeLast(decays(gamma, x)));
}
