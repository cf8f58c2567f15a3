/** The gradient of the gradient of attention, written with operations that have gradients. */
import {
  add,
  type AttentionGradientOperands,
  type AttentionParameters,
  broadcastTo,
  dims,
  matmul,
  mul,
  reshape,
  sizeOf,
  softmax,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  transpose,
  transposeLast,
  visibleKeys,
  where,
  zeros,
} from "@unitune/core";

/** Less than any score, but finite: a softmax over no key is no number. */
const HIDDEN = -3e38;

/** `[B, T, H, D]` as matrices of the heads, `[B, H, T, D]`; and back, by the same exchange. */
function byHead(x: Tensor): Tensor {
  return transpose(x, [0, 2, 1, 3]);
}

/** Matrices of key heads `[B, Hkv, S, D]`, each repeated for the query heads that share it. */
function repeated(x: Tensor, heads: number): Tensor {
  const { B, G, S, D } = dims(x, "B G S D");
  if (G === heads) return x;
  const group = heads / G;
  return reshape(broadcastTo(reshape(x, [B, G, 1, S, D]), [B, G, group, S, D]), [B, heads, S, D]);
}

/** The transpose of {@linkcode repeated}: sums over the query heads that share a key head. */
function summed(x: Tensor, keyHeads: number): Tensor {
  const { B, H, S, D } = dims(x, "B H S D");
  return H === keyHeads ? x : sum(reshape(x, [B, keyHeads, H / keyHeads, S, D]), { axes: [2] });
}

/**
 * The cotangents of q, k, v and g, where A, B and C are the cotangents of the three results of
 * `attentionGradient(q, k, v, g)`. For each head, with `z = scale Q K'`, `s = z` or, with a bound,
 * `s = c tanh(z / c)` of slope `r = 1 - (s / c)^2`, sums over the last axis, and weights of 0 where
 * a query does not see a key:
 *
 *     P = softmax(s)   U = G V'   m = sum(P U)   E = P (U - m)   F = r E
 *     the gradient:   dQ = scale F K   dK = scale F' Q   dV = P' G
 *
 * and from A, B and C backward through these lines:
 *
 *     W = scale (A K' + Q B')                                  of F
 *     X = r W                                                  of E
 *     Y = G C' + X (U - m) - sum(X P) U                        of P
 *     Z = P X - P sum(X P)                                     of U
 *     S = r (P (Y - sum(P Y)) - 2 s / c^2 E W)                 of z
 *     Q: scale (F B + S K)   K: scale (F' A + S' Q)   V: Z' G   G: P C + Z V
 */
export function secondGradient(
  operands: AttentionGradientOperands<Tensor>,
  [ofQueries, ofKeys, ofValues]: readonly [Tensor, Tensor, Tensor],
  parameters: AttentionParameters,
): { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly g: Tensor } {
  const { q, k, v, g } = operands;
  const { B, T, H } = dims(q, "B T H D");
  const { S, G } = dims(k, "B S G D");
  const zerosLike = ({ shape, dtype }: Tensor) => zeros(shape, dtype);
  if (sizeOf(q.shape) === 0 || S === 0) {
    return { q: zerosLike(q), k: zerosLike(k), v: zerosLike(v), g: zerosLike(g) };
  }
  const { scale, softcap } = parameters;
  const ofKeyHeads = (x: Tensor) => repeated(byHead(x), H);
  const [queries, cotangents, a] = [byHead(q), byHead(g), byHead(ofQueries)];
  const [keys, values, b, c] = [k, v, ofKeys, ofValues].map(ofKeyHeads);
  if (keys === undefined || values === undefined || b === undefined || c === undefined) {
    throw new RangeError("four tensors of key heads are expected");
  }
  const visible = visibleKeys({ B, T, S }, operands, parameters);
  const rowSum = (x: Tensor) => sum(x, { axes: [-1], keepDims: true });
  const scaled = (x: Tensor) => mul(x, scale);
  const z = scaled(matmul(queries, transposeLast(keys))); // [B, H, T, S]
  const s = softcap === null ? z : mul(tanh(mul(z, 1 / softcap)), softcap);
  const throughCap = (x: Tensor) =>
    softcap === null ? x : mul(x, sub(1, square(mul(s, 1 / softcap))));
  const p = where(visible, softmax(where(visible, s, HIDDEN)), 0);
  const u = matmul(cotangents, transposeLast(values));
  const centred = sub(u, rowSum(mul(p, u)));
  const e = mul(p, centred);
  const f = throughCap(e);
  const w = scaled(add(matmul(a, transposeLast(keys)), matmul(queries, transposeLast(b))));
  const x = throughCap(w);
  const weighted = rowSum(mul(x, p));
  const y = sub(
    add(matmul(cotangents, transposeLast(c)), mul(x, centred)),
    mul(weighted, u),
  );
  const ofU = mul(p, sub(x, weighted));
  const ofWeights = mul(p, sub(y, rowSum(mul(p, y))));
  const ofScores = throughCap(
    softcap === null ? ofWeights : sub(ofWeights, mul(mul(s, 2 / softcap ** 2), mul(e, w))),
  );
  const toKeyHeads = (x: Tensor) => byHead(summed(x, G));
  return {
    q: byHead(scaled(add(matmul(f, b), matmul(ofScores, keys)))),
    k: toKeyHeads(
      scaled(add(matmul(transposeLast(f), a), matmul(transposeLast(ofScores), queries))),
    ),
    v: toKeyHeads(matmul(transposeLast(ofU), cotangents)),
    g: byHead(add(matmul(p, c), matmul(ofU, values))),
  };
}
