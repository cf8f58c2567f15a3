/** Where models of a hub are kept, and which of their files are wanted: without a hub. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import { cachedDataset, cachedModel, findSnapshot, missingIn } from "../../../cli/hub/cache.ts";
import {
  cacheFolder,
  hubAccess,
  hubEndpoint,
  type HubEnvironment,
  isOffline,
} from "../../../cli/hub/environment.ts";
import { listingIn, wantedFiles } from "../../../cli/hub/listing.ts";
import { shardsIn } from "../../../cli/hub/model_files.ts";
import { inFolder } from "../command.ts";

const of = (variables: Readonly<Record<string, string>>): HubEnvironment => (name) =>
  variables[name];

Deno.test("the cache is where the variables of Hugging Face's tools say", () => {
  const home = { HOME: "/home/ann" };
  const folders: readonly [Readonly<Record<string, string>>, string][] = [
    [home, "/home/ann/.cache/huggingface/hub"],
    [{ USERPROFILE: "/users/ann" }, "/users/ann/.cache/huggingface/hub"],
    [{ ...home, USERPROFILE: "/users/ann" }, "/home/ann/.cache/huggingface/hub"],
    [{ ...home, XDG_CACHE_HOME: "/c" }, "/c/huggingface/hub"],
    [{ ...home, XDG_CACHE_HOME: "~/c" }, "/home/ann/c/huggingface/hub"],
    [{ ...home, XDG_CACHE_HOME: "/c", HF_HOME: "/hf" }, "/hf/hub"],
    [{ ...home, HF_HOME: "~" }, "/home/ann/hub"],
    [{ ...home, HF_HOME: "~x" }, "~x/hub"],
    [{ HF_HOME: "/hf", HF_HUB_CACHE: "/cache" }, "/cache"],
    [{ ...home, HF_HUB_CACHE: "~/cache" }, "/home/ann/cache"],
  ];
  for (const [variables, folder] of folders) {
    assertEquals(cacheFolder(of(variables)).replaceAll("\\", "/"), folder);
  }
  assertThrows(() => cacheFolder(of({})), UserError, "no home folder is known");
});

Deno.test("a hub is an address, is not asked offline, and is told a token that can be one", async () => {
  const offline = (value: string) => isOffline(of({ HF_HUB_OFFLINE: value }));
  assertEquals(["1", "true", "YES", "on"].map(offline), [true, true, true, true]);
  assertEquals(["0", "", "11", "no"].map(offline), [false, false, false, false]);
  assertEquals(isOffline(of({})), false);
  const endpoint = (value: string) => hubEndpoint(of({ HF_ENDPOINT: value }));
  assertEquals(hubEndpoint(of({})), "https://huggingface.co");
  assertEquals(["https://a/b//", "http://a"].map(endpoint), ["https://a/b", "http://a"]);
  assertThrows(() => endpoint("a.b"), UserError, 'HF_ENDPOINT is "a.b"');
  const tokenOf = async (HF_TOKEN: string) =>
    (await hubAccess(of({ HF_TOKEN, HF_HOME: "/none" }))).token;
  assertEquals(await tokenOf(" hf_x\n"), "hf_x");
  assertEquals(await tokenOf(" "), undefined);
  assertEquals("token" in await hubAccess(of({ HF_HOME: "/none" })), false);
  for (const wrong of ["hf_\x7f", "hf x", "hf_\u00fc"]) {
    await assertRejects(() => tokenOf(wrong), UserError, "characters that no token has");
  }
});

/** The names of the files that are downloaded of those that a commit has. */
function wantedOf(names: readonly string[], index?: unknown): readonly string[] {
  const files = new Map(
    names.map((name) =>
      [name, { name, size: 1, digest: "a", digestOf: "content" as const }] as const
    ),
  );
  const question = { access: { endpoint: "https://hub.test" }, name: "a/b" };
  const wanted = wantedFiles(question, { commit: "c", files });
  const all = wanted.all(index).map(({ name }) => name);
  return wanted.index === undefined ? all : [`(${wanted.index.name})`, ...all];
}

const [config, tokenizer, weights] = ["config.json", "tokenizer.json", "model.safetensors"];
const index = "model.safetensors.index.json";
const adapter = ["adapter_config.json", "adapter_model.safetensors"];
const shards = ["model-1.safetensors", "model-2.safetensors"];
const parts = { weight_map: { a: shards[1], b: shards[0], c: shards[1] } };

