/** Stochastic gradient descent, with momentum. */
import { add, checkOptions, mul, ranges, zipTrees } from "@unitune/core";
import {
  type ByPath,
  chain,
  type GradientTransform,
  type LearningRate,
  scaleByLearningRate,
  type StepState,
  zerosByPath,
} from "./transform.ts";

/** Options of {@linkcode addMomentum}. */
export interface MomentumOptions {
  /** The decay of the sum of updates (default 0: no sum is kept). */
  readonly momentum?: number;
  /** Whether the update looks ahead along the momentum, after Nesterov (default false). */
  readonly nesterov?: boolean;
}

/** The decaying sum of updates. */
export interface MomentumState {
  /** One tensor for each parameter; none without momentum. */
  readonly sum: ByPath;
}

/**
 * Momentum: `b = momentum b + g`, update b; after Nesterov `g + momentum b` (Sutskever, Martens,
 * Dahl and Hinton, "On the importance of initialization and momentum", 2013).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { addMomentum } from "@unitune/autodiff";
 *
 * const x = tensor([1]);
 * const heavy = addMomentum({ momentum: 0.5 });
 * const { state } = heavy.update(x, heavy.init(x), x);
 * assertEquals(await heavy.update(x, state, x).updates.item(), 1.5);
 * ```
 *
 * @param options The decay, and whether to look ahead.
 * @returns The transform.
 * @throws {RangeError} If the decay is not from 0 to below 1.
 */
export function addMomentum(
  { momentum = 0, nesterov = false }: MomentumOptions = {},
): GradientTransform<MomentumState> {
  checkOptions("momentum", { momentum: ranges.decay }, { momentum });
  return {
    init: (params) => ({ sum: momentum === 0 ? {} : zerosByPath(params) }),
    update(updates, state) {
      if (momentum === 0) return { updates, state };
      const sum = zipTrees(state.sum, updates, (b, g) => add(mul(b, momentum), g));
      const ahead = zipTrees(updates, sum, (g, b) => nesterov ? add(g, mul(b, momentum)) : b);
      return { updates: ahead, state: { sum } };
    },
  };
}

/**
 * Stochastic gradient descent: `-rate g`, with optional momentum on g by {@linkcode addMomentum}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { sgd } from "@unitune/autodiff";
 *
 * const optimizer = sgd(0.5);
 * const w = tensor([1]);
 * const { updates } = optimizer.update(tensor([4]), optimizer.init(w), w);
 * assertEquals(await updates.item(), -2);
 * ```
 *
 * @param rate The learning rate, a number or a schedule.
 * @param options The momentum.
 * @returns The optimizer.
 * @throws {RangeError} If the rate is negative or not finite, or the momentum not from 0 to below 1.
 */
export function sgd(
  rate: LearningRate,
  options: MomentumOptions = {},
): GradientTransform<readonly [MomentumState, StepState]> {
  return chain(addMomentum(options), scaleByLearningRate(rate));
}
