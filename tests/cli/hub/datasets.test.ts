/** Datasets of the hub: a split is downloaded once, found again, and trained on. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@unitune/training";
import { hubDataset, hubFolder } from "../../../cli/data/places/hub.ts";
import type { HubEnvironment } from "../../../cli/hub/environment.ts";
import { assertRefused, commandsIn, inFolder, tiny } from "../command.ts";
import { run } from "./process.ts";
import { type Hub, startHub } from "./server.ts";

const [FIRST, SECOND] = ["1".repeat(40), "2".repeat(40)];

const utf8 = (text: string) => new Uint8Array(new TextEncoder().encode(text));
const rows = (name: string, count: number) =>
  utf8(Array.from({ length: count }, (_, i) => `{"text": "${name} ${i}"}\n`).join(""));

/** The files of the dataset. */
const files = {
  "README.md": utf8("# Rows\n"),
  ".gitattributes": utf8("* text\n"),
  "data/train-00000-of-00002.jsonl": rows("a", 6),
  "data/train-00001-of-00002.jsonl": rows("b", 6),
  "data/test-00000-of-00001.parquet": await Deno.readFile(
    new URL("../data/tables/snappy.parquet", import.meta.url),
  ),
  "../evil.jsonl": rows("c", 2),
};

/** A test with a hub that has a dataset, and the folder of a cache. */
function withDataset(
  name: string,
  test: (given: { hub: Hub; cache: string; env: HubEnvironment; folder: string }) => Promise<void>,
): void {
  inFolder(name, async (folder) => {
    await using hub = startHub({
      "datasets/org/rows": {
        revisions: { main: FIRST, old: SECOND },
        commits: { [FIRST]: files, [SECOND]: { "train.jsonl": rows("d", 4) } },
      },
    });
    const cache = `${folder}/cache`;
    const values: Record<string, string> = {
      ...{ HF_HUB_CACHE: cache, HF_HOME: folder, HF_ENDPOINT: hub.endpoint },
    };
    await test({ hub, cache, folder, env: (variable) => values[variable] });
  });
}

withDataset("a split of a dataset is downloaded, and found again", async ({ hub, cache, env }) => {
  const { folder } = await hubFolder("org/rows", "train", { env });
  assertEquals(folder, `${cache}/datasets--org--rows/snapshots/${FIRST}`);
  const names = ["README.md", "data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"];
  for (const name of names) {
    assertEquals(
      await Deno.readTextFile(`${folder}/${name}`),
      new TextDecoder().decode(
        files[name as keyof typeof files],
      ),
    );
  }
  assertEquals(hub.contents().length, 3);
  assert(hub.contents().every((path) => path.startsWith("/datasets/org/rows/resolve/")));
  assertEquals(await Deno.readTextFile(`${cache}/datasets--org--rows/refs/main`), FIRST);
  const before = hub.asked.length;
  assertEquals((await hubFolder("org/rows", "train", { env })).folder, folder);
  assertEquals(hub.asked.length, before);
  // Another split is the rest of the same dataset.
  assertEquals((await hubFolder("org/rows", "test", { env })).folder, folder);
  assertEquals(
    (await Deno.stat(`${folder}/data/test-00000-of-00001.parquet`)).size,
    files["data/test-00000-of-00001.parquet"].length,
  );
  assertEquals((await hubFolder("org/rows@old", "train", { env })).folder.slice(-40), SECOND);
});

withDataset("a part of a split that is missing is downloaded again", async ({ hub, env }) => {
  const { folder } = await hubFolder("org/rows", "train", { env });
  await Deno.remove(`${folder}/data/train-00001-of-00002.jsonl`);
  const before = hub.asked.length;
  await hubFolder("org/rows", "train", { env });
  assert(hub.asked.length > before);
  assertEquals((await Deno.stat(`${folder}/data/train-00001-of-00002.jsonl`)).isFile, true);
});

