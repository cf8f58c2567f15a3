/**
 * The places that results are written to. Most results have a buffer of their own. A piece of a
 * concatenation is written to its place there at once, if nothing else uses it and its kernel can
 * write there.
 */
import { type Graph, nodeAt } from "../graph.ts";
import { at, type Shape } from "../shape.ts";
import {
  type Affine,
  identityMap,
  type IndexMap,
  linearize,
  reshapeMap,
  shiftMap,
} from "./affine.ts";

/** A piece of a concatenation that a result is. */
export interface Destination {
  /** The position of the concatenation. */
  readonly concat: number;
  /** The number of the piece. */
  readonly piece: number;
  /** The position of each element of the result in it. */
  readonly at: Affine;
}

/** The start of a piece of a concatenation along every axis. */
function startOf(graph: Graph, concat: number, piece: number): number[] {
  const node = nodeAt(graph, concat);
  if (node.op !== "concat") throw new RangeError(`node ${concat} is no concatenation`);
  const { axis } = node.parameters;
  const before = node.inputs.slice(0, piece).reduce(
    (size, input) => size + at(nodeAt(graph, input).shape, axis),
    0,
  );
  return node.shape.map((_, i) => i === axis ? before : 0);
}

/**
 * Whether a node reads the elements of a result. An instruction's further results do not read its
 * first, nor does a barrier read what it waits for.
 */
function uses(graph: Graph, user: number, result: number): boolean {
  const { op, inputs } = nodeAt(graph, user);
  return op !== "result" && (op !== "barrier" || inputs[0] === result);
}

/** The piece of a concatenation that a result is, by way of reshapes, if nothing else uses it. */
export function destinationOf(
  graph: Graph,
  users: readonly (readonly number[])[],
  stored: ReadonlySet<number>,
  result: number,
): Destination | undefined {
  const shape = nodeAt(graph, result).shape;
  let position = result;
  let index: IndexMap | undefined = identityMap(shape);
  while (index !== undefined && !graph.outputs.includes(position)) {
    const [user, ...others] = at(users, position).filter((user) => uses(graph, user, position));
    if (user === undefined || others.length > 0) return undefined;
    const node = nodeAt(graph, user);
    const from: Shape = nodeAt(graph, position).shape;
    if (node.op === "concat") {
      const piece = node.inputs.indexOf(position);
      if (node.inputs.lastIndexOf(position) !== piece) return undefined;
      const shifted = shiftMap(index, startOf(graph, user, piece));
      return { concat: user, piece, at: linearize(shape.length, node.shape, shifted) };
    }
    if (node.op !== "reshape" || stored.has(user)) return undefined;
    index = reshapeMap(shape, from, node.shape, index);
    position = user;
  }
  return undefined;
}
