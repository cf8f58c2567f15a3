/**
 * Matrix multiplication for hardware: a workgroup computes a tile of the product. Slices of both
 * operands pass through workgroup memory, and each invocation keeps its part of the tile in
 * registers.
 */
import type { KernelOf } from "../../lowering/kernels.ts";
import { sizeOf } from "../../shape.ts";
import { type Dispatch, dispatchOf, type KernelContext, powerBelow } from "./dispatch.ts";
import {
  batchIndices,
  FOUR,
  position,
  readingsOf,
  SLICE_DEPTH,
  startOf,
  startOfProduct,
  upTo,
} from "./matrix.ts";
import { LOOP_ROUNDS } from "./loops.ts";
import { declareFinish, keepsProduct } from "./epilogue.ts";
import { combineParts, largest } from "./reduce.ts";
import { makeShader, type Shader } from "./shader.ts";
import { wholeOf } from "./whole.ts";

/** A tile of the product: its sides, the slice of the depth, and the part of an invocation. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Rows and columns of an invocation, multiples of four. */
  readonly own: readonly [number, number];
}

/** The tile for products that suit no other. */
const smallTile: Tile = { rows: 32, columns: 32, depth: 16, own: [4, 4] };

/** Large tiles read least; small ones keep more workgroups busy. */
const tiles: readonly Tile[] = [
  { rows: 128, columns: 128, depth: 8, own: [8, 8] },
  { rows: 64, columns: 64, depth: 16, own: [4, 4] },
];

/** Workgroups of tiles that keep hardware busy. */
const BUSY_WORKGROUPS = 256;

/** The largest tile that wastes little and gives enough workgroups, or the smallest. */
function chooseTile({ batch, rows, columns, depth }: KernelOf<"matmul">): Tile {
  const count = (tile: Tile) =>
    sizeOf(batch) * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  // Workgroups can share a sum, down to pieces of some length.
  const splits = Math.max(1, depth / SPLIT_DEPTH);
  return tiles.find((tile) =>
    rows >= tile.rows / 2 && columns >= tile.columns / 2 && count(tile) * splits >= BUSY_WORKGROUPS
  ) ?? smallTile;
}

/** The depth that a workgroup should at least have when workgroups share the sums. */
const SPLIT_DEPTH = 256;

/** A slice of an operand in workgroup memory: some of its depth, across the side of a tile. */
interface Slice {
  readonly buffer: number;
  readonly name: string;
  /** Fours across the tile. */
  readonly quads: number;
  /** The first row or column of the tile, and the number of them in the matrix. */
  readonly first: string;
  readonly extent: number;
  /** The position of an element. */
  readonly at: (across: string, k: string) => string;
  /** Whether the operand is read in fours across the tile, or along the depth. */
  readonly alongSlice: boolean;
  readonly alongDepth: boolean;
  /** A four as it is kept. */
  readonly keep: (four: string) => string;
}

