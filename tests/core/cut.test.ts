/** Kernels in parts: what they touch, where they are cut, and what the parts compute. */
import { assert, assertEquals } from "@std/assert";
// Not public: a backend whose buffers have a largest size cuts kernels.
import { cutAtPieces, extentsOf, halved } from "../../core/lowering/cut.ts";
import type { HeadVectors, Kernel, KernelOf, Step } from "../../core/lowering/kernels.ts";

/** A load at `offset + sum_d strides[d] i_d`. */
function load(buffer: number, offset: number, ...strides: number[]): Step {
  return { kind: "load", dtype: "f32", buffer, at: { offset, strides } };
}

/** Copies buffer 0 to buffer 1, elements of `[rows, columns]`. */
function copy(rows: number, columns: number, start = 0): KernelOf<"map"> {
  return {
    kind: "map",
    domain: [rows, columns],
    steps: [load(0, start, columns, 1), {
      kind: "index",
      dtype: "i32",
      at: { offset: 5, strides: [1, 0] },
    }],
    stores: [{ buffer: 1, at: { offset: 0, strides: [columns, 1] }, value: 0 }],
  };
}

/** The sizes and the first positions of a kernel's parts, as long as they can be cut. */
function partsOf(kernel: Kernel, inPiece: number): Kernel[] {
  const parts = cutAtPieces(kernel, () => inPiece);
  return parts?.flatMap((part) => partsOf(part, inPiece)) ?? [kernel];
}

/** Domain and first element of each access of maps. */
function mapsOf(parts: readonly Kernel[]): string[] {
  return parts.map((part) => {
    assert(part.kind === "map");
    const places = [...part.steps, ...part.stores].flatMap((x) => "at" in x ? [x.at.offset] : []);
    return `[${part.domain}] from ${places}`;
  });
}

Deno.test("the elements that a kernel touches", () => {
  assertEquals(
    [...extentsOf(copy(3, 4, 7))],
    [[0, [{ first: 7, last: 18 }]], [1, [{ first: 0, last: 11 }]]],
  );
  // From the last to the first; and a row beside a column.
  const backward = {
    ...copy(3, 4),
    steps: [load(0, 11, -4, -1), load(0, 0, 0, 3), load(0, 2, 4, 0)],
  };
  assertEquals(extentsOf(backward).get(0), [
    { first: 0, last: 11 },
    { first: 0, last: 9 },
    { first: 2, last: 10 },
  ]);
  assertEquals(extentsOf(copy(0, 4)).size, 0);
  const sort: Kernel = { kind: "argsort", input: 0, output: 1, outer: 3, size: 4 };
  assertEquals(extentsOf(sort).size, 0);
});

Deno.test("a map is cut where it comes to the next piece", () => {
  // Three rows of eight lie in a piece of thirty; the fourth is in two, and is cut for itself.
  assertEquals(mapsOf(partsOf(copy(5, 8), 30)), [
    "[3,8] from 0,5,0",
    "[1,6] from 24,8,24",
    "[1,2] from 30,8,30",
    "[1,8] from 32,9,32",
  ]);
  assertEquals(mapsOf(partsOf(copy(6, 8), 24)), ["[3,8] from 0,5,0", "[3,8] from 24,8,24"]);
  assertEquals(cutAtPieces(copy(3, 8), () => 24), undefined);
  // It begins amid a piece.
  assertEquals(mapsOf(partsOf({ ...copy(4, 8, 8), stores: [] }, 24)), [
    "[2,8] from 8,5",
    "[2,8] from 24,7",
  ]);
  // Each buffer by its own.
  const own = cutAtPieces(copy(6, 8), (buffer) => buffer === 0 ? 1000 : 16);
  assertEquals(mapsOf(own ?? []), ["[2,8] from 0,5,0", "[4,8] from 16,7,16"]);
});

