/** Mistral 7B (Jiang et al. 2023, arXiv 2310.06825) as a row of the architectures. */
import type { Architecture } from "./architecture.ts";
import type { GatedDecoder } from "./gated_decoder.ts";
import { gatedDecoderRow, plain } from "./gated_decoder_row.ts";
import { readFullRotary, writeScaling } from "./rotary_settings.ts";

const NAME = "Mistral";

/** The window of the first Mistral, meant where settings have no `sliding_window`. */
const DEFAULT_WINDOW = 4096;

/**
 * Mistral: Llama whose tokens see those in a window.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { CheckpointError, mistral } from "@unitune/models";
 *
 * assertThrows(
 *   () => mistral.readConfig({ layer_types: ["chunked_attention"] }),
 *   CheckpointError,
 *   "layer_types",
 * );
 * ```
 */
export const mistral: Architecture<GatedDecoder<"mistral">> = gatedDecoderRow<"mistral">({
  modelType: "mistral",
  name: NAME,
  className: "Mistral",
  fixed: { layer_types: [null] },
  activation: { setting: "hidden_act", otherwise: "silu" },
  tied: false,
  headWidth: null,
  read: (settings, { context }, read) => ({
    ...plain,
    kinds: [{
      window: read.optionalNumber("sliding_window", DEFAULT_WINDOW),
      rotary: readFullRotary(NAME, settings, context),
    }],
  }),
  write: ({ kinds: [{ window, rotary }] }) => ({
    sliding_window: window,
    rope_theta: rotary.base,
    rope_scaling: writeScaling(rotary.scaling),
  }),
  presets: {},
});