/** Statements by which the lanes fill a slice together; elements outside of the matrix are 0. */
function fill(slice: Slice, shader: Shader, depth: number, lanes: number): string[] {
  const { buffer, name, quads, first, extent, at, alongSlice, alongDepth, keep } = slice;
  const bodyLines = (): string[] => {
    if (alongSlice) {
      return [
        `let k = firstDepth + item / ${quads}u;`,
        `let across = ${first} + item % ${quads}u * 4u;`,
        `if (k < endDepth && across < ${extent}u) { ${name}[item] = ${
          keep(shader.numbers(buffer, `(${at("across", "k")}) / 4u`))
        }; } else { ${name}[item] = ${keep("vec4f()")}; }`,
      ];
    }
    if (alongDepth) {
      // Blocks of four by four are turned, so that a lane writes whole vectors.
      const from = (c: number) => shader.numbers(buffer, `(${at(`across + ${c}u`, "k")}) / 4u`);
      return [
        `let part = item % ${depth / 4}u * 4u;`,
        `let quad = item / ${depth / 4}u;`,
        "let k = firstDepth + part;",
        `let across = ${first} + quad * 4u;`,
        ...FOUR.map((c) => `var t${c} = vec4f();`),
        ...FOUR.map((c) =>
          `if (k < endDepth && across + ${c}u < ${extent}u) { t${c} = ${from(c)}; }`
        ),
        ...FOUR.map((step) =>
          `${name}[(part + ${step}u) * ${quads}u + quad] = ${
            keep(`vec4f(${FOUR.map((c) => `t${c}[${step}]`).join(", ")})`)
          };`
        ),
      ];
    }
    return [
      `let k = firstDepth + item / ${quads}u;`,
      `let across = ${first} + item % ${quads}u * 4u;`,
      "var four = vec4f();",
      ...FOUR.map((c) =>
        `if (k < endDepth && across + ${c}u < ${extent}u) { four[${c}] = ${
          shader.number(buffer, at(`across + ${c}u`, "k"))
        }; }`
      ),
      `${name}[item] = ${keep("four")};`,
    ];
  };
  const body = bodyLines();
  const items = alongDepth ? depth / 4 * quads : depth * quads;
  return upTo(Math.ceil(items / lanes)).flatMap((round) => {
    const inner = [`let item = lane + ${round * lanes}u;`, ...body];
    return (round + 1) * lanes > items
      ? [`if (lane < ${items - round * lanes}u) {`, ...inner, "}"]
      : ["{", ...inner, "}"];
  });
}

/** The form of operands in workgroup memory. */
interface Rounding {
  /** The type of a four. */
  readonly type: string;
  readonly keepA: (four: string) => string;
  readonly keepB: (four: string) => string;
  /** The dispatches that run before the product. */
  readonly before: readonly Dispatch[];
  /** Statements before the sums, and one that undoes in a sum the scaling of the operands. */
  readonly start: readonly string[];
  readonly restore: (sum: string) => string;
}

const exact: Rounding = {
  type: "vec4f",
  keepA: (four) => four,
  keepB: (four) => four,
  before: [],
  start: [],
  restore: () => "",
};

/**
 * Operands as f16, each scaled by the power of two that brings its largest magnitude to between
 * 2^14 and 2^15. So none overflows, and every element above 2^-29 of the largest keeps 11 bits,
 * however small gradients are. Where an operand is not finite, or is 0 throughout, nothing is
 * scaled.
 */
function roundOperands(
  { batch, rows, columns, depth, a, b }: KernelOf<"matmul">,
  shader: Shader,
  context: KernelContext,
): Rounding {
  const sizes = { a: [...batch, rows, depth], b: [...batch, depth, columns] };
  const before: Dispatch[] = [];
  const start = (["a", "b"] as const).flatMap((operand) => {
    const view = { a, b }[operand];
    const size = context.scratch("f32", 1);
    const strides = [...view.batch, view.row, view.column];
    // deno-lint-ignore unitune/no-spread-of-data -- passes before a product
    before.push(...largest(view, sizes[operand], strides, size, context));
    return [
      `let scale_${operand} = scaleFor(${shader.word(size, "0u")});`,
      // Powers of two: the inverse is exact.
      `let back_${operand} = 1f / scale_${operand};`,
    ];
  });
  shader.require("f16");
  shader.declare(`fn scaleFor(largest: f32) -> f32 {
  let exponent = (bitcast<u32>(largest) >> 23u) & 0xffu;
  let scale = bitcast<f32>(min(268u - exponent, 252u) << 23u);
  return select(scale, 1f, exponent == 0u || exponent == 255u);
}`);
  return {
    type: "vec4<f16>",
    keepA: (four) => `vec4<f16>(${four} * scale_a)`,
    keepB: (four) => `vec4<f16>(${four} * scale_b)`,
    before,
    start,
    restore: (sum) => `${sum} = ${sum} * back_a * back_b;`,
  };
}

