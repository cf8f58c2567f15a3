/** Many rows: no list of them on the stack, and no more of them in memory than it holds. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inFolder, measured, tiny, trained, trainWithin, writeRows } from "../cli/command.ts";

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

/** More than the stack has room for as arguments of a call. */
const MANY = 150_000;

inFolder("a hundred and fifty thousand rows are no more than the stack holds", async (folder) => {
  const data = await writeRows(
    `${folder}/rows.jsonl`,
    Array.from({ length: MANY }, (_, i) => ({
      ...{ prompt: String(i), completion: "2", chosen: "1", rejected: "2" },
    })),
  );
  const files = ["--data", data, ...tiny, "--steps", "1", "--eval-examples", "1024"];
  const run = ["--objective", "dpo,grpo", "--group-size", "2"];
  const { stdout } = await trained(...run, ...files, "--out", `${folder}/run`);
  assertStringIncludes(stdout, "stage 2: 135000 prompts to train on, 15000 for validation");
  // That not all of validation is looked at is told.
  assertStringIncludes(stdout, "evaluations look at 1024 of 15000 validation examples");
  assertStringIncludes(stdout, "evaluations look at 1024 of 15000 validation pairs");
});

inFolder("rows that would fill the memory as objects are trained on", async (folder) => {
  const text = "what is the answer to the question of all questions of all of them?";
  const data = await writeRows(
    `${folder}/rows.jsonl`,
    Array.from({ length: 100_000 }, (_, i) => ({
      ...{ prompt: `${i} ${text}`, completion: `${text} ${i}` },
    })),
  );
  const files = ["--data", data, "--context", "200", "--steps", "1", "--out"];
  const rewards = ["--rewards", "edit-similarity", "--group-size", "2"];
  for (const objective of [["grpo", ...rewards], ["dpo", "--rejected", "model"]]) {
    const run = [...files, `${folder}/${objective[0]}`];
    const { code, stderr } = await trainWithin(80, "--objective", ...objective, ...run);
    assertEquals([code, stderr.includes("memory")], [0, false], stderr);
  }
});
