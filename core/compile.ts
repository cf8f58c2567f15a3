/** `compile`: a pure function of trees of tensors as one program. */
import type {
  Buffer,
  Device,
  Operand,
  Program,
  ProgramPlan,
  ProgramStatistics,
} from "./backend/device.ts";
import { defaultDevice } from "./devices.ts";
import { giveUp, materialise, operandOf, store } from "./evaluate.ts";
import type { Graph } from "./graph.ts";
import { fits, type Pattern, patternOf } from "./pattern.ts";
import { at, showShape } from "./shape.ts";
import { simplify } from "./simplify.ts";
import { makeTensor } from "./tensor.ts";
import { traceGraph } from "./trace.ts";
import {
  describeTree,
  leavesOf,
  mapTree,
  replaceLeaves,
  type TreeDescription,
  unfitTree,
} from "./tree.ts";
import type { Cell, Tensor } from "./value.ts";

/** Options for compiling a function. */
export interface CompileOptions {
  /** The device that it runs on (default {@linkcode defaultDevice}). */
  readonly device?: Device;
  /**
   * Positions of arguments whose tensors a call consumes: their storage becomes the results', and
   * they cannot be read afterwards. For states that a loop replaces. The storage of a tensor that
   * stands among the arguments twice is not written over.
   */
  readonly donate?: readonly number[];
}

/** The plan of a compiled function's program; its operands are the leaves of the arguments. */
export interface FunctionPlan extends ProgramPlan {
  /** Bytes of the tensors that the function refers to from outside its arguments. */
  readonly capturedBytes: number;
}

/** A compiled function. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): R;
  /**
   * Calls the function again and again, each time with its result in the place of the argument that
   * it donates, a state: `s_i = f(s_(i - 1), ...)`. States between the first and the last are no
   * tensors, so that small steps follow each other sooner than in a loop of calls.
   *
   * @param count The number of calls, from 1.
   * @param args The arguments of the first call.
   * @returns The result of the last call.
   * @throws {RangeError} If the count is not a positive integer.
   * @throws {TypeError} If not exactly one argument is donated, or the result is not a tree like it.
   */
  iterate(count: number, ...args: A): R;
  /**
   * The memory and the work of the program for some arguments, which is not made. Only their shapes
   * are looked at: they may be {@linkcode outline}s, or expressions that are not computed yet.
   */
  plan(...args: A): FunctionPlan;
  /** Sizes and counts of each program, one for each signature that it was called with. */
  statistics(): ProgramStatistics[];
  /** Gives the programs' storage back. */
  [Symbol.dispose](): void;
}

/** A function traced for one signature. */
interface Traced<R> {
  readonly graph: Graph;
  readonly captured: readonly Tensor[];
  readonly result: R;
}

/** A program for one signature of a compiled function. */
interface Specialised<R> extends Pick<Traced<R>, "captured" | "result"> {
  readonly program: Program;
  readonly outputs: readonly Tensor[];
  /** Whether the result can be donated to the next call. */
  readonly isState: boolean;
}

/**
 * Gives programs back when the compiled function that ran them is garbage: the collector does not
 * see how much memory a device keeps for them.
 */
const unreachable = new FinalizationRegistry<ReadonlyMap<string, { readonly program: Program }>>(
  (specialised) => {
    for (const { program } of specialised.values()) program.dispose();
  },
);

/** Traces a function with arguments of the shapes of `args`. */
function trace<A extends readonly unknown[], R>(f: (...args: A) => R, args: A): Traced<R> {
  const symbols = mapTree(
    args,
    (leaf) => makeTensor(leaf, { value: { kind: "argument" } }, { traced: true }),
  );
  // deno-lint-ignore unitune/no-spread-of-data -- what a caller has written
  const result = f(...symbols);
  const { graph, captured } = traceGraph(leavesOf(symbols), leavesOf(result));
  return { graph: simplify(graph), captured, result };
}

/** The properties of a tensor that a program depends on. */
function markOf({ dtype, shape }: Tensor): string {
  return dtype + showShape(shape);
}

/** Whether no other leaf has the elements of a donated one. */
function areAlone(leaves: readonly Tensor[], donated: readonly number[]): boolean {
  const cells = new Set(donated.map((position) => leaves[position]?.cell));
  const uses = leaves.reduce((count, { cell }) => count + Number(cells.has(cell)), 0);
  return cells.size === donated.length && uses === donated.length;
}

/** The donated leaves whose elements no other leaf has: only theirs can be written over. */
function withoutShared(
  leaves: readonly Tensor[],
  donated: readonly number[],
): readonly number[] {
  if (areAlone(leaves, donated)) return donated;
  const uses = new Map<Cell, number>();
  for (const { cell } of leaves) uses.set(cell, (uses.get(cell) ?? 0) + 1);
  return donated.filter((position) => {
    const leaf = leaves[position];
    return leaf !== undefined && uses.get(leaf.cell) === 1;
  });
}

