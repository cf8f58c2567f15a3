/** Whose turn it is: steps are taken while the page plays, one by one, or not at all. */

/** The turns of a loop of steps. */
export interface Turns {
  play(): void;
  pause(): void;
  /** Lets one step be taken, and pauses. */
  step(): void;
  /** Sets the most steps a second; 0 for as many as there can be. */
  pace(stepsPerSecond: number): void;
  /** Does some work between two steps. */
  between(work: () => Promise<void>): void;
  /** Ends the loop. */
  close(): void;
  /** Waits for the next step; false once the loop is to end. */
  next(): Promise<boolean>;
}

/** Turns that are paused at first. */
export function makeTurns(now: () => number = () => performance.now()): Turns {
  let isPlaying = false;
  let single = 0;
  let isClosed = false;
  let interval = 0;
  let last = -Infinity;
  let works: (() => Promise<void>)[] = [];
  let wake = () => {};
  const change = (make: () => void) => {
    make();
    wake();
  };
  return {
    play: () => change(() => isPlaying = true),
    pause: () => change(() => isPlaying = false),
    step: () => change(() => [isPlaying, single] = [false, single + 1]),
    pace: (stepsPerSecond) =>
      change(() => interval = stepsPerSecond > 0 ? 1000 / stepsPerSecond : 0),
    between: (work) => change(() => works = [...works, work]),
    close: () => change(() => isClosed = true),
    async next() {
      while (!isClosed) {
        const [work, ...others] = works;
        if (work !== undefined) {
          works = others;
          await work();
          continue;
        }
        if (single > 0) {
          single--;
          return true;
        }
        const wait = last + interval - now();
        if (isPlaying && wait <= 0) {
          last = now();
          // The event loop gets a turn, so that messages are heard.
          await new Promise((resolve) => setTimeout(resolve, 0));
          if (isPlaying && !isClosed) return true;
          continue;
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = isPlaying ? setTimeout(resolve, wait) : undefined;
        await promise;
        clearTimeout(timer);
      }
      return false;
    },
  };
}
