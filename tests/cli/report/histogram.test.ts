/** Histograms: how wide bars are, and how long. */
import { assertEquals } from "@std/assert";
import { histogramLines } from "../../../cli/report/histogram.ts";

Deno.test("bars are 1, 2 or 5 times a power of ten wide, so that there are twelve at most", () => {
  const first = (largest: number) => histogramLines([0, largest])[0]?.trim().split(/ +/, 1)[0];
  const ends: readonly (readonly [largest: number, first: string])[] = [
    ...[[0, "0"], [11, "0"], [12, "0-1"], [23, "0-1"], [24, "0-4"], [59, "0-4"]] as const,
    ...[[60, "0-9"], [119, "0-9"], [120, "0-19"], [239, "0-19"], [240, "0-49"]] as const,
    ...[[599, "0-49"], [600, "0-99"], [1199, "0-99"], [1200, "0-199"]] as const,
  ];
  assertEquals(ends.map(([largest]) => [largest, first(largest)]), ends.map((end) => [...end]));
});

Deno.test("the longest bar has 40 signs, and each has one", () => {
  assertEquals(histogramLines([...Array<number>(1000).fill(0), 10]), [
    ` 0  1,000  ${"█".repeat(40)}`,
    "10      1  █",
  ]);
  assertEquals(
    histogramLines([0, 0, 0, 0, 100]),
    [
      `  0-9  4  ${"█".repeat(40)}`,
      `100-109  1  ${"█".repeat(10)}`,
    ].map((line) => line.replace("  0-9  ", "  0-9    ")),
  );
});
