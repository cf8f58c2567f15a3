/**
 * The keys that a query of attention sees, and the queries that a key sees: a range of positions,
 * and within it the members of its segment.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import { countOf, groupOf, positionOf, type Side } from "./head_vectors.ts";

/** The largest i32. */
const MOST = 2 ** 31 - 1;

/** A limit of `s - t` for the keys s that query t sees: known, or the name of an i32. */
type Limit = number | string;

/** The others that a row sees, by the numbers of both. */
export interface Seen {
  /** Statements that define the bounds of the ranges, for the sequence whose start is `start`. */
  readonly lines: readonly string[];
  /** The first other that a row sees. */
  readonly from: (row: string) => string;
  /** Whether all rows see others from the first one on. */
  readonly isFromFirst: boolean;
  /** The other after the last one that a row sees. */
  readonly to: (row: string) => string;
  /** The most others that some rows side by side see, those between included. */
  readonly span: (rows: number) => number;
  /** Whether a query may see no key. */
  readonly mayBeEmpty: boolean;
}

function clampBetween(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** A sum of an i32 and a limit, and one more or one less, as text. */
function plus(position: string, limit: Limit, more: 0 | 1): string {
  const sum = typeof limit === "number" ? `(${limit + more})` : more === 0 ? limit : `${limit} + 1`;
  return `i32(${position}) + ${sum}`;
}

/** A difference of an i32 and a limit, and one more, as text. */
function minus(position: string, limit: Limit, more: 0 | 1): string {
  return typeof limit === "number"
    ? `i32(${position}) + (${more - limit})`
    : `i32(${position}) - ${limit} + ${more}`;
}

/** The others that rows of a side see: query t sees keys s with `low <= s - t <= high`. */
export function seenBy(sizes: AttentionSizes, side: Side): Seen {
  const { queries, keys, causal, start, segments } = sizes;
  const window = sizes.window === null ? undefined : Math.min(sizes.window, MOST);
  const group = groupOf(sizes);
  const lines: string[] = [];
  /** Limits relative to the start, in the range from no key of any query to every key. */
  const limit = (name: string, relative: number | undefined, none: number): Limit => {
    if (relative === undefined) return none;
    if (start.kind === "known") return clampBetween(start.position + relative, -queries, keys);
    const [least, most] = [
      Math.max(-queries - relative, -MOST),
      Math.min(keys - relative, MOST),
    ];
    lines.push(`let ${name} = clamp(start, ${least}, ${most}) + (${relative});`);
    return name;
  };
  const low = limit("low", window === undefined ? undefined : 1 - window, -queries);
  const high = limit("high", causal ? 0 : window === undefined ? undefined : window - 1, keys);
  const isLowest = typeof low === "number" && low <= 1 - queries;
  const isHighest = typeof high === "number" && high >= keys - 1;
  const isFull = typeof low === "number" && typeof high === "number" && keys > 0 &&
    high >= 0 && low <= keys - queries;
  const others = countOf(sizes, side === "keys" ? "queries" : "keys");
  const between = (position: string) => {
    const inRange = `u32(clamp(${position}, 0, ${side === "keys" ? queries : keys}))`;
    return side === "keys" && group !== 1 ? `${inRange} * ${group}u` : inRange;
  };
  const [isFromFirst, isToLast] = side === "keys" ? [isHighest, isLowest] : [isLowest, isHighest];
  const position = (row: string) => positionOf(sizes, side, row);
  return {
    lines,
    isFromFirst,
    from: (row) =>
      isFromFirst
        ? "0u"
        : between(side === "keys" ? minus(position(row), high, 0) : plus(position(row), low, 0)),
    to: (row) =>
      isToLast
        ? `${others}u`
        : between(side === "keys" ? minus(position(row), low, 1) : plus(position(row), high, 1)),
    span(rows) {
      if (window === undefined) return others;
      const positions = (causal ? window : 2 * window - 1) + rows - 1;
      return Math.min(others, side === "keys" ? positions * group : positions);
    },
    mayBeEmpty: segments !== undefined || !isFull,
  };
}
