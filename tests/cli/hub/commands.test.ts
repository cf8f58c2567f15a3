/** `download` and `push` as a person starts them, with their tasks' permissions. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  areEqual,
  copyFolder,
  ended,
  filesIn,
  inFolder,
  permissionsOf,
  start,
  startLimited,
  type Task,
} from "../command.ts";
import { sizeOf, until } from "../kill.ts";
import { command, LOCAL, run, variables } from "./process.ts";
import { commits, files, model, sharded, wanted, withHub } from "./models.ts";
import { digestOf, type Hub } from "./server.ts";

const weights = "model.safetensors";
const digest = digestOf(weights, files[weights] ?? new Uint8Array());

Deno.test("the tasks of the hub may reach the hub and its storage only", () => {
  const net = "net=huggingface.co,*.huggingface.co,*.hf.co";
  const nets = (task: Task) => permissionsOf(task).filter((name) => name.startsWith("net"));
  assertEquals((["download", "train:hub", "push", "train", "sample"] as const).map(nets), [
    [net],
    [net],
    [net],
    [],
    [],
  ]);
  assert(!permissionsOf("push").includes("write"));
});

withHub("download prints the folder, and downloads nothing twice", async ({ hub, place, env }) => {
  const first = await run("download", ["org/name"], env);
  assertEquals(first.code, 0, first.stderr);
  assertEquals(first.stdout, `${place}/snapshots/${commits[0]}\n`);
  assertStringIncludes(first.stderr, "downloaded 300.1 kB of 300.1 kB");
  const contents = hub.contents().length;
  const again = await run("download", ["org/name", "--revision", "v1.0"], env);
  assertEquals([again.stdout, again.stderr], [first.stdout, ""]);
  assertEquals(hub.contents().length, contents);
});

withHub("download says in a sentence what is wrong", async ({ env }) => {
  const wrong = [
    [[], 2, "name a model first"],
    [["--revision", "v1"], 2, "name a model first"],
    [["org/name", "extra"], 2, `unexpected argument "extra"`],
    [["../name"], 1, `"../name" is no name of the hub`],
    [["org/none"], 1, "org/none is not a model at"],
    [["org/name", "--revision", "v9"], 1, "org/name has no revision v9"],
  ] as const;
  for (const [args, code, message] of wrong) {
    const { stderr, ...rest } = await run("download", args, env);
    assertEquals([rest.code, rest.stdout], [code, ""], stderr);
    assertStringIncludes(stderr, `error: ${message}`);
  }
  const offline = await run("download", ["org/name"], { ...env, HF_HUB_OFFLINE: "1" });
  assertStringIncludes(offline.stderr, "HF_HUB_OFFLINE forbids");
  // The task of a person may not reach the test's hub.
  const { stderr } = await ended(start("download", ["org/name"], variables(env)));
  assertStringIncludes(stderr, "Deno was not given the permission to reach 127.0.0.1:");
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  withHub(`a download that ${signal} ends is not found as a model, and goes on`, async (given) => {
    const { hub, place, env, find } = given;
    hub.faults.push({ after: 100_000, how: "stalls" });
    const process = command("download", ["org/name"], env).spawn();
    const ending = process.output();
    await until(() => sizeOf(`${place}/blobs/${digest}.incomplete`) >= 100_000);
    process.kill(signal);
    const { code, stderr } = await ending;
    if (signal === "SIGTERM") {
      assertEquals(code, 143);
      assertStringIncludes(
        new TextDecoder().decode(stderr),
        "stopped; the same command goes on from the bytes that are there",
      );
    }
    const missing = await find({ isOffline: true }).catch((error: Error) => error.message);
    assertStringIncludes(String(missing), "org/name");
    const again = await run("download", ["org/name"], env);
    assertEquals(again.code, 0, again.stderr);
    assertEquals(hub.asked.at(-1)?.range, "bytes=100000-");
    assertEquals(Object.keys(await filesIn(again.stdout.trim())).sort(), wanted);
  });
}

withHub("a disk that is full stops a download, which goes on later", async (given) => {
  const { hub, place, env } = given;
  const limited = startLimited(200, ["org/name"], "download", variables(env), [LOCAL]);
  const { code, stderr } = await ended(limited);
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `error: can't write ${place}/blobs/${digest}.incomplete: File too large`,
  );
  assertEquals((await run("download", ["org/name"], env)).code, 0);
  assertEquals(hub.asked.at(-1)?.range, `bytes=${200 * 512}-`);
});

/** The names in a folder. */
const names = (folder: string) => Array.fromAsync(Deno.readDir(folder), ({ name }) => name);

