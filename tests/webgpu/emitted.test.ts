/** The code of kernels, without an adapter: what it does to get its results, and what it binds. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { add, matmul, type Tensor, zeros } from "@unitune/core";
import { efforts } from "./efforts.ts";
import { type Adapter, emitted } from "./emitted.ts";

Deno.test("kernels do no more to get their results than efforts.txt says", async () => {
  const known = await Deno.readTextFile(new URL("efforts.txt", import.meta.url));
  // Where kernels are meant to do something else: see efforts.ts.
  assertEquals(`${efforts()}\n`.split("\n"), known.split("\n"));
});

Deno.test("operands are bound for reading only, and what a program makes for writing", () => {
  const [kernel] = emitted(([x, y]) => x && y && [add(x, y)], [zeros([4]), zeros([4])], {
    kind: "software",
  });
  const bound = kernel?.dispatches.flatMap(({ bindings }) =>
    bindings.map(({ buffer, written }) => [
      buffer === undefined ? "all memory" : kernel.roleOf(buffer),
      written,
    ])
  );
  assertEquals(bound, [["input 0", false], ["input 1", false], ["output 0", true]]);
  const accesses = kernel?.dispatches[0]?.source.match(/var<storage, \w+>/g);
  assertEquals(accesses, [
    "var<storage, read>",
    "var<storage, read>",
    "var<storage, read_write>",
  ]);
});

/** The most buffers that a shader binds unless an adapter allows more. */
const BINDINGS = 8;

const adapters: readonly Adapter[] = (["software", "hardware"] as const).flatMap((kind) =>
  (["f32", "f16"] as const).map((precision) => ({ kind, precision, bindings: BINDINGS }))
);

/** `a b` and the sums of it with others, one after the other. */
function withAddends(inputs: readonly Tensor[]): Tensor {
  const [a, b, ...addends] = inputs;
  assert(a !== undefined && b !== undefined);
  return addends.reduce((total, addend) => add(total, addend), matmul(a, b));
}

Deno.test("a product takes on an epilogue as long as its shaders can bind what that needs", () => {
  const sizes: readonly (readonly [rows: number, depth: number, columns: number])[] = [
    [12, 30, 20],
    [2, 30, 20],
    [128, 128, 128],
    [16, 0, 16],
    // Longer than a loop: ranges of it are counted in a buffer of their own.
    [12, 70_000, 20],
    [3, 70_000, 20],
    [128, 70_000, 128],
  ];
  for (const [rows, depth, columns] of sizes) {
    for (const adapter of adapters) {
      // Both operands and the result take three; the scales of both, or the counter, what is left.
      const room = BINDINGS - 3 - (adapter.precision === "f16" ? 2 : depth > 60_000 ? 1 : 0);
      for (let addends = 1; addends < BINDINGS - 1; addends++) {
        const dispatches = emitted(withAddends, [
          zeros([rows, depth]),
          zeros([depth, columns]),
          ...Array.from({ length: addends }, () => zeros([rows, columns])),
        ], adapter).flatMap(({ dispatches }) => dispatches);
        const name = JSON.stringify([rows, depth, columns, addends, adapter]);
        for (const { bindings } of dispatches) assertLessOrEqual(bindings.length, BINDINGS, name);
        const isTakenOn = dispatches.at(-1)?.source.includes("fn finish(");
        assertEquals(isTakenOn, addends <= room, name);
      }
    }
  }
});
