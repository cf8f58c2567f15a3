/**
 * A pass of attention over its rows (queries, or keys), each of which sees others (keys, or
 * queries) go by, four at a time. Rows of a head of keys are the rows of all queries that share it
 * (grouped queries, arXiv 2305.13245).
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";
import type { Plan, RowSteps, Tools } from "./attention_plan.ts";
import { carry, joinLanes, LOWEST, type Memory, type RowSums } from "./attention_sums.ts";
import { lastOf, type Texts, ways } from "./attention_ways.ts";
import type { Dispatch, KernelContext } from "./dispatch.ts";
import {
  accessTo,
  countOf,
  type HeadAccess,
  opposite,
  positionOf,
  type Side,
} from "./head_vectors.ts";
import { inRanges, type RangeOf } from "./loops.ts";
import { FOUR, upTo } from "./matrix.ts";
import { makeShader, type Shader } from "./shader.ts";

/** Integers, one after the other in a buffer. */
export interface Integers {
  /** A buffer of i32, or of words. */
  readonly buffer: number;
  /** The first of its words. */
  readonly first: number;
}

/** The integers that say which keys a query sees. */
export interface MaskIntegers {
  /** The position of the first query of each sequence. */
  readonly start: Integers | undefined;
  /** The segment of each query, and of each key. */
  readonly segments: Readonly<Record<Side, Integers>> | undefined;
}

/** The dispatches of a pass: of each slice of its sums, range by range. */
export function emitPass(
  plan: Plan,
  mask: MaskIntegers,
  memory: Memory | undefined,
  context: KernelContext,
): Dispatch[] {
  const counter = memory && { buffer: memory.buffer, index: memory.counter };
  return plan.slices.flatMap((slice) =>
    inRanges(
      plan.span,
      plan.range,
      context,
      (rangeOf) => emitSlice(plan, slice, rangeOf, mask, memory, context),
      counter,
    )
  );
}

/** The values that the parts of a shader are written from. */
interface Writing {
  readonly plan: Plan;
  /** The pieces whose sums are computed. */
  readonly slice: readonly number[];
  readonly shader: Shader;
  readonly access: HeadAccess;
  /** The segment of a vector of a side by its number, if there are segments. */
  readonly segment: ((side: Side, number: string) => string) | undefined;
  /** Whether `sees` tells if a row has seen anything, since its range does not. */
  readonly hasFlag: boolean;
}

/** A pass for some pieces of its sums, over a range of the others. */
function emitSlice(
  plan: Plan,
  slice: readonly number[],
  rangeOf: RangeOf,
  mask: MaskIntegers,
  memory: Memory | undefined,
  context: KernelContext,
): Dispatch[] {
  const { pass, sizes, way, lanes } = plan;
  const count = countOf(sizes, pass.rows);
  const shader = makeShader(context, 4);
  shader.use("exp");
  if (memory !== undefined) shader.inFours(memory.buffer);
  const range = rangeOf(shader, way === "tiles");
  const vectors = [pass.own, pass.others, pass.results].flatMap((all) => Object.values(all));
  const access = accessTo(sizes, vectors, shader, context.storageOf);
  const segment = segmentsIn(mask, sizes, shader);
  const hasFlag = pass.rows === "queries" && segment !== undefined;
  const writing: Writing = { plan, slice, shader, access, segment, hasFlag };
  const { step, finish } = pass.steps(toolsOf(writing));
  const sums = sumsOf(writing);
  const end = upTo(plan.rows).flatMap((row) => [
    `if (firstRow + ${row}u < ${count}u) {`,
    ...(memory === undefined || range.isFirst === undefined
      ? finish(row, slice[0] === 0)
      : carry(sums, row, count, memory, range, shader, finish(row, slice[0] === 0))),
    "}",
  ]);
  const texts: Texts = {
    shader,
    range,
    access,
    head: headLines(writing, mask),
    rows: rowLines(writing),
    see: seeLines(writing, step),
    join: lanes === 1 ? [] : joinLanes(sums, lanes, shader),
    end,
    segment: segment && ((other) => segment(opposite[pass.rows], other)),
  };
  return ways[way](plan, texts, context.tuning);
}

/** An integer of the mask. */
function integer({ buffer, first }: Integers, index: string, shader: Shader): string {
  const word = shader.word(buffer, first === 0 ? index : `${first}u + ${index}`);
  return shader.dtype(buffer) === "i32" ? word : `bitcast<i32>(${word})`;
}

