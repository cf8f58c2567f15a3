/** Results on WebGPU against the reference's, in Deno and in browsers: without Deno's API. */
import { compile, type Device, reference, type Tensor, type TypedArray } from "@unitune/core";
import type { Tolerance } from "../core/primitives_table.ts";

const oracle = reference();

/** A result and its elements. */
type Result = readonly [tensor: Tensor, data: TypedArray];

/** Results with their elements, once they are computed. */
async function read(tensors: readonly Tensor[]): Promise<Result[]> {
  return await Promise.all(
    tensors.map(async (tensor): Promise<Result> => [tensor, await tensor.data()]),
  );
}

/** Results of a function whose operands are arguments, so that nothing is known in advance. */
async function resultsOn(
  device: Device,
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Promise<Result[]> {
  using program = compile((inputs: readonly Tensor[]) => [...f(inputs)], { device });
  return await read(program(inputs));
}

/** The elements of the results of a function whose operands are arguments. */
export async function bitsOn(
  device: Device,
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Promise<TypedArray[]> {
  return (await resultsOn(device, f, inputs)).map(([_, data]) => data);
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
function kindOf([tensor, data]: Result): string {
  return `${data.constructor.name}[${data.length}], shape [${tensor.shape}]`;
}

/** Asserts that results are as many and of the kinds that are expected, and as close as they must be. */
function assertAlike(
  actual: readonly Result[],
  expected: readonly Result[],
  { value, reason }: Tolerance,
  name: string,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${name}: has ${actual.length} results, expected ${expected.length}`);
  }
  actual.forEach((result, i) => {
    const wanted = expected[i] ?? result;
    const where = `${name}, result ${i}`;
    if (kindOf(result) !== kindOf(wanted)) {
      throw new Error(`${where}: is ${kindOf(result)}, expected ${kindOf(wanted)}`);
    }
    const worst = difference(result[1], wanted[1]);
    if (worst <= value) return;
    throw new Error(
      `${where}: differs by ${worst}, more than ${value} (${reason}): ` +
        `[${result[1].slice(0, 50)}] against [${wanted[1].slice(0, 50)}]`,
    );
  });
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
  const run = async (device: Device): Promise<Result[][]> => {
    const operands = functions.map(({ build }) => build());
    using program = compile(
      (operands: readonly (readonly Tensor[])[]) =>
        functions.map(({ f }, i) => [...f(operands[i] ?? [])]),
      { device },
    );
    return await Promise.all(program(operands).map(read));
  };
  const [actual, expected] = [await run(device), await run(oracle)];
  functions.forEach(({ name, tolerance }, i) =>
    assertAlike(actual[i] ?? [], expected[i] ?? [], tolerance, name)
  );
}

/** Asserts that devices give the reference's results. */
export async function assertLikeReference(
  devices: readonly Device[],
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  build: () => readonly Tensor[],
  tolerance: Tolerance,
  name: string,
): Promise<void> {
  const expected = await resultsOn(oracle, f, build());
  for (const [number, device] of devices.entries()) {
    const actual = await resultsOn(device, f, build());
    assertAlike(actual, expected, tolerance, `${name}, device ${number}`);
  }
}
