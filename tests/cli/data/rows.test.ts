/** What a run trains on: rows, batches, masks, and what is kept aside. */
import { assert, assertEquals, assertNotEquals, assertThrows, fail } from "@std/assert";
import { prepare } from "@unitune/cli";
import {
  conversationSplit,
  dataOf,
  paddedLength,
  questionOf,
  type RowSource,
  shuffledRows,
  textSplit,
  toBatch,
  trainSettings,
  windowRows,
} from "@unitune/training";
import {
  byteTokenizer,
  characterTokenizer,
  type EncodedSequence,
  specialIds,
} from "@unitune/models";
import fc from "fast-check";
import { inFolder, reversals, writeRows } from "../command.ts";

const sequence: fc.Arbitrary<EncodedSequence> = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 99 }), fc.boolean()),
  { minLength: 1, maxLength: 12 },
).map((tokens) => ({ ids: tokens.map(([id]) => id), mask: tokens.map(([, learned]) => learned) }));

const sequences = fc.array(sequence, { minLength: 1, maxLength: 9 });
const seed = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Text whose every token is its own place. */
const places = (length: number) => Array.from({ length }, (_, i) => i);

Deno.test("a batch holds its rows, then padding that is not learned", async () => {
  await fc.assert(fc.asyncProperty(sequences, fc.nat(4), async (rows, missing) => {
    const length = paddedLength(rows, 12);
    const size = rows.length + missing;
    const { ids, mask } = toBatch(rows, { length, padding: 0, size });
    assertEquals([ids.shape, mask.shape], [[size, length], [size, length]]);
    const [flatIds, flatMask] = [await ids.data(), await mask.data()];
    for (let i = 0; i < size; i++) {
      const row = rows[i] ?? { ids: [], mask: [] };
      const rest = Array.from({ length: length - row.ids.length }, () => 0);
      const part = (data: ArrayLike<number>) =>
        Array.from(data).slice(i * length, (i + 1) * length);
      assertEquals(part(flatIds), [...row.ids, ...rest]);
      assertEquals(part(flatMask), [...row.mask.map(Number), ...rest]);
    }
  }));
});

Deno.test("every epoch has every sequence once, each in an order of its own", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), seed, (count, seed) => {
    const all = places(count).map((id) => ({ ids: [id, 1], mask: [false, true] }));
    const source = shuffledRows(all, seed, 32);
    const epoch = (number: number) =>
      places(count).map((i) => source.row(number * count + i).ids[0] ?? NaN);
    for (const number of [0, 1, 7]) {
      assertEquals(epoch(number).toSorted((a, b) => a - b), places(count));
      assertEquals(source.epoch((number + 1) * count), number + 1);
    }
    // Two orders of 20 are the same once in 20! times.
    if (count >= 20) assertNotEquals(epoch(0), epoch(1));
  }));
});

/** Sources of rows of the same data for a seed. */
const sources: Record<string, (seed: number) => RowSource> = {
  "shuffled rows": (seed) =>
    shuffledRows(places(23).map((id) => ({ ids: [id], mask: [true] })), seed, 8),
  "windows": (seed) => windowRows(places(1000), seed, 8),
};

