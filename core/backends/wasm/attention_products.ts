/**
 * The products of attention, for a block of queries: with the routine for matrices, which skips
 * elements above the diagonal, or with those for a row.
 *
 * Keys and values that a query does not see have no part in its results, not even if they are NaN
 * or infinite, although zero times such a number is NaN. So results that are not finite are
 * computed again without the products of zeros, and so are sums that such numbers would be added
 * to.
 */
import type { HeadVectors } from "../../lowering/kernels.ts";
import { diagonalOf, matrixAddress, type QueryBlock, vectorAddress } from "./attention_block.ts";
import {
  addressTo,
  branch,
  call,
  type Code,
  countFromZero,
  countTo,
  f32,
  f32x4,
  int,
  isSet,
  least,
  local,
  memory,
  most,
  types,
  v128,
} from "./instructions.ts";
import { callMatrixProduct, type MatrixProductArguments, triangles } from "./matrix_product.ts";
import { callRowProducts } from "./row_products.ts";

const get = local.get;
const plus = (a: Code, ...terms: Code[]): Code => terms.reduce((sum, x) => int.add(sum, x), a);

/** Bytes from a position to the next. */
function stepOf({ position }: HeadVectors): Code {
  return int.const(4 * position);
}

/** A product of matrices whose rows are this block's, its keys', or elements of its vectors. */
type BlockProduct =
  & Pick<MatrixProductArguments, "a" | "b" | "c" | "rows" | "columns" | "depth">
  & Pick<MatrixProductArguments, "aRow" | "aColumn" | "bRow" | "bColumn" | "cRow" | "adds">;

/**
 * Calls the routine for a product; its triangle is known if the keys that queries see end on a
 * diagonal.
 */
function multiply(block: QueryBlock, triangle: keyof typeof triangles, args: BlockProduct): Code {
  const { frame, scratch } = block;
  const zero = int.const(0);
  const diagonal = diagonalOf(block);
  return callMatrixProduct(frame.routine("matrixProduct"), {
    ...args,
    scratch: plus(frame.scratchAddress, int.const(scratch.products)),
    firstRow: zero,
    endRow: args.rows,
    firstColumn: zero,
    endColumn: args.columns,
    triangle: int.const(triangles[diagonal === undefined ? "none" : triangle]),
    diagonal: diagonal ?? zero,
  });
}

/** `a b'` for the block's rows of a and the keys' rows of b, as a matrix of the block. */
export function productsOf(
  block: QueryBlock,
  a: HeadVectors,
  b: HeadVectors,
  matrix: number,
): Code {
  const { frame, sizes, scratch, head, keyHead, first, firstKey, rows, keys } = block;
  const common = {
    a: vectorAddress(block, a, get(first), head),
    aRow: stepOf(a),
    b: vectorAddress(block, b, get(firstKey), keyHead),
    bColumn: stepOf(b),
    c: matrixAddress(block, matrix),
    cRow: int.const(scratch.step),
    depth: int.const(sizes.width),
  };
  if (block.blocking.size === 1) {
    const [zero, one] = [int.const(0), int.const(1)];
    return callRowProducts(frame.routine("rowProducts"), {
      ...common,
      ...{ scratch: zero, firstRow: zero, endRow: one, firstColumn: zero, endColumn: get(keys) },
    });
  }
  return multiply(block, "result", {
    ...common,
    aColumn: int.const(4),
    bRow: int.const(4),
    rows: get(rows),
    columns: get(keys),
    adds: int.const(0),
  });
}

/** Sets the block's rows of c to `m b` for a matrix of the block and the keys' rows of b. */
export function weighted(block: QueryBlock, matrix: number, b: HeadVectors, c: HeadVectors): Code {
  const { frame, sizes, scratch, head, keyHead, first, firstKey, rows, keys } = block;
  const args: BlockProduct = {
    a: matrixAddress(block, matrix),
    aRow: int.const(scratch.step),
    aColumn: int.const(4),
    b: vectorAddress(block, b, get(firstKey), keyHead),
    bRow: stepOf(b),
    bColumn: int.const(4),
    c: vectorAddress(block, c, get(first), head),
    cRow: stepOf(c),
    rows: get(rows),
    columns: int.const(sizes.width),
    depth: get(keys),
    adds: int.const(0),
  };
  const product = block.blocking.size > 1 ? multiply(block, "lower", args) : call(
    frame.routine("vectorMatrix"),
    args.a,
    args.b,
    args.c,
    args.depth,
    args.aColumn,
    args.bRow,
    args.bColumn,
    int.const(0),
    args.columns,
  );
  const diagonal = diagonalOf(block);
  const isZeroFrom = (row: Code) =>
    diagonal === undefined ? get(keys) : least(plus(row, diagonal, int.const(1)), get(keys));
  return [
    product,
    ifFinite(
      block,
      { at: args.c, step: args.cRow, rows: get(rows) },
      [],
      withoutZeros(frame, sizes.width, args, (row) => [int.const(0), isZeroFrom(row)]),
    ),
  ];
}

