/** Tables of rows: wherever rows are held, a table is the list of them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  gatherCharacters,
  growingNumbers,
  inRandomOrder,
  joinedTables,
  listTables,
  mappedTable,
  memoryRecords,
  memoryTables,
  pickedRows,
  randomStream,
  readSequence,
  readTable,
  type RecordReader,
  recordReader,
  type RecordWriter,
  recordWriter,
  rowAt,
  type RowTable,
  shuffled,
  shuffledNumbers,
  writeSequence,
} from "@unitune/training";
// Not public: a part of the row for the kind of data.
import { labelledAnswers } from "../../training/kinds/labels.ts";

/** Checks that a table is a list, to whoever reads it. */
function assertIsList<Row>(table: RowTable<Row>, list: readonly Row[], start: number, end: number) {
  assertEquals(table.length, list.length);
  assertEquals([...table], [...list]);
  for (const index of [start, end, 0, -1, list.length, list.length - 1, -list.length - 1]) {
    assertEquals(table.at(index), list.at(index));
  }
  for (const [from, to] of [[start, end], [end, start], [start, undefined]] as const) {
    const [part, expected] = [table.slice(from, to), list.slice(from, to)];
    assertEquals([part.length, [...part]], [expected.length, expected]);
    assertEquals(part.slice(1).at(-1), expected.slice(1).at(-1));
  }
  assertEquals([...table.slice()], [...list]);
}

const places = fc.integer({ min: -12, max: 12 });

Deno.test("a table is the list of its rows, however it is made", () => {
  const lists = fc.array(fc.nat(9), { maxLength: 9 });
  fc.assert(fc.property(lists, lists, places, places, (list, other, start, end) => {
    const table = readTable(list.length, { read: (index) => rowAt(list, index) });
    assertIsList(table, list, start, end);
    assertIsList(mappedTable(table, (row) => row + 1), list.map((row) => row + 1), start, end);
    assertIsList(joinedTables(table, other), [...list, ...other], start, end);
    const order = list.map((_, i) => list.length - 1 - i);
    assertIsList(pickedRows(table, order), list.toReversed(), start, end);
  }));
});

Deno.test("a row that is not there is refused", () => {
  for (const index of [-1, 2]) {
    assertThrows(() => rowAt(["a", "b"], index), RangeError, `no row ${index} in a table of 2`);
  }
  assertThrows(() => pickedRows(["a"], [1]).at(0), RangeError, "no row 1");
});

Deno.test("the rows of a scan are read by it, and only those that are wanted", () => {
  const asked: string[] = [];
  const table = readTable(9, {
    read: (index) => index,
    *scan(start, end) {
      asked.push(`${start} to ${end}`);
      for (let index = start; index < end; index++) yield index;
    },
  });
  assertEquals([...mappedTable(table.slice(2, 8), (row) => -row).slice(1, 3)], [-3, -4]);
  assertEquals([...joinedTables(table.slice(0, 2), table.slice(5)).slice(1, 4)], [1, 5, 6]);
  assertEquals(asked, ["3 to 5", "1 to 2", "5 to 7"]);
});

Deno.test("a pair is two labelled answers, the chosen one first, behind those with labels", () => {
  const answer = (id: number) => ({ ids: [id], mask: [true] });
  const own = [{ sequence: answer(0), label: false }];
  const pairs = [1, 3].map((id) => ({ chosen: answer(id), rejected: answer(id + 1) }));
  const answers = [...labelledAnswers(own, pairs)];
  assertEquals(answers.map(({ sequence }) => sequence.ids[0]), [0, 1, 2, 3, 4]);
  assertEquals(answers.map(({ label }) => label), [false, true, false, true, false]);
});

/** A row of everything that a record can have. */
interface Row {
  readonly numbers: readonly number[];
  readonly value: unknown;
  readonly mask: readonly boolean[];
}

const write = ({ numbers, value, mask }: Row, to: RecordWriter) => {
  to.number(numbers.length);
  numbers.forEach(to.number);
  to.json(value);
  writeSequence(to, { ids: mask.map((_, i) => i), mask });
};

const read = (from: RecordReader): Row => ({
  numbers: Array.from({ length: from.number() }, () => from.number()),
  value: from.json(),
  mask: readSequence(from).mask,
});

const isSummary = (value: unknown): value is string => typeof value === "string";

const rows = fc.array(fc.record({
  numbers: fc.array(fc.oneof(fc.nat(200), fc.nat({ max: 2 ** 31 - 1 }), fc.constant(2 ** 32 - 1))),
  value: fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("\ud83d", "\udd8a"),
    fc.jsonValue(),
  )
    .map((value): unknown => JSON.parse(JSON.stringify(value))),
  mask: fc.array(fc.boolean()),
}));

for (const [name, store] of Object.entries({ memoryTables, listTables })) {
  Deno.test(`a table of ${name} is the list of its rows, for any rows`, async () => {
    await fc.assert(fc.asyncProperty(rows, places, places, async (list, start, end) => {
      const kept = await store.keep("key", { write, read, isSummary }, (add) => {
        list.forEach((row, i) => add(row, [i + 0.5, -i]));
        return "summary";
      });
      assertIsList(kept.rows, list, start, end);
      assertEquals(kept.summary, "summary");
      assertEquals(Array.from(kept.marks), list.flatMap((_, i) => [i + 0.5, -i]));
    }));
  });
}

