/**
 * The native backend: kernels as C, compiled by the machine's compiler and called through Deno's
 * foreign function interface. A program is a list of calls, which threads of its own work off.
 */
import type { Device, KernelTime } from "../../backend/device.ts";
import { type Backend, type Code, makeHost } from "../../backend/host.ts";
import { makeWorkspace } from "../../backend/workspace.ts";
import { allocate, bytesPerElement, type DType, type TypedArray } from "../../dtype.ts";
import { groupBy } from "../../groups.ts";
import { describeKernel } from "../../lowering/describe.ts";
import { expand } from "../../lowering/elementary/expand.ts";
import type { Lowered } from "../../lowering/kernels.ts";
import type { MemoryPlan } from "../../lowering/plan.ts";
import { workOf } from "../../lowering/work.ts";
import { OutOfMemoryError } from "../../memory_error.ts";
import { at } from "../../shape.ts";
import { makeBodies } from "./bodies.ts";
import { type Call, type Callee, callsOf, type Parameter, scratchOf } from "./calls.ts";
import { findCompiler, NativeUnavailableError } from "./compiler.ts";
import { loadRuntime } from "./library.ts";

/** Options of the backend. */
export interface NativeOptions {
  /**
   * Threads, the main one included (default: as many as the machine has). Results do not depend on
   * it.
   */
  readonly threads?: number;
  /**
   * How products of matrices use the processor's matrix unit (AMX), which multiplies bfloats and
   * adds up floats: `exact` takes floats as sums of three bfloats each, so that results are as
   * accurate as by vectors; `bf16` rounds factors to one bfloat, with a relative error of at most
   * 2^-8, for which dot products of vectors (AVX-512 BF16) will do; `off` computes by vectors of
   * floats, as `exact` does on a processor without the unit (default `exact`). Results differ in
   * their roundings.
   */
  readonly matrixUnit?: "exact" | "bf16" | "off";
  /** The folder for compiled code (default: `unitune/native` in the user's cache). */
  readonly cache?: string;
}

/** The native backend as a device. */
export interface NativeDevice extends Device {
  /** The backend's name. */
  readonly name: "native";
  /** The command of the compiler. */
  readonly compiler: string;
}

/** Operations below which waking other threads costs more than they save. */
const PARALLEL_WORK = 1 << 17;

/** The most threads that the runtime counts. */
const MOST_THREADS = 1023;

/** The parts of a float in products by the matrix unit. */
const partsOf = { exact: 3, bf16: 1, off: 0 } as const;

/** Flags of a call, as the runtime reads them. */
const [SHARED, MEET] = [1, 2];

/** A stage begins with each kernel that could see what other threads have written. */
function flagsOf(calls: readonly Call[]): number[] {
  let before: "nothing" | "one" | "all" = "nothing";
  return calls.map(({ isShared }) => {
    const meets = before === "all" || (before === "one" && isShared);
    before = isShared ? "all" : "one";
    return (isShared ? SHARED : 0) | (meets ? MEET : 0);
  });
}

/**
 * The native backend as a device.
 *
 * It needs the permissions to run the compiler and `sh`, to load what that made (`--allow-ffi`), and
 * to read and write its cache.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, mul, type Tensor, tensor } from "@unitune/core";
 * import { native, NativeUnavailableError } from "@unitune/core/native";
 *
 * try {
 *   using device = native();
 *   using double = compile((x: Tensor) => mul(x, 2), { device });
 *   assertEquals(await double(tensor([3])).data(), new Float32Array([6]));
 * } catch (error) {
 *   if (!(error instanceof NativeUnavailableError)) throw error; // No compiler here.
 * }
 * ```
 *
 * @param options The number of threads, and the folder for compiled code.
 * @returns A device of its own.
 * @throws {RangeError} If the number of threads is not a positive integer.
 * @throws {NativeUnavailableError} If there is no compiler of C, or no way to multiply bfloats for
 * `bf16`.
 */
