/** Folders with tiny pretrained models, as those of the hub are laid out. */
import { key, mapTree, mul } from "@unitune/core";
import {
  baseTemplates,
  byteTokenizer,
  checkpointFiles,
  contentBytes,
  languageModel,
  presetConfig,
  type WeightsDType,
} from "@unitune/models";
import { withChatTemplate } from "@unitune/models/pretrained";

/** Options of a model. */
export interface TinyModelOptions {
  /** The preset (default `nano-llama`). */
  readonly preset?: string;
  /** The seed of its weights (default 0). */
  readonly seed?: number;
  /** The factor of its weights, which are nearly 0 at first (default 1). */
  readonly scale?: number;
  /** The element type of its weights in the file (default f32). */
  readonly dtype?: WeightsDType;
  /** Whether it is a base model, without a chat template (default false). */
  readonly isBase?: boolean;
}

/** The files of a tokenizer without its chat template, which is in one of two places. */
function withoutTemplate(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const { chat_template: _, ...config } = JSON.parse(files.get("tokenizer_config.json") ?? "{}");
  const others = [...files].filter(([name]) => name !== "chat_template.jinja");
  return new Map([...others, ["tokenizer_config.json", JSON.stringify(config)]]);
}

/**
 * Writes a model of one layer, with a tokenizer of bytes whose chat template is ChatML.
 *
 * @returns The folder.
 */
export async function writeTinyModel(
  folder: string,
  { preset = "nano-llama", seed = 0, scale = 1, dtype = "f32", isBase = false }: TinyModelOptions =
    {},
): Promise<string> {
  const files = withChatTemplate(byteTokenizer().files(), baseTemplates.chatml);
  const base = withoutTemplate(files);
  // Two tokens follow the 261 of bytes and roles, and one id is of no token.
  const config = presetConfig(preset, { vocabulary: 264, layers: 1, context: 192 });
  const model = languageModel(config);
  const params = mapTree(model.init(key(seed)), (leaf) => mul(leaf, scale));
  const encoded = checkpointFiles({ model, params }, { tokens: { eos: 262 }, dtype });
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, text] of isBase ? base : files) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  for (const [name, content] of encoded) {
    await Deno.writeFile(`${folder}/${name}`, await contentBytes(content));
  }
  return folder;
}
