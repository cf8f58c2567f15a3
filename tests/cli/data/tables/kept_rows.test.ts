/** Rows on the disk are trained on as those in memory are, at the first start and at the next. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { carryOut, createRun, openDevice, prepare, runConfig } from "@unitune/cli";
import {
  checkStages,
  memoryTables,
  type StageData,
  type TableStore,
  trainSettings,
  UserError,
  type Watch,
} from "@unitune/training";
import { rowTable } from "../../../../cli/data/row_table.ts";
import { tableCache } from "../../../../cli/data/tables/table_cache.ts";
import { inFolder, writeRows } from "../../command.ts";
import { sizeOf, until } from "../../kill.ts";
import { filledTable } from "./fill_table.ts";

const tiny = { layers: 1, heads: 1, width: 8, context: 48, batchSize: 8, evalExamples: 16 };

/** Rows of each form, of which some are too long and some are cut. */
const files: Readonly<Record<string, (i: number) => Readonly<Record<string, unknown>>>> = {
  "sft": (i) => ({ prompt: `${i}+1`, completion: `${i + 1}${"!".repeat(i % 50)}` }),
  "dpo": (i) => ({ prompt: `${i}`, chosen: `${i}${"é".repeat(i % 40)}`, rejected: `${i + 1}` }),
  "kto": (i) => ({ prompt: `${i % 90}`, completion: `${i}`, label: i % 3 === 0 }),
  "grpo": (i) => ({
    prompt: `${i}${"?".repeat(i % 60)}`,
    ...i % 3 === 2 && { completion: `${i}` },
    tags: [i, null, { i }],
  }),
};

/** All rows of a stage, as whoever trains on them sees them. */
function rowsOf(data: StageData): unknown {
  if (data.kind === "demonstrations") {
    const { row, length } = data.source;
    return [length, ...Array.from({ length: 400 }, (_, number) => row(number))];
  }
  const plain = (rows: Iterable<object>) =>
    [...rows].map((row) => ({ ...row, isRight: undefined }));
  return {
    ...data,
    train: plain(data.train),
    ..."pairs" in data && { pairs: plain(data.pairs) },
  };
}

/** A store that counts the encoded rows that are read. */
function counting(
  tables: TableStore,
): { readonly tables: TableStore; readonly reads: () => number } {
  let reads = 0;
  return {
    tables: {
      keep(key, form, fill) {
        const read: typeof form.read = (from) => {
          if (!Object.is(form, rowTable)) reads += 1;
          return form.read(from);
        };
        return tables.keep(key, { ...form, read }, fill);
      },
    },
    reads: () => reads,
  };
}

/** What is prepared of a file, and how often something was told of its progress. */
async function prepared(objective: string, data: string, store: TableStore = memoryTables) {
  let told = 0;
  const watch: Watch = { begin: () => () => void (told += 1), reserve: () => {} };
  const rewards = objective === "grpo" ? { rewards: "exact-match+accuracy+length-penalty" } : {};
  const settings = trainSettings({ ...tiny, objective, data, ...rewards });
  const { tables, reads } = counting(store);
  const run = await prepare(settings, undefined, { watch, tables });
  await checkStages({ stages: [settings], prepared: run });
  // All that is known of encoded rows before the first step is kept beside them.
  assertEquals(reads(), 0);
  const splits = run.splits.map(({ questions, ...split }) => ({
    ...split,
    questions: questions.map((question) => ({ ...question, isRight: undefined })),
  }));
  const { tokenizer: { tokens }, notes, data: { digest } } = run;
  const rows = run.stages.map(({ data }) => rowsOf(data));
  return { said: { splits, tokens, notes, digest, rows }, told };
}

