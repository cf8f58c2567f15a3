/** Products of matrices large enough for all ways in which a backend reads its operands. */
import { matmul, reshape, slice, type Tensor, tensor, transposeLast } from "@unitune/core";

/** Whole numbers from -4 to 3: sums of so few of their products are exact in f32 in any order. */
function whole(rows: number, columns: number): Tensor {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => Math.imul(i, 0x9e3779b1) >> 29,
  );
  return tensor(data, { shape: [rows, columns] });
}

/** Rows, depth and columns: whole and broken tiles, panels and slices; rows few, many, far apart. */
export const sizes = [
  [13, 530, 250],
  [13, 530, 509],
  [13, 530, 515],
  [6, 1030, 512],
  [25, 40, 700],
  [70, 520, 12],
  [2, 3, 5],
  [3, 43, 7],
  // Tiles of all heights, and several slices and blocks of which the last are short.
  [13, 1541, 71],
  // So deep that it is made in parts, the last of which is short.
  [2, 2 ** 18 + 6, 3],
] as const;

export type Size = (typeof sizes)[number];

export const products: Record<string, {
  readonly operands: (size: Size) => [Tensor, Tensor];
  readonly product: (a: Tensor, b: Tensor, size: Size) => Tensor;
}> = {
  "[M, K] x [K, N]": {
    operands: ([m, k, n]) => [whole(m, k), whole(k, n)],
    product: matmul,
  },
  "[K, M]^T x [K, N]": {
    operands: ([m, k, n]) => [whole(k, m), whole(k, n)],
    product: (a, b) => matmul(transposeLast(a), b),
  },
  "[M, K] x [N, K]^T": {
    operands: ([m, k, n]) => [whole(m, k), whole(n, k)],
    product: (a, b) => matmul(a, transposeLast(b)),
  },
  "[K, M]^T x [N, K]^T": {
    operands: ([m, k, n]) => [whole(k, m), whole(n, k)],
    product: (a, b) => matmul(transposeLast(a), transposeLast(b)),
  },
  "[M, K] x columns of a wider matrix": {
    operands: ([m, k, n]) => [whole(m, k), whole(k, 2 * n)],
    product: (a, b, [, , n]) => matmul(a, slice(b, 1, 3, 3 + n)),
  },
  "[2, M, K] of one depth less x [2, K, N]": {
    operands: ([m, k, n]) => [whole(2 * m, k + 1), whole(2 * k, n)],
    product: (a, b, [m, k, n]) =>
      matmul(slice(reshape(a, [2, m, k + 1]), 2, 1, k + 1), reshape(b, [2, k, n])),
  },
};
