/** Files of every kind as rows: the same rows, wherever they are, and refusals with their place. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { readDataset } from "@unitune/cli";
import { UserError } from "@unitune/training";
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { rowsIn } from "../../../cli/data/data_file.ts";
import { bytesInMemory } from "../../../cli/data/readers/bytes_in_memory.ts";
import { unpacked } from "../../../cli/data/readers/compression.ts";
import { parsedJson } from "../../../cli/data/readers/json_lines.ts";
import type { ByteSource, FoundRow } from "../../../cli/data/readers/reader.ts";
import { memoryLimit } from "../../../cli/data/readers/parquet.ts";
import { rowReaders } from "../../../cli/data/readers/row_readers.ts";
import { tableFault } from "../../../cli/data/readers/table_rows.ts";
import { checkedUtf8 } from "../../../cli/data/readers/utf8.ts";
import { frameAt } from "../../../cli/data/readers/zstd.ts";
import { inFolder } from "../command.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The rows of a file, whose bytes come in pieces of a size. */
async function rowsOf(
  name: string,
  content: string | Uint8Array,
  piece = 1e9,
): Promise<readonly FoundRow[]> {
  const bytes = typeof content === "string" ? utf8(content) : content;
  const reader = rowReaders[/\.[a-z]+$/.exec(name)?.[0] ?? ""];
  assert(reader !== undefined);
  const source: ByteSource = {
    ...bytesInMemory(name, bytes),
    async *chunks() {
      for (let i = 0; i < bytes.length; i += piece) {
        yield await Promise.resolve(bytes.subarray(i, i + piece));
      }
    },
  };
  return await Array.fromAsync(reader(source));
}

/** The lines and the values of rows. */
const linesAnd = (rows: readonly FoundRow[]) => rows.map(({ row, source }) => [source.line, row]);

Deno.test("a list of JSON is its elements, however it is written and cut into pieces", async () => {
  const spaces = fc.constantFrom("", " ", "\n", "\r\n", "\t");
  const rows = fc.array(fc.tuple(fc.jsonValue(), spaces, spaces, fc.nat(2)));
  await fc.assert(
    fc.asyncProperty(rows, spaces, fc.integer({ min: 1, max: 9 }), async (rows, end, piece) => {
      const written = rows.map(([value, before, after, indent]) =>
        `${before}${JSON.stringify(value, null, indent)}${after}`
      );
      const text = `${end}[${written.join(",")}${end}]${end}`;
      const found = await rowsOf("a.json", text, piece);
      assertEquals(
        found.map(({ row }) => JSON.stringify(row)),
        rows.map(([v]) => JSON.stringify(v)),
      );
      let line = 1 + end.split("\n").length - 1;
      for (const [i, [value, before, after, indent]] of rows.entries()) {
        line += before.split("\n").length - 1;
        assertEquals(found[i]?.source, { file: "a.json", line });
        line += `${JSON.stringify(value, null, indent)}${after}`.split("\n").length - 1;
      }
    }),
  );
});

Deno.test("a JSON file may have a row on each line, and a byte order mark", async () => {
  assertEquals(linesAnd(await rowsOf("a.json", '\ufeff{"a": 1}\n\n{"a": 2}\n')), [
    [1, { a: 1 }],
    [3, { a: 2 }],
  ]);
  assertEquals(linesAnd(await rowsOf("a.json", '\ufeff [{"a": 1}]')), [[1, { a: 1 }]]);
  assertEquals(await rowsOf("a.json", ""), []);
  assertEquals(await rowsOf("a.json", "[ ]\n"), []);
});

