/** Reductions of all shapes, for Deno and for browsers: nothing here imports Deno's API. */
import {
  add,
  argmax,
  compile,
  type Device,
  logSumExp,
  max,
  mul,
  type Shape,
  softmax,
  sum,
  type Tensor,
  transpose,
  type TypedArray,
} from "@unitune/core";
import { assertLikeReference } from "./compare.ts";
import { numbers, summed } from "./numbers.ts";

/** Few outputs and many, in one workgroup and in several, with and without whole fours. */
const shapes: readonly Shape[] = [
  [3, 700],
  [700, 3],
  [700, 64],
  [5, 9, 33],
  [40, 6, 40],
  [1, 9000],
  [9000],
];

/** Sums, maxima and their places along an axis, and what is made of them. */
function reduced(x: Tensor, axis: number): Tensor[] {
  return [
    sum(mul(x, x), { axes: [axis] }),
    max(add(x, 1), { axes: [axis] }),
    argmax(x, axis),
    sum(transpose(x, [...x.shape.keys()].toReversed())),
  ];
}

/** Asserts that devices reduce like the reference. */
export async function checkReductions(devices: readonly Device[]): Promise<void> {
  for (const shape of shapes) {
    for (const axis of shape.keys()) {
      await assertLikeReference(
        devices,
        ([x]) => x === undefined ? [] : reduced(x, axis),
        () => [numbers(shape)],
        summed(9000),
        `[${shape}] over ${axis}`,
      );
    }
  }
  await assertLikeReference(
    devices,
    ([x]) => x === undefined ? [] : [softmax(x), logSumExp(x)],
    () => [numbers([20, 300])],
    summed(300),
    "rows of probabilities",
  );
}

/** The sums and maxima of the same elements, twice. */
export async function reduceTwice(
  device: Device,
): Promise<readonly [readonly TypedArray[], readonly TypedArray[]]> {
  using program = compile((x: Tensor) => [...reduced(x, 0), ...reduced(x, 1)], { device });
  const run = () => Promise.all(program(numbers([130, 500])).map((result) => result.data()));
  return [await run(), await run()];
}