Deno.test("rows longer than a block of memory, and across several, are read as they were", () => {
  const records = memoryRecords();
  const lengths = [3, 2 ** 20 - 3, 0, 5, 3 * 2 ** 20 + 1, 7];
  const list = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
  list.forEach((bytes, i) => records.add(bytes, [i]));
  list.forEach((bytes, i) => assertEquals(records.at(i), bytes));
  assertEquals(records.bytes(), lengths.reduce((sum, length) => sum + length));
  const blocks = records.blocks();
  assertEquals(blocks.map(({ length }) => length).slice(0, -1), [
    2 ** 20,
    2 ** 20,
    2 ** 20,
    2 ** 20,
  ]);
  assertEquals(new Blob(blocks.map((block) => block.slice())).size, records.bytes());
  assertThrows(() => records.at(6), RangeError, "a row that is none");
});

Deno.test("numbers are added one by one, as many as come", () => {
  const numbers = growingNumbers();
  const list = Array.from({ length: 5000 }, (_, i) => i / 2);
  list.forEach(numbers.add);
  assertEquals([...numbers.values()], list);
});

Deno.test("a record has integers of 32 bits, and refuses others", () => {
  const bytesOf = recordWriter();
  for (const value of [-1, 0.5, 2 ** 32, NaN]) {
    assertThrows(() => bytesOf((to) => to.number(value)), RangeError, `not ${value}`);
  }
  // Seven bits a byte: LEB128 as in the DWARF standard, appendix C.
  const bytes = (value: number) => [...bytesOf((to) => to.number(value))];
  assertEquals([2, 127, 128, 129, 12857].map(bytes), [[2], [127], [128, 1], [129, 1], [185, 100]]);
  assertThrows(() => recordReader(Uint8Array.of(0x80)).number(), RangeError, "ends too early");
  assertThrows(
    () => bytesOf((to) => writeSequence(to, { ids: [1], mask: [] })),
    RangeError,
    "a sequence of 1 ids has a mask of 0",
  );
});

Deno.test("a record is written whole, wherever the room of its writer ends", () => {
  // There is room for 4096 bytes at first.
  for (let before = 4085; before < 4100; before++) {
    const bytes = recordWriter()((to) => {
      for (let i = 0; i < before; i++) to.number(1);
      to.number(2 ** 32 - 1);
      to.json("abcdefgh");
      to.number(7);
    });
    const from = recordReader(bytes);
    for (let i = 0; i < before; i++) from.number();
    assertEquals([from.number(), from.json(), from.number()], [2 ** 32 - 1, "abcdefgh", 7]);
    assertEquals(bytes.length, before + 5 + 1 + 10 + 1);
  }
});

Deno.test("a mask of few runs takes few bytes", () => {
  const ids = Array.from({ length: 100 }, () => 1);
  const bytes = recordWriter()((to) => writeSequence(to, { ids, mask: ids.map((_, i) => i > 60) }));
  assertEquals(bytes.length, 1 + 100 + 2);
});

Deno.test("numbers are shuffled as elements are, also where keys are equal", () => {
  fc.assert(fc.property(fc.nat(2 ** 31), fc.nat(300), (seed, count) => {
    const numbers = Array.from({ length: count }, (_, i) => i);
    assertEquals(
      [...shuffledNumbers(randomStream(seed), count)],
      shuffled(randomStream(seed), numbers),
    );
    // Keys of two bits are equal more often than not.
    const coarse = (random: () => number) => () => Math.floor(random() * 4) / 4;
    assertEquals(
      [...shuffledNumbers(coarse(randomStream(seed)), count)],
      shuffled(coarse(randomStream(seed)), numbers),
    );
  }));
});

Deno.test("the characters of texts are those that a loop over each finds", () => {
  const near = fc.constantFrom(0xd7ff, 0xd800, 0xd801, 0xdbff, 0xdc00, 0xdfff, 0xe000);
  const unit = fc.oneof(near, fc.nat(0xffff));
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(unit, { maxLength: 12 }).map((units) =>
      units.map((one) => String.fromCharCode(one)).join("")
    ),
  );
  fc.assert(fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
    const { add, characters } = gatherCharacters();
    texts.forEach(add);
    assertEquals([...characters()], [...new Set(texts.flatMap((own) => [...own]))]);
  }));
  const { add, characters } = gatherCharacters();
  // The same first half, and others behind it.
  add("a\u{10000}\u{10001}\u{10401}\u{10400}a");
  assertEquals([...characters()].length, 5);
});

Deno.test("a source of rows tells the place of each", () => {
  const source = inRandomOrder(["a", "b", "c"], 5, 8);
  const numbers = Array.from({ length: 7 }, (_, number) => number);
  assertEquals(numbers.map(source.row), numbers.map((number) => "abc"[source.place(number)] ?? ""));
  assert(new Set(numbers.slice(0, 3).map(source.place)).size === 3);
});
