/** Tensors as consoles show them: one line, for which nothing is computed. */
import type { DType, TypedArray } from "./dtype.ts";
import { storedNumber } from "./half.ts";
import { type Shape, showShape } from "./shape.ts";
import type { Tensor } from "./value.ts";

/** The most elements that are shown. */
const MOST_SHOWN = 16;

/** Digits that an f32 has: a shortest decimal of the f64 that holds it has twice as many. */
const F32_DIGITS = 7;

const showElement: Readonly<Record<DType, (element: number) => string>> = {
  f32: (element) => Object.is(element, -0) ? "-0" : `${Number(element.toPrecision(F32_DIGITS))}`,
  f64: (element) => Object.is(element, -0) ? "-0" : `${element}`,
  i32: String,
  u32: String,
  bool: (element) => element === 0 ? "false" : "true",
  bf16: (bits) => showElement.f32(storedNumber("bf16", bits)),
  f16: (bits) => showElement.f32(storedNumber("f16", bits)),
};

/** Elements nested as the shape says, from a position on. */
function showNested(elements: readonly string[], shape: Shape, first: number): string {
  const [length, ...inner] = shape;
  if (length === undefined) return elements[first] ?? "";
  const step = inner.reduce((size, axis) => size * axis, 1);
  const parts = Array.from({ length }, (_, i) => showNested(elements, inner, first + i * step));
  return `[${parts.join(", ")}]`;
}

function showElements(data: TypedArray, { dtype, shape }: Tensor): string {
  const shown = Array.from(data.subarray(0, MOST_SHOWN), showElement[dtype]);
  if (data.length === 0) return "no elements";
  if (data.length <= MOST_SHOWN) return showNested(shown, shape, 0);
  return `[${shown.join(", ")}, ... ${data.length - MOST_SHOWN} more]`;
}

/** The text of a tensor: its elements, or the state of its value if they are not at hand. */
function showTensor(tensor: Tensor): string {
  const { dtype, shape, cell: { value } } = tensor;
  const name = `Tensor ${dtype}${showShape(shape)}`;
  switch (value.kind) {
    case "host":
      return `${name} ${showElements(value.data, tensor)}`;
    case "device":
      return `${name} (on ${value.device.name}; read it with \`await x.data()\`)`;
    case "expression":
    case "result":
      return `${name} (not computed yet; read it with \`await x.data()\`)`;
    case "argument":
      return `${name} (an argument of a function that is being traced)`;
    case "outline":
      return `${name} (an outline, which has no elements)`;
    case "gone":
      return `${name} (gone: ${value.why})`;
    default:
      return value satisfies never;
  }
}

/** The methods of a value that Deno and Node ask how to show it. */
export const denoInspect = Symbol.for("Deno.customInspect");
export const nodeInspect = Symbol.for("nodejs.util.inspect.custom");

/** The text by which a console shows a tensor. */
export function inspect(this: Tensor): string {
  return showTensor(this);
}
