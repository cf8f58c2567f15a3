/** A program as one module: kernels, and the function that runs them in order on every thread. */
import { exactText } from "../../graph.ts";
import { type Lowered, renumbered } from "../../lowering/kernels.ts";
import { workOf } from "../../lowering/work.ts";
import { at } from "../../shape.ts";
import {
  type AddressWidth,
  branch,
  call,
  type Code,
  i32,
  int,
  local,
  types,
} from "./instructions.ts";
import { attentionGradientScratch, attentionScratch } from "./attention.ts";
import type { FactorTypes, Routine, SharedParts } from "./frame.ts";
import { scatterScratch } from "./indexing.ts";
import { emitKernel, kernelBuffers } from "./kernels.ts";
import { matmulScratch } from "./matmul.ts";
import { matrixProductFunction } from "./matrix_product.ts";
import { encodeModule, type ImportedFunction, type WasmFunction } from "./module.ts";
import { barrierFunction, maySleep } from "./threads.ts";
import { rowProductsFunction } from "./row_products.ts";
import { vectorMatrixFunction } from "./vector_matrix.ts";

/** The machine that a module is emitted for. */
export interface Target {
  /** Whether the engine has relaxed SIMD. */
  readonly hasRelaxedSimd: boolean;
  /** The words that threads share; undefined where the memory is one thread's. */
  readonly control: number | undefined;
  /** The width of the memory's addresses (default 32). */
  readonly width?: AddressWidth;
}

/** The addresses of a program's memory. */
export interface ProgramMemory {
  /** Code that gives the address of the first thread's scratch memory. */
  readonly scratch: Code;
  /** Bytes of scratch memory for each thread. */
  readonly scratchBytes: number;
  /** Code that gives a buffer's address. */
  readonly addressOf: (buffer: number) => Code;
}

/** Scratch memory that a program needs for each thread, in bytes. */
export function scratchBytes({ buffers, kernels }: Lowered): number {
  const bytes = kernels.map((kernel) => {
    if (kernel.kind === "matmul") {
      return matmulScratch(kernel, at(buffers, kernel.b.buffer).dtype);
    }
    if (kernel.kind === "attention") return attentionScratch(kernel);
    if (kernel.kind === "attentionGradient") return attentionGradientScratch(kernel);
    if (kernel.kind === "scatterAdd") return scatterScratch(kernel);
    return kernel.kind === "argsort" ? 4 * kernel.size : 0;
  });
  return Math.ceil(bytes.reduce((most, size) => Math.max(most, size), 0) / 64) * 64;
}

/** Operations below which waking other threads costs more than they save. */
const PARALLEL_WORK = 1 << 19;

/** Whether a program is worth more than one thread. */
export function isParallel({ kernels }: Lowered): boolean {
  return kernels.reduce((total, kernel) => total + workOf(kernel), 0) >= PARALLEL_WORK;
}

/** Functions that kernels call; a module has only the functions that its kernels asked for. */
const routines: {
  readonly [R in Routine]: (hasRelaxedSimd: boolean, operands: FactorTypes) => WasmFunction;
} = {
  matrixProduct: matrixProductFunction,
  vectorMatrix: vectorMatrixFunction,
  rowProducts: rowProductsFunction,
};

/** Called by the first thread when all have started, and when all have done a kernel. */
const tick: ImportedFunction = { name: "tick", parameters: [] };

/**
 * A program's code. It exports `run(thread, threads)`, which every thread calls: kernels that are
 * not shared are the first thread's, and threads meet wherever one could see another's work; if the
 * program is timed, after each kernel.
 */
export function emitProgram(
  { buffers, kernels }: Lowered,
  { hasRelaxedSimd, control, width = 32 }: Target,
  memory: ProgramMemory,
  { isTimed = false } = {},
): Uint8Array<ArrayBuffer> {
  const imported = isTimed ? [tick] : [];
  const functions: WasmFunction[] = [];
  const define = (code: WasmFunction): number => imported.length + functions.push(code) - 1;
  const defined = new Map<string, number>();
  const routine: SharedParts["routine"] = (name, operands = { a: "f32", b: "f32" }) => {
    const key = `${name} ${operands.a} ${operands.b}`;
    const number = defined.get(key) ?? define(routines[name](hasRelaxedSimd, operands));
    defined.set(key, number);
    return number;
  };
  const barrier = control === undefined ? undefined : define(barrierFunction(control, maySleep()));
  const shared: SharedParts = { hasRelaxedSimd, routine, ...memory };
  const [thread, threads] = [local.get(0), local.get(1)];
  const own = [int.ofWord(thread), int.ofWord(threads)] as const;
  const meet: Code = barrier === undefined ? [] : call(barrier, thread, threads);

  const known = new Map<string, { readonly index: number; readonly isShared: boolean }>();
  const told: Code = [meet, branch(i32.eqz(thread), call(0))];
  const body: Code[] = isTimed ? [told] : [];
  let before: "nothing" | "one" | "all" = "nothing";
  for (const kernel of kernels) {
    const used = kernelBuffers(kernel);
    // By the order of its buffers instead of their names, so that like kernels are one function.
    const alike = renumbered(kernel, (buffer) => used.indexOf(buffer));
    const dtypes = used.map((buffer) => at(buffers, buffer).dtype);
    const key = exactText([alike, dtypes]);
    let entry = known.get(key);
    if (entry === undefined) {
      const { code, isShared } = emitKernel(alike.kind, alike, dtypes, shared);
      entry = { index: define(code), isShared };
      known.set(key, entry);
    }
    // deno-lint-ignore unitune/no-spread-of-data -- buffers of a kernel
    const run = call(entry.index, ...used.map(memory.addressOf), ...own);
    if (before === "all" || (before === "one" && entry.isShared)) body.push(meet);
    body.push(entry.isShared ? run : branch(i32.eqz(thread), run));
    before = entry.isShared ? "all" : "one";
    if (isTimed) {
      body.push(told);
      before = "nothing";
    }
  }
  const run: WasmFunction = {
    parameters: [types.i32, types.i32],
    results: [],
    locals: [],
    code: [body, meet],
  };
  const isShared = control !== undefined;
  return encodeModule(functions, { run: define(run) }, { isShared, width }, imported);
}
