/** A folder as a visitor has it, with a tiny model. */
import { key } from "@unitune/core";
import {
  byteTokenizer,
  checkpointFiles,
  contentBytes,
  languageModel,
  presetConfig,
} from "@unitune/models";

/** Its tokenizer: one token for each byte. */
export const tokenizer = byteTokenizer();

const sizes = { vocabulary: tokenizer.size, context: 48, layers: 1, heads: 2, width: 8 };

/** The model. */
export const model = languageModel(presetConfig("nano-llama", sizes));

/** Its parameters. */
export const params = model.init(key(1));

/**
 * The files of the folder, by name.
 *
 * @param maxShardBytes The most bytes of a file of weights (default: one file has all).
 */
export async function tinyFolder(
  maxShardBytes?: number,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const options = { ...maxShardBytes !== undefined && { maxShardBytes } };
  const contents = [...checkpointFiles({ model, params }, options), ...tokenizer.files()];
  const files = contents.map(async ([name, content]) =>
    [name, await contentBytes(content)] as const
  );
  return new Map(await Promise.all(files));
}
