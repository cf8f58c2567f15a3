/** Dispatches: WGSL modules run over grids of workgroups, to which kernels are emitted. */
import type { DType } from "../../dtype.ts";
import type { Kernel, KernelOf } from "../../lowering/kernels.ts";
import type { Bound, ProgramSettings, Shader } from "./shader.ts";

/** A module, the buffers that it binds and the size of its grid. */
export interface Dispatch {
  /** The WGSL text. */
  readonly source: string;
  /** The pieces of memory in the order of the bindings. */
  readonly bindings: readonly Bound[];
  /** Workgroups along the first two axes of the grid. */
  readonly grid: readonly [number, number];
}

/** The sizes that suit an adapter. */
export interface Tuning {
  /** Invocations that run in step, and read neighbouring elements at once. */
  readonly vector: number;
  /** Invocations of a workgroup where nothing else decides. */
  readonly workgroup: number;
  /** Workgroups that keep the adapter busy. */
  readonly workgroups: number;
  /** Invocations in flight that keep the adapter busy. */
  readonly invocations: number;
  /** Elements of a sum that a lane should at least have, for sharing it to pay. */
  readonly elementsALane: number;
  /** Rounds of a sum that are read together, where the hardware does not see ahead by itself. */
  readonly roundsAtOnce: number;
  /** Whether matrices are multiplied in tiles kept in workgroup memory. */
  readonly tiles: boolean;
}

/** Hardware has thousands of lanes and fast workgroup memory; a software adapter has neither. */
export const tunings: Readonly<Record<"hardware" | "software", Tuning>> = {
  hardware: {
    vector: 32,
    workgroup: 256,
    workgroups: 256,
    invocations: 2 ** 16,
    elementsALane: 4,
    roundsAtOnce: 1,
    tiles: true,
  },
  software: {
    vector: 8,
    workgroup: 64,
    workgroups: 8,
    invocations: 64,
    elementsALane: 1024,
    roundsAtOnce: 2,
    tiles: false,
  },
};

/** The context in which kernels are emitted. */
export interface KernelContext extends ProgramSettings {
  readonly tuning: Tuning;
  /** The most buffers that a shader may bind. */
  readonly bindings: number;
  /** The type that operands of products in tiles are rounded to; their sums are f32. */
  readonly precision: "f32" | "f16";
  /** A buffer that holds elements between the dispatches of one kernel. */
  readonly scratch: (dtype: DType, size: number) => number;
  /** A function that gives back the scratch taken since, for the dispatches that come next. */
  readonly holdScratch: () => () => void;
  /**
   * Whether kernels are taken apart, whose buffers are in too many pieces for a shader whichever way
   * they are cut.
   */
  readonly isApart: boolean;
  /** The kernel of which this is a part: it decides on the order of sums. */
  readonly whole?: Kernel;
}

/** The context for a kernel that uses given buffers: one binding for many where they are too many. */
export function fitting(context: KernelContext, used: readonly number[]): KernelContext {
  const storages = new Set(used.map(context.storageOf));
  return storages.size <= context.bindings ? context : { ...context, bindsWhole: true };
}

/** Makes a kernel into dispatches that run one after the other. */
export type DispatchEmitter<K extends Kernel["kind"]> = (
  kernel: KernelOf<K>,
  context: KernelContext,
) => Dispatch[];

/** The most workgroups along an axis of a grid, by WebGPU's default limits. */
const GRID_LIMIT = 65535;

/** A shader's body over a number of workgroups; workgroups beyond it must do nothing. */
export function dispatchOf(
  shader: Shader,
  body: readonly string[],
  { workgroups, invocations }: { readonly workgroups: number; readonly invocations: number },
): Dispatch[] {
  if (workgroups === 0) return [];
  const x = Math.min(workgroups, GRID_LIMIT);
  return [{ ...shader.finish(body, invocations), grid: [x, Math.ceil(workgroups / x)] }];
}

/** A body for each of `count` elements, whose number is `element`. */
export function overElements(
  shader: Shader,
  count: number,
  { workgroup }: Tuning,
  body: readonly string[],
): Dispatch[] {
  const lines = [
    `let element = workgroup * ${workgroup}u + lane;`,
    `if (element >= ${count}u) { return; }`,
    ...body,
  ];
  const size = { workgroups: Math.ceil(count / workgroup), invocations: workgroup };
  return dispatchOf(shader, lines, size);
}

/** The largest power of two not above a number, at least 1. */
export function powerBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)));
}
