/**
 * The memory of a preparation: data that will not fit is refused early.
 *
 * All rows of a run are on the JavaScript heap, and the engine ends a process that exceeds its
 * limit without an error. So each loop over rows reports its progress; from that and from the
 * growth of the heap the need of the whole is estimated, and too large data is refused with an
 * error in time.
 *
 * @module
 */

import v8 from "node:v8";
import { message, UserError, type UserMessage, type Watch } from "@unitune/training";

/** Sizes of the JavaScript heap, in bytes. */
export interface Heap {
  /** The bytes that long-lived objects use, including garbage that has not been collected. */
  readonly used: number;
  /** The most that long-lived objects may use. */
  readonly limit: number;
}

/**
 * The heap of this process, without the space of young objects, which the engine's limit includes
 * and long-lived objects cannot use: on a busy machine, it may be full of garbage at any time.
 *
 * @returns The bytes that long-lived objects use, and the limit for them.
 */
export function processHeap(): Heap {
  const { heap_size_limit: limit } = v8.getHeapStatistics();
  const used = v8.getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !youngSpaces.has(name))
    .reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
  return { used, limit: limit - YOUNG };
}

/** The engine's names for the space of young objects. */
const youngSpaces: ReadonlySet<string> = new Set(["new_space", "new_large_object_space"]);

/** The space of young objects: three parts of 32 MiB. */
const YOUNG = 96 * 2 ** 20;

/**
 * The fraction of the limit at which data is refused. The engine collects garbage when the heap is
 * halfway between its live objects and the limit: at 90 %, at least 80 % is alive.
 */
const FULL = 0.9;

/**
 * The conditions under which an estimate refuses data before the heap is full: the heap has grown
 * by this fraction of its limit, and the estimate is this many times the limit. Half of the growth
 * may be garbage.
 */
const TELLING = { growth: 0.1, beyond: 3 } as const;

/**
 * Refuses data that is too large for the memory.
 *
 * @param progress Called with the fraction of each part that is done (default: nothing is).
 * @param heap Reads the sizes of the heap (default: of this process).
 * @returns The watch.
 *
 * @example
 * ```ts
 * import { UserError, type Watch } from "@unitune/training";
 * import { watchMemory } from "./memory.ts";
 * import { assertThrows } from "@std/assert";
 *
 * let used = 2e9;
 * const watch = watchMemory(undefined, () => ({ used, limit: 4e9 }));
 * const tell = watch.begin({ doing: "reading rows.jsonl", subject: "rows.jsonl" });
 * tell(1, 100);
 * used = 3.7e9;
 * assertThrows(() => tell(50, 100), UserError, "rows.jsonl needs about 5.4 GB of memory");
 * ```
 */
export function watchMemory(
  progress: (doing: string, share: number) => void = () => {},
  heap: () => Heap = processHeap,
): Watch {
  return {
    begin: ({ doing, subject, later = 0 }) => {
      const start = heap().used;
      return (done, total) => {
        const share = total > 0 ? Math.min(1, done / total) : 1;
        progress(doing, share);
        const { used, limit } = heap();
        const needs = (growth: number) => {
          const own = growth / Math.max(share, 1e-6);
          return start + own * (1 + later);
        };
        const isFull = used > FULL * limit;
        // A full heap holds little garbage; otherwise, objects that were young at the start may be
        // old by now, and garbage.
        const growth = Math.max(0, used - start - (isFull ? 0 : YOUNG));
        const isHopeless = growth > TELLING.growth * limit &&
          needs(growth) > TELLING.beyond * limit;
        if (isFull || isHopeless) throw tooLarge(subject, Math.max(needs(growth), used), limit);
      };
    },
    reserve: (subject, bytes, share = 1) => {
      const { used, limit } = heap();
      if (used + bytes > share * limit) throw tooLarge(subject, used + bytes, limit);
    },
  };
}

/**
 * The error for data that is too large for the memory.
 *
 * @param subject The data: a file, or a flag with its value.
 * @param needed The estimated need, in bytes.
 * @param limit The available bytes.
 * @returns The error to throw.
 *
 * @example
 * ```ts
 * import { tooLarge } from "./memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   tooLarge("rows.jsonl", 8e9, 4e9).message,
 *   "rows.jsonl needs about 8.0 GB of memory, and JavaScript has 4.0 GB: use less of it (about 40 % " +
 *     "fits), or allow more megabytes by DENO_V8_FLAGS=--max-old-space-size=10000",
 * );
 * ```
 */
export function tooLarge(subject: UserMessage, needed: number, limit: number): UserError {
  const share = 100 * HEADROOM * limit / needed;
  const fits = share >= 1 ? Math.floor(share) : Number(share.toPrecision(1));
  const megabytes = Math.ceil(needed / HEADROOM / 2 ** 20 / 1000) * 1000;
  return new UserError(
    message(
      subject,
      ` needs about ${gigabytes(needed)} of memory, and JavaScript has ` +
        `${gigabytes(limit)}: use less of it (about ${fits} % fits)` +
        (needed > ELSEWHERE
          ? ""
          : `, or allow more megabytes by DENO_V8_FLAGS=--max-old-space-size=${megabytes}`),
    ),
  );
}

/** The fraction of the heap that is for data; the rest is for the training. */
const HEADROOM = 0.8;

/** The need above which more memory is no sensible advice, in bytes. */
const ELSEWHERE = 64e9;

function gigabytes(bytes: number): string {
  const count = bytes / 1e9;
  return `${count < 10 ? count.toFixed(1) : Math.round(count).toLocaleString("en-US")} GB`;
}
