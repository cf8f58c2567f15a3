/** How much work kernels are to the wasm backend, and how much scratch memory: by their sizes. */
import { assert, assertEquals } from "@std/assert";
import {
  add,
  argmax,
  argsort,
  cast,
  dynamicSlice,
  dynamicUpdate,
  exp,
  gather,
  graphOf,
  matmul,
  relu,
  scatterAdd,
  sum,
  type Tensor,
  transposeLast,
  zeros,
} from "@unitune/core";
// Not public: by what the work is shared out.
import { shareLoop } from "../../core/backends/wasm/frame.ts";
import { workOf } from "../../core/lowering/work.ts";
import { isParallel, scratchBytes } from "../../core/backends/wasm/program.ts";
import type { Lowered } from "../../core/lowering/kernels.ts";
import { lower } from "../../core/lowering/lower.ts";
import { attend, type Attended, operandsOf, parametersOf } from "../webgpu/attended.ts";

function lowered<A extends readonly Tensor[]>(f: (...inputs: A) => unknown, inputs: A): Lowered {
  return lower(graphOf(f, inputs));
}

/** Attention and its gradient. */
function attended(attended: Attended): Lowered {
  const parameters = parametersOf(attended.parameters);
  return lower(
    graphOf((...operands: Tensor[]) => attend(parameters, operands), operandsOf(attended)),
  );
}

const ids = zeros([5], "i32");
const [start, update] = [zeros([], "i32"), zeros([6, 3, 7])];

/** Kernels, and the operations and the bytes of scratch memory that each program has. */
const cases: Readonly<Record<string, readonly [Lowered, work: readonly number[], bytes: number]>> =
  {
    "a map: its steps, the load among them": [lowered(exp, [zeros([3, 4])]), [24], 0],
    "a sum": [lowered((x) => sum(exp(x), { axes: [1] }), [zeros([3, 5])]), [30], 0],
    "an index of the largest": [lowered((x) => argmax(x, 1), [zeros([3, 5])]), [15], 0],
    // A tile of 6 x 8, packed A of 6 x 512, packed B of the depth and whole eights of columns.
    "a product": [
      lowered(matmul, [zeros([3, 7]), zeros([7, 5])]),
      [105],
      4 * (6 * 8 + 6 * 512 + 7 * 8),
    ],
    "a deep product of two: slices of 512": [
      lowered(matmul, [zeros([2, 1000]), zeros([1000, 17])]),
      [34_000],
      4 * (6 * 8 + 6 * 512 + 512 * 24),
    ],
    "a product of many columns: blocks of 512": [
      lowered(matmul, [zeros([2, 7]), zeros([7, 1025])]),
      [14_350],
      4 * (6 * 8 + 6 * 512 + 7 * 512),
    ],
    "a product of one row: none is packed": [
      lowered(matmul, [zeros([1, 7]), zeros([7, 5])]),
      [35],
      0,
    ],
    "a product of a matrix stored transposed: none is packed": [
      lowered((x, w) => matmul(x, transposeLast(w)), [zeros([7, 9]), zeros([5, 9])]),
      [315],
      0,
    ],
    "of 16 bits: a slice of 768 of a block of 64 columns is widened for more than a tile's rows": [
      lowered((x, w) => matmul(x, cast(transposeLast(w), "f32")), [
        zeros([7, 1000]),
        cast(zeros([70, 1000]), "bf16"),
      ]),
      [490_000],
      4 * 768 * 64,
    ],
    "of 16 bits and less than a slice and a block": [
      lowered((x, w) => matmul(x, cast(transposeLast(w), "f32")), [
        zeros([7, 10]),
        cast(zeros([5, 10]), "bf16"),
      ]),
      [350],
      4 * 10 * 5,
    ],
    "of 16 bits by the rows of a tile": [
      lowered((x, w) => matmul(x, cast(transposeLast(w), "f32")), [
        zeros([6, 10]),
        cast(zeros([5, 10]), "bf16"),
      ]),
      [300],
      0,
    ],
    "products of a batch": [
      lowered(matmul, [zeros([2, 3, 7]), zeros([2, 7, 5])]),
      [210],
      4 * (6 * 8 + 6 * 512 + 7 * 8),
    ],
    "a product with a bias and an activation": [
      lowered((x, w, b) => relu(add(matmul(x, w), b)), [zeros([1, 7]), zeros([7, 5]), zeros([5])]),
      [5 * (7 + 6)],
      0,
    ],
    "rows of a table": [lowered(gather, [zeros([9, 3]), ids]), [15], 0],
    "few rows that are added up": [
      lowered((x, ids) => scatterAdd(ids, x, 9), [zeros([5, 3]), ids]),
      [15],
      0,
    ],
    "an order": [lowered(argsort, [zeros([2, 7])]), [42], 64],
    "an order of 8: four levels": [lowered(argsort, [zeros([2, 8])]), [64], 64],
    "an order of 17": [lowered(argsort, [zeros([17])]), [17 * 5], 128],
    "a window": [
      lowered((x, start) => dynamicSlice(x, 1, start, 3), [zeros([6, 10, 7]), start]),
      [420],
      0,
    ],
    "a window that is written": [
      lowered((x, start, update) => dynamicUpdate(x, 1, start, update), [
        zeros([6, 10, 7]),
        start,
        update,
      ]),
      [420],
      0,
    ],
  };

