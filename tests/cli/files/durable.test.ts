/** What is on the disk before a name stands for it: the order of writes, by stand-ins for the disk. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import {
  removeDirectoryAtomically,
  removePartial,
  writeDirectoryAtomically,
  writeFileAtomically,
} from "../../../cli/files/atomic.ts";
import { beginDigest } from "../../../cli/files/digest.ts";
import { openLineFile, requireBeginning } from "../../../cli/files/line_file.ts";
import { isSealed, requireReplaceable, sealed, writeSealed } from "../../../cli/files/sealed.ts";
import { PIECE, writeAll } from "../../../cli/files/write.ts";
import { standIns } from "../../stand_ins.ts";
import { inFolder } from "../command.ts";

/** What a function does with the disk, as paths in a folder. */
async function doings(folder: string, act: () => Promise<unknown>): Promise<readonly string[]> {
  const done: string[] = [];
  const { open, rename } = Deno;
  const named = (path: string) =>
    path.replace(folder, "DIR").replace(/\.[0-9a-f]{8}\.partial$/, ".RANDOM.partial");
  using _ = standIns(Deno, {
    open: async (path: string, options?: Deno.OpenOptions) => {
      const file = await open(path, options);
      const sync = file.sync.bind(file);
      standIns(file, {
        sync: async () => {
          done.push(`sync ${named(path)}`);
          await sync();
        },
      });
      return file;
    },
    rename: async (from: string, to: string) => {
      done.push(`rename ${named(from)} ${named(to)}`);
      await rename(from, to);
    },
  });
  await act();
  return done;
}

/** Whether folders can be synced here. */
const ofFolders = Deno.build.os === "windows" ? () => [] : (path: string) => [`sync ${path}`];

inFolder("a content is on the disk before its name is, and its name thereafter", async (folder) => {
  const text = new TextEncoder().encode("text");
  assertEquals(await doings(folder, () => writeFileAtomically(`${folder}/a.txt`, text)), [
    "sync DIR/a.txt.RANDOM.partial",
    "rename DIR/a.txt.RANDOM.partial DIR/a.txt",
    ...ofFolders("DIR"),
  ]);
  const files = { "a": text, "deep/b": text };
  const whole = () => writeDirectoryAtomically(`${folder}/d`, files, () => ({ last: text }));
  assertEquals(await doings(folder, whole), [
    "sync DIR/d.partial/a",
    "sync DIR/d.partial/deep/b",
    ...ofFolders("DIR/d.partial/deep"),
    "sync DIR/d.partial/last",
    ...ofFolders("DIR/d.partial"),
    "rename DIR/d.partial DIR/d",
    ...ofFolders("DIR"),
  ]);
  // What another removal has left is no part of this one.
  await Deno.mkdir(`${folder}/d.partial/left`, { recursive: true });
  const removed = await doings(folder, () => removeDirectoryAtomically(`${folder}/d`));
  assertEquals(removed, ["rename DIR/d DIR/d.partial"]);
  assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["a.txt"]);
});

inFolder("nothing is tidied away of which nobody says that it is his", async (folder) => {
  await Deno.writeTextFile(`${folder}/a.01234567.partial`, "");
  await Deno.mkdir(`${folder}/a.partial`);
  const names = () => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  const both = ["a.01234567.partial", "a.partial"];
  await removePartial(folder, {});
  assertEquals(names(), both);
  // Each is asked for names of its own kind.
  await removePartial(folder, { isFile: (name) => name === "b", isFolder: () => false });
  assertEquals(names(), both);
  await removePartial(folder, { isFile: () => true });
  assertEquals(names(), ["a.partial"]);
  await removePartial(folder, { isFolder: (name) => name === "a" });
  assertEquals(names(), []);
});

inFolder(
  "a content has a length and a digest, also where the disk takes it in parts",
  async (folder) => {
    using file = await Deno.open(`${folder}/x`, { read: true, write: true, create: true });
    const write = file.write.bind(file);
    const sizes: number[] = [];
    using _ = standIns(file, {
      write: async (bytes: Uint8Array) => {
        sizes.push(bytes.length);
        return await write(bytes.subarray(0, Math.ceil(bytes.length * 3 / 4)));
      },
    });
    const bytes = Uint8Array.from({ length: PIECE + 5 }, (_, i) => i % 251);
    const digest = beginDigest();
    assertEquals(await writeAll(file, bytes, digest), bytes.length);
    assertEquals(await writeAll(file, new Uint8Array(), beginDigest()), 0);
    assertEquals(sizes.slice(0, 2), [PIECE, PIECE / 4]);
    const expected = beginDigest();
    expected.add(bytes);
    assertEquals(digest.value(), expected.value());
    const there = await Deno.readFile(`${folder}/x`);
    assertEquals([there.length, there.every((byte, i) => byte === bytes[i])], [bytes.length, true]);
  },
);

