/**
 * Writing checkpoints in the layout of Hugging Face, which other tools read: `config.json` and
 * `model.safetensors`, with the names that the architecture's row gives to settings and tensors. A
 * model with a head of one number is written as a `...ForSequenceClassification` of one label.
 */
import { encodeSafetensors, key, type TensorData, toRawTensor } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import { architectureOf, architectures } from "../architectures/registry.ts";
import { CONFIG, settingsText } from "../architectures/settings.ts";
import type { LanguageModel } from "../language_model.ts";
import {
  bareNames,
  emptyScore,
  named,
  type SavedModel,
  scoreName,
  type TextTokens,
} from "./saved_model.ts";
import { fillTree, readTree } from "./tree_file.ts";
import { WEIGHTS } from "./weights.ts";

/**
 * A model as the files of a Hugging Face checkpoint, f32.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { decodeCheckpoint, encodeCheckpoint, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 });
 * const files = await encodeCheckpoint({ model, params: model.init(key(0)) }, { eos: 1 });
 * assertEquals([...files.keys()], ["config.json", "model.safetensors"]);
 * assertEquals((await decodeCheckpoint(files)).model.config, model.config);
 * ```
 *
 * @param saved The model, its parameters, and its head of one number, if it has one.
 * @param tokens The tokens that begin, end and pad a text.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The files' bytes by name.
 * @throws {RangeError} If the architecture is unknown.
 * @throws {CheckpointError} If the parameters do not have the model's sizes.
 */
export async function encodeCheckpoint<M extends LanguageModel>(
  { model, params, score }: SavedModel<M>,
  tokens: TextTokens = {},
  rows: readonly Architecture[] = architectures,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { config } = model;
  const row = architectureOf(config.modelType, rows);
  const leaves = await readTree(params);
  const remedy = "save parameters with their own configuration";
  const bare = bareNames(row.tensors);
  fillTree(model.init(key(0)), named(leaves, bare), remedy, bare);
  const head = score === undefined ? new Map<string, TensorData>() : await readTree(score);
  fillTree(score && emptyScore(model), named(head, scoreName), remedy, scoreName);
  const settings = {
    architectures: [score === undefined ? row.classes.languageModel : row.classes.rewardModel],
    ...(score !== undefined && { num_labels: 1 }),
    model_type: row.modelType,
    ...row.writeConfig(config),
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos ?? null,
    ...(tokens.pad !== undefined && { pad_token_id: tokens.pad }),
  };
  const tensors = new Map(
    [...named(leaves, row.tensors.nameOf), ...named(head, scoreName)].map(([name, leaf]) =>
      [name, toRawTensor(leaf)] as const
    ),
  );
  return new Map([
    [CONFIG, new TextEncoder().encode(settingsText(settings))],
    [WEIGHTS, encodeSafetensors(tensors, { format: "pt" })],
  ]);
}
