/** The memory plan: where each buffer of a program lives. */
import { bytesPerElement } from "../dtype.ts";
import { sameShape } from "../shape.ts";
import { type BufferPlan, type Kernel, type Lowered, usedBuffers } from "./kernels.ts";

/** Where a buffer lives. */
export type Place =
  /** In the storage of an operand. */
  | { readonly kind: "input"; readonly index: number }
  /** In the storage of a result, which may be a donated operand's. */
  | { readonly kind: "output"; readonly index: number; readonly donor: number | undefined }
  /** In the program's arena, at an offset in bytes. */
  | { readonly kind: "arena"; readonly offset: number };

/** The places of all buffers. */
export interface MemoryPlan {
  /** A place for each buffer. */
  readonly places: readonly Place[];
  /** Bytes of the arena. */
  readonly arenaBytes: number;
  /** Bytes of the arena's buffers if none shared storage. */
  readonly unplannedBytes: number;
}

/** Storage is handed out in units of a cache line unless a backend needs larger ones. */
const ALIGNMENT = 64;

/** Bytes rounded up to whole units of storage, at least one. */
export function alignedBytes(
  { dtype, size }: Pick<BufferPlan, "dtype" | "size">,
  alignment = ALIGNMENT,
): number {
  return Math.max(1, Math.ceil(size * bytesPerElement[dtype] / alignment)) * alignment;
}

/** The first and last kernel that touch each buffer. */
function lifetimes({ buffers, kernels }: Lowered): { first: number; last: number }[] {
  const spans = buffers.map(() => ({ first: Infinity, last: -1 }));
  kernels.forEach((kernel, position) => {
    const { reads, writes } = usedBuffers(kernel);
    for (const buffer of [...reads, ...writes]) {
      const span = spans[buffer];
      if (span === undefined) continue;
      span.first = Math.min(span.first, position);
      span.last = position;
    }
  });
  return spans;
}

/** Whether a kernel may write `output` over `input`: it reads an element before it writes there. */
function worksInPlace(kernel: Kernel, input: number, output: number): boolean {
  const { reads } = usedBuffers(kernel);
  if (!reads.includes(input)) return true;
  if (kernel.kind === "dynamicUpdate") {
    return kernel.input === input && kernel.update !== input && kernel.start !== input;
  }
  if (kernel.kind !== "map") return false;
  const store = kernel.stores.find(({ buffer }) => buffer === output);
  return store !== undefined &&
    kernel.steps.every((step) =>
      step.kind !== "load" || step.buffer !== input ||
      (step.at.offset === store.at.offset && sameShape(step.at.strides, store.at.strides))
    );
}

/** For each result, the donated operand whose storage it takes. */
function chooseDonors(
  { buffers, kernels, inputs, outputs }: Lowered,
  donated: readonly number[],
  spans: readonly { first: number; last: number }[],
): Map<number, number> {
  const donors = new Map<number, number>();
  const free = new Set(donated);
  outputs.forEach((output, index) => {
    const span = spans[output];
    const plan = buffers[output];
    const kernel = kernels[span?.first ?? -1];
    if (span === undefined || plan === undefined || kernel === undefined) return;
    // A result that several kernels write must not take storage that is still to be read.
    const donor = [...free].find((candidate) => {
      const input = inputs[candidate] ?? -1;
      const operand = buffers[input];
      return operand?.dtype === plan.dtype && operand.size === plan.size &&
        (spans[input]?.last ?? -1) <= span.first && worksInPlace(kernel, input, output);
    });
    if (donor === undefined) return;
    free.delete(donor);
    donors.set(index, donor);
  });
  return donors;
}

/** Offsets for buffers such that no two that live at the same time overlap; large ones first. */
function packArena(
  items: readonly { buffer: number; bytes: number; first: number; last: number }[],
): { offsets: Map<number, number>; bytes: number } {
  const placed: { start: number; end: number; first: number; last: number }[] = [];
  const offsets = new Map<number, number>();
  let bytes = 0;
  for (const item of items.toSorted((a, b) => b.bytes - a.bytes)) {
    const busy = placed
      .filter(({ first, last }) => first <= item.last && item.first <= last)
      .toSorted((a, b) => a.start - b.start);
    let start = 0;
    for (const other of busy) {
      if (other.start - start >= item.bytes) break;
      start = Math.max(start, other.end);
    }
    placed.push({ start, end: start + item.bytes, first: item.first, last: item.last });
    offsets.set(item.buffer, start);
    bytes = Math.max(bytes, start + item.bytes);
  }
  return { offsets, bytes };
}

/**
 * Places for a program's buffers; `donated` are indices of inputs whose storage may be reused,
 * offsets are multiples of `alignment`.
 */
export function planMemory(
  lowered: Lowered,
  donated: readonly number[],
  alignment = ALIGNMENT,
): MemoryPlan {
  const spans = lifetimes(lowered);
  const donors = chooseDonors(lowered, donated, spans);
  const temporaries = lowered.buffers.flatMap((plan, buffer) => {
    const span = spans[buffer];
    return plan.role.kind === "temporary" && span !== undefined && span.last >= 0
      ? [{ buffer, bytes: alignedBytes(plan, alignment), ...span }]
      : [];
  });
  const { offsets, bytes } = packArena(temporaries);
  return {
    places: lowered.buffers.map(({ role }, buffer): Place => {
      if (role.kind === "temporary") return { kind: "arena", offset: offsets.get(buffer) ?? 0 };
      return role.kind === "output" ? { ...role, donor: donors.get(role.index) } : role;
    }),
    arenaBytes: bytes,
    unplannedBytes: temporaries.reduce((total, { bytes }) => total + bytes, 0),
  };
}
