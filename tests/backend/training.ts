/** A training on a backend beside that on the reference. */
import { assert, assertEquals } from "@std/assert";
import { type Device, leavesOf, reference } from "@unitune/core";
import { train } from "../webgpu/training.ts";

/** Asserts that three steps of a GPT give the reference's losses and parameters. */
export async function assertTrainsLikeReference(device: Device): Promise<void> {
  const [actual, expected] = [await train(device, 3), await train(reference(), 3)];
  // Each step rounds what it computes to f32, 1e-7 of losses of about 3.
  actual.losses.forEach((loss, i) => {
    const wanted = expected.losses[i] ?? NaN;
    assert(Math.abs(loss - wanted) < 1e-5, `step ${i}: ${loss} against ${wanted}`);
  });
  assert((actual.losses[2] ?? NaN) < (actual.losses[0] ?? NaN), "nothing was learned");
  const elementsOf = (params: object) => Promise.all(leavesOf(params).map((leaf) => leaf.data()));
  const [params, wanted] = [await elementsOf(actual.params), await elementsOf(expected.params)];
  assertEquals(params.length, wanted.length);
  // AdamW divides a gradient by its size: where that is next to nothing, so are its exact digits. An
  // update is 1e-3 at most; a tenth of it is the limit, and 1.4e-5 is what was seen.
  params.forEach((leaf, i) =>
    leaf.forEach((x, j) => {
      const off = Math.abs(x - (wanted[i]?.[j] ?? NaN));
      assert(off < 1e-4, `element ${j} of leaf ${i} is off by ${off}`);
    })
  );
}
