/** The memory plan: where each buffer of a program lives. */
import { bytesPerElement } from "../dtype.ts";
import { at } from "../shape.ts";
import type { BufferPlan, Lowered } from "./kernels.ts";
import { takenOver, worksInPlace } from "./in_place.ts";
import { lifetimes, type Span } from "./lifetimes.ts";
import { placeInPages } from "./pages.ts";

/** The place of a buffer. */
export type Place =
  /** In the storage of an operand, which a result may have taken over. */
  | { readonly kind: "operand"; readonly index: number }
  /** In storage that is allocated for each run; `index` counts the results that have some. */
  | { readonly kind: "allocated"; readonly index: number }
  /** In the program's own memory, at an offset in bytes. */
  | { readonly kind: "own"; readonly offset: number };

/** A result that stands in the program's own memory after a run. */
export interface SmallResult extends Pick<BufferPlan, "dtype" | "size"> {
  /** Its beginning, in bytes. */
  readonly offset: number;
}

/** The places of all buffers. */
export interface MemoryPlan {
  /** A place for each buffer; undefined where no kernel touches it. */
  readonly places: readonly (Place | undefined)[];
  /** Bytes of the arena, in which temporary buffers live: the program's own memory begins with it. */
  readonly arenaBytes: number;
  /** Bytes of the arena's buffers if none shared storage. */
  readonly unplannedBytes: number;
  /** Bytes of the program's own memory: the arena, then the small results. */
  readonly ownBytes: number;
  /** The small results, in the order of all results; the host copies them out after each run. */
  readonly small: readonly SmallResult[];
  /** Bytes that are allocated for the results of each run. */
  readonly allocatedBytes: number;
}

/** Storage is handed out in units of a cache line unless a backend needs larger ones. */
const ALIGNMENT = 64;

/** Results up to this size, and up to a page, are copied out of the program's memory after each run. */
const SMALL_BYTES = 4096;

/**
 * The bytes of a buffer, rounded up to whole units of storage, at least one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alignedBytes } from "@unitune/core/backend";
 *
 * assertEquals(alignedBytes({ dtype: "f32", size: 17 }), 128);
 * assertEquals(alignedBytes({ dtype: "f32", size: 17 }, 256), 256);
 * ```
 *
 * @param buffer Its element type and its number of elements.
 * @param alignment Bytes of a unit (default 64, a cache line).
 * @returns The bytes.
 */
export function alignedBytes(
  { dtype, size }: Pick<BufferPlan, "dtype" | "size">,
  alignment = ALIGNMENT,
): number {
  return Math.max(1, Math.ceil(size * bytesPerElement[dtype] / alignment)) * alignment;
}

/** For each result by its buffer, the donated operand whose storage it takes. */
function chooseDonors(
  { buffers, kernels, inputs, outputs }: Lowered,
  donated: readonly number[],
  spans: readonly (Span | undefined)[],
): Map<number, number> {
  const donors = new Map<number, number>();
  const free = new Set(donated);
  for (const output of outputs) {
    const [{ dtype, size }, span] = [at(buffers, output), spans[output]];
    if (span === undefined) continue;
    // A result that several kernels write must not take storage that is still to be read.
    const donor = [...free].find((candidate) => {
      const input = at(inputs, candidate);
      const operand = at(buffers, input);
      const last = spans[input]?.last;
      return operand.dtype === dtype && operand.size === size &&
        (last === undefined || last <= span.first) &&
        worksInPlace(at(kernels, span.first), input, output);
    });
    if (donor === undefined) continue;
    free.delete(donor);
    donors.set(output, donor);
  }
  return donors;
}

/** Temporary buffers of one size that live one after the other in one place. */
interface Tenancy extends Span {
  readonly buffers: readonly number[];
  /** Bytes of each. */
  readonly bytes: number;
}

/** The temporary buffers by the places that they need. */
function tenanciesOf(
  lowered: Lowered,
  spans: readonly (Span | undefined)[],
  alignment: number,
): Tenancy[] {
  const taken = takenOver(lowered, spans);
  const firstOf = (buffer: number): number => {
    const before = taken.get(buffer);
    return before === undefined ? buffer : firstOf(before);
  };
  const tenancies = new Map<number, Tenancy>();
  lowered.buffers.forEach((plan, buffer) => {
    const span = spans[buffer];
    if (plan.role.kind !== "temporary" || span === undefined) return;
    const first = firstOf(buffer);
    const own = tenancies.get(first);
    tenancies.set(first, {
      buffers: [...own?.buffers ?? [], buffer],
      bytes: alignedBytes(plan, alignment),
      first: Math.min(span.first, own?.first ?? span.first),
      last: Math.max(span.last, own?.last ?? span.last),
    });
  });
  return [...tenancies.values()];
}