/** Files of JSON that are refused, and why. */
const wrongJson: Record<string, [text: string | Uint8Array, message: string]> = {
  "a list that was cut off": ['[{"a": 1},', "a.json ends inside its list of rows: it was cut off"],
  "a row that was cut off": ['[{"a": 1', "a.json ends inside its list of rows: it was cut off"],
  "a text that was cut off": ['["a]', "a.json ends inside its list of rows: it was cut off"],
  "a comma at the end": ["[1,\n2,\n]", "a.json:3: a comma with no row behind it"],
  "a comma at the start": ["[\n,1]", "a.json:2: a comma with no row before it"],
  "two commas": ["[1,\n\n,2]", "a.json:3: a comma with no row before it"],
  "more behind the list": ["[1]\n\n[2]", "a.json:3: there is more behind the list of rows"],
  "a comma behind the list": ["[1],", "a.json:1: there is more behind the list of rows"],
  "a bracket that closes nothing": ["[1}\n]", "a.json:1: a bracket that closes nothing"],
  "a row that is no JSON": [
    '[{"a": 1},\n{"a"; 2}]',
    `a.json:2: not JSON: Expected ':' after property name in JSON at position 4 (column 5)`,
  ],
  "a row of several lines that is no JSON": ['[1,\n{\n"a":\n2 3}]', "a.json:4: not JSON: "],
  "two rows without a comma": ["[1 2]", "a.json:1: not JSON: "],
  "bytes that are not UTF-8": [
    new Uint8Array([...utf8('[\n"'), 0xff, ...utf8('"]')]),
    "a.json:2: not UTF-8: at byte 3 of the file, byte 0xFF",
  ],
  "rows on lines, of which one is none": ['{"a": 1}\n{"a": }', "a.json:2: not JSON: "],
};

for (const [what, [text, message]] of Object.entries(wrongJson)) {
  Deno.test(`JSON is refused: ${what}`, async () => {
    for (const piece of [1, 1e9]) {
      await assertRejects(() => rowsOf("a.json", text, piece), UserError, message);
    }
  });
}

Deno.test("what the engine says of a text is told, with its place in the file", () => {
  const said = (text: string) =>
    assertThrows(() => parsedJson(text, { file: "a", line: 5 }), UserError).message;
  assertEquals(said(""), "a:5: not JSON: Unexpected end of JSON input");
  assertEquals(
    said('{"a":\n 1,\n}'),
    "a:7: not JSON: Expected double-quoted property name in JSON at position 10 (column 1)",
  );
});

Deno.test("lines of JSON may end as those of Windows do", async () => {
  assertEquals(linesAnd(await rowsOf("a.jsonl", '{"a": 1}\r\n\r\n[2]\r')), [
    [1, { a: 1 }],
    [3, [2]],
  ]);
  const message = "a.jsonl:1: not JSON: Unterminated string in JSON at position 2 (column 3)";
  await assertRejects(() => rowsOf("a.jsonl", '"a\r\n'), UserError, message);
});

Deno.test("a row of a list is refused where it is longer than rows can be", async () => {
  // One byte more than a row can have, behind the four before it.
  const long = new Uint8Array(4 + 2 ** 26 + 1).fill(0x61);
  long.set(utf8('[1,\n"'));
  const message =
    "a.json:2: the line has more than 67108864 bytes, the most that a row can have: " +
    "write shorter rows";
  await assertRejects(() => rowsOf("a.json", long, 2 ** 16), UserError, message);
});

Deno.test("a table is a row for each line, in columns that the first line names", async () => {
  const text =
    `\ufeffprompt,completion,label,note\r\n"1,1","a ""b""\nc",True,\r\n\r\n2,"",false,""\n`;
  for (const piece of [1, 7, 1e9]) {
    assertEquals(linesAnd(await rowsOf("a.csv", text, piece)), [
      [2, { prompt: "1,1", completion: 'a "b"\nc', label: true, note: null }],
      [5, { prompt: "2", completion: "", label: false, note: "" }],
    ]);
  }
  assertEquals(linesAnd(await rowsOf("a.tsv", "a\tb\n1,2\t 3 ")), [[2, { a: "1,2", b: " 3 " }]]);
  assertEquals(await rowsOf("a.csv", "prompt,completion\n"), []);
  assertEquals(await rowsOf("a.csv", ""), []);
});

/** A list of messages as pandas writes it. */
const PYTHON = "[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]";

Deno.test("cells of columns that hold no text are JSON, and so are lists of messages", async () => {
  const cell = (value: unknown) => `"${JSON.stringify(value).replaceAll('"', '""')}"`;
  const said = [{ role: "user", content: "a" }];
  const names = ["messages", "scores", "label", "prompt", "chosen", "text", "tools"];
  const cells = [cell(said), cell([1, 2]), "1", cell(said), "[1]", cell(said), ""];
  const [found] = await rowsOf("a.csv", `${names.join()}\n${cells.join()}\n`);
  assertEquals(found?.row, {
    ...{ messages: said, scores: [1, 2], label: 1, prompt: said, chosen: "[1]" },
    ...{ text: JSON.stringify(said), tools: null },
  });
  // A text that begins like a list of Python's, and one that is a list of something else.
  for (const prompt of ["[{'role': 'user'}] is a list", "[{'a': 1}]"]) {
    const [other] = await rowsOf("a.csv", `prompt,label,text\n"${prompt}",True,"${PYTHON}"\n`);
    assertEquals(other?.row, { prompt, label: true, text: PYTHON });
  }
});

