/**
 * The memory that a training needs, estimated before it begins.
 *
 * @module
 */

import { bytesPerElement, leavesOf, sizeOf } from "@unitune/core";
import { countParameters, isAdapted, type LanguageModel } from "@unitune/models";
import type { Device } from "@unitune/core";
import { memoryLimit, showBytes, type TrainSettings, UserError } from "@unitune/training";
import type { Prepared } from "../data/prepare.ts";

/** The bytes of a number in f32, of a token's id, or of its mask. */
const WORD = 4;

/** The most memory where that of a device is unknown: more than the host would hold. */
const MOST_MEMORY = 2 ** 36;

/**
 * The most bytes of the rows of a step, which the host makes before it copies them to the device.
 */
const MOST_ROWS = 2 ** 31;

/** The numbers of f32 that each optimizer keeps for a parameter, at the least. */
const moments: { readonly [Name in TrainSettings["optimizer"]]: number } = {
  adamw: 2,
  adamw8bit: 1 / 2,
  adafactor: 0,
  muon: 1,
  rmsprop: 1,
  lion: 1,
  sgd: 1,
};

/** A lower bound of the memory of a training, in bytes. */
export interface Room {
  /** Parameters, the state of the optimizer, and the gradient if its norm is clipped. */
  readonly state: number;
  /**
   * The values of a forward pass that its gradient needs: the input of each block. Logits are not
   * among them, since many of them are computed in parts.
   */
  readonly activations: number;
  /** The rows of a step: ids and masks. */
  readonly rows: number;
}

/**
 * Computes a lower bound of the memory of a training.
 *
 * With P parameters of b bytes, m numbers of the optimizer for each, which N processes may share out,
 * B rows of T tokens, L layers of width D: `P (b + 4 (m / N + 1))` bytes of state and `4 B T L D` of
 * activations.
 *
 * @param model The language model.
 * @param settings The settings of a stage.
 * @param length The length of a row in tokens.
 * @param processes The number of processes that train together (default 1).
 * @returns The bounds in bytes.
 *
 * @example
 * ```ts
 * import { leastRoom } from "./room.ts";
 * import { trainSettings } from "@unitune/training";
 * import { gpt } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const model = gpt({ vocabulary: 8, context: 4, layers: 1, heads: 1, width: 2, dropout: 0 });
 * const { state, activations } = leastRoom(model, trainSettings({ batchSize: 2 }), 4);
 * assertEquals(state, 4 * 102 * 4); // 102 parameters
 * assertEquals(activations, 4 * 2 * 4 * 2);
 * ```
 */
export function leastRoom(
  model: LanguageModel,
  settings: TrainSettings,
  length: number,
  processes = 1,
): Room {
  const { layers, width } = model.config;
  const { optimizer, shardOptimizer, batchSize, gradientAccumulation, gradientClip } = settings;
  const rows = rowsAtOnce(settings, length);
  const own = moments[optimizer] / (shardOptimizer ? processes : 1);
  const copies = 1 + own + (gradientClip > 0 || gradientAccumulation > 1 ? 1 : 0);
  const narrow = isAdapted(model) || !isStored(settings) ? 0 : WORD / 2;
  return {
    state: countParameters(model) * (WORD * copies - narrow) + frozenBytes(model),
    activations: WORD * rows * length * layers * width,
    rows: 2 * WORD * batchSize * gradientAccumulation * length,
  };
}

/** Whether weights are of 16 bits. */
function isStored({ weights }: TrainSettings): boolean {
  return weights === "bf16" || weights === "f16";
}

/** The rows of a forward pass, if all rows of the step have a length. */
function rowsAtOnce(
  { batchSize, gradientAccumulation, batchTokens }: TrainSettings,
  length: number,
): number {
  if (batchTokens === undefined) return batchSize;
  return Math.min(Math.max(1, Math.floor(batchTokens / length)), batchSize * gradientAccumulation);
}

/** The parameters of a model that stay as they are: those below an adapter. */
function frozenParameters(model: LanguageModel): number {
  return isAdapted(model) ? countParameters(model.base.model) : 0;
}

/** The bytes of these parameters, which may be of 16 bits. */
function frozenBytes(model: LanguageModel): number {
  if (!isAdapted(model)) return 0;
  return leavesOf(model.base.params).reduce(
    (total, { shape, dtype }) => total + sizeOf(shape) * bytesPerElement[dtype],
    0,
  );
}

/**
 * Refuses a training that is too large for the memory.
 *
 * @param stages The settings of its stages.
 * @param prepared The data of the run.
 * @param device The device.
 * @param processes The number of processes that train together (default 1).
 * @throws {UserError} If it cannot fit; the message has the need and the available memory.
 */
export function requireRoom(
  stages: readonly TrainSettings[],
  { model, stages: prepared }: Pick<Prepared, "model" | "stages">,
  device: Pick<Device, "name" | "memoryBytes">,
  processes = 1,
): void {
  for (const [stage, settings] of stages.entries()) {
    const data = prepared[stage]?.data;
    // The length of sampled or paired rows is unknown here; they have at least two tokens.
    const length = data?.kind === "demonstrations" ? (data.packed ?? data.source).length : 2;
    const { state, activations, rows } = leastRoom(model, settings, length, processes);
    const memory = Math.min(MOST_MEMORY, memoryLimit(settings, device));
    if (state > memory) {
      throw new UserError(
        `a model of ${
          (countParameters(model) + frozenParameters(model)).toLocaleString("en-US")
        } parameters takes at least ` +
          `${showBytes(state)} with its gradient and the state of ${settings.optimizer}, and ` +
          `${device.name} has ${showBytes(memory)}: ${remedyFor(settings)}`,
      );
    }
    if (state + activations > memory) {
      const { batchSize, batchTokens } = settings;
      const [flag, remedy] = batchTokens === undefined
        ? [`--batch-size ${batchSize}`, "a smaller one, with --gradient-accumulation in its place"]
        : [`--batch-tokens ${batchTokens}`, "fewer, or a smaller --context"];
      throw new UserError(
        `${flag} takes at least ${
          showBytes(state + activations)
        } with rows of ${length} tokens, and ` +
          `${device.name} has ${showBytes(memory)}: take ${remedy}`,
      );
    }
    if (rows > MOST_ROWS) {
      throw new UserError(
        `a step of ${settings.batchSize} x ${settings.gradientAccumulation} rows takes ` +
          `${showBytes(rows)}, more than ${
            showBytes(MOST_ROWS)
          }: take a smaller --gradient-accumulation`,
      );
    }
  }
}

/** The way to a model that fits. */
function remedyFor({ model, lora }: TrainSettings): string {
  if (model === undefined) return "take a smaller --width, --layers, --context or vocabulary";
  return lora ? "take a smaller model" : "train an adapter by --lora, or take a smaller model";
}
