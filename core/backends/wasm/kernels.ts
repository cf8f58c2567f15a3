/** Kernels as functions of the module: parameters are the addresses of their buffers. */
import type { DType } from "../../dtype.ts";
import { type Kernel, usedBuffers } from "../../lowering/kernels.ts";
import { workOf } from "../../lowering/work.ts";
import { attention, attentionGradient } from "./attention.ts";
import type { CodeEmitter, KernelOf, SharedParts } from "./frame.ts";
import { gather, scatterAdd } from "./indexing.ts";
import {
  type Code,
  f32x4,
  i32x4,
  int,
  least,
  local,
  types,
  type ValueType,
} from "./instructions.ts";
import { map } from "./map.ts";
import type { Scope } from "./scope.ts";
import { defineFunction, keep, type WasmFunction } from "./module.ts";
import { matmul } from "./matmul.ts";
import { reduce } from "./reduce.ts";
import { argsort } from "./sort.ts";
import { dynamicSlice, dynamicUpdate } from "./windows.ts";

const emitters: { readonly [K in Kernel["kind"]]: CodeEmitter<K> } = {
  map,
  reduce,
  matmul,
  attention,
  attentionGradient,
  gather,
  scatterAdd,
  argsort,
  dynamicSlice,
  dynamicUpdate,
};

/** The distinct buffers of a kernel, in the order of its function's parameters. */
export function kernelBuffers(kernel: Kernel): number[] {
  const { reads, writes } = usedBuffers(kernel);
  return [...new Set([...reads, ...writes])];
}

/** Operations below which a kernel is done by one thread: meeting costs more than sharing saves. */
const SHARED_WORK = 1 << 14;

/** The most parts that a loop is cut into: times the number of threads, it has 32 bits. */
const MOST_PARTS = 1 << 20;

/** A kernel as code. */
export interface EmittedKernel {
  /** A function of the buffers' addresses, then the thread's number and the number of threads. */
  readonly code: WasmFunction;
  /** Whether threads share the work; otherwise one of them does it all. */
  readonly isShared: boolean;
}

/**
 * A kernel as a function of its buffers' addresses.
 *
 * @param kind The kernel's kind.
 * @param kernel The kernel, whose buffers have the numbers of the function's parameters.
 * @param dtypes The element types of the buffers.
 * @param shared The parts that kernels of a module share.
 */
export function emitKernel<K extends Kernel["kind"]>(
  kind: K,
  kernel: KernelOf<K>,
  dtypes: readonly DType[],
  shared: SharedParts,
): EmittedKernel {
  const emitter: CodeEmitter<K> = emitters[kind];
  let isShared = false;
  const parameters = new Array<typeof types.int>(dtypes.length + 2).fill(types.int);
  const [thread, threads] = [local.get(dtypes.length), local.get(dtypes.length + 1)];
  const code = defineFunction(parameters, [], (locals) => {
    const prologue: Code[] = [];
    const constants = new Map<string, Code>();
    const constant = (name: string, value: Code, type: ValueType = types.v128): Code => {
      const known = constants.get(name);
      if (known !== undefined) return known;
      const kept = keep(locals, type, value);
      prologue.push(kept.set);
      constants.set(name, kept.get);
      return kept.get;
    };
    const scope: Scope = {
      locals,
      float: (value) => constant(`f${Object.is(value, -0)}${value}`, f32x4.const(value)),
      word: (value) => constant(`i${value}`, i32x4.const(value, value, value, value)),
      madd: shared.hasRelaxedSimd ? f32x4.relaxedMadd : (a, b, c) => f32x4.add(f32x4.mul(a, b), c),
    };
    const base = (buffer: number) => {
      if (buffer in dtypes) return buffer;
      throw new RangeError(`buffer ${buffer} is not the kernel's`);
    };
    const shareOf = (rounds: number, smallest: number) => {
      const granule = smallest * Math.ceil(rounds / smallest / MOST_PARTS);
      const units = Math.ceil(rounds / granule);
      if (units < 2 || workOf(kernel) < SHARED_WORK) return undefined;
      isShared = true;
      const [begin, end] = [locals.add(types.int), locals.add(types.int)];
      const unitOf = (number: Code) => int.divU(int.mul(number, int.const(units)), threads);
      const roundOf = (number: Code) => int.mul(unitOf(number), int.const(granule));
      prologue.push(
        local.set(begin, roundOf(thread)),
        local.set(end, least(roundOf(int.add(thread, int.const(1))), int.const(rounds))),
      );
      return { begin, end };
    };
    const { scratch, scratchBytes } = shared;
    const body = emitter(kernel, {
      ...shared,
      dtypes,
      locals,
      scope,
      base,
      shareOf,
      // Only kernels that read it have a local for it.
      get scratchAddress() {
        const own = int.mul(thread, int.const(scratchBytes));
        return constant("scratch", int.add(scratch, own), types.int);
      },
    });
    return [prologue, body];
  });
  return { code, isShared };
}
