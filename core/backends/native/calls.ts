/** Kernels as calls of functions: which function, on which buffers, with which parameters. */
import { allocate, bytesPerElement, type DType } from "../../dtype.ts";
import { type Kernel, type KernelOf, usedBuffers } from "../../lowering/kernels.ts";
import { renumbered } from "../../lowering/kernels.ts";
import { at, sizeOf } from "../../shape.ts";
import { workOf } from "../../lowering/work.ts";
import { attentionParameters, attentionScratch, headVectors } from "./attention.ts";
import { epilogue, map, reduce } from "./loops.ts";
import { arePartsWorthwhile, DEPTH_PARTS, PRODUCT_SCRATCH, productParameters } from "./product.ts";
import { scatterScratch, sortScratch } from "./rows.ts";

/** A function that a call needs: of the runtime, or made of a body. */
export type Callee =
  | { readonly kind: "runtime"; readonly name: string }
  /** A kernel, or the epilogue of a product, which has the range of rows and columns. */
  | { readonly kind: "body"; readonly role: "kernel" | "epilogue"; readonly body: string };

/** A parameter: a number, or the address of a function. */
export type Parameter = number | bigint | Callee;

/** A call of a kernel. */
export interface Call {
  readonly callee: Callee;
  /** The buffers that the function is given, in its order. */
  readonly buffers: readonly number[];
  readonly parameters: readonly Parameter[];
  /** Whether threads share the work; otherwise one of them does it all. */
  readonly isShared: boolean;
}

/** Operations below which a kernel is done by one thread: meeting costs more than sharing saves. */
const SHARED_WORK = 1 << 14;

/** A call with its operations, if they are not those of its kernel. */
type Made = Omit<Call, "isShared"> & { readonly work?: number };

/** A float among parameters, which are integers: the bits of its double. */
function bitsOf(value: number): bigint {
  return new BigInt64Array(Float64Array.of(value).buffer)[0] ?? 0n;
}

const runtime = (name: string): Callee => ({ kind: "runtime", name: `native_${name}` });

/** A kernel of a body, whose buffers are numbered by the order of their use. */
function ofBody(
  kernel: KernelOf<"map"> | KernelOf<"reduce">,
  dtypeOf: (buffer: number) => DType,
): Made {
  const { reads, writes } = usedBuffers(kernel);
  const buffers = [...new Set([...reads, ...writes])];
  const own = renumbered(kernel, (buffer) => buffers.indexOf(buffer));
  const dtypes = buffers.map(dtypeOf);
  const made = own.kind === "map"
    ? map(own, dtypes)
    : own.kind === "reduce"
    ? reduce(own, dtypes)
    : undefined;
  if (made === undefined) throw new Error(`${own.kind} has no body`);
  const { body, parameters } = made;
  return { callee: { kind: "body", role: "kernel", body }, buffers, parameters };
}

/** The types of factors, as the runtime numbers them. */
const factorTypes: { readonly [D in DType]: number } = {
  ...{ f32: 0, bf16: 1, f16: 2 },
  ...{ f64: NaN, i32: NaN, u32: NaN, bool: NaN },
};

/** The functions of a product, one after the other, with their operations. */
function productFunctions(
  { a, b, batch, rows, columns, depth, epilogue }: KernelOf<"matmul">,
  dtypeOf: (buffer: number) => DType,
): readonly { readonly name: string; readonly work?: number }[] {
  const isInParts = sizeOf(batch) === 1 && b.column === 1 && dtypeOf(a.buffer) === "f32" &&
    dtypeOf(b.buffer) !== "f16" && arePartsWorthwhile(rows, columns, depth);
  if (!isInParts) return [{ name: "matmul" }];
  const work = rows * columns * (DEPTH_PARTS + (epilogue?.steps.length ?? 0));
  return [{ name: "matmulParts" }, { name: "matmulSum", work }];
}

function ofProduct(kernel: KernelOf<"matmul">, dtypeOf: (buffer: number) => DType): Made[] {
  const { a, b, batch, rows, columns, depth, output, outputStart } = kernel;
  const used = kernel.epilogue === undefined ? [] : [
    ...kernel.epilogue.steps.flatMap((step) => step.kind === "load" ? [step.buffer] : []),
    ...kernel.epilogue.stores.map(({ buffer }) => buffer),
  ];
  // A function finds its operands in places of their own, also where two are one buffer.
  const buffers = [a.buffer, b.buffer, output, ...new Set(used)];
  const axes = batch.flatMap((size, axis) => [size, at(a.batch, axis), at(b.batch, axis)]);
  const renamed = (buffer: number) =>
    buffer === output ? 2 : 3 + [...new Set(used)].indexOf(buffer);
  const ending = kernel.epilogue && epilogue(
    {
      steps: kernel.epilogue.steps.map((step) =>
        step.kind === "load" ? { ...step, buffer: renamed(step.buffer) } : step
      ),
      stores: kernel.epilogue.stores.map((store) => ({ ...store, buffer: renamed(store.buffer) })),
    },
    [rows, columns],
    buffers.map(dtypeOf),
  );
  const own: { readonly [P in typeof productParameters[number]]: Parameter } = {
    ...{ batches: sizeOf(batch), rows, columns, depth },
    ...{ aOffset: a.offset, aRow: a.row, aColumn: a.column },
    ...{ bOffset: b.offset, bRow: b.row, bColumn: b.column },
    ...{ aType: factorTypes[dtypeOf(a.buffer)], bType: factorTypes[dtypeOf(b.buffer)] },
    outputStart,
    epilogue: ending === undefined ? 0 : { kind: "body", role: "epilogue", body: ending.body },
    epilogueParameters: productParameters.length + axes.length,
    batchRank: batch.length,
  };
  const parameters = [
    ...productParameters.map((name) => own[name]),
    ...axes,
    ...ending?.parameters ?? [],
  ];
  return productFunctions(kernel, dtypeOf).map(({ name, ...rest }) => ({
    callee: runtime(name),
    buffers,
    parameters,
    ...rest,
  }));
}

