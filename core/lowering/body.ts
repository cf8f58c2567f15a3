/** Loop bodies: the steps that compute an element of a node from what is stored. */
import { type Graph, type GraphNode, nodeAt } from "../graph.ts";
import { at, type Shape } from "../shape.ts";
import { combine, type IndexMap, linearize, reshapeMap, shiftMap } from "./affine.ts";
import type { Step } from "./kernels.ts";
import { isScalar } from "./stored.ts";

/** What is known while a graph is lowered. */
export interface Placement {
  /** The graph. */
  readonly graph: Graph;
  /** The buffers of the nodes that are stored, so far. */
  readonly bufferOf: ReadonlyMap<number, number>;
  /** Nodes that must be stored as well, as far as is known. */
  readonly missing: Set<number>;
  /** Nodes that are pieces of concatenations and already written there. */
  readonly written: ReadonlySet<number>;
}

/** A loop body under construction; equal steps are shared. */
export interface Body {
  /** The rounds of the loops. */
  readonly domain: Shape;
  /** The steps. */
  readonly steps: Step[];
  /** Positions of steps, by what they compute. */
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

/** The buffer that holds a node's elements in row-major order, if there is one. */
export function contiguous(placement: Placement, position: number): number | undefined {
  const buffer = placement.bufferOf.get(position);
  if (buffer !== undefined) return buffer;
  const { op, inputs } = nodeAt(placement.graph, position);
  const passes = op === "reshape" || op === "barrier" || op === "stopGradient" ||
    op === "customVjp";
  return passes ? contiguous(placement, at(inputs, 0)) : undefined;
}

/** The step that gives a node's element at an index. */
export function access(
  placement: Placement,
  body: Body,
  position: number,
  index: IndexMap,
): number {
  const node = nodeAt(placement.graph, position);
  const buffer = contiguous(placement, position);
  if (buffer !== undefined) return load(body, node, buffer, index);
  const key = `${position} ${JSON.stringify(index)}`;
  const known = body.known.get(key);
  if (known !== undefined) return known;
  const step = inlined(placement, body, node, index);
  body.known.set(key, step);
  return step;
}

function load(
  body: Body,
  { dtype, shape }: GraphNode,
  buffer: number,
  index: IndexMap,
): number {
  const from = linearize(body.domain.length, shape, index);
  return addStep(body, { kind: "load", dtype, buffer, at: from });
}

/** The step that computes a node's element at an index, although the node may be stored. */
export function inlined(
  placement: Placement,
  body: Body,
  node: GraphNode,
  index: IndexMap,
): number {
  const { graph, missing } = placement;
  const { dtype, shape } = node;
  const rank = body.domain.length;
  const zero = combine(rank, []);
  const [input = 0] = node.inputs;
  switch (node.op) {
    case "fill":
      return addStep(body, { kind: "constant", dtype, value: node.parameters.value });
    case "iota":
      return addStep(body, { kind: "index", dtype, at: index[node.parameters.axis] ?? zero });
    case "randomBits": {
      const operands = node.inputs.flatMap((operand) =>
        [0, 1].map((word) => access(placement, body, operand, [{ ...zero, offset: word }]))
      );
      const along = linearize(rank, shape, index);
      return addStep(body, { kind: "random", dtype, at: along, operands });
    }
    case "reshape": {
      // In row-major order a reshape changes nothing, affine or not.
      const buffer = contiguous(placement, input);
      if (buffer !== undefined) return load(body, node, buffer, index);
      const moved = reshapeMap(body.domain, shape, nodeAt(graph, input).shape, index);
      if (moved !== undefined) return access(placement, body, input, moved);
      missing.add(input);
      return 0;
    }
    case "transpose": {
      const { permutation } = node.parameters;
      const moved = permutation.map((_, axis) => index[permutation.indexOf(axis)] ?? zero);
      return access(placement, body, input, moved);
    }
    case "expand": {
      const from = nodeAt(graph, input).shape;
      const moved = index.map((along, axis) => from[axis] === 1 ? zero : along);
      return access(placement, body, input, moved);
    }
    case "slice":
      return access(placement, body, input, shiftMap(index, node.parameters.start));
    case "stopGradient":
    case "customVjp":
    case "barrier":
      return access(placement, body, input, index);
    default: {
      if (!isScalar(node.op)) throw new Error(`${node.op} is stored, never inlined`);
      const operands = node.inputs.map((operand) => access(placement, body, operand, index));
      return addStep(body, { kind: "apply", dtype, op: node.op, operands });
    }
  }
}