export function native(options: NativeOptions = {}): NativeDevice {
  const { threads = navigator.hardwareConcurrency, matrixUnit = "exact", cache } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(`native: threads is an integer from 1 to ${MOST_THREADS}, not ${threads}`);
  }
  const compiler = findCompiler(cache);
  const runtime = loadRuntime(compiler);
  const bodies = makeBodies(compiler, runtime);
  const mostParts = runtime.native_unit();
  if (matrixUnit === "bf16" && mostParts === 0n) {
    throw new NativeUnavailableError(
      "native: products of bfloats need a processor with AMX or AVX-512 BF16: compute in f32",
    );
  }
  const parts = BigInt(partsOf[matrixUnit]);
  const pool = runtime.native_pool(BigInt(threads), parts <= mostParts ? parts : 0n);
  if (pool === 0n) throw new OutOfMemoryError("the native backend has no memory for its threads");
  const started = Number(runtime.native_threads(pool));
  // The list that the next run adds its times to, if they are wanted.
  const profile: KernelTime[][] = [];

  // Storage is an address.
  const take = (bytes: number, what: string): bigint => {
    const address = runtime.native_allocate(BigInt(bytes));
    if (address !== 0n) return address;
    throw new OutOfMemoryError(
      `the native backend is out of memory: ${what} needs ${bytes} bytes; make the model, the ` +
        `batch or the context smaller`,
    );
  };
  const read = (address: bigint, dtype: DType, size: number): TypedArray => {
    const data = allocate(dtype, size);
    runtime.native_copy_out(data, address, BigInt(data.byteLength));
    return data;
  };

  /** Threads that work on a program. */
  const membersFor = ({ kernels }: Lowered): number =>
    kernels.reduce((total, kernel) => total + workOf(kernel), 0) >= PARALLEL_WORK ? started : 1;
  /** Bytes of scratch memory of a thread, in whole lines of the cache. */
  const scratchBytes = ({ kernels }: Lowered): number =>
    64 * Math.ceil(kernels.reduce((most, kernel) => Math.max(most, scratchOf(kernel)), 0) / 64);

  const workspace = makeWorkspace<bigint>({
    allocate: (bytes) => take(Math.max(1, bytes), "a program"),
    free: runtime.native_free,
  });
  const emit = (given: Lowered, plan: MemoryPlan): Code<bigint> => {
    const { buffers, kernels, inputs } = expand(given);
    const dtypeOf = (buffer: number) => at(buffers, buffer).dtype;
    const callsOfKernels = kernels.map((kernel) => callsOf(kernel, dtypeOf));
    const calls = callsOfKernels.flat();
    const callees = calls.flatMap(({ callee, parameters }) =>
      [callee, ...parameters].filter((part): part is Callee => typeof part === "object")
    );
    const made = callees.flatMap((callee) => callee.kind === "body" ? [callee] : []);
    const addresses = bodies.addressesOf(made);
    const addressOf = (callee: Callee): bigint => {
      const address = callee.kind === "runtime"
        ? runtime.addressOf(callee.name)
        : addresses.get(callee);
      if (!address) throw new Error("a kernel was not compiled");
      return address;
    };
    const word = (part: Parameter): bigint =>
      typeof part === "object" ? addressOf(part) : BigInt(part);

    // The table of storage: operands, allocated results, the program's own memory.
    const results = given.outputs.filter((buffer) => plan.places[buffer]?.kind === "allocated");
    const own = inputs.length + results.length;
    const slotOf = (buffer: number): readonly [bigint, bigint] => {
      const place = plan.places[buffer];
      if (place === undefined) return [BigInt(own), 0n];
      if (place.kind === "own") return [BigInt(own), BigInt(place.offset)];
      return [BigInt(place.kind === "operand" ? place.index : inputs.length + place.index), 0n];
    };
    const flags = flagsOf(calls);
    let [bufferStart, parameterStart] = [0, 0];
    const list = calls.flatMap(({ callee, buffers, parameters }, i) => {
      const call = [addressOf(callee), bufferStart, parameterStart, at(flags, i)].map(BigInt);
      bufferStart += buffers.length;
      parameterStart += parameters.length;
      return call;
    });
    const members = membersFor(given);
    const scratch = scratchBytes(given);
    const parameters = calls.flatMap(({ parameters }) => parameters.map(word));
    const slots = calls.flatMap(({ buffers }) => buffers.flatMap(slotOf));
    const words = BigInt64Array.from([
      pool,
      ...[calls.length, parameters.length, bufferStart, members].map(BigInt),
      ...[own, plan.ownBytes, scratch].map(BigInt),
      ...list,
      ...parameters,
      ...slots,
      ...Array<bigint>(bufferStart).fill(0n),
    ]);
    const tenancy = workspace.hold(plan.ownBytes + members * scratch);
    /** The times of kernels, from the start and the ends of calls in milliseconds. */
    const timesBy = (ends: readonly number[]): KernelTime[] => {
      let call = 0;
      const each = given.kernels.map((kernel, i) => {
        const start = at(ends, call);
        call += at(callsOfKernels, i).length;
        return { kernel: describeKernel(kernel), milliseconds: at(ends, call) - start };
      });
      return [...groupBy(each, ({ kernel }) => kernel)].map(([kernel, alike]) => ({
        kernel,
        count: alike.length,
        milliseconds: alike.reduce((total, { milliseconds }) => total + milliseconds, 0),
      }));
    };
    // Operands, allocated results and the program's own memory, as the last run had them.
    const table = new BigUint64Array(own + 1);
    return {
      kernels: kernels.length,
      codeBytes: words.byteLength,
      threads: members,
      run({ operands, allocated, moves }) {
        for (const { from, to, bytes } of moves) {
          runtime.native_move(to, from, BigInt(bytes));
        }
        const address = tenancy.storage();
        operands.forEach((storage, i) => table[i] = storage);
        allocated.forEach((storage, i) => table[inputs.length + i] = storage);
        table[own] = address;
        const wanted = profile.pop();
        if (wanted === undefined) runtime.native_run(words, table, null);
        else {
          const ends = new Float64Array(calls.length + 1);
          runtime.native_run(words, table, ends);
          for (const time of timesBy(Array.from(ends))) wanted.push(time);
        }
        return plan.small.map(({ dtype, size, offset }) => ({
          kind: "host",
          data: read(address + BigInt(offset), dtype, size),
        }));
      },
      dispose() {
        tenancy.release();
      },
    };
  };
  const backend: Backend<bigint> = {
    name: "native",
    emit,
    scratchBytes: (lowered) => membersFor(lowered) * scratchBytes(lowered),
    allocate: take,
    free: runtime.native_free,
    write: (address, data) => runtime.native_copy_in(address, data, BigInt(data.byteLength)),
    read: (address, dtype, { begin, end }) => {
      const first = address + BigInt(begin * bytesPerElement[dtype]);
      return Promise.resolve(read(first, dtype, end - begin));
    },
  };
  return {
    ...makeHost(backend),
    name: "native",
    compiler: compiler.command,
    async profile(run) {
      const times: KernelTime[] = [];
      profile.push(times);
      run();
      if (profile.pop() === times) throw new Error("profile: no program ran");
      return await Promise.resolve(times.toSorted((a, b) => b.milliseconds - a.milliseconds));
    },
    [Symbol.dispose]() {
      runtime.native_end(pool);
    },
  };
}
