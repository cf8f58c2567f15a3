/** Models of the hub: downloaded once, gone on with, checked, and found again. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "@unitune/training";
import { resolveModel } from "../../../cli/hub/resolve.ts";
import { areEqual, filesIn, inFolder } from "../command.ts";
import { sizeOf, until } from "../kill.ts";
import { bytes, commits, files, model, sharded, wanted, withHub, withLinks } from "./models.ts";
import { digestOf } from "./server.ts";
import { symbolicLink } from "../../symbolic_link.ts";

const weights = files["model.safetensors"] ?? bytes(0);
const digest = digestOf("model.safetensors", weights);

/** For a connection that stalls: long enough for what only is slow. */
const impatient = { patience: { silence: 1000, pause: 1 } };

/** The message of a refusal. */
async function refused(finding: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => finding, UserError)).message;
}

/** The names in a folder; none if there is no folder. */
async function names(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  } catch {
    return [];
  }
}

withLinks("a model is downloaded into the layout of the cache, and found there", async (given) => {
  const { hub, place, cache, find } = given;
  const found = await find();
  const folder = `${place}/snapshots/${commits[0]}`;
  assertEquals(found, { folder, name: "org/name", commit: commits[0] });
  assertEquals(await names(folder), wanted);
  for (const name of wanted) {
    const content = files[name] ?? bytes(0);
    assert(areEqual(await Deno.readFile(`${folder}/${name}`), content), name);
    assertEquals(
      await Deno.readLink(`${folder}/${name}`),
      `../../blobs/${digestOf(name, content)}`,
    );
  }
  // Two of the files are equal, which is one content.
  assertEquals(
    (await names(`${place}/blobs`)).length,
    new Set(wanted.map((name) => digestOf(name, files[name] ?? bytes(0)))).size,
  );
  assertEquals(await Deno.readTextFile(`${place}/refs/main`), commits[0]);
  assertEquals(
    await names(`${cache}/.locks/models--org--name`),
    (await names(`${place}/blobs`)).map(
      (name) => `${name}.lock`,
    ),
  );

  const before = hub.asked.length;
  assertEquals(await find(), found);
  assertEquals(await find({ isOffline: true, revision: commits[0] }), found);
  assertEquals(hub.asked.length, before);
});

withHub("the shards that the index names are downloaded", async ({ place, find }) => {
  const { folder } = await find();
  assertEquals(
    await names(folder),
    [
      ...wanted.filter((name) => name !== "model.safetensors"),
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ].sort(),
  );
  // Without one of them, the model is not whole.
  await Deno.remove(`${folder}/model-00002-of-00002.safetensors`);
  assertStringIncludes(
    await refused(find({ isOffline: true })),
    "model-00002-of-00002.safetensors is missing",
  );
  await find();
  assertEquals((await filesIn(place))[`refs/main`]?.length, 40);
}, { "org/name": model(sharded) });

withHub("an adapter is its two files, and what else there is of a model", async ({ find }) => {
  const { folder } = await find();
  assertEquals(await names(folder), [
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
  ]);
  assertEquals((await find({ isOffline: true })).folder, folder);
}, {
  "org/name": model({
    "README.md": bytes(5),
    "adapter_config.json": bytes(6),
    "adapter_model.safetensors": bytes(700),
    "optimizer.pt": bytes(8),
  }),
});

withLinks("only what changed is downloaded for another commit", async ({ hub, place, find }) => {
  await find();
  const config = new TextEncoder().encode(`{"model_type":"qwen2"}`);
  const served = hub.models["org/name"];
  assert(served !== undefined);
  served.commits[commits[1]] = { ...files, "config.json": config };
  served.revisions.next = commits[1];
  const before = hub.contents().length;
  const { folder, commit } = await find({ revision: "next" });
  assertEquals(commit, commits[1]);
  assertEquals(hub.contents().slice(before), [`/org/name/resolve/${commits[1]}/config.json`]);
  assertEquals(await names(folder), wanted);
  assertEquals(await Deno.readTextFile(`${place}/refs/next`), commits[1]);
  assertEquals((await find()).commit, commits[0]);
});

