/** Every primitive on the wasm backend, against the reference backend. */
import { assert, assertEquals } from "@std/assert";
import { compile, type Device, reference, type Tensor, type TypedArray, wasm } from "@unitune/core";
import { type Case, cases } from "./primitives_table.ts";

const devices = { reference: reference(), wasm: wasm() };

/** The case's result, its operands being arguments, so that nothing is known when it compiles. */
async function resultOn(device: Device, { build, apply }: Case): Promise<{
  readonly tensor: Tensor;
  readonly data: TypedArray;
}> {
  using program = compile((...inputs: Tensor[]) => apply(inputs), { device });
  const tensor = program(...build("f32"));
  return { tensor, data: await tensor.data() };
}

/** The largest `|a - b| / max(1, |b|)`; NaN if only one is NaN; equal infinities differ by 0. */
function difference(a: TypedArray, b: TypedArray): number {
  let worst = 0;
  a.forEach((x, i) => {
    const y = b[i] ?? NaN;
    if (!Object.is(x, y) && x !== y) {
      worst = Math.max(worst, Math.abs(x - y) / Math.max(1, Math.abs(y)));
    }
  });
  return worst;
}

for (const [primitive, list] of Object.entries(cases)) {
  Deno.test(`${primitive} is the same on wasm as on the reference`, async () => {
    for (const entry of list) {
      const actual = await resultOn(devices.wasm, entry);
      const expected = await resultOn(devices.reference, entry);
      assertEquals(actual.tensor.shape, expected.tensor.shape);
      assertEquals(actual.data.constructor, expected.data.constructor);
      assertEquals(actual.data.length, expected.data.length);
      const { value, reason } = entry.tolerance;
      const worst = difference(actual.data, expected.data);
      assert(
        worst <= value,
        `${entry.name}: differs by ${worst}, more than ${value} (${reason}): ` +
          `[${actual.data}] against [${expected.data}]`,
      );
    }
  });
}
