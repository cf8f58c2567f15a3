/**
 * Fusion: from a graph of instructions to kernels over buffers.
 *
 * A node is either *stored* (some kernel writes its elements to a buffer) or *inlined* into the
 * bodies of the kernels that use it. Movements (reshape, transpose, expand, slice) are inlined as
 * changes of the affine index at which their operand is read. Where an index would not be affine,
 * the operand is stored after all and lowering starts again with that knowledge.
 */
import { type Graph, type GraphNode, type Instruction, nodeAt } from "../graph.ts";
import { at, type Shape, sizeOf } from "../shape.ts";
import {
  type Affine,
  combine,
  identityMap,
  type IndexMap,
  linearize,
  reshapeMap,
  shiftMap,
} from "./affine.ts";
import { coalesce } from "./coalesce.ts";
import type {
  BufferPlan,
  Kernel,
  Lowered,
  MatrixView,
  Reduction,
  ScalarOperation,
  Step,
} from "./kernels.ts";
import { mergeMaps } from "./merge.ts";

/** How a node can be used without being stored. */
type Inlining = "free" | "movement" | "scalar" | "random" | "never";

const inlinings: { readonly [P in GraphNode["op"]]: Inlining } = {
  input: "never",
  fill: "free",
  iota: "free",
  neg: "scalar",
  abs: "scalar",
  sign: "scalar",
  floor: "scalar",
  exp: "scalar",
  expm1: "scalar",
  log: "scalar",
  log1p: "scalar",
  sqrt: "scalar",
  sin: "scalar",
  cos: "scalar",
  tanh: "scalar",
  erf: "scalar",
  not: "scalar",
  cast: "scalar",
  add: "scalar",
  sub: "scalar",
  mul: "scalar",
  div: "scalar",
  pow: "scalar",
  maximum: "scalar",
  minimum: "scalar",
  rem: "scalar",
  equal: "scalar",
  less: "scalar",
  lessEqual: "scalar",
  and: "scalar",
  or: "scalar",
  where: "scalar",
  sum: "never",
  reduceMax: "never",
  argmax: "never",
  argsort: "never",
  matmul: "never",
  reshape: "movement",
  transpose: "movement",
  expand: "movement",
  slice: "movement",
  concat: "never",
  gather: "never",
  scatterAdd: "never",
  dynamicSlice: "never",
  dynamicUpdate: "never",
  randomBits: "random",
  stopGradient: "movement",
  customVjp: "movement",
  barrier: "movement",
};

/** Rough cost of computing an element again, in units of an addition; 1 unless named. */
const costs: { readonly [P in GraphNode["op"]]?: number } = {
  fill: 0,
  iota: 0,
  exp: 10,
  expm1: 12,
  log: 10,
  log1p: 12,
  sin: 10,
  cos: 10,
  tanh: 12,
  erf: 12,
  pow: 20,
  div: 3,
  sqrt: 3,
  randomBits: 40,
};

/** A value used by several kernels is stored if computing it again costs more than this. */
const RECOMPUTE_LIMIT = 2;

/** Steps of a body beyond which an operand is stored, so that no kernel grows without bound. */
const BODY_LIMIT = 256;

/** The nodes that are stored from the start. */
function chooseStored(graph: Graph): Set<number> {
  const stored = new Set<number>(graph.outputs);
  const users = graph.nodes.map((): number[] => []);
  graph.nodes.forEach((node, position) => {
    for (const input of node.inputs) users[input]?.push(position);
    if (inlinings[node.op] === "never") stored.add(position);
  });

  // The cost of computing an element from stored ones, as if nothing else were stored.
  const cost: number[] = [];
  graph.nodes.forEach((node, position) => {
    const own = costs[node.op] ?? (inlinings[node.op] === "movement" ? 0 : 1);
    const inputs = node.inputs.reduce((total, input) => total + at(cost, input), 0);
    cost[position] = stored.has(position) ? 1 : Math.min(own + inputs, 1000);
  });

  // From the results backward: the kernels whose bodies would hold a node.
  const roots: Set<number>[] = [];
  for (let position = graph.nodes.length - 1; position >= 0; position--) {
    const node = nodeAt(graph, position);
    const own = new Set<number>();
    let expanded = false;
    for (const user of users[position] ?? []) {
      expanded ||= nodeAt(graph, user).op === "expand";
      if (stored.has(user)) own.add(user);
      else for (const root of roots[user] ?? []) own.add(root);
    }
    roots[position] = own;
    const computes = inlinings[node.op] === "scalar" || inlinings[node.op] === "random";
    if (computes && at(cost, position) > RECOMPUTE_LIMIT && (own.size > 1 || expanded)) {
      stored.add(position);
    }
  }

  const steps: number[] = [];
  graph.nodes.forEach((node, position) => {
    const inlined = node.inputs.reduce((total, input) => total + at(steps, input), 1);
    if (inlined > BODY_LIMIT && inlinings[node.op] === "scalar") stored.add(position);
    steps[position] = stored.has(position) ? 1 : inlined;
  });
  return stored;
}

