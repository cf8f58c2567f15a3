/** Instructions of WebAssembly, each run by itself: what it gives is what the standard says. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { f32x4, i32, i64, local, types, v128 } from "../../core/backends/wasm/instructions.ts";
import { encodeModule, type WasmFunction } from "../../core/backends/wasm/module.ts";

/** An instance with a function `run` and a memory. */
async function instanceOf(f: WasmFunction) {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const { instance } = await WebAssembly.instantiate(encodeModule([f], { run: 0 }), {
    host: { memory },
  });
  const { run } = instance.exports;
  if (typeof run !== "function") throw new TypeError("run is exported");
  return { run, memory };
}

Deno.test("a constant of 32 or 64 bits is itself, however many bytes encode it", async () => {
  const edges = [
    0n,
    1n,
    63n,
    64n,
    127n,
    128n,
    8191n,
    8192n,
    2n ** 31n - 1n,
    2n ** 62n,
    2n ** 63n - 1n,
  ];
  const both = edges.flatMap((value) => [value, -value, -value - 1n]);
  const drawn = fc.sample(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), {
    numRuns: 50,
    seed: 1,
  });
  for (const value of [...both, ...drawn]) {
    const wide = { parameters: [], results: [types.i64], locals: [], code: i64.const(value) };
    assertEquals((await instanceOf(wide)).run(), value, `i64 ${value}`);
    const narrow = Number(BigInt.asIntN(32, value));
    const own = { parameters: [], results: [types.i32], locals: [], code: i32.const(narrow) };
    assertEquals((await instanceOf(own)).run(), narrow, `i32 ${narrow}`);
  }
});

Deno.test("loads of a vector fill the lanes that they read, and clear or repeat the others", async () => {
  const loads = {
    load: { code: v128.load(i32.const(0), 4), lanes: [2, 3, 4, 5] },
    load32Splat: { code: v128.load32Splat(i32.const(0), 4), lanes: [2, 2, 2, 2] },
    load32Zero: { code: v128.load32Zero(i32.const(0), 4), lanes: [2, 0, 0, 0] },
    load64Zero: { code: v128.load64Zero(i32.const(0), 4), lanes: [2, 3, 0, 0] },
    load32Lane: { code: v128.load32Lane(i32.const(0), 4, 2, f32x4.const(9)), lanes: [9, 9, 2, 9] },
  };
  for (const [name, { code, lanes }] of Object.entries(loads)) {
    const { run, memory } = await instanceOf({
      parameters: [types.i32],
      results: [],
      locals: [],
      code: v128.store(local.get(0), code, 16),
    });
    const floats = new Float32Array(memory.buffer);
    floats.set([1, 2, 3, 4, 5, 6]);
    run(48);
    assertEquals([...floats.subarray(16, 20)], lanes, name);
  }
});
