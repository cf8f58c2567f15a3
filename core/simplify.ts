/**
 * Simplification: equal, constant and needless instructions go away, once, for every backend.
 *
 * Instructions are rebuilt in order. Each is first offered to the rule of its primitive, which may
 * answer with an instruction that exists already; every remaining instruction is shared with equal
 * ones.
 */
import { checkComputed, type DType, isFloat, isStorage, rounded } from "./dtype.ts";
import {
  furtherResults,
  type Graph,
  type GraphNode,
  type Instruction,
  nodeAt,
  showParameters,
} from "./graph.ts";
import { power } from "./power.ts";
import {
  inferResults,
  type PrimitiveName,
  type PrimitiveParameters,
  type Results,
} from "./primitives.ts";
import { at, sameShape, type Shape } from "./shape.ts";

/** A graph under construction. */
interface Builder {
  /** The node at a position. */
  node(position: number): GraphNode;
  /** The position of an instruction's first result, simplified and shared. */
  emit<P extends PrimitiveName>(
    op: P,
    inputs: readonly number[],
    parameters: PrimitiveParameters[P],
  ): number;
}

/** A builder that gives the positions of all results of an instruction. */
interface ResultsBuilder extends Builder {
  emitAll<P extends PrimitiveName>(
    op: P,
    inputs: readonly number[],
    parameters: PrimitiveParameters[P],
  ): readonly number[];
}

/**
 * The position of something equal to the instruction, or of something equal to each of its results;
 * undefined if it stays as it is.
 */
type Rule<P extends PrimitiveName> = (
  builder: Builder,
  instruction: Instruction<P>,
) => number | readonly number[] | undefined;

/** The instruction at a position if it is of a primitive. */
function as<P extends PrimitiveName>(
  builder: Builder,
  position: number,
  op: P,
): Extract<GraphNode, { op: P }> | undefined {
  const node = builder.node(position);
  const isOf = (n: GraphNode): n is Extract<GraphNode, { op: P }> => n.op === op;
  return isOf(node) ? node : undefined;
}

/** The value of a filled tensor. */
function constant(builder: Builder, position: number): number | undefined {
  return as(builder, position, "fill")?.parameters.value;
}

function fill(builder: Builder, shape: Shape, dtype: DType, value: number): number {
  checkComputed("fill", dtype);
  return builder.emit("fill", [], { shape, dtype, value });
}

/** Whether a node is +0 everywhere. The neutral element of addition is -0, not +0. */
function isZero(builder: Builder, position: number): boolean {
  return Object.is(constant(builder, position), 0);
}

/** Whether no element can be -0, so that adding +0 changes nothing. */
function isNeverNegativeZero(builder: Builder, position: number): boolean {
  const node = builder.node(position);
  if (!isFloat(node.dtype)) return true;
  if (node.op === "fill") return !Object.is(node.parameters.value, -0);
  if (node.op === "cast") return !isFloat(builder.node(first(node)).dtype);
  if (node.op === "reshape" || node.op === "result") {
    return isNeverNegativeZero(builder, first(node));
  }
  // Attention's gradients are sums that begin with 0.
  return node.op === "abs" || node.op === "exp" || node.op === "iota" ||
    node.op === "attentionGradient" ||
    node.op === "add" && node.inputs.some((input) => isZero(builder, input));
}

/** `x + 0`: x with -0 replaced by 0. */
function plusZero(builder: Builder, position: number): number {
  const { shape, dtype } = builder.node(position);
  return builder.emit("add", [position, fill(builder, shape, dtype, 0)], {});
}

/**
 * Elementwise arithmetic of constants, which are of their dtype, in double precision. The result is
 * rounded to its dtype once: for sums, products, quotients and roots that is what f32 arithmetic
 * gives (Figueroa, "When is double rounding innocuous?", 1995).
 */
const folds: {
  readonly [P in PrimitiveName]?: (...x: number[]) => number | undefined;
} = {
  neg: (x) => -x,
  abs: (x) => Math.abs(x),
  floor: (x) => Math.floor(x),
  exp: (x) => Math.exp(x),
  log: (x) => Math.log(x),
  sqrt: (x) => Math.sqrt(x),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => power(a, b),
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
};