withHub("branches with slashes, tags and commits are revisions", async ({ place, find }) => {
  for (const revision of ["refs/pr/1", "v1.0"]) {
    assertEquals((await find({ revision })).commit, commits[0]);
    assertEquals(await Deno.readTextFile(`${place}/refs/${revision}`), commits[0]);
  }
  assertEquals((await find({ revision: commits[0] })).commit, commits[0]);
  assertEquals(await names(`${place}/refs`), ["refs", "v1.0"]);
  for (const revision of ["../../x", "", "a b", "/main", "refs//pr"]) {
    assertStringIncludes(await refused(find({ revision })), "is no revision");
  }
});

for (const how of ["ends", "breaks", "stalls"] as const) {
  withHub(`a connection that ${how} in the middle is taken up again there`, async (given) => {
    const { hub, find } = given;
    hub.faults.push({ after: 100_000, how }, { after: 50_000, how });
    const { folder } = await find(impatient);
    assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
    assertEquals(
      hub.asked.filter(({ where }) => where === "storage").map(({ range }) => range),
      [null, "bytes=100000-", "bytes=150000-"],
    );
  });
}

withHub("a download that failed goes on later from its bytes", async ({ hub, place, find }) => {
  const gone = { after: 0, how: "ends" } as const;
  hub.faults.push({ after: 200_000, how: "ends" }, gone, gone);
  assertEquals(
    await refused(find()),
    `${hub.endpoint} sends nothing more of model.safetensors: check the network, and try again`,
  );
  assertEquals(await names(`${place}/refs`), []);
  assertEquals((await Deno.stat(`${place}/blobs/${digest}.incomplete`)).size, 200_000);
  assertStringIncludes(await refused(find({ isOffline: true })), "org/name");

  const before = hub.contents().length;
  const { folder } = await find();
  assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
  assertEquals(hub.contents().length - before, 2);
  assertEquals(hub.asked.at(-1)?.range, "bytes=200000-");
  assertEquals((await names(`${place}/blobs`)).filter((name) => name.includes(".")), []);
});

withHub("a storage that knows no parts sends the whole", async ({ hub, find }) => {
  hub.ignoresRanges = true;
  hub.faults.push({ after: 100_000, how: "ends" });
  const { folder } = await find();
  assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
});

withHub("all bytes of an interrupted download may be there", async ({ hub, place, find }) => {
  await Deno.mkdir(`${place}/blobs`, { recursive: true });
  await Deno.writeFile(`${place}/blobs/${digest}.incomplete`, weights);
  const { folder } = await find();
  assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
  assertEquals(hub.asked.filter(({ where }) => where === "storage"), []);
});

withHub("what is longer than it should be is downloaded anew", async ({ place, find }) => {
  await Deno.mkdir(`${place}/blobs`, { recursive: true });
  await Deno.writeFile(`${place}/blobs/${digest}.incomplete`, bytes(300_001));
  const { folder } = await find();
  assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
});

for (const name of ["model.safetensors", "config.json"]) {
  withHub(`${name} with another digest is removed, and said so`, async (given) => {
    const { hub, place, find } = given;
    const content = files[name] ?? bytes(0);
    hub.changed.set(digestOf(name, content), bytes(content.length, 9));
    assertStringIncludes(
      await refused(find()),
      `${name} of org/name arrived with another digest than the hub states`,
    );
    const left = await names(`${place}/blobs`);
    assertEquals(left.filter((file) => file.startsWith(digestOf(name, content))), []);
    assertEquals(await names(`${place}/refs`), []);
    hub.changed.clear();
    await find();
  });
}

withLinks("what is damaged in the cache is downloaded anew", async ({ hub, place, find }) => {
  const { folder } = await find();
  await Deno.truncate(`${place}/blobs/${digest}`, 1000);
  await Deno.remove(`${folder}/config.json`);
  await symbolicLink("../../blobs/none", `${folder}/config.json`);
  assertStringIncludes(await refused(find({ isOffline: true })), "config.json is missing");
  const before = hub.contents().length;
  await find();
  assert(areEqual(await Deno.readFile(`${folder}/model.safetensors`), weights));
  assertEquals(await Deno.readFile(`${folder}/config.json`), files["config.json"]);
  assertEquals(hub.contents().length - before, 2);
  await Deno.writeTextFile(`${place}/refs/main`, "no commit");
  assertStringIncludes(await refused(find({ isOffline: true })), "is neither a folder nor");
  assertEquals((await find()).folder, folder);
});

