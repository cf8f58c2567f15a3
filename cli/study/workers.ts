/**
 * The workers of a study: threads that carry out its trials, several at a time.
 *
 * @module
 */

import { type TrainSettings, UserError } from "@unitune/training";
import { pooled } from "../run/pool.ts";
import { shownError } from "../terminal/messages.ts";
import { userErrorOf } from "../terminal/errors.ts";
import type { Asked } from "./examination.ts";
import type { Trial, TrialResult } from "./trial.ts";

/** The order to carry out a trial. */
export interface TrialOrder {
  /** The kind of order. */
  readonly kind: "train";
  /** The trial. */
  readonly trial: Trial;
  /** The folder of the study. */
  readonly folder: string;
  /** The questions that are asked. */
  readonly asked: Asked;
  /** The name of the device. */
  readonly device: TrainSettings["device"];
}

/** An order to a worker. */
export type Order =
  | TrialOrder & {
    /** The number of threads to compute with. */
    readonly threads: number;
  }
  | {
    /** The order to stop after the current step. */
    readonly kind: "stop";
  };

/** The time that a trial took, from the step on that it was resumed from. */
export interface TrialTime {
  /** Seconds by the clock, beside the other trials of the time. */
  readonly seconds: number;
  /**
   * Seconds of the processor that the worker's thread ran on, which do not grow with the work of
   * others (default: not known, as where more than one thread computes).
   */
  readonly processorSeconds?: number;
}

/** A worker's reply at the end of a trial. */
export type Reply =
  | {
    /** The trial is finished. */
    readonly kind: "done";
    /** Its result, as it is written down. */
    readonly result: TrialResult;
    /** The time that it took. */
    readonly time: TrialTime;
  }
  | {
    /** The trial was stopped before. */
    readonly kind: "stopped";
  }
  | {
    /** The trial failed. */
    readonly kind: "failed";
    /** Whether the error is one for the user. */
    readonly isUserError: boolean;
    /** The message of the error. */
    readonly message: string;
    /** The stack of the error. */
    readonly stack: string | undefined;
  };

/**
 * The error of a failed trial, which is the user's if it was in the worker.
 *
 * @param reply The worker's reply.
 * @returns The error.
 */
export function errorOf(
  { isUserError, message, stack }: Reply & { readonly kind: "failed" },
): Error {
  const error = isUserError ? new UserError(message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * The reply of a trial that has failed.
 *
 * @param error The error.
 * @returns The reply.
 */
export function failedReply(error: unknown): Reply {
  const told = userErrorOf(error);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return told === undefined
    ? { kind: "failed", isUserError: false, message, stack }
    : { kind: "failed", isUserError: true, message: shownError(told), stack: told.stack };
}

/** What carries out trials one at a time: a worker, here or in another process. */
export interface Hand extends Disposable {
  /** Carries out a trial. */
  work(order: TrialOrder): Promise<Reply>;
}

/** Makes a hand, whose trials a signal stops after their current steps. */
export type HandMaker = (signal: AbortSignal) => Hand;

/**
 * Workers of this process, each of which starts with its first order.
 *
 * @param jobs Their number.
 * @param processors The number of processors that they share as threads.
 * @returns What makes them.
 */
export function ownHands(
  jobs: number,
  processors: number = navigator.hardwareConcurrency,
): readonly HandMaker[] {
  const threads = Math.max(1, Math.floor(processors / jobs));
  return Array.from({ length: jobs }, () => (signal) => ownHand(signal, threads));
}

function ownHand(signal: AbortSignal, threads: number): Hand {
  let started: Worker | undefined;
  const tell = (order: Order) => started?.postMessage(order);
  const stop = () => tell({ kind: "stop" });
  signal.addEventListener("abort", stop);
  return {
    work: (order) =>
      new Promise((resolve, reject) => {
        started ??= new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
        started.onmessage = ({ data }: MessageEvent<Reply>) => resolve(data);
        started.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`a worker failed: ${event.message}`));
        };
        tell({ ...order, threads });
      }),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      started?.terminate();
    },
  };
}

/** A finished trial. */
export type Done = Pick<Reply & { readonly kind: "done" }, "result" | "time">;

/** A trial that waits for a worker. */
interface Waiting {
  readonly trial: Trial;
  readonly beforehand: () => void;
}

/** The workers of one study. */
export interface Workers extends AsyncDisposable {
  /**
   * Carries out a trial, as soon as a worker is free.
   *
   * @param trial The trial.
   * @param beforehand Called when a worker is free (default: nothing is). What it throws ends this
   * trial, and no other.
   * @returns Its result, and the time that it took.
   * @throws The reason of the signal, if it stopped the trial; a {@linkcode UserError} if the run
   * fails.
   */
  carryOut(trial: Trial, beforehand?: () => void): Promise<Done>;
  /** Stops the workers after their current steps, waits for them, and terminates them. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of a study's workers. */
export interface WorkersOptions {
  /** What makes the workers, each of which carries out a trial at a time. */
  readonly hands: readonly HandMaker[];
  /** The name of each worker's device. */
  readonly device: TrainSettings["device"];
  /** The folder of the study. */
  readonly folder: string;
  /** The questions that are asked. */
  readonly asked: Asked;
  /** Stops all trials after their current steps. */
  readonly signal: AbortSignal;
  /** Called with the running trials whenever they change (default: nothing is). */
  readonly onChange?: (running: readonly Trial[]) => void;
}

/**
 * Makes the workers of one study. The first failure stops all of them.
 *
 * @param options What makes them, and the study.
 * @returns The workers.
 */
export function startWorkers(options: WorkersOptions): Workers {
  const { device, folder, asked, onChange = () => {} } = options;
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const running = new Map<Trial, Promise<Reply>>();

  const perform = async ({ work }: Hand, { trial, beforehand }: Waiting): Promise<Done> => {
    // A failure of another trial ends this one with the same error.
    signal.throwIfAborted();
    beforehand();
    const replied = work({ kind: "train", trial, folder, asked, device });
    running.set(trial, replied);
    onChange([...running.keys()]);
    try {
      const reply = await replied;
      if (reply.kind === "failed") throw errorOf(reply);
      if (reply.kind === "done") return reply;
      signal.throwIfAborted();
      throw new Error(`${trial.arm} was stopped, and nobody has asked for that`);
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      running.delete(trial);
      onChange([...running.keys()]);
    }
  };
  const hands = options.hands.map((make) => make(signal));
  const next = pooled(hands.map((hand) => (waiting: Waiting) => perform(hand, waiting)));
  return {
    carryOut: (trial, beforehand = () => {}) => next({ trial, beforehand }),
    async [Symbol.asyncDispose]() {
      failure.abort();
      await Promise.allSettled(running.values());
      for (const hand of hands) hand[Symbol.dispose]();
    },
  };
}
