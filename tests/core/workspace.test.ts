/** The memory in which the programs of a wasm device compute, one after the other. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  compile,
  evaluate,
  graphOf,
  key,
  matmul,
  normal,
  sum,
  type Tensor,
  wasm,
  zeros,
} from "@unitune/core";
import { makeWorkspace } from "../../core/backend/workspace.ts";
// Not public: a device over a heap of one's own, which fails when the test wants it to.
import { makeHeap } from "../../core/backends/wasm/heap.ts";
import { wasmOn } from "../../core/backends/wasm/wasm.ts";

/** A heap of some bytes that gives one address after the other, and what of it is handed out. */
function recordingHeap(room: number) {
  const blocks = new Map<number, number>();
  const total = () => blocks.values().reduce((all, bytes) => all + bytes, 0);
  let next = 0;
  return {
    blocks,
    allocate(bytes: number) {
      if (total() + bytes > room) throw new RangeError("no room");
      blocks.set(next += 64, bytes);
      return next;
    },
    free: (address: number) => assert(blocks.delete(address)),
  };
}

Deno.test("workspace: one block, as large as the largest program that is there", () => {
  const heap = recordingHeap(1000);
  const workspace = makeWorkspace(heap);
  const held = () => [workspace.bytes(), ...heap.blocks.values()];
  const small = workspace.hold(100);
  const first = small.storage();
  assertEquals(held(), [100, 100]);
  const less = workspace.hold(40);
  assertEquals([less.storage(), ...held()], [first, 100, 100]);
  const large = workspace.hold(300);
  assertEquals(held(), [300, 300]);
  assertEquals([...heap.blocks.keys()], [large.storage()]);
  assertEquals(small.storage(), large.storage());
  // What is still needed is taken by the next run.
  for (let i = 0; i < 2; i++) large.release();
  assertEquals(held(), [0]);
  assertEquals([...heap.blocks.keys()], []);
  const again = less.storage();
  assertEquals([small.storage(), ...held()], [again, 100, 100]);
  less.release();
  assertEquals(held(), [100, 100]);
  small.release();
  assertEquals(held(), [0]);
  const none = workspace.hold(0);
  assertEquals(held(), [0, 0]);
  none.release();
  assertEquals(held(), [0]);
});

Deno.test("workspace: a program without room is refused, and the others keep theirs", () => {
  const heap = recordingHeap(1000);
  const workspace = makeWorkspace(heap);
  const one = workspace.hold(600);
  assertThrows(() => workspace.hold(1001), RangeError, "no room");
  const address = one.storage();
  assertEquals([...heap.blocks], [[address, 600]]);
  // The old block makes room for the new one.
  workspace.hold(900);
  assertEquals([...heap.blocks.values()], [900]);
});

Deno.test("workspace: programs of many shapes take the memory of the largest, and stay right", async () => {
  const takenBy = async (sizes: readonly number[]): Promise<number> => {
    using device = wasm({ threads: 1 });
    const used = () => device.statistics().bytes - device.statistics().keptBytes;
    using program = compile((x: Tensor) => sum(matmul(matmul(x, x), x)), { device });
    const inputs = sizes.map((n) => evaluate(normal(key(n), [n, n]), device));
    const before = used();
    const first = await Array.fromAsync(inputs, (x) => program(x).item());
    assertEquals(await Array.fromAsync(inputs, (x) => program(x).item()), first);
    return used() - before;
  };
  // Of each program a table of addresses is left, in a cache line.
  assertEquals(await takenBy([64, 128, 16]), await takenBy([128]) + 2 * 64);
});

Deno.test("workspace: a wasm program that fails to be made gives its memory back", () => {
  const graph = graphOf((x: Tensor) => sum(matmul(matmul(x, x), x)), [zeros([64, 64])]);
  const whole = makeHeap(false);
  let room = 1;
  // There is room for the program's own memory, and none for its table of addresses.
  const narrow = wasmOn({
    ...whole,
    allocate(bytes) {
      if (room-- === 0) throw new RangeError("no room");
      return whole.allocate(bytes);
    },
  }, 1);
  assertThrows(() => narrow.compile(graph, { donated: [] }), RangeError, "no room");
  assertEquals(whole.used(), 0);
  // The module does not fit the memory, which has addresses of 32 bits.
  const other = makeHeap(false);
  assertThrows(
    () => wasmOn({ ...other, width: 64 }, 1).compile(graph, { donated: [] }),
    WebAssembly.LinkError,
  );
  assertEquals(other.used(), 0);
});
