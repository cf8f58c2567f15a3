/** What `--data` names: patterns, folders, several sources with shares. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { prepare, readDataset } from "@unitune/cli";
import { type Dataset, trainSettings, UserError } from "@unitune/training";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { splitFiles } from "../../../cli/data/places/folder.ts";
import { patternExpression } from "../../../cli/data/places/glob.ts";
import { spreadOrder, takenRows } from "../../../cli/data/places/mixture.ts";
import { findData, placeName } from "../../../cli/data/places/places.ts";
import { configsIn } from "../../../cli/data/places/readme.ts";
import { readPromptRows } from "../../../cli/data/data_file.ts";
import { inFolder, tiny, trained, writeRows } from "../command.ts";

/** The texts of a dataset, for training and then for validation. */
function textsOf({ train, validation }: Dataset): string[] {
  return [train, validation].flatMap((part) =>
    typeof part === "string" ? [part] : [...part].flatMap((row) => "text" in row ? [row.text] : [])
  );
}

/** Writes rows of text, of which each says its file and its number. */
async function writeTexts(folder: string, files: Record<string, number>): Promise<void> {
  for (const [name, count] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    await Deno.mkdir(path.replace(/\/[^/]+$/, ""), { recursive: true });
    const rows = Array.from({ length: count }, (_, i) => ({ text: `${name} ${i}` }));
    await Deno.writeTextFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
}

Deno.test("a pattern matches as in a shell", () => {
  const cases: [pattern: string, matching: string[], others: string[]][] = [
    ["*.csv", ["a.csv", ".csv"], ["a.csvx", "b/a.csv", "a_csv"]],
    ["a?b", ["axb"], ["ab", "a/b", "axxb"]],
    ["**/x", ["x", "a/x", "a/b/x"], ["ax", "a/xb"]],
    ["a/**", ["a/b", "a/b/c"], ["a", "b/a"]],
    ["[ab]*", ["a1", "b"], ["c1", "/a"]],
    ["[!a]", ["b"], ["a"]],
    ["x.{csv,json}", ["x.csv", "x.json"], ["x.", "x.{csv,json}"]],
    ["a(b)+$", ["a(b)+$"], ["abb", "ab"]],
  ];
  for (const [pattern, matching, others] of cases) {
    const expression = patternExpression(pattern);
    for (const name of matching) assert(expression.test(name), `${pattern} ${name}`);
    for (const name of others) assert(!expression.test(name), `${pattern} ${name}`);
  }
});

inFolder("files that match a pattern are read in the order of their names", async (folder) => {
  await writeTexts(folder, {
    "b/1.jsonl": 2,
    "b/0.jsonl": 2,
    "b/.hidden.jsonl": 2,
    "c/0.jsonl": 2,
  });
  const named = (text: string) => text.replaceAll(" ", "#");
  const all = textsOf(await readDataset(`${folder}/b/*.jsonl`));
  assertEquals(all.map(named), ["b/0.jsonl#0", "b/0.jsonl#1", "b/1.jsonl#0", "b/1.jsonl#1"]);
  const { sources } = await findData(`${folder}/**/0.jsonl`);
  assertEquals(sources, [{
    name: `${folder}/**/0.jsonl`,
    files: [`${folder}/b/0.jsonl`, `${folder}/c/0.jsonl`],
  }]);
  assertEquals((await findData(`${folder}/*/1.jsonl`)).sources[0]?.files.length, 1);
  await assertRejects(
    () => findData(`${folder}/*.csv`),
    UserError,
    `no file matches "${folder}/*.csv"`,
  );
});

inFolder("a file whose name has signs of a list or a pattern is that file", async (folder) => {
  await writeTexts(folder, { "2*a+b[1].jsonl": 2, "a.jsonl": 2 });
  const path = `${folder}/2*a+b[1].jsonl`;
  assertEquals((await findData(path)).sources, [{ name: path, files: [path] }]);
  assertEquals(textsOf(await readDataset(path)).length, 2);
});

inFolder("prompts to answer are read from all files that are named", async (folder) => {
  const row = (prompt: string) => [{ prompt }];
  for (const name of ["a", "b"]) await writeRows(`${folder}/${name}.jsonl`, row(name));
  await Deno.writeTextFile(`${folder}/c.csv`, "prompt\nc\n");
  const prompts = await readPromptRows(`${folder}/*.jsonl+${folder}/c.csv`);
  assertEquals(prompts.map(({ prompt }) => prompt).toSorted(), ["a", "b", "c"]);
  await assertRejects(() => readPromptRows(`${folder}/*.json`), UserError, "no file matches");
});

Deno.test("rows of several sources are spread evenly, each in its own order", () => {
  assertEquals([...spreadOrder([4, 2])], [0, 1, 0, 0, 1, 0]);
  // Of parts of the same size, that of the first source is next.
  assertEquals([...spreadOrder([1, 1, 5])], [2, 2, 0, 1, 2, 2, 2]);
  assertEquals([...spreadOrder([2, 2])], [0, 1, 0, 1]);
  assertEquals([...spreadOrder([])], []);
  assertEquals([...spreadOrder([0, 2, 0])], [1, 1]);
  const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(counts, (counts) => {
    const order = [...spreadOrder(counts)];
    const total = counts.reduce((sum, count) => sum + count, 0);
    assertEquals(order.length, total);
    for (const [source, count] of counts.entries()) {
      let come = 0;
      for (const [i, own] of order.entries()) {
        if (own === source) come += 1;
        // Never further from its share than there are sources.
        assert(Math.abs(come - count * (i + 1) / total) < counts.length + 1);
      }
      assertEquals(come, count);
    }
  }));
});

