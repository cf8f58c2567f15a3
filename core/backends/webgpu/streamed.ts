/**
 * Multiplication of small matrices for software adapters, which have no use for workgroup memory:
 * an invocation reads the elements that its block of the product needs in place.
 */
import type { KernelOf } from "../../lowering/kernels.ts";
import { sizeOf } from "../../shape.ts";
import { type Dispatch, dispatchOf, type KernelContext, powerBelow } from "./dispatch.ts";
import { finishBlock } from "./epilogue.ts";
import {
  batchIndices,
  FOUR,
  inLast,
  inSlices,
  position,
  readingsOf,
  SLICE_DEPTH,
  startOf,
  startOfProduct,
  upTo,
  withRunsBefore,
} from "./matrix.ts";
import { inRanges, LOOP_ROUNDS, type RangeOf } from "./loops.ts";
import { makeShader } from "./shader.ts";

/**
 * Rows and fours of columns of an invocation. Large blocks read least, but take longer to compile,
 * which small products are not worth.
 */
const streamedBlocks = { large: { rows: 8, quads: 2 }, small: { rows: 4, quads: 1 } } as const;

/** Multiplications from which a product is large. */
const LARGE_PRODUCT = 2 ** 20;

/** Invocations of a workgroup when streaming: as many as a vector of the processor has lanes. */
const STREAMED_LANES = 8;

/** A block of rows and columns of the product for each invocation, read as it is needed. */
export function streamed(kernel: KernelOf<"matmul">, context: KernelContext): Dispatch[] {
  return inRanges(
    kernel.depth,
    LOOP_ROUNDS,
    context,
    (rangeOf) => streamedRange(kernel, context, rangeOf),
  );
}

