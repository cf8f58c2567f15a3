/**
 * Matrix multiplication: one routine for all sizes and strides.
 *
 * A tile of 6 x 8 results is held in 12 vector registers, which with two for B and one for A stays
 * below the machine's 16. The depth is taken in slices, and the columns of a slice in blocks, so that
 * the part of B that all rows of A are multiplied with stays in the second cache (Goto and van de Geijn
 * 2008).
 *
 * B is read in panels of 8 columns: in place where its rows are consecutive, near one another and
 * few, for then a packed copy costs more than it saves; packed elsewhere. A is read in place where
 * its rows are consecutive, six splats at a time, and packed in a panel of 6 rows elsewhere: down
 * columns that are far apart every element would be another cache line, again for every panel of B.
 * Operands of 16 bits are always packed, and widened as they are.
 *
 * Triangular products, as in causal attention, leave out unwanted tiles and zero terms.
 */
import { at } from "../../shape.ts";
import {
  branch,
  call,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  i32,
  int,
  isSet,
  least,
  local,
  most,
  types,
  v128,
} from "./instructions.ts";
import { type FloatReader, readerOf, routineScope } from "./elements.ts";
import type { FactorTypes } from "./frame.ts";
import { defineFunction, type Locals, type WasmFunction } from "./module.ts";

/** Rows of a tile. */
export const ROWS = 6;

/** Columns of a tile. */
export const COLUMNS = 8;

/** The longest slice along the depth; a packed panel of B of this depth fits the first cache. */
export const DEPTH = 512;

/** The columns of a block; its part of B at this depth is 1 MiB. */
const BLOCK = 512;

/**
 * The most bytes from a row of B to the next at which it is read in place: farther apart, the rows
 * of a slice fall on too many pages and on too few sets of the second cache.
 */
const NEAR = 2048;

/** The most elements of a slice of B that is read in place: half of a second cache of 1 MiB. */
const SMALL = 2 ** 17;

/** Rounds of the innermost loop that are written out. */
const UNROLL = 4;

/** Offsets in scratch memory: a tile, packed A, packed B. */
const PANEL_A = 4 * ROWS * COLUMNS;
const PANELS_B = PANEL_A + 4 * ROWS * DEPTH;

/** Bytes of scratch memory that a product needs: a tile, packed A, packed B. */
export function matrixProductScratch(columns: number, depth: number): number {
  return PANELS_B +
    4 * Math.min(depth, DEPTH) * Math.min(Math.ceil(columns / COLUMNS) * COLUMNS, BLOCK);
}

/** The operands of a product that are known to be triangular, by the number that tells the routine. */
export const triangles = {
  /** Nothing. */
  none: 0,
  /** Results are wanted where `j <= i + diagonal`; right of that, some are computed and some not. */
  result: 1,
  /** `a[i, k] = 0` where `k > i + diagonal`. */
  lower: 2,
  /** `a[i, k] = 0` where `k < i - diagonal`; the depth is one slice. */
  upper: 3,
} as const;

const bytes = (count: number): number => 4 * count;
const plus = (a: Code, ...terms: Code[]): Code =>
  terms.reduce((sum, term) => int.add(sum, term), a);
const get = local.get;

/** Adds to a local. */
function increase(index: number, by: Code): Code {
  return local.set(index, int.add(get(index), by));
}

/** Runs the body with a local counting from `begin` to `end` (excluded) in steps. */
function fromTo(counter: number, begin: Code, end: Code, step: number, body: Code): Code {
  return [local.set(counter, begin), countTo(counter, end, step, body)];
}

/** Names of the routine's parameters, in order. */
const names = [
  /** Addresses of the operands, the result and scratch memory. */
  "a",
  "b",
  "c",
  "scratch",
  "rows",
  "columns",
  "depth",
  /** Steps in bytes along rows and columns; the result's columns are consecutive. */
  "aRow",
  "aColumn",
  "bRow",
  "bColumn",
  "cRow",
  /** Rows and columns that are wanted, from (a tile's first) and to (excluded). */
  "firstRow",
  "endRow",
  "firstColumn",
  "endColumn",
  /** One of `triangles`, and its diagonal. */
  "triangle",
  "diagonal",
  /** Whether the product is added to the result. */
  "adds",
] as const;

/** The parameters of the routine. */
export type MatrixProductArguments = Readonly<Record<(typeof names)[number], Code>>;

