/** What the first commands load: nothing from anywhere. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inFolder, tiny } from "../command.ts";

const root = new URL("../../../", import.meta.url);

/** What was fetched: nothing, in a folder that is empty at first. */
const cache = Deno.makeTempDirSync();
Deno.test.afterAll(() => Deno.remove(cache, { recursive: true }));

/** No registry answers there. Modules of this project are translated once for all tests. */
const nowhere = { DENO_DIR: cache, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/" };

async function deno(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out ?? "", err: err ?? "" };
}

/** A module of `deno info --json`. */
interface Module {
  readonly specifier: string;
}

for (
  const command of ["train", "sample", "objectives", "download", "data", "tokenizer", "doctor"]
) {
  Deno.test(`${command} imports no package, neither for plots nor for tests`, async () => {
    const { code, out, err } = await deno(["info", "--json", `cli/commands/${command}.ts`]);
    assertEquals(code, 0, err);
    const graph: { modules: readonly Module[]; npmPackages: object } = JSON.parse(out);
    assert(graph.modules.some(({ specifier }) => specifier.endsWith("/core/tensor.ts")));
    assertEquals(graph.modules.filter(({ specifier }) => !/^(?:file|node):/.test(specifier)), []);
    assertEquals(graph.npmPackages, {});
  });
}

Deno.test("the first command of a fresh clone fetches nothing", async () => {
  // `deno task` fetches, before it runs a task, all packages that its configuration and lock file name.
  const { code, out, err } = await deno(["task", "objectives", "dpo"], nowhere);
  assertEquals(code, 0, err);
  assert(out.startsWith("dpo\n"), out);
  assert(!/Download/.test(err), err);
});

inFolder("only a configuration in YAML fetches a package", async (folder) => {
  await Deno.writeTextFile(`${folder}/run.json`, `{"steps": 1}`);
  await Deno.writeTextFile(`${folder}/run.yaml`, `steps: 1`);
  const train = async (config: string) => {
    const line = ["task", "train", ...tiny, "--config", `${folder}/${config}`];
    return await deno(
      [...line, "--steps", "1", "--examples", "20", "--out", `${folder}/run-${config}`],
      nowhere,
    );
  };
  const json = await train("run.json");
  assertEquals(json.code, 0, json.err);
  assert(!/Download/.test(json.err), json.err);
  const yaml = await train("run.yaml");
  assertEquals(yaml.code, 1, yaml.err);
  assertStringIncludes(yaml.err, "YAML is read by a package of npm, which cannot be loaded: ");
});

inFolder("only tables and Parquet files fetch packages", async (folder) => {
  const row = (i: number) => ({ prompt: `ab${i}`, completion: "ba" });
  const rows = Array.from({ length: 4 }, (_, i) => row(i));
  await Deno.writeTextFile(`${folder}/rows.json`, JSON.stringify(rows));
  await Deno.writeTextFile(
    `${folder}/rows.csv`,
    ["prompt,completion", ...rows.map((own) => Object.values(own).join())].join("\n"),
  );
  const tables = new URL("tests/cli/data/tables/snappy.parquet", root);
  await Deno.copyFile(tables, `${folder}/rows.parquet`);
  const train = async (name: string) => {
    const line = ["task", "train", ...tiny, "--data", `${folder}/${name}`, "--steps", "1"];
    return await deno([...line, "--out", `${folder}/run-${name}`], nowhere);
  };
  const plain = await train("rows.json");
  assertEquals(plain.code, 0, plain.err);
  for (
    const [name, kind] of [["rows.csv", "CSV files are read by packages of npm"], [
      "rows.parquet",
      "Parquet files are read by",
    ]]
  ) {
    const { code, err } = await train(name ?? "");
    assertEquals(code, 1, err);
    assert(err.includes(kind ?? ""), err);
  }
});
