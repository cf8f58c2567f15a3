/** Files for another program take the place of none but their own. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import { handFiles } from "../../bench/losses/handed.ts";

Deno.test("losses: files for PyTorch write over nothing, and may be there from before", async () => {
  const folder = await Deno.makeTempDir();
  const out = `${folder}/nano`;
  const names = () => [...Deno.readDirSync(out)].map(({ name }) => name).toSorted();
  const contents = { "config.json": "ours", "model.safetensors": "ours as well" };
  const files = new Map(
    Object.entries(contents).map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
  );
  for (let time = 0; time < 2; time++) {
    await handFiles(out, files);
    assertEquals(names(), ["config.json", "model.safetensors"]);
  }
  await Deno.remove(`${out}/config.json`);
  const theirs = `${out}/model.safetensors`;
  await Deno.writeTextFile(theirs, "mine as well");
  await assertRejects(() => handFiles(out, files), UserError, `${theirs} is there already`);
  assertEquals([names(), await Deno.readTextFile(theirs)], [["model.safetensors"], "mine as well"]);
  await assertRejects(() => handFiles(theirs, files), UserError, "can't make the folder");
  await Deno.remove(folder, { recursive: true });
});
