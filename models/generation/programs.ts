/**
 * The programs of generation, in which each row of a batch is at a place of its own.
 *
 * Shapes: B places, N prompts, T tokens of the longest prompt, S columns of the cache, V vocabulary.
 */
import {
  abs,
  add,
  argmax,
  compile,
  type CompileOptions,
  dims,
  dynamicSlice,
  dynamicUpdate,
  gather,
  less,
  lessEqual,
  maximum,
  minimum,
  rem,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
  zipTrees,
} from "@unitune/core";
import type { CachedModel } from "../language_model.ts";
import { sampleTokens, type Sampling } from "../sampling.ts";

/** Stands in place of a token where there is none. */
export const NO_TOKEN = -1;

/** The bound of a finite sum of logits, next to the largest f32. */
const LARGEST = 3.4e38;

/** The number of tokens of a place that stay on the device until they are read, R. */
export const KEPT_TOKENS = 8;

/** The numbers of the completions in the places; they stay the same while these grow. */
export type Occupation = {
  /** The lengths of the prompts, i32 `[B]`. */
  readonly lengths: Tensor;
  /** The rule by which tokens are drawn (default: greedily). */
  readonly sampling?: Sampling;
};

/** The state that a step replaces. */
export type Places<C> = {
  /** Keys and values of all tokens but the last of each place. */
  readonly cache: C;
  /** The last tokens of each place, i32 `[B, R]`, that of draw d where d is slot modulo R. */
  readonly tokens: Tensor;
  /** The column among the tokens where the last ones are, a scalar i32. */
  readonly slot: Tensor;
  /** The column of the cache for the last token of each place, i32 `[B]`. */
  readonly columns: Tensor;
};

/** Prompts that were read. */
export type ReadPrompts<C> = {
  /** Keys and values of their tokens, a tree of `[N, T, ...]`. */
  readonly cache: C;
  /** The logits of the token after each, `[N, V]`. */
  readonly logits: Tensor;
};

/** The sizes of the places. */
export type PlaceSizes = {
  /** Places, B. */
  readonly places: number;
  /** Columns of the cache, S. */
  readonly columns: number;
};

/** The programs of generation. */
export interface GenerationPrograms<P, C> extends Disposable {
  /** Reads prompts (i32 `[N, T]`), padded behind to one length, of `count` tokens each (i32 `[N]`). */
  readonly read: (params: P, prompts: Tensor, count: Tensor) => ReadPrompts<C>;
  /**
   * Gives each place the prompt whose number is in `from` (i32 `[B]`), and chooses its first token; a
   * place with the number -1 keeps what it has. The places are donated; null stands for new ones.
   */
  readonly occupy: (
    occupation: Occupation,
    places: Places<C> | null,
    prompts: ReadPrompts<C>,
    from: Tensor,
    sizes: PlaceSizes,
  ) => Places<C>;
  /**
   * Reads the last token of each place, and chooses one more, as often as `steps` says. The places are
   * donated.
   */
  readonly step: (
    steps: number,
    params: P,
    occupation: Occupation,
    places: Places<C>,
    sizes: PlaceSizes,
  ) => Places<C>;
}

/** The tokens of the `draws`-th draw, i32 `[B]`. */
function choose(logits: Tensor, draws: Tensor, sampling: Sampling | undefined): Tensor {
  const chosen = sampling === undefined ? argmax(logits) : sampleTokens(logits, sampling, draws);
  // Logits that are not finite give no token, whose id is in no vocabulary.
  const isFinite = less(abs(sum(logits, { axes: [-1] })), LARGEST);
  return where(isFinite, chosen, NO_TOKEN);
}

/** Tokens written to a column of those that are kept. */
function keep(tokens: Tensor, slot: Tensor, chosen: Tensor): Tensor {
  return dynamicUpdate(tokens, 1, slot, reshape(chosen, [-1, 1]));
}

/**
 * Compiles generation for a model; every program is compiled when its sizes are first met.
 *
 * @param model The model.
 * @param options The device.
 */
export function generationPrograms<P, C>(
  model: CachedModel<P, C>,
  options: Pick<CompileOptions, "device">,
): GenerationPrograms<P, C> {
  const read = compile((params: P, prompts: Tensor, count: Tensor): ReadPrompts<C> => {
    const { N, T } = dims(prompts, "N T", "generate: prompts");
    return model.decode(params, prompts, model.emptyCache(N, T), {
      start: zeros([N], "i32"),
      count,
    });
  }, options);

  const occupy: GenerationPrograms<P, C>["occupy"] = (
    { lengths, sampling },
    before,
    prompts,
    from,
    { places: B, columns: S },
  ) => {
    const { cache, tokens, slot, columns } = before ?? {
      cache: model.emptyCache(B, S),
      tokens: zeros([B, KEPT_TOKENS], "i32"),
      slot: zeros([], "i32"),
      columns: zeros([B], "i32"),
    };
    const isNew = lessEqual(0, from); // [B]
    const number = maximum(from, 0);
    const draws = zeros([B], "i32");
    const chosen = choose(gather(prompts.logits, number), draws, sampling);
    const last = reshape(dynamicSlice(tokens, 1, slot, 1), [B]);
    return {
      cache: zipTrees(cache, prompts.cache, (kept, read) => {
        const [, T = 0, ...inner] = read.shape;
        const chosen = reshape(isNew, [B, 1, ...inner.map(() => 1)]);
        const start = where(chosen, gather(read, number), slice(kept, 1, 0, T)); // [B, T, ...]
        return dynamicUpdate(kept, 1, 0, start);
      }),
      tokens: keep(tokens, slot, where(isNew, chosen, last)),
      slot,
      columns: where(isNew, lengths, columns),
    };
  };

  const step = (
    params: P,
    { lengths, sampling }: Occupation,
    { cache, tokens, slot, columns }: Places<C>,
    { columns: S }: PlaceSizes,
  ): Places<C> => {
    const ids = dynamicSlice(tokens, 1, slot, 1); // [B, 1]
    const decoded = model.decode(params, ids, cache, { start: columns });
    // A place whose completion has ended goes on until its tokens are read.
    const next = minimum(add(columns, 1), S - 1);
    const chosen = choose(decoded.logits, sub(next, lengths), sampling);
    const after = rem(add(slot, 1), KEPT_TOKENS);
    return {
      cache: decoded.cache,
      tokens: keep(tokens, after, chosen),
      slot: after,
      columns: next,
    };
  };

  const occupying = compile(occupy, { ...options, donate: [1] });
  const stepping = compile(step, { ...options, donate: [2] });
  return {
    read,
    occupy: occupying,
    step: stepping.iterate,
    [Symbol.dispose]() {
      for (const program of [read, occupying, stepping]) program[Symbol.dispose]();
    },
  };
}