/** Calls the routine, which is the module's function of a number. */
export function callMatrixProduct(index: number, args: MatrixProductArguments): Code {
  // deno-lint-ignore unitune/no-spread-of-data -- names of a table
  return call(index, ...names.map((name) => args[name]));
}

type Parameters = MatrixProductArguments;

/** Locals that the parts of the routine share. */
interface PanelCursor {
  /** First row and column of the tile. */
  readonly i: number;
  readonly j: number;
  /** First column of the block. */
  readonly block: number;
  /** First of the slice along the depth, and its length. */
  readonly start: number;
  readonly slice: number;
  /** The part of the slice in which the tile's rows of A are not zero. */
  readonly from: number;
  readonly to: number;
  /** A counter along the slice. */
  readonly k: number;
}

/** The address of the packed panel of B at column j. */
function packedPanel({ scratch }: Parameters, { j, block, slice }: PanelCursor): Code {
  const inBlock = int.sub(get(j), get(block));
  return plus(scratch, int.const(PANELS_B), int.mul(inBlock, int.mul(get(slice), int.const(4))));
}

/** The address of B at column j and the slice's first row. */
function placeInB({ b, bRow, bColumn }: Parameters, { j, start }: PanelCursor): Code {
  return plus(b, int.mul(get(start), bRow), int.mul(get(j), bColumn));
}

/** Whether all columns of the panel at column j exist. */
function isWholePanel({ columns }: Parameters, { j }: PanelCursor): Code {
  return int.leS(int.add(get(j), int.const(COLUMNS)), columns);
}

/** Four rows of four as their transpose: two rounds of interleaving. */
function transposed4(locals: Locals, rows: readonly Code[]): { set: Code; get: Code[] } {
  const [r0 = [], r1 = [], r2 = [], r3 = []] = rows;
  const pairs = [
    v128.shuffle(r0, r1, [0, 4, 1, 5]),
    v128.shuffle(r0, r1, [2, 6, 3, 7]),
    v128.shuffle(r2, r3, [0, 4, 1, 5]),
    v128.shuffle(r2, r3, [2, 6, 3, 7]),
  ].map((value) => {
    const index = locals.add(types.v128);
    return { set: local.set(index, value), get: get(index) };
  });
  const [p0 = [], p1 = [], p2 = [], p3 = []] = pairs.map((pair) => pair.get);
  return {
    set: pairs.map((pair) => pair.set),
    get: [
      v128.shuffle(p0, p2, [0, 1, 4, 5]),
      v128.shuffle(p0, p2, [2, 3, 6, 7]),
      v128.shuffle(p1, p3, [0, 1, 4, 5]),
      v128.shuffle(p1, p3, [2, 3, 6, 7]),
    ],
  };
}

/** B's columns j..j+7 over the slice as rows of 8; columns outside are 0. */
function packB(
  locals: Locals,
  reader: FloatReader,
  parameters: Parameters,
  cursor: PanelCursor,
): Code {
  const { columns, bRow, bColumn } = parameters;
  const { j, k, slice } = cursor;
  const [to, from, lane] = [locals.add(types.int), locals.add(types.int), locals.add(types.int)];
  const next = (rounds: number): Code => [
    increase(to, int.const(bytes(rounds * COLUMNS))),
    increase(from, int.mul(bRow, int.const(rounds))),
  ];
  const columnStarts = Array.from({ length: COLUMNS }, () => locals.add(types.int));
  const setColumns: Code = columnStarts.map((column, c) =>
    local.set(column, plus(get(from), int.mul(bColumn, int.const(c))))
  );

  const rowsAreConsecutive = countFromZero(k, get(slice), [
    v128.store(get(to), reader.four(get(from))),
    v128.store(get(to), reader.four(get(from), 4 * reader.bytes), 16),
    next(1),
  ]);
  const oneRow: Code = [
    setColumns,
    columnStarts.map((column, c) => reader.copy(get(to), get(column), bytes(c))),
    next(1),
  ];
  const quarter = (first: number): Code => {
    const rows = columnStarts.slice(first, first + 4).map((column) => reader.four(get(column)));
    // Shuffled twice; elements that are widened, only once.
    const kept = rows.map((row) => {
      if (reader.isFloat) return { set: [], get: row };
      const index = locals.add(types.v128);
      return { set: local.set(index, row), get: get(index) };
    });
    const square = transposed4(locals, kept.map((row) => row.get));
    return [
      kept.map((row) => row.set),
      square.set,
      square.get.map((row, k) => v128.store(get(to), row, bytes(k * COLUMNS + first))),
    ];
  };
  const columnsAreConsecutive: Code = [
    local.set(k, int.const(0)),
    countTo(k, int.sub(get(slice), int.const(3)), 4, [
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
      int.sub(columns, get(j)),
      reader.copy(
        plus(get(to), int.shl(get(lane), int.const(2))),
        plus(get(from), int.mul(get(lane), bColumn)),
      ),
    ),
    next(1),
  ]);
  return [
    local.set(from, placeInB(parameters, cursor)),
    local.set(to, packedPanel(parameters, cursor)),
    branch(
      isWholePanel(parameters, cursor),
      branch(
        int.eq(bColumn, int.const(reader.bytes)),
        rowsAreConsecutive,
        branch(
          int.eq(bRow, int.const(reader.bytes)),
          columnsAreConsecutive,
          countFromZero(k, get(slice), oneRow),
        ),
      ),
      edge,
    ),
  ];
}

