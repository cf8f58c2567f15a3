/** Constants are what the same numbers are as data: folding changes no bit. */
import { assert, assertEquals } from "@std/assert";
import {
  abs,
  add,
  and,
  cast,
  compile,
  concat,
  type Device,
  div,
  exp,
  expm1,
  floor,
  full,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  pow,
  reference,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
  unsqueeze,
  wasm,
  where,
  zeros,
} from "@unitune/core";
import fc from "fast-check";

const devices: readonly Device[] = [wasm({ threads: 1 }), reference()];

/** Values that are told apart by their bits, but for one NaN from another. */
function assertSame(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  const isSame = Array.from(expected).every((x, i) => Object.is(x, actual[i]));
  assert(isSame, `${what}: [${Array.from(actual)}], expected [${Array.from(expected)}]`);
}

const operations = {
  neg: (a: Tensor) => neg(a),
  abs: (a: Tensor) => abs(a),
  floor: (a: Tensor) => floor(a),
  sqrt: (a: Tensor) => sqrt(a),
  add: (a: Tensor, b: Tensor) => add(a, b),
  sub: (a: Tensor, b: Tensor) => sub(a, b),
  mul: (a: Tensor, b: Tensor) => mul(a, b),
  div: (a: Tensor, b: Tensor) => div(a, b),
  maximum: (a: Tensor, b: Tensor) => maximum(a, b),
  minimum: (a: Tensor, b: Tensor) => minimum(a, b),
};

/** Numbers that no f32 is, that none holds, and where arithmetic turns special. */
const special = [
  ...[0, -0, 1, -1, 2, 0.1, 0.3, 1 / 3, 1e39, -1e39, 1e-46, 1e-40, 16777217, 3.4028236e38],
  ...[NaN, Infinity, -Infinity],
];

/** Operands of a step by how long before they were computed. */
const step = fc.record({
  op: fc.constantFrom(...Object.keys(operations).filter((name) => name in operations)),
  a: fc.nat(9),
  b: fc.nat(9),
});

const number = fc.oneof(fc.constantFrom(...special), fc.double());

