/** Cotangents pulled back through a recording. */
import {
  add,
  type Expression,
  isFloat,
  leafPaths,
  type PrimitiveName,
  ShapeError,
  showShape,
  type Tensor,
  zeros,
} from "@unitune/core";
import { type Recording, resolve } from "./record.ts";
import {
  type Application,
  type Cotangents,
  type GradientRule,
  rules,
  type SparsePart,
} from "./rules.ts";

function applyRule<P extends PrimitiveName>(
  { op, parameters }: Expression<P>,
  application: Omit<Application<P>, "parameters">,
): ReturnType<GradientRule<P>> {
  const rule: GradientRule<P> = rules[op];
  return rule({ ...application, parameters });
}

/** The cotangents of a recording's variables from the cotangents of its results. */
export function pull(
  { variables, steps, results }: Recording,
  slots: readonly Tensor[],
  seeds: Cotangents,
): (Tensor | undefined)[] {
  const cotangents = new Array<Tensor | undefined>(slots.length);
  const accumulate = (slot: number, part: Tensor | SparsePart) => {
    const sum = cotangents[slot];
    if ("addTo" in part) cotangents[slot] = part.addTo(sum);
    else cotangents[slot] = sum === undefined ? part : add(sum, part);
  };
  results.forEach((source, i) => {
    const seed = seeds[i];
    if (typeof source === "number" && seed) accumulate(source, seed);
  });
  for (const { expression, sources, first, count } of steps.toReversed()) {
    const own = cotangents.slice(first, first + count);
    if (own.every((cotangent) => cotangent === undefined)) continue;
    const inputs = sources.map((source) => resolve(source, slots));
    const outputs = slots.slice(first, first + count);
    const given = outputs.map(({ shape, dtype }, i) => own[i] ?? zeros(shape, dtype));
    applyRule(expression, { cotangents: given, inputs, outputs }).forEach((part, i) => {
      const source = sources[i];
      if (typeof source === "number" && part !== null) accumulate(source, part);
    });
  }
  return cotangents.slice(0, variables);
}

/**
 * The tensors of a cotangent in the order of the value's tensors, null where the value is no float.
 *
 * @throws {ShapeError} If a float of the value has no cotangent of its shape and dtype.
 */
export function cotangentLeaves(context: string, value: unknown, cotangent: unknown): Cotangents {
  const given = leafPaths(cotangent);
  return [...leafPaths(value)].map(([path, { shape, dtype }]) => {
    if (!isFloat(dtype)) return null;
    const part = given.get(path);
    if (part?.dtype === dtype && showShape(part.shape) === showShape(shape)) return part;
    const found = part === undefined ? "nothing" : part.dtype + showShape(part.shape);
    throw new ShapeError(
      `${context}: got ${found} as the cotangent${path === "" ? "" : ` of ${path}`}; ` +
        `expected ${dtype}${showShape(shape)}`,
    );
  });
}
