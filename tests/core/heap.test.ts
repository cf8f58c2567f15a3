/** The wasm backend's heap: first fit, neighbours joined, growth in whole pages. */
import { assertEquals, assertThrows } from "@std/assert";
import { OutOfMemoryError } from "@unitune/core";
import { makeHeap } from "../../core/backends/wasm/heap.ts";

const PAGE = 65536;

Deno.test("heap: blocks are whole cache lines, one after the other", () => {
  const heap = makeHeap(false);
  assertEquals([0, 1, 64, 65, 200].map(heap.allocate), [64, 128, 192, 256, 384]);
  assertEquals(heap.used(), 64 * (1 + 1 + 1 + 2 + 4));
});

Deno.test("heap: what is free joins its neighbours, on either side or on both", () => {
  const heap = makeHeap(false);
  const [a = 0, b = 0, c = 0, d = 0] = [64, 64, 64, 64].map(heap.allocate);
  heap.free(b);
  heap.free(a);
  assertEquals(heap.allocate(128), a);
  heap.free(a);
  heap.free(c);
  assertEquals(heap.allocate(192), a);
  heap.free(a);
  const again = [64, 64, 64].map(heap.allocate);
  assertEquals(again, [a, b, c]);
  heap.free(a);
  heap.free(c);
  heap.free(b);
  assertEquals(heap.allocate(192), a);
  heap.free(a);
  heap.free(d);
  assertEquals(heap.used(), 0);
  assertEquals(heap.allocate(16 * PAGE - 64), a);
  assertEquals(heap.memory.buffer.byteLength, 16 * PAGE);
});

Deno.test("heap: a block goes to the first place where it fits", () => {
  const heap = makeHeap(false);
  const [first = 0, , second = 0, , third = 0] = [64, 64, 192, 64, 128, 64].map(heap.allocate);
  heap.free(third);
  heap.free(first);
  heap.free(second);
  assertEquals([128, 64, 64, 128].map(heap.allocate), [second, first, second + 128, third]);
});

Deno.test("heap: what was given back, or never given out, is not given back again", () => {
  const heap = makeHeap(false);
  const [a = 0] = [64, 64].map(heap.allocate);
  heap.free(a);
  heap.free(a);
  heap.free(a + 32);
  assertEquals(heap.used(), 64);
  assertEquals([64, 64].map(heap.allocate), [a, a + 128]);
});

Deno.test("heap: memory grows by what is needed, and by a quarter at least", () => {
  const heap = makeHeap(false);
  const pages = () => heap.memory.buffer.byteLength / PAGE;
  // What is free at the end counts: one page more would be enough.
  const a = heap.allocate(16 * PAGE);
  assertEquals([a, pages()], [64, 20]);
  heap.allocate(4 * PAGE - 64);
  assertEquals(pages(), 20);
  const b = heap.allocate(9 * PAGE);
  assertEquals([b, pages()], [20 * PAGE, 29]);
  heap.free(b);
  // The block at the end is free, and the next one begins in it.
  assertEquals([heap.allocate(10 * PAGE), pages()], [b, 37]);
});

Deno.test("heap: sizes are told in the largest unit that they have one of", () => {
  const heap = makeHeap(false);
  const told = [64, 896, 64, 2 ** 19 + 2 ** 20 - 1024].map((bytes) => {
    heap.allocate(bytes);
    const { message } = assertThrows(
      () => heap.prepare(2 ** 33, "a result"),
      OutOfMemoryError,
    );
    return /beside the (.*) in use/.exec(message)?.[1];
  });
  assertEquals(told, ["64 bytes", "960 bytes", "1.00 KiB", "1.50 MiB"]);
});

Deno.test("heap: what goes beyond 4 GiB is refused, with what there is room for", () => {
  const heap = makeHeap(false);
  const room = 65535 * PAGE - 64;
  heap.prepare(room, "a result");
  assertThrows(
    () => heap.prepare(room + 1, "a result"),
    OutOfMemoryError,
    "a result needs 4.00 GiB, and 4.00 GiB fit beside the 0 bytes in use",
  );
  heap.allocate(64);
  assertThrows(() => heap.prepare(room, "a result"), OutOfMemoryError);
  heap.prepare(room - 64, "a result");
  assertThrows(() => heap.allocate(room), OutOfMemoryError, "in one piece");
});

Deno.test("heap: addresses become wider where more is wanted than narrow ones reach", () => {
  const most = 64 * PAGE;
  const heap = makeHeap(false, { widest: 64, most, narrow: 20 * PAGE });
  let moves = 0;
  heap.onMove(() => moves++);
  const bytesOf = (address: number) => new Uint8Array(heap.memory.buffer, address, 3);
  const [kept, freed] = [heap.allocate(3), heap.allocate(PAGE)];
  bytesOf(kept).set([1, 2, 3]);
  bytesOf(freed).set([4, 5, 6]);
  heap.free(freed);
  assertEquals(heap.limit, most - 64);
  const room = 20 * PAGE - 64 - heap.used();
  heap.prepare(room, "a result");
  assertEquals([heap.width, moves], [32, 0]);
  const before = heap.memory;
  heap.prepare(room + 1, "a result");
  assertEquals([heap.width, moves, heap.used()], [64, 1, 64]);
  assertEquals(heap.memory.buffer.byteLength, before.buffer.byteLength);
  // A block is where it was, and free memory is not copied.
  assertEquals([...bytesOf(kept)], [1, 2, 3]);
  assertEquals([...bytesOf(freed)], [0, 0, 0]);
  assertEquals([heap.allocate(PAGE), heap.allocate(60 * PAGE)], [freed, freed + PAGE]);
  assertEquals(moves, 1);
  assertThrows(
    () => heap.prepare(4 * PAGE, "a result"),
    OutOfMemoryError,
    "a result needs 256.00 KiB, and 191.88 KiB fit beside the 3.81 MiB in use (the limit is 4.00 MiB)",
  );
});

Deno.test("heap: addresses become wider for a block that fits in pieces only", () => {
  const heap = makeHeap(false, { widest: 64, most: 64 * PAGE, narrow: 24 * PAGE });
  const blocks = [8, 8, 4].map((pages) => heap.allocate(pages * PAGE));
  heap.free(blocks[1] ?? NaN);
  heap.prepare(11 * PAGE, "a block");
  assertEquals(heap.width, 32);
  assertEquals(heap.allocate(11 * PAGE), 20 * PAGE + 64);
  assertEquals(heap.width, 64);
});

Deno.test("heap: where the system has no memory for wider addresses, what is wanted is refused", () => {
  const heap = makeHeap(false, { widest: 64, narrow: 20 * PAGE });
  const { Memory } = WebAssembly;
  try {
    Object.assign(WebAssembly, {
      Memory: function () {
        throw new RangeError("could not allocate memory");
      },
    });
    assertThrows(
      () => heap.prepare(20 * PAGE, "a result"),
      OutOfMemoryError,
      "a result needs 1.25 MiB, and 1.25 MiB fit beside the 0 bytes in use (the system gives no more)",
    );
  } finally {
    Object.assign(WebAssembly, { Memory });
  }
  assertEquals(heap.width, 32);
});
