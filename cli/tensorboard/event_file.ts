/**
 * The event file of a run for TensorBoard. It follows from the lines of `metrics.jsonl`: each line is
 * one event, so that a resumed run has every step once, and the file can be made at any time.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { writeFileAtomically } from "../files/atomic.ts";
import { beginDigest } from "../files/digest.ts";
import { isThere } from "../files/folders.ts";
import { isNatural, isNumber } from "../files/guards.ts";
import type { JsonLine } from "../files/json_lines.ts";
import { readBytes } from "../files/read.ts";
import { writeAll, writeError } from "../files/write.ts";
import { eventRecord, type FileEvent, type ScalarEvent, timeOf } from "./event.ts";

/** The event file of a run. Disposing of it closes the file. */
export interface EventFile extends Disposable {
  /** Appends the event of a line of `metrics.jsonl`. */
  append(line: JsonLine): Promise<void>;
}

/**
 * The scalars in a line of `metrics.jsonl`: `train/NAME` of a training step, `SPLIT/NAME` of an
 * evaluation, without the prefix `eval_`. Values that are not finite are left out.
 *
 * @param line The line.
 * @returns The event.
 * @throws {RangeError} If the line has no step.
 *
 * @example
 * ```ts
 * import { scalarsOf } from "./event_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(scalarsOf({ step: 10, epoch: 0.5, loss: 2 }), {
 *   step: 10,
 *   scalars: { "train/epoch": 0.5, "train/loss": 2 },
 * });
 * assertEquals(scalarsOf({ step: 20, split: "validation", eval_loss: 3 }), {
 *   step: 20,
 *   scalars: { "validation/loss": 3 },
 * });
 * ```
 */
export function scalarsOf({ step, split, ...values }: JsonLine): ScalarEvent {
  if (!isNatural(step)) throw new RangeError("a line of metrics has no step");
  const place = typeof split === "string" ? split : "train";
  const scalars = Object.entries(values).flatMap(([name, value]) =>
    isNumber(value) ? [[`${place}/${name.replace(/^eval_/, "")}`, value] as const] : []
  );
  return { step, scalars: Object.fromEntries(scalars) };
}

/**
 * Opens the event file of a run, and makes its content that of some lines. Records that are already
 * there stay as they are, with the times at which they were written.
 *
 * @param path The file; it is made if it is missing.
 * @param lines The lines of `metrics.jsonl` so far.
 * @returns The file; declare it with `using`.
 * @throws {UserError} If a file of the name was not written by a run, or it can't be written.
 */
export async function openEventFile(
  path: string,
  lines: readonly JsonLine[],
): Promise<EventFile> {
  if (!await isThere(path)) await writeFileAtomically(path, eventRecord("start", now()));
  const found = await readBytes(path);
  const { length, count } = keptPart(found, ["start", ...lines.map(scalarsOf)]);
  if (count === 0) {
    throw new UserError(
      `${path} was not written by a run, and is never written over: move it away`,
    );
  }
  using opened = new DisposableStack();
  const writing = async <T>(write: () => Promise<T>): Promise<T> => {
    try {
      return await write();
    } catch (error) {
      // A part of a record that a full disk has taken is cut off when the file is opened again.
      throw writeError(error, path);
    }
  };
  const file = opened.use(await writing(() => Deno.open(path, { write: true })));
  const append = (lines: readonly JsonLine[]) =>
    writing(async () => {
      for (const line of lines) {
        await writeAll(file, eventRecord(scalarsOf(line), now()), beginDigest());
      }
    });
  await writing(async () => {
    await file.truncate(length);
    await file.seek(length, Deno.SeekMode.Start);
  });
  await append(lines.slice(count - 1));
  const held = opened.move();
  return { append: (line) => append([line]), [Symbol.dispose]: () => held.dispose() };
}

/** The present, in seconds since 1970. */
function now(): number {
  return Date.now() / 1000;
}

/** The first records of a file that are those of the first events, whatever their times. */
function keptPart(
  found: Uint8Array,
  events: readonly FileEvent[],
): { readonly length: number; readonly count: number } {
  let length = 0;
  for (const [count, event] of events.entries()) {
    const record = eventRecord(event, timeOf(found, length));
    const begin = length;
    if (!record.every((byte, i) => found[begin + i] === byte)) return { length, count };
    length += record.length;
  }
  return { length, count: events.length };
}
