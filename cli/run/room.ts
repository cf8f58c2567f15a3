/**
 * Whether a training has room in memory, before anything of it is made.
 *
 * @module
 */

import { countParameters, type LanguageModel } from "@unitune/models";
import { UserError } from "@unitune/training";
import type { Prepared } from "../data/prepare.ts";
import type { TrainSettings } from "../flags/settings.ts";

/** Bytes of a number in f32, of a token's id, or of its mask. */
const WORD = 4;

/**
 * Bytes that there are: those of a WebAssembly memory. Other devices may have more, which no setting
 * tells; so what is refused there is what the host could not hold either.
 */
const memoryOf = (device: string): number => device === "wasm" ? 2 ** 32 : 2 ** 36;

/** Bytes of the rows of a step, which the host makes before the device gets them. */
const MOST_ROWS = 2 ** 31;

/** Numbers that an optimizer keeps for each parameter. */
const moments: { readonly [Name in TrainSettings["optimizer"]]: number } = {
  adamw: 2,
  rmsprop: 1,
  lion: 1,
  sgd: 1,
};

/** What a training needs at the least, in bytes. */
export interface Room {
  /** Parameters, the optimizer's state, and the gradient where its norm is limited as a whole. */
  readonly state: number;
  /** What one forward pass leaves for its gradient: each block's input, and the logits. */
  readonly activations: number;
  /** The rows of a step: ids and masks. */
  readonly rows: number;
}

/**
 * The least memory that a training takes; it takes some more.
 *
 * With P parameters, m numbers of the optimizer for each, B rows of T tokens, L layers of width D and
 * V tokens: `4 P (1 + m + 1)` bytes of state and `4 B T (L D + V)` of activations.
 *
 * @param model The language model.
 * @param settings The settings of a stage.
 * @param length The tokens of a row.
 * @returns The bytes.
 *
 * @example
 * ```ts
 * import { leastRoom } from "./room.ts";
 * import { trainSettings } from "@unitune/cli";
 * import { gpt } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const model = gpt({ vocabulary: 8, context: 4, layers: 1, heads: 1, width: 2, dropout: 0 });
 * const { state, activations } = leastRoom(model, trainSettings({ batchSize: 2 }), 4);
 * assertEquals(state, 4 * 102 * 4); // 102 parameters
 * assertEquals(activations, 4 * 2 * 4 * (2 + 8));
 * ```
 */
export function leastRoom(
  model: LanguageModel,
  settings: TrainSettings,
  length: number,
): Room {
  const { layers, width, vocabulary } = model.config;
  const { optimizer, batchSize, gradientAccumulation, gradientClip } = settings;
  const copies = 1 + moments[optimizer] + (gradientClip > 0 || gradientAccumulation > 1 ? 1 : 0);
  return {
    state: WORD * countParameters(model) * copies,
    activations: WORD * batchSize * length * (layers * width + vocabulary),
    rows: 2 * WORD * batchSize * gradientAccumulation * length,
  };
}

/**
 * Refuses a training that has no room.
 *
 * @param stages The settings of its stages.
 * @param prepared What it trains on.
 * @param device Where it computes, by name.
 * @throws {UserError} Where it cannot fit, with what it takes and what there is.
 */
export function requireRoom(
  stages: readonly TrainSettings[],
  { model, stages: prepared }: Pick<Prepared, "model" | "stages">,
  device: string,
): void {
  for (const [stage, settings] of stages.entries()) {
    const data = prepared[stage]?.data;
    // Of rows that are sampled or paired no less is known than that a token follows another.
    const length = data?.kind === "demonstrations" ? data.source.length : 2;
    const { state, activations, rows } = leastRoom(model, settings, length);
    const memory = memoryOf(device);
    if (state > memory) {
      throw new UserError(
        `a model of ${countParameters(model).toLocaleString("en-US")} parameters takes at least ` +
          `${bytes(state)} with its gradient and the state of ${settings.optimizer}, and ` +
          `${device} has ${
            bytes(memory)
          }: take a smaller --width, --layers, --context or vocabulary`,
      );
    }
    if (state + activations > memory) {
      throw new UserError(
        `--batch-size ${settings.batchSize} takes at least ${
          bytes(state + activations)
        } with rows ` +
          `of ${length} tokens, and ${device} has ${bytes(memory)}: take a smaller one, with ` +
          `--gradient-accumulation in its place`,
      );
    }
    if (rows > MOST_ROWS) {
      throw new UserError(
        `a step of ${settings.batchSize} x ${settings.gradientAccumulation} rows takes ` +
          `${bytes(rows)}, more than ${bytes(MOST_ROWS)}: take a smaller --gradient-accumulation`,
      );
    }
  }
}

/** A number of bytes in the largest unit that it has one of: `4 GiB`. */
function bytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${Number((count / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
