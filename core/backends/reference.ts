/**
 * The reference backend: plain loops over f64 numbers, one instruction after the other. It is the
 * oracle that the other backends are tested against, and the one that has f64 tensors.
 */
import { attentionGradientOperands, attentionOperands } from "../attention.ts";
import { makeBuffers } from "../backend/buffers.ts";
import type { Device, Operand } from "../backend/device.ts";
import {
  allocate,
  bytesPerElement,
  type ComputedDType,
  type DType,
  isStorage,
  type TypedArray,
} from "../dtype.ts";
import type { Graph, Instruction } from "../graph.ts";
import { missingElement, narrowed, widened } from "../half.ts";
import {
  type Abstract,
  GELU_CUBIC,
  GELU_LINEAR,
  type PrimitiveName,
  type PrimitiveParameters,
} from "../primitives.ts";
import { power } from "../power.ts";
import { at, type Shape, sizeOf, stridesOf } from "../shape.ts";
import { attend, attendGradient } from "./reference_attention.ts";
import { makeSums } from "./reference_sums.ts";
import { threefry2x32 } from "../threefry.ts";

/** Elements and their shape. */
interface ShapedElements extends Abstract {
  readonly data: TypedArray;
}

/** Terms of a slice of a product's depth, whose total is added to those before. */
const SLICE = 4096;

/** Computes the elements of results, which start as zeros, from those of the operands. */
type Kernel<P extends PrimitiveName> = (
  inputs: readonly ShapedElements[],
  output: ShapedElements,
  parameters: PrimitiveParameters[P],
  others: readonly ShapedElements[],
) => void;

function input(inputs: readonly ShapedElements[], index: number): ShapedElements {
  const elements = inputs[index];
  if (elements === undefined) throw new RangeError(`operand ${index} is missing`);
  return elements;
}

/** The element at a position that is inside. */
function get({ data }: ShapedElements, position: number): number {
  return data[position] ?? NaN;
}

function isInteger(dtype: DType): boolean {
  return dtype === "i32" || dtype === "u32";
}

function map1(f: (x: number, dtype: DType) => number): Kernel<PrimitiveName> {
  return (inputs, { data }) => {
    const x = input(inputs, 0);
    for (let i = 0; i < data.length; i++) data[i] = f(get(x, i), x.dtype);
  };
}

function map2(f: (a: number, b: number, dtype: DType) => number): Kernel<PrimitiveName> {
  return (inputs, { data }) => {
    const [a, b] = [input(inputs, 0), input(inputs, 1)];
    for (let i = 0; i < data.length; i++) data[i] = f(get(a, i), get(b, i), a.dtype);
  };
}

/** Copies elements whose position in the operand is affine in the index of the result. */
function strided(
  x: ShapedElements,
  output: ShapedElements,
  strides: readonly number[],
  start: number,
): void {
  const index = new Array<number>(output.shape.length).fill(0);
  let from = start;
  for (let i = 0; i < output.data.length; i++) {
    output.data[i] = get(x, from);
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = at(index, axis) + 1;
      from += at(strides, axis);
      if (at(index, axis) < at(output.shape, axis)) break;
      from -= at(strides, axis) * at(output.shape, axis);
      index[axis] = 0;
    }
  }
}

/** For each element of x, the position in the result that it is reduced into. */
function reducedPositions(shape: Shape, axes: readonly number[]): Int32Array {
  const kept = stridesOf(shape.map((size, axis) => axes.includes(axis) ? 1 : size));
  const positions = allocate("i32", sizeOf(shape));
  const strides = kept.map((stride, axis) => axes.includes(axis) ? 0 : stride);
  const source: ShapedElements = {
    shape: [],
    dtype: "i32",
    data: Int32Array.from({ length: positions.length }, (_, i) => i),
  };
  strided(source, { shape, dtype: "i32", data: positions }, strides, 0);
  return positions;
}

