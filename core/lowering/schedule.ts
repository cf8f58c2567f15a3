/**
 * The order of kernels. In a graph's own order the kernels of the last results, above all the
 * gradients of weights, stand at the end, so that their operands are kept until then. Here a kernel
 * comes as soon as it can if it frees as much memory as it takes, or takes little beside the
 * operands just worked on. So less memory is held, and more of it is still in the cache.
 */
import { bytesPerElement } from "../dtype.ts";
import { at } from "../shape.ts";
import { type BufferPlan, type Kernel, usedBuffers } from "./kernels.ts";

/** A kernel whose result is this many times smaller than its operands needs hardly any memory. */
const SMALL = 8;

/**
 * A kernel takes about as much memory as it frees up to this many times as much: the gradient of a
 * weight comes from a little less where rows are a little fewer than the weight has.
 */
const ABOUT = 5 / 4;

/** Bytes of a few numbers, which are no reason to wait. */
const TINY_BYTES = 32;

/** The kernels in an order in which each comes after those whose results it reads. */
export function scheduleKernels(
  kernels: readonly Kernel[],
  buffers: readonly BufferPlan[],
): Kernel[] {
  const uses = kernels.map((kernel) => {
    const { reads, writes } = usedBuffers(kernel);
    return { reads: [...new Set(reads)], writes: [...new Set(writes)] };
  });
  const readers = buffers.map((): number[] => []);
  const pendingReaders = buffers.map(() => 0);
  const pendingWriters = buffers.map(() => 0);
  uses.forEach(({ reads, writes }, position) => {
    for (const buffer of reads) {
      at(readers, buffer).push(position);
      pendingReaders[buffer] = at(pendingReaders, buffer) + 1;
    }
    for (const buffer of writes) pendingWriters[buffer] = at(pendingWriters, buffer) + 1;
  });
  const bytesOf = (buffer: number) => {
    const { dtype, size } = at(buffers, buffer);
    return size * bytesPerElement[dtype];
  };
  const total = (some: readonly number[]) => some.reduce((sum, buffer) => sum + bytesOf(buffer), 0);
  const isTemporary = (buffer: number) => at(buffers, buffer).role.kind === "temporary";

  const isReady = (position: number) =>
    at(uses, position).reads.every((buffer) => pendingWriters[buffer] === 0);
  const isTiny = (position: number) => total(at(uses, position).writes) <= TINY_BYTES;
  /** Whether no other kernel still reads an operand whose storage a result may take over. */
  const isLastReader = (position: number) => {
    const { reads, writes } = at(uses, position);
    const sizes = new Set(
      writes.filter((buffer) => at(buffers, buffer).role.kind === "output").map(bytesOf),
    );
    return reads.every((buffer) =>
      at(buffers, buffer).role.kind !== "input" || !sizes.has(bytesOf(buffer)) ||
      pendingReaders[buffer] === 1
    );
  };
  const isWorthwhile = (position: number) => {
    const { reads, writes } = at(uses, position);
    const taken = total(writes.filter(isTemporary));
    const between = reads.filter(isTemporary);
    const freed = total(between.filter((buffer) => pendingReaders[buffer] === 1));
    return taken <= ABOUT * freed || SMALL * taken <= total(between);
  };

  const order: Kernel[] = [];
  const isDone = kernels.map(() => false);
  const run = (position: number): number[] => {
    const { reads, writes } = at(uses, position);
    isDone[position] = true;
    order.push(at(kernels, position));
    for (const buffer of reads) pendingReaders[buffer] = at(pendingReaders, buffer) - 1;
    for (const buffer of writes) pendingWriters[buffer] = at(pendingWriters, buffer) - 1;
    return [...reads, ...writes].flatMap((buffer) => at(readers, buffer));
  };
  const runWith = (position: number, isWanted: (candidate: number) => boolean): void => {
    const candidates = new Set(run(position));
    // Iterating over a set includes elements that are added on the way.
    for (const candidate of candidates) {
      candidates.delete(candidate);
      if (isDone[candidate] || !isReady(candidate) || !isWanted(candidate)) continue;
      for (const next of run(candidate)) candidates.add(next);
    }
  };
  // What is tiny and waits for nothing comes first, so that nothing large waits for it: the factors
  // of an optimizer's step, for which every gradient would be kept.
  for (const position of kernels.keys()) {
    if (!isDone[position] && isReady(position) && isTiny(position)) runWith(position, isTiny);
  }
  for (const position of kernels.keys()) {
    if (isDone[position]) continue;
    runWith(position, (candidate) => isWorthwhile(candidate) && isLastReader(candidate));
  }
  return order;
}