Deno.test("a fault of a table is told with its line, where it is known", () => {
  const told = (lines: object) =>
    tableFault(Object.assign(new Error("it is odd"), { code: "OTHER", ...lines }), "a.csv").message;
  assertEquals([told({ lines: 3 }), told({})], ["a.csv:3: it is odd", "a.csv: it is odd"]);
});

Deno.test("every table is read as it was written, however it is cut into pieces", async () => {
  const texts = fc.array(fc.array(fc.string({ unit: "binary" }), { minLength: 2, maxLength: 2 }));
  await fc.assert(fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (rows, piece) => {
    const written = rows.filter((row) => row.every((cell) => cell.isWellFormed()));
    const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
    const text = ["a,b", ...written.map((row) => row.map(quoted).join())].join("\n");
    const found = await rowsOf("a.csv", text, piece);
    assertEquals(found.map(({ row }) => row), written.map(([a, b]) => ({ a, b })));
  }));
});

/** Tables that are refused, and why. */
const wrongTables: Record<string, [text: string | Uint8Array, message: string]> = {
  "a quote that is never closed": ['a,b\n1,2\n3,"4\n5,6\n', "a quote is opened and never closed"],
  "a quote inside of quotes": [
    'a,b\n1,"2"3\n',
    "a.csv:2: a quote inside of quotes: write it twice",
  ],
  "a quote inside of a cell": ['a,b\n1,2"3\n', "a.csv:2: a quote inside of a cell without quotes"],
  "too few cells": [
    "a,b\n1,2\n\n3\n",
    "a.csv:4: the row has 1 cells, and the first line names 2 columns",
  ],
  "too many cells": ["a,b\n1,2,3\n", "a.csv:2: the row has 3 cells, and the first line names 2"],
  "a column that is there twice": ["a,b,a\n", `a.csv:1: the first line names the column "a" twice`],
  "a label that is no JSON": ["a,label\n1,yes\n", `a.csv:2: "label" is no JSON: "yes"`],
  "messages as Python writes them": [
    `messages\n"${PYTHON}"\n`,
    `a.csv:2: "messages" has messages as Python prints them, which is no JSON: write the column by`,
  ],
  "a prompt as Python writes its messages": [
    `prompt,completion\n"\n${PYTHON} ",b\n`,
    `a.csv:2: "prompt" has messages as Python prints them, which is no JSON: write the column by`,
  ],
  "bytes that are not UTF-8": [
    new Uint8Array([...utf8("a,b\n1,é"), 0xe9, ...utf8("\n")]),
    "a.csv:2: not UTF-8: save the file as UTF-8",
  ],
  "half a character at the end": [
    new Uint8Array([...utf8("a,b\n1,"), 0xc3]),
    "a.csv:2: not UTF-8: save the file as UTF-8",
  ],
};

for (const [what, [text, message]] of Object.entries(wrongTables)) {
  Deno.test(`a table is refused: ${what}`, async () => {
    for (const piece of [1, 1e9]) {
      await assertRejects(() => rowsOf("a.csv", text, piece), UserError, message);
    }
  });
}

const tables = new URL("tables/", import.meta.url);
const kinds = [...Deno.readDirSync(tables)].flatMap(({ name }) =>
  name.endsWith(".parquet") && name !== "empty.parquet" ? [name] : []
);

Deno.test("Parquet files of every kind have the rows that pyarrow wrote", async () => {
  const expected = JSON.parse(await Deno.readTextFile(new URL("rows.json", tables)));
  assertEquals(kinds.length, 7);
  for (const name of kinds) {
    const found = await rowsOf(name, await Deno.readFile(new URL(name, tables)));
    assertEquals(found.map(({ row }) => row), expected, name);
    const places = expected.map((_: unknown, i: number) => ({
      file: name,
      line: i + 1,
      unit: "row",
    }));
    assertEquals(found.map(({ source }) => source), places);
  }
  assertEquals(
    await rowsOf("a.parquet", await Deno.readFile(new URL("empty.parquet", tables))),
    [],
  );
});

