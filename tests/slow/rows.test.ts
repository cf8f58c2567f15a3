/** A million rows: the memory of a run does not grow with them, and the next start finds them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inFolder, measured, tiny } from "../cli/command.ts";

/** A file of rows, each of some 230 bytes. */
async function writeMany(path: string, count: number): Promise<string> {
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  const text = "what is the answer to the question of all the questions there are?";
  for (let first = 0; first < count; first += 1000) {
    const rows = Array.from(
      { length: 1000 },
      (_, i) => JSON.stringify({ prompt: `${first + i} ${text}`, completion: `${text} ${text}` }),
    );
    await writer.write(encoder.encode(`${rows.join("\n")}\n`));
  }
  await writer.close();
  return path;
}

if (Deno.build.os === "linux") {
  inFolder(
    "a million rows take at most 300 MB more than a thousand, and are found again",
    async (folder) => {
      const small = await writeMany(`${folder}/small.jsonl`, 1000);
      const large = await writeMany(`${folder}/large.jsonl`, 1_000_000);
      assert(Deno.statSync(large).size > 200e6);
      const run = (data: string, name: string, ...flags: readonly string[]) =>
        measured(folder, [
          ...["--data", data, ...tiny, "--context", "250", "--out", `${folder}/${name}`],
          ...flags,
        ]);
      const base = await run(small, "small");
      const first = await run(large, "first");
      assertStringIncludes(first.text, "900000 examples to train on, 100000 for validation");
      const tables = () =>
        [...Deno.readDirSync(`${folder}/cache/unitune/tables`)].map(({ name }) => name);
      const made = tables().toSorted();
      assertEquals(made.length, 2);
      const second = await run(large, "second");
      // What takes long is told, and the next start does none of it.
      assertStringIncludes(first.text, "reading ");
      assertStringIncludes(first.text, "encoding ");
      assert(!/reading |encoding /.test(second.text), second.text);
      assertEquals(tables().toSorted(), made);
      for (const { peak } of [first, second]) {
        assert(peak - base.peak < 300e6, `${peak / 1e6} MB, ${base.peak / 1e6} MB`);
      }
      const weights = (name: string) =>
        Deno.readFile(`${folder}/${name}/checkpoints/step-000006/model.safetensors`);
      assertEquals(await weights("second"), await weights("first"));
      await run(large, "third", "--context", "240", "--no-cache");
      assertEquals(tables().toSorted(), made);
    },
  );
}
