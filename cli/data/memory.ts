/**
 * Long preparations: how far they are, and whether memory will hold what they make.
 *
 * The rows of a run are in memory as a whole, on the engine's heap, whose limit ends a process
 * without a word. So each loop over rows tells how far it is; from that and from the heap's growth
 * follows what all of it needs, and too much is refused with a sentence while there is room for one.
 *
 * @module
 */

import v8 from "node:v8";
import { UserError, type Watch } from "@unitune/training";

/** Bytes of the engine's heap. */
export interface Heap {
  /** Those in use, garbage that was not collected yet included. */
  readonly used: number;
  /** The most that there may be. */
  readonly limit: number;
}

/**
 * The heap of this process. The engine counts the room of young objects in its limit, which those
 * that stay cannot have.
 *
 * @returns The bytes in use, and the most that objects may take that stay.
 */
export function processHeap(): Heap {
  const { used_heap_size: used, heap_size_limit: limit } = v8.getHeapStatistics();
  return { used, limit: limit - YOUNG };
}

/** The room of young objects, three spaces of 32 MiB; they may all be garbage. */
const YOUNG = 96 * 2 ** 20;

/**
 * A part is refused when the heap is this full. The engine collects all garbage when the heap is
 * halfway between what is alive and the limit: at 90 %, at least 80 % is alive.
 */
const FULL = 0.9;

/**
 * An estimate from a part that is not over counts only where the heap has grown by a tenth of its
 * limit, and only where it is far beyond the limit: what has grown may be garbage by half.
 */
const TELLING = { growth: 0.1, beyond: 3 } as const;

/**
 * Refuses what memory will not hold.
 *
 * @param progress Told how far the part is, as a share from 0 to 1.
 * @param heap The heap; that of this process unless told.
 * @returns The watch.
 *
 * @example
 * ```ts
 * import { UserError, type Watch } from "@unitune/training";
 * import { watchMemory } from "@unitune/cli";
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
        // A heap that is full holds little garbage; any other, all young objects.
        const growth = Math.max(0, used - start - (isFull ? 0 : YOUNG));
        const isHopeless = growth > TELLING.growth * limit &&
          needs(growth) > TELLING.beyond * limit;
        if (isFull || isHopeless) throw tooLarge(subject, Math.max(needs(growth), used), limit);
      };
    },
  };
}

/**
 * The refusal of data that memory will not hold.
 *
 * @param subject The data: a file, a flag with its value.
 * @param needed The bytes that it needs, about.
 * @param limit The bytes that there are.
 * @returns The error to throw.
 *
 * @example
 * ```ts
 * import { tooLarge } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   tooLarge("rows.jsonl", 8e9, 4e9).message,
 *   "rows.jsonl needs about 8.0 GB of memory, and JavaScript has 4.0 GB: use less of it (about 40 % " +
 *     "fits), or allow more megabytes by DENO_V8_FLAGS=--max-old-space-size=10000",
 * );
 * ```
 */
export function tooLarge(subject: string, needed: number, limit: number): UserError {
  const share = 100 * HEADROOM * limit / needed;
  const fits = share >= 1 ? Math.floor(share) : Number(share.toPrecision(1));
  const megabytes = Math.ceil(needed / HEADROOM / 2 ** 20 / 1000) * 1000;
  return new UserError(
    `${subject} needs about ${gigabytes(needed)} of memory, and JavaScript has ` +
      `${gigabytes(limit)}: use less of it (about ${fits} % fits)` +
      (needed > ELSEWHERE
        ? ""
        : `, or allow more megabytes by DENO_V8_FLAGS=--max-old-space-size=${megabytes}`),
  );
}

/** The share of the heap that data may take; the rest is for the training. */
const HEADROOM = 0.8;

/** Above so many bytes nobody is told to find more memory. */
const ELSEWHERE = 64e9;

function gigabytes(bytes: number): string {
  const count = bytes / 1e9;
  return `${count < 10 ? count.toFixed(1) : Math.round(count).toLocaleString("en-US")} GB`;
}
