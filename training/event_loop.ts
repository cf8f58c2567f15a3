/**
 * Turns of the event loop during long work, so that signals are noticed.
 *
 * @module
 */

/** The interval of turns, in milliseconds. */
const TURN_MS = 50;

/**
 * Makes a function that gives the event loop a turn, if its last one was 50 ms ago.
 *
 * @returns The function, to be awaited between two parts of the work.
 */
export function eventTurns(): () => Promise<void> {
  let latest = performance.now();
  return async () => {
    if (performance.now() - latest <= TURN_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    latest = performance.now();
  };
}

/**
 * Carries out work in parts, with turns of the event loop between them.
 *
 * @param work The work, which yields after each part.
 * @returns Its result.
 */
export async function inParts<T>(work: Generator<void, T>): Promise<T> {
  const turn = eventTurns();
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    await turn();
  }
}

/**
 * Carries out work in parts at once.
 *
 * @param work The work, which yields after each part.
 * @returns Its result.
 */
export function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
