/** The wasm backend: a program is one WebAssembly module over one memory. */
import type { Buffer, Device, Operand, Program, ProgramOptions } from "../../backend.ts";
import { bytesPerElement, type DType, type TypedArray } from "../../dtype.ts";
import type { Graph } from "../../graph.ts";
import type { BufferPlan, Kernel, Lowered } from "../../lowering/kernels.ts";
import { lower } from "../../lowering/lower.ts";
import { alignedBytes, planMemory } from "../../lowering/plan.ts";
import { at, showShape } from "../../shape.ts";
import { call, type Code, f32x4, i32, types } from "./instructions.ts";
import { type Heap, makeHeap } from "./heap.ts";
import { emitKernel, kernelBuffers, type Surroundings } from "./kernels.ts";
import { mathFunctions } from "./math.ts";
import { matmulFunction, matmulScratch } from "./matmul.ts";
import { defineFunction, encodeModule, type WasmFunction } from "./module.ts";

/** Results up to this size are copied out after a run, so that the garbage collector sees them. */
const SMALL_BYTES = 4096;

/** Whether the engine has relaxed SIMD, of which the fused multiplication is used. */
function hasRelaxedSimd(): boolean {
  const probe = defineFunction(
    [],
    [types.v128],
    () => f32x4.relaxedMadd(f32x4.const(1), f32x4.const(1), f32x4.const(1)),
  );
  return WebAssembly.validate(encodeModule([probe], {}));
}

/** Where a buffer's elements are: in the device's memory, or on the host where they are few. */
type Storage =
  | { readonly kind: "heap"; readonly address: number }
  | { readonly kind: "host"; readonly data: TypedArray };

/** A typed array over the elements at an address; invalid once the memory grows. */
function view(memory: WebAssembly.Memory, dtype: DType, address: number, size: number): TypedArray {
  const { buffer } = memory;
  if (!(buffer instanceof ArrayBuffer)) throw new Error("the memory is shared");
  const views: { readonly [D in DType]: () => TypedArray } = {
    f32: () => new Float32Array(buffer, address, size),
    f64: () => new Float64Array(buffer, address, size),
    i32: () => new Int32Array(buffer, address, size),
    u32: () => new Uint32Array(buffer, address, size),
    bool: () => new Uint32Array(buffer, address, size),
  };
  return views[dtype]();
}

/** A kernel with its buffers numbered by first use, so that like kernels have like texts. */
function canonical(
  kernel: Kernel,
  buffers: readonly number[],
  plans: readonly BufferPlan[],
): string {
  const rename = (buffer: number) => buffers.indexOf(buffer);
  const names = new Set([
    "buffer",
    "output",
    "input",
    "table",
    "ids",
    "updates",
    "update",
    "start",
  ]);
  const text = JSON.stringify(kernel, (key, value: unknown) => {
    if (typeof value === "number" && names.has(key)) return rename(value);
    return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
      ? `${value}${Object.is(value, -0)}`
      : value;
  });
  return `${text} ${buffers.map((buffer) => plans[buffer]?.dtype)}`;
}

/** Scratch memory that a kernel needs, in bytes. */
function scratchBytes(kernel: Kernel): number {
  if (kernel.kind === "matmul") return matmulScratch(kernel.columns);
  return kernel.kind === "argsort" ? 4 * kernel.size : 0;
}

/** A program's code, and the functions that it consists of. */
function emitProgram(
  { buffers, kernels }: Lowered,
  fused: boolean,
  scratch: number,
  addressOf: (buffer: number) => Code,
): Uint8Array<ArrayBuffer> {
  const { functions, table } = mathFunctions();
  const matmul = functions.push(matmulFunction(fused)) - 1;
  const surroundings: Surroundings = { buffers, math: table, matmul, scratch };
  const known = new Map<string, number>();
  const calls = kernels.map((kernel) => {
    const used = kernelBuffers(kernel);
    const key = canonical(kernel, used, buffers);
    const index = known.get(key) ??
      functions.push(emitKernel(kernel.kind, kernel, used, surroundings)) - 1;
    known.set(key, index);
    return call(index, ...used.map(addressOf));
  });
  const run: WasmFunction = { parameters: [], results: [], locals: [], code: calls };
  return encodeModule(functions, { run: functions.push(run) - 1 });
}

/** Refuses what the backend cannot compute. */
function refuseDoubles(graph: Graph): void {
  const node = graph.nodes.find(({ dtype }) => dtype === "f64");
  if (node !== undefined) {
    throw new TypeError(
      `the wasm backend computes in f32, and ${node.op} gives f64${showShape(node.shape)}: ` +
        `use the reference backend, or cast to f32`,
    );
  }
}

/**
 * The WebAssembly backend as a device: SIMD code emitted for each program, one memory.
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
 * @returns A device of its own, with a memory of its own.
 */
