/** Weights of 16 bits: stored as they are in a checkpoint, and read as f32. */
import { cast, isStorage, leavesOf, mapTree } from "@unitune/core";
import type { LanguageModel } from "./language_model.ts";

/**
 * A tree whose tensors of 16 bits are cast to f32. In a compiled function nothing is copied: the
 * readers of the casts read the tensors of 16 bits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { inFloats } from "@unitune/models";
 *
 * const { weight } = inFloats({ weight: tensor([1, 2], { dtype: "bf16" }) });
 * assertEquals(weight.dtype, "f32");
 * assertEquals(await weight.data(), new Float32Array([1, 2]));
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @returns The tree; the same one, if no tensor has 16 bits.
 */
export function inFloats<T>(tree: T): T {
  if (!leavesOf(tree).some(({ dtype }) => isStorage(dtype))) return tree;
  return mapTree(tree, (leaf) => isStorage(leaf.dtype) ? cast(leaf, "f32") : leaf);
}

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
