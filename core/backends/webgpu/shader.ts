/**
 * WGSL modules under construction. A module works on one lane or on four at a time: its body is
 * written over the types F, I, U and B (f32, i32, u32, bool, or vectors of four), so that one text
 * serves both.
 */
import { bytesPerElement, type DType, isStorage } from "../../dtype.ts";
import type { Affine } from "../../lowering/affine.ts";
import type { Extent } from "../../lowering/cut.ts";
import type { BufferPlan } from "../../lowering/kernels.ts";
import type { Place } from "../../lowering/plan.ts";
import { wideningOf } from "../../lowering/body.ts";
import { at } from "../../shape.ts";
import type { Features, WebGpuFeature } from "./features.ts";
import { mathSource } from "./functions.ts";
import type { MathFunction } from "./math.ts";
import { nameOf, type Use } from "./operations.ts";
import { storageType } from "./types.ts";

/** Elements that an invocation works on at a time. */
export type Width = 1 | 4;

/** A piece of memory that a shader binds, in the order of its bindings. */
export interface Bound {
  /** One of the buffers whose storage it is; none for a page of the program's own memory. */
  readonly buffer: number | undefined;
  /** The number of the piece in the storage of the buffer, or of the page. */
  readonly piece: number;
  /** Whether the shader writes it. */
  readonly written: boolean;
}

/** The settings that the shaders of a program share. */
export interface ProgramSettings {
  /** The buffers that kernels name. */
  readonly buffers: readonly BufferPlan[];
  /** Texts that are equal where two buffers are the same storage. */
  readonly storageOf: (buffer: number) => string;
  /** The place of a buffer. */
  readonly placeOf: (buffer: number) => Place;
  /** Bytes of the pages of the program's own memory, and of all pieces of storage but the last. */
  readonly pageBytes: number;
  /** The elements of a buffer that the kernel at hand touches (default: all of them). */
  readonly touched?: (buffer: number) => readonly Extent[] | undefined;
  /** Whether pages of the program's own memory are bound as a whole, for want of bindings. */
  readonly bindsWhole: boolean;
  /** The features of the adapter beyond those that WebGPU promises. */
  readonly features: Features;
}

