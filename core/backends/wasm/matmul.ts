/**
 * Matrix multiplication: one routine for all sizes and strides.
 *
 * A tile of 6 x 8 results is held in 12 vector registers, which with two for B and one for A stays
 * below the machine's 16. B is packed in panels of 8 columns, in slices of up to 256 along the
 * depth, so that the innermost loop reads it consecutively. A is read in place where its rows or
 * its columns are consecutive, six splats at a time, and packed in a panel of 6 rows elsewhere.
 */
import {
  branch,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  i32,
  least,
  local,
  types,
  v128,
} from "./instructions.ts";
import { defineFunction, type Locals, type WasmFunction } from "./module.ts";

/** Rows of a tile. */
export const ROWS = 6;

/** Columns of a tile. */
export const COLUMNS = 8;

/** The longest slice along the depth; a packed panel of B of this depth fits the first cache. */
const DEPTH = 256;

/** Rounds of the innermost loop that are written out. */
const UNROLL = 4;

/** Bytes of scratch memory that a product of `columns` columns needs: packed B, packed A, a tile. */
export function matmulScratch(columns: number): number {
  return 4 * (DEPTH * (Math.ceil(columns / COLUMNS) * COLUMNS + ROWS) + ROWS * COLUMNS);
}

const bytes = (count: number): number => 4 * count;
const plus = (a: Code, ...terms: Code[]): Code =>
  terms.reduce((sum, term) => i32.add(sum, term), a);
const get = local.get;

/** Adds to a local. */
function increase(index: number, by: Code): Code {
  return local.set(index, i32.add(get(index), by));
}

/** Runs the body with a local counting from `begin` to `end` (excluded) in steps. */
function fromTo(counter: number, begin: Code, end: Code, step: number, body: Code): Code {
  return [local.set(counter, begin), countTo(counter, end, step, body)];
}

/** Names of the routine's parameters, in order; steps are in bytes. */
const names = [
  "a",
  "b",
  "c",
  "scratch",
  "rows",
  "columns",
  "depth",
  "aRow",
  "aColumn",
  "bRow",
  "bColumn",
  "firstRow",
  "endRow",
  "firstColumn",
  "endColumn",
] as const;

type Parameters = Readonly<Record<(typeof names)[number], Code>>;

/** Locals that the parts of the routine share. */
interface Cursor {
  /** First row and column of the tile. */
  readonly i: number;
  readonly j: number;
  /** First of the slice along the depth, and its length. */
  readonly start: number;
  readonly slice: number;
  /** A counter along the slice. */
  readonly k: number;
}

/** The address of the packed panel of B at column j. */
function panelOfB({ scratch }: Parameters, { j, slice }: Cursor): Code {
  return plus(scratch, i32.mul(get(j), i32.mul(get(slice), i32.const(4))));
}

/** Four rows of four as their transpose: two rounds of interleaving. */
function transposed4(locals: Locals, rows: readonly Code[]): { set: Code; get: Code[] } {
  const lane = (index: number) => [0, 1, 2, 3].map((byte) => 4 * index + byte);
  const lanes = (...order: number[]) => order.flatMap(lane);
  const [r0 = [], r1 = [], r2 = [], r3 = []] = rows;
  const pairs = [
    v128.shuffle(r0, r1, lanes(0, 4, 1, 5)),
    v128.shuffle(r0, r1, lanes(2, 6, 3, 7)),
    v128.shuffle(r2, r3, lanes(0, 4, 1, 5)),
    v128.shuffle(r2, r3, lanes(2, 6, 3, 7)),
  ].map((value) => {
    const index = locals.add(types.v128);
    return { set: local.set(index, value), get: get(index) };
  });
  const [p0 = [], p1 = [], p2 = [], p3 = []] = pairs.map((pair) => pair.get);
  return {
    set: pairs.map((pair) => pair.set),
    get: [
      v128.shuffle(p0, p2, lanes(0, 1, 4, 5)),
      v128.shuffle(p0, p2, lanes(2, 3, 6, 7)),
      v128.shuffle(p1, p3, lanes(0, 1, 4, 5)),
      v128.shuffle(p1, p3, lanes(2, 3, 6, 7)),
    ],
  };
}

