/** Loops that are cut into ranges, for Deno and for browsers: nothing here imports Deno's API. */
import { grad } from "@unitune/autodiff";
import { type Device, mul, scatterAdd, slice, sum, type Tensor, tensor } from "@unitune/core";
import { assertLikeReference } from "./compare.ts";
import { numbers, summed } from "./numbers.ts";
import { packedAttention } from "../packed_attention.ts";

/** Asserts that updates find their rows, few rows and many, however many ids there are. */
export async function checkUpdates(
  devices: readonly Device[],
  count: number,
  sizes: readonly (readonly [number, number])[],
): Promise<void> {
  const ids = Int32Array.from({ length: count }, (_, i) => i % 3 === 0 ? 1 : (i * 7) % 250);
  for (const [rows, width] of sizes) {
    await assertLikeReference(
      devices,
      ([ids, updates]) =>
        ids === undefined || updates === undefined ? [] : [
          scatterAdd(ids, updates, rows),
          scatterAdd(ids, updates, slice(updates, 0, 0, rows)),
        ],
      () => [tensor(ids, { dtype: "i32" }), numbers([count, width])],
      summed(count),
      `${rows} rows of ${width}`,
    );
  }
}

/** Asserts that attention and its gradient are the reference's over a context. */
export async function checkContext(devices: readonly Device[], length: number): Promise<void> {
  await assertLikeReference(
    devices,
    ([x, g]) =>
      x === undefined || g === undefined ? [] : [
        packedAttention(x, { scale: 1.5 }),
        grad((y: Tensor) => sum(mul(packedAttention(y, { scale: 1.5 }), g)))(x),
      ],
    () => [numbers([1, length, 3, 1, 8]), numbers([1, length, 1, 8], 3)],
    { value: 4e-5, reason: "as for short contexts: the weights of all positions add up to 1" },
    `${length} positions`,
  );
}
