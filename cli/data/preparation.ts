/**
 * The progress of a preparation: a line that is drawn over on a terminal, plain lines elsewhere.
 *
 * @module
 */

import type { Watch } from "@unitune/training";
import { watchMemory } from "./memory.ts";
import type { ProgressOutput } from "../terminal/progress.ts";

/** Milliseconds before anything is shown: what is quicker needs no progress. */
const PATIENCE = 1000;

/** Milliseconds between two drawings on a terminal, and between two plain lines. */
const EVERY = { terminal: 100, plain: 5000 } as const;

/** The terminal's control sequences that go to the start of the line and clear it. */
const CLEAR = "\r\x1b[K";

/** A watch that has to be told when it is over, so that it leaves no line behind. */
export interface ShownWatch extends Watch, Disposable {}

/**
 * Shows how far a preparation is, once it has taken a second, and refuses what memory will not hold.
 *
 * @param output Where to show it.
 * @returns The watch.
 *
 * @example
 * ```ts
 * import { shownWatch } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const written: string[] = [];
 * let time = 0;
 * const write = (text: string) => written.push(text);
 * using watch = shownWatch({ write, columns: () => undefined, now: () => time });
 * const tell = watch.begin({ doing: "reading rows.jsonl", subject: "rows.jsonl" });
 * tell(10, 100);
 * time = 6000;
 * tell(40, 100);
 * assertEquals(written, ["reading rows.jsonl: 40 %\n"]);
 * ```
 */
export function shownWatch(output: ProgressOutput): ShownWatch {
  const start = output.now();
  let shownAt = start;
  let isDrawn = false;
  const clear = () => {
    if (isDrawn) output.write(CLEAR);
    isDrawn = false;
  };
  const watch = watchMemory((doing, share) => {
    const [time, columns] = [output.now(), output.columns()];
    const every = columns === undefined ? EVERY.plain : EVERY.terminal;
    if (time - start < PATIENCE || time - shownAt < every) return;
    shownAt = time;
    const text = `${doing}: ${Math.floor(100 * share)} %`;
    if (columns === undefined) output.write(`${text}\n`);
    else {
      output.write(`${CLEAR}${text.slice(0, columns - 1)}`);
      isDrawn = true;
    }
  });
  return { ...watch, [Symbol.dispose]: clear };
}