/** B's columns j..j+7 over the slice as rows of 8; columns outside are 0. */
function packB(locals: Locals, parameters: Parameters, cursor: Cursor): Code {
  const { b, columns, bRow, bColumn } = parameters;
  const { j, k, start, slice } = cursor;
  const [to, from, lane] = [locals.add(types.i32), locals.add(types.i32), locals.add(types.i32)];
  const next = (rounds: number): Code => [
    increase(to, i32.const(bytes(rounds * COLUMNS))),
    increase(from, i32.mul(bRow, i32.const(rounds))),
  ];
  const columnStarts = Array.from({ length: COLUMNS }, () => locals.add(types.i32));
  const setColumns: Code = columnStarts.map((column, c) =>
    local.set(column, plus(get(from), i32.mul(bColumn, i32.const(c))))
  );

  const rowsAreConsecutive = countFromZero(k, get(slice), [
    v128.store(get(to), v128.load(get(from))),
    v128.store(get(to), v128.load(get(from), 16), 16),
    next(1),
  ]);
  const oneRow: Code = [
    setColumns,
    columnStarts.map((column, c) => f32.store(get(to), f32.load(get(column)), bytes(c))),
    next(1),
  ];
  const quarter = (first: number): Code => {
    const rows = columnStarts.slice(first, first + 4).map((column) => v128.load(get(column)));
    const square = transposed4(locals, rows);
    return [
      square.set,
      square.get.map((row, k) => v128.store(get(to), row, bytes(k * COLUMNS + first))),
    ];
  };
  const columnsAreConsecutive: Code = [
    local.set(k, i32.const(0)),
    countTo(k, i32.sub(get(slice), i32.const(3)), 4, [
      setColumns,
      quarter(0),
      quarter(4),
      next(4),
    ]),
    countTo(k, get(slice), 1, oneRow),
  ];
  const edge = countFromZero(k, get(slice), [
    v128.store(get(to), f32x4.const(0)),
    v128.store(get(to), f32x4.const(0), 16),
    countFromZero(
      lane,
      i32.sub(columns, get(j)),
      f32.store(
        plus(get(to), i32.shl(get(lane), i32.const(2))),
        f32.load(plus(get(from), i32.mul(get(lane), bColumn))),
      ),
    ),
    next(1),
  ]);
  return [
    local.set(from, plus(b, i32.mul(get(start), bRow), i32.mul(get(j), bColumn))),
    local.set(to, panelOfB(parameters, cursor)),
    branch(
      i32.leS(i32.add(get(j), i32.const(COLUMNS)), columns),
      branch(
        i32.eq(bColumn, i32.const(4)),
        rowsAreConsecutive,
        branch(
          i32.eq(bRow, i32.const(4)),
          columnsAreConsecutive,
          countFromZero(k, get(slice), oneRow),
        ),
      ),
      edge,
    ),
  ];
}

/** The address of a row of A at the slice's start; a row outside is the last one inside. */
function rowAddress({ a, rows, aRow, aColumn }: Parameters, { start }: Cursor, row: Code): Code {
  const inside = least(row, i32.sub(rows, i32.const(1)));
  return plus(a, i32.mul(get(start), aColumn), i32.mul(inside, aRow));
}

/** A's rows i..i+5 over the slice, which start at `rows`, as columns of 6. */
function packA(
  locals: Locals,
  { aColumn }: Parameters,
  { k, slice }: Cursor,
  rows: readonly number[],
  packed: Code,
): Code {
  const [to, from] = [locals.add(types.i32), locals.add(types.i32)];
  return [
    local.set(to, packed),
    local.set(from, i32.const(0)),
    countFromZero(k, get(slice), [
      rows.map((row, r) => f32.store(get(to), f32.load(plus(get(row), get(from))), bytes(r))),
      increase(to, i32.const(bytes(ROWS))),
      increase(from, aColumn),
    ]),
  ];
}

/** The 12 sums of a tile. */
type Tile = readonly (readonly [number, number])[];

/** How the innermost loop reads A. */
interface Reading {
  /** Code before the loop. */
  readonly prepare: Code;
  /** The address and the offset of row r in an unrolled round. */
  readonly at: (r: number, round: number) => readonly [Code, number];
  /** Code after a round, and after all that are written out. */
  readonly afterRound: Code;
  readonly afterRounds: (rounds: number) => Code;
}

