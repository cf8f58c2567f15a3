/** Tracing: from the expressions that stand behind tensors to a graph. */
import { isStorage, type TypedArray } from "./dtype.ts";
import { furtherResults, type Graph, type GraphNode, type Instruction } from "./graph.ts";
import type { PrimitiveName, Results } from "./primitives.ts";
import { showShape, sizeOf } from "./shape.ts";
import type { Expression, Tensor } from "./value.ts";

function instruction<P extends PrimitiveName>(
  { op, parameters }: Expression<P>,
  inputs: readonly number[],
  [{ shape, dtype }, ...others]: Results,
): Instruction<P> {
  return { op, parameters, inputs, shape, dtype, others };
}

/** A graph and the tensors whose elements it needs beside its arguments. */
export interface Traced {
  /** The graph; its inputs are the arguments, then the captured tensors. */
  readonly graph: Graph;
  /** Tensors that hold elements and that the expressions refer to. */
  readonly captured: readonly Tensor[];
}

/** Elements up to which tensors of the host that are the same are captured once. */
const CONSTANT = 1024;

/** A text that tells a small tensor of the host from all others; undefined for a large one. */
function constantOf(
  { buffer, byteOffset, byteLength, length }: TypedArray,
  { shape, dtype }: Tensor,
): string | undefined {
  if (length > CONSTANT) return undefined;
  return `${dtype}${showShape(shape)} ${new Uint8Array(buffer, byteOffset, byteLength)}`;
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
 * @param args Tensors to be inputs, evaluated or not.
 * @param results The tensors to compute.
 * @returns The graph, and the elements that it captured.
 * @throws {Error} If an expression refers to a tensor that is gone or to another trace's argument.
 */
export function traceGraph(args: readonly Tensor[], results: readonly Tensor[]): Traced {
  const nodes: GraphNode[] = [];
  const inputs: number[] = [];
  const captured: Tensor[] = [];
  // The positions of cells, and of expressions with several results.
  const positions = new Map<object, number>();

  // The positions of small tensors of the host by what they are.
  const constants = new Map<string, number>();

  const addInput = ({ cell, shape, dtype }: Tensor): number => {
    const position = nodes.length;
    nodes.push({ op: "input", index: inputs.length, inputs: [], shape, dtype });
    inputs.push(position);
    positions.set(cell, position);
    return position;
  };
  for (const arg of args) addInput(arg);

  const positionOf = ({ cell, shape }: Tensor): number => {
    const position = positions.get(cell);
    if (position !== undefined) return position;
    throw new Error(`a tensor of shape ${showShape(shape)} is used before it is in the graph`);
  };

  /** The position of an instruction, behind which its further results stand. */
  const addInstruction = (of: Expression, results: Results): number => {
    const inputs = of.inputs.map(positionOf);
    const position = nodes.length;
    const node = instruction(of, inputs, results);
    nodes.push(node);
    for (const result of furtherResults(node, position)) nodes.push(result);
    return position;
  };

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
        case "expression":
        case "result": {
          const [of, results]: [Expression, Results] = value.kind === "result"
            ? [value.of, value.results]
            : [value, [top]];
          const waiting = of.inputs.filter((input) => !positions.has(input.cell));
          if (waiting.length > 0) {
            for (const input of waiting.toReversed()) stack.push(input);
            break;
          }
          const first = positions.get(of) ?? addInstruction(of, results);
          positions.set(of, first);
          positions.set(cell, value.kind === "result" ? first + value.index : first);
          stack.pop();
          break;
        }
        case "host": {
          const [element] = value.data;
          const { shape, dtype } = top;
          const isOne = value.data.length === 1 && sizeOf(shape) === 1;
          if (isOne && element !== undefined && !isStorage(dtype)) {
            positions.set(cell, nodes.length);
            nodes.push({
              op: "fill",
              parameters: { shape, dtype, value: element },
              inputs: [],
              shape,
              dtype,
              others: [],
            });
          } else {
            const own = constantOf(value.data, top);
            const known = own === undefined ? undefined : constants.get(own);
            if (known === undefined) {
              const position = addInput(top);
              captured.push(top);
              if (own !== undefined) constants.set(own, position);
            } else positions.set(cell, known);
          }
          stack.pop();
          break;
        }
        case "device":
        case "outline":
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
    return positionOf(root);
  };
  const outputs = results.map(visit);
  return { graph: { nodes, inputs, outputs }, captured };
}
