/**
 * Fusion: from a graph of instructions to kernels over buffers.
 *
 * A node is either *stored* (some kernel writes its elements to a buffer) or *inlined* into the
 * bodies of the kernels that use it. Movements (reshape, transpose, expand, slice) are inlined as
 * changes of the affine index at which their operand is read. The stored nodes are known before the
 * first kernel is made: nodes that are expensive to compute again (`stored.ts`), and nodes that
 * kernels could not read otherwise (`operands.ts`).
 */
import { type Graph, type Instruction, nodeAt } from "../graph.ts";
import { missingElement } from "../half.ts";
import type { Abstract, PrimitiveName } from "../primitives.ts";
import { at, sameShape, type Shape, sizeOf, stridesOf } from "../shape.ts";
import {
  attentionGradientOperands,
  type AttentionOperands,
  attentionOperands,
  type AttentionParameters,
} from "../attention.ts";
import { dims } from "../dims.ts";
import { type Affine, combine, identityMap, type IndexMap, linearize, shiftMap } from "./affine.ts";
import { access, type Body, bufferAt, newBody, placed, type Placement } from "./body.ts";
import { coalesce } from "./coalesce.ts";
import { destinationOf } from "./destination.ts";
import { fuseEpilogues } from "./epilogue.ts";
import type {
  AttentionSizes,
  BufferPlan,
  HeadVectors,
  Kernel,
  Lowered,
  MatrixView,
  Reduction,
} from "./kernels.ts";
import { mergeMaps } from "./merge.ts";
import { withOperands } from "./operands.ts";
import { recompute } from "./recompute.ts";
import { scheduleKernels } from "./schedule.ts";
import { contiguous } from "./source.ts";
import { splitLong } from "./split.ts";
import { chooseStored, usersOf } from "./stored.ts";

/** The place that a result is written to. */
interface Output {
  readonly buffer: number;
  /**
   * The position of each element in it: in row-major order, unless the result is a part of another
   * one.
   */
  readonly at: Affine;
}

/** The places that a node's results are written to. */
type Outputs = readonly [Output, ...Output[]];

/** The kernels that write the elements of a node's results to buffers. */
type LoweringRule<P extends PrimitiveName> = (
  placement: Placement,
  node: Instruction<P>,
  outputs: Outputs,
) => Kernel[];

/** The buffer that has a node's elements in row-major order. */
function needed(placement: Placement, position: number | undefined): number {
  if (position === undefined) throw new RangeError("an operand is missing");
  const { graph, bufferOf } = placement;
  const holder = contiguous(graph, (node) => bufferOf.has(node), position);
  return bufferAt(placement, holder ?? position);
}

/**
 * The buffer that a node is a view of, and the position of each element in it. Where the reader
 * widens elements of 16 bits, f32 made of them is a view of them.
 */
function viewOf(placement: Placement, position: number, widens = false): Output {
  const { shape } = nodeAt(placement.graph, position);
  const source = placed(placement, shape, position, identityMap(shape), widens);
  if (source.kind === "computed") throw new Error(`node ${source.position} is no view`);
  return { buffer: bufferAt(placement, source.position), at: source.at };
}

/**
 * A loop over a domain that writes the value of `compute` to a buffer, at the place given by `to`.
 */
function map(
  domain: Shape,
  output: number,
  to: (index: IndexMap) => Affine,
  compute: (body: Body, index: IndexMap) => number,
): Kernel {
  const body = newBody(domain);
  const index = identityMap(domain);
  const value = compute(body, index);
  const stores = [{ buffer: output, at: to(index), value }];
  return { kind: "map", domain, steps: body.steps, stores };
}

/** The same place in row-major order. */
function inOrder(shape: Shape): (index: IndexMap) => Affine {
  return (index) => linearize(shape.length, shape, index);
}

const concat: LoweringRule<"concat"> = (placement, node, [{ buffer: output }]) => {
  const { axis } = node.parameters;
  let start = 0;
  return node.inputs.flatMap((piece) => {
    const { shape } = nodeAt(placement.graph, piece);
    const shift = shape.map((_, i) => i === axis ? start : 0);
    start += at(shape, axis);
    if (placement.written.has(piece)) return [];
    const copy = map(
      shape,
      output,
      (index) => linearize(shape.length, node.shape, shiftMap(index, shift)),
      (body, index) => access(placement, body, piece, index),
    );
    return [copy];
  });
};

/** The axes that a reduction takes away. */
function reducedAxes(node: Instruction<Reduction>): readonly number[] {
  return node.op === "argmax" ? [node.parameters.axis] : node.parameters.axes;
}

