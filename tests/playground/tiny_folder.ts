/** A folder as a visitor has it, with a tiny model. */
import { key } from "@unitune/core";
import { byteTokenizer, encodeCheckpoint, languageModel, presetConfig } from "@unitune/models";

/** Its tokenizer: one token for each byte. */
export const tokenizer = byteTokenizer();

const sizes = { vocabulary: tokenizer.size, context: 48, layers: 1, heads: 2, width: 8 };

/** The model. */
export const model = languageModel(presetConfig("nano-llama", sizes));

/** Its parameters. */
export const params = model.init(key(1));

/** The files of the folder, by name. */
export async function tinyFolder(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const texts = [...tokenizer.files()].map(([name, text]) =>
    [name, new TextEncoder().encode(text)] as const
  );
  return new Map([...await encodeCheckpoint({ model, params }), ...texts]);
}
