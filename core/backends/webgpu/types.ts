/** Element types in WGSL: in storage, and in bodies over the types F, I, U and B. */
import type { DType } from "../../dtype.ts";

/** An element type on this backend. */
type Element = Exclude<DType, "f64">;

/** The types of elements in storage: truth values are words that are 0 or 1. */
const storageTypes: Readonly<Record<Element, "f32" | "i32" | "u32">> = {
  f32: "f32",
  i32: "i32",
  u32: "u32",
  bool: "u32",
};

/** The types of elements in a body. */
const laneTypes: Readonly<Record<Element, "F" | "I" | "U" | "B">> = {
  f32: "F",
  i32: "I",
  u32: "U",
  bool: "B",
};

function element(dtype: DType): Element {
  if (dtype === "f64") {
    throw new TypeError(
      "the webgpu backend computes in f32: use the reference backend for f64, or cast to f32",
    );
  }
  return dtype;
}

/** The type of an element in storage. */
export function storageType(dtype: DType): "f32" | "i32" | "u32" {
  return storageTypes[element(dtype)];
}

/** The type of an element, or of four, in a body. */
export function laneType(dtype: DType): "F" | "I" | "U" | "B" {
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
