/**
 * Checks of elements that are on the host, as in a tensor made of numbers. A compiled function sees
 * only shapes: there a wrong id gives NaN, and a wrong mask is taken as it is.
 */
import type { Tensor } from "@unitune/core";

/** The elements of a tensor, if they are on the host; otherwise nothing is checked. */
function hostElements({ cell: { value } }: Tensor): ArrayLike<number> | undefined {
  return value.kind === "host" ? value.data : undefined;
}

/** The position of an element in `[B, T]` or `[B]`, as messages show it: `[1, 3]`. */
function showPosition(index: number, { shape }: Tensor): string {
  const position: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    position.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${position.join(", ")}]`;
}

/**
 * Refuses a mask with an element other than 0 and 1, if its elements are on the host.
 *
 * @param what The name of an element in the error.
 * @throws {RangeError} If an element is neither; names it and its position.
 */
export function checkMask(name: string, mask: Tensor, what = "the mask"): void {
  const elements = hostElements(mask) ?? [];
  for (let i = 0; i < elements.length; i++) {
    if (elements[i] === 0 || elements[i] === 1) continue;
    throw new RangeError(
      `${name}: ${what} is ${elements[i]} at ${showPosition(i, mask)}; expected 0 or 1`,
    );
  }
}

/** The elements of a mask that are not 0, at positions to count; 0 if they are not on the host. */
export function countOnes(mask: Tensor, counts: (position: number) => boolean): number {
  const elements = hostElements(mask) ?? [];
  let ones = 0;
  for (let i = 0; i < elements.length; i++) ones += Number(elements[i] !== 0 && counts(i));
  return ones;
}

/**
 * Refuses learned token ids outside the vocabulary, if ids and mask are on the host. Other ids,
 * such as padding, may be anything.
 *
 * @param ids Token ids.
 * @param mask 1 where an id is learned, 0 elsewhere, in the same shape.
 * @param vocabulary The number of tokens.
 * @throws {RangeError} If such an id is no token; names it and its position.
 */
export function checkTargets(name: string, ids: Tensor, mask: Tensor, vocabulary: number): void {
  const [elements, learned] = [hostElements(ids), hostElements(mask)];
  if (elements === undefined || learned === undefined) return;
  for (let i = 0; i < elements.length; i++) {
    const id = elements[i];
    if (learned[i] === 0 || (id !== undefined && id >= 0 && id < vocabulary)) continue;
    throw new RangeError(
      `${name}: the token at ${showPosition(i, ids)} is ${id}, and the model has tokens 0 to ` +
        `${vocabulary - 1}: encode the data with the model's own tokenizer`,
    );
  }
}
