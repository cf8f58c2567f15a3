/** What the ways to multiply matrices share: how operands with any strides are read. */
import type { MatrixView } from "../../lowering/kernels.ts";
import { at, stridesOf } from "../../shape.ts";
import type { Context, KernelOf } from "./dispatch.ts";
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
function contiguity(
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
  { storageOf }: Context,
  shader: Shader,
): { readonly a: Contiguous; readonly b: Contiguous } {
  const readings = { a: contiguity(a, rows, depth), b: contiguity(b, depth, columns) };
  const shared = storageOf(a.buffer) === storageOf(b.buffer);
  if (shared && (readings.a === "none" || readings.b === "none")) return { a: "none", b: "none" };
  if (readings.a !== "none") shader.inFours(a.buffer);
  if (readings.b !== "none") shader.inFours(b.buffer);
  return readings;
}

/** Statements that name where the batch's matrices start. */
export function batchLines({ batch, a, b, rows, columns }: KernelOf<"matmul">): string[] {
  const names = batch.map((_, axis) => `batch${axis}`);
  const start = (offset: number, steps: readonly number[]) =>
    [`${offset}u`, ...names.map((name, axis) => `${name} * ${at(steps, axis)}u`)].join(" + ");
  return [
    ...splitPosition("batch", batch, names),
    `let startA = ${start(a.offset, a.batch)};`,
    `let startB = ${start(b.offset, b.batch)};`,
    `let startC = ${start(0, stridesOf(batch).map((step) => step * rows * columns))};`,
  ];
}

/** The position of an element in a view. */
export function position(start: string, { row, column }: MatrixView, i: string, j: string): string {
  const term = (index: string, step: number) => step === 1 ? index : `(${index}) * ${step}u`;
  return `${start} + ${term(i, row)} + ${term(j, column)}`;
}

/** A product's name, by the shapes of its operands. */
export function labelOf({ batch, rows, columns, depth }: KernelOf<"matmul">): string {
  return `matmul [${[...batch, rows, depth]}] x [${[...batch, depth, columns]}]`;
}