/**
 * Sets the keys' rows of c to `m' b` for a matrix of the block and its rows of b, or adds that to
 * them.
 */
export function spread(
  block: QueryBlock,
  matrix: number,
  b: HeadVectors,
  c: HeadVectors,
  adds: Code,
): Code {
  const { frame, sizes, scratch, head, keyHead, first, firstKey, rows, keys } = block;
  const args: BlockProduct = {
    a: matrixAddress(block, matrix),
    aRow: int.const(4),
    aColumn: int.const(scratch.step),
    b: vectorAddress(block, b, get(first), head),
    bRow: stepOf(b),
    bColumn: int.const(4),
    c: vectorAddress(block, c, get(firstKey), keyHead),
    cRow: stepOf(c),
    rows: get(keys),
    columns: int.const(sizes.width),
    depth: get(rows),
    adds,
  };
  const diagonal = diagonalOf(block);
  const isZeroBefore = (row: Code) =>
    diagonal === undefined ? int.const(0) : most(int.sub(row, diagonal), int.const(0));
  return ifFinite(
    block,
    { at: args.b, step: args.bRow, rows: get(rows) },
    multiply(block, "upper", args),
    withoutZeros(frame, sizes.width, args, (row) => [isZeroBefore(row), get(rows)]),
  );
}

/** Runs `then` if all elements of some vectors are finite, `otherwise` if not. */
function ifFinite(
  { frame, sizes: { width } }: QueryBlock,
  { at, step, rows }: { readonly at: Code; readonly step: Code; readonly rows: Code },
  then: Code,
  otherwise: Code,
): Code {
  const { locals, scope: { float, madd } } = frame;
  const [i, row, address] = [locals.add(types.int), locals.add(types.int), locals.add(types.int)];
  const sum = locals.add(types.v128);
  const sums = [sum, ...Array.from({ length: 3 }, () => locals.add(types.v128))];
  // Zero times a number that is not finite is NaN, and so is the sum.
  const adds = (into: number, x: Code) => local.set(into, madd(x, float(0), get(into)));
  const inSixteens = width - width % 16;
  const inFours = width - width % 4;
  const vectors = Array.from({ length: (inFours - inSixteens) / 4 }, (_, v) => inSixteens + 4 * v);
  const elements = Array.from({ length: width - inFours }, (_, e) => inFours + e);
  return [
    sums.map((sum) => local.set(sum, f32x4.const(0))),
    local.set(row, at),
    countFromZero(i, rows, [
      local.set(address, get(row)),
      addressTo(
        address,
        plus(get(row), int.const(4 * inSixteens)),
        64,
        sums.map((sum, v) => adds(sum, v128.load(get(address), 16 * v))),
      ),
      vectors.map((from) => adds(sum, v128.load(get(row), 4 * from))),
      elements.map((from) => adds(sum, v128.load32Zero(get(row), 4 * from))),
      local.set(row, plus(get(row), step)),
    ]),
    sums.slice(1).map((other) => local.set(sum, f32x4.add(get(sum), get(other)))),
    branch(v128.anyTrue(f32x4.ne(get(sum), get(sum))), otherwise, then),
  ];
}

/**
 * A product with vectors of a width, term by term, where `range` says from which to which
 * (excluded) the elements of a row of a are set; zeros are left out.
 */
function withoutZeros(
  { locals }: QueryBlock["frame"],
  width: number,
  { a, aRow, aColumn, b, bRow, c, cRow, rows, adds }: BlockProduct,
  range: (row: Code) => readonly [from: Code, to: Code],
): Code {
  const integer = () => locals.add(types.int);
  const [i, k, end, row, d, factor] = [
    integer(),
    integer(),
    integer(),
    integer(),
    integer(),
    locals.add(types.f32),
  ];
  const [from, to] = range(get(i));
  const element = plus(get(row), get(d));
  const term = f32.load(plus(b, int.mul(get(k), bRow), get(d)));
  return countFromZero(i, rows, [
    local.set(row, plus(c, int.mul(get(i), cRow))),
    branch(isSet(adds), [], memory.fill(get(row), 0, int.const(4 * width))),
    local.set(k, from),
    local.set(end, to),
    countTo(k, get(end), 1, [
      local.set(
        factor,
        f32.load(plus(a, int.mul(get(i), aRow), int.mul(get(k), aColumn))),
      ),
      branch(
        f32.ne(get(factor), f32.const(0)),
        countFromZero(
          d,
          int.const(4 * width),
          f32.store(element, f32.add(f32.load(element), f32.mul(get(factor), term))),
          4,
        ),
      ),
    ]),
  ]);
}

/** Sets a head's vectors at positions from one to another one (excluded) to zeros. */
export function clear(block: QueryBlock, x: HeadVectors, from: Code, to: Code, head: number): Code {
  const position = block.frame.locals.add(types.int);
  return [
    local.set(position, from),
    countTo(
      position,
      to,
      1,
      memory.fill(
        vectorAddress(block, x, get(position), head),
        0,
        int.const(4 * block.sizes.width),
      ),
    ),
  ];
}