withHub("bytes that somebody else has left are found out", async ({ place, find }) => {
  await Deno.mkdir(`${place}/blobs`, { recursive: true });
  await Deno.writeFile(`${place}/blobs/${digest}.incomplete`, bytes(1000, 5));
  assertStringIncludes(await refused(find()), "another digest");
  await find();
});

withHub("a content of another length is refused", async ({ hub, place, find }) => {
  hub.changed.set(digest, bytes(300_001));
  assertStringIncludes(
    await refused(find()),
    "model.safetensors of org/name is longer than the 300000 bytes that the hub states",
  );
  assertEquals((await Deno.stat(`${place}/blobs/${digest}.incomplete`)).size, 0);
});

withLinks("two downloads at once fetch each content once", async ({ hub, find }) => {
  hub.faults.push({ after: 100_000, how: "stalls" });
  const written: string[] = [];
  const progress = {
    write: (text: string) => written.push(text),
    columns: () => undefined,
    now: () => 0,
  };
  const both = await Promise.all([1, 2].map(() => find({ progress, ...impatient })));
  assertEquals(both[0], both[1]);
  assert(areEqual(await Deno.readFile(`${both[0]?.folder}/model.safetensors`), weights));
  const storage = hub.asked.filter(({ where }) => where === "storage").map(({ range }) => range);
  assertEquals(storage, [null, "bytes=100000-"]);
  assertStringIncludes(written.join(""), "another process downloads model.safetensors: waiting");
});

withHub("the token goes to the hub, and not to its storage", async ({ hub, env, find }) => {
  env.HF_TOKEN = hub.token;
  await find();
  const tokens = (where: string) =>
    new Set(hub.asked.filter((asked) => asked.where === where).map((asked) => asked.authorization));
  assertEquals(tokens("hub"), new Set([`Bearer ${hub.token}`]));
  assertEquals(tokens("storage"), new Set([null]));
}, { "org/name": model(files, "private") });

withHub("a model that has moved is followed, with the token", async ({ hub, env, find }) => {
  env.HF_TOKEN = hub.token;
  hub.moved.set("old/name", "org/name").set("old/circle", "old/circle");
  const { folder } = await find({ name: "old/name" });
  assertStringIncludes(folder, "models--old--name");
  assertEquals(await names(folder), wanted);
  assertStringIncludes(await refused(find({ name: "old/circle" })), "redirects in a circle");
}, { "org/name": model(files, "private") });

withHub("the token is that of the variable, of its file, or of the home", async (given) => {
  const { hub, env, find } = given;
  await Deno.writeTextFile(`${env.HF_HOME}/token`, `${hub.token}\n`);
  await find();
  await Deno.writeTextFile(`${env.HF_HOME}/other`, "hf_tokenOfNobody");
  env.HF_TOKEN_PATH = `${env.HF_HOME}/other`;
  const message = await refused(find({ revision: "v1.0" }));
  assertStringIncludes(message, "org/name is not a model at");
  env.HF_TOKEN = hub.token;
  await find({ revision: "v1.0" });
}, { "org/name": model(files, "private") });

withHub("who may not read a model is told what to do", async ({ hub, env, find }) => {
  const { endpoint } = hub;
  const tokens = `${endpoint}/settings/tokens`;
  const unknown = (name: string) =>
    `${name} is not a model at ${endpoint}, or it is private: check the name, or set HF_TOKEN to ` +
    `a token from ${tokens} that may read it`;
  assertEquals(await refused(find({ name: "org/none" })), unknown("org/none"));
  assertEquals(await refused(find({ name: "org/secret" })), unknown("org/secret"));
  assertEquals(
    await refused(find({ name: "org/gated" })),
    `org/gated is gated: accept its licence at ${endpoint}/org/gated, and set HF_TOKEN to a token ` +
      `of your account from ${tokens}`,
  );
  assertEquals(
    await refused(find({ revision: "v9" })),
    `org/name has no revision v9: see its branches and tags at ${endpoint}/org/name/tree/main`,
  );

  env.HF_TOKEN = "hf_tokenOfSomebodyElse";
  assertStringIncludes(await refused(find({ name: "org/secret" })), "that the token may read");
  assertStringIncludes(
    await refused(find({ name: "org/gated" })),
    "the account of the token has no",
  );
  env.HF_TOKEN = "mistyped";
  assertStringIncludes(await refused(find()), `${endpoint} does not take the token`);
  env.HF_TOKEN = "hf_ü";
  const message = await refused(find());
  assertStringIncludes(message, "characters that no token has");
  assert(!message.includes("ü"));
}, {
  "org/name": model(),
  "org/secret": model(files, "private"),
  "org/gated": model(files, "gated"),
});

