/** Pages in headless Chromium, for tests. */
import { fileURLToPath } from "node:url";
import { quietly, removeProfile, softwareAdapter } from "../browser.ts";

const flags = [...quietly, ...softwareAdapter];

/** How long the page may take to train. */
const PATIENCE_MILLISECONDS = 120_000;

/** A module and all that it imports, as a script for a page. */
export async function bundle(module: URL): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--platform", "browser", fileURLToPath(module)],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** A page, and the script that it loads. */
export interface Page {
  /** The page (default: the script alone). */
  readonly html?: string;
  /** The script, which the page names `page.js`. */
  readonly script: string;
}

/** Serves a page and opens it until it posts a report to `/report`. */
export async function openPage<Report>(
  browser: string,
  { html = '<!doctype html><script type="module" src="/page.js"></script>', script }: Page,
): Promise<Report> {
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
      return new Response(isScript ? script : html, {
        headers: { ...isolated, "content-type": type },
      });
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
