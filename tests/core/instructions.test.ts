/** Instructions of WebAssembly, each run by itself: what it gives is what the standard says. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type AddressWidth,
  type Code,
  f32x4,
  i32,
  int,
  isSet,
  local,
  types,
  v128,
  type ValueType,
} from "../../core/backends/wasm/instructions.ts";
import { makeHeap } from "../../core/backends/wasm/heap.ts";
import { encodeModule, type WasmFunction } from "../../core/backends/wasm/module.ts";

/** An instance with a function `run` and a memory. */
async function instanceOf(f: WasmFunction, width: AddressWidth = 32) {
  const { memory } = makeHeap(false, { width });
  const { instance } = await WebAssembly.instantiate(encodeModule([f], { run: 0 }, { width }), {
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
    const both = { 32: [0x41, ...bytes], 64: [0x42, ...bytes] };
    assertEquals([int.const(value)].flat(9), [both]);
  }
  const far = {
    32: [0x41, 0x80, 0x80, 0x80, 0x80, 0x78],
    64: [0x42, 0x80, 0x80, 0x80, 0x80, 0x08],
  };
  assertEquals([int.const(2 ** 31)].flat(9), [far]);
});

Deno.test("a constant is itself, however many bytes encode it", async () => {
  const edges = [0, 1, 63, 64, 127, 128, 8191, 8192, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53 - 1];
  const both = edges.flatMap((value) => [value, -value, -value - 1]);
  const drawn = fc.sample(fc.maxSafeInteger(), { numRuns: 50, seed: 1 });
  for (const value of [...both, ...drawn]) {
    const own = { parameters: [], results: [types.int], locals: [], code: int.const(value) };
    assertEquals((await instanceOf(own, 64)).run(), BigInt(value), `int ${value}`);
    assertEquals((await instanceOf(own)).run(), value | 0, `int ${value}`);
    const word = { parameters: [], results: [types.i32], locals: [], code: i32.const(value) };
    assertEquals((await instanceOf(word)).run(), value | 0, `i32 ${value}`);
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

const { const: _constant, load16U: _half, store16: _lower, eqz: _zero, clz: _zeros, ...words } =
  i32;
const {
  const: _any,
  load: _signed,
  loadAddress: _address,
  store: _low,
  word: _word,
  ofWord: _ofWord,
  eqz: _none,
  ...both
} = int;

Deno.test("operations of two integers are the standard's, in 32 and in 64 bits", async () => {
  const pairs = [[12n, 10n], [-7n, 3n], [7n, -3n], [-1n, 5n], [5n, 5n], [0n, 9n], [2n ** 30n, 37n]];
  for (
    const [kind, bits, type, instructions] of [
      ["i32", 32, types.i32, Object.entries(words)],
      ["narrow int", 32, types.int, Object.entries(both)],
      ["wide int", 64, types.int, Object.entries(both)],
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
      }, bits);
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

Deno.test("integers of the width of addresses are read and written as words, or whole", async () => {
  for (const width of [32, 64] as const) {
    const given = (code: Code, result: ValueType = types.int): WasmFunction => ({
      ...{ parameters: [types.i32], results: [result], locals: [], code },
    });
    const of = async (code: Code, result?: ValueType) => {
      const { run, memory } = await instanceOf(given(code, result), width);
      new Int32Array(memory.buffer).set([7, -5, 1]);
      return [BigInt(run(-3)), new Int32Array(memory.buffer, 0, 3)] as const;
    };
    const wide = width === 64;
    assertEquals((await of(int.load(int.const(0), 4)))[0], -5n);
    const address = wide ? BigInt.asIntN(64, (1n << 32n) + BigInt.asUintN(32, -5n)) : -5n;
    assertEquals((await of(int.loadAddress(int.const(0), 4)))[0], address);
    const word = local.get(0);
    assertEquals((await of(int.ofWord(word)))[0], wide ? 2n ** 32n - 3n : -3n);
    assertEquals((await of(int.word(int.const(-9)), types.i32))[0], -9n);
    assertEquals((await of(int.eqz(int.const(0)), types.i32))[0], 1n);
    assertEquals((await of(isSet(int.const(2)), types.i32))[0], 1n);
    assertEquals((await of(isSet(int.const(0)), types.i32))[0], 0n);
    const stored = [int.store(int.const(0), int.const(-2), 4), int.const(0)];
    assertEquals([...(await of(stored))[1]], [7, -2, 1]);
  }
});
