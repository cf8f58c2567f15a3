/** What the page does in the frames of the screen, so that none of them takes long. */

/** Things that arrive one by one and are taken together. */
export interface Gathering<T> {
  add(thing: T): void;
  /** Forgets what was not taken. */
  close(): void;
}

/** The page's clock and frames. */
export interface Screen {
  /** The time, in milliseconds. */
  now(): number;
  /** Calls a function before the next frame is drawn. */
  next(run: () => void): void;
  /** The time between two changes of what is shown, in milliseconds. */
  interval(): number;
  /** Calls a function later; returns one that calls it off. */
  later(run: () => void, milliseconds: number): () => void;
}

/** People read no faster, and a worker tells more often. */
const INTERVAL = 100;

/** For those who want little to move. */
const QUIET_INTERVAL = 1000;

/** The screen of a browser. */
export const screen: Screen = {
  now: () => performance.now(),
  next: (run) => void requestAnimationFrame(run),
  interval: () =>
    matchMedia("(prefers-reduced-motion: reduce)").matches ? QUIET_INTERVAL : INTERVAL,
  later: (run, milliseconds) => {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Gathers things.
 *
 * @param take Takes them before a frame, at most once in an interval of the screen.
 * @param on The screen.
 * @returns What gathers them.
 */
export function gather<T>(take: (things: readonly T[]) => void, on: Screen): Gathering<T> {
  let waiting: T[] = [];
  let callOff: (() => void) | undefined;
  let isClosed = false;
  return {
    add(thing) {
      waiting.push(thing);
      callOff ??= on.later(() =>
        on.next(() => {
          if (isClosed) return;
          callOff = undefined;
          const taken = waiting;
          waiting = [];
          take(taken);
        }), on.interval());
    },
    close() {
      isClosed = true;
      callOff?.();
    },
  };
}

/** Drawings that are spread over frames. */
export interface Drawings {
  /** Draws before a frame, in place of what was to be drawn for the same key. */
  draw(key: object, work: () => void): void;
  /** Calls the drawing for a key off. */
  remove(key: object): void;
}

/** The time for drawings in a frame, of 16 ms. */
const BUDGET = 6;

/**
 * Spreads drawings over frames: a frame goes on with them until their time is spent, and the next
 * frame has the rest.
 *
 * @param on The screen.
 * @returns What spreads them.
 */
export function spreadDrawings(on: Screen): Drawings {
  const waiting = new Map<object, () => void>();
  let isAsked = false;
  const ask = () => {
    if (isAsked || waiting.size === 0) return;
    isAsked = true;
    on.next(() => void run());
  };
  const run = async () => {
    const began = on.now();
    for (const [key, work] of waiting) {
      waiting.delete(key);
      work();
      // A chart draws in a microtask of its own, which comes before this one goes on.
      await undefined;
      if (on.now() - began >= BUDGET) break;
    }
    isAsked = false;
    ask();
  };
  return {
    draw(key, work) {
      waiting.set(key, work);
      ask();
    },
    remove: (key) => void waiting.delete(key),
  };
}
