/** Numbers that have no meaning where they stand: positions, sizes, elements, scalars. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as core from "@unitune/core";
import {
  add,
  apply,
  arange,
  type DType,
  full,
  type NestedNumbers,
  ShapeError,
  tensor,
  zeros,
} from "@unitune/core";
import fc from "fast-check";

const x = zeros([4, 6]);
const key = core.key(1);

/** Everything that takes a position, a size or an axis, as a function of that number alone. */
const positions: Readonly<Record<string, (n: number) => unknown>> = {
  "a start of slice": (n) => core.slice(x, 0, n),
  "an end of slice": (n) => core.slice(x, 0, 0, n),
  "a start of dynamicSlice": (n) => core.dynamicSlice(x, 0, n, 1),
  "a size of dynamicSlice": (n) => core.dynamicSlice(x, 0, 0, n),
  "a start of dynamicUpdate": (n) => core.dynamicUpdate(x, 0, n, zeros([1, 6])),
  "a size of zeros": (n) => zeros([2, n]),
  "a size of ones": (n) => core.ones([n]),
  "a size of full": (n) => full([n], 1),
  "a size of iota": (n) => core.iota([n, 2], 1),
  "a size of arange": (n) => arange(n),
  "a size of tensor": (n) => tensor([1, 2, 3, 4], { shape: [n, 4 / n] }),
  "a size of reshape": (n) => core.reshape(x, [n, 24 / n]),
  "a size of reshape beside a free one": (n) => core.reshape(x, [n, -1]),
  "a size of broadcastTo": (n) => core.broadcastTo(zeros([1, 6]), [n, 6]),
  "a size of oneHot": (n) => core.oneHot(zeros([2], "i32"), n),
  "rows of scatterAdd": (n) => core.scatterAdd(zeros([2], "i32"), zeros([2]), n),
  "parts of split": (n) => core.split(x, n, 0),
  "a size of uniform": (n) => core.uniform(key, [n]),
  "a size of normal": (n) => core.normal(key, [n, 2]),
  "a size of bernoulli": (n) => core.bernoulli(key, 0.5, [n]),
  "a size of randomBits": (n) => core.randomBits(key, [n]),
  "a count of splitKey": (n) => core.splitKey(key, n),
  "an axis of iota": (n) => core.iota([4, 6], n),
  "an axis of slice": (n) => core.slice(x, n, 0, 1),
  "an axis of dynamicSlice": (n) => core.dynamicSlice(x, n, 0, 1),
  "an axis of dynamicUpdate": (n) => core.dynamicUpdate(x, n, 0, x),
  "an axis of concat": (n) => core.concat([x, x], n),
  "an axis of stack": (n) => core.stack([x, x], n),
  "an axis of split": (n) => core.split(x, 2, n),
  "an axis of unsqueeze": (n) => core.unsqueeze(x, n),
  "an axis of squeeze": (n) => core.squeeze(zeros([1]), n),
  "an axis of transpose": (n) => core.transpose(x, [0, n]),
  "an axis of sum": (n) => core.sum(x, { axes: [n] }),
  "an axis of max": (n) => core.max(x, { axes: [n] }),
  "an axis of mean": (n) => core.mean(x, { axes: [n] }),
  "an axis of argmax": (n) => core.argmax(x, n),
  "an axis of softmax": (n) => core.softmax(x, n),
  "an axis of logSoftmax": (n) => core.logSoftmax(x, n),
  "an axis of logSumExp": (n) => core.logSumExp(x, n),
  "a start of the primitive slice": (n) => apply("slice", [x], { start: [n, 0], end: [4, 6] }),
  "an end of the primitive slice": (n) => apply("slice", [x], { start: [0, 0], end: [4, n] }),
  "a size of the primitive dynamicSlice": (n) =>
    apply("dynamicSlice", [x, zeros([], "i32")], { axis: 0, size: n }),
};

/** Fractions, also just beside an integer, and what is no number or none that ends. */
const broken = fc.oneof(
  fc.constantFrom(NaN, Infinity, -Infinity, 0.5, 1.5, -0.5, 1 + 2 ** -52, 2 ** 31 + 0.5),
  fc.double({ min: -8, max: 8, noInteger: true, noNaN: true }),
);

for (const [name, of] of Object.entries(positions)) {
  Deno.test(`${name} that is no integer is refused when it is traced, and named`, () => {
    fc.assert(
      fc.property(broken, (n) => {
        const { message } = assertThrows(() => of(n), ShapeError);
        assert(message.includes(`${n}`), message);
      }),
      { seed: 13, numRuns: 60 },
    );
  });
}

