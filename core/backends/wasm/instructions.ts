/**
 * WebAssembly instructions as nested lists of bytes. Functions are named after the instructions of
 * the specification (WebAssembly 3.0, with 128-bit and relaxed SIMD); operands are code that pushes
 * them, so that code reads like an expression.
 */

/** The width of the addresses of a memory, in bits. */
export type AddressWidth = 32 | 64;

/** Code that depends on the width of addresses. */
export type Sized = { readonly [Width in AddressWidth]: Code };

/** Bytes, nested to any depth. */
export type Code = readonly (number | Code | Sized)[];

/** An unsigned integer in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte + 128 : byte);
  } while (rest > 0);
  return bytes;
}

/** A signed 32-bit integer in LEB128. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 127;
    rest >>= 7;
    const done = (rest === 0 && byte < 64) || (rest === -1 && byte >= 64);
    bytes.push(done ? byte : byte + 128);
    if (done) return bytes;
  }
}

/** A signed 64-bit integer in LEB128. */
function signed64(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asIntN(64, value);
  for (;;) {
    const byte = Number(rest & 127n);
    rest >>= 7n;
    const done = (rest === 0n && byte < 64) || (rest === -1n && byte >= 64);
    bytes.push(done ? byte : byte + 128);
    if (done) return bytes;
  }
}

