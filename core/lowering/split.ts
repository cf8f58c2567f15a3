/**
 * Long reductions and products of long matrices in parts, each a result of its own in a temporary
 * buffer; a short reduction joins them. So threads and workgroups share out results, never the
 * terms of one, and no loop is longer than every backend can count.
 */
import type { ComputedDType } from "../dtype.ts";
import { at, type Shape, sizeOf, stridesOf } from "../shape.ts";
import type { Affine } from "./affine.ts";
import type { BufferPlan, Kernel, KernelOf, Step } from "./kernels.ts";

/** The most terms of a result of one reduction: more than the 50,257 tokens of GPT-2. */
const LONG = 15 * 2 ** 12;

/** Terms of a part. */
const PART = 2 ** 14;

/** The most terms of an element of one product, which every backend adds up in slices. */
const LONG_DEPTH = 2 ** 18;

/** Terms of an element of a part of a product. */
const PART_DEPTH = 2 ** 16;

/** A new temporary buffer. */
type Allocate = (dtype: ComputedDType, size: number) => number;

/** The reduction of `count` parts, one after the other in a buffer, each of the shape `kept`. */
export function joined(
  { reduction, output, outputStart }: Pick<
    KernelOf<"reduce">,
    "reduction" | "output" | "outputStart"
  >,
  kept: Shape,
  dtype: ComputedDType,
  parts: number,
  count: number,
): KernelOf<"reduce"> {
  const strides = [...stridesOf(kept), sizeOf(kept)];
  return {
    kind: "reduce",
    reduction,
    kept,
    reduced: [count],
    steps: [{ kind: "load", dtype, buffer: parts, at: { offset: 0, strides } }],
    value: 0,
    output,
    outputStart,
  };
}

/** A reduction in parts: the loops that count parts come before the kept loops. */
function splitReduction(
  kernel: KernelOf<"reduce">,
  dtype: ComputedDType,
  allocate: Allocate,
): KernelOf<"reduce">[] {
  const { kept, reduced, steps } = kernel;
  if (kernel.reduction === "argmax" || sizeOf(reduced) <= LONG) return [kernel];
  // The loops inside of the one that is cut are short enough together; those outside count parts.
  let [loop, inside] = [reduced.length - 1, 1];
  while (inside * at(reduced, loop) <= PART) inside *= at(reduced, loop--);
  const block = Math.floor(PART / inside);
  const blocks = Math.floor(at(reduced, loop) / block);
  const rest = at(reduced, loop) - blocks * block;
  const [outer, inner] = [reduced.slice(0, loop), reduced.slice(loop + 1)];
  const size = sizeOf(kept);
  const whole = sizeOf(outer) * blocks;
  const count = whole + (rest === 0 ? 0 : sizeOf(outer));
  const parts = allocate(dtype, count * size);

  const moved = (isRest: boolean) => ({ offset, strides }: Affine): Affine => {
    const along = strides.slice(kept.length);
    const stride = at(along, loop);
    return {
      offset: isRest ? offset + blocks * block * stride : offset,
      strides: [
        ...along.slice(0, loop),
        ...(isRest ? [] : [block * stride]),
        ...strides.slice(0, kept.length),
        ...along.slice(loop),
      ],
    };
  };
  const part = (isRest: boolean): KernelOf<"reduce"> => {
    const move = moved(isRest);
    return {
      ...kernel,
      kept: [...outer, ...(isRest ? [] : [blocks]), ...kept],
      reduced: [isRest ? rest : block, ...inner],
      steps: steps.map((step): Step => "at" in step ? { ...step, at: move(step.at) } : step),
      output: parts,
      outputStart: isRest ? whole * size : 0,
    };
  };
  return [
    part(false),
    ...(rest === 0 ? [] : [part(true)]),
    ...splitReduction(joined(kernel, kept, dtype, parts, count), dtype, allocate),
  ];
}

/** A product in parts of its depth: a batch of products, and a sum over them. */
function splitProduct(kernel: KernelOf<"matmul">, allocate: Allocate): Kernel[] {
  const { batch, rows, columns, depth, a, b, output, outputStart } = kernel;
  if (depth <= LONG_DEPTH) return [kernel];
  const blocks = Math.floor(depth / PART_DEPTH);
  const rest = depth - blocks * PART_DEPTH;
  const count = blocks + Math.sign(rest);
  const size = sizeOf(batch) * rows * columns;
  const parts = allocate("f32", count * size);
  const whole: Kernel = {
    ...kernel,
    batch: [blocks, ...batch],
    depth: PART_DEPTH,
    a: { ...a, batch: [PART_DEPTH * a.column, ...a.batch] },
    b: { ...b, batch: [PART_DEPTH * b.row, ...b.batch] },
    output: parts,
  };
  const last: Kernel = {
    ...kernel,
    depth: rest,
    a: { ...a, offset: a.offset + blocks * PART_DEPTH * a.column },
    b: { ...b, offset: b.offset + blocks * PART_DEPTH * b.row },
    output: parts,
    outputStart: blocks * size,
  };
  const sum = joined({ reduction: "sum", output, outputStart }, [size], "f32", parts, count);
  return [whole, ...(rest === 0 ? [] : [last]), ...splitReduction(sum, "f32", allocate)];
}

/** The kernels with long ones in parts, and the buffers including those of the parts. */
export function splitLong(
  kernels: readonly Kernel[],
  buffers: readonly BufferPlan[],
): { readonly kernels: Kernel[]; readonly buffers: BufferPlan[] } {
  const all = [...buffers];
  const allocate: Allocate = (dtype, size) =>
    all.push({ dtype, size, role: { kind: "temporary" } }) - 1;
  return {
    kernels: kernels.flatMap((kernel) => {
      if (kernel.kind === "matmul") return splitProduct(kernel, allocate);
      if (kernel.kind !== "reduce") return [kernel];
      return splitReduction(kernel, at(kernel.steps, kernel.value).dtype, allocate);
    }),
    buffers: all,
  };
}
