/**
 * The products of rows with the rows of a matrix that is stored transposed: both operands are read
 * along the depth, where they are. A sum is held in four lanes, each of which has every fourth term,
 * so no panel is packed or transposed. A tile is 6 rows x 2 columns, held in 12 vector registers; the
 * last rows have tiles of 4, 2 and 1. The columns of a tile are a part of the block apart, so that each
 * is read on where the same one of the tile before ended: memory brings such streams ahead of time.
 *
 * A matrix of 16 bits is widened once for a block of columns, unless so few rows are multiplied with it
 * that widening each element as it is read takes no longer.
 */
import { at } from "../../shape.ts";
import {
  branch,
  call,
  type Code,
  countFromZero,
  countTo,
  f32x4,
  int,
  least,
  local,
  select,
  types,
  v128,
} from "./instructions.ts";
import { type FloatReader, readerOf, routineScope } from "./elements.ts";
import type { FactorTypes } from "./frame.ts";
import { defineFunction, type Locals, type WasmFunction } from "./module.ts";

/** Heights of tiles of two columns, the largest first. */
const HEIGHTS = [6, 4, 2] as const;

/** The most rows of a tile; so many are multiplied with a matrix of 16 bits as it is. */
export const MOST_ROWS = HEIGHTS[0];

/** Columns of a tile of one row. */
const WIDE = 4;

/**
 * The longest slice along the depth: six rows of it stay in the first cache. A lane adds up a fourth
 * of its terms.
 */
const SLICE = 768;

/** The columns of a block: a slice of them stays in the second cache. */
const BLOCK = 64;

/** Vectors of a round of the innermost loop. */
const UNROLL = 4;

/** Bytes of scratch memory that a product with a matrix of 16 bits needs: a slice of a block, in f32. */
export function rowProductsScratch(columns: number, depth: number): number {
  return 4 * Math.min(depth, SLICE) * Math.min(columns, BLOCK);
}

/** Names of the routine's parameters, in order. */
const names = [
  /** Addresses of the operands, the result and scratch memory. */
  "a",
  "b",
  "c",
  "scratch",
  "depth",
  /** Steps in bytes from row to row: a column of the product is a row of b as it is stored. */
  "aRow",
  "bColumn",
  "cRow",
  /** Rows and columns that are wanted, from and to (excluded). */
  "firstRow",
  "endRow",
  "firstColumn",
  "endColumn",
] as const;

/** The parameters of the routine. */
export type RowProductsArguments = Readonly<Record<(typeof names)[number], Code>>;

/** Calls the routine, which is the module's function of a number. */
export function callRowProducts(index: number, args: RowProductsArguments): Code {
  // deno-lint-ignore unitune/no-spread-of-data -- names of a table
  return call(index, ...names.map((name) => args[name]));
}

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => int.add(sum, x), a);

/** Adds to a local. */
function increase(index: number, by: number): Code {
  return local.set(index, plus(get(index), int.const(by)));
}

/** The rows of b that tiles read: the first of the block, the step to the next, and their reader. */
interface Source {
  readonly begin: Code;
  readonly step: Code;
  readonly reader: FloatReader;
}

/** The numbers that tiles are made with. */
interface Cursor {
  /** First row and column of the tile, and first column of its block. */
  readonly row: number;
  readonly column: number;
  /** Columns from one of the tile's to its next. */
  readonly apart: number;
  readonly block: number;
  /** First of the slice along the depth, and its length. */
  readonly start: number;
  readonly slice: number;
}

/** The place in its block of a column of the tile, by its number in the tile. */
const columnInBlock = ({ column, apart, block }: Cursor, x: number): Code =>
  plus(int.sub(get(column), get(block)), int.mul(get(apart), int.const(x)));

/** Two vectors with lanes 0 and 1 of both in turn, and with lanes 2 and 3. */
const interleaved = (a: Code, b: Code): [Code, Code] => [
  v128.shuffle(a, b, [0, 4, 1, 5]),
  v128.shuffle(a, b, [2, 6, 3, 7]),
];

/** The sums of the lanes of four vectors: of each `(x0 + x2) + (x1 + x3)`. */
function laneSums(locals: Locals, [a = [], b = [], c = [], d = []]: readonly Code[]): Code {
  const [p, q] = [locals.add(types.v128), locals.add(types.v128)];
  const pairs = (x: Code, y: Code): Code => {
    const [low, high] = interleaved(x, y);
    return f32x4.add(low, high);
  };
  return [
    local.set(p, pairs(a, b)),
    local.set(q, pairs(c, d)),
    f32x4.add(
      v128.shuffle(get(p), get(q), [0, 1, 4, 5]),
      v128.shuffle(get(p), get(q), [2, 3, 6, 7]),
    ),
  ];
}

/**
 * `c[i, j] = sum_k a[i, k] b[j, k]` as a function of {@linkcode RowProductsArguments}. Each sum has
 * the same order, whichever rows and columns are computed with it.
 *
 * @param fused Whether to multiply and add with one rounding.
 * @param operands The element types of a and b.
 */