/** The bytes of a float, least significant first. */
export function floatBytes(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

/** Types of values by their encoding; an `int` has the width of addresses. */
export const types = { i32: 0x7f, i64: 0x7e, f32: 0x7d, v128: 0x7b, int: "int" } as const;

/** A value's type. */
export type ValueType = (typeof types)[keyof typeof types];

/** The encoding of a value's type in a module with addresses of a width. */
export function typeCode(type: ValueType, width: AddressWidth): number {
  return type === types.int ? { 32: types.i32, 64: types.i64 }[width] : type;
}

type Unary = (x: Code) => Code;
type Binary = (a: Code, b: Code) => Code;
type LoadInstruction = (address: Code, offset?: number) => Code;
type StoreInstruction = (address: Code, value: Code, offset?: number) => Code;
type LaneLoad = (address: Code, offset: number, lane: number, into: Code) => Code;
type LaneStore = (address: Code, value: Code, lane: number, offset?: number) => Code;

const plain1 = (op: number): Unary => (x) => [x, op];
const plain2 = (op: number): Binary => (a, b) => [a, b, op];
const vector = (op: number): number[] => [0xfd, ...unsigned(op)];
const vector1 = (op: number): Unary => (x) => [x, ...vector(op)];
const vector2 = (op: number): Binary => (a, b) => [a, b, ...vector(op)];

/** 32-bit integers. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load16U: ((address, offset = 0) => [address, 0x2f, 1, ...unsigned(offset)]) as LoadInstruction,
  store16: ((
    address,
    value,
    offset = 0,
  ) => [address, value, 0x3b, 1, ...unsigned(offset)]) as StoreInstruction,
  eqz: plain1(0x45),
  clz: plain1(0x67),
  eq: plain2(0x46),
  gtS: plain2(0x4a),
  add: plain2(0x6a),
  sub: plain2(0x6b),
  divS: plain2(0x6d),
  divU: plain2(0x6e),
  remS: plain2(0x6f),
  remU: plain2(0x70),
  and: plain2(0x71),
  or: plain2(0x72),
  shl: plain2(0x74),
  shrS: plain2(0x75),
  shrU: plain2(0x76),
} as const;

const sized1 = (narrow: number, wide: number): Unary => (x) => [x, { 32: [narrow], 64: [wide] }];
const sized2 = (narrow: number, wide: number): Binary => (a, b) => [
  a,
  b,
  { 32: [narrow], 64: [wide] },
];
const sizedLoad = (narrow: readonly number[], wide: readonly number[]): LoadInstruction =>
(
  address,
  offset = 0,
) => [address, { 32: narrow, 64: wide }, ...unsigned(offset)];

/**
 * Addresses, and the counters that they are made of: integers of the width of the memory's
 * addresses. Code that is made of them is of either width; the module that it is put in decides.
 * Comparisons give 32-bit integers, as all conditions are.
 */
export const int = {
  const: (value: number): Code => {
    const narrow = signed(value);
    // Numbers that 32 bits hold have one encoding.
    const wide = value === (value | 0) ? narrow : signed64(BigInt(value));
    return [{ 32: [0x41, ...narrow], 64: [0x42, ...wide] }];
  },
  /** A signed 32-bit integer in memory. */
  load: sizedLoad([0x28, 2], [0x34, 2]),
  /** An address in memory, which has 8 bytes there. */
  loadAddress: sizedLoad([0x28, 2], [0x29, 3]),
  /** Stores the low 32 bits. */
  store: ((address, value, offset = 0) => [
    address,
    value,
    { 32: [0x36, 2], 64: [0x3e, 2] },
    ...unsigned(offset),
  ]) as StoreInstruction,
  /** The low 32 bits. */
  word: ((x) => [x, { 32: [], 64: [0xa7] }]) as Unary,
  /** An unsigned 32-bit integer. */
  ofWord: ((x) => [x, { 32: [], 64: [0xad] }]) as Unary,
  eqz: sized1(0x45, 0x50),
  eq: sized2(0x46, 0x51),
  ne: sized2(0x47, 0x52),
  ltS: sized2(0x48, 0x53),
  ltU: sized2(0x49, 0x54),
  gtS: sized2(0x4a, 0x55),
  gtU: sized2(0x4b, 0x56),
  leS: sized2(0x4c, 0x57),
  leU: sized2(0x4d, 0x58),
  add: sized2(0x6a, 0x7c),
  sub: sized2(0x6b, 0x7d),
  mul: sized2(0x6c, 0x7e),
  divU: sized2(0x6e, 0x80),
  remU: sized2(0x70, 0x82),
  and: sized2(0x71, 0x83),
  or: sized2(0x72, 0x84),
  shl: sized2(0x74, 0x86),
  shrU: sized2(0x76, 0x88),
} as const;

/** 32-bit floats. */
export const f32 = {
  const: (value: number): Code => [0x43, ...floatBytes(value)],
  load: ((address, offset = 0) => [address, 0x2a, 2, ...unsigned(offset)]) as LoadInstruction,
  store: ((
    address,
    value,
    offset = 0,
  ) => [address, value, 0x38, 2, ...unsigned(offset)]) as StoreInstruction,
  ne: plain2(0x5c),
  le: plain2(0x5f),
  add: plain2(0x92),
  mul: plain2(0x94),
} as const;

/** Vectors of 128 bits of any element type. */
export const v128 = {
  load:
    ((address, offset = 0) => [address, ...vector(0), 0, ...unsigned(offset)]) as LoadInstruction,
  /** Four unsigned 16-bit integers, each in 32 bits. */
  load16x4U:
    ((address, offset = 0) => [address, ...vector(4), 0, ...unsigned(offset)]) as LoadInstruction,
  load32Splat:
    ((address, offset = 0) => [address, ...vector(9), 0, ...unsigned(offset)]) as LoadInstruction,
  load32Zero: ((
    address,
    offset = 0,
  ) => [address, ...vector(0x5c), 0, ...unsigned(offset)]) as LoadInstruction,
  load16Lane: ((address, offset, lane, into) => [
    address,
    into,
    ...vector(0x55),
    0,
    ...unsigned(offset),
    lane,
  ]) as LaneLoad,
  load32Lane: ((address, offset, lane, into) => [
    address,
    into,
    ...vector(0x56),
    0,
    ...unsigned(offset),
    lane,
  ]) as LaneLoad,
  store: ((address, value, offset = 0) => [
    address,
    value,
    ...vector(11),
    0,
    ...unsigned(offset),
  ]) as StoreInstruction,
  load64Zero: ((
    address,
    offset = 0,
  ) => [address, ...vector(0x5d), 0, ...unsigned(offset)]) as LoadInstruction,
  store64Lane: ((address, value, lane, offset = 0) => [
    address,
    value,
    ...vector(0x5b),
    0,
    ...unsigned(offset),
    lane,
  ]) as LaneStore,
  store16Lane: ((address, value, lane, offset = 0) => [
    address,
    value,
    ...vector(0x59),
    0,
    ...unsigned(offset),
    lane,
  ]) as LaneStore,
  store32Lane: ((address, value, lane, offset = 0) => [
    address,
    value,
    ...vector(0x5a),
    0,
    ...unsigned(offset),
    lane,
  ]) as LaneStore,
  /** Four lanes of 32 bits among the eight of two vectors. */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code => [
    a,
    b,
    ...vector(13),
    ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)),
  ],
  not: vector1(0x4d),
  /** Whether any bit is 1, as a 32-bit integer. */
  anyTrue: vector1(0x53),
  and: vector2(0x4e),
  or: vector2(0x50),
  xor: vector2(0x51),
  /** Bits of `a` where the mask is 1, of `b` where it is 0. */
  bitselect: (a: Code, b: Code, mask: Code): Code => [a, b, mask, ...vector(0x52)],
} as const;

