/** Element types in WGSL: in storage, and in bodies over the types F, I, U and B. */
import type { ComputedDType, DType } from "../../dtype.ts";

/** An element type on this backend. */
type Element<D extends DType = DType> = Exclude<D, "f64">;

/**
 * The types of elements in storage: truth values are words that are 0 or 1, elements of 16 bits are
 * two in a word, and words by themselves once they are read.
 */
const storageTypes: Readonly<Record<Element, "f32" | "i32" | "u32">> = {
  f32: "f32",
  i32: "i32",
  u32: "u32",
  bool: "u32",
  bf16: "u32",
  f16: "u32",
};

/** The types of elements in a body. */
const laneTypes: Readonly<Record<Element<ComputedDType>, "F" | "I" | "U" | "B">> = {
  f32: "F",
  i32: "I",
  u32: "U",
  bool: "B",
};

function isElement<D extends DType>(dtype: D): dtype is Element<D> {
  return dtype !== "f64";
}

function element<D extends DType>(dtype: D): Element<D> {
  if (isElement(dtype)) return dtype;
  throw new TypeError(
    "the webgpu backend computes in f32: use the reference backend for f64, or cast to f32",
  );
}

/** The type of an element in storage. */
export function storageType(dtype: DType): "f32" | "i32" | "u32" {
  return storageTypes[element(dtype)];
}

/** The type of an element, or of four, in a body. */
export function laneType(dtype: ComputedDType): "F" | "I" | "U" | "B" {
  return laneTypes[element(dtype)];
}

const wordTypes = { f32: "F", i32: "I", u32: "U" } as const;

/** The storage words of an element, or of four, as a type: truth values are words too. */
export function wordType(dtype: DType): "F" | "I" | "U" {
  return wordTypes[storageType(dtype)];
}

/** The storage word 0. */
export function zeroWord(dtype: DType): string {
  return `${wordType(dtype)}(0)`;
}
