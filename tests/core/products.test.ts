/** Products large enough for all ways in which the wasm backend reads its operands. */
import { assertEquals } from "@std/assert";
import {
  cast,
  compile,
  type Device,
  evaluate,
  key,
  matmul,
  normal,
  reference,
  slice,
  type Tensor,
  transposeLast,
  wasm,
} from "@unitune/core";
import { products, sizes } from "./product_cases.ts";

for (const [name, { operands, product }] of Object.entries(products)) {
  Deno.test(`${name} is exactly the reference's, with fused multiplication and without`, async () => {
    for (const size of sizes) {
      const on = async (device: Device) => {
        using run = compile((a: Tensor, b: Tensor) => product(a, b, size), { device });
        return await run(...operands(size)).data();
      };
      const expected = await on(reference());
      for (const relaxedSimd of [true, false]) {
        using device = wasm({ relaxedSimd, threads: 1 });
        assertEquals(await on(device), expected, `M, K, N = ${size}`);
      }
    }
  });
}

Deno.test("a row of a product has the same bits among any others on wasm", async () => {
  const [depth, columns] = [1541, 71];
  using device = wasm({ threads: 2 });
  const draw = (seed: number, shape: number[]) => normal(key(seed), shape);
  const matrices: Readonly<Record<string, Tensor>> = {
    "as it is": draw(1, [depth, columns]),
    transposed: transposeLast(draw(2, [columns, depth])),
    "transposed, of 16 bits": cast(transposeLast(cast(draw(3, [columns, depth]), "bf16")), "f32"),
  };
  const [a] = evaluate([draw(0, [13, depth])], device);
  if (a === undefined) throw new Error("there is one operand");
  for (const [name, matrix] of Object.entries(matrices)) {
    using product = compile((rows: Tensor) => matmul(rows, matrix), { device });
    const all = await product(a).data();
    for (const rows of [1, 2, 3, 4, 5, 6, 7, 12]) {
      const some = await product(slice(a, 0, 13 - rows, 13)).data();
      assertEquals(some, all.slice(-rows * columns), `${rows} rows by a matrix ${name}`);
    }
  }
});
