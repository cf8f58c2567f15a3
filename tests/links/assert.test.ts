// The rows state the published @std/assert's behaviour, so they hold with and without the links.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertExists,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";

class Point {
  constructor(readonly x: number) {}
}

/** What it holds is behind a getter of its class. */
class Sized {
  readonly #size: number;
  constructor(size: number) {
    this.#size = size;
  }
  get size(): number {
    return this.#size;
  }
}

/** Errors as if made at one place, since stacks are compared; with a cause where one is given. */
const made = (message: string, cause?: unknown): Error => {
  const error = cause === undefined ? new Error(message) : new Error(message, { cause });
  error.stack = "at one place";
  return error;
};

const cyclic = (value: number): unknown => {
  const node: { value: number; self?: unknown } = { value };
  node.self = node;
  return node;
};

const pairs: readonly { a: unknown; b: unknown; equal: boolean }[] = [
  { a: 1, b: 1, equal: true },
  { a: 1, b: 2, equal: false },
  { a: 1, b: 1n, equal: false },
  { a: 1, b: "1", equal: false },
  { a: 0, b: -0, equal: true },
  { a: NaN, b: NaN, equal: true },
  { a: null, b: undefined, equal: false },
  { a: null, b: {}, equal: false },
  { a: [1, [2]], b: [1, [2]], equal: true },
  { a: [1, 2], b: [2, 1], equal: false },
  { a: [1], b: [1, undefined], equal: false },
  { a: { a: 1, b: 2 }, b: { b: 2, a: 1 }, equal: true },
  { a: { a: undefined }, b: {}, equal: false },
  { a: { a: undefined }, b: { b: undefined }, equal: false },
  { a: { [Symbol.for("s")]: 1 }, b: { [Symbol.for("s")]: 1 }, equal: true },
  { a: { [Symbol.for("s")]: 1 }, b: { [Symbol.for("s")]: 2 }, equal: false },
  { a: { __proto__: null, a: 1 }, b: { a: 1 }, equal: true },
  { a: new Point(1), b: new Point(1), equal: true },
  { a: new Point(1), b: { x: 1 }, equal: false },
  { a: new Float32Array([0, NaN]), b: new Float32Array([-0, NaN]), equal: true },
  { a: new Float32Array([1]), b: new Float64Array([1]), equal: false },
  { a: new Float32Array([1]), b: new Float32Array([1, 2]), equal: false },
  { a: new Uint8Array([1]), b: [1], equal: false },
  { a: new Set([1, { a: 1 }]), b: new Set([{ a: 1 }, 1]), equal: true },
  { a: new Set([1, 2]), b: new Set([1, 3]), equal: false },
  { a: new Map([["a", [1]]]), b: new Map([["a", [1]]]), equal: true },
  { a: new Map([["a", 1], ["b", 2]]), b: new Map([["b", 2], ["a", 1]]), equal: true },
  { a: new Map([["a", 1]]), b: new Map([["a", 2]]), equal: false },
  { a: new Date(1), b: new Date(1), equal: true },
  { a: new Date(1), b: new Date(2), equal: false },
  { a: new Date(NaN), b: new Date(NaN), equal: true },
  { a: /a/g, b: /a/g, equal: true },
  { a: /a/g, b: /a/i, equal: false },
  { a: new URL("https://a.test"), b: new URL("https://b.test"), equal: false },
  { a: new Error("a"), b: new Error("b"), equal: false },
  { a: made("a"), b: made("a"), equal: true },
  { a: made("a", 1), b: made("a", 2), equal: false },
  { a: new Error("a"), b: new RangeError("a"), equal: false },
  { a: Object.assign(made("a"), { code: 1 }), b: made("a"), equal: false },
  { a: new Sized(1), b: new Sized(1), equal: true },
  { a: new Sized(1), b: new Sized(2), equal: false },
  { a: { constructor: Point }, b: new Point(1), equal: false },
  { a: new ArrayBuffer(2), b: new ArrayBuffer(2), equal: true },
  { a: new Uint8Array([1]).buffer, b: new Uint8Array([2]).buffer, equal: false },
  { a: new URLSearchParams("a=1"), b: new URLSearchParams("a=2"), equal: false },
  { a: new Map([[{ a: 1 }, 1]]), b: new Map([[{ a: 1 }, 1]]), equal: true },
  { a: new Map([[{ a: 1 }, 1]]), b: new Map([[{ a: 2 }, 1]]), equal: false },
  { a: () => 1, b: () => 1, equal: false },
  { a: cyclic(1), b: cyclic(1), equal: true },
  { a: cyclic(1), b: cyclic(2), equal: false },
];

