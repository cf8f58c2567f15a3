/**
 * A backend outside core, by its exports alone. It emits JavaScript that computes in f32: each float
 * of a loop's body is rounded by `Math.fround`; sums are added up in f64, and rounded once.
 */
import {
  at,
  type ComputedDType,
  type Device,
  type DType,
  isStorage,
  type Shape,
  type TypedArray,
  widened,
} from "@unitune/core";
import {
  type Affine,
  type Code,
  expand,
  type HeadVectors,
  type Kernel,
  type KernelOf,
  type Lowered,
  makeHost,
  type MemoryPlan,
  type NativeOperation,
  nestOf,
  type Reduction,
  resolve,
  type Step,
  type Store,
  usedBuffers,
} from "@unitune/core/backend";

/** An expression, or statements. */
type Source = string;

/** Typed arrays over memory. */
const viewOver: {
  readonly [D in DType]: (memory: ArrayBuffer, offset: number, size: number) => TypedArray;
} = {
  f32: (...place) => new Float32Array(...place),
  f64: (...place) => new Float64Array(...place),
  i32: (...place) => new Int32Array(...place),
  u32: (...place) => new Uint32Array(...place),
  bool: (...place) => new Uint32Array(...place),
  bf16: (...place) => new Uint16Array(...place),
  f16: (...place) => new Uint16Array(...place),
};

/** One word, by the element types that see its bits. */
const word = new ArrayBuffer(4);
const bits = { f32: new Float32Array(word), i32: new Int32Array(word), u32: new Uint32Array(word) };

/** What an element type makes of a number. */
const rounded: { readonly [D in ComputedDType]: (x: Source) => Source } = {
  f32: (x) => `Math.fround(${x})`,
  f64: (x) => x,
  i32: (x) => `(${x} | 0)`,
  u32: (x) => `(${x} >>> 0)`,
  bool: (x) => `+(${x})`,
};

/** A float cut off to an integer between two; of NaN, the type of integers makes 0. */
const saturated = (x: Source, low: number, high: number): Source =>
  `Math.min(Math.max(Math.trunc(${x}), ${low}), ${high})`;

/** A number as another element type has it; between integers the bits stay. */
const converted: { readonly [D in ComputedDType]: (x: Source, from: DType) => Source } = {
  f32: rounded.f32,
  f64: rounded.f64,
  bool: (x) => `(${x} === 0 ? 0 : 1)`,
  i32: (x, from) => rounded.i32(from === "f32" ? saturated(x, -(2 ** 31), 2 ** 31 - 1) : x),
  u32: (x, from) => rounded.u32(from === "f32" ? saturated(x, 0, 2 ** 32 - 1) : x),
};

/** An operation as an expression, `from` operands of a type, before the type `to` rounds it. */
type Operation = (
  types: { from: ComputedDType; to: ComputedDType },
  ...operands: readonly Source[]
) => Source;

const binary = (sign: Source): Operation => (_, a, b) => `${a} ${sign} ${b}`;
const call = (name: Source): Operation => (_, ...operands) => `${name}(${operands.join(", ")})`;
/** Integers and floats, or signed and unsigned words, have operators of their own. */
const byType =
  (type: DType, its: Operation, others: Operation): Operation => (types, ...operands) =>
    (types.from === type ? its : others)(types, ...operands);

const operations: { readonly [O in NativeOperation]: Operation } = {
  neg: (_, x) => `-${x}`,
  abs: call("Math.abs"),
  sign: (_, x) => `${x} === 0 ? 0 : Math.sign(${x})`,
  floor: call("Math.floor"),
  sqrt: call("Math.sqrt"),
  cast: ({ from, to }, x) => converted[to](x, from),
  bitcast: ({ from, to }, x) => `(bits.${from}[0] = ${x}, bits.${to}[0])`,
  add: binary("+"),
  sub: binary("-"),
  mul: byType("f32", binary("*"), call("Math.imul")),
  div: binary("/"),
  rem: binary("%"),
  multiplyAdd: (_, a, b, c) => `Math.fround(${a} * ${b}) + ${c}`,
  maximum: call("Math.max"),
  minimum: call("Math.min"),
  atLeast: (_, x, low) => `${x} < ${low} ? ${low} : ${x}`,
  atMost: (_, x, high) => `${x} > ${high} ? ${high} : ${x}`,
  equal: binary("==="),
  less: binary("<"),
  lessEqual: binary("<="),
  not: (_, x) => `1 - ${x}`,
  and: binary("&"),
  or: binary("|"),
  xor: binary("^"),
  where: (_, condition, a, b) => `${condition} ? ${a} : ${b}`,
  shiftLeft: binary("<<"),
  shiftRight: byType("u32", binary(">>>"), binary(">>")),
  leadingZeros: call("Math.clz32"),
};

