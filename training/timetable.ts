/**
 * When the stages of a run begin and end, and which steps are logged, evaluated and saved.
 *
 * @module
 */

/** When the stages of a run begin, and when it ends. */
export interface Timetable {
  /** Steps before each stage. */
  readonly starts: readonly number[];
  /** Steps in all. */
  readonly total: number;
}

/**
 * When the stages of a run begin, and when it ends.
 *
 * @param stages The steps of each stage.
 * @returns Steps since the start of the run.
 *
 * @example
 * ```ts
 * import { timetableOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(timetableOf([{ steps: 9 }, { steps: 3 }]), { starts: [0, 9], total: 12 });
 * ```
 */
export function timetableOf(stages: readonly { readonly steps: number }[]): Timetable {
  const starts: number[] = [];
  let total = 0;
  for (const { steps } of stages) {
    starts.push(total);
    total += steps;
  }
  return { starts, total };
}

/** Steps between two lines of metrics, two evaluations and two checkpoints. */
export interface Intervals {
  /** Steps between two reads of metrics that are logged. */
  readonly loggingSteps: number;
  /** Steps between two evaluations on the first split. */
  readonly evalSteps: number;
  /** Steps between two checkpoints. */
  readonly saveSteps: number;
}

/** What is done after each step. The last step of a stage is logged, evaluated and saved. */
export interface Agenda {
  /** Whether a stage ends with the step; on all splits is evaluated then. */
  isEnd(step: number): boolean;
  /** Whether the step's metrics are logged. */
  isLogged(step: number): boolean;
  /** Whether the model is evaluated after the step. */
  isEvaluated(step: number): boolean;
  /** Whether a checkpoint is saved after the step. */
  isSaved(step: number): boolean;
}

/**
 * What is done after each step of a run.
 *
 * @param timetable When its stages begin and end.
 * @param intervals The steps between two lines, evaluations and checkpoints.
 * @returns The agenda.
 *
 * @example
 * ```ts
 * import { agendaOf, timetableOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const timetable = timetableOf([{ steps: 5 }, { steps: 4 }]);
 * const agenda = agendaOf(timetable, { loggingSteps: 2, evalSteps: 3, saveSteps: 4 });
 * const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9];
 * assertEquals(steps.filter(agenda.isLogged), [2, 4, 5, 6, 8, 9]);
 * assertEquals(steps.filter(agenda.isSaved), [4, 5, 8, 9]);
 * ```
 */
export function agendaOf(
  { starts, total }: Timetable,
  { loggingSteps, evalSteps, saveSteps }: Intervals,
): Agenda {
  const isEnd = (step: number) => step === total || starts.includes(step);
  const every = (steps: number) => (step: number) => step % steps === 0 || isEnd(step);
  return {
    isEnd,
    isLogged: every(loggingSteps),
    isEvaluated: every(evalSteps),
    isSaved: every(saveSteps),
  };
}
