/** The wasm backend: a program is one WebAssembly module over one memory. */
import type { Device, KernelTime } from "../../backend/device.ts";
import { type Backend, type Code as Emitted, makeHost } from "../../backend/host.ts";
import { makeWorkspace } from "../../backend/workspace.ts";
import { allocate, bytesPerElement, type DType, type TypedArray } from "../../dtype.ts";
import type { Graph } from "../../graph.ts";
import { groupBy } from "../../groups.ts";
import { describeKernel } from "../../lowering/describe.ts";
import type { Lowered } from "../../lowering/kernels.ts";
import type { MemoryPlan } from "../../lowering/plan.ts";
import { OutOfMemoryError } from "../../memory_error.ts";
import { at, showShape, sizeOf } from "../../shape.ts";
import { type Heap, makeHeap } from "./heap.ts";
import { type Code, f32x4, int, types } from "./instructions.ts";
import { defineFunction, encodeModule } from "./module.ts";
import { emitProgram, isParallel, scratchBytes, type Target } from "./program.ts";
import { canStartWorkers, CONTROL_BYTES, type Pool, processors, startPool } from "./threads.ts";

/** Whether the engine has relaxed SIMD, whose fused multiply-add is used. */
function probeRelaxedSimd(): boolean {
  const probe = defineFunction(
    [],
    [types.v128],
    () => f32x4.relaxedMadd(f32x4.const(1), f32x4.const(1), f32x4.const(1)),
  );
  return WebAssembly.validate(encodeModule([probe], {}));
}

/** The elements at an address, copied out. */
function copyOut(
  { buffer }: WebAssembly.Memory,
  dtype: DType,
  address: number,
  size: number,
): TypedArray {
  const data = allocate(dtype, size);
  new Uint8Array(data.buffer).set(new Uint8Array(buffer, address, data.byteLength));
  return data;
}

/** Copies elements to an address. */
function copyIn({ buffer }: WebAssembly.Memory, address: number, data: TypedArray): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  new Uint8Array(buffer, address, data.byteLength).set(bytes);
}

/** A program's code for one memory. */
interface Module {
  /** The memory, whose addresses have the width that the code is for. */
  readonly memory: WebAssembly.Memory;
  /** The number by which workers know the code. */
  readonly number: number;
  /** The size of the code. */
  readonly bytes: number;
  /** The workers that share the program, and the address of their code. */
  readonly shared: { readonly workers: Pool; readonly address: number } | undefined;
  /** Does the work of a thread. */
  readonly run: CallableFunction;
}

/** A program that runs on any memory of its device. */
interface Loaded {
  /** The size of its code. */
  readonly bytes: number;
  /** Threads that a run takes now. */
  readonly threads: number;
  /** Runs it on every thread. */
  run(): void;
}

/** The memory that a program holds, given back all at once. */
interface Holdings {
  /** Adds memory, by the function that gives it back. */
  add(release: () => void): void;
  /** Gives everything back. */
  release(): void;
}

function makeHoldings(): Holdings {
  const releases: (() => void)[] = [];
  return {
    add: (release) => void releases.push(release),
    release() {
      for (const release of releases.splice(0)) release();
    },
  };
}

/** Writes an address of up to 53 bits to an entry of 64 bits, as two words. */
function setAddress(words: Uint32Array, entry: number, address: number): void {
  words[2 * entry] = address;
  words[2 * entry + 1] = address / 2 ** 32;
}

/** Refuses tensors whose elements a signed counter cannot number, though none of them be stored. */
function refuseUncountable(graph: Graph): void {
  const node = graph.nodes.find(({ shape }) => sizeOf(shape) >= 2 ** 31);
  if (node !== undefined) {
    throw new OutOfMemoryError(
      `the wasm backend counts up to 2^31 - 1 elements, and ${node.op} gives ` +
        `${showShape(node.shape)}: make the model, the batch or the context smaller`,
    );
  }
}

/** Options of the backend. */
export interface WasmOptions {
  /**
   * Threads, the main one included (default: as many as the machine has). Results do not depend
   * on it. One where memory cannot be shared, as in a page that is not isolated.
   */
  readonly threads?: number;
  /**
   * Whether to use relaxed SIMD where the engine has it (default true). It multiplies and
   * adds with one rounding on machines that can; without it all machines give the same bits, and
   * products take about twice as long.
   */
  readonly relaxedSimd?: boolean;
  /**
   * The most bytes of memory (default: as far as addresses reach). Addresses have 32 bits, which
   * reach 4 GiB, until tensors and programs need more; from then on they have 64 bits, which reach
   * 16 GiB, where the engine has such memories.
   */
  readonly memory?: number;
}

/** Whether the engine has memories with addresses of 64 bits. */
function probeWideAddresses(): boolean {
  return WebAssembly.validate(encodeModule([], {}, { width: 64 }));
}

/** An empty heap of at most some bytes. */
function heapOf(memory: number | undefined, isShared: boolean): Heap {
  const widest = probeWideAddresses() ? 64 : 32;
  return makeHeap(isShared, { widest, ...memory !== undefined && { most: memory } });
}

