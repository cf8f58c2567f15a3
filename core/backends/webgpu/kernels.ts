/** Kernels as dispatches: one emitter a kind. */
import { cutAtPieces, type Extent, extentsOf, halved } from "../../lowering/cut.ts";
import { type Kernel, type KernelOf, usedBuffers } from "../../lowering/kernels.ts";
import { groupBy } from "../../groups.ts";
import { sizeOf } from "../../shape.ts";
import { attention, attentionGradient } from "./attention.ts";
import type { Dispatch, DispatchEmitter, KernelContext } from "./dispatch.ts";
import { map } from "./map.ts";
import { matmul } from "./matmul.ts";
import { argsort } from "./order.ts";
import { inPiece } from "./pieces.ts";
import { productInBlocks } from "./product_blocks.ts";
import { reduce } from "./reduce.ts";
import { gather, scatterAdd } from "./rows.ts";
import { dynamicSlice, dynamicUpdate } from "./windows.ts";

const emitters: { readonly [K in Kernel["kind"]]: DispatchEmitter<K> } = {
  map,
  reduce,
  matmul,
  attention,
  attentionGradient,
  gather,
  scatterAdd,
  argsort,
  dynamicSlice,
  dynamicUpdate,
};

function emit<K extends Kernel["kind"]>(
  kind: K,
  kernel: KernelOf<K>,
  context: KernelContext,
): Dispatch[] {
  const emitter: DispatchEmitter<K> = emitters[kind];
  return emitter(kernel, context);
}

/** The elements of a buffer's storage that a kernel touches, where they are known. */
function touchedBy(
  kernel: Kernel,
  { storageOf }: KernelContext,
): (buffer: number) => readonly Extent[] | undefined {
  const extents = groupBy(extentsOf(kernel), ([buffer]) => storageOf(buffer));
  return (buffer) => extents.get(storageOf(buffer))?.flatMap(([_, ofBuffer]) => ofBuffer);
}

/**
 * A kernel as dispatches. Each binds the pieces of storage that the kernel touches; where they are
 * too many, the kernel is cut into parts that touch fewer, and taken apart where it cannot be cut.
 */
export function emitKernel(kernel: Kernel, context: KernelContext): Dispatch[] {
  const giveBack = context.holdScratch();
  const dispatches = emitWithin(kernel, context);
  giveBack();
  return dispatches;
}

function emitWithin(kernel: Kernel, context: KernelContext): Dispatch[] {
  const touched = touchedBy(kernel, context);
  const giveBack = context.holdScratch();
  const dispatches = emit(kernel.kind, kernel, { ...context, touched });
  if (dispatches.every(({ bindings }) => bindings.length <= context.bindings)) return dispatches;
  giveBack();
  const { whole = kernel } = context;
  const { reads, writes } = usedBuffers(kernel);
  const used = new Set([...reads, ...writes]);
  const isScratchInPieces = dispatches.some(({ bindings }) =>
    bindings.some(({ buffer, piece }) => buffer !== undefined && !used.has(buffer) && piece > 0)
  );
  const hasMatrices = kernel.kind === "matmul" && sizeOf(kernel.batch) > 1;
  const parts = cutAtPieces(kernel, (buffer) => inPiece(context, buffer)) ??
    (isScratchInPieces || hasMatrices ? halved(kernel) : undefined);
  if (parts !== undefined) return parts.flatMap((part) => emitKernel(part, { ...context, whole }));
  if (context.isApart) return dispatches;
  const apart = { ...context, whole, isApart: true };
  if (kernel.kind !== "matmul") return emitKernel(kernel, apart);
  const blocks = productInBlocks(kernel, context);
  return blocks?.flatMap((block) => emitKernel(block, apart)) ?? dispatches;
}