Deno.test("shares are those of the largest mixture without a row twice", () => {
  assertEquals(takenRows([{ count: 100, weight: 3 }, { count: 20, weight: 1 }]), [60, 20]);
  assertEquals(takenRows([{ count: 10, weight: 0.5 }, { count: 90, weight: 1 }]), [10, 20]);
  // Without a weight of each, all rows are taken.
  assertEquals(takenRows([{ count: 100 }, { count: 20 }]), [100, 20]);
  assertEquals(takenRows([{ count: 100, weight: 1 }, { count: 20 }]), [100, 20]);
  const sources = fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 500 }), weight: fc.integer({ min: 1, max: 9 }) }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(fc.property(sources, (sources) => {
    const taken = takenRows(sources);
    const all = sources.reduce((sum, { weight }) => sum + weight, 0);
    const total = Math.min(...sources.map(({ count, weight }) => count * all / weight));
    for (const [i, { count, weight }] of sources.entries()) {
      assert((taken[i] ?? 0) <= count);
      assert(Math.abs((taken[i] ?? 0) - total * weight / all) <= 0.5 + 1e-9);
    }
    assert(sources.some(({ count }, i) => taken[i] === count));
  }));
});

inFolder("several sources are one dataset, with validation rows of each", async (folder) => {
  await writeTexts(folder, { "a.jsonl": 80, "b.jsonl": 40 });
  const both = await readDataset(`${folder}/a.jsonl+${folder}/b.jsonl`);
  const [train, validation] = [both.train, both.validation].map((part) =>
    typeof part === "string" ? [] : [...part].flatMap((row) => "text" in row ? [row.text[0]] : [])
  );
  assertEquals(train?.length, 108);
  assertEquals(validation?.toSorted().join(""), "aaaaaaaabbbb");
  const shares = textsOf(await readDataset(`1*${folder}/a.jsonl+2*${folder}/b.jsonl`));
  assertEquals(shares.filter((text) => text.startsWith("a")).length, 20);
  assertEquals(shares.filter((text) => text.startsWith("b")).length, 40);
  assert(shares.includes("a.jsonl 19") && !shares.includes("a.jsonl 20"));
});

