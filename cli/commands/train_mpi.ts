/**
 * `deno task train:mpi`: trains a model in several processes, which MPI has started.
 *
 * @module
 */

import { type MpiCollective, openMpi } from "@unitune/training/mpi";
import { SharedFailure, type Team } from "../run/team.ts";
import { failureOf, runCommand } from "../terminal/errors.ts";
import { tell } from "../terminal/terminal.ts";
import { trainCommand } from "./train.ts";

/**
 * The time for which a process after the first keeps to itself what went wrong, in milliseconds: the
 * first has most likely the same to say, and ends all.
 */
const PATIENCE = 1000;

/** This process among all, with its share of the machine's processors. */
function teamOf(mpi: MpiCollective): Team {
  return {
    collective: mpi,
    threads: Math.max(1, Math.floor(navigator.hardwareConcurrency / mpi.neighbours)),
  };
}

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
  const { rank, size } = mpi;
  const release = () => {
    if (isHeard) Deno.removeSignalListener("SIGTERM", heard);
    isHeard = false;
  };
  const heard = () => {
    // A second signal ends the process at once.
    release();
    tell(
      `process ${rank} of ${size} was told to end: another process may have died. The last checkpoint ` +
        `is whole, and --resume goes on from it with any number of processes`,
    );
  };
  // The launcher tells those that are left; two of each machine say so, should one be the dead one.
  let isHeard = mpi.place < 2 && Deno.build.os !== "windows";
  if (isHeard) Deno.addSignalListener("SIGTERM", heard);
  try {
    const exitCode = await trainCommand(argv, {}, teamOf(mpi));
    mpi.finish();
    return exitCode;
  } catch (error) {
    if (error instanceof SharedFailure) {
      if (rank === 0) tell(error.failure.message);
      mpi.finish();
      return error.failure.exitCode;
    }
    const { message, exitCode } = failureOf(error);
    if (rank > 0) await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    tell(rank === 0 ? message : `process ${rank}: ${message}`);
    mpi.abort(exitCode);
    return exitCode;
  } finally {
    release();
  }
}

if (import.meta.main) {
  await runCommand(async () => await trainMpiCommand(Deno.args, await openMpi()));
}
