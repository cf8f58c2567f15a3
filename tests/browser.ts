/** A browser for tests of pages, where there is one. */

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
