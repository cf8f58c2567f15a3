/** The layers that a transformer is built of. */
import {
  add,
  bernoulli,
  cast,
  dims,
  div,
  dynamicSlice,
  matmul,
  mean,
  mul,
  reshape,
  rsqrt,
  slice,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transposeLast,
} from "@unitune/core";

/** A low-rank change of a projection (LoRA, Hu et al. 2021, arXiv 2106.09685). */
export type LowRank = {
  /** A, `[r, in]`. */
  readonly down: Tensor;
  /** B, `[out, r]`. */
  readonly up: Tensor;
  /** The factor of the change. */
  readonly scale: number;
  /** The norms of the changed weights of each output, `[out]`: DoRA (Liu et al. 2024). */
  readonly magnitudes?: Tensor;
  /** Dropout of the change's input (default none). */
  readonly dropout?: { readonly rate: number; readonly key: Tensor };
};

/** The parameters of a projection (a matrix and a bias) or of a normalization (a gain and a bias). */
export type WeightAndBias = {
  /** `[in, out]` of a projection, `[D]` of a normalization. */
  readonly weight: Tensor;
  /** `[out]` or `[D]`. */
  readonly bias: Tensor;
  /** The change of a projection (default none). */
  readonly adapter?: LowRank;
};

/** The parameters of a linear layer in the layout of PyTorch. */
export type Linear = {
  /** `[out, in]`. */
  readonly weight: Tensor;
  /** `[out]` (default none). */
  readonly bias?: Tensor;
  /** A change of it (default none). */
  readonly adapter?: LowRank;
};

/** The parameter of a normalization without offset. */
export type Gain = {
  /** `[D]`. */
  readonly weight: Tensor;
};

/** Keeps a normalization from dividing by 0; GPT-2's value. */
export const LAYER_NORM_EPSILON = 1e-5;

/**
 * A projection `x W + b`, with the change of an adapter where there is one:
 * `[..., T, in] -> [..., T, out]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { project } from "@unitune/models";
 *
 * const layer = { weight: tensor([[1, 2, 3], [4, 5, 6]]), bias: tensor([1, 1, 1]) };
 * assertEquals(await project(tensor([[1, 0]]), layer).data(), new Float32Array([2, 3, 4]));
 * ```
 *
 * @param x The inputs.
 * @param layer Its parameters, and its change.
 * @returns The outputs.
 */
export function project(x: Tensor, { weight, bias, adapter }: WeightAndBias): Tensor {
  return add(adapted(x, weight, adapter), bias);
}

/**
 * A linear layer `x W^T + b`, with the change of an adapter where there is one:
 * `[..., T, in] -> [..., T, out]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { linear } from "@unitune/models";
 *
 * const weight = tensor([[1, 2], [3, 4], [5, 6]]);
 * const adapter = { down: tensor([[1, 1]]), up: tensor([[0], [0], [2]]), scale: 10 };
 * const x = tensor([[1, 0]]);
 * assertEquals(await linear(x, { weight }).data(), new Float32Array([1, 3, 5]));
 * assertEquals(await linear(x, { weight, adapter }).data(), new Float32Array([1, 3, 25]));
 * ```
 *
 * @param x The inputs.
 * @param layer Its parameters, and its change.
 * @returns The outputs.
 */
export function linear(x: Tensor, { weight, bias, adapter }: Linear): Tensor {
  const product = adapted(x, transposeLast(weight), adapter);
  return bias === undefined ? product : add(product, bias);
}

/**
 * `x W`, or `x (W + s A^T B^T)` with an adapter: `[..., in] -> [..., out]`. The change is a product
 * of its own, so that neither it nor its gradient is ever as large as W.
 *
 * With magnitudes m, each column of the changed matrix has its element of m as its norm. As in the
 * paper (section 4.3) and in PEFT, the norm is a constant to the gradient, and dropout reaches the
 * whole product.
 */
function adapted(x: Tensor, weight: Tensor, adapter: LowRank | undefined): Tensor {
  const product = matmul(x, weight);
  if (adapter === undefined) return product;
  const { dropout: drop, magnitudes } = adapter;
  const input = drop === undefined ? x : dropout(x, drop.rate, drop.key);
  const change = lowRankProduct(input, adapter);
  if (magnitudes === undefined) return add(product, change);
  const ratio = div(magnitudes, stopGradient(columnNorms(changedWeight(weight, adapter))));
  const read = drop === undefined ? product : matmul(input, weight);
  return add(product, add(mul(sub(ratio, 1), read), mul(ratio, change)));
}

/** `s x A^T B^T`: `[..., in] -> [..., out]`. */
function lowRankProduct(x: Tensor, { down, up, scale }: LowRank): Tensor {
  return mul(matmul(matmul(x, transposeLast(down)), transposeLast(up)), scale);
}

/** `W + s A^T B^T`, `[in, out]`. */
function changedWeight(weight: Tensor, { down, up, scale }: LowRank): Tensor {
  return add(weight, mul(matmul(transposeLast(down), transposeLast(up)), scale));
}

/** The Euclidean norm of each column: `[in, out] -> [out]`. */
export function columnNorms(weight: Tensor): Tensor {
  return sqrt(sum(square(weight), { axes: [0] }));
}

/** The weight that has an adapter's effect without it, `[in, out]`. */
export function mergedWeight(weight: Tensor, adapter: LowRank): Tensor {
  const changed = changedWeight(weight, adapter);
  const { magnitudes } = adapter;
  return magnitudes === undefined ? changed : mul(changed, div(magnitudes, columnNorms(changed)));
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
 * The states of the last token of each row: `[B, T, D] -> [B, D]`.
 *
 * @param x The states.
 * @param count The number of tokens of each row, i32 `[B]` (default T).
 */
export function lastStates(x: Tensor, count?: Tensor): Tensor {
  const { B, T, D } = dims(x, "B T D", "states");
  const last = count === undefined ? slice(x, 1, T - 1) : dynamicSlice(x, 1, sub(count, 1), 1);
  return reshape(last, [B, D]);
}

/**
 * Zeroes elements with probability `rate` and divides the others by `1 - rate`, so that the
 * expectation stays (Srivastava et al. 2014).
 */
export function dropout(x: Tensor, rate: number, key: Tensor): Tensor {
  const kept = cast(bernoulli(key, 1 - rate, x.shape), x.dtype);
  return mul(x, div(kept, 1 - rate));
}
