/** Schedules: hyperparameters, such as the learning rate, as functions of the step. */
import {
  add,
  cast,
  checkOptions,
  clip,
  cos,
  div,
  full,
  less,
  mul,
  ranges,
  type Tensor,
  where,
} from "@unitune/core";

/**
 * A hyperparameter over training: from the number of updates done before (`i32[]`, from 0) to its
 * value (`f32[]`).
 */
export type Schedule = (step: Tensor) => Tensor;

/** The part of `length` steps that is over after some steps, from 0 to 1. */
function progress(step: Tensor, length: number): Tensor {
  return clip(div(cast(step, "f32"), Math.max(1, length)), 0, 1);
}

/**
 * One value at every step.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { constant } from "@unitune/autodiff";
 *
 * assertAlmostEquals(await constant(0.1)(tensor(7, { dtype: "i32" })).item(), 0.1, 1e-8);
 * ```
 *
 * @param value The value.
 * @returns The schedule.
 * @throws {RangeError} If the value is not finite.
 */
export function constant(value: number): Schedule {
  checkOptions("constant", { value: ranges.finite }, { value });
  return () => full([], value);
}

/** A linear rise. */
export interface WarmupOptions {
  /** The value at the end of the rise, and after it. */
  readonly peak: number;
  /** The number of steps below the peak; 0 for none. */
  readonly warmup: number;
}

/**
 * A linear rise, `peak min(1, (step + 1) / (warmup + 1))`: above 0 at the first step, the peak at
 * step `warmup`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { linearWarmup } from "@unitune/autodiff";
 *
 * const rate = linearWarmup({ peak: 1, warmup: 3 });
 * const at = (step: number) => rate(tensor(step, { dtype: "i32" })).item();
 * assertEquals([await at(0), await at(1), await at(3), await at(9)], [0.25, 0.5, 1, 1]);
 * ```
 *
 * @param options The peak and the steps to it.
 * @returns The schedule.
 * @throws {RangeError} If the peak is not finite, or the steps are no integer from 0.
 */
export function linearWarmup({ peak, warmup }: WarmupOptions): Schedule {
  checkOptions("linearWarmup", { peak: ranges.finite, warmup: ranges.steps }, { peak, warmup });
  return (step) => mul(progress(add(step, 1), warmup + 1), peak);
}

/** A fall along half a cosine. */
export interface CosineOptions {
  /** The value at step 0. */
  readonly peak: number;
  /** The value at step `total`, and after it. */
  readonly end: number;
  /** The number of steps of the fall. */
  readonly total: number;
}

/**
 * A fall along half a cosine, `end + (peak - end) (1 + cos(pi step / total)) / 2` (Loshchilov and
 * Hutter, "SGDR", 2017, without restarts).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { cosineDecay } from "@unitune/autodiff";
 *
 * const rate = cosineDecay({ peak: 1, end: 0.2, total: 100 });
 * assertAlmostEquals(await rate(tensor(50, { dtype: "i32" })).item(), 0.6, 1e-6);
 * ```
 *
 * @param options The ends of the fall and its length.
 * @returns The schedule.
 * @throws {RangeError} If an end is not finite, or the length no integer from 0.
 */
export function cosineDecay({ peak, end, total }: CosineOptions): Schedule {
  checkOptions("cosineDecay", { peak: ranges.finite, end: ranges.finite, total: ranges.steps }, {
    peak,
    end,
    total,
  });
  return (step) => {
    const left = mul(add(cos(mul(progress(step, total), Math.PI)), 1), 0.5);
    return add(mul(left, peak - end), end);
  };
}

/** A linear rise, then a fall along half a cosine. */
export interface WarmupCosineOptions extends WarmupOptions {
  /** The value at step `total`, and after it. */
  readonly end: number;
  /** The number of steps of rise and fall together. */
  readonly total: number;
}

/**
 * {@linkcode linearWarmup} for `warmup` steps, then {@linkcode cosineDecay} to step `total`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { warmupCosine } from "@unitune/autodiff";
 *
 * const rate = warmupCosine({ peak: 1, end: 0.1, warmup: 10, total: 110 });
 * const at = (step: number) => rate(tensor(step, { dtype: "i32" })).item();
 * assertEquals(await at(10), 1);
 * assertAlmostEquals(await at(60), 0.55, 1e-6);
 * assertAlmostEquals(await at(500), 0.1, 1e-6);
 * ```
 *
 * @param options Peak and end, and the steps to them.
 * @returns The schedule.
 * @throws {RangeError} If peak or end are not finite, or not `0 <= warmup <= total` in whole steps.
 */
export function warmupCosine({ peak, end, warmup, total }: WarmupCosineOptions): Schedule {
  checkOptions("warmupCosine", { warmup: ranges.steps, total: ranges.steps }, { warmup, total });
  if (warmup > total) {
    throw new RangeError(
      `warmupCosine: warmup: expected at most the total of ${total} steps, got ${warmup}`,
    );
  }
  const rise = linearWarmup({ peak, warmup });
  const fall = cosineDecay({ peak, end, total: total - warmup });
  return (step) => where(less(step, warmup), rise(step), fall(add(step, -warmup)));
}