/** Four 32-bit integers. */
export const i32x4 = {
  const: (...lanes: [number, number, number, number]): Code => [
    ...vector(12),
    ...new Uint8Array(new Int32Array(lanes).buffer),
  ],
  splat: vector1(17),
  /** Eight 16-bit integers: the lanes of both, as unsigned as far as 16 bits go. */
  narrowU: vector2(0x86),
  extractLane: (x: Code, lane: number): Code => [x, ...vector(0x1b), lane],
  replaceLane: (x: Code, lane: number, value: Code): Code => [x, value, ...vector(0x1c), lane],
  eq: vector2(0x37),
  ne: vector2(0x38),
  ltS: vector2(0x39),
  ltU: vector2(0x3a),
  gtS: vector2(0x3b),
  leS: vector2(0x3d),
  leU: vector2(0x3e),
  abs: vector1(0xa0),
  neg: vector1(0xa1),
  shl: (x: Code, bits: Code): Code => [x, bits, ...vector(0xab)],
  shrS: (x: Code, bits: Code): Code => [x, bits, ...vector(0xac)],
  shrU: (x: Code, bits: Code): Code => [x, bits, ...vector(0xad)],
  add: vector2(0xae),
  sub: vector2(0xb1),
  mul: vector2(0xb5),
  minS: vector2(0xb6),
  minU: vector2(0xb7),
  maxS: vector2(0xb8),
  maxU: vector2(0xb9),
  truncSatF32x4S: vector1(0xf8),
  truncSatF32x4U: vector1(0xf9),
} as const;

/** Four 32-bit floats. */
export const f32x4 = {
  const: (value: number): Code => [
    ...vector(12),
    ...floatBytes(value),
    ...floatBytes(value),
    ...floatBytes(value),
    ...floatBytes(value),
  ],
  extractLane: (x: Code, lane: number): Code => [x, ...vector(0x1f), lane],
  replaceLane: (x: Code, lane: number, value: Code): Code => [x, value, ...vector(0x20), lane],
  eq: vector2(0x41),
  ne: vector2(0x42),
  lt: vector2(0x43),
  gt: vector2(0x44),
  le: vector2(0x45),
  ge: vector2(0x46),
  floor: vector1(0x68),
  trunc: vector1(0x69),
  nearest: vector1(0x6a),
  abs: vector1(0xe0),
  neg: vector1(0xe1),
  sqrt: vector1(0xe3),
  add: vector2(0xe4),
  sub: vector2(0xe5),
  mul: vector2(0xe6),
  div: vector2(0xe7),
  min: vector2(0xe8),
  max: vector2(0xe9),
  /** `b < a ? b : a`, and so the first where one is NaN; one machine instruction. */
  pmin: vector2(0xea),
  /** `a < b ? b : a`, likewise. */
  pmax: vector2(0xeb),
  convertI32x4S: vector1(0xfa),
  convertI32x4U: vector1(0xfb),
  /** `a * b + c`, rounded once where the machine can and twice where it cannot. */
  relaxedMadd: (a: Code, b: Code, c: Code): Code => [a, b, c, ...vector(0x105)],
} as const;

/** Two 64-bit floats. */
export const f64x2 = {
  const: (value: number): Code => {
    const bytes = new Uint8Array(new Float64Array([value]).buffer);
    return [...vector(12), ...bytes, ...bytes];
  },
  lt: vector2(0x49),
  trunc: vector1(0x7a),
  nearest: vector1(0x94),
  add: vector2(0xf0),
  sub: vector2(0xf1),
  mul: vector2(0xf2),
  div: vector2(0xf3),
  pmin: vector2(0xf6),
  pmax: vector2(0xf7),
  /** The first two of four 32-bit floats. */
  promoteLow: vector1(0x5f),
  /** As the first two of four 32-bit floats, beside zeros. */
  demoteZero: vector1(0x5e),
} as const;

