/** Attention of the reference backend: one query after the other, in f64. */
import type {
  AttentionGradientOperands,
  AttentionOperands,
  AttentionParameters,
} from "../attention.ts";
import { dims } from "../dims.ts";
import type { TypedArray } from "../dtype.ts";
import { at, type Shape } from "../shape.ts";

/** Elements and their shape. */
interface ShapedElements {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** A query, and the keys and values that it sees, by their first elements. */
interface Query {
  readonly query: number;
  readonly keys: readonly number[];
}

/** Whether the query t of a sequence sees a key. */
function isVisible(
  { start, segments }: AttentionOperands<ShapedElements>,
  { causal, window, start: known }: AttentionParameters,
  { T, S }: { readonly T: number; readonly S: number },
): (sequence: number, t: number, s: number) => boolean {
  const firstOf = known === "operand"
    ? (sequence: number) => start?.data[sequence] ?? NaN
    : () => known;
  return (sequence, t, s) => {
    const distance = firstOf(sequence) + t - s;
    if (causal && distance < 0 || window !== null && Math.abs(distance) >= window) return false;
    if (segments === undefined) return true;
    const key = segments.keys.data[sequence * S + s] ?? NaN;
    return key >= 0 && key === segments.queries.data[sequence * T + t];
  };
}

/** All queries of all heads. */
function* queriesOf(
  operands: AttentionOperands<ShapedElements>,
  parameters: AttentionParameters,
): Generator<Query> {
  const { B, T, H, D } = dims(operands.q, "B T H D");
  const { S, G } = dims(operands.k, "B S G D");
  const sees = isVisible(operands, parameters, { T, S });
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const seen = Array.from({ length: S }, (_, s) => s).filter((s) => sees(b, t, s));
      for (let h = 0; h < H; h++) {
        const keyHead = Math.floor(h * G / H);
        yield {
          query: ((b * T + t) * H + h) * D,
          keys: seen.map((s) => ((b * S + s) * G + keyHead) * D),
        };
      }
    }
  }
}

/** The product of two vectors by their first elements. */
function dot(a: TypedArray, i: number, b: TypedArray, j: number, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += (a[i + d] ?? NaN) * (b[j + d] ?? NaN);
  return sum;
}

/** `out += factor x`, vectors by their first elements. */
function addScaled(
  out: TypedArray,
  i: number,
  factor: number,
  x: TypedArray,
  j: number,
  width: number,
): void {
  for (let d = 0; d < width; d++) out[i + d] = (out[i + d] ?? NaN) + factor * (x[j + d] ?? NaN);
}

/** A query's weights on the keys that it sees, and the slopes of its scores in `q . k`. */
function weightsOf(
  { q, k }: AttentionOperands<ShapedElements>,
  { query, keys }: Query,
  { scale, softcap }: AttentionParameters,
): { readonly weights: readonly number[]; readonly slopes: readonly number[] } {
  const { D } = dims(q, "B T H D");
  const bounds = keys.map((key) => {
    const score = scale * dot(q.data, query, k.data, key, D);
    if (softcap === null) return { score, slope: scale };
    const capped = Math.tanh(score / softcap);
    return { score: softcap * capped, slope: scale * (1 - capped * capped) };
  });
  const largest = bounds.reduce((most, { score }) => Math.max(most, score), -Infinity);
  const exponentials = bounds.map(({ score }) => Math.exp(score - largest));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return {
    weights: exponentials.map((exponential) => exponential / total),
    slopes: bounds.map(({ slope }) => slope),
  };
}

/** Attention of all queries, into zeros `[B, T, Hq, D]`. */
export function attend(
  operands: AttentionOperands<ShapedElements>,
  parameters: AttentionParameters,
  y: TypedArray,
): void {
  const { D } = dims(operands.q, "B T H D");
  const out = new Float64Array(y.length);
  for (const query of queriesOf(operands, parameters)) {
    weightsOf(operands, query, parameters).weights.forEach((weight, i) =>
      addScaled(out, query.query, weight, operands.v.data, at(query.keys, i), D)
    );
  }
  y.set(out);
}

/** The gradients with respect to queries, keys and values, into zeros of their shapes. */
export function attendGradient(
  operands: AttentionGradientOperands<ShapedElements>,
  parameters: AttentionParameters,
  gradients: { readonly dq: TypedArray; readonly dk: TypedArray; readonly dv: TypedArray },
): void {
  const { q, k, v, g } = operands;
  const { D } = dims(q, "B T H D");
  const dq = new Float64Array(q.data.length);
  const [dk, dv] = [new Float64Array(k.data.length), new Float64Array(v.data.length)];
  for (const query of queriesOf(operands, parameters)) {
    const { weights, slopes } = weightsOf(operands, query, parameters);
    const gains = query.keys.map((key) => dot(g.data, query.query, v.data, key, D));
    const mean = weights.reduce((sum, weight, i) => sum + weight * at(gains, i), 0);
    weights.forEach((weight, i) => {
      const key = at(query.keys, i);
      const ofScore = weight * (at(gains, i) - mean) * at(slopes, i);
      addScaled(dq, query.query, ofScore, k.data, key, D);
      addScaled(dk, key, ofScore, q.data, query.query, D);
      addScaled(dv, key, weight, g.data, query.query, D);
    });
  }
  gradients.dq.set(dq);
  gradients.dk.set(dk);
  gradients.dv.set(dv);
}
