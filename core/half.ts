/** Numbers of 16 bits as f32, by their bits: `Float16Array` came to Node with version 24. */

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
