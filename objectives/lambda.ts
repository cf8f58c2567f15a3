/**
 * Schedules of the share of the model's own token in an intuitive state, over the steps of a
 * training.
 */
import {
  add,
  cast,
  checkOptions,
  checkRange,
  clip,
  div,
  minimum,
  mul,
  normal,
  ranges,
  type TensorLike,
} from "@unitune/core";
import type { Context } from "./policy.ts";

/**
 * A share from 0 to 1 for each step. Step and key are data: a compiled step follows the schedule
 * without being compiled anew.
 */
export interface LambdaSchedule {
  /** The schedule in a few words. */
  readonly description: string;
  /** The share where it is the same at every step. */
  readonly fixed?: number;
  /** The share at a step: a number, or an f32 scalar. */
  readonly at: (context: Context) => TensorLike;
}

/**
 * The same share at every step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { fixedLambda } from "@unitune/objectives";
 *
 * assertEquals(fixedLambda(0.2).at({ step: tensor(9, { dtype: "i32" }) }), 0.2);
 * ```
 *
 * @param lambda The share, from 0 (teacher forcing) to 1.
 * @returns The schedule.
 * @throws {RangeError} If the share is out of range.
 */
export function fixedLambda(lambda: number): LambdaSchedule {
  checkOptions("fixedLambda", { lambda: ranges.share }, { lambda });
  return { description: `${lambda}`, fixed: lambda, at: () => lambda };
}

/**
 * A linear warm-up: from one share at step 0 in a straight line to another, which stays from then
 * on.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { isTensor, tensor } from "@unitune/core";
 * import { linearLambda } from "@unitune/objectives";
 *
 * const schedule = linearLambda({ from: 0.1, to: 0.2, steps: 10 });
 * const lambda = schedule.at({ step: tensor(5, { dtype: "i32" }) });
 * assertAlmostEquals(isTensor(lambda) ? await lambda.item() : lambda, 0.15, 1e-7);
 * ```
 *
 * @param options The share at step 0, the share at the end, and the steps between.
 * @returns The schedule.
 * @throws {RangeError} If a share is out of range or `steps` is not a positive integer.
 */
export function linearLambda(
  { from, to, steps }: { readonly from: number; readonly to: number; readonly steps: number },
): LambdaSchedule {
  checkRange("linearLambda: lambda from", from, ranges.share);
  checkRange("linearLambda: lambda to", to, ranges.share);
  checkRange("linearLambda: steps", steps, ranges.integerFrom(1));
  return {
    description: `(${from} to ${to} in ${steps} steps)`,
    at: ({ step }) => add(mul(minimum(div(cast(step, "f32"), steps), 1), to - from), from),
  };
}

/**
 * A noisy share `lambda (1 + scale e)` cut to 0..1, with e of the normal distribution, drawn once a
 * step (arXiv 2405.11870, table 7). Without keys in the context, e is 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { noisyLambda } from "@unitune/objectives";
 *
 * assertEquals(noisyLambda({ lambda: 0.2 }).at({ step: tensor(0, { dtype: "i32" }) }), 0.2);
 * ```
 *
 * @param options The share without noise, and the noise's scale (default 0.5).
 * @returns The schedule.
 * @throws {RangeError} If the share is out of range or the scale negative.
 */
export function noisyLambda(
  { lambda, scale = 0.5 }: { readonly lambda: number; readonly scale?: number },
): LambdaSchedule {
  checkOptions("noisyLambda", { lambda: ranges.share, scale: ranges.nonNegative }, {
    lambda,
    scale,
  });
  return {
    description: `${lambda} (1 + ${scale} N(0, 1))`,
    at: ({ keys }) =>
      keys === undefined
        ? lambda
        : clip(mul(add(mul(normal(keys.step, []), scale), 1), lambda), 0, 1),
  };
}
