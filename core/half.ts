/** Numbers of 16 bits as f32 and back, by their bits: `Float16Array` came to Node with version 24. */
import { type DType, isFloat, isStorage, type StorageDType } from "./dtype.ts";

/** Exponents of f32 and of half precision are biased by 127 and by 15. */
const REBIAS = 2 ** (127 - 15);

/**
 * The f32 of every half (IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction), exactly.
 *
 * Moved to the place that f32 has them at, exponent and fraction are the number times 2^-112, also
 * where it is subnormal; where the exponent is all ones, it is infinite or NaN.
 */
export function halvesToFloats(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(halves.length);
  const words = new Uint32Array(floats.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i] ?? 0;
    const magnitude = half & 0x7fff;
    words[i] = magnitude << 13;
    if (magnitude >= 0x7c00) words[i] = magnitude << 13 | 0x7f800000;
    else floats[i] = (floats[i] ?? 0) * REBIAS;
    words[i] = (words[i] ?? 0) | (half & 0x8000) << 16;
  }
  return floats;
}

/** The f32 of every bfloat16, exactly: a bfloat16 is the upper half of an f32. */
export function bfloatsToFloats(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = (halves[i] ?? 0) << 16;
  return new Float32Array(words.buffer);
}

/**
 * The bfloat16 nearest to every f32, of two that are equally near the one whose last bit is 0; beyond
 * the largest, infinity. NaN stays NaN, with the sign and the upper bits of its fraction.
 *
 * A bfloat16 is the upper half of an f32: a number goes up where its lower half is more than half of
 * a unit of the upper one, or just that and the upper one odd. The carry of an addition does so,
 * from the fraction into the exponent as well.
 */
export function floatsToBfloats(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    // The upper half of a NaN may be that of infinity, were it not for the first bit of the fraction.
    halves[i] = isNaN ? word >>> 16 | 0x40 : word + 0x7fff + (word >>> 16 & 1) >>> 16;
  }
  return halves;
}

/** Bits of an f32's fraction that half precision lacks. */
const LACKING = 13;

/** The bits of 2^-14, from which on half precision has all bits of its fraction. */
const NORMAL = (127 - 14) << 23;

/** The bits of 65,520: from there on infinity is nearer than the largest half, or as near and even. */
const OVERFLOW = 0x477ff000;

/** A whole number divided by `2^bits`, rounded to the nearest, ties to even. */
function shiftedRight(word: number, bits: number): number {
  return word + 2 ** (bits - 1) - 1 + (word >>> bits & 1) >>> bits;
}

/** The half nearest to a magnitude that is a number, by its bits. */
function halfOf(magnitude: number): number {
  if (magnitude >= OVERFLOW) return 0x7c00;
  if (magnitude >= NORMAL) return shiftedRight(magnitude - ((127 - 15) << 23), LACKING);
  // Whole units of 2^-24: beyond 25 bits nothing is left of the fraction.
  const fraction = magnitude & 0x7fffff | 0x800000;
  return shiftedRight(fraction, Math.min(126 - (magnitude >>> 23), 25));
}

/**
 * The half nearest to every f32, of two that are equally near the one whose last bit is 0; beyond
 * the largest, infinity. NaN stays NaN, with the sign and the upper bits of its fraction.
 */
export function floatsToHalves(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const magnitude = word & 0x7fffffff;
    const isNaN = magnitude > 0x7f800000;
    halves[i] = word >>> 16 & 0x8000 |
      (isNaN ? 0x7e00 | magnitude >>> LACKING & 0x3ff : halfOf(magnitude));
  }
  return halves;
}

const widening: Readonly<Record<StorageDType, (bits: Uint16Array) => Float32Array<ArrayBuffer>>> = {
  bf16: bfloatsToFloats,
  f16: halvesToFloats,
};

const narrowing: Readonly<
  Record<StorageDType, (floats: Float32Array) => Uint16Array<ArrayBuffer>>
> = { bf16: floatsToBfloats, f16: floatsToHalves };

/**
 * The numbers that elements of 16 bits are, exactly: `cast` to f32 on the host.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { widened } from "@unitune/core";
 *
 * assertEquals(widened("bf16", Uint16Array.of(0x3f80)), new Float32Array([1]));
 * assertEquals(widened("f16", Uint16Array.of(0x3c00)), new Float32Array([1]));
 * ```
 *
 * @param dtype The element type.
 * @param bits The elements by their bits.
 * @returns The numbers.
 */
export function widened(dtype: StorageDType, bits: Uint16Array): Float32Array<ArrayBuffer> {
  return widening[dtype](bits);
}

/**
 * The elements of 16 bits that are nearest to numbers, of two that are equally near the one whose last
 * bit is 0: `cast` from f32 on the host. Beyond the largest they are infinite; NaN stays NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { narrowed } from "@unitune/core";
 *
 * assertEquals(narrowed("f16", new Float32Array([1, 65520])), Uint16Array.of(0x3c00, 0x7c00));
 * ```
 *
 * @param dtype The element type.
 * @param floats The numbers.
 * @returns The elements by their bits.
 */
export function narrowed(dtype: StorageDType, floats: Float32Array): Uint16Array<ArrayBuffer> {
  return narrowing[dtype](floats);
}

const exponents: Readonly<Record<StorageDType, number>> = { bf16: 0x7f80, f16: 0x7c00 };

/**
 * Whether an element of 16 bits is neither infinite nor NaN.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isFiniteStored } from "@unitune/core";
 *
 * assert(isFiniteStored("bf16", 0x3f80) && !isFiniteStored("bf16", 0x7f80));
 * ```
 *
 * @param dtype The element type.
 * @param bits The element by its bits.
 * @returns Whether the bits of its exponent are not all ones.
 */
export function isFiniteStored(dtype: StorageDType, bits: number): boolean {
  return (bits & exponents[dtype]) !== exponents[dtype];
}

/** The bits of NaN, as it is written where nothing is known of its sign and its fraction. */
const storedNaN: Readonly<Record<StorageDType, number>> = { bf16: 0x7fc0, f16: 0x7e00 };

/**
 * The element that stands for none: NaN, its bits for elements of 16 bits, and 0 for integers and
 * truth values.
 */
export function missingElement(dtype: DType): number {
  if (isStorage(dtype)) return storedNaN[dtype];
  return isFloat(dtype) ? NaN : 0;
}

/** The number that an element of a type of storage is, by its bits. */
export function storedNumber(dtype: StorageDType, bits: number): number {
  return widened(dtype, Uint16Array.of(bits))[0] ?? NaN;
}
