/** The share of each kernel in the time of a program. */
import type { Device, KernelTime } from "@unitune/core";
import { gigaflops, kindOf, productOperations } from "./arithmetic.ts";
import { type Measuring, quantile, type Timed, warm } from "./measure.ts";

/** The time of some kernels of a program. */
export interface KernelShare {
  /** Their kind and sizes, or their kind. */
  readonly kernel: string;
  /** The number of such kernels in a run. */
  readonly count: number;
  /** Milliseconds of all of them together: the median of several profiles. */
  readonly milliseconds: number;
  /** Their part of the sum over all kernels, from 0 to 1. */
  readonly share: number;
  /** Operations a nanosecond, for products. */
  readonly gigaflops?: number;
}

/** The time of a program by its kernels. */
export interface Profile {
  /** Milliseconds of all kernels, each timed by itself. */
  readonly milliseconds: number;
  /** The kernels by kind and sizes, longest first. */
  readonly kernels: readonly KernelShare[];
  /** The same by kind alone, longest first. */
  readonly kinds: readonly KernelShare[];
}

/** A profile from a device's times of several runs of one program. */
export function summarizeProfiles(runs: readonly (readonly KernelTime[])[]): Profile {
  const byKernel = Map.groupBy(runs.flat(), ({ kernel }) => kernel);
  const medians = [...byKernel].map(([kernel, times]) => ({
    kernel,
    count: times[0]?.count ?? 0,
    milliseconds: quantile(times.map(({ milliseconds }) => milliseconds), 0.5),
  }));
  const total = sumOf(medians, "milliseconds");
  const ofTotal = (time: KernelTime): KernelShare => ({
    ...time,
    share: time.milliseconds / total,
  });
  const kernels = medians.map((time) => {
    const operations = productOperations(time.kernel);
    return {
      ...ofTotal(time),
      ...(operations !== undefined &&
        { gigaflops: gigaflops(operations * time.count, time.milliseconds) }),
    };
  });
  const kinds = [...Map.groupBy(medians, ({ kernel }) => kindOf(kernel))].map(([kernel, times]) =>
    ofTotal({
      kernel,
      count: sumOf(times, "count"),
      milliseconds: sumOf(times, "milliseconds"),
    })
  );
  return { milliseconds: total, kernels: longestFirst(kernels), kinds: longestFirst(kinds) };
}

function sumOf(times: readonly KernelTime[], what: "count" | "milliseconds"): number {
  return times.reduce((total, time) => total + time[what], 0);
}

function longestFirst(shares: readonly KernelShare[]): KernelShare[] {
  return shares.toSorted((a, b) => b.milliseconds - a.milliseconds);
}

/** The times of the kernels of one run. */
async function profileOnce(
  subject: Timed,
  device: Device,
): Promise<readonly KernelTime[] | undefined> {
  const running: Promise<void>[] = [];
  const times = await device.profile(() => running.push(subject.run()));
  await Promise.all(running);
  return times;
}

/**
 * The time of a program by its kernels.
 *
 * @param subject Runs a compiled function once, and calls it before it first waits for anything.
 * @param device The device that it runs on.
 * @param measuring The number of runs. A timed program may be another one than the program itself,
 * so it is warmed up as well.
 * @returns The profile; undefined if the device cannot time kernels one by one.
 */
export async function measureProfile(
  subject: Timed,
  device: Device,
  { warmUp, rounds, now }: Measuring,
): Promise<Profile | undefined> {
  const runs: (readonly KernelTime[])[] = [];
  const run = async () => {
    const times = await profileOnce(subject, device);
    if (times !== undefined) runs.push(times);
  };
  await run();
  if (runs.length === 0) return undefined;
  await warm({ run }, warmUp, now);
  runs.length = 0;
  for (let round = 0; round < rounds; round++) await run();
  return summarizeProfiles(runs);
}
