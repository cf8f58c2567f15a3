/** The playground as it is used by a visitor who wants to break it, in headless Chromium. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { finish, type Site } from "../../examples/playground/build.ts";
import { pageHeaders } from "../../examples/playground/policy.ts";
import { serve } from "../../examples/playground/serve.ts";
import { model as modelOfHub } from "../cli/hub/models.ts";
import { startHub } from "../cli/hub/server.ts";
import { browser, onSite, urlOf, visit } from "../playground/site.ts";
import { tinyFolder } from "../playground/tiny_folder.ts";
import type { Troubles } from "../playground/troubles.ts";

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

onSite(
  "the playground stands rough use, and trains by WebGPU and on a model of a hub",
  checkTroubles,
);
