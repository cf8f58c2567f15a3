/** Adafactor. */
import {
  add,
  cast,
  checkOptions,
  div,
  leafPaths,
  maximum,
  mean,
  minimum,
  mul,
  pow,
  ranges,
  type Shape,
  sqrt,
  square,
  type Tensor,
  unsqueeze,
  zeros,
  zipTrees,
} from "@unitune/core";
import type { Schedule } from "../schedules.ts";
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
  stateless,
  type StepState,
} from "./transform.ts";

/** Options of {@linkcode scaleByFactoredRms}. */
export interface FactoredRmsOptions {
  /** The exponent d of the decay `1 - t^-d`, which grows with the steps (default 0.8). */
  readonly decay?: number;
  /** Added to squared gradients (default 1e-30). */
  readonly epsilon?: number;
}

/** The mean squares of gradients: of matrices by rows and by columns, of vectors as they are. */
export interface FactoredRmsState extends StepState {
  /** R, `[..., M]` of a matrix `[..., M, N]`: the decaying means over columns. */
  readonly rows: ByPath;
  /** C, `[..., N]`: the decaying means over rows. */
  readonly columns: ByPath;
  /** V of vectors and scalars. */
  readonly whole: ByPath;
}

const isFactored = (shape: Shape): boolean => shape.length >= 2;

/** Zeros for the parameters that are factored, or for the others, of another shape. */
function zerosOf(params: unknown, factored: boolean, shapeOf: (shape: Shape) => Shape): ByPath {
  return Object.fromEntries(
    [...leafPaths(params)].flatMap(([path, { shape, dtype }]) =>
      isFactored(shape) === factored ? [[path, zeros(shapeOf(shape), dtype)] as const] : []
    ),
  );
}

/** The root mean square of a tensor. */
function rootMeanSquare(x: Tensor): Tensor {
  return sqrt(mean(square(x)));
}

/**
 * `g / sqrt(V)`, V being a decaying mean of `g^2 + epsilon`, with `beta = 1 - t^-d` at update t. Of a
 * matrix it is known by its rows R and columns C alone: `V = R C' / mean(R)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByFactoredRms } from "@unitune/autodiff";
 *
 * // The first update of equal magnitudes is the sign of the gradient.
 * const x = tensor([[-4, 4], [4, 4]]);
 * const rms = scaleByFactoredRms();
 * assertEquals(
 *   await rms.update(x, rms.init(x), x).updates.data(),
 *   new Float32Array([-1, 1, 1, 1]),
 * );
 * ```
 *
 * @param options The decay, and the term against division by 0.
 * @returns The transform.
 * @throws {RangeError} If an option is out of its range.
 */
export function scaleByFactoredRms(
  { decay = 0.8, epsilon = 1e-30 }: FactoredRmsOptions = {},
): GradientTransform<FactoredRmsState> {
  checkOptions("Adafactor", { decay: ranges.positive, epsilon: ranges.nonNegative }, {
    decay,
    epsilon,
  });
  return {
    init: (params) => ({
      ...firstStep(),
      rows: zerosOf(params, true, (shape) => shape.slice(0, -1)),
      columns: zerosOf(params, true, (shape) => [...shape.slice(0, -2), ...shape.slice(-1)]),
      whole: zerosOf(params, false, (shape) => shape),
    }),
    update(updates, state) {
      const step = add(state.step, 1);
      const gradients = leafPaths(updates);
      /** The next state of some of the parameters, by the part of their squares that it is a mean of. */
      const next = (before: ByPath, of: (squares: Tensor) => Tensor): ByPath =>
        Object.fromEntries(
          Object.entries(before).map(([path, v]) => {
            const g = gradients.get(path);
            if (g === undefined) throw new RangeError(`Adafactor: there is no gradient of ${path}`);
            const share = pow(cast(step, g.dtype), -decay);
            const news = of(add(square(g), epsilon));
            return [path, add(mul(v, add(mul(share, -1), 1)), mul(news, share))];
          }),
        );
      const rows = next(state.rows, (squares) => mean(squares, { axes: [-1] }));
      const columns = next(state.columns, (squares) => mean(squares, { axes: [-2] }));
      const whole = next(state.whole, (squares) => squares);
      const scaled = zipTrees(updates, updates, (g, _, path) => {
        const [r, c, v] = [rows[path], columns[path], whole[path]];
        if (v !== undefined) return div(g, sqrt(v));
        if (r === undefined || c === undefined) return g;
        const share = div(r, mean(r, { axes: [-1], keepDims: true }));
        const byRow = sqrt(unsqueeze(share, -1));
        return div(g, mul(byRow, sqrt(unsqueeze(c, -2))));
      });
      return { updates: scaled, state: { step, rows, columns, whole } };
    },
  };
}