Deno.test("a map is cut along the loop that goes farthest in the buffer", () => {
  const across: KernelOf<"map"> = {
    ...copy(4, 6),
    steps: [load(0, 0, 1, 4)],
    stores: [],
  };
  assertEquals(mapsOf(partsOf(across, 12)), ["[4,3] from 0", "[4,3] from 12"]);
  // No round has less than all pieces.
  const everywhere: KernelOf<"map"> = {
    ...copy(4, 1),
    steps: [load(0, 0, 0, 0), load(0, 0, -3, 0)],
    stores: [],
  };
  assertEquals(cutAtPieces(everywhere, () => 5), undefined);
});

Deno.test("a reduction is cut along its outermost results", () => {
  const sum: KernelOf<"reduce"> = {
    kind: "reduce",
    reduction: "sum",
    kept: [1, 4, 3],
    reduced: [5],
    steps: [load(0, 1, 100, 15, 5, 1)],
    value: 0,
    output: 1,
    outputStart: 7,
  };
  const shapes = partsOf(sum, 31).map((part) => {
    assert(part.kind === "reduce");
    const [step] = part.steps;
    return [part.kept, part.outputStart, step?.kind === "load" ? step.at.offset : undefined];
  });
  assertEquals(shapes, [[[1, 2, 3], 7, 1], [[1, 2, 3], 13, 31]]);
  assertEquals(extentsOf(sum).get(1), [{ first: 7, last: 18 }]);
  // Every result is of elements in all pieces.
  const columns = { ...sum, kept: [10], reduced: [6], steps: [load(0, 0, 1, 10)] };
  assertEquals(cutAtPieces(columns, () => 30), undefined);
  assertEquals(cutAtPieces({ ...sum, kept: [], steps: [load(0, 0, 1)] }, () => 3), undefined);
});

const product: KernelOf<"matmul"> = {
  kind: "matmul",
  batch: [],
  rows: 6,
  columns: 4,
  depth: 5,
  a: { buffer: 0, offset: 2, batch: [], row: 5, column: 1 },
  b: { buffer: 1, offset: 3, batch: [], row: 4, column: 1 },
  output: 2,
  outputStart: 0,
  epilogue: {
    steps: [load(3, 1, 4, 1)],
    stores: [{ buffer: 4, at: { offset: 9, strides: [1, 6] }, value: 0 }],
  },
};

Deno.test("a product is cut by rows, or by matrices", () => {
  assertEquals([...extentsOf(product)], [
    [0, [{ first: 2, last: 31 }]],
    [1, [{ first: 3, last: 22 }]],
    [2, [{ first: 0, last: 23 }]],
    [3, [{ first: 1, last: 24 }]],
    [4, [{ first: 9, last: 32 }]],
  ]);
  const parts = cutAtPieces(product, (buffer) => buffer === 0 ? 12 : 1000);
  assertEquals(parts, [
    { ...product, rows: 2 },
    {
      ...product,
      rows: 4,
      a: { ...product.a, offset: 12 },
      outputStart: 8,
      epilogue: {
        steps: [load(3, 9, 4, 1)],
        stores: [{ buffer: 4, at: { offset: 11, strides: [1, 6] }, value: 0 }],
      },
    },
  ]);
  // All rows read all of the other operand.
  assertEquals(cutAtPieces(product, (buffer) => buffer === 1 ? 4 : 1000), undefined);
  const { epilogue: _, ...alone } = product;
  const several = {
    ...alone,
    batch: [3],
    a: { ...product.a, batch: [30] },
    b: { ...product.b, batch: [20] },
  };
  assertEquals(cutAtPieces(several, (buffer) => buffer === 1 ? 43 : 1000), [
    { ...several, batch: [2] },
    {
      ...several,
      batch: [1],
      a: { ...several.a, offset: 62 },
      b: { ...several.b, offset: 43 },
      outputStart: 48,
    },
  ]);
});

