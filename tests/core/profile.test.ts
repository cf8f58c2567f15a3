import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import {
  compile,
  type Device,
  evaluate,
  matmul,
  mul,
  reference,
  sum,
  type Tensor,
  tensor,
  wasm,
  zeros,
} from "@unitune/core";

/** A product and a reduction: small, or large enough for several threads. */
function program(device: Device, size: number) {
  const a = tensor(new Float32Array(size * size).fill(1 / size), { shape: [size, size] });
  const f = compile((x: Tensor) => sum(matmul(x, x)), { device });
  return { f, a: evaluate(a, device) };
}

const sizes = [
  { threads: 1, size: 32, sums: ["sum [] over [1024]"] },
  // A long sum is one of parts.
  { threads: 2, size: 256, sums: ["sum [4] over [16384]", "sum [] over [4]"] },
];

for (const { threads, size, sums } of sizes) {
  Deno.test(`wasm: a profile names the kernels, on ${threads} threads of ${size}`, async () => {
    using device = wasm({ threads });
    const { f, a } = program(device, size);
    const expected = await f(a).item();
    for (let run = 0; run < 3; run++) {
      let total: Tensor | undefined;
      const times = await device.profile(() => total = f(a));
      assertEquals(times?.map(({ kernel }) => kernel).toSorted(), [
        `matmul [${size},${size}] x [${size},${size}]`,
        ...sums,
      ]);
      for (const { count, milliseconds } of times ?? []) assert(count === 1 && milliseconds >= 0);
      assertEquals(await total?.item(), expected);
    }
  });
}

Deno.test("wasm: kernels take no longer together than the run that they are of", async () => {
  using device = wasm({ threads: 1 });
  // A chain of sums, each of its own sizes, so that each is a kernel by its own name.
  const f = compile((x: Tensor) => {
    let y = x;
    for (let axis = 0; axis < 6; axis++) y = mul(sum(y, { axes: [0] }), 2);
    return y;
  }, { device });
  const a = evaluate(zeros([2, 2, 2, 2, 2, 2, 3]), device);
  // Small programs take microseconds, unless the machine is busy with something else.
  for (let run = 0; run < 20; run++) {
    const start = performance.now();
    const times = await device.profile(() => f(a)) ?? [];
    const elapsed = performance.now() - start;
    assertGreater(times.length, 5);
    assertLessOrEqual(times.reduce((total, { milliseconds }) => total + milliseconds, 0), elapsed);
  }
});

Deno.test("a profile without a program is an error, and the next run is no profile", async () => {
  using device = wasm({ threads: 1 });
  await assertRejects(() => device.profile(() => {}), Error, "profile: no program ran");
  const { f, a } = program(device, 4);
  assertEquals(await f(a).item(), 4);
});

Deno.test("the reference cannot tell kernels apart", async () => {
  assertEquals(await reference().profile(() => {}), undefined);
});