function foldConstants<P extends PrimitiveName>(
  builder: Builder,
  { op, inputs, shape, dtype }: Instruction<P>,
): number | undefined {
  const fold = folds[op];
  if (fold === undefined || inputs.length === 0 || (dtype !== "f32" && dtype !== "f64")) {
    return undefined;
  }
  const operands = inputs.map((input) => constant(builder, input));
  const known = operands.filter((value) => value !== undefined);
  if (known.length !== operands.length) return undefined;
  // deno-lint-ignore unitune/no-spread-of-data -- operands of an instruction
  const value = fold(...known);
  if (value === undefined) return undefined;
  return fill(builder, shape, dtype, value);
}

function first(node: GraphNode): number {
  return at(node.inputs, 0);
}

function second(node: GraphNode): number {
  return at(node.inputs, 1);
}

/** Pieces of a concatenation with the interval that each covers; gaps of +0 are left out. */
function nonZeroPieces(builder: Builder, position: number, axis: number): Piece[] | undefined {
  const node = as(builder, position, "concat");
  if (node === undefined || node.parameters.axis !== axis) return undefined;
  let start = 0;
  const pieces: Piece[] = [];
  for (const piece of node.inputs) {
    const end = start + at(builder.node(piece).shape, axis);
    if (!isZero(builder, piece)) pieces.push({ start, end, piece });
    start = end;
  }
  return pieces;
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly piece: number;
}

/**
 * The sum of two concatenations whose non-zero pieces do not overlap, as one concatenation; each
 * piece has the other one's 0 added, which is free in the loop that copies it.
 */
function mergePieces(builder: Builder, node: Instruction<"add">): number | undefined {
  const axis = as(builder, first(node), "concat")?.parameters.axis;
  if (axis === undefined) return undefined;
  const [a, b] = [first(node), second(node)].map((input) => nonZeroPieces(builder, input, axis));
  if (a === undefined || b === undefined) return undefined;
  const pieces = [...a, ...b].toSorted((p, q) => p.start - q.start);
  const disjoint = pieces.every((piece, i) => piece.start >= (pieces[i - 1]?.end ?? 0));
  if (!disjoint) return undefined;
  const size = at(node.shape, axis);
  const inputs: number[] = [];
  let covered = 0;
  const coverTo = (end: number) => {
    if (end > covered) {
      const shape = node.shape.map((full, i) => i === axis ? end - covered : full);
      inputs.push(fill(builder, shape, node.dtype, 0));
    }
  };
  for (const { start, end, piece } of pieces) {
    coverTo(start);
    inputs.push(plusZero(builder, piece));
    covered = end;
  }
  coverTo(size);
  return builder.emit("concat", inputs, { axis });
}

/**
 * A movement of f32 that is made of elements of 16 bits: they are moved as they are, and widened
 * where they are computed with, so that no f32 copy of them is stored.
 */
function widenedLast<P extends PrimitiveName>(
  builder: Builder,
  { op, inputs, parameters }: Instruction<P>,
): number | undefined {
  const [moved, ...others] = inputs;
  const operand = moved === undefined ? undefined : as(builder, moved, "cast");
  if (operand === undefined || !isStorage(builder.node(first(operand)).dtype)) return undefined;
  const stored = builder.emit(op, [first(operand), ...others], parameters);
  return builder.emit("cast", [stored], { dtype: operand.dtype });
}

/** Primitives that move the elements of their first operand, and whose rows for ids outside are NaN. */
const movements: ReadonlySet<PrimitiveName> = new Set([
  "reshape",
  "transpose",
  "expand",
  "slice",
  "gather",
  "dynamicSlice",
  "barrier",
]);