/** A slab view of an axis: outer blocks, the axis, and the contiguous elements inside. */
function slab(shape: Shape, axis: number): { outer: number; size: number; inner: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    size: at(shape, axis),
    inner: sizeOf(shape.slice(axis + 1)),
  };
}

/** The start of the window of the `o`-th of `outer` blocks. */
function clampStart(start: ShapedElements, room: number, o: number, outer: number): number {
  const row = Math.floor(o * start.data.length / outer);
  return Math.min(Math.max(get(start, row), 0), room);
}

/** Below 0 where a comes before b, above 0 where b does; NaN after everything. */
function compareNumbers(a: number, b: number): number {
  const [isLast, isOtherLast] = [Number.isNaN(a), Number.isNaN(b)];
  return isLast || isOtherLast ? Number(isLast) - Number(isOtherLast) : a < b ? -1 : Number(a > b);
}

/** 2 / sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)) near 0, a continued fraction of erfc beyond. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let total = a;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
      term *= -(a * a) / n;
      total += term / (2 * n + 1);
    }
    return Math.sign(x) * 2 / Math.sqrt(Math.PI) * total;
  }
  return Math.sign(x) * (1 - farErfc(a));
}

/** `1 - erf a` for a from 2 on. */
function farErfc(a: number): number {
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction));
}

function normalTail(x: number): number {
  const a = Math.abs(x) / Math.SQRT2;
  return (a < 2 ? 1 - erf(a) : farErfc(a)) / 2;
}

/** A number cast to another element type. */
function convert(x: number, dtype: ComputedDType): number {
  if (dtype === "bool") return x === 0 ? 0 : 1;
  if (!isInteger(dtype)) return x;
  // Saturating, as WebAssembly and WGSL do; NaN becomes 0.
  const [low, high] = dtype === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), high);
}

/** Integers multiply modulo 2^32. */
function multiply(a: number, b: number, dtype: DType): number {
  return isInteger(dtype) ? Math.imul(a, b) : a * b;
}

