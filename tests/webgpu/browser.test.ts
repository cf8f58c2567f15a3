/**
 * The packages in a browser: a page bundled from the sources trains a few steps in headless
 * Chromium, on WebGPU where it offers an adapter and else on wasm, and its losses are Deno's.
 */
import { assert, assertEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import { findBrowser } from "../browser.ts";
import { bundle, openPage } from "./page.ts";
import { train } from "./training.ts";

/** What the page reports. */
interface Report {
  readonly device?: string;
  readonly losses?: readonly number[];
  readonly features?: readonly string[];
  readonly error?: string;
}

const browser = await findBrowser();
if (browser === undefined) console.warn("the browser test is skipped: there is no Chromium to run");

Deno.test({
  name: "a page trains as Deno does",
  ignore: browser === undefined,
  async fn() {
    const script = await bundle(new URL("browser_page.ts", import.meta.url));
    const report: Report = await openPage(browser ?? "", { script });
    const { device, losses = [], features = [], error } = report;
    assertEquals(error, undefined);
    if (!features.includes("subgroups")) {
      console.warn("reductions by subgroups were skipped: the browser's adapter has none");
    }
    assert(device === "webgpu" || device === "wasm");
    const expected = await train(wasm(), losses.length);
    assertEquals(losses.length, 8);
    losses.forEach((loss, step) => {
      // Eight steps of f32 roundings, in sums of another order.
      assert(Math.abs(loss - (expected.losses[step] ?? NaN)) < 1e-4, `${device}, step ${step}`);
    });
  },
});
