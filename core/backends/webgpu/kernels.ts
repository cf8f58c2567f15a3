/** Kernels as dispatches: one emitter a kind. */
import { bytesPerElement } from "../../dtype.ts";
import { cutAtPieces, type Extent, extentsOf, halved } from "../../lowering/cut.ts";
import { type Kernel, type KernelOf, usedBuffers } from "../../lowering/kernels.ts";
import { groupBy } from "../../groups.ts";
import { at } from "../../shape.ts";
import { attention, attentionGradient } from "./attention.ts";
import {
  type Dispatch,
  type DispatchEmitter,
  dispatchOf,
  type KernelContext,
  overElements,
} from "./dispatch.ts";
import { inLevels, inRanges, LOOP_ROUNDS, type Range, type RangeOf } from "./loops.ts";
import { map } from "./map.ts";
import { matmul } from "./matmul.ts";
import { reduce } from "./reduce.ts";
import { makeShader, type Shader } from "./shader.ts";
import { wordType, zeroWord } from "./types.ts";

/** Copies elements, or fours where the rows are multiples of four. */
function copier(context: KernelContext, inner: number, copied: readonly number[]): {
  readonly shader: Shader;
  /** Elements copied at a time. */
  readonly unit: 1 | 4;
  readonly get: (buffer: number, index: string) => string;
  readonly set: (buffer: number, index: string, value: string) => string;
} {
  const unit = inner % 4 === 0 ? 4 : 1;
  const shader = makeShader(context, unit);
  if (unit === 1) return { shader, unit, get: shader.word, set: shader.setWord };
  copied.forEach(shader.inFours);
  return { shader, unit, get: shader.words, set: shader.setWords };
}

const gather: DispatchEmitter<"gather"> = (kernel, context) => {
  const { table, ids, output, rows, count, width } = kernel;
  const { shader, unit, get, set } = copier(context, width, [table, output]);
  const units = width / unit;
  const dtype = shader.dtype(output);
  const missing = dtype === "f32"
    ? `${shader.use("nan")}()`
    : `${wordType(dtype)}(${kernel.missing})`;
  return overElements(shader, count * units, context.tuning, [
    // Unsigned, so that negative ids are outside too.
    `let id = u32(${shader.word(ids, `element / ${units}u`)});`,
    `if (id < ${rows}u) { ${
      set(output, "element", get(table, `id * ${units}u + element % ${units}u`))
    } }`,
    `else { ${set(output, "element", missing)} }`,
  ]);
};

/** Products of rows and ids from which on each row looks for its ids in many lanes. */
const SEARCH_TOGETHER = 2 ** 24;

/** Each row adds up the updates whose id is its own, in their order: no two write one element. */
const scatterAdd: DispatchEmitter<"scatterAdd"> = (kernel, context) => {
  const { count } = kernel;
  const isTogether = context.tuning.tiles && kernel.rows * count >= SEARCH_TOGETHER;
  const addRange = isTogether ? searchTogether : searchAlone;
  return inRanges(count, LOOP_ROUNDS, context, (rangeOf) => addRange(kernel, context, rangeOf));
};

/** Adds up the updates of a range of ids. */
type AddRange = (
  kernel: KernelOf<"scatterAdd">,
  context: KernelContext,
  rangeOf: RangeOf,
) => Dispatch[];

/** The operands with which rows are added up. */
function adderOf({ updates, output, width }: KernelOf<"scatterAdd">, context: KernelContext) {
  const { shader, unit, get, set } = copier(context, width, [updates, output]);
  const units = width / unit;
  const zero = zeroWord(shader.dtype(output));
  return {
    shader,
    units,
    zero,
    add: (total: string, i: string, column: string) =>
      `${total} += ${get(updates, `${i} * ${units}u + ${column}`)};`,
    /** The sums of other ranges are there already. */
    finish: (place: string, { isFirst }: Range) => {
      const before = isFirst === undefined
        ? ""
        : `select(${get(output, place)}, ${zero}, ${isFirst}) + `;
      return set(output, place, `${before}total`);
    },
  };
}

