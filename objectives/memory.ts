/** Numbers that an objective carries from step to step. */
import { cast, type DType, mapTree, type Tensor, tensor } from "@unitune/core";
import type { Evaluation } from "./evaluation.ts";
import type { Context } from "./policy.ts";

/** Scalars by name. */
export type Remembered = Readonly<Record<string, Tensor>>;

/**
 * The memory of an objective: scalars that the losses of a step read, and that its evaluation
 * changes, such as a running mean. They are a part of the training's state, saved and restored with
 * it. All micro-batches of a step read the same memory.
 */
export interface Memory {
  /** The scalars before the first step, by name. */
  readonly start: Readonly<Record<string, number>>;
  /** The scalars after a step, from those before it and from the evaluation of its whole batch. */
  readonly next: (before: Remembered, evaluation: Evaluation) => Remembered;
}

/**
 * A memory as it is before the first step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { firstMemory } from "@unitune/objectives";
 *
 * const counter = { start: { steps: 0 }, next: (before: ReturnType<typeof firstMemory>) => before };
 * assertEquals(await firstMemory(counter).steps?.item(), 0);
 * assertEquals(firstMemory(undefined), {});
 * ```
 *
 * @param memory The memory; undefined for an objective without one.
 * @returns Its scalars, f32.
 */
export function firstMemory(memory: Memory | undefined): Remembered {
  const start = Object.entries(memory?.start ?? {});
  return Object.fromEntries(start.map(([name, value]) => [name, tensor(value)]));
}

/**
 * A scalar that an objective remembers: that of the context, or the first one where the context is of
 * no training.
 */
export function recall(
  { start }: Memory,
  name: string,
  { memory }: Pick<Context, "memory">,
  dtype: DType,
): Tensor {
  const first = start[name];
  if (first === undefined) throw new RangeError(`the memory has no ${name}`);
  const own = memory?.[name];
  return own === undefined ? tensor(first, { dtype }) : cast(own, dtype);
}

/**
 * The memory after a step.
 *
 * @throws {RangeError} If the training's state lacks a scalar of the memory.
 */
export function nextMemory(
  memory: Memory | undefined,
  before: Remembered,
  evaluation: Evaluation,
): Remembered {
  if (memory === undefined) return before;
  const missing = Object.keys(memory.start).filter((name) => before[name] === undefined);
  if (missing.length === 0) {
    // A memory is f32, whatever the losses are computed in.
    const metrics = mapTree(evaluation.metrics, (x) => cast(x, "f32"));
    return memory.next(before, { ...evaluation, metrics });
  }
  throw new RangeError(
    `the training's state has no ${missing.join(", ")}, which the objective remembers: give ` +
      "initTrainingState the objective's memory",
  );
}

/**
 * The memory of two parts.
 *
 * @throws {RangeError} If both remember a scalar of the same name.
 */
export function bothMemories(a: Memory | undefined, b: Memory | undefined): Memory | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const shared = Object.keys(a.start).filter((name) => Object.hasOwn(b.start, name));
  if (shared.length > 0) {
    throw new RangeError(`sumOf: both parts remember ${shared.join(", ")}; expected one that does`);
  }
  return {
    start: { ...a.start, ...b.start },
    next: (before, evaluation) => ({
      ...a.next(before, evaluation),
      ...b.next(before, evaluation),
    }),
  };
}

/** A part with a memory, where there is one. */
export function remembering(memory: Memory | undefined): { readonly memory?: Memory } {
  return memory === undefined ? {} : { memory };
}
