/** The gradient of the gradient of attention, written with operations that have gradients. */
import {
  add,
  apply,
  iota,
  lessEqual,
  matmul,
  mul,
  reshape,
  sizeOf,
  softmax,
  stack,
  sub,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  where,
} from "@unitune/core";

/** `[B, T, H, D]` as matrices of the heads, `[B, H, T, D]`; and back, by the same exchange. */
function byHead(x: Tensor): Tensor {
  return transpose(x, [0, 2, 1, 3]);
}

/** Queries, keys and values `[B, H, T, D]` of `x [B, T, 3, H, D]`. */
function partsOf(x: Tensor): [Tensor, Tensor, Tensor] {
  const [batch = 0, length = 0, , heads = 0, width = 0] = x.shape;
  const part = (index: number) =>
    byHead(reshape(
      apply("slice", [x], {
        start: [0, 0, index, 0, 0],
        end: [batch, length, index + 1, heads, width],
      }),
      [batch, length, heads, width],
    ));
  return [part(0), part(1), part(2)];
}

/** The inverse of {@linkcode partsOf}. */
function joined(parts: readonly Tensor[]): Tensor {
  return stack(parts.map(byHead), 2);
}

/**
 * The cotangents of `x [B, T, 3, H, D]` and `g [B, T, H, D]` where `c [B, T, 3, H, D]` is that of
 * `causalAttentionGradient(x, g)`. For each head, with `s` the scale and sums over the last axis:
 *
 *     P = softmax(s Q K')   U = G V'   m = sum(P U)   E = P (U - m)
 *     the gradient:   dQ = s E K   dK = s E' Q   dV = P' G
 *
 * and from the cotangents A, B, C of dQ, dK, dV, backward through these lines:
 *
 *     X = s (A K' + Q B')                                      of E
 *     Y = G C' + X (U - m) - sum(X P) U                        of P
 *     Z = P X - P sum(X P)                                     of U
 *     S = P (Y - sum(P Y))                                     of s Q K'
 *     Q: s (E B + S K)   K: s (E' A + S' Q)   V: Z' G   G: P C + Z V
 */
export function secondGradient(
  x: Tensor,
  cotangent: Tensor,
  c: Tensor,
  scale: number,
): [Tensor, Tensor] {
  // A softmax over no key is an error.
  if (sizeOf(x.shape) === 0) return [x, cotangent];
  const [queries, keys, values] = partsOf(x);
  const [a, b, ofValues] = partsOf(c);
  const g = byHead(cotangent);
  const length = x.shape[1] ?? 0;
  const visible = lessEqual(iota([length, length], 1), iota([length, length], 0));
  const rowSum = (y: Tensor) => sum(y, { axes: [-1], keepDims: true });
  const scaled = (y: Tensor) => mul(y, scale);
  const scores = scaled(matmul(queries, transposeLast(keys)));
  const p = softmax(where(visible, scores, -Infinity)); // [B, H, T, T]
  const u = matmul(g, transposeLast(values));
  const centred = sub(u, rowSum(mul(p, u)));
  const e = mul(p, centred);
  const ofE = scaled(add(matmul(a, transposeLast(keys)), matmul(queries, transposeLast(b))));
  const weighted = rowSum(mul(ofE, p));
  const ofP = sub(
    add(matmul(g, transposeLast(ofValues)), mul(ofE, centred)),
    mul(weighted, u),
  );
  const ofU = mul(p, sub(ofE, weighted));
  const ofScores = mul(p, sub(ofP, rowSum(mul(p, ofP))));
  return [
    joined([
      scaled(add(matmul(e, b), matmul(ofScores, keys))),
      scaled(add(matmul(transposeLast(e), a), matmul(transposeLast(ofScores), queries))),
      matmul(transposeLast(ofU), g),
    ]),
    byHead(add(matmul(p, ofValues), matmul(ofU, values))),
  ];
}
