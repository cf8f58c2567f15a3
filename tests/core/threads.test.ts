import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  compile,
  type Device,
  evaluate,
  key,
  matmul,
  normal,
  sum,
  tanh,
  type Tensor,
  wasm,
} from "@unitune/core";
import { work } from "./shared_work.ts";

/** Waits until a program runs on so many threads: workers take a moment to start. */
async function ready(
  compiled: { statistics(): { threads: number }[] },
  threads: number,
): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    if (compiled.statistics()[0]?.threads === threads) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`the program does not come to run on ${threads} threads`);
}

async function results(device: Device, threads: number): Promise<Uint8Array[]> {
  const [x, w, long] = evaluate(
    [normal(key(1), [240, 130]), normal(key(2), [130, 67]), normal(key(3), [70_000, 33])],
    device,
  );
  assert(x && w && long);
  const run = compile(work, { device });
  run(x, w, long);
  await ready(run, threads);
  const tensors = run(x, w, long);
  return await Promise.all(tensors.map(async (y) => new Uint8Array((await y.data()).buffer)));
}

Deno.test("one, two and three threads give the same bits", async () => {
  const all: Uint8Array[][] = [];
  for (const threads of [1, 2, 3]) {
    using device = wasm({ threads });
    assertEquals(device.threads, threads);
    all.push(await results(device, threads));
  }
  assertEquals(all[1], all[0]);
  assertEquals(all[2], all[0]);
});

Deno.test("many runs and many programs find their workers", async () => {
  using device = wasm({ threads: 2 });
  const [x] = evaluate([normal(key(1), [128, 128])], device);
  assert(x);
  const sums: number[] = [];
  for (let program = 0; program < 70; program++) {
    // More programs than a worker keeps; each is another by its static argument.
    using run = compile((x: Tensor, by: number) => sum(matmul(tanh(x), x), { axes: [by % 2] }), {
      device,
    });
    run(x, program);
    await ready(run, 2);
    const [first] = await run(x, program).data();
    sums.push(first ?? NaN);
  }
  assertEquals(new Set(sums).size, 2);
});

Deno.test("a number of threads that is none is refused", () => {
  assertThrows(() => wasm({ threads: 0 }), RangeError, "threads is an integer from 1, not 0");
  assertThrows(() => wasm({ threads: 1.5 }), RangeError, "not 1.5");
});

/** What a program of its own prints: tests share their process, and so its threads and globals. */
async function printed(source: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", source],
    cwd: new URL("../..", import.meta.url),
  }).output();
  return new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
}

Deno.test({
  name: "no worker is left behind",
  // Where the system tells of a process's threads.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const source = `
      const { compile, matmul, ones, wasm } = await import("@unitune/core");
      const running = () => [...Deno.readDirSync("/proc/self/task")].length;
      const until = async (holds) => {
        for (let wait = 0; wait < 1000 && !holds(); wait++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      };
      const device = wasm({ threads: 3 });
      const run = compile((x) => matmul(x, x), { device });
      run(ones([128, 128]));
      await until(() => run.statistics()[0].threads === 3);
      const before = running();
      device[Symbol.dispose]();
      await until(() => running() <= before - 2);
      console.log(running() <= before - 2 ? "ended" : \`\${running()} of \${before} threads run\`);
    `;
    assertEquals(await printed(source), "ended\n");
  },
});

Deno.test("without relaxed SIMD every sum is rounded twice, and near the same", async () => {
  const of = async (relaxedSimd: boolean) => {
    using device = wasm({ threads: 2, relaxedSimd });
    return (await results(device, 2)).map(({ buffer }) => new Float32Array(buffer));
  };
  const [plain, relaxed] = [await of(false), await of(true)];
  assertEquals(plain.length, relaxed.length);
  // Floats only: ids and orders of near elements may differ. Sums of 240 terms below 20.
  for (const i of [0, 1, 2, 3, 4, 5, 7, 8]) {
    const [a, b] = [plain[i], relaxed[i]];
    assert(a && b);
    for (const [j, x] of a.entries()) assert(Math.abs(x - (b[j] ?? NaN)) < 2e-4, `${i}: ${x}`);
  }
});

Deno.test("without shared memory one thread does all", async () => {
  const source = `
    Reflect.deleteProperty(globalThis, "SharedArrayBuffer");
    const { compile, matmul, ones, wasm } = await import("@unitune/core");
    const run = compile((x) => matmul(x, x), { device: wasm({ threads: 2 }) });
    const [first] = await run(ones([200, 200])).data();
    console.log(first, run.statistics()[0].threads);
  `;
  assertEquals(await printed(source), "200 1\n");
});
