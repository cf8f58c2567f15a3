/**
 * Buffers in more pieces than a shader binds, extent by extent: each dispatch touches some elements of
 * a buffer only, and others see to the rest.
 */
import { bytesPerElement } from "../../dtype.ts";
import { groupBy } from "../../groups.ts";
import type { Extent } from "../../lowering/cut.ts";
import { at } from "../../shape.ts";
import type { KernelContext } from "./dispatch.ts";

/** A buffer and elements of it. */
export type Touched = readonly [buffer: number, extent: Extent];

/** Elements of a buffer in a piece of its storage. */
export function inPiece({ buffers, pageBytes }: KernelContext, buffer: number): number {
  return pageBytes / bytesPerElement[at(buffers, buffer).dtype];
}

/** The number of pieces that an extent of a buffer lies in. */
export function piecesIn(context: KernelContext, [buffer, { first, last }]: Touched): number {
  const size = inPiece(context, buffer);
  return Math.floor(last / size) - Math.floor(first / size) + 1;
}

/** All elements of a buffer; the storage of none has room for one. */
export function wholeExtent({ buffers }: KernelContext, buffer: number): Extent {
  return { first: 0, last: Math.max(0, at(buffers, buffer).size - 1) };
}

/**
 * Some elements of a buffer as extents of at most a number of pieces each, in order; all of them as
 * one, unless kernels are to be taken apart.
 */
export function extentsOf(
  context: KernelContext,
  buffer: number,
  pieces: number,
  { first, last }: Extent = wholeExtent(context, buffer),
): Extent[] {
  if (!context.isApart) return [{ first, last }];
  const size = Math.max(1, pieces) * inPiece(context, buffer);
  const begin = Math.floor(first / size);
  return Array.from({ length: Math.floor(last / size) - begin + 1 }, (_, i) => ({
    first: Math.max(first, (begin + i) * size),
    last: Math.min(last, (begin + i + 1) * size - 1),
  }));
}

/** The context of a dispatch that touches the given elements only. */
export function touching(context: KernelContext, touched: readonly Touched[]): KernelContext {
  if (!context.isApart) return context;
  const extents = groupBy(touched, ([buffer]) => context.storageOf(buffer));
  return {
    ...context,
    touched: (buffer) => extents.get(context.storageOf(buffer))?.map(([_, extent]) => extent),
  };
}

/** The bindings that are left beside those of some elements. */
export function roomBeside(context: KernelContext, touched: readonly Touched[]): number {
  return touched.reduce((room, part) => room - piecesIn(context, part), context.bindings);
}

/** Whether an index is in an extent, as text; undefined where every index of the buffer is. */
export function isWithin(
  context: KernelContext,
  index: string,
  [buffer, { first, last }]: Touched,
  unit: 1 | 4,
): string | undefined {
  const tests = [
    ...first === 0 ? [] : [`${index} >= ${first / unit}u`],
    ...last === wholeExtent(context, buffer).last
      ? []
      : [`${index} <= ${(last - unit + 1) / unit}u`],
  ];
  return tests.length === 0 ? undefined : tests.join(" && ");
}

/** A statement under a condition, if there is one. */
export function when(condition: string | undefined, statement: string): string {
  return condition === undefined ? statement : `if (${condition}) { ${statement} }`;
}

/** An element of an extent by its number in it, as text. */
export function elementOf({ first }: Extent, unit: 1 | 4): string {
  return first === 0 ? "element" : `(element + ${first / unit}u)`;
}

/** The number of elements of an extent, or of fours. */
export function countOf({ first, last }: Extent, unit: 1 | 4): number {
  return Math.ceil((last - first + 1) / unit);
}

/** The elements of rows of some numbers. */
export function across({ first, last }: Extent, width: number): Extent {
  return { first: first * width, last: (last + 1) * width - 1 };
}

/** The elements of one buffer that stand beside elements of another, `width` of it for each. */
export function beside({ first, last }: Extent, width: number): Extent {
  return { first: Math.floor(first / width), last: Math.floor(last / width) };
}