Deno.test("attention is cut by sequences", () => {
  const vectors = (buffer: number, offset: number, positions: number): HeadVectors => ({
    buffer,
    offset,
    sequence: 8 * positions,
    position: 8,
    head: 4,
  });
  const kernel: KernelOf<"attentionGradient"> = {
    kind: "attentionGradient",
    batch: 4,
    queries: 3,
    keys: 5,
    heads: 2,
    keyHeads: 1,
    width: 4,
    scale: 1,
    softcap: null,
    causal: true,
    window: null,
    start: { kind: "given", buffer: 7 },
    segments: { queries: 8, keys: 9 },
    q: vectors(0, 0, 3),
    k: vectors(1, 1, 5),
    v: vectors(2, 2, 5),
    g: vectors(3, 3, 3),
    dq: vectors(4, 4, 3),
    dk: vectors(5, 5, 5),
    dv: vectors(6, 6, 5),
  };
  assertEquals([...extentsOf(kernel)], [
    [0, [{ first: 0, last: 95 }]],
    [3, [{ first: 3, last: 98 }]],
    [4, [{ first: 4, last: 99 }]],
    [1, [{ first: 1, last: 156 }]],
    [2, [{ first: 2, last: 157 }]],
    [5, [{ first: 5, last: 160 }]],
    [6, [{ first: 6, last: 161 }]],
    [7, [{ first: 0, last: 3 }]],
    [8, [{ first: 0, last: 11 }]],
    [9, [{ first: 0, last: 19 }]],
  ]);
  const moved = (from: number) => ({
    firstSequence: from,
    q: { ...kernel.q, offset: 24 * from },
    k: { ...kernel.k, offset: 1 + 40 * from },
    v: { ...kernel.v, offset: 2 + 40 * from },
    g: { ...kernel.g, offset: 3 + 24 * from },
    dq: { ...kernel.dq, offset: 4 + 24 * from },
    dk: { ...kernel.dk, offset: 5 + 40 * from },
    dv: { ...kernel.dv, offset: 6 + 40 * from },
  });
  const whole = partsOf(kernel, 48);
  // A sequence of keys is always in two pieces.
  assertEquals(whole[0], { ...kernel, batch: 1, ...moved(0) });
  assertEquals(whole.at(-1), { ...kernel, batch: 1, ...moved(3) });
  assertEquals(halved(kernel), [
    { ...kernel, batch: 2, ...moved(0) },
    { ...kernel, batch: 2, ...moved(2) },
  ]);
  const [, second] = halved(kernel) ?? [];
  assert(second !== undefined);
  assertEquals(extentsOf(second).get(8), [{ first: 6, last: 11 }]);
  assertEquals(extentsOf(second).get(9), [{ first: 10, last: 19 }]);
  assertEquals(extentsOf(second).get(7), [{ first: 2, last: 3 }]);

  const { g: _, dq: _dq, dk: _dk, dv: _dv, ...forward } = kernel;
  const attention: Kernel = {
    ...forward,
    kind: "attention",
    y: vectors(10, 7, 3),
    segments: undefined,
    start: { kind: "known", position: 0 },
  };
  assertEquals([...extentsOf(attention).keys()], [0, 10, 1, 2]);
  const [, last] = halved(attention) ?? [];
  assertEquals(last, {
    ...attention,
    batch: 2,
    firstSequence: 2,
    q: { ...kernel.q, offset: 48 },
    k: { ...kernel.k, offset: 81 },
    v: { ...kernel.v, offset: 82 },
    y: { ...vectors(10, 7, 3), offset: 55 },
  });
});

Deno.test("a kernel of one round is not halved, nor is one that cannot be cut", () => {
  assertEquals(halved(copy(1, 1)), undefined);
  assertEquals(mapsOf(halved(copy(1, 5)) ?? []), ["[1,2] from 0,5,0", "[1,3] from 2,5,2"]);
  const sort: Kernel = { kind: "argsort", input: 0, output: 1, outer: 3, size: 4 };
  assertEquals([halved(sort), cutAtPieces(sort, () => 1)], [undefined, undefined]);
});