for (const [name, [program, work, bytes]] of Object.entries(cases)) {
  Deno.test(`wasm: the work of ${name}`, () => {
    assertEquals(program.kernels.map(workOf), work);
    assertEquals(scratchBytes(program), 64 * Math.ceil(bytes / 64));
  });
}

Deno.test("wasm: the work of attention is that of the pairs that see each other, and five times for the gradient", () => {
  // Two sequences, four heads, eight elements a head; two products, and five of the gradient.
  const ofPairs = (pairs: number) => [2, 5].map((products) => 2 * 4 * pairs * 8 * products);
  const workFor = (parameters: Attended["parameters"], starts?: readonly number[]) =>
    attended({
      q: [2, 6, 4, 8],
      k: [2, 10, 2, 8],
      ...(parameters && { parameters }),
      ...(starts && { starts }),
    }).kernels.map(workOf);
  assertEquals(workFor({ causal: false }), ofPairs(6 * 10));
  // Half of the queries' own positions, on average, and those before.
  assertEquals(workFor({}), ofPairs(6 * 3));
  assertEquals(workFor({ start: 4 }), ofPairs(6 * 7));
  assertEquals(workFor({ start: 40 }), ofPairs(6 * 10));
  assertEquals(workFor({ start: -40 }), ofPairs(0));
  assertEquals(workFor({ start: "operand" }, [0, 4]), ofPairs(6 * 10));
  assertEquals(workFor({ start: 4, window: 2 }), ofPairs(6 * 2));
  assertEquals(workFor({ causal: false, window: 2 }), ofPairs(6 * 3));
});

Deno.test("wasm: threads share an outer loop that is long, or else the longest", () => {
  /** The loop that is shared, its rounds, and the rounds that no two threads share. */
  const shared = (domain: readonly number[], candidates?: number) => {
    let asked: readonly number[] = [];
    const share = shareLoop(
      {
        shareOf(...rounds) {
          asked = rounds;
          return { begin: 0, end: 0 };
        },
      },
      domain,
      candidates,
    );
    return share && [share.loop, ...asked];
  };
  assertEquals(shared([8, 100, 5]), [0, 8, 1]);
  assertEquals(shared([7, 100, 5]), [1, 100, 1]);
  assertEquals(shared([7, 5, 100]), [2, 100, 16]);
  assertEquals(shared([7, 7, 7]), [0, 7, 1]);
  assertEquals(shared([9]), [0, 9, 16]);
  // Of the first loops only, such as those of a reduction's results.
  assertEquals(shared([7, 5, 100], 2), [0, 7, 1]);
  assertEquals(shared([7, 5, 100], 0), undefined);
  assertEquals(shareLoop({ shareOf: () => undefined }, [100]), undefined);
});

Deno.test("wasm: a program is worth several threads from half a million operations on", () => {
  const program = (width: number) => lowered((x) => [exp(x), sum(x)], [zeros([2 ** 16, width])]);
  const work = (width: number) =>
    program(width).kernels.reduce((all, kernel) => all + workOf(kernel), 0);
  assert(work(2) < 2 ** 19 && work(3) > 2 ** 19, `${[work(2), work(3)]}`);
  assertEquals([2, 3].map((width) => isParallel(program(width))), [false, true]);
  // Exactly as many: 2^18 elements, each loaded and made another.
  const exact = lowered(exp, [zeros([2 ** 18])]);
  assertEquals([exact.kernels.map(workOf), isParallel(exact)], [[2 ** 19], true]);
});
