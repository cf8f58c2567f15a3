/** The way in which kernels read operands, and the nodes that must be stored so that they can. */
import { attentionGradientOperands, attentionOperands } from "../attention.ts";
import { type Graph, type Instruction, nodeAt } from "../graph.ts";
import type { PrimitiveName } from "../primitives.ts";
import { at, type Shape } from "../shape.ts";
import { type Affine, identityMap, type IndexMap } from "./affine.ts";
import { contiguous, type IsStored, sourceOf } from "./source.ts";
import { isScalar } from "./stored.ts";

/** The way in which a kernel reads an operand. */
type Reading =
  /** In a loop's body, which computes nodes that are not stored. */
  | "elements"
  /** As a buffer in row-major order. */
  | "whole"
  /** As a view of a buffer, with a step along each axis; elements of 16 bits are widened. */
  | "view"
  /** As a view whose last axis has neighbours. */
  | "vectors";

/** An operand of an instruction, and how it is read. */
interface OperandReading {
  readonly position: number;
  readonly reading: Reading;
}

const read = (reading: Reading, positions: readonly (number | undefined)[]): OperandReading[] =>
  positions.flatMap((position) => position === undefined ? [] : [{ position, reading }]);

type Readings<P extends PrimitiveName> = (node: Instruction<P>) => OperandReading[];

const all = (reading: Reading): Readings<PrimitiveName> => ({ inputs }) => read(reading, inputs);

/**
 * The way in which primitives with kernels of their own read operands; all others compute the
 * elements of their node in a loop.
 */
const readings: { readonly [P in PrimitiveName]?: Readings<P> } = {
  concat: all("elements"),
  sum: all("elements"),
  reduceMax: all("elements"),
  argmax: all("elements"),
  matmul: all("view"),
  attention({ inputs, parameters }) {
    const { q, k, v, start, segments } = attentionOperands(inputs, parameters);
    return [
      ...read("vectors", [q, k, v]),
      ...read("whole", [start, segments?.queries, segments?.keys]),
    ];
  },
  attentionGradient({ inputs, parameters }) {
    const { q, k, v, g, start, segments } = attentionGradientOperands(inputs, parameters);
    return [
      ...read("vectors", [q, k, v, g]),
      ...read("whole", [start, segments?.queries, segments?.keys]),
    ];
  },
  gather: all("whole"),
  scatterAdd: all("whole"),
  argsort: all("whole"),
  dynamicSlice: all("whole"),
  dynamicUpdate: all("whole"),
};

function operandsOf<P extends PrimitiveName>(
  node: Instruction<P>,
  position: number,
): OperandReading[] {
  const own: Readings<P> | undefined = readings[node.op];
  return own?.(node) ?? read("elements", [position]);
}

/** Whether each node's elements are computed from a reshape of a node that is not stored. */
function throughReshapes({ nodes }: Graph, isStored: IsStored): boolean[] {
  const found: boolean[] = [];
  for (const { op, inputs } of nodes) {
    const computed = inputs.filter((input) => !isStored(input));
    found.push(computed.some((input) => op === "reshape" || found[input] === true));
  }
  return found;
}

/**
 * The further nodes that must be stored so that every kernel can read its operands. Once they are
 * stored, more may be missing.
 */
function missingStores(graph: Graph, stored: ReadonlySet<number>): Set<number> {
  const missing = new Set<number>();
  const isKept = (position: number) => {
    const { op } = nodeAt(graph, position);
    return op === "input" || op === "result" || stored.has(position);
  };
  const mayMiss = throughReshapes(graph, isKept);

  /** The operands that the elements of a node are computed from, at indices into it. */
  const visitElements = (
    isStored: IsStored,
    domain: Shape,
    position: number,
    index: IndexMap,
    visited: Set<string>,
  ): void => {
    if (isStored(position) || mayMiss[position] !== true) return;
    const source = sourceOf(graph, isStored, domain, position, index);
    if (source.kind === "unstored") missing.add(source.position);
    if (source.kind !== "computed") return;
    const key = `${source.position} ${JSON.stringify(source.index)}`;
    if (visited.has(key)) return;
    visited.add(key);
    // The words of a key are read at a place of their own, which is affine.
    const { op, inputs } = nodeAt(graph, source.position);
    if (!isScalar(op)) return;
    for (const input of inputs) visitElements(isStored, domain, input, source.index, visited);
  };

  const check = ({ position, reading }: OperandReading, isStored: IsStored): void => {
    const { shape } = nodeAt(graph, position);
    const index = identityMap(shape);
    switch (reading) {
      case "elements":
        return visitElements(isStored, shape, position, index, new Set());
      case "whole":
        if (contiguous(graph, isStored, position) === undefined) missing.add(position);
        return;
      case "view":
      case "vectors": {
        const widens = reading === "view";
        const source = sourceOf(graph, isStored, shape, position, index, widens);
        if (source.kind !== "stored") missing.add(source.position);
        else if (reading === "vectors" && !hasVectors(shape, source.at)) missing.add(position);
        return;
      }
      default:
        reading satisfies never;
    }
  };

  graph.nodes.forEach((node, position) => {
    if (node.op === "input" || node.op === "result" || !stored.has(position)) return;
    const isStored = (other: number) => other !== position && isKept(other);
    for (const operand of operandsOf(node, position)) check(operand, isStored);
  });
  return missing;
}

/** Whether the elements along the last axis are neighbours. */
function hasVectors(shape: Shape, { strides }: Affine): boolean {
  const last = shape.length - 1;
  return at(shape, last) === 1 || at(strides, last) === 1;
}

/** All that must be stored where some nodes are, so that every kernel can read its operands. */
export function withOperands(graph: Graph, chosen: ReadonlySet<number>): Set<number> {
  const stored = new Set(chosen);
  for (;;) {
    const missing = missingStores(graph, stored);
    if (missing.size === 0) return stored;
    for (const position of missing) stored.add(position);
  }
}