/**
 * `update / max(1, rms(update) / threshold)`, of each parameter by itself: its root mean square is at
 * most the threshold.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { clipByBlockRms } from "@unitune/autodiff";
 *
 * const x = tensor([4, -4]);
 * assertEquals(
 *   await clipByBlockRms(2).update(x, {}, x).updates.data(),
 *   new Float32Array([2, -2]),
 * );
 * ```
 *
 * @param threshold The largest root mean square, above 0.
 * @returns The transform.
 * @throws {RangeError} If the threshold is not a positive number.
 */
export function clipByBlockRms(threshold: number): GradientTransform<Stateless> {
  checkOptions("clipByBlockRms", { threshold: ranges.positive }, { threshold });
  return stateless((updates) =>
    zipTrees(updates, updates, (u) => div(u, maximum(div(rootMeanSquare(u), threshold), 1)))
  );
}

/**
 * `max(least, rms(param)) update`: steps relative to the size of each parameter.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByParameterRms } from "@unitune/autodiff";
 *
 * const [update, param] = [tensor([1, 2]), tensor([3, -3])];
 * assertEquals(
 *   await scaleByParameterRms().update(update, {}, param).updates.data(),
 *   new Float32Array([3, 6]),
 * );
 * ```
 *
 * @param least The least factor (default 1e-3), so that parameters which are 0 can leave it.
 * @returns The transform.
 * @throws {RangeError} If the least factor is not a positive number.
 */
export function scaleByParameterRms(least = 1e-3): GradientTransform<Stateless> {
  checkOptions("scaleByParameterRms", { least: ranges.positive }, { least });
  return stateless((updates, params) =>
    zipTrees(updates, params, (u, param) => mul(u, maximum(rootMeanSquare(param), least)))
  );
}

/**
 * Adafactor's learning rate relative to the size of parameters: `min(1e-2, 1 / sqrt(t))` at update t,
 * or `min(1e-6 t, 1 / sqrt(t))` with a warm-up.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { relativeSteps } from "@unitune/autodiff";
 *
 * const rate = relativeSteps();
 * assertAlmostEquals(await rate(tensor(0, { dtype: "i32" })).item(), 1e-2, 1e-8);
 * assertAlmostEquals(await rate(tensor(39_999, { dtype: "i32" })).item(), 5e-3, 1e-8);
 * ```
 *
 * @param options Whether the rate rises at first (default false).
 * @returns The schedule.
 */
export function relativeSteps(
  { warmup = false }: { readonly warmup?: boolean } = {},
): Schedule {
  return (step) => {
    const t = cast(add(step, 1), "f32");
    return minimum(warmup ? mul(t, 1e-6) : 1e-2, div(1, sqrt(t)));
  };
}

/** Options of {@linkcode adafactor}. */
export interface AdafactorOptions extends FactoredRmsOptions {
  /** The largest root mean square of a parameter's update before it is scaled (default 1). */
  readonly clipThreshold?: number;
  /** Whether steps are relative to the root mean square of each parameter (default true). */
  readonly scaleParameter?: boolean;
  /** The decay of the weights, times the learning rate at each step (default 0). */
  readonly weightDecay?: number;
  /** The parameters that decay (default: matrices). */
  readonly mask?: ParameterMask;
}

/**
 * Adafactor (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost",
 * 2018), without momentum: `-rate (scale update + weightDecay param)`, update being
 * {@linkcode scaleByFactoredRms} behind {@linkcode clipByBlockRms}. Its state has `M + N` numbers for
 * a matrix of `M N`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { adafactor } from "@unitune/autodiff";
 *
 * const optimizer = adafactor();
 * const w = tensor([2]);
 * const { updates } = optimizer.update(tensor([-7]), optimizer.init(w), w);
 * assertAlmostEquals(await updates.item(), 2 * 1e-2, 1e-6);
 * ```
 *
 * @param rate The learning rate (default {@linkcode relativeSteps}).
 * @param options Decay, clipping, and the scale of steps.
 * @returns The optimizer.
 * @throws {RangeError} If an option is out of its range.
 */
export function adafactor(
  rate: LearningRate = relativeSteps(),
  { clipThreshold = 1, scaleParameter = true, weightDecay = 0, mask, ...rms }: AdafactorOptions =
    {},
): GradientTransform<readonly [FactoredRmsState, Stateless, Stateless, Stateless, StepState]> {
  return chain(
    scaleByFactoredRms(rms),
    clipByBlockRms(clipThreshold),
    scaleParameter ? scaleByParameterRms() : stateless((updates) => updates),
    addDecayedWeights(weightDecay, mask),
    scaleByLearningRate(rate),
  );
}
