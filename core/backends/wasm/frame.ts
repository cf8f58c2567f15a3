/** The frame in which a kernel is emitted: its function, its buffers, its share of the work. */
import type { Affine } from "../../lowering/affine.ts";
import type { DType } from "../../dtype.ts";
import type { Kernel, KernelOf, Step } from "../../lowering/kernels.ts";
import { at, type Shape } from "../../shape.ts";
import type { Share } from "./body.ts";
import type { FactorDType } from "./elements.ts";
import type { Scope } from "./scope.ts";
import type { Locals } from "./module.ts";
import type { Code } from "./instructions.ts";

/** Multiplications: of matrices, of one row and a matrix, and of rows with rows. */
export type Routine = "matrixProduct" | "vectorMatrix" | "rowProducts";

/** The element types of a product's operands. */
export interface FactorTypes {
  readonly a: FactorDType;
  readonly b: FactorDType;
}

/** The parts of a module that its kernels share. */
export interface SharedParts {
  /** Whether the engine has relaxed SIMD, whose fused multiply-add is used. */
  readonly hasRelaxedSimd: boolean;
  /**
   * The number of a function that kernels call, which the module has from then on; for operands of
   * some types (default f32).
   */
  readonly routine: (name: Routine, operands?: FactorTypes) => number;
  /** Code that gives the address of the first thread's scratch memory. */
  readonly scratch: Code;
  /** Bytes of scratch memory for each thread. */
  readonly scratchBytes: number;
}

export type { KernelOf };

/** A function under construction: its locals, and where its buffers' addresses are. */
export interface Frame extends SharedParts {
  /** The element types of the kernel's buffers. */
  readonly dtypes: readonly DType[];
  readonly locals: Locals;
  readonly scope: Scope;
  /** The local that holds a buffer's address: the parameter of its number. */
  readonly base: (buffer: number) => number;
  /**
   * This thread's part of a loop: its first round and the one after its last, multiples of the
   * granule but for the loop's end. Undefined where the kernel is not worth sharing.
   */
  readonly shareOf: (rounds: number, granule: number) => Omit<Share, "loop"> | undefined;
  /** The address of this thread's scratch memory. */
  readonly scratchAddress: Code;
}

/** Elements of a cache line, by which threads share an innermost loop. */
const LINE = 16;

/** A loop of some, given by number and rounds, that is good to share: an outer one if it is long. */
function chooseLoop(rounds: readonly number[]): number {
  // deno-lint-ignore unitune/no-spread-of-data -- loops of a kernel
  const longest = rounds.indexOf(Math.max(...rounds));
  return at(rounds, 0) >= 8 ? 0 : longest;
}

/** This thread's share of one of the first loops of a domain. */
export function shareLoop(
  frame: Pick<Frame, "shareOf">,
  domain: Shape,
  candidates = domain.length,
): Share | undefined {
  if (candidates === 0) return undefined;
  const loop = chooseLoop(domain.slice(0, candidates));
  const share = frame.shareOf(at(domain, loop), loop === domain.length - 1 ? LINE : 1);
  return share === undefined ? undefined : { loop, ...share };
}

/** A kernel of a kind as code. */
export type CodeEmitter<K extends Kernel["kind"]> = (kernel: KernelOf<K>, frame: Frame) => Code;

/** The element type of a buffer. */
export function dtypeOf({ dtypes }: Frame, buffer: number): DType {
  return at(dtypes, buffer);
}

/** At least one loop, so that there is an innermost one. */
export function withLoop(domain: Shape): Shape {
  return domain.length === 0 ? [1] : domain;
}

/** The same position in a nest of more loops. */
export function padded({ offset, strides }: Affine, rank: number): Affine {
  return { offset, strides: [...strides, ...new Array<number>(rank - strides.length).fill(0)] };
}

/** The same steps in a nest of more loops. */
export function paddedSteps(steps: readonly Step[], rank: number): Step[] {
  return steps.map((step) => "at" in step ? { ...step, at: padded(step.at, rank) } : step);
}