withDataset("a dataset that is not there is refused", async ({ cache, env }) => {
  const refuse = async (text: string, split: string, message: string, own = env) => {
    const error = await assertRejects(() => hubFolder(text, split, { env: own }), UserError);
    assert(error.message.includes(message), error.message);
    return error.command;
  };
  await refuse("org/other", "train", "org/other is not a dataset at");
  await refuse("org/rows@v9", "train", "org/rows has no revision v9: see its branches and tags at");
  await refuse("org/rows", "dev", `hub:org/rows has no files of the split "dev": it has "train"`);
  await refuse("org/rows:x", "train", `hub:org/rows:x has no configuration "x": leave it out`);
  const offline: typeof env = (variable) => variable === "HF_HUB_OFFLINE" ? "1" : env(variable);
  const missing = `hub:org/new is not in the cache ${cache}, and HF_HUB_OFFLINE forbids to ask`;
  const commands = [
    await refuse("org/new", "train", missing, offline),
    await refuse("org/new", "dev", missing, offline),
  ];
  assertEquals(commands, [
    "deno task download hub:org/new",
    "deno task download hub:org/new --split dev",
  ]);
});

Deno.test("what is no name of a dataset is refused", async () => {
  assertEquals(hubDataset("a/b"), { name: "a/b" });
  assertEquals(hubDataset("a/b:c"), { name: "a/b", config: "c" });
  assertEquals(hubDataset("a/b@v1"), { name: "a/b", revision: "v1" });
  for (const text of ["", "../a", "a/b/c", ":c", "@v1", "a/b.git"]) {
    await assertRejects(
      async () => await Promise.resolve(hubDataset(text)),
      UserError,
      "is no dataset of the hub: those are of the form hub:OWNER/NAME",
    );
  }
  await assertRejects(
    async () => await Promise.resolve(hubDataset("a/b@../c")),
    UserError,
    "is no revision",
  );
});

withDataset(
  "a dataset is downloaded by its command, and trained on",
  async ({ hub, cache, folder }) => {
    const env = { HF_HUB_CACHE: cache, HF_ENDPOINT: hub.endpoint };
    const data = ["--data", "hub:org/rows", ...tiny, "--steps", "1"];
    // This task may not use the network, and says what does.
    const offline = await run("train", [...data, "--out", `${folder}/none`], env);
    assertRefused(
      offline,
      1,
      `hub:org/rows is not in the cache ${cache}, and this task does not use`,
    );
    assertEquals(commandsIn(offline.stderr), ["deno task download hub:org/rows"]);
    const downloaded = await run("download", ["hub:org/rows"], env);
    assertEquals(downloaded.code, 0, downloaded.stderr);
    assertEquals(downloaded.stdout.trim(), `${cache}/datasets--org--rows/snapshots/${FIRST}`);
    const { code, stdout, stderr } = await run("train", [...data, "--out", `${folder}/run`], env);
    assertEquals(code, 0, stderr);
    assert(stdout.includes("sft on rows: 10 texts to train on, 2 for validation"), stdout);
    const test = [...data, "--split", "test", "--out", `${folder}/test`];
    assertRefused(await run("train", test, env), 1, "deno task download hub:org/rows --split test");
    // What may use the network downloads it, and shows how far it is; the rows call tools.
    const fetched = await run("train:hub", test, env);
    assert(/downloaded \d.* of 4\.1 kB/.test(fetched.stderr), fetched.stderr);
    assertRefused(fetched, 1, "row 6: The tokenizer has no tokens for calls of tools");
    assertRefused(
      await run("download", ["hub:org/rows", "--revision", "v1"], env),
      2,
      "a dataset has its revision behind @: hub:org/rows@REVISION",
    );
    assertRefused(
      await run("download", ["org/rows", "--split", "test"], env),
      2,
      "--split is for datasets, whose names begin with hub:",
    );
  },
);
