/** Graphs: expressions as flat lists of instructions, the form that compilers work on. */
import type { DType } from "./dtype.ts";
import type { Abstract, PrimitiveName, PrimitiveParameters } from "./primitives.ts";
import { type Shape, showShape } from "./shape.ts";

/** A primitive applied to earlier instructions of a graph. */
export type Instruction<P extends PrimitiveName = PrimitiveName> = {
  [Q in P]: {
    /** The primitive. */
    readonly op: Q;
    /** Its static parameters. */
    readonly parameters: PrimitiveParameters[Q];
    /** Positions of its operands in the graph's nodes; all earlier than its own. */
    readonly inputs: readonly number[];
    /** The shape of its result, the first one if there are several. */
    readonly shape: Shape;
    /** The element type of its result, the first one if there are several. */
    readonly dtype: DType;
    /** The results after the first, for which nodes of their own stand. */
    readonly others: readonly Abstract[];
  };
}[P];

/** An input of a graph. */
export interface Input {
  /** Tells inputs from instructions. */
  readonly op: "input";
  /** The position among the graph's inputs. */
  readonly index: number;
  /** No operands. */
  readonly inputs: readonly number[];
  /** The shape of the input. */
  readonly shape: Shape;
  /** The element type of the input. */
  readonly dtype: DType;
}

/** A result after the first of an instruction that gives several; the first is the instruction. */
export interface Result {
  /** Tells further results from instructions. */
  readonly op: "result";
  /** The position among the instruction's results, from 1 on. */
  readonly index: number;
  /** The position of the instruction. */
  readonly inputs: readonly [number];
  /** The shape of the result. */
  readonly shape: Shape;
  /** The element type of the result. */
  readonly dtype: DType;
}

/** A node of a graph: a value. */
export type GraphNode = Instruction | Input | Result;

/** A pure function of its inputs, as a list of instructions in the order of their use. */
export interface Graph {
  /** Inputs and instructions; operands stand before their users. */
  readonly nodes: readonly GraphNode[];
  /** Positions of the input nodes, in the order of the operands. */
  readonly inputs: readonly number[];
  /** Positions of the results. */
  readonly outputs: readonly number[];
}

/**
 * A node by its position.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { graphOf, neg, nodeAt, tensor } from "@unitune/core";
 *
 * assertEquals(nodeAt(graphOf(neg, [tensor([1])]), 1).op, "neg");
 * ```
 *
 * @throws {RangeError} If there is none.
 */
export function nodeAt(graph: Graph, position: number): GraphNode {
  const node = graph.nodes[position];
  if (node === undefined) throw new RangeError(`the graph has no node ${position}`);
  return node;
}

/** The nodes of the results after the first of an instruction. */
export function furtherResults(
  { others }: Pick<Instruction, "others">,
  position: number,
): Result[] {
  return others.map(({ shape, dtype }, i) => ({
    op: "result",
    index: 1 + i,
    inputs: [position],
    shape,
    dtype,
  }));
}

/** A value as JSON in which equal texts mean equal values, the numbers -0, NaN and infinity included. */
export function exactText(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (typeof entry !== "number") return entry;
    return Object.is(entry, -0) ? "-0" : Number.isFinite(entry) ? entry : String(entry);
  });
}

/** Static parameters as text; equal texts mean equal parameters. */
export function showParameters(parameters: object): string {
  const entries = Object.entries(parameters).map(([key, value]) => `${key}=${exactText(value)}`);
  return entries.length === 0 ? "" : ` {${entries.join(" ")}}`;
}

/**
 * A graph as text, one instruction a line; equal texts mean equal graphs.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, showGraph, tensor, traceGraph } from "@unitune/core";
 *
 * const x = tensor([1, 2]);
 * assertEquals(
 *   showGraph(traceGraph([x], [add(x, x)]).graph),
 *   "%0: f32[2] = input 0\n%1: f32[2] = add %0 %0\nreturn %1",
 * );
 * ```
 *
 * @param graph The graph.
 * @returns Its text.
 */
export function showGraph(graph: Graph): string {
  const lines = graph.nodes.map((node, position) => {
    const result = `%${position}: ${node.dtype}${showShape(node.shape)}`;
    if (node.op === "input") return `${result} = input ${node.index}`;
    if (node.op === "result") return `${result} = result ${node.index} of %${node.inputs[0]}`;
    const operands = node.inputs.map((input) => ` %${input}`).join("");
    return `${result} = ${node.op}${operands}${showParameters(node.parameters)}`;
  });
  return [...lines, `return ${graph.outputs.map((output) => `%${output}`).join(" ")}`].join("\n");
}
