/**
 * The order of kernels. A graph's own order has all that the last results need at its end, the
 * gradients of weights above all, and so keeps what they read until then. Here a kernel comes as
 * soon as it can where it sets free what it takes, or takes little of what was just worked on: less
 * memory is held, and more of it is still in the cache.
 */
import { bytesPerElement } from "../dtype.ts";
import { type BufferPlan, type Kernel, usedBuffers } from "./kernels.ts";

/** A kernel whose result is so many times smaller than what it reads needs hardly any memory. */
const SMALL = 8;

/** The kernels in an order in which each comes after those whose results it reads. */
export function schedule(
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
      readers[buffer]?.push(position);
      pendingReaders[buffer] = (pendingReaders[buffer] ?? 0) + 1;
    }
    for (const buffer of writes) pendingWriters[buffer] = (pendingWriters[buffer] ?? 0) + 1;
  });
  const bytesOf = (buffer: number) => {
    const { dtype = "f32", size = 0 } = buffers[buffer] ?? {};
    return size * bytesPerElement[dtype];
  };
  const total = (some: readonly number[]) => some.reduce((sum, buffer) => sum + bytesOf(buffer), 0);
  const isTemporary = (buffer: number) => buffers[buffer]?.role.kind === "temporary";

  const isReady = (position: number) =>
    uses[position]?.reads.every((buffer) => pendingWriters[buffer] === 0) === true;
  const isWorthwhile = (position: number) => {
    const { reads = [], writes = [] } = uses[position] ?? {};
    const taken = total(writes.filter(isTemporary));
    const freed = total(
      reads.filter((buffer) => isTemporary(buffer) && pendingReaders[buffer] === 1),
    );
    return taken <= freed || SMALL * taken <= total(reads);
  };

  const order: Kernel[] = [];
  const isDone = kernels.map(() => false);
  const run = (position: number, kernel: Kernel): number[] => {
    const { reads = [], writes = [] } = uses[position] ?? {};
    isDone[position] = true;
    order.push(kernel);
    for (const buffer of reads) pendingReaders[buffer] = (pendingReaders[buffer] ?? 0) - 1;
    for (const buffer of writes) pendingWriters[buffer] = (pendingWriters[buffer] ?? 0) - 1;
    return [...reads, ...writes].flatMap((buffer) => readers[buffer] ?? []);
  };
  kernels.forEach((kernel, position) => {
    if (isDone[position]) return;
    const candidates = new Set(run(position, kernel));
    // A set goes on over what is added on the way.
    for (const candidate of candidates) {
      candidates.delete(candidate);
      const other = kernels[candidate];
      if (other === undefined || isDone[candidate]) continue;
      if (!isReady(candidate) || !isWorthwhile(candidate)) continue;
      for (const next of run(candidate, other)) candidates.add(next);
    }
  });
  return order;
}
