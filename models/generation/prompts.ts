/** Prompts that are read together, each of them once. */
import { type Tensor, tensor } from "@unitune/core";
import type { PlaceSizes } from "./programs.ts";
import { powerAbove, sizeAbove } from "./sizes.ts";

/**
 * The most tokens that are read at once, padding included, unless a single prompt has more: enough to
 * keep the processor busy, and few enough that their states are small beside the weights.
 */
const TOKENS_AT_ONCE = 1024;

/** Prompts in a form in which they are read: padded behind with any id. */
export interface PromptBatch {
  /** The prompts by their text, with their numbers. */
  readonly numbers: ReadonlyMap<string, number>;
  /** i32 `[N, T]`. */
  readonly ids: Tensor;
  /** The tokens of each, i32 `[N]`. */
  readonly count: Tensor;
}

/** A prompt that waits. */
export interface Waiting {
  /** Its text, by which equal prompts are equal. */
  readonly key: string;
  /** Its tokens. */
  readonly ids: readonly number[];
}

/**
 * The rows in which some prompts are read, padded to a length: as many as are read at once at most.
 *
 * @param prompts The number of prompts.
 * @param sizes The length of a row, and the places, of which each gets a prompt at most.
 */
export function mostPrompts(
  prompts: number,
  { length, places }: { readonly length: number; readonly places: number },
): number {
  const room = Math.max(1, Math.floor(TOKENS_AT_ONCE / length));
  return Math.min(powerAbove(prompts), places, room);
}

/**
 * The first of the prompts that wait, each once, as many as are read at once and at most one a place.
 *
 * @param prompts The prompts, in order.
 * @param first The number of the first one that waits.
 * @param sizes The places; their columns are enough for each prompt.
 */
export function nextPrompts(
  prompts: readonly Waiting[],
  first: number,
  { places, columns }: PlaceSizes,
): PromptBatch {
  const taken = new Map<string, readonly number[]>();
  let length = 0;
  for (const { key, ids } of prompts.slice(first)) {
    if (taken.has(key)) continue;
    const grown = Math.max(length, Math.min(sizeAbove(ids.length), columns));
    const fits = taken.size < places && (taken.size + 1) * grown <= TOKENS_AT_ONCE;
    if (!fits && taken.size > 0) break;
    taken.set(key, ids);
    length = grown;
  }
  const rows = mostPrompts(taken.size, { length, places });
  const padded = new Int32Array(rows * length);
  const count = new Int32Array(rows).fill(1);
  [...taken.values()].forEach((ids, i) => {
    padded.set(ids, i * length);
    count[i] = ids.length;
  });
  return {
    numbers: new Map([...taken.keys()].map((key, i) => [key, i])),
    ids: tensor(padded, { dtype: "i32", shape: [rows, length] }),
    count: tensor(count, { dtype: "i32" }),
  };
}