for (const [row, { a, b, equal: expected }] of pairs.entries()) {
  Deno.test(`equality, row ${row}: ${Deno.inspect(a)} and ${Deno.inspect(b)}`, () => {
    for (const [x, y] of [[a, b], [b, a]]) {
      assert(equal(x, y) === expected);
      const [holds, fails] = expected
        ? [assertEquals, assertNotEquals]
        : [assertNotEquals, assertEquals];
      holds(x, y);
      assertThrows(() => fails(x, y, "the reason"), AssertionError, "the reason");
    }
  });
}

const failing: Record<string, () => unknown> = {
  "assert": () => assert(0, "why"),
  "fail": () => fail("why"),
  "unreachable": () => unreachable("why"),
  "assertStrictEquals, 0 and -0": () => assertStrictEquals(0, -0, "why"),
  "assertStrictEquals, equal objects": () => assertStrictEquals({}, {}, "why"),
  "assertAlmostEquals": () => assertAlmostEquals(1, 1.1, 0.09, "why"),
  "assertAlmostEquals, default": () => assertAlmostEquals(1, 1 + 2e-7, undefined, "why"),
  "assertAlmostEquals, NaN": () => assertAlmostEquals(NaN, 1, 1, "why"),
  "assertAlmostEquals, infinities": () => assertAlmostEquals(Infinity, -Infinity, 1, "why"),
  "assertExists, null": () => assertExists(null, "why"),
  "assertExists, undefined": () => assertExists(undefined, "why"),
  "assertInstanceOf": () => assertInstanceOf({}, Date, "why"),
  "assertGreater": () => assertGreater(1, 1, "why"),
  "assertGreaterOrEqual": () => assertGreaterOrEqual(1, 2, "why"),
  "assertLess": () => assertLess(1, 1, "why"),
  "assertLess, NaN": () => assertLess(NaN, 1, "why"),
  "assertLessOrEqual": () => assertLessOrEqual(2, 1, "why"),
  "assertStringIncludes": () => assertStringIncludes("abc", "d", "why"),
  "assertMatch": () => assertMatch("abc", /d/, "why"),
  "assertThrows, nothing thrown": () => assertThrows(() => {}, "why"),
  "assertThrows, another class": () =>
    assertThrows(
      () => {
        throw new RangeError("x");
      },
      TypeError,
      "x",
      "why",
    ),
  "assertThrows, another message": () =>
    assertThrows(
      () => {
        throw new RangeError("x");
      },
      RangeError,
      "y",
      "why",
    ),
};

for (const [name, f] of Object.entries(failing)) {
  Deno.test(`fails: ${name}`, () => {
    let thrown: unknown;
    try {
      f();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error("nothing was thrown");
    if (!thrown.message.includes("why")) throw new Error(thrown.message);
  });
}

Deno.test("what holds passes", async () => {
  assert(1);
  assertStrictEquals(NaN, NaN);
  assertAlmostEquals(1, 1.1, 0.11);
  assertAlmostEquals(1e9, 1e9 + 10);
  assertAlmostEquals(Infinity, Infinity);
  assertExists(0);
  assertInstanceOf(new RangeError(), Error);
  assertGreater(2, 1);
  assertGreaterOrEqual(1, 1);
  assertLess("a", "b");
  assertLessOrEqual(1n, 1n);
  assertStringIncludes("abc", "b");
  assertMatch("abc", /b/);
  const error = new RangeError("x is 3");
  const raise = (): never => {
    throw error;
  };
  assertStrictEquals(assertThrows(raise), error);
  assertStrictEquals(assertThrows(raise, RangeError, "is 3"), error);
  assertStrictEquals(await assertRejects(() => Promise.reject(error)), error);
  assertStrictEquals(await assertRejects(() => Promise.reject(error), Error, "x"), error);
});

Deno.test("assertRejects wants a promise that rejects", async () => {
  const wrong: readonly [() => Promise<unknown>, string][] = [
    [() => Promise.resolve(), "Expected function to reject"],
    [() => {
      throw new Error("at once");
    }, "Function throws when expected to reject"],
  ];
  for (const [f, message] of wrong) {
    await assertRejects(() => assertRejects(f), AssertionError, message);
  }
  await assertRejects(
    () => assertRejects(() => Promise.reject(new Error("x")), TypeError),
    AssertionError,
    "TypeError",
  );
});

Deno.test("what nobody can look into is not compared", () => {
  assertThrows(() => equal(new WeakMap(), new WeakMap()), TypeError, "WeakMap");
  assertThrows(() => equal(new WeakSet(), new WeakSet()), TypeError, "WeakSet");
  assert(!equal(new WeakMap(), new WeakSet()));
  assert(equal(new WeakRef({ a: 1 }), new WeakRef({ a: 1 })));
});

Deno.test("colours of a message do not matter", () => {
  const raise = () => {
    throw new Error("\x1b[31mred\x1b[0m alert");
  };
  assertThrows(raise, Error, "red alert");
});