/** Two 64-bit integers. */
export const i64x2 = {
  const: (value: bigint): Code => {
    const bytes = new Uint8Array(new BigInt64Array([value]).buffer);
    return [...vector(12), ...bytes, ...bytes];
  },
  shl: (x: Code, bits: Code): Code => [x, bits, ...vector(0xcb)],
  shrU: (x: Code, bits: Code): Code => [x, bits, ...vector(0xcd)],
  add: vector2(0xce),
} as const;

/** Local variables, by number. */
export const local = {
  get: (index: number): Code => [0x20, ...unsigned(index)],
  set: (index: number, value: Code): Code => [value, 0x21, ...unsigned(index)],
} as const;

/** Copying and filling of memory, in bytes. */
export const memory = {
  copy: (to: Code, from: Code, bytes: Code): Code => [to, from, bytes, 0xfc, 10, 0, 0],
  fill: (to: Code, byte: number, bytes: Code): Code => [to, i32.const(byte), bytes, 0xfc, 11, 0],
} as const;

const atomic = (op: number, offset: number): number[] => [0xfe, op, 2, ...unsigned(offset)];

/** 32-bit words shared between threads. */
export const atomics = {
  load: (address: Code, offset: number): Code => [address, ...atomic(0x10, offset)],
  store: (address: Code, value: Code, offset: number): Code => [
    address,
    value,
    ...atomic(0x17, offset),
  ],
  /** Adds, and gives the value from before. */
  add: (
    address: Code,
    value: Code,
    offset: number,
  ): Code => [address, value, ...atomic(0x1e, offset)],
  /** Sleeps while the word has a value; gives 0, 1 or 2 for woken, not equal, timed out. */
  waitForever: (address: Code, expected: Code, offset: number): Code => [
    address,
    expected,
    [0x42, 0x7f],
    ...atomic(0x01, offset),
  ],
  /** Wakes up to a number of sleepers; returns how many it woke. */
  notify: (
    address: Code,
    count: Code,
    offset: number,
  ): Code => [address, count, ...atomic(0x00, offset)],
} as const;

/** Drops a value. */
export function drop(value: Code): Code {
  return [value, 0x1a];
}

/** Calls a function by its number. */
export function call(index: number, ...args: Code[]): Code {
  return [...args, 0x10, ...unsigned(index)];
}

/** One value or the other by a condition. */
export function select(a: Code, b: Code, condition: Code): Code {
  return [a, b, condition, 0x1b];
}

/** The smaller of two integers. */
export function least(a: Code, b: Code): Code {
  return select(a, b, int.ltS(a, b));
}

/** The larger of two integers. */
export function most(a: Code, b: Code): Code {
  return select(b, a, int.ltS(a, b));
}

/** Whether an integer is not 0. */
export function isSet(x: Code): Code {
  return int.ne(x, int.const(0));
}

/** Runs `then` if the condition holds, `otherwise` if not. */
export function branch(condition: Code, then: Code, otherwise: Code = []): Code {
  return [condition, 0x04, 0x40, then, ...(otherwise.length > 0 ? [0x05, otherwise] : []), 0x0b];
}

/** Runs the body while the condition holds, which is tested first. */
export function whileLoop(condition: Code, body: Code): Code {
  return [0x02, 0x40, 0x03, 0x40, i32.eqz(condition), 0x0d, 1, body, 0x0c, 0, 0x0b, 0x0b];
}

/** Runs the body with a local counting from its value up to `end` (excluded), both signed. */
export function countTo(counter: number, end: Code, step: number, body: Code): Code {
  const next = local.set(counter, int.add(local.get(counter), int.const(step)));
  return whileLoop(int.ltS(local.get(counter), end), [body, next]);
}

/** Runs the body with a local moving from its address up to `end` (excluded), both unsigned. */
export function addressTo(pointer: number, end: Code, step: number, body: Code): Code {
  const next = local.set(pointer, int.add(local.get(pointer), int.const(step)));
  return whileLoop(int.ltU(local.get(pointer), end), [body, next]);
}

/** Runs the body with a local counting from 0 to `end` (excluded). */
export function countFromZero(counter: number, end: Code, body: Code, step = 1): Code {
  return [local.set(counter, int.const(0)), countTo(counter, end, step, body)];
}
