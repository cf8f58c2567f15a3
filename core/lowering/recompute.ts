/**
 * Values that are computed again. A value that is read early and late in a program, such as an
 * activation that a gradient needs, takes memory all the time between. Where programs take much
 * memory at once, values of one loop whose operands are there anyway are not kept: the loop runs once
 * more before the late reader. The elements are the same ones.
 */
import { at, type Shape } from "../shape.ts";
import {
  type Kernel,
  type KernelOf,
  type Lowered,
  renumbered,
  type Step,
  type Store,
  usedBuffers,
} from "./kernels.ts";
import { lifetimes } from "./lifetimes.ts";
import { heldSpans } from "./in_place.ts";
import { alignedBytes } from "./plan.ts";

/** The sizes from which values are computed again. */
export interface RecomputeOptions {
  /** Bytes of temporary buffers that a program may take at once before any is (default 2^28). */
  readonly free?: number;
  /** The least bytes of a value that is (default 2^18). */
  readonly least?: number;
}

/** Operands that are this many times smaller than the value are kept for it. */
const SMALL = 64;

/** The most steps of a loop that runs again. */
const MOST_STEPS = 32;

/** A value that may be computed again. */
interface Candidate {
  readonly buffer: number;
  readonly bytes: number;
  /** The loop that computes it. */
  readonly loop: KernelOf<"map">;
  /** The buffers that the loop reads. */
  readonly reads: readonly number[];
  /** The positions of its kernel and of all that read it. */
  readonly users: readonly number[];
}

/** A value that is not kept between two kernels that use it. */
interface Gap extends Candidate {
  /** The last position at which it is kept, and the first at which it is needed again. */
  readonly from: number;
  readonly to: number;
}

/** A loop that does nothing but one of the stores of a body. */
function loopFor(domain: Shape, steps: readonly Step[], store: Store): KernelOf<"map"> {
  const own: Step[] = [];
  const places = new Map<number, number>();
  const take = (value: number): number => {
    const known = places.get(value);
    if (known !== undefined) return known;
    const step = at(steps, value);
    const place = own.push(
      "operands" in step ? { ...step, operands: step.operands.map(take) } : step,
    ) - 1;
    places.set(value, place);
    return place;
  };
  const value = take(store.value);
  return { kind: "map", domain, steps: own, stores: [{ ...store, value }] };
}

/** The loops that make the results of a kernel, each by itself. */
function loopsOf(kernel: Kernel): KernelOf<"map">[] {
  if (kernel.kind === "map") {
    const { domain, steps, stores } = kernel;
    return stores.map((store) => loopFor(domain, steps, store));
  }
  if (kernel.kind !== "matmul" || kernel.epilogue === undefined) return [];
  const { rows, columns, output, epilogue: { steps, stores } } = kernel;
  // A product that an epilogue replaces is there no more.
  if (stores.some(({ buffer }) => buffer === output)) return [];
  return stores.map((store) => loopFor([rows, columns], steps, store));
}

const loadsOf = (steps: readonly Step[]): number[] => [
  ...new Set(steps.flatMap((step) => step.kind === "load" ? [step.buffer] : [])),
];

function candidatesOf({ buffers, kernels }: Lowered, least: number): Candidate[] {
  const uses = kernels.map(usedBuffers);
  const readers = buffers.map((): number[] => []);
  const writers = buffers.map((): number[] => []);
  uses.forEach(({ reads, writes }, position) => {
    for (const buffer of new Set(reads)) at(readers, buffer).push(position);
    for (const buffer of writes) at(writers, buffer).push(position);
  });
  return kernels.flatMap((kernel, position) =>
    loopsOf(kernel).flatMap((loop) => {
      const { buffer } = at(loop.stores, 0);
      const plan = at(buffers, buffer);
      const bytes = alignedBytes(plan);
      const fits = plan.role.kind === "temporary" && bytes >= least &&
        loop.steps.length <= MOST_STEPS && at(writers, buffer).length === 1 &&
        at(readers, buffer).length > 0;
      const reads = loadsOf(loop.steps);
      return fits
        ? [{ buffer, bytes, loop, reads, users: [position, ...at(readers, buffer)] }]
        : [];
    })
  );
}

