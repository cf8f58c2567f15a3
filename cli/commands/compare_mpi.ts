/**
 * `deno task compare:mpi`: compares objectives in several processes, which MPI has started.
 *
 * @module
 */

import { type MpiCollective, openMpi } from "@unitune/training/mpi";
import { runAmong } from "../run/mpi_command.ts";
import { runCommand } from "../terminal/errors.ts";
import { compareCommand } from "./compare.ts";

/**
 * The command `compare:mpi`. The command line is that of `compare`, and so are the results. The process
 * of rank 0 plans, shows and reports; all of them carry out trials.
 *
 * @param argv The command line.
 * @param mpi The processes.
 * @returns The exit code.
 */
export async function compareMpiCommand(
  argv: readonly string[],
  mpi: MpiCollective,
): Promise<number> {
  return await runAmong(mpi, {
    wayOn: "Finished trials and checkpoints are kept, and the same command goes on from them",
    run: (team) => compareCommand(argv, team),
  });
}

if (import.meta.main) {
  await runCommand(async () => await compareMpiCommand(Deno.args, await openMpi()));
}
