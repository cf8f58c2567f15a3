/** The layers that a transformer is built of. */
import {
  add,
  bernoulli,
  cast,
  div,
  matmul,
  mean,
  mul,
  rsqrt,
  slice,
  square,
  stopGradient,
  sub,
  type Tensor,
  transposeLast,
} from "@unitune/core";

/** The parameters of a projection (a matrix and a bias) or of a normalization (a gain and a bias). */
export type WeightAndBias = {
  /** `[in, out]` of a projection, `[D]` of a normalization. */
  readonly weight: Tensor;
  /** `[out]` or `[D]`. */
  readonly bias: Tensor;
};

/** The parameters of a linear layer in the layout of PyTorch. */
export type Linear = {
  /** `[out, in]`. */
  readonly weight: Tensor;
  /** `[out]` (default none). */
  readonly bias?: Tensor;
};

/** The parameter of a normalization without offset. */
export type Gain = {
  /** `[D]`. */
  readonly weight: Tensor;
};

/** Keeps a normalization from dividing by 0; GPT-2's value. */
export const LAYER_NORM_EPSILON = 1e-5;

/** `x W + b`: `[..., in] -> [..., out]`. */
export function project(x: Tensor, { weight, bias }: WeightAndBias): Tensor {
  return add(matmul(x, weight), bias);
}

/** `x W^T + b`: `[..., in] -> [..., out]`. */
export function linear(x: Tensor, { weight, bias }: Linear): Tensor {
  const product = matmul(x, transposeLast(weight));
  return bias === undefined ? product : add(product, bias);
}

/**
 * `x / sqrt(mean(x^2) + epsilon)` over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467),
 * before the gain: `[..., D] -> [..., D]`.
 */
export function rmsNormalized(x: Tensor, epsilon: number): Tensor {
  const meanSquare = mean(square(x), { axes: [-1], keepDims: true });
  return mul(x, rsqrt(add(meanSquare, epsilon)));
}

/**
 * `(x - mean) / sqrt(variance + epsilon) * gain + offset` over the last axis (Ba, Kiros and Hinton
 * 2016): `[..., D] -> [..., D]`. A row of equal elements gives exactly the offset.
 *
 * The mean is taken of the differences from the row's first element, which are exactly 0 where the
 * elements are equal. The element subtracted before does not change the result, so it has no
 * gradient.
 */
export function layerNorm(
  x: Tensor,
  { weight, bias }: WeightAndBias,
  epsilon = LAYER_NORM_EPSILON,
): Tensor {
  const last = { axes: [-1], keepDims: true };
  const origin = stopGradient(slice(x, -1, 0, 1));
  const centered = sub(x, add(origin, mean(sub(x, origin), last)));
  const scale = rsqrt(add(mean(square(centered), last), epsilon));
  return add(mul(mul(centered, scale), weight), bias);
}

/**
 * Zeroes elements with probability `rate` and divides the others by `1 - rate`, so that the
 * expectation stays (Srivastava et al. 2014).
 */
export function dropout(x: Tensor, rate: number, key: Tensor): Tensor {
  const kept = cast(bernoulli(key, 1 - rate, x.shape), x.dtype);
  return mul(x, div(kept, 1 - rate));
}
