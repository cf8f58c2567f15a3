/**
 * What a step of a training takes and does, planned before its weights are on the device.
 *
 * @module
 */

import { bytesPerElement, type Device, leavesOf, type ProgramPlan, sizeOf } from "@unitune/core";
import type { TrainSettings } from "../settings.ts";
import { parseBytes, showBytes } from "../text/byte_count.ts";
import { UserError } from "../text/errors.ts";
import { message, setting, type UserMessage } from "../text/message.ts";

/** The memory that a step takes on its device, in bytes, by what it is for. */
export interface StepMemory {
  /** Parameters that are trained. */
  readonly weights: number;
  /** Parameters that no gradient changes: below an adapter, of a reference, a teacher, a judge; averages. */
  readonly frozen: number;
  /** The state of the optimizer. */
  readonly optimizer: number;
  /** Gradients, when most memory is taken. */
  readonly gradients: number;
  /** All other values that a step computes, then, or an evaluation, if those are more. */
  readonly activations: number;
  /** The rows of a forward pass. */
  readonly batch: number;
  /** Keys and values while answers are generated, by rollouts or evaluations. */
  readonly caches: number;
}

/** What a step takes and does. */
export interface StepPlan {
  /** The memory that it takes. */
  readonly memory: StepMemory;
  /** Multiplications of matrix products, with as many additions. */
  readonly multiplications: number;
  /** Bytes that all other computations read and write. */
  readonly movedBytes: number;
  /** Whether the values inside of blocks are computed again for their gradient. */
  readonly recomputes: boolean;
}

/** The programs of a step. */
export interface StepPrograms {
  /** The programs that run in a step, at least one, in turns, and how often each does. */
  readonly programs: readonly { readonly plan: ProgramPlan; readonly runs: number }[];
  /** Bytes of tensors that the program of a forward pass refers to from outside. */
  readonly captured: number;
  /** Bytes of the sums of gradients that are handed from pass to pass; 0 without any. */
  readonly sums: number;
}

/** The parts of the largest forward pass's operands, as trees. */
export interface StepOperands {
  /** The parameters. */
  readonly params: unknown;
  /** Their average, and what it is computed from (default: none is kept). */
  readonly average?: unknown;
  /** The state of the optimizer. */
  readonly optimizer: unknown;
  /** The rows. */
  readonly batch: unknown;
  /** Parameters that other programs have on the device, if there are any. */
  readonly held: unknown;
  /** Bytes of keys and values while answers are generated. */
  readonly caches: number;
  /** Bytes that evaluations compute predictions in; 0 where that is not planned. */
  readonly predictions: number;
}

/** The sum of some numbers. */
const total = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0);

/**
 * The bytes of all that a step takes.
 *
 * @param memory The memory by what it is for.
 * @returns Their sum.
 *
 * @example
 * ```ts
 * import { totalMemory } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const state = { weights: 4, frozen: 0, optimizer: 8, gradients: 4 };
 * assertEquals(totalMemory({ ...state, activations: 10, batch: 1, caches: 3 }), 30);
 * ```
 */
export function totalMemory(memory: StepMemory): number {
  return total(Object.values(memory));
}

/**
 * Whether a step keeps the values inside of blocks for their gradients, or computes them again: by the
 * setting, of which `auto` keeps them where they fit.
 *
 * @param setting The setting `checkpointActivations`.
 * @param kept The plan of a step that keeps them.
 * @param limit The bytes that it may take.
 * @returns True if it keeps them.
 *
 * @example
 * ```ts
 * import { keepsActivations } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const step = { weights: 4, frozen: 0, optimizer: 8, gradients: 4, activations: 10 };
 * const state = { ...step, batch: 1, caches: 0 };
 * const kept = (limit: number) => keepsActivations("auto", { memory: state }, limit);
 * assertEquals([kept(26), kept(27)], [false, true]);
 * ```
 */
export function keepsActivations(
  setting: TrainSettings["checkpointActivations"],
  { memory }: Pick<StepPlan, "memory">,
  limit: number,
): boolean {
  return setting === "none" || setting === "auto" && totalMemory(memory) <= limit;
}