/** A compiled function cannot give away a tensor that it captured, since it is called again. */
function refuseCaptured(
  captured: readonly Tensor[],
  leaves: readonly Tensor[],
  donated: readonly number[],
): void {
  if (captured.length === 0) return;
  const given = new Set(donated.map((position) => leaves[position]?.cell));
  const both = captured.find(({ cell }) => given.has(cell));
  if (both !== undefined) {
    throw new Error(
      `a tensor of shape ${showShape(both.shape)} is donated to a compiled function that also ` +
        `refers to it from outside its arguments: pass it as an argument only`,
    );
  }
}

/** Arguments with another state, which is a tree like the one that it replaces. */
function withState<A extends readonly unknown[]>(args: A, position: number, state: unknown): A;
function withState(args: readonly unknown[], position: number, state: unknown): unknown {
  return args.with(position, state);
}

/** The error for a result that cannot be donated to the next call. */
function unlikeState(): TypeError {
  return new TypeError(
    "iterate: the result is not a tree of the donated argument's structure, shapes and types, so " +
      "that it cannot replace it",
  );
}

/** Runs a program on its results in the place of what it was given; they are given away. */
function runAgain(
  program: Program,
  operands: readonly Operand[],
  donated: readonly number[],
  results: readonly Buffer[],
): readonly Buffer[] {
  const next = [...operands];
  donated.forEach((position, i) => next[position] = { kind: "buffer", buffer: at(results, i) });
  try {
    return program.run(next);
  } finally {
    for (const buffer of results) buffer.dispose();
  }
}

/**
 * Compiles a pure function of trees of tensors. It is traced once for each signature (tree,
 * shapes, element types, static arguments) and runs as one program: nothing is read back, and
 * intermediates live in one planned arena.
 *
 * Called on tensors of another function that is being traced or differentiated, it is inlined.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, compile, mul, tensor } from "@unitune/core";
 *
 * const f = compile((x: { a: ReturnType<typeof tensor> }, k: number) => ({ y: add(mul(x.a, k), 1) }));
 * const { y } = f({ a: tensor([1, 2]) }, 3);
 * assertEquals(await y.data(), new Float32Array([4, 7]));
 * ```
 *
 * @param f A pure function; arguments are tensors, records, arrays and plain values, the result a
 * tree of tensors.
 * @param options The device, and the arguments to consume.
 * @returns The compiled function.
 */