const negative = ["zeros", "ones", "full", "iota", "arange", "uniform", "normal", "broadcastTo"];
for (const name of negative.map((name) => `a size of ${name}`)) {
  Deno.test(`${name} that is negative is refused`, () => {
    for (const n of [-1, -2, -(2 ** 31)]) {
      assertThrows(() => positions[name]?.(n), ShapeError, `${n}`);
    }
  });
}

Deno.test("a size of arange is refused under its name", () => {
  assertThrows(() => arange(-1), ShapeError, "arange: ");
});

Deno.test("parts of split are at least one", () => {
  for (const n of [0, -1, -2, -4]) assertThrows(() => core.split(x, n, 0), ShapeError, `${n}`);
});

Deno.test("a shape with a hole is refused", () => {
  // deno-lint-ignore no-sparse-arrays -- what is tested
  const holes: number[] = [2, , 3] as number[];
  const makers: readonly ((shape: number[]) => core.Tensor)[] = [
    (shape) => zeros(shape),
    (shape) => core.reshape(x, shape),
    (shape) => core.uniform(key, shape),
  ];
  for (const make of makers) {
    assertThrows(() => make(holes), ShapeError, "undefined is no size");
  }
});

// Elements

/** A value that no static type lets through, as a program without types can pass it. */
const untyped = <T extends NestedNumbers | core.Tensor = NestedNumbers>(value: unknown): T =>
  value as T;

const cyclic: unknown[] = [1];
cyclic[0] = cyclic;
// deno-lint-ignore no-sparse-arrays -- what is tested
const holed = [[1, 2], [3, ,]];

const refused: readonly {
  readonly value: unknown;
  readonly dtype?: DType;
  readonly error: typeof TypeError | typeof RangeError | typeof ShapeError;
  readonly tells: string;
}[] = [
  { value: [3e9, 1], dtype: "i32", error: RangeError, tells: "element [0] is 3000000000, and i32" },
  { value: [[0], [NaN]], dtype: "i32", error: RangeError, tells: "element [1][0] is NaN, and i32" },
  { value: [1.5], dtype: "i32", error: RangeError, tells: "element [0] is 1.5" },
  { value: -(2 ** 31) - 1, dtype: "i32", error: RangeError, tells: "the number is -2147483649" },
  { value: [0, -1], dtype: "u32", error: RangeError, tells: "element [1] is -1, and u32" },
  { value: [2 ** 32], dtype: "u32", error: RangeError, tells: "element [0] is 4294967296" },
  { value: [Infinity], dtype: "u32", error: RangeError, tells: "element [0] is Infinity" },
  {
    value: [1, 2],
    dtype: "bool",
    error: RangeError,
    tells: "element [1] is 2, and bool holds 0 and 1",
  },
  { value: [NaN], dtype: "bool", error: RangeError, tells: "element [0] is NaN" },
  {
    value: new Float32Array([1, 0.5]),
    dtype: "i32",
    error: RangeError,
    tells: "element [1] is 0.5",
  },
  { value: new Float64Array([NaN]), dtype: "u32", error: RangeError, tells: "element [0] is NaN" },
  { value: new Uint32Array([2 ** 31]), dtype: "i32", error: RangeError, tells: "is 2147483648" },
  { value: new Int32Array([-7]), dtype: "u32", error: RangeError, tells: "element [0] is -7" },
  { value: new Uint32Array([7]), dtype: "bool", error: RangeError, tells: "element [0] is 7" },
  { value: ["a"], error: TypeError, tells: 'element [0] is "a"; expected a number' },
  { value: [["1"]], error: TypeError, tells: 'element [0][0] is "1"' },
  { value: "abc", error: TypeError, tells: 'got "abc"' },
  { value: undefined, error: TypeError, tells: "got undefined" },
  { value: null, error: TypeError, tells: "got null" },
  { value: true, error: TypeError, tells: "got true" },
  { value: 5n, error: TypeError, tells: "got the bigint 5n" },
  { value: Symbol("s"), error: TypeError, tells: "got a symbol" },
  { value: () => 1, error: TypeError, tells: "got a function" },
  { value: {}, error: TypeError, tells: "got an object" },
  { value: new Map(), error: TypeError, tells: "got a value of the kind Map" },
  { value: new DataView(new ArrayBuffer(8)), error: TypeError, tells: "kind DataView" },
  { value: tensor([1]), error: TypeError, tells: "got an object" },
  { value: [1, undefined], error: TypeError, tells: "element [1] is undefined" },
  { value: [1, null], error: TypeError, tells: "element [1] is null" },
  { value: [1n], error: TypeError, tells: "element [0] is the bigint 1n" },
  { value: [true], dtype: "bool", error: TypeError, tells: "element [0] is true" },
  { value: [{ length: 1 }], error: TypeError, tells: "element [0] is an object" },
  { value: new BigInt64Array(1), error: TypeError, tells: "element [0] is the bigint 0n" },
  { value: { length: 2 ** 30 }, error: TypeError, tells: "element [0] is undefined" },
  { value: holed, error: TypeError, tells: "element [1][1] is undefined" },
  {
    value: [[1, 2], [3]],
    error: ShapeError,
    tells: "expected [2, 2] throughout, got a row of 1 at [1]",
  },
  { value: [[1], 2], error: ShapeError, tells: "got a number at [1]" },
  { value: [1, [2]], error: ShapeError, tells: "got a row of 1 at [1]" },
  { value: cyclic, error: ShapeError, tells: "more than 64 deep, or contain themselves" },
  { value: JSON.parse("[".repeat(5000) + "]".repeat(5000)), error: ShapeError, tells: "64 deep" },
  { value: "x".repeat(1e6), error: TypeError, tells: `got "${"x".repeat(40)}..."` },
];