for (const [kind, sourceOf] of Object.entries(sources)) {
  Deno.test(`${kind} depend on the seed and their number only`, () => {
    fc.assert(fc.property(seed, fc.array(fc.nat(200)), (seed, numbers) => {
      const inTurn = sourceOf(seed);
      const expected = places(201).map((number) => inTurn.row(number));
      const anyhow = sourceOf(seed);
      for (const number of numbers) assertEquals(anyhow.row(number), expected[number]);
    }));
  });

  Deno.test(`${kind} are others for another seed, however large`, () => {
    const ids = (seed: number) => places(50).map((number) => sourceOf(seed).row(number).ids[0]);
    for (const other of [1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      assertNotEquals(ids(0), ids(other));
      assertNotEquals(ids(other - 1), ids(other));
    }
  });
}

Deno.test("windows lie anywhere in a text, and learn every token but their first", () => {
  const source = windowRows(places(20), 3, 8);
  assertEquals(source.length, 9);
  const starts = places(500).map((number) => {
    const { ids, mask } = source.row(number);
    const [start = NaN] = ids;
    assertEquals(ids, places(9).map((i) => start + i));
    assertEquals(mask, places(9).map((i) => i > 0));
    return start;
  });
  assertEquals([...new Set(starts)].toSorted((a, b) => a - b), places(12));
  assertEquals(source.epoch(19), 19);
});

Deno.test("in an epoch of windows each token is learned once, but for a rest", () => {
  const source = windowRows(places(1000), 5, 8);
  const rows = places(Math.round(1 / source.epoch(1)));
  for (const epoch of [0, 1, 2]) {
    const learned = rows.flatMap((row) => source.row(epoch * rows.length + row).ids.slice(1));
    assertEquals(new Set(learned).size, learned.length);
    assert(learned.length >= 1000 - 2 * 8);
  }
});

Deno.test("a text that is shorter than the context is one window", () => {
  const { length, row, epoch } = windowRows([7, 8], 0, 100);
  assertEquals([length, row(5).ids, epoch(3)], [2, [7, 8], 3]);
});

Deno.test("validation windows learn each token once, but for a rest", () => {
  const tokenizer = byteTokenizer();
  const cases = fc.tuple(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 1, max: 40 }));
  fc.assert(fc.property(cases, ([length, context]) => {
    const { sequences, questions } = textSplit("v", places(length), tokenizer, context);
    const learned = sequences.flatMap(({ ids, mask }) => ids.filter((_, i) => mask[i]));
    assertEquals(learned, places(learned.length).map((i) => i + 1));
    assert(length - 1 - learned.length < Math.min(context, length - 1));
    for (const { ids, sequence } of questions) {
      assertEquals(sequence.ids.slice(0, ids.length), ids);
      assert(ids.length > 0 && ids.length < context);
    }
  }));
});

Deno.test("the fewer rows are trained on, the fewer tokens of a text are continued, by as few", () => {
  const tokenizer = byteTokenizer();
  const sizesOf = (trainedRows?: number) => {
    const limits = trainedRows === undefined ? {} : { trainedRows };
    const { questions } = textSplit("v", places(1000).map((i) => i % 200), tokenizer, 199, limits);
    const [{ ids, gold, sequence } = fail()] = questions;
    assertEquals(gold, tokenizer.decode(sequence.ids.slice(ids.length)));
    assertEquals(sequence.mask.length, sequence.ids.length);
    return [ids.length, sequence.ids.length];
  };
  assertEquals(sizesOf(), [100, 200]);
  assertEquals(sizesOf(20), [62, 124]);
  assertEquals(sizesOf(30), [93, 186]);
  assertEquals(sizesOf(40), [100, 200]);
  assertEquals(sizesOf(1), [32, 64]);
});

inFolder("answers and their stop are learned, prompts and padding are not", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const { stages: [stage = fail()], tokenizer } = await prepare(trainSettings({ data }));
  const { source } = dataOf(stage.data, "demonstrations");
  const { stop, user, assistant } = specialIds;
  for (const number of places(100)) {
    const { ids, mask } = source.row(number);
    const answer = ids.indexOf(assistant) + 1;
    assertEquals([ids[0], ids.at(-1)], [user, stop]);
    assertEquals(mask, ids.map((_, i) => i >= answer));
    const [prompt, completion] = [ids.slice(1, answer - 1), ids.slice(answer, -1)]
      .map((part) => tokenizer.decode(part));
    assert(reversals.some((row) => row.prompt === prompt && row.completion === completion));
  }
});