/** The part of the product that a range of the depth adds. */
function streamedRange(
  kernel: KernelOf<"matmul">,
  context: KernelContext,
  rangeOf: RangeOf,
): Dispatch[] {
  const { batch, rows, columns, depth, a, b, output, outputStart } = kernel;
  const shader = makeShader(context, 4);
  const range = rangeOf(shader);
  const isSliced = depth > SLICE_DEPTH.software;
  const readings = readingsOf(kernel, context, shader);
  const alignedOutput = columns % 4 === 0;
  if (alignedOutput) shader.inFours(output);
  const isLarge = sizeOf(batch) * rows * columns * depth >= LARGE_PRODUCT;
  const limits = streamedBlocks[isLarge ? "large" : "small"];
  const own = upTo(rows === 1 ? 1 : Math.min(limits.rows, 4 * Math.ceil(rows / 4)));
  const allQuads = Math.ceil(columns / 4);
  const quads = upTo(Math.min(limits.quads, powerBelow(allQuads / 2)));
  const [rowBlocks, columnBlocks] = [
    Math.ceil(rows / own.length),
    Math.ceil(allQuads / quads.length),
  ];
  const blocks = sizeOf(batch) * rowBlocks * columnBlocks;
  // Beyond the edges the last rows and columns are read again, and not written.
  const rowOf = (r: number) => {
    const last = readings.a === "column" ? rows - 4 + r % 4 : rows - 1;
    return rows % own.length === 0 ? `firstRow + ${r}u` : `min(firstRow + ${r}u, ${last}u)`;
  };
  const columnOf = (q: number, c: number) => {
    const column = `firstColumn + ${4 * q + c}u`;
    const last = readings.b === "row" ? columns - 4 + c : columns - 1;
    return columns % (4 * quads.length) === 0 ? column : `min(${column}, ${last}u)`;
  };

  /** Statements that add four steps (or one) of the depth to the sums. */
  const block = (steps: readonly number[]): string[] => {
    const lines: string[] = [];
    const k = (step: number) => step === 0 ? "k" : `k + ${step}u`;
    const fromA = (r: number, step: number) => position("startA", a, `row${r}`, k(step));
    const fromB = (q: number, c: number, step: number) =>
      position("startB", b, k(step), `column${q}_${c}`);
    const wordsA = (from: string) => shader.numbers(a.buffer, `(${from}) / 4u`);
    const wordsB = (from: string) => shader.numbers(b.buffer, `(${from}) / 4u`);
    const alongA = readings.a === "row" && steps.length === 4;
    const downA = readings.a === "column" && own.length % 4 === 0;
    for (const r of own) {
      if (alongA) lines.push(`let a${r} = ${wordsA(fromA(r, 0))};`);
      else if (downA && r % 4 !== 0) continue;
      for (const step of alongA ? [] : steps) {
        const value = downA ? wordsA(fromA(r, step)) : shader.number(a.buffer, fromA(r, step));
        lines.push(`let a${r}_${step} = ${value};`);
      }
    }
    const elementA = (r: number, step: number): string => {
      if (alongA) return `a${r}[${step}]`;
      return downA ? `a${r - r % 4}_${step}[${r % 4}]` : `a${r}_${step}`;
    };
    for (const q of quads) {
      const downB = readings.b === "column" && steps.length === 4;
      if (downB) {
        // deno-lint-ignore unitune/no-spread-of-data -- four lines
        lines.push(...FOUR.map((c) => `let t${q}_${c} = ${wordsB(fromB(q, c, 0))};`));
      }
      for (const step of steps) {
        const lanes = FOUR.map((c) =>
          downB ? `t${q}_${c}[${step}]` : shader.number(b.buffer, fromB(q, c, step))
        );
        const value = readings.b === "row"
          ? wordsB(fromB(q, 0, step))
          : `vec4f(${lanes.join(", ")})`;
        lines.push(`let b${q}_${step} = ${value};`);
      }
    }
    for (const step of steps) {
      for (const q of quads) {
        for (const r of own) {
          lines.push(`c${r}_${q} = fma(vec4f(${elementA(r, step)}), b${q}_${step}, c${r}_${q});`);
        }
      }
    }
    return lines;
  };

  const write = (r: number, q: number): string => {
    const start = `startC + (firstRow + ${r}u) * ${columns}u + firstColumn + ${4 * q}u`;
    const column = (c: number) => `firstColumn + ${4 * q + c}u`;
    const total = (before: string, run: string, zero: string) =>
      isSliced ? withRunsBefore(before, run, zero) : run;
    if (alignedOutput) {
      const place = `(${start}) / 4u`;
      const sum = total(shader.words(output, place), `c${r}_${q}`, "vec4f()");
      return `if (${column(0)} < ${columns}u) { ${shader.setWords(output, place, sum)} }`;
    }
    return FOUR.map((c) => {
      const place = `${start} + ${c}u`;
      const sum = total(shader.word(output, place), `c${r}_${q}[${c}]`, "0f");
      return `if (${column(c)} < ${columns}u) { ${shader.setWord(output, place, sum)} }`;
    }).join(" ");
  };
  const finish = finishBlock(
    kernel,
    { rows: own.length, quads: quads.length },
    shader,
    context,
  );
  const body = [
    ...range.lines,
    `let block = workgroup * ${STREAMED_LANES}u + lane;`,
    `if (block >= ${blocks}u) { return; }`,
    `let firstColumn = block % ${columnBlocks}u * ${4 * quads.length}u;`,
    `let firstRow = block / ${columnBlocks}u % ${rowBlocks}u * ${own.length}u;`,
    `let batch = block / ${columnBlocks * rowBlocks}u;`,
    ...batchIndices(batch, "batch"),
    `let startA = ${startOf(batch, a)};`,
    `let startB = ${startOf(batch, b)};`,
    `let startC = ${startOfProduct(kernel, outputStart)};`,
    ...own.map((r) => `let row${r} = ${rowOf(r)};`),
    ...quads.flatMap((q) => FOUR.map((c) => `let column${q}_${c} = ${columnOf(q, c)};`)),
    ...own.flatMap((r) => quads.map((q) => `var c${r}_${q} = vec4f();`)),
    ...inSlices(
      range,
      isSliced,
      own.flatMap((r) => quads.map((q) => `c${r}_${q} = vec4f();`)),
      (begin, end) => [
        `var k = ${begin};`,
        `for (; k + 3u < ${end}; k += 4u) {`,
        ...block(FOUR),
        "}",
        ...(depth % 4 === 0 ? [] : [`for (; k < ${end}; k++) {`, ...block([0]), "}"]),
        ...own.flatMap((r) => [
          `if (firstRow + ${r}u < ${rows}u) {`,
          ...quads.map((q) => write(r, q)),
          "}",
        ]),
      ],
    ),
    ...inLast(range, finish),
  ];
  return dispatchOf(shader, body, {
    workgroups: Math.ceil(blocks / STREAMED_LANES),
    invocations: STREAMED_LANES,
  });
}