Deno.test("a listing has the files with a digest and a name of the cache, of models those in no folder", () => {
  const [sha, blobId, sha256] = ["a".repeat(40), "b".repeat(40), "c".repeat(64)];
  const filesOf = (
    siblings: unknown,
    kind?: "model" | "dataset",
  ) => [...listingIn({ sha, siblings }, kind)?.files.values() ?? []];
  const small = { rfilename: "config.json", size: 2, blobId };
  const large = { ...small, rfilename: "model.safetensors", lfs: { sha256, size: 9 } };
  assertEquals(filesOf([small, large]), [
    { name: "config.json", size: 2, digest: blobId, digestOf: "git blob" },
    { name: "model.safetensors", size: 9, digest: sha256, digestOf: "content" },
  ]);
  assertEquals(filesOf([{ ...small, size: 0 }]).length, 1);
  const odd = [
    ...[1, null, {}, { ...small, rfilename: 1 }, { ...small, size: -1 }, { ...small, size: "2" }],
    ...[{ ...small, blobId: "b".repeat(39) }, { ...small, blobId: "B".repeat(40) }],
    ...[{ ...small, blobId: 5 }, { ...large, lfs: { sha256, size: 0.5 } }],
    ...[{ ...large, lfs: { sha256: blobId, size: 9 } }, { ...small, rfilename: ".git" }],
  ];
  assertEquals(filesOf(odd), []);
  const folder = { ...small, rfilename: "data/train-0.parquet" };
  assertEquals([filesOf([folder]).length, filesOf([folder], "dataset").length], [0, 1]);
  for (const rfilename of ["../x", "a/../x", "a/.b", "/a", "a//b", "a\\b"]) {
    assertEquals(filesOf([{ ...small, rfilename }], "dataset"), [], rfilename);
  }
  const wrong: readonly unknown[] = [
    ...[undefined, [], { sha }, { siblings: [] }, { sha: "a", siblings: [] }],
    { sha: 1, siblings: [] },
  ];
  for (const value of wrong) assertEquals(listingIn(value), undefined);
});

Deno.test("the files of a model are wanted, the weights last; of an adapter alone, its own", () => {
  const other = ["pytorch_model.bin", "README.md", "other.txt"];
  assertEquals(wantedOf([weights, tokenizer, ...other, config]), [
    ...[config, tokenizer, "README.md", weights],
  ]);
  assertEquals(wantedOf([config, tokenizer, weights, index, ...shards], parts), [
    ...[config, tokenizer, weights],
  ]);
  assertEquals(wantedOf([config, tokenizer, index, ...shards], parts), [
    ...[`(${index})`, config, tokenizer, ...shards.toReversed()],
  ]);
  assertEquals(wantedOf([...adapter, "README.md"]), ["README.md", ...adapter]);
  // A whole model beside an adapter is what is wanted.
  assertEquals(wantedOf([...adapter, config, tokenizer, weights]), [
    ...[config, tokenizer, "adapter_config.json", weights],
  ]);
  const lacking: readonly [names: readonly string[], message: string][] = [
    [[tokenizer, weights], "a/b has no config.json, which a model needs: take another model"],
    [[config, weights], "a/b has no tokenizer.json, which a model needs: take another model"],
    [[config, tokenizer], "has no model.safetensors, which a model needs: take another model"],
    [[config, tokenizer, "m.bin"], "which a model needs: m.bin is not read; take a model with"],
    [[config, "m.bin"], "has no tokenizer.json, which a model needs: take another model"],
    [[...adapter.slice(0, 1), "a.bin"], "which an adapter needs: a.bin is not read"],
    [[...adapter.slice(0, 1)], "which an adapter needs: take another model from https://hub.test"],
    [[config, tokenizer, index, shards[0] ?? ""], `no ${shards[1]}, which ${index} needs`],
  ];
  for (const [names, message] of lacking) {
    assertThrows(() => wantedOf(names, parts), UserError, message);
  }
});

Deno.test("the shards of an index are files beside it, each once", () => {
  assertEquals(shardsIn(parts), shards.toReversed());
  const odd = { a: "../x.safetensors", b: 1, c: "x.bin", d: "y.safetensors" };
  assertEquals(shardsIn({ weight_map: odd }), ["y.safetensors"]);
  for (const none of [undefined, 1, {}, { weight_map: 2 }]) assertEquals(shardsIn(none), []);
});

inFolder("what a folder lacks of a model or an adapter is told", async (folder) => {
  const lackingOf = async (names: readonly string[]) => {
    const own = await Deno.makeTempDir({ dir: folder });
    for (const name of names) {
      await Deno.writeTextFile(`${own}/${name}`, name === index ? JSON.stringify(parts) : "");
    }
    return await missingIn(own);
  };
  const [first = "", second = ""] = shards;
  const cases: readonly [names: readonly string[], missing: readonly string[]][] = [
    [[], [config, tokenizer, weights]],
    [[config, tokenizer, weights], []],
    [[config, weights], [tokenizer]],
    [[config, tokenizer, index], [second, first]],
    [[config, tokenizer, index, first, second], []],
    [[config, tokenizer, index, weights], []],
    [adapter, []],
    [adapter.slice(0, 1), adapter.slice(1)],
    [adapter.slice(1), [config, tokenizer, weights]],
    [[...adapter, config], [tokenizer, weights]],
  ];
  for (const [names, missing] of cases) assertEquals(await lackingOf(names), missing, `${names}`);

  const model = cachedModel(folder, "a/b");
  assertEquals(await findSnapshot(model, "main"), undefined);
  const commit = "0123456789".repeat(4);
  await Deno.mkdir(`${model.folder}/refs`, { recursive: true });
  await Deno.writeTextFile(`${model.folder}/refs/main`, "no commit");
  assertEquals(await findSnapshot(model, "main"), undefined);
  await Deno.writeTextFile(`${model.folder}/refs/main`, `${commit}\n`);
  assertEquals(await findSnapshot(model, "main"), undefined);
  await Deno.mkdir(`${model.folder}/snapshots/${commit}`, { recursive: true });
  const found = await findSnapshot(model, "main");
  assertEquals([found?.commit, found?.missing], [commit, [config, tokenizer, weights]]);
  assertEquals(await findSnapshot(model, commit), found);
  assertEquals(cachedDataset("c", "a/b").folder.replaceAll("\\", "/"), "c/datasets--a--b");
});
