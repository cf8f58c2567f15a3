/** Files that match a pattern, from the current folder on or below a named one. */
import { assertEquals } from "@std/assert";
import { filesMatching } from "../../../../cli/data/places/glob.ts";
import { inFolder } from "../../command.ts";

Deno.test("a pattern without a folder is of files of the current one", async () => {
  assertEquals(await filesMatching("den[o].{json,yaml}"), ["deno.json"]);
});

inFolder("files are named by their folder, in order, and hidden ones are none", async (folder) => {
  await Deno.mkdir(`${folder}/b/.hidden`, { recursive: true });
  for (const name of ["c.csv", "b/z.csv", "b/a.csv", "b/.a.csv", "b/.hidden/a.csv", "a.txt"]) {
    await Deno.writeTextFile(`${folder}/${name}`, "");
  }
  const found = async (pattern: string) => await filesMatching(`${folder}/${pattern}`);
  assertEquals(
    await found("**/*.csv"),
    ["b/a.csv", "b/z.csv", "c.csv"].map((name) => `${folder}/${name}`),
  );
  assertEquals(await found("*.csv"), [`${folder}/c.csv`]);
  assertEquals(await found("b/?.csv"), [`${folder}/b/a.csv`, `${folder}/b/z.csv`]);
});