/** What is computed in so many loops, counted from the outermost. */
type Steps = (depth: number) => Source;

/** A loop for each size, whose counters are `i0`, `i1` and so on. */
function loops(sizes: Shape, inner: Source, first = 0, steps: Steps = () => ""): Source {
  return sizes.reduceRight<Source>((body, size, axis) => {
    const i = `i${first + axis}`;
    return `for (let ${i} = 0; ${i} < ${size}; ${i}++) {\n${steps(first + axis + 1)}\n${body}\n}`;
  }, inner);
}

/** `offset + sum_d strides[d] i_d`. */
function position({ offset, strides }: Affine): Source {
  const terms = strides.map((stride, axis) => stride === 0 ? "" : ` + ${stride} * i${axis}`);
  return `${offset}${terms.join("")}`;
}

/** The position of the counters of loops in row-major order. */
function inOrder(sizes: Shape, start = 0): Source {
  const index = sizes.reduce<Source>((sum, size, axis) => `(${sum}) * ${size} + i${axis}`, "0");
  return `${start} + ${index}`;
}

/** The value of a step; `v0`, `v1` and so on are those of the steps. */
function valueOf(step: Step, steps: readonly Step[]): Source {
  if (step.kind === "load") return `b${step.buffer}[${position(step.at)}]`;
  if (step.kind === "constant") return Object.is(step.value, -0) ? "-0" : `${step.value}`;
  if (step.kind === "index") return converted[step.dtype](position(step.at), "i32");
  if (step.kind === "random") throw new Error("Threefry was not expanded");
  const types = { from: at(steps, at(step.operands, 0)).dtype, to: step.dtype };
  const { kind, op } = resolve(step.op, types.from);
  if (kind === "function") throw new Error(`${op} was not expanded`);
  return rounded[step.dtype](operations[op](types, ...step.operands.map((i) => `v${i}`)));
}

/** The steps of a body, each in the outermost loop that it allows. */
function stepsOf(domain: Shape, steps: readonly Step[]): Steps {
  const { depths } = nestOf(domain, steps);
  return (depth) =>
    steps.flatMap((step, i) =>
      depths[i] === depth ? [`const v${i} = ${valueOf(step, steps)};`] : []
    )
      .join("\n");
}

const storing = (stores: readonly Store[]): Source =>
  stores.map(({ buffer, at, value }) => `b${buffer}[${position(at)}] = v${value};`).join("\n");

/** How the next value enters the total of a reduction; `most` is the largest so far. */
const reductions: {
  readonly [R in Reduction]: (value: Source, dtype: ComputedDType, counter: Source) => Source;
} = {
  sum: (value, dtype) => `total = ${rounded[dtype === "f32" ? "f64" : dtype](`total + ${value}`)};`,
  reduceMax: (value) => `total = most = Math.max(most, ${value});`,
  argmax: (value, _, counter) =>
    `if (${counter} === 0 || ${value} > most) { most = ${value}; total = ${counter}; }`,
};

/** A window of an axis: it begins where a buffer says, clamped. */
function windowOf(
  { start, starts, outer, size, length, inner }:
    | KernelOf<"dynamicSlice">
    | KernelOf<"dynamicUpdate">,
) {
  const sizes = [outer, length, inner];
  return {
    sizes,
    first: `const startOf = (block) =>
      Math.min(Math.max(b${start}[Math.floor(block * ${starts / outer})], 0), ${size - length});`,
    part: inOrder(sizes),
    whole: `(i0 * ${size} + startOf(i0) + i1) * ${inner} + i2`,
  };
}

/** Element `d` of a vector of sequence `i0`: of the query `i1` of head `i2`, or of the key `s`. */
const element = (
  { buffer, offset, sequence, position, head }: HeadVectors,
  [at, ofHead]: readonly [Source, Source],
): Source =>
  `b${buffer}[${offset} + i0 * ${sequence} + ${at} * ${position} + ${ofHead} * ${head} + d]`;
const query = (vectors: HeadVectors): Source => element(vectors, ["i1", "i2"]);
const key = (vectors: HeadVectors): Source => element(vectors, ["s", "keyHead"]);

/** `sum_d q_d k_d`. */
const dot = (width: number, q: HeadVectors, k: HeadVectors): Source =>
  `let sum = 0; for (let d = 0; d < ${width}; d++) sum += ${query(q)} * ${key(k)};`;

