/** Loop bodies: steps of a kernel as WGSL statements. */
import { type DType, isStorage } from "../../dtype.ts";
import type { Affine } from "../../lowering/affine.ts";
import { wideningOf } from "../../lowering/body.ts";
import type { Step } from "../../lowering/kernels.ts";
import { at } from "../../shape.ts";
import type { KernelContext } from "./dispatch.ts";
import { applied, constant } from "./operations.ts";
import { isAligned, type Loops, positionText, type Shader } from "./shader.ts";
import { laneType, wordType } from "./types.ts";

/** A value of an element type from storage words, and back. */
export function fromWords(dtype: DType, words: string): string {
  return dtype === "bool" ? `(${words} != U(0u))` : words;
}

/** The storage words of a value. */
export function toWords(dtype: DType, value: string): string {
  return dtype === "bool" ? `select(U(0u), U(1u), ${value})` : value;
}

/**
 * Steps that read an element as f32, which elements of 16 bits are widened to; the last has it.
 *
 * @param before The number of steps that stand before these.
 */
export function floatSteps(
  { buffers }: Pick<KernelContext, "buffers">,
  buffer: number,
  place: Affine,
  before = 0,
): Step[] {
  const { dtype } = at(buffers, buffer);
  if (!isStorage(dtype)) return [{ kind: "load", dtype: "f32", buffer, at: place }];
  return [
    { kind: "load", dtype: "u32", buffer, at: place },
    { kind: "apply", dtype: "f32", op: wideningOf(dtype), operands: [before] },
  ];
}

/** Accesses of buffers by a body. */
export interface Access {
  readonly buffer: number;
  readonly at: Affine;
}

/** Reads of a body. */
export function loadsOf(steps: readonly Step[]): Access[] {
  return steps.flatMap((step) => step.kind === "load" ? [step] : []);
}

/** Tells a shader which buffers are accessed only in aligned fours, or in one place for all. */
export function chooseFours(
  shader: Shader,
  accesses: readonly Access[],
  vector: number | undefined,
  storageOf: (buffer: number) => string,
): void {
  if (vector === undefined) return;
  const suits = new Map<string, boolean>();
  for (const { buffer, at: place } of accesses) {
    const key = storageOf(buffer);
    suits.set(key, (suits.get(key) ?? true) && isAligned(place, vector));
  }
  for (const { buffer } of accesses) if (suits.get(storageOf(buffer))) shader.inFours(buffer);
}

/** The expressions of a body's reads and writes. */
export interface AccessText {
  /** The element, or four, at a place. */
  load(access: Access): string;
  /** A statement that writes the element, or four, to a place. */
  store(access: Access, value: string): string;
  /** A statement that writes one of four. */
  storeLane(access: Access, value: string, lane: number): string;
  /** The position itself. */
  position(place: Affine): string;
}

/** Accesses in loops; in fours where the buffer is accessed so and the place is aligned. */
export function accessesIn(shader: Shader, loops: Loops): AccessText {
  const { vector } = loops;
  const scalar = (place: Affine) => positionText(place, loops, false);
  const isFour = ({ buffer, at }: Access) =>
    vector !== undefined && shader.isInFours(buffer) && isAligned(at, vector);
  const storeLane = ({ buffer, at: place }: Access, value: string, lane: number) => {
    const stride = vector === undefined ? 0 : at(place.strides, vector);
    const index = scalar({ ...place, offset: place.offset + lane * stride });
    return shader.setWord(buffer, index, `(${toWords(shader.dtype(buffer), value)})[${lane}]`);
  };
  return {
    load(access) {
      const { buffer, at: place } = access;
      const dtype = shader.dtype(buffer);
      const stride = vector === undefined ? 0 : at(place.strides, vector);
      const type = wordType(dtype);
      if (vector === undefined || stride === 0) {
        return fromWords(dtype, `${type}(${shader.word(buffer, scalar(place))})`);
      }
      if (isFour(access)) {
        return fromWords(dtype, shader.words(buffer, positionText(place, loops, true)));
      }
      const lanes = [0, 1, 2, 3].map((lane) =>
        shader.word(buffer, scalar({ ...place, offset: place.offset + lane * stride }))
      );
      return fromWords(dtype, `${type}(${lanes.join(", ")})`);
    },
    store(access, value) {
      const { buffer, at: place } = access;
      if (isFour(access)) {
        const words = toWords(shader.dtype(buffer), value);
        return shader.setWords(buffer, positionText(place, loops, true), words);
      }
      if (vector !== undefined) {
        return [0, 1, 2, 3].map((lane) => storeLane(access, value, lane)).join(" ");
      }
      // A module that works on four lanes may still store one for all.
      if (shader.width === 4) return storeLane(access, value, 0);
      return shader.setWord(buffer, scalar(place), toWords(shader.dtype(buffer), value));
    },
    storeLane,
    position(place) {
      const first = `U(${scalar(place)})`;
      const stride = vector === undefined ? 0 : at(place.strides, vector);
      if (vector === undefined || stride === 0) return first;
      return `${first} + U(0u, ${stride}u, ${2 * stride}u, ${3 * stride}u)`;
    },
  };
}

/** The name of a step's value. */
export function valueName(step: number): string {
  return `v${step}`;
}

/** The steps to compute, and the values of steps that are known already. */
export interface Emission {
  /** Whether a step is computed here (default: all are). */
  readonly wanted?: (step: number) => boolean;
  /** The value of a step, if it is known without computing it. */
  readonly given?: (step: Step) => string | undefined;
}

/** Statements that compute steps. */
export function emitSteps(
  shader: Shader,
  steps: readonly Step[],
  loops: Loops,
  { wanted = () => true, given = () => undefined }: Emission = {},
): string[] {
  const { load, position } = accessesIn(shader, loops);
  const expression = (step: Step): string => {
    switch (step.kind) {
      case "load":
        return load(step);
      case "constant":
        return constant(step.dtype, step.value, shader.use);
      case "index": {
        const type = laneType(step.dtype);
        return type === "U" ? position(step.at) : `${type}(${position(step.at)})`;
      }
      case "random": {
        const words = step.operands.map(valueName);
        return `${shader.use("threefry")}(${[position(step.at), ...words].join(", ")})`;
      }
      case "apply": {
        const operands = step.operands.map((index) => ({
          text: valueName(index),
          dtype: steps[index]?.dtype ?? step.dtype,
        }));
        return applied(step, operands, shader.use);
      }
      default:
        return step satisfies never;
    }
  };
  return steps.flatMap((step, index) =>
    wanted(index) ? [`let ${valueName(index)} = ${given(step) ?? expression(step)};`] : []
  );
}
