/** Tables on the disk: whole or not there, the same rows as a list, and nothing left of a failure. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  type AddRow,
  listTables,
  type RecordReader,
  type RecordWriter,
  UserError,
} from "@unitune/training";
import { LARGE, tableCache, tablesFolder } from "../../../../cli/data/tables/table_cache.ts";
import { FileError } from "../../../../cli/files/file_error.ts";
import { inFolder } from "../../command.ts";

/** A row of any JSON, in bytes of its own. */
interface Row {
  readonly number: number;
  readonly value: unknown;
}

const form = {
  write: ({ number, value }: Row, to: RecordWriter) => {
    to.number(number);
    to.json(value);
  },
  read: (from: RecordReader): Row => ({ number: from.number(), value: from.json() }),
  isSummary: (value: unknown): value is string => typeof value === "string",
};

const rows = fc.array(fc.record({
  number: fc.nat(2 ** 31 - 1),
  value: fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value))),
}));

/** Fills a table, with some marks of each row. */
const filling = (list: readonly Row[], marks = 1) => (add: AddRow<Row>) => {
  list.forEach((row, i) => add(row, Array.from({ length: marks }, (_, k) => k + i / 4)));
  return `${list.length} rows`;
};

function fillNever(): never {
  throw new Error("the rows are there");
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();

inFolder("a table on the disk is the list of its rows, now and the next time", async (folder) => {
  await fc.assert(fc.asyncProperty(rows, fc.nat(12), fc.nat(3), async (list, start, marks) => {
    const key = crypto.randomUUID();
    const listed = await listTables.keep(undefined, form, filling(list, marks));
    const store = tableCache(folder, { large: -1 });
    const made = await store.keep(key, form, filling(list, marks));
    const found = list.length === 0 ? made : await store.keep(key, form, fillNever);
    for (const table of [made, found]) {
      assertEquals([...table.rows], list);
      assertEquals(table.rows.at(start), list.at(start));
      assertEquals([...table.rows.slice(start)], list.slice(start));
      assertEquals(table.summary, listed.summary);
      assertEquals(Array.from(table.marks), Array.from(listed.marks));
      assertEquals(table.marks.length, marks * list.length);
    }
  }));
});

inFolder("a small table is in memory alone, and one without a key always", async (folder) => {
  const list = Array.from({ length: 10 }, (_, number) => ({ number, value: "x" }));
  // A byte for the number, and four for the JSON and its length.
  const store = tableCache(folder, { large: 50 });
  const small = await store.keep("small", form, filling(list));
  assertEquals([[...small.rows], names(folder)], [list, []]);
  assertEquals(
    [...(await store.keep(undefined, form, filling([...list, ...list]))).rows].length,
    20,
  );
  assertEquals(names(folder), []);
  await tableCache(folder, { large: 49 }).keep("small", form, filling(list));
  assertEquals(names(folder).length, 1);
  assertEquals(LARGE, 64 * 1024 * 1024);
});

inFolder("rows of more than a block are written and read as they are", async (folder) => {
  const long = (length: number, i: number) => ({ number: i, value: `${i}`.repeat(length) });
  const list = [long(1, 1), long(700_000, 2), long(700_000, 3), long(3_000_000, 4), long(2, 5)];
  for (const large of [-1, 1_000_000, 2_000_000]) {
    const { rows } = await tableCache(folder, { large }).keep(`${large}`, form, filling(list));
    assertEquals([...rows], list);
    assertEquals(list.map((_, i) => rows.at(i)), list);
    assertEquals([...rows.slice(1, 3)], list.slice(1, 3));
  }
  assertEquals(names(folder).length, 3);
});

inFolder("a file that was cut or changed anywhere is never read as rows", async (folder) => {
  const list = Array.from({ length: 4 }, (_, number) => ({ number, value: `row ${number}` }));
  const store = tableCache(folder, { large: -1 });
  await store.keep("key", form, filling(list));
  const [name = ""] = names(folder);
  const path = `${folder}/${name}`;
  const whole = await Deno.readFile(path);
  const data = 4 * (1 + 1 + 7);
  for (let length = 0; length < whole.length; length++) {
    await Deno.writeFile(path, whole.subarray(0, length));
    let isFilled = false;
    const { rows } = await store.keep("key", form, (add) => {
      isFilled = true;
      return filling(list)(add);
    });
    assertEquals([[...rows], isFilled], [list, true]);
  }
  for (let place = 0; place < whole.length; place++) {
    const changed = whole.slice();
    changed[place] = (changed[place] ?? 0) ^ 1;
    await Deno.writeFile(path, changed);
    const { rows } = await store.keep("key", form, filling(list));
    if (place >= data) assertEquals([...rows], list);
    else {
      const row = Math.floor(place / (data / 4));
      for (const read of [() => [...rows], () => rows.at(row)]) {
        assertThrows(read, UserError, `row ${row + 1} has other bytes than were written`);
      }
    }
  }
});

inFolder("a file whose numbers are others is none, however far they are off", async (folder) => {
  const list = Array.from({ length: 4 }, (_, number) => ({ number, value: `row ${number}` }));
  const store = tableCache(folder, { large: -1 });
  await store.keep("key", form, filling(list));
  const path = `${folder}/${names(folder)[0]}`;
  const whole = await Deno.readFile(path);
  // The number of rows, and the bytes of all rows and of the summary.
  const numbers = [0, 1, 2].map((i) => whole.length - 64 + 8 + 8 * i);
  // A mark for each of 4 rows is 32 bytes, and all rows are 36.
  const offs = [1, 2, 4, 8, 31, 32, 33, 37, 64, 96, 320, 1e6, 2 ** 53, Infinity, NaN];
  for (const place of numbers) {
    for (const off of offs.flatMap((off) => [off, -off])) {
      const changed = whole.slice();
      const view = new DataView(changed.buffer);
      view.setFloat64(place, view.getFloat64(place, true) + off, true);
      await Deno.writeFile(path, changed);
      let isFilled = false;
      const { rows } = await store.keep("key", form, (add) => {
        isFilled = true;
        return filling(list)(add);
      });
      assertEquals([[...rows], isFilled], [list, true], `${place} ${off}`);
    }
  }
});

inFolder("rows without bytes or marks are counted", async (folder) => {
  const store = tableCache(folder, { large: -1 });
  const empty = { ...form, write: () => {}, read: () => ({ number: 7, value: null }) };
  const list = [{ number: 1, value: null }, { number: 2, value: null }];
  await store.keep("key", empty, filling(list, 0));
  const { rows, marks, summary } = await store.keep("key", empty, fillNever);
  assertEquals([[...rows].map(({ number }) => number), marks.length, summary], [
    [7, 7],
    0,
    "2 rows",
  ]);
});

inFolder("a file with another summary is not taken for the table", async (folder) => {
  const store = tableCache(folder, { large: -1 });
  await store.keep(
    "key",
    { ...form, isSummary: (value): value is number => value === 3 },
    (add) => {
      add({ number: 1, value: null });
      return 3;
    },
  );
  const { summary } = await store.keep("key", form, filling([{ number: 2, value: null }]));
  assertEquals(summary, "1 rows");
});

inFolder("a table that is removed while it is read is told", async (folder) => {
  const store = tableCache(folder, { large: -1 });
  const { rows } = await store.keep("key", form, filling([{ number: 1, value: null }]));
  await Deno.remove(`${folder}/${names(folder)[0]}`);
  assertThrows(() => rows.at(0), UserError, "the file was removed while its rows were read");
});

Deno.test({
  name: "nothing is left of a table whose rows end in an error, and no file is open",
  sanitizeResources: true,
  async fn() {
    const folder = await Deno.makeTempDir();
    const store = tableCache(folder, { large: -1 });
    const failing = store.keep("key", form, (add) => {
      add({ number: 1, value: null });
      // By such a name it would be tidied away.
      assertMatch(names(folder).join(), /^[0-9a-f]{64}\.table\.[0-9a-f]{8}\.partial$/);
      throw new UserError("row 2 is none");
    });
    await assertRejects(() => failing, UserError, "row 2 is none");
    assertEquals(names(folder), []);
    await Deno.remove(folder);
  },
});

Deno.test({
  name: "nothing is left of a table that is removed while it is begun, or cannot be begun",
  sanitizeResources: true,
  async fn() {
    const folder = await Deno.makeTempDir();
    const { writeSync, lockSync } = Deno.FsFile.prototype;
    const store = tableCache(folder, { large: -1 });
    const list = [{ number: 1, value: null }];
    let locked = 0;
    try {
      // Another process tidies the first file away before it is locked.
      Deno.FsFile.prototype.lockSync = function (isExclusive) {
        locked += 1;
        if (locked === 1) {
          for (const name of names(folder)) Deno.removeSync(`${folder}/${name}`);
        }
        lockSync.call(this, isExclusive);
      };
      await store.keep("key", form, filling(list));
      assertEquals([locked, names(folder).length], [2, 1]);
      Deno.FsFile.prototype.writeSync = () => {
        throw new Error("no space is left");
      };
      const other = () => store.keep("other", form, filling(list));
      assertEquals((await assertRejects(other, Error)).message, "no space is left");
      assertEquals(names(folder).length, 1);
    } finally {
      Object.assign(Deno.FsFile.prototype, { writeSync, lockSync });
    }
    await Deno.remove(folder, { recursive: true });
  },
});

inFolder("a folder that cannot be written is told, with what to do", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  const store = tableCache(`${folder}/file/tables`, { large: -1 });
  const error = await assertRejects(
    () => store.keep("key", form, filling([{ number: 1, value: null }])),
    FileError,
  );
  assertStringIncludes(error.message, "can't write");
  assertStringIncludes(error.message, "; --no-cache keeps rows in memory instead");
});