/** The address of a row of A at the slice's start; a row outside is the last one inside. */
function rowAddress(
  { a, rows, aRow, aColumn }: Parameters,
  { start }: PanelCursor,
  row: Code,
): Code {
  const inside = least(row, int.sub(rows, int.const(1)));
  return plus(a, int.mul(get(start), aColumn), int.mul(inside, aRow));
}

/** A's rows i..i+5 over the tile's part of the slice as columns of 6; the rows start at `starts`. */
function packA(
  locals: Locals,
  reader: FloatReader,
  { aRow, aColumn }: Parameters,
  { k, from, to }: PanelCursor,
  starts: readonly number[],
  isWhole: Code,
  panel: Code,
): Code {
  const [out, offset] = [locals.add(types.int), locals.add(types.int)];
  const columns = (copy: Code): Code => [
    local.set(out, plus(panel, int.mul(get(from), int.const(bytes(ROWS))))),
    local.set(offset, int.mul(get(from), aColumn)),
    fromTo(k, get(from), get(to), 1, [
      copy,
      increase(out, int.const(bytes(ROWS))),
      increase(offset, aColumn),
    ]),
  ];
  const source = plus(get(at(starts, 0)), get(offset));
  const oneByOne = columns(
    starts.map((row, r) => reader.copy(get(out), plus(get(row), get(offset)), bytes(r))),
  );
  if (!reader.isFloat) return oneByOne;
  return branch(
    i32.and(int.eq(aRow, int.const(4)), isWhole),
    columns([
      v128.store(get(out), v128.load(source)),
      v128.store64Lane(get(out), v128.load64Zero(source, 16), 0, 16),
    ]),
    oneByOne,
  );
}

/** The 12 sums of a tile. */
type Tile = readonly (readonly [number, number])[];

/**
 * The panel of B that the innermost loop reads: its beginning, and the bytes from a row to the
 * next.
 */
interface Panel {
  readonly begin: Code;
  readonly step: Code;
}

/** The way in which the innermost loop reads A. */
interface ReadingOfA {
  /** Code before the loop. */
  readonly prepare: Code;
  /** The address and the offset of row r in an unrolled round. */
  readonly at: (r: number, round: number) => readonly [Code, number];
  /** Code after the rounds that are written out. */
  readonly afterRounds: (rounds: number) => Code;
}

/** The tile's sums over the slice. */
function accumulate(
  locals: Locals,
  madd: (a: Code, b: Code, sum: Code) => Code,
  tile: Tile,
  { k, from, to }: PanelCursor,
  { begin, step }: Panel,
  { prepare, at, afterRounds }: ReadingOfA,
): Code {
  const pb = locals.add(types.int);
  const [b0, b1, splat] = [types.v128, types.v128, types.v128].map((type) => locals.add(type));
  if (b0 === undefined || b1 === undefined || splat === undefined) return [];
  const rank1 = (round: number): Code => [
    local.set(b0, v128.load(get(pb))),
    local.set(b1, v128.load(get(pb), 16)),
    increase(pb, step),
    tile.map(([left, right], r) => [
      // deno-lint-ignore unitune/no-spread-of-data -- an address and an offset
      local.set(splat, v128.load32Splat(...at(r, round))),
      local.set(left, madd(get(splat), get(b0), get(left))),
      local.set(right, madd(get(splat), get(b1), get(right))),
    ]),
  ];
  const rounds = (count: number): Code => [
    Array.from({ length: count }, (_, round) => rank1(round)),
    afterRounds(count),
  ];
  return [
    prepare,
    local.set(pb, plus(begin, int.mul(get(from), step))),
    tile.flat().map((sum) => local.set(sum, f32x4.const(0))),
    local.set(k, get(from)),
    countTo(k, int.sub(get(to), int.const(UNROLL - 1)), UNROLL, rounds(UNROLL)),
    countTo(k, get(to), 1, rounds(1)),
  ];
}

