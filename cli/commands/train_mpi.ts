/**
 * `deno task train:mpi`: trains a model in several processes, which MPI has started.
 *
 * @module
 */

import { type MpiCollective, openMpi } from "@unitune/training/mpi";
import { runAmong } from "../run/mpi_command.ts";
import { runCommand } from "../terminal/errors.ts";
import { trainCommand } from "./train.ts";

/**
 * The command `train:mpi`. The command line is that of `train`, and the numbers are those of one
 * process; the process of rank 0 alone writes and shows anything. Where a process fails, it says why,
 * and all of them end.
 *
 * @param argv The command line.
 * @param mpi The processes.
 * @returns The exit code.
 */
export async function trainMpiCommand(
  argv: readonly string[],
  mpi: MpiCollective,
): Promise<number> {
  return await runAmong(mpi, {
    wayOn:
      "The last checkpoint is whole, and --resume goes on from it with any number of processes",
    run: (team) => trainCommand(argv, {}, team),
  });
}

if (import.meta.main) {
  await runCommand(async () => await trainMpiCommand(Deno.args, await openMpi()));
}
