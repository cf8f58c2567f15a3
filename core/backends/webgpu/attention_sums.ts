/**
 * Sums of attention that are made in parts: range after range of the positions that a row sees, or
 * by several lanes. Parts of queries are relative to their own largest scores, as in
 * FlashAttention.
 */
import type { Range } from "./loops.ts";
import { upTo } from "./matrix.ts";
import type { Shader } from "./shader.ts";

/** Less than every score, but finite: differences of scores are numbers. */
export const LOWEST = "-3.4e38f";

/** Pieces of each lane that are joined at once, half of the workgroup memory that there always is. */
const JOINED_PIECES = 8;

/** Memory of a kernel between its dispatches: runs of words of one buffer, in fours. */
export interface Memory {
  readonly buffer: number;
  /** The buffer of the range's number. */
  readonly counter: number;
  /** The buffer in which the sums of rows wait for the next range. */
  readonly sums: number;
}

/** The sums of a row so far, by the names of their variables. */
export interface RowSums {
  /** The largest score, if all sums are relative to it. */
  readonly largest: ((row: number) => string) | undefined;
  /** Sums of numbers, at most three. */
  readonly scalars: (row: number) => readonly string[];
  /** Sums of fours. */
  readonly vectors: (row: number) => readonly string[];
}

/** Adds the sums of the ranges before to a row's sums, and leaves them to the ranges after. */
export function carry(
  { largest, scalars, vectors }: RowSums,
  row: number,
  count: number,
  { buffer, sums }: Memory,
  { isFirst = "true", isLast = "true" }: Range,
  shader: Shader,
  finish: readonly string[],
): string[] {
  const all = vectors(row);
  const own = largest?.(row);
  const place = (i: number) => `sums + ${i}u`;
  const known = (i: number) => `bitcast<vec4f>(${shader.words(buffer, place(i))})`;
  const keep = (i: number, value: string) =>
    shader.setWords(buffer, place(i), `bitcast<vec4u>(${value})`);
  const add = (name: string, before: string) =>
    own === undefined
      ? `${name} += ${before};`
      : `${name} = ${before} * partBefore + ${name} * partOwn;`;
  return [
    // A row that sees nothing in the range stays as it is.
    `if (${isFirst} || ${isLast} || begin < end) {`,
    `let sums = ${sums / 4}u + (headNumber * ${count}u + number${row}) * ${all.length + 1}u;`,
    `if (!(${isFirst})) {`,
    `let known = ${known(all.length)};`,
    ...(own === undefined ? [] : [
      `let largest = max(known.x, ${own});`,
      "let partBefore = expOf(vec4f(known.x - largest)).x;",
      `let partOwn = expOf(vec4f(${own} - largest)).x;`,
      `${own} = largest;`,
    ]),
    ...scalars(row).map((name, i) => add(name, `known[${i + 1}]`)),
    ...all.map((name, i) => add(name, known(i))),
    "}",
    `if (${isLast}) {`,
    ...finish,
    "} else {",
    ...all.map((name, i) => keep(i, name)),
    keep(all.length, fourOf([own ?? "0f", ...scalars(row)])),
    "}",
    "}",
  ];
}

/** Up to four numbers as one. */
function fourOf(numbers: readonly string[]): string {
  return `vec4f(${[...numbers, "0f", "0f", "0f"].slice(0, 4).join(", ")})`;
}

/** Joins the sums of all lanes, relative to the largest score of all, in the first lane. */
export function joinLanes(sums: RowSums, lanes: number, shader: Shader): string[] {
  const [scalars, all] = [sums.scalars(0), sums.vectors(0)];
  const largest = sums.largest?.(0);
  if (largest === undefined) throw new RangeError("only queries are shared by lanes");
  shader.declare(`var<workgroup> joined: array<vec4f, ${JOINED_PIECES * lanes}>;`);
  const values = [fourOf(scalars), ...all];
  const chunks = upTo(Math.ceil(values.length / JOINED_PIECES))
    .map((number) => values.slice(number * JOINED_PIECES, (number + 1) * JOINED_PIECES));
  return [
    `joined[lane].x = ${largest};`,
    "workgroupBarrier();",
    "var largest = joined[0].x;",
    `for (var other = 1u; other < ${lanes}u; other++) { largest = max(largest, joined[other].x); }`,
    `let part = expOf(vec4f(${largest} - largest)).x;`,
    `${largest} = largest;`,
    ...[...scalars, ...all].map((name) => `${name} *= part;`),
    ...chunks.flatMap((chunk, number) => [
      "workgroupBarrier();",
      ...chunk.map((value, i) => `joined[lane + ${i * lanes}u] = ${value};`),
      "workgroupBarrier();",
      `for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {`,
      "if (lane < half) {",
      `for (var place = lane; place < ${chunk.length * lanes}u; place += ${lanes}u) {`,
      "joined[place] += joined[place + half];",
      "}",
      "}",
      "workgroupBarrier();",
      "}",
      ...chunk.flatMap((value, i) =>
        number === 0 && i === 0
          ? scalars.map((name, j) => `${name} = joined[0][${j}];`)
          : [`${value} = joined[${i * lanes}u];`]
      ),
    ]),
  ];
}
