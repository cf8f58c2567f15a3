/**
 * The processes that carry out a command together.
 *
 * @module
 */

import { alone, type Collective, gatherValues, UserError } from "@unitune/training";
import { type Failure, failureOf } from "../terminal/errors.ts";

/** This process among those that carry out a command. */
export interface Team {
  /** The processes. */
  readonly collective: Collective;
  /** The number of threads to compute with (default: as many as the machine has processors). */
  readonly threads?: number;
}

/** A command that one process carries out. */
export const oneProcess: Team = { collective: alone };

/** A failure of one process that all of them know of, so that all end in order. */
export class SharedFailure extends UserError {
  /** The kind of error. */
  override readonly name = "SharedFailure";
  /** The end of the command. */
  readonly failure: Failure;

  /**
   * @param failure The end of the command.
   */
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * Does in every process what may fail in each: all go on, or all fail, for the reason of the first of
 * those that have one.
 *
 * @param collective The processes.
 * @param work What this one does.
 * @returns Its result.
 * @throws {SharedFailure} Where it failed in one of several processes.
 */
export async function together<T>(collective: Collective, work: () => Promise<T>): Promise<T> {
  if (collective.size === 1) return await work();
  const outcome = await work().then(
    (value) => ({ value, failure: null }),
    (error: unknown) => ({ value: undefined, failure: failureOf(error) }),
  );
  const failures = await gatherValues<Failure | null>(collective, outcome.failure);
  const rank = failures.findIndex((failure) => failure !== null);
  const failure = failures[rank] ?? null;
  if (failure !== null) {
    const { message, exitCode } = failure;
    throw new SharedFailure(
      rank === 0 ? failure : { message: `process ${rank}: ${message}`, exitCode },
    );
  }
  if (outcome.failure !== null) throw new SharedFailure(outcome.failure);
  return outcome.value;
}
