/**
 * The sources of elements. Movements (reshape, transpose, expand, slice) are followed as changes of
 * the affine index at which their operand is read, up to a node that is stored or computed.
 */
import { isStorage } from "../dtype.ts";
import { type Graph, type GraphNode, nodeAt } from "../graph.ts";
import { at, type Shape } from "../shape.ts";
import { type Affine, combine, type IndexMap, linearize, reshapeMap, shiftMap } from "./affine.ts";

/** The source of an element of a node. */
export type Source =
  /** From the elements of a stored node, in row-major order. */
  | { readonly kind: "stored"; readonly position: number; readonly at: Affine }
  /** From the value that a node computes at an index. */
  | { readonly kind: "computed"; readonly position: number; readonly index: IndexMap }
  /** From a node that has to be stored first, since the index into it would not be affine. */
  | { readonly kind: "unstored"; readonly position: number };

/** Whether a node is f32 made of elements of 16 bits, which products widen where they read them. */
export function isWidening({ nodes }: Graph, node: GraphNode): boolean {
  return node.op === "cast" && node.dtype === "f32" &&
    isStorage(at(nodes, at(node.inputs, 0)).dtype);
}

/** Whether the elements of a node are stored. */
export type IsStored = (position: number) => boolean;

/** The stored node that has a node's elements in row-major order, if there is one. */
export function contiguous(
  graph: Graph,
  isStored: IsStored,
  position: number,
): number | undefined {
  if (isStored(position)) return position;
  const { op, inputs } = nodeAt(graph, position);
  const passes = op === "reshape" || op === "barrier" || op === "stopGradient" ||
    op === "customVjp";
  return passes ? contiguous(graph, isStored, at(inputs, 0)) : undefined;
}

/**
 * The source of a node's element.
 *
 * @param domain The loops; `index` is made of their indices.
 * @param index The index into the node.
 * @param widens Whether the reader widens elements of 16 bits itself, so that their cast to f32 moves
 * them only (default false).
 */
export function sourceOf(
  graph: Graph,
  isStored: IsStored,
  domain: Shape,
  position: number,
  index: IndexMap,
  widens = false,
): Source {
  const node = nodeAt(graph, position);
  const rank = domain.length;
  // In row-major order a reshape changes nothing, affine or not.
  const holder = contiguous(graph, isStored, position);
  if (holder !== undefined) {
    return { kind: "stored", position: holder, at: linearize(rank, node.shape, index) };
  }
  const zero = combine(rank, []);
  const through = (moved: IndexMap) =>
    sourceOf(graph, isStored, domain, at(node.inputs, 0), moved, widens);
  if (widens && isWidening(graph, node)) return through(index);
  switch (node.op) {
    case "reshape": {
      const input = at(node.inputs, 0);
      const moved = reshapeMap(domain, node.shape, nodeAt(graph, input).shape, index);
      return moved === undefined ? { kind: "unstored", position: input } : through(moved);
    }
    case "transpose": {
      const { permutation } = node.parameters;
      return through(permutation.map((_, axis) => index[permutation.indexOf(axis)] ?? zero));
    }
    case "expand": {
      const from = nodeAt(graph, at(node.inputs, 0)).shape;
      return through(index.map((along, axis) => from[axis] === 1 ? zero : along));
    }
    case "slice":
      return through(shiftMap(index, node.parameters.start));
    case "stopGradient":
    case "customVjp":
    case "barrier":
      return through(index);
    default:
      return { kind: "computed", position, index };
  }
}
