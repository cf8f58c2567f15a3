/**
 * What a run writes down as it goes: `metrics.jsonl` and `samples.jsonl`.
 *
 * @module
 */

import type { SplitReport } from "./evaluation.ts";
import { openLineFile } from "./files.ts";
import type { Cost } from "./cost.ts";
import type { RolloutSample } from "./feed.ts";
import { runPaths, type RunPosition } from "./run_folder.ts";

/** Answers of a split that are written down. */
const SAMPLES = 10;

/** Answers of the many that a step was trained on that are written down. */
const ROLLOUTS = 4;

/** What a run writes down. Where it has several stages, lines name theirs. */
export interface Journal extends Disposable {
  /** Writes down what a step measured. */
  addStep(
    step: number,
    metrics: Readonly<Record<string, number>>,
    stage?: string,
  ): Promise<void>;
  /** Writes down an evaluation and some of its answers. */
  addReport(step: number, report: SplitReport, stage?: string): Promise<void>;
  /** Writes down some answers that a step trains on, and their rewards. */
  addRollouts(step: number, samples: readonly RolloutSample[], stage?: string): Promise<void>;
  /** Returns where the run is, once everything written so far is on the disk. */
  mark(step: number, cost: Cost): Promise<RunPosition>;
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
  const at = (step: number, stage: string | undefined) => ({
    step,
    ...(stage !== undefined && { stage }),
  });
  return {
    addStep: (step, values, stage) =>
      metrics.append(JSON.stringify({ ...at(step, stage), ...values })),
    addReport: async (step, { split, metrics: values, answers }, stage) => {
      await metrics.append(JSON.stringify({ ...at(step, stage), split, ...values }));
      const lines = answers.slice(0, SAMPLES).map(({ question, text, isRight }) =>
        JSON.stringify({
          ...at(step, stage),
          split,
          prompt: question.prompt,
          gold: question.gold,
          answer: text,
          right: isRight,
        })
      );
      await samples.append(...lines);
    },
    addRollouts: (step, given, stage) =>
      samples.append(
        ...given.slice(0, ROLLOUTS).map((sample) =>
          JSON.stringify({ ...at(step, stage), split: "rollouts", ...sample })
        ),
      ),
    mark: async (step, cost) => {
      await Promise.all([metrics.sync(), samples.sync()]);
      return { step, metricsLength: metrics.length, samplesLength: samples.length, cost };
    },
    [Symbol.dispose]: () => files.dispose(),
  };
}