function ofAttention(kernel: KernelOf<"attention"> | KernelOf<"attentionGradient">): Made {
  const { kind, batch, queries, keys, heads, keyHeads, width, causal, window, start } = kernel;
  const vectors = kind === "attention"
    ? headVectors.attention.map((name) => kernel[name])
    : headVectors.attentionGradient.map((name) => kernel[name]);
  const buffers = vectors.map(({ buffer }) => buffer);
  const place = (buffer: number | undefined) =>
    buffer === undefined ? -1 : buffers.push(buffer) - 1;
  const own: { readonly [P in typeof attentionParameters[number]]: Parameter } = {
    ...{ batch, queries, keys, heads, keyHeads, width },
    causal: causal ? 1 : 0,
    window: window ?? -1,
    start: start.kind === "known" ? start.position : 0,
    startBuffer: place(start.kind === "given" ? start.buffer : undefined),
    querySegments: place(kernel.segments?.queries),
    keySegments: place(kernel.segments?.keys),
    scale: bitsOf(kernel.scale),
    softcap: bitsOf(kernel.softcap ?? 0),
  };
  const strides = vectors.flatMap((
    { offset, sequence, position, head },
  ) => [offset, sequence, position, head]);
  return {
    callee: runtime(kind),
    buffers,
    parameters: [...attentionParameters.map((name) => own[name]), ...strides],
  };
}

/** The bits of an element in memory. */
function wordOf(dtype: DType, value: number): number {
  const element = allocate(dtype, 1);
  element[0] = value;
  const bytes = new DataView(element.buffer);
  return element.byteLength === 2 ? bytes.getUint16(0, true) : bytes.getUint32(0, true);
}

/** The order of numbers of a type: see `sort_key`. */
const sortTypes: { readonly [D in DType]: number } = {
  ...{ f32: 0, i32: 1, u32: 2, bool: 2 },
  ...{ f64: NaN, bf16: NaN, f16: NaN },
};

function made(kernel: Kernel, dtypeOf: (buffer: number) => DType): readonly Made[] {
  switch (kernel.kind) {
    case "map":
    case "reduce":
      return [ofBody(kernel, dtypeOf)];
    case "matmul":
      return ofProduct(kernel, dtypeOf);
    case "attention":
    case "attentionGradient":
      return [ofAttention(kernel)];
    case "gather": {
      const { table, ids, output, rows, count, width, missing } = kernel;
      const dtype = dtypeOf(output);
      const bytes = bytesPerElement[dtype];
      return [{
        callee: runtime("gather"),
        buffers: [table, ids, output],
        parameters: [rows, count, width * bytes, bytes, wordOf(dtype, missing)],
      }];
    }
    case "scatterAdd": {
      const { ids, updates, table, output, rows, count, width } = kernel;
      return [{
        callee: runtime("scatterAdd"),
        buffers: [ids, updates, output, table ?? output],
        parameters: [rows, count, width, table === undefined ? 0 : 1],
      }];
    }
    case "argsort": {
      const { input, output, outer, size } = kernel;
      return [{
        callee: runtime("argsort"),
        buffers: [input, output],
        parameters: [outer, size, sortTypes[dtypeOf(input)]],
      }];
    }
    case "dynamicSlice": {
      const { input, start, starts, output, outer, size, length, inner } = kernel;
      return [{
        callee: runtime("dynamicSlice"),
        buffers: [input, start, output],
        parameters: [outer, size, length, inner * bytesPerElement[dtypeOf(output)], starts],
      }];
    }
    case "dynamicUpdate": {
      const { input, update, start, starts, output, outer, size, length, inner } = kernel;
      return [{
        callee: runtime("dynamicUpdate"),
        buffers: [input, update, start, output],
        parameters: [outer, size, length, inner * bytesPerElement[dtypeOf(output)], starts],
      }];
    }
    default:
      return kernel satisfies never;
  }
}

/** Bytes of scratch memory that each thread needs for a kernel. */
export function scratchOf(kernel: Kernel): number {
  switch (kernel.kind) {
    case "matmul":
      return PRODUCT_SCRATCH;
    case "attention":
      return attentionScratch(kernel, false);
    case "attentionGradient":
      return attentionScratch(kernel, true);
    case "scatterAdd":
      return scatterScratch(kernel.rows, kernel.count);
    case "argsort":
      return sortScratch(kernel.size);
    case "map":
    case "reduce":
    case "gather":
    case "dynamicSlice":
    case "dynamicUpdate":
      return 0;
    default:
      return kernel satisfies never;
  }
}

/** A kernel as calls, one after the other. */
export function callsOf(kernel: Kernel, dtypeOf: (buffer: number) => DType): readonly Call[] {
  return made(kernel, dtypeOf).map(({ work = workOf(kernel), ...call }) => ({
    ...call,
    isShared: work >= SHARED_WORK,
  }));
}