const reduce: LoweringRule<Reduction> = (placement, node, [{ buffer: output }]) => {
  const input = at(node.inputs, 0);
  const { shape } = nodeAt(placement.graph, input);
  const axes = reducedAxes(node);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const loops = [...kept, ...axes];
  const domain = loops.map((axis) => at(shape, axis));
  const along = identityMap(domain);
  const index = shape.map((_, axis) => along[loops.indexOf(axis)] ?? combine(domain.length, []));
  const body = newBody(domain);
  const value = access(placement, body, input, index);
  const reduced = axes.map((axis) => at(shape, axis));
  const { steps } = body;
  const { op: reduction, shape: left } = node;
  return [
    { kind: "reduce", reduction, kept: left, reduced, steps, value, output, outputStart: 0 },
  ];
};

/** A stored matrix, or a view of one, of f32 or of elements of 16 bits. */
function matrixView(placement: Placement, position: number): MatrixView {
  const { buffer, at: { offset, strides } } = viewOf(placement, position, true);
  const rank = strides.length;
  const [row, column] = [at(strides, rank - 2), at(strides, rank - 1)];
  return { buffer, offset, batch: strides.slice(0, -2), row, column };
}

const matmul: LoweringRule<"matmul"> = (placement, node, [{ buffer: output, at: to }]) => {
  const [left, right] = [at(node.inputs, 0), at(node.inputs, 1)];
  const { shape } = nodeAt(placement.graph, left);
  return [{
    kind: "matmul",
    batch: shape.slice(0, -2),
    rows: at(shape, shape.length - 2),
    depth: at(shape, shape.length - 1),
    columns: at(node.shape, node.shape.length - 1),
    a: matrixView(placement, left),
    b: matrixView(placement, right),
    output,
    outputStart: to.offset,
  }];
};

/**
 * The vectors of a node of shape `[B, T, H, D]`: of its own buffer, or of the buffer that it is a
 * view of.
 */
function headVectors(placement: Placement, position: number): HeadVectors {
  return vectorsAt(viewOf(placement, position));
}

/** Vectors at an affine position over `[B, T, H, D]`. */
function vectorsAt({ buffer, at: { offset, strides } }: Output): HeadVectors {
  return {
    buffer,
    offset,
    sequence: at(strides, 0),
    position: at(strides, 1),
    head: at(strides, 2),
  };
}

/** Sizes, scores and mask of attention. */
function attentionSizes(
  placement: Placement,
  { q, k, start, segments }: AttentionOperands<number>,
  parameters: AttentionParameters,
): AttentionSizes {
  const { B, T, H, D } = dims(nodeAt(placement.graph, q).shape, "B T H D");
  const keys = dims(nodeAt(placement.graph, k).shape, "B S H D");
  const { scale, softcap, causal, window } = parameters;
  return {
    batch: B,
    queries: T,
    keys: keys.S,
    heads: H,
    keyHeads: keys.H,
    width: D,
    scale,
    softcap,
    causal,
    window,
    start: parameters.start === "operand"
      ? { kind: "given", buffer: needed(placement, start) }
      : { kind: "known", position: parameters.start },
    segments: segments === undefined ? undefined : {
      queries: needed(placement, segments.queries),
      keys: needed(placement, segments.keys),
    },
  };
}

const attention: LoweringRule<"attention"> = (placement, { inputs, parameters }, [output]) => {
  const operands = attentionOperands(inputs, parameters);
  return [{
    kind: "attention",
    ...attentionSizes(placement, operands, parameters),
    q: headVectors(placement, operands.q),
    k: headVectors(placement, operands.k),
    v: headVectors(placement, operands.v),
    y: vectorsAt(output),
  }];
};

const attentionGradient: LoweringRule<"attentionGradient"> = (
  placement,
  { inputs, parameters },
  outputs,
) => {
  const operands = attentionGradientOperands(inputs, parameters);
  const [dq, dk, dv] = outputs.map(vectorsAt);
  if (dq === undefined || dk === undefined || dv === undefined) {
    throw new RangeError("attentionGradient has three results");
  }
  return [{
    kind: "attentionGradient",
    ...attentionSizes(placement, operands, parameters),
    q: headVectors(placement, operands.q),
    k: headVectors(placement, operands.k),
    v: headVectors(placement, operands.v),
    g: headVectors(placement, operands.g),
    dq,
    dk,
    dv,
  }];
};

const gather: LoweringRule<"gather"> = (placement, node, [{ buffer: output }]) => {
  const [table, ids] = [at(node.inputs, 0), at(node.inputs, 1)];
  const { shape, dtype } = nodeAt(placement.graph, table);
  return [{
    kind: "gather",
    missing: missingElement(dtype),
    table: needed(placement, table),
    ids: needed(placement, ids),
    output,
    rows: at(shape, 0),
    count: sizeOf(nodeAt(placement.graph, ids).shape),
    width: sizeOf(shape.slice(1)),
  }];
};

