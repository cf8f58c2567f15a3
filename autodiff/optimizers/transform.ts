/** Gradient transforms: the parts of which optimizers are chained. */
import {
  add,
  cast,
  checkOptions,
  full,
  leafPaths,
  mapTree,
  mul,
  neg,
  ranges,
  type Tensor,
  zeros,
  zipTrees,
} from "@unitune/core";
import type { Schedule } from "../schedules.ts";

/** The result of an update. */
export interface Updated<P, S> {
  /** The step to add to the parameters, in their structure. */
  readonly updates: P;
  /** The state for the next update. */
  readonly state: S;
}

/**
 * A step from gradients to updates: a pure pair of functions, whose state is a tree of tensors.
 * Transforms are chained; the last one's updates are added to the parameters.
 */
export interface GradientTransform<S> {
  /** The state before the first update, for parameters of these shapes. */
  init(params: unknown): S;
  /** Transforms updates, which are gradients at first; the parameters are those before the update. */
  update<P>(updates: P, state: S, params: P): Updated<P, S>;
}

/** One tensor for each parameter, by its path, such as `blocks[0].weight`. */
export type ByPath = Readonly<Record<string, Tensor>>;

/** Zeros of the shapes of parameters. */
export function zerosByPath(params: unknown): ByPath {
  return Object.fromEntries(
    [...leafPaths(params)].map(([path, { shape, dtype }]) => [path, zeros(shape, dtype)]),
  );
}

/** No state. */
export type Stateless = Readonly<Record<never, never>>;

/** A transform without a state. */
export function stateless(update: <P>(updates: P, params: P) => P): GradientTransform<Stateless> {
  return {
    init: () => ({}),
    update: (updates, state, params) => ({ updates: update(updates, params), state }),
  };
}

/**
 * Transforms one after the other, each on the updates of the one before.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { chain, clipByGlobalNorm, scale } from "@unitune/autodiff";
 *
 * const descent = chain(clipByGlobalNorm(1), scale(-0.5));
 * const params = { w: tensor([1, 1]) };
 * const { updates } = descent.update({ w: tensor([0, 8]) }, descent.init(params), params);
 * assertEquals(await updates.w.data(), new Float32Array([0, -0.5]));
 * ```
 *
 * @param transforms The transforms; the state is the list of theirs.
 * @returns Their composition.
 */
export function chain<S extends readonly unknown[]>(
  ...transforms: { readonly [I in keyof S]: GradientTransform<S[I]> }
): GradientTransform<S>;
export function chain(
  ...transforms: readonly GradientTransform<unknown>[]
): GradientTransform<readonly unknown[]> {
  return {
    init: (params) => transforms.map((transform) => transform.init(params)),
    update(updates, states, params) {
      let current = updates;
      const state = transforms.map((transform, i) => {
        const updated = transform.update(current, states[i], params);
        current = updated.updates;
        return updated.state;
      });
      return { updates: current, state };
    },
  };
}

/**
 * `params + updates`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { applyUpdates } from "@unitune/autodiff";
 *
 * const { w } = applyUpdates({ w: tensor([1, 2]) }, { w: tensor([0.5, -1]) });
 * assertEquals(await w.data(), new Float32Array([1.5, 1]));
 * ```
 *
 * @param params The parameters.
 * @param updates The steps to add, in their structure.
 * @returns The parameters after the update.
 */
export function applyUpdates<P>(params: P, updates: P): P {
  return zipTrees(params, updates, (param, update) => add(param, update));
}

/**
 * `factor update`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scale } from "@unitune/autodiff";
 *
 * const x = tensor([2]);
 * assertEquals(await scale(-3).update(x, {}, x).updates.item(), -6);
 * ```
 *
 * @param factor A number; negative to descend.
 * @returns The transform.
 * @throws {RangeError} If the factor is not finite.
 */
export function scale(factor: number): GradientTransform<Stateless> {
  checkOptions("scale", { factor: ranges.finite }, { factor });
  return stateless((updates) => mapTree(updates, (update) => mul(update, factor)));
}

