/** The schedule of a weight that rises in a line and falls along half a cosine. */
import { cosineDecay, type Schedule } from "@unitune/autodiff";
import { cast, checkOptions, div, less, mul, ranges, sub, where } from "@unitune/core";

/** The options of {@linkcode riseAndFall}. */
export interface RiseAndFallOptions {
  /** The value at the end of the rise, from 0 to 1 (default 0.9). */
  readonly peak?: number;
  /** The value at the end of the fall, and after it, from 0 to 1 (default 0.05). */
  readonly valley?: number;
  /** The steps of the rise, from 0 (default 0: it begins at the peak). */
  readonly warmup?: number;
  /** The steps of the fall, from 0 (default 200). */
  readonly decay?: number;
}

/** The defaults of {@linkcode riseAndFall}: those of CHORD's paper. */
export const riseAndFallDefaults: Required<RiseAndFallOptions> = {
  peak: 0.9,
  valley: 0.05,
  warmup: 0,
  decay: 200,
};

/**
 * A weight from 0 to 1: `peak step / warmup` for some steps, then `valley + (peak - valley) (1 +
 * cos(pi (step - warmup) / decay)) / 2`, then the valley (CHORD's mu, arXiv 2508.11408).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { riseAndFall } from "@unitune/objectives";
 *
 * const mu = riseAndFall({ peak: 0.8, valley: 0.2, warmup: 4, decay: 10 });
 * const at = (step: number) => mu(tensor(step, { dtype: "i32" })).item();
 * assertAlmostEquals(await at(1), 0.2, 1e-6);
 * assertAlmostEquals(await at(4), 0.8, 1e-6);
 * assertAlmostEquals(await at(9), 0.5, 1e-6);
 * assertAlmostEquals(await at(99), 0.2, 1e-6);
 * ```
 *
 * @param options The values, and the steps between them.
 * @returns The schedule.
 * @throws {RangeError} If an option is out of range.
 */
export function riseAndFall(options: RiseAndFallOptions = {}): Schedule {
  const known = { ...riseAndFallDefaults, ...options };
  const { peak, valley, warmup, decay } = known;
  const limits = {
    ...{ peak: ranges.share, valley: ranges.share },
    ...{ warmup: ranges.steps, decay: ranges.steps },
  };
  checkOptions("riseAndFall", limits, known);
  const fall = cosineDecay({ peak, end: valley, total: decay });
  return (step) =>
    where(
      less(step, warmup),
      mul(div(cast(step, "f32"), Math.max(1, warmup)), peak),
      fall(sub(step, warmup)),
    );
}
