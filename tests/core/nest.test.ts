/** Loop nests: where steps are computed, along which loop, and strips that leave nothing out. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { KernelOf, Step } from "../../core/lowering/kernels.ts";
import { type Nest, nestOf, reductionNest, stripsOf } from "../../core/lowering/nest.ts";
import { sizeOf, stridesOf } from "../../core/shape.ts";

function load(strides: readonly number[], offset = 0): Step {
  return { kind: "load", dtype: "f32", buffer: 0, at: { offset, strides } };
}

const constant: Step = { kind: "constant", dtype: "f32", value: 2 };

function product(...operands: number[]): Step {
  return { kind: "apply", dtype: "f32", op: "mul", operands };
}

Deno.test("a step is computed in the innermost loop that it depends on", () => {
  const steps = [constant, load([3, 0, 0]), load([0, 4, 1]), load([0, 4, 0]), load([0, 0, 0])];
  const made = [...steps, product(0, 1), product(1, 3), product(5, 6), product(6, 2)];
  assertEquals(nestOf([2, 3, 4], made).depths, [0, 1, 3, 2, 0, 1, 2, 2, 3]);
});

Deno.test("the innermost loop is taken four at a time, unless another one is named", () => {
  assertEquals(nestOf([2, 11], []).vector, { loop: 1, fours: 2, singles: 3 });
  assertEquals(nestOf([8, 3], [], 0).vector, { loop: 0, fours: 2, singles: 0 });
  assertEquals(nestOf([], []).vector, undefined);
});

function reduction(
  kept: readonly number[],
  reduced: readonly number[],
  ...steps: readonly Step[]
): KernelOf<"reduce"> {
  const value = steps.length - 1;
  return {
    kind: "reduce",
    reduction: "sum",
    kept,
    reduced,
    steps,
    value,
    output: 1,
    outputStart: 0,
  };
}

Deno.test("a reduction goes along the loop whose neighbours are neighbours in memory", () => {
  const rows = reductionNest(reduction([8], [5], load([5, 1])));
  assertEquals([rows.isAcross, rows.vector?.loop, rows.kept], [false, 1, 1]);
  const columns = reductionNest(reduction([8], [5], load([1, 8])));
  assertEquals([columns.isAcross, columns.vector?.loop], [true, 0]);
  // As many of both: along, which needs no results side by side.
  const both = reductionNest(reduction([8], [5], load([1, 8]), load([5, 1]), product(0, 1)));
  assertEquals(both.isAcross, false);
  // Elements that are repeated count for neither.
  const repeated = reductionNest(reduction([8], [5], load([0, 1]), load([1, 0]), load([1, 8])));
  assertEquals(repeated.isAcross, true);
  assertEquals(reductionNest(reduction([], [5], load([1]))).isAcross, false);
  assertEquals(reductionNest(reduction([8], [], load([1]))).isAcross, true);
});

/** All indices of loops, the innermost fastest. */
function indicesOf(domain: readonly number[]): number[][] {
  const strides = stridesOf(domain);
  return Array.from(
    { length: sizeOf(domain) },
    (_, i) => domain.map((size, loop) => Math.floor(i / (strides[loop] ?? 1)) % size),
  );
}

/** The places of a nest's first load, and of the results that go with them, as texts. */
function visited({ domain, steps: [step] }: Nest, results: (index: number[]) => number): string[] {
  assert(step?.kind === "load");
  const { offset, strides } = step.at;
  const place = (index: readonly number[]) =>
    index.reduce((sum, i, loop) => sum + i * (strides[loop] ?? 0), offset);
  return indicesOf(domain).map((index) => `${results(index)}: ${place(index)}`);
}

Deno.test("strips visit each element of each result once", () => {
  const sizes = fc.integer({ min: 1, max: 6 });
  const inputs = fc.tuple(
    fc.array(sizes, { maxLength: 2 }),
    fc.integer({ min: 1, max: 80 }),
    fc.array(sizes, { minLength: 1, maxLength: 2 }),
    fc.nat({ max: 9 }),
  );
  fc.assert(fc.property(inputs, ([outer, width, reduced, outputStart]) => {
    const kept = [...outer, width];
    const domain = [...kept, ...reduced];
    const kernel = {
      ...reduction(kept, reduced, load(stridesOf(domain).map((stride) => 2 * stride), 3)),
      outputStart,
    };
    const resultOf = (index: readonly number[]) =>
      stridesOf(kept).reduce((sum, stride, loop) => sum + stride * (index[loop] ?? 0), outputStart);
    const strips = stripsOf(kernel, [16, 4, 1]);
    const found = strips.flatMap((strip) => {
      const { strides, offset } = strip.results;
      assertEquals(strip.domain.at(-1), strip.size);
      return visited(
        strip,
        // The results of a strip are neighbours.
        (index) =>
          index.slice(0, -1).reduce((sum, i, loop) => sum + i * (strides[loop] ?? 0), offset) +
          (index.at(-1) ?? 0),
      );
    });
    assertEquals(found.toSorted(), visited(nestOf(domain, kernel.steps), resultOf).toSorted());
    assertEquals(
      strips.map(({ size }) => size),
      strips.map(({ size }) => size).toSorted((a, b) => b - a),
    );
  }));
});