/**
 * A program that takes less memory at once, by computing values again: as few as bring down its
 * largest moment, until none of them is of that moment or little memory is taken.
 *
 * @param lowered The kernels in their order.
 * @param options The sizes from which values are computed again.
 * @returns The kernels, some of which run again.
 */
export function recompute(
  lowered: Lowered,
  { free = 2 ** 28, least = 2 ** 18 }: RecomputeOptions = {},
): Lowered {
  const { buffers, kernels } = lowered;
  const spans = lifetimes(lowered);
  const taken = new Array<number>(kernels.length).fill(0);
  const add = (from: number, to: number, bytes: number) => {
    for (let position = from; position <= to; position++) {
      taken[position] = at(taken, position) + bytes;
    }
  };
  heldSpans(lowered).forEach((span, buffer) => {
    const plan = at(buffers, buffer);
    if (plan.role.kind === "temporary" && span !== undefined) {
      add(span.first, span.last, alignedBytes(plan));
    }
  });
  let candidates = taken.some((bytes) => bytes > free) ? candidatesOf(lowered, least) : [];
  const gaps: Gap[] = [];
  const isThere = (buffer: number, position: number, bytes: number) => {
    const plan = at(buffers, buffer);
    return alignedBytes(plan) * SMALL <= bytes || (spans[buffer]?.last ?? -1) >= position;
  };
  for (;;) {
    const most = taken.reduce((best, bytes, i) => bytes > at(taken, best) ? i : best, 0);
    if ((taken[most] ?? 0) <= free) break;
    const around = candidates.flatMap((candidate): Gap[] => {
      const to = candidate.users.find((user) => user > most);
      const from = candidate.users.findLast((user) => user < most);
      const isKept = from === undefined || to === undefined || candidate.users.includes(most);
      return isKept || !candidate.reads.every((read) => isThere(read, to, candidate.bytes))
        ? []
        : [{ ...candidate, from, to }];
    });
    const [first, ...others] = around;
    if (first === undefined) break;
    const best = others.reduce((best, gap) => {
      const isBetter = gap.bytes > best.bytes ||
        gap.bytes === best.bytes && gap.to - gap.from > best.to - best.from;
      return isBetter ? gap : best;
    }, first);
    gaps.push(best);
    add(best.from + 1, best.to - 1, -best.bytes);
    // What is computed again has its operands, and is no operand itself.
    candidates = candidates.filter(({ buffer, reads }) =>
      buffer !== best.buffer && !best.reads.includes(buffer) && !reads.includes(best.buffer)
    );
  }
  return gaps.length === 0 ? lowered : withGaps(lowered, gaps);
}

/** The program whose values are computed again behind each gap, as buffers of their own. */
function withGaps(lowered: Lowered, gaps: readonly Gap[]): Lowered {
  const buffers = [...lowered.buffers];
  const again = gaps.map(({ buffer, loop, to }) => {
    const own = buffers.push(at(buffers, buffer)) - 1;
    const stores = loop.stores.map((store) => ({ ...store, buffer: own }));
    return { buffer, own, to, loop: { ...loop, stores } };
  });
  const kernels = lowered.kernels.flatMap((kernel, position) => {
    const behind = new Map(
      again.flatMap(({ buffer, own, to }) => position >= to ? [[buffer, own] as const] : []),
    );
    return [
      ...again.flatMap(({ to, loop }) => to === position ? [loop] : []),
      renumbered(kernel, (buffer) => behind.get(buffer) ?? buffer),
    ];
  });
  return { ...lowered, buffers, kernels };
}