inFolder("a row of a Parquet file is refused by its number", async (folder) => {
  const path = `${folder}/rows.parquet`;
  await Deno.copyFile(new URL("snappy.parquet", tables), path);
  // The first message of row 6 calls a tool; no message of the others does.
  const { kind, train } = await readDataset(path);
  assertEquals([kind, train.length], ["conversations", 6]);
  await assertRejects(
    () => readDataset(path, { prompt: "note", completion: "note" }),
    UserError,
    `${path}, row 1: "note" is a text, not null`,
  );
});

Deno.test("a thread has a GiB or 20 times its file, and no more than there is", () => {
  const limits = [0, 51, 52, 100].map((mebibytes) => memoryLimit(mebibytes * 2 ** 20, 2 ** 31 - 9));
  assertEquals(limits, [1024, 1024, 1040, 2000]);
  assertEquals(memoryLimit(2 ** 30, 2 ** 31 - 9), 2048);
});

Deno.test("a Parquet file that was cut off is refused", async () => {
  const bytes = await Deno.readFile(new URL("groups.parquet", tables));
  const message = "a.parquet is not a Parquet file, or it is damaged: ";
  for (const length of [0, 3, 8, 100, bytes.length - 1]) {
    await assertRejects(() => rowsOf("a.parquet", bytes.subarray(0, length)), UserError, message);
  }
  // The pages of the second group, whose metadata is whole.
  const holed = bytes.slice();
  holed.fill(0xff, 1000, 1800);
  await assertRejects(
    () => rowsOf("a.parquet", holed),
    UserError,
    "row group 2 of a.parquet is damaged, or of a kind that can't be read: ",
  );
});

/** The text in a compressed file. */
async function textIn(name: string, content: Uint8Array, piece: number): Promise<string> {
  const source = {
    ...bytesInMemory(name, content),
    async *chunks() {
      for (let i = 0; i < content.length; i += piece) {
        yield await Promise.resolve(content.subarray(i, i + piece));
      }
    },
  };
  const pieces = await Array.fromAsync(unpacked(source).chunks());
  return new TextDecoder().decode(Buffer.concat(pieces));
}

const packers: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  ".gz": (bytes) => gzipSync(bytes),
  ".zst": (bytes) => zstdCompressSync(bytes),
};

for (const [ending, pack] of Object.entries(packers)) {
  Deno.test(`what was packed as ${ending} is read whole, or refused`, async () => {
    // More than a block of either, and as good as random.
    const text = Array.from({ length: 20_000 }, (_, i) => `${Math.sin(i)}`).join("\n");
    const whole = pack(utf8(text));
    const twice = Buffer.concat([whole, whole]);
    for (const piece of [4096, 1e9]) {
      assertEquals(await textIn(`a${ending}`, whole, piece), text);
      assertEquals(await textIn(`a${ending}`, twice, piece), `${text}${text}`);
      const wrong = [
        whole.subarray(0, whole.length - 20),
        Buffer.concat([whole, utf8("garbage")]),
        utf8("this is not packed at all"),
      ];
      for (const bytes of wrong) {
        const message = `a${ending} is not whole, or no file of its ending: `;
        await assertRejects(() => textIn(`a${ending}`, bytes, piece), UserError, message);
      }
    }
  });

  Deno.test(`a source of ${ending} that fails is told as it is`, async () => {
    for (const error of [new UserError("can't read it"), "no error"]) {
      const source: ByteSource = {
        ...bytesInMemory(`a${ending}`, new Uint8Array()),
        async *chunks() {
          yield await Promise.resolve(pack(utf8("text")).subarray(0, 9));
          throw error;
        },
      };
      const read = Array.fromAsync(unpacked(source).chunks());
      assertEquals(await read.catch((thrown: unknown) => thrown), error);
    }
  });

  inFolder(`rows are read from a file that was packed as ${ending}`, async (folder) => {
    const path = `${folder}/rows.jsonl${ending}`;
    await Deno.writeFile(path, pack(utf8('{"text": "a"}\n'.repeat(4))));
    assertEquals((await Array.fromAsync(rowsIn(path))).length, 4);
    assertEquals((await readDataset(path)).train.length, 3);
    await Deno.writeFile(path, pack(utf8('{"text": "a"}\n{')));
    await assertRejects(() => readDataset(path), UserError, `${path}:2: not JSON: `);
  });
}

