/** Weights of 16 bits: stored as they are in a checkpoint, and read as f32. */
import { inFloats } from "@unitune/core";
import type { LanguageModel } from "./language_model.ts";

/**
 * The same model, whose parameters may be of 16 bits. The models of {@linkcode languageModel} and
 * {@linkcode readCheckpoint} are such.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cast, key, mapTree, tensor } from "@unitune/core";
 * import { gpt, gptPresets, readingStored } from "@unitune/models";
 *
 * const model = readingStored(gpt({ ...gptPresets.nano, vocabulary: 65 }));
 * const params = mapTree(model.init(key(0)), (leaf) => cast(leaf, "bf16"));
 * const ids = tensor([[1, 2, 3]], { dtype: "i32" });
 * assertEquals(model.embed(params, ids).dtype, "f32");
 * ```
 *
 * @param model A model of any architecture.
 * @returns The model; its functions cast parameters of 16 bits to f32 where they read them.
 */
export function readingStored<M extends LanguageModel>(model: M): M {
  return {
    ...model,
    embed: (params, ids) => model.embed(inFloats(params), ids),
    hidden: (params, embeddings, options) => model.hidden(inFloats(params), embeddings, options),
    head: (params) => model.head(inFloats(params)),
    decode: (params, ids, cache, place) => model.decode(inFloats(params), ids, cache, place),
  };
}
