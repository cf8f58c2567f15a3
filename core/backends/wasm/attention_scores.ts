/**
 * The scores of a block, row by row: they become weights, and gradients of weights become gradients
 * of products. A key that a query does not see has weight 0 and gradient 0, exactly.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import { CHAIN } from "../../lowering/levels.ts";
import { at } from "../../shape.ts";
import { diagonalOf, leftOf, matrixAddress, type QueryBlock } from "./attention_block.ts";
import type { Frame } from "./frame.ts";
import {
  addressTo,
  branch,
  type Code,
  countFromZero,
  f32x4,
  i32x4,
  int,
  least,
  local,
  memory,
  most,
  select,
  types,
  v128,
  whileLoop,
} from "./instructions.ts";
import { ROWS } from "./matrix_product.ts";
import { callFunction } from "./operations.ts";

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => int.add(sum, x), a);
const times = (a: Code, bytes: number): Code => int.mul(a, int.const(bytes));

/** Combines the four lanes of a vector; each lane then has the result. */
function acrossLanes(x: number, combine: (a: Code, b: Code) => Code): Code {
  return [
    local.set(x, combine(get(x), v128.shuffle(get(x), get(x), [2, 3, 0, 1]))),
    local.set(x, combine(get(x), v128.shuffle(get(x), get(x), [1, 0, 3, 2]))),
  ];
}

/**
 * A row of scores, by the locals that hold its beginning and the end of the keys that the query
 * sees.
 */
interface Row {
  readonly start: number;
  readonly end: number;
  /**
   * A mask of the scores, out of four, that the query sees; undefined if it sees all from the start
   * to the end.
   */
  readonly sees: ((address: Code) => Code) | undefined;
}

/** Code that sets a row's mask, and the mask. */
interface Mask {
  readonly set: Code;
  readonly sees: (address: Code) => Code;
}

/**
 * The mask of the row of query i, whose start and end are set: the keys that a window's left end
 * and segments hide. Four scores at an address are near if they lie between the first that is seen
 * and the end: their distances in bytes from the first are below its span, as unsigned numbers.
 */
function maskOf(block: QueryBlock, { start, end }: Omit<Row, "sees">, i: number): Mask | undefined {
  const { frame, sizes: { segments, queries }, sequence, first, scratch } = block;
  const { locals } = frame;
  const left = leftOf(block);
  if (left === undefined && segments === undefined) return undefined;
  const integer = () => locals.add(types.int);
  const vector = () => locals.add(types.v128);
  const [from, id, idsAway, span, ids] = [integer(), integer(), integer(), vector(), vector()];
  const column = left === undefined ? int.const(0) : plus(left, get(i));
  const lanes = i32x4.const(0, 4, 8, 12);
  const near = (address: Code) =>
    i32x4.ltU(i32x4.add(i32x4.splat(int.word(int.sub(address, get(from)))), lanes), get(span));
  const bytes = int.sub(get(end), get(from));
  const setSpan: Code = [
    local.set(from, plus(get(start), times(most(column, int.const(0)), 4))),
    local.set(span, i32x4.splat(int.word(most(bytes, int.const(0))))),
  ];
  if (segments === undefined) return { set: setSpan, sees: near };
  const query = plus(times(get(sequence), queries), get(first), get(i));
  return {
    set: [
      setSpan,
      local.set(id, int.load(plus(get(frame.base(segments.queries)), times(query, 4)))),
      branch(int.ltS(get(id), int.const(0)), local.set(span, i32x4.const(0, 0, 0, 0))),
      local.set(ids, i32x4.splat(int.word(get(id)))),
      local.set(
        idsAway,
        int.sub(plus(frame.scratchAddress, int.const(scratch.segments)), get(start)),
      ),
    ],
    sees: (address) =>
      v128.and(near(address), i32x4.eq(v128.load(plus(address, get(idsAway))), get(ids))),
  };
}

/**
 * Copies the segments of the block's keys to scratch memory, where four may be read at once, some
 * of them beyond the last.
 */
export function copySegments(block: QueryBlock): Code {
  const { frame, sizes, scratch, sequence, firstKey, keys } = block;
  if (sizes.segments === undefined) return [];
  const firstId = plus(times(get(sequence), sizes.keys), get(firstKey));
  return memory.copy(
    plus(frame.scratchAddress, int.const(scratch.segments)),
    plus(get(frame.base(sizes.segments.keys)), times(firstId, 4)),
    times(get(keys), 4),
  );
}