/** The tile's sums over the slice. */
function accumulate(
  locals: Locals,
  madd: (a: Code, b: Code, sum: Code) => Code,
  tile: Tile,
  { k, slice }: Cursor,
  panel: Code,
  { prepare, at, afterRound, afterRounds }: Reading,
): Code {
  const pb = locals.add(types.i32);
  const [b0, b1, splat] = [types.v128, types.v128, types.v128].map((type) => locals.add(type));
  if (b0 === undefined || b1 === undefined || splat === undefined) return [];
  const rank1 = (round: number): Code => [
    local.set(b0, v128.load(get(pb), bytes(round * COLUMNS))),
    local.set(b1, v128.load(get(pb), bytes(round * COLUMNS + 4))),
    tile.map(([left, right], r) => [
      local.set(splat, v128.load32Splat(...at(r, round))),
      local.set(left, madd(get(splat), get(b0), get(left))),
      local.set(right, madd(get(splat), get(b1), get(right))),
    ]),
    afterRound,
  ];
  const rounds = (count: number): Code => [
    Array.from({ length: count }, (_, round) => rank1(round)),
    afterRounds(count),
    increase(pb, i32.const(bytes(count * COLUMNS))),
  ];
  return [
    prepare,
    local.set(pb, panel),
    tile.flat().map((sum) => local.set(sum, f32x4.const(0))),
    local.set(k, i32.const(0)),
    countTo(k, i32.sub(get(slice), i32.const(UNROLL - 1)), UNROLL, rounds(UNROLL)),
    countTo(k, get(slice), 1, rounds(1)),
  ];
}

/** The tile into c: in the first slice as it is, later added to what is there. */
function writeTile(
  locals: Locals,
  { c, rows, columns }: Parameters,
  { i, j, start }: Cursor,
  tile: Tile,
  spill: Code,
): Code {
  const integers = Array.from({ length: 5 }, () => locals.add(types.i32));
  const [out = 0, limit = 0, row = 0, lane = 0, element = 0] = integers;
  const isFirst = i32.eqz(get(start));
  const rowOf = (r: number) => plus(get(out), i32.mul(columns, i32.const(bytes(r))));
  const whole = branch(
    isFirst,
    tile.map(([left, right], r) => [
      v128.store(rowOf(r), get(left)),
      v128.store(rowOf(r), get(right), 16),
    ]),
    tile.map(([left, right], r) => [
      v128.store(rowOf(r), f32x4.add(v128.load(rowOf(r)), get(left))),
      v128.store(rowOf(r), f32x4.add(v128.load(rowOf(r), 16), get(right)), 16),
    ]),
  );
  // Over the edge: by way of scratch memory, element by element.
  const source = plus(
    spill,
    i32.shl(i32.add(i32.mul(get(row), i32.const(COLUMNS)), get(lane)), i32.const(2)),
  );
  const edge: Code = [
    tile.map(([left, right], r) => [
      v128.store(spill, get(left), bytes(r * COLUMNS)),
      v128.store(spill, get(right), bytes(r * COLUMNS + 4)),
    ]),
    countFromZero(
      row,
      least(i32.sub(rows, get(i)), i32.const(ROWS)),
      countFromZero(lane, get(limit), [
        local.set(
          element,
          plus(get(out), i32.shl(i32.add(i32.mul(get(row), columns), get(lane)), i32.const(2))),
        ),
        branch(
          isFirst,
          f32.store(get(element), f32.load(source)),
          f32.store(get(element), f32.add(f32.load(get(element)), f32.load(source))),
        ),
      ]),
    ),
  ];
  return [
    local.set(out, plus(c, i32.shl(i32.add(i32.mul(get(i), columns), get(j)), i32.const(2)))),
    local.set(limit, least(i32.sub(columns, get(j)), i32.const(COLUMNS))),
    branch(
      i32.and(
        i32.eq(get(limit), i32.const(COLUMNS)),
        i32.leS(i32.add(get(i), i32.const(ROWS)), rows),
      ),
      whole,
      edge,
    ),
  ];
}

/**
 * `c[i, j] = sum_k a[i, k] b[k, j]`: addresses of a, b, c and scratch memory, then rows, columns,
 * depth, and the steps in bytes along a's rows and columns and along b's rows and columns; c is
 * contiguous. Last come the rows and columns that are wanted, from (a tile's first) and to
 * (excluded): however a product is shared among threads, each element is the same sum.
 *
 * @param fused Whether to multiply and add with one rounding.
 */