/** Tiles of the product in workgroup memory and registers. */
export function tiled(kernel: KernelOf<"matmul">, context: KernelContext): Dispatch[] {
  const { batch, rows, columns, depth, a, b, output, outputStart } = kernel;
  // The parts of a product are made as the whole would be.
  const whole = wholeOf(kernel, context);
  const tile = chooseTile(whole);
  const [tall, wide] = tile.own;
  const lanes = (tile.rows / tall) * (tile.columns / wide);
  const [rowTiles, columnTiles] = [
    Math.ceil(rows / tile.rows),
    Math.ceil(columns / tile.columns),
  ];
  const products = sizeOf(batch) * rowTiles * columnTiles;
  const allProducts = sizeOf(whole.batch) * Math.ceil(whole.rows / tile.rows) *
    Math.ceil(whole.columns / tile.columns);
  const splits = Math.max(
    Math.min(powerBelow(BUSY_WORKGROUPS / allProducts), powerBelow(depth / SPLIT_DEPTH), 64),
    Math.ceil(depth * (1 + 1 / tile.depth) / LOOP_ROUNDS),
  );
  const slice = Math.ceil(depth / splits / tile.depth) * tile.depth;
  const size = sizeOf(batch) * rows * columns;
  const target = splits === 1 ? output : context.scratch("f32", splits * size);
  const isSliced = slice > SLICE_DEPTH.hardware;

  const shader = makeShader(context, 4);
  const readings = readingsOf(kernel, context, shader);
  const alignedOutput = columns % 4 === 0;
  if (alignedOutput) shader.inFours(target);
  // Workgroups that share sums leave the epilogue to who adds them up.
  const finish = splits === 1 ? declareFinish(kernel, "four", shader, context) : undefined;
  const storesProduct = finish === undefined || keepsProduct(kernel);
  // Slices lie by depth, then by row of a or column of b, in fours.
  const [quadsA, quadsB] = [tile.rows / 4, tile.columns / 4];
  const rounding = context.precision === "f16" ? roundOperands(kernel, shader, context) : exact;
  const { type, keepA, keepB, before } = rounding;
  shader.declare(`var<workgroup> sliceA: array<${type}, ${tile.depth * quadsA}>;`);
  shader.declare(`var<workgroup> sliceB: array<${type}, ${tile.depth * quadsB}>;`);

  // An invocation's rows and columns come in fours that are spread over the tile, so that lanes
  // side by side read side by side.
  const [rowLanes, columnLanes] = [tile.rows / tall, tile.columns / wide];
  const [rowFours, columnFours] = [upTo(tall / 4), upTo(wide / 4)];
  const inner = [
    ...rowFours.map((i) =>
      `let a${i} = vec4f(sliceA[d * ${quadsA}u + laneRow + ${i * rowLanes}u]);`
    ),
    ...columnFours.map((j) =>
      `let b${j} = vec4f(sliceB[d * ${quadsB}u + laneColumn + ${j * columnLanes}u]);`
    ),
    ...rowFours.flatMap((i) =>
      FOUR.flatMap((r) =>
        columnFours.map((j) =>
          `c${4 * i + r}_${j} = fma(vec4f(a${i}[${r}]), b${j}, c${4 * i + r}_${j});`
        )
      )
    ),
  ];
  const write = (i: number, r: number, j: number): string[] => {
    const name = `c${4 * i + r}_${j}`;
    const lines = [
      `let row = firstRow + (laneRow + ${i * rowLanes}u) * 4u + ${r}u;`,
      `let column = firstColumn + (laneColumn + ${j * columnLanes}u) * 4u;`,
    ];
    const place = `startC + row * ${columns}u + column`;
    const quad = `(${place}) / 4u`;
    const eachColumn = (statement: (c: number) => string) =>
      FOUR.map((c) => `if (column + ${c}u < ${columns}u) { ${statement(c)} }`);
    const before = !isSliced
      ? []
      : alignedOutput
      ? [`if (column < ${columns}u) { ${name} += ${shader.words(target, quad)}; }`]
      : eachColumn((c) => `${name}[${c}] += ${shader.word(target, `${place} + ${c}u`)};`);
    const store = alignedOutput
      ? [`if (column < ${columns}u) { ${shader.setWords(target, quad, name)} }`]
      : eachColumn((c) => shader.setWord(target, `${place} + ${c}u`, `${name}[${c}]`));
    const last = finish === undefined
      ? []
      : [`if (column < ${columns}u) { ${finish("row", "column / 4u", name)} }`];
    return [
      "{",
      ...lines,
      `if (row < ${rows}u) {`,
      ...(isSliced
        ? [
          "if (sliceStart > firstSlice) {",
          ...before,
          "}",
          ...(storesProduct ? store : ["if (sliceEnd < endSplit) {", ...store, "}"]),
          ...(last.length === 0 ? [] : ["if (sliceEnd == endSplit) {", ...last, "}"]),
        ]
        : [...(storesProduct ? store : []), ...last]),
      "}",
      "}",
    ];
  };
  const registers = rowFours.flatMap((i) =>
    FOUR.flatMap((r) => columnFours.map((j) => ({ i, r, j })))
  );
  const fillWith = (slice: Slice) => fill(slice, shader, tile.depth, lanes);
  const body = [
    `let split = workgroup % ${splits}u;`,
    `let tile = workgroup / ${splits}u;`,
    `let firstColumn = tile % ${columnTiles}u * ${tile.columns}u;`,
    `let firstRow = tile / ${columnTiles}u % ${rowTiles}u * ${tile.rows}u;`,
    `let batch = tile / ${columnTiles * rowTiles}u;`,
    `if (batch >= ${sizeOf(batch)}u) { return; }`,
    ...batchIndices(batch, "batch"),
    `let startA = ${startOf(batch, a)};`,
    `let startB = ${startOf(batch, b)};`,
    `let startC = split * ${size}u + ${startOfProduct(kernel, splits === 1 ? outputStart : 0)};`,
    `let laneColumn = lane % ${columnLanes}u;`,
    `let laneRow = lane / ${columnLanes}u;`,
    ...rounding.start,
    `let endDepth = min(${depth}u, (split + 1u) * ${slice}u);`,
    ...registers.map(({ i, r, j }) => `var c${4 * i + r}_${j} = vec4f();`),
    `let firstSlice = split * ${slice}u;`,
    `let endSplit = firstSlice + ${slice}u;`,
    ...(isSliced
      ? [
        `for (var sliceStart = firstSlice; sliceStart < endSplit; sliceStart += ${SLICE_DEPTH.hardware}u) {`,
        `let sliceEnd = min(sliceStart + ${SLICE_DEPTH.hardware}u, endSplit);`,
        ...registers.map(({ i, r, j }) => `c${4 * i + r}_${j} = vec4f();`),
      ]
      : ["let sliceStart = firstSlice;", "let sliceEnd = endSplit;"]),
    `for (var firstDepth = sliceStart; firstDepth < sliceEnd; firstDepth += ${tile.depth}u) {`,
    ...fillWith({
      buffer: a.buffer,
      name: "sliceA",
      quads: quadsA,
      first: "firstRow",
      extent: rows,
      at: (across, k) => position("startA", a, across, k),
      alongSlice: readings.a === "column",
      alongDepth: readings.a === "row",
      keep: keepA,
    }),
    ...fillWith({
      buffer: b.buffer,
      name: "sliceB",
      quads: quadsB,
      first: "firstColumn",
      extent: columns,
      at: (across, k) => position("startB", b, k, across),
      alongSlice: readings.b === "row",
      alongDepth: readings.b === "column",
      keep: keepB,
    }),
    "workgroupBarrier();",
    `for (var d = 0u; d < ${tile.depth}u; d++) {`,
    ...inner,
    "}",
    "workgroupBarrier();",
    "}",
    ...registers.map(({ i, r, j }) => rounding.restore(`c${4 * i + r}_${j}`)),
    ...registers.flatMap(({ i, r, j }) => write(i, r, j)),
    ...(isSliced ? ["}"] : []),
  ];
  const first = [
    ...before,
    ...dispatchOf(shader, body, { workgroups: products * splits, invocations: lanes }),
  ];
  const kept = kernel.epilogue === undefined ? [size] : [rows, columns];
  const parts = { parts: target, splits, kept, output, outputStart } as const;
  const summed = { reduction: "sum", dtype: "f32", ...parts } as const;
  return splits === 1 ? first : [...first, ...combineParts(summed, context, kernel.epilogue)];
}