inFolder("data are known again wherever they are, and after any change", async (folder) => {
  const digest = async (name: string, rows: readonly unknown[]) =>
    (await prepare(trainSettings({ data: await writeRows(`${folder}/${name}.jsonl`, rows) })))
      .data.digest;
  const [first, ...rest] = reversals;
  const a = await digest("a", reversals);
  assertEquals(await digest("b", reversals), a);
  const changed = [[...rest, first], rest, [{ ...first, completion: "" }, ...rest]];
  for (const [i, rows] of changed.entries()) assertNotEquals(await digest(`c${i}`, rows), a);
});

inFolder("a run is named by the name of its data, without the ending", async (folder) => {
  const nameOf = async (name: string) =>
    (await prepare(trainSettings({ data: await writeRows(`${folder}/${name}`, reversals) }))).name;
  assertEquals(await nameOf("my.rows.jsonl"), "my.rows");
  if (Deno.build.os !== "windows") assertEquals(await nameOf("my\\rows.jsonl"), "my\\rows");
});

const exam = (...contents: readonly string[]) => ({
  conversation: {
    messages: contents.map((content, i) => ({
      role: i % 2 === 0 ? "user" as const : "assistant" as const,
      content,
    })),
  },
  kind: "all",
});

Deno.test("the last answer of a conversation is asked for, where all of it fits", () => {
  const tokenizer = characterTokenizer("abc");
  const asked = questionOf(exam("a", "b", "c", "ab"), tokenizer, 32);
  assertEquals([asked?.prompt, asked?.gold], ["a\nb\nc", "ab"]);
  assertEquals(tokenizer.decode(asked?.ids ?? []), "abc");
  assertEquals(["ab", "ab ", ""].map((answer) => asked?.isRight?.(answer)), [true, false, false]);
  assertEquals(questionOf(exam("a", "b", "c"), tokenizer, 32), undefined);
  // <user> a <assistant> b <stop>: the stop is predicted, and not read.
  assertEquals(questionOf(exam("a", "b"), tokenizer, 4)?.gold, "b");
  assertEquals(questionOf(exam("a", "b"), tokenizer, 3), undefined);
});

Deno.test("what does not fit is neither predicted nor asked", () => {
  const tokenizer = characterTokenizer("abc");
  const exams = [exam("a", "b"), exam("a", "bbbbbb"), exam("aaaaaa", "b")];
  const { sequences, questions } = conversationSplit("v", exams, tokenizer, 5);
  assertEquals(sequences.map(({ ids }) => ids.length), [5, 6]);
  assertEquals(questions.map(({ gold }) => gold), ["b"]);
});

Deno.test("built-in tasks are asked so that every right answer counts", async () => {
  const { splits } = await prepare(trainSettings({ seed: 3 }));
  const pick = splits[0]?.questions.find(({ kind }) => kind === "pick");
  const [, low = 0, high = 0] = /(\d+)-(\d+)/.exec(pick?.prompt ?? "")?.map(Number) ?? [];
  const right = places(high + 9).filter((number) => pick?.isRight?.(`${number}`));
  assert(right.length >= 10);
  assert(
    right.every((number) =>
      low <= number && number <= high && number % 2 === Number(pick?.gold) % 2
    ),
  );
});

Deno.test("ids that a typed array would bend into some token are refused", () => {
  toBatch([{ ids: [0, 2 ** 31 - 1], mask: [false, true] }], { length: 4, padding: 0 });
  for (const id of [NaN, 1.5, -1, 2 ** 31, Infinity]) {
    const rows = [{ ids: [1], mask: [true] }, { ids: [1, id], mask: [false, true] }];
    assertThrows(
      () => toBatch(rows, { length: 4, padding: 0 }),
      RangeError,
      `row 1 has the id ${id} at 1; expected an integer from 0`,
    );
  }
  assertThrows(
    () => toBatch([{ ids: [1, 2], mask: [true] }], { length: 4, padding: 0 }),
    RangeError,
    "row 0 has 2 ids and a mask of 1",
  );
});
