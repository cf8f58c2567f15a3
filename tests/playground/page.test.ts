/** The playground as a visitor uses it, in headless Chromium. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertStringIncludes,
} from "@std/assert";
import { build, finish, type Site } from "../../examples/playground/build.ts";
import { pageHeaders } from "../../examples/playground/policy.ts";
import { serve } from "../../examples/playground/serve.ts";
import { findBrowser, useBrowser } from "../browser.ts";
import { model as modelOfHub } from "../cli/hub/models.ts";
import { startHub } from "../cli/hub/server.ts";
import type { Seen } from "./browser.ts";
import { tinyFolder } from "./tiny_folder.ts";
import type { Troubles } from "./troubles.ts";

const browser = await findBrowser();
if (browser === undefined) {
  console.warn("the playground is not tested: there is no Chromium to run");
}

/** The size of a file as a host sends it. */
async function compressedSize(file: string): Promise<number> {
  const packed = (await Deno.open(file)).readable.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(packed).arrayBuffer()).byteLength;
}

/** Runs a program that uses the page; gives what it saw. */
async function visit<Seen>(program: string, args: readonly string[]): Promise<Seen> {
  return JSON.parse(await useBrowser(`playground/${program}`, browser ?? "", args));
}

const urlOf = ({ addr }: Deno.HttpServer<Deno.NetAddr>) => `http://127.0.0.1:${addr.port}/`;

/** What a visitor sees who uses every view. */
async function checkVisit(site: string, { files, firstLoad }: Site, model: string): Promise<void> {
  await using server = serve(site, files, 0, pageHeaders());
  await using plain = serve(site, files, 0, {});
  const url = urlOf(server);
  const seen = await visit<Seen>("browser.ts", [url, browser ?? "", model, urlOf(plain)]);
  assertEquals(seen.offline, "Unitune playground");
  const sizes = await Promise.all(
    seen.firstScripts.map((name) => compressedSize(`${site}/${name}`)),
  );
  // What the build states is what the page has loaded.
  assertEquals(sizes.reduce((sum, size) => sum + size, 0), firstLoad);
  assertLess(firstLoad, 300_000);
  assertEquals(seen.complaints, []);
  assertEquals(seen.elsewhere, []);
  assertEquals(seen.violations, []);
  assert(seen.isIsolated);
  assertStringIncludes(seen.noWebGpu, "no WebGPU: this browser ");
  // The common checkpoint is right in 18 cases of 64, and these are the same bits everywhere.
  assertEquals(seen.matches.length, 2);
  for (const match of seen.matches) assert(match >= 0.6, `exact match ${match}`);
  assertEquals(seen.paused[0], seen.paused[1]);
  assertEquals(seen.stepped, seen.paused[1] + 1);
  assertEquals(seen.curves[1], seen.curves[0]);
  assertStringIncludes(seen.curves[0], "loss: sft ");
  assertStringIncludes(seen.wrongAddress, "seeds must be a whole number, at least 1, at most 5");
  assertEquals(seen.fitting[0], "This is ift");
  assertStringIncludes(seen.fitting[1], "propagated({ gamma: 0.95 })");
  assertStringIncludes(seen.misfit, "ignores what the signal gives: advantages of a reward");
  assertEquals(seen.believers, 3);
  assertStringIncludes(seen.unreadable, "\u00e9");
  assert(seen.lakeStep >= 2);
  assertStringIncludes(seen.noWay, "the goal cannot be reached from the start");
  assertStringIncludes(seen.noModel, "there is no config.json among the files");
  assertStringIncludes(seen.model, "model: llama, ");
  assertEquals(seen.turns, 2);
  assertStringIncludes(seen.noRows, "the pasted text:2: the row has 3 cells");
  assertEquals(seen.adapter, ["adapter_config.json", "model", "adapter.zip"]);
}

/** The numbers in what curves say. */
const numbersIn = (curves: string) => (curves.match(/-?\d+\.\d+/g) ?? []).map(Number);

/** What a visitor sees who wants to break the page. */
async function checkTroubles(site: string, { files }: Site, model: string): Promise<void> {
  const served = Object.fromEntries(await tinyFolder());
  await using hub = startHub({ "org/name": modelOfHub(served) });
  const origins = [hub.endpoint, hub.storage];
  const pageHub = { endpoint: hub.endpoint, origins };
  const hubSite = `${site}-hub`;
  await Deno.mkdir(hubSite);
  for (const name of files) await Deno.copyFile(`${site}/${name}`, `${hubSite}/${name}`);
  const hubFiles = await finish(hubSite, pageHub);
  await using server = serve(site, files, 0, pageHeaders());
  await using hubServer = serve(hubSite, hubFiles, 0, pageHeaders(pageHub));
  const args = [urlOf(server), browser ?? "", model, urlOf(hubServer), ...origins];
  const seen = await visit<Troubles>("troubles.ts", args);
  assertEquals(seen.complaints, []);
  assertEquals(seen.elsewhere, []);
  assertEquals(seen.violations, []);
  const [wasm, webgpu] = seen.curves;
  assertStringIncludes(wasm, "loss: sft ");
  assertEquals(numbersIn(webgpu).length, numbersIn(wasm).length);
  for (const [i, value] of numbersIn(wasm).entries()) {
    // Three decimals are shown of what seven steps of f32 roundings have moved.
    assertAlmostEquals(numbersIn(webgpu)[i] ?? NaN, value, 2e-3, `${wasm}\n\n${webgpu}`);
  }
  assertEquals(seen.software, "WebGPU is there, by the processor alone");
  assert(seen.isKept);
  for (const [i, alerts] of seen.alerts.entries()) assert(alerts > 0, `address ${i}`);
  assertStringIncludes(seen.manyRows, "characters, and an address holds 20,000: paste fewer");
  assertStringIncludes(seen.longPrompt, "tokens: the models read 32, so shorten them");
  assertEquals(seen.unreached, []);
  assert(seen.reached > 100, `${seen.reached} controls`);
  assert(seen.skipped[0].includes("width=8") && seen.skipped[1] === "main", `${seen.skipped}`);
  // From a cell beside the start, the optimal policy reaches the goal as well.
  assertEquals(seen.from, "1.000");
  assertEquals(seen.stray, "/");
  assertStringIncludes(seen.dropped, "model: llama, ");
  assertStringIncludes(seen.noModel, `org/other is no model of ${hub.endpoint}`);
  assertStringIncludes(seen.ofHub, "org/name: llama, ");
  assertEquals(seen.turns, 2);
  assertStringIncludes(seen.tuned, "in 1 step. 9000 examples to train on");
  assert(seen.quietChanges <= 2, `${seen.quietChanges} changes`);
}

Deno.test({
  name: "the playground: train, pause, believe, compose, skate, and come back; break it",
  ignore: browser === undefined,
  async fn(t) {
    const folder = await Deno.makeTempDir();
    try {
      const site = await build(`${folder}/site`);
      await Deno.mkdir(`${folder}/model`);
      for (const [name, bytes] of await tinyFolder()) {
        await Deno.writeFile(`${folder}/model/${name}`, bytes);
      }
      const given = [`${folder}/site`, site, `${folder}/model`] as const;
      await t.step("every view", () => checkVisit(...given));
      await t.step("troubles", () => checkTroubles(...given));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
