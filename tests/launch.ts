/**
 * Headless Chromium for programs of their own: playwright reads all variables and a file under /proc
 * as it loads, for which the tests themselves have no permission.
 */
import { type Browser, chromium } from "npm:playwright-core@1.65.1";
import { quietly } from "./browser.ts";

/** The path of a command, which playwright wants. */
async function pathOf(name: string): Promise<string> {
  for (const folder of Deno.env.get("PATH")?.split(":") ?? []) {
    try {
      return await Deno.realPath(`${folder}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is no ${name} in PATH`);
}

/**
 * Starts the browser.
 *
 * @param command Its name.
 * @param flags Further flags.
 */
export async function launch(command: string, flags: readonly string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: await pathOf(command),
    args: [...quietly, ...flags],
    timeout: 120_000,
  });
}
