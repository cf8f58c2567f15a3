/**
 * The choice of the nodes of a graph that are stored; the others are computed again inside the kernels
 * that use them.
 */
import { type Graph, type GraphNode, nodeAt } from "../graph.ts";
import { at, sizeOf } from "../shape.ts";
import type { ScalarOperation } from "./operations.ts";
import { isWidening } from "./source.ts";

/** The way in which a node that is no scalar operation can be used without being stored. */
type Inlining = "free" | "movement" | "random" | "never";

/** An instruction that is computed one element at a time, without memory. */
type ScalarInstruction = Extract<GraphNode["op"], ScalarOperation>;

/** All instructions but the scalar ones. */
const inlinings: { readonly [P in Exclude<GraphNode["op"], ScalarInstruction>]: Inlining } = {
  input: "never",
  result: "never",
  fill: "free",
  iota: "free",
  sum: "never",
  reduceMax: "never",
  argmax: "never",
  argsort: "never",
  matmul: "never",
  attention: "never",
  attentionGradient: "never",
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

/** Whether an instruction is computed one element at a time, without memory. */
export function isScalar(op: GraphNode["op"]): op is ScalarInstruction {
  return !Object.hasOwn(inlinings, op);
}

function inliningOf(op: GraphNode["op"]): Inlining | "scalar" {
  return isScalar(op) ? "scalar" : inlinings[op];
}

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
  geluDecay: 30,
  normalTail: 20,
  pow: 20,
  div: 3,
  sqrt: 3,
  randomBits: 40,
};

/**
 * A value used by several kernels is stored if computing it again from stored values costs more
 * than this, which is about the cost of writing and reading an element.
 */
const RECOMPUTE_LIMIT = 16;

/** An instruction that costs this much by itself is worth storing wherever several kernels use it. */
const DEAR_INSTRUCTION = 10;

/** The elements of a value that no cache keeps until a backward pass reads it: 2 MiB of f32. */
const LARGE = 2 ** 19;

/**
 * The limit for a large value, wherever it is computed. To store it takes memory for as long as anyone
 * is going to read it, and to write and to read it takes longer than where caches hold it: as long as
 * the gate of an MLP, `x / (1 + exp(-x))`.
 */
const LARGE_LIMIT = 24;

/**
 * The limit for a value that is repeated along an axis, and so computed for every repetition: a mean
 * may be, and one of differences from an element.
 */
const REPEAT_LIMIT = 4;

/**
 * Steps of a loop's body beyond which an operand is stored, and kernels are not merged, so that no
 * kernel grows without bound.
 */
export const BODY_LIMIT = 256;

/** The nodes that use each node. */
export function usersOf(graph: Graph): number[][] {
  const users = graph.nodes.map((): number[] => []);
  graph.nodes.forEach((node, position) => {
    for (const input of new Set(node.inputs)) users[input]?.push(position);
  });
  return users;
}

/**
 * From the results backward: the number of kernels that would compute a node if it were not stored.
 * `decide` gets this number, and may remove the node from the stored ones before earlier nodes are
 * counted.
 */
function countKernels(
  graph: Graph,
  users: readonly (readonly number[])[],
  stored: ReadonlySet<number>,
  decide: (position: number, kernels: number) => void,
): void {
  const roots: Set<number>[] = [];
  for (let position = graph.nodes.length - 1; position >= 0; position--) {
    const own = new Set<number>();
    for (const user of users[position] ?? []) {
      if (stored.has(user)) own.add(user);
      else for (const root of roots[user] ?? []) own.add(root);
    }
    roots[position] = own;
    decide(position, own.size);
  }
}

/** The node that a chain of movements moves, for products of their widening as well. */
function movedFrom(graph: Graph, position: number, widens: boolean): number {
  const node = nodeAt(graph, position);
  return inliningOf(node.op) === "movement" || widens && isWidening(graph, node)
    ? movedFrom(graph, at(node.inputs, 0), widens)
    : position;
}

