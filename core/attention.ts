/** The parameters of the primitives of attention, and the order of their operands. */

/** The scoring of queries in attention, and the keys that a query sees. */
export interface AttentionParameters {
  /** The factor of the products of queries and keys. */
  readonly scale: number;
  /** The bound c of scores, `c tanh(x / c)`; null for none. */
  readonly softcap: number | null;
  /** Whether a query sees no key behind its own position. */
  readonly causal: boolean;
  /** A query at p sees keys s with `|p - s| < window`; null for all. */
  readonly window: number | null;
  /** The position of the first query among the keys; `"operand"` if an operand says it. */
  readonly start: number | "operand";
  /** Whether operands say to which segments queries and keys belong. */
  readonly segments: boolean;
}

/** The operands of attention by name. */
export interface AttentionOperands<T> {
  /** Queries `[B, T, Hq, D]`. */
  readonly q: T;
  /** Keys `[B, S, Hkv, D]`. */
  readonly k: T;
  /** Values `[B, S, Hkv, D]`. */
  readonly v: T;
  /** The position of the first query of each sequence, i32 `[B]`. */
  readonly start: T | undefined;
  /** The segment of each query, i32 `[B, T]`, and of each key, i32 `[B, S]`. */
  readonly segments: { readonly queries: T; readonly keys: T } | undefined;
}

/** The operands of the gradient of attention by name. */
export interface AttentionGradientOperands<T> extends AttentionOperands<T> {
  /** The cotangent of the result, `[B, T, Hq, D]`. */
  readonly g: T;
}

/** Operands that are taken one after the other, all of them. */
function inTurn<T>(operation: string, operands: readonly T[]): { take(): T; end(): void } {
  let taken = 0;
  const wrong = () => new RangeError(`${operation}: ${operands.length} operands do not fit`);
  return {
    take() {
      const operand = operands[taken++];
      if (operand === undefined) throw wrong();
      return operand;
    },
    end() {
      if (taken !== operands.length) throw wrong();
    },
  };
}

/** The operands after queries, keys, values and cotangent. */
function maskOperands<T>(
  take: () => T,
  { start, segments }: AttentionParameters,
): Pick<AttentionOperands<T>, "start" | "segments"> {
  return {
    start: start === "operand" ? take() : undefined,
    segments: segments ? { queries: take(), keys: take() } : undefined,
  };
}

/**
 * The operands of the primitive `attention`: q, k, v, then the start and the segments of queries and
 * keys, as far as the parameters say that there are such operands.
 *
 * @throws {RangeError} If there are more or fewer.
 */
export function attentionOperands<T>(
  operands: readonly T[],
  parameters: AttentionParameters,
): AttentionOperands<T> {
  const { take, end } = inTurn("attention", operands);
  const named = { q: take(), k: take(), v: take(), ...maskOperands(take, parameters) };
  end();
  return named;
}

/**
 * The operands of the primitive `attentionGradient`: the operands of `attention`, with g after v.
 *
 * @throws {RangeError} If there are more or fewer.
 */
export function attentionGradientOperands<T>(
  operands: readonly T[],
  parameters: AttentionParameters,
): AttentionGradientOperands<T> {
  const { take, end } = inTurn("attentionGradient", operands);
  const named = { q: take(), k: take(), v: take(), g: take(), ...maskOperands(take, parameters) };
  end();
  return named;
}
