/** Reading operands with any strides, as all ways to multiply matrices do. */
import type { KernelOf, MatrixView } from "../../lowering/kernels.ts";
import { at, type Shape, stridesOf } from "../../shape.ts";
import type { KernelContext } from "./dispatch.ts";
import type { Range } from "./loops.ts";
import { type Shader, splitPosition } from "./shader.ts";

/** The lanes of a vector. */
export const FOUR = [0, 1, 2, 3] as const;

/** The numbers below one. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The axis of a matrix along which four elements are neighbours and can be read at once. */
export type Contiguous = "row" | "column" | "none";

/** Whether a view's elements can be read in fours, along its rows or down its columns. */
export function contiguity(
  { offset, batch, row, column }: MatrixView,
  rows: number,
  columns: number,
): Contiguous {
  if (offset % 4 !== 0 || batch.some((step) => step % 4 !== 0)) return "none";
  if (column === 1 && row % 4 === 0 && columns % 4 === 0) return "row";
  if (row === 1 && column % 4 === 0 && rows % 4 === 0) return "column";
  return "none";
}

/** Tells the shader which operands are read in fours, and how. */
export function readingsOf(
  { a, b, rows, columns, depth }: KernelOf<"matmul">,
  { storageOf }: KernelContext,
  shader: Shader,
): { readonly a: Contiguous; readonly b: Contiguous } {
  const readings = { a: contiguity(a, rows, depth), b: contiguity(b, depth, columns) };
  const shared = storageOf(a.buffer) === storageOf(b.buffer);
  if (shared && (readings.a === "none" || readings.b === "none")) return { a: "none", b: "none" };
  if (readings.a !== "none") shader.inFours(a.buffer);
  if (readings.b !== "none") shader.inFours(b.buffer);
  return readings;
}

/** Statements that split the number of a matrix into indices of the batch's axes. */
export function batchIndices(batch: Shape, matrix: string): string[] {
  return splitPosition(matrix, batch, batchNames(batch));
}

function batchNames(batch: Shape): string[] {
  return batch.map((_, axis) => `batch${axis}`);
}

/** The start of an operand's matrix, by the indices of the batch's axes. */
export function startOf(batch: Shape, view: Pick<MatrixView, "offset" | "batch">): string {
  const steps = batchNames(batch).map((name, axis) => `${name} * ${at(view.batch, axis)}u`);
  return [`${view.offset}u`, ...steps].join(" + ");
}

/** The start of the product's matrix in its buffer, from an offset on. */
export function startOfProduct(
  { batch, rows, columns }: KernelOf<"matmul">,
  offset: number,
): string {
  const steps = stridesOf(batch).map((step) => step * rows * columns);
  return startOf(batch, { offset, batch: steps });
}

/** The position of an element in a view. */
export function position(start: string, { row, column }: MatrixView, i: string, j: string): string {
  const term = (index: string, step: number) => step === 1 ? index : `(${index}) * ${step}u`;
  return `${start} + ${term(i, row)} + ${term(j, column)}`;
}

/**
 * The longest run of a product's depth that is added up in registers: the totals of runs are added
 * in memory, which is little beside the elements that a run reads.
 */
export const SLICE_DEPTH = { software: 1024, hardware: 2048 } as const;

/**
 * A run's total with the totals of the runs before, as text; the total so far stands where the new
 * one goes.
 */
export function withRunsBefore(before: string, total: string, zero: string): string {
  return `select(${before}, ${zero}, sliceStart == 0u) + ${total}`;
}

/**
 * Statements for a range of a product's depth, slice by slice if it is sliced. `sums` clear the sums
 * in registers; `slice` adds up a slice, and writes {@linkcode withRunsBefore}.
 */
export function inSlices(
  { begin, end }: Range,
  isSliced: boolean,
  sums: readonly string[],
  slice: (begin: string, end: string) => readonly string[],
): string[] {
  if (!isSliced) return [...slice(begin, end)];
  return [
    `for (var sliceStart = ${begin}; sliceStart < ${end}; sliceStart += ${SLICE_DEPTH.software}u) {`,
    `let sliceEnd = min(sliceStart + ${SLICE_DEPTH.software}u, ${end});`,
    ...sums,
    ...slice("sliceStart", "sliceEnd"),
    "}",
  ];
}

/** Statements for the last range only. */
export function inLast({ isLast }: Range, lines: readonly string[]): string[] {
  return isLast === undefined || lines.length === 0
    ? [...lines]
    : [`if (${isLast}) {`, ...lines, "}"];
}