/** For the query of the loops: `seen`, of each key that it sees its weight and its score's slope. */
function attended(
  { queries, keys, keyHeads, heads, width, q, k, scale, softcap, causal, window, start, segments }:
    | KernelOf<"attention">
    | KernelOf<"attentionGradient">,
): Source {
  const first = start.kind === "known" ? start.position : `b${start.buffer}[i0]`;
  const hidden = [
    ...(causal ? ["distance < 0"] : []),
    ...(window === null ? [] : [`Math.abs(distance) >= ${window}`]),
    ...(segments === undefined ? [] : [
      `b${segments.keys}[i0 * ${keys} + s] < 0`,
      `b${segments.keys}[i0 * ${keys} + s] !== b${segments.queries}[i0 * ${queries} + i1]`,
    ]),
  ];
  const scored = softcap === null
    ? `const score = ${scale} * sum, slope = ${scale};`
    : `const capped = Math.tanh(${scale / softcap} * sum);
      const score = ${softcap} * capped, slope = ${scale} * (1 - capped * capped);`;
  return `const keyHead = Math.floor(i2 * ${keyHeads} / ${heads});
    const seen = [];
    for (let s = 0; s < ${keys}; s++) {
      const distance = ${first} + i1 - s;
      if (${hidden.join(" || ") || "false"}) continue;
      ${dot(width, q, k)}
      ${scored}
      seen.push({ s, score, slope });
    }
    const most = seen.reduce((most, { score }) => Math.max(most, score), -Infinity);
    for (const key of seen) key.weight = Math.exp(key.score - most);
    const total = seen.reduce((total, { weight }) => total + weight, 0);
    for (const key of seen) key.weight /= total;`;
}

const emitters: { readonly [K in Kernel["kind"]]: (kernel: KernelOf<K>) => Source } = {
  map({ domain, steps, stores }) {
    const computed = stepsOf(domain, steps);
    return `${computed(0)}\n${loops(domain, storing(stores), 0, computed)}`;
  },
  reduce({ reduction, kept, reduced, steps, value, output, outputStart }) {
    const { dtype } = at(steps, value);
    const computed = stepsOf([...kept, ...reduced], steps);
    const enter = reductions[reduction](`v${value}`, dtype, `i${kept.length}`);
    const total = `let total = 0, most = -Infinity;
      ${loops(reduced, enter, kept.length, computed)}
      b${output}[${inOrder(kept, outputStart)}] = total;`;
    return `${computed(0)}\n${loops(kept, total, 0, computed)}`;
  },
  matmul({ batch, rows, columns, depth, a, b, output, outputStart, epilogue }) {
    const [row, column] = [`i${batch.length}`, `i${batch.length + 1}`];
    const sizes = [...batch, rows, columns];
    const { steps, stores } = epilogue ?? { steps: [], stores: [] };
    const computed = stepsOf(sizes, steps);
    const factors = `const as = floats(${a.buffer}), bs = floats(${b.buffer});\n`;
    return factors + loops(
      sizes,
      `let total = 0;
      let left = ${position({ offset: a.offset, strides: a.batch })} + ${row} * ${a.row};
      let right = ${position({ offset: b.offset, strides: b.batch })} + ${column} * ${b.column};
      for (let k = 0; k < ${depth}; k++, left += ${a.column}, right += ${b.row}) {
        total += as[left] * bs[right];
      }
      b${output}[${inOrder(sizes, outputStart)}] = total;
      ${[0, 1, 2].map(computed).join("\n")}
      ${storing(stores)}`,
    );
  },
  attention(kernel) {
    const { batch, queries, heads, width, v, y } = kernel;
    return loops(
      [batch, queries, heads],
      `${attended(kernel)}
      for (let d = 0; d < ${width}; d++) {
        let sum = 0;
        for (const { s, weight } of seen) sum += weight * ${key(v)};
        ${query(y)} = sum;
      }`,
    );
  },
  attentionGradient(kernel) {
    const { batch, queries, keys, heads, keyHeads, width, q, k, v, g, dq, dk, dv } = kernel;
    const sumAt = `(s * ${keyHeads} + keyHead) * ${width} + d`;
    const sums = `new Float64Array(${keys * keyHeads * width})`;
    const ofQueries = loops(
      [queries, heads],
      `${attended(kernel)}
      let mean = 0;
      for (const seenKey of seen) {
        const { s } = seenKey;
        ${dot(width, g, v)}
        seenKey.gain = sum;
        mean += seenKey.weight * sum;
      }
      for (let d = 0; d < ${width}; d++) {
        let sum = 0;
        for (const { s, weight, gain, slope } of seen) {
          const ofScore = weight * (gain - mean) * slope;
          sum += ofScore * ${key(k)};
          dk[${sumAt}] += ofScore * ${query(q)};
          dv[${sumAt}] += weight * ${query(g)};
        }
        ${query(dq)} = sum;
      }`,
      1,
    );
    const ofKeys = loops(
      [keys, keyHeads],
      `for (let s = i1, keyHead = i2, d = 0; d < ${width}; d++) {
        ${key(dk)} = dk[${sumAt}];
        ${key(dv)} = dv[${sumAt}];
      }`,
      1,
    );
    return loops([batch], `const dk = ${sums}, dv = ${sums};\n${ofQueries}\n${ofKeys}`);
  },
  gather: ({ table, ids, output, rows, count, width, missing }) =>
    loops(
      [count, width],
      `const id = b${ids}[i0];
      const isInside = id >= 0 && id < ${rows};
      b${output}[i0 * ${width} + i1] = isInside ? b${table}[id * ${width} + i1] : ${missing};`,
    ),
  scatterAdd: ({ ids, updates, table, output, rows, count, width }) =>
    `const sums = new Float64Array(${table === undefined ? rows * width : `b${table}`});\n${
      loops(
        [count, width],
        `const id = b${ids}[i0];
        if (id >= 0 && id < ${rows}) sums[id * ${width} + i1] += b${updates}[i0 * ${width} + i1];`,
      )
    }\nb${output}.set(sums);`,
  argsort: ({ input, output, outer, size }) =>
    loops(
      [outer],
      `const run = b${input}.subarray(i0 * ${size}, (i0 + 1) * ${size});
      const isLast = (x) => x !== x;
      const compare = (x, y) => isLast(x) - isLast(y) || (x > y) - (x < y);
      const order = Array.from(run.keys()).sort((i, j) => compare(run[i], run[j]) || i - j);
      b${output}.set(order, i0 * ${size});`,
    ),
  dynamicSlice(kernel) {
    const { whole, part, sizes, first } = windowOf(kernel);
    const copy = `b${kernel.output}[${part}] = b${kernel.input}[${whole}];`;
    return `${first}\n${loops(sizes, copy)}`;
  },
  dynamicUpdate(kernel) {
    const { whole, part, sizes, first } = windowOf(kernel);
    const copy = `b${kernel.output}[${whole}] = b${kernel.update}[${part}];`;
    return `${first}\nb${kernel.output}.set(b${kernel.input});\n${loops(sizes, copy)}`;
  },
};

