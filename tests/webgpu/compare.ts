/** Results on WebGPU against the reference's, in Deno and in browsers: without Deno's API. */
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

/** What a result is, its values aside. */
function kindOf(tensor: Tensor | undefined, data: TypedArray | undefined): string {
  return `${data?.constructor.name}[${data?.length}], shape [${tensor?.shape}]`;
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
      const where = `${name}, result ${i}, device ${number}`;
      const kind = kindOf(tensor, got);
      const wantedKind = kindOf(expected.tensors[i], wanted);
      if (got === undefined || wanted === undefined || kind !== wantedKind) {
        throw new Error(`${where}: is ${kind}, expected ${wantedKind}`);
      }
      const worst = difference(got, wanted);
      if (worst <= value) return;
      throw new Error(
        `${where}: differs by ${worst}, more than ${value} (${reason}): ` +
          `[${got.slice(0, 50)}] against [${wanted.slice(0, 50)}]`,
      );
    });
  }
}
