/** A browser for tests of pages, where there is one. */
import { fileURLToPath } from "node:url";

/** Without a window, and without a network but the page's. */
export const quietly = [
  "--headless=new",
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
] as const;

/** WebGPU by the processor alone. */
export const softwareAdapter = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
] as const;

/** The path of the browser, if the tests may start one and there is one. */
export async function findBrowser(): Promise<string | undefined> {
  for (const command of ["chromium", "chromium-browser", "google-chrome"]) {
    const { state } = await Deno.permissions.query({ name: "run", command });
    if (state !== "granted") continue;
    try {
      const { success } = await new Deno.Command(command, { args: ["--version"] }).output();
      if (success) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** Removes a browser's folder, in which its processes may still write for a moment. */
export async function removeProfile(folder: string): Promise<void> {
  for (let attempts = 50; attempts > 0; attempts--) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  await Deno.remove(folder, { recursive: true });
}

/**
 * Runs a program that uses the browser by playwright.
 *
 * @param program Its file in this folder.
 * @param command The browser.
 * @param args The arguments.
 * @returns What it printed.
 * @throws {Error} If it fails.
 */
export async function useBrowser(
  program: string,
  command: string,
  args: readonly string[],
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-check", "--lock=deno.lock", "--frozen"],
      ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-net=127.0.0.1"],
      ...[`--allow-run=${command}`, `tests/${program}`, ...args],
    ],
    cwd: fileURLToPath(new URL("../", import.meta.url)),
    // As playwright loads, it looks for Windows below Linux in a file that takes all permissions to
    // read; with this variable, it does not.
    env: { __IS_WSL_TEST__: "1", NO_COLOR: "1" },
  }).output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (code !== 0) throw new Error(err);
  return out;
}
