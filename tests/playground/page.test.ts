/** The playground as a visitor uses it, in headless Chromium. */
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import type { Site } from "../../examples/playground/build.ts";
import { pageHeaders } from "../../examples/playground/policy.ts";
import { serve } from "../../examples/playground/serve.ts";
import type { Seen } from "./browser.ts";
import { browser, onSite, urlOf, visit } from "./site.ts";

/** The size of a file as a host sends it. */
async function compressedSize(file: string): Promise<number> {
  const packed = (await Deno.open(file)).readable.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(packed).arrayBuffer()).byteLength;
}

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

onSite("the playground: train, pause, believe, compose, skate, and come back", checkVisit);
