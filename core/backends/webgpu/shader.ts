/**
 * WGSL modules under construction. A module works on one lane or on four at a time: its body is
 * written over the types F, I, U and B (f32, i32, u32, bool, or vectors of four), so that one text
 * serves both.
 */
import { type DType, isStorage } from "../../dtype.ts";
import type { Affine } from "../../lowering/affine.ts";
import type { BufferPlan } from "../../lowering/kernels.ts";
import { wideningOf } from "../../lowering/body.ts";
import { at } from "../../shape.ts";
import type { Features, WebGpuFeature } from "./features.ts";
import { mathSource } from "./functions.ts";
import type { MathFunction } from "./math.ts";
import { nameOf, type Use } from "./operations.ts";
import { storageType } from "./types.ts";

/** Elements that an invocation works on at a time. */
export type Width = 1 | 4;

/** A buffer of a shader, in the order of its bindings. */
export interface Bound {
  /** One of the buffers that share the binding's storage; none for all memory of the program. */
  readonly buffer: number | undefined;
  /** Whether the shader writes it. */
  readonly written: boolean;
}

/** The settings that the shaders of a program share. */
export interface ProgramSettings {
  /** The buffers that kernels name. */
  readonly buffers: readonly BufferPlan[];
  /** Texts that are equal where two buffers are the same storage. */
  readonly storageOf: (buffer: number) => string;
  /** The start of a buffer in the program's own memory, in bytes, if it is there. */
  readonly offsetOf: (buffer: number) => number | undefined;
  /** Whether the program's own memory is bound as a whole, for want of bindings. */
  readonly bindsWhole: boolean;
  /** The features of the adapter beyond those that WebGPU promises. */
  readonly features: Features;
}

/** A WGSL module under construction. */
export interface Shader {
  /** Elements that an invocation works on at a time. */
  readonly width: Width;
  /** The element type of a buffer. */
  dtype(buffer: number): DType;
  /** Notes that a function is used, and gives its name. */
  readonly use: Use;
  /** Notes that a feature of the adapter is used; with subgroups comes `subgroupSize`. */
  require(feature: WebGpuFeature): void;
  /** Declares something at the module's level. */
  declare(text: string): void;
  /** Says that a buffer is read and written four elements at a time. */
  inFours(buffer: number): void;
  /** Whether a buffer is read and written four elements at a time. */
  isInFours(buffer: number): boolean;
  /** The storage word at an index; of elements of 16 bits, the bits of one. */
  word(buffer: number, index: string): string;
  /** The four storage words from four times an index on, of a buffer that is `inFours`. */
  words(buffer: number, quad: string): string;
  /** The word at an index as an f32, which elements of 16 bits are widened to. */
  number(buffer: number, index: string): string;
  /** The four words as f32, in a module that works on four lanes. */
  numbers(buffer: number, quad: string): string;
  /** A statement that writes a storage word. */
  setWord(buffer: number, index: string, value: string): string;
  /** A statement that writes four storage words from four times an index on. */
  setWords(buffer: number, quad: string, value: string): string;
  /** The module around a body, and the buffers that it binds. */
  finish(
    body: readonly string[],
    invocations: number,
  ): { readonly source: string; readonly bindings: readonly Bound[] };
}

const aliases: Readonly<Record<Width, string>> = {
  1: "alias F = f32;\nalias I = i32;\nalias U = u32;\nalias B = bool;",
  4: "alias F = vec4<f32>;\nalias I = vec4<i32>;\nalias U = vec4<u32>;\nalias B = vec4<bool>;",
};

/** Accesses of elements of 16 bits. */
type Packed = "Half" | "Halves" | "SetHalf" | "SetHalves";

/**
 * The functions by which a module reads and writes elements of 16 bits, two in a word. One of them is
 * written without touching its neighbour, which another invocation may write at the same time.
 */
function packedSource(name: string, isAtomic: boolean): Readonly<Record<Packed, string>> {
  const word = (index: string) => isAtomic ? `atomicLoad(&${name}[${index}])` : `${name}[${index}]`;
  const set = (index: string, value: string) =>
    isAtomic ? `atomicStore(&${name}[${index}], ${value});` : `${name}[${index}] = ${value};`;
  return {
    Half: `fn ${name}Half(i: u32) -> u32 {
  return (${word("i >> 1u")} >> ((i & 1u) << 4u)) & 0xffffu;
}`,
    Halves: `fn ${name}Halves(quad: u32) -> vec4<u32> {
  let low = ${word("2u * quad")};
  let high = ${word("2u * quad + 1u")};
  return vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
}`,
    SetHalf: `fn ${name}SetHalf(i: u32, half: u32) {
  let shift = (i & 1u) << 4u;
  atomicAnd(&${name}[i >> 1u], ~(0xffffu << shift));
  atomicOr(&${name}[i >> 1u], half << shift);
}`,
    SetHalves: `fn ${name}SetHalves(quad: u32, halves: vec4<u32>) {
  ${set("2u * quad", "halves.x | (halves.y << 16u)")}
  ${set("2u * quad + 1u", "halves.z | (halves.w << 16u)")}
}`,
  };
}

