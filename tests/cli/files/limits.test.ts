/** How much is read of a file, by a disk that says so. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import { inputLines } from "../../../cli/terminal/input.ts";
import { readJsonLines } from "../../../cli/files/json_lines.ts";
import { readBytes, readJson, readText } from "../../../cli/files/read.ts";
import { requireReplaceable, sealed } from "../../../cli/files/sealed.ts";
import { standIns } from "../../stand_ins.ts";
import { inFolder } from "../command.ts";

/** What becomes of a read of a file that is said to have a size. */
async function readOf(size: number, read: (path: string) => Promise<unknown>, isFile = true) {
  const info = { isFile, isDirectory: false, isSymlink: false, size };
  const there = () => Promise.resolve(info);
  using _ = standIns(Deno, {
    ...{ stat: there, lstat: there, readFile: () => Promise.resolve(new Uint8Array()) },
    readTextFile: () => Promise.resolve(sealed("")),
  });
  return await read("FILE").then(() => "read", (error: Error) => `${error.name}: ${error.message}`);
}

Deno.test("each kind of file is read up to its size", async () => {
  const more = (size: number, most: number) =>
    `UserError: FILE has ${size} bytes, more than the ${most} that are read of such a file`;
  const rows: readonly (readonly [most: number, read: (path: string) => Promise<unknown>])[] = [
    [2 ** 32, readBytes],
    [2 ** 24, readText],
    [7, (path) => readBytes(path, 7)],
    [2 ** 28, readJsonLines],
  ];
  for (const [most, read] of rows) {
    assertEquals(await readOf(most, read), "read");
    assertEquals(await readOf(most + 1, read), more(most + 1, most));
    assertEquals(
      await readOf(0, read, false),
      "UserError: can't open FILE: it is a pipe or a device; save its content in a file",
    );
  }
  const replace = (path: string) => requireReplaceable(path, "take another");
  assertEquals(await readOf(2 ** 28, replace), "read");
  assertEquals(
    await readOf(2 ** 28 + 1, replace),
    "UserError: FILE already exists, and was not written by this command or was changed since: " +
      "move it away, or take another",
  );
});

inFolder("lines of spaces are no objects, and only the last line may be torn", async (folder) => {
  const path = `${folder}/lines`;
  const read = async (text: string | Uint8Array) => {
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    return await readJsonLines(path).catch((error: Error) => error.message.replace(path, "FILE"));
  };
  const refused = (line: number) =>
    `FILE:${line}: not a JSON object: remove the line, or restore the file`;
  assertEquals(await read('{"a":1}\n \t\r\n\t\n\r\n{"b":2}\r\n'), [{ a: 1 }, { b: 2 }]);
  assertEquals(await read('{"a":1}\n{"b'), [{ a: 1 }]);
  assertEquals(await read('{"a":1}\n[1]'), [{ a: 1 }]);
  assertEquals(await read(""), []);
  assertEquals(await read('{"b\n{"a":1}\n'), refused(1));
  assertEquals(await read('{"a":1}\n7\n\n'), refused(2));
  assertEquals(await read('{"a":1}\n\v\n{}'), refused(2));
  // Bytes that are no characters.
  assertEquals(await read(Uint8Array.of(0x22, 0xff, 0x22, 0x0a, 0x7b, 0x7d)), refused(1));
  assertEquals(
    (await assertRejects(() => readJson(path), UserError)).message,
    `${path} is not UTF-8: at byte 1 there is the byte 0xFF: save the file as UTF-8`,
  );
  await Deno.writeTextFile(path, "{");
  const { message } = await assertRejects(() => readJson(path), UserError);
  assertEquals(message.startsWith(`${path} is not JSON: Expected`), true, message);
});

Deno.test("lines of an input are without their ends, in whatever pieces they come", async () => {
  const lines = (...pieces: readonly string[]) =>
    Array.fromAsync(
      inputLines(ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)))),
    );
  assertEquals(await lines("one\r\ntwo\n", "th", "ree"), ["one", "two", "three"]);
  assertEquals(await lines("a\r\r\n\nb\rc\n"), ["a\r", "", "b\rc"]);
  assertEquals(await lines(), []);
});
