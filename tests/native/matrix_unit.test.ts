/** Products by the processor's matrix unit where there is one, and by vectors. */
import { assert, assertEquals } from "@std/assert";
import {
  compile,
  evaluate,
  key,
  matmul,
  normal,
  reference,
  type Tensor,
  tensor,
  transpose,
} from "@unitune/core";
import { native, type NativeOptions, NativeUnavailableError } from "@unitune/core/native";
import { products, sizes } from "../core/product_cases.ts";
import { testOnNative } from "./machine.ts";

/** The native backend; undefined where it is asked for products of bfloats and has none. */
function opened(options: NativeOptions) {
  try {
    return native(options);
  } catch (error) {
    if (options.matrixUnit === "bf16" && error instanceof NativeUnavailableError) return undefined;
    throw error;
  }
}

/** The largest error of a product's elements, in parts of the sum of their terms' sizes. */
async function worstError(options: NativeOptions): Promise<number> {
  using device = opened(options);
  if (device === undefined) return NaN;
  const [m, k, n] = [70, 300, 50];
  const [x, y] = evaluate([normal(key(1), [m, k]), normal(key(2), [k, n])], device);
  assert(x && y);
  using run = compile((x: Tensor, y: Tensor) => matmul(x, y), { device });
  const [a, b, c] = [await x.data(), await y.data(), await run(x, y).data()];
  let worst = 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, size] = [0, 0];
      for (let d = 0; d < k; d++) {
        const term = (a[i * k + d] ?? NaN) * (b[d * n + j] ?? NaN);
        sum += term;
        size += Math.abs(term);
      }
      worst = Math.max(worst, Math.abs((c[i * n + j] ?? NaN) - sum) / size);
    }
  }
  return worst;
}

testOnNative("products keep a float's digits, and with bfloats theirs", async (_, cache) => {
  // Roundings of sums of at most 128 floats, each of 2^-24, partly cancel.
  for (const matrixUnit of ["exact", "off"] as const) {
    const error = await worstError({ cache, matrixUnit });
    assert(error < 2 ** -21, `${matrixUnit}: ${error}`);
  }
  const error = await worstError({ cache, matrixUnit: "bf16" });
  // Two roundings of at most 2^-8, which partly cancel, and are not as small as a float's.
  assert(Number.isNaN(error) || error > 2 ** -14 && error < 2 ** -7, `bf16: ${error}`);
});

for (const [name, { operands, product }] of Object.entries(products)) {
  testOnNative(`${name} by vectors is exactly the reference's`, async (_, cache) => {
    using device = native({ cache, matrixUnit: "off" });
    for (const size of sizes) {
      const f = (a: Tensor, b: Tensor) => product(a, b, size);
      using run = compile(f, { device });
      using exact = compile(f, { device: reference() });
      const [a, b] = operands(size);
      assertEquals(await run(a, b).data(), await exact(a, b).data(), `M, K, N = ${size}`);
    }
  });
}

testOnNative(
  "products of infinities, NaN and the largest floats are the reference's",
  async (device) => {
    const [m, k, n] = [70, 300, 50];
    const whole = (rows: number, columns: number, special: Readonly<Record<number, number>>) =>
      tensor(
        Float32Array.from({ length: rows * columns }, (_, i) => special[i] ?? (i * 7) % 5 - 2),
        { shape: [rows, columns] },
      );
    // In one row of the left factor, in some columns of the right one, and in both.
    const largest = 3.4028234663852886e38;
    const left = { [3 * k + 5]: Infinity, [40 * k + 290]: largest };
    const right = { [5 * n + 7]: -Infinity, [200 * n + 33]: NaN };
    for (const [of, other] of [[left, {}], [{}, right], [left, right]] as const) {
      const [a, b] = [whole(m, k, of), whole(k, n, other)];
      for (
        const f of [
          (a: Tensor, b: Tensor) => matmul(a, b),
          (a: Tensor, b: Tensor) => matmul(transpose(b, [1, 0]), transpose(a, [1, 0])),
        ]
      ) {
        using run = compile(f, { device });
        using exact = compile(f, { device: reference() });
        assertEquals(await run(a, b).data(), await exact(a, b).data());
      }
    }
  },
);
