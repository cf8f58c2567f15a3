/** Refusals of a hub, and its locks, without a hub. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "@unitune/training";
import { takeLock } from "../../../cli/files/lock.ts";
import { type BlobDownload, bytesThere, cacheFile } from "../../../cli/hub/blob.ts";
import { cachedModel } from "../../../cli/hub/cache.ts";
import { ConnectionError, refusal } from "../../../cli/hub/hub_error.ts";
import { standIns } from "../../stand_ins.ts";
import { symbolicLink } from "../../symbolic_link.ts";
import { inFolder } from "../command.ts";

const endpoint = "https://hub.test";
const question = { access: { endpoint }, name: "a/b" };

Deno.test("each status has its sentence, and trouble of the hub may pass", () => {
  const withToken = { ...question, access: { endpoint, token: "hf_x" } };
  const cases: readonly [status: number, isPassing: boolean, none: string, token: string][] = [
    [401, false, "a/b is not a model at", "does not take the token"],
    [403, false, "refuses this for a/b", "refuses this for a/b"],
    [404, false, "or it is private", "that the token may read"],
    [429, false, "too often: wait some minutes, or set HF_TOKEN", "too often: wait some minutes"],
    [418, false, "the status 418 when it is asked for a/b", "which was not expected"],
    [499, false, "the status 499 when it is asked for a/b", "which was not expected"],
    [500, true, "the status 500, which is trouble of its own", "try again later"],
    [502, true, "the status 502, which is trouble of its own", "try again later"],
  ];
  for (const [status, isPassing, none, token] of cases) {
    for (const [asked, sentence] of [[question, none], [withToken, token]] as const) {
      const error = refusal(asked, status, null);
      assertStringIncludes(error.message, sentence);
      assertEquals(error instanceof ConnectionError, isPassing, `${status}`);
    }
  }
  const dataset = refusal({ ...question, kind: "dataset" }, 403, "GatedRepo");
  assertStringIncludes(dataset.message, `${endpoint}/datasets/a/b, and set HF_TOKEN`);
});

inFolder(
  "who waits for another process's download says so once, until it is there",
  async (folder) => {
    const content = new TextEncoder().encode("whole");
    const model = cachedModel(folder, "a/b");
    const [commit, digest] = ["c".repeat(40), "d".repeat(64)];
    await Deno.mkdir(`${folder}/models--a--b/blobs`, { recursive: true });
    await Deno.mkdir(model.locks, { recursive: true });
    const lock = await takeLock(`${model.locks}/${digest}.lock`);
    const told: (number | string)[] = [];
    const download: BlobDownload = {
      ...{ question, model, commit, patience: { silence: 1, pause: 1 } },
      file: { name: "config.json", size: content.length, digest, digestOf: "content" },
      tell: (bytes) => told.push(bytes),
      tellWait: () => told.push("waiting"),
    };
    const cached = cacheFile(download);
    // The other process is done after more than one look.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await Deno.writeFile(`${folder}/models--a--b/blobs/${digest}`, content);
    lock?.[Symbol.dispose]();
    await cached;
    assertEquals(told, ["waiting", content.length]);
    const path = `${folder}/models--a--b/snapshots/${commit}/config.json`;
    assertEquals(await Deno.readTextFile(path), "whole");
  },
);

inFolder("a file is there whole, in part or not at all, as a link or as itself", async (folder) => {
  const [commit, digest] = ["c".repeat(40), "d".repeat(64)];
  const model = cachedModel(folder, "a/b");
  const file = { name: "config.json", size: 5, digest, digestOf: "content" } as const;
  const [blob, path] = [
    `${folder}/models--a--b/blobs/${digest}`,
    `${folder}/models--a--b/snapshots/${commit}/config.json`,
  ];
  const there = () => bytesThere(model, commit, file);
  const told: (number | string)[] = [];
  const cache = () =>
    cacheFile({
      ...{ question, model, commit, file, patience: { silence: 1, pause: 1 } },
      tell: (bytes) => told.push(bytes),
      tellWait: () => told.push("waiting"),
    });
  await Deno.mkdir(`${folder}/models--a--b/blobs`, { recursive: true });
  assertEquals(await there(), 0);
  await Deno.writeTextFile(`${blob}.incomplete`, "who");
  assertEquals(await there(), 3);
  await Deno.writeTextFile(`${blob}.incomplete`, "longer than it is");
  assertEquals(await there(), 5);
  await Deno.remove(`${blob}.incomplete`);
  await Deno.writeTextFile(blob, "whole");
  assertEquals(await there(), 5);
  await cache();
  assertEquals([(await Deno.lstat(path)).isSymlink, await Deno.readTextFile(path)], [
    true,
    "whole",
  ]);
  await Deno.remove(blob);
  assertEquals(await there(), 0);
  const { NotCapable, NotSupported, PermissionDenied } = Deno.errors;
  for (const error of [new NotCapable("no"), new NotSupported("no"), new PermissionDenied("no")]) {
    // A link to something else is replaced.
    await Deno.remove(path);
    await symbolicLink("none", path);
    await Deno.writeTextFile(blob, "whole");
    using _ = standIns(Deno, { symlink: () => Promise.reject(error) });
    await cache();
    assertEquals([(await Deno.lstat(path)).isFile, await Deno.readTextFile(path)], [true, "whole"]);
    // The content itself has gone there.
    await assertRejects(() => Deno.stat(blob), Deno.errors.NotFound);
    assertEquals(await there(), 5);
  }
  await Deno.remove(path);
  await Deno.writeTextFile(blob, "whole");
  using _ = standIns(Deno, { symlink: () => Promise.reject(new Error("no (os error 5)")) });
  if (Deno.build.os !== "windows") {
    await assertRejects(cache, UserError, `can't make the link ${path}`);
  }
  assertEquals(told, Array(4).fill(5));
});
