/** A GPT small enough for the reference backend, and what its tests share. */
import { mapTree, type Tensor, tensor } from "@unitune/core";
import { applyGpt, embedTokens, gpt, type GptParameters, type GptSizes } from "@unitune/models";

export const tinyConfig: GptSizes = {
  vocabulary: 7,
  context: 6,
  layers: 2,
  heads: 2,
  width: 8,
  dropout: 0,
};

/**
 * Parameters without chance: element i of tensor n, in the order of sorted paths, is
 * `0.5 sin(i^2 + n)`, plus 1 for gains. They are large enough for logits to differ.
 */
export function sineParameters(config: GptSizes): GptParameters {
  const { sin } = Math;
  let n = 0;
  return mapTree(gpt(config).init(tensor([0, 0], { dtype: "u32" })), ({ shape }, path) => {
    const offset = path.includes("ln_") && path.endsWith("weight") ? 1 : 0;
    const size = shape.reduce((product, axis) => product * axis, 1);
    const leaf = Float32Array.from({ length: size }, (_, i) => offset + 0.5 * sin(i * i + n));
    n++;
    return tensor(leaf, { shape });
  });
}

export function tokenIds(rows: readonly (readonly number[])[]): Tensor {
  return tensor(rows, { dtype: "i32" });
}

/** Logits `[B, T, V]` of token ids, without a cache. */
export function logitsOf(config: GptSizes, params: GptParameters, ids: Tensor): Tensor {
  return applyGpt(config, params, embedTokens(params, ids));
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((largest, x, i) => Math.max(largest, Math.abs(x - (b[i] ?? NaN))), 0);
}
