/**
 * The workers of a study: threads that carry out its trainings, several at a time.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import type { TrainSettings } from "../flags/settings.ts";
import type { Training } from "./training.ts";

/** A worker is to carry out a training. */
export interface TrainingOrder {
  /** What is to be done. */
  readonly kind: "train";
  /** What is trained. */
  readonly training: Training;
  /** The study's folder. */
  readonly folder: string;
  /** Samples for each question of the test. */
  readonly samples: number;
  /** The device's name. */
  readonly device: TrainSettings["device"];
  /** Threads of a wasm device. */
  readonly threads: number;
}

/** What a worker is told. */
export type Order = TrainingOrder | {
  /** It stops after the step that it is at. */
  readonly kind: "stop";
};

/** How a training ended, as its worker says. */
export type Reply =
  | {
    /** It came to its end, or was stopped before. */
    readonly kind: "done" | "stopped";
  }
  | {
    /** It failed. */
    readonly kind: "failed";
    /** Whether the user can put it right. */
    readonly isUserError: boolean;
    /** What was wrong. */
    readonly message: string;
    /** Where a defect came about. */
    readonly stack: string | undefined;
  };

/** The error that a worker tells of. */
function errorOf({ isUserError, message, stack }: Reply & { readonly kind: "failed" }): Error {
  const error = isUserError ? new UserError(message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** A worker, started when it is first needed. */
interface Hand extends Disposable {
  /** Carries an order out. */
  work(order: TrainingOrder): Promise<Reply>;
}

function hand(signal: AbortSignal): Hand {
  const started: Worker[] = [];
  const tell = (order: Order) => started[0]?.postMessage(order);
  const stop = () => tell({ kind: "stop" });
  signal.addEventListener("abort", stop);
  return {
    work: (order) =>
      new Promise((resolve, reject) => {
        const worker = started[0] ??
          new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
        started[0] = worker;
        worker.onmessage = ({ data }: MessageEvent<Reply>) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`a worker failed: ${event.message}`));
        };
        tell(order);
      }),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      started[0]?.terminate();
    },
  };
}

/**
 * Has each of several hands do one task at a time, in the order in which tasks come.
 *
 * @param hands What does a task.
 * @returns Does a task as soon as a hand is free.
 */
export function pooled<Task, Outcome>(
  hands: readonly ((task: Task) => Promise<Outcome>)[],
): (task: Task) => Promise<Outcome> {
  type Do = typeof hands[number];
  const free = [...hands];
  const waiting: ((next: Do) => void)[] = [];
  return async (task) => {
    const own = free.shift() ?? await new Promise<Do>((resolve) => waiting.push(resolve));
    try {
      return await own(task);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free.push(own);
      else next(own);
    }
  };
}

/** Carries out the trainings of one study. */
export interface Workers extends AsyncDisposable {
  /**
   * Carries out a training, as soon as a worker is free.
   *
   * @throws The reason of the signal, where that stopped it; a {@linkcode UserError} where the run
   * fails.
   */
  carryOut(training: Training): Promise<void>;
  /** Stops the workers after the steps that they are at, waits for that, and ends them. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What {@linkcode startWorkers} is told. */
export interface WorkersOptions {
  /** How many trainings are carried out at a time. */
  readonly jobs: number;
  /** What each computes on, by its name; wasm has its share of the processors as threads. */
  readonly device: TrainSettings["device"];
  /** The study's folder. */
  readonly folder: string;
  /** Samples for each question of the test. */
  readonly samples: number;
  /** Stops all trainings after the steps that they are at. */
  readonly signal: AbortSignal;
  /** Told what is being trained, whenever that changes. */
  readonly onChange?: (running: readonly Training[]) => void;
}

/**
 * Workers for one study. The first failure stops all of them.
 *
 * @param options How many, and for what.
 * @returns The workers; they start when they are first needed.
 */
export function startWorkers(options: WorkersOptions): Workers {
  const { jobs, device, folder, samples, onChange = () => {} } = options;
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const threads = Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs));
  const running = new Map<Training, Promise<Reply>>();

  const perform = async ({ work }: Hand, training: Training) => {
    // Whatever stopped the others stops this one: they all end with the same error.
    signal.throwIfAborted();
    const replied = work({ kind: "train", training, folder, samples, device, threads });
    running.set(training, replied);
    onChange([...running.keys()]);
    try {
      const reply = await replied;
      if (reply.kind === "failed") throw errorOf(reply);
      if (reply.kind === "stopped") signal.throwIfAborted();
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      running.delete(training);
      onChange([...running.keys()]);
    }
  };
  const hands = Array.from({ length: jobs }, () => hand(signal));
  return {
    carryOut: pooled(hands.map((hand) => (training: Training) => perform(hand, training))),
    async [Symbol.asyncDispose]() {
      failure.abort();
      await Promise.allSettled(running.values());
      for (const hand of hands) hand[Symbol.dispose]();
    },
  };
}
