/**
 * Random numbers as pure functions of a key (Threefry-2x32-20; Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", 2011). The same key gives the same bits on every
 * backend; never use one key twice, `split` or `fold` it.
 */
import { dims } from "./dims.ts";
import type { StorageDType } from "./dtype.ts";
import {
  abs,
  add,
  bitcast,
  cast,
  cos,
  div,
  floor,
  less,
  log,
  maximum,
  mul,
  neg,
  sqrt,
  sub,
  where,
} from "./ops/elementwise.ts";
import { argmax } from "./ops/reduce.ts";
import { broadcastTo, concat, reshape, slice, zeros } from "./ops/shape.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import { apply, asTensor, tensor, type TensorLike } from "./tensor.ts";
import type { Tensor } from "./value.ts";

/** Counters; the second word tells the uses of a key apart, so that their bits never meet. */
const COUNTERS = {
  bits: tensor([0, 0], { dtype: "u32" }),
  split: tensor([0, 1], { dtype: "u32" }),
} as const;

/** The number of values of a word of 32 bits. */
const WORD = 2 ** 32;

/** The second word of the counters at which a key is folded, the first being the data. */
const FOLD = tensor([2], { dtype: "u32" });

/**
 * A key from a seed: `u32[2]`, the high word first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 *
 * assertEquals(await key(7).data(), new Uint32Array([0, 7]));
 * ```
 *
 * @param seed An integer from 0 to 2^53 - 1.
 * @returns The key.
 * @throws {RangeError} If the seed is no such integer.
 */
export function key(seed: number): Tensor {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`key: expected an integer from 0 to 2^53 - 1, got ${seed}`);
  }
  return tensor([Math.floor(seed / 2 ** 32), seed % 2 ** 32], { dtype: "u32" });
}

/**
 * Random 32-bit words.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, randomBits } from "@unitune/core";
 *
 * assertEquals(await randomBits(key(1), [4]).data(), await randomBits(key(1), [4]).data());
 * ```
 *
 * @throws {ShapeError} If the key is not `u32[2]`.
 */
export function randomBits(key: Tensor, shape: Shape): Tensor {
  return apply("randomBits", [key, COUNTERS.bits], { shape });
}

/**
 * Independent keys from one; the key itself is not to be used again.
 *
 * @example
 * ```ts
 * import { assertNotEquals } from "@std/assert";
 * import { key, splitKey, uniform } from "@unitune/core";
 *
 * const [a = key(0), b = key(0)] = splitKey(key(1));
 * assertNotEquals(await uniform(a, [4]).data(), await uniform(b, [4]).data());
 * ```
 *
 * @throws {ShapeError} If the key is not `u32[2]`.
 */
export function splitKey(key: Tensor, count = 2): Tensor[] {
  checkShape("splitKey", [count]);
  const keys = apply("randomBits", [key, COUNTERS.split], { shape: [count, 2] });
  return Array.from({ length: count }, (_, i) => reshape(slice(keys, 0, i, i + 1), [2]));
}

/**
 * A key from a key and an integer, such as a step's number, which may be data.
 *
 * @example
 * ```ts
 * import { assertEquals, assertNotEquals } from "@std/assert";
 * import { foldKey, key, tensor } from "@unitune/core";
 *
 * const step = tensor(3, { dtype: "i32" });
 * assertEquals(await foldKey(key(1), step).data(), await foldKey(key(1), 3).data());
 * assertNotEquals(await foldKey(key(1), 4).data(), await foldKey(key(1), 3).data());
 * ```
 *
 * @param key The key.
 * @param data One integer, taken modulo 2^32.
 * @returns A key that is independent of those from other integers.
 * @throws {ShapeError} If the key is not `u32[2]` or the data not one element.
 * @throws {RangeError} If the data is a number and no integer.
 */
export function foldKey(key: Tensor, data: TensorLike): Tensor {
  if (typeof data === "number" && !Number.isSafeInteger(data)) {
    throw new RangeError(`foldKey: expected an integer of at most 53 bits, got ${data}`);
  }
  const whole = typeof data === "number" ? data - WORD * Math.floor(data / WORD) : data;
  const word = reshape(cast(asTensor(whole, "u32"), "u32"), [1]);
  const counter = concat([word, FOLD], 0);
  return apply("randomBits", [key, counter], { shape: [2] });
}

/**
 * A key for each of some integers: row i is `foldKey(key, data[i])`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concat, foldKey, foldKeys, key, tensor } from "@unitune/core";
 *
 * const keys = foldKeys(key(1), tensor([3, 4], { dtype: "i32" }));
 * assertEquals(keys.shape, [2, 2]);
 * const apart = concat([foldKey(key(1), 3), foldKey(key(1), 4)], 0);
 * assertEquals(await keys.data(), await apart.data());
 * ```
 *
 * @param key The key, `u32[2]`.
 * @param data The integers, `[N]`, each taken modulo 2^32.
 * @returns The keys, `u32[N, 2]`.
 * @throws {ShapeError} If the key is not `u32[2]` or the data no row of numbers.
 */