export function matmulFunction(fused: boolean): WasmFunction {
  const madd = fused
    ? f32x4.relaxedMadd
    : (a: Code, b: Code, sum: Code): Code => f32x4.add(f32x4.mul(a, b), sum);
  const parameterTypes = names.map(() => types.i32);

  return defineFunction(parameterTypes, [], (locals) => {
    const parameter = (name: (typeof names)[number]): Code => get(names.indexOf(name));
    const parameters: Parameters = {
      a: parameter("a"),
      b: parameter("b"),
      c: parameter("c"),
      scratch: parameter("scratch"),
      rows: parameter("rows"),
      columns: parameter("columns"),
      depth: parameter("depth"),
      aRow: parameter("aRow"),
      aColumn: parameter("aColumn"),
      bRow: parameter("bRow"),
      bColumn: parameter("bColumn"),
      firstRow: parameter("firstRow"),
      endRow: parameter("endRow"),
      firstColumn: parameter("firstColumn"),
      endColumn: parameter("endColumn"),
    };
    const { scratch, rows, columns, depth, aRow, aColumn } = parameters;
    const { firstRow, endRow, firstColumn, endColumn } = parameters;
    const integer = () => locals.add(types.i32);
    const cursor: Cursor = {
      i: integer(),
      j: integer(),
      start: integer(),
      slice: integer(),
      k: integer(),
    };
    const { i, j, start, slice } = cursor;
    const [packed, panel, step, spill, pa] = [
      integer(),
      integer(),
      integer(),
      integer(),
      integer(),
    ];
    const rowStarts = Array.from({ length: ROWS }, integer);
    const pointers = Array.from({ length: ROWS }, integer);
    const tile: Tile = Array.from(
      { length: ROWS },
      () => [locals.add(types.v128), locals.add(types.v128)] as const,
    );

    /** Along consecutive elements of six rows. */
    const alongRows: Reading = {
      prepare: pointers.map((pointer, r) => local.set(pointer, get(rowStarts[r] ?? 0))),
      at: (r, round) => [get(pointers[r] ?? 0), bytes(round)],
      afterRound: [],
      afterRounds: (rounds) =>
        pointers.map((pointer) => increase(pointer, i32.const(bytes(rounds)))),
    };
    /** Down columns whose six elements are consecutive: packed ones, or A's own. */
    const downColumns: Reading = {
      prepare: local.set(pa, get(panel)),
      at: (r) => [get(pa), bytes(r)],
      afterRound: increase(pa, get(step)),
      afterRounds: () => [],
    };
    const isWholeTile = i32.leS(i32.add(get(i), i32.const(ROWS)), rows);
    const tiles = (reading: Reading): Code =>
      fromTo(j, firstColumn, endColumn, COLUMNS, [
        accumulate(locals, madd, tile, cursor, panelOfB(parameters, cursor), reading),
        writeTile(locals, parameters, cursor, tile, get(spill)),
      ]);

    return [
      local.set(
        packed,
        plus(
          scratch,
          i32.mul(
            i32.divS(i32.add(columns, i32.const(COLUMNS - 1)), i32.const(COLUMNS)),
            i32.const(bytes(COLUMNS * DEPTH)),
          ),
        ),
      ),
      local.set(spill, plus(get(packed), i32.const(bytes(DEPTH * ROWS)))),
      countFromZero(start, depth, [
        local.set(slice, least(i32.sub(depth, get(start)), i32.const(DEPTH))),
        fromTo(j, firstColumn, endColumn, COLUMNS, packB(locals, parameters, cursor)),
        fromTo(i, firstRow, endRow, ROWS, [
          rowStarts.map((row, r) =>
            local.set(row, rowAddress(parameters, cursor, i32.add(get(i), i32.const(r))))
          ),
          branch(i32.eq(aColumn, i32.const(4)), tiles(alongRows), [
            branch(
              i32.and(i32.eq(aRow, i32.const(4)), isWholeTile),
              [local.set(panel, get(rowStarts[0] ?? 0)), local.set(step, aColumn)],
              [
                packA(locals, parameters, cursor, rowStarts, get(packed)),
                local.set(panel, get(packed)),
                local.set(step, i32.const(bytes(ROWS))),
              ],
            ),
            tiles(downColumns),
          ]),
        ]),
      ], DEPTH),
    ];
  });
}
