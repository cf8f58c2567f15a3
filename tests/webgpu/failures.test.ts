/** What becomes of work on a device that fails: an error that names the kernel, and nothing lost. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { carryOut, createRun, prepare, runConfig, silentProgress } from "@unitune/cli";
import { trainSettings } from "@unitune/training";
import {
  compile,
  type Device,
  mul,
  sum,
  type Tensor,
  tensor,
  wasm,
  WebGpuFailedError,
} from "@unitune/core";
import { testOnWebGpu } from "./adapter.ts";
import { openBreakable } from "./breakable.ts";

const numbers = tensor(new Float32Array(3000).fill(2));

testOnWebGpu("a lost device says so at the next read and run", async () => {
  const { device, gpu } = await openBreakable();
  using double = compile((x: Tensor) => mul(x, 2), { device });
  const before = await double(numbers).data();
  const result = double(numbers);
  gpu.destroy();
  await assertRejects(() => result.data(), WebGpuFailedError, "it was lost");
  assertThrows(() => double(numbers), WebGpuFailedError, "it was lost");
  assertEquals(before[0], 4);
});

testOnWebGpu("a kernel that is refused its buffers is named", async () => {
  const { device, gpu } = await openBreakable();
  using total = compile((x: Tensor) => sum(mul(x, x)), { device });
  const { createBindGroup } = gpu;
  gpu.createBindGroup = (descriptor) =>
    createBindGroup.call(gpu, { ...descriptor, entries: [...descriptor.entries].slice(1) });
  const result = total(numbers);
  const error = await assertRejects(() => result.data(), WebGpuFailedError);
  assertMatch(error.message, /kernel sum \[\] over \[3000\] cannot be given its buffers/);
  device[Symbol.dispose]();
});

testOnWebGpu("what finds no memory is named, with what is in use", async () => {
  const { device, gpu } = await openBreakable();
  using double = compile((x: Tensor) => mul(x, 2), { device });
  const { popErrorScope } = gpu;
  const result = double(numbers);
  assertEquals((await result.data())[0], 4);
  // The software adapter takes memory only when it is written, so it never refuses any.
  gpu.popErrorScope = async () => {
    await popErrorScope.call(gpu);
    return new GPUOutOfMemoryError("not enough memory left");
  };
  const second = double(numbers);
  const error = await assertRejects(() => second.data(), WebGpuFailedError);
  assertMatch(
    error.message,
    /out of memory: result 0 needs 12032 bytes beside the \d+ that are in use/,
  );
  device[Symbol.dispose]();
});

testOnWebGpu("training stops with its last checkpoint, and goes on elsewhere", async () => {
  const out = await Deno.makeTempDir();
  const settings = trainSettings({
    ...{ steps: 12, saveSteps: 4, evalSteps: 12, loggingSteps: 1, batchSize: 2 },
    ...{ layers: 1, heads: 1, width: 8, warmupSteps: 0 },
  });
  const prepared = await prepare(settings);
  const start = (name: string) => createRun(`${out}/${name}`, "run", runConfig(settings, prepared));
  const lossesOf = async (folder: string) => {
    const lines = (await Deno.readTextFile(`${folder}/metrics.jsonl`)).trim().split("\n");
    return lines.map((line) => JSON.parse(line)).flatMap(({ split, loss }) =>
      split === undefined ? [Number(loss)] : []
    );
  };
  try {
    const { device, gpu } = await openBreakable();
    const folder = await start("broken");
    const progress = {
      ...silentProgress,
      update: (done: number) => {
        if (done === 7) gpu.destroy();
      },
    };
    const error = await assertRejects(() =>
      carryOut({ folder, stages: [settings], prepared, device, progress })
    );
    assert(error instanceof Error);
    assertMatch(error.message, /^training stopped at step [789]: the WebGPU device failed: it was/);
    assertMatch(
      error.message,
      /the last good checkpoint is .*step-000004. Go on, .*--device wasm, by\n {2}deno task train --res/,
    );

    const goOn = async (folder: string, device: Device) => {
      using own = device;
      return await carryOut({ folder, stages: [settings], prepared, device: own });
    };
    const resumed = await goOn(folder, wasm());
    assert(resumed.isComplete);
    const whole = await start("whole");
    await goOn(whole, wasm());
    const [losses, expected] = [await lossesOf(folder), await lossesOf(whole)];
    assertEquals([losses.length, expected.length], [12, 12]);
    // Roundings of f32 in sums of another order, over twelve steps.
    losses.forEach((loss, i) => assert(Math.abs(loss - (expected[i] ?? NaN)) < 1e-4, `step ${i}`));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
