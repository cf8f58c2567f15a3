/** Rows as batches: a batch has the reference's log-probabilities only where they are read. */
import { assertEquals, assertThrows } from "@std/assert";
import { leafPaths } from "@unitune/core";
import {
  demonstrationForm,
  labelForm,
  packedForm,
  packedRow,
  pairForm,
  type RowForm,
  type Scores,
  stepForm,
  tripleForm,
} from "@unitune/training";

const row = (...ids: readonly number[]) => ({ ids, mask: ids.map((_, i) => i > 0) });
const [a, b] = [row(3, 7), row(3, 8, 9)];
const padding = { length: 4, padding: 0 };
const scores: Scores = new Map([
  [a, new Float32Array([0, -1, 0, 0])],
  [b, new Float32Array([0, -2, -3, 0])],
]);

/** The paths of a batch's tensors. */
const pathsOf = (batch: unknown) => [...leafPaths(batch).keys()].toSorted();

const pair = { chosen: a, rejected: b };
const label = { sequence: a, label: true, mismatched: b };

Deno.test("a batch without a reference has nothing of it", () => {
  const paths = [
    pathsOf(demonstrationForm.batch([a, b], padding)),
    pathsOf(pairForm.batch([pair], padding)),
    pathsOf(labelForm.batch([label], padding)),
  ];
  assertEquals(paths, [
    ["ids", "mask"],
    ["chosen.ids", "chosen.mask", "rejected.ids", "rejected.mask"],
    ["ids", "labels", "mask", "mismatched.ids", "mismatched.mask"],
  ]);
});

Deno.test("a scored batch is the same batch, with the scores of each sequence", async () => {
  const scored = demonstrationForm.scored([b, a], padding, scores);
  assertEquals(
    await scored.referenceLogProbs.data(),
    new Float32Array([0, -2, -3, 0, 0, -1, 0, 0]),
  );
  const plain = demonstrationForm.batch([b, a], padding);
  assertEquals(await scored.ids.data(), await plain.ids.data());
  assertEquals(
    pathsOf(pairForm.scored([pair], padding, scores)).filter((path) => path.includes("reference")),
    ["chosen.referenceLogProbs", "rejected.referenceLogProbs"],
  );
  assertEquals(
    pathsOf(labelForm.scored([label], padding, scores)).filter((path) =>
      path.includes("reference")
    ),
    ["mismatched.referenceLogProbs", "referenceLogProbs"],
  );
});

Deno.test("a sequence that nobody has scored is refused", () => {
  assertThrows(
    () => demonstrationForm.scored([row(3, 7)], padding, scores),
    RangeError,
    "scoresOf: row 0 has no scores",
  );
});

Deno.test("rows that are missing consist of padding, in every part of a batch", async () => {
  const room = { ...padding, size: 3 };
  const { ids, mask, referenceLogProbs } = demonstrationForm.scored([a], room, scores);
  assertEquals(await ids.data(), new Int32Array([3, 7, 0, 0, ...Array(8).fill(0)]));
  assertEquals(await mask.data(), new Float32Array([0, 1, 0, 0, ...Array(8).fill(0)]));
  assertEquals(
    await referenceLogProbs.data(),
    new Float32Array([0, -1, 0, 0, ...Array(8).fill(0)]),
  );
  const shapes = (batch: unknown) => [...leafPaths(batch).values()].map(({ shape }) => shape);
  assertEquals(shapes(pairForm.batch([pair], room)), Array(4).fill([3, 4]));
  assertEquals(shapes(pairForm.scored([pair], room, scores)), Array(6).fill([3, 4]));
  const labelled = labelForm.batch([label], room);
  assertEquals(shapes(labelled), [[3, 4], [3], [3, 4], [3, 4], [3, 4]]);
  assertEquals(await labelled.labels.data(), new Float32Array([1, 0, 0]));
  assertEquals(
    shapes(labelForm.scored([label], room, scores)),
    [[3, 4], [3], [3, 4], [3, 4], [3, 4], [3, 4], [3, 4]],
  );
});

Deno.test("the length of a row is that of the longest of its sequences", () => {
  assertEquals(demonstrationForm.lengthOf(b), 3);
  assertEquals([pairForm.lengthOf(pair), pairForm.lengthOf({ chosen: b, rejected: a })], [3, 3]);
  assertEquals(labelForm.lengthOf(label), 3);
  assertEquals(labelForm.lengthOf({ ...label, sequence: b, mismatched: a }), 3);
  assertEquals([demonstrationForm, pairForm, labelForm].map(({ sides }) => sides), [1, 2, 2]);
});

/** What a form says of a row: its sequences, those that are learned, their number and its examples. */
function counted<Row>(
  { sequences, learned, sides, examples, lengthOf }: RowForm<Row, unknown, unknown>,
  own: Row,
) {
  return {
    sequences: sequences(own).map(({ ids }) => ids),
    learned: learned(own).map(({ ids }) => ids),
    counts: [sides, examples(own), lengthOf(own)],
  };
}

Deno.test("a row of each form is asked and paid for by its sequences, and is an example, packed or not", () => {
  const c = row(3, 5, 5, 5);
  const [first, second, third] = [a, b, c].map(({ ids }) => ids);
  assertEquals(counted(demonstrationForm, b), {
    ...{ sequences: [second], learned: [second], counts: [1, 1, 3] },
  });
  assertEquals(counted(pairForm, pair), {
    ...{ sequences: [first, second], learned: [first, second], counts: [2, 1, 3] },
  });
  assertEquals(counted(tripleForm, { ...pair, gold: c }), {
    ...{ sequences: [first, second, third], learned: [first, second, third], counts: [3, 1, 4] },
  });
  // Mismatched answers have no gradient.
  assertEquals(counted(labelForm, label), {
    ...{ sequences: [first, second], learned: [first], counts: [2, 1, 3] },
  });
  assertEquals(counted(stepForm, { ...c, labels: c.mask }), {
    ...{ sequences: [third], learned: [third], counts: [1, 1, 4] },
  });
  assertEquals(counted(packedForm(16, 4), packedRow([a, b, c])), {
    ...{ sequences: [first, second, third], learned: [first, second, third], counts: [1, 3, 16] },
  });
});