export function wasm(): Device {
  const heap: Heap = makeHeap();
  const fused = hasRelaxedSimd();
  const stored = new WeakMap<Buffer, Storage>();

  const bufferOver = (storage: Storage, dtype: DType, size: number): Buffer => {
    const buffer: Buffer = {
      dtype,
      size,
      read() {
        const place = storageOf(buffer);
        return Promise.resolve(
          place.kind === "host"
            ? place.data.slice()
            : view(heap.memory, dtype, place.address, size).slice(),
        );
      },
      dispose() {
        const place = stored.get(buffer);
        if (place?.kind === "heap") heap.free(place.address);
        stored.delete(buffer);
      },
    };
    stored.set(buffer, storage);
    return buffer;
  };
  const storageOf = (buffer: Buffer): Storage => {
    const storage = stored.get(buffer);
    if (storage === undefined) throw new Error("the buffer is disposed of, or another device's");
    return storage;
  };
  const write = (address: number, dtype: DType, data: TypedArray): void => {
    view(heap.memory, dtype, address, data.length).set(data);
  };

  const compileGraph = (graph: Graph, { donated }: ProgramOptions): Program => {
    refuseDoubles(graph);
    const lowered = lower(graph);
    const plan = planMemory(lowered, donated);
    const planOf = (buffer: number): BufferPlan => {
      const found = lowered.buffers[buffer];
      if (found === undefined) throw new RangeError(`there is no buffer ${buffer}`);
      return found;
    };
    const inputPlans = lowered.inputs.map(planOf);
    const outputPlans = lowered.outputs.map(planOf);

    // One block: the arena, scratch memory, the table of addresses, slots for small results.
    let bytes = plan.arenaBytes;
    const reserve = (size: number): number => {
      const offset = bytes;
      bytes += Math.ceil(size / 64) * 64;
      return offset;
    };
    const scratch = reserve(Math.max(0, ...lowered.kernels.map(scratchBytes)));
    const table = reserve(4 * (inputPlans.length + outputPlans.length));
    const donors = new Map<number, number>();
    for (const place of plan.places) {
      if (place.kind === "output" && place.donor !== undefined) {
        donors.set(place.index, place.donor);
      }
    }
    const isSmall = outputPlans.map(({ dtype, size }, index) =>
      !donors.has(index) && size * bytesPerElement[dtype] <= SMALL_BYTES
    );
    const outputSlots = outputPlans.map((output, index) =>
      isSmall[index] ? reserve(alignedBytes(output)) : 0
    );
    const block = heap.allocate(bytes);

    // Slots for operands that come from the host, made when first needed.
    const slots = new Map<number, number>();
    const slotOf = (index: number, input: BufferPlan): number => {
      const slot = slots.get(index) ?? heap.allocate(alignedBytes(input));
      slots.set(index, slot);
      return slot;
    };

    const tableEntry = (index: number): Code => i32.load(i32.const(block + table + 4 * index));
    const addressOf = (buffer: number): Code => {
      const place = plan.places[buffer];
      if (place === undefined) throw new RangeError(`buffer ${buffer} has no place`);
      if (place.kind === "arena") return i32.const(block + place.offset);
      return tableEntry(place.kind === "input" ? place.index : inputPlans.length + place.index);
    };
    const code = emitProgram(lowered, fused, block + scratch, addressOf);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), {
      host: { memory: heap.memory },
    });
    const { run } = exports;
    if (typeof run !== "function") throw new Error("the module exports no run");

    /** The address of an operand's elements; those on the host are copied to the program's slot. */
    const place = (operand: Operand | undefined, index: number): number => {
      const input = inputPlans[index];
      if (operand === undefined || input === undefined) {
        throw new RangeError(`operand ${index} is missing`);
      }
      const storage = operand.kind === "buffer" ? storageOf(operand.buffer) : operand;
      if (storage.kind === "heap") return storage.address;
      if (storage.data.length !== input.size) {
        throw new RangeError(
          `operand ${index} has ${storage.data.length} elements, the program expects ${input.size}`,
        );
      }
      const isDonor = [...donors.values()].includes(index);
      const address = isDonor ? heap.allocate(alignedBytes(input)) : slotOf(index, input);
      write(address, input.dtype, storage.data);
      return address;
    };

    return {
      statistics: {
        kernels: lowered.kernels.length,
        arenaBytes: plan.arenaBytes,
        unplannedBytes: plan.unplannedBytes,
        codeBytes: code.length,
      },
      run(operands) {
        const addresses = inputPlans.map((_, index) => place(operands[index], index));
        const results = outputPlans.map((output, index) => {
          const donor = donors.get(index);
          if (donor !== undefined) return at(addresses, donor);
          return isSmall[index]
            ? block + at(outputSlots, index)
            : heap.allocate(alignedBytes(output));
        });
        write(block + table, "i32", Int32Array.from([...addresses, ...results]));
        run();
        const taken = new Set(donors.values());
        for (const index of donated) {
          const operand = operands[index];
          if (operand?.kind !== "buffer") continue;
          // The storage of a donor lives on as a result's.
          if (taken.has(index)) stored.delete(operand.buffer);
          else operand.buffer.dispose();
        }
        return outputPlans.map(({ dtype, size }, index) => {
          const address = at(results, index);
          const storage: Storage = isSmall[index]
            ? { kind: "host", data: view(heap.memory, dtype, address, size).slice() }
            : { kind: "heap", address };
          return bufferOver(storage, dtype, size);
        });
      },
      dispose() {
        for (const address of [block, ...slots.values()]) heap.free(address);
        slots.clear();
      },
    };
  };

  return {
    name: "wasm",
    upload(data, dtype) {
      const address = heap.allocate(alignedBytes({ dtype, size: data.length }));
      write(address, dtype, data);
      return bufferOver({ kind: "heap", address }, dtype, data.length);
    },
    compile: compileGraph,
  };
}
