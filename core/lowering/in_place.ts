/** Kernels that write where they read. */
import { at, sameShape } from "../shape.ts";
import { type Kernel, type Lowered, usedBuffers } from "./kernels.ts";
import { lifetimes, type Span } from "./lifetimes.ts";

/** Whether a kernel may write `output` over `input`: it reads an element before it writes there. */
export function worksInPlace(kernel: Kernel, input: number, output: number): boolean {
  const { reads } = usedBuffers(kernel);
  if (!reads.includes(input)) return true;
  if (kernel.kind === "dynamicUpdate") {
    return kernel.input === input && kernel.update !== input && kernel.start !== input;
  }
  if (kernel.kind === "scatterAdd") {
    return kernel.table === input && kernel.ids !== input && kernel.updates !== input;
  }
  if (kernel.kind !== "map") return false;
  const store = kernel.stores.find(({ buffer }) => buffer === output);
  return store !== undefined &&
    kernel.steps.every((step) =>
      step.kind !== "load" || step.buffer !== input ||
      (step.at.offset === store.at.offset && sameShape(step.at.strides, store.at.strides))
    );
}

/**
 * The temporary buffers that a kernel writes over others, which it is the last to read: for each, the
 * other.
 *
 * @param lowered The kernels and their buffers.
 * @param spans When buffers are needed.
 * @returns The buffers that are written over, by those that take their place.
 */
export function takenOver(
  { buffers, kernels }: Lowered,
  spans: readonly (Span | undefined)[],
): ReadonlyMap<number, number> {
  const taken = new Map<number, number>();
  const isTemporary = (buffer: number) => at(buffers, buffer).role.kind === "temporary";
  kernels.forEach((kernel, position) => {
    const { reads, writes } = usedBuffers(kernel);
    const ending = new Set(
      reads.filter((buffer) => isTemporary(buffer) && spans[buffer]?.last === position),
    );
    for (const output of writes) {
      if (!isTemporary(output) || spans[output]?.first !== position) continue;
      const { dtype, size } = at(buffers, output);
      const input = [...ending].find((buffer) => {
        const own = at(buffers, buffer);
        return buffer !== output && own.dtype === dtype && own.size === size &&
          worksInPlace(kernel, buffer, output);
      });
      if (input === undefined) continue;
      ending.delete(input);
      taken.set(output, input);
    }
  });
  return taken;
}

/**
 * The kernels between which each buffer takes memory: as long as it is needed, but for the last kernel
 * where that writes another one in its place.
 *
 * @param lowered The kernels and their buffers.
 * @returns The kernels by buffer; undefined where none touches it.
 */
export function heldSpans(lowered: Lowered): (Span | undefined)[] {
  const spans = lifetimes(lowered);
  const overwritten = new Set(takenOver(lowered, spans).values());
  return spans.map((span, buffer) =>
    span !== undefined && overwritten.has(buffer) ? { ...span, last: span.last - 1 } : span
  );
}
