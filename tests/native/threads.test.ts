/** Threads of the native backend: the same bits for any number of them, and late ones. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { compile, evaluate, key, matmul, normal, sum, type Tensor } from "@unitune/core";
import { native } from "@unitune/core/native";
import { work } from "../core/shared_work.ts";
import { train } from "../webgpu/training.ts";
import { testOnNative } from "./machine.ts";

testOnNative("one, two, three and seven threads give the same bits", async (_, cache) => {
  const all: unknown[] = [];
  for (const threads of [1, 2, 3, 7]) {
    using device = native({ cache, threads });
    const [x, w, long] = evaluate(
      [normal(key(1), [240, 130]), normal(key(2), [130, 67]), normal(key(3), [70_000, 33])],
      device,
    );
    assert(x && w && long);
    using run = compile(work, { device });
    const results = await Promise.all(run(x, w, long).map((y) => y.data()));
    assertEquals(run.statistics()[0]?.threads, threads);
    all.push([results, (await train(device, 4)).losses]);
  }
  for (const results of all) assertEquals(results, all[0]);
});

testOnNative("programs of one thread and of all take turns", async (_, cache) => {
  using device = native({ cache, threads: 3 });
  const [x] = evaluate([normal(key(1), [96, 96])], device);
  assert(x);
  using large = compile((x: Tensor) => matmul(x, x), { device });
  using small = compile((x: Tensor) => sum(x), { device });
  const expected = await large(x).data();
  // Threads that a small program does not need may wake during the next large one.
  for (let i = 0; i < 300; i++) {
    await small(large(x)).item();
    if (i % 50 === 0) assertEquals(await large(x).data(), expected);
  }
});

Deno.test("a number of threads that is none is refused", () => {
  assertThrows(() => native({ threads: 0 }), RangeError, "from 1 to 1023, not 0");
  assertThrows(() => native({ threads: 1.5 }), RangeError, "not 1.5");
  assertThrows(() => native({ threads: 1024 }), RangeError, "not 1024");
});
