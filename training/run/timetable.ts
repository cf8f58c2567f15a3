/**
 * The timetable of a run: the steps at which stages begin, and those that log, evaluate and save.
 *
 * @module
 */

/** The steps at which the stages of a run begin, and at which the run ends. */
export interface Timetable {
  /** The number of steps before each stage. */
  readonly starts: readonly number[];
  /** The total number of steps. */
  readonly total: number;
}

/**
 * Computes the timetable of a run.
 *
 * @param stages The steps of each stage.
 * @returns The steps at which the stages begin, and the total.
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

/** Intervals of logging, evaluation and saving, in steps. */
export interface Intervals {
  /** Steps between two logged steps. */
  readonly loggingSteps: number;
  /** Steps between two evaluations on the first split. */
  readonly evalSteps: number;
  /** Steps between two checkpoints. */
  readonly saveSteps: number;
}

/** The work after each step. The last step of a stage logs, evaluates and saves. */
export interface Agenda {
  /** Tells whether a step is the last of its stage, after which all splits are evaluated. */
  isEnd(step: number): boolean;
  /** Tells whether the metrics of a step are logged. */
  isLogged(step: number): boolean;
  /** Tells whether the model is evaluated after a step. */
  isEvaluated(step: number): boolean;
  /** Tells whether a checkpoint is saved after a step. */
  isSaved(step: number): boolean;
}

/**
 * Makes the agenda of a run.
 *
 * @param timetable The timetable of the run.
 * @param intervals The intervals of logging, evaluation and saving.
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