/** The plan of a step from those of its programs, of which each uses the memory of the others. */
export function stepPlan(
  { programs, captured, sums }: StepPrograms,
  { params, average = [], optimizer, batch, caches, predictions, held = [] }: StepOperands,
  recomputes: boolean,
): StepPlan {
  const own = ({ ownBytes, resultBytes }: ProgramPlan) => ownBytes + resultBytes;
  const largest = programs.map(({ plan }) => plan)
    .reduce((most, plan) => own(plan) > own(most) ? plan : most);
  const { gradientBytes } = largest;
  const work = (of: (plan: ProgramPlan) => number) =>
    total(programs.map(({ plan, runs }) => runs * of(plan)));
  return {
    memory: {
      weights: treeBytes(params),
      frozen: captured + treeBytes([held, average]),
      optimizer: treeBytes(optimizer),
      gradients: gradientBytes + sums,
      // Programs compute in the same memory, one after the other.
      activations: Math.max(predictions, own(largest)) - gradientBytes,
      batch: treeBytes(batch),
      caches,
    },
    multiplications: work(({ multiplications }) => multiplications),
    movedBytes: work(({ movedBytes }) => movedBytes),
    recomputes,
  };
}

/** Bytes of a tree's tensors, each in whole cache lines. */
export function treeBytes(tree: unknown): number {
  return total(
    leavesOf(tree).map(({ shape, dtype }) =>
      64 * Math.ceil(sizeOf(shape) * bytesPerElement[dtype] / 64)
    ),
  );
}

/**
 * The bytes that a training may take.
 *
 * @param settings The settings of a stage, which may give a limit.
 * @param device The device.
 * @returns The number; `Infinity` where none is known.
 */
export function memoryLimit(
  { memory }: Pick<TrainSettings, "memory">,
  { memoryBytes = Infinity }: Pick<Device, "memoryBytes">,
): number {
  return Math.min(memoryBytes, memory === undefined ? Infinity : parseBytes(memory) ?? Infinity);
}

/** The words for memory by what it is for. */
export const memoryWords: { readonly [Kind in keyof StepMemory]: string } = {
  weights: "weights",
  frozen: "frozen weights",
  optimizer: "the state of the optimizer",
  gradients: "gradients",
  activations: "activations",
  batch: "rows",
  caches: "keys and values of answers",
};

/**
 * Refuses a step that does not fit into memory.
 *
 * @param plan The plan of the step.
 * @param settings The settings of the stage.
 * @param device The device.
 * @throws {UserError} If it does not fit: with what takes most, and what to do.
 */
export function requireRoomFor(
  { memory, recomputes }: Pick<StepPlan, "memory" | "recomputes">,
  settings: TrainSettings,
  device: Pick<Device, "name" | "memoryBytes">,
): void {
  const limit = memoryLimit(settings, device);
  const needed = totalMemory(memory);
  if (needed <= limit) return;
  const parts = Object.entries(memoryWords).map(([kind, word]) => ({
    word,
    bytes: new Map(Object.entries(memory)).get(kind) ?? NaN,
  })).filter(({ bytes }) => bytes >= needed / 100).toSorted((a, b) => b.bytes - a.bytes);
  const listed = parts.map(({ word, bytes }) => `${showBytes(bytes)} for ${word}`).join(", ");
  throw new UserError(
    message(
      `a step of ${settings.objective.name} takes ${showBytes(needed)} (${listed}), and ` +
        `${device.name} has ${showBytes(limit)}: `,
      remedyFor(memory, recomputes, settings),
    ),
  );
}

/** What to do about a step that is too large, by what takes most. */
function remedyFor(
  { weights, optimizer, gradients, activations, caches }: StepMemory,
  recomputes: boolean,
  { batchSize, batchTokens, lora, model }: TrainSettings,
): UserMessage {
  const more = message("or give it more by ", setting("memory"));
  if (caches > activations + weights + optimizer + gradients) {
    return message(
      "generate fewer answers at once by a smaller ",
      setting("evalBatchSize"),
      " or ",
      setting("batchSize"),
      ", ",
      more,
    );
  }
  if (activations > weights + optimizer + gradients) {
    const again = recomputes
      ? ""
      : message("compute activations again by ", setting("checkpointActivations"), " blocks, ");
    const rows = batchTokens !== undefined
      ? message("take fewer ", setting("batchTokens"))
      : batchSize > 1
      ? message(
        "take a smaller ",
        setting("batchSize"),
        " with more ",
        setting("gradientAccumulation"),
      )
      : message("take a smaller ", setting("context"));
    return message(again, rows, ", ", more);
  }
  const smaller = model === undefined || lora
    ? "take a smaller model"
    : message("train an adapter by ", setting("lora"));
  return message(smaller, ", ", more);
}