for (const [row, { value, dtype = "f32", error, tells }] of refused.entries()) {
  Deno.test(`elements (${row}): what is no ${dtype} is refused: ${tells}`, () => {
    const { message } = assertThrows(() => tensor(untyped(value), { dtype }), error, tells);
    assert(message.length < 200, message);
  });
}

Deno.test("elements: whatever integers are given, those of the element type are kept and others refused", async () => {
  const number = fc.oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31) - 1),
    fc.double(),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(number, { minLength: 1, maxLength: 5 }),
      fc.constantFrom("i32", "u32", "bool"),
      fc.boolean(),
      async (numbers, dtype, isTyped) => {
        const given = isTyped ? new Float64Array(numbers) : numbers;
        let stored: number[];
        try {
          stored = [...await tensor(given, { dtype }).data()];
        } catch (error) {
          assert(error instanceof RangeError);
          const fits = {
            i32: new Int32Array(1),
            u32: new Uint32Array(1),
            bool: new Uint32Array(1),
          };
          const isWrong = numbers.some((n) => {
            fits[dtype][0] = n;
            return fits[dtype][0] !== n || dtype === "bool" && n > 1;
          });
          assert(isWrong, error.message);
          return;
        }
        stored.forEach((n, i) => assert(n === numbers[i], `${numbers[i]} became ${n}`));
      },
    ),
    { seed: 14, numRuns: 500 },
  );
});

Deno.test("scalars beside tensors, and filled tensors, are numbers that the element type has", () => {
  const ids = zeros([2], "i32");
  assertThrows(() => add(ids, 3e9), ShapeError, "3000000000 is no i32");
  assertThrows(() => add(ids, NaN), ShapeError, "NaN is no i32");
  assertThrows(() => core.equal(zeros([2], "u32"), -1), ShapeError, "-1 is no u32");
  assertThrows(() => full([2], 2 ** 32, "u32"), ShapeError, "4294967296 is no u32");
  assertThrows(() => full([2], untyped<number>("a")), ShapeError, '"a" is no f32');
  assertThrows(() => add(ids, untyped<number>("1")), TypeError, 'got "1"');
  assertThrows(() => core.stopGradient(untyped<core.Tensor>([1])), TypeError, "is an array");
  assertThrows(() => core.foldKey(key, 0.5), RangeError, "0.5");
  assertThrows(() => core.bernoulli(key, NaN, [2]), RangeError, "NaN");
  assertThrows(() => core.bernoulli(key, 1.5, [2]), RangeError, "1.5");
  assertThrows(() => core.uniform(key, [2], { low: 1, high: 0 }), RangeError, "1 and 0");
  assertThrows(() => core.uniform(key, [2], { high: Infinity }), RangeError, "Infinity");
  assertThrows(() => core.normal(key, [2], { standardDeviation: -1 }), RangeError, "-1");
});

Deno.test("foldKey takes any integer modulo 2^32", async () => {
  for (const [a, b] of [[-1, 2 ** 32 - 1], [2 ** 32 + 5, 5], [-(2 ** 40), 0]] as const) {
    assertEquals(await core.foldKey(key, a).data(), await core.foldKey(key, b).data());
  }
});

Deno.test("item is refused before anything is computed", async () => {
  const { message } = await assertRejects(() => zeros([0]).item(), ShapeError);
  assertEquals(message, "item: expected one element, got shape [0]");
  // Its elements would be 8 GiB.
  await assertRejects(() => zeros([2 ** 30, 1]).item(), ShapeError, "[1073741824, 1]");
});
