/**
 * The journal of a run: the lines of `metrics.jsonl` and `samples.jsonl`, and on request the events
 * of the former for TensorBoard.
 *
 * @module
 */

import { type Cost, type TrainingEvent, UserError } from "@unitune/training";
import { fileError } from "../files/file_error.ts";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
import { openLineFile } from "../files/line_file.ts";
import { requireFile } from "../files/read.ts";
import { openEventFile } from "../tensorboard/event_file.ts";
import { beginningsOf, type RunPosition } from "./checkpoints.ts";
import { runPaths } from "./run_paths.ts";

/** The most answers of a split that are written. */
const SAMPLES = 10;

/** The most answers of a training step that are written. */
const ROLLOUTS = 4;

/** The journal of a run. If the run has several stages, each line names its stage. */
export interface Journal extends Disposable {
  /** Writes the lines of an event, if it has any. */
  add(event: TrainingEvent, stage?: string): Promise<void>;
  /** Waits until all lines are on the disk, and returns the position of the run. */
  mark(step: number, cost: Cost): Promise<RunPosition>;
}

/** Options of a journal. */
export interface JournalOptions {
  /** The position of the latest checkpoint. Later lines are removed, and written again. */
  readonly position?: RunPosition | undefined;
  /** Whether it has an event file for TensorBoard (default: no). */
  readonly hasEvents?: boolean;
}

/**
 * Opens the journal of a run.
 *
 * @param folder The folder of the run.
 * @param options The checkpoint to go on from, and the files.
 * @returns The journal.
 * @throws {UserError} If a file cannot be written, or has changed since the checkpoint.
 */
export async function openJournal(
  folder: string,
  { position, hasEvents = false }: JournalOptions = {},
): Promise<Journal> {
  const paths = runPaths(folder);
  const kept = beginningsOf(position);
  if (position === undefined) {
    for (const path of [paths.metrics, paths.samples]) await requireOwnStart(path);
  }
  using opened = new DisposableStack();
  const metrics = opened.use(await openLineFile(paths.metrics, kept.metrics));
  const samples = opened.use(await openLineFile(paths.samples, kept.samples));
  const events = hasEvents
    ? opened.use(await openEventFile(paths.events, await readJsonLines(paths.metrics)))
    : undefined;
  const files = opened.move();
  return {
    add: async (event, stage) => {
      const lines = linesOf(event, { step: event.step, ...(stage !== undefined && { stage }) });
      for (const line of lines.metrics) {
        await metrics.append(JSON.stringify(line));
        await events?.append(line);
      }
      for (const line of lines.samples) await samples.append(JSON.stringify(line));
    },
    mark: async (step, cost) => {
      await Promise.all([metrics.sync(), samples.sync()]);
      const [measured, answered] = [metrics.beginning, samples.beginning];
      return {
        step,
        metricsLength: measured.length,
        metricsDigest: measured.digest,
        samplesLength: answered.length,
        samplesDigest: answered.digest,
        cost,
      };
    },
    [Symbol.dispose]: () => files.dispose(),
  };
}

/** Lines for both files. */
interface Lines {
  readonly metrics: readonly JsonLine[];
  readonly samples: readonly JsonLine[];
}

/** The lines of an event, each of which begins with its place. */
function linesOf(event: TrainingEvent, place: JsonLine): Lines {
  switch (event.kind) {
    case "metrics": {
      const { epoch, metrics, cost } = event;
      return { metrics: [{ ...place, epoch, ...metrics, ...costMetrics(cost) }], samples: [] };
    }
    case "evaluation": {
      const { split, metrics, answers } = event.report;
      return {
        metrics: [{ ...place, split, ...metrics }],
        samples: answers.slice(0, SAMPLES).map(({ question, text, isRight }) => ({
          ...place,
          split,
          prompt: question.prompt,
          gold: question.gold,
          answer: text,
          right: isRight,
        })),
      };
    }
    case "rollouts": {
      const shown = event.samples.slice(0, ROLLOUTS);
      return {
        metrics: [],
        samples: shown.map((sample) => ({ ...place, split: "rollouts", ...sample })),
      };
    }
    case "note":
    case "phase":
    case "stage":
    case "step":
    case "saved":
      return { metrics: [], samples: [] };
    default:
      return event satisfies never;
  }
}

/** The entries of a cost in a line of `metrics.jsonl`. */
function costMetrics({ examples, forwardTokens, backwardTokens }: Cost): Record<string, number> {
  return {
    "cost/examples": examples,
    "cost/forward_tokens": forwardTokens,
    "cost/backward_tokens": backwardTokens,
  };
}

/** The beginning of each line that a run writes before its first checkpoint. */
const START = new TextEncoder().encode(`{"step":0,`);

/**
 * Checks a file that a run without a checkpoint is about to overwrite: it must begin like the lines
 * of a run, as a killed process leaves them.
 */
async function requireOwnStart(path: string): Promise<void> {
  const found = new Uint8Array(START.length);
  let length: number;
  try {
    await requireFile(path);
    using file = await Deno.open(path);
    length = await file.read(found) ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw fileError(error, "read", path);
  }
  if (found.subarray(0, length).every((byte, i) => byte === START[i])) return;
  throw new UserError(
    `${path} was not written by a run, and is never written over: move it away`,
  );
}
