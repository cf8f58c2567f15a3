/**
 * Epilogues of matrix products: a function of the module that is given an element of the product,
 * or four neighbours of a row, and stores its results.
 */
import { type Epilogue, type KernelOf, usedBuffers } from "../../lowering/kernels.ts";
import { accessesIn, chooseFours, emitSteps, loadsOf, valueName } from "./body.ts";
import type { KernelContext } from "./dispatch.ts";
import { LOOP_ROUNDS } from "./loops.ts";
import { FOUR } from "./matrix.ts";
import { piecesOf, type Shader } from "./shader.ts";

/** A product's sizes, the place where it is stored, and its epilogue. */
interface Product {
  readonly columns: number;
  readonly output: number;
  readonly epilogue?: Epilogue | undefined;
}

/** Statements that finish elements of a product: `column` counts elements, or fours. */
export type Finish = (row: string, column: string, value: string) => string;

/** Whether somebody finds the product where the kernel stores it: no result takes its place. */
export function keepsProduct({ output, epilogue }: Product): boolean {
  return epilogue?.stores.every(({ buffer }) => buffer !== output) ?? true;
}

/**
 * Whether a shader can bind all that a product with its epilogue uses: beside the kernel's buffers the
 * scales of rounded operands, or the counter of the ranges that a long loop is cut into.
 */
export function bindsAll(
  kernel: KernelOf<"matmul">,
  context: KernelContext,
): boolean {
  const { storageOf, bindings, precision } = context;
  const { reads, writes } = usedBuffers(kernel);
  const beside = precision === "f16" ? 2 : kernel.depth > LOOP_ROUNDS ? 1 : 0;
  const pieces = new Map(
    [...reads, ...writes].map((buffer) => [storageOf(buffer), piecesOf(context, buffer).length]),
  );
  return pieces.values().reduce((total, count) => total + count, beside) <= bindings;
}

/** The epilogue as a kernel of its own, after the product was stored. */
export function apart(kernel: KernelOf<"matmul">): KernelOf<"map"> | undefined {
  const { rows, columns, epilogue } = kernel;
  return epilogue && { kind: "map", domain: [rows, columns], ...epilogue };
}

/**
 * Declares the epilogue's function, if there is an epilogue. Nothing of the module is written before,
 * since this decides which buffers are accessed in fours.
 *
 * @param unit The unit that it is given at a time: an element, or four neighbours; neighbours
 * beyond the last column are not stored.
 */
export function declareFinish(
  { columns, output, epilogue }: Product,
  unit: "element" | "four",
  shader: Shader,
  { storageOf }: KernelContext,
): Finish | undefined {
  if (epilogue === undefined) return undefined;
  const { steps, stores } = epilogue;
  const vector = unit === "four" ? 1 : undefined;
  const loads = loadsOf(steps).filter(({ buffer }) => buffer !== output);
  chooseFours(shader, [...loads, ...stores], vector, storageOf);
  const loops = { variables: ["row", "column"], vector };
  const accesses = accessesIn(shader, loops);
  const isWhole = vector === undefined || columns % 4 === 0;
  const store = (access: (typeof stores)[number]): readonly string[] => {
    const value = valueName(access.value);
    if (isWhole) return [accesses.store(access, value)];
    return FOUR.map((lane) =>
      `if (column * 4u + ${lane}u < ${columns}u) { ${accesses.storeLane(access, value, lane)} }`
    );
  };
  const lines = [
    ...emitSteps(shader, steps, loops, {
      given: (step) => step.kind === "load" && step.buffer === output ? "product" : undefined,
    }),
    ...stores.flatMap(store),
  ];
  shader.declare(
    ["fn finish(row: u32, column: u32, product: F) {", ...lines.map((line) => `  ${line}`), "}"]
      .join("\n"),
  );
  return (row, column, value) => `finish(${row}, ${column}, ${value});`;
}

/**
 * Statements by which an invocation goes over its block of a product once it is stored. Copies of
 * the epilogue for all elements in registers would take long to compile.
 */
export function finishBlock(
  kernel: KernelOf<"matmul">,
  { rows, quads }: { readonly rows: number; readonly quads: number },
  shader: Shader,
  context: KernelContext,
): string[] {
  const { columns, output, outputStart } = kernel;
  const finish = declareFinish(kernel, "four", shader, context);
  if (finish === undefined) return [];
  const place = `${outputStart}u + row * ${columns}u + quad * 4u`;
  const product = columns % 4 === 0
    ? shader.words(output, `(${place}) / 4u`)
    : `vec4f(${FOUR.map((lane) => shader.word(output, `${place} + ${lane}u`)).join(", ")})`;
  return [
    `for (var row = firstRow; row < min(firstRow + ${rows}u, ${kernel.rows}u); row++) {`,
    `let endQuad = min(firstColumn / 4u + ${quads}u, ${Math.ceil(columns / 4)}u);`,
    "for (var quad = firstColumn / 4u; quad < endQuad; quad++) {",
    finish("row", "quad", product),
    "}",
    "}",
  ];
}
