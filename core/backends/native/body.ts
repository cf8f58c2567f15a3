/**
 * Bodies of loops as C. Sizes, steps and positions are parameters of a kernel, except for steps of 0
 * and 1: so kernels that differ in sizes only are one text, and compiled once.
 */
import type { ComputedDType, DType } from "../../dtype.ts";
import type { Affine } from "../../lowering/affine.ts";
import { resolve } from "../../lowering/elementary/elementary.ts";
import type { Step, Store } from "../../lowering/kernels.ts";
import type { NativeOperation } from "../../lowering/operations.ts";
import { at } from "../../shape.ts";

/** C code. */
export type Source = string;

/** The C type of an element in memory; those that are computed with have the same in bodies. */
export const cTypes: { readonly [D in DType]: Source } = {
  f32: "float",
  f64: "double",
  i32: "int32_t",
  u32: "uint32_t",
  bool: "uint32_t",
  bf16: "uint16_t",
  f16: "uint16_t",
};

/** The operations of bodies that are no operators of C. */
export const operationsSource: string = String.raw`
static inline uint32_t bits_of(float x) { uint32_t y; __builtin_memcpy(&y, &x, 4); return y; }
static inline float float_of(uint32_t x) { float y; __builtin_memcpy(&y, &x, 4); return y; }
/* NaN stays, and 0 is above -0. */
static inline float maximum(float a, float b) {
  float larger = a > b || a != a ? a : b;
  return a == b ? float_of(bits_of(a) & bits_of(b)) : larger;
}
static inline float minimum(float a, float b) {
  float smaller = a < b || a != a ? a : b;
  return a == b ? float_of(bits_of(a) | bits_of(b)) : smaller;
}
typedef float lanes __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
/* Neighbours in memory, of any address. */
typedef float neighbours __attribute__((vector_size(64), aligned(4)));
static inline lanes first_of(const float *x, int64_t n, lanes others) {
  float all[16];
  __builtin_memcpy(all, &others, 64);
  for (int64_t i = 0; i < n; i++) all[i] = x[i];
  return *(neighbours *)all;
}
static inline double sum_of(const float *x, int64_t n) {
  lanes part[4] = { 0 };
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) for (int k = 0; k < 4; k++) part[k] += *(const neighbours *)(x + i + 16 * k);
  for (; i + 16 <= n; i += 16) part[0] += *(const neighbours *)(x + i);
  if (i < n) part[1] += first_of(x + i, n - i, (lanes){ 0 });
  lanes all = (part[0] + part[1]) + (part[2] + part[3]);
  typedef double wide __attribute__((vector_size(128)));
  typedef double half __attribute__((vector_size(64)));
  typedef double quarter __attribute__((vector_size(32)));
  union { wide all; half of[2]; } x16 = { __builtin_convertvector(all, wide) };
  union { half all; quarter of[2]; } x8 = { x16.of[0] + x16.of[1] };
  quarter x4 = x8.of[0] + x8.of[1];
  return (x4[0] + x4[1]) + (x4[2] + x4[3]);
}
static inline lanes largest_lanes(lanes a, lanes b) {
  words isFirst = (words)((a > b) | (a != a)), areEqual = (words)(a == b);
  words larger = ((words)a & isFirst) | ((words)b & ~isFirst);
  return (lanes)((((words)a & (words)b) & areEqual) | (larger & ~areEqual));
}
/* Of at least one. */
static inline float largest_of(const float *x, int64_t n) {
  lanes most = first_of(x, n < 16 ? n : 16, (lanes){ 0 } + x[0]);
  for (int64_t i = 16; i < n; i += 16) {
    most = largest_lanes(most, n - i < 16 ? first_of(x + i, n - i, most) : *(const neighbours *)(x + i));
  }
  float total = most[0];
  for (int l = 1; l < 16; l++) total = maximum(total, most[l]);
  return total;
}
static inline float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
/* Saturating, 0 of NaN. */
static inline int32_t signed_of(float x) {
  float most = 2147483648.0f, inside = x >= -most && x < most ? x : 0;
  return x >= most ? 0x7fffffff : x < -most ? -0x7fffffff - 1 : (int32_t)inside;
}
static inline uint32_t unsigned_of(float x) {
  float most = 4294967296.0f, inside = x > 0 && x < most ? x : 0;
  return x >= most ? 0xffffffffu : (uint32_t)inside;
}
/* 0 by zero; the least integer by -1 wraps. */
static inline int32_t signed_quotient(int32_t a, int32_t b) {
  return b == 0 ? 0 : b == -1 ? (int32_t)-(uint32_t)a : a / b;
}
static inline uint32_t unsigned_quotient(uint32_t a, uint32_t b) { return b == 0 ? 0 : a / b; }
static inline int32_t signed_rest(int32_t a, int32_t b) { return b == 0 || b == -1 ? 0 : a % b; }
static inline uint32_t unsigned_rest(uint32_t a, uint32_t b) { return b == 0 ? 0 : a % b; }
`;

