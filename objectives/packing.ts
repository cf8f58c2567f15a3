/** Packed batches: rows that hold several texts, one behind the other. */
import {
  cast,
  dims,
  gather,
  greaterEqual,
  maximum,
  reshape,
  ShapeError,
  showShape,
  type Tensor,
  where,
} from "@unitune/core";

/**
 * The texts of a packed batch. Attention stays within a text, whose positions begin at 0, so each
 * text is predicted as in a row of its own; and predictions are taken out of the packed rows by
 * text, so losses see the rows `[N, M]` that they would see without packing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { gold, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({
 *   embed: (ids) => gather(tensor([[1, 0], [0, 1]]), ids),
 *   logits: (embeddings) => embeddings,
 * });
 * // The texts 0 1 1 and 1 0 in one row.
 * const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });
 * const { argmax, targets, mask } = gold.evaluate(model, {
 *   ids: ids([[0, 1, 1, 1, 0]]),
 *   mask: tensor([[0, 1, 1, 0, 1]]),
 *   packing: {
 *     segments: ids([[0, 0, 0, 1, 1]]),
 *     positions: ids([[0, 1, 2, 0, 1]]),
 *     targets: ids([[0, 1], [3, -1]]),
 *   },
 * }, { step: tensor(0, { dtype: "i32" }) });
 * assertEquals((await targets.data()).subarray(0, 3), new Int32Array([1, 1, 0]));
 * assertEquals(await mask.data(), new Float32Array([1, 1, 1, 0]));
 * assertEquals(argmax().shape, [2, 2]);
 * ```
 */
export interface Packing {
  /** The number of each token's text within its row, -1 on padding: `[B, T]` (i32). */
  readonly segments: Tensor;
  /** The position of each token in its text: `[B, T]` (i32). */
  readonly positions: Tensor;
  /**
   * The targets of each text, all of its tokens but the first, as numbers of targets of the batch:
   * that at t of row b, t from 1, is `b (T - 1) + t - 1`. `[N, M]` (i32); -1 behind the last.
   */
  readonly targets: Tensor;
}

/**
 * Throws unless a packing fits a batch of ids.
 *
 * @throws {ShapeError} If it does not.
 */
export function checkPacking({ segments, positions, targets }: Packing, ids: Tensor): void {
  const shape = showShape(ids.shape);
  const isLike = (x: Tensor) => x.dtype === "i32" && showShape(x.shape) === shape;
  if (isLike(segments) && isLike(positions) && targets.dtype === "i32") {
    dims(targets, "N M", "packing: targets");
    return;
  }
  const got = Object.entries({ segments, positions, targets })
    .map(([name, { dtype, shape }]) => `${name} ${dtype}${showShape(shape)}`).join(", ");
  throw new ShapeError(
    `packing: got ${got}; expected segments and positions i32${shape}, one for each token, and ` +
      `targets i32[N, M]`,
  );
}

/** Values of the targets of packed rows by text: `[B, T-1, ...] -> [N, M, ...]`. */
export function unpacked(x: Tensor, { targets }: Packing): Tensor {
  const [rows = 0, columns = 0, ...rest] = x.shape;
  return gather(reshape(x, [rows * columns, ...rest]), maximum(targets, 0));
}

/** The mask of the targets of packed rows by text, 0 behind the last target of a text. */
export function unpackedMask(mask: Tensor, packing: Packing): Tensor {
  return where(greaterEqual(packing.targets, 0), unpacked(cast(mask, "f32"), packing), 0);
}
