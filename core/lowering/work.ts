/** The work of kernels, and the memory of a program when it needs most: what plans tell. */
import { bytesPerElement } from "../dtype.ts";
import { at, sizeOf } from "../shape.ts";
import { type Kernel, type Lowered, usedBuffers } from "./kernels.ts";
import { heldSpans } from "./in_place.ts";
import { alignedBytes, type MemoryPlan } from "./plan.ts";
import { pairsOf } from "./visible.ts";

/**
 * Multiplications of matrix products in a kernel: those of attention are counted for the keys that
 * queries may see by their positions.
 *
 * @param kernel The kernel.
 * @returns The number; a product of matrices adds as often as it multiplies.
 */
export function multiplicationsOf(kernel: Kernel): number {
  switch (kernel.kind) {
    case "matmul":
      return sizeOf(kernel.batch) * kernel.rows * kernel.columns * kernel.depth;
    case "attention":
      return 2 * kernel.batch * kernel.heads * pairsOf(kernel) * kernel.width;
    case "attentionGradient":
      // Scores anew, and gradients of weights, queries, keys and values.
      return 5 * kernel.batch * kernel.heads * pairsOf(kernel) * kernel.width;
    case "map":
    case "reduce":
    case "gather":
    case "scatterAdd":
    case "argsort":
    case "dynamicSlice":
    case "dynamicUpdate":
      return 0;
    default:
      return kernel satisfies never;
  }
}

/** A rough number of operations in a kernel, by which emitters share the work among threads. */
export function workOf(kernel: Kernel): number {
  switch (kernel.kind) {
    case "map":
      return sizeOf(kernel.domain) * kernel.steps.length;
    case "reduce":
      return sizeOf(kernel.kept) * sizeOf(kernel.reduced) * kernel.steps.length;
    case "matmul":
      return sizeOf(kernel.batch) * kernel.rows * kernel.columns *
        (kernel.depth + (kernel.epilogue?.steps.length ?? 0));
    case "attention":
    case "attentionGradient":
      return multiplicationsOf(kernel);
    case "gather":
    case "scatterAdd":
      return kernel.count * kernel.width;
    case "argsort":
      return kernel.outer * kernel.size * Math.ceil(Math.log2(kernel.size + 1));
    case "dynamicSlice":
    case "dynamicUpdate":
      return kernel.outer * kernel.size * kernel.inner;
    default:
      return kernel satisfies never;
  }
}

/** Bytes of the buffers that kernels other than products read and write. */
export function movedBytes({ buffers, kernels }: Lowered): number {
  const bytesOf = (buffer: number): number => {
    const { dtype, size } = at(buffers, buffer);
    return size * bytesPerElement[dtype];
  };
  return kernels.reduce((total, kernel) => {
    if (multiplicationsOf(kernel) > 0) return total;
    const { reads, writes } = usedBuffers(kernel);
    return [...new Set(reads), ...writes].reduce((sum, buffer) => sum + bytesOf(buffer), total);
  }, 0);
}

/**
 * Buffers from which a kernel makes a result of their size in the place of a donated operand: in a
 * step of training, the gradients of what is updated.
 */
function gradientsOf({ buffers, kernels }: Lowered, { places }: MemoryPlan): ReadonlySet<number> {
  const sizeAt = (buffer: number): number => at(buffers, buffer).size;
  const isTemporary = (buffer: number): boolean => at(buffers, buffer).role.kind === "temporary";
  const isUpdated = (buffer: number): boolean =>
    at(buffers, buffer).role.kind === "output" && places[buffer]?.kind === "operand";
  return new Set(kernels.flatMap((kernel) => {
    const { reads, writes } = usedBuffers(kernel);
    const sizes = new Set(writes.filter(isUpdated).map(sizeAt));
    return reads.filter((buffer) => isTemporary(buffer) && sizes.has(sizeAt(buffer)));
  }));
}

/** The temporary buffers that live when most memory is taken, in bytes. */
export interface Peak {
  /** Of gradients: what results are made of in the places of donated operands. */
  readonly gradientBytes: number;
  /** Of all others. */
  readonly activationBytes: number;
}

/**
 * The temporary buffers that live when most memory is taken.
 *
 * @param lowered The kernels.
 * @param plan The places of their buffers.
 * @returns Their bytes; the arena is as large, or larger by gaps between them.
 */
export function peakOf(lowered: Lowered, plan: MemoryPlan): Peak {
  const gradients = gradientsOf(lowered, plan);
  const changes = Array.from(
    { length: lowered.kernels.length + 1 },
    () => ({ gradientBytes: 0, activationBytes: 0 }),
  );
  heldSpans(lowered).forEach((span, buffer) => {
    const own = at(lowered.buffers, buffer);
    if (span === undefined || own.role.kind !== "temporary") return;
    const kind = gradients.has(buffer) ? "gradientBytes" : "activationBytes";
    const bytes = alignedBytes(own);
    at(changes, span.first)[kind] += bytes;
    at(changes, span.last + 1)[kind] -= bytes;
  });
  const now = { gradientBytes: 0, activationBytes: 0 };
  let most: Peak = { ...now };
  for (const change of changes) {
    now.gradientBytes += change.gradientBytes;
    now.activationBytes += change.activationBytes;
    const isMore = now.gradientBytes + now.activationBytes >
      most.gradientBytes + most.activationBytes;
    if (isMore) most = { ...now };
  }
  return most;
}