/** Sizes of the backend's memory, for benchmarks and tests. */
export interface WasmStatistics {
  /** Bytes of the WebAssembly memory, which never shrinks. */
  readonly bytes: number;
  /** Of these, bytes that are free for reuse: the rest holds tensors and programs. */
  readonly keptBytes: number;
  /** Bytes that tensors and programs can have at most. */
  readonly mostBytes: number;
  /** The width of addresses, in bits: 64 once more than 4 GiB were needed. */
  readonly addressBits: 32 | 64;
}

/** The wasm backend as a device. */
export interface WasmDevice extends Device {
  /** The backend's name. */
  readonly name: "wasm";
  /** Threads that may run a program together, the main one included. */
  readonly threads: number;
  /** Sizes of the device's memory. */
  statistics(): WasmStatistics;
}

/** Threads beyond this many gain little on the sizes that a CPU trains. */
const MOST_THREADS = 16;

/**
 * The WebAssembly backend as a device: SIMD code emitted for each program, one memory, threads that
 * run the whole program together. Workers start with the first program that is large enough.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, mul, tensor, wasm } from "@unitune/core";
 *
 * const double = compile((x: ReturnType<typeof tensor>) => mul(x, 2), { device: wasm() });
 * assertEquals(await double(tensor([3])).data(), new Float32Array([6]));
 * ```
 *
 * @param options The number of threads, the limit of memory, and the instructions to use.
 * @returns A device of its own, with a memory of its own.
 * @throws {RangeError} If the number of threads is not a positive integer, or the limit is below
 * 1 MiB.
 */
export function wasm(options: WasmOptions = {}): WasmDevice {
  const { threads = Math.min(processors(), MOST_THREADS), memory } = options;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`wasm: threads is an integer from 1, not ${threads}`);
  }
  if (memory !== undefined && !(memory >= 2 ** 20)) {
    throw new RangeError(`wasm: memory is a number of bytes from 1 MiB, not ${memory}`);
  }
  const canShare = threads > 1 && typeof SharedArrayBuffer !== "undefined" && canStartWorkers();
  return wasmOn(heapOf(memory, canShare), canShare ? threads : 1, options);
}

/**
 * The device over a heap, which is its own from now on.
 *
 * @param heap The memory, shared where there are several threads.
 * @param threads Threads, the main one included.
 * @param options The instructions to use.
 */
