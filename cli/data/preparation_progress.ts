/**
 * The progress of preparing data: one line, redrawn, on a terminal; plain lines elsewhere.
 *
 * @module
 */

import type { Watch } from "@unitune/training";
import { watchMemory } from "./memory.ts";
import type { ProgressOutput } from "../terminal/progress.ts";

/** Milliseconds before progress is shown: shorter preparations need none. */
const PATIENCE = 1000;

/** Milliseconds between redraws on a terminal, and between plain lines elsewhere. */
const EVERY = { terminal: 100, plain: 5000 } as const;

/** The control sequences that move to the start of the line and clear it. */
const CLEAR = "\r\x1b[K";

/** A watch that clears its line when it is disposed of. */
export interface ShownWatch extends Watch, Disposable {}

/**
 * Shows the progress of a preparation once it has taken a second, and refuses data that is too
 * large for the memory.
 *
 * @param output The output for the progress.
 * @param signal Stops the preparation: its next report throws the signal's reason (default: nothing
 * does).
 * @returns The watch.
 *
 * @example
 * ```ts
 * import { shownWatch } from "./preparation_progress.ts";
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
export function shownWatch(output: ProgressOutput, signal?: AbortSignal): ShownWatch {
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
  return {
    reserve: watch.reserve,
    begin(part) {
      const tell = watch.begin(part);
      return (done, total) => {
        signal?.throwIfAborted();
        tell(done, total);
      };
    },
    [Symbol.dispose]: clear,
  };
}
