/** Products whose operands are rounded to f16: how far off they are, and that training bears it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  abs,
  compile,
  matmul,
  mul,
  type Tensor,
  tensor,
  transposeLast,
  webgpu,
  type WebGpuDevice,
  WebGpuUnavailableError,
} from "@unitune/core";
import { device as software } from "./adapter.ts";
import { numbers } from "./numbers.ts";
import { train } from "./training.ts";

const hasF16 = software?.features.includes("f16") === true;
if (!hasF16) console.warn("tests of precision f16 are skipped: there is no adapter with f16");

/** A test on devices that round operands, with the kernels for the adapter and for hardware. */
function testInHalf(name: string, test: (devices: readonly WebGpuDevice[]) => Promise<void>) {
  Deno.test({
    name,
    ignore: !hasF16,
    async fn() {
      using own = await webgpu({ precision: "f16" });
      using hardware = await webgpu({ precision: "f16", tuning: "hardware" });
      await test([own, hardware]);
    },
  });
}

/** A product, and the sums of its terms' magnitudes. */
function product(a: Tensor, b: Tensor): Tensor[] {
  return [matmul(a, b), matmul(abs(a), abs(b))];
}

testInHalf("each operand of a product is off by 2^-11 of itself at most", async (devices) => {
  assert(software !== undefined);
  // Sizes with splits, edges and batches; operands beyond what f16 holds, at either end.
  const shapes = [[1, 40, 520, 36], [2, 33, 20, 70], [1, 130, 64, 128]] as const;
  const scales = [[1, 1], [1e9, 1e-12], [1e-20, 3]].map((pair) => pair.map((x) => tensor(x)));
  for (const [batch, rows, depth, columns] of shapes) {
    for (const isTurned of [false, true]) {
      const right = isTurned ? [batch, columns, depth] : [batch, depth, columns];
      const operands = [numbers([batch, rows, depth]), numbers(right, 2)];
      const run = async (device: WebGpuDevice) => {
        using program = compile(([a, b, left, right]: readonly Tensor[]) => {
          if (a === undefined || b === undefined) return [];
          const [x, y] = [mul(a, left ?? 1), mul(b, right ?? 1)];
          return product(x, isTurned ? transposeLast(y) : y);
        }, { device });
        const results = scales.map((pair) => program([...operands, ...pair]));
        return await Promise.all(results.flat().map((result) => result.data()));
      };
      const expected = await run(software);
      for (const device of devices) {
        const actual = await run(device);
        for (const i of scales.keys()) {
          const [values, exact, magnitudes] = [actual[2 * i], expected[2 * i], expected[2 * i + 1]];
          assert(values !== undefined && exact !== undefined && magnitudes !== undefined);
          const errors = Array.from(
            values,
            (value, at) => Math.abs(value - (exact[at] ?? NaN)) / (magnitudes[at] ?? NaN),
          );
          const worst = Math.max(...errors);
          // Two operands a term, and f32's own roundings of some hundred terms.
          assert(worst <= 2 ** -10 + 1e-5, `${[rows, depth, columns]}: off by ${worst}`);
          assert(worst > 1e-6, "nothing was rounded");
        }
      }
    }
  }
});

testInHalf("what is not a number, or not finite, stays so", async (devices) => {
  const square = (value: number) =>
    tensor(Float32Array.from({ length: 256 }, (_, i) => i === 3 ? value : 1), { shape: [16, 16] });
  for (const device of devices) {
    using program = compile((a: Tensor) => matmul(a, square(1)), { device });
    for (const value of [NaN, Infinity, 0, 1e30]) {
      const [first = 0, , , , ...others] = await program(square(value)).data();
      // The largest operand leaves nothing of those 2^-40 as large.
      const expected = value + 15;
      assert(Object.is(first, expected) || Math.abs(first / expected - 1) < 2 ** -10, `${value}`);
      assertEquals(others.length, 252);
    }
  }
});

testInHalf("200 steps train as in f32", async ([device]) => {
  assert(device !== undefined && software !== undefined);
  const [expected, actual] = [await train(software, 200), await train(device, 200)];
  assert((actual.losses.at(-1) ?? Infinity) < 1, "nothing was learned");
  let worst = 0;
  actual.losses.forEach((loss, step) => {
    worst = Math.max(worst, Math.abs(loss - (expected.losses[step] ?? NaN)));
  });
  // Some 2^-11 an operand, in a mean over 128 tokens that training amplifies; 6e-5 where this was
  // written. Roundings of f32 alone stay below 1e-5.
  assert(worst <= 1e-3, `losses differ by ${worst}`);
});

Deno.test({
  name: "precision f16 is refused where there is none",
  ignore: software === undefined,
  async fn() {
    await assertRejects(
      () => webgpu({ precision: "f16", without: ["f16"] }),
      WebGpuUnavailableError,
      "precision f32",
    );
  },
});
