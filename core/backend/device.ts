/** Backends: storage for elements, and programs compiled from graphs. */
import type { DType, TypedArray } from "../dtype.ts";
import type { Graph } from "../graph.ts";

/** Consecutive elements of a tensor, in row-major order: from `begin` to before `end`. */
export interface ElementRange {
  /** The first element. */
  readonly begin: number;
  /** The element after the last one. */
  readonly end: number;
}

/** Elements stored on a device. Only the device that made a buffer can use it. */
export interface Buffer {
  /** The element type. */
  readonly dtype: DType;
  /** The number of elements. */
  readonly size: number;
  /**
   * Whether it takes storage that has to be given back, which the host's garbage collector does not
   * see.
   */
  readonly isHeld: boolean;
  /** Copies the elements to the host, or those of a range within them. */
  read(range?: ElementRange): Promise<TypedArray>;
  /** Gives the storage back, unless a program has consumed it; the buffer is not used again. */
  dispose(): void;
}

/** An operand of a program: a buffer of its device, or elements on the host to copy in. */
export type Operand =
  | { readonly kind: "buffer"; readonly buffer: Buffer }
  | { readonly kind: "host"; readonly data: TypedArray };

/** Sizes and counts of a compiled program, for benchmarks and tests. */
export interface ProgramStatistics {
  /** Kernels that one run executes. */
  readonly kernels: number;
  /** Bytes of the planned arena that holds every intermediate. */
  readonly arenaBytes: number;
  /** Bytes that the intermediates would take without reuse. */
  readonly unplannedBytes: number;
  /** Bytes of emitted code; 0 where the backend interprets. */
  readonly codeBytes: number;
  /** Threads of the processor that a run uses now. */
  readonly threads: number;
}

/** The memory that a program takes and the work that it does, known before it is made. */
export interface ProgramPlan {
  /** Bytes of each operand, in the order of the graph's inputs. */
  readonly operandBytes: readonly number[];
  /** Bytes of the results that take over no operand's storage. */
  readonly resultBytes: number;
  /** Bytes of the program's own memory: intermediates, small results, and room for kernels. */
  readonly ownBytes: number;
  /**
   * Bytes of these, when most of them are taken, that hold gradients: what results are made of in
   * the storage of donated operands.
   */
  readonly gradientBytes: number;
  /** Multiplications of matrix products in a run, with as many additions. */
  readonly multiplications: number;
  /** Bytes that the other kernels of a run read and write. */
  readonly movedBytes: number;
}

/** A graph compiled for a device. */
export interface Program {
  /** Sizes and counts of the program. */
  readonly statistics: ProgramStatistics;
  /**
   * Runs the program. Operands stand in the order of the graph's inputs. Donated buffers are
   * consumed: their storage becomes the results' or is given back.
   *
   * @returns One new buffer for each output of the graph.
   */
  run(operands: readonly Operand[]): Buffer[];
  /** Gives the program's storage back. */
  dispose(): void;
}

/** Options for compiling a graph. */
export interface ProgramOptions {
  /** Indices of the graph's inputs whose buffers a run consumes. */
  readonly donated: readonly number[];
}

/** The time that one kernel of a program took. */
export interface KernelTime {
  /** The kind and sizes of the kernel. */
  readonly kernel: string;
  /** The number of such kernels in a run. */
  readonly count: number;
  /** Milliseconds of all of them together. */
  readonly milliseconds: number;
}

/** A place where programs run. */
export interface Device {
  /** The backend's name, as messages give it. */
  readonly name: string;
  /** Copies elements from the host. */
  upload(data: TypedArray, dtype: DType): Buffer;
  /** Bytes that tensors and programs can take on the device; undefined where that is unknown. */
  readonly memoryBytes?: number | undefined;
  /**
   * Prepares for tensors and programs of so many bytes in all, those that there are among them, so
   * that the device need not rearrange its memory later, when there is more of it.
   *
   * @param bytes The bytes, at most {@linkcode Device.memoryBytes}.
   */
  reserve?(bytes: number): void;
  /** The memory and the work of a graph's program. Nothing is allocated for it. */
  plan(graph: Graph, options: ProgramOptions): ProgramPlan;
  /** Compiles a graph. */
  compile(graph: Graph, options: ProgramOptions): Program;
  /**
   * Times the kernels of the program that `run` starts, each by itself, so that the sum is longer
   * than an ordinary run.
   *
   * @param run Calls a compiled function of this device once.
   * @returns The time of each kernel, longest first; undefined where the device cannot time kernels
   * one by one.
   * @throws {Error} If no program ran.
   */
  profile(run: () => unknown): Promise<readonly KernelTime[] | undefined>;
  /** Ends the device's threads and other running work; the device is not used again. */
  [Symbol.dispose](): void;
}
