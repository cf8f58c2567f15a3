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

/** A function, its operands, and by how much its results may be off. */
export interface Compared {
  readonly name: string;
  readonly f: (inputs: readonly Tensor[]) => readonly Tensor[];
  readonly build: () => readonly Tensor[];
  readonly tolerance: Tolerance;
}

/** Asserts that a device gives the reference's results of several functions, in one program. */
export async function assertAllLikeReference(
  device: Device,
  functions: readonly Compared[],
): Promise<void> {
  const run = async (device: Device) => {
    const operands = functions.map(({ build }) => build());
    using program = compile(
      (operands: readonly (readonly Tensor[])[]) =>
        functions.map(({ f }, i) => [...f(operands[i] ?? [])]),
      { device },
    );
    const results = program(operands);
    return await Promise.all(
      results.map((tensors) => Promise.all(tensors.map(async (t) => [t, await t.data()] as const))),
    );
  };
  const [actual, expected] = [await run(device), await run(oracle)];
  functions.forEach(({ name, tolerance: { value, reason } }, i) => {
    (expected[i] ?? []).forEach(([wantedTensor, wanted], result) => {
      const [tensor, got] = actual[i]?.[result] ?? [];
      const [kind, wantedKind] = [kindOf(tensor, got), kindOf(wantedTensor, wanted)];
      if (got === undefined || kind !== wantedKind) {
        throw new Error(`${name}, result ${result}: is ${kind}, expected ${wantedKind}`);
      }
      const worst = difference(got, wanted);
      if (worst <= value) return;
      throw new Error(
        `${name}, result ${result}: differs by ${worst}, more than ${value} (${reason})`,
      );
    });
  });
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
