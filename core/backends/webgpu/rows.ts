/** Rows of a table by their numbers, and the sums of updates of rows. */
import type { Extent } from "../../lowering/cut.ts";
import type { KernelOf } from "../../lowering/kernels.ts";
import { levelsOf } from "../../lowering/levels.ts";
import { copier, copyInto } from "./copier.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  dispatchOf,
  type KernelContext,
  overElements,
} from "./dispatch.ts";
import { inLevels, inRanges, LOOP_ROUNDS, type Range, type RangeOf } from "./loops.ts";
import {
  across,
  beside,
  countOf,
  elementOf,
  extentsOf,
  inPiece,
  isWithin,
  roomBeside,
  touching,
  when,
  wholeExtent,
} from "./pieces.ts";
import { wordType, zeroWord } from "./types.ts";

/** The rows of a table, each element a copy. */
export const gather: DispatchEmitter<"gather"> = (kernel, context) => {
  const { table, ids, output, count, width } = kernel;
  if (count * width === 0) return [];
  return extentsOf(context, output, 1).flatMap((to) => {
    const touched = [[output, to], [ids, beside(to, width)]] as const;
    return extentsOf(context, table, roomBeside(context, touched)).flatMap((from) =>
      gatherPart(kernel, touching(context, [...touched, [table, from]]), from, to)
    );
  });
};

/** Copies rows from some of the table to some of the output; the first part has missing rows, too. */
function gatherPart(
  { table, ids, output, rows, width, missing }: KernelOf<"gather">,
  context: KernelContext,
  from: Extent,
  to: Extent,
): Dispatch[] {
  const { shader, unit, get, set } = copier(context, width, [table, output]);
  const units = width / unit;
  const dtype = shader.dtype(output);
  const value = dtype === "f32" ? `${shader.use("nan")}()` : `${wordType(dtype)}(${missing})`;
  const element = elementOf(to, unit);
  const copy = set(output, element, get(table, "place"));
  return overElements(shader, countOf(to, unit), context.tuning, [
    // Unsigned, so that negative ids are outside too.
    `let id = u32(${shader.word(ids, `${element} / ${units}u`)});`,
    `if (id < ${rows}u) {`,
    `  let place = id * ${units}u + ${element} % ${units}u;`,
    `  ${when(isWithin(context, "place", [table, from], unit), copy)}`,
    ...from.first === 0 ? [`} else { ${set(output, element, value)} }`] : ["}"],
  ]);
}

/** Products of rows and ids from which on each row looks for its ids in many lanes. */
const SEARCH_TOGETHER = 2 ** 24;

/** Lanes that look for the ids of a row together, and add up the updates of as many ids at a time. */
const SEARCH_LANES = 64;

/** Each row adds up the updates whose id is its own, in their order: no two write one element. */
export const scatterAdd: DispatchEmitter<"scatterAdd"> = (kernel, context) => {
  const { table, output, rows, width } = kernel;
  if (rows * width === 0) return [];
  const begin = table === undefined ? [] : copyInto(context, output, table, width);
  return [...begin, ...additions(kernel, context)];
};

/** The updates added to what the output has begun with: a table, or nothing where it is to be zeros. */
const additions: DispatchEmitter<"scatterAdd"> = (kernel, context) => {
  const { ids, updates, table, output, rows, count, width } = kernel;
  const isTogether = context.tuning.tiles && rows * count >= SEARCH_TOGETHER;
  const addRange = isTogether ? searchTogether : searchAlone;
  const [isBegun, isOnly] = [table !== undefined, count <= LOOP_ROUNDS];
  if (!context.isApart) {
    const to = wholeExtent(context, output);
    return inRanges(
      count,
      LOOP_ROUNDS,
      context,
      (rangeOf) => addRange(kernel, context, { to, rangeOf, goesOn: isBegun && isOnly }),
    );
  }
  return extentsOf(context, output, 1).flatMap((to) =>
    idsAtOnce(kernel, context, to).flatMap((own) => {
      const touched = [[output, to], [ids, own], [updates, across(own, width)]] as const;
      // Whole ranges are added to those before, and a part of the only one goes on with its sums.
      const isStart = own.first === 0 && !isBegun;
      const range: Range = {
        lines: [],
        begin: `${own.first}u`,
        end: `${Math.min(count, own.last + 1)}u`,
        isFirst: isStart || isOnly ? undefined : "false",
        isLast: undefined,
      };
      return addRange(kernel, touching(context, touched), {
        to,
        rangeOf: () => range,
        goesOn: isOnly && !isStart,
      });
    })
  );
};

/**
 * The ids whose updates a dispatch adds, which end where a total goes on to the sum of totals, so
 * that the sums are those of one dispatch.
 */