/** An operation on operands of a type, as an expression of another. */
type Operation = (
  types: { from: ComputedDType; to: ComputedDType },
  ...operands: readonly Source[]
) => Source;

const binary = (sign: Source): Operation => (_, a, b) => `${a} ${sign} ${b}`;
const call = (name: Source): Operation => (_, ...operands) => `${name}(${operands.join(", ")})`;

/** What an operation is for floats, signed integers, and words. */
const byType =
  (f32: Operation, i32: Operation, u32: Operation): Operation => (types, ...operands) =>
    (types.from === "f32" ? f32 : types.from === "i32" ? i32 : u32)(types, ...operands);

const choose = (sign: Source): Operation => (_, a, b) => `${a} ${sign} ${b} ? ${a} : ${b}`;

const casts: { readonly [D in ComputedDType]: (x: Source, from: ComputedDType) => Source } = {
  f32: (x) => `(float)${x}`,
  f64: (x) => `(double)${x}`,
  i32: (x, from) => from === "f32" ? `signed_of(${x})` : `(int32_t)${x}`,
  u32: (x, from) => from === "f32" ? `unsigned_of(${x})` : `(uint32_t)${x}`,
  bool: (x) => `${x} != 0`,
};

const operations: { readonly [O in NativeOperation]: Operation } = {
  neg: (_, x) => `-${x}`,
  abs: byType(call("__builtin_fabsf"), (_, x) => `${x} < 0 ? -${x} : ${x}`, (_, x) => x),
  sign: byType(
    (_, x) => `${x} > 0 ? 1.0f : ${x} < 0 ? -1.0f : ${x} == 0 ? 0.0f : ${x}`,
    (_, x) => `(${x} > 0) - (${x} < 0)`,
    (_, x) => `${x} != 0`,
  ),
  floor: byType(call("__builtin_floorf"), (_, x) => x, (_, x) => x),
  sqrt: call("__builtin_sqrtf"),
  cast: ({ from, to }, x) => casts[to](x, from),
  bitcast: ({ from, to }, x) =>
    to === "f32"
      ? (from === "f32" ? x : `float_of((uint32_t)${x})`)
      : from === "f32"
      ? `(${cTypes[to]})bits_of(${x})`
      : `(${cTypes[to]})${x}`,
  add: binary("+"),
  sub: binary("-"),
  mul: binary("*"),
  div: byType(binary("/"), call("signed_quotient"), call("unsigned_quotient")),
  // The remainder of floats is a function that is expanded.
  rem: byType(call("__builtin_fmodf"), call("signed_rest"), call("unsigned_rest")),
  multiplyAdd: byType(
    call("multiply_add"),
    (_, a, b, c) => `${a} * ${b} + ${c}`,
    (_, a, b, c) => `${a} * ${b} + ${c}`,
  ),
  maximum: byType(call("maximum"), choose(">"), choose(">")),
  minimum: byType(call("minimum"), choose("<"), choose("<")),
  atLeast: (_, x, low) => `${x} < ${low} ? ${low} : ${x}`,
  atMost: (_, x, high) => `${x} > ${high} ? ${high} : ${x}`,
  equal: binary("=="),
  less: binary("<"),
  lessEqual: binary("<="),
  not: (_, x) => `1 - ${x}`,
  and: binary("&"),
  or: binary("|"),
  xor: binary("^"),
  where: (_, condition, a, b) => `${condition} ? ${a} : ${b}`,
  shiftLeft: binary("<<"),
  shiftRight: binary(">>"),
  leadingZeros: (_, x) => `${x} == 0 ? 32 : __builtin_clz(${x})`,
};