inFolder("a line of which the disk takes half is no line", async (folder) => {
  const path = `${folder}/lines`;
  const { open } = Deno;
  const opened: Deno.FsFile[] = [];
  using _ = standIns(Deno, {
    open: async (place: string, options?: Deno.OpenOptions) => {
      const file = await open(place, options);
      opened.push(file);
      return file;
    },
  });
  using lines = await openLineFile(path, { length: 0, digest: beginDigest().value() });
  await lines.append("one", "two");
  const { beginning } = lines;
  assertEquals(beginning.length, 8);
  const [file] = opened;
  assert(file !== undefined);
  {
    const write = file.write.bind(file);
    let isFull = false;
    using _full = standIns(file, {
      write: async (bytes: Uint8Array) => {
        if (isFull) throw new Deno.errors.Interrupted("No space left on device (os error 28)");
        isFull = true;
        return await write(bytes.subarray(0, 3));
      },
    });
    await assertRejects(() => lines.append("three"), UserError, "can't write");
  }
  assertEquals(await Deno.readTextFile(path), "one\ntwo\n");
  assertEquals(lines.beginning, beginning);
  // What comes later is cut off, and the next line follows what is kept.
  await Deno.writeTextFile(path, "one\ntwo\nthree\n");
  {
    using again = await openLineFile(path, beginning);
    await again.append("four");
    assertEquals(again.beginning.length, 13);
  }
  assertEquals(await Deno.readTextFile(path), "one\ntwo\nfour\n");
  await requireBeginning(path, beginning);
  const message = async (wrong: typeof beginning, place = path) =>
    (await assertRejects(() => requireBeginning(place, wrong), UserError)).message;
  assertEquals(
    await message({ ...beginning, length: 14 }),
    `${path} has 13 bytes, but had 14 at the checkpoint: it was changed since`,
  );
  assertEquals(
    await message({ ...beginning, length: 1 }),
    `${path} is damaged: its first 1 bytes are not those that it had at the checkpoint`,
  );
  assertEquals(await message(beginning, folder), `can't open ${folder}: it is a folder`);
  // Of nothing there need be no file.
  await requireBeginning(`${folder}/none`, { ...beginning, length: 0 });
});

inFolder(
  "a page is replaced where its last line seals it, and left alone elsewhere",
  async (folder) => {
    const path = `${folder}/page`;
    const [one, empty] = [sealed("one"), sealed("")];
    assertEquals(sealed("one\n"), one);
    assertEquals([
      one.split("\n").length,
      one.startsWith("one\n<!-- unitune "),
      one.endsWith(" -->\n"),
    ], [
      ...[3, true, true],
    ]);
    const texts = [
      one,
      empty,
      sealed(one),
      "",
      "\n",
      "one\n",
      `x${one}`,
      one.trimEnd(),
      `${one}\n`,
    ];
    assertEquals(texts.map(isSealed), [true, true, true, ...Array(6).fill(false)]);
    assertEquals(isSealed(one.slice("one\n".length)), false);
    await writeSealed(path, "one", "choose another");
    await writeSealed(path, "two\n", "choose another");
    assertEquals(await Deno.readTextFile(path), sealed("two"));
    await Deno.writeTextFile(path, "mine");
    const message = `${path} already exists, and was not written by this command or was changed ` +
      "since: move it away, or choose another";
    const refused = async (place: string) =>
      (await assertRejects(() => requireReplaceable(place, "choose another"), UserError)).message;
    assertEquals(await refused(path), message);
    assertEquals(await refused(folder), message.replace(path, folder));
    await requireReplaceable(`${folder}/none`, "");
    await requireReplaceable(`${path}/none`, "");
    await assertRejects(() => writeSealed(path, "three", "choose another"), UserError, message);
    assertEquals(await Deno.readTextFile(path), "mine");
  },
);
