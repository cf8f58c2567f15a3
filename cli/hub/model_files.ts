/**
 * The names of the files of a model, in a folder, in the cache and on the hub.
 *
 * @module
 */

import { isRecord } from "../files/guards.ts";

/** The file that every model has. */
export const CONFIG = "config.json";

/** The file of a model's tokenizer. */
export const TOKENIZER = "tokenizer.json";

/** The file of all weights of a model. */
export const WEIGHTS = "model.safetensors";

/** The file that names those of the weights. */
export const INDEX = `${WEIGHTS}.index.json`;

/** The files of an adapter: its configuration and its weights. */
export const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"] as const;

/**
 * The names of the files of weights in an index. What else an index may hold is checked by its
 * reader.
 *
 * @param index The value of the file.
 * @returns The names, each once.
 *
 * @example
 * ```ts
 * import { shardsIn } from "./model_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const index = { weight_map: { a: "1.safetensors", b: "1.safetensors", c: "../2.safetensors" } };
 * assertEquals(shardsIn(index), ["1.safetensors"]);
 * ```
 */
export function shardsIn(index: unknown): readonly string[] {
  const map = isRecord(index) ? index.weight_map : undefined;
  const files = isRecord(map) ? Object.values(map) : [];
  return [...new Set(files.filter((file) => typeof file === "string"))].filter((file) =>
    /^[\w.-]+\.safetensors$/.test(file)
  );
}
