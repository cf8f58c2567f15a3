/**
 * The ways to go over the rows of attention:
 *
 * - alone: an invocation has some rows, and reads the vectors that they see;
 * - in tiles: the others pass through workgroup memory, from which all invocations of a workgroup,
 *   each with a row, read them;
 * - together: the invocations of a workgroup share the vectors that one row sees, and join their
 * sums.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import type { Plan } from "./attention_plan.ts";
import { type Dispatch, dispatchOf, overElements, type Tuning } from "./dispatch.ts";
import { countOf, type HeadAccess, opposite } from "./head_vectors.ts";
import type { Range } from "./loops.ts";
import { upTo } from "./matrix.ts";
import type { Shader } from "./shader.ts";

/** The parts of a pass as text, and the names that they use. */
export interface Texts {
  readonly shader: Shader;
  readonly range: Range;
  readonly access: HeadAccess;
  /** Statements that define the values of the head `headNumber`. */
  readonly head: readonly string[];
  /** Statements that define the rows from `firstRow` on. */
  readonly rows: readonly string[];
  /** Statements by which the rows see four others from `first` on. */
  readonly see: readonly string[];
  /** Statements that join the sums of all lanes in the first one. */
  readonly join: readonly string[];
  /** Statements that write the sums of the rows, in the end or for the next range. */
  readonly end: readonly string[];
  /** The segment of an other, if there are segments. */
  readonly segment: ((other: string) => string) | undefined;
}

/** The number of the last of some, if there are any. */
export function lastOf(count: number): string {
  return `${Math.max(0, count - 1)}u`;
}

/** Heads of keys of all sequences. */
function numberOfHeads({ batch, keyHeads }: AttentionSizes): number {
  return batch * keyHeads;
}

/** The others that rows see from `begin` to `end`, in this range of them. */
function boundsOf(begin: string, end: string, { isFirst, begin: from, end: to }: Range): string[] {
  if (isFirst === undefined) return [`let begin = ${begin};`, `let end = ${end};`];
  return [
    `let begin = ${begin} + ${from};`,
    `let end = min(${end}, ${begin} + ${to});`,
  ];
}

/** A way to go over the rows of all heads. */
type Way = (plan: Plan, texts: Texts, tuning: Tuning) => Dispatch[];

/** The end of the range that the rows of an invocation see. */
function endOf(rows: number): string {
  return upTo(rows).map((row) => `to${row}`).reduce((a, b) => `max(${a}, ${b})`);
}

const alone: Way = ({ sizes, pass, rows }, { shader, range, ...texts }, tuning) => {
  const blocks = Math.ceil(countOf(sizes, pass.rows) / rows);
  const count = numberOfHeads(sizes) * blocks;
  return overElements(shader, count, { ...tuning, workgroup: tuning.vector }, [
    ...range.lines,
    `let headNumber = element / ${blocks}u;`,
    `let firstRow = element % ${blocks}u * ${rows}u;`,
    ...texts.head,
    ...texts.rows,
    ...boundsOf("from0", endOf(rows), range),
    "for (var first = begin; first < end; first += 4u) {",
    ...texts.see,
    "}",
    ...texts.end,
  ]);
};

const together: Way = ({ sizes, pass, lanes }, { shader, range, ...texts }) => {
  const blocks = countOf(sizes, pass.rows);
  const workgroups = numberOfHeads(sizes) * blocks;
  const body = [
    ...range.lines,
    `let headNumber = workgroup / ${blocks}u;`,
    `if (headNumber >= ${numberOfHeads(sizes)}u) { return; }`,
    `let firstRow = workgroup % ${blocks}u;`,
    ...texts.head,
    ...texts.rows,
    ...boundsOf("from0", "to0", range),
    `for (var first = begin + lane * 4u; first < end; first += ${4 * lanes}u) {`,
    ...texts.see,
    "}",
    ...texts.join,
    "if (lane == 0u) {",
    ...texts.end,
    "}",
  ];
  return dispatchOf(shader, body, { workgroups, invocations: lanes });
};

const tiles: Way = ({ sizes, pass, seen, block, tile }, texts) => {
  const { shader, range, access, segment } = texts;
  const count = countOf(sizes, pass.rows);
  const otherSide = opposite[pass.rows];
  const pieces = Math.ceil(sizes.width / 4);
  const vectors = Object.entries(pass.others);
  const blocks = Math.ceil(count / block);
  const workgroups = numberOfHeads(sizes) * blocks;
  for (const [name] of vectors) {
    shader.declare(`var<workgroup> ${name}Tile: array<vec4f, ${tile * pieces}>;`);
  }
  if (segment !== undefined) {
    shader.declare(`var<workgroup> segmentTile: array<i32, ${tile}>;`);
  }
  const fill = (count: number, statements: (other: string) => readonly string[], each: string) => [
    `for (var item = lane; item < ${count}u; item += ${block}u) {`,
    `let other = min(tileStart + ${each}, end - 1u);`,
    ...statements("other"),
    "}",
  ];
  const fills = [
    ...vectors.flatMap(([name, from]) =>
      fill(tile * pieces, (other) => [
        `let otherPlace = ${access.place(from, otherSide, `${name}Base`, other)};`,
        `${name}Tile[item] = ${access.read(from, "otherPlace", `item % ${pieces}u`)};`,
      ], `item / ${pieces}u`)
    ),
    ...(segment === undefined
      ? []
      : fill(tile, (other) => [`segmentTile[item] = ${segment(other)};`], "item")),
  ];
  const isNear = ["first < to0", ...(seen.isFromFirst ? [] : ["first + 3u >= from0"])];
  const body = [
    ...range.lines,
    `let headNumber = workgroup / ${blocks}u;`,
    `if (headNumber >= ${numberOfHeads(sizes)}u) { return; }`,
    `let blockStart = workgroup % ${blocks}u * ${block}u;`,
    "let firstRow = blockStart + lane;",
    ...texts.head,
    ...texts.rows,
    // All lanes of a workgroup meet at the barriers, so that they see the same tiles.
    `let blockEnd = min(blockStart + ${block - 1}u, ${lastOf(count)});`,
    ...boundsOf(seen.from("blockStart"), seen.to("blockEnd"), range),
    `for (var tileStart = begin; tileStart < end; tileStart += ${tile}u) {`,
    ...fills,
    "workgroupBarrier();",
    `for (var first = tileStart; first < tileStart + ${tile}u; first += 4u) {`,
    `if (${isNear.join(" && ")}) {`,
    ...texts.see,
    "}",
    "}",
    "workgroupBarrier();",
    "}",
    ...texts.end,
  ];
  return dispatchOf(shader, body, { workgroups, invocations: block });
};

/** Dispatches over the rows of all heads, by the way that a plan has. */
export const ways: Readonly<Record<Plan["way"], Way>> = { alone, together, tiles };