export function wasmOn(
  heap: Heap,
  threads: number,
  { relaxedSimd = true }: Pick<WasmOptions, "relaxedSimd"> = {},
): WasmDevice {
  const canShare = threads > 1;
  const control = canShare ? heap.allocate(CONTROL_BYTES) : undefined;
  const target: Target = { hasRelaxedSimd: relaxedSimd && probeRelaxedSimd(), control };
  const pool: Pool[] = [];
  const poolNow = (): Pool | undefined => {
    if (control === undefined) return undefined;
    if (pool.length === 0) pool.push(startPool(heap.memory, control, threads));
    return pool[0];
  };
  const endPool = (): void => {
    for (const workers of pool.splice(0)) workers.dispose();
  };
  let programs = 0;
  const modules = new Map<symbol, Module>();
  const giveBack = (module: Module | undefined): void => {
    if (module?.shared !== undefined) heap.free(module.shared.address);
  };
  // Workers and modules have one memory for good, and keep it.
  heap.onMove(() => {
    endPool();
    for (const module of modules.values()) giveBack(module);
    modules.clear();
  });
  // The list that the next run adds its times to, if they are wanted.
  const profile: KernelTime[][] = [];

  const workspace = makeWorkspace({
    // Address 0 is nobody's.
    allocate: (bytes) => bytes === 0 ? 0 : heap.allocate(bytes),
    free: heap.free,
  });
  const emit = (lowered: Lowered, plan: MemoryPlan): Emitted<number> => {
    const holdings = makeHoldings();
    try {
      return emitInto(holdings, lowered, plan);
    } catch (error) {
      holdings.release();
      throw error;
    }
  };
  const emitInto = (holdings: Holdings, lowered: Lowered, plan: MemoryPlan): Emitted<number> => {
    // In the workspace: the program's own memory, then scratch memory.
    const scratchSize = scratchBytes(lowered);
    const bytes = plan.ownBytes + scratchSize * threads;
    const more = Math.max(0, bytes - workspace.bytes());
    heap.prepare(more + plan.allocatedBytes, "a program with its results");
    // The table of addresses, of 8 bytes each: operands, allocated results, the workspace.
    const operands = lowered.inputs.length;
    const entries = operands + lowered.outputs.length + 1;
    const tenancy = workspace.hold(bytes);
    holdings.add(tenancy.release);
    const table = heap.allocate(8 * entries);
    holdings.add(() => heap.free(table));

    const tableEntry = (index: number): Code => int.loadAddress(int.const(table + 8 * index));
    const ownAddress = (offset: number): Code =>
      int.add(tableEntry(entries - 1), int.const(offset));
    const addressOf = (buffer: number): Code => {
      const place = plan.places[buffer];
      if (place === undefined) throw new RangeError(`buffer ${buffer} has no place`);
      if (place.kind === "own") return ownAddress(place.offset);
      return tableEntry(place.kind === "operand" ? place.index : operands + place.index);
    };
    const instantiate = (tick?: () => void): Module => {
      const { memory, width } = heap;
      const workers = isParallel(lowered) ? poolNow() : undefined;
      const code = emitProgram(lowered, { ...target, width }, {
        scratch: ownAddress(plan.ownBytes),
        scratchBytes: scratchSize,
        addressOf,
      }, { isTimed: tick !== undefined });
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), {
        host: { memory, ...(tick && { tick }) },
      });
      const { run } = exports;
      if (typeof run !== "function") throw new Error("the module exports no run");
      // Workers read the code from the memory that they share.
      const shared = workers && { workers, address: heap.allocate(code.length) };
      if (shared !== undefined) {
        new Uint8Array(heap.memory.buffer, shared.address, code.length).set(code);
      }
      return { memory, shared, run, bytes: code.length, number: ++programs };
    };
    const load = (tick?: () => void): Loaded => {
      const name = Symbol();
      holdings.add(() => {
        giveBack(modules.get(name));
        modules.delete(name);
      });
      const moduleNow = (): Module => {
        let module = modules.get(name);
        // The room for its code may be in another memory, too.
        while (module?.memory !== heap.memory) {
          giveBack(module);
          module = instantiate(tick);
        }
        modules.set(name, module);
        return module;
      };
      const { bytes } = moduleNow();
      return {
        bytes,
        get threads() {
          return modules.get(name)?.shared?.workers.ready() ?? 1;
        },
        run() {
          const { run, shared, number, bytes } = moduleNow();
          const count = shared?.workers.ready() ?? 1;
          if (count > 1) shared?.workers.start(number, shared.address, bytes, count);
          run(0, count);
        },
      };
    };
    const program = load();

    // A version of the program that tells when a kernel is done, made when first needed.
    const timed: { readonly program: Loaded; readonly ends: number[] }[] = [];
    const runTimed = (times: KernelTime[]): void => {
      if (timed.length === 0) {
        const ends: number[] = [];
        timed.push({ ends, program: load(() => void ends.push(performance.now())) });
      }
      const labels = lowered.kernels.map(describeKernel);
      for (const { program, ends } of timed) {
        ends.length = 0;
        program.run();
        const duration = (i: number) => at(ends, i + 1) - at(ends, i);
        for (const [kernel, positions] of groupBy(labels.keys(), (i) => labels[i] ?? "")) {
          const milliseconds = positions.reduce((total, i) => total + duration(i), 0);
          times.push({ kernel, count: positions.length, milliseconds });
        }
      }
    };

    return {
      kernels: lowered.kernels.length,
      codeBytes: program.bytes,
      get threads() {
        return program.threads;
      },
      run({ operands, allocated }) {
        const own = tenancy.storage();
        const words = new Uint32Array(heap.memory.buffer, table, 2 * entries);
        operands.forEach((address, i) => setAddress(words, i, address));
        allocated.forEach((address, i) => setAddress(words, operands.length + i, address));
        setAddress(words, entries - 1, own);
        const times = profile.pop();
        if (times === undefined) program.run();
        else runTimed(times);
        // On the host, where the garbage collector sees them.
        return plan.small.map(({ dtype, size, offset }) => ({
          kind: "host",
          data: copyOut(heap.memory, dtype, own + offset, size),
        }));
      },
      dispose: holdings.release,
    };
  };
  // Storage is an address.
  const backend: Backend<number> = {
    name: "wasm",
    emit,
    allocate(bytes, what) {
      heap.prepare(bytes, what);
      return heap.allocate(bytes);
    },
    free: heap.free,
    write: (address, data) => copyIn(heap.memory, address, data),
    read: (address, dtype, { begin, end }) => {
      const first = address + begin * bytesPerElement[dtype];
      return Promise.resolve(copyOut(heap.memory, dtype, first, end - begin));
    },
    scratchBytes: (lowered) => scratchBytes(lowered) * threads,
    prepare: (bytes) => heap.prepare(bytes, "the results of a program"),
  };
  const host = makeHost(backend);

  return {
    ...host,
    name: "wasm",
    threads,
    memoryBytes: heap.limit,
    reserve: (bytes) => heap.prepare(bytes - heap.used(), "the training"),
    plan(graph, options) {
      refuseUncountable(graph);
      return host.plan(graph, options);
    },
    compile(graph, options) {
      refuseUncountable(graph);
      return host.compile(graph, options);
    },
    statistics() {
      const bytes = heap.memory.buffer.byteLength;
      return {
        ...{ bytes, keptBytes: bytes - heap.used() },
        ...{ mostBytes: heap.limit, addressBits: heap.width },
      };
    },
    async profile(run) {
      const times: KernelTime[] = [];
      profile.push(times);
      run();
      if (profile.pop() === times) throw new Error("profile: no program ran");
      return await Promise.resolve(
        times.toSorted((a, b) => b.milliseconds - a.milliseconds),
      );
    },
    [Symbol.dispose]: endPool,
  };
}