/** A new module. */
export function makeShader(settings: ProgramSettings, width: Width): Shader {
  const { buffers, storageOf, offsetOf, bindsWhole, features } = settings;
  interface View {
    readonly name: string;
    readonly buffer: number | undefined;
    readonly type: string;
    /** Whether it has elements of 16 bits only. */
    readonly isPacked: boolean;
    /** The accesses of elements of 16 bits. */
    readonly packed: Set<Packed>;
    fours: boolean;
    written: boolean;
  }
  const views = new Map<string, View>();
  const functions = new Set<MathFunction>();
  const required = new Set<WebGpuFeature>();
  const declarations: string[] = [];

  const dtype = (buffer: number): DType => {
    const plan = buffers[buffer];
    if (plan === undefined) throw new RangeError(`there is no buffer ${buffer}`);
    return plan.dtype;
  };
  /** The start of a buffer in a binding of all memory, in words. */
  const startOf = (buffer: number): number | undefined => {
    const bytes = bindsWhole ? offsetOf(buffer) : undefined;
    return bytes === undefined ? undefined : bytes / 4;
  };
  const viewOf = (buffer: number): View => {
    const isPart = startOf(buffer) !== undefined;
    const key = isPart ? "own" : storageOf(buffer);
    const known = views.get(key);
    if (known !== undefined) return known;
    const view: View = {
      name: `buffer${views.size}`,
      buffer: isPart ? undefined : buffer,
      type: isPart ? "u32" : storageType(dtype(buffer)),
      isPacked: !isPart && isStorage(dtype(buffer)),
      packed: new Set(),
      fours: false,
      written: false,
    };
    views.set(key, view);
    return view;
  };
  const place = (buffer: number, index: string): string => {
    const { name, fours } = viewOf(buffer);
    const start = startOf(buffer);
    if (start !== undefined) return `${name}[${index} + ${start}u]`;
    return fours ? `${name}[(${index}) >> 2u][(${index}) & 3u]` : `${name}[${index}]`;
  };
  const isPart = (buffer: number) => startOf(buffer) !== undefined;
  // A binding of all memory is written word by word and half by half, if it has elements of 16 bits.
  const hasAtomicWhole = bindsWhole && buffers.some((plan) => isStorage(plan.dtype));
  const isAtomic = ({ buffer, packed }: View) =>
    buffer === undefined ? hasAtomicWhole : packed.has("SetHalf");
  /** An access of elements of 16 bits; indices count elements or fours. */
  const packed = (buffer: number, access: Packed, index: string, value?: string): string => {
    const view = viewOf(buffer);
    view.packed.add(access);
    const start = startOf(buffer) ?? 0;
    const unit = access === "Half" || access === "SetHalf" ? start * 2 : start / 2;
    const place = unit === 0 ? index : `${index} + ${unit}u`;
    return `${view.name}${access}(${place}${value === undefined ? "" : `, ${value}`})`;
  };
  const useFunction: Use = (name) => {
    functions.add(name);
    return nameOf(name);
  };
  const word = (buffer: number, index: string): string => {
    if (isStorage(dtype(buffer))) return packed(buffer, "Half", index);
    const element = place(buffer, index);
    if (!isPart(buffer)) return element;
    const loaded = hasAtomicWhole ? `atomicLoad(&${element})` : element;
    return `bitcast<${storageType(dtype(buffer))}>(${loaded})`;
  };
  const words = (buffer: number, quad: string): string =>
    isStorage(dtype(buffer)) ? packed(buffer, "Halves", quad) : `${viewOf(buffer).name}[${quad}]`;

  return {
    width,
    dtype,
    use: useFunction,
    require: (feature) => void required.add(feature),
    declare: (text) => void declarations.push(text),
    inFours(buffer) {
      if (!isPart(buffer)) viewOf(buffer).fours = true;
    },
    isInFours: (buffer) => viewOf(buffer).fours,
    word,
    words,
    number(buffer, index) {
      const type = dtype(buffer);
      if (!isStorage(type)) return word(buffer, index);
      const widened = `${useFunction(wideningOf(type))}(U(${word(buffer, index)}))`;
      return width === 4 ? `${widened}.x` : widened;
    },
    numbers(buffer, quad) {
      const type = dtype(buffer);
      const four = words(buffer, quad);
      return isStorage(type) ? `${useFunction(wideningOf(type))}(${four})` : four;
    },
    setWord(buffer, index, value) {
      viewOf(buffer).written = true;
      if (isStorage(dtype(buffer))) return `${packed(buffer, "SetHalf", index, value)};`;
      const element = place(buffer, index);
      if (!isPart(buffer)) return `${element} = ${value};`;
      const word = `bitcast<u32>(${value})`;
      return hasAtomicWhole ? `atomicStore(&${element}, ${word});` : `${element} = ${word};`;
    },
    setWords(buffer, quad, value) {
      const view = viewOf(buffer);
      view.written = true;
      if (isStorage(dtype(buffer))) return `${packed(buffer, "SetHalves", quad, value)};`;
      return `${view.name}[${quad}] = ${value};`;
    },
    finish(body, invocations) {
      const list = [...views].map(([storage, view]) => ({
        ...view,
        // Storage that the program writes at some time is bound for writing at all times, since
        // one buffer must not be bound in both ways and the arena is one buffer.
        written: view.written || !storage.startsWith("input"),
      }));
      const typeOf = (view: View) =>
        isAtomic(view)
          ? "atomic<u32>"
          : view.fours && !view.isPacked
          ? `vec4<${view.type}>`
          : view.type;
      const bindings = list.map((view, i) =>
        `@group(0) @binding(${i}) var<storage, ${view.written ? "read_write" : "read"}> ` +
        `${view.name}: array<${typeOf(view)}>;`
      );
      const accesses = list.flatMap((view) => {
        const texts = packedSource(view.name, isAtomic(view));
        return [...view.packed].map((access) => texts[access]);
      });
      const source = [
        ...[...required].map((feature) => features.headers.get(feature) ?? ""),
        aliases[width],
        ...bindings,
        ...accesses,
        ...declarations,
        mathSource(functions),
        `@compute @workgroup_size(${invocations})`,
        "fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u," +
        " @builtin(local_invocation_index) lane: u32" +
        `${required.has("subgroups") ? ", @builtin(subgroup_size) subgroupSize: u32" : ""}) {`,
        "  let workgroup = group.x + group.y * groups.x;",
        ...body.map((line) => `  ${line}`),
        "}",
      ].filter((line) => line !== "").join("\n");
      return { source, bindings: list.map(({ buffer, written }) => ({ buffer, written })) };
    },
  };
}