/**
 * The nodes that are stored from the start, among them the operands that products and attention
 * read in place.
 */
export function chooseStored(graph: Graph): Set<number> {
  const stored = new Set<number>(graph.outputs);
  graph.nodes.forEach((node, position) => {
    if (inliningOf(node.op) === "never") stored.add(position);
    if (node.op === "matmul" || node.op === "attention" || node.op === "attentionGradient") {
      for (const input of node.inputs) stored.add(movedFrom(graph, input, node.op === "matmul"));
    }
  });
  const always = new Set(stored);
  const users = usersOf(graph);
  const kernels: number[] = [];
  countKernels(graph, users, stored, (position, count) => kernels[position] = count);

  // Forward, so that the cost of an element counts from the nodes that are stored already.
  const cost: number[] = [];
  // Values computed from a product: stored by the product's own kernel, they cost next to nothing.
  const follows: boolean[] = [];
  const sum = (values: readonly number[], inputs: readonly number[]) =>
    inputs.reduce((total, input) => total + at(values, input), 0);
  const computes = ({ op }: GraphNode) => isScalar(op) || inliningOf(op) === "random";
  const isRepeated = (position: number) =>
    users[position]?.some((user) => nodeAt(graph, user).op === "expand") === true;
  // If all uses of a node go through one instruction, storing that instruction's result serves them
  // better.
  const goesOn = (position: number) => {
    const [only, ...others] = at(users, position);
    if (only === undefined || others.length > 0 || always.has(position)) return false;
    const user = nodeAt(graph, only);
    return computes(user) && sizeOf(user.shape) <= sizeOf(nodeAt(graph, position).shape);
  };
  // Divisions by a constant compute means of few elements, and cost no more than products.
  const isMean = ({ op, inputs }: GraphNode) =>
    op === "div" && nodeAt(graph, at(inputs, 1)).op === "fill";
  const ownCost = (node: GraphNode) =>
    isMean(node) ? 1 : costs[node.op] ?? (inliningOf(node.op) === "movement" ? 0 : 1);
  /** The cost of an element if what it needs is computed once, and not for each of its uses. */
  const costOnce = (position: number): number => {
    const needed = new Set([position]);
    let total = 0;
    // Iterating over a set includes elements that are added on the way.
    for (const one of needed) {
      const node = nodeAt(graph, one);
      total += ownCost(node);
      for (const input of node.inputs) {
        if (stored.has(input)) total += 1;
        else needed.add(input);
      }
    }
    return total;
  };
  graph.nodes.forEach((node, position) => {
    const own = ownCost(node);
    const total = own + sum(cost, node.inputs);
    const isShared = at(kernels, position) > 1 && !goesOn(position);
    const isEpilogue = node.inputs.some((input) => follows[input] === true);
    const isWorthStoring = sizeOf(node.shape) > LARGE
      ? costOnce(position) > LARGE_LIMIT
      : isEpilogue || total > RECOMPUTE_LIMIT || own >= DEAR_INSTRUCTION;
    const isDear = isShared && isWorthStoring || isRepeated(position) && total > REPEAT_LIMIT;
    if (computes(node) && isDear) stored.add(position);
    follows[position] = node.op === "matmul" || isEpilogue && !stored.has(position);
    cost[position] = stored.has(position) ? 1 : total;
  });

  // Nodes that a single kernel needs, now that later nodes are stored, are computed there.
  countKernels(graph, users, stored, (position, count) => {
    if (!always.has(position) && count <= 1 && !isRepeated(position)) stored.delete(position);
  });

  const steps: number[] = [];
  graph.nodes.forEach((node, position) => {
    const body = 1 + sum(steps, node.inputs);
    if (computes(node) && body > BODY_LIMIT) stored.add(position);
    steps[position] = stored.has(position) ? 1 : body;
  });
  return stored;
}
