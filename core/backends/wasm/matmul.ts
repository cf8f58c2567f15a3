/**
 * Matrix multiplication: one routine for all sizes and strides.
 *
 * Panels of both operands are packed, so that the innermost loop reads consecutive memory whatever
 * the operands' layout: B in panels of 8 columns, A in panels of 6 rows, both in slices of up to
 * 256 along the depth. A tile of 6 x 8 is held in 12 vector registers, which with two for B and
 * one for A stays below the machine's 16.
 */
import {
  branch,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  i32,
  local,
  select,
  types,
  v128,
} from "./instructions.ts";
import { defineFunction, type Locals, type WasmFunction } from "./module.ts";

/** Rows of a tile. */
const ROWS = 6;

/** Columns of a tile. */
const COLUMNS = 8;

/** The longest slice along the depth; a packed panel of B of this depth fits the first cache. */
const DEPTH = 256;

/** Rounds of the innermost loop that are written out. */
const UNROLL = 4;

/** Bytes of scratch memory that a product of `columns` columns needs: packed B, packed A, a tile. */
export function matmulScratch(columns: number): number {
  return 4 * (DEPTH * Math.ceil(columns / COLUMNS) * COLUMNS + DEPTH * ROWS + ROWS * COLUMNS);
}

const bytes = (count: number): number => 4 * count;
const plus = (a: Code, ...terms: Code[]): Code =>
  terms.reduce((sum, term) => i32.add(sum, term), a);

/** The smaller of two integers. */
function least(a: Code, b: Code): Code {
  return select(a, b, i32.ltS(a, b));
}

/**
 * `c[i, j] = sum_k a[i, k] b[k, j]`: addresses of a, b, c and scratch memory, then rows, columns,
 * depth, and the steps in bytes along a's rows and columns and along b's rows and columns; c is
 * contiguous.
 */
