/**
 * Processes that train together, and what they tell each other.
 *
 * @module
 */

import { exchangeBytes, type Transport } from "./transport.ts";
import { type Floats, floatsOf, rangeOf, sumInOrder, vectorOf } from "./vector.ts";

/**
 * The processes of a training, as one of them sees them. All of them call the same functions in the
 * same order, with values of the same sizes; a call ends once every process has made it.
 */
export interface Collective {
  /** The number of this process, from 0. */
  readonly rank: number;
  /** The number of processes. */
  readonly size: number;
  /**
   * Replaces the elements of arrays by their sums over all processes. An element is added up in f64
   * in the order of ranks, and rounded once: so all processes have the same bits, and have them again
   * whenever they are as many and give the same.
   */
  allReduce(arrays: readonly Floats[]): Promise<void>;
  /** The bytes that the process `root` gives (default 0), whatever the others give. */
  broadcast(bytes: Uint8Array, root?: number): Promise<Uint8Array>;
  /** The bytes of every process, in the order of ranks. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** The same for the first process alone; to the others nobody gives any bytes. */
  gather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Ends once every process has called it. */
  barrier(): Promise<void>;
}

/**
 * A process that trains alone.
 *
 * @example
 * ```ts
 * import { alone } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const numbers = new Float32Array([1, 2]);
 * await alone.allReduce([numbers]);
 * assertEquals(numbers, new Float32Array([1, 2]));
 * ```
 */
export const alone: Collective = {
  rank: 0,
  size: 1,
  allReduce: () => Promise.resolve(),
  broadcast: (bytes) => Promise.resolve(bytes),
  allGather: (bytes) => Promise.resolve([bytes]),
  gather: (bytes) => Promise.resolve([bytes]),
  barrier: () => Promise.resolve(),
};

/** Options of a collective. */
export interface CollectiveOptions {
  /**
   * The most bytes that are summed at once, or that a process is given at once, at least 8 (default
   * 16 MiB).
   */
  readonly bucketBytes?: number;
}

/** The bytes of a bucket. */
const BUCKET_BYTES = 2 ** 24;

/**
 * A collective over anything that carries bytes from each process to each.
 *
 * A sum is made in two exchanges, as a ring does it, with as few bytes: each process gets its own
 * range of a bucket from all others, adds it up, and gives the sums to all. While it adds, the next
 * bucket is on its way.
 *
 * @param transport What carries the bytes.
 * @param options The size of buckets.
 * @returns The collective.
 * @throws {RangeError} If a bucket has no room for a number.
 *
 * @example
 * ```ts
 * import { collectiveOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { allGather } = collectiveOf({
 *   rank: 0,
 *   size: 1,
 *   exchange: (parts) => Promise.resolve(parts),
 * });
 * assertEquals(await allGather(new Uint8Array([7])), [new Uint8Array([7])]);
 * ```
 */
export function collectiveOf(
  transport: Transport,
  { bucketBytes = BUCKET_BYTES }: CollectiveOptions = {},
): Collective {
  const { rank, size } = transport;
  if (!(bucketBytes >= 8)) {
    throw new RangeError(`collectiveOf: bucketBytes is at least 8, not ${bucketBytes}`);
  }

  /** What each process gives to all, where each knows how much. */
  const giveAll = (own: Uint8Array, sizes: readonly number[]) =>
    exchangeBytes(transport, new Array<Uint8Array>(size).fill(own), sizes);

  /** The number that each process gives. */
  const gatherNumbers = async (own: number): Promise<readonly number[]> => {
    const bytes = new Uint8Array(new Float64Array([own]).buffer);
    const all = await giveAll(bytes, new Array<number>(size).fill(bytes.length));
    return all.map((each) => floatsOf(each, "f64")[0] ?? NaN);
  };

  /** What each process gives to some, of any length: in pieces that are a bucket together. */
  const give = async (
    own: Uint8Array,
    isTaker: (rank: number) => boolean,
  ): Promise<readonly Uint8Array[]> => {
    const lengths = await gatherNumbers(own.length);
    const most = Math.max(1, Math.floor(bucketBytes / size));
    const end = lengths.reduce((longest, length) => Math.max(longest, length), 0);
    const taken = lengths.map((length) => new Uint8Array(isTaker(rank) ? length : 0));
    for (let from = 0; from < end; from += most) {
      const piece = own.subarray(from, from + most);
      const parts = lengths.map((_, to) => isTaker(to) ? piece : NOTHING);
      const places = taken.map((bytes) => bytes.subarray(from, from + most));
      const got = await exchangeBytes(transport, parts, places.map(({ length }) => length));
      for (const [i, place] of places.entries()) place.set(got[i] ?? NOTHING);
    }
    return taken;
  };

  return {
    rank,
    size,
    allGather: (bytes) => give(bytes, () => true),
    gather: (bytes) => give(bytes, (rank) => rank === 0),
    async allReduce(arrays) {
      const vector = vectorOf(arrays, bucketBytes);
      /** Own range of a bucket from every process. */
      const scatter = (index: number) => {
        const bucket = vector.read(index);
        const ranges = Array.from({ length: size }, (_, r) => rangeOf(bucket.length, r, size));
        const own = rangeOf(bucket.length, rank, size);
        const parts = ranges.map(({ from, to }) => bytesOf(bucket.subarray(from, to)));
        const bytes = (own.to - own.from) * bucket.BYTES_PER_ELEMENT;
        const scattered = exchangeBytes(transport, parts, new Array<number>(size).fill(bytes));
        // Whoever waits for it is told; nobody does where the exchange before has failed.
        scattered.catch(() => {});
        return scattered;
      };
      let next = vector.count === 0 ? undefined : scatter(0);
      for (let index = 0; next !== undefined; index++) {
        const parts = await next;
        next = index + 1 < vector.count ? scatter(index + 1) : undefined;
        const { dtype, length } = vector.bucket(index);
        const sums = sumInOrder(parts.map((part) => floatsOf(part, dtype)));
        const sizes = Array.from({ length: size }, (_, r) => {
          const { from, to } = rangeOf(length, r, size);
          return (to - from) * sums.BYTES_PER_ELEMENT;
        });
        const all = await giveAll(bytesOf(sums), sizes);
        vector.write(index, all.map((part) => floatsOf(part, dtype)));
      }
    },
    async broadcast(bytes, root = 0) {
      const parts = await give(rank === root ? bytes : NOTHING, () => true);
      return parts[root] ?? NOTHING;
    },
    barrier: async () => {
      await giveAll(NOTHING, new Array<number>(size).fill(0));
    },
  };
}

/** No bytes. */
const NOTHING = new Uint8Array();

/** The bytes of numbers, in place. */
function bytesOf({ buffer, byteOffset, byteLength }: Floats): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