export function compile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  const specialised = new Map<string, Specialised<R>>();

  // What was traced for a plan, until it is compiled.
  const planned = new Map<string, Traced<R>>();
  const deviceNow = (): Device => options.device ?? defaultDevice("f32");

  /** The position of the state. */
  const [state, ...otherStates] = options.donate ?? [];
  const isLikeState = (described: readonly TreeDescription[], result: unknown): boolean =>
    state !== undefined && describeTree(result, markOf).text === described[state]?.text;

  const specialise = (
    traced: Traced<R>,
    device: Device,
    donated: readonly number[],
    described: readonly TreeDescription[],
  ): Specialised<R> => {
    const { graph, captured, result } = traced;
    materialise(captured, device);
    const program = device.compile(graph, { donated });
    const isState = isLikeState(described, result);
    return { program, captured, result, outputs: leavesOf(result), isState };
  };

  /** The signature of a call, and the leaves that it donates. */
  const signatureOf = (described: readonly TreeDescription[]) => {
    const leaves = described.flatMap((arg) => arg.leaves);
    let end = 0;
    const donated = described.flatMap((arg, position) => {
      const start = end;
      end += arg.leaves.length;
      if (options.donate?.includes(position) !== true) return [];
      return arg.leaves.map((_, i) => start + i);
    });
    const reusable = withoutShared(leaves, donated);
    const signature = `${described.map(({ text }) => text).join(" ")} ${reusable}`;
    return { signature, leaves, donated, reusable };
  };

  // The call before, which the next one is mostly like. All that it donated was written over.
  let before: {
    readonly pattern: Pattern;
    readonly donated: readonly number[];
    readonly known: Specialised<R>;
  } | undefined;

  const callTimes = (count: number, args: A): R => {
    if (before !== undefined) {
      const { pattern, donated, known } = before;
      const leaves: Tensor[] = [];
      if (fits(pattern, args, leaves) && areAlone(leaves, donated)) {
        const device = deviceNow();
        materialise(leaves, device);
        return run(count, known, leaves, donated, device);
      }
    }
    const described = args.map((arg) => describeTree(arg, markOf));
    const isInlined = described.some(({ leaves }) =>
      leaves.some(({ traced, differentiated }) => traced || differentiated)
    );
    if (isInlined) {
      // deno-lint-ignore unitune/no-spread-of-data -- what a caller has written
      let result = f(...args);
      for (let i = 1; i < count; i++) {
        if (state === undefined || !isLikeState(described, result)) throw unlikeState();
        // deno-lint-ignore unitune/no-spread-of-data -- what a caller has written
        result = f(...withState(args, state, result));
      }
      return result;
    }
    if (described.some(({ isUnfit }) => isUnfit)) throw unfitTree(args);

    const device = deviceNow();
    const { signature, leaves, donated, reusable } = signatureOf(described);
    materialise(leaves, device);
    let known = specialised.get(signature);
    if (known === undefined) {
      const traced = planned.get(signature) ?? trace(f, args);
      known = specialise(traced, device, reusable, described);
      specialised.set(signature, known);
    }
    planned.delete(signature);
    before = reusable.length === donated.length
      ? { pattern: patternOf(args), donated, known }
      : undefined;
    return run(count, known, leaves, donated, device);
  };

  const run = (
    count: number,
    known: Specialised<R>,
    leaves: readonly Tensor[],
    donated: readonly number[],
    device: Device,
  ): R => {
    refuseCaptured(known.captured, leaves, donated);
    if (count > 1 && !known.isState) throw unlikeState();
    const operands = [...leaves, ...known.captured].map((leaf) => operandOf(leaf, device));
    let buffers: readonly Buffer[] = known.program.run(operands);
    for (const position of donated) {
      const leaf = leaves[position];
      if (leaf !== undefined) giveUp(leaf, "it was donated to a compiled function");
    }
    for (let i = 1; i < count; i++) buffers = runAgain(known.program, operands, donated, buffers);
    const outputs = known.outputs.map((output, i) => {
      const buffer = buffers[i];
      if (buffer === undefined) throw new Error(`the program gave no result ${i}`);
      const fresh = makeTensor(output, { value: { kind: "argument" } });
      store(fresh, device, buffer);
      return fresh;
    });
    return replaceLeaves(known.result, outputs);
  };

  const plan = (...args: A): FunctionPlan => {
    const described = args.map((arg) => describeTree(arg, markOf));
    if (described.some(({ isUnfit }) => isUnfit)) throw unfitTree(args);
    const { signature, leaves, reusable } = signatureOf(described);
    const traced = planned.get(signature) ?? trace(f, args);
    planned.set(signature, traced);
    const own = deviceNow().plan(traced.graph, { donated: reusable });
    const captured = own.operandBytes.slice(leaves.length);
    return {
      ...own,
      operandBytes: own.operandBytes.slice(0, leaves.length),
      capturedBytes: captured.reduce((total, bytes) => total + bytes, 0),
    };
  };

  const call = (...args: A): R => callTimes(1, args);

  const iterate = (count: number, ...args: A): R => {
    if (!Number.isInteger(count) || count < 1) {
      throw new RangeError(`iterate: the number of calls is an integer from 1, not ${count}`);
    }
    if (state === undefined || otherStates.length > 0) {
      throw new TypeError(
        "iterate: one argument is the state that results replace: compile the function with " +
          "`donate` of its position alone",
      );
    }
    return callTimes(count, args);
  };

  const compiled: Compiled<A, R> = Object.assign(call, {
    iterate,
    plan,
    statistics: () => [...specialised.values()].map(({ program }) => program.statistics),
    [Symbol.dispose]() {
      for (const { program } of specialised.values()) program.dispose();
      specialised.clear();
      planned.clear();
      before = undefined;
    },
  });
  unreachable.register(compiled, specialised);
  return compiled;
}

/**
 * The simplified graph that a function compiles to; see {@linkcode showGraph}.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { graphOf, mul, showGraph, tensor } from "@unitune/core";
 *
 * assertStringIncludes(showGraph(graphOf((x) => mul(x, 1), [tensor([1, 2])])), "return %0");
 * ```
 *
 * @param f A pure function of trees of tensors.
 * @param args Arguments of the shapes to trace it with.
 * @returns The graph.
 */
export function graphOf<A extends readonly unknown[], R>(f: (...args: A) => R, args: A): Graph {
  return trace(f, args).graph;
}

/**
 * Evaluates every tensor of a tree in one program, so that later uses start from elements.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, evaluate, tensor } from "@unitune/core";
 *
 * const { y } = evaluate({ y: add(tensor([1]), 1) });
 * assertEquals(await y.item(), 2);
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @param device The device to compute on (default: the device of the elements that they are made
 * of).
 * @returns The same tree.
 */
export function evaluate<T>(tree: T, device?: Device): T {
  materialise(leavesOf(tree), device);
  return tree;
}
