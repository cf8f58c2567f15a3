/**
 * Kernels in parts: which elements of its buffers a kernel touches, and the same kernel over fewer
 * rounds of a loop.
 */
import { groupBy } from "../groups.ts";
import { at, type Shape, sizeOf, stridesOf } from "../shape.ts";
import type { Affine } from "./affine.ts";
import type { AttentionSizes, HeadVectors, Kernel, KernelOf, MatrixView, Step } from "./kernels.ts";

/** The kernels that can be cut. */
type Divisible = KernelOf<"map" | "reduce" | "matmul" | "attention" | "attentionGradient">;

/** An access of a kernel to a buffer: positions over the kernel's loops. */
interface Access {
  readonly buffer: number;
  readonly at: Affine;
}

/** The loops of a kernel, and its accesses in them. */
interface Accesses {
  readonly loops: Shape;
  readonly all: readonly Access[];
}

/** Elements of a buffer: the first and the last. */
export interface Extent {
  readonly first: number;
  readonly last: number;
}

function loadsOf(steps: readonly Step[]): Access[] {
  return steps.flatMap((step) => step.kind === "load" ? [step] : []);
}

/** Accesses over more loops, of which the given ones are those from `first` on. */
function among(accesses: readonly Access[], first: number, loops: number): Access[] {
  const zeros = (count: number) => Array.from({ length: count }, () => 0);
  return accesses.map(({ buffer, at: { offset, strides } }) => ({
    buffer,
    at: {
      offset,
      strides: [...zeros(first), ...strides, ...zeros(loops - first - strides.length)],
    },
  }));
}

/** The accesses of a kernel: their positions are known. */
function accessesOf(kernel: Divisible): Accesses {
  switch (kernel.kind) {
    case "map":
      return { loops: kernel.domain, all: [...loadsOf(kernel.steps), ...kernel.stores] };
    case "reduce": {
      const { kept, reduced, steps, output, outputStart } = kernel;
      const loops = [...kept, ...reduced];
      const results = { buffer: output, at: { offset: outputStart, strides: stridesOf(kept) } };
      return { loops, all: [...loadsOf(steps), ...among([results], 0, loops.length)] };
    }
    case "matmul": {
      const { batch, rows, columns, depth, a, b, output, outputStart, epilogue } = kernel;
      const loops = [...batch, rows, columns, depth];
      const view = ({ buffer, offset }: MatrixView, strides: readonly number[]): Access => ({
        buffer,
        at: { offset, strides },
      });
      const strides = stridesOf([...batch, rows, columns]);
      return {
        loops,
        all: [
          view(a, [...a.batch, a.row, 0, a.column]),
          view(b, [...b.batch, 0, b.column, b.row]),
          { buffer: output, at: { offset: outputStart, strides: [...strides, 0] } },
          ...among(
            [...loadsOf(epilogue?.steps ?? []), ...epilogue?.stores ?? []],
            batch.length,
            loops.length,
          ),
        ],
      };
    }
    case "attention": {
      const { q, k, v, y } = kernel;
      return attentionOf(kernel, { queries: [q, y], keys: [k, v] });
    }
    case "attentionGradient": {
      const { q, k, v, g, dq, dk, dv } = kernel;
      return attentionOf(kernel, { queries: [q, g, dq], keys: [k, v, dk, dv] });
    }
    default:
      return kernel satisfies never;
  }
}

/** The accesses of attention in loops over sequences, queries, heads, keys, heads of keys, width. */
function attentionOf(
  { batch, queries, heads, keys, keyHeads, width, start, segments, firstSequence = 0 }:
    AttentionSizes,
  vectors: {
    readonly queries: readonly HeadVectors[];
    readonly keys: readonly HeadVectors[];
  },
): Accesses {
  const integers = (buffer: number, strides: readonly [number, number, number, number]) => {
    const [sequence] = strides;
    const offset = firstSequence * sequence;
    return { buffer, at: { offset, strides: [...strides, 0, 0] } };
  };
  return {
    loops: [batch, queries, heads, keys, keyHeads, width],
    all: [
      ...vectors.queries.map(({ buffer, offset, sequence, position, head }) => ({
        buffer,
        at: { offset, strides: [sequence, position, head, 0, 0, 1] },
      })),
      ...vectors.keys.map(({ buffer, offset, sequence, position, head }) => ({
        buffer,
        at: { offset, strides: [sequence, 0, 0, position, head, 1] },
      })),
      ...start.kind === "given" ? [integers(start.buffer, [1, 0, 0, 0])] : [],
      ...segments === undefined ? [] : [
        integers(segments.queries, [queries, 1, 0, 0]),
        integers(segments.keys, [keys, 0, 0, 1]),
      ],
    ],
  };
}

