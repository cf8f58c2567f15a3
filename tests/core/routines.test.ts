/** That a WebAssembly module has the functions that its kernels call, and no others. */
import { assert, assertEquals } from "@std/assert";
import { add, exp, graphOf, matmul, mul, type Tensor, zeros } from "@unitune/core";
import { int, local, types } from "../../core/backends/wasm/instructions.ts";
import { defineFunction, encodeModule } from "../../core/backends/wasm/module.ts";
import { emitProgram } from "../../core/backends/wasm/program.ts";
import { barrierFunction, CONTROL_BYTES, patienceAt } from "../../core/backends/wasm/threads.ts";
import { lower } from "../../core/lowering/lower.ts";

/** The number of functions of a module: the first number of its section 3. */
function functionsOf(module: Uint8Array): number {
  let at = 8;
  /** An unsigned integer in LEB128. */
  const next = (): number => {
    const byte = module[at++];
    assert(byte !== undefined, "the module has ended");
    return byte < 128 ? byte : byte - 128 + 128 * next();
  };
  for (;;) {
    const [id, size] = [next(), next()];
    if (id === 3) return next();
    at += size;
  }
}

/** The module that a function of tensors becomes. */
function moduleOf<A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A): Uint8Array {
  const memory = { scratch: int.const(0), scratchBytes: 0, addressOf: () => int.const(0) };
  const target = { hasRelaxedSimd: true, control: undefined };
  return emitProgram(lower(graphOf(f, args)), target, memory);
}

/** The functions of the module that a function of tensors becomes. */
function countOf<A extends readonly Tensor[]>(f: (...args: A) => unknown, args: A): number {
  return functionsOf(moduleOf(f, args));
}

/** The bytes of the instruction that pushes four times a number. */
function pushed(value: number): number[] {
  const four = new Uint8Array(new Float32Array(4).fill(value).buffer);
  return [0xfd, 0x0c, ...four];
}

/** How often some bytes stand in others. */
function occurrences(bytes: Uint8Array, part: readonly number[]): number {
  return bytes.keys().filter((at) => part.every((byte, i) => bytes[at + i] === byte)).toArray()
    .length;
}

Deno.test("a kernel makes each number once, whatever uses it", () => {
  const module = moduleOf((x) => add(exp(x), exp(mul(x, 2.5))), [zeros([64])]);
  // By which both exponentials multiply.
  assertEquals([Math.LOG2E, 2.5].map((value) => occurrences(module, pushed(value))), [1, 1]);
});

Deno.test("at the barrier all threads sleep, but for the first where it may not", () => {
  const [all, others] = [true, false].map((firstMaySleep) =>
    encodeModule([barrierFunction(0, firstMaySleep)], { meet: 0 }, { isShared: true })
  );
  assert(all !== undefined && others !== undefined);
  // The condition before a wait without a limit: always, or the number of the thread.
  const wait = [0x04, 0x40, 0x41, 0x00, 0x20, 0x02, 0x42, 0x7f, 0xfe, 0x01];
  const condition = (module: Uint8Array) => {
    const at = module.keys().find((at) => wait.every((byte, i) => module[at + i] === byte)) ?? 0;
    return [...module.subarray(at - 2, at)];
  };
  assertEquals([all, others].map(condition), [[0x41, 0x01], [0x20, 0x00]]);
});

Deno.test("looks at a barrier in vain halve the next ones, until a trial sees the others come", () => {
  const control = 64;
  const { looks, lost, won } = patienceAt(control, local.get(0));
  const functions = ([[types.int, looks], [undefined, lost], [undefined, won]] as const).map(
    ([result, code]) =>
      defineFunction([types.i32], result === undefined ? [] : [result], () => code),
  );
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 2 ** 16, shared: true });
  const module = new WebAssembly.Module(
    encodeModule(functions, { looks: 0, lost: 1, won: 2 }, { isShared: true }),
  );
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  /** Calls a function for the barrier of a number. */
  const call = (name: string, barrier: number): unknown => {
    const f = exports[name];
    assert(typeof f === "function");
    return f(barrier);
  };
  const [trial, plain] = [62, 63];
  const most = Number(call("looks", plain));
  assert(most > 0);
  for (let doubt = 1; doubt <= 20; doubt++) {
    call("lost", plain);
    assertEquals(call("looks", plain), most >> Math.min(doubt, 9));
    assertEquals(call("looks", trial), most);
  }
  // Only one barrier of 31 is a trial.
  for (let barrier = 1; barrier < 31; barrier++) {
    call("won", barrier);
    assertEquals(call("looks", barrier), most >> 9);
  }
  call("won", trial);
  assertEquals(call("looks", plain), most);
  // No other word of the threads was written, and none behind theirs.
  assert(new Int32Array(memory.buffer).every((word) => word === 0));
  call("lost", plain);
  const written = new Int32Array(memory.buffer).findIndex((word) => word !== 0) * 4;
  assert(written >= control && written < control + CONTROL_BYTES, `${written}`);
});

Deno.test("a module has the routines that its kernels call", () => {
  const [row, matrix] = [zeros([1, 3]), zeros([2, 3])];
  const right = zeros([3, 4]);
  // A kernel and the function that runs it; routines of products beside them.
  assertEquals(countOf(add, [matrix, matrix]), 2);
  assertEquals(countOf(matmul, [matrix, right]), 3);
  assertEquals(countOf(matmul, [row, right]), 3);
  assertEquals(
    countOf((row, matrix, right) => [matmul(row, right), matmul(matrix, right)], [
      row,
      matrix,
      right,
    ]),
    5,
  );
  // Kernels that are alike but for their buffers are one function.
  assertEquals(countOf((x, y) => [exp(x), exp(y)], [matrix, zeros([3, 2])]), 2);
  assertEquals(countOf((x, y) => [exp(x), exp(y)], [matrix, zeros([3, 3])]), 3);
  // One routine for all products.
  assertEquals(countOf((a, b, c) => matmul(matmul(a, b), c), [matrix, right, zeros([4, 5])]), 4);
});
