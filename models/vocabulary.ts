/** A larger vocabulary for a model that is there. */
import {
  add,
  cast,
  concat,
  inFloats,
  key,
  leafPaths,
  mapTree,
  mean,
  type Shape,
  type Tensor,
  zeros,
} from "@unitune/core";
import type { Architecture } from "./architectures/architecture.ts";
import { architectures, languageModel } from "./architectures/registry.ts";
import type { LanguageModel } from "./language_model.ts";

/**
 * A model with more tokens. The embedding of a new token, and its row of the head where that is not
 * tied, begins as the mean of the others (Hewitt 2021), so that its logit is about the mean logit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { growVocabulary, gpt, gptPresets } from "@unitune/models";
 *
 * const model = gpt({ ...gptPresets.nano, vocabulary: 65 });
 * const grown = growVocabulary({ model, params: model.init(key(0)) }, 67);
 * assertEquals(grown.model.config.vocabulary, 67);
 * ```
 *
 * @param saved The model and its parameters.
 * @param vocabulary The number of tokens, not less than the model has.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The larger model and its parameters, computed when first read.
 * @throws {RangeError} If the model has more tokens, or its architecture is unknown.
 */
export function growVocabulary(
  { model, params }: { readonly model: LanguageModel; readonly params: unknown },
  vocabulary: number,
  rows: readonly Architecture[] = architectures,
): { readonly model: LanguageModel; readonly params: unknown } {
  const { vocabulary: before } = model.config;
  if (vocabulary < before) {
    throw new RangeError(`growVocabulary: the model has ${before} tokens, more than ${vocabulary}`);
  }
  const grown = languageModel({ ...model.config, vocabulary }, rows);
  const like = leafPaths(grown.init(key(0)));
  return {
    model: grown,
    params: mapTree(params, (leaf, path) => lengthened(leaf, like.get(path)?.shape ?? leaf.shape)),
  };
}

/** A matrix with further rows, each the mean of those that it has: `[V, D] -> [V', D]`. */
function lengthened(x: Tensor, shape: Shape): Tensor {
  const [[rows, ...own], [wanted, ...others]] = [x.shape, shape];
  if (rows === undefined || wanted === undefined || rows === wanted) return x;
  if (own.length !== 1 || own[0] !== others[0]) {
    throw new RangeError("growVocabulary: the vocabulary is the length of matrices only");
  }
  const numbers = inFloats(x);
  const row = mean(numbers, { axes: [0], keepDims: true }); // [1, D]
  const further = add(zeros([wanted - rows, ...own], numbers.dtype), row);
  return concat([x, cast(further, x.dtype)], 0);
}
