/** AdamW with moments of 8 bits. */
import {
  add,
  checkOptions,
  div,
  leafPaths,
  mapTree,
  mul,
  ranges,
  sizeOf,
  sqrt,
  square,
  type Tensor,
  zeros,
} from "@unitune/core";
import {
  type AdamOptions,
  type AdamState,
  type AdamWOptions,
  biasCorrection,
  scaleByAdam,
} from "./adam.ts";
import {
  BLOCK,
  dequantized,
  inBlocks,
  type MapKind,
  outOfBlocks,
  type Quantized,
  quantized,
} from "./blockwise.ts";
import { partition, type PartitionState } from "./partition.ts";
import {
  addDecayedWeights,
  chain,
  firstStep,
  type GradientTransform,
  type LearningRate,
  type ParameterMask,
  scaleByLearningRate,
  type Stateless,
  type StepState,
} from "./transform.ts";

/** Numbers of 8 bits for each parameter, by its path. */
export type QuantizedByPath = Readonly<Record<string, Quantized>>;

/** Adam's moments in 8 bits. */
export interface Adam8bitState extends StepState {
  /** The decaying mean of gradients. */
  readonly first: QuantizedByPath;
  /** The decaying mean of squared gradients. */
  readonly second: QuantizedByPath;
}

/** Parameters of fewer numbers keep their moments in f32, as in bitsandbytes. */
const SMALL = 4096;

/** Zeros of a kind for each parameter. */
function zerosOf(kind: MapKind, params: unknown): QuantizedByPath {
  return Object.fromEntries(
    [...leafPaths(params)].map(([path, { shape, dtype }]) => {
      const blocks = Math.ceil(sizeOf(shape) / BLOCK);
      return [path, quantized(kind, zeros([blocks, 4, BLOCK / 4], dtype))];
    }),
  );
}

/** The entry of a path. */
function entryOf<T>(entries: Readonly<Record<string, T>>, path: string): T {
  const entry = entries[path];
  if (entry === undefined) throw new RangeError(`Adam: the state has no moments of ${path}`);
  return entry;
}

/**
 * {@linkcode scaleByAdam} whose moments are kept in 8 bits by {@linkcode quantized}: they are widened
 * to the type of the gradients, updated and used, and narrowed again.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { full, tensor } from "@unitune/core";
 * import { scaleByAdam8bit } from "@unitune/autodiff";
 *
 * const x = full([4096], -7);
 * const adam = scaleByAdam8bit();
 * const [first = NaN] = await adam.update(x, adam.init(x), x).updates.data();
 * assertAlmostEquals(first, -1, 1e-6);
 * ```
 *
 * @param options The decays, and the term against division by 0.
 * @returns The transform.
 * @throws {RangeError} If an option is out of its range.
 */
export function scaleByAdam8bit(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {},
): GradientTransform<Adam8bitState> {
  checkOptions("Adam", {
    beta1: ranges.decay,
    beta2: ranges.decay,
    epsilon: ranges.nonNegative,
  }, { beta1, beta2, epsilon });
  return {
    init: (params) => ({
      ...firstStep(),
      first: zerosOf("signed", params),
      second: zerosOf("positive", params),
    }),
    update(updates, state) {
      const step = add(state.step, 1);
      const [first, second]: [Record<string, Quantized>, Record<string, Quantized>] = [{}, {}];
      const scaled = mapTree(updates, (gradient, path) => {
        const g = inBlocks(gradient);
        const moment = (kind: MapKind, before: Quantized, news: Tensor, beta: number) =>
          add(mul(dequantized(kind, before), beta), mul(news, 1 - beta));
        const m = moment("signed", entryOf(state.first, path), g, beta1);
        const v = moment("positive", entryOf(state.second, path), square(g), beta2);
        first[path] = quantized("signed", m);
        second[path] = quantized("positive", v);
        const root = add(sqrt(div(v, biasCorrection(beta2, step, g))), epsilon);
        return outOfBlocks(div(div(m, biasCorrection(beta1, step, g)), root), gradient.shape);
      });
      return { updates: scaled, state: { step, first, second } };
    },
  };
}

/**
 * AdamW with moments of 8 bits (Dettmers et al., "8-bit optimizers via block-wise quantization",
 * 2022), two bytes a parameter in place of eight. Parameters of fewer than 4,096 numbers have moments
 * in f32.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { leavesOf, zeros } from "@unitune/core";
 * import { adamw8bit } from "@unitune/autodiff";
 *
 * const state = adamw8bit(1e-3).init({ w: zeros([64, 64]), b: zeros([64]) });
 * const dtypes = leavesOf(state).map(({ dtype }) => dtype);
 * assertEquals(dtypes.filter((dtype) => dtype === "u32").length, 2);
 * ```
 *
 * @param rate The learning rate.
 * @param options As those of `adamw`.
 * @returns The optimizer.
 * @throws {RangeError} If an option is out of its range.
 */
export function adamw8bit(
  rate: LearningRate,
  { weightDecay = 0.01, mask, ...adam }: AdamWOptions = {},
): GradientTransform<readonly [PartitionState<Adam8bitState, AdamState>, Stateless, StepState]> {
  const isLarge: ParameterMask = (_, { shape }) => sizeOf(shape) >= SMALL;
  return chain(
    partition(isLarge, scaleByAdam8bit(adam), scaleByAdam(adam)),
    addDecayedWeights(weightDecay, mask),
    scaleByLearningRate(rate),
  );
}
