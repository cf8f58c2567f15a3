/** RMSprop. */
import { add, checkOptions, div, mul, ranges, sqrt, square, zipTrees } from "@unitune/core";
import { addMomentum, type MomentumOptions, type MomentumState } from "./sgd.ts";
import {
  type ByPath,
  chain,
  type GradientTransform,
  type LearningRate,
  scaleByLearningRate,
  type StepState,
  zerosByPath,
} from "./transform.ts";

/** Options of {@linkcode scaleByRms}. */
export interface RmsOptions {
  /** The decay of the mean of squared gradients (default 0.99). */
  readonly decay?: number;
  /** Added to the root, against division by 0 (default 1e-8). */
  readonly epsilon?: number;
}

/** The decaying mean of squared gradients. */
export interface RmsState {
  /** One tensor for each parameter. */
  readonly second: ByPath;
}

/**
 * `v = decay v + (1 - decay) g^2`, update `g / (sqrt(v) + epsilon)` (Tieleman and Hinton, lecture
 * 6.5 of "Neural networks for machine learning", 2012; epsilon outside the root, v from 0).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByRms } from "@unitune/autodiff";
 *
 * const x = tensor([-3]);
 * const rms = scaleByRms({ decay: 0.75 });
 * assertAlmostEquals(await rms.update(x, rms.init(x), x).updates.item(), -2, 1e-6);
 * ```
 *
 * @param options The decay and epsilon.
 * @returns The transform.
 * @throws {RangeError} If the decay is not from 0 to below 1, or epsilon is negative or not finite.
 */
export function scaleByRms(
  { decay = 0.99, epsilon = 1e-8 }: RmsOptions = {},
): GradientTransform<RmsState> {
  checkOptions("RMSprop", { decay: ranges.decay, epsilon: ranges.nonNegative }, { decay, epsilon });
  return {
    init: (params) => ({ second: zerosByPath(params) }),
    update(updates, state) {
      const second = zipTrees(state.second, updates, (v, g) => {
        return add(mul(v, decay), mul(square(g), 1 - decay));
      });
      const scaled = zipTrees(updates, second, (g, v) => div(g, add(sqrt(v), epsilon)));
      return { updates: scaled, state: { second } };
    },
  };
}

/** Options of {@linkcode rmsprop}. */
export interface RmspropOptions extends RmsOptions, MomentumOptions {}

/**
 * RMSprop: `-rate g / (sqrt(v) + epsilon)`, with optional momentum on the scaled gradients.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { rmsprop } from "@unitune/autodiff";
 *
 * const optimizer = rmsprop(0.01);
 * const w = tensor([1]);
 * const { updates } = optimizer.update(tensor([4]), optimizer.init(w), w);
 * assertAlmostEquals(await updates.item(), -0.1, 1e-6);
 * ```
 *
 * @param rate The learning rate, a number or a schedule.
 * @param options Decay, epsilon and momentum.
 * @returns The optimizer.
 * @throws {RangeError} If rate or epsilon are negative or not finite, or decay or momentum are not from
 * 0 to below 1.
 */
export function rmsprop(
  rate: LearningRate,
  options: RmspropOptions = {},
): GradientTransform<readonly [RmsState, MomentumState, StepState]> {
  return chain(scaleByRms(options), addMomentum(options), scaleByLearningRate(rate));
}
