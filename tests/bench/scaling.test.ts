/** Scaling as a table. */
import { assertEquals, assertThrows } from "@std/assert";
import { scalingLines } from "../../bench/scaling/report.ts";

Deno.test("a speed-up is of rows in a second, and the efficiency a process's share of it", () => {
  const own = { parameters: 10, sums: 0 };
  const one = { ...own, processes: 1, rows: 8, milliseconds: 100 };
  const half = { ...own, processes: 2, rows: 8, milliseconds: 62.5, sums: 10.4 };
  const weak = { ...own, processes: 4, rows: 32, milliseconds: 125, sums: 20 };
  assertEquals(scalingLines([one, half, weak]).slice(2), [
    "| 1 | 8 | 100 ms | 0 ms | 1.00 | 100 % |",
    "| 2 | 8 | 63 ms | 10 ms | 1.60 | 80 % |",
    "| 4 | 32 | 125 ms | 20 ms | 3.20 | 80 % |",
  ]);
  assertThrows(() => scalingLines([half]), RangeError, "the first is of one process");
});
