/** The playground, built and served for tests that use it as visitors do. */
import { build, type Site } from "../../examples/playground/build.ts";
import { findBrowser, useBrowser } from "../browser.ts";
import { tinyFolder } from "./tiny_folder.ts";

/** The path of the browser; undefined where there is none. */
export const browser: string | undefined = await findBrowser();
if (browser === undefined) {
  console.warn("the playground is not tested: there is no Chromium to run");
}

/** Runs a program that uses the page; gives what it saw. */
export async function visit<Seen>(program: string, args: readonly string[]): Promise<Seen> {
  return JSON.parse(await useBrowser(`playground/${program}`, browser ?? "", args));
}

/** The address of a server on this machine. */
export const urlOf = ({ addr }: Deno.HttpServer<Deno.NetAddr>) => `http://127.0.0.1:${addr.port}/`;

/**
 * A test on a site that is built for it.
 *
 * @param name The name of the test.
 * @param check The test: given the folder of the site, its files, and the folder of a tiny model.
 */
export function onSite(
  name: string,
  check: (folder: string, site: Site, model: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: browser === undefined,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const site = await build(`${folder}/site`);
        await Deno.mkdir(`${folder}/model`);
        for (const [name, bytes] of await tinyFolder()) {
          await Deno.writeFile(`${folder}/model/${name}`, bytes);
        }
        await check(`${folder}/site`, site, `${folder}/model`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
