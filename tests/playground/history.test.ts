/** Curves and their bands. */
import { assertEquals } from "@std/assert";
import { makeHistory } from "../../examples/playground/page/history.ts";

Deno.test("a line is the mean over seeds, its band their range, where all of them have a value", () => {
  const history = makeHistory(2);
  const point = (lane: number, seed: number, step: number, loss: number) =>
    history.add([{ lane, seed, step, values: { loss } }]);
  point(0, 0, 1, 4);
  point(0, 1, 1, 2);
  point(0, 0, 2, 3);
  point(1, 0, 1, 7);
  point(1, 1, 1, NaN);
  assertEquals(history.bands("loss", 2), {
    steps: [1, 2],
    lanes: [
      { mean: [3, null], low: [2, null], high: [4, null] },
      { mean: [null, null], low: [null, null], high: [null, null] },
    ],
  });
  assertEquals(history.lastStep(), 2);
  assertEquals([history.has("loss"), history.has("kl")], [true, false]);
  assertEquals(history.bands("kl", 1), { steps: [], lanes: [{ mean: [], low: [], high: [] }] });
});
