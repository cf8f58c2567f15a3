/** The keys that queries of attention see, by their positions. */
import type { AttentionSizes } from "./kernels.ts";

/** Windows from here on hide nothing: positions and windows are added in words of 32 bits. */
const FAR = 2 ** 29;

/**
 * The number of keys that a query sees to its left, its own position included; undefined for all.
 */
export function windowOf({ window }: AttentionSizes): number | undefined {
  return window === null || window >= FAR ? undefined : window;
}

/** The number of keys that a query sees to the right of its own position; undefined for all. */
export function reachOf(sizes: AttentionSizes): number | undefined {
  const window = windowOf(sizes);
  if (sizes.causal) return 0;
  return window === undefined ? undefined : window - 1;
}

/** The most keys that a number of neighbouring queries see. */
export function mostKeys(sizes: AttentionSizes, queries: number): number {
  const [window, reach] = [windowOf(sizes), reachOf(sizes)];
  return window === undefined || reach === undefined
    ? sizes.keys
    : Math.min(sizes.keys, queries + window - 1 + reach);
}

/** The rough number of pairs of a query and a key that it sees, for one head of a sequence. */
export function pairsOf(sizes: AttentionSizes): number {
  const { queries, keys, causal, start } = sizes;
  const seen = causal && start.kind === "known"
    ? Math.min(keys, Math.max(0, start.position + queries / 2))
    : keys;
  return queries * Math.min(seen, mostKeys(sizes, 1));
}
