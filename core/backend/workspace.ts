/**
 * The memory in which programs compute: one block for all of them, as large as the largest needs.
 * Programs run one after the other, and nothing in their own memory outlives a run, so programs of
 * many shapes take no more than one of them.
 */

/** A program's part in the memory. */
export interface Tenancy<S> {
  /** The memory for the next run, which changes as programs come and go. */
  storage(): S;
  /** Ends the program's part. */
  release(): void;
}

/** The memory in which programs compute. */
export interface Workspace<S> {
  /** The bytes of the memory. */
  bytes(): number;
  /**
   * Makes room for a program.
   *
   * @param bytes The bytes that the program needs.
   * @returns The program's part.
   * @throws {Error} If there is no room.
   */
  hold(bytes: number): Tenancy<S>;
}

/** The storage that a workspace is made of. */
export interface WorkspaceStorage<S> {
  /** Storage of some bytes. */
  allocate(bytes: number): S;
  /** Takes storage back. */
  free(storage: S): void;
}

/**
 * A workspace without programs.
 *
 * @param storage The storage that it takes its memory from, also that of no bytes.
 */
export function makeWorkspace<S>({ allocate, free }: WorkspaceStorage<S>): Workspace<S> {
  const tenants = new Map<symbol, number>();
  let block: { readonly storage: S; readonly bytes: number } | undefined;
  let needed = 0;
  const giveBack = (): void => {
    if (block !== undefined) free(block.storage);
    block = undefined;
  };
  const storage = (): S => {
    if (block !== undefined && block.bytes < needed) giveBack();
    block ??= { storage: allocate(needed), bytes: needed };
    return block.storage;
  };
  return {
    bytes: () => block === undefined ? 0 : block.bytes,
    hold(bytes) {
      const tenant = Symbol();
      const release = () => {
        tenants.delete(tenant);
        needed = [...tenants.values()].reduce((most, own) => Math.max(most, own), 0);
        // The next run takes what is still needed.
        if (tenants.size === 0 || block !== undefined && block.bytes > needed) giveBack();
      };
      tenants.set(tenant, bytes);
      needed = Math.max(needed, bytes);
      try {
        storage();
      } catch (error) {
        release();
        throw error;
      }
      return { storage, release };
    },
  };
}
