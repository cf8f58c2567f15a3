/** Batches of matrix products, shared among threads. */
import { bytesPerElement, type DType, isStorage } from "../../dtype.ts";
import { at, sizeOf, stridesOf } from "../../shape.ts";
import { factorType } from "./elements.ts";
import { type CodeEmitter, dtypeOf, type KernelOf } from "./frame.ts";
import { emitBody } from "./map.ts";
import {
  callMatrixProduct,
  COLUMNS,
  matrixProductScratch,
  ROWS,
  triangles,
} from "./matrix_product.ts";
import { callRowProducts, MOST_ROWS, rowProductsScratch } from "./row_products.ts";
import { BLOCK } from "./vector_matrix.ts";
import { call, type Code, countTo, int, local, memory, types } from "./instructions.ts";

/**
 * Whether both operands have consecutive elements along the depth, as where a matrix is stored
 * transposed. Which routine multiplies does not depend on the number of rows then: each row has the
 * same bits among any others.
 */
function isAlongDepth({ a, b }: KernelOf<"matmul">): boolean {
  return a.column === 1 && b.row === 1;
}

/** Bytes of scratch memory that a product needs for each thread, with the element type of b. */
export function matmulScratch(kernel: KernelOf<"matmul">, dtype: DType): number {
  const { rows, columns, depth } = kernel;
  if (isAlongDepth(kernel)) {
    return isStorage(dtype) && rows > MOST_ROWS ? rowProductsScratch(columns, depth) : 0;
  }
  return rows === 1 ? 0 : matrixProductScratch(columns, depth);
}

/** Calls the routine for each product of the batch, or for this thread's part of one. */
export const matmul: CodeEmitter<"matmul"> = (kernel, frame) => {
  const { locals, base, routine } = frame;
  const bytesOf = (buffer: number): number => bytesPerElement[dtypeOf(frame, buffer)];
  const { batch, rows, columns, depth, a, b, output, outputStart, epilogue } = kernel;
  const counters = batch.map(() => locals.add(types.int));
  const outStrides = stridesOf(batch).map((stride) => stride * rows * columns);
  const address = (buffer: number, offset: number, strides: readonly number[]): Code =>
    counters.reduce<Code>(
      (sum, counter, loop) =>
        int.add(sum, int.mul(local.get(counter), int.const(bytesOf(buffer) * at(strides, loop)))),
      int.add(local.get(base(buffer)), int.const(bytesOf(buffer) * offset)),
    );
  if (rows * columns === 0) return [];
  const emptySum = memory.fill(
    local.get(base(output)),
    0,
    int.const(4 * sizeOf(batch) * rows * columns),
  );
  const isRow = rows === 1;
  // Whole products where there are several; else columns or rows, whichever has more tiles.
  const shared = batch.length > 0 && at(batch, 0) >= 4
    ? "batch"
    : columns / COLUMNS >= rows / ROWS
    ? "columns"
    : "rows";
  const share = {
    batch: () => frame.shareOf(at(batch, 0), 1),
    columns: () => frame.shareOf(columns, isRow ? BLOCK : COLUMNS),
    rows: () => frame.shareOf(rows, ROWS),
  }[shared]();
  const whole = (size: number): [Code, Code] => [int.const(0), int.const(size)];
  const part = (of: typeof shared, size: number): [Code, Code] =>
    share === undefined || of !== shared
      ? whole(size)
      : [local.get(share.begin), local.get(share.end)];
  const [left, right, result] = [
    address(a.buffer, a.offset, a.batch),
    address(b.buffer, b.offset, b.batch),
    address(output, outputStart, outStrides),
  ];
  const [firstRow, endRow] = part("rows", rows);
  const [firstColumn, endColumn] = part("columns", columns);
  const [aBytes, bBytes] = [bytesOf(a.buffer), bytesOf(b.buffer)];
  const factors = {
    a: factorType(dtypeOf(frame, a.buffer)),
    b: factorType(dtypeOf(frame, b.buffer)),
  };
  const product = isAlongDepth(kernel)
    ? callRowProducts(routine("rowProducts", factors), {
      a: left,
      b: right,
      c: result,
      scratch: frame.scratchAddress,
      depth: int.const(depth),
      aRow: int.const(aBytes * a.row),
      bColumn: int.const(bBytes * b.column),
      cRow: int.const(4 * columns),
      firstRow,
      endRow,
      firstColumn,
      endColumn,
    })
    : isRow
    ? call(
      routine("vectorMatrix", factors),
      left,
      right,
      result,
      int.const(depth),
      int.const(aBytes * a.column),
      int.const(bBytes * b.row),
      int.const(bBytes * b.column),
      firstColumn,
      endColumn,
    )
    : callMatrixProduct(routine("matrixProduct", factors), {
      a: left,
      b: right,
      c: result,
      scratch: frame.scratchAddress,
      rows: int.const(rows),
      columns: int.const(columns),
      depth: int.const(depth),
      aRow: int.const(aBytes * a.row),
      aColumn: int.const(aBytes * a.column),
      bRow: int.const(bBytes * b.row),
      bColumn: int.const(bBytes * b.column),
      cRow: int.const(4 * columns),
      firstRow,
      endRow,
      firstColumn,
      endColumn,
      triangle: int.const(triangles.none),
      diagonal: int.const(0),
      adds: int.const(0),
    });
  const products = depth === 0 ? emptySum : counters.reduceRight<Code>((body, counter, loop) => {
    const [begin, end] = loop === 0 ? part("batch", at(batch, 0)) : whole(at(batch, loop));
    return [local.set(counter, begin), countTo(counter, end, 1, body)];
  }, product);
  if (epilogue === undefined) return products;
  const loop = shared === "rows" ? 0 : 1;
  return [
    products,
    emitBody(
      { ...epilogue, domain: [rows, columns] },
      frame,
      share === undefined ? undefined : { loop, ...share },
    ),
  ];
};
