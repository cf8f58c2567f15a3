/**
 * What carries bytes between processes.
 *
 * @module
 */

/** Carries bytes from each process to each. It needs no arithmetic, and knows no types. */
export interface Transport {
  /** The number of this process, from 0. */
  readonly rank: number;
  /** The number of processes. */
  readonly size: number;
  /**
   * Gives each process a part, and returns the parts that they all give to this one, in the order of
   * ranks. Calls may overlap; they are carried out one after the other.
   *
   * @param parts A part for each process; they stay as they are until the call ends.
   * @param sizes The bytes that each process gives to this one.
   * @returns A part of each process.
   */
  exchange(
    parts: readonly Uint8Array[],
    sizes: readonly number[],
  ): Promise<readonly Uint8Array[]>;
}

/**
 * An exchange whose parts have the sizes that they should.
 *
 * @param transport What carries them.
 * @param parts A part for each process.
 * @param sizes The bytes that each process should give.
 * @returns A part of each process.
 * @throws {RangeError} Where a process has given more or fewer bytes: it has not called the same
 * function.
 */
export async function exchangeBytes(
  transport: Transport,
  parts: readonly Uint8Array[],
  sizes: readonly number[],
): Promise<readonly Uint8Array[]> {
  const got = await transport.exchange(parts, sizes);
  for (const [rank, size] of sizes.entries()) {
    const { length } = got[rank] ?? { length: NaN };
    if (length === size) continue;
    throw new RangeError(
      `process ${rank} gave ${length} bytes to process ${transport.rank}, which expected ${size}: ` +
        `the processes of a training make the same calls in the same order`,
    );
  }
  return got;
}
