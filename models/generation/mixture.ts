/** The geometric mixture of a language model at two sets of parameters, as a model that generates. */
import { add, checkOptions, mul, ranges } from "@unitune/core";
import type { CachedModel } from "../language_model.ts";

/** The parameters of a mixture, or its caches: two of the same kind. */
export interface Mixed<T> {
  /** Of the model that has the rest of the share. */
  readonly own: T;
  /** Of the model whose share is given. */
  readonly other: T;
}

/**
 * A model whose logits are `(1 - share) own + share other`: it draws from the normalized product of
 * both distributions, each to the power of its share.
 *
 * @example
 * ```ts
 * import { key, mapTree, mul } from "@unitune/core";
 * import { createGenerator, geometricMixture, gpt } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = { vocabulary: 5, context: 8, layers: 1, heads: 1, width: 8 };
 * const model = gpt({ ...sizes, dropout: 0 });
 * const [own, other] = [model.init(key(0)), model.init(key(1))];
 * const mixture = createGenerator(geometricMixture(model, { share: 1 }));
 * const alone = createGenerator(model);
 * const options = { maxNewTokens: 3, stop: [] };
 * assertEquals(
 *   await mixture.generate({ own, other }, [[1, 2]], options),
 *   await alone.generate(other, [[1, 2]], options),
 * );
 * ```
 *
 * @param model The model.
 * @param options The share of the other parameters, from 0 to 1.
 * @returns The mixture, whose parameters and cache are two of the model's.
 * @throws {RangeError} If the share is out of range.
 */
export function geometricMixture<P, C>(
  model: CachedModel<P, C>,
  { share }: { readonly share: number },
): CachedModel<Mixed<P>, Mixed<C>> {
  checkOptions("geometricMixture", { share: ranges.share }, { share });
  return {
    config: model.config,
    emptyCache: (batch, columns) => ({
      own: model.emptyCache(batch, columns),
      other: model.emptyCache(batch, columns),
    }),
    decode(params, ids, cache, place) {
      const own = model.decode(params.own, ids, cache.own, place);
      const other = model.decode(params.other, ids, cache.other, place);
      return {
        logits: add(mul(own.logits, 1 - share), mul(other.logits, share)),
        cache: { own: own.cache, other: other.cache },
      };
    },
  };
}