const rules: { readonly [P in PrimitiveName]?: Rule<P> } = {
  stopGradient: (_, node) => first(node),
  customVjp: (_, { inputs, parameters: { values } }) => inputs.slice(0, values),
  neg: (builder, node) => as(builder, first(node), "neg")?.inputs[0],
  not: (builder, node) => as(builder, first(node), "not")?.inputs[0],
  fill(builder, { parameters: { shape, dtype, value } }) {
    const own = rounded(dtype, value);
    return Object.is(own, value) ? undefined : fill(builder, shape, dtype, own);
  },
  // x + (-0) is x, and so is x + 0 but for x = -0.
  add(builder, node) {
    const isNeutral = (position: number, other: number) =>
      Object.is(constant(builder, position), -0) ||
      isZero(builder, position) && isNeverNegativeZero(builder, other);
    if (isNeutral(second(node), first(node))) return first(node);
    if (isNeutral(first(node), second(node))) return second(node);
    return mergePieces(builder, node);
  },
  // x - 0 is x, and so is x - (-0) but for x = -0.
  sub: (builder, node) => isZero(builder, second(node)) ? first(node) : undefined,
  mul(builder, node) {
    if (constant(builder, second(node)) === 1) return first(node);
    if (constant(builder, first(node)) === 1) return second(node);
    return undefined;
  },
  div: (builder, node) => constant(builder, second(node)) === 1 ? first(node) : undefined,
  pow(builder, node) {
    const exponent = constant(builder, second(node));
    if (exponent === 1) return first(node);
    if (exponent === 2) return builder.emit("mul", [first(node), first(node)], {});
    return undefined;
  },
  where(builder, node) {
    const condition = constant(builder, first(node));
    if (condition !== undefined) return at(node.inputs, condition === 0 ? 2 : 1);
    return second(node) === at(node.inputs, 2) ? second(node) : undefined;
  },
  cast(builder, node) {
    const operand = builder.node(first(node));
    if (operand.dtype === node.dtype) return first(node);
    const value = constant(builder, first(node));
    const exact = value !== undefined && Number.isInteger(value) && value >= 0 &&
      value < 2 ** 24 && node.dtype !== "bool" && !isStorage(node.dtype);
    return exact ? fill(builder, node.shape, node.dtype, value) : undefined;
  },
  sum(builder, node) {
    const { shape, dtype } = builder.node(first(node));
    const { axes } = node.parameters;
    // A sum begins with 0, and so is never -0.
    if (axes.every((axis) => shape[axis] === 1)) {
      return plusZero(builder, builder.emit("reshape", [first(node)], { shape: node.shape }));
    }
    const value = constant(builder, first(node));
    const count = axes.reduce((total, axis) => total * at(shape, axis), 1);
    if (count === 0) return fill(builder, node.shape, dtype, 0);
    return value === undefined || !isFloat(dtype)
      ? undefined
      : fill(builder, node.shape, dtype, value * count + 0);
  },
  reshape(builder, node) {
    const operand = builder.node(first(node));
    if (sameShape(operand.shape, node.shape)) return first(node);
    if (operand.op === "fill") {
      return fill(builder, node.shape, node.dtype, operand.parameters.value);
    }
    return operand.op === "reshape"
      ? builder.emit("reshape", [first(operand)], { shape: node.shape })
      : undefined;
  },
  transpose(builder, node) {
    const operand = builder.node(first(node));
    const { permutation } = node.parameters;
    if (permutation.every((axis, i) => axis === i)) return first(node);
    if (operand.op === "fill") {
      return fill(builder, node.shape, node.dtype, operand.parameters.value);
    }
    if (operand.op !== "transpose") return undefined;
    const composed = permutation.map((axis) => at(operand.parameters.permutation, axis));
    return builder.emit("transpose", [first(operand)], { permutation: composed });
  },
  expand(builder, node) {
    const operand = builder.node(first(node));
    if (sameShape(operand.shape, node.shape)) return first(node);
    if (operand.op === "fill") {
      return fill(builder, node.shape, node.dtype, operand.parameters.value);
    }
    return operand.op === "expand"
      ? builder.emit("expand", [first(operand)], { shape: node.shape })
      : undefined;
  },
  slice(builder, node) {
    const operand = builder.node(first(node));
    if (sameShape(operand.shape, node.shape)) return first(node);
    if (operand.op === "fill") {
      return fill(builder, node.shape, node.dtype, operand.parameters.value);
    }
    if (operand.op !== "slice") return undefined;
    const { start, end } = node.parameters;
    const shift = operand.parameters.start;
    return builder.emit("slice", [first(operand)], {
      start: start.map((from, axis) => from + at(shift, axis)),
      end: end.map((to, axis) => to + at(shift, axis)),
    });
  },
  concat(builder, node) {
    const { axis } = node.parameters;
    const inputs = node.inputs.filter((input) => builder.node(input).shape[axis] !== 0);
    const [only] = inputs;
    if (only === undefined) return undefined;
    if (inputs.length === 1) return only;
    return inputs.length < node.inputs.length
      ? builder.emit("concat", inputs, { axis })
      : undefined;
  },
};

