/**
 * Products whose operands or results are in more pieces than a shader binds, block by block: where a
 * block of an operand still is, it is copied to memory in one piece first, and a block of the product
 * is copied out. Each element is the same sum in the same order.
 */
import { extentOf } from "../../lowering/cut.ts";
import type { Kernel, KernelOf, MatrixView } from "../../lowering/kernels.ts";
import { sizeOf } from "../../shape.ts";
import { floatSteps } from "./body.ts";
import type { KernelContext } from "./dispatch.ts";
import { apart } from "./epilogue.ts";
import { piecesIn } from "./pieces.ts";

/** Rows or columns of blocks are multiples of the first of these that they have room for. */
const SIDES = [128, 16, 4, 1] as const;

/** The most pieces that a block of an operand may lie in: two operands and a result make six. */
const MOST_PIECES = 2;

/** Rows or columns of a block, of all of them, where there is room for a number. */
function sideOf(all: number, room: number): number {
  if (all <= room) return all;
  const unit = SIDES.find((side) => side <= room) ?? 0;
  return unit === 0 ? 0 : unit * Math.floor(room / unit);
}

/** The first and the number of rows or columns of each block. */
function blocksOf(all: number, side: number): (readonly [begin: number, count: number])[] {
  return Array.from(
    { length: Math.ceil(all / side) },
    (_, i) => [i * side, Math.min(side, all - i * side)],
  );
}

type Size = readonly [rows: number, columns: number];

/** A matrix in a buffer of its own, which lies along its rows or its columns as another does. */
function packedView(buffer: number, like: MatrixView, [rows, columns]: Size): MatrixView {
  const steps = like.column <= like.row ? { row: columns, column: 1 } : { row: 1, column: rows };
  return { buffer, offset: 0, batch: [], ...steps };
}

/** Copies a matrix, whose neighbours in memory come one after the other. */
function copied(
  from: MatrixView,
  to: MatrixView,
  [rows, columns]: Size,
  context: KernelContext,
): KernelOf<"map"> {
  const isAlongRows = to.column <= to.row;
  const place = ({ offset, row, column }: MatrixView) => ({
    offset,
    strides: isAlongRows ? [row, column] : [column, row],
  });
  const steps = floatSteps(context, from.buffer, place(from));
  return {
    kind: "map",
    domain: isAlongRows ? [rows, columns] : [columns, rows],
    steps,
    stores: [{ buffer: to.buffer, at: place(to), value: steps.length - 1 }],
  };
}

/**
 * A product of two matrices as kernels that run one after the other, then its epilogue; undefined
 * where not even a row and a column fit in pieces of their own.
 */
export function productInBlocks(
  kernel: KernelOf<"matmul">,
  context: KernelContext,
): readonly Kernel[] | undefined {
  const { rows, columns, depth, a, b, output, outputStart } = kernel;
  const room = context.pageBytes / Float32Array.BYTES_PER_ELEMENT;
  const height = sideOf(rows, room / depth);
  const width = height === 0 ? 0 : sideOf(columns, Math.min(room / depth, room / height));
  if (width === 0) return undefined;
  const buffers = new Map<string, number>();
  const bufferOf = (name: "a" | "b" | "product", size: Size): number => {
    const known = buffers.get(name);
    if (known !== undefined) return known;
    const made = context.scratch("f32", sizeOf(size));
    buffers.set(name, made);
    return made;
  };
  const isFew = ({ buffer, offset, row, column }: MatrixView, size: Size) =>
    piecesIn(context, [buffer, extentOf({ offset, strides: [row, column] }, size)]) <= MOST_PIECES;
  const kernels: Kernel[] = [];
  /** The block of an operand, which is copied where it is in too many pieces. */
  const operand = (name: "a" | "b", view: MatrixView, size: Size, most: Size): MatrixView => {
    if (sizeOf(size) === 0 || isFew(view, size)) return view;
    const packed = packedView(bufferOf(name, most), view, size);
    kernels.push(copied(view, packed, size, context));
    return packed;
  };
  for (const [row, own] of blocksOf(rows, height)) {
    const left = operand(
      "a",
      { ...a, batch: [], offset: a.offset + row * a.row },
      [own, depth],
      [height, depth],
    );
    for (const [column, count] of blocksOf(columns, width)) {
      const right = operand(
        "b",
        { ...b, batch: [], offset: b.offset + column * b.column },
        [depth, count],
        [depth, width],
      );
      const place: MatrixView = {
        buffer: output,
        offset: outputStart + row * columns + column,
        batch: [],
        row: columns,
        column: 1,
      };
      const isDirect = count === columns && isFew(place, [own, count]);
      const target = isDirect
        ? place
        : packedView(bufferOf("product", [height, width]), place, [own, count]);
      kernels.push({
        kind: "matmul",
        batch: [],
        rows: own,
        columns: count,
        depth,
        a: left,
        b: right,
        output: target.buffer,
        outputStart: target.offset,
      });
      if (!isDirect) kernels.push(copied(target, place, [own, count], context));
    }
  }
  const last = apart(kernel);
  return last === undefined ? kernels : [...kernels, last];
}
