/** The outcome of a study in words: by the ends of intervals, of the measure that decides. */
import { assertEquals } from "@std/assert";
import { primaryOf } from "../../../cli/study/primary.ts";
import type { StudyRow } from "../../../cli/study/table.ts";
import { verdictOf } from "../../../cli/study/verdict.ts";

/** The row of an arm whose difference lies between two ends, if it has one. */
function rowOf(arm: string, ends?: readonly [low: number, high: number]): StudyRow {
  const [low = NaN, high = NaN] = ends ?? [];
  return {
    ...{ arm, point: "", means: new Map(), wins: [0, 0, 0], cost: [0, 0, 0] },
    ...ends && { difference: { mean: (low + high) / 2, low, high, count: 3 } },
  };
}
const single = (arm: string, mean: number): StudyRow => ({
  ...rowOf(arm),
  difference: { mean, low: NaN, high: NaN, count: 1 },
});

const own = [rowOf("base", [-2, -1]), rowOf("sft", [1, 2])];
const none = "No arm is better than further SFT in exact match.";
const chance = (count: number, would: number) =>
  `Each interval holds by itself, in 19 of 20 studies: of ${count} arms without any effect, ` +
  `${would} would seem to differ, on average.`;
const unclear = "Not to be told apart from further SFT:";

Deno.test("an arm is better or worse where its interval is on one side of 0", () => {
  const rows: readonly (readonly [ends: readonly [low: number, high: number], said: string])[] = [
    [[0.25, 0.5], "Better than further SFT in exact match: ift +0.375 [+0.250, +0.500]."],
    [[-0.5, -0.25], "Worse than further SFT: ift -0.375 [-0.500, -0.250]."],
    [[-0.25, 0.5], `${unclear} ift +0.125 [-0.250, +0.500].`],
    [[0, 0.5], `${unclear} ift +0.250 [+0.000, +0.500].`],
    [[-0.5, 0], `${unclear} ift -0.250 [-0.500, +0.000].`],
    [[-2, 3], `${unclear} ift +0.500 [-2.000, +3.000].`],
  ];
  for (const [ends, said] of rows) {
    const isBetter = ends[0] > 0;
    assertEquals(verdictOf([...own, rowOf("ift", ends)]), [...isBetter ? [] : [none], said]);
  }
  // Of a measure of which less is better, the other side.
  const primary = primaryOf({ primary: "own_kl" });
  assertEquals(verdictOf([...own, rowOf("ift", [-0.5, -0.25])], { primary }), [
    "Better than further SFT in divergence in own states: ift -0.375 [-0.500, -0.250].",
  ]);
  assertEquals(
    verdictOf([rowOf("a", [0.25, 0.5]), rowOf("b", [-2, -1]), rowOf("c", [1, 2])], { primary }),
    [
      "Better than further SFT in divergence in own states: b -1.500 [-2.000, -1.000].",
      "Worse than further SFT: a +0.375 [+0.250, +0.500] and c +1.500 [+1.000, +2.000].",
      chance(3, 0.15),
    ],
  );
});

Deno.test("arms are told from the best to the worst, with a warning where there are several", () => {
  const rows = [
    ...[rowOf("a", [0.125, 0.375]), rowOf("b", [-0.5, -0.25]), rowOf("c", [0.25, 0.75])],
    ...[rowOf("d", [-0.25, 0.25]), rowOf("e", [-0.75, -0.5])],
  ];
  assertEquals(verdictOf([...own, ...rows]), [
    "Better than further SFT in exact match: c +0.500 [+0.250, +0.750] and a +0.250 [+0.125, +0.375].",
    "Worse than further SFT: b -0.375 [-0.500, -0.250] and e -0.625 [-0.750, -0.500].",
    `${unclear} d +0.000 [-0.250, +0.250].`,
    chance(5, 0.25),
  ]);
  assertEquals(verdictOf([...own, ...rows.slice(3)]), [
    none,
    "Worse than further SFT: e -0.625 [-0.750, -0.500].",
    `${unclear} d +0.000 [-0.250, +0.250].`,
    chance(2, 0.1),
  ]);
});

Deno.test("nothing is judged by a single seed, or without arms to compare", () => {
  assertEquals(verdictOf([...own, single("a", 0.25), single("b", 0.5)]), [
    "With one seed there are no intervals, so these differences may be chance: b +0.500 and a +0.250.",
  ]);
  for (const rows of [[], own, [...own, rowOf("ift")]]) {
    assertEquals(verdictOf(rows), [
      "Further SFT is the only arm, so there is nothing that it could be compared with.",
    ]);
    assertEquals(verdictOf(rows, { isFinished: false }), [
      "No arm can be compared with further SFT yet.",
    ]);
  }
});