export function foldKeys(key: Tensor, data: Tensor): Tensor {
  const { N } = dims(data, "N", "foldKeys: data");
  const words = reshape(cast(data, "u32"), [N, 1]);
  const counters = concat([words, broadcastTo(FOLD, [N, 1])], 1);
  return apply("randomBits", [broadcastTo(key, [N, 2]), counters], { shape: [N, 2] });
}

/** Multiples of 2^-24 from 0 to below 1, of random words. */
function unitOf(bits: Tensor): Tensor {
  return mul(cast(div(bits, 256), "f32"), 2 ** -24);
}

/** Gumbel noise `-ln(-ln u)` of numbers uniform on [0, 1). */
function gumbelOf(unit: Tensor): Tensor {
  // u stays above 0, so that no logarithm is infinite; it is below 1 already.
  return neg(log(neg(log(maximum(unit, 2 ** -25)))));
}

/**
 * Numbers uniform on [low, high): `low + (high - low) u`, where u is a multiple of 2^-24 below 1. Where
 * u is so near 1 that the sum rounds to `high`, the result is `high`; on [0, 1) it never is.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { key, uniform } from "@unitune/core";
 *
 * const numbers = await uniform(key(1), [100], { low: -1, high: 1 }).data();
 * assert(numbers.every((number) => -1 <= number && number <= 1));
 * ```
 *
 * @param key A key, used for nothing else.
 * @param shape The shape of the result.
 * @param options The interval (default [0, 1)).
 * @returns f32 numbers.
 * @throws {ShapeError} If the key is not `u32[2]` or the shape is none.
 * @throws {RangeError} If the interval is none.
 */
export function uniform(
  key: Tensor,
  shape: Shape,
  { low = 0, high = 1 }: { readonly low?: number; readonly high?: number } = {},
): Tensor {
  if (!(low <= high && Number.isFinite(low) && Number.isFinite(high))) {
    throw new RangeError(`uniform: expected finite numbers low <= high, got ${low} and ${high}`);
  }
  const unit = unitOf(randomBits(key, shape));
  return low === 0 && high === 1 ? unit : add(mul(unit, high - low), low);
}

/**
 * Numbers of the normal distribution, by Box and Muller: `sqrt(-2 ln(1 - u)) cos(2 pi v)` for u, v
 * uniform on [0, 1). None is farther from the mean than 5.8 deviations.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { key, mean, normal } from "@unitune/core";
 *
 * const numbers = normal(key(1), [10_000], { mean: 5, standardDeviation: 2 });
 * // Five standard errors of the mean, 2 / sqrt(10,000) each.
 * assertAlmostEquals(await mean(numbers).item(), 5, 5 * 0.02);
 * ```
 *
 * @param key A key, used for nothing else.
 * @param shape The shape of the result.
 * @param options The mean and the standard deviation (defaults 0 and 1).
 * @returns f32 numbers.
 * @throws {ShapeError} If the key is not `u32[2]` or the shape is none.
 * @throws {RangeError} If the mean or the standard deviation is not finite, or the latter negative.
 */
export function normal(
  key: Tensor,
  shape: Shape,
  { mean = 0, standardDeviation = 1 }: {
    readonly mean?: number;
    readonly standardDeviation?: number;
  } = {},
): Tensor {
  checkShape("normal", shape);
  if (!(Number.isFinite(mean) && Number.isFinite(standardDeviation) && standardDeviation >= 0)) {
    throw new RangeError(
      `normal: expected a finite mean and a finite standardDeviation from 0, ` +
        `got ${mean} and ${standardDeviation}`,
    );
  }
  const size = sizeOf(shape);
  const pairs = uniform(key, [2, size]);
  const u = slice(pairs, 0, 0, 1);
  const v = slice(pairs, 0, 1, 2);
  const radius = sqrt(mul(log(sub(1, u)), -2));
  const unit = reshape(mul(radius, cos(mul(v, 2 * Math.PI))), shape);
  return add(mul(unit, standardDeviation), mean);
}

/**
 * Truth with a given probability.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bernoulli, key } from "@unitune/core";
 *
 * assertEquals(await bernoulli(key(1), 1, [2]).data(), new Uint32Array([1, 1]));
 * assertEquals(await bernoulli(key(1), 0, [2]).data(), new Uint32Array([0, 0]));
 * ```
 *
 * @param key A key, used for nothing else.
 * @param probability From 0 to 1.
 * @param shape The shape of the result.
 * @returns Truth values.
 * @throws {ShapeError} If the key is not `u32[2]` or the shape is none.
 * @throws {RangeError} If the probability is none.
 */
export function bernoulli(key: Tensor, probability: number, shape: Shape): Tensor {
  if (!(probability >= 0 && probability <= 1)) {
    throw new RangeError(`bernoulli: expected a probability from 0 to 1, got ${probability}`);
  }
  return less(uniform(key, shape), probability);
}

