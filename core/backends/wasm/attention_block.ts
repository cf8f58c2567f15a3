/**
 * A block of queries of a head of a sequence: the keys that it may see, and the memory that its scores
 * take.
 */
import { at } from "../../shape.ts";
import type { AttentionSizes, HeadVectors } from "../../lowering/kernels.ts";
import { mostKeys, reachOf, windowOf } from "../../lowering/visible.ts";
import type { Frame } from "./frame.ts";
import { type Code, int, least, local, most, types } from "./instructions.ts";
import { COLUMNS, DEPTH, matrixProductScratch, ROWS } from "./matrix_product.ts";

/** Queries of a block: a multiple of a tile's rows, and one slice along the depth. */
export const BLOCK = 16 * ROWS;

/**
 * Up to this many queries of a sequence are taken one by one, as in generation: computing a tile's
 * missing rows would cost more.
 */
const FEW = 3;

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => int.add(sum, x), a);
const times = (a: Code, bytes: number): Code => int.mul(a, int.const(bytes));
const within = (x: Code, low: Code, high: Code): Code => most(least(x, high), low);

/** The cut of attention, or of its gradient, into blocks. */
export interface Blocking {
  /** The most queries of a block; products for a single query are products of a vector. */
  readonly size: number;
  /** Matrices of a block's scores, or of the weights and gradients made of them. */
  readonly matrices: number;
}

/** The blocks of attention. */
export function blocking({ queries }: AttentionSizes): Blocking {
  return { size: queries <= FEW ? 1 : BLOCK, matrices: 1 };
}

/** The blocks of its gradient; slopes of bounded scores are a matrix of their own. */
export function gradientBlocking({ softcap }: AttentionSizes): Blocking {
  return { size: BLOCK, matrices: softcap === null ? 2 : 3 };
}

/** The places of the parts of a thread's scratch memory, in bytes from its beginning. */
export interface ScratchPlan {
  /** The most keys of a block. */
  readonly keys: number;
  /** Bytes from a row of scores to the next. */
  readonly step: number;
  /** Matrices of scores. */
  readonly matrices: readonly number[];
  /** The segments of the block's keys. */
  readonly segments: number;
  /** The scratch memory of products. */
  readonly products: number;
  /** The end of the scratch memory. */
  readonly bytes: number;
}

/** Scratch memory for a block. */
export function planScratch(sizes: AttentionSizes, { size, matrices }: Blocking): ScratchPlan {
  const { queries, width } = sizes;
  const keys = mostKeys(sizes, size);
  // Beyond the last score of a row there is room for two vectors.
  const step = 4 * (Math.ceil(keys / COLUMNS) * COLUMNS + 8);
  const bytes = Math.min(size, queries) * step;
  const segments = matrices * bytes;
  const products = segments + (sizes.segments === undefined ? 0 : step);
  const packed = size === 1
    ? 0
    : Math.max(matrixProductScratch(keys, width), matrixProductScratch(width, DEPTH));
  return {
    keys,
    step,
    matrices: Array.from({ length: matrices }, (_, i) => i * bytes),
    segments,
    products,
    bytes: products + packed,
  };
}

/** A block of queries, by the locals that describe it. */
export interface QueryBlock {
  readonly frame: Frame;
  readonly sizes: AttentionSizes;
  readonly blocking: Blocking;
  readonly scratch: ScratchPlan;
  /** Its sequence, and the heads of its queries and of their keys. */
  readonly sequence: number;
  readonly head: number;
  readonly keyHead: number;
  /** Its first query, and the number of its queries. */
  readonly first: number;
  readonly rows: number;
  /**
   * The keys from the first to the last that one of its queries may see: the first key, and their
   * number.
   */
  readonly firstKey: number;
  readonly keys: number;
  /** The place of its first query among these keys. */
  readonly place: number;
}

/** A block whose locals are not set. */
export function makeBlock(frame: Frame, sizes: AttentionSizes, blocking: Blocking): QueryBlock {
  const integer = () => frame.locals.add(types.int);
  return {
    frame,
    sizes,
    blocking,
    scratch: planScratch(sizes, blocking),
    sequence: integer(),
    head: integer(),
    keyHead: integer(),
    first: integer(),
    rows: integer(),
    firstKey: integer(),
    keys: integer(),
    place: integer(),
  };
}

/** The address of one of the block's matrices of scores. */
export function matrixAddress({ frame, scratch }: QueryBlock, index: number): Code {
  return plus(frame.scratchAddress, int.const(at(scratch.matrices, index)));
}

/** The address of a head's vector at a position of the block's sequence. */
export function vectorAddress(
  { frame, sequence }: QueryBlock,
  { buffer, offset, ...step }: HeadVectors,
  position: Code,
  head: number,
): Code {
  return plus(
    get(frame.base(buffer)),
    int.const(4 * offset),
    times(get(sequence), 4 * step.sequence),
    times(position, 4 * step.position),
    times(get(head), 4 * step.head),
  );
}

/**
 * The position of a sequence's first query. One from which no query sees a key, or every query sees
 * all of them, is moved to where that begins, so that sums of positions have 32 bits.
 */
function startOf({ frame, sequence, sizes }: QueryBlock): Code {
  const { start, queries, keys } = sizes;
  const window = windowOf(sizes) ?? 0;
  const [low, high] = [-(queries + window), keys + window];
  if (start.kind === "known") {
    return int.const(Math.min(Math.max(start.position, low), high));
  }
  const given = int.load(plus(get(frame.base(start.buffer)), times(get(sequence), 4)));
  return within(given, int.const(low), int.const(high));
}

/** Sets the locals that depend on sequence, heads and first query. */
export function setBlock(block: QueryBlock): Code {
  const { sizes, blocking: { size }, first, rows, firstKey, keys, place } = block;
  const [window, reach] = [windowOf(sizes), reachOf(sizes)];
  const zero = int.const(0);
  const all = int.const(sizes.keys);
  const behind = (distance: number) => plus(get(place), get(rows), int.const(distance));
  return [
    local.set(rows, least(int.sub(int.const(sizes.queries), get(first)), int.const(size))),
    local.set(place, plus(startOf(block), get(first))),
    local.set(keys, reach === undefined ? all : within(behind(reach), zero, all)),
    local.set(
      firstKey,
      window === undefined
        ? zero
        : within(plus(get(place), int.const(1 - window)), zero, get(keys)),
    ),
    window === undefined ? [] : [
      local.set(place, int.sub(get(place), get(firstKey))),
      local.set(keys, int.sub(get(keys), get(firstKey))),
    ],
  ];
}

/**
 * The diagonal of the block's scores: the last of its keys that row 0 sees; each further row sees
 * one key more. Undefined if every row sees to the last key.
 */
export function diagonalOf({ sizes, place }: QueryBlock): Code | undefined {
  const reach = reachOf(sizes);
  return reach === undefined ? undefined : plus(get(place), int.const(reach));
}

/** The first of the block's keys that row 0 sees; each further row begins one key later. */
export function leftOf({ sizes, place }: QueryBlock): Code | undefined {
  const window = windowOf(sizes);
  return window === undefined ? undefined : plus(get(place), int.const(1 - window));
}
