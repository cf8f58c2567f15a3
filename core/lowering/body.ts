/** Loop bodies: the steps that compute an element of a node from stored nodes. */
import { type ComputedDType, type DType, isStorage, type StorageDType } from "../dtype.ts";
import { type Graph, nodeAt } from "../graph.ts";
import { at, type Shape } from "../shape.ts";
import { combine, type IndexMap, linearize } from "./affine.ts";
import type { Step } from "./kernels.ts";
import type { ElementaryFunction, ScalarOperation } from "./operations.ts";
import { type Source, sourceOf } from "./source.ts";
import { isScalar } from "./stored.ts";

/** The state of a graph that is being lowered. */
export interface Placement {
  /** The graph. */
  readonly graph: Graph;
  /** The buffers of the nodes that are stored, so far. */
  readonly bufferOf: ReadonlyMap<number, number>;
  /** Nodes that are pieces of concatenations and already written there. */
  readonly written: ReadonlySet<number>;
}

/** A loop body under construction; equal steps are shared. */
export interface Body {
  /** The rounds of the loops. */
  readonly domain: Shape;
  /** The steps. */
  readonly steps: Step[];
  /** Positions of steps, by their text. */
  readonly known: Map<string, number>;
}

/** A body without steps. */
export function newBody(domain: Shape): Body {
  return { domain, steps: [], known: new Map() };
}

/** A step as text; equal texts mean equal steps, the odd numbers included. */
export function stepKey(step: Step): string {
  return step.kind === "constant"
    ? `${step.dtype} ${Object.is(step.value, -0) ? "-0" : step.value}`
    : JSON.stringify(step);
}

function addStep({ steps, known }: Body, step: Step): number {
  const key = stepKey(step);
  const position = known.get(key) ?? steps.push(step) - 1;
  known.set(key, position);
  return position;
}

/** The buffer of a node that is stored. */
export function bufferAt({ bufferOf }: Placement, position: number): number {
  const buffer = bufferOf.get(position);
  if (buffer === undefined) throw new RangeError(`node ${position} is not stored yet`);
  return buffer;
}

/** The source of a node's element: a buffer and the place in it, or the node that computes it. */
export function placed(
  { graph, bufferOf }: Placement,
  domain: Shape,
  position: number,
  index: IndexMap,
  widens = false,
): Exclude<Source, { kind: "unstored" }> {
  const source = sourceOf(graph, (node) => bufferOf.has(node), domain, position, index, widens);
  if (source.kind === "unstored") {
    throw new Error(
      `node ${source.position} is read at an index that is not affine, and not stored`,
    );
  }
  return source;
}

/** The step that gives a node's element at an index. */
export function access(
  placement: Placement,
  body: Body,
  position: number,
  index: IndexMap,
): number {
  const source = placed(placement, body.domain, position, index);
  const { dtype } = nodeAt(placement.graph, position);
  if (source.kind === "stored") {
    const buffer = bufferAt(placement, source.position);
    return addStep(body, { kind: "load", dtype: inBody(dtype), buffer, at: source.at });
  }
  const key = `${source.position} ${JSON.stringify(source.index)}`;
  const step = body.known.get(key) ?? compute(placement, body, source.position, source.index);
  body.known.set(key, step);
  return step;
}

/** The element type of values in a body: elements of 16 bits are their bits. */
function inBody(dtype: DType): ComputedDType {
  return isStorage(dtype) ? "u32" : dtype;
}

/** Functions of the bits of elements of 16 bits. */
const widening = {
  bf16: "bfloatToFloat",
  f16: "halfToFloat",
} as const satisfies Readonly<Record<StorageDType, ElementaryFunction>>;

/** Functions that give the bits of the nearest element of 16 bits. */
const narrowing = {
  bf16: "floatToBfloat",
  f16: "floatToHalf",
} as const satisfies Readonly<Record<StorageDType, ElementaryFunction>>;

/** The function by which an operand of a type of storage is widened to f32. */
export function wideningOf(dtype: StorageDType): ElementaryFunction {
  return widening[dtype];
}

/** The operation of a cast. */
function castOf(from: DType, to: DType): ScalarOperation {
  if (from === to) return "cast";
  if (isStorage(from)) return widening[from];
  return isStorage(to) ? narrowing[to] : "cast";
}

/** The step that computes a node's element at an index. */
function compute(
  placement: Placement,
  body: Body,
  position: number,
  index: IndexMap,
): number {
  const node = nodeAt(placement.graph, position);
  const { dtype, shape } = node;
  const rank = body.domain.length;
  const zero = combine(rank, []);
  switch (node.op) {
    case "fill":
      return addStep(body, {
        kind: "constant",
        dtype: node.parameters.dtype,
        value: node.parameters.value,
      });
    case "iota": {
      const { dtype, axis } = node.parameters;
      return addStep(body, { kind: "index", dtype, at: index[axis] ?? zero });
    }
    case "randomBits": {
      const rows = nodeAt(placement.graph, at(node.inputs, 0)).shape.length - 1;
      const operands = node.inputs.flatMap((operand) =>
        [0, 1].map((word) =>
          access(placement, body, operand, [...index.slice(0, rows), { ...zero, offset: word }])
        )
      );
      const along = linearize(rank, shape.slice(rows), index.slice(rows));
      return addStep(body, { kind: "random", dtype: "u32", at: along, operands });
    }
    case "cast": {
      const operand = at(node.inputs, 0);
      const op = castOf(nodeAt(placement.graph, operand).dtype, dtype);
      const operands = [access(placement, body, operand, index)];
      return addStep(body, { kind: "apply", dtype: inBody(dtype), op, operands });
    }
    default: {
      if (!isScalar(node.op)) throw new Error(`${node.op} is stored, never inlined`);
      const operands = node.inputs.map((operand) => access(placement, body, operand, index));
      return addStep(body, { kind: "apply", dtype: inBody(dtype), op: node.op, operands });
    }
  }
}
