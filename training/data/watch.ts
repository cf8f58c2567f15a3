/** The progress of a long preparation. */

import type { UserMessage } from "../text/message.ts";
import type { RowTable } from "./table.ts";

/** A part of a preparation. */
export interface Part {
  /** The activity, for the user: `"reading rows.jsonl"`. */
  readonly doing: string;
  /** The data that memory is needed for: `"rows.jsonl"`. */
  readonly subject: UserMessage;
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
   * @throws {UserError} The returned function throws if the part is too large for the memory, or the
   * preparation is to stop.
   */
  readonly begin: (part: Part) => Tell;
  /**
   * Refuses what memory will not hold, before it is made.
   *
   * @param subject What takes the memory.
   * @param bytes The bytes that it takes.
   * @param share The share of the memory that may be full then (default 1).
   * @throws {UserError} Where memory will not do.
   */
  readonly reserve: (subject: UserMessage, bytes: number, share?: number) => void;
}

/** Follows nothing, and refuses nothing. */
export const silentWatch: Watch = { begin: () => () => {}, reserve: () => {} };

/** The rows between two reports. A look at the heap takes as long as encoding a row. */
const STRIDE = 64;

/**
 * Visits elements, and reports the progress; the visits between two reports are a part of the work.
 *
 * @param elements The elements.
 * @param tell Called now and then with the number of visited elements.
 * @param visit The function to call with each element.
 */
export function* eachTold<T>(
  elements: RowTable<T>,
  tell: Tell,
  visit: (element: T, index: number) => void,
): Generator<void, void> {
  let done = 0;
  for (const element of elements) {
    visit(element, done);
    done += 1;
    if (done % STRIDE !== 0) continue;
    tell(done, elements.length);
    yield;
  }
}
