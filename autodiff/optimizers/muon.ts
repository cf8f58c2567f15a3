/** Muon. */
import {
  add,
  at,
  checkOptions,
  div,
  matmul,
  maximum,
  mul,
  ranges,
  sqrt,
  square,
  sum,
  type Tensor,
  transposeLast,
  zipTrees,
} from "@unitune/core";
import { type AdamOptions, type AdamState, scaleByAdam } from "./adam.ts";
import { partition, type PartitionState } from "./partition.ts";
import {
  addDecayedWeights,
  type ByPath,
  chain,
  type GradientTransform,
  type LearningRate,
  onlyMatrices,
  type ParameterMask,
  scaleByLearningRate,
  type Stateless,
  type StepState,
  zerosByPath,
} from "./transform.ts";

/** The coefficients of the iteration, which Jordan et al. chose for the largest slope at 0. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** Added to a matrix's norm, against division by 0. */
const EPSILON = 1e-7;

/** Options of {@linkcode scaleByMuon}. */
export interface MuonMomentumOptions {
  /** The decay of the mean of gradients (default 0.95). */
  readonly momentum?: number;
  /** Whether the update looks ahead along the momentum (default true). */
  readonly nesterov?: boolean;
  /** The number of steps of the iteration (default 5). */
  readonly iterations?: number;
}

/** Muon's momentum. */
export interface MuonState {
  /** The decaying mean of gradients. */
  readonly first: ByPath;
}

/**
 * A matrix with its singular values brought near 1, some 0.7 to 1.2, and its singular vectors as they
 * are: `X <- a X + (b X X' + c (X X')^2) X` from `X = G / |G|`, by which a long matrix is turned.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { orthogonalized } from "@unitune/autodiff";
 *
 * const [first = NaN, , , last = NaN] = await orthogonalized(tensor([[3, 0], [0, 40]])).data();
 * assertAlmostEquals(first, 1, 0.31);
 * assertAlmostEquals(last, 1, 0.31);
 * ```
 *
 * @param gradient The matrix, `[M, N]`.
 * @param iterations The number of steps (default 5).
 * @returns The matrix of the same shape.
 */
export function orthogonalized(gradient: Tensor, iterations = 5): Tensor {
  const isLong = at(gradient.shape, 0) > at(gradient.shape, 1);
  const wide = isLong ? transposeLast(gradient) : gradient;
  let x = div(wide, maximum(sqrt(sum(square(wide))), EPSILON));
  for (let i = 0; i < iterations; i++) {
    const gram = matmul(x, transposeLast(x));
    const cubic = add(mul(gram, B), mul(matmul(gram, gram), C));
    x = add(mul(x, A), matmul(cubic, x));
  }
  return isLong ? transposeLast(x) : x;
}

/**
 * Muon's update of matrices, without the learning rate: with `m = beta m + (1 - beta) g`,
 *
 *     update = 0.2 sqrt(max(M, N)) orthogonalized((1 - beta) g + beta m)
 *
 * The factor gives updates the root mean square of AdamW's, so that they take the same learning rate
 * and weight decay (Liu et al., "Muon is scalable for LLM training", 2025).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { scaleByMuon } from "@unitune/autodiff";
 *
 * const x = tensor([[-7]]);
 * const muon = scaleByMuon();
 * assertAlmostEquals(await muon.update(x, muon.init(x), x).updates.item(), -0.2, 0.1);
 * ```
 *
 * @param options The momentum, and the steps of the iteration.
 * @returns The transform, of matrices only.
 * @throws {RangeError} If the momentum is not a number from 0 to below 1.
 */
export function scaleByMuon(
  { momentum = 0.95, nesterov = true, iterations = 5 }: MuonMomentumOptions = {},
): GradientTransform<MuonState> {
  checkOptions("Muon", { momentum: ranges.decay, iterations: ranges.steps }, {
    momentum,
    iterations,
  });
  const blend = (g: Tensor, m: Tensor) => add(mul(m, momentum), mul(g, 1 - momentum));
  return {
    init: (params) => ({ first: zerosByPath(params) }),
    update(updates, { first }) {
      const means = zipTrees(first, updates, (m, g) => blend(g, m));
      return {
        updates: zipTrees(updates, means, (g, m) => {
          const { shape } = g;
          const factor = 0.2 * Math.sqrt(Math.max(at(shape, 0), at(shape, 1)));
          return mul(orthogonalized(nesterov ? blend(g, m) : m, iterations), factor);
        }),
        state: { first: means },
      };
    },
  };
}

/** Options of {@linkcode muon}. */
export interface MuonOptions extends MuonMomentumOptions {
  /** The matrices that Muon updates (default: all); AdamW updates the other parameters. */
  readonly mask?: ParameterMask;
  /** The options of AdamW for the other parameters. */
  readonly adam?: AdamOptions;
  /** The decay of matrices, times the learning rate at each step (default 0.01). */
  readonly weightDecay?: number;
}

/**
 * Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) for matrices,
 * AdamW for the rest: `-rate (update + weightDecay param)`. Embeddings and heads are better left to
 * AdamW; a mask tells them apart.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { muon } from "@unitune/autodiff";
 *
 * const optimizer = muon(0.1, { weightDecay: 0 });
 * const params = { w: tensor([[1, 0], [0, 1]]), b: tensor([1]) };
 * const { updates } = optimizer.update(params, optimizer.init(params), params);
 * const [step = NaN] = await updates.w.data();
 * assert(step < 0 && Math.abs(await updates.b.item() + 0.1) < 1e-6);
 * ```
 *
 * @param rate The learning rate.
 * @param options Momentum, mask, the options of AdamW, and the decay of weights.
 * @returns The optimizer.
 * @throws {RangeError} If an option is out of its range.
 */
export function muon(
  rate: LearningRate,
  { mask = () => true, adam, weightDecay = 0.01, ...momentum }: MuonOptions = {},
): GradientTransform<readonly [PartitionState<MuonState, AdamState>, Stateless, StepState]> {
  const isMatrix: ParameterMask = (path, param) => param.shape.length === 2 && mask(path, param);
  return chain(
    partition(isMatrix, scaleByMuon(momentum), scaleByAdam(adam)),
    addDecayedWeights(weightDecay, onlyMatrices),
    scaleByLearningRate(rate),
  );
}