function emit<K extends Kernel["kind"]>(kind: K, kernel: KernelOf<K>): Source {
  const emitter: (kernel: KernelOf<K>) => Source = emitters[kind];
  return emitter(kernel);
}

/** A kernel as a function of all buffers; products ask for the elements as numbers. */
function compiled(kernel: Kernel) {
  const { reads, writes } = usedBuffers(kernel);
  const names = [...new Set([...reads, ...writes])].map((buffer) => `b${buffer} = b[${buffer}]`);
  const source = `const ${names.join(", ")};\n${emit(kernel.kind, kernel)}`;
  const run = new Function("b", "bits", "floats", source);
  return { source, run: (b: readonly TypedArray[], floats: Floats) => void run(b, bits, floats) };
}

/** The elements of a buffer as numbers. */
type Floats = (buffer: number) => TypedArray;

/** A program as functions that run one after the other. */
export function emitProgram(lowered: Lowered, plan: MemoryPlan): Code<ArrayBuffer> {
  const { buffers, kernels } = expand(lowered);
  const own = new ArrayBuffer(plan.ownBytes);
  const functions = kernels.map(compiled);
  return {
    kernels: kernels.length,
    codeBytes: functions.reduce((total, { source }) => total + source.length, 0),
    threads: 1,
    run({ operands, allocated }) {
      const memoryOf = { operand: operands, allocated };
      const elements = buffers.map(({ dtype, size }, buffer) => {
        const place = plan.places[buffer];
        if (place === undefined) return viewOver[dtype](own, 0, 0);
        return place.kind === "own"
          ? viewOver[dtype](own, place.offset, size)
          : viewOver[dtype](at(memoryOf[place.kind], place.index), 0, size);
      });
      const floats: Floats = (buffer) => {
        const [data, { dtype }] = [at(elements, buffer), at(buffers, buffer)];
        return isStorage(dtype) ? widened(dtype, Uint16Array.from(data)) : data;
      };
      for (const { run } of functions) run(elements, floats);
      return plan.small.map(({ dtype, size, offset }) => ({
        kind: "host",
        data: viewOver[dtype](own, offset, size).slice(),
      }));
    },
    dispose() {},
  };
}

/** The backend as a device, of programs as they are emitted by default. */
export function javascript(emit = emitProgram): Device {
  const host = makeHost<ArrayBuffer>({
    name: "javascript",
    allocate: (bytes) => new ArrayBuffer(bytes),
    write: (memory, data) =>
      new Uint8Array(memory).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    read: (memory, dtype, { begin, end }) =>
      Promise.resolve(viewOver[dtype](memory, 0, end).slice(begin)),
    emit,
  });
  return { ...host, profile: () => Promise.resolve(undefined), [Symbol.dispose]() {} };
}
