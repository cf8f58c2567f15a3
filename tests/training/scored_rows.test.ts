/** Rows that a reference scores before a stage: each once, and only those that the stage reads. */
import { assertEquals, assertRejects } from "@std/assert";
import type { EncodedSequence } from "@unitune/models";
import { collectivesInMemory, shuffledRows, UserError, windowRows } from "@unitune/training";
// Not public: the scoring of a stage's rows.
import { scoreRowsBy } from "../../training/feeds/offline.ts";
import type { TokenScorer } from "../../training/sampling/scorer.ts";

const rows = Array.from({ length: 5 }, (_, i) => ({
  ids: Array.from({ length: i + 2 }, () => i),
  mask: Array.from({ length: i + 2 }, (_, t) => t > 0),
}));

/** Scores each token with its id, and notes the sequences. */
function scorer() {
  const seen: EncodedSequence[] = [];
  const none = () => {
    throw new RangeError("only sequences are scored one by one");
  };
  const own: TokenScorer<unknown> = {
    score: none,
    scoreAll: none,
    async *scoreEach(_, sequences) {
      for (const sequence of sequences) {
        seen.push(sequence);
        yield await Promise.resolve(Float32Array.from(sequence.ids));
      }
    },
    [Symbol.dispose]: () => {},
  };
  return { own, seen };
}

const form = { sides: 1, sequences: (row: EncodedSequence) => [row] };
const tokens = (own: readonly EncodedSequence[]) =>
  own.reduce((total, { ids }) => total + ids.length, 0);

Deno.test("a row that comes again is scored once, and one that never comes is not", async () => {
  const source = shuffledRows(rows, 3, 8);
  for (const [steps, count] of [[1, 2], [2, 4], [3, 5], [40, 5]] as const) {
    const { own, seen } = scorer();
    const layout = { batchSize: 2, microBatches: 1, steps, padding: 0 };
    const { scores, cost } = await scoreRowsBy(own, source, form, layout, {
      start: { policy: {} },
    });
    const expected = Array.from({ length: count }, (_, number) => source.row(number));
    assertEquals(seen, expected);
    assertEquals(cost.forwardTokens, tokens(expected));
    assertEquals(
      [...scores.values()].map((values) => values.map((own) => [...own])),
      expected.map(({ ids }) => [ids]),
    );
    assertEquals([...scores.keys()].length, count);
  }
});

Deno.test("windows of a text are scored wherever they begin, also behind an epoch that is known", async () => {
  const source = windowRows(Array.from({ length: 60 }, (_, i) => i), 5, 4);
  const { own, seen } = scorer();
  const layout = { batchSize: 2, microBatches: 1, steps: 400, padding: 0 };
  const { scores } = await scoreRowsBy(own, source, form, layout, { start: { policy: {} } });
  const places = new Set(Array.from({ length: 800 }, (_, number) => source.place(number)));
  assertEquals(new Set(scores.keys()), places);
  // All of them come in so many epochs; none is scored twice.
  assertEquals([source.places, places.size, seen.length], [56, 56, 56]);
  assertEquals([windowRows([1, 2, 3], 5, 4).places, shuffledRows(rows, 3, 8).places], [1, 5]);
});

Deno.test("processes score a part of the rows each, and all have all scores", async () => {
  const source = shuffledRows(rows, 3, 8);
  const layout = { batchSize: 5, microBatches: 2, steps: 1, padding: 0 };
  const parts = await Promise.all(
    collectivesInMemory(2).map(async (collective) => {
      const { own, seen } = scorer();
      const { scores, cost } = await scoreRowsBy(own, source, form, layout, {
        ...{ start: { policy: {} }, collective },
      });
      return { seen: seen.length, tokens: cost.forwardTokens, scores: [...scores] };
    }),
  );
  assertEquals(parts.map(({ seen }) => seen).toSorted(), [2, 3]);
  assertEquals(parts[0]?.scores, parts[1]?.scores);
  assertEquals(parts.map((part) => part.tokens), [tokens(rows), tokens(rows)]);
});

Deno.test("more rows than there is memory for are refused before any is scored", async () => {
  const scored = async (length: number, sides: number) => {
    const { own, seen } = scorer();
    const [row] = rows;
    const source = {
      ...{ length, row: () => row ?? never(), place: (number: number) => number, places: Infinity },
      epoch: (number: number) => number / 1000,
    };
    const layout = { batchSize: 2, microBatches: 2, steps: 1, padding: 0 };
    const start = { policy: {} };
    await scoreRowsBy(own, source, { ...form, sides }, layout, { start });
    return seen.length;
  };
  // Four rows of 2^26 tokens are 2^28, the most.
  assertEquals(await scored(2 ** 26, 1), 4);
  assertEquals(await scored(2 ** 25, 2), 4);
  for (const [length, sides] of [[2 ** 26 + 1, 1], [2 ** 26, 2]] as const) {
    await assertRejects(
      () => scored(length, sides),
      UserError,
      `4 rows of ${length} tokens are more than there is memory for: take fewer steps`,
    );
  }
});

function never(): never {
  throw new Error("there is a row");
}
