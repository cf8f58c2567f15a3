/** How far a long preparation is. */

/** A part of a preparation. */
export interface Part {
  /** The activity, for the user: `"reading rows.jsonl"`. */
  readonly doing: string;
  /** The data that memory is needed for: `"rows.jsonl"`. */
  readonly subject: string;
  /** Memory that later parts need for each byte of this one (default 0). */
  readonly later?: number;
}

/** Tells how much of a part is done, in any unit. */
export type Tell = (done: number, total: number) => void;

/** Follows a preparation. */
export interface Watch {
  /**
   * Begins a part.
   *
   * @throws {UserError} The returned function does, where memory will not hold all of it.
   */
  readonly begin: (part: Part) => Tell;
}

/** Rows between two looks at the heap, which take about as long as encoding one. */
const STRIDE = 64;

/**
 * Goes through elements, telling how far it is.
 *
 * @param elements The elements.
 * @param tell Told now and then how many are done.
 * @param visit What to do with each.
 */
export function forEachTold<T>(
  elements: readonly T[],
  tell: Tell,
  visit: (element: T, index: number) => void,
): void {
  elements.forEach((element, i) => {
    visit(element, i);
    if ((i + 1) % STRIDE === 0) tell(i + 1, elements.length);
  });
}
