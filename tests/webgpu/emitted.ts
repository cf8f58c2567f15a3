/** The code that kernels become, without an adapter. */
import { graphOf, type Tensor } from "@unitune/core";
import { type Dispatch, type KernelContext, tunings } from "../../core/backends/webgpu/dispatch.ts";
import type { WebGpuFeature } from "../../core/backends/webgpu/features.ts";
import { emitKernel } from "../../core/backends/webgpu/kernels.ts";
import { describeKernel } from "../../core/lowering/describe.ts";
import type { BufferPlan } from "../../core/lowering/kernels.ts";
import { lower } from "../../core/lowering/lower.ts";
import type { Place } from "../../core/lowering/plan.ts";

/** What kernels are emitted for. */
export interface Adapter {
  /** The sizes that suit it. */
  readonly kind: keyof typeof tunings;
  /** The type that operands of products are rounded to (default "f32": not at all). */
  readonly precision?: "f32" | "f16";
  /** The most buffers of a shader (default 8, WebGPU's own least). */
  readonly bindings?: number;
  /** What it can do beyond what WebGPU promises (default nothing). */
  readonly features?: readonly WebGpuFeature[];
}

/** A kernel and its dispatches. */
export interface Emitted {
  /** The kernel's kind and sizes. */
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
  /** What a buffer is: `input 0`, `output 1`, or `temporary`. */
  readonly roleOf: (buffer: number) => string;
}

/** The place of a buffer by its role; scratch and what is in between lie one after the other. */
function placeOf(buffer: number, plan: BufferPlan | undefined): Place {
  if (plan?.role.kind === "input") return { kind: "operand", index: buffer };
  if (plan?.role.kind === "output") return { kind: "allocated", index: buffer };
  return { kind: "own", offset: 2 ** 20 * buffer };
}

/** The kernels of a function, each buffer with a storage of its own. */
export function emitted(
  f: (inputs: Tensor[]) => unknown,
  inputs: readonly Tensor[],
  { kind, precision = "f32", bindings = 8, features = [] }: Adapter,
): Emitted[] {
  const { buffers, kernels } = lower(graphOf((...inputs: Tensor[]) => f(inputs), [...inputs]));
  const all = [...buffers];
  const context: KernelContext = {
    buffers: all,
    tuning: tunings[kind],
    features: { found: new Set(features), headers: new Map() },
    precision,
    bindings,
    storageOf: (buffer) => `${all[buffer]?.role.kind} ${buffer}`,
    placeOf: (buffer) => placeOf(buffer, all[buffer]),
    pageBytes: Infinity,
    bindsWhole: false,
    scratch: (dtype, size) => all.push({ dtype, size, role: { kind: "temporary" } }) - 1,
    holdScratch: () => () => {},
    isApart: false,
  };
  const roleOf = (buffer: number) => {
    const role = all[buffer]?.role;
    return role === undefined || role.kind === "temporary"
      ? "temporary"
      : `${role.kind} ${role.index}`;
  };
  return kernels.map((kernel) => ({
    roleOf,
    name: describeKernel(kernel),
    dispatches: emitKernel(kernel, context),
  }));
}

const countIn = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;

/** How often a buffer stands in code: in fours, by one of a four, and one by one: `4 x 4 + 2 of 4`. */
function accesses(source: string, binding: number): string {
  const name = `\\bbuffer${binding}`;
  const all = countIn(source, new RegExp(`${name}\\[`, "g"));
  const isInFours = new RegExp(`${name}: array<vec4`).test(source);
  const one = isInFours ? countIn(source, new RegExp(`${name}\\[[^\\n]*?>> 2u\\]\\[`, "g")) : all;
  return [
    ...all > one ? [`${all - one} x 4`] : [],
    ...one > 0 ? [`${one}${isInFours ? " of 4" : ""}`] : [],
  ].join(" + ");
}

/** What counts in a kernel's text. */
const counted: Readonly<Record<string, RegExp>> = {
  "fma": /\bfma\(/g,
  "dot": /\bdot\(/g,
  "exp": /\bexpOf\(/g,
  "for": /\bfor \(/g,
  "if": /\bif \(/g,
  "barrier": /\bworkgroupBarrier\(/g,
  "exchange": /\bsubgroupShuffleXor\(/g,
};

/**
 * What a dispatch does to get its results, as far as its text tells: the grid and the lanes of a
 * workgroup, whether a lane works in fours, how often buffers are named, in fours or one by one, and
 * what else takes time. It says nothing of the results.
 */
export function effortOf(
  { source, bindings, grid }: Dispatch,
  roleOf: Emitted["roleOf"],
): string {
  const [, lanes = "?"] = /@workgroup_size\((\d+)\)/.exec(source) ?? [];
  const shared = [...source.matchAll(/var<workgroup> (\w+): array<.*, (\d+)>;/g)]
    .map(([, name, size]) => `${name}[${size}]`);
  // The functions of a module, an epilogue among them, without those of elementary functions.
  const body = source.slice(source.indexOf("fn main("));
  const finish = /^fn finish\([^]*?^}/m.exec(source)?.[0] ?? "";
  return [
    `${grid.join(" x ")} of ${lanes}${source.includes("alias F = vec4") ? " in fours" : ""}`,
    ...bindings.map(({ buffer }, binding) =>
      `${buffer === undefined ? "all memory" : roleOf(buffer)}: ${accesses(source, binding)}`
    ).toSorted(),
    ...Object.entries(counted).flatMap(([name, pattern]) => {
      const count = countIn(body + finish, pattern);
      return count === 0 ? [] : [`${count} ${name}`];
    }),
    ...shared,
  ].join("; ");
}