inFolder(
  "several texts are one, whether files, a pattern or a folder name them",
  async (folder) => {
    const texts = { "b/1.txt": "abcdefghij", "b/0.TXT": "0123456789", "b/README.txt": "read me" };
    await Deno.mkdir(`${folder}/b`);
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const expected: Dataset = {
      kind: "text",
      train: "012345678\n\nabcdefghi",
      validation: "9\n\nj",
    };
    const places = [`${folder}/b`, `${folder}/b/[01].*`, `${folder}/b/0.TXT+${folder}/b/1.txt`];
    for (const data of places) assertEquals(await readDataset(data), expected, data);
    const sizes = { layers: 1, width: 8, heads: 1, context: 4 };
    const prepared = (validationData?: string) =>
      prepare(
        trainSettings({ ...sizes, data: `${folder}/b`, ...validationData && { validationData } }),
      );
    const runs = await Promise.all([undefined, ...places.slice(1)].map(prepared));
    assertEquals(runs.map(({ notes }) => notes[0]), [
      "20 tokens to train on, 4 for validation",
      ...places.slice(1).map(() => "22 tokens to train on, 22 for validation"),
    ]);
    // Runs recognize their data by what it says, wherever it is.
    const [part, ...wholes] = runs.map(({ data }) => data.digest);
    assertEquals(new Set(wholes).size, 1);
    assert(part !== wholes[0]);
    // Beside rows, texts are remarks.
    await writeTexts(folder, { "b/rows.jsonl": 2 });
    assertEquals((await findData(`${folder}/b`)).sources[0]?.files, [`${folder}/b/rows.jsonl`]);
  },
);

inFolder("places that make no sense are refused", async (folder) => {
  await writeTexts(folder, { "a.jsonl": 2, "b.jsonl": 2 });
  await Deno.writeTextFile(`${folder}/c.txt`, "a text");
  await Deno.mkdir(`${folder}/none`);
  const [a, b] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`];
  const wrong: [data: string, message: string][] = [
    [`2*${a}+${b}`, `give a weight to "${b}" as well, or to none`],
    [`0*${a}`, `"0*${a}": a weight is a number above 0`],
    [`${a}+${folder}/c.txt`, `c.txt is running text, and ${a} has rows`],
    [`2*${folder}/c.txt`, "c.txt is running text, which is taken whole"],
    [`${a}+${folder}/d.jsonl`, `can't read ${folder}/d.jsonl: it does not exist`],
    [`${a}+`, "--data: a source has no name"],
    ["", "--data: a source has no name"],
    ["a\0b.jsonl", "is no name of a file"],
    [`${folder}/none`, `has no files of the split "train": it has none of data`],
    [`${folder}:x`, `${folder} has no configuration "x": leave it out`],
  ];
  for (const [data, message] of wrong) {
    await assertRejects(() => readDataset(data), UserError, message);
  }
});

