/**
 * The workers of a study: threads that carry out its trials, several at a time.
 *
 * @module
 */

import { type TrainSettings, UserError } from "@unitune/training";
import { pooled } from "../run/pool.ts";
import type { Trial } from "./trial.ts";

/** The order to carry out a trial. */
export interface TrialOrder {
  /** The kind of order. */
  readonly kind: "train";
  /** The trial. */
  readonly trial: Trial;
  /** The folder of the study. */
  readonly folder: string;
  /** The number of sampled answers to each question of the test. */
  readonly samples: number;
  /** The name of the device. */
  readonly device: TrainSettings["device"];
  /** The number of threads of a wasm device. */
  readonly threads: number;
}

/** An order to a worker. */
export type Order = TrialOrder | {
  /** The order to stop after the current step. */
  readonly kind: "stop";
};

/** A worker's reply at the end of a trial. */
export type Reply =
  | {
    /** The trial is finished, or was stopped before. */
    readonly kind: "done" | "stopped";
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

/** A worker, which starts with its first order. */
interface Hand extends Disposable {
  /** Carries out a trial. */
  work(order: TrialOrder): Promise<Reply>;
}

function hand(signal: AbortSignal): Hand {
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
        tell(order);
      }),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      started?.terminate();
    },
  };
}

/** The workers of one study. */
export interface Workers extends AsyncDisposable {
  /**
   * Carries out a trial, as soon as a worker is free.
   *
   * @throws The reason of the signal, if it stopped the trial; a {@linkcode UserError} if the run
   * fails.
   */
  carryOut(trial: Trial): Promise<void>;
  /** Stops the workers after their current steps, waits for them, and terminates them. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of a study's workers. */
export interface WorkersOptions {
  /** The number of trials at a time. */
  readonly jobs: number;
  /** The name of each worker's device; on wasm, the workers share the processors as threads. */
  readonly device: TrainSettings["device"];
  /** The folder of the study. */
  readonly folder: string;
  /** The number of sampled answers to each question of the test. */
  readonly samples: number;
  /** Stops all trials after their current steps. */
  readonly signal: AbortSignal;
  /** Called with the running trials whenever they change (default: nothing is). */
  readonly onChange?: (running: readonly Trial[]) => void;
}

/**
 * Makes the workers of one study. The first failure stops all of them.
 *
 * @param options Their number, and the study.
 * @returns The workers, each of which starts with its first order.
 */
export function startWorkers(options: WorkersOptions): Workers {
  const { jobs, device, folder, samples, onChange = () => {} } = options;
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const threads = Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs));
  const running = new Map<Trial, Promise<Reply>>();

  const perform = async ({ work }: Hand, trial: Trial) => {
    // A failure of another trial ends this one with the same error.
    signal.throwIfAborted();
    const replied = work({ kind: "train", trial, folder, samples, device, threads });
    running.set(trial, replied);
    onChange([...running.keys()]);
    try {
      const reply = await replied;
      if (reply.kind === "failed") throw errorOf(reply);
      if (reply.kind === "stopped") signal.throwIfAborted();
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      running.delete(trial);
      onChange([...running.keys()]);
    }
  };
  const hands = Array.from({ length: jobs }, () => hand(signal));
  return {
    carryOut: pooled(hands.map((hand) => (trial: Trial) => perform(hand, trial))),
    async [Symbol.asyncDispose]() {
      failure.abort();
      await Promise.allSettled(running.values());
      for (const hand of hands) hand[Symbol.dispose]();
    },
  };
}