/** The files of a model that the hub has. */
const served = (hub: Hub, name: string) => {
  const { revisions, commits } = hub.models[name] ?? model();
  return commits[revisions.main ?? ""] ?? {};
};

withHub("push uploads a model, and download brings it back", async ({ hub, env, find }) => {
  const { folder } = await find();
  const own = `${env.HF_HOME}/own`;
  await copyFolder(folder, own);
  await Deno.writeTextFile(`${own}/optimizer.safetensors`, "of no use to others");
  // Where all weights are in one file, an index of shards is left over.
  const index = JSON.stringify({ weight_map: { a: "model-00001-of-00002.safetensors" } });
  await Deno.writeTextFile(`${own}/model.safetensors.index.json`, index);
  await Deno.writeTextFile(`${own}/model-00001-of-00002.safetensors`, "of another model");
  const asked = hub.asked.length;
  const refused = await run("push", [own, "ann/mine"], env);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "there is no token: set HF_TOKEN to one from");
  assertEquals(hub.asked.length, asked);

  const withToken = { ...env, HF_TOKEN: hub.token };
  const { code, stdout, stderr } = await run("push", [own, "ann/mine", "--private"], withToken);
  assertEquals(code, 0, stderr);
  assertEquals(stdout, `${hub.endpoint}/ann/mine has 6 files of ${own}\n`);
  // The files that are uploaded apart are told once each.
  assertEquals(stderr.trimEnd().split("\n"), [`uploaded ${weights}`]);
  assertEquals(Object.keys(served(hub, "ann/mine")).sort(), wanted);
  for (const name of wanted) {
    assert(areEqual(served(hub, "ann/mine")[name] ?? new Uint8Array(), files[name]), name);
  }
  // Shards in place of it: a reader would prefer the one file, if it were left.
  const { folder: inParts } = await find({ name: "org/parts" });
  assertEquals((await run("push", [inParts, "ann/mine"], withToken)).code, 0);
  assertEquals(Object.keys(served(hub, "ann/mine")).sort(), (await names(inParts)).sort());
  const tokens = hub.asked.filter(({ where, authorization }) =>
    where === "storage" && authorization !== null
  );
  assertEquals(tokens, []);
}, { "org/name": model(), "org/parts": model(sharded) });

withHub("push refuses what is not whole, and who may not", async ({ hub, env, find }) => {
  const { folder } = await find();
  const withToken = { ...env, HF_TOKEN: hub.token };
  const wrong = async (args: string[], variables = withToken) =>
    (await run("push", args, variables)).stderr;
  assertStringIncludes(await wrong([folder]), "name the folder and the model");
  assertStringIncludes(await wrong([folder, "mine"]), `"mine" is no name for a model`);
  assertStringIncludes(await wrong(["./none", "ann/mine"]), "./none does not exist");
  assertStringIncludes(await wrong([env.HF_HOME ?? "", "ann/mine"]), "config.json, tokenizer.json");
  // A run that has no checkpoint yet.
  const begun = `${env.HF_HOME}/begun`;
  await Deno.mkdir(begun);
  await Deno.writeTextFile(`${begun}/config.json`, "{}");
  assertStringIncludes(await wrong([begun, "ann/mine"]), "tokenizer.json");
  const other = { ...env, HF_TOKEN: "hf_tokenOfSomebodyElse" };
  assertStringIncludes(await wrong([folder, "ann/mine"], other), "refuses this for ann/mine");
  assertStringIncludes(
    await wrong([folder, "ann/mine"], { ...env, HF_TOKEN: "secret" }),
    "the token does not begin with hf_",
  );
  assertEquals(Object.keys(hub.models), ["org/name"]);
});

inFolder("help is for everyone", async (folder) => {
  for (const task of ["download", "push"] as const) {
    const { code, stdout } = await run(task, ["--help"], { HF_HOME: folder });
    assertEquals(code, 0);
    assertStringIncludes(stdout, `deno task ${task} `);
  }
});