withHub("a hub in trouble and a hub that is not there are told apart", async (given) => {
  const { hub, env, find } = given;
  hub.trouble = 503;
  assertEquals(
    await refused(find()),
    `${hub.endpoint} answers with the status 503, which is trouble of its own: try again later`,
  );
  hub.trouble = 429;
  assertStringIncludes(await refused(find()), "was asked too often");
  // Such as the page of a network that one has to log in to.
  hub.trouble = 200;
  assertStringIncludes(
    await refused(find()),
    "does not list the files of org/name as the hub does",
  );
  await hub[Symbol.asyncDispose]();
  assertStringIncludes(await refused(find()), "can't be reached, or the connection was lost");
  env.HF_ENDPOINT = "ftp://hub";
  assertStringIncludes(await refused(find()), `HF_ENDPOINT is "ftp://hub", expected an address`);
});

withHub("what is not in the cache is not asked for offline", async ({ hub, cache, env, find }) => {
  const expected = `org/name is neither a folder nor a model in the cache ${cache}, and ` +
    "HF_HUB_OFFLINE forbids to ask the hub: unset it and download the model by";
  assertStringIncludes(await refused(find({ isOffline: true })), expected);
  env.HF_HUB_OFFLINE = "1";
  const message = await refused(find({ revision: "v1.0" }));
  assertStringIncludes(message, "deno task download org/name --revision v1.0");
  assertEquals(hub.asked, []);
});

withHub("without the permission for the hub, the command is named that has it", async (given) => {
  const { env, cache, find } = given;
  env.HF_ENDPOINT = "https://hub.invalid";
  const error = await assertRejects(() => find(), UserError);
  assertEquals(
    error.told,
    `org/name is neither a folder nor a model in the cache ${cache}, and this task does not use ` +
      `the network: download it by`,
  );
  assertEquals(error.command, "deno task download org/name");
});

withHub("a model without safetensors, or without a tokenizer, is refused first", async (given) => {
  const { hub, find } = given;
  assertEquals(
    await refused(find()),
    "org/name has no model.safetensors, which a model needs: pytorch_model.bin is not read; take a " +
      "model with safetensors, or save this one so in Python by save_pretrained",
  );
  assertStringIncludes(
    await refused(find({ name: "org/words" })),
    "org/words has no tokenizer.json",
  );
  assertEquals(hub.contents(), []);
}, {
  "org/name": model({
    "config.json": bytes(3),
    "tokenizer.json": bytes(4),
    "pytorch_model.bin": bytes(5),
  }),
  "org/words": model({ "config.json": bytes(3), "model.safetensors": bytes(4) }),
});

withHub("an index that names a file which is not there is refused", async ({ find }) => {
  assertStringIncludes(
    await refused(find()),
    "org/name has no model-00002-of-00002.safetensors, which model.safetensors.index.json needs",
  );
}, {
  "org/name": model(
    Object.fromEntries(Object.entries(sharded).filter(([name]) => !name.startsWith("model-00002"))),
  ),
});

withHub("a stop leaves the bytes, and a later download goes on", async ({ hub, place, find }) => {
  hub.faults.push({ after: 100_000, how: "stalls" });
  const controller = new AbortController();
  const stopping = find({ signal: controller.signal });
  await until(() => sizeOf(`${place}/blobs/${digest}.incomplete`) >= 100_000);
  controller.abort(new Error("stopped"));
  await assertRejects(() => stopping, Error, "stopped");
  await find();
  assertEquals(hub.asked.at(-1)?.range, "bytes=100000-");
});

inFolder("a folder is a model as it is, whatever its name", async (folder) => {
  assertEquals(await resolveModel(folder), { folder, name: folder });
  assertStringIncludes(await refused(resolveModel(folder, { revision: "v1" })), "has no revisions");
  await Deno.writeTextFile(`${folder}/model.gguf`, "GGUF");
  assertStringIncludes(await refused(resolveModel(`${folder}/model.gguf`)), "is a file");
  for (const name of ["./none", "a/b/c", "org/na me", "org/name.git", "-x", "org/", ""]) {
    assertStringIncludes(
      await refused(resolveModel(name)),
      "is neither a folder nor a name of the hub",
    );
  }
});
