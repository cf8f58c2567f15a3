/**
 * The sizes of evaluations, which follow the length of a run.
 *
 * @module
 */

import { MOST_QUESTIONS, MOST_SEQUENCES } from "./limits.ts";
import type { TrainSettings } from "./settings.ts";

/** The most that an evaluation looks at. */
export interface EvaluationSizes {
  /** Examples that are predicted. */
  readonly evalExamples: number;
  /** Prompts that are answered freely. */
  readonly evalAnswers: number;
  /** Rows that are trained on between two evaluations, by which texts are continued. */
  readonly trainedRows: number;
}

/** The least examples and answers that a run's length asks for: fewer say little. */
const LEAST = { examples: 64, answers: 8 } as const;

/**
 * Rows trained on for each that is predicted, and for each that is answered, in all evaluations
 * together. A gradient costs three times a prediction, one pass forward and two back, so predictions
 * take a twelfth of the training. The tokens of an answer are chosen one after the other, which takes
 * several times as long as their gradient (`deno task bench` prints both), so answers are fewer.
 */
const TRAINED = { example: 4, answer: 24 } as const;

/** The settings on which the sizes depend. */
export type SizedSettings = Pick<
  TrainSettings,
  | "steps"
  | "batchSize"
  | "gradientAccumulation"
  | "evalSteps"
  | "evalExamples"
  | "evalAnswers"
>;

/**
 * The most that an evaluation looks at: as the settings say, else by the number of rows that a run
 * trains on between two evaluations, so that evaluations do not take longer than the training that
 * they measure.
 *
 * @param stages The settings of the run's stages, the same ones for evaluations.
 * @returns The sizes.
 *
 * @example
 * ```ts
 * import { evaluationSizes, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = (steps: number) => evaluationSizes([trainSettings({ steps, batchSize: 32 })]);
 * // Evaluations before and after 60 steps, of 960 rows each.
 * assertEquals(sizes(60), { evalExamples: 240, evalAnswers: 40, trainedRows: 960 });
 * assertEquals(sizes(1500), { evalExamples: 1024, evalAnswers: 256, trainedRows: 6857 });
 * assertEquals(sizes(1), { evalExamples: 64, evalAnswers: 8, trainedRows: 16 });
 * ```
 */
export function evaluationSizes(stages: readonly SizedSettings[]): EvaluationSizes {
  const rows = stages.reduce(
    (total, { steps, batchSize, gradientAccumulation }) =>
      total + steps * batchSize * gradientAccumulation,
    0,
  );
  const evaluations = stages.reduce(
    (total, { steps, evalSteps }) => total + 1 + Math.ceil(steps / evalSteps),
    0,
  );
  const trainedRows = Math.floor(rows / evaluations);
  const within = (trained: number, least: number, most: number) =>
    Math.min(most, Math.max(least, Math.floor(trainedRows / trained)));
  const [first] = stages;
  return {
    evalExamples: first?.evalExamples ?? within(TRAINED.example, LEAST.examples, MOST_SEQUENCES),
    evalAnswers: first?.evalAnswers ?? within(TRAINED.answer, LEAST.answers, MOST_QUESTIONS),
    trainedRows,
  };
}
