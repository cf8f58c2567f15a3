/** Node for tests, from 20 on, where there is one. */

/** Node's version, if the tests may start it and it is there. */
export async function findNode(): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "run", command: "node" });
  if (state !== "granted") return undefined;
  try {
    const { success, stdout } = await new Deno.Command("node", { args: ["--version"] }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Runs a program of this repository in Node; gives what it prints. */
export async function runInNode(program: string): Promise<unknown> {
  const decoder = new TextDecoder();
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/program.mjs`;
    const bundled = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--platform", "browser", "--output", file, program],
    }).output();
    if (!bundled.success) throw new Error(decoder.decode(bundled.stderr));
    const { success, stdout, stderr } = await new Deno.Command("node", { args: [file] }).output();
    if (!success) throw new Error(decoder.decode(stderr));
    return JSON.parse(decoder.decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
