/** Elements in memory as lanes of a vector, four bytes each or two. */
import { bytesPerElement, type DType, isStorage } from "../../dtype.ts";
import { wideningOf } from "../../lowering/body.ts";
import { type Code, f32, f32x4, i32, i32x4, v128 } from "./instructions.ts";
import { callFunction } from "./operations.ts";
import { keep, type Scope } from "./scope.ts";

/** The way in which lanes are read and written. */
export interface Lanes {
  /** Four neighbours. */
  readonly four: (address: Code, offset?: number) => Code;
  /** One in the first lane; the others are 0. */
  readonly one: (address: Code, offset?: number) => Code;
  /** One in all lanes. */
  readonly splat: (address: Code, offset?: number) => Code;
  /** A vector with one in a lane. */
  readonly into: (vector: Code, lane: number, address: Code, offset: number) => Code;
  /** Writes four neighbours. */
  readonly storeFour: (address: Code, value: Code, offset?: number) => Code;
  /** Writes a lane. */
  readonly storeLane: (address: Code, value: Code, lane: number, offset?: number) => Code;
}

const words: Lanes = {
  four: v128.load,
  one: v128.load32Zero,
  splat: v128.load32Splat,
  into: (vector, lane, address, offset) => v128.load32Lane(address, offset, lane, vector),
  storeFour: v128.store,
  storeLane: v128.store32Lane,
};

const zeros = i32x4.const(0, 0, 0, 0);

/** Elements of 16 bits are the lower halves of lanes, whose upper halves are 0. */
const halves: Lanes = {
  four: v128.load16x4U,
  one: (address, offset = 0) => v128.load16Lane(address, offset, 0, zeros),
  splat: (address, offset = 0) => i32x4.splat(i32.load16U(address, offset)),
  into: (vector, lane, address, offset) => v128.load16Lane(address, offset, 2 * lane, vector),
  storeFour: (address, value, offset = 0) =>
    v128.store64Lane(address, i32x4.narrowU(value, zeros), 0, offset),
  storeLane: (address, value, lane, offset = 0) =>
    v128.store16Lane(address, value, 2 * lane, offset),
};

/** The lanes of an element type. */
export function lanesOf(dtype: DType): Lanes {
  return isStorage(dtype) ? halves : words;
}

/** The element types of a product's operands. */
export type FactorDType = "f32" | "bf16" | "f16";

/** The element type of a buffer that a product reads. */
export function factorType(dtype: DType): FactorDType {
  if (dtype === "f32" || isStorage(dtype)) return dtype;
  throw new TypeError(`a product reads floats, not ${dtype}`);
}

/** Reading a product's operand as f32. */
export interface FloatReader extends Pick<Lanes, "four" | "one" | "splat"> {
  /** Bytes of an element. */
  readonly bytes: number;
  /** Whether elements are f32, so that they can be read again and again where they are. */
  readonly isFloat: boolean;
  /** Copies an element to an f32. */
  readonly copy: (to: Code, from: Code, offset?: number) => Code;
}

/** The reader of an element type; wider elements are made in a scope. */
export function readerOf(dtype: FactorDType, scope: Scope): FloatReader {
  const bytes = bytesPerElement[dtype];
  if (!isStorage(dtype)) {
    const copy: FloatReader["copy"] = (to, from, offset = 0) =>
      f32.store(to, f32.load(from), offset);
    return { ...words, bytes, isFloat: true, copy };
  }
  const widen = (bits: Code): Code => {
    const kept = keep(scope, bits);
    return [kept.set, callFunction(wideningOf(dtype), scope, [kept.get])];
  };
  const one: FloatReader["one"] = (address, offset) => widen(halves.one(address, offset));
  return {
    bytes,
    isFloat: false,
    four: (address, offset) => widen(halves.four(address, offset)),
    one,
    splat: (address, offset) => widen(halves.splat(address, offset)),
    copy: (to, from, offset = 0) => v128.store32Lane(to, one(from), 0, offset),
  };
}

/** A scope of a routine, whose constants stand where they are used. */
export function routineScope(locals: Scope["locals"], fused: boolean): Scope {
  return {
    locals,
    float: f32x4.const,
    word: (value) => i32x4.const(value, value, value, value),
    madd: fused ? f32x4.relaxedMadd : (a, b, c) => f32x4.add(f32x4.mul(a, b), c),
  };
}
