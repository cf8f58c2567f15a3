/** Checks of shapes, names and groups, so that a wrong value is an error and never a silent NaN. */
import {
  checkRange,
  ranges,
  ShapeError,
  showShape,
  sizeOf,
  type Tensor,
  unsqueeze,
} from "@unitune/core";
import { checkMask } from "./host.ts";

/** Throws unless a hyperparameter is one of a table's names. */
export function checkName(
  name: string,
  value: string,
  table: Readonly<Record<string, unknown>>,
): void {
  if (!Object.hasOwn(table, value)) {
    throw new RangeError(`${name}: expected one of ${Object.keys(table).join(", ")}, got ${value}`);
  }
}

/** Throws unless log-probs and mask are both `[B, T]`, with at least one row and one token. */
export function checkTokens(name: string, logProbs: Tensor, mask: Tensor): void {
  const fits = logProbs.shape.length === 2 && showShape(logProbs.shape) === showShape(mask.shape);
  if (!fits) {
    throw new ShapeError(
      `${name}: got log-probs ${showShape(logProbs.shape)} and mask ${showShape(mask.shape)}; ` +
        `expected both [B, T]`,
    );
  }
  if (sizeOf(logProbs.shape) === 0) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row of one token`);
  }
  checkMask(name, mask);
}

/** Operands that hold 0 and 1 only, and the name of an element of each in errors. */
const flags: Readonly<Record<string, string>> = {
  mask: "the mask",
  counted: "the mask",
  labels: "the label",
};

/**
 * Throws unless tensors all have one shape, and elements.
 *
 * @param name The function that errors name.
 * @param axes The names of the axes, such as `["B", "T"]`.
 * @param tensors The tensors by their names.
 */
export function checkShapes(
  name: string,
  axes: readonly string[],
  tensors: Readonly<Record<string, Tensor>>,
): void {
  const entries = Object.entries(tensors);
  const shapes = new Set(entries.map(([, x]) => showShape(x.shape)));
  if (shapes.size > 1 || entries.some(([, x]) => x.shape.length !== axes.length)) {
    const got = entries.map(([what, x]) => `${what} ${showShape(x.shape)}`).join(", ");
    throw new ShapeError(`${name}: got ${got}; expected all of them [${axes.join(", ")}]`);
  }
  if (entries.some(([, x]) => sizeOf(x.shape) === 0)) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row`);
  }
  for (const [what, x] of entries) {
    const called = flags[what];
    if (called !== undefined) checkMask(name, x, called);
  }
}

/** Throws unless rows fall into whole groups of at least two. */
export function checkGroups(name: string, rows: number, groupSize: number): void {
  checkRange(`${name}: groupSize`, groupSize, ranges.integerFrom(1));
  if (groupSize < 2) {
    throw new RangeError(
      `${name}: groupSize: expected at least 2, got ${groupSize}; ` +
        `a single member has nothing to be compared with`,
    );
  }
  if (rows === 0 || rows % groupSize !== 0) {
    throw new ShapeError(
      `${name}: got ${rows} rows; expected a positive multiple of groupSize ${groupSize}, ` +
        `each group in consecutive rows`,
    );
  }
}

/** Advantages `[B]` as `[B, 1]`; advantages of tokens as they are. */
export function perToken(name: string, advantages: Tensor, logProbs: Tensor): Tensor {
  if (advantages.shape.length === 1 && advantages.shape[0] === logProbs.shape[0]) {
    return unsqueeze(advantages, -1);
  }
  checkShapes(name, ["B", "T"], { logProbs, advantages });
  return advantages;
}