/** The tile into c: in the first slice as it is unless it is to be added, later added. */
function writeTile(
  locals: Locals,
  { c, rows, columns, cRow, adds, scratch: spill }: Parameters,
  { i, j, start }: PanelCursor,
  tile: Tile,
): Code {
  const integer = () => locals.add(types.int);
  const [out, limit, height] = [integer(), integer(), integer()];
  const [row, lane, element] = [integer(), integer(), integer()];
  const replaces = int.eqz(int.or(get(start), adds));
  const rowOf = (r: number) => plus(get(out), int.mul(cRow, int.const(r)));
  const eachRow = (write: (r: number) => Code): Code => {
    const lines = tile.map((_, r) => write(r));
    return branch(
      int.leS(int.const(ROWS), get(height)),
      lines,
      lines.map((line, r) => branch(int.ltS(int.const(r), get(height)), line)),
    );
  };
  const sumsOf = (r: number): readonly [Code, Code] => {
    const sums = at(tile, r);
    return [get(at(sums, 0)), get(at(sums, 1))];
  };
  const whole = branch(
    replaces,
    eachRow((r) => {
      const [left, right] = sumsOf(r);
      return [v128.store(rowOf(r), left), v128.store(rowOf(r), right, 16)];
    }),
    eachRow((r) => {
      const [left, right] = sumsOf(r);
      return [
        v128.store(rowOf(r), f32x4.add(v128.load(rowOf(r)), left)),
        v128.store(rowOf(r), f32x4.add(v128.load(rowOf(r), 16), right), 16),
      ];
    }),
  );
  // Beyond the last column: by way of scratch memory, element by element.
  const source = plus(
    spill,
    int.shl(int.add(int.mul(get(row), int.const(COLUMNS)), get(lane)), int.const(2)),
  );
  const edge: Code = [
    tile.map(([left, right], r) => [
      v128.store(spill, get(left), bytes(r * COLUMNS)),
      v128.store(spill, get(right), bytes(r * COLUMNS + 4)),
    ]),
    countFromZero(
      row,
      least(get(height), int.const(ROWS)),
      countFromZero(lane, get(limit), [
        local.set(
          element,
          plus(get(out), int.mul(get(row), cRow), int.shl(get(lane), int.const(2))),
        ),
        branch(
          replaces,
          f32.store(get(element), f32.load(source)),
          f32.store(get(element), f32.add(f32.load(get(element)), f32.load(source))),
        ),
      ]),
    ),
  ];
  return [
    local.set(out, plus(c, int.mul(get(i), cRow), int.shl(get(j), int.const(2)))),
    local.set(limit, least(int.sub(columns, get(j)), int.const(COLUMNS))),
    local.set(height, int.sub(rows, get(i))),
    branch(int.eq(get(limit), int.const(COLUMNS)), whole, edge),
  ];
}

/**
 * `c[i, j] = sum_k a[i, k] b[k, j]`, or that added to c, as a function of {@linkcode
 * MatrixProductArguments}. However a product is shared among threads, each element is the same sum.
 *
 * @param fused Whether to multiply and add with one rounding.
 * @param operands The element types of a and b.
 */
