/** Checks of hyperparameters and shapes, so that a wrong one is an error and never a silent NaN. */
import { ShapeError, showShape, type Tensor } from "@unitune/core";

/** Throws unless a hyperparameter lies in a closed interval. */
export function checkInterval(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) {
    throw new RangeError(`${name}: expected a number from ${low} to ${high}, got ${value}`);
  }
}

/** Throws unless a hyperparameter is above 0 and finite. */
export function checkPositive(name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) {
    throw new RangeError(`${name}: expected a number above 0, got ${value}`);
  }
}

/** Throws unless a hyperparameter is an integer from 1. */
export function checkPositiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${name}: expected an integer from 1, got ${value}`);
  }
}

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
  const [rows = 0, length = 0] = logProbs.shape;
  const fits = logProbs.shape.length === 2 && showShape(logProbs.shape) === showShape(mask.shape);
  if (!fits) {
    throw new ShapeError(
      `${name}: got log-probs ${showShape(logProbs.shape)} and mask ${showShape(mask.shape)}; ` +
        `expected both [B, T]`,
    );
  }
  if (rows === 0 || length === 0) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row of one token`);
  }
}

/** Throws unless tensors, by what they are, all have one shape of the given rank, and elements. */
export function checkShapes(
  name: string,
  expected: string,
  tensors: Readonly<Record<string, Tensor>>,
): void {
  const entries = Object.entries(tensors);
  const [shape = []] = entries.map(([, x]) => x.shape);
  const rank = expected.split(",").length;
  const fits = entries.every(([, x]) => showShape(x.shape) === showShape(shape));
  if (!fits || shape.length !== rank) {
    const got = entries.map(([what, x]) => `${what} ${showShape(x.shape)}`).join(", ");
    throw new ShapeError(`${name}: got ${got}; expected all of them ${expected}`);
  }
  if (shape.includes(0)) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row`);
  }
}

/** Throws unless rows fall into whole groups of at least two. */
export function checkGroups(name: string, rows: number, groupSize: number): void {
  checkPositiveInteger(`${name}: groupSize`, groupSize);
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
