/**
 * The host half of a device, the same for every backend that emits code. Operands are checked and
 * copied in, results take over donated storage or are allocated, small results are copied out, and
 * the storage of programs is given back.
 */
import type { TypedArray } from "../dtype.ts";
import type { Graph } from "../graph.ts";
import type { BufferPlan, Lowered } from "../lowering/kernels.ts";
import { lower } from "../lowering/lower.ts";
import { alignedBytes, type MemoryPlan, planMemory } from "../lowering/plan.ts";
import { movedBytes, multiplicationsOf, peakOf } from "../lowering/work.ts";
import { at, sameShape, showShape } from "../shape.ts";
import { type Buffers, type Elements, makeBuffers, type Readable } from "./buffers.ts";
import type { Device, Operand, Program, ProgramOptions, ProgramPlan } from "./device.ts";

/** A donated operand in storage that others share: a result takes over a copy. */
export interface Move<S> {
  /** The operand's storage. */
  readonly from: S;
  /** Storage that was allocated for it. */
  readonly to: S;
  /** The number of bytes to copy. */
  readonly bytes: number;
}

/** The storage that a run works on. */
export interface RunStorage<S> {
  /** The storage of each operand; a result may be written over a donated operand. */
  readonly operands: readonly S[];
  /** The storage of the allocated results, in the order of all results. */
  readonly allocated: readonly S[];
  /** The copies to make before anything else. */
  readonly moves: readonly Move<S>[];
}

/** A program as a backend emitted it. */
export interface Code<S> {
  /** Kernels that one run executes. */
  readonly kernels: number;
  /** Bytes of emitted code. */
  readonly codeBytes: number;
  /** Threads of the processor that a run uses now. */
  readonly threads: number;
  /**
   * Runs the kernels.
   *
   * @returns The plan's small results, copied out of the program's own memory.
   */
  run(run: RunStorage<S>): readonly Elements<S>[];
  /** Gives the program's own memory and its code back. */
  dispose(): void;
}

/** The part of a backend that is its own: storage, and code for kernels. */
export interface Backend<S> extends Readable<S> {
  /** The backend's name, as messages give it. */
  readonly name: string;
  /** Offsets in the program's own memory are multiples of this many bytes (default 64). */
  readonly alignment?: number;
  /**
   * Bytes of the pages that a program's own memory comes in: no buffer lies in two of them, except
   * that one larger than a page begins with a page (default: all of it is one page).
   */
  readonly pageBytes?: number;
  /**
   * Storage for some bytes.
   *
   * @param bytes A multiple of the alignment.
   * @param what The purpose of the storage, as messages name it.
   */
  allocate(bytes: number, what: string): S;
  /** Copies elements from the host to the start of storage. */
  write(storage: S, data: TypedArray): void;
  /**
   * Emits code for the kernels, which run in their order.
   *
   * A donated operand and the result that takes its storage are one place. Then a `map` writes an
   * element only after it has read the one that stood there, and a `dynamicUpdate` has nothing to
   * copy but the update; no other kernel is given an operand's place to write to while it reads
   * there.
   *
   * @param lowered The kernels and their buffers.
   * @param plan The place of each buffer.
   * @returns The program, ready to run.
   */
  emit(lowered: Lowered, plan: MemoryPlan): Code<S>;
  /**
   * Whether storage is a part of storage that other buffers share, so that no result takes it over
   * (default: none is).
   */
  isPart?(storage: S): boolean;
  /** Bytes that a program needs for its kernels beside its buffers (default: none). */
  scratchBytes?(lowered: Lowered): number;
  /**
   * Called before each run.
   *
   * @param bytes The bytes that are going to be allocated for the results.
   * @throws {Error} If the device cannot run any more, or has no room for them.
   */
  prepare?(bytes: number): void;
}

/** The host half of a device. */
export type Host = Pick<Device, "name" | "upload" | "plan" | "compile">;

/** Refuses f64, which no emitted code computes. */
function refuseDoubles(name: string, graph: Graph): void {
  const node = graph.nodes.find(({ dtype }) => dtype === "f64");
  if (node !== undefined) {
    throw new TypeError(
      `the ${name} backend computes in f32, and ${node.op} gives f64${showShape(node.shape)}: ` +
        `use the reference backend, or cast to f32`,
    );
  }
}

