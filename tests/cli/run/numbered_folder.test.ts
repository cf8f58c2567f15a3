/** The folders of runs that nobody has named: each is a new one. */
import { assertEquals, assertRejects } from "@std/assert";
import { FileError } from "../../../cli/files/file_error.ts";
import { makeNumberedFolder } from "../../../cli/run/run_folder.ts";
import { inFolder } from "../command.ts";

inFolder("a folder has the first number that is free, and none at first", async (folder) => {
  const name = `${folder}/runs/sft`;
  const made: string[] = [];
  for (let i = 0; i < 4; i++) made.push(await makeNumberedFolder(name));
  assertEquals(made, [name, `${name}-2`, `${name}-3`, `${name}-4`]);
  await Deno.remove(`${name}-2`);
  assertEquals(await makeNumberedFolder(name), `${name}-2`);
  assertEquals(await makeNumberedFolder(name), `${name}-5`);
  for (const path of made) assertEquals((await Deno.stat(path)).isDirectory, true);
});

inFolder("a folder that can't be made is told", async (folder) => {
  // A name that is longer than those of files can be.
  await assertRejects(
    () => makeNumberedFolder(`${folder}/${"x".repeat(300)}`),
    FileError,
    "can't make the folder",
  );
});
