/**
 * The memory of the machine.
 *
 * @module
 */

/** The memory of a machine, in bytes. */
export interface MachineMemory {
  /** All of it. */
  readonly total: number;
  /** The part that is free. */
  readonly available: number;
}

/**
 * Looks up the memory of this machine.
 *
 * @returns Its bytes; undefined if the process may not know them: `--allow-sys=systemMemoryInfo` lets
 * it.
 */
export function machineMemory(): MachineMemory | undefined {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "systemMemoryInfo" });
  if (state !== "granted") return undefined;
  const { total, available } = Deno.systemMemoryInfo();
  return { total, available };
}
