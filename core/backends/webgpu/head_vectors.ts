/** Vectors of heads in a shader: strided views, read and written in pieces of four elements. */
import type { AttentionSizes, HeadVectors } from "../../lowering/kernels.ts";
import { FOUR } from "./matrix.ts";
import type { Shader } from "./shader.ts";

/**
 * The two kinds of vectors of a head of keys: its own, and the vectors of the queries that see it.
 */
export type Side = "queries" | "keys";

/** The side that sees, or is seen by, a side. */
export const opposite: Readonly<Record<Side, Side>> = { queries: "keys", keys: "queries" };

/** Heads of queries for each head of keys. */
export function groupOf({ heads, keyHeads }: AttentionSizes): number {
  return keyHeads === 0 ? 1 : heads / keyHeads;
}

/**
 * The number of vectors of a side that belong to a head of keys. Queries are numbered position by
 * position, and at each position head by head of the group.
 */
export function countOf(sizes: AttentionSizes, side: Side): number {
  return side === "keys" ? sizes.keys : sizes.queries * groupOf(sizes);
}

/** The position of a vector by its number, as text. */
export function positionOf(sizes: AttentionSizes, side: Side, number: string): string {
  const group = groupOf(sizes);
  return side === "keys" || group === 1 ? number : `(${number}) / ${group}u`;
}

/** Access of a shader to vectors of the head of keys `head` of the sequence `sequence`. */
export interface HeadAccess {
  /** The beginning of the vectors. */
  base(vectors: HeadVectors, side: Side): string;
  /** The beginning of a vector, from its number and the beginning of all vectors. */
  place(vectors: HeadVectors, side: Side, base: string, number: string): string;
  /** A piece of a vector, by where the vector begins; elements beyond its end are 0. */
  read(vectors: HeadVectors, place: string, piece: string): string;
  /** A statement that writes a piece of a vector. */
  write(vectors: HeadVectors, place: string, piece: number, value: string): string;
}

/** A sum of products of variables and steps, as text. */
function sumOf(offset: number, terms: readonly (readonly [variable: string, step: number])[]) {
  const products = terms.filter(([, step]) => step !== 0)
    .map(([variable, step]) => step === 1 ? variable : `(${variable}) * ${step}u`);
  return [...(offset === 0 && products.length > 0 ? [] : [`${offset}u`]), ...products].join(" + ");
}

/**
 * Access to all vectors that a shader uses: in fours where the vectors of a storage all begin at
 * multiples of four.
 */
export function accessTo(
  sizes: AttentionSizes,
  used: readonly HeadVectors[],
  shader: Shader,
  storageOf: (buffer: number) => string,
): HeadAccess {
  const { width } = sizes;
  const group = groupOf(sizes);
  const beginsAtFours = ({ offset, sequence, position, head }: HeadVectors) =>
    [width, offset, sequence, position, head].every((step) => step % 4 === 0);
  const odd = new Set(
    used.filter((vectors) => !beginsAtFours(vectors)).map(({ buffer }) => storageOf(buffer)),
  );
  const unitOf = ({ buffer }: HeadVectors): 1 | 4 => odd.has(storageOf(buffer)) ? 1 : 4;
  for (const vectors of used) {
    if (unitOf(vectors) === 4) shader.inFours(vectors.buffer);
  }
  const element = (piece: string, lane: number) => `(${piece}) * 4u + ${lane}u`;
  return {
    base(vectors, side) {
      const unit = unitOf(vectors);
      const head = side === "keys" ? vectors.head : vectors.head * group;
      return sumOf(vectors.offset / unit, [
        ["sequence", vectors.sequence / unit],
        ["head", head / unit],
      ]);
    },
    place(vectors, side, base, number) {
      const unit = unitOf(vectors);
      const member = side === "keys" || group === 1
        ? []
        : [[`(${number}) % ${group}u`, vectors.head / unit] as const];
      const own = sumOf(0, [
        [positionOf(sizes, side, number), vectors.position / unit],
        ...member,
      ]);
      return `${base} + ${own}`;
    },
    read(vectors, place, piece) {
      const { buffer } = vectors;
      if (unitOf(vectors) === 4) return shader.words(buffer, `${place} + ${piece}`);
      const lanes = FOUR.map((lane) => {
        const index = element(piece, lane);
        if (width % 4 === 0) return shader.word(buffer, `${place} + ${index}`);
        const word = shader.word(buffer, `${place} + min(${index}, ${width - 1}u)`);
        return `select(0f, ${word}, ${index} < ${width}u)`;
      });
      return `vec4f(${lanes.join(", ")})`;
    },
    write(vectors, place, piece, value) {
      const { buffer } = vectors;
      if (unitOf(vectors) === 4) return shader.setWords(buffer, `${place} + ${piece}u`, value);
      return FOUR.filter((lane) => 4 * piece + lane < width).map((lane) =>
        shader.setWord(buffer, `${place} + ${4 * piece + lane}u`, `(${value})[${lane}]`)
      ).join(" ");
    },
  };
}