/** The loops of a nest as text: a variable for each, counting fours along the vector loop. */
export interface Loops {
  /** A `u32` variable, or "0u", for each loop. */
  readonly variables: readonly string[];
  /** The loop along which four elements are taken at a time, if the width is 4. */
  readonly vector: number | undefined;
}

/** `offset + sum_d strides[d] i_d`, in elements or in fours. */
export function positionText({ offset, strides }: Affine, loops: Loops, fours: boolean): string {
  const unit = fours ? 4 : 1;
  const terms = strides.flatMap((stride, loop) => {
    const variable = loops.variables[loop] ?? "0u";
    const step = (loop === loops.vector ? 4 * stride : stride) / unit;
    if (stride === 0 || variable === "0u") return [];
    return [step === 1 ? variable : `${variable} * ${step}u`];
  });
  if (offset !== 0 || terms.length === 0) terms.unshift(`${offset / unit}u`);
  return terms.join(" + ");
}

/** Whether four elements along the vector loop are neighbours that start at a multiple of four. */
export function isAligned({ offset, strides }: Affine, vector: number): boolean {
  return strides[vector] === 1 && offset % 4 === 0 &&
    strides.every((stride, loop) => loop === vector || stride % 4 === 0);
}

/** Statements that split a position into the indices of loops: `let i0 = ...;`. */
export function splitPosition(
  position: string,
  sizes: readonly number[],
  names: readonly string[],
): string[] {
  const lines: string[] = [];
  let rest = position;
  for (let loop = sizes.length - 1; loop >= 0; loop--) {
    const [name = "", size] = [names[loop], at(sizes, loop)];
    if (loop === 0) lines.push(`let ${name} = ${rest};`);
    else {
      lines.push(`let ${name} = (${rest}) % ${size}u;`, `let ${name}rest = (${rest}) / ${size}u;`);
      rest = `${name}rest`;
    }
  }
  return lines;
}
