/**
 * Commands that several processes carry out, which MPI has started.
 *
 * @module
 */

import type { MpiCollective } from "@unitune/training/mpi";
import { failureOf } from "../terminal/errors.ts";
import { tell } from "../terminal/terminal.ts";
import { SharedFailure, type Team } from "./team.ts";

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

/** A command for several processes. */
export interface TeamCommand {
  /** What is left if a process dies, and how to go on: a sentence. */
  readonly wayOn: string;
  /** Carries it out; the exit code. */
  readonly run: (team: Team) => Promise<number>;
}

/**
 * Carries out a command among processes. Where a process fails, it says why, and all of them end.
 *
 * @param mpi The processes.
 * @param command The command.
 * @returns The exit code.
 */
export async function runAmong(
  mpi: MpiCollective,
  { wayOn, run }: TeamCommand,
): Promise<number> {
  const { rank, size } = mpi;
  const release = () => {
    if (isHeard) Deno.removeSignalListener("SIGTERM", heard);
    isHeard = false;
  };
  const heard = () => {
    // A second signal ends the process at once.
    release();
    tell(`process ${rank} of ${size} was told to end: another process may have died. ${wayOn}`);
  };
  // The launcher tells those that are left; two of each machine say so, should one be the dead one.
  let isHeard = mpi.place < 2 && Deno.build.os !== "windows";
  if (isHeard) Deno.addSignalListener("SIGTERM", heard);
  try {
    const exitCode = await run(teamOf(mpi));
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
