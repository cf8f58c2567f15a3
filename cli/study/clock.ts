/**
 * The time that a trial takes.
 *
 * @module
 */

import process from "node:process";
import type { Order, TrialTime } from "./workers.ts";

/** What is read of the time. */
export interface TimeSource {
  /** Milliseconds by the clock, from any moment on. */
  now(): number;
  /** Microseconds that the processor has worked for this thread. */
  usage(): { readonly user: number; readonly system: number };
}

/** The time of this thread. */
const own: TimeSource = {
  now: () => performance.now(),
  usage: () => process.threadCpuUsage(),
};

/**
 * Measures the time from now on, of the processor too where only this thread computes.
 *
 * @param order The device and the threads of a trial.
 * @param source What is read of the time (default: that of this thread).
 * @returns Reads the time so far, in seconds.
 *
 * @example
 * ```ts
 * import { trialClock } from "./clock.ts";
 * import { assert } from "@std/assert";
 *
 * const read = trialClock({ device: "wasm", threads: 1 });
 * assert(read().seconds >= 0);
 * ```
 */
export function trialClock(
  { device, threads }: Pick<Order & { readonly kind: "train" }, "device" | "threads">,
  source: TimeSource = own,
): () => TrialTime {
  const [began, used] = [source.now(), source.usage()];
  return () => {
    const { user, system } = source.usage();
    return {
      seconds: (source.now() - began) / 1000,
      ...device === "wasm" && threads === 1 && {
        processorSeconds: (user - used.user + system - used.system) / 1e6,
      },
    };
  };
}