const scatterAdd: LoweringRule<"scatterAdd"> = (placement, node, [{ buffer: output }]) => {
  const [ids, updates, table] = [at(node.inputs, 0), at(node.inputs, 1), node.inputs[2]];
  return [{
    kind: "scatterAdd",
    ids: needed(placement, ids),
    updates: needed(placement, updates),
    table: table === undefined ? undefined : needed(placement, table),
    output,
    rows: node.parameters.rows,
    count: sizeOf(nodeAt(placement.graph, ids).shape),
    width: sizeOf(node.shape.slice(1)),
  }];
};

const argsort: LoweringRule<"argsort"> = (
  placement,
  { inputs, shape },
  [{ buffer: output }],
) => [{
  kind: "argsort",
  input: needed(placement, at(inputs, 0)),
  output,
  outer: sizeOf(shape.slice(0, -1)),
  size: at(shape, shape.length - 1),
}];

/** Outer blocks and inner elements around an axis. */
function around(shape: Shape, axis: number): { outer: number; size: number; inner: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    size: at(shape, axis),
    inner: sizeOf(shape.slice(axis + 1)),
  };
}

const dynamicSlice: LoweringRule<"dynamicSlice"> = (placement, node, [{ buffer: output }]) => {
  const [input, start] = [at(node.inputs, 0), at(node.inputs, 1)];
  const { axis, size } = node.parameters;
  return [{
    kind: "dynamicSlice",
    input: needed(placement, input),
    start: needed(placement, start),
    starts: sizeOf(nodeAt(placement.graph, start).shape),
    output,
    length: size,
    ...around(nodeAt(placement.graph, input).shape, axis),
  }];
};

const dynamicUpdate: LoweringRule<"dynamicUpdate"> = (placement, node, [{ buffer: output }]) => {
  const [input, update, start] = [at(node.inputs, 0), at(node.inputs, 1), at(node.inputs, 2)];
  const { axis } = node.parameters;
  return [{
    kind: "dynamicUpdate",
    input: needed(placement, input),
    update: needed(placement, update),
    start: needed(placement, start),
    starts: sizeOf(nodeAt(placement.graph, start).shape),
    output,
    length: at(nodeAt(placement.graph, update).shape, axis),
    ...around(node.shape, axis),
  }];
};

/** Whether a result's elements stand at a place as they would in a buffer of their own. */
const isRowMajor = ({ strides }: Affine, shape: Shape): boolean =>
  sameShape(strides, stridesOf(shape));

/** Whether each vector along the last axis stands in one piece. */
const hasVectors = ({ strides }: Affine, shape: Shape): boolean =>
  at(strides, shape.length - 1) === 1;

/** Primitives whose kernels write to a part of another result, and the places that they write to. */
const writesParts: { readonly [P in PrimitiveName]?: (to: Affine, shape: Shape) => boolean } = {
  attentionGradient: hasVectors,
  matmul: isRowMajor,
};

/** Primitives with kernels of their own; all others are loops over their elements. */
const rules: { readonly [P in PrimitiveName]?: LoweringRule<P> } = {
  concat,
  sum: reduce,
  reduceMax: reduce,
  argmax: reduce,
  matmul,
  attention,
  attentionGradient,
  gather,
  scatterAdd,
  argsort,
  dynamicSlice,
  dynamicUpdate,
};

/** The kernels of a primitive that has some of its own. */
function ownKernels<P extends PrimitiveName>(
  placement: Placement,
  node: Instruction<P>,
  outputs: Outputs,
): Kernel[] | undefined {
  const rule: LoweringRule<P> | undefined = rules[node.op];
  return rule?.(placement, node, outputs);
}

/** The kernels that store a node's results; a node without kernels of its own has one result. */
function emit(
  placement: Placement,
  node: Instruction,
  position: number,
  outputs: Outputs,
): Kernel[] {
  const compute = (body: Body, index: IndexMap) => access(placement, body, position, index);
  return ownKernels(placement, node, outputs) ??
    [map(node.shape, outputs[0].buffer, inOrder(node.shape), compute)];
}

/** The positions of the nodes of an instruction's further results; undefined for those unused. */
function furtherPositions(
  { nodes }: Graph,
  { others }: Instruction,
  position: number,
): (number | undefined)[] {
  return others.map((_, i) => {
    const found = nodes.findIndex((node) =>
      node.op === "result" && node.inputs[0] === position && node.index === 1 + i
    );
    return found < 0 ? undefined : found;
  });
}

/** Kernels as they are emitted, before any is merged with another. */
interface Emitted extends Lowered {
  /** The buffers that barriers wait for. */
  readonly awaited: ReadonlySet<number>;
}