export function rowProductsFunction(fused: boolean, operands: FactorTypes): WasmFunction {
  return defineFunction(names.map(() => types.int), [], (locals) => {
    const scope = routineScope(locals, fused);
    const [readA, readB, floats] = [
      readerOf(operands.a, scope),
      readerOf(operands.b, scope),
      readerOf("f32", scope),
    ];
    const parameter = (name: (typeof names)[number]): Code => get(names.indexOf(name));
    const [b, scratch, depth] = [parameter("b"), parameter("scratch"), parameter("depth")];
    const [firstRow, endRow] = [parameter("firstRow"), parameter("endRow")];
    const [firstColumn, endColumn] = [parameter("firstColumn"), parameter("endColumn")];
    const bColumn = parameter("bColumn");
    const integer = () => locals.add(types.int);
    const cursor: Cursor = {
      row: integer(),
      column: integer(),
      apart: integer(),
      block: integer(),
      start: integer(),
      slice: integer(),
    };
    const { row, column, apart, block, start, slice } = cursor;
    const [endOfBlock, endOfPairs] = [integer(), integer()];
    const { startRows, tile } = tiles(locals, scope.madd, readA, parameter, cursor);
    const sizeOfBlock = int.sub(get(endOfBlock), get(block));
    /** All tiles of a width, whose columns are as far apart as the block has so many parts. */
    const tilesOf = (height: number, width: 2 | typeof WIDE, source: Source): Code => [
      startRows(height),
      local.set(apart, int.shrU(sizeOfBlock, int.const(Math.log2(width)))),
      local.set(column, get(block)),
      countTo(column, plus(get(block), get(apart)), 1, tile(height, width, source)),
    ];

    /** The block's columns, for all rows. */
    const columns = (source: Source): Code => [
      local.set(row, firstRow),
      HEIGHTS.map((height) =>
        countTo(row, int.sub(endRow, int.const(height - 1)), height, tilesOf(height, 2, source))
      ),
      local.set(endOfPairs, get(row)),
      countTo(row, endRow, 1, tilesOf(1, WIDE, source)),
      // The last columns of a row, of which there are fewer than a tile has.
      local.set(row, firstRow),
      countTo(row, endRow, 1, [
        startRows(1),
        local.set(
          column,
          int.sub(
            get(endOfBlock),
            int.and(
              sizeOfBlock,
              select(int.const(1), int.const(WIDE - 1), int.ltS(get(row), get(endOfPairs))),
            ),
          ),
        ),
        countTo(column, get(endOfBlock), 1, tile(1, 1, source)),
      ]),
    ];
    const stored: Source = {
      begin: plus(
        b,
        int.mul(get(block), bColumn),
        int.mul(get(start), int.const(readB.bytes)),
      ),
      step: bColumn,
      reader: readB,
    };
    const widened: Source = {
      begin: scratch,
      step: int.shl(get(slice), int.const(2)),
      reader: floats,
    };
    const isMany = int.ltS(int.const(MOST_ROWS), int.sub(endRow, firstRow));
    return countFromZero(start, depth, [
      local.set(slice, least(int.sub(depth, get(start)), int.const(SLICE))),
      local.set(block, firstColumn),
      countTo(block, endColumn, BLOCK, [
        local.set(endOfBlock, least(plus(get(block), int.const(BLOCK)), endColumn)),
        readB.isFloat ? columns(stored) : branch(
          isMany,
          [widen(locals, readB, cursor, get(endOfBlock), stored, scratch), columns(widened)],
          columns(stored),
        ),
      ]),
    ], SLICE);
  });
}

/** Copies a slice of a block's columns to scratch memory, as floats, several columns at a time. */
function widen(
  locals: Locals,
  reader: FloatReader,
  cursor: Cursor,
  endOfBlock: Code,
  { begin, step }: Source,
  scratch: Code,
): Code {
  const { column, apart, block, slice } = cursor;
  const k = locals.add(types.int);
  const some = () => Array.from({ length: WIDE }, () => locals.add(types.int));
  const [sources, targets] = [some(), some()];
  const together = (width: number): Code => {
    const [from, to] = [sources.slice(0, width), targets.slice(0, width)];
    const set = (pointers: readonly number[], start: Code, bytes: Code): Code =>
      pointers.map((pointer, x) =>
        local.set(pointer, plus(start, int.mul(columnInBlock(cursor, x), bytes)))
      );
    const along = (elements: number, copy: (to: Code, from: Code) => Code): Code =>
      countTo(k, int.sub(get(slice), int.const(elements - 1)), elements, [
        from.map((pointer, x) => copy(get(at(to, x)), get(pointer))),
        from.map((pointer) => increase(pointer, elements * reader.bytes)),
        to.map((pointer) => increase(pointer, elements * 4)),
      ]);
    return [
      set(from, begin, step),
      set(to, scratch, int.shl(get(slice), int.const(2))),
      local.set(k, int.const(0)),
      along(4, (to, from) => v128.store(to, reader.four(from))),
      along(1, reader.copy),
    ];
  };
  return [
    local.set(apart, int.shrU(int.sub(endOfBlock, get(block)), int.const(Math.log2(WIDE)))),
    local.set(column, get(block)),
    countTo(column, plus(get(block), get(apart)), 1, together(WIDE)),
    local.set(column, plus(get(block), int.mul(get(apart), int.const(WIDE)))),
    countTo(column, endOfBlock, 1, together(1)),
  ];
}