/** The number of updates done. */
export interface StepState {
  /** `i32[]`, 0 before the first update. */
  readonly step: Tensor;
}

/** The state before the first update. */
export const firstStep = (): StepState => ({ step: full([], 0, "i32") });

/**
 * `schedule(step) update`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { linearWarmup, scaleBySchedule } from "@unitune/autodiff";
 *
 * const warm = scaleBySchedule(linearWarmup({ peak: 1, warmup: 1 }));
 * const x = tensor([8]);
 * const first = warm.update(x, warm.init(x), x);
 * const second = warm.update(x, first.state, x);
 * assertEquals([await first.updates.item(), await second.updates.item()], [4, 8]);
 * ```
 *
 * @param schedule From the number of updates done to the factor.
 * @returns The transform.
 */
export function scaleBySchedule(schedule: Schedule): GradientTransform<StepState> {
  return {
    init: firstStep,
    update(updates, { step }) {
      const factor = schedule(step);
      return {
        updates: mapTree(updates, (update) => mul(update, cast(factor, update.dtype))),
        state: { step: add(step, 1) },
      };
    },
  };
}

/** A learning rate: one for all steps, or a schedule. */
export type LearningRate = number | Schedule;

/**
 * `-rate update`: the step down along the gradient.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByLearningRate } from "@unitune/autodiff";
 *
 * const descent = scaleByLearningRate(0.5);
 * const x = tensor([2]);
 * assertEquals(await descent.update(x, descent.init(x), x).updates.item(), -1);
 * ```
 *
 * @param rate The learning rate.
 * @returns The transform; its state counts the steps, whether the rate is a number or a schedule.
 * @throws {RangeError} If the rate is a number, and negative or not finite.
 */
export function scaleByLearningRate(rate: LearningRate): GradientTransform<StepState> {
  if (typeof rate === "function") return scaleBySchedule((step) => neg(rate(step)));
  checkOptions("learning rate", { rate: ranges.nonNegative }, { rate });
  const { update } = scale(-rate);
  return {
    init: firstStep,
    update: (updates, { step }, params) => ({
      updates: update(updates, {}, params).updates,
      state: { step: add(step, 1) },
    }),
  };
}

/** The choice of the parameters that a transform acts on, by their path and shape. */
export type ParameterMask = (path: string, param: Tensor) => boolean;

/**
 * True for matrices and higher tensors, false for vectors and scalars: by custom, weight decay
 * leaves biases and the gains of norms alone.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { zeros } from "@unitune/core";
 * import { onlyMatrices } from "@unitune/autodiff";
 *
 * assert(onlyMatrices("w", zeros([2, 2])) && !onlyMatrices("b", zeros([2])));
 * ```
 *
 * @param _path The parameter's path.
 * @param param The parameter.
 * @returns Whether it has two axes or more.
 */
export function onlyMatrices(_path: string, { shape }: Tensor): boolean {
  return shape.length >= 2;
}

/**
 * `update + rate param`: decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay
 * regularization", 2019) where it stands after an adaptive scaling, an L2 penalty before it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { addDecayedWeights } from "@unitune/autodiff";
 *
 * const params = { w: tensor([[4]]), b: tensor([4]) };
 * const { updates } = addDecayedWeights(0.5).update(params, {}, params);
 * assertEquals([await updates.w.item(), await updates.b.item()], [6, 4]);
 * ```
 *
 * @param rate The weight decay.
 * @param mask The parameters that decay (default {@linkcode onlyMatrices}).
 * @returns The transform.
 * @throws {RangeError} If the weight decay is negative or not finite.
 */
export function addDecayedWeights(
  rate: number,
  mask: ParameterMask = onlyMatrices,
): GradientTransform<Stateless> {
  checkOptions("weight decay", { rate: ranges.nonNegative }, { rate });
  return stateless((updates, params) =>
    rate === 0 ? updates : zipTrees(
      updates,
      params,
      (update, param, path) => mask(path, param) ? add(update, mul(param, rate)) : update,
    )
  );
}