/** A loop body under construction; equal steps are shared. */
interface Body {
  readonly domain: Shape;
  readonly steps: Step[];
  readonly known: Map<string, number>;
}

function newBody(domain: Shape): Body {
  return { domain, steps: [], known: new Map() };
}

function addStep({ steps, known }: Body, step: Step): number {
  const value = step.kind === "constant"
    ? `c${step.dtype}${Object.is(step.value, -0)}${step.value}`
    : "";
  const key = value || JSON.stringify(step);
  const position = known.get(key) ?? steps.push(step) - 1;
  known.set(key, position);
  return position;
}

/** Axes of a result and of its operand that are reduced and kept. */
function reducedAxes(node: Instruction<Reduction>): readonly number[] {
  return node.op === "argmax" ? [node.parameters.axis] : node.parameters.axes;
}

/** Outer blocks and inner elements around an axis. */
function around(shape: Shape, axis: number): { outer: number; size: number; inner: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    size: at(shape, axis),
    inner: sizeOf(shape.slice(axis + 1)),
  };
}

/** Kernels for a graph, or the nodes that must be stored before there can be. */
function attempt(graph: Graph, stored: ReadonlySet<number>): Lowered | { missing: Set<number> } {
  const buffers: BufferPlan[] = [];
  const kernels: Kernel[] = [];
  const bufferOf = new Map<number, number>();
  const missing = new Set<number>();

  const addBuffer = (node: GraphNode, role: BufferPlan["role"]): number =>
    buffers.push({ dtype: node.dtype, size: sizeOf(node.shape), role }) - 1;

  /** The buffer that holds a node's elements in row-major order, if there is one. */
  const contiguous = (position: number): number | undefined => {
    const buffer = bufferOf.get(position);
    if (buffer !== undefined) return buffer;
    const node = nodeAt(graph, position);
    const alias = node.op === "reshape" || node.op === "barrier" || node.op === "stopGradient" ||
      node.op === "customVjp";
    return alias ? contiguous(at(node.inputs, 0)) : undefined;
  };
  const needed = (position: number): number => {
    const buffer = contiguous(position);
    if (buffer === undefined) missing.add(position);
    return buffer ?? 0;
  };

  /** The step that gives a node's element at an index. */
  const access = (body: Body, position: number, index: IndexMap): number => {
    const node = nodeAt(graph, position);
    const rank = body.domain.length;
    const buffer = contiguous(position);
    if (buffer !== undefined) {
      const load = { kind: "load", dtype: node.dtype, buffer } as const;
      return addStep(body, { ...load, at: linearize(rank, node.shape, index) });
    }
    const key = `${position} ${JSON.stringify(index)}`;
    const known = body.known.get(key);
    if (known !== undefined) return known;
    const step = inlined(body, node, index);
    body.known.set(key, step);
    return step;
  };

  const inlined = (body: Body, node: GraphNode, index: IndexMap): number => {
    const rank = body.domain.length;
    const input = node.inputs[0] ?? 0;
    switch (node.op) {
      case "fill":
        return addStep(body, {
          kind: "constant",
          dtype: node.dtype,
          value: node.parameters.value,
        });
      case "iota": {
        const along = index[node.parameters.axis] ?? combine(rank, []);
        return addStep(body, { kind: "index", dtype: node.dtype, at: along });
      }
      case "randomBits": {
        const words = node.inputs.flatMap((operand) =>
          [0, 1].map((word) =>
            access(
              body,
              operand,
              [combine(rank, [])].map((zero) => ({
                ...zero,
                offset: word,
              })),
            )
          )
        );
        const along = linearize(rank, node.shape, index);
        return addStep(body, { kind: "random", dtype: node.dtype, at: along, operands: words });
      }
      case "reshape": {
        // In row-major order a reshape changes nothing, affine or not.
        const buffer = contiguous(input);
        if (buffer !== undefined) {
          const along = linearize(rank, node.shape, index);
          return addStep(body, { kind: "load", dtype: node.dtype, buffer, at: along });
        }
        const from = nodeAt(graph, input).shape;
        const moved = reshapeMap(body.domain, node.shape, from, index);
        if (moved === undefined) {
          missing.add(input);
          return 0;
        }
        return access(body, input, moved);
      }
      case "transpose": {
        const moved: Affine[] = [];
        node.parameters.permutation.forEach((axis, i) => {
          const along = index[i];
          if (along !== undefined) moved[axis] = along;
        });
        return access(body, input, moved);
      }
      case "expand": {
        const from = nodeAt(graph, input).shape;
        return access(
          body,
          input,
          index.map((along, axis) => from[axis] === 1 ? combine(rank, []) : along),
        );
      }
      case "slice":
        return access(body, input, shiftMap(index, node.parameters.start));
      case "stopGradient":
      case "customVjp":
      case "barrier":
        return access(body, input, index);
      default: {
        if (!isScalar(node.op)) throw new Error(`${node.op} is stored, never inlined`);
        const operands = node.inputs.map((operand) => access(body, operand, index));
        return addStep(body, { kind: "apply", dtype: node.dtype, op: node.op, operands });
      }
    }
  };

  const mapKernel = (
    output: number,
    to: (index: IndexMap) => Affine,
    domain: Shape,
    compute: (body: Body, index: IndexMap) => number,
  ): void => {
    const body = newBody(domain);
    const index = identityMap(domain);
    const value = compute(body, index);
    const stores = [{ buffer: output, at: to(index), value }];
    kernels.push({ kind: "map", domain, steps: body.steps, stores });
  };

  const matrixView = (position: number): MatrixView => {
    const { shape } = nodeAt(graph, position);
    const body = newBody(shape);
    access(body, position, identityMap(shape));
    const [step] = body.steps;
    if (step?.kind !== "load" || body.steps.length !== 1) {
      missing.add(position);
      return { buffer: 0, offset: 0, batch: [], row: 0, column: 0 };
    }
    const { offset, strides } = step.at;
    return {
      buffer: step.buffer,
      offset,
      batch: strides.slice(0, -2),
      row: at(strides, strides.length - 2),
      column: at(strides, strides.length - 1),
    };
  };

  const emit = (node: GraphNode, output: number): void => {
    const [first = 0, second = 0, third = 0] = node.inputs;
    const whole = (index: IndexMap) => linearize(node.shape.length, node.shape, index);
    switch (node.op) {
      case "input":
        break;
      case "concat": {
        const { axis } = node.parameters;
        let start = 0;
        for (const piece of node.inputs) {
          const { shape } = nodeAt(graph, piece);
          const shift = shape.map((_, i) => i === axis ? start : 0);
          mapKernel(
            output,
            (index) => linearize(shape.length, node.shape, shiftMap(index, shift)),
            shape,
            (body, index) => access(body, piece, index),
          );
          start += at(shape, axis);
        }
        break;
      }
      case "sum":
      case "reduceMax":
      case "argmax": {
        const { shape } = nodeAt(graph, first);
        const axes = reducedAxes(node);
        const keptAxes = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
        const loops = [...keptAxes, ...axes];
        const domain = loops.map((axis) => at(shape, axis));
        const body = newBody(domain);
        const loopIndex = identityMap(domain);
        const index = shape.map((_, axis) =>
          loopIndex[loops.indexOf(axis)] ?? combine(domain.length, [])
        );
        const value = access(body, first, index);
        kernels.push({
          kind: "reduce",
          reduction: node.op,
          kept: node.shape,
          reduced: axes.map((axis) => at(shape, axis)),
          steps: body.steps,
          value,
          output,
        });
        break;
      }
      case "matmul": {
        const { shape } = nodeAt(graph, first);
        kernels.push({
          kind: "matmul",
          batch: shape.slice(0, -2),
          rows: at(shape, shape.length - 2),
          depth: at(shape, shape.length - 1),
          columns: at(node.shape, node.shape.length - 1),
          a: matrixView(first),
          b: matrixView(second),
          output,
        });
        break;
      }
      case "gather": {
        const { shape } = nodeAt(graph, first);
        kernels.push({
          kind: "gather",
          table: needed(first),
          ids: needed(second),
          output,
          rows: at(shape, 0),
          count: sizeOf(nodeAt(graph, second).shape),
          width: sizeOf(shape.slice(1)),
        });
        break;
      }
      case "scatterAdd":
        kernels.push({
          kind: "scatterAdd",
          ids: needed(first),
          updates: needed(second),
          output,
          rows: node.parameters.rows,
          count: sizeOf(nodeAt(graph, first).shape),
          width: sizeOf(node.shape.slice(1)),
        });
        break;
      case "argsort": {
        const size = at(node.shape, node.shape.length - 1);
        const outer = sizeOf(node.shape.slice(0, -1));
        kernels.push({ kind: "argsort", input: needed(first), output, outer, size });
        break;
      }
      case "dynamicSlice": {
        const { axis, size: length } = node.parameters;
        const block = around(nodeAt(graph, first).shape, axis);
        const [input, start] = [needed(first), needed(second)];
        kernels.push({ kind: "dynamicSlice", input, start, output, length, ...block });
        break;
      }
      case "dynamicUpdate": {
        const { axis } = node.parameters;
        const length = at(nodeAt(graph, second).shape, axis);
        const block = around(node.shape, axis);
        const [input, update, start] = [needed(first), needed(second), needed(third)];
        kernels.push({ kind: "dynamicUpdate", input, update, start, output, length, ...block });
        break;
      }
      default:
        mapKernel(output, whole, node.shape, (body, index) => inlined(body, node, index));
    }
  };

  const outputBuffers: number[] = [];
  graph.nodes.forEach((node, position) => {
    if (node.op === "input") {
      bufferOf.set(position, addBuffer(node, { kind: "input", index: node.index }));
    } else if (stored.has(position)) {
      const index = graph.outputs.indexOf(position);
      const role: BufferPlan["role"] = index === -1
        ? { kind: "temporary" }
        : { kind: "output", index };
      const output = addBuffer(node, role);
      emit(node, output);
      bufferOf.set(position, output);
      if (index !== -1) outputBuffers[index] = output;
    }
  });
  // A result that is an operand, or stands twice, is copied: no two results share storage.
  graph.outputs.forEach((position, index) => {
    if (outputBuffers[index] !== undefined) return;
    const node = nodeAt(graph, position);
    const output = addBuffer(node, { kind: "output", index });
    const whole = (map: IndexMap) => linearize(node.shape.length, node.shape, map);
    mapKernel(output, whole, node.shape, (body, map) => access(body, position, map));
    outputBuffers[index] = output;
  });
  if (missing.size > 0) return { missing };
  return {
    buffers,
    kernels,
    inputs: graph.inputs.map((position) => bufferOf.get(position) ?? 0),
    outputs: outputBuffers,
  };
}

function isScalar(op: GraphNode["op"]): op is ScalarOperation {
  return inlinings[op] === "scalar";
}

/** A graph as fused kernels. */
export function lower(graph: Graph): Lowered {
  const stored = chooseStored(graph);
  for (;;) {
    const result = attempt(graph, stored);
    if (!("missing" in result)) {
      const kernels = mergeMaps(result.kernels, result.buffers).map(coalesce);
      return { ...result, kernels };
    }
    const before = stored.size;
    for (const position of result.missing) stored.add(position);
    if (stored.size === before) {
      throw new Error("lowering does not end: a store was asked for twice");
    }
  }
}
