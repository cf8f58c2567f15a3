/** Graphs: expressions as flat lists of instructions, the form that compilers work on. */
import type { DType } from "./dtype.ts";
import type { Abstract, PrimitiveName, PrimitiveParameters } from "./primitives.ts";
import { type Shape, showShape, sizeOf } from "./shape.ts";
import type { Expression, Tensor } from "./tensor.ts";

/** A primitive applied to earlier instructions of a graph. */
export type Instruction<P extends PrimitiveName = PrimitiveName> = {
  [Q in P]: {
    /** The primitive. */
    readonly op: Q;
    /** Its static parameters. */
    readonly parameters: PrimitiveParameters[Q];
    /** Positions of its operands in the graph's nodes; all earlier than its own. */
    readonly inputs: readonly number[];
    /** The shape of its result. */
    readonly shape: Shape;
    /** The element type of its result. */
    readonly dtype: DType;
  };
}[P];

/** An input of a graph. */
export interface Input {
  /** Tells inputs from instructions. */
  readonly op: "input";
  /** Which of the graph's inputs. */
  readonly index: number;
  /** No operands. */
  readonly inputs: readonly number[];
  /** The shape of the input. */
  readonly shape: Shape;
  /** The element type of the input. */
  readonly dtype: DType;
}

/** A node of a graph. */
export type GraphNode = Instruction | Input;

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

function instruction<P extends PrimitiveName>(
  { op, parameters }: Expression<P>,
  inputs: readonly number[],
  { shape, dtype }: Abstract,
): Instruction<P> {
  return { op, parameters, inputs, shape, dtype };
}

/** A graph and the tensors whose elements it needs beside its arguments. */
export interface Traced {
  /** The graph; its inputs are the arguments, then the captured tensors. */
  readonly graph: Graph;
  /** Tensors that hold elements and that the expressions refer to. */
  readonly captured: readonly Tensor[];
}

/**
 * The graph that computes tensors from arguments, as it is before it is simplified.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, tensor, traceGraph } from "@unitune/core";
 *
 * const [x, y] = [tensor([1, 2]), tensor([3, 4])];
 * const { graph, captured } = traceGraph([x], [add(x, y)]);
 * assertEquals(graph.nodes.map(({ op }) => op), ["input", "input", "add"]);
 * assertEquals(captured, [y]);
 * ```
 *
 * @param args Tensors to be inputs, whatever stands behind them.
 * @param results The tensors to compute.
 * @returns The graph, and the elements that it captured.
 * @throws {Error} If an expression refers to a tensor that is gone or to another trace's argument.
 */
export function traceGraph(args: readonly Tensor[], results: readonly Tensor[]): Traced {
  const nodes: GraphNode[] = [];
  const inputs: number[] = [];
  const captured: Tensor[] = [];
  const positions = new Map<object, number>();

  const addInput = ({ cell, shape, dtype }: Tensor): number => {
    const position = nodes.length;
    nodes.push({ op: "input", index: inputs.length, inputs: [], shape, dtype });
    inputs.push(position);
    positions.set(cell, position);
    return position;
  };
  for (const arg of args) addInput(arg);

  // Depth-first with an explicit stack: expressions may be deeper than the call stack.
  const visit = (root: Tensor): number => {
    const stack: Tensor[] = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { cell } = top;
      if (positions.has(cell)) {
        stack.pop();
        continue;
      }
      const { value } = cell;
      switch (value.kind) {
        case "expression": {
          const waiting = value.inputs.filter((input) => !positions.has(input.cell));
          if (waiting.length > 0) {
            for (const input of waiting.toReversed()) stack.push(input);
            break;
          }
          positions.set(cell, nodes.length);
          nodes.push(
            instruction(value, value.inputs.map((input) => positions.get(input.cell) ?? -1), top),
          );
          stack.pop();
          break;
        }
        case "host": {
          const [element] = value.data;
          if (value.data.length === 1 && sizeOf(top.shape) === 1 && element !== undefined) {
            const { shape, dtype } = top;
            positions.set(cell, nodes.length);
            nodes.push({
              op: "fill",
              parameters: { shape, dtype, value: element },
              inputs: [],
              shape,
              dtype,
            });
          } else {
            addInput(top);
            captured.push(top);
          }
          stack.pop();
          break;
        }
        case "device":
          addInput(top);
          captured.push(top);
          stack.pop();
          break;
        case "argument":
          throw new Error(
            "a tensor of one traced function was used in another: return it instead of keeping it",
          );
        case "gone":
          throw new Error(`a tensor of shape ${showShape(top.shape)} is gone: ${value.why}`);
        default:
          value satisfies never;
      }
    }
    return positions.get(root.cell) ?? -1;
  };
  const outputs = results.map(visit);
  return { graph: { nodes, inputs, outputs }, captured };
}

/** Static parameters as text; equal texts mean equal parameters, the odd numbers included. */
export function showParameters(parameters: object): string {
  const show = (_: string, value: unknown): unknown => {
    if (typeof value !== "number") return value;
    return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : String(value);
  };
  const entries = Object.entries(parameters).map(([key, value]) =>
    `${key}=${JSON.stringify(value, show)}`
  );
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
    const operands = node.inputs.map((input) => ` %${input}`).join("");
    return `${result} = ${node.op}${operands}${showParameters(node.parameters)}`;
  });
  return [...lines, `return ${graph.outputs.map((output) => `%${output}`).join(" ")}`].join("\n");
}
