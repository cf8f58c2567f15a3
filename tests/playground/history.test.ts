/** Curves and their bands. */
import { assertEquals } from "@std/assert";
import { makeHistory, thinned } from "../../examples/playground/page/history.ts";

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
  assertEquals([0, 1].map((lane) => history.latest("loss", lane)), [3, undefined]);
  assertEquals(history.latest("kl", 0), undefined);
  assertEquals(history.lastStep(), 2);
  assertEquals([history.has("loss"), history.has("kl")], [true, false]);
  assertEquals(history.bands("kl", 1), { steps: [], lanes: [{ mean: [], low: [], high: [] }] });
});

Deno.test("of many steps some become one: the mean of a line, the range of its band", () => {
  const [mean, low, high] = [[1, 2, 4, null, 7], [0, 1, 4, null, 7], [2, 2, 5, null, 8]];
  const bands = { steps: [1, 2, 3, 5, 8], lanes: [{ mean, low, high }] };
  assertEquals(thinned(bands, 5), bands);
  assertEquals(thinned(bands, 3), {
    steps: [2, 5, 8],
    lanes: [{ mean: [1.5, 4, 7], low: [0, 4, 7], high: [2, 5, 8] }],
  });
  assertEquals(thinned({ steps: [1, 2], lanes: [{ mean: [null, null], low: [], high: [] }] }, 1), {
    steps: [2],
    lanes: [{ mean: [null], low: [null], high: [null] }],
  });
});