const searchAlone: AddRange = (kernel, context, rangeOf) => {
  const { ids, rows, count } = kernel;
  const { shader, units, zero, add, finish } = adderOf(kernel, context);
  const range = rangeOf(shader);
  const loop = {
    total: "total",
    zero,
    variable: "i",
    begin: range.begin,
    end: range.end,
    step: 1,
    rounds: Math.min(count, LOOP_ROUNDS),
  };
  return overElements(shader, rows * units, context.tuning, [
    ...range.lines,
    `let row = element / ${units}u;`,
    `var total = ${zero};`,
    ...inLevels(loop, (total) => [
      `  if (u32(${shader.word(ids, "i")}) == row) { ${add(total, "i", `element % ${units}u`)} }`,
    ]),
    finish("element", range),
  ]);
};

const searchTogether: AddRange = (kernel, context, rangeOf) => {
  const { ids, rows, count } = kernel;
  const { shader, units, zero, add, finish } = adderOf(kernel, context);
  const range = rangeOf(shader, true);
  const lanes = 64;
  const blocks = Math.ceil(units / lanes);
  shader.declare(`var<workgroup> matches: array<bool, ${lanes}>;`);
  shader.declare("var<workgroup> lastMatch: atomic<u32>;");
  const body = [
    ...range.lines,
    `let row = workgroup / ${blocks}u;`,
    `if (row >= ${rows}u) { return; }`,
    `let own = workgroup % ${blocks}u * ${lanes}u + lane;`,
    // Lanes beyond the last column look for ids too, so that all meet at the barriers.
    `let column = min(own, ${units - 1}u);`,
    `var total = ${zero};`,
    `for (var first = ${range.begin}; first < ${range.end}; first += ${lanes}u) {`,
    "  let i = first + lane;",
    `  let isMatch = i < ${count}u && u32(${shader.word(ids, `min(i, ${count - 1}u)`)}) == row;`,
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
    `if (own < ${units}u) { ${finish(`row * ${units}u + column`, range)} }`,
  ];
  return dispatchOf(shader, body, { workgroups: rows * blocks, invocations: lanes });
};

/** Numbers as words that compare alike; -0 as 0, NaN after everything. */
const sortKeys: Readonly<Record<"f32" | "i32" | "u32", string>> = {
  f32: `fn sortKey(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let ordered = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u && size != 0u);
  return select(ordered, 0xffffffffu, size > 0x7f800000u);
}`,
  i32: "fn sortKey(x: i32) -> u32 { return bitcast<u32>(x) ^ 0x80000000u; }",
  u32: "fn sortKey(x: u32) -> u32 { return x; }",
};

/** An element's place is the number of elements that come before it. */
const argsort: DispatchEmitter<"argsort"> = ({ input, output, outer, size }, context) => {
  const dtype = context.buffers[input]?.dtype;
  const counts = size <= LOOP_ROUNDS ? undefined : context.scratch("u32", outer * size);
  return inRanges(size, LOOP_ROUNDS, context, (rangeOf) => {
    const shader = makeShader(context, 1);
    shader.declare(sortKeys[dtype === "f32" || dtype === "i32" ? dtype : "u32"]);
    const { lines, begin, end, isFirst, isLast } = rangeOf(shader);
    const place = shader.setWord(output, "first + before", "i32(own)");
    return overElements(shader, outer * size, context.tuning, [
      ...lines,
      `let first = element - element % ${size}u;`,
      "let own = element - first;",
      `let key = sortKey(${shader.word(input, "element")});`,
      counts === undefined || isFirst === undefined
        ? "var before = 0u;"
        : `var before = select(${shader.word(counts, "element")}, 0u, ${isFirst});`,
      `for (var i = ${begin}; i < ${end}; i++) {`,
      `  let other = sortKey(${shader.word(input, "first + i")});`,
      "  before += select(0u, 1u, other < key || (other == key && i < own));",
      "}",
      ...(counts === undefined || isLast === undefined ? [place] : [
        `if (${isLast}) { ${place} } else { ${shader.setWord(counts, "element", "before")} }`,
      ]),
    ]);
  });
};

