/** Counts of the floating-point operations of the arithmetic: multiplications and additions. */
import { countParameters } from "@unitune/models";
import { type AnyWorkload, modelOf } from "./workloads.ts";

/**
 * The cost of a step in forward passes, by objective: a backward pass counts as two, and IFT has
 * one more, without a gradient, for the model's own tokens.
 */
const passes = { sft: 3, ift: 4 } as const;

/** The name of an objective that is measured. */
export type ObjectiveName = keyof typeof passes;

/**
 * Operations of a training step: for each token of the batch and each pass, `2 (N - C D) + 2 L D T`.
 *
 * Each parameter is multiplied and added once, except the position embedding (C positions, D wide),
 * which is only added. Attention multiplies queries by keys and weights by values, `4 L D T` for L
 * layers and T positions, half of which a causal mask hides. With three passes this is the usual
 * `6 N + 12 L H Q T` (Chowdhery et al., arXiv 2204.02311, appendix B), its second term halved.
 */
export function stepOperations(workload: AnyWorkload, objective: ObjectiveName): number {
  const { config, batch } = workload;
  const { context, layers, width } = config;
  // Other architectures than GPT-2 turn queries and keys by their positions, without parameters.
  const positions = "modelType" in config ? 0 : context * width;
  const multiplied = countParameters(modelOf(workload)) - positions;
  const perToken = 2 * multiplied + 2 * layers * width * context;
  return passes[objective] * batch * context * perToken;
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Operations of a kernel that is a product, from the name that profiles have for it. */
const byKind: Readonly<Record<string, (...sizes: readonly (readonly number[])[]) => number>> = {
  // [..., rows, depth] x [..., depth, columns]
  matmul: (a = [], b = []) => 2 * product(a) * (b.at(-1) ?? NaN),
  // [B, T, H, D]: two products with T x T weights, half of them hidden by the mask; five backward.
  attention: (sizes = []) => 2 * product(sizes) * (sizes[1] ?? NaN),
  attentionGradient: (sizes = []) => 5 * product(sizes) * (sizes[1] ?? NaN),
};

/** A kernel's kind: the first word of its name. */
export function kindOf(kernel: string): string {
  return /^\w+/.exec(kernel)?.[0] ?? kernel;
}

/**
 * Operations of a kernel that multiplies matrices.
 *
 * @param kernel Its name in a profile, such as `matmul [512,64] x [64,192]`.
 * @returns The number for one run of it; undefined for a kernel of another kind.
 */
export function productOperations(kernel: string): number | undefined {
  const sizes = [...kernel.matchAll(/\[([\d,]+)\]/g)]
    .map(([, list = ""]) => list.split(",").map(Number));
  // deno-lint-ignore unitune/no-spread-of-data -- the axes of a shape
  return byKind[kindOf(kernel)]?.(...sizes);
}

/** Operations a nanosecond, GFLOP/s. */
export function gigaflops(operations: number, milliseconds: number): number {
  return operations / milliseconds / 1e6;
}
