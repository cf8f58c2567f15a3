/** A program of all kinds of kernels that threads share. */
import {
  argmax,
  gather,
  iota,
  logSoftmax,
  matmul,
  mean,
  rem,
  reshape,
  scatterAdd,
  slice,
  sort,
  sum,
  tanh,
  type Tensor,
  transposeLast,
} from "@unitune/core";

/** Kernels of every kind that threads share: by rows, columns, batches, elements; and of one row. */
export function work(x: Tensor, w: Tensor, long: Tensor): Tensor[] {
  const hidden = tanh(matmul(x, w));
  const heads = reshape(hidden, [8, 30, 67]);
  const scores = matmul(heads, transposeLast(heads));
  return [
    hidden,
    scores,
    matmul(transposeLast(x), hidden),
    logSoftmax(scores),
    sum(hidden, { axes: [0] }),
    mean(hidden),
    argmax(hidden),
    matmul(slice(x, 0, 0, 1), w),
    matmul(slice(hidden, 0, 0, 1), transposeLast(hidden)),
    gather(hidden, argmax(w)),
    sort(hidden),
    sum(long),
    sum(long, { axes: [0] }),
    scatterAdd(rem(iota([70_000], 0), 50), long, 40),
    matmul(slice(transposeLast(long), 0, 0, 3), long),
  ];
}