const files = [
  ...["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
  ...["data/test-00000-of-00001.parquet", "dataset_infos.json", "train.py"],
];

Deno.test("the files of a split are found by their names, as the hub does", () => {
  const found = (files: readonly string[], split: string) =>
    splitFiles(files, [], { name: "rows", split });
  assertEquals(found(files, "train"), files.slice(1, 3));
  assertEquals(found(files, "test"), files.slice(3, 4));
  assertEquals(found(["a/x.csv", "b.jsonl.gz"], "train"), ["a/x.csv", "b.jsonl.gz"]);
  assertEquals(found(["dev/x.csv", "training/y.csv"], "validation"), ["dev/x.csv"]);
  assertEquals(found(["dev/x.csv", "training/y.csv"], "train"), ["training/y.csv"]);
  assertEquals(found(["x-en.csv", "x-fr.csv"], "fr"), ["x-fr.csv"]);
  const refuse = (files: readonly string[], split: string, message: string) =>
    assertThrows(() => found(files, split), UserError, message);
  refuse(
    files,
    "validation",
    `rows has no files of the split "validation": it has "train" and "test", named by --split`,
  );
  refuse(["trainer.csv", "test.csv"], "train", `it has "test", named by --split`);
  // Long names are cut, and many left out.
  const [longest, longer] = ["s".repeat(40), "t".repeat(41)];
  const splits = [longest, longer, ..."abcdefghijk"].map((split) => ({ split, patterns: ["*"] }));
  assertThrows(
    () =>
      splitFiles(["x.csv"], [{ name: "all", isDefault: true, splits }], {
        name: "rows",
        split: "z",
      }),
    UserError,
    `it has "${longest}", "${"t".repeat(40)}…" (41 characters), ` +
      `${[..."abcdefghi"].map((name) => `"${name}"`).join(", ")} and "j", named by --split`,
  );
  for (const i of [0, 1]) {
    const message = `data/train-0000${i}-of-00002.parquet of rows is missing`;
    refuse(files.toSpliced(1 + i, 1), "train", message);
  }
});

const readme = `---
license: mit
configs:
- config_name: socratic
  data_files:
  - split: train
    path: socratic/train-*
  - split: test
    path: [socratic/a.csv, socratic/b.csv]
- config_name: main
  default: true
  data_files: main/*.csv
- config_name: other
  data_dir: other/
- config_name: both
  data_dir: other//
  data_files: train.csv
---
# Rows
`;

Deno.test("the files of a split are those that the README says", () => {
  const configs = configsIn(readme);
  assertEquals(configs.map(({ name, isDefault }) => [name, isDefault]), [
    ["socratic", false],
    ["main", true],
    ["other", false],
    ["both", false],
  ]);
  const files = [
    ...["main/0.csv", "main/1.csv", "socratic/train-0.csv", "socratic/a.csv", "socratic/b.csv"],
    ...["other/test.csv", "other/train.csv"],
  ];
  const found = (split: string, config?: string) =>
    splitFiles(files, configs, { name: "rows", split, config });
  assertEquals(found("train"), ["main/0.csv", "main/1.csv"]);
  assertEquals(found("train", "socratic"), ["socratic/train-0.csv"]);
  assertEquals(found("test", "socratic"), ["socratic/a.csv", "socratic/b.csv"]);
  assertEquals(found("test", "other"), ["other/test.csv"]);
  // Files that are named are those of training, whatever their folder has beside them.
  assertEquals(found("train", "both"), ["other/train.csv"]);
  assertThrows(() => found("test", "both"), UserError, `it has "train", named by --split`);
  assertThrows(
    () => found("test", "mian"),
    UserError,
    `rows has no configuration "mian": it has "socratic", "main", "other" and "both"`,
  );
  assertThrows(
    () =>
      splitFiles(files, configs.slice(0, 1).concat(configs.slice(2)), { name: "rows", split: "x" }),
    UserError,
    `rows has the configurations "socratic", "other" and "both": name one, as in rows:NAME`,
  );
  const [one, , two] = configs;
  const known = [one, two].flatMap((config) => config ?? []);
  const alone = splitFiles(files, known.slice(0, 1), { name: "rows", split: "train" });
  assertEquals(alone, ["socratic/train-0.csv"]);
  assertThrows(
    () => splitFiles(files, known, { name: "rows", split: "train" }),
    UserError,
    `rows has the configurations "socratic" and "other": name one, as in rows:NAME`,
  );
  assertEquals(configsIn("# no configurations"), []);
  assertEquals(configsIn("---\nconfigs: 5\n---\n"), []);
  const read = (...lines: readonly string[]) =>
    configsIn(["---", "configs:", ...lines, "---", ""].join("\n"));
  const usual = { name: "default", isDefault: false };
  const train = (...patterns: readonly string[]) => ({ split: "train", patterns });
  assertEquals(read("- 5", "- config_name: a", "  data_files: a.csv"), [
    { name: "a", isDefault: false, splits: [train("a.csv")] },
  ]);
  assertEquals(
    read(
      ...["- config_name: 5", "  default: true", "  data_files:"],
      ...["  - split: test", "    path: [a.csv, b.csv, 5]", "  - b.csv", "  - path: c.csv"],
    ),
    [{
      ...{ name: "default", isDefault: true },
      splits: [{ split: "test", patterns: ["a.csv", "b.csv"] }, train("b.csv"), train("c.csv")],
    }],
  );
  assertEquals(read("- data_dir: x//"), [
    { ...usual, splits: [{ split: undefined, patterns: ["x/**"] }] },
  ]);
  assertEquals(
    read("- data_dir: x", "  data_files:", "    test: a", "    train: [b, c]"),
    [{ ...usual, splits: [{ split: "test", patterns: ["x/a"] }, train("x/b", "x/c")] }],
  );
  assertEquals(read("- config_name: a"), [{ name: "a", isDefault: false, splits: [] }]);
  // An alias could stand for lists without end.
  assertThrows(() => read("- data_files: &x [a.csv]", "- data_files: *x"), Error, "Alias");
});

inFolder("a folder is trained on, one of its configurations or splits", async (folder) => {
  await writeTexts(folder, { "main/train.jsonl": 4, "main/test.jsonl": 6, "extra/x.jsonl": 8 });
  await Deno.writeTextFile(
    `${folder}/README.md`,
    "---\nconfigs:\n- config_name: default\n  data_dir: main\n- config_name: extra\n" +
      "  data_files: extra/*\n---\n",
  );
  const count = async (data: string, split?: string) => {
    const { sources } = await findData(data, { split });
    return sources.flatMap(({ files }) => files.map((file) => file.slice(folder.length + 1)));
  };
  assertEquals(await count(folder), ["main/train.jsonl"]);
  assertEquals(await count(folder, "test"), ["main/test.jsonl"]);
  assertEquals(await count(`${folder}:extra`), ["extra/x.jsonl"]);
  const { stdout } = await trained(
    ...["--data", folder, "--split", "test", ...tiny, "--out", `${folder}/run`],
  );
  assert(stdout.includes("5 texts to train on, 1 for validation"), stdout);
  await Deno.writeTextFile(`${folder}/README.md`, "---\nconfigs: [\n---\n");
  await assertRejects(
    () => findData(folder),
    UserError,
    "has no YAML at its start that can be read",
  );
});

Deno.test("a place is named by the names of its sources", async () => {
  const nameOf = (...names: string[]) =>
    placeName({ name: "", sources: names.map((name) => ({ name, files: [] })) });
  assertEquals(nameOf("a/rows.jsonl"), "rows");
  assertEquals(nameOf("a/rows.csv.gz", "b/rows.json", "hub:owner/sums:main@v1"), "rows-sums");
  assertEquals(nameOf("a/*.jsonl"), "_");
  assertEquals(nameOf(..."aabcdef"), "a-b-c-d");
  assertEquals(nameOf(), "data");
  assertEquals(nameOf(".jsonl"), ".jsonl");
  await Promise.resolve();
});

inFolder("a packed file in a folder is read by the ending of what it holds", async (folder) => {
  await Deno.writeFile(
    `${folder}/train.jsonl.gz`,
    gzipSync('{"text": "a"}\n{"text": "b"}\n'),
  );
  assertEquals(textsOf(await readDataset(folder)), ["a", "b"]);
});

inFolder("validation data of a folder is its split for that", async (folder) => {
  await writeTexts(folder, { "train.jsonl": 4, "validation.jsonl": 3, "test.jsonl": 5 });
  const { notes } = await prepare(trainSettings({ data: folder, validationData: folder }));
  assertEquals(notes.slice(0, 1), ["4 texts to train on, 3 for validation"]);
});
