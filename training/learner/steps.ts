/**
 * The steps of a stage as compiled programs: of one process, or of several that share them.
 *
 * @module
 */

import {
  compile,
  type Compiled,
  type Device,
  mapTree,
  onDevice,
  outline,
  tensor,
  zeros,
} from "@unitune/core";
import type { AveragedParameters } from "@unitune/autodiff";
import {
  type Accumulated,
  accumulateGradients,
  applyAccumulated,
  type StepParts,
  type StepResult,
  type TrainingState,
  trainingStep,
} from "@unitune/objectives";
import type { Collective } from "../collective/collective.ts";
import type { Owners } from "../collective/owners.ts";
import { allGatherTree, allReduceTree } from "../collective/trees.ts";
import { type StepPrograms, treeBytes } from "./step_plan.ts";

/**
 * Steps of one stage: a program for each shape of batches, and where gradients are accumulated one for
 * the update.
 */
export interface Steps<B> extends Disposable {
  /** A step on some micro-batches, the first of which has a number. */
  (
    state: TrainingState<unknown, unknown>,
    batches: readonly B[],
    first: number,
  ): StepResult<unknown, unknown> | Promise<StepResult<unknown, unknown>>;
  /** The programs of a step on micro-batches of the shape of the first. */
  plan(state: TrainingState<unknown, unknown>, batches: readonly B[]): StepPrograms;
}

/**
 * The steps of one process that computes all of them.
 *
 * @param training The parts of a step.
 * @param accumulates Whether a step may have several micro-batches.
 * @param device The device to compute on.
 * @returns The steps.
 */
export function compileSteps<B>(
  training: StepParts<unknown, B, unknown>,
  accumulates: boolean,
  device: Device,
): Steps<B> {
  if (!accumulates) {
    const step = compile(trainingStep(training), { device, donate: [0] });
    return Object.assign(
      (state: TrainingState<unknown, unknown>, batches: readonly B[]) =>
        step(state, firstOf(batches)),
      {
        plan(state: TrainingState<unknown, unknown>, batches: readonly B[]): StepPrograms {
          const plan = step.plan(state, firstOf(batches));
          return { programs: [{ plan, runs: 1 }], captured: plan.capturedBytes, sums: 0 };
        },
        [Symbol.dispose]: () => step[Symbol.dispose](),
      },
    );
  }
  const accumulate = compile(accumulateGradients(training), { device, donate: [2] });
  const update = compile(applyAccumulated(training), { device, donate: [0, 1] });
  // Sums of nothing, to which the first micro-batch of a step is added by the program of all others.
  // Only the very first one has a program without them, whose result tells their shapes.
  let nothing: Compiled<[], Accumulated<unknown>> | undefined;
  return Object.assign(
    (state: TrainingState<unknown, unknown>, batches: readonly B[]) => {
      const first = firstOf(batches);
      let sums = nothing === undefined
        ? accumulate(state, first)
        : accumulate(state, first, nothing());
      nothing ??= zerosLike(sums, device);
      for (const batch of batches.slice(1)) sums = accumulate(state, batch, sums);
      return update(state, sums);
    },
    {
      plan: accumulatedPlan(training, accumulate, update),
      [Symbol.dispose]() {
        accumulate[Symbol.dispose]();
        update[Symbol.dispose]();
        nothing?.[Symbol.dispose]();
      },
    },
  );
}

/** The plan of a step by a program for each micro-batch and one for the update. */
function accumulatedPlan<B>(
  training: StepParts<unknown, B, unknown>,
  accumulate: Compiled<
    [TrainingState<unknown, unknown>, B, Accumulated<unknown>?],
    Accumulated<unknown>
  >,
  update: Compiled<
    [TrainingState<unknown, unknown>, Accumulated<unknown>],
    StepResult<unknown, unknown>
  >,
): Steps<B>["plan"] {
  return (state, batches) => {
    const first = firstOf(batches);
    const sums = mapTree(accumulateGradients(training)(state, first), outline);
    const plan = accumulate.plan(state, first, sums);
    return {
      programs: [
        { plan, runs: batches.length },
        { plan: update.plan(state, sums), runs: 1 },
      ],
      captured: plan.capturedBytes,
      sums: treeBytes(sums),
    };
  };
}

/** The processes that share steps, and the device of this one. */
export interface SharedBy {
  /** The device to compute on. */
  readonly device: Device;
  /** The processes. */
  readonly collective: Collective;
  /** The process that updates each parameter (default: every process updates all). */
  readonly owners?: Owners | undefined;
}

/**
 * Steps that several processes share: each adds up what its own micro-batches give, all of them add
 * up their sums, and each makes the same update, or its part of it. Only then is anything divided, so
 * that the step is that of one process with all micro-batches, whatever is masked where.
 *
 * @param training The parts of a step.
 * @param state A state of its shapes.
 * @param batch A micro-batch; those of a process that has none in a step are not there to ask.
 * @param by The processes, and the device of this one.
 * @returns The steps.
 */
export function sharedSteps<B>(
  training: StepParts<unknown, B, unknown>,
  state: TrainingState<unknown, unknown>,
  batch: B,
  { device, collective, owners }: SharedBy,
): Steps<B> {
  const accumulate = compile(accumulateGradients(training), { device, donate: [2] });
  const update = compile(applyAccumulated(training), { device, donate: [0, 1] });
  const shapes = mapTree(accumulateGradients(training)(state, batch), outline);
  const nothing = zerosLike(shapes, device);
  return Object.assign(
    async (state: TrainingState<unknown, unknown>, batches: readonly B[], first: number) => {
      let sums: Accumulated<unknown> = {
        ...nothing(),
        microBatches: onDevice(tensor(first, { dtype: "i32" }), device),
      };
      for (const batch of batches) sums = accumulate(state, batch, sums);
      const updated = update(state, await allReduceTree(collective, sums, device));
      if (owners === undefined) return updated;
      const whole = <T>(tree: T) => allGatherTree(collective, tree, owners, device);
      const { params, average } = updated.state;
      return {
        ...updated,
        state: {
          ...updated.state,
          params: await whole(params),
          ...average && { average: await wholeAverage(average, whole) },
        },
      };
    },
    {
      plan: accumulatedPlan(training, accumulate, update),
      [Symbol.dispose]() {
        for (const program of [accumulate, update, nothing]) program[Symbol.dispose]();
      },
    },
  );
}

/** An average of parameters of which each process has updated its own, from all of them. */
async function wholeAverage<P>(
  { params, uncorrected, ...others }: AveragedParameters<P>,
  whole: (tree: P) => Promise<P>,
): Promise<AveragedParameters<P>> {
  return {
    ...others,
    params: await whole(params),
    ...uncorrected !== undefined && { uncorrected: await whole(uncorrected) },
  };
}

/** Makes zeros of the shapes of a tree. */
function zerosLike<T>(tree: T, device: Device): Compiled<[], T> {
  const shapes = mapTree(tree, ({ shape, dtype }) => zeros(shape, dtype));
  return compile(() => mapTree(shapes, ({ shape, dtype }) => zeros(shape, dtype)), { device });
}

/** The first element of a list that has one. */
export function firstOf<T>(elements: readonly T[]): T {
  const [first] = elements;
  if (first === undefined) throw new RangeError("a step without a batch");
  return first;
}