/**
 * Indices drawn with the probabilities `softmax(logits)` along the last axis, as the largest of logits
 * plus Gumbel noise `-ln(-ln u)`: `[..., V]` gives i32 `[...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { categorical, key, tensor } from "@unitune/core";
 *
 * const logits = tensor([[0, -Infinity], [-Infinity, 0]]);
 * assertEquals(await categorical(key(1), logits).data(), new Int32Array([0, 1]));
 * ```
 *
 * @param key A key, used for nothing else.
 * @param logits f32 `[..., V]`; -Infinity where an index must not be drawn, Infinity where the first such
 * index must be. Where all are -Infinity, the index is 0.
 * @returns An index for each row.
 * @throws {ShapeError} If the key is not `u32[2]`, or the logits are not f32 with an axis that has
 * elements.
 */
export function categorical(key: Tensor, logits: Tensor): Tensor {
  return argmax(add(logits, gumbelOf(uniform(key, logits.shape))));
}

/**
 * Gumbel noise `-ln(-ln u)`, whose row i depends on `keys[i]` and `rows[i]` alone: so what is drawn for
 * a row is the same, whichever rows it is among. The largest of a row's logits plus its noise is drawn
 * with the probabilities `softmax(logits)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { broadcastTo, gumbelRows, key, slice, tensor } from "@unitune/core";
 *
 * const rowsOf = (...rows: number[]) =>
 *   gumbelRows(broadcastTo(key(1), [rows.length, 2]), tensor(rows, { dtype: "u32" }), 5);
 * assertEquals(await rowsOf(7).data(), await slice(rowsOf(3, 7), 0, 1).data());
 * ```
 *
 * @param keys Keys, u32 `[N, 2]`, used for nothing else.
 * @param rows The numbers of the rows, u32 `[N]`; those with one key differ.
 * @param size The numbers of a row, V.
 * @returns f32 numbers, `[N, V]`.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function gumbelRows(keys: Tensor, rows: Tensor, size: number): Tensor {
  const { N } = dims(rows, "N", "gumbelRows: rows");
  // A block of random bits is two words, and a row starts a block of its own.
  const blocks = Math.ceil(size / 2);
  const counters = concat([reshape(mul(rows, blocks), [N, 1]), zeros([N, 1], "u32")], 1);
  return gumbelOf(unitOf(apply("randomBits", [keys, counters], { shape: [N, size] })));
}

/**
 * f32 in 16 bits by stochastic rounding: up or down, with the probabilities by which the mean is the
 * number itself. So small steps of weights in 16 bits are kept on average, where rounding to the
 * nearest would lose all of them (Gupta et al., "Deep learning with limited numerical precision",
 * 2015).
 *
 * The stored number has the first bits of the f32: random bits are added to the others, which are cut
 * off. Of an f16 below 2^-14, numbers are multiples of 2^-24.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { cast, full, key, mean, roundStochastically, tensor } from "@unitune/core";
 *
 * // 1 and the next number, 1 + 2^-7; a quarter of the way between them.
 * const x = full([10_000], 1 + 2 ** -9);
 * const rounded = cast(roundStochastically(key(0), x), "f32");
 * assert(Math.abs(await mean(rounded).item() - (1 + 2 ** -9)) < 2 ** -13);
 * assertEquals(await roundStochastically(key(0), tensor([1]), "f16").item(), 1);
 * ```
 *
 * @param key The key.
 * @param x The numbers, f32; infinities and NaN stay such.
 * @param dtype The type of the result (default bf16).
 * @returns The numbers in 16 bits.
 * @throws {ShapeError} If x does not hold f32.
 */
export function roundStochastically(
  key: Tensor,
  x: Tensor,
  dtype: StorageDType = "bf16",
): Tensor {
  const noise = randomBits(key, x.shape);
  const cut = 2 ** CUT_BITS[dtype];
  const bits = add(bitcast(x, "u32"), div(noise, 2 ** 32 / cut));
  const normal = bitcast(mul(div(bits, cut), cut), "f32");
  const rounded = dtype === "bf16"
    ? normal
    : where(less(abs(x), 2 ** -14), small(noise, x), normal);
  return cast(where(less(abs(x), Infinity), rounded, x), dtype);
}

/** Bits of an f32 that the types of 16 bits lack. */
const CUT_BITS: Readonly<Record<StorageDType, number>> = { bf16: 16, f16: 13 };

/** Numbers below 2^-14 as multiples of 2^-24, up or down by random bits. */
function small(noise: Tensor, x: Tensor): Tensor {
  // 24 bits, which f32 holds exactly.
  const chance = mul(cast(div(noise, 2 ** 8), "f32"), 2 ** -24);
  const units = floor(add(mul(abs(x), 2 ** 24), chance));
  return mul(where(less(x, 0), neg(units), units), 2 ** -24);
}
