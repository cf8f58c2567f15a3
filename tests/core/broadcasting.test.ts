import {
  add,
  broadcastTo,
  div,
  equal,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  rem,
  type Shape,
  sub,
  type Tensor,
  type TensorLike,
  where,
} from "@unitune/core";
import fc from "fast-check";
import {
  arbitraryNaive,
  arbitraryShape,
  assertIs,
  type Index,
  type Naive,
  toTensor,
} from "./naive.ts";

/** A shape, and shapes that stretch to it: leading axes missing, others of size 1. */
function arbitraryBroadcast(count: number): fc.Arbitrary<{ shape: Shape; parts: Shape[] }> {
  return arbitraryShape({ maxRank: 3 }).chain((shape) => {
    const part = fc.tuple(
      fc.nat(shape.length),
      fc.tuple(...shape.map((size) => fc.constantFrom(1, size))),
    ).map(([missing, sizes]) => sizes.slice(missing));
    return fc.record({
      shape: fc.constant(shape),
      parts: fc.array(part, { minLength: count - 1, maxLength: count - 1 })
        .map((parts) => [shape, ...parts]),
    });
  });
}

/** The element that an index of the whole reads. */
function stretched({ shape, at }: Naive, index: Index): number {
  const aligned = index.slice(index.length - shape.length);
  return at(aligned.map((i, axis) => shape[axis] === 1 ? 0 : i));
}

const operations: Readonly<
  Record<
    string,
    { on: (a: TensorLike, b: TensorLike) => Tensor; of: (a: number, b: number) => number }
  >
> = {
  add: { on: add, of: (a, b) => a + b },
  sub: { on: sub, of: (a, b) => a - b },
  mul: { on: mul, of: (a, b) => a * b },
  div: { on: div, of: (a, b) => Math.fround(a / b) },
  maximum: { on: maximum, of: Math.max },
  minimum: { on: minimum, of: Math.min },
  rem: { on: rem, of: (a, b) => a % b },
  equal: { on: equal, of: (a, b) => a === b ? 1 : 0 },
  less: { on: less, of: (a, b) => a < b ? 1 : 0 },
  lessEqual: { on: lessEqual, of: (a, b) => a <= b ? 1 : 0 },
};

/** Operands of which one has the whole shape, at either side. */
function arbitraryOperands(count: number): fc.Arbitrary<{ shape: Shape; operands: Naive[] }> {
  return arbitraryBroadcast(count).chain(({ shape, parts }) =>
    fc.record({
      shape: fc.constant(shape),
      operands: fc.tuple(...parts.map((part) => arbitraryNaive(part)))
        .chain((operands) => fc.shuffledSubarray(operands, { minLength: count })),
    })
  );
}

for (const [name, { on, of }] of Object.entries(operations)) {
  Deno.test(`${name} broadcasts like a nested loop`, async () => {
    const property = fc.asyncProperty(arbitraryOperands(2), async ({ shape, operands: [a, b] }) => {
      if (a === undefined || b === undefined) throw new Error("two operands are drawn");
      await assertIs(on(toTensor(a), toTensor(b)), {
        shape,
        at: (index) => of(stretched(a, index), stretched(b, index)),
      });
    });
    await fc.assert(property, { numRuns: 50 });
  });

  Deno.test(`${name} takes a number on either side`, async () => {
    const shape = [7];
    const at = ([i = 0]: Index): number => i - 3;
    const x = toTensor({ shape, at });
    await assertIs(on(x, 2), { shape, at: (index) => of(at(index), 2) });
    await assertIs(on(2, x), { shape, at: (index) => of(2, at(index)) });
  });
}

Deno.test("where broadcasts all three operands", async () => {
  const property = fc.asyncProperty(arbitraryOperands(3), async ({ shape, operands }) => {
    const [condition, a, b] = operands;
    if (condition === undefined || a === undefined || b === undefined) {
      throw new Error("three operands are drawn");
    }
    await assertIs(where(less(toTensor(condition), 0), toTensor(a), toTensor(b)), {
      shape,
      at: (index) => stretched(condition, index) < 0 ? stretched(a, index) : stretched(b, index),
    });
  });
  await fc.assert(property, { numRuns: 50 });
});

Deno.test("broadcastTo repeats along what is missing or of size 1", async () => {
  await fc.assert(fc.asyncProperty(arbitraryOperands(2), async ({ shape, operands: [a] }) => {
    if (a === undefined) throw new Error("an operand is drawn");
    await assertIs(broadcastTo(toTensor(a), shape), {
      shape,
      at: (index) => stretched(a, index),
    });
  }));
});
