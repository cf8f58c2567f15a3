/** Lion. */
import { add, checkOptions, mul, ranges, sign, type Tensor, zipTrees } from "@unitune/core";
import {
  addDecayedWeights,
  type ByPath,
  chain,
  type GradientTransform,
  type LearningRate,
  type ParameterMask,
  scaleByLearningRate,
  type Stateless,
  type StepState,
  zerosByPath,
} from "./transform.ts";

/** Options of {@linkcode scaleByLion}. */
export interface LionMomentumOptions {
  /** The weight of the momentum in the update (default 0.9). */
  readonly beta1?: number;
  /** The decay of the momentum (default 0.99). */
  readonly beta2?: number;
}

/** Lion's momentum. */
export interface LionState {
  /** The decaying mean of gradients. */
  readonly first: ByPath;
}

/** `beta m + (1 - beta) g`. */
function blend(m: Tensor, g: Tensor, beta: number): Tensor {
  return add(mul(m, beta), mul(g, 1 - beta));
}

/**
 * Update `sign(beta1 m + (1 - beta1) g)`, then `m = beta2 m + (1 - beta2) g`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByLion } from "@unitune/autodiff";
 *
 * const x = tensor([-3, 0, 2]);
 * const lion = scaleByLion();
 * const { updates } = lion.update(x, lion.init(x), x);
 * assertEquals(await updates.data(), new Float32Array([-1, 0, 1]));
 * ```
 *
 * @param options The two weights.
 * @returns The transform.
 * @throws {RangeError} If a weight is not from 0 to below 1.
 */
export function scaleByLion(
  { beta1 = 0.9, beta2 = 0.99 }: LionMomentumOptions = {},
): GradientTransform<LionState> {
  checkOptions("Lion", { beta1: ranges.decay, beta2: ranges.decay }, { beta1, beta2 });
  return {
    init: (params) => ({ first: zerosByPath(params) }),
    update: (updates, { first }) => ({
      updates: zipTrees(updates, first, (g, m) => sign(blend(m, g, beta1))),
      state: { first: zipTrees(first, updates, (m, g) => blend(m, g, beta2)) },
    }),
  };
}

/** Options of {@linkcode lion}. */
export interface LionOptions extends LionMomentumOptions {
  /** The decay of the weights, times the learning rate at each step (default 0). */
  readonly weightDecay?: number;
  /** The parameters that decay (default: matrices). */
  readonly mask?: ParameterMask;
}

/**
 * Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023):
 * `-rate (lion + weightDecay param)`, lion being {@linkcode scaleByLion}.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lion } from "@unitune/autodiff";
 *
 * const optimizer = lion(0.25);
 * const w = tensor([1]);
 * const { updates } = optimizer.update(tensor([4]), optimizer.init(w), w);
 * assertAlmostEquals(await updates.item(), -0.25);
 * ```
 *
 * @param rate The learning rate, a number or a schedule.
 * @param options The two weights, weight decay and the parameters that decay.
 * @returns The optimizer.
 * @throws {RangeError} If rate or weight decay are negative or not finite, or a weight is not from 0 to
 * below 1.
 */
export function lion(
  rate: LearningRate,
  { weightDecay = 0, mask, ...momentum }: LionOptions = {},
): GradientTransform<readonly [LionState, Stateless, StepState]> {
  return chain(
    scaleByLion(momentum),
    addDecayedWeights(weightDecay, mask),
    scaleByLearningRate(rate),
  );
}
