/** Adam and AdamW. */
import {
  add,
  cast,
  checkOptions,
  div,
  expm1,
  mul,
  neg,
  ranges,
  sqrt,
  square,
  type Tensor,
  zipTrees,
} from "@unitune/core";
import {
  addDecayedWeights,
  type ByPath,
  chain,
  firstStep,
  type GradientTransform,
  type LearningRate,
  type ParameterMask,
  scaleByLearningRate,
  type Stateless,
  type StepState,
  zerosByPath,
} from "./transform.ts";

/** Options of {@linkcode scaleByAdam}. */
export interface AdamOptions {
  /** The decay of the mean of gradients (default 0.9). */
  readonly beta1?: number;
  /** The decay of the mean of squared gradients (default 0.999). */
  readonly beta2?: number;
  /** Added to the root, against division by 0 (default 1e-8). */
  readonly epsilon?: number;
}

/** Adam's moments. */
export interface AdamState extends StepState {
  /** The decaying mean of gradients. */
  readonly first: ByPath;
  /** The decaying mean of squared gradients. */
  readonly second: ByPath;
}

/** `1 - beta^t`, by `expm1(t ln beta)`, which is exact in f32 where beta is near 1. */
export function biasCorrection(beta: number, step: Tensor, like: Tensor): Tensor {
  return neg(expm1(mul(cast(step, like.dtype), Math.log(beta))));
}

/**
 * Adam (Kingma and Ba 2015), without the learning rate: with t the number of this update,
 *
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2
 *     update = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByAdam } from "@unitune/autodiff";
 *
 * // The first update is the sign of the gradient.
 * const x = tensor([-7]);
 * const adam = scaleByAdam();
 * assertAlmostEquals(await adam.update(x, adam.init(x), x).updates.item(), -1, 1e-6);
 * ```
 *
 * @param options The decays and epsilon.
 * @returns The transform.
 * @throws {RangeError} If a decay is not from 0 to below 1, or epsilon is negative or not finite.
 */
export function scaleByAdam(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {},
): GradientTransform<AdamState> {
  checkOptions("Adam", {
    beta1: ranges.decay,
    beta2: ranges.decay,
    epsilon: ranges.nonNegative,
  }, { beta1, beta2, epsilon });
  return {
    init: (params) => ({ ...firstStep(), first: zerosByPath(params), second: zerosByPath(params) }),
    update(updates, state) {
      const step = add(state.step, 1);
      const first = zipTrees(state.first, updates, (m, g) => {
        return add(mul(m, beta1), mul(g, 1 - beta1));
      });
      const second = zipTrees(state.second, updates, (v, g) => {
        return add(mul(v, beta2), mul(square(g), 1 - beta2));
      });
      const means = zipTrees(updates, first, (_, m) => div(m, biasCorrection(beta1, step, m)));
      const scaled = zipTrees(means, second, (mean, v) => {
        return div(mean, add(sqrt(div(v, biasCorrection(beta2, step, v))), epsilon));
      });
      return { updates: scaled, state: { step, first, second } };
    },
  };
}

/** Options of {@linkcode adamw}. */
export interface AdamWOptions extends AdamOptions {
  /** The decay of the weights, times the learning rate at each step (default 0.01). */
  readonly weightDecay?: number;
  /** The parameters that decay (default: matrices). */
  readonly mask?: ParameterMask;
}

/**
 * AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019):
 * `-rate (adam + weightDecay param)`, adam being {@linkcode scaleByAdam}.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { sum, type Tensor, tensor } from "@unitune/core";
 * import { adamw, applyUpdates, grad } from "@unitune/autodiff";
 *
 * const optimizer = adamw(0.1);
 * let params = { w: tensor([1, -2]) };
 * let state = optimizer.init(params);
 * const gradient = grad(({ w }: { w: Tensor }) => sum(w));
 * for (let step = 0; step < 3; step++) {
 *   const updated = optimizer.update(gradient(params), state, params);
 *   params = applyUpdates(params, updated.updates);
 *   state = updated.state;
 * }
 * const [first = NaN] = await params.w.data();
 * assert(Math.abs(first - 0.7) < 1e-6);
 * ```
 *
 * @param rate The learning rate, a number or a schedule.
 * @param options Decays, epsilon, weight decay and the parameters that decay.
 * @returns The optimizer.
 * @throws {RangeError} If rate, epsilon or weight decay are negative or not finite, or a decay is not
 * from 0 to below 1.
 */
export function adamw(
  rate: LearningRate,
  { weightDecay = 0.01, mask, ...adam }: AdamWOptions = {},
): GradientTransform<readonly [AdamState, Stateless, StepState]> {
  return chain(
    scaleByAdam(adam),
    addDecayedWeights(weightDecay, mask),
    scaleByLearningRate(rate),
  );
}
