/** The progress of a long preparation. */

/** A part of a preparation. */
export interface Part {
  /** The activity, for the user: `"reading rows.jsonl"`. */
  readonly doing: string;
  /** The data that memory is needed for: `"rows.jsonl"`. */
  readonly subject: string;
  /** Memory that later parts need for each byte of this one (default 0). */
  readonly later?: number;
}

/** Reports the finished amount of a part, in any unit. */
export type Tell = (done: number, total: number) => void;

/** Follows the progress of a preparation, and its need of memory. */
export interface Watch {
  /**
   * Begins a part.
   *
   * @throws {UserError} The returned function throws if the part is too large for the memory.
   */
  readonly begin: (part: Part) => Tell;
}

/** The rows between two reports. A look at the heap takes as long as encoding a row. */
const STRIDE = 64;

/**
 * Visits elements, and reports the progress.
 *
 * @param elements The elements.
 * @param tell Called now and then with the number of visited elements.
 * @param visit The function to call with each element.
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
