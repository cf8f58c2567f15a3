/** Bounds of evaluations. */

/** The share of a data file that is kept for validation. */
export const VALIDATION_SHARE = 0.1;

/** The most sequences, or pairs, of a split; they are evenly spread. */
export const MOST_SEQUENCES = 1024;

/** The most questions of a split; they are evenly spread. */
export const MOST_QUESTIONS = 256;

/** The sequences that an evaluation predicts at once. */
export const EVALUATION_ROWS = 64;

/** The answers that grow at once where so many rows are predicted at once: each has one token a step. */
export function answersAtOnce(rows: number): number {
  return 4 * rows;
}