/** The text of a kernel under construction, and its parameters. */
export interface Writer {
  /** Parameters, in the order in which the text reads them. */
  readonly parameters: number[];
  /** Notes a parameter, and gives its name. */
  readonly parameter: (value: number) => Source;
  /** The name of a buffer's elements. */
  readonly elements: (buffer: number) => Source;
  /** The counter of each loop. */
  readonly counters: readonly Source[];
}

/** A writer for a body in loops with the given counters, over buffers by their number. */
export function writerFor(counters: readonly Source[]): Writer {
  const parameters: number[] = [];
  return {
    parameters,
    parameter: (value) => `n${parameters.push(value) - 1}`,
    elements: (buffer) => `b${buffer}`,
    counters,
  };
}

/** `offset + sum_d strides[d] i_d`. */
export function positionOf({ offset, strides }: Affine, writer: Writer): Source {
  const terms = strides.flatMap((stride, loop) => {
    const counter = at(writer.counters, loop);
    if (stride === 0) return [];
    return [stride === 1 ? counter : `${writer.parameter(stride)} * ${counter}`];
  });
  return [writer.parameter(offset), ...terms].join(" + ");
}

const constants: { readonly [D in ComputedDType]: (value: number) => Source } = {
  f32: (value) =>
    Number.isNaN(value)
      ? '__builtin_nanf("")'
      : Number.isFinite(value)
      ? `${exponential(Math.fround(value))}f`
      : `${value < 0 ? "-" : ""}__builtin_inff()`,
  f64: exponential,
  i32: (value) => `(int32_t)${value}LL`,
  u32: (value) => `(uint32_t)${value}LL`,
  bool: (value) => value === 0 ? "0u" : "1u",
};

/** A number whose digits are exact, as C reads it. */
function exponential(value: number): Source {
  return Object.is(value, -0) ? "-0e0" : value.toExponential();
}

/** The value of a step; `v0`, `v1` and so on are those of the steps before it. */
function valueOf(step: Step, steps: readonly Step[], writer: Writer): Source {
  switch (step.kind) {
    case "load":
      return `${writer.elements(step.buffer)}[${positionOf(step.at, writer)}]`;
    case "constant":
      return constants[step.dtype](step.value);
    case "index":
      return `(${cTypes[step.dtype]})(${positionOf(step.at, writer)})`;
    case "random":
      throw new Error("Threefry was not expanded");
    case "apply": {
      const types = { from: at(steps, at(step.operands, 0)).dtype, to: step.dtype };
      const { kind, op } = resolve(step.op, types.from);
      if (kind === "function") throw new Error(`${op} was not expanded`);
      const operands = step.operands.map((operand) => `v${operand}`);
      // deno-lint-ignore unitune/no-spread-of-data -- operands of an instruction
      return operations[op](types, ...operands);
    }
    default:
      return step satisfies never;
  }
}

/** Definitions of steps. */
export function definitions(
  steps: readonly Step[],
  isWanted: (position: number) => boolean,
  writer: Writer,
): Source[] {
  return steps.flatMap((step, i) =>
    isWanted(i) ? [`const ${cTypes[step.dtype]} v${i} = ${valueOf(step, steps, writer)};`] : []
  );
}

/** Statements that write elements. */
export function storing(stores: readonly Store[], writer: Writer): Source[] {
  return stores.map(({ buffer, at, value }) =>
    `${writer.elements(buffer)}[${positionOf(at, writer)}] = v${value};`
  );
}
