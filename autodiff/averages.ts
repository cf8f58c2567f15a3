/** Averages of parameters over the steps of a training. */
import {
  add,
  asTensor,
  cast,
  checkOptions,
  type DType,
  equal,
  mapTree,
  mul,
  pow,
  type Range,
  ranges,
  rem,
  sub,
  type Tensor,
  where,
  zipTrees,
} from "@unitune/core";

/** An average of parameters, and what its next value is computed from. */
export interface AveragedParameters<P> {
  /** The average. */
  readonly params: P;
  /** The moving average without a correction of its bias, where there is such a correction. */
  readonly uncorrected?: P;
  /** The parameters before the first step, where a correction reads them. */
  readonly origin?: P;
}

/** An average of parameters: a pure pair of functions, whose state is a tree of tensors. */
export interface ParameterAverage {
  /** The average before the first step: the parameters themselves, whose tensors it shares. */
  init<P>(params: P): AveragedParameters<P>;
  /** The average after a step, of the parameters after it; steps are counted from 1 (an i32 scalar). */
  update<P>(before: AveragedParameters<P>, params: P, step: Tensor): AveragedParameters<P>;
}

/** When an average takes in parameters. */
export interface AverageInterval {
  /** The number of steps from one update to the next, an integer from 1 (default 1). */
  readonly every?: number;
}

/** The options of {@linkcode movingAverage}. */
export interface MovingAverageOptions extends AverageInterval {
  /** The weight r of the present parameters, above 0 and at most 1 (default 0.05). */
  readonly rate?: number;
}

const rateRange: Range = { above: 0, max: 1 };

/** `(1 - r) before + r after`. */
function blended<P>(before: P, after: P, rateIn: (dtype: DType) => Tensor): P {
  return zipTrees(before, after, (a, x) => {
    const rate = rateIn(x.dtype);
    return add(mul(a, sub(1, rate)), mul(x, rate));
  });
}

/** Another tree at every so many steps, else the same. */
function atEvery<P>(every: number, step: Tensor, before: P, next: P): P {
  if (every === 1) return next;
  const isDue = equal(rem(step, every), 0);
  return zipTrees(before, next, (a, b) => where(isDue, b, a));
}

/**
 * The exponential moving average of parameters, `(1 - r) average + r params` at every so many steps.
 * With a small rate at each step it is the averaged self of self-distillation (arXiv 2601.20802); with
 * a rate of 0.6 at every 512 steps, as a reference, it is that of TR-DPO (arXiv 2404.09656).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { movingAverage } from "@unitune/autodiff";
 *
 * const average = movingAverage({ rate: 0.25, every: 2 });
 * const step = (number: number) => tensor(number, { dtype: "i32" });
 * const start = average.init({ w: tensor([0]) });
 * const first = average.update(start, { w: tensor([8]) }, step(1));
 * const second = average.update(first, { w: tensor([8]) }, step(2));
 * assertEquals([await first.params.w.item(), await second.params.w.item()], [0, 2]);
 * ```
 *
 * @param options The weight of the present parameters, and the interval.
 * @returns The average.
 * @throws {RangeError} If an option is out of range.
 */
export function movingAverage(
  { rate = 0.05, every = 1 }: MovingAverageOptions = {},
): ParameterAverage {
  const limits = { rate: rateRange, every: ranges.integerFrom(1) };
  checkOptions("movingAverage", limits, { rate, every });
  return {
    init: (params) => ({ params }),
    update: ({ params: before }, params, step) => ({
      params: atEvery(
        every,
        step,
        before,
        blended(before, params, (dtype) => asTensor(rate, dtype)),
      ),
    }),
  };
}

/** The options of {@linkcode bema}. */
export interface BemaOptions extends AverageInterval {
  /** The power k of the average's rate, at least 0 (default 0.5). */
  readonly ratePower?: number;
  /** The power h of the correction, at least 0 (default 0.2). */
  readonly biasPower?: number;
  /** The age of the average before the first step, in steps, at least 1 (default 10). */
  readonly lag?: number;
  /** The growth of the age with each step, at least 0 (default 1). */
  readonly growth?: number;
}

/**
 * The bias-corrected exponential moving average (BEMA, arXiv 2508.00180). With the age `n = lag +
 * growth step`, the moving average `m` has the rate `n^-k`, and the result is `m + n^-h (params -
 * origin)`: what an average lags behind is added back, less and less.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { bema } from "@unitune/autodiff";
 *
 * const average = bema({ lag: 1, growth: 1, ratePower: 1, biasPower: 2 });
 * const start = average.init(tensor([0], { dtype: "f64" }));
 * const step = tensor(1, { dtype: "i32" });
 * const { params } = average.update(start, tensor([8], { dtype: "f64" }), step);
 * assertEquals(await params.item(), 8 / 2 + 8 / 4);
 * ```
 *
 * @param options The powers, the age, and the interval.
 * @returns The average.
 * @throws {RangeError} If an option is out of range.
 */
export function bema(
  { ratePower = 0.5, biasPower = 0.2, lag = 10, growth = 1, every = 1 }: BemaOptions = {},
): ParameterAverage {
  const limits = {
    ratePower: ranges.nonNegative,
    biasPower: ranges.nonNegative,
    lag: { min: 1 },
    growth: ranges.nonNegative,
    every: ranges.integerFrom(1),
  };
  checkOptions("bema", limits, { ratePower, biasPower, lag, growth, every });
  return {
    init: (params) => ({ params, uncorrected: params, origin: params }),
    update({ params: before, uncorrected, origin }, params, step) {
      if (uncorrected === undefined || origin === undefined) {
        throw new RangeError("bema: got the state of another average; expected that of its init");
      }
      const aged = (power: number) => (dtype: DType) =>
        pow(add(mul(cast(step, dtype), growth), lag), -power);
      const moved = blended(uncorrected, params, aged(ratePower));
      const away = zipTrees(params, origin, (x, start) => sub(x, start));
      const correction = mapTree(away, (x) => mul(x, aged(biasPower)(x.dtype)));
      return {
        params: atEvery(every, step, before, zipTrees(moved, correction, (m, c) => add(m, c))),
        uncorrected: atEvery(every, step, uncorrected, moved),
        origin,
      };
    },
  };
}