/** The pieces of a buffer's storage that the kernel at hand touches, in their order. */
export function piecesOf(
  { buffers, pageBytes, touched }: ProgramSettings,
  buffer: number,
): readonly number[] {
  const { dtype, size } = at(buffers, buffer);
  const inPage = pageBytes / bytesPerElement[dtype];
  const extents = touched?.(buffer) ?? [{ first: 0, last: Math.max(0, size - 1) }];
  const pieces = new Set<number>();
  for (const { first, last } of extents) {
    for (let piece = Math.floor(first / inPage); piece <= last / inPage; piece++) pieces.add(piece);
  }
  return [...pieces].toSorted((a, b) => a - b);
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

/** The accesses of a buffer's elements: of one, or of four. */
type AccessKind = "word" | "words" | "setWord" | "setWords";

/** The elements of an access, and its function for elements of 16 bits. */
const kinds: Readonly<Record<AccessKind, { readonly unit: 1 | 4; readonly packed: Packed }>> = {
  word: { unit: 1, packed: "Half" },
  words: { unit: 4, packed: "Halves" },
  setWord: { unit: 1, packed: "SetHalf" },
  setWords: { unit: 4, packed: "SetHalves" },
};

/** An index of elements, or of fours, from a number of elements on. */
function from(begin: number, index: string, unit: 1 | 4): string {
  if (begin === 0) return index;
  return begin < 0 ? `${index} + ${-begin / unit}u` : `(${index}) - ${begin / unit}u`;
}

/** A new module. */
export function makeShader(settings: ProgramSettings, width: Width): Shader {
  const { buffers, storageOf, placeOf, pageBytes, bindsWhole, features } = settings;
  /** A piece of storage, or a page. */
  interface Binding extends Omit<Bound, "written"> {
    readonly name: string;
    readonly kind: Place["kind"];
    readonly type: string;
    /** Whether it has elements of 16 bits only. */
    readonly isPacked: boolean;
    /** The accesses of elements of 16 bits. */
    readonly packed: Set<Packed>;
    fours: boolean;
    written: boolean;
  }
  /** The pieces of a storage that are touched, in their order. */
  interface View {
    /** The name of its functions, where there are several pieces. */
    readonly name: string;
    readonly dtype: DType;
    readonly bindings: readonly [Binding, ...Binding[]];
    /** The element at which each binding begins; negative where it begins before the storage. */
    readonly begins: readonly [number, ...number[]];
    /** The accesses for which it has functions. */
    readonly used: Set<AccessKind>;
  }
  const bindings = new Map<string, Binding>();
  const views = new Map<string, View>();
  const functions = new Set<MathFunction>();
  const required = new Set<WebGpuFeature>();
  const declarations: string[] = [];

  const dtype = (buffer: number): DType => {
    const plan = buffers[buffer];
    if (plan === undefined) throw new RangeError(`there is no buffer ${buffer}`);
    return plan.dtype;
  };
  /** The start of a buffer in the program's own memory, in bytes, if its pages are bound whole. */
  const startOf = (buffer: number): number | undefined => {
    const place = placeOf(buffer);
    return bindsWhole && place.kind === "own" ? place.offset : undefined;
  };
  const bindingOf = (buffer: number, piece: number): Binding => {
    const start = startOf(buffer);
    const page = start === undefined ? undefined : Math.floor(start / pageBytes) + piece;
    const key = page === undefined ? `${storageOf(buffer)}, ${piece}` : `page ${page}`;
    const known = bindings.get(key);
    if (known !== undefined) return known;
    const binding: Binding = {
      name: `buffer${bindings.size}`,
      kind: placeOf(buffer).kind,
      buffer: page === undefined ? buffer : undefined,
      piece: page ?? piece,
      type: page === undefined ? storageType(dtype(buffer)) : "u32",
      isPacked: page === undefined && isStorage(dtype(buffer)),
      packed: new Set(),
      fours: false,
      written: false,
    };
    bindings.set(key, binding);
    return binding;
  };
  const viewOf = (buffer: number): View => {
    const start = startOf(buffer);
    const key = start === undefined ? storageOf(buffer) : `own from ${start}`;
    const known = views.get(key);
    if (known !== undefined) return known;
    const [first, ...others] = piecesOf(settings, buffer);
    if (first === undefined) throw new RangeError(`nothing of buffer ${buffer} is touched`);
    const inPage = start === undefined || pageBytes === Infinity ? start ?? 0 : start % pageBytes;
    const binding = (piece: number) => bindingOf(buffer, piece);
    const begin = (piece: number) =>
      ((piece === 0 ? 0 : piece * pageBytes) - inPage) / bytesPerElement[dtype(buffer)];
    const view: View = {
      name: `view${views.size}`,
      dtype: dtype(buffer),
      bindings: [binding(first), ...others.map(binding)],
      begins: [begin(first), ...others.map(begin)],
      used: new Set(),
    };
    views.set(key, view);
    return view;
  };
  // A page is written word by word and half by half, if it has elements of 16 bits.
  const hasAtomicPages = bindsWhole && buffers.some((plan) => isStorage(plan.dtype));
  const isAtomic = ({ buffer, packed }: Binding) =>
    buffer === undefined ? hasAtomicPages : packed.has("SetHalf");
  /** An access to a binding, by an index in it: an expression, or a statement that writes a value. */
  const accessTo = (
    binding: Binding,
    dtype: DType,
    kind: AccessKind,
    index: string,
    value?: string,
  ): string => {
    const { name, fours, buffer, packed } = binding;
    const access = kinds[kind];
    if (isStorage(dtype)) {
      packed.add(access.packed);
      return value === undefined
        ? `${name}${access.packed}(${index})`
        : `${name}${access.packed}(${index}, ${value});`;
    }
    const place = access.unit === 1 && fours
      ? `${name}[(${index}) >> 2u][(${index}) & 3u]`
      : `${name}[${index}]`;
    if (buffer !== undefined) return value === undefined ? place : `${place} = ${value};`;
    if (value !== undefined) {
      const word = `bitcast<u32>(${value})`;
      return hasAtomicPages ? `atomicStore(&${place}, ${word});` : `${place} = ${word};`;
    }
    return `bitcast<${storageType(dtype)}>(${hasAtomicPages ? `atomicLoad(&${place})` : place})`;
  };
  /** An access to a buffer; where it lies in several pieces, by a function that finds the piece. */
  const access = (buffer: number, kind: AccessKind, index: string, value?: string): string => {
    const { name, dtype, bindings: [only, ...others], begins: [begin], used } = viewOf(buffer);
    if (others.length === 0) {
      return accessTo(only, dtype, kind, from(begin, index, kinds[kind].unit), value);
    }
    used.add(kind);
    return value === undefined
      ? `${name}_${kind}(${index})`
      : `${name}_${kind}(${index}, ${value});`;
  };
  /** The functions of a storage in several pieces, by an index `i` of all of it. */
  const functionsOf = ({ name, dtype, bindings, begins, used }: View): string[] =>
    [...used].map((kind) => {
      const { unit } = kinds[kind];
      const type = unit === 4 ? `vec4<${storageType(dtype)}>` : storageType(dtype);
      const isWrite = kind === "setWord" || kind === "setWords";
      const lines = bindings.map((binding, i) => {
        const index = from(at(begins, i), "i", unit);
        const inPiece = isWrite
          ? `${accessTo(binding, dtype, kind, index, "value")} return;`
          : `return ${accessTo(binding, dtype, kind, index)};`;
        const end = (at(begins, i) + pageBytes / bytesPerElement[dtype]) / unit;
        return i === bindings.length - 1 ? `  ${inPiece}` : `  if (i < ${end}u) { ${inPiece} }`;
      });
      const head = isWrite ? `(i: u32, value: ${type})` : `(i: u32) -> ${type}`;
      return [`fn ${name}_${kind}${head} {`, ...lines, "}"].join("\n");
    });
  const write = (buffer: number) => {
    for (const binding of viewOf(buffer).bindings) binding.written = true;
  };
  const useFunction: Use = (name) => {
    functions.add(name);
    return nameOf(name);
  };
  const word = (buffer: number, index: string): string => access(buffer, "word", index);
  const words = (buffer: number, quad: string): string => access(buffer, "words", quad);

  return {
    width,
    dtype,
    use: useFunction,
    require: (feature) => void required.add(feature),
    declare: (text) => void declarations.push(text),
    inFours(buffer) {
      if (startOf(buffer) !== undefined) return;
      for (const binding of viewOf(buffer).bindings) binding.fours = true;
    },
    isInFours: (buffer) => viewOf(buffer).bindings[0].fours,
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
      write(buffer);
      return access(buffer, "setWord", index, value);
    },
    setWords(buffer, quad, value) {
      write(buffer);
      return access(buffer, "setWords", quad, value);
    },
    finish(body, invocations) {
      const inPieces = [...views.values()].flatMap(functionsOf);
      const list = [...bindings.values()].map((binding) => ({
        ...binding,
        // A shader must not bind one buffer in both ways, and what a program makes shares buffers:
        // pages of its own memory, and small results. A donated operand has a buffer of its own.
        written: binding.written || binding.kind !== "operand",
      }));
      const typeOf = (binding: Binding) =>
        isAtomic(binding)
          ? "atomic<u32>"
          : binding.fours && !binding.isPacked
          ? `vec4<${binding.type}>`
          : binding.type;
      const declared = list.map((binding, i) =>
        `@group(0) @binding(${i}) var<storage, ${binding.written ? "read_write" : "read"}> ` +
        `${binding.name}: array<${typeOf(binding)}>;`
      );
      const accesses = list.flatMap((binding) => {
        const texts = packedSource(binding.name, isAtomic(binding));
        return [...binding.packed].map((access) => texts[access]);
      });
      const source = [
        ...[...required].map((feature) => features.headers.get(feature) ?? ""),
        aliases[width],
        ...declared,
        ...accesses,
        ...inPieces,
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
      const bound = list.map(({ buffer, piece, written }): Bound => ({ buffer, piece, written }));
      return { source, bindings: bound };
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
