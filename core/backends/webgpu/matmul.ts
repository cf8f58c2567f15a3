/**
 * Matrix multiplication, for operands with any strides, in the way that suits the adapter and the
 * sizes.
 */
import type { KernelOf, MatrixView } from "../../lowering/kernels.ts";
import { type Shape, sizeOf } from "../../shape.ts";
import type { Dispatch, DispatchEmitter, KernelContext } from "./dispatch.ts";
import { blocked, transposedElements } from "./blocked.ts";
import { floatSteps } from "./body.ts";
import { apart, bindsAll } from "./epilogue.ts";
import { map } from "./map.ts";
import { sums } from "./reduce.ts";
import { streamed } from "./streamed.ts";
import { tiled } from "./tiled.ts";
import { wholeOf } from "./whole.ts";

/** The product as sums over the depth: no element is used often enough to be kept. */
function asReduction(kernel: KernelOf<"matmul">, context: KernelContext): Dispatch[] {
  const whole = reductionOf(wholeOf(kernel, context), context);
  return sums(reductionOf(kernel, context), context, kernel.epilogue, whole);
}

function reductionOf(
  { batch, rows, columns, depth, a, b, output, outputStart }: KernelOf<"matmul">,
  context: KernelContext,
): KernelOf<"reduce"> {
  const load = ({ buffer, offset }: MatrixView, strides: number[], before = 0) =>
    floatSteps(context, buffer, { offset, strides }, before);
  const left = load(a, [...a.batch, a.row, 0, a.column]);
  const right = load(b, [...b.batch, 0, b.column, b.row], left.length);
  const factors = [...left, ...right];
  const kept: Shape = [...batch, rows, columns];
  return {
    kind: "reduce",
    reduction: "sum",
    kept,
    reduced: [depth],
    steps: [
      ...factors,
      {
        kind: "apply",
        dtype: "f32",
        op: "mul",
        operands: [left.length - 1, factors.length - 1],
      },
    ],
    value: factors.length,
    output,
    outputStart,
  };
}

/** Rows or columns below which a product has no tiles. */
const SKINNY = 8;

/** Multiplications from which blocks are worth compiling. */
const LARGE_PRODUCT = 2 ** 20;

/** Multiplications for an element that has to be transposed for blocks, from which that pays. */
const TRANSPOSED_REUSE = 24;

/** Elements that no product should transpose more of: they take memory beside the arena. */
const TRANSPOSED_LIMIT = 2 ** 24;

function isWorthBlocks(kernel: KernelOf<"matmul">, { pageBytes }: KernelContext): boolean {
  const { batch, rows, columns, depth } = kernel;
  const multiplications = sizeOf(batch) * rows * columns * depth;
  const elements = transposedElements(kernel);
  return Math.min(rows, columns) >= SKINNY && multiplications >= LARGE_PRODUCT &&
    elements <= Math.min(TRANSPOSED_LIMIT, multiplications / TRANSPOSED_REUSE, pageBytes / 4);
}

/** `output[..., i, j] = sum_k a[..., i, k] b[..., k, j]`, and the results of its epilogue. */
export const matmul: DispatchEmitter<"matmul"> = (kernel, context) => {
  // An epilogue that brings more buffers than a shader binds is done by a map, in parts if need be.
  const last = bindsAll(kernel, context) ? undefined : apart(kernel);
  if (last === undefined) return product(kernel, context);
  const { epilogue: _, ...alone } = kernel;
  return [...product(alone, context), ...map(last, context)];
};

function product(kernel: KernelOf<"matmul">, context: KernelContext): Dispatch[] {
  const { batch, rows, columns, depth } = kernel;
  if (sizeOf(batch) * rows * columns === 0) return [];
  if (depth === 0) return asReduction(kernel, context);
  const whole = wholeOf(kernel, context);
  const isSkinny = Math.min(whole.rows, whole.columns) < SKINNY;
  // Operands are rounded where they pass through workgroup memory, so tiles are used on every
  // adapter.
  if (context.precision === "f16" && !isSkinny) return tiled(kernel, context);
  if (!context.tuning.tiles) {
    return isWorthBlocks(kernel, context) ? blocked(kernel, context) : streamed(kernel, context);
  }
  return isSkinny ? asReduction(kernel, context) : tiled(kernel, context);
}