inFolder(
  "the next table that is written removes what is unfinished or long unused",
  async (folder) => {
    const hex = (digit: string) => digit.repeat(64);
    const own = [`${hex("a")}.table`, `${hex("b")}.table`];
    const partial = [`${hex("c")}.table.00000000.partial`, `${hex("d")}.table.00000000.partial`];
    const others = ["notes.txt", `${hex("e")}.table.txt`, "x.partial"];
    for (const name of [...own, ...partial, ...others]) {
      await Deno.writeTextFile(
        `${folder}/${name}`,
        "",
      );
    }
    const day = 24 * 60 * 60 * 1000;
    const time = Date.now();
    for (const [i, age] of [29.9, 30.1].entries()) {
      await Deno.utime(`${folder}/${own[i]}`, new Date(time), new Date(time - age * day));
    }
    for (const name of others) await Deno.utime(`${folder}/${name}`, new Date(0), new Date(0));
    // Somebody is writing one of the unfinished files.
    using file = await Deno.open(`${folder}/${partial[0]}`, { write: true });
    await file.lock(true);
    const store = tableCache(folder, { large: -1, now: () => time });
    await store.keep("key", form, filling([{ number: 1, value: null }]));
    const left = names(folder).filter((name) => [...own, ...partial, ...others].includes(name));
    assertEquals(left, [own[0], partial[0], ...others].toSorted());
    // A table that is used is young again.
    const later = time + 29 * day;
    await tableCache(folder, { large: -1, now: () => later }).keep("key", form, fillNever);
    const latest = tableCache(folder, { large: -1, now: () => later + 29 * day });
    await latest.keep("other", form, filling([{ number: 1, value: null }]));
    await latest.keep("key", form, fillNever);
  },
);

Deno.test("the folder of tables is in the user's cache", () => {
  const env = (values: Readonly<Record<string, string>>) => (name: string) => values[name];
  assertEquals(tablesFolder(env({ XDG_CACHE_HOME: "/c", HOME: "/h" })), "/c/unitune/tables");
  assertEquals(tablesFolder(env({ USERPROFILE: "/u" })), "/u/.cache/unitune/tables");
  assertEquals(tablesFolder(env({})), undefined);
  assert(tablesFolder(env({ HOME: "/h", USERPROFILE: "/u" }))?.startsWith("/h/"));
});
