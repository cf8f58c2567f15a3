/**
 * The packages in a browser: a page bundled from the sources trains a few steps in headless
 * Chromium, on WebGPU where it offers an adapter and else on wasm, and its losses are Deno's.
 */
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import { findBrowser, quietly, removeProfile } from "../browser.ts";
import { train } from "./training.ts";

/** A software adapter. */
const flags = [
  ...quietly,
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/** How long the page may take to train. */
const PATIENCE_MILLISECONDS = 120_000;

/** The page's script. */
async function bundle(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--platform",
      "browser",
      fileURLToPath(new URL("browser_page.ts", import.meta.url)),
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What the page reports. */
interface Report {
  readonly device?: string;
  readonly losses?: readonly number[];
  readonly features?: readonly string[];
  readonly error?: string;
}

/** Serves the page and opens it until it reports. */
async function runPage(browser: string, script: string): Promise<Report> {
  const { promise, resolve, reject } = Promise.withResolvers<Report>();
  const isolated = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  };
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/report") {
        resolve(await request.json());
        return new Response();
      }
      const isScript = pathname === "/page.js";
      const type = isScript ? "text/javascript" : "text/html";
      const body = isScript
        ? script
        : '<!doctype html><script type="module" src="/page.js"></script>';
      return new Response(body, { headers: { ...isolated, "content-type": type } });
    },
  );
  const profile = await Deno.makeTempDir();
  const child = new Deno.Command(browser, {
    args: [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${server.addr.port}/`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(
    () => reject(new Error("the page reported nothing in time")),
    PATIENCE_MILLISECONDS,
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.kill();
    await child.status;
    await removeProfile(profile);
  }
}

const browser = await findBrowser();
if (browser === undefined) console.warn("the browser test is skipped: there is no Chromium to run");

Deno.test({
  name: "a page trains as Deno does",
  ignore: browser === undefined,
  async fn() {
    const report = await runPage(browser ?? "", await bundle());
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