function idsAtOnce(
  { ids, updates, output, count, width }: KernelOf<"scatterAdd">,
  context: KernelContext,
  to: Extent,
): Extent[] {
  const room = roomBeside(context, [[output, to]]) - 2;
  const fitting = Math.min(
    (room - 1) * inPiece(context, updates) / width,
    inPiece(context, ids),
  );
  const block = levelsOf([count]).at(-1)?.rounds ?? SEARCH_LANES;
  const few = count > LOOP_ROUNDS ? LOOP_ROUNDS : block * Math.max(1, Math.floor(fitting / block));
  return Array.from({ length: Math.max(1, Math.ceil(count / few)) }, (_, i) => ({
    first: i * few,
    last: Math.max(0, Math.min(count, (i + 1) * few) - 1),
  }));
}

/** The part of a sum over updates that a dispatch adds. */
interface Addition {
  /** The elements of the output that it writes. */
  readonly to: Extent;
  /** The range of the ids. */
  readonly rangeOf: RangeOf;
  /** Whether the sums go on from what the output has. */
  readonly goesOn: boolean;
}

/** Adds up the updates of a range of ids. */
type AddRange = (
  kernel: KernelOf<"scatterAdd">,
  context: KernelContext,
  addition: Addition,
) => Dispatch[];

/** The operands with which rows are added up. */
function adderOf(
  { updates, table, output, width }: KernelOf<"scatterAdd">,
  context: KernelContext,
  goesOn: boolean,
) {
  const { shader, unit, get, set } = copier(context, width, [updates, output]);
  const units = width / unit;
  const zero = zeroWord(shader.dtype(output));
  return {
    shader,
    unit,
    units,
    zero,
    begin: (place: string) => `var total = ${goesOn ? get(output, place) : zero};`,
    add: (total: string, i: string, column: string) =>
      `${total} += ${get(updates, `${i} * ${units}u + ${column}`)};`,
    /** The sums of other ranges are there already, and so is the table. */
    finish: (place: string, { isFirst }: Range) => {
      const own = get(output, place);
      const before = table === undefined ? `select(${own}, ${zero}, ${isFirst})` : own;
      return set(output, place, isFirst === undefined ? "total" : `${before} + total`);
    },
  };
}

const searchAlone: AddRange = (kernel, context, { to, rangeOf, goesOn }) => {
  const { ids, count } = kernel;
  const { shader, unit, units, zero, begin, add, finish } = adderOf(kernel, context, goesOn);
  const range = rangeOf(shader);
  const element = elementOf(to, unit);
  const loop = {
    total: "total",
    zero,
    variable: "i",
    begin: range.begin,
    end: range.end,
    step: 1,
    rounds: Math.min(count, LOOP_ROUNDS),
  };
  return overElements(shader, countOf(to, unit), context.tuning, [
    ...range.lines,
    `let row = ${element} / ${units}u;`,
    begin(element),
    ...inLevels(loop, (total) => [
      `  if (u32(${shader.word(ids, "i")}) == row) { ${
        add(total, "i", `${element} % ${units}u`)
      } }`,
    ]),
    finish(element, range),
  ]);
};

const searchTogether: AddRange = (kernel, context, { to, rangeOf, goesOn }) => {
  const { ids, output, width, count } = kernel;
  const { shader, unit, units, zero, begin, add, finish } = adderOf(kernel, context, goesOn);
  const range = rangeOf(shader, true);
  const lanes = SEARCH_LANES;
  const blocks = Math.ceil(units / lanes);
  const rows = beside(to, width);
  const workgroups = (rows.last - rows.first + 1) * blocks;
  const place = `row * ${units}u + column`;
  const isOwn = isWithin(context, "place", [output, to], unit);
  shader.declare(`var<workgroup> matches: array<bool, ${lanes}>;`);
  shader.declare("var<workgroup> lastMatch: atomic<u32>;");
  const body = [
    ...range.lines,
    `if (workgroup >= ${workgroups}u) { return; }`,
    `let row = ${rows.first === 0 ? "" : `${rows.first}u + `}workgroup / ${blocks}u;`,
    `let own = workgroup % ${blocks}u * ${lanes}u + lane;`,
    // Lanes beyond the last column look for ids too, so that all meet at the barriers.
    `let column = min(own, ${units - 1}u);`,
    `let place = ${place};`,
    begin("place"),
    `for (var first = ${range.begin}; first < ${range.end}; first += ${lanes}u) {`,
    "  let i = first + lane;",
    `  let isMatch = i < ${range.end} && u32(${shader.word(ids, `min(i, ${count - 1}u)`)}) == row;`,
    "  matches[lane] = isMatch;",
    "  if (isMatch) { atomicStore(&lastMatch, first + 1u); }",
    "  workgroupBarrier();",
    "  if (atomicLoad(&lastMatch) == first + 1u) {",
    `    var part = ${zero};`,
    `    for (var j = 0u; j < ${lanes}u; j++) {`,
    `      if (matches[j]) { ${add("part", "(first + j)", "column")} }`,
    "    }",
    "    total += part;",
    "  }",
    "  workgroupBarrier();",
    "}",
    `if (own < ${units}u) { ${when(isOwn, finish("place", range))} }`,
  ];
  return dispatchOf(shader, body, { workgroups, invocations: lanes });
};
