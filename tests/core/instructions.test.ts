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

Deno.test("integers have no more bytes than they need", () => {
  // Signed LEB128 by the WebAssembly specification 3.0, section 5.2.2: seven bits a byte, the
  // second highest bit of the last one is the sign.
  const encodings: readonly (readonly [number, readonly number[]])[] = [
    [0, [0x00]],
    [63, [0x3f]],
    [64, [0xc0, 0x00]],
    [8191, [0xff, 0x3f]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [-8192, [0x80, 0x40]],
  ];
  for (const [value, bytes] of encodings) {
    assertEquals([i32.const(value)].flat(9), [0x41, ...bytes]);
    assertEquals([i64.const(BigInt(value))].flat(9), [0x42, ...bytes]);
  }
});

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

/** What the operations of two integers give, of numbers that have `bits` bits. */
const operations: Readonly<Record<string, (a: bigint, b: bigint, bits: number) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, bits) => a << (b & BigInt(bits - 1)),
  shrS: (a, b, bits) => a >> (b & BigInt(bits - 1)),
  shrU: (a, b, bits) => BigInt.asUintN(bits, a) >> (b & BigInt(bits - 1)),
  eq: (a, b) => BigInt(a === b),
  ne: (a, b) => BigInt(a !== b),
  ltS: (a, b) => BigInt(a < b),
  gtS: (a, b) => BigInt(a > b),
  leS: (a, b) => BigInt(a <= b),
  ltU: (a, b, bits) => BigInt(BigInt.asUintN(bits, a) < BigInt.asUintN(bits, b)),
  gtU: (a, b, bits) => BigInt(BigInt.asUintN(bits, a) > BigInt.asUintN(bits, b)),
  leU: (a, b, bits) => BigInt(BigInt.asUintN(bits, a) <= BigInt.asUintN(bits, b)),
  divS: (a, b) => b === 0n ? 0n : a / b,
  divU: (a, b, bits) => b === 0n ? 0n : BigInt.asUintN(bits, a) / BigInt.asUintN(bits, b),
  remS: (a, b) => b === 0n ? 0n : a % b,
  remU: (a, b, bits) => b === 0n ? 0n : BigInt.asUintN(bits, a) % BigInt.asUintN(bits, b),
};

const { const: _narrow, load: _load, store: _store, eqz: _zero, clz: _zeros, ...binary32 } = i32;
const { const: _wide, ...binary64 } = i64;

Deno.test("operations of two integers are the standard's, in 32 and in 64 bits", async () => {
  const pairs = [[12n, 10n], [-7n, 3n], [7n, -3n], [-1n, 5n], [5n, 5n], [0n, 9n], [2n ** 30n, 37n]];
  for (
    const [kind, bits, type, instructions] of [
      ["i32", 32, types.i32, Object.entries(binary32)],
      ["i64", 64, types.i64, Object.entries(binary64)],
    ] as const
  ) {
    for (const [name, instruction] of instructions) {
      const expected = operations[name];
      if (expected === undefined) throw new TypeError(`${kind}.${name} has no expectation here`);
      const { run } = await instanceOf({
        parameters: [type, type],
        results: [/^(?:eq|ne|[lg][te][SU])$/.test(name) ? types.i32 : type],
        locals: [],
        code: instruction(local.get(0), local.get(1)),
      });
      for (const [a = 0n, b = 0n] of pairs) {
        const given = bits === 64 ? [a, b] : [Number(a), Number(b)];
        const own = BigInt(run(...given));
        assertEquals(
          own,
          BigInt.asIntN(bits, expected(a, b, bits)),
          `${kind}.${name} of ${a} and ${b}`,
        );
      }
    }
  }
});