Deno.test("a frame of zstd ends where its header says, whatever the header holds", () => {
  const contents = [1, 2, 3];
  // A last block of bytes as they are: RFC 8878, section 3.1.1.2.
  const block = [contents.length << 3 | 1, 0, 0, ...contents];
  // Whether it is one segment, of which no window is described; and the bytes of sizes by flag.
  const segments = [[0x20, 0, [1, 2, 4, 8]], [0, 1, [0, 2, 4, 8]]] as const;
  for (const [segmentFlag, windowBytes, sizes] of segments) {
    for (const [sizeFlag, sizeBytes] of sizes.entries()) {
      for (const [dictionaryFlag, dictionaryBytes] of [0, 1, 2, 4].entries()) {
        for (const checksum of [0, 1]) {
          const descriptor = sizeFlag << 6 | segmentFlag | checksum << 2 | dictionaryFlag;
          const frame = Uint8Array.from([
            ...[0x28, 0xb5, 0x2f, 0xfd, descriptor],
            ...Array(windowBytes + dictionaryBytes + sizeBytes).fill(0),
            ...block,
            ...Array(4 * checksum).fill(0),
          ]);
          assertEquals(frameAt(frame, 0), { end: frame.length, isSkipped: false }, `${descriptor}`);
        }
      }
    }
  }
});

Deno.test("a frame of zstd that says to be skipped is", async () => {
  for (const last of [0, 15]) {
    const skipped = Uint8Array.from([0x50 + last, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, ...utf8("abc")]);
    assertEquals(frameAt(skipped, 0), { end: 11, isSkipped: true });
    const [one, two] = ["one", "two"].map((text) => zstdCompressSync(utf8(text)));
    const whole = Buffer.concat([one ?? "", skipped, two ?? ""].map((part) => Buffer.from(part)));
    assertEquals(await textIn("a.zst", whole, 1e9), "onetwo");
    assertThrows(() => frameAt(skipped.subarray(0, 10), 0), Error, "it ends inside a frame");
  }
  const other = Uint8Array.from([0x60, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  assertThrows(() => frameAt(other, 0), Error, "something that is no frame");
});

inFolder("a Parquet file that was packed once more is refused", async (folder) => {
  const path = `${folder}/rows.parquet.gz`;
  await Deno.writeFile(path, gzipSync(await Deno.readFile(new URL("snappy.parquet", tables))));
  await assertRejects(
    () => readDataset(path),
    UserError,
    "is a compressed file that is read out of",
  );
});

inFolder("a first row is read without the rest of the file, which is closed", async (folder) => {
  for (const name of ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.jsonl.zst"]) {
    const path = `${folder}/${name}`;
    const rows = Array.from({ length: 50_000 }, (_, i) => `{"text": "${i}"}`);
    const content = name === "a.csv"
      ? `text\n${rows.map((_, i) => i).join("\n")}`
      : name === "a.json"
      ? `[${rows.join(",\n")}]`
      : rows.join("\n");
    const pack = packers[/\.(?:gz|zst)$/.exec(name)?.[0] ?? ""] ?? ((bytes: Uint8Array) => bytes);
    await Deno.writeFile(path, pack(utf8(content)));
    for await (const { row } of rowsIn(path)) {
      assertEquals(row, { text: "0" });
      break;
    }
  }
});

Deno.test("lines are counted behind a character that two pieces share, whatever its last byte", async () => {
  for (const last of [0x80, 0xbf]) {
    const pieces = async function* () {
      yield Uint8Array.of(0xc3);
      yield Uint8Array.of(last, 0x0a, 0xff);
    };
    const read = async () => {
      for await (const _ of checkedUtf8(pieces(), "a.csv"));
    };
    await assertRejects(read, UserError, "a.csv:2: not UTF-8", String(last));
  }
});

Deno.test("of what follows a wrong byte no lines are counted", async () => {
  // A byte that begins no character, and one that goes on with none.
  for (const wrong of [0xc0, 0xff]) {
    const pieces = async function* () {
      yield Uint8Array.of(0x0a, 0x61);
      yield Uint8Array.of(wrong, 0x0a, 0xff);
    };
    const read = async () => {
      for await (const _ of checkedUtf8(pieces(), "a.csv"));
    };
    await assertRejects(read, UserError, "a.csv:2: not UTF-8", String(wrong));
  }
});

Deno.test("a line that ends where a piece begins is counted", async () => {
  const pieces = async function* () {
    yield Uint8Array.of(0x61);
    yield Uint8Array.of(0x0a, 0xff);
  };
  const read = async () => {
    for await (const _ of checkedUtf8(pieces(), "a.csv"));
  };
  await assertRejects(read, UserError, "a.csv:2: not UTF-8");
});