export function matrixProductFunction(fused: boolean, operands: FactorTypes): WasmFunction {
  const parameterTypes = names.map(() => types.int);

  return defineFunction(parameterTypes, [], (locals) => {
    const scope = routineScope(locals, fused);
    const { madd } = scope;
    const [readA, readB] = [readerOf(operands.a, scope), readerOf(operands.b, scope)];
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
      cRow: parameter("cRow"),
      firstRow: parameter("firstRow"),
      endRow: parameter("endRow"),
      firstColumn: parameter("firstColumn"),
      endColumn: parameter("endColumn"),
      triangle: parameter("triangle"),
      diagonal: parameter("diagonal"),
      adds: parameter("adds"),
    };
    const { scratch, rows, depth, aColumn, bRow, bColumn, triangle, diagonal } = parameters;
    const { firstRow, endRow, firstColumn, endColumn } = parameters;
    const integer = () => locals.add(types.int);
    const cursor: PanelCursor = {
      i: integer(),
      j: integer(),
      block: integer(),
      start: integer(),
      slice: integer(),
      from: integer(),
      to: integer(),
      k: integer(),
    };
    const { i, j, block, start, slice, from, to } = cursor;
    const [endOfBlock, wanted, pa] = [integer(), integer(), integer()];
    const [isHandy, begin, step] = [locals.add(types.i32), integer(), integer()];
    const rowStarts = Array.from({ length: ROWS }, integer);
    const pointers = Array.from({ length: ROWS }, integer);
    const tile: Tile = Array.from(
      { length: ROWS },
      () => [locals.add(types.v128), locals.add(types.v128)] as const,
    );

    /** Along consecutive elements of six rows. */
    const alongRows: ReadingOfA = {
      prepare: pointers.map((pointer, r) =>
        local.set(pointer, plus(get(at(rowStarts, r)), int.shl(get(from), int.const(2))))
      ),
      at: (r, round) => [get(at(pointers, r)), bytes(round)],
      afterRounds: (rounds) =>
        pointers.map((pointer) => increase(pointer, int.const(bytes(rounds)))),
    };
    /** Down the packed panel. */
    const panel = plus(scratch, int.const(PANEL_A));
    const downPanel: ReadingOfA = {
      prepare: local.set(pa, plus(panel, int.mul(get(from), int.const(bytes(ROWS))))),
      at: (r, round) => [get(pa), bytes(round * ROWS + r)],
      afterRounds: (rounds) => increase(pa, int.const(bytes(rounds * ROWS))),
    };
    const isWholeTile = int.leS(int.add(get(i), int.const(ROWS)), rows);
    /** Whether the panel at column j is read in place; `isHandy` says so of the slice. */
    const isInPlace = i32.and(get(isHandy), isWholePanel(parameters, cursor));
    const tiles = (reading: ReadingOfA): Code =>
      fromTo(j, get(block), get(wanted), COLUMNS, [
        branch(
          isInPlace,
          [local.set(begin, placeInB(parameters, cursor)), local.set(step, bRow)],
          [
            local.set(begin, packedPanel(parameters, cursor)),
            local.set(step, int.const(bytes(COLUMNS))),
          ],
        ),
        accumulate(locals, madd, tile, cursor, { begin: get(begin), step: get(step) }, reading),
        writeTile(locals, parameters, cursor, tile),
      ]);
    const isTriangle = (name: keyof typeof triangles) =>
      int.eq(triangle, int.const(triangles[name]));
    const packed: Code = [
      packA(locals, readA, parameters, cursor, rowStarts, isWholeTile, panel),
      tiles(downPanel),
    ];
    /** The place after the tile's last row on the diagonal. */
    const corner = plus(get(i), diagonal, int.const(ROWS));

    return [
      countFromZero(start, depth, [
        local.set(slice, least(int.sub(depth, get(start)), int.const(DEPTH))),
        local.set(
          isHandy,
          !readB.isFloat ? i32.const(0) : [
            int.eq(bColumn, int.const(4)),
            int.leU(bRow, int.const(NEAR)),
            int.leS(int.mul(get(slice), int.sub(endColumn, firstColumn)), int.const(SMALL)),
          ].reduce(i32.and),
        ),
        fromTo(block, firstColumn, endColumn, BLOCK, [
          local.set(endOfBlock, least(plus(get(block), int.const(BLOCK)), endColumn)),
          fromTo(
            j,
            get(block),
            get(endOfBlock),
            COLUMNS,
            branch(isInPlace, [], packB(locals, readB, parameters, cursor)),
          ),
          fromTo(i, firstRow, endRow, ROWS, [
            local.set(wanted, get(endOfBlock)),
            local.set(from, int.const(0)),
            local.set(to, get(slice)),
            branch(isSet(triangle), [
              branch(isTriangle("result"), local.set(wanted, least(get(endOfBlock), corner))),
              branch(
                isTriangle("lower"),
                local.set(to, least(get(slice), most(int.sub(corner, get(start)), int.const(0)))),
              ),
              branch(
                isTriangle("upper"),
                local.set(from, most(int.sub(get(i), diagonal), int.const(0))),
              ),
            ]),
            rowStarts.map((row, r) =>
              local.set(row, rowAddress(parameters, cursor, int.add(get(i), int.const(r))))
            ),
            readA.isFloat
              ? branch(int.eq(aColumn, int.const(4)), tiles(alongRows), packed)
              : packed,
          ]),
        ]),
      ], DEPTH),
    ];
  });
}
