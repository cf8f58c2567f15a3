/**
 * The time of a step, estimated from its work and from the pace at which a device does the like.
 *
 * @module
 */

import {
  compile,
  type Device,
  evaluate,
  full,
  matmul,
  sum,
  type Tensor,
  wasm,
} from "@unitune/core";

/** The pace of a device, measured. */
export interface Pace {
  /** Multiplications, with as many additions, a second in a product of matrices. */
  readonly multiplications: number;
  /** Bytes that a sum over a tensor reads a second. */
  readonly bytes: number;
}

/** Rows and columns of the matrices of the product. */
const SIDE = 768;

/** Elements of a tensor of the sum: more than caches hold. */
const ELEMENTS = 2 ** 23;

/** What all of them are. */
const VALUE = 0.5;

/** Milliseconds for which each runs; threads that start take some tens of them. */
const MEASURED = 400;

/**
 * Seconds of the fastest run, after one that compiles: other work on the machine only slows runs
 * down.
 *
 * @param run Starts what is measured.
 * @param now The clock, in milliseconds (default `performance.now`).
 * @returns The least time of a run.
 */
export async function fastest(
  run: () => Tensor,
  now: () => number = () => performance.now(),
): Promise<number> {
  let least = Infinity;
  using _compiled = run();
  const end = now() + MEASURED;
  do {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const begin = now();
    using result = run();
    // Programs of a graphics processor run later: this waits for them.
    await result.item();
    least = Math.min(least, (now() - begin) / 1000);
  } while (now() < end);
  return least;
}

/**
 * Measures the pace of a device, in about a second.
 *
 * @param device The device.
 * @returns The pace; undefined of the reference backend, which nobody waits for.
 */
export async function measurePace(device: Device): Promise<Pace | undefined> {
  if (device.name === "reference") return undefined;
  // A limit of memory is the training's own.
  using own = device.name === "wasm" ? wasm() : undefined;
  return await paceOf(own ?? device);
}

/**
 * The pace at which a device multiplies and reads.
 *
 * @param device The device.
 * @returns The pace.
 */
export async function paceOf(device: Device): Promise<Pace> {
  const [matrix, vector] = evaluate(
    [full([SIDE, SIDE], VALUE), full([ELEMENTS], VALUE)] as const,
    device,
  );
  using product = compile((x: Tensor) => sum(matmul(x, x)), { device });
  using total = compile((x: Tensor) => sum(x), { device });
  const productSeconds = await fastest(() => product(matrix));
  const sumSeconds = await fastest(() => total(vector));
  for (const x of [matrix, vector]) x[Symbol.dispose]();
  return paceIn(productSeconds, sumSeconds);
}

/**
 * The pace of a device that takes so many seconds.
 *
 * @param product Seconds of a product of two 768 x 768 matrices.
 * @param total Seconds of a sum of 2^23 elements of 4 bytes.
 * @returns The pace.
 *
 * @example
 * ```ts
 * import { paceIn } from "./pace.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(paceIn(0.5, 2), { multiplications: 2 * 768 ** 3, bytes: 2 ** 24 });
 * ```
 */
export function paceIn(product: number, total: number): Pace {
  return { multiplications: SIDE ** 3 / product, bytes: 4 * ELEMENTS / total };
}

/** The work of a step. */
export interface Work {
  /** Multiplications of matrix products, with as many additions. */
  readonly multiplications: number;
  /** Bytes that all other computations read and write. */
  readonly movedBytes: number;
}

/**
 * The time of some work at a pace.
 *
 * @param work The work.
 * @param pace The pace.
 * @returns Seconds.
 *
 * @example
 * ```ts
 * import { secondsOf } from "./pace.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const work = { multiplications: 3e9, movedBytes: 1e9 };
 * assertEquals(secondsOf(work, { multiplications: 1e9, bytes: 2e9 }), 3.5);
 * ```
 */
export function secondsOf({ multiplications, movedBytes }: Work, pace: Pace): number {
  return multiplications / pace.multiplications + movedBytes / pace.bytes;
}
