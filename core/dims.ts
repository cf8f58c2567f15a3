/** The sizes of a tensor by name: `dims(x, "B T D")`. */
import { type Shape, ShapeError, showShape } from "./shape.ts";

/** The names of a pattern's axes: `AxisName<"B 3 D">` is `"B" | "D"`. */
export type AxisName<Pattern extends string> = Pattern extends `${infer Word} ${infer Rest}`
  ? AxisName<Word> | AxisName<Rest>
  : Pattern extends "" | "..." | `${number}` ? never
  : Pattern;

/**
 * The sizes of the axes that a pattern names: `Dims<"B 3 D">` is
 * `{ readonly B: number; readonly D: number }`.
 */
export type Dims<Pattern extends string> = { readonly [Name in AxisName<Pattern>]: number };

const GAP = "...";
const SIZE = /^\d+$/;
const NAME = /^[A-Za-z]\w*$/;

/** The words of a pattern. */
function wordsOf(pattern: string): readonly string[] {
  const words = pattern === "" ? [] : pattern.split(" ");
  const areWords = words.every((word) => word === GAP || SIZE.test(word) || NAME.test(word));
  if (areWords && words.indexOf(GAP) === words.lastIndexOf(GAP)) return words;
  throw new ShapeError(
    `dims: "${pattern}" is no pattern; write names and sizes with one space between them, ` +
      `and "..." at most once, such as "B T 3 D" or "... V"`,
  );
}

/**
 * Checks the shape of a tensor against a pattern, and returns its sizes by name.
 *
 * A pattern has a word for each axis, outermost first. A name stands for any size, and for the same
 * size wherever it is repeated. A number stands for itself. `...` stands for any number of axes.
 * The empty pattern stands for a scalar. To compare several tensors, write the sizes of the first
 * into the pattern of the second.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { dims, ShapeError, zeros } from "@unitune/core";
 *
 * const { B, T } = dims(zeros([2, 5, 8]), "B T D");
 * assertEquals([B, T], [2, 5]);
 * dims(zeros([2, 6]), `${B} ${T + 1}`);
 * assertEquals(dims([2, 5, 100], "... V"), { V: 100 });
 *
 * assertThrows(
 *   () => dims(zeros([2, 4]), `${B} ${T}`, "loss: mask"),
 *   ShapeError,
 *   "loss: mask: got shape [2, 4]; expected [2, 5]",
 * );
 * ```
 *
 * @param x The tensor, or its shape.
 * @param pattern The axes: names, sizes, and at most one `...`.
 * @param operation The operation that errors name, with the operand if there are several.
 * @returns The size of each axis that the pattern names.
 * @throws {ShapeError} If the shape does not fit the pattern, or the pattern is malformed.
 */
export function dims<Pattern extends string>(
  x: Shape | { readonly shape: Shape },
  pattern: Pattern,
  operation?: string,
): Dims<Pattern>;
// The names come from the pattern; only this signature and the type above know it.
export function dims(
  x: Shape | { readonly shape: Shape },
  pattern: string,
  operation = "dims",
): Readonly<Record<string, number>> {
  const shape = "shape" in x ? x.shape : x;
  const words = wordsOf(pattern);
  const gap = words.indexOf(GAP);
  const sizes = new Map<string, number>();
  const fitsAt = (word: string, axis: number): boolean => {
    const size = shape.at(axis);
    if (size === undefined) return false;
    if (SIZE.test(word)) return size === Number(word);
    if (!sizes.has(word)) sizes.set(word, size);
    return size === sizes.get(word);
  };
  const fits = gap < 0
    ? shape.length === words.length && words.every(fitsAt)
    : shape.length >= words.length - 1 &&
      words.every((word, i) =>
        i < gap ? fitsAt(word, i) : i === gap || fitsAt(word, i - words.length)
      );
  if (fits) return Object.fromEntries(sizes);
  throw new ShapeError(
    `${operation}: got shape ${showShape(shape)}; expected [${words.join(", ")}]`,
  );
}