/** The code of a tile: of two columns, or of a single row. */
function tiles(
  locals: Locals,
  madd: (a: Code, b: Code, sum: Code) => Code,
  readA: FloatReader,
  parameter: (name: "a" | "c" | "aRow" | "cRow") => Code,
  cursor: Cursor,
): {
  /** Sets the beginnings of so many rows from `row` on. */
  readonly startRows: (height: number) => Code;
  /** The tile at `column` of these rows. */
  readonly tile: (height: number, width: 1 | 2 | typeof WIDE, source: Source) => Code;
} {
  const { row, column, apart, start, slice } = cursor;
  const some = (count: number, type: typeof types.int | typeof types.v128) =>
    Array.from({ length: count }, () => locals.add(type));
  const sums = some(2 * MOST_ROWS, types.v128);
  const values = some(WIDE, types.v128);
  const [left, totals] = [locals.add(types.v128), locals.add(types.v128)];
  const [k, out] = [locals.add(types.int), locals.add(types.int)];
  const [rowPointers, columnPointers] = [some(MOST_ROWS, types.int), some(WIDE, types.int)];
  const rowStarts = some(MOST_ROWS, types.int);
  const isFirst = int.eqz(get(start));
  const none = f32x4.const(0);

  const startRows = (height: number): Code =>
    rowStarts.slice(0, height).map((rowStart, r) =>
      local.set(
        rowStart,
        plus(
          parameter("a"),
          int.mul(plus(get(row), int.const(r)), parameter("aRow")),
          int.mul(get(start), int.const(readA.bytes)),
        ),
      )
    );
  const tile = (
    height: number,
    width: 1 | 2 | typeof WIDE,
    { begin, step, reader }: Source,
  ): Code => {
    const [rows, columns] = [rowPointers.slice(0, height), columnPointers.slice(0, width)];
    const own = rows.map((_, r) => sums.slice(width * r, width * (r + 1)));
    const vector = (read: "four" | "one", index: number): Code => [
      columns.map((pointer, x) =>
        local.set(at(values, x), reader[read](get(pointer), 4 * reader.bytes * index))
      ),
      own.map((line, r) => [
        local.set(left, readA[read](get(at(rows, r)), 4 * readA.bytes * index)),
        line.map((sum, x) => local.set(sum, madd(get(left), get(at(values, x)), get(sum)))),
      ]),
    ];
    const advance = (elements: number): Code => [
      rows.map((pointer) => increase(pointer, elements * readA.bytes)),
      columns.map((pointer) => increase(pointer, elements * reader.bytes)),
    ];
    const along = (elements: number, body: Code): Code =>
      countTo(k, int.sub(get(slice), int.const(elements - 1)), elements, [body, advance(elements)]);
    /** The address of a result of the tile. */
    const place = (r: number, x: number): Code =>
      plus(
        get(out),
        int.mul(parameter("cRow"), int.const(r)),
        int.mul(get(apart), int.const(4 * x)),
      );
    /** Four sums, with what earlier slices gave. */
    const total = (four: readonly number[], before: Code): Code => [
      local.set(totals, laneSums(locals, four.map(get))),
      branch(isFirst, [], local.set(totals, f32x4.add(before, get(totals)))),
    ];
    /** Writes four sums, from one of a number on. */
    const write = (from: number): Code => {
      const places = Array.from({ length: WIDE }, (_, i) => {
        const sum = from + i;
        return place(Math.floor(sum / width), sum % width);
      });
      const before = places.reduce<Code>(
        (vector, address, lane) => v128.load32Lane(address, 0, lane, vector),
        none,
      );
      return [
        total(sums.slice(from, from + WIDE), before),
        places.map((address, lane) => v128.store32Lane(address, get(totals), lane)),
      ];
    };
    const written: Code = width > 1
      ? Array.from({ length: height * width / WIDE }, (_, i) => write(WIDE * i))
      : [
        total(Array<number>(WIDE).fill(at(sums, 0)), v128.load32Zero(get(out))),
        v128.store32Lane(get(out), get(totals), 0),
      ];
    return [
      own.flat().map((sum) => local.set(sum, none)),
      rows.map((pointer, r) => local.set(pointer, get(at(rowStarts, r)))),
      columns.map((pointer, x) =>
        local.set(
          pointer,
          plus(begin, int.mul(columnInBlock(cursor, x), step)),
        )
      ),
      local.set(k, int.const(0)),
      along(4 * UNROLL, Array.from({ length: UNROLL }, (_, index) => vector("four", index))),
      along(4, vector("four", 0)),
      along(1, vector("one", 0)),
      local.set(
        out,
        plus(
          parameter("c"),
          int.mul(get(row), parameter("cRow")),
          int.shl(get(column), int.const(2)),
        ),
      ),
      written,
    ];
  };
  return { startRows, tile };
}
