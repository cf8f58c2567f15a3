/**
 * The memory in which programs compute: one block for all of them, as large as the largest needs.
 * Programs run one after the other, and nothing in their own memory outlives a run, so programs of
 * many shapes take no more than one of them.
 */
import type { Heap } from "./heap.ts";

/** A program's part in the memory. */
export interface Tenancy {
  /** The address of the memory, which changes as programs come and go. */
  address(): number;
  /** Ends the program's part. */
  release(): void;
}

/** The memory in which programs compute. */
export interface Workspace {
  /** The bytes of the memory. */
  bytes(): number;
  /**
   * Makes room for a program.
   *
   * @param bytes The bytes that the program needs.
   * @returns The program's part.
   * @throws {OutOfMemoryError} If there is no room. Other programs keep theirs.
   */
  hold(bytes: number): Tenancy;
}

/**
 * A workspace without programs.
 *
 * @param heap The heap that it takes its memory from.
 */
export function makeWorkspace(heap: Pick<Heap, "allocate" | "free">): Workspace {
  const tenants = new Map<symbol, number>();
  let [address, size] = [0, 0];
  const fit = (): void => {
    const needed = [...tenants.values()].reduce((most, bytes) => Math.max(most, bytes), 0);
    if (needed === size) return;
    if (size > 0) heap.free(address);
    [address, size] = [0, 0];
    if (needed === 0) return;
    address = heap.allocate(needed);
    size = needed;
  };
  return {
    bytes: () => size,
    hold(bytes) {
      const tenant = Symbol();
      tenants.set(tenant, bytes);
      const release = () => {
        tenants.delete(tenant);
        fit();
      };
      try {
        fit();
      } catch (error) {
        release();
        throw error;
      }
      return { address: () => address, release };
    },
  };
}