for (const [objective, row] of Object.entries(files)) {
  inFolder(`${objective}: rows on the disk are those in memory`, async (folder) => {
    const data = await writeRows(
      `${folder}/rows.jsonl`,
      Array.from({ length: 700 }, (_, i) => row(i)),
    );
    const tables = tableCache(`${folder}/tables`, { large: 1000 });
    const inMemory = await prepared(objective, data);
    const first = await prepared(objective, data, tables);
    const second = await prepared(objective, data, tables);
    assertEquals(first.said, inMemory.said);
    assertEquals(second.said, inMemory.said);
    // What is found is neither read nor encoded again: only a sample of it is checked.
    assert(second.told < first.told / 2, `${second.told} of ${first.told}`);
    const tableNames = () => [...Deno.readDirSync(`${folder}/tables`)].length;
    assertEquals(tableNames(), 2);
    // Another context makes other tokens of the same rows; other rows are another file.
    const longer = trainSettings({ ...tiny, objective, data, context: 64 });
    await prepare(longer, undefined, { tables });
    assertEquals(tableNames(), 3);
    await writeRows(data, Array.from({ length: 700 }, (_, i) => row(i + 1)));
    const other = await prepared(objective, data, tables);
    assertNotEquals(other.said.digest, first.said.digest);
    assertEquals(other.said, (await prepared(objective, data)).said);
  });
}

inFolder(
  "ten thousand rows on the disk train the weights that those in memory do",
  async (folder) => {
    const rows = Array.from({ length: 10_000 }, (_, i) => files.dpo?.(i) ?? {});
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const tables = tableCache(`${folder}/tables`, { large: 10_000 });
    const settings = trainSettings({ ...tiny, objective: "dpo", data, steps: 3 });
    const weights: Uint8Array[] = [];
    using device = await openDevice("wasm");
    for (const [i, options] of [{}, { tables }, { tables }].entries()) {
      const prepared = await prepare(settings, undefined, options);
      const run = await createRun(`${folder}/run-${i}`, "dpo", runConfig([settings], prepared));
      const { checkpoint } = await carryOut({ folder: run, stages: [settings], prepared, device });
      weights.push(await Deno.readFile(`${checkpoint.path}/model.safetensors`));
    }
    assertEquals(weights[1], weights[0]);
    assertEquals(weights[2], weights[0]);
  },
);

inFolder(
  "a file that changes while it is read is refused, and nothing is kept of it",
  async (folder) => {
    const data = await writeRows(
      `${folder}/rows.jsonl`,
      Array.from(
        { length: 20_000 },
        (_, i) => ({ prompt: `${i}`, completion: `${"x".repeat(30)}` }),
      ),
    );
    const tables = tableCache(`${folder}/tables`, { large: 1000 });
    let isChanged = false;
    const watch: Watch = {
      begin: () => () => {
        if (isChanged) return;
        isChanged = true;
        Deno.writeTextFileSync(data, '{"prompt":"1","completion":"2"}\n', { append: true });
      },
      reserve: () => {},
    };
    const settings = trainSettings({ ...tiny, data });
    await assertRejects(
      () => prepare(settings, undefined, { watch, tables }),
      UserError,
      "rows.jsonl has changed while it was read: start again",
    );
    assertEquals([...Deno.readDirSync(`${folder}/tables`)], []);
  },
);

inFolder("killed while a table is written, the next start gives the same bytes", async (folder) => {
  await filledTable(`${folder}/whole`);
  const [{ name } = { name: "" }] = [...Deno.readDirSync(`${folder}/whole`)];
  const whole = await Deno.readFile(`${folder}/whole/${name}`);
  const script = fileURLToPath(new URL("./fill_table.ts", import.meta.url));
  const own = `${folder}/own`;
  for (const share of [0, 0.2, 0.55, 0.9]) {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-read", "--allow-write", script, own],
      stderr: "piped",
    }).spawn();
    const partial = () => {
      try {
        return [...Deno.readDirSync(own)].find(({ name }) => name.endsWith(".partial"))?.name;
      } catch {
        return undefined;
      }
    };
    // What an earlier process has left is removed when this one begins to write.
    const before = partial();
    await until(() => {
      const now = partial();
      return now !== undefined && now !== before && sizeOf(`${own}/${now}`) >= share * whole.length;
    });
    process.kill("SIGKILL");
    const { signal, stderr } = await process.output();
    assertEquals(signal, "SIGKILL", new TextDecoder().decode(stderr));
    assertEquals([...Deno.readDirSync(own)].filter(({ name }) => name.endsWith(".table")), []);
  }
  const { rows } = await filledTable(own);
  assertEquals([...Deno.readDirSync(own)].map(({ name }) => name), [name]);
  assertEquals(await Deno.readFile(`${own}/${name}`), whole);
  assertEquals(rows.at(3)?.ids.slice(0, 3), [93, 94, 97]);
});