/** The elements of a window of each outer block: where they are in the whole. */
function windowLines(
  { start, starts, outer, size, length, inner }:
    | KernelOf<"dynamicSlice">
    | KernelOf<"dynamicUpdate">,
  shader: Shader,
  unit: number,
): string[] {
  const [part, whole] = [length * inner / unit, size * inner / unit];
  const row = starts === 1 ? "0u" : `block / ${outer / Math.max(starts, 1)}u`;
  return [
    `let block = element / ${part}u;`,
    `let start = u32(clamp(i32(${shader.word(start, row)}), 0, ${size - length}));`,
    `let inWhole = block * ${whole}u + start * ${inner / unit}u + element % ${part}u;`,
  ];
}

const dynamicSlice: DispatchEmitter<"dynamicSlice"> = (kernel, context) => {
  const { input, output, outer, length, inner } = kernel;
  const { shader, unit, get, set } = copier(context, inner, [input, output]);
  const count = outer * length * inner / unit;
  return overElements(
    shader,
    count,
    context.tuning,
    [
      ...windowLines(kernel, shader, unit),
      set(output, "element", get(input, "inWhole")),
    ],
  );
};

const dynamicUpdate: DispatchEmitter<"dynamicUpdate"> = (kernel, context) => {
  const { input, update, output, outer, size, length, inner } = kernel;
  const whole = copier(context, inner, [input, output]);
  const copy = context.storageOf(input) === context.storageOf(output) ? [] : overElements(
    whole.shader,
    outer * size * inner / whole.unit,
    context.tuning,
    [whole.set(output, "element", whole.get(input, "element"))],
  );
  const { shader, unit, get, set } = copier(context, inner, [update, output]);
  const count = outer * length * inner / unit;
  return [
    ...copy,
    ...overElements(shader, count, context.tuning, [
      ...windowLines(kernel, shader, unit),
      set(output, "inWhole", get(update, "element")),
    ]),
  ];
};

const emitters: { readonly [K in Kernel["kind"]]: DispatchEmitter<K> } = {
  map,
  reduce,
  matmul,
  attention,
  attentionGradient,
  gather,
  scatterAdd,
  argsort,
  dynamicSlice,
  dynamicUpdate,
};

function emit<K extends Kernel["kind"]>(
  kind: K,
  kernel: KernelOf<K>,
  context: KernelContext,
): Dispatch[] {
  const emitter: DispatchEmitter<K> = emitters[kind];
  return emitter(kernel, context);
}

/** The elements of a buffer's storage that a kernel touches, where they are known. */
function touchedBy(
  kernel: Kernel,
  { storageOf }: KernelContext,
): (buffer: number) => readonly Extent[] | undefined {
  const extents = groupBy(extentsOf(kernel), ([buffer]) => storageOf(buffer));
  return (buffer) => extents.get(storageOf(buffer))?.flatMap(([_, ofBuffer]) => ofBuffer);
}

/**
 * A kernel as dispatches. Each binds the pieces of storage that the kernel touches; where they are
 * too many, the kernel is cut into parts that touch fewer.
 */
export function emitKernel(kernel: Kernel, context: KernelContext): Dispatch[] {
  context.freeScratch();
  const touched = touchedBy(kernel, context);
  const dispatches = emit(kernel.kind, kernel, { ...context, touched });
  if (dispatches.every(({ bindings }) => bindings.length <= context.bindings)) return dispatches;
  const { buffers, pageBytes, whole = kernel } = context;
  const inPiece = (buffer: number) => pageBytes / bytesPerElement[at(buffers, buffer).dtype];
  const { reads, writes } = usedBuffers(kernel);
  const used = new Set([...reads, ...writes]);
  const isScratchInPieces = dispatches.some(({ bindings }) =>
    bindings.some(({ buffer, piece }) => buffer !== undefined && !used.has(buffer) && piece > 0)
  );
  const parts = cutAtPieces(kernel, inPiece) ?? (isScratchInPieces ? halved(kernel) : undefined);
  return parts?.flatMap((part) => emitKernel(part, { ...context, whole })) ?? dispatches;
}