function simplified<P extends PrimitiveName>(
  builder: Builder,
  node: Instruction<P>,
): number | readonly number[] | undefined {
  const rule: Rule<P> | undefined = rules[node.op];
  return foldConstants(builder, node) ?? rule?.(builder, node) ??
    (movements.has(node.op) ? widenedLast(builder, node) : undefined);
}

/** The instructions that outputs depend on, and all inputs, in their old order. */
function withoutDead(graph: Graph): Graph {
  const live = new Set<number>([...graph.inputs, ...graph.outputs]);
  for (let position = graph.nodes.length - 1; position >= 0; position--) {
    if (live.has(position)) { for (const input of nodeAt(graph, position).inputs) live.add(input); }
  }
  const moved = new Map<number, number>();
  const to = (position: number): number => {
    const other = moved.get(position);
    if (other === undefined) throw new RangeError(`node ${position} is gone, and used`);
    return other;
  };
  const nodes: GraphNode[] = [];
  graph.nodes.forEach((node, position) => {
    if (!live.has(position)) return;
    moved.set(position, nodes.length);
    nodes.push(
      node.op === "result"
        ? { ...node, inputs: [to(node.inputs[0])] }
        : { ...node, inputs: node.inputs.map(to) },
    );
  });
  return { nodes, inputs: graph.inputs.map(to), outputs: graph.outputs.map(to) };
}

/**
 * An equal graph of fewer instructions: constants folded, movements composed, common
 * subexpressions shared, dead instructions dropped. Inputs stay, used or not.
 */
export function simplify(graph: Graph): Graph {
  const nodes: GraphNode[] = [];
  const shared = new Map<string, readonly number[]>();
  const push = (node: GraphNode): number => nodes.push(node) - 1;
  const pushInstruction = (node: Instruction): readonly number[] => {
    const position = push(node);
    return [position, ...furtherResults(node, position).map(push)];
  };

  const builder: ResultsBuilder = {
    node: (position) => nodeAt({ ...graph, nodes }, position),
    emit: (op, inputs, parameters) => at(builder.emitAll(op, inputs, parameters), 0),
    emitAll(op, inputs, parameters) {
      const key = `${op} ${inputs} ${showParameters(parameters)}`;
      const known = shared.get(key);
      if (known !== undefined) return known;
      const operands = inputs.map((input) => builder.node(input));
      const node = makeInstruction(op, inputs, parameters, inferResults(op, operands, parameters));
      const found = simplified(builder, node) ?? pushInstruction(node);
      const positions = typeof found === "number" ? [found] : found;
      shared.set(key, positions);
      return positions;
    },
  };
  // The nodes that are equal to all results of each instruction, and to each node.
  const results: (readonly number[])[] = [];
  const moved: number[] = [];
  for (const node of graph.nodes) {
    const own = node.op === "result"
      ? [at(at(results, node.inputs[0]), node.index)]
      : node.op === "input"
      ? [push(node)]
      : reemit(builder, node, moved);
    results.push(own);
    moved.push(at(own, 0));
  }
  const to = (position: number): number => at(moved, position);
  return withoutDead({
    nodes,
    inputs: graph.inputs.map(to),
    outputs: graph.outputs.map(to),
  });
}

function reemit<P extends PrimitiveName>(
  builder: ResultsBuilder,
  { op, inputs, parameters }: Instruction<P>,
  moved: readonly number[],
): readonly number[] {
  return builder.emitAll(op, inputs.map((input) => at(moved, input)), parameters);
}

/** An instruction as a member of the union of all; see `expression` in tensor.ts. */
function makeInstruction<P extends PrimitiveName>(
  op: P,
  inputs: readonly number[],
  parameters: PrimitiveParameters[P],
  results: Results,
): Instruction;
function makeInstruction(
  op: PrimitiveName,
  inputs: readonly number[],
  parameters: unknown,
  [{ shape, dtype }, ...others]: Results,
): unknown {
  return { op, inputs, parameters, shape, dtype, others };
}
