/** Weights of more than 4 GiB on wasm, which addresses of 32 bits do not reach. */
import { assert, assertEquals } from "@std/assert";
import {
  add,
  arange,
  cast,
  compile,
  evaluate,
  gather,
  matmul,
  mul,
  rem,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  transposeLast,
  wasm,
} from "@unitune/core";

const GIB = 2 ** 30;
const [ROWS, WIDTH] = [300_000, 4096];

/** The element of a row and a column before and after a step: small integers, exact in f32. */
const before = (row: number, column: number) => (row * WIDTH + column) % 1021;
const after = (row: number, column: number) => 2 * before(row, column) + 1;

Deno.test("wide memory: a table of 4.6 GiB is updated in place, and read to its end", async () => {
  using device = wasm({ memory: 7 * GIB });
  // Numbers of elements are more than f32 holds exactly: their remainders are added instead.
  const numbers = (count: number, step: number) =>
    rem(mul(rem(arange(count), 1021), step % 1021), 1021);
  const residues = rem(
    add(reshape(numbers(ROWS, WIDTH), [ROWS, 1]), reshape(numbers(WIDTH, 1), [1, WIDTH])),
    1021,
  );
  const table = evaluate(cast(residues, "f32"), device);
  const rows = [0, 1, 131_072, 262_143, 262_144, ROWS - 1];
  using step = compile((table: Tensor, ids: Tensor) => {
    const next = add(mul(table, 2), 1);
    const last = slice(table, 0, ROWS - 8, ROWS);
    return { table: next, before: gather(table, ids), products: matmul(last, transposeLast(last)) };
  }, { device, donate: [0] });
  const ids = tensor(rows, { dtype: "i32" });
  const result = step(table, ids);
  const { bytes } = device.statistics();
  assert(bytes > 4.5 * GIB && bytes < 7 * GIB, `${bytes}`);
  const of = (element: typeof before) =>
    Float32Array.from(
      rows.flatMap((row) => Array.from({ length: WIDTH }, (_, i) => element(row, i))),
    );
  assertEquals(await result.before.data(), of(before));
  const read = compile(
    (table: Tensor, ids: Tensor) => [gather(table, ids), sum(slice(table, 0, ROWS - 1, ROWS))],
    { device },
  );
  const [found, total] = read(result.table, ids);
  assertEquals(await found?.data(), of(after));
  const row = Array.from({ length: WIDTH }, (_, i) => after(ROWS - 1, i));
  assertEquals(await total?.item(), row.reduce((sum, x) => sum + x, 0));
  const products = await result.products.data();
  const square = Array.from({ length: WIDTH }, (_, i) => before(ROWS - 1, i) ** 2)
    .reduce((sum, x) => sum + x, 0);
  // 4,096 products of up to 2^20: sums of 512 are rounded to 24 bits.
  assert(Math.abs((products.at(-1) ?? NaN) / square - 1) < 1e-5);
});
