/**
 * Matrix multiplication for software adapters: they read a vector's elements one lane after the
 * other, so that reading costs more than computing. Each invocation computes a block of the
 * product as large as still compiles quickly, and reads fours across it; an operand that lies the
 * other way is transposed first.
 */
import type { KernelOf, MatrixView } from "../../lowering/kernels.ts";
import { sizeOf, stridesOf } from "../../shape.ts";
import { floatSteps } from "./body.ts";
import { type Dispatch, dispatchOf, type KernelContext, overElements } from "./dispatch.ts";
import { finishBlock } from "./epilogue.ts";
import { inRanges, LOOP_ROUNDS, type RangeOf } from "./loops.ts";
import { map } from "./map.ts";
import {
  batchIndices,
  contiguity,
  type Contiguous,
  FOUR,
  inLast,
  inSlices,
  SLICE_DEPTH,
  startOf,
  startOfProduct,
  upTo,
  withRunsBefore,
} from "./matrix.ts";
import { makeShader, splitPosition } from "./shader.ts";

/** Rows of a block, where there are many blocks and where there are few. */
const ROWS = { many: 32, few: 16 } as const;

/** Fours of columns of a block. */
const QUADS = 4;

/** Large blocks of a product from which on there is one for each lane of some processors. */
const MANY_BLOCKS = 64;

/** Fours in a cache line. */
const LINE_QUADS = 4;

/** Invocations of a workgroup: as many as a vector of the processor has lanes. */
const LANES = 8;

/**
 * The layout of each operand in which neighbours across a block, which are read together, are
 * neighbours in memory.
 */
const ACROSS: Readonly<Record<"a" | "b", Contiguous>> = { a: "column", b: "row" };

/** An operand as `[batch, depth, extent]`. */
interface BlockSide {
  readonly view: MatrixView;
  readonly extent: number;
}

/** An operand seen by depth, whichever it is. */
function seenByDepth(kernel: KernelOf<"matmul">, operand: "a" | "b"): BlockSide {
  const { a, b, rows, columns } = kernel;
  return operand === "a"
    ? { view: { ...a, row: a.column, column: a.row }, extent: rows }
    : { view: b, extent: columns };
}

/** Whether four neighbours can be read at once, and which. */
function liesOf(kernel: KernelOf<"matmul">, operand: "a" | "b"): "across" | "along" | "none" {
  const { a, b, rows, columns, depth } = kernel;
  const lies = operand === "a" ? contiguity(a, rows, depth) : contiguity(b, depth, columns);
  return lies === "none" ? "none" : lies === ACROSS[operand] ? "across" : "along";
}

/** Copies `[batch, depth, extent]` from one view to another, in which rows are whole fours. */
function copy(
  { batch, depth }: KernelOf<"matmul">,
  extent: number,
  from: MatrixView,
  to: MatrixView,
  isAlong: boolean,
  context: KernelContext,
): Dispatch[] {
  if (!isAlong) {
    const affine = ({ offset, batch, row, column }: MatrixView) => ({
      offset,
      strides: [...batch, row, column],
    });
    const steps = floatSteps(context, from.buffer, affine(from));
    return map({
      kind: "map",
      domain: [...batch, depth, extent],
      steps,
      stores: [{ buffer: to.buffer, at: affine(to), value: steps.length - 1 }],
    }, context);
  }
  // Four by four, so that a lane reads and writes in fours.
  const shader = makeShader(context, 4);
  shader.inFours(from.buffer);
  shader.inFours(to.buffer);
  const [parts, quads] = [depth / 4, Math.ceil(extent / 4)];
  const read = (c: number) =>
    shader.numbers(
      from.buffer,
      `(${startOf(batch, from)} + part * ${
        4 * from.row
      }u + (quad * 4u + ${c}u) * ${from.column}u) / 4u`,
    );
  const write = (step: number) =>
    shader.setWords(
      to.buffer,
      `(${startOf(batch, to)} + (part * 4u + ${step}u) * ${to.row}u) / 4u + quad`,
      `vec4f(${FOUR.map((c) => `t${c}[${step}]`).join(", ")})`,
    );
  // Neighbouring lanes write neighbouring fours, a cache line of them, and read on along the depth.
  const lines = Math.ceil(quads / LINE_QUADS);
  const rounds = [sizeOf(batch), lines, parts, LINE_QUADS];
  return overElements(shader, sizeOf(rounds), context.tuning, [
    ...splitPosition("element", rounds, ["matrix", "line", "part", "inLine"]),
    `let quad = line * ${LINE_QUADS}u + inLine;`,
    ...(quads % LINE_QUADS === 0 ? [] : [`if (quad >= ${quads}u) { return; }`]),
    ...batchIndices(batch, "matrix"),
    ...FOUR.flatMap((c) =>
      extent % 4 === 0
        ? [`let t${c} = ${read(c)};`]
        : [`var t${c} = vec4f();`, `if (quad * 4u + ${c}u < ${extent}u) { t${c} = ${read(c)}; }`]
    ),
    ...FOUR.map(write),
  ]);
}

