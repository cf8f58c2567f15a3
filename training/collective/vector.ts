/**
 * Arrays of numbers as a list of buckets, and sums in a stated order.
 *
 * @module
 */

import type { FloatDType } from "@unitune/core";

/** Numbers that can be summed. */
export type Floats = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** The arrays of each type of numbers. */
const made: { readonly [D in FloatDType]: (length: number) => Floats } = {
  f32: (length) => new Float32Array(length),
  f64: (length) => new Float64Array(length),
};

/** The type of an array's numbers. */
const dtypeOf = (array: Floats): FloatDType => array instanceof Float32Array ? "f32" : "f64";

/**
 * Bytes as numbers.
 *
 * @param bytes Their bytes, wherever they begin.
 * @param dtype The type of the numbers.
 * @returns A copy of the numbers.
 */
export function floatsOf(bytes: Uint8Array, dtype: FloatDType): Floats {
  const { buffer } = bytes.slice();
  return dtype === "f32" ? new Float32Array(buffer) : new Float64Array(buffer);
}

/** A range of elements, the end excluded. */
export interface ElementRange {
  /** The first element. */
  readonly from: number;
  /** The element after the last. */
  readonly to: number;
}

/**
 * The elements of one process: ranges that differ by one element at most, in the order of ranks.
 *
 * @param length The number of elements.
 * @param rank The process.
 * @param size The number of processes.
 * @returns Its range.
 *
 * @example
 * ```ts
 * import { rangeOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const ranges = [0, 1, 2].map((rank) => rangeOf(8, rank, 3));
 * assertEquals(ranges, [{ from: 0, to: 2 }, { from: 2, to: 5 }, { from: 5, to: 8 }]);
 * ```
 */
export function rangeOf(length: number, rank: number, size: number): ElementRange {
  const at = (rank: number) => Math.floor(rank * length / size);
  return { from: at(rank), to: at(rank + 1) };
}

/**
 * The sums of arrays, element by element: added up in f64 in the order of the arrays, and rounded
 * once to their type.
 *
 * @param arrays Arrays of one type and length, at least one.
 * @returns Their sums.
 * @throws {RangeError} If there is none.
 */
export function sumInOrder(arrays: readonly Floats[]): Floats {
  const [first, ...others] = arrays;
  if (first === undefined) throw new RangeError("sumInOrder: there are no arrays");
  const sums = new Float64Array(first);
  for (const array of others) {
    for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] ?? NaN) + (array[i] ?? NaN);
  }
  const rounded = made[dtypeOf(first)](sums.length);
  rounded.set(sums);
  return rounded;
}

/** A part of the arrays, which is summed at once. */
export interface Bucket {
  /** The type of its numbers. */
  readonly dtype: FloatDType;
  /** Their number, at least 1. */
  readonly length: number;
}

/** Arrays as a list of buckets. */
export interface Vector {
  /** The number of buckets. */
  readonly count: number;
  /** A bucket. */
  bucket(index: number): Bucket;
  /** The numbers of a bucket. */
  read(index: number): Floats;
  /** Replaces the numbers of a bucket by those of some arrays, one after the other. */
  write(index: number, parts: readonly Floats[]): void;
}

/** A piece of an array. */
interface Piece extends ElementRange {
  readonly array: number;
}

/**
 * Arrays as a list of buckets: small arrays of one type that follow each other share one, large ones
 * have several.
 *
 * @param arrays The arrays, in which buckets are written.
 * @param bucketBytes The most bytes of a bucket, at least those of a number.
 * @returns The vector.
 */
export function vectorOf(arrays: readonly Floats[], bucketBytes: number): Vector {
  const buckets: { readonly dtype: FloatDType; readonly pieces: Piece[]; length: number }[] = [];
  for (const [index, array] of arrays.entries()) {
    const dtype = dtypeOf(array);
    const most = Math.floor(bucketBytes / array.BYTES_PER_ELEMENT);
    for (let from = 0; from < array.length;) {
      let bucket = buckets.at(-1);
      if (bucket === undefined || bucket.dtype !== dtype || bucket.length === most) {
        bucket = { dtype, pieces: [], length: 0 };
        buckets.push(bucket);
      }
      const to = Math.min(array.length, from + most - bucket.length);
      bucket.pieces.push({ array: index, from, to });
      bucket.length += to - from;
      from = to;
    }
  }
  const at = (index: number) => {
    const bucket = buckets[index];
    if (bucket === undefined) throw new RangeError(`vectorOf: there is no bucket ${index}`);
    return bucket;
  };
  const arrayOf = ({ array }: Piece): Floats => arrays[array] ?? new Float32Array();
  return {
    count: buckets.length,
    bucket: at,
    read(index) {
      const { dtype, length, pieces } = at(index);
      const numbers = made[dtype](length);
      let start = 0;
      for (const piece of pieces) {
        numbers.set(arrayOf(piece).subarray(piece.from, piece.to), start);
        start += piece.to - piece.from;
      }
      return numbers;
    },
    write(index, parts) {
      const { dtype, length, pieces } = at(index);
      const numbers = made[dtype](length);
      let start = 0;
      for (const part of parts) {
        numbers.set(part, start);
        start += part.length;
      }
      start = 0;
      for (const piece of pieces) {
        const own = piece.to - piece.from;
        arrayOf(piece).set(numbers.subarray(start, start + own), piece.from);
        start += own;
      }
    },
  };
}
