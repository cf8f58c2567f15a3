/**
 * Processes that MPI has started, as a collective: by the library of MPI that the machine has, called
 * through Deno's foreign function interface.
 *
 * MPI carries bytes only (`MPI_Alltoallv` of `MPI_BYTE`), and sums are made here, in a stated order.
 * So nothing depends on which implementation it is, nor on the algorithm that it chooses.
 *
 * @module
 */

import type { CollectiveOptions } from "../collective/collective.ts";
import { launchOf } from "./implementations.ts";
import { loadMpi } from "./library.ts";
import { type MpiCollective, processesOf } from "./processes.ts";

export { launchVariables } from "./implementations.ts";
export type { MpiCollective } from "./processes.ts";

/**
 * Opens MPI in a process that its launcher has started (`mpirun`, `mpiexec` or `srun`). Without a
 * launcher, it is one process of one.
 *
 * It needs the permission `ffi`, and `env` for {@linkcode launchVariables}.
 *
 * @param options The size of buckets.
 * @returns The processes.
 * @throws {UserError} If there is no library of MPI, it does not let threads call it, or the launcher
 * is of another implementation than the library.
 */
export async function openMpi(options: CollectiveOptions = {}): Promise<MpiCollective> {
  const launch = launchOf((name) => Deno.env.get(name));
  return await processesOf(loadMpi(launch.order), launch, options);
}