/** Elements of an operand that are copied to be read across: all of them, or none. */
export function transposedElements(kernel: KernelOf<"matmul">): number {
  return (["a", "b"] as const).reduce((total, operand) => {
    const { extent } = seenByDepth(kernel, operand);
    const across = 4 * Math.ceil(extent / 4);
    return total +
      (liesOf(kernel, operand) === "across" ? 0 : sizeOf(kernel.batch) * kernel.depth * across);
  }, 0);
}

/** The product, in blocks. */
export function blocked(kernel: KernelOf<"matmul">, context: KernelContext): Dispatch[] {
  const { batch, depth } = kernel;
  const before: Dispatch[] = [];
  const elements = transposedElements(kernel);
  const scratch = elements === 0 ? undefined : context.scratch("f32", elements);
  let used = 0;

  /** The operand as it is, or transposed. */
  const sideOf = (operand: "a" | "b"): BlockSide => {
    const side = seenByDepth(kernel, operand);
    const lies = liesOf(kernel, operand);
    if (scratch === undefined || lies === "across") return side;
    const row = 4 * Math.ceil(side.extent / 4);
    const view: MatrixView = {
      buffer: scratch,
      offset: used,
      batch: stridesOf(batch).map((step) => step * depth * row),
      row,
      column: 1,
    };
    used += sizeOf(batch) * depth * row;
    // deno-lint-ignore unitune/no-spread-of-data -- passes before a product
    before.push(...copy(kernel, side.extent, side.view, view, lies === "along", context));
    return { view, extent: side.extent };
  };
  const sides = { a: sideOf("a"), b: sideOf("b") };
  const range = (rangeOf: RangeOf) => blockedRange(kernel, sides, context, rangeOf);
  return [...before, ...inRanges(depth, LOOP_ROUNDS, context, range)];
}