const kernels: { readonly [P in PrimitiveName]: Kernel<P> } = {
  fill: (_, { data }, { value }) => void data.fill(value),
  iota: (_, output, { axis }) => {
    const stride = at(stridesOf(output.shape), axis);
    const size = at(output.shape, axis);
    for (let i = 0; i < output.data.length; i++) output.data[i] = Math.floor(i / stride) % size;
  },
  neg: map1((x) => -x),
  abs: map1(Math.abs),
  sign: map1((x) => x === 0 ? 0 : x > 0 ? 1 : x < 0 ? -1 : x),
  floor: map1(Math.floor),
  exp: map1(Math.exp),
  expm1: map1(Math.expm1),
  log: map1(Math.log),
  log1p: map1(Math.log1p),
  sqrt: map1(Math.sqrt),
  sin: map1(Math.sin),
  cos: map1(Math.cos),
  tanh: map1(Math.tanh),
  erf: map1(erf),
  geluDecay: map1((x) => Math.exp(-Math.abs(x * (GELU_LINEAR + GELU_CUBIC * x * x)))),
  normalTail: map1(normalTail),
  not: map1((x) => 1 - x),
  cast: (inputs, { data }, { dtype }) => {
    const x = input(inputs, 0);
    if (x.dtype === dtype) return data.set(x.data);
    if (isStorage(x.dtype)) return data.set(widened(x.dtype, Uint16Array.from(x.data)));
    if (isStorage(dtype)) return data.set(narrowed(dtype, Float32Array.from(x.data)));
    const between = isInteger(x.dtype) && isInteger(dtype);
    // Between the integer types the bits stay; a typed array wraps by itself.
    for (let i = 0; i < data.length; i++) data[i] = between ? get(x, i) : convert(get(x, i), dtype);
  },
  bitcast: (inputs, { data }) => {
    const { buffer, byteOffset, byteLength } = input(inputs, 0).data;
    new Uint8Array(data.buffer).set(new Uint8Array(buffer, byteOffset, byteLength));
  },
  add: map2((a, b) => a + b),
  sub: map2((a, b) => a - b),
  mul: map2(multiply),
  div: map2((a, b, dtype) => isInteger(dtype) ? (b === 0 ? 0 : Math.trunc(a / b)) : a / b),
  pow: map2(power),
  maximum: map2((a, b) => Math.max(a, b)),
  minimum: map2((a, b) => Math.min(a, b)),
  rem: map2((a, b, dtype) => isInteger(dtype) && b === 0 ? 0 : a % b),
  equal: map2((a, b) => a === b ? 1 : 0),
  less: map2((a, b) => a < b ? 1 : 0),
  lessEqual: map2((a, b) => a <= b ? 1 : 0),
  and: map2((a, b) => a & b),
  or: map2((a, b) => a | b),
  where: (inputs, { data }) => {
    const [condition, a, b] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
    for (let i = 0; i < data.length; i++) data[i] = get(condition, i) !== 0 ? get(a, i) : get(b, i);
  },
  sum: (inputs, { data }, { axes }) => {
    const x = input(inputs, 0);
    const sums = makeSums(data.length);
    reducedPositions(x.shape, axes).forEach((to, i) => sums.add(to, get(x, i)));
    const wraps = isInteger(x.dtype);
    for (let i = 0; i < data.length; i++) data[i] = wraps ? sums.total(i) | 0 : sums.total(i);
  },
  reduceMax: (inputs, output, { axes }) => {
    const x = input(inputs, 0);
    output.data.fill(x.dtype === "u32" ? 0 : x.dtype === "i32" ? -(2 ** 31) : -Infinity);
    const positions = reducedPositions(x.shape, axes);
    positions.forEach((to, i) => output.data[to] = Math.max(get(output, to), get(x, i)));
  },
  argmax: (inputs, { data }, { axis }) => {
    const x = input(inputs, 0);
    const { outer, size, inner } = slab(x.shape, axis);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let best = 0;
        for (let k = 1; k < size; k++) {
          const element = get(x, (o * size + k) * inner + i);
          if (element > get(x, (o * size + best) * inner + i)) best = k;
        }
        data[o * inner + i] = best;
      }
    }
  },
  argsort: (inputs, { shape, data }) => {
    const x = input(inputs, 0);
    const size = at(shape, shape.length - 1);
    for (let start = 0; start < data.length; start += size) {
      const order = Array.from({ length: size }, (_, i) => i)
        .sort((a, b) => compareNumbers(get(x, start + a), get(x, start + b)) || a - b);
      data.set(order, start);
    }
  },
  matmul: (inputs, { shape, data }) => {
    const [a, b] = [input(inputs, 0), input(inputs, 1)];
    const [rows, columns] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
    const depth = at(a.shape, a.shape.length - 1);
    const [slice, totals] = [new Float64Array(columns), new Float64Array(columns)];
    for (let row = 0; row < data.length / Math.max(1, columns); row++) {
      const batch = Math.floor(row / rows);
      totals.fill(0);
      for (let start = 0; start < depth; start += SLICE) {
        slice.fill(0);
        for (let k = start; k < Math.min(start + SLICE, depth); k++) {
          const left = get(a, row * depth + k);
          const from = (batch * depth + k) * columns;
          for (let j = 0; j < columns; j++) {
            slice[j] = (slice[j] ?? NaN) + left * get(b, from + j);
          }
        }
        for (let j = 0; j < columns; j++) totals[j] = (totals[j] ?? NaN) + (slice[j] ?? NaN);
      }
      data.set(totals, row * columns);
    }
  },
  attention: (inputs, { data }, parameters) =>
    attend(attentionOperands(inputs, parameters), parameters, data),
  attentionGradient: (inputs, { data }, parameters, others) =>
    attendGradient(attentionGradientOperands(inputs, parameters), parameters, {
      dq: data,
      dk: input(others, 0).data,
      dv: input(others, 1).data,
    }),
  reshape: (inputs, { data }) => data.set(input(inputs, 0).data),
  transpose: (inputs, output, { permutation }) => {
    const x = input(inputs, 0);
    const strides = stridesOf(x.shape);
    strided(x, output, permutation.map((axis) => at(strides, axis)), 0);
  },
  expand: (inputs, output) => {
    const x = input(inputs, 0);
    const strides = stridesOf(x.shape).map((stride, axis) => x.shape[axis] === 1 ? 0 : stride);
    strided(x, output, strides, 0);
  },
  slice: (inputs, output, { start }) => {
    const x = input(inputs, 0);
    const strides = stridesOf(x.shape);
    strided(
      x,
      output,
      strides,
      start.reduce((sum, from, axis) => sum + from * at(strides, axis), 0),
    );
  },
  concat: (inputs, { shape, data }, { axis }) => {
    const { outer, size, inner } = slab(shape, axis);
    let before = 0;
    for (const x of inputs) {
      const run = at(x.shape, axis) * inner;
      for (let o = 0; o < outer; o++) {
        data.set(x.data.subarray(o * run, (o + 1) * run), o * size * inner + before);
      }
      before += run;
    }
  },
  gather: (inputs, { dtype, data }) => {
    const [table, ids] = [input(inputs, 0), input(inputs, 1)];
    const rows = at(table.shape, 0);
    const width = sizeOf(table.shape.slice(1));
    const missing = missingElement(dtype);
    ids.data.forEach((id, i) => {
      const inside = id >= 0 && id < rows;
      if (inside) data.set(table.data.subarray(id * width, (id + 1) * width), i * width);
      else data.fill(missing, i * width, (i + 1) * width);
    });
  },
  scatterAdd: (inputs, { shape, data }, { rows }) => {
    const [ids, updates, table] = [input(inputs, 0), input(inputs, 1), inputs[2]];
    const width = sizeOf(shape.slice(1));
    const sums = makeSums(data.length);
    if (table !== undefined) { for (let i = 0; i < data.length; i++) sums.add(i, get(table, i)); }
    ids.data.forEach((id, i) => {
      if (id < 0 || id >= rows) return;
      for (let j = 0; j < width; j++) sums.add(id * width + j, get(updates, i * width + j));
    });
    for (let i = 0; i < data.length; i++) data[i] = sums.total(i);
  },
  dynamicSlice: (inputs, { data }, { axis, size: length }) => {
    const [x, start] = [input(inputs, 0), input(inputs, 1)];
    const { outer, size, inner } = slab(x.shape, axis);
    for (let o = 0; o < outer; o++) {
      const first = (o * size + clampStart(start, size - length, o, outer)) * inner;
      data.set(x.data.subarray(first, first + length * inner), o * length * inner);
    }
  },
  dynamicUpdate: (inputs, { shape, data }, { axis }) => {
    const [x, update, start] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)];
    data.set(x.data);
    const { outer, size, inner } = slab(shape, axis);
    const length = at(update.shape, axis);
    for (let o = 0; o < outer; o++) {
      const part = update.data.subarray(o * length * inner, (o + 1) * length * inner);
      data.set(part, (o * size + clampStart(start, size - length, o, outer)) * inner);
    }
  },
  randomBits: (inputs, { data }) => {
    const [key, counter] = [input(inputs, 0), input(inputs, 1)];
    const size = 2 * data.length / key.data.length; // elements of a key
    for (let row = 0; row < key.data.length; row += 2) {
      const of = (words: ShapedElements) => [get(words, row), get(words, row + 1)] as const;
      const [first, use] = of(counter);
      for (let i = 0; i < size; i += 2) {
        const words = threefry2x32(of(key), [(first + i / 2) >>> 0, use]);
        data.set(words.slice(0, size - i), row / 2 * size + i);
      }
    }
  },
  stopGradient: (inputs, { data }) => data.set(input(inputs, 0).data),
  customVjp: (inputs, output, _, others) =>
    [output, ...others].forEach(({ data }, i) => data.set(input(inputs, i).data)),
  barrier: (inputs, { data }) => data.set(input(inputs, 0).data),
};

