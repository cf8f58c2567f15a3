/** Causal attention of the reference backend: one query after the other, in f64. */
import type { TypedArray } from "../dtype.ts";
import type { Shape } from "../shape.ts";

/** A query's place: itself, and the keys and values that it sees, by their first elements. */
interface Query {
  readonly query: number;
  readonly keys: readonly number[];
  readonly values: readonly number[];
  /** The place of its result, and so of its cotangent. */
  readonly result: number;
}

/** All queries of `x [B, T, 3, H, D]`. */
function* queriesOf([batch = 0, length = 0, , heads = 0, width = 0]: Shape): Generator<Query> {
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const place = (t: number, part: number) =>
        (((b * length + t) * 3 + part) * heads + h) * width;
      for (let t = 0; t < length; t++) {
        const seen = Array.from({ length: t + 1 }, (_, s) => s);
        yield {
          query: place(t, 0),
          keys: seen.map((s) => place(s, 1)),
          values: seen.map((s) => place(s, 2)),
          result: ((b * length + t) * heads + h) * width,
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
  out: Float64Array,
  i: number,
  factor: number,
  x: TypedArray,
  j: number,
  width: number,
): void {
  for (let d = 0; d < width; d++) out[i + d] = (out[i + d] ?? NaN) + factor * (x[j + d] ?? NaN);
}

/** A query's weights on the keys that it sees. */
function weightsOf(x: TypedArray, { query, keys }: Query, width: number, scale: number): number[] {
  const scores = keys.map((key) => scale * dot(x, query, x, key, width));
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((exponential) => exponential / total);
}

/** `[B, T, H, D]` of `x [B, T, 3, H, D]`, whose shape is given. */
export function attend(x: TypedArray, shape: Shape, scale: number): Float64Array {
  const width = shape[4] ?? 0;
  const out = new Float64Array(x.length / 3);
  for (const query of queriesOf(shape)) {
    weightsOf(x, query, width, scale).forEach((weight, s) =>
      addScaled(out, query.result, weight, x, query.values[s] ?? NaN, width)
    );
  }
  return out;
}

/** The gradient with respect to `x [B, T, 3, H, D]` for a cotangent `[B, T, H, D]`. */
export function attendGradient(
  x: TypedArray,
  cotangent: TypedArray,
  shape: Shape,
  scale: number,
): Float64Array {
  const width = shape[4] ?? 0;
  const out = new Float64Array(x.length);
  for (const query of queriesOf(shape)) {
    const weights = weightsOf(x, query, width, scale);
    const slopes = query.values.map((value) => dot(cotangent, query.result, x, value, width));
    const mean = weights.reduce((sum, weight, s) => sum + weight * (slopes[s] ?? NaN), 0);
    weights.forEach((weight, s) => {
      const [key, value] = [query.keys[s] ?? NaN, query.values[s] ?? NaN];
      const score = scale * weight * ((slopes[s] ?? NaN) - mean);
      addScaled(out, query.query, score, x, key, width);
      addScaled(out, key, score, x, query.query, width);
      addScaled(out, value, weight, cotangent, query.result, width);
    });
  }
  return out;
}