/** The part of the product that a range of the depth adds. */
function blockedRange(
  kernel: KernelOf<"matmul">,
  { a, b }: Readonly<Record<"a" | "b", BlockSide>>,
  context: KernelContext,
  rangeOf: RangeOf,
): Dispatch[] {
  const { batch, rows, columns, depth, output, outputStart } = kernel;
  const shader = makeShader(context, 4);
  const range = rangeOf(shader);
  const isSliced = depth > SLICE_DEPTH.software;
  shader.inFours(a.view.buffer);
  shader.inFours(b.view.buffer);
  const isAligned = columns % 4 === 0;
  if (isAligned) shader.inFours(output);
  const blocksOf = (height: number) =>
    sizeOf(batch) * Math.ceil(rows / height) * Math.ceil(columns / (4 * QUADS));
  const height = blocksOf(ROWS.many) >= MANY_BLOCKS ? ROWS.many : ROWS.few;
  const [rowBlocks, columnBlocks] = [
    Math.ceil(rows / height),
    Math.ceil(columns / (4 * QUADS)),
  ];
  const blocks = blocksOf(height);
  const [own, quads] = [upTo(height), upTo(QUADS)];
  /** The place of a four across; beyond the edge the last is read again, and not written. */
  const place = (first: string, extent: number, span: number, q: number) => {
    const quad = `${first} / 4u + ${q}u`;
    return extent % span === 0 ? quad : `min(${quad}, ${Math.ceil(extent / 4) - 1}u)`;
  };
  const read = (name: string, { view }: { readonly view: MatrixView }, q: number) =>
    `let ${name}${q} = ${shader.numbers(view.buffer, `${name}Start + ${name}Place${q}`)};`;
  const write = (r: number): string[] => {
    const stores = quads.map((q) => {
      const start = `startC + (firstRow + ${r}u) * ${columns}u + firstColumn + ${4 * q}u`;
      const guarded = (c: number, store: string) =>
        columns % (4 * QUADS) === 0
          ? store
          : `if (firstColumn + ${4 * q + c}u < ${columns}u) { ${store} }`;
      const total = (before: string, run: string, zero: string) =>
        isSliced ? withRunsBefore(before, run, zero) : run;
      if (isAligned) {
        const place = `(${start}) / 4u`;
        const sum = total(shader.words(output, place), `c${r}_${q}`, "vec4f()");
        return guarded(0, shader.setWords(output, place, sum));
      }
      return FOUR.map((c) => {
        const place = `${start} + ${c}u`;
        const sum = total(shader.word(output, place), `c${r}_${q}[${c}]`, "0f");
        return guarded(c, shader.setWord(output, place, sum));
      }).join(" ");
    });
    return rows % height === 0 ? stores : [`if (firstRow + ${r}u < ${rows}u) {`, ...stores, "}"];
  };
  const finish = finishBlock(kernel, { rows: height, quads: QUADS }, shader, context);
  const body = [
    ...range.lines,
    `let block = workgroup * ${LANES}u + lane;`,
    `if (block >= ${blocks}u) { return; }`,
    `let firstColumn = block % ${columnBlocks}u * ${4 * QUADS}u;`,
    `let firstRow = block / ${columnBlocks}u % ${rowBlocks}u * ${height}u;`,
    `let matrix = block / ${columnBlocks * rowBlocks}u;`,
    ...batchIndices(batch, "matrix"),
    `var aStart = (${startOf(batch, a.view)}) / 4u;`,
    `var bStart = (${startOf(batch, b.view)}) / 4u;`,
    `let startC = ${startOfProduct(kernel, outputStart)};`,
    `aStart += ${range.begin} * ${a.view.row / 4}u;`,
    `bStart += ${range.begin} * ${b.view.row / 4}u;`,
    ...upTo(height / 4).map((q) => `let aPlace${q} = ${place("firstRow", rows, height, q)};`),
    ...quads.map((q) => `let bPlace${q} = ${place("firstColumn", columns, 4 * QUADS, q)};`),
    ...own.flatMap((r) => quads.map((q) => `var c${r}_${q} = vec4f();`)),
    ...inSlices(
      range,
      isSliced,
      own.flatMap((r) => quads.map((q) => `c${r}_${q} = vec4f();`)),
      (begin, end) => [
        `for (var k = ${begin}; k < ${end}; k++) {`,
        ...quads.map((q) => read("b", b, q)),
        ...own.flatMap((r) => [
          ...(r % 4 === 0 ? [read("a", a, r / 4)] : []),
          ...quads.map((q) => `c${r}_${q} = fma(vec4f(a${r >> 2}[${r & 3}]), b${q}, c${r}_${q});`),
        ]),
        `aStart += ${a.view.row / 4}u;`,
        `bStart += ${b.view.row / 4}u;`,
        "}",
        ...own.flatMap(write),
      ],
    ),
    ...inLast(range, finish),
  ];
  const size = { workgroups: Math.ceil(blocks / LANES), invocations: LANES };
  return dispatchOf(shader, body, size);
}