/**
 * Offsets for buffers such that no two that live at the same time overlap, and none lies in more
 * pages than it must. Large ones come first, and of one size those that live long, which leave fewer
 * gaps between those that come after them.
 */
function packArena(
  items: readonly Tenancy[],
  pageBytes: number,
): { offsets: Map<number, number>; bytes: number } {
  const placed: { start: number; end: number; first: number; last: number }[] = [];
  const offsets = new Map<number, number>();
  let bytes = 0;
  const life = ({ first, last }: { first: number; last: number }) => last - first;
  for (const item of items.toSorted((a, b) => b.bytes - a.bytes || life(b) - life(a))) {
    const busy = placed
      .filter(({ first, last }) => first <= item.last && item.first <= last)
      .toSorted((a, b) => a.start - b.start);
    let start = 0;
    for (const other of busy) {
      if (other.start - start >= item.bytes) break;
      start = placeInPages(Math.max(start, other.end), item.bytes, pageBytes);
    }
    placed.push({ start, end: start + item.bytes, first: item.first, last: item.last });
    for (const buffer of item.buffers) offsets.set(buffer, start);
    bytes = Math.max(bytes, start + item.bytes);
  }
  return { offsets, bytes };
}

/**
 * Places for a program's buffers. A result takes the storage of a donated operand where one fits;
 * else it stays in the program's own memory where it is small, for the host to copy out, and has
 * storage of its own where it is not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, neg, zeros } from "@unitune/core";
 * import { lower, planMemory } from "@unitune/core/backend";
 *
 * const lowered = lower(graphOf(neg, [zeros([2000])]));
 * const kindsOf = (donated: number[]) => planMemory(lowered, donated).places.map((x) => x?.kind);
 * assertEquals(kindsOf([]), ["operand", "allocated"]);
 * // The donated operand is written over.
 * assertEquals(kindsOf([0]), ["operand", "operand"]);
 * ```
 *
 * @param lowered The kernels and their buffers.
 * @param donated Indices of the operands whose storage results may take over.
 * @param alignment Offsets are multiples of this many bytes (default 64).
 * @param pageBytes The program's own memory comes in pages of this many bytes, a multiple of the
 * alignment (default: it is one page): no buffer lies in two of them, except that one larger than a
 * page begins with a page.
 * @returns A place for each buffer, and the sizes of the program's own memory.
 */
export function planMemory(
  lowered: Lowered,
  donated: readonly number[],
  alignment: number = ALIGNMENT,
  pageBytes: number = Infinity,
): MemoryPlan {
  const spans = lifetimes(lowered);
  const donors = chooseDonors(lowered, donated, spans);
  const tenancies = tenanciesOf(lowered, spans, alignment);
  const { offsets, bytes: arenaBytes } = packArena(tenancies, pageBytes);
  const small: SmallResult[] = [];
  let [ownBytes, allocated, allocatedBytes] = [arenaBytes, 0, 0];
  const placeResult = (buffer: number): Place => {
    const donor = donors.get(buffer);
    if (donor !== undefined) return { kind: "operand", index: donor };
    const { dtype, size } = at(lowered.buffers, buffer);
    const bytes = alignedBytes({ dtype, size }, alignment);
    if (size * bytesPerElement[dtype] > Math.min(SMALL_BYTES, pageBytes)) {
      allocatedBytes += bytes;
      return { kind: "allocated", index: allocated++ };
    }
    const offset = placeInPages(ownBytes, bytes, pageBytes);
    ownBytes = offset + bytes;
    small.push({ dtype, size, offset });
    return { kind: "own", offset };
  };
  const results = new Map(lowered.outputs.map((buffer) => [buffer, placeResult(buffer)]));
  const places = lowered.buffers.map(({ role }, buffer): Place | undefined => {
    if (role.kind === "input") return { kind: "operand", index: role.index };
    if (role.kind === "output") return results.get(buffer);
    const offset = offsets.get(buffer);
    return offset === undefined ? undefined : { kind: "own", offset };
  });
  const unplannedBytes = tenancies.reduce(
    (total, { buffers, bytes }) => total + buffers.length * bytes,
    0,
  );
  return { places, arenaBytes, unplannedBytes, ownBytes, small, allocatedBytes };
}
