/**
 * The list of architectures, and look-ups in it. Every function takes a list, so that a caller can
 * add rows.
 */
import type { LanguageModel, LanguageModelConfig } from "../language_model.ts";
import { readingStored } from "../stored_weights.ts";
import type { Architecture } from "./architecture.ts";
import { gemma2, gemma3 } from "./gemma.ts";
import { gpt2 } from "./gpt2.ts";
import { gptNeoX } from "./gpt_neox.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { qwen2, qwen3 } from "./qwen.ts";

/**
 * The architectures of this package.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { architectures } from "@unitune/models";
 *
 * assertEquals(architectures.map(({ name }) => name), [
 *   "GPT-2",
 *   "Llama",
 *   "Mistral",
 *   "Qwen2",
 *   "Qwen3",
 *   "Gemma 2",
 *   "Gemma 3",
 *   "GPT-NeoX",
 * ]);
 * ```
 */
export const architectures: readonly Architecture[] = [
  gpt2,
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  gptNeoX,
];

/**
 * The row of an architecture.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { architectureOf } from "@unitune/models";
 *
 * assertEquals(architectureOf("gpt2").name, "GPT-2");
 * assertThrows(() => architectureOf("mamba"), RangeError, 'expected "gpt2" or ');
 * ```
 *
 * @param modelType Its name in Hugging Face's `config.json`.
 * @param rows The architectures to look in (default {@linkcode architectures}).
 * @returns The row.
 * @throws {RangeError} If there is none; the error lists the known names.
 */
export function architectureOf(
  modelType: string,
  rows: readonly Architecture[] = architectures,
): Architecture {
  const row = rows.find((row) => row.modelType === modelType);
  if (row !== undefined) return row;
  const known = rows.map((row) => JSON.stringify(row.modelType)).join(" or ");
  throw new RangeError(
    `architectureOf: model type ${JSON.stringify(modelType)} is unknown, expected ${known}`,
  );
}

/**
 * The language model of a configuration.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { languageModel, presetConfig } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano", { vocabulary: 65 }));
 * assertEquals(model.config.width, 64);
 * ```
 *
 * @param config The configuration.
 * @param rows The architectures to look in (default {@linkcode architectures}).
 * @returns The model.
 * @throws {RangeError} If the architecture is unknown, or no model has such a configuration.
 */
export function languageModel(
  config: LanguageModelConfig,
  rows: readonly Architecture[] = architectures,
): LanguageModel {
  return readingStored(architectureOf(config.modelType, rows).make(config));
}

/**
 * The sizes of a configuration by name, in the order in which they are shown. Models of one
 * architecture and the same sizes can exchange parameters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { modelSizes, presetConfig } from "@unitune/models";
 *
 * assertEquals(modelSizes(presetConfig("nano", { vocabulary: 65 })), {
 *   vocabulary: 65,
 *   context: 32,
 *   layers: 2,
 *   heads: 2,
 *   width: 64,
 * });
 * ```
 *
 * @param config The configuration.
 * @param rows The architectures to look in (default {@linkcode architectures}).
 * @returns The sizes.
 * @throws {RangeError} If the architecture is unknown.
 */
export function modelSizes(
  config: LanguageModelConfig,
  rows: readonly Architecture[] = architectures,
): Readonly<Record<string, number>> {
  return architectureOf(config.modelType, rows).sizes(config);
}

/**
 * The names of the configurations for new models, of all architectures.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { presetNames } from "@unitune/models";
 *
 * assertEquals(presetNames(), ["nano", "nano-cpu", "baby", "nano-llama"]);
 * ```
 *
 * @param rows The architectures (default {@linkcode architectures}).
 * @returns The names.
 */
export function presetNames(rows: readonly Architecture[] = architectures): readonly string[] {
  return rows.flatMap(({ presets }) => Object.keys(presets));
}

/** Values that replace a configuration's, by name; undefined values replace nothing. */
export type ConfigChanges = Readonly<Record<string, number | undefined>>;

/**
 * The configuration of a new model: a preset's, with other values for some of its entries.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { presetConfig } from "@unitune/models";
 *
 * const { context, layers } = presetConfig("nano", { vocabulary: 65, layers: 3 });
 * assertEquals([context, layers], [32, 3]);
 * assertThrows(() => presetConfig("nano", { vocabulary: 65, experts: 8 }), RangeError, "experts");
 * ```
 *
 * @param name The name of the preset.
 * @param changes The vocabulary, and entries in place of the preset's.
 * @param rows The architectures to look in (default {@linkcode architectures}).
 * @returns The configuration.
 * @throws {RangeError} If there is no such preset or entry, or no model has such a configuration.
 */
export function presetConfig(
  name: string,
  { vocabulary, ...changes }: ConfigChanges & { readonly vocabulary: number },
  rows: readonly Architecture[] = architectures,
): LanguageModelConfig {
  const presets = new Map(rows.flatMap(({ presets }) => Object.entries(presets)));
  const preset = presets.get(name);
  if (preset === undefined) {
    const known = [...presets.keys()].join(", ");
    throw new RangeError(`presetConfig: there is no preset ${JSON.stringify(name)} among ${known}`);
  }
  return changedConfig({ ...preset, vocabulary }, changes, rows);
}

/**
 * A configuration with other values for some of its entries. A dropout of 0 is that of a model whose
 * configuration has none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { changedConfig, presetConfig } from "@unitune/models";
 *
 * const config = presetConfig("nano", { vocabulary: 65 });
 * assertEquals(changedConfig(config, { context: 48, layers: undefined }), { ...config, context: 48 });
 * ```
 *
 * @param config The configuration.
 * @param changes The values by the names of the entries.
 * @param rows The architectures to look in (default {@linkcode architectures}).
 * @returns The configuration with the changes.
 * @throws {RangeError} If there is no such entry, or no model has such a configuration.
 */
export function changedConfig(
  config: LanguageModelConfig,
  changes: ConfigChanges,
  rows: readonly Architecture[] = architectures,
): LanguageModelConfig {
  const row = architectureOf(config.modelType, rows);
  const changed = Object.entries(changes).filter(([, value]) => value !== undefined);
  const unknown = changed.find(([name, value]) =>
    !Object.hasOwn(config, name) && !(name === "dropout" && value === 0)
  );
  if (unknown !== undefined) {
    throw new RangeError(`${row.name}: there is no ${unknown[0]} in the configuration of a model`);
  }
  return row.make({
    ...config,
    ...Object.fromEntries(changed.filter(([name]) => Object.hasOwn(config, name))),
  }).config;
}
