import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  removeDirectoryAtomically,
  removePartial,
  writeDirectoryAtomically,
} from "../../../cli/files/atomic.ts";
import { digestOf } from "../../../cli/files/digest.ts";
import { readJsonLines } from "../../../cli/files/json_lines.ts";
import { noBeginning, openLineFile } from "../../../cli/files/line_file.ts";
import { takeLock } from "../../../cli/files/lock.ts";
import { makeFolder, writeFileAtomically } from "@unitune/cli";
import type { StreamedContent } from "@unitune/models";
import { UserError } from "@unitune/training";
import { inFolder } from "../command.ts";
import { symbolicLink } from "../../symbolic_link.ts";

const names = (path: string) => [...Deno.readDirSync(path)].map((entry) => entry.name).sort();

inFolder("a file is written, then replaced, and nothing else is left", async (folder) => {
  const path = `${folder}/config.json`;
  await writeFileAtomically(path, "first, and longer");
  await writeFileAtomically(path, new Uint8Array([0x32, 0x6e, 0x64]));
  assertEquals(await Deno.readTextFile(path), "2nd");
  assertEquals(names(folder), ["config.json"]);
});

inFolder("what a killed write left of a file does not matter", async (folder) => {
  await Deno.writeTextFile(`${folder}/a.0123abcd.partial`, "half of something much longer");
  await writeFileAtomically(`${folder}/a`, "new");
  assertEquals(await Deno.readTextFile(`${folder}/a`), "new");
  await removePartial(folder, { isFile: (name) => name === "a" });
  assertEquals(names(folder), ["a"]);
});

inFolder("a write takes no name that somebody may have given", async (folder) => {
  await Deno.writeTextFile(`${folder}/a.partial`, "mine");
  await writeFileAtomically(`${folder}/a`, "new");
  assertEquals(await Deno.readTextFile(`${folder}/a.partial`), "mine");
  assertEquals(names(folder), ["a", "a.partial"]);
});

inFolder("where folders are parted by slashes, a backslash is part of a name", async (folder) => {
  if (Deno.build.os === "windows") return;
  await writeFileAtomically(`${folder}/a\\b`, "1");
  await writeFileAtomically(`${folder}/c\\`, "2");
  await writeDirectoryAtomically(`${folder}/d\\e`, { "f\\g": "3" });
  await writeDirectoryAtomically(`${folder}/h\\`, { f: "4" });
  await removeDirectoryAtomically(`${folder}/h\\`);
  assertEquals(await makeFolder(`${folder}/i\\j/k`), [`${folder}/i\\j/k`, `${folder}/i\\j`]);
  assertEquals(names(folder), ["a\\b", "c\\", "d\\e", "i\\j"]);
  assertEquals(names(`${folder}/d\\e`), ["f\\g"]);
});

inFolder("a slash at the end of a folder's path counts for nothing", async (folder) => {
  await writeDirectoryAtomically(`${folder}/a/`, { b: "1" });
  assertEquals(names(folder), ["a"]);
  await writeDirectoryAtomically(`${folder}/a/empty`, {});
  assertEquals(names(`${folder}/a/empty`), []);
  await removeDirectoryAtomically(`${folder}/a/`);
  assertEquals(await makeFolder(`${folder}/c/d/`), [`${folder}/c/d/`, `${folder}/c`]);
  assertEquals(names(folder), ["c"]);
});

inFolder("a failed write leaves the old content and nothing half-written", async (folder) => {
  // A non-empty folder in the way lets everything succeed but the last step, the rename.
  await Deno.mkdir(`${folder}/a/inner`, { recursive: true });
  await assertRejects(
    () => writeFileAtomically(`${folder}/a`, "new"),
    UserError,
    `can't write ${folder}/a: it is a folder`,
  );
  assertEquals(names(folder), ["a"]);
  assertEquals(names(`${folder}/a`), ["inner"]);
});

inFolder("a path that can't be written is named, with the reason", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  const missing = `${folder}/missing`;
  for (const write of [writeFileAtomically, writeAsFolder, openAsLines]) {
    await assertRejects(
      () => write(`${folder}/file/a`, ""),
      UserError,
      `${folder}/file/a: a part of its path is not a folder`,
    );
    await assertRejects(
      () => write(`${missing}/a`, ""),
      UserError,
      `can't write ${missing}/a: the folder ${missing} does not exist`,
    );
  }
  assertEquals(names(folder), ["file"]);
});

async function writeAsFolder(path: string, content: string): Promise<void> {
  await writeDirectoryAtomically(path, { a: content });
}

async function openAsLines(path: string): Promise<void> {
  using _file = await openLineFile(path, noBeginning);
}

inFolder("a folder is written as a whole", async (folder) => {
  const path = `${folder}/checkpoint`;
  await writeDirectoryAtomically(path, { "config.json": "1", "a.bin": new Uint8Array([7]) });
  assertEquals(names(folder), ["checkpoint"]);
  assertEquals(names(path), ["a.bin", "config.json"]);
  assertEquals(await Deno.readTextFile(`${path}/config.json`), "1");
});

