/** The feed of rows that were there before: which rows a step has, in which batches, at what cost. */
import { assert, assertEquals } from "@std/assert";
import type { EncodedSequence } from "@unitune/models";
import { describeObjective, trainSettings } from "@unitune/training";
// Not public: the feed of a stage on rows.
import { type Layout, offlineFeed, scoresAt } from "../../training/feeds/offline.ts";
import type { Padding } from "../../training/feeds/forms.ts";

/** A row of so many tokens, all of which are its number. */
const rowOf = (length: number, number: number): EncodedSequence => ({
  ids: new Array<number>(length).fill(number),
  mask: new Array<boolean>(length).fill(true),
});

const rows = [2, 3, 4, 5, 6].map(rowOf);

/** The rows in their order, again and again, in rows of at most eight tokens. */
const source = {
  row: (number: number) => rows[number % 5] ?? rowOf(0, 0),
  place: (number: number) => number % 5,
  places: 5,
  length: 8,
  epoch: (number: number) => number / 5,
};

/** A row is read once, as it stands; of what is learned, the first two tokens. */
const form = {
  sequences: (row: EncodedSequence) => [row],
  learned: ({ ids, mask }: EncodedSequence) => [{ ids: ids.slice(0, 2), mask: mask.slice(0, 2) }],
  examples: () => 3,
  sides: 1,
  lengthOf: ({ ids }: EncodedSequence) => ids.length,
};

/** A batch as a text: places, then length and size. */
const batch = (own: readonly EncodedSequence[], places: readonly number[], padding: Padding) => {
  assertEquals(own.map(({ ids }) => ids[0]), [...places]);
  assertEquals(padding.padding, 9);
  const vocabulary = padding.vocabulary === undefined ? "" : ` of ${padding.vocabulary}`;
  return `${places.join(" ")} in ${padding.length} x ${padding.size}${vocabulary}`;
};

const { forwardPasses, sequences } = describeObjective(trainSettings({ objective: "sft" }));
const layout: Layout = { batchSize: 2, microBatches: 2, steps: 9, padding: 9 };

const feedOf = (own: Partial<Layout> = {}, passes = 2, perRow = sequences) =>
  offlineFeed(
    source,
    form,
    batch,
    { ...describeObjective(trainSettings()), forwardPasses: passes, sequences: perRow },
    { ...layout, ...own },
  );

Deno.test("a step has its rows in order, in micro-batches, and costs what is read of them", async () => {
  assertEquals(forwardPasses, 1);
  using feed = feedOf();
  const { batches, first, cost, metrics, samples } = await feed.next({}, {}, 1);
  // Rows 4 to 7: of 6, 2, 3 and 4 tokens.
  assertEquals(batches, ["4 0 in 8 x 2", "1 2 in 8 x 2"]);
  assertEquals([first, samples], [0, []]);
  assertEquals(cost, { examples: 4 * 3, forwardTokens: 2 * 15, backwardTokens: 4 * 2 });
  assertEquals(await metrics.padding?.item(), Math.fround(1 - 15 / 32));
  assertEquals([feed.epoch(0), feed.epoch(5)], [0, 4]);
  assertEquals(feed.outline(), ["0 1 in 8 x 2", "2 3 in 8 x 2"]);
  assertEquals([feed.setUp, feed.notes, feed.empty], [
    { examples: 0, forwardTokens: 0, backwardTokens: 0 },
    [],
    {},
  ]);
  using told = feedOf({ vocabulary: 37 });
  assertEquals((await told.next({}, {}, 0)).batches, ["0 1 in 8 x 2 of 37", "2 3 in 8 x 2 of 37"]);
  // Two sequences of a row share its passes.
  using paired = feedOf({}, 2, 2);
  assertEquals((await paired.next({}, {}, 1)).cost.forwardTokens, 15);
});

Deno.test("a limit of tokens cuts the rows of a step, the longest first", async () => {
  using feed = feedOf({ batchTokens: 16 });
  assertEquals((await feed.next({}, {}, 0)).batches, ["3 2 in 8 x 2", "1 0 in 8 x 2"]);
  using wide = feedOf({ batchTokens: 100 });
  assertEquals((await wide.next({}, {}, 0)).batches, ["3 2 1 0 in 8 x 4"]);
  assertEquals(wide.outline().length, 1);
});

Deno.test("processes take a part of a step each, and know its number", async () => {
  const partOf = async (rank: number, own: Partial<Layout> = {}) => {
    using feed = feedOf({ ...own, sharing: { rank, size: 2 } });
    const { batches, first, cost } = await feed.next({}, {}, 0);
    return { batches, first, outline: feed.outline(), cost };
  };
  const parts = await Promise.all([partOf(0), partOf(1)]);
  assertEquals(parts.map(({ batches }) => batches), [["0 1 in 8 x 2"], ["2 3 in 8 x 2"]]);
  assertEquals(parts.map(({ first }) => first), [0, 1]);
  assertEquals(parts[0]?.cost, parts[1]?.cost);
  assertEquals(parts.map(({ outline }) => outline.length), [1, 1]);
  // Of two whole micro-batches the first of three processes has none, and outlines one.
  using none = feedOf({ sharing: { rank: 0, size: 3, isWhole: true } });
  assertEquals([(await none.next({}, {}, 0)).batches, none.outline()], [[], ["0 1 in 8 x 2"]]);
});

Deno.test("batches of a reference that follows are made of its parameters, by one more pass", async () => {
  const asked: unknown[] = [];
  using feed = offlineFeed(
    source,
    form,
    batch,
    { ...describeObjective(trainSettings()), forwardPasses: 2, sequences },
    layout,
    (own, padding, reference) => {
      asked.push(reference);
      return Promise.resolve(`${own.length} rows of ${padding.length}`);
    },
  );
  const { batches, cost } = await feed.next("params", {}, 0, "reference");
  assertEquals(batches, ["2 rows of 8", "2 rows of 8"]);
  assertEquals(asked, ["reference", "reference"]);
  assertEquals(cost.forwardTokens, 3 * 14);
});

Deno.test("scores are those of a row's place, side by side with its sequences", () => {
  const own = rows.slice(0, 2);
  const twice = (row: EncodedSequence) => [row, rowOf(1, row.ids[0] ?? NaN)];
  const scores = new Map([[7, [Float32Array.of(0.5, 1), Float32Array.of(2)]]]);
  const found = [...scoresAt(own, [3, 7], twice, scores)];
  assertEquals(found.map(([, values]) => [...values]), [[0.5, 1], [2]]);
  assert(found[0]?.[0] === own[1]);
});