/** Refuses elements whose number or type is not the one that the program was compiled for. */
function checkOperand(index: number, operand: Operand, { dtype, size }: BufferPlan): void {
  const { kind } = operand;
  const got = kind === "host" ? operand.data.length : operand.buffer.size;
  if (got !== size) {
    throw new RangeError(`operand ${index} has ${got} elements, the program expects ${size}`);
  }
  if (kind === "buffer" && operand.buffer.dtype !== dtype) {
    throw new TypeError(
      `operand ${index} is ${operand.buffer.dtype}, the program expects ${dtype}`,
    );
  }
}

/** A graph as kernels, and the places of their buffers. */
interface Planned extends ProgramOptions {
  readonly lowered: Lowered;
  readonly plan: MemoryPlan;
}

/** The memory and the work of kernels. */
function describePlan<S>({ lowered, plan }: Planned, backend: Backend<S>): ProgramPlan {
  const { gradientBytes } = peakOf(lowered, plan);
  return {
    operandBytes: lowered.inputs.map((buffer) =>
      alignedBytes(at(lowered.buffers, buffer), backend.alignment)
    ),
    resultBytes: plan.allocatedBytes,
    ownBytes: plan.ownBytes + (backend.scratchBytes?.(lowered) ?? 0),
    gradientBytes,
    multiplications: lowered.kernels.reduce(
      (total, kernel) => total + multiplicationsOf(kernel),
      0,
    ),
    movedBytes: movedBytes(lowered),
  };
}

/**
 * The bytes up to which a program keeps the storage of an operand from the host for its next run. That
 * of a larger one is given back after each: otherwise every program that reads weights from the host
 * would hold all of them once more.
 */
const KEPT_OPERAND = 2 ** 20;

/**
 * Compiles a graph: the emitted program, with code around it that passes operands in and results
 * out.
 */
function makeProgram<S>(
  { lowered, plan, donated }: Planned,
  backend: Backend<S>,
  buffers: Buffers<S>,
): Program {
  const code = backend.emit(lowered, plan);
  const inputs = lowered.inputs.map((buffer) => at(lowered.buffers, buffer));
  const outputs = lowered.outputs.map((buffer) => {
    const place = plan.places[buffer];
    if (place === undefined) throw new Error(`no kernel writes the result in buffer ${buffer}`);
    return { ...at(lowered.buffers, buffer), place };
  });
  const donors = new Set(
    outputs.flatMap(({ place }) => place.kind === "operand" ? [place.index] : []),
  );
  const allocate = (what: string, of: BufferPlan): S =>
    backend.allocate(alignedBytes(of, backend.alignment), what);
  // Storage for operands from the host, made when first needed.
  const slots = new Map<number, S>();
  const slotOf = (index: number, input: BufferPlan, passing: S[]): S => {
    const slot = slots.get(index) ?? allocate(`operand ${index}`, input);
    if (alignedBytes(input, backend.alignment) > KEPT_OPERAND) passing.push(slot);
    else slots.set(index, slot);
    return slot;
  };

  /**
   * The storage of operands, of which some is only there for this run; donors' storage can be written
   * over.
   */
  const placeOperands = (
    operands: readonly Operand[],
    { moves, fresh, passing }: {
      readonly moves: Move<S>[];
      readonly fresh: S[];
      readonly passing: S[];
    },
  ): S[] =>
    inputs.map((input, index) => {
      const operand = operands[index];
      if (operand === undefined) throw new RangeError(`operand ${index} is missing`);
      checkOperand(index, operand, input);
      const elements = operand.kind === "host" ? operand : buffers.elementsOf(operand.buffer);
      const isDonor = donors.has(index);
      if (elements.kind === "storage") {
        const { storage } = elements;
        if (!isDonor || backend.isPart?.(storage) !== true) return storage;
      }
      const storage = isDonor ? allocate(`operand ${index}`, input) : slotOf(index, input, passing);
      if (isDonor) fresh.push(storage);
      if (elements.kind === "host") backend.write(storage, elements.data);
      else {
        const bytes = alignedBytes(input, backend.alignment);
        moves.push({ from: elements.storage, to: storage, bytes });
      }
      return storage;
    });

  /** Gives back the donated operands whose storage is no result's. */
  const consume = (operands: readonly Operand[], placed: readonly S[]): void => {
    for (const index of donated) {
      const operand = operands[index];
      if (operand?.kind !== "buffer") continue;
      const elements = buffers.elementsOf(operand.buffer);
      const isTaken = donors.has(index) && elements.kind === "storage" &&
        elements.storage === placed[index];
      if (isTaken) buffers.take(operand.buffer);
      else operand.buffer.dispose();
    }
  };

  return {
    get statistics() {
      const { kernels, codeBytes, threads } = code;
      const { arenaBytes, unplannedBytes } = plan;
      return { kernels, arenaBytes, unplannedBytes, codeBytes, threads };
    },
    run(operands) {
      backend.prepare?.(plan.allocatedBytes);
      const moves: Move<S>[] = [];
      const fresh: S[] = [];
      const passing: S[] = [];
      try {
        const placed = placeOperands(operands, { moves, fresh, passing });
        const allocated = outputs.flatMap((output, index) => {
          if (output.place.kind !== "allocated") return [];
          const storage = allocate(`result ${index}`, output);
          fresh.push(storage);
          return [storage];
        });
        const small = code.run({ operands: placed, allocated, moves }).values();
        consume(operands, placed);
        return outputs.map(({ dtype, size, place }) => {
          if (place.kind === "own") {
            const { value } = small.next();
            if (value === undefined) throw new Error("the code gave too few small results");
            return buffers.over(value, dtype, size);
          }
          const storage = at(place.kind === "operand" ? placed : allocated, place.index);
          return buffers.over({ kind: "storage", storage }, dtype, size);
        });
      } catch (error) {
        for (const storage of fresh) backend.free?.(storage);
        throw error;
      } finally {
        for (const storage of passing) backend.free?.(storage);
      }
    },
    dispose() {
      code.dispose();
      for (const slot of slots.values()) backend.free?.(slot);
      slots.clear();
    },
  };
}

