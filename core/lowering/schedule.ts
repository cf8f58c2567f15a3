/**
 * The order of kernels. A graph's own order has all that the last results need at its end, the
 * gradients of weights above all, and so keeps what they read until then. Here a kernel comes as
 * soon as it can where it sets free what it takes, or takes little of what was just worked on: less
 * memory is held, and more of it is still in the cache.
 */
import { bytesPerElement } from "../dtype.ts";
import { at } from "../shape.ts";
import { type BufferPlan, type Kernel, usedBuffers } from "./kernels.ts";

/** A kernel whose result is so many times smaller than what it reads needs hardly any memory. */
const SMALL = 8;

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
  const isWorthwhile = (position: number) => {
    const { reads, writes } = at(uses, position);
    const taken = total(writes.filter(isTemporary));
    const freed = total(
      reads.filter((buffer) => isTemporary(buffer) && pendingReaders[buffer] === 1),
    );
    return taken <= freed || SMALL * taken <= total(reads);
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
  for (const position of kernels.keys()) {
    if (isDone[position]) continue;
    const candidates = new Set(run(position));
    // A set goes on over what is added on the way.
    for (const candidate of candidates) {
      candidates.delete(candidate);
      if (isDone[candidate] || !isReady(candidate) || !isWorthwhile(candidate)) continue;
      for (const next of run(candidate)) candidates.add(next);
    }
  }
  return order;
}
