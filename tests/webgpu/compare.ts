/** Results on WebGPU against the reference's. */
import { assert, assertEquals } from "@std/assert";
import { compile, type Device, reference, type Tensor, type TypedArray } from "@unitune/core";
import type { Tolerance } from "../core/primitives_table.ts";

const oracle = reference();

/** Results of a function whose operands are arguments, so that nothing is known in advance. */
async function resultsOn(
  device: Device,
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Promise<{ readonly tensors: readonly Tensor[]; readonly data: readonly TypedArray[] }> {
  using program = compile((inputs: readonly Tensor[]) => [...f(inputs)], { device });
  const tensors = program(inputs);
  return { tensors, data: await Promise.all(tensors.map((tensor) => tensor.data())) };
}

/** The largest `|a - b| / max(1, |b|)`; NaN if only one is NaN; equal infinities differ by 0. */
export function difference(a: TypedArray, b: TypedArray): number {
  let worst = 0;
  a.forEach((x, i) => {
    const y = b[i] ?? NaN;
    if (!Object.is(x, y) && x !== y) {
      worst = Math.max(worst, Math.abs(x - y) / Math.max(1, Math.abs(y)));
    }
  });
  return worst;
}

/** Asserts that devices give the reference's results. */
export async function assertLikeReference(
  devices: readonly Device[],
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  build: () => readonly Tensor[],
  { value, reason }: Tolerance,
  name: string,
): Promise<void> {
  const expected = await resultsOn(oracle, f, build());
  for (const [number, device] of devices.entries()) {
    const actual = await resultsOn(device, f, build());
    actual.tensors.forEach((tensor, i) => {
      const [got, wanted] = [actual.data[i], expected.data[i]];
      assert(got !== undefined && wanted !== undefined);
      assertEquals(tensor.shape, expected.tensors[i]?.shape);
      assertEquals(got.constructor, wanted.constructor);
      assertEquals(got.length, wanted.length);
      const worst = difference(got, wanted);
      assert(
        worst <= value,
        `${name}, result ${i}, device ${number}: differs by ${worst}, more than ${value} ` +
          `(${reason}): [${got.slice(0, 50)}] against [${wanted.slice(0, 50)}]`,
      );
    });
  }
}
