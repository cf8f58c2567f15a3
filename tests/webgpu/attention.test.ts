/** Attention beyond the sizes of the table: several workgroups, tiles and blocks of rows. */
import { grad } from "@unitune/autodiff";
import { causalAttention, key, mul, normal, type Shape, sum, type Tensor } from "@unitune/core";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";

const tolerance = { value: 3e-5, reason: "sums of some hundred terms of size 1 in f32" };

/** Attention and its gradient for a cotangent that differs everywhere. */
function attended([x, g]: readonly Tensor[]): Tensor[] {
  if (x === undefined || g === undefined) return [];
  return [causalAttention(x), grad((y: Tensor) => sum(mul(causalAttention(y), g)))(x)];
}

// Rows that lanes and fours do not divide, more rows than a workgroup or a tile has, wide heads.
const shapes: readonly Shape[] = [
  [2, 37, 3, 3, 20],
  [1, 150, 3, 2, 8],
  [1, 70, 3, 1, 36],
  [1, 6, 3, 1, 66],
];

for (const shape of shapes) {
  testOnWebGpu(`attention of [${shape}] is the reference's`, async (...devices) => {
    await assertLikeReference(
      devices,
      attended,
      () => [normal(key(1), shape), normal(key(2), shape.toSpliced(2, 1))],
      tolerance,
      `[${shape}]`,
    );
  });
}

testOnWebGpu("scores far apart give no NaN", async (...devices) => {
  await assertLikeReference(
    devices,
    attended,
    () => [mul(normal(key(4), [1, 20, 3, 1, 4]), 30), normal(key(5), [1, 20, 1, 4])],
    { value: 1e-3, reason: "scores of size 1000, whose roundings of 6e-5 weights follow" },
    "far apart",
  );
});
