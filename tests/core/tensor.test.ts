import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  add,
  type DType,
  evaluate,
  reference,
  ShapeError,
  type Tensor,
  tensor,
  wasm,
  zeros,
} from "@unitune/core";
import fc from "fast-check";
import { javascript } from "../backend/javascript.ts";
import { wrongParts } from "./parts.ts";
import { arbitraryNaive, arbitraryShape, type Naive, toTensor } from "./naive.ts";

/** Elements as nested arrays. */
function nested({ shape, at }: Naive, prefix: readonly number[] = []): NestedArray {
  if (prefix.length === shape.length) return at(prefix);
  return Array.from({ length: shape[prefix.length] ?? 0 }, (_, i) => {
    return nested({ shape, at }, [...prefix, i]);
  });
}
type NestedArray = number | NestedArray[];

Deno.test("nested arrays and flat elements make the same tensor", async () => {
  // An empty axis hides the ones after it from the nesting.
  const shapes = arbitraryShape({ minSize: 1 });
  await fc.assert(fc.asyncProperty(shapes.chain((shape) => arbitraryNaive(shape)), async (x) => {
    const fromNested = tensor(nested(x));
    const fromFlat = toTensor(x);
    assertEquals(fromNested.shape, x.shape);
    assertEquals(fromFlat.shape, x.shape);
    assertEquals(await fromNested.data(), await fromFlat.data());
  }));
});

const written: readonly { dtype: DType; given: readonly number[]; stored: readonly number[] }[] = [
  { dtype: "f32", given: [0.1, 1e40, NaN], stored: [Math.fround(0.1), Infinity, NaN] },
  { dtype: "f64", given: [0.1, -0], stored: [0.1, -0] },
  { dtype: "i32", given: [-1, 2 ** 31 - 1], stored: [-1, 2 ** 31 - 1] },
  { dtype: "u32", given: [7, 2 ** 32 - 1], stored: [7, 2 ** 32 - 1] },
  { dtype: "bool", given: [0, 1, 1, -0], stored: [0, 1, 1, 0] },
];
for (const { dtype, given, stored } of written) {
  Deno.test(`${dtype} elements are read as they were written`, async () => {
    const x = tensor([...given], { dtype });
    assertEquals(x.dtype, dtype);
    assertEquals([...await x.data()], stored);
  });
}

Deno.test("a tensor does not change with what it was made of, nor with what is read from it", async () => {
  const source = new Float32Array([1, 2]);
  for (const x of [tensor(source), evaluate(add(tensor(source), 0)), add(tensor(source), 0)]) {
    source.fill(9);
    (await x.data()).fill(7);
    assertEquals(await x.data(), new Float32Array([1, 2]));
    source.set([1, 2]);
  }
});

Deno.test("a part of a tensor is read as the whole has it", async () => {
  for (const device of [wasm({ threads: 1 }), reference(), javascript()]) {
    assertEquals(await wrongParts(device), []);
  }
  const x = tensor([[1, 2], [3, 4]]);
  assertEquals(await x.data({ begin: 1, end: 3 }), new Float32Array([2, 3]));
  assertEquals(await add(x, 1).data({ begin: 3, end: 4 }), new Float32Array([5]));
  for (const [begin, end] of [[-1, 1], [2, 1], [0, 5], [0.5, 1], [0, NaN]] as const) {
    await assertRejects(
      () => x.data({ begin, end }),
      RangeError,
      `data: the range from ${begin} to ${end} is not within the 4 elements of a tensor of shape [2, 2]`,
    );
  }
});

Deno.test("the shape is a copy", () => {
  const shape = [2];
  const x = tensor([1, 2], { shape });
  shape.push(1);
  assertEquals(x.shape, [2]);
});

Deno.test("elements that do not fill the shape are refused", () => {
  const ragged = "rows differ in length or depth";
  assertThrows(() => tensor([[1, 2], [3]]), ShapeError, ragged);
  assertThrows(() => tensor([[1], 2]), ShapeError, ragged);
  assertThrows(() => tensor([1, [2]]), ShapeError, ragged);
  assertThrows(
    () => tensor([1, 2, 3], { shape: [2, 2] }),
    ShapeError,
    "tensor: shape [2, 2] holds 4 elements, got 3",
  );
});

Deno.test("item reads one element, and only one", async () => {
  for (const shape of [[], [1], [1, 1]]) assertEquals(await tensor([5], { shape }).item(), 5);
  await assertRejects(() => tensor([1, 2]).item(), ShapeError, "got shape [2]");
  await assertRejects(() => tensor([]).item(), ShapeError, "got shape [0]");
});

Deno.test("a disposed tensor cannot be read, and says so", async () => {
  const makers: (() => Tensor)[] = [
    () => tensor([1, 2]),
    () => add(tensor([1, 2]), 1),
    () => evaluate(add(tensor([1, 2]), 1)),
  ];
  for (const make of makers) {
    const x = make();
    x[Symbol.dispose]();
    await assertRejects(() => x.data(), Error, "cannot be read: it was disposed of");
    await assertRejects(() => add(x, 1).data(), Error, "it was disposed of");
  }
});

Deno.test("the tensors of a `using` block end with it, others do not", async () => {
  const y = add(tensor([1, 2]), 1);
  {
    using x = evaluate(add(y, 1));
    assertEquals(await x.data(), new Float32Array([3, 4]));
  }
  assertEquals(await y.data(), new Float32Array([2, 3]));
});

Deno.test("f64 is computed in f64, and the wasm backend refuses it", async () => {
  const x = tensor([0.1], { dtype: "f64" });
  assertEquals(await add(x, 0.2).data(), new Float64Array([0.1 + 0.2]));
  assertEquals(await evaluate(add(x, 0.2), reference()).item(), 0.1 + 0.2);
  assertThrows(() => evaluate(add(x, 0.2), wasm()), TypeError, "use the reference backend");
});

Deno.test("what is no list of sizes is no shape", () => {
  for (const shape of [3, "2", { length: 1, 0: 2 }]) {
    // @ts-expect-error: none of them is a list of numbers.
    assertThrows(() => zeros(shape), ShapeError, "fill: expected a shape, such as [2, 3], got");
    // @ts-expect-error: none of them is a list of numbers.
    assertThrows(() => tensor([1, 2], { shape }), ShapeError, "tensor: expected a shape");
  }
});
