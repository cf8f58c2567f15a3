/** What is known of the data of a run: its name, and by what it is recognized when the run goes on. */
import { assertEquals, assertRejects } from "@std/assert";
import { prepare } from "@unitune/cli";
import { type GivenSettings, trainSettings, UserError } from "@unitune/training";
import type { OpenRewards } from "../../../cli/rewards/open.ts";
import { inFolder, reversals, writeRows } from "../command.ts";

const tiny = { layers: 1, heads: 1, width: 8, context: 32, batchSize: 4, evalExamples: 4 };

inFolder("data have the same name, kind and digest in every version", async (folder) => {
  const labelled = reversals.map((row, i) => ({ ...row, label: i % 2 === 0 }));
  const labels = await writeRows(`${folder}/labels.jsonl`, labelled);
  const rows = await writeRows(`${folder}/rows.jsonl`);
  const other = await writeRows(`${folder}/other.jsonl`, [{ prompt: "x", completion: "y" }]);
  const [text, more] = [`${folder}/text.txt`, `${folder}/more.txt`];
  await Deno.writeTextFile(text, "A text of which a part is for validation.");
  await Deno.writeTextFile(more, "Another text.");
  const sft = { ...tiny, objective: "sft" };
  const kto = { ...tiny, objective: "kto", data: labels };
  const known = async (...stages: readonly GivenSettings[]) => {
    const { name, data: { kind, digest } } = await prepare(stages.map((own) => trainSettings(own)));
    return `${name} ${kind} ${digest.slice(0, 16)}`;
  };
  assertEquals(
    [
      await known({ ...sft, data: rows }),
      // Two stages on the same data read them once.
      await known({ ...sft, data: rows }, { ...sft, data: rows }),
      await known({ ...sft, data: rows, validationData: other }),
      await known({ ...sft, data: text }),
      await known({ ...sft, data: text, validationData: more }),
      await known({ ...sft, examples: 30 }),
      await known(kto, { ...sft, data: rows }),
      await known({ ...sft, data: rows }, kto),
    ],
    [
      "rows conversations 642393446198b170",
      "rows conversations 642393446198b170",
      "rows conversations cb9339c3ad8d1e0a",
      "text text 6f734a2b8f078791",
      "text text 6cacddcedcfd7052",
      "tasks conversations c1d3b76b31ed6068",
      "labels-rows conversations 40b003e88dc6316b",
      "rows-labels labels 50c0d9016b9dd58e",
    ],
  );
  const refused = async (message: string, own: GivenSettings) => {
    await assertRejects(() => known({ ...sft, ...own }), UserError, message);
  };
  const mixed = (a: string, b: string) => `${a} and ${b} are not of one kind: give validation data`;
  await refused(mixed(rows, text), { data: rows, validationData: text });
  await refused(mixed(text, rows), { data: text, validationData: rows });
  await refused(`every row of ${rows} is a training row as well: give other rows`, {
    ...{ data: rows, validationData: rows },
  });
});

Deno.test("the files of rewards are known where there are any", async () => {
  const functionsOf = async (digests: Readonly<Record<string, string>>) => {
    const rewards: OpenRewards = {
      digests,
      of: () => [],
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const settings = trainSettings({ ...tiny, examples: 20 });
    const prepared = await prepare(settings, undefined, { rewards });
    return ["functions" in prepared, prepared.functions];
  };
  assertEquals(await functionsOf({}), [false, undefined]);
  assertEquals(await functionsOf({ a: "1" }), [true, { a: "1" }]);
});