function execute<P extends PrimitiveName>(
  { op, parameters, shape, dtype, others }: Instruction<P>,
  inputs: readonly ShapedElements[],
): ShapedElements[] {
  const empty = ({ shape, dtype }: Abstract): ShapedElements => ({
    shape,
    dtype,
    data: allocate(dtype, sizeOf(shape)),
  });
  const output = empty({ shape, dtype });
  const further = others.map(empty);
  const kernel: Kernel<P> = kernels[op];
  kernel(inputs, output, parameters, further);
  return [output, ...further];
}

function run(graph: Graph, operands: readonly TypedArray[]): ShapedElements[] {
  // All results of each node; the further nodes of an instruction share its results.
  const results: ShapedElements[][] = [];
  const value = (position: number): ShapedElements => input(at(results, position), 0);
  for (const node of graph.nodes) {
    if (node.op === "input") {
      const data = operands[node.index];
      if (data === undefined) throw new RangeError(`operand ${node.index} is missing`);
      results.push([{ shape: node.shape, dtype: node.dtype, data }]);
    } else if (node.op === "result") {
      results.push([input(at(results, node.inputs[0]), node.index)]);
    } else {
      results.push(execute(node, node.inputs.map(value)));
    }
  }
  return graph.outputs.map(value);
}

const bytesOf = ({ shape, dtype }: Abstract): number => sizeOf(shape) * bytesPerElement[dtype];

