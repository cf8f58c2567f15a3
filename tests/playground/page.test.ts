/** The playground as a visitor uses it, in headless Chromium. */
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { build } from "../../examples/playground/build.ts";
import { serve } from "../../examples/playground/serve.ts";
import { findBrowser } from "../browser.ts";
import type { Seen } from "./browser.ts";
import { tinyFolder } from "./tiny_folder.ts";

const browser = await findBrowser();
if (browser === undefined) {
  console.warn("the playground is not tested: there is no Chromium to run");
}

/** The size of a file as a host sends it. */
async function compressedSize(file: string): Promise<number> {
  const packed = (await Deno.open(file)).readable.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(packed).arrayBuffer()).byteLength;
}

/** Uses the page at an address. */
async function use(
  url: string,
  command: string,
  model: string,
  plainUrl: string,
): Promise<Seen> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", "--lock=deno.lock", "--frozen"],
      ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-net=127.0.0.1"],
      ...[`--allow-run=${command}`, "tests/playground/browser.ts", url, command, model, plainUrl],
    ],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    // As playwright loads, it looks for Windows below Linux in a file that takes all permissions to
    // read; with this variable, it does not.
    env: { __IS_WSL_TEST__: "1", NO_COLOR: "1" },
  }).output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, err);
  return JSON.parse(out);
}

Deno.test({
  name: "the playground: train, pause, believe, compose, skate, and come back",
  ignore: browser === undefined,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const files = await build(`${folder}/site`);
      await Deno.mkdir(`${folder}/model`);
      for (const [name, bytes] of await tinyFolder()) {
        await Deno.writeFile(`${folder}/model/${name}`, bytes);
      }
      await using server = serve(`${folder}/site`, files, 0);
      await using plain = serve(`${folder}/site`, files, 0, {});
      const [url = "", plainUrl = ""] = [server, plain].map(({ addr }) =>
        `http://127.0.0.1:${addr.port}/`
      );
      const seen = await use(url, browser ?? "", `${folder}/model`, plainUrl);
      assertEquals(seen.offline, "Unitune playground");
      const sizes = await Promise.all(
        seen.firstScripts.map((name) => compressedSize(`${folder}/site/${name}`)),
      );
      assert(seen.firstScripts.includes("worker_entry.js"), seen.firstScripts.join());
      assertLess(sizes.reduce((sum, size) => sum + size, 0), 300_000);
      assertEquals(seen.complaints, []);
      assertEquals(seen.elsewhere, []);
      assertEquals(seen.violations, []);
      assert(seen.isIsolated);
      // The common checkpoint is right in 18 cases of 64, and these are the same bits everywhere.
      assertEquals(seen.matches.length, 2);
      for (const match of seen.matches) assert(match >= 0.6, `exact match ${match}`);
      assertEquals(seen.paused[0], seen.paused[1]);
      assertEquals(seen.stepped, seen.paused[1] + 1);
      assertEquals(seen.curves[1], seen.curves[0]);
      assertStringIncludes(seen.curves[0], "loss: sft ");
      assertStringIncludes(
        seen.wrongAddress,
        "seeds must be a whole number, at least 1, at most 5",
      );
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
      assertEquals(seen.adapter, ["adapter_config.json", "model"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
