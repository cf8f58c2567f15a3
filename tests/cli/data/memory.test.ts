/** When data is refused for the memory that it will need: by a heap that the test fills. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import v8 from "node:v8";
import { UserError } from "@unitune/training";
import { processHeap, tooLarge, watchMemory } from "../../../cli/data/memory.ts";

/** The space of young objects, of which growth may be. */
const YOUNG = 96 * 2 ** 20;

/** A heap of 4 GB of which a preparation has used some, and what it tells. */
function watched(start: number, later?: number) {
  const heap = { used: start, limit: 4e9 };
  const told: [string, number][] = [];
  const watch = watchMemory((doing, share) => void told.push([doing, share]), () => heap);
  const tell = watch.begin({
    ...{ doing: "reading rows", subject: "rows" },
    ...later !== undefined && { later },
  });
  return { heap, told, tell, watch };
}

/** The bytes, in GB, that an error says the data needs. */
function neededBy(run: () => void): number {
  const { message } = assertThrows(run, UserError);
  return Number(/^rows needs about ([\d.,]+) GB/.exec(message)?.[1]?.replaceAll(",", ""));
}

Deno.test("a full heap is refused, to the byte, with what the whole would need", () => {
  const { heap, tell } = watched(1e9);
  heap.used = 3.6e9;
  tell(50, 100);
  heap.used += 1;
  // What half has grown by, twice, on what there was.
  assertEquals(neededBy(() => tell(50, 100)), 6.2);
  assertEquals(neededBy(() => tell(100, 100)), 3.6);
  // What comes later takes as much again.
  const twice = watched(1e9, 1);
  twice.heap.used = 3.7e9;
  assertEquals(neededBy(() => twice.tell(50, 100)), 12);
  // No more than is there already.
  const filled = watched(3.8e9);
  filled.heap.used = 3.7e9;
  assertEquals(neededBy(() => filled.tell(1, 100)), 3.8);
});

Deno.test("growth that is going to be three times the heap is refused before it is", () => {
  const { heap, tell } = watched(0);
  // 1 GB of growth, but for young objects, of which a tenth makes ten.
  heap.used = YOUNG + 1e9;
  tell(1, 12);
  tell(10, 120);
  assertEquals(neededBy(() => tell(1, 13)), 13);
  // A tenth of the limit may be garbage.
  heap.used = YOUNG + 4e8;
  tell(1, 1e6);
  heap.used += 1;
  assert(neededBy(() => tell(1, 1e6)) > 1000);
  assert(neededBy(() => tell(0, 1e6)) > 1000);
});

Deno.test("the part that is done is told, all of what has no size", () => {
  const { told, tell } = watched(0);
  tell(1, 4);
  tell(5, 4);
  tell(0, 0);
  assertEquals(told, [["reading rows", 0.25], ["reading rows", 1], ["reading rows", 1]]);
});

Deno.test("room is kept for what is going to be made, or for a share of the heap", () => {
  const { watch } = watched(1e9);
  watch.reserve("rows", 3e9);
  assertEquals(neededBy(() => watch.reserve("rows", 3e9 + 1)), 4);
  watch.reserve("rows", 1e9, 0.5);
  assertEquals(neededBy(() => watch.reserve("rows", 1e9 + 1, 0.5)), 2);
});

Deno.test("more memory is advised up to 64 GB, and a share that fits always", () => {
  const said = (needed: number, limit = 4e9) => tooLarge("rows", needed, limit).message;
  assertEquals(
    said(64e9),
    "rows needs about 64 GB of memory, and JavaScript has 4.0 GB: use less of it (about 5 % fits), " +
      "or allow more megabytes by DENO_V8_FLAGS=--max-old-space-size=77000",
  );
  assertEquals(
    said(64e9 + 1),
    "rows needs about 64 GB of memory, and JavaScript has 4.0 GB: use less of it (about 4 % fits)",
  );
  assert(said(3.2e11).includes("(about 1 % fits)"));
  assert(said(6.4e11).includes("(about 0.5 % fits)"));
  // Shares above and below 1 %.
  assert(said(3.2e11 / 1.6).includes("(about 1 % fits)"));
  assert(said(3.2e11 / 0.56).includes("(about 0.6 % fits)"));
  assert(said(9.94e9).startsWith("rows needs about 9.9 GB"));
  assert(said(1.0499999995e9).startsWith("rows needs about 1.0 GB"));
  assert(said(1e10).startsWith("rows needs about 10 GB"));
});

Deno.test("the heap of the process is that of its old objects", () => {
  const { used, limit } = processHeap();
  assertEquals(limit, v8.getHeapStatistics().heap_size_limit - YOUNG);
  assert(used > 0 && used <= v8.getHeapStatistics().used_heap_size + YOUNG);
});

Deno.test("the memory that is to be allowed is told in thousands of megabytes, so many or more", () => {
  // Four fifths of a heap are used.
  for (const [megabytes, told] of [[9999, 10_000], [10_000, 10_000], [10_001, 11_000]] as const) {
    const { message } = tooLarge("rows", 0.8 * megabytes * 2 ** 20, 4e9);
    assertEquals(/--max-old-space-size=(\d+)$/.exec(message)?.[1], String(told), String(megabytes));
  }
});
