/**
 * What a run writes down as it goes: `metrics.jsonl` and `samples.jsonl`.
 *
 * @module
 */

import { type Cost, type TrainingEvent, UserError } from "@unitune/training";
import { fileError } from "../files/file_error.ts";
import { openLineFile } from "../files/line_file.ts";
import { requireFile } from "../files/read.ts";
import { beginningsOf, runPaths, type RunPosition } from "./run_folder.ts";

/** Answers of a split that are written down. */
const SAMPLES = 10;

/** Answers of the many that a step was trained on that are written down. */
const ROLLOUTS = 4;

/** What a run writes down. Where it has several stages, lines name theirs. */
export interface Journal extends Disposable {
  /** Writes down what an event says of the training, if anything. */
  add(event: TrainingEvent, stage?: string): Promise<void>;
  /** Returns where the run is, once everything written so far is on the disk. */
  mark(step: number, cost: Cost): Promise<RunPosition>;
}

/**
 * Opens the journal of a run.
 *
 * @param folder The run's folder.
 * @param position The last checkpoint's: what was written later is cut off, to be written again.
 * @returns The journal.
 * @throws {UserError} If a file cannot be written, or is not what it was at the checkpoint.
 */
export async function openJournal(folder: string, position?: RunPosition): Promise<Journal> {
  const paths = runPaths(folder);
  const kept = beginningsOf(position);
  if (position === undefined) {
    for (const path of [paths.metrics, paths.samples]) await requireOwnStart(path);
  }
  using opened = new DisposableStack();
  const metrics = opened.use(await openLineFile(paths.metrics, kept.metrics));
  const samples = opened.use(await openLineFile(paths.samples, kept.samples));
  const files = opened.move();
  return {
    add: async (event, stage) => {
      const lines = linesOf(event, { step: event.step, ...(stage !== undefined && { stage }) });
      for (const line of lines.metrics) await metrics.append(JSON.stringify(line));
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

/** Lines of the two files. */
interface Lines {
  readonly metrics: readonly object[];
  readonly samples: readonly object[];
}

/** What is written down of an event; every line begins with its place. */
function linesOf(event: TrainingEvent, place: object): Lines {
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

/** Costs under their names in `metrics.jsonl`. */
function costMetrics({ examples, forwardTokens, backwardTokens }: Cost): Record<string, number> {
  return {
    "cost/examples": examples,
    "cost/forward_tokens": forwardTokens,
    "cost/backward_tokens": backwardTokens,
  };
}

/** What every line of a run begins with that was written before its first checkpoint. */
const START = new TextEncoder().encode(`{"step":0,`);

/**
 * Before the first checkpoint, a run begins its files of lines anew: only those that a run has begun
 * before, as a killed process leaves them.
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