/**
 * The host half of a device, over the parts that its backend does in its own way. The device adds
 * the timing of kernels and its own disposal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { compile, type Device, type Tensor, tensor, zeros } from "@unitune/core";
 * import { makeHost } from "@unitune/core/backend";
 *
 * // A device whose programs compute nothing: their results are zeros.
 * const host = makeHost<Float32Array<ArrayBuffer>>({
 *   name: "idle",
 *   allocate: (bytes) => new Float32Array(bytes / 4),
 *   write: (storage, data) => storage.set(data),
 *   read: (storage, _, { begin, end }) => Promise.resolve(storage.slice(begin, end)),
 *   emit: ({ kernels }, { small }) => ({
 *     ...{ kernels: kernels.length, codeBytes: 0, threads: 1 },
 *     run: () => small.map(({ size }) => ({ kind: "host", data: new Float32Array(size) })),
 *     dispose() {},
 *   }),
 * });
 * const device: Device = {
 *   ...host,
 *   profile: () => Promise.resolve(undefined),
 *   [Symbol.dispose]() {},
 * };
 * using program = compile((x: Tensor) => zeros(x.shape), { device });
 * assertEquals(await program(tensor([1, 2])).data(), new Float32Array(2));
 * ```
 *
 * @param backend Storage, and an emitter of code.
 * @returns The host half.
 */
export function makeHost<S>(backend: Backend<S>): Host {
  const buffers = makeBuffers(backend);
  // A graph that is planned is mostly compiled next.
  const known = new WeakMap<Graph, Planned>();
  const planned = (graph: Graph, { donated }: ProgramOptions): Planned => {
    const before = known.get(graph);
    if (before !== undefined && sameShape(before.donated, donated)) return before;
    refuseDoubles(backend.name, graph);
    const lowered = lower(graph);
    const plan = planMemory(lowered, donated, backend.alignment, backend.pageBytes);
    const made = { lowered, plan, donated };
    known.set(graph, made);
    return made;
  };
  return {
    name: backend.name,
    plan: (graph, options) => describePlan(planned(graph, options), backend),
    upload(data, dtype) {
      const plan = { dtype, size: data.length };
      const storage = backend.allocate(alignedBytes(plan, backend.alignment), "a tensor");
      backend.write(storage, data);
      return buffers.over({ kind: "storage", storage }, dtype, data.length);
    },
    compile: (graph, options) => makeProgram(planned(graph, options), backend, buffers),
  };
}