/** The kernels of a graph, and the buffers of the nodes that are stored. */
function emitAll(graph: Graph, stored: ReadonlySet<number>): Emitted {
  const buffers: BufferPlan[] = [];
  const kernels: Kernel[] = [];
  const bufferOf = new Map<number, number>();
  // Concatenations with pieces that kernels write before the other pieces are copied, and these
  // pieces.
  const begun = new Map<number, number>();
  const written = new Set<number>();
  const placement: Placement = { graph, bufferOf, written };
  const users = usersOf(graph);
  const outputs: number[] = [];
  const addBuffer = ({ dtype, shape }: Abstract, role: BufferPlan["role"]): number => {
    const buffer = buffers.push({ dtype, size: sizeOf(shape), role }) - 1;
    if (role.kind === "output") outputs[role.index] = buffer;
    return buffer;
  };
  /** A buffer for a result of an instruction, for which a node stands if it is used. */
  const addResult = (result: Abstract, position: number | undefined): number => {
    const begunBuffer = position === undefined ? undefined : begun.get(position);
    if (begunBuffer !== undefined) return begunBuffer;
    const index = position === undefined ? -1 : graph.outputs.indexOf(position);
    return addBuffer(result, index < 0 ? { kind: "temporary" } : { kind: "output", index });
  };
  /** The place that a result is written to, a part of a concatenation if that is possible. */
  const outputFor = (
    op: PrimitiveName,
    result: Abstract,
    position: number | undefined,
  ): Output => {
    const writes = writesParts[op];
    const destination = position === undefined || writes === undefined
      ? undefined
      : destinationOf(graph, users, stored, position);
    if (destination === undefined || writes?.(destination.at, result.shape) !== true) {
      const strides = stridesOf(result.shape);
      return { buffer: addResult(result, position), at: { offset: 0, strides } };
    }
    const { concat, piece } = destination;
    const node = nodeAt(graph, concat);
    const buffer = addResult(node, concat);
    begun.set(concat, buffer);
    written.add(at(node.inputs, piece));
    return { buffer, at: destination.at };
  };

  graph.nodes.forEach((node, position) => {
    if (node.op === "input") {
      bufferOf.set(position, addBuffer(node, { kind: "input", index: node.index }));
    } else if (node.op !== "result" && stored.has(position)) {
      const further = furtherPositions(graph, node, position);
      const results: Outputs = [
        outputFor(node.op, node, position),
        ...node.others.map((other, i) => outputFor(node.op, other, further[i])),
      ];
      for (const kernel of emit(placement, node, position, results)) kernels.push(kernel);
      // Only now: no body may read the value that it computes.
      [position, ...further].forEach((own, i) => {
        if (own !== undefined) bufferOf.set(own, at(results, i).buffer);
      });
    }
  });
  // A result that is an operand, or stands twice, is copied: no two results share storage.
  graph.outputs.forEach((position, index) => {
    if (outputs[index] !== undefined) return;
    const node = nodeAt(graph, position);
    const output = addBuffer(node, { kind: "output", index });
    const copy = (body: Body, at: IndexMap) => access(placement, body, position, at);
    kernels.push(map(node.shape, output, inOrder(node.shape), copy));
  });
  const inputs = graph.inputs.map((position) => bufferAt(placement, position));
  const awaited = new Set(
    graph.nodes.flatMap(({ op, inputs }) => {
      if (op !== "barrier") return [];
      const holder = contiguous(graph, (node) => bufferOf.has(node), at(inputs, 1));
      return holder === undefined ? [] : [bufferAt(placement, holder)];
    }),
  );
  return { buffers, kernels, inputs, outputs, awaited };
}

/**
 * A graph as fused kernels: cheap values are computed in the loops that use them, movements are
 * read in place, long sums are cut into parts, and the first user of a product is its epilogue.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, graphOf, relu, tensor } from "@unitune/core";
 * import { lower } from "@unitune/core/backend";
 *
 * const x = tensor([1, 2]);
 * const { kernels, buffers } = lower(graphOf((x, y) => relu(add(x, y)), [x, x]));
 * assertEquals(kernels.map(({ kind }) => kind), ["map"]);
 * assertEquals(buffers.map(({ role }) => role.kind), ["input", "input", "output"]);
 * ```
 *
 * @param graph The graph, simplified or not.
 * @returns The kernels in the order in which they run, and the buffers that they work on.
 */
export function lower(graph: Graph): Lowered {
  const stored = withOperands(graph, chooseStored(graph));
  const { kernels, buffers, inputs, outputs, awaited } = emitAll(graph, stored);
  const whole = splitLong(mergeMaps(kernels, buffers, awaited).map(coalesce), buffers);
  const fused = fuseEpilogues(whole.kernels, whole.buffers);
  const ordered = scheduleKernels(fused, whole.buffers);
  return recompute({ buffers: whole.buffers, kernels: ordered, inputs, outputs });
}