/** The expression that reads a vector's segment, if there are segments. */
function segmentsIn(
  { segments }: MaskIntegers,
  sizes: AttentionSizes,
  shader: Shader,
): Writing["segment"] {
  return segments && ((side, number) => {
    const position = positionOf(sizes, side, number);
    return integer(segments[side], `sequence * ${sizes[side]}u + ${position}`, shader);
  });
}

function named<T>(of: Readonly<Record<string, T>>, name: string): T {
  const found = of[name];
  if (found === undefined) throw new RangeError(`the pass has no vectors ${name}`);
  return found;
}

/** The pieces of a vector. */
function piecesOf({ sizes }: Plan): number[] {
  return upTo(Math.ceil(sizes.width / 4));
}

/** A piece of a vector of a row. */
function readOwn({ plan, access }: Writing, name: string, row: number, piece: string): string {
  return access.read(named(plan.pass.own, name), `${name}Place${row}`, piece);
}

/** A piece of a vector of one of four others. */
function readOther({ plan, access }: Writing, name: string, c: number, piece: string): string {
  return plan.way === "tiles"
    ? `${name}Tile[(first - tileStart + ${c}u) * ${piecesOf(plan).length}u + ${piece}]`
    : access.read(named(plan.pass.others, name), `${name}Place${c}`, piece);
}

function toolsOf(writing: Writing): Tools {
  const { plan, slice, shader, access, hasFlag } = writing;
  const { pass, seen, isWhole } = plan;
  const pieces = piecesOf(plan);
  return {
    shader,
    dots(name, own, row, other) {
      if (isWhole) {
        const all = FOUR.map((c) =>
          pieces.map((p) => `dot(${own}${row}_${p}, ${other}${c}_${p})`).join(" + ")
        );
        return [`let ${name} = vec4f(${all.join(", ")});`];
      }
      const each = FOUR.map((c) => `dot(piece, ${readOther(writing, other, c, "p")})`);
      return [
        `var ${name} = vec4f();`,
        `for (var p = 0u; p < ${pieces.length}u; p++) {`,
        `let piece = ${readOwn(writing, own, row, "p")};`,
        `${name} += vec4f(${each.join(", ")});`,
        "}",
      ];
    },
    add: (sum, row, other, factors, scaledBy) =>
      slice.map((p) => {
        const name = `${sum}${row}_${p}`;
        const before = scaledBy === undefined ? name : `${name} * ${scaledBy}`;
        const added = FOUR.map((c) => `${factors}[${c}] * ${other}${c}_${p}`);
        return `${name} = ${[before, ...added].join(" + ")};`;
      }),
    write(to, row, value) {
      const result = named(pass.results, to);
      const place = access.place(result, pass.rows, `${to}Base`, `number${row}`);
      return [
        `let ${to}Place${row} = ${place};`,
        ...slice.map((p) => access.write(result, `${to}Place${row}`, p, value(p))),
      ];
    },
    unlessEmpty(row, value) {
      if (!seen.mayBeEmpty) return value;
      const isEmpty = hasFlag ? `sees${row} == 0f` : `from${row} >= to${row}`;
      return `select(${value}, vec4f(), ${isEmpty})`;
    },
  };
}

/** The sums of a row; sums of queries are relative to the largest score. */
function sumsOf({ plan: { pass }, slice, hasFlag }: Writing): RowSums {
  const isRelative = pass.rows === "queries";
  const scalars = [...pass.scalars, ...(hasFlag ? ["sees"] : [])];
  return {
    largest: isRelative ? (row) => `largest${row}` : undefined,
    scalars: (row) => scalars.map((name) => `${name}${row}`),
    vectors: (row) => pass.sums.flatMap((name) => slice.map((p) => `${name}${row}_${p}`)),
  };
}

/** Statements that define the values of the head `headNumber`. */
function headLines({ plan, shader, access }: Writing, { start }: MaskIntegers): string[] {
  const { pass: { rows, own, others, results }, sizes, seen, way } = plan;
  const sides = [[own, rows], [others, opposite[rows]], [results, rows]] as const;
  return [
    `let sequence = headNumber / ${sizes.keyHeads}u;`,
    `let head = headNumber % ${sizes.keyHeads}u;`,
    ...(start === undefined
      ? []
      : startLines(integer(start, "sequence", shader), way === "tiles", shader)),
    ...seen.lines,
    ...sides.flatMap(([all, side]) =>
      Object.entries(all).map(([name, vectors]) =>
        `let ${name}Base = ${access.base(vectors, side)};`
      )
    ),
  ];
}