/** Runs `body` for the rows of a matrix of the block. */
function eachRow(block: QueryBlock, matrix: number, body: (row: Row) => Code): Code {
  const { frame: { locals }, scratch, rows, keys } = block;
  const integer = () => locals.add(types.int);
  const [i, start, seen, end] = [integer(), integer(), integer(), integer()];
  const diagonal = diagonalOf(block);
  const mask = maskOf(block, { start, end }, i);
  return countFromZero(i, get(rows), [
    local.set(start, plus(matrixAddress(block, matrix), times(get(i), scratch.step))),
    diagonal === undefined ? local.set(seen, get(keys)) : [
      local.set(seen, plus(diagonal, get(i), int.const(1))),
      local.set(seen, most(least(get(seen), get(keys)), int.const(0))),
    ],
    local.set(end, plus(get(start), times(get(seen), 4))),
    mask?.set ?? [],
    body({ start, end, sees: mask?.sees }),
  ]);
}

/** Runs `body` for every four elements from an address to another one, the last beyond it. */
function fours(frame: Frame, { start, end }: Row, body: (address: Code) => Code): Code {
  const pointer = frame.locals.add(types.int);
  return [local.set(pointer, get(start)), addressTo(pointer, get(end), 16, body(get(pointer)))];
}

/**
 * Adds up a vector for every four elements of a row, in runs of `CHAIN` whose totals are added up;
 * `term` adds its own to the local that it is given.
 */
function sumOfFours(
  { frame, scratch }: QueryBlock,
  total: number,
  row: Row,
  term: (address: Code, sum: number) => Code,
): Code {
  const clear = local.set(total, f32x4.const(0));
  if (scratch.keys <= 4 * CHAIN) {
    return [clear, fours(frame, row, (address) => term(address, total))];
  }
  const { locals } = frame;
  const [pointer, until] = [locals.add(types.int), locals.add(types.int)];
  const sum = locals.add(types.v128);
  const next = plus(get(pointer), int.const(16 * CHAIN));
  const end = get(row.end);
  return [
    clear,
    local.set(pointer, get(row.start)),
    whileLoop(int.ltU(get(pointer), end), [
      local.set(until, select(next, end, int.ltU(next, end))),
      local.set(sum, f32x4.const(0)),
      whileLoop(int.ltU(get(pointer), get(until)), [
        term(get(pointer), sum),
        local.set(pointer, plus(get(pointer), int.const(16))),
      ]),
      local.set(total, f32x4.add(get(total), get(sum))),
    ]),
  ];
}

/** Zeros from a row's end to the end of a tile on the diagonal, a number of bytes away. */
function clearTile({ end }: Row, away = 0): Code {
  const zero = f32x4.const(0);
  const vectors = Math.ceil((ROWS - 1) / 4);
  return Array.from({ length: vectors }, (_, i) => v128.store(get(end), zero, away + 16 * i));
}

/** Bytes from matrix 0 to another one of the block. */
function awayOf({ scratch: { matrices } }: QueryBlock, matrix: number): number {
  return at(matrices, matrix) - at(matrices, 0);
}

/**
 * A score as `factor f(x)` of the product x, f increasing: softmax takes differences of `f(x)`, and
 * multiplies them by the factor.
 */
interface Score {
  readonly factor: number;
  /** f, undefined where it changes nothing; `tanh` where scores are bounded. */
  readonly f: ((x: Code) => Code) | undefined;
}

/** The nearest number of 32 bits that is neither infinite nor, if not 0, below its smallest ones. */
function finite(x: number): number {
  const [smallest, largest] = [2 ** -126, 2 ** 127];
  return Math.sign(x) * Math.min(Math.max(Math.abs(x), x === 0 ? 0 : smallest), largest);
}

function scoreOf({ scale, softcap }: AttentionSizes, { scope }: Frame): Score {
  if (softcap !== null) {
    const factor = scope.float(finite(scale / softcap));
    const scaled = scope.locals.add(types.v128);
    return {
      factor: softcap,
      f: (
        x,
      ) => [local.set(scaled, f32x4.mul(x, factor)), callFunction("tanh", scope, [get(scaled)])],
    };
  }
  if (scale > 0) return { factor: scale, f: undefined };
  return { factor: 1, f: (x) => f32x4.mul(x, scope.float(finite(scale))) };
}