inFolder("a folder whose writing fails is not there", async (folder) => {
  // The second file's own folder is a file, so the first is written when it fails.
  await assertRejects(
    () => writeDirectoryAtomically(`${folder}/checkpoint`, { a: "new", "a/b": "new" }),
    UserError,
    `can't write ${folder}/checkpoint`,
  );
  assertEquals(names(folder), []);
});

inFolder("a folder that is there is not written over", async (folder) => {
  const path = `${folder}/checkpoint`;
  await writeDirectoryAtomically(path, { a: "old" });
  await assertRejects(() => writeDirectoryAtomically(path, { b: "new" }));
  assertEquals(names(folder), ["checkpoint"]);
  assertEquals(await Deno.readTextFile(`${path}/a`), "old");
});

inFolder("what a killed write left of a folder does not matter", async (folder) => {
  const path = `${folder}/checkpoint`;
  await writeDirectoryAtomically(`${path}.partial`, { "half.bin": "ne" });
  await writeDirectoryAtomically(path, { a: "new" });
  assertEquals(names(folder), ["checkpoint"]);
  assertEquals(names(path), ["a"]);
});

inFolder("a folder is removed, whatever a killed removal left", async (folder) => {
  const path = `${folder}/checkpoint`;
  await writeDirectoryAtomically(`${path}.partial`, { a: "half removed" });
  await writeDirectoryAtomically(path, { a: "1", b: "2" });
  await removeDirectoryAtomically(path);
  assertEquals(names(folder), []);
});

inFolder("only what is partial is tidied away", async (folder) => {
  await writeDirectoryAtomically(`${folder}/whole`, { "a.partial": "a name like any other" });
  await writeDirectoryAtomically(`${folder}/b.partial`, { a: "1" });
  await Deno.writeTextFile(`${folder}/c.0123abcd.partial`, "half");
  // What somebody else may have called so: a download, a folder of notes, a link.
  await Deno.writeTextFile(`${folder}/c.partial`, "mine");
  await writeDirectoryAtomically(`${folder}/c.89abcdef.partial`, { a: "mine" });
  await symbolicLink(`${folder}/whole`, `${folder}/d.partial`);
  await removePartial(folder, {
    isFile: (name) => name === "c",
    isFolder: (name) => ["b", "d"].includes(name),
  });
  assertEquals(names(folder), ["c.89abcdef.partial", "c.partial", "d.partial", "whole"]);
  assertEquals(names(`${folder}/whole`), ["a.partial"]);
});

inFolder(
  "a lock that was given up can be taken at once, while other threads start programs",
  async (folder) => {
    // A program that is just being started has the open files of this process until it runs.
    const worker = new Worker(new URL("starts_programs.ts", import.meta.url), { type: "module" });
    await new Promise((resolve) => worker.onmessage = resolve);
    try {
      for (let i = 0; i < 1000; i++) {
        using lock = await takeLock(`${folder}/lock`);
        assert(lock !== undefined, `after ${i} times`);
      }
    } finally {
      worker.terminate();
    }
  },
);

inFolder("a lock is one holder's until it is given back", async (folder) => {
  const path = `${folder}/lock`;
  {
    using lock = await takeLock(path);
    assert(lock !== undefined);
    assertEquals(await takeLock(path), undefined);
  }
  using again = await takeLock(path);
  assert(again !== undefined);
});

inFolder("a lock whose file was taken away meanwhile is taken anew", async (folder) => {
  const path = `${folder}/lock`;
  for (let round = 0; round < 50; round++) {
    // Those that wait for a lock hold the old file, and its next owner may make a new one.
    const taking = Array.from({ length: 4 }, () => takeLock(path));
    if (round % 2 === 1) await Deno.remove(path).catch(() => {});
    const taken = (await Promise.all(taking)).filter((lock) => lock !== undefined);
    using last = await takeLock(path);
    if (round % 2 === 0) assertEquals([taken.length, last], [1, undefined]);
    for (const lock of taken) lock[Symbol.dispose]();
  }
});

inFolder("a lock is an empty file: what else has its name is left alone", async (folder) => {
  const path = `${folder}/lock`;
  await Deno.writeTextFile(path, "mine");
  await assertRejects(() => takeLock(path), UserError, "is not the empty file that a lock is");
  assertEquals(await Deno.readTextFile(path), "mine");
  await Deno.remove(path);
  await symbolicLink(`${folder}/nowhere`, path);
  await assertRejects(() => takeLock(path), UserError, "is not the empty file that a lock is");
  assertEquals(names(folder), ["lock"]);
});