/** The elements at an affine position in loops, from the first to the last. */
export function extentOf({ offset, strides }: Affine, loops: Shape): Extent {
  let [first, last] = [offset, offset];
  strides.forEach((stride, loop) => {
    const far = stride * (at(loops, loop) - 1);
    if (far < 0) first += far;
    else last += far;
  });
  return { first, last };
}

/**
 * The elements of each buffer that a kernel touches, as far as it can be cut: the first and the last
 * of each of its accesses.
 */
export function extentsOf(kernel: Kernel): ReadonlyMap<number, readonly Extent[]> {
  if (!isDivisible(kernel)) return new Map();
  const { loops, all } = accessesOf(kernel);
  if (sizeOf(loops) === 0) return new Map();
  return new Map(
    [...groupBy(all, ({ buffer }) => buffer)].map(([buffer, accesses]) =>
      [buffer, accesses.map((access) => extentOf(access.at, loops))] as const
    ),
  );
}

/** A number of rounds of a loop of a kernel. */
interface Rounds {
  readonly loop: number;
  readonly begin: number;
  readonly count: number;
}

/** A place over some rounds of a loop, which count from 0 on. */
function moved<P extends { readonly at: Affine }>(place: P, { loop, begin }: Rounds): P {
  const { offset, strides } = place.at;
  return { ...place, at: { offset: offset + begin * at(strides, loop), strides } };
}

function movedIn(steps: readonly Step[], rounds: Rounds): Step[] {
  return steps.map((step) => "at" in step ? moved(step, rounds) : step);
}

/** The kernel over some rounds of one of its loops. */
function over(kernel: Divisible, rounds: Rounds): Kernel {
  const { loop, begin, count } = rounds;
  const fromSequence = (vectors: HeadVectors): HeadVectors => ({
    ...vectors,
    offset: vectors.offset + begin * vectors.sequence,
  });
  switch (kernel.kind) {
    case "map":
      return {
        ...kernel,
        domain: kernel.domain.with(loop, count),
        steps: movedIn(kernel.steps, rounds),
        stores: kernel.stores.map((store) => moved(store, rounds)),
      };
    case "reduce":
      return {
        ...kernel,
        kept: kernel.kept.with(loop, count),
        steps: movedIn(kernel.steps, rounds),
        outputStart: kernel.outputStart + begin * at(stridesOf(kernel.kept), loop),
      };
    case "matmul": {
      const { batch, rows, columns, a, b, outputStart, epilogue } = kernel;
      const isRow = loop === batch.length;
      const from = (view: MatrixView, step: number) => ({
        ...view,
        offset: view.offset + begin * step,
      });
      const ofRow = { loop: 0, begin, count };
      return {
        ...kernel,
        batch: isRow ? batch : batch.with(loop, count),
        rows: isRow ? count : rows,
        a: from(a, isRow ? a.row : at(a.batch, loop)),
        b: from(b, isRow ? 0 : at(b.batch, loop)),
        outputStart: outputStart + begin * at(stridesOf([...batch, rows, columns]), loop),
        ...(epilogue && {
          epilogue: {
            steps: movedIn(epilogue.steps, ofRow),
            stores: epilogue.stores.map((store) => moved(store, ofRow)),
          },
        }),
      };
    }
    case "attention":
      return {
        ...kernel,
        batch: count,
        firstSequence: begin + (kernel.firstSequence ?? 0),
        q: fromSequence(kernel.q),
        k: fromSequence(kernel.k),
        v: fromSequence(kernel.v),
        y: fromSequence(kernel.y),
      };
    case "attentionGradient":
      return {
        ...kernel,
        batch: count,
        firstSequence: begin + (kernel.firstSequence ?? 0),
        q: fromSequence(kernel.q),
        k: fromSequence(kernel.k),
        v: fromSequence(kernel.v),
        g: fromSequence(kernel.g),
        dq: fromSequence(kernel.dq),
        dk: fromSequence(kernel.dk),
        dv: fromSequence(kernel.dv),
      };
    default:
      return kernel satisfies never;
  }
}

