/** An upload by its function: which files it has, what is told of it, and what is deleted. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { UserError } from "@unitune/training";
import { smallFiles } from "../../../cli/hub/listing.ts";
import { type Push, pushModel } from "../../../cli/hub/push.ts";
import { ConnectionError } from "../../../cli/hub/hub_error.ts";
import { bytes, model, sharded, withHub } from "./models.ts";
import type { Hub } from "./server.ts";

const { ["model.safetensors.index.json"]: index = bytes(0) } = sharded;

/** Makes a folder with some files. */
async function folderOf(
  folder: string,
  names: readonly string[],
  contents: Readonly<Record<string, Uint8Array>> = {},
): Promise<string> {
  await Deno.mkdir(folder);
  for (const name of names) {
    await Deno.writeFile(`${folder}/${name}`, contents[name] ?? new TextEncoder().encode("{}"));
  }
  return folder;
}

/** Uploads a folder to the hub of a test. */
async function pushed(hub: Hub, folder: string, options: Partial<Push> = {}) {
  const told: (readonly [file: string, share: number])[] = [];
  const { endpoint, token } = hub;
  const { address, files } = await pushModel({
    ...{ access: { endpoint, token }, folder, name: "ann/mine", isPrivate: false },
    tell: (file, share) => void told.push([file, share]),
    ...options,
  });
  return { address, files, told };
}

/** The files of a model that the hub has. */
const served = (hub: Hub, name = "ann/mine") => {
  const { revisions, commits } = hub.models[name] ?? model();
  return Object.keys(commits[revisions.main ?? ""] ?? {}).sort();
};

const needed = ["config.json", "tokenizer.json"];
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

withHub(
  "all that a model has is uploaded, and nothing else of its folder",
  async ({ hub, env }) => {
    const own = await folderOf(`${env.HF_HOME}/own`, [
      ...[...smallFiles, "model.safetensors", "optimizer.safetensors", "state.json"],
    ]);
    const { address, files, told } = await pushed(hub, own);
    assertEquals(address, `${hub.endpoint}/ann/mine`);
    assertEquals(files, [...smallFiles, "model.safetensors"]);
    assertEquals(served(hub), [...files].sort());
    // Each file is told whole in the end; shares grow.
    assertEquals(new Set(told.map(([file]) => file)), new Set(["model.safetensors"]));
    assertEquals(told.at(-1)?.[1], 1);
  },
  {},
);

withHub("an adapter has its two files and the small ones", async ({ hub, env }) => {
  const adapter = ["adapter_config.json", "adapter_model.safetensors", "README.md"];
  const own = await folderOf(`${env.HF_HOME}/own`, [...adapter, "optimizer.safetensors"]);
  const { files } = await pushed(hub, own);
  assertEquals([...files].sort(), [...adapter].sort());
  assertEquals(served(hub), [...adapter].sort());
}, {});

withHub(
  "weights in shards are those of the index, unless there is one file of all",
  async ({ hub, env }) => {
    const contents = { "model.safetensors.index.json": index };
    const names = [...needed, "model.safetensors.index.json", ...shards];
    const own = await folderOf(
      `${env.HF_HOME}/own`,
      [...names, "model-00003.safetensors"],
      contents,
    );
    assertEquals([...(await pushed(hub, own)).files].sort(), [...names].sort());
    await Deno.writeTextFile(`${own}/model.safetensors`, "");
    const { files } = await pushed(hub, own);
    assertEquals([...files].sort(), [...needed, "model.safetensors"].sort());
    // The shards would be read in place of the one file.
    assertEquals(served(hub), [...files].sort());
  },
  {},
);

withHub(
  "weights that are there and not replaced are deleted, and nothing else",
  async ({ hub, env }) => {
    const stale = [
      ...["adapter_model.safetensors", "model.safetensors.index.json", "model-1.safetensors"],
    ];
    const kept = [
      ...["README.md", "other.safetensors", "model.bin", "my-model.safetensors"],
      ...["model.safetensors.json", "notes.txt"],
    ];
    const own = await folderOf(`${env.HF_HOME}/own`, [...needed, "model.safetensors"]);
    hub.models["ann/mine"] = model(
      Object.fromEntries([...stale, ...kept].map((name) => [name, bytes(10)])),
    );
    await pushed(hub, own);
    assertEquals(served(hub), [...needed, "model.safetensors", ...kept].sort());
  },
  {},
);

withHub("a new model is public or private, as is asked for", async ({ hub, env }) => {
  const own = await folderOf(`${env.HF_HOME}/own`, [...needed, "model.safetensors"]);
  const made: unknown[] = [];
  hub.onMade = (asked) => void made.push(asked);
  await pushed(hub, own, { name: "ann/open" });
  await pushed(hub, own, { name: "ann/closed", isPrivate: true });
  const asked = { organization: "ann", type: "model" };
  assertEquals(made, [
    { ...asked, name: "open", visibility: "public" },
    { ...asked, name: "closed", visibility: "private" },
  ]);
}, {});

withHub("what is refused changes nothing, and says why", async ({ hub, env }) => {
  const own = await folderOf(`${env.HF_HOME}/own`, [...needed, "model.safetensors"]);
  const { endpoint } = hub;
  const refused = async (options: Partial<Push>, why: string) => {
    await assertRejects(() => pushed(hub, own, options), UserError, why);
  };
  for (const name of ["mine", "a/b/c", "../mine", "ann/"]) {
    await refused({ name }, "is no name for a model: it has the form OWNER/NAME");
  }
  await refused(
    { access: { endpoint } },
    `there is no token: set HF_TOKEN to one from ${endpoint}`,
  );
  await refused(
    { access: { endpoint, token: "my_hf_token" } },
    "the token does not begin with hf_",
  );
  await refused({ folder: `${own}/none` }, `${own}/none does not exist`);
  const empty = await folderOf(`${own}/empty`, []);
  await refused({ folder: empty }, "config.json, tokenizer.json and model.safetensors is missing");
  const halved = await folderOf(`${own}/halved`, needed);
  await refused({ folder: halved }, "that is whole: model.safetensors is missing");
  await refused({ access: { endpoint, token: "hf_tokenOfNobody" } }, "refuses this for ann/mine");
  assertEquals(hub.asked.filter(({ path }) => !path.startsWith("/api/repos/create")), []);
  assertEquals(hub.models, {});
  hub.trouble = 500;
  await refused({}, "the status 500, which is trouble of its own");
  await hub[Symbol.asyncDispose]();
  const error = await assertRejects(() => pushed(hub, own), ConnectionError);
  assert(error.message.includes(new URL(endpoint).host), error.message);
}, {});

withHub("an upload that is stopped ends with the reason", async ({ hub, env }) => {
  const own = await folderOf(`${env.HF_HOME}/own`, [...needed, "model.safetensors"]);
  const controller = new AbortController();
  const reason = new Error("stopped");
  const { signal } = controller;
  // Stopped while the model is made, and before anything is asked.
  hub.onMade = () => controller.abort(reason);
  for (const asked of [1, 1]) {
    assertStrictEquals(await assertRejects(() => pushed(hub, own, { signal })), reason);
    assertEquals([hub.asked.length, served(hub)], [asked, []]);
  }
}, {});