export function matmulFunction(fused: boolean): WasmFunction {
  const madd = fused
    ? f32x4.relaxedMadd
    : (a: Code, b: Code, sum: Code): Code => f32x4.add(f32x4.mul(a, b), sum);

  return defineFunction(new Array(11).fill(types.i32), [], (locals, ...parameters) => {
    const [a, b, c, scratch, rows, columns, depth, aRow, aColumn, bRow, bColumn] = parameters
      .map(local.get);
    if (
      a === undefined || b === undefined || c === undefined || scratch === undefined ||
      rows === undefined || columns === undefined || depth === undefined || aRow === undefined ||
      aColumn === undefined || bRow === undefined || bColumn === undefined
    ) throw new Error("matmul has eleven parameters");

    const integer = () => locals.add(types.i32);
    const [i, j, k, start, slice] = [integer(), integer(), integer(), integer(), integer()];
    const [packedA, tile, to, from, lane, pa, pb] = Array.from({ length: 7 }, integer);
    const [limit, out, paddedColumns] = [integer(), integer(), integer()];
    if (
      packedA === undefined || tile === undefined || to === undefined || from === undefined ||
      lane === undefined || pa === undefined || pb === undefined
    ) throw new Error("locals are missing");
    const get = local.get;

    /** B's columns j..j+7 over the slice, rows of 8; columns outside are 0. */
    const packB: Code = countFromZero(j, columns, [
      local.set(from, plus(b, i32.mul(get(start), bRow), i32.mul(get(j), bColumn))),
      local.set(to, plus(scratch, i32.mul(get(j), i32.mul(get(slice), i32.const(4))))),
      branch(
        i32.leS(i32.add(get(j), i32.const(COLUMNS)), columns),
        branch(
          i32.eq(bColumn, i32.const(4)),
          countFromZero(k, get(slice), [
            v128.store(get(to), v128.load(get(from))),
            v128.store(get(to), v128.load(get(from), 16), 16),
            local.set(to, i32.add(get(to), i32.const(bytes(COLUMNS)))),
            local.set(from, i32.add(get(from), bRow)),
          ]),
          countFromZero(k, get(slice), [
            gatherColumns(locals, get(from), bColumn, get(to)),
            local.set(to, i32.add(get(to), i32.const(bytes(COLUMNS)))),
            local.set(from, i32.add(get(from), bRow)),
          ]),
        ),
        countFromZero(k, get(slice), [
          v128.store(get(to), f32x4.const(0)),
          v128.store(get(to), f32x4.const(0), 16),
          countFromZero(
            lane,
            i32.sub(columns, get(j)),
            f32.store(
              i32.add(get(to), i32.shl(get(lane), i32.const(2))),
              f32.load(i32.add(get(from), i32.mul(get(lane), bColumn))),
            ),
          ),
          local.set(to, i32.add(get(to), i32.const(bytes(COLUMNS)))),
          local.set(from, i32.add(get(from), bRow)),
        ]),
      ),
    ], COLUMNS);

    /** A's rows i..i+5 over the slice, columns of 6; a row outside repeats the last one inside. */
    const rowStarts = Array.from({ length: ROWS }, integer);
    const packA: Code = [
      rowStarts.map((row, r) =>
        local.set(
          row,
          plus(
            a,
            i32.mul(get(start), aColumn),
            i32.mul(least(i32.add(get(i), i32.const(r)), i32.sub(rows, i32.const(1))), aRow),
          ),
        )
      ),
      local.set(to, get(packedA)),
      local.set(from, i32.const(0)),
      countFromZero(k, get(slice), [
        rowStarts.map((row, r) =>
          f32.store(get(to), f32.load(i32.add(get(row), get(from))), bytes(r))
        ),
        local.set(to, i32.add(get(to), i32.const(bytes(ROWS)))),
        local.set(from, i32.add(get(from), aColumn)),
      ]),
    ];

    const sums = Array.from(
      { length: ROWS },
      () => [locals.add(types.v128), locals.add(types.v128)] as const,
    );
    const [b0, b1] = [locals.add(types.v128), locals.add(types.v128)];
    const rank1 = (round: number): Code => [
      local.set(b0, v128.load(get(pb), bytes(round * COLUMNS))),
      local.set(b1, v128.load(get(pb), bytes(round * COLUMNS + 4))),
      sums.map(([left, right], r) => {
        const splat = locals.add(types.v128);
        return [
          local.set(splat, v128.load32Splat(get(pa), bytes(round * ROWS + r))),
          local.set(left, madd(get(splat), get(b0), get(left))),
          local.set(right, madd(get(splat), get(b1), get(right))),
        ];
      }),
    ];
    const advance = (rounds: number): Code => [
      local.set(pa, i32.add(get(pa), i32.const(bytes(rounds * ROWS)))),
      local.set(pb, i32.add(get(pb), i32.const(bytes(rounds * COLUMNS)))),
    ];
    const accumulate: Code = [
      sums.flat().map((sum) => local.set(sum, f32x4.const(0))),
      local.set(k, i32.const(0)),
      countTo(k, i32.sub(get(slice), i32.const(UNROLL - 1)), UNROLL, [
        Array.from({ length: UNROLL }, (_, round) => rank1(round)),
        advance(UNROLL),
      ]),
      countTo(k, get(slice), 1, [rank1(0), advance(1)]),
    ];

    /** Rows of the tile into c; after the first slice, added to what is there. */
    const isFirst = i32.eqz(get(start));
    const writeWhole: Code = branch(
      isFirst,
      sums.map(([left, right], r) => writeRow(rowOf(r), get(left), get(right))),
      sums.map(([left, right], r) =>
        writeRow(
          rowOf(r),
          f32x4.add(v128.load(rowOf(r)), get(left)),
          f32x4.add(v128.load(rowOf(r), 16), get(right)),
        )
      ),
    );
    function rowOf(r: number): Code {
      return i32.add(get(out), i32.mul(columns ?? [], i32.const(bytes(r))));
    }
    function writeRow(address: Code, left: Code, right: Code): Code {
      return [v128.store(address, left), v128.store(address, right, 16)];
    }

    /** Where the tile hangs over the edge: by way of scratch memory, element by element. */
    const [row, element] = [integer(), integer()];
    const source = i32.add(
      get(tile),
      i32.shl(i32.add(i32.mul(get(row), i32.const(COLUMNS)), get(lane)), i32.const(2)),
    );
    const target = plus(
      get(out),
      i32.shl(i32.add(i32.mul(get(row), columns), get(lane)), i32.const(2)),
    );
    const writeEdge: Code = [
      sums.map(([left, right], r) => [
        v128.store(get(tile), get(left), bytes(r * COLUMNS)),
        v128.store(get(tile), get(right), bytes(r * COLUMNS + 4)),
      ]),
      countFromZero(
        row,
        least(i32.sub(rows, get(i)), i32.const(ROWS)),
        countFromZero(lane, get(limit), [
          local.set(element, target),
          f32.store(
            get(element),
            [
              isFirst,
              0x04,
              types.f32,
              f32.load(source),
              0x05,
              f32.add(f32.load(get(element)), f32.load(source)),
              0x0b,
            ],
          ),
        ]),
      ),
    ];

    const tiles: Code = countFromZero(i, rows, [
      packA,
      countFromZero(j, columns, [
        local.set(pa, get(packedA)),
        local.set(pb, plus(scratch, i32.mul(get(j), i32.mul(get(slice), i32.const(4))))),
        local.set(
          out,
          i32.add(c, i32.shl(i32.add(i32.mul(get(i), columns), get(j)), i32.const(2))),
        ),
        local.set(limit, least(i32.sub(columns, get(j)), i32.const(COLUMNS))),
        accumulate,
        branch(
          i32.and(
            i32.eq(get(limit), i32.const(COLUMNS)),
            i32.leS(i32.add(get(i), i32.const(ROWS)), rows),
          ),
          writeWhole,
          writeEdge,
        ),
      ], COLUMNS),
    ], ROWS);

    return [
      local.set(
        paddedColumns,
        i32.mul(
          i32.divS(i32.add(columns, i32.const(COLUMNS - 1)), i32.const(COLUMNS)),
          i32.const(COLUMNS),
        ),
      ),
      local.set(
        packedA,
        i32.add(scratch, i32.mul(get(paddedColumns), i32.const(bytes(DEPTH)))),
      ),
      local.set(tile, i32.add(get(packedA), i32.const(bytes(DEPTH * ROWS)))),
      countFromZero(start, depth, [
        local.set(slice, least(i32.sub(depth, get(start)), i32.const(DEPTH))),
        packB,
        tiles,
      ], DEPTH),
    ];
  });
}

/** Eight elements a step apart into eight that are consecutive. */
function gatherColumns(locals: Locals, from: Code, step: Code, to: Code): Code {
  const address = locals.add(types.i32);
  return [
    local.set(address, from),
    Array.from({ length: COLUMNS }, (_, lane) => [
      f32.store(to, f32.load(local.get(address)), bytes(lane)),
      lane + 1 < COLUMNS ? local.set(address, i32.add(local.get(address), step)) : [],
    ]),
  ];
}