/** Bytes of the results of all instructions. */
function intermediateBytes({ nodes }: Graph): number {
  return nodes.reduce((total, node) => node.op === "input" ? total : total + bytesOf(node), 0);
}

/** The reference backend as a device. */
export interface ReferenceDevice extends Device {
  /** The backend's name. */
  readonly name: "reference";
}

/**
 * The reference backend as a device.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, mul, reference, tensor } from "@unitune/core";
 *
 * const double = compile((x: ReturnType<typeof tensor>) => mul(x, 2), { device: reference() });
 * assertEquals(await double(tensor([3], { dtype: "f64" })).data(), new Float64Array([6]));
 * ```
 *
 * @returns A device of its own.
 */
export function reference(): ReferenceDevice {
  const buffers = makeBuffers<TypedArray>({
    read: (data, _, { begin, end }) => Promise.resolve(data.slice(begin, end)),
  });
  const over = (data: TypedArray, dtype: DType) =>
    buffers.over({ kind: "storage", storage: data }, dtype, data.length);
  const elementsOf = (operand: Operand): TypedArray => {
    const elements = operand.kind === "host" ? operand : buffers.elementsOf(operand.buffer);
    return elements.kind === "host" ? elements.data : elements.storage;
  };

  return {
    name: "reference",
    [Symbol.dispose]: () => {},
    upload: (data, dtype) => over(data.slice(), dtype),
    profile: () => Promise.resolve(undefined),
    plan: (graph) => ({
      operandBytes: graph.inputs.map((position) => bytesOf(at(graph.nodes, position))),
      // Results are copies of intermediates, all of which are kept to the end.
      resultBytes: graph.outputs.reduce(
        (total, position) => total + bytesOf(at(graph.nodes, position)),
        0,
      ),
      ownBytes: intermediateBytes(graph),
      gradientBytes: 0,
      multiplications: 0,
      movedBytes: intermediateBytes(graph),
    }),
    compile(graph, { donated }) {
      const bytes = intermediateBytes(graph);
      return {
        statistics: {
          kernels: graph.nodes.length - graph.inputs.length,
          arenaBytes: bytes,
          unplannedBytes: bytes,
          codeBytes: 0,
          threads: 1,
        },
        run(operands) {
          const results = run(graph, operands.map(elementsOf));
          for (const position of donated) {
            const operand = operands[position];
            if (operand?.kind === "buffer") operand.buffer.dispose();
          }
          // No two results may share storage, with each other or with an operand.
          return results.map(({ data, dtype }) => over(data.slice(), dtype));
        },
        dispose: () => {},
      };
    },
  };
}
