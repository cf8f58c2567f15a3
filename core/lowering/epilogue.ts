/**
 * Epilogues: the loop that first uses a matrix product becomes part of the product's kernel, so that
 * a bias, an activation or a residual meets each element where it was just computed.
 */
import { at, sameShape, type Shape, sizeOf } from "../shape.ts";
import type { Affine } from "./affine.ts";
import { type BufferPlan, type Kernel, type KernelOf, type Step, usedBuffers } from "./kernels.ts";

/** Positions as functions of the row and the column of a product. */
type ByElement = (of: Affine) => Affine;

/**
 * The map from positions in a loop nest over all elements of a product, in its order, to positions
 * over rows and columns; undefined if the nest has another order.
 */
function byElement(domain: Shape, rows: number, columns: number): ByElement | undefined {
  if (sizeOf(domain) !== rows * columns) return undefined;
  // One element, whatever the steps to others would be.
  if (domain.length === 0) return ({ offset }) => ({ offset, strides: [columns, 1] });
  if (domain.length === 1) {
    return ({ offset, strides }) => {
      const stride = at(strides, 0);
      return { offset, strides: [columns * stride, stride] };
    };
  }
  return sameShape(domain, [rows, columns]) ? (of) => of : undefined;
}

/** Whether a position is the row-major position of the row and the column. */
function isInOrder({ offset, strides }: Affine, columns: number): boolean {
  return offset === 0 && at(strides, 0) === columns && at(strides, 1) === 1;
}

/** The product with a loop as its epilogue; undefined if the loop cannot be one. */
function withEpilogue(
  product: KernelOf<"matmul">,
  user: KernelOf<"map">,
  buffers: readonly BufferPlan[],
  isReadElsewhere: boolean,
): KernelOf<"matmul"> | undefined {
  const { batch, rows, columns, output } = product;
  if (batch.length > 0 || product.epilogue !== undefined) return undefined;
  const elements = byElement(user.domain, rows, columns);
  if (elements === undefined) return undefined;
  const steps = user.steps.map((step): Step =>
    "at" in step ? { ...step, at: elements(step.at) } : step
  );
  const stores = user.stores.map((store) => ({ ...store, at: elements(store.at) }));
  const meets = steps.every((step) =>
    step.kind !== "load" || step.buffer !== output || isInOrder(step.at, columns)
  );
  if (!meets) return undefined;
  if (isReadElsewhere) return { ...product, epilogue: { steps, stores } };
  // Nobody else needs the product: it stands where one of the results will replace it.
  const place = stores.find(({ buffer, at }) =>
    buffers[buffer]?.dtype === "f32" && isInOrder(at, columns) &&
    buffers[buffer].size === rows * columns
  );
  if (place === undefined) return undefined;
  return {
    ...product,
    output: place.buffer,
    epilogue: {
      steps: steps.map((step) =>
        step.kind === "load" && step.buffer === output ? { ...step, buffer: place.buffer } : step
      ),
      stores,
    },
  };
}

/** The kernels with every loop that can be the epilogue of a product made so. */
export function fuseEpilogues(
  kernels: readonly Kernel[],
  buffers: readonly BufferPlan[],
): Kernel[] {
  const slots: (Kernel | undefined)[] = [...kernels];
  const readers = buffers.map((): number[] => []);
  const writers = buffers.map((): number[] => []);
  kernels.forEach((kernel, position) => {
    const { reads, writes } = usedBuffers(kernel);
    for (const buffer of new Set(reads)) at(readers, buffer).push(position);
    for (const buffer of new Set(writes)) at(writers, buffer).push(position);
  });
  slots.forEach((user, position) => {
    if (user?.kind !== "map") return;
    // The product moves down to its first reader, so it is computed no earlier than it is used.
    const makers = usedBuffers(user).reads
      .flatMap((buffer) => {
        const [writer, ...others] = at(writers, buffer);
        const isSole = writer !== undefined && others.length === 0;
        return isSole && at(readers, buffer)[0] === position ? [writer] : [];
      })
      .toSorted((a, b) => b - a);
    for (const maker of new Set(makers)) {
      const product = slots[maker];
      if (product?.kind !== "matmul") continue;
      const { output } = product;
      const isReadElsewhere = at(buffers, output).role.kind === "output" ||
        at(readers, output).length > 1;
      const fused = withEpilogue(product, user, buffers, isReadElsewhere);
      if (fused === undefined) continue;
      slots[maker] = undefined;
      slots[position] = fused;
      return;
    }
  });
  return slots.filter((kernel) => kernel !== undefined);
}