inFolder("lines are appended, and the length counts bytes", async (folder) => {
  const path = `${folder}/metrics.jsonl`;
  using file = await openLineFile(path, noBeginning);
  await file.append("one", "zwölf");
  await file.append("three");
  await file.sync();
  assertEquals(await Deno.readTextFile(path), "one\nzwölf\nthree\n");
  assertEquals(file.beginning, {
    length: (await Deno.stat(path)).size,
    digest: digestOf("one\nzwölf\nthree\n"),
  });
});

inFolder("reopened at a length, the file goes on from there", async (folder) => {
  const path = `${folder}/metrics.jsonl`;
  let checkpoint = noBeginning;
  {
    using first = await openLineFile(path, noBeginning);
    await first.append("step 1");
    checkpoint = first.beginning;
    await first.append("step 2", "step 3, from a run that was killed");
  }
  using second = await openLineFile(path, checkpoint);
  assertEquals(second.beginning, checkpoint);
  await second.append("step 2 again");
  assertEquals(await Deno.readTextFile(path), "step 1\nstep 2 again\n");
});

inFolder("a file shorter than the checkpoint remembers is refused and kept", async (folder) => {
  const path = `${folder}/metrics.jsonl`;
  await Deno.writeTextFile(path, "abc\n");
  await assertRejects(
    () => openLineFile(path, { length: 9, digest: digestOf("abc\n123\n?") }),
    UserError,
    "has 4 bytes, but had 9",
  );
  assertEquals(await Deno.readTextFile(path), "abc\n");
});

inFolder("a file that begins otherwise than the checkpoint remembers is kept", async (folder) => {
  const path = `${folder}/metrics.jsonl`;
  await Deno.writeTextFile(path, "abd\nmore\n");
  const beginning = { length: 4, digest: digestOf("abc\n") };
  await assertRejects(() => openLineFile(path, beginning), UserError, `${path} is damaged`);
  assertEquals(await Deno.readTextFile(path), "abd\nmore\n");
});

inFolder("a folder's last files tell of the digests of its first", async (folder) => {
  // More than is written at once.
  const large = new Uint8Array((1 << 23) + 3).fill(7);
  await writeDirectoryAtomically(
    `${folder}/a`,
    { "b/large": large, text: "zwölf" },
    (digests) => ({ digests: JSON.stringify(digests) }),
  );
  assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/a/digests`)), {
    "b/large": digestOf(large),
    text: digestOf("zwölf"),
  });
  assertEquals((await Deno.readFile(`${folder}/a/b/large`)).length, large.length);
});

/** Content in pieces of 1, 2, 3 bytes and so on, whose making may fail at its end. */
function streamed(count: number, failure?: Error): StreamedContent {
  return {
    size: count * (count + 1) / 2,
    async *pieces() {
      for (let size = 1; size <= count; size++) yield new Uint8Array(size).fill(size);
      if (failure !== undefined) throw failure;
    },
  };
}

inFolder("content that is made while it is written has the digest of the whole", async (folder) => {
  await writeFileAtomically(`${folder}/alone`, streamed(3));
  assertEquals(await Deno.readFile(`${folder}/alone`), new Uint8Array([1, 2, 2, 3, 3, 3]));
  await writeDirectoryAtomically(
    `${folder}/a`,
    { "b/streamed": streamed(3) },
    (digests) => ({ digests: JSON.stringify(digests) }),
  );
  assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/a/digests`)), {
    "b/streamed": digestOf(new Uint8Array([1, 2, 2, 3, 3, 3])),
  });
});

inFolder("content whose making fails leaves nothing, and what was there before", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "old");
  const short: StreamedContent = { ...streamed(3), size: 7 };
  for (const content of [streamed(3, new RangeError("no bytes, and its size is none")), short]) {
    await assertRejects(
      () => writeFileAtomically(`${folder}/file`, content),
      RangeError,
      "bytes, and its size is",
    );
    await assertRejects(
      () => writeDirectoryAtomically(`${folder}/a`, { first: "1", content }),
      RangeError,
      "bytes, and its size is",
    );
    assertEquals(names(folder), ["file"]);
    assertEquals(await Deno.readTextFile(`${folder}/file`), "old");
  }
});

inFolder("a file of lines is read up to its limits, and refused beyond them", async (folder) => {
  const path = `${folder}/metrics.jsonl`;
  const size = (bytes: number) => {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    // A file with a hole, which takes no room.
    file.truncateSync(bytes);
  };
  size(2 ** 28 + 1);
  await assertRejects(
    () => readJsonLines(path),
    UserError,
    `${path} has 268435457 bytes, more than the 268435456 that`,
  );
  size(2 ** 24 + 1);
  await assertRejects(
    () => readJsonLines(path),
    UserError,
    `${path}:1: 16777217 bytes, more than the 16777216 that are read of a line`,
  );
  await Deno.writeTextFile(path, "\n".repeat(1_000_000) + "{}\n");
  await assertRejects(() => readJsonLines(path), UserError, `${path}:1000001: more than 1000000`);
});