Deno.test("an expression of constants is, bit for bit, that of arguments", async () => {
  const programs = fc.record({
    numbers: fc.array(number, { minLength: 3, maxLength: 5 }),
    steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(programs, async ({ numbers, steps }) => {
      const evaluate = (leaves: readonly Tensor[]) => {
        const values = [...leaves];
        for (const { op, a, b } of steps) {
          const ago = (n: number) => values.at(-1 - n % values.length) ?? zeros([]);
          const operation = Object.entries(operations).find(([name]) => name === op)?.[1];
          if (operation !== undefined) values.push(operation(ago(a), ago(b)));
        }
        return values;
      };
      for (const device of devices) {
        using folded = compile(() => evaluate(numbers.map((value) => full([], value))), { device });
        using unfolded = compile((leaves: readonly Tensor[]) => evaluate(leaves), { device });
        const [expected, actual] = await Promise.all(
          [unfolded(numbers.map((value) => tensor(value))), folded()].map((tensors) =>
            Promise.all(tensors.map((x) => x.item()))
          ),
        );
        assertSame(actual ?? [], expected ?? [], device.name);
      }
    }),
    { numRuns: 200 },
  );
});

/** Functions of one element and a constant, whose constant simplification may use. */
const withConstants: Readonly<Record<string, (x: Tensor, c: Tensor) => Tensor>> = {
  "x + c": (x, c) => add(x, c),
  "c + x": (x, c) => add(c, x),
  "x - c": (x, c) => sub(x, c),
  "c - x": (x, c) => sub(c, x),
  "x c": (x, c) => mul(x, c),
  "x / c": (x, c) => div(x, c),
  "c / x": (x, c) => div(c, x),
  "(x + c) + c": (x, c) => add(add(x, c), c),
  "a sum of one": (x, c) => sum(unsqueeze(add(x, c), 0), { axes: [0] }),
  "max(x, c)": (x, c) => maximum(x, c),
  "min(c, x)": (x, c) => minimum(c, x),
};

for (const [name, f] of Object.entries(withConstants)) {
  Deno.test(`${name} is the same whether c is known, bit for bit`, async () => {
    for (const device of devices) {
      for (const c of special) {
        using folded = compile((x: Tensor) => f(x, full([special.length], c)), { device });
        using unfolded = compile((x: Tensor, c: Tensor) => f(x, c), { device });
        const x = tensor(special);
        assertSame(
          await folded(x).data(),
          await unfolded(x, tensor(special.map(() => c))).data(),
          `${device.name}, c = ${c}`,
        );
      }
    }
  });
}

Deno.test("a literal is rounded to its element type before it is used", async () => {
  const x = tensor([0.1]);
  assertEquals(await sub(x, 0.1).item(), 0);
  assertEquals(await div(1, sub(tensor(0.3), 0.3)).item(), Infinity);
  assertEquals(await mul(full([1], 1e39), 1e-5).item(), Infinity);
  assertEquals(await mul(full([1], 2 ** 31 + 3, "u32"), 2).item(), 6);
  const captured = full([], 0.1);
  using program = compile((x: Tensor) => sub(x, captured));
  assertEquals(await program(x).item(), 0);
  const exact = tensor([0.1], { dtype: "f64" });
  assertEquals(await sub(exact, 0.1).item(), 0);
});

Deno.test("functions that are approximated are folded to within their errors", async () => {
  using device = wasm({ threads: 1 });
  const approximated = { exp, expm1, log, pow: (x: Tensor) => pow(x, 1.7) };
  for (const [name, f] of Object.entries(approximated)) {
    for (const value of [0.1, 1.5, 30, 1e-3]) {
      using folded = compile(() => f(full([], value)), { device });
      using unfolded = compile((x: Tensor) => f(x), { device });
      const [a, b] = [await folded().item(), await unfolded(tensor(value)).item()];
      // Some units in the last place, of 6e-8 to 1.2e-7.
      assert(Math.abs(a - b) <= 5e-7 * Math.abs(b), `${name}(${value}): ${a} against ${b}`);
    }
  }
});

Deno.test("a sum over nothing is 0, of whatever it is a sum", async () => {
  for (const value of [Infinity, NaN, -0, 7]) {
    assertSame([await sum(full([0], value)).item()], [0], `${value}`);
    assertSame(await sum(full([2, 0], value), { axes: [1] }).data(), [0, 0], `${value}`);
  }
  assertEquals(await sum(full([0], 7, "i32")).item(), 0);
  assertSame([await sum(full([3], -0)).item()], [0], "a sum of -0 begins with 0");
});

Deno.test("zeros around a piece add to it as zeros do, -0 included", async () => {
  const merged = (a: Tensor, b: Tensor) =>
    add(concat([a, zeros([2])], 0), concat([zeros([2]), b], 0));
  const [a, b] = [tensor([-0, 1]), tensor([-0, -0])];
  for (const device of devices) {
    using program = compile(merged, { device });
    assertSame(await program(a, b).data(), [0, 1, 0, 0], device.name);
  }
});

Deno.test("a constant truth value is one wherever it is used", async () => {
  const f = (x: Tensor) => {
    const truth = full([4], 1, "bool");
    return [where(and(less(x, 0), truth), 1.5, 2.5), where(not(and(truth, less(0, x))), 3, 4)];
  };
  for (const device of devices) {
    using program = compile(f, { device });
    const [first, second] = program(tensor([-1, 1, -2, 0]));
    assertSame(await first?.data() ?? [], [1.5, 2.5, 1.5, 2.5], device.name);
    assertSame(await second?.data() ?? [], [3, 4, 3, 3], device.name);
  }
});

Deno.test("a program for 0 is not the one for -0", async () => {
  using divide = compile((x: Tensor, k: number) => div(x, k));
  const one = tensor([1]);
  assertEquals(await divide(one, 0).item(), Infinity);
  assertEquals(await divide(one, -0).item(), -Infinity);
  assertEquals(await divide(one, 0).item(), Infinity);
  const options = { by: [1, -0] };
  using nested = compile((x: Tensor, { by }: { by: number[] }) => div(x, by[1] ?? NaN));
  assertEquals(await nested(one, { by: [1, 0] }).item(), Infinity);
  assertEquals(await nested(one, options).item(), -Infinity);
  const [zero, minus] = [full([], 0), full([], -0)];
  assertEquals(await div(one, zero).item(), Infinity);
  assertEquals(await div(one, minus).item(), -Infinity);
  assertEquals(await cast(div(one, tensor([-0])), "i32").item(), -(2 ** 31));
});