/**
 * The loops that a kernel can be cut at. The results of a reduction or product lie one after the
 * other, and so do those of some rounds of its outermost loop.
 */
function loopsToCut(kernel: Divisible): number[] {
  const isCut = (sizes: Shape) => [...sizes.keys()].filter((loop) => at(sizes, loop) > 1);
  switch (kernel.kind) {
    case "map":
      return isCut(kernel.domain);
    case "reduce":
      return isCut(kernel.kept).slice(0, 1);
    case "matmul":
      return isCut([...kernel.batch, kernel.rows]).slice(0, 1);
    case "attention":
    case "attentionGradient":
      return isCut([kernel.batch]);
    default:
      return kernel satisfies never;
  }
}

/** Whether kernels of a kind can be cut; elements decide on what the others touch. */
const divisible: { readonly [K in Kernel["kind"]]: K extends Divisible["kind"] ? true : false } = {
  map: true,
  reduce: true,
  matmul: true,
  attention: true,
  attentionGradient: true,
  gather: false,
  scatterAdd: false,
  argsort: false,
  dynamicSlice: false,
  dynamicUpdate: false,
};

function isDivisible(kernel: Kernel): kernel is Divisible {
  return divisible[kernel.kind];
}

/**
 * A kernel as two, of which one runs after the other: cut at the round of a loop at which an access
 * comes to the next piece of its buffer. Undefined if there is no such round. The terms of sums
 * are the same, in the same order.
 *
 * @param kernel The kernel.
 * @param inPiece Elements of a piece of a buffer.
 */
export function cutAtPieces(
  kernel: Kernel,
  inPiece: (buffer: number) => number,
): readonly [Kernel, Kernel] | undefined {
  if (!isDivisible(kernel)) return undefined;
  const { loops, all } = accessesOf(kernel);
  const candidates = loopsToCut(kernel);
  for (const { buffer, at: place } of all) {
    const size = inPiece(buffer);
    const { first, last } = extentOf(place, loops);
    const pieces = (from: number, to: number) => Math.floor(to / size) - Math.floor(from / size);
    if (pieces(first, last) === 0) continue;
    const span = (loop: number) => at(place.strides, loop) * (at(loops, loop) - 1);
    // The loop that goes farthest: the others come to the same pieces again in each of its rounds.
    const [loop] = candidates.toSorted((a, b) => span(b) - span(a));
    if (loop === undefined || span(loop) <= 0) continue;
    const stride = at(place.strides, loop);
    const next = (Math.floor(first / size) + 1) * size;
    // The last element of the first round, and the first round with nothing before the next piece.
    const end = last - span(loop);
    const round = Math.max(1, Math.floor((next - 1 - end) / stride) + 1);
    const isLess = pieces(first, end + stride * (round - 1)) < pieces(first, last) ||
      pieces(first + stride * round, last) < pieces(first, last);
    if (isLess) return cutAt(kernel, loop, round, at(loops, loop));
  }
  return undefined;
}

/** A kernel as two with about as many rounds of the first loop that can be cut, if one can. */
export function halved(kernel: Kernel): readonly [Kernel, Kernel] | undefined {
  if (!isDivisible(kernel)) return undefined;
  const [loop] = loopsToCut(kernel);
  if (loop === undefined) return undefined;
  const size = at(accessesOf(kernel).loops, loop);
  return cutAt(kernel, loop, Math.floor(size / 2), size);
}

function cutAt(
  kernel: Divisible,
  loop: number,
  round: number,
  size: number,
): readonly [Kernel, Kernel] {
  return [
    over(kernel, { loop, begin: 0, count: round }),
    over(kernel, { loop, begin: round, count: size - round }),
  ];
}