/** Statements that define `start`, alike for all lanes where they meet at barriers. */
function startLines(start: string, isUniform: boolean, shader: Shader): string[] {
  if (!isUniform) return [`let start = ${start};`];
  shader.declare("var<workgroup> startOfAll: i32;");
  return [
    `if (lane == 0u) { startOfAll = ${start}; }`,
    "let start = workgroupUniformLoad(&startOfAll);",
  ];
}

/**
 * Statements that define rows, the ranges that they see, their vectors, and their sums, 0 so far.
 */
function rowLines(writing: Writing): string[] {
  const { plan, access, segment } = writing;
  const { pass: { rows: side, own }, sizes, seen, isWhole } = plan;
  const { largest, scalars, vectors } = sumsOf(writing);
  return upTo(plan.rows).flatMap((row) => {
    const number = `number${row}`;
    return [
      // Beyond the end the last row is computed again, and not written.
      `let ${number} = min(firstRow + ${row}u, ${lastOf(countOf(sizes, side))});`,
      `let from${row} = ${seen.from(number)};`,
      ...(segment === undefined ? [`let to${row} = ${seen.to(number)};`] : [
        `let segment${row} = ${segment(side, number)};`,
        `let to${row} = select(${seen.to(number)}, 0u, segment${row} < 0);`,
      ]),
      ...Object.entries(own).flatMap(([name, from]) => [
        `let ${name}Place${row} = ${access.place(from, side, `${name}Base`, number)};`,
        ...(isWhole ? piecesOf(plan) : []).map((p) =>
          `let ${name}${row}_${p} = ${readOwn(writing, name, row, `${p}u`)};`
        ),
      ]),
      ...vectors(row).map((name) => `var ${name} = vec4f();`),
      ...(largest === undefined ? [] : [`var ${largest(row)} = ${LOWEST};`]),
      ...scalars(row).map((name) => `var ${name} = 0f;`),
    ];
  });
}

/** Statements by which rows see four others, from `first` on. */
function seeLines(writing: Writing, step: RowSteps["step"]): string[] {
  const { plan, slice, access, segment, hasFlag } = writing;
  const { pass, seen, way, isWhole } = plan;
  const side = opposite[pass.rows];
  const vectors = Object.entries(pass.others);
  const isSeen = (row: number) =>
    [
      ...(seen.isFromFirst ? [] : [`(four >= vec4u(from${row}))`]),
      `(four < vec4u(to${row}))`,
      ...(segment === undefined ? [] : [`(segments == vec4i(segment${row}))`]),
    ].join(" & ");
  const places = vectors.flatMap(([name, from]) =>
    FOUR.map((c) =>
      `let ${name}Place${c} = ${access.place(from, side, `${name}Base`, `other${c}`)};`
    )
  );
  const segments = segment &&
    FOUR.map((c) =>
      way === "tiles" ? `segmentTile[first - tileStart + ${c}u]` : segment(side, `other${c}`)
    );
  return [
    "let four = vec4u(first, first + 1u, first + 2u, first + 3u);",
    // Others that no row sees are not even read.
    ...FOUR.map((c) => `let other${c} = min(four[${c}], end - 1u);`),
    ...(way === "tiles" ? [] : places),
    ...vectors.flatMap(([name]) =>
      FOUR.flatMap((c) =>
        (isWhole ? piecesOf(plan) : slice).map((p) =>
          `let ${name}${c}_${p} = ${readOther(writing, name, c, `${p}u`)};`
        )
      )
    ),
    ...(segments === undefined ? [] : [`let segments = vec4i(${segments.join(", ")});`]),
    ...upTo(plan.rows).flatMap((row) => [
      "{",
      `let isSeen = ${isSeen(row)};`,
      ...(segment === undefined ? step(row) : [
        "if (any(isSeen)) {",
        ...(hasFlag ? [`sees${row} = 1f;`] : []),
        ...step(row),
        "}",
      ]),
      "}",
    ]),
  ];
}
