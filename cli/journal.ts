/**
 * What a run writes down as it goes: `metrics.jsonl` and `samples.jsonl`.
 *
 * @module
 */

import type { SplitReport } from "./evaluation.ts";
import { openLineFile } from "./files.ts";
import { runPaths, type RunPosition } from "./run_folder.ts";

/** Answers of a split that are written down. */
const SAMPLES = 10;

/** What a run writes down. */
export interface Journal extends Disposable {
  /** Writes down what a step measured. */
  addStep(step: number, metrics: Readonly<Record<string, number>>): Promise<void>;
  /** Writes down an evaluation and some of its answers. */
  addReport(step: number, report: SplitReport): Promise<void>;
  /** Returns where the run is, once everything written so far is on the disk. */
  mark(step: number): Promise<RunPosition>;
}

/**
 * Opens the journal of a run.
 *
 * @param folder The run's folder.
 * @param position The last checkpoint's: what was written later is cut off, to be written again.
 * @returns The journal.
 * @throws {UserError} If a file cannot be written, or is shorter than it was at the checkpoint.
 */
export async function openJournal(folder: string, position?: RunPosition): Promise<Journal> {
  const paths = runPaths(folder);
  using opened = new DisposableStack();
  const metrics = opened.use(await openLineFile(paths.metrics, position?.metricsLength ?? 0));
  const samples = opened.use(await openLineFile(paths.samples, position?.samplesLength ?? 0));
  const files = opened.move();
  return {
    addStep: (step, values) => metrics.append(JSON.stringify({ step, ...values })),
    addReport: async (step, { split, metrics: values, answers }) => {
      await metrics.append(JSON.stringify({ step, split, ...values }));
      const lines = answers.slice(0, SAMPLES).map(({ question, text, isRight }) =>
        JSON.stringify({
          step,
          split,
          prompt: question.prompt,
          gold: question.gold,
          answer: text,
          right: isRight,
        })
      );
      await samples.append(...lines);
    },
    mark: async (step) => {
      await Promise.all([metrics.sync(), samples.sync()]);
      return { step, metricsLength: metrics.length, samplesLength: samples.length };
    },
    [Symbol.dispose]: () => files.dispose(),
  };
}
