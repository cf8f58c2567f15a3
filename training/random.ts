/**
 * Seeded random numbers for making data: the same seed gives the same data everywhere.
 * (The randomness of models and training is `@unitune/core`'s, whose values are tensors.)
 *
 * @module
 */

/** A source of random numbers, uniform on [0, 1). */
export type Random = () => number;

/** The branches of a run's seed, one for each purpose of its rows. */
export const purposes = { order: 0, place: 1, stage: 2, batches: 3, packing: 4 } as const;

/**
 * The stream of random numbers of a seed: splitmix32, a counter whose every value is mixed by
 * Murmur3's finalizer. (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014, in 32 bits.) It repeats after 2^32 numbers and is not for secrets.
 *
 * @param seed Any integer.
 * @param branch Integers that tell streams of one seed apart, such as a purpose and a number.
 * @returns The source.
 *
 * @example
 * ```ts
 * import { randomStream } from "@unitune/training";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const [a, b] = [randomStream(7, 1), randomStream(7, 1)];
 * assertEquals([a(), a()], [b(), b()]);
 * assertNotEquals(randomStream(7, 1)(), randomStream(7, 2)());
 * ```
 */
export function randomStream(seed: number, ...branch: readonly number[]): Random {
  let counter = branch.reduce((state, number) => mix(state + golden) ^ fold(number), fold(seed));
  return () => {
    counter = (counter + golden) | 0;
    return (mix(counter) >>> 0) / 2 ** 32;
  };
}

/** The counter's step, an odd number near 2^32 over the golden ratio. */
const golden = 0x9e3779b9;

/** An integer in 32 bits; the high half is folded in, so that numbers that differ there differ. */
function fold(integer: number): number {
  return mix(integer >>> 0) ^ mix(Math.floor(integer / 2 ** 32) + 1);
}

/** Murmur3's 32-bit finalizer: every bit of the input reaches every bit of the output. */
function mix(bits: number): number {
  let h = bits | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * Draws a whole number, uniform on `low … high`, both included.
 *
 * @param random The source.
 * @param low The least number.
 * @param high The greatest number.
 * @returns The number.
 */
export function integerFrom(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** A seed from a stream: an integer of 32 bits, so that few streams have equal ones. */
export function seedFrom(random: Random): number {
  return integerFrom(random, 0, 2 ** 32 - 1);
}

/**
 * Shuffles elements by sorting them by random keys; all orders are equally likely. The first few
 * are a sample without replacement.
 *
 * @param random The source.
 * @param elements The elements.
 * @returns The elements in a random order.
 */
export function shuffled<T>(random: Random, elements: Iterable<T>): T[] {
  return Array.from(elements, (element) => ({ element, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ element }) => element);
}

/**
 * The numbers from 0 to `count - 1` in the order in which {@linkcode shuffled} puts as many elements,
 * in 4 bytes a number.
 *
 * @param random The source.
 * @param count The number of elements.
 * @returns The numbers.
 *
 * @example
 * ```ts
 * import { randomStream, shuffled, shuffledNumbers } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...shuffledNumbers(randomStream(7), 4)], shuffled(randomStream(7), [0, 1, 2, 3]));
 * ```
 */
export function shuffledNumbers(random: Random, count: number): Uint32Array {
  // A key of 32 bits, and behind it the number, which orders equal keys: one integer to sort by.
  const keyed = new BigUint64Array(count);
  const halves = new Uint32Array(keyed.buffer);
  for (let i = 0; i < count; i++) {
    halves[2 * i + LOW] = i;
    halves[2 * i + 1 - LOW] = random() * 2 ** 32;
  }
  keyed.sort();
  return Uint32Array.from({ length: count }, (_, i) => Number(halves[2 * i + LOW]));
}

/** The place of the low half of an integer of 64 bits: 0, or 1 on a machine of big-endian order. */
const LOW = new Uint32Array(BigUint64Array.of(1n).buffer)[0] === 1 ? 0 : 1;