/**
 * The products in matrix 0 as weights, `softmax(score)` over the keys that a query sees and zeros for
 * the others; all zeros if it sees none.
 *
 * @param slopes The matrix that gets the slopes of scores in products, but for the scale.
 */
export function toWeights(block: QueryBlock, slopes: number | undefined): Code {
  const { frame, sizes } = block;
  const { locals, scope } = frame;
  const vector = () => locals.add(types.v128);
  const [largest, total, x] = [vector(), vector(), vector()];
  const masked = f32x4.const(-Infinity);
  const { factor, f } = scoreOf(sizes, frame);
  const exponent = scope.float(finite(factor * Math.LOG2E));
  return eachRow(block, 0, (row) => {
    const { start, end, sees } = row;
    /** Scores before their factor; scores of unseen keys are the smallest number. */
    const prepare: Code = [
      fours(frame, row, (address) => [
        local.set(x, f === undefined ? v128.load(address) : f(v128.load(address))),
        slopes === undefined ? [] : v128.store(
          address,
          f32x4.sub(scope.float(1), f32x4.mul(get(x), get(x))),
          awayOf(block, slopes),
        ),
        sees === undefined ? [] : local.set(x, v128.bitselect(get(x), masked, sees(address))),
        v128.store(address, get(x)),
      ]),
    ];
    const softmax: Code = [
      local.set(largest, masked),
      fours(
        frame,
        row,
        (address) => local.set(largest, f32x4.pmax(get(largest), v128.load(address))),
      ),
      acrossLanes(largest, f32x4.pmax),
      sumOfFours(block, total, row, (address, sum) => [
        local.set(
          x,
          callFunction("exp2OfNegative", scope, [
            f32x4.mul(f32x4.sub(v128.load(address), get(largest)), exponent),
          ]),
        ),
        local.set(sum, f32x4.add(get(sum), get(x))),
        v128.store(address, get(x)),
      ]),
      acrossLanes(total, f32x4.add),
      local.set(total, f32x4.div(f32x4.const(1), get(total))),
      fours(frame, row, (address) => {
        const weights = f32x4.mul(v128.load(address), get(total));
        return v128.store(address, sees === undefined ? weights : v128.and(weights, sees(address)));
      }),
    ];
    return [
      f === undefined && sees === undefined ? [] : prepare,
      v128.store(get(end), masked),
      // The weights of a query that sees no key are NaN, until those of unseen keys become 0.
      branch(int.ltU(get(start), get(end)), softmax),
      clearTile(row),
    ];
  });
}

/**
 * Gradients `u` of the weights `p`, matrices 1 and 0, as gradients of the products of queries and
 * keys: `scale p (u - sum(p u))` times the slopes, and zeros for keys that a query does not see.
 *
 * @param slopes The matrix of the slopes of scores but for the scale, if they are not all 1.
 */
export function toProductGradients(block: QueryBlock, slopes: number | undefined): Code {
  const { frame, sizes } = block;
  const { madd, float, locals } = frame.scope;
  const mean = locals.add(types.v128);
  const away = awayOf(block, 1);
  return eachRow(block, 0, (row) => {
    const ofSeen = (x: Code, address: Code) =>
      row.sees === undefined ? x : v128.and(x, row.sees(address));
    return [
      v128.store(get(row.end), f32x4.const(0), away),
      sumOfFours(block, mean, row, (address, sum) => {
        const gradients = ofSeen(v128.load(address, away), address);
        return local.set(sum, madd(v128.load(address), gradients, get(sum)));
      }),
      acrossLanes(mean, f32x4.add),
      fours(frame, row, (address) => {
        const ofScores = f32x4.mul(
          f32x4.mul(v128.load(address), float(sizes.scale)),
          f32x4.sub(v128.load(address, away), get(mean)),
        );
        const ofProducts = slopes === undefined
          ? ofScores
          : f32x4.mul(ofScores, v128.load(address, awayOf(block, slopes)));
        return v128.store(address, ofSeen(ofProducts, address), away);
      }),
      clearTile(row, away),
    ];
  });
}
