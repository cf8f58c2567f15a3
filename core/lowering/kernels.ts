/** Kernels: the parts of a fused graph, in the form that emitters work on. */
import type { ComputedDType, DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import type { Affine } from "./affine.ts";
import type { ScalarOperation } from "./operations.ts";

/** Storage for the elements of one result, contiguous and in row-major order. */
export interface BufferPlan {
  /** The element type. */
  readonly dtype: DType;
  /** The number of elements. */
  readonly size: number;
  /** An operand of the program, a result, or something in between. */
  readonly role:
    | { readonly kind: "input"; readonly index: number }
    | { readonly kind: "output"; readonly index: number }
    | { readonly kind: "temporary" };
}

/** One value of a loop's body; operands are earlier steps of the body. */
export type Step =
  /**
   * The element of a buffer at a position affine in the loops' indices; of a buffer of 16-bit
   * elements, their bits as u32.
   */
  | {
    readonly kind: "load";
    readonly dtype: ComputedDType;
    readonly buffer: number;
    readonly at: Affine;
  }
  /** One number for all indices. */
  | { readonly kind: "constant"; readonly dtype: ComputedDType; readonly value: number }
  /** The position itself. */
  | { readonly kind: "index"; readonly dtype: ComputedDType; readonly at: Affine }
  /** Word `at mod 2` of the Threefry block `at / 2`; operands: key (2 words), counter (2 words). */
  | {
    readonly kind: "random";
    readonly dtype: ComputedDType;
    readonly at: Affine;
    readonly operands: readonly number[];
  }
  /** An operation on earlier steps. */
  | {
    readonly kind: "apply";
    readonly dtype: ComputedDType;
    readonly op: ScalarOperation;
    readonly operands: readonly number[];
  };

/** An element written at each index of a loop nest; to a buffer of 16-bit elements, a u32's bits. */
export interface Store {
  /** The buffer. */
  readonly buffer: number;
  /** The position in the buffer. */
  readonly at: Affine;
  /** The step whose value is written. */
  readonly value: number;
}

/** A matrix, or a batch of matrices, in a buffer. */
export interface MatrixView {
  /** The buffer. */
  readonly buffer: number;
  /** The first element. */
  readonly offset: number;
  /** Steps along the batch axes. */
  readonly batch: readonly number[];
  /** The step from row to row. */
  readonly row: number;
  /** The step from column to column. */
  readonly column: number;
}

/** The operation that reduces elements to one. */
export type Reduction = "sum" | "reduceMax" | "argmax";

/** The epilogue of a matrix product: a body over its elements `[rows, columns]`. */
export interface Epilogue {
  /** The steps, whose loops are the rows and the columns. */
  readonly steps: readonly Step[];
  /** The elements that are written for each element of the product. */
  readonly stores: readonly Store[];
}

/**
 * Vectors of neighbouring elements in a buffer: one for each head at each position of each sequence.
 */
export interface HeadVectors {
  /** The buffer. */
  readonly buffer: number;
  /** The first element. */
  readonly offset: number;
  /** The step from sequence to sequence. */
  readonly sequence: number;
  /** The step from position to position. */
  readonly position: number;
  /** The step from head to head. */
  readonly head: number;
}

/** The sizes of attention, the scoring of queries, and the keys that a query sees. */
export interface AttentionSizes {
  /** Sequences, B. */
  readonly batch: number;
  /** Queries of a sequence, T. */
  readonly queries: number;
  /** Keys of a sequence, S. */
  readonly keys: number;
  /** Heads of queries, Hq. */
  readonly heads: number;
  /** Heads of keys and values, Hkv: query head h sees the keys of head `floor(h Hkv / Hq)`. */
  readonly keyHeads: number;
  /** Elements of a head's query, key or value, D. */
  readonly width: number;
  /** The factor of the products of queries and keys. */
  readonly scale: number;
  /** The bound c of scores, `c tanh(x / c)`; null for none. */
  readonly softcap: number | null;
  /** Whether the query at position p sees no key s > p; query t is at `start + t`. */
  readonly causal: boolean;
  /** The query at p sees keys s with `|p - s| < window`; null for all. */
  readonly window: number | null;
  /** The position of the first query: for all sequences, or in a buffer, i32 `[B]`. */
  readonly start: { readonly kind: "known"; readonly position: number } | {
    readonly kind: "given";
    readonly buffer: number;
  };
  /**
   * Buffers of the segment of each query, i32 `[B, T]`, and of each key, i32 `[B, S]`: a query sees
   * keys of its own segment, and none sees a key of a negative one.
   */
  readonly segments: { readonly queries: number; readonly keys: number } | undefined;
  /**
   * The number of the first sequence in `start` and `segments` (default 0): parts of a kernel that
   * was cut have it.
   */
  readonly firstSequence?: number;
}

/** A piece of a program that runs without a barrier inside. */
export type Kernel =
  /** Evaluates the body for each index of the domain, and stores values of it. */
  | {
    readonly kind: "map";
    readonly domain: Shape;
    readonly steps: readonly Step[];
    readonly stores: readonly Store[];
  }
  /** Reduces the body's `value` over the inner loops, for each index of the outer ones. */
  | {
    readonly kind: "reduce";
    readonly reduction: Reduction;
    readonly kept: Shape;
    readonly reduced: Shape;
    /** The body; its loops are `kept`, then `reduced`. */
    readonly steps: readonly Step[];
    readonly value: number;
    readonly output: number;
    /** The position in the output at which the results begin. */
    readonly outputStart: number;
  }
  /**
   * `output[..., i, j] = sum_k a[..., i, k] b[..., k, j]` for k below `depth`, of operands that are
   * f32 or of a type of storage, which is widened where it is read; then, without a batch, the epilogue for each `[i, j]`, which finds the product in `output` and may replace it there.
   */
  | {
    readonly kind: "matmul";
    readonly batch: Shape;
    readonly rows: number;
    readonly columns: number;
    readonly depth: number;
    readonly a: MatrixView;
    readonly b: MatrixView;
    readonly output: number;
    /** The position in the output at which the products begin; 0 where there is an epilogue. */
    readonly outputStart: number;
    readonly epilogue?: Epilogue;
  }
  /** `y_t = sum_s p_ts v_s` of every head, 0 for a query that sees no key. */
  | AttentionSizes & {
    readonly kind: "attention";
    readonly q: HeadVectors;
    readonly k: HeadVectors;
    readonly v: HeadVectors;
    readonly y: HeadVectors;
  }
  /** The gradients of `sum(g * y)` with respect to q, k and v. */
  | AttentionSizes & {
    readonly kind: "attentionGradient";
    readonly q: HeadVectors;
    readonly k: HeadVectors;
    readonly v: HeadVectors;
    readonly g: HeadVectors;
    readonly dq: HeadVectors;
    readonly dk: HeadVectors;
    readonly dv: HeadVectors;
  }
  /**
   * `output[i, :] = table[ids[i], :]`, `missing` where an id is outside, which is NaN, its bits for
   * elements of 16 bits, or 0 for integers: `count` ids, `rows` rows of `width` elements.
   */
  | {
    readonly kind: "gather";
    readonly missing: number;
    readonly table: number;
    readonly ids: number;
    readonly output: number;
    readonly rows: number;
    readonly count: number;
    readonly width: number;
  }
  /** `output[ids[i], :] += updates[i, :]`, from a table or from zeros; sizes as in `gather`. */
  | {
    readonly kind: "scatterAdd";
    readonly table: number | undefined;
    readonly ids: number;
    readonly updates: number;
    readonly output: number;
    readonly rows: number;
    readonly count: number;
    readonly width: number;
  }
  /** The indices that sort each of `outer` runs of `size` elements; stable. */
  | {
    readonly kind: "argsort";
    readonly input: number;
    readonly output: number;
    readonly outer: number;
    readonly size: number;
  }
  /**
   * `output[o, j, i] = input[o, start + j, i]`, start clamped: `[outer, size, inner]` gives
   * `[outer, length, inner]`. There are `starts` starts, each of as many neighbours of the outer
   * blocks.
   */
  | {
    readonly kind: "dynamicSlice";
    readonly input: number;
    readonly start: number;
    readonly starts: number;
    readonly output: number;
    readonly outer: number;
    readonly size: number;
    readonly length: number;
    readonly inner: number;
  }
  /**
   * `output = input`, then `output[o, start + j, i] = update[o, j, i]`, start clamped; sizes as in
   * `dynamicSlice`, the update's being the smaller.
   */
  | {
    readonly kind: "dynamicUpdate";
    readonly input: number;
    readonly update: number;
    readonly start: number;
    readonly starts: number;
    readonly output: number;
    readonly outer: number;
    readonly size: number;
    readonly length: number;
    readonly inner: number;
  };

/** A kernel of a kind. */
export type KernelOf<K extends Kernel["kind"]> = Extract<Kernel, { kind: K }>;

/** A graph as kernels over buffers, in the order in which they run. */
export interface Lowered {
  /** The buffers; kernels name them by position. */
  readonly buffers: readonly BufferPlan[];
  /** The kernels. */
  readonly kernels: readonly Kernel[];
  /** The buffers of the operands. */
  readonly inputs: readonly number[];
  /** The buffers of the results; each is written by a kernel and no two are the same. */
  readonly outputs: readonly number[];
}

/** The use of a buffer by a kernel. */
type Access = "read" | "write";

/**
 * A kernel with other buffer numbers, which it asks for in the order of its operands, results last.
 * Only this function knows where kernels name buffers.
 */
function withBuffers(
  kernel: Kernel,
  numberOf: (buffer: number, access: Access) => number,
): Kernel {
  const read = (buffer: number): number => numberOf(buffer, "read");
  const write = (buffer: number): number => numberOf(buffer, "write");
  const readAt = <B extends { readonly buffer: number }>(place: B): B => ({
    ...place,
    buffer: read(place.buffer),
  });
  const writeAt = <B extends { readonly buffer: number }>(place: B): B => ({
    ...place,
    buffer: write(place.buffer),
  });
  const readIn = (steps: readonly Step[]): Step[] =>
    steps.map((step) => step.kind === "load" ? readAt(step) : step);
  const mask = ({ start, segments }: AttentionSizes) => ({
    start: start.kind === "given" ? readAt(start) : start,
    segments: segments && { queries: read(segments.queries), keys: read(segments.keys) },
  });
  switch (kernel.kind) {
    case "map":
      return {
        ...kernel,
        steps: readIn(kernel.steps),
        stores: kernel.stores.map(writeAt),
      };
    case "reduce":
      return { ...kernel, steps: readIn(kernel.steps), output: write(kernel.output) };
    case "matmul": {
      const [a, b] = [readAt(kernel.a), readAt(kernel.b)];
      if (kernel.epilogue === undefined) return { ...kernel, a, b, output: write(kernel.output) };
      // The epilogue finds the product in the output, which nothing reads before.
      const steps = kernel.epilogue.steps.map((step) => {
        if (step.kind !== "load") return step;
        return step.buffer === kernel.output ? writeAt(step) : readAt(step);
      });
      const output = write(kernel.output);
      const stores = kernel.epilogue.stores.map(writeAt);
      return { ...kernel, a, b, output, epilogue: { steps, stores } };
    }
    case "attention":
      return {
        ...kernel,
        q: readAt(kernel.q),
        k: readAt(kernel.k),
        v: readAt(kernel.v),
        ...mask(kernel),
        y: writeAt(kernel.y),
      };
    case "attentionGradient":
      return {
        ...kernel,
        q: readAt(kernel.q),
        k: readAt(kernel.k),
        v: readAt(kernel.v),
        g: readAt(kernel.g),
        ...mask(kernel),
        dq: writeAt(kernel.dq),
        dk: writeAt(kernel.dk),
        dv: writeAt(kernel.dv),
      };
    case "gather":
      return {
        ...kernel,
        table: read(kernel.table),
        ids: read(kernel.ids),
        output: write(kernel.output),
      };
    case "scatterAdd":
      return {
        ...kernel,
        ids: read(kernel.ids),
        updates: read(kernel.updates),
        table: kernel.table === undefined ? undefined : read(kernel.table),
        output: write(kernel.output),
      };
    case "argsort":
      return { ...kernel, input: read(kernel.input), output: write(kernel.output) };
    case "dynamicSlice":
      return {
        ...kernel,
        input: read(kernel.input),
        start: read(kernel.start),
        output: write(kernel.output),
      };
    case "dynamicUpdate":
      return {
        ...kernel,
        input: read(kernel.input),
        update: read(kernel.update),
        start: read(kernel.start),
        output: write(kernel.output),
      };
    default:
      return kernel satisfies never;
  }
}

/**
 * The buffers that a kernel reads and the buffers that it writes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, neg, tensor } from "@unitune/core";
 * import { lower, usedBuffers } from "@unitune/core/backend";
 *
 * const { kernels, inputs, outputs } = lower(graphOf(neg, [tensor([1, 2])]));
 * assertEquals(kernels.map(usedBuffers), [{ reads: [...inputs], writes: [...outputs] }]);
 * ```
 *
 * @param kernel The kernel.
 * @returns Positions in the program's list of buffers; some are read more than once.
 */
export function usedBuffers(kernel: Kernel): { reads: number[]; writes: number[] } {
  const used: Readonly<Record<Access, number[]>> = { read: [], write: [] };
  withBuffers(kernel, (buffer, access) => {
    used[access].push(buffer);
    return buffer;
  });
  return { reads: used.read, writes: [...new Set(used.write)] };
}

/**
 * The same kernel on buffers of other numbers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, neg, tensor } from "@unitune/core";
 * import { lower, renumbered, usedBuffers } from "@unitune/core/backend";
 *
 * const [kernel] = lower(graphOf(neg, [tensor([1, 2])])).kernels;
 * const moved = kernel && usedBuffers(renumbered(kernel, (buffer) => buffer + 10));
 * assertEquals(moved, { reads: [10], writes: [11] });
 * ```
 *
 * @param kernel The kernel.
 * @param numberOf The new number of each buffer.
 * @returns The kernel; its steps, sizes and positions are the same.
 */
export function renumbered(kernel: Kernel, numberOf: (buffer: number) => number): Kernel {
  return withBuffers(kernel, numberOf);
}
