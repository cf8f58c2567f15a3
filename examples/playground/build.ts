/** The site as files: the scripts in one bundle, the page, its style and the service worker. */
import { fileURLToPath } from "node:url";
import { pageStyle, UsageError } from "@unitune/cli";

/** The file that says that a folder holds the site, so that another build may replace it. */
const SEAL = "playground.json";

const here = new URL("./", import.meta.url);

/** The bundles: the page and the worker share what both import. */
async function bundle(folder: string): Promise<void> {
  const entries = ["page_entry.tsx", "worker_entry.ts", "own_worker_entry.ts"].map((name) =>
    fileURLToPath(new URL(name, here))
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--lock=deno.lock", "--frozen", "--platform", "browser", "--minify"],
      ...["--code-splitting", "--outdir", folder, ...entries],
    ],
    cwd: fileURLToPath(new URL("../../", here)),
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The names in a folder, without subfolders; undefined if it does not exist. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The files of an earlier build; undefined if the folder is none. */
async function earlier(folder: string): Promise<readonly string[] | undefined> {
  try {
    const { files } = JSON.parse(await Deno.readTextFile(`${folder}/${SEAL}`));
    return Array.isArray(files) && files.every((file) => typeof file === "string")
      ? files
      : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Builds the site.
 *
 * @param folder The folder, which is made. Only an earlier build in it is replaced.
 * @returns The names of the files.
 * @throws {UsageError} If the folder holds other files.
 */
export async function build(folder: string): Promise<readonly string[]> {
  const names = await namesIn(folder) ?? [];
  const ours = new Set([SEAL, ...await earlier(folder) ?? []]);
  const other = names.find((name) => !ours.has(name));
  if (other !== undefined) {
    throw new UsageError(
      `${folder} holds ${other}, which is no file of the playground: name a ` +
        `folder of its own`,
    );
  }
  await Deno.mkdir(folder, { recursive: true });
  for (const name of names) await Deno.remove(`${folder}/${name}`);
  await bundle(folder);
  for (const name of ["index.html", "service_worker.js"]) {
    await Deno.writeTextFile(`${folder}/${name}`, await Deno.readTextFile(new URL(name, here)));
  }
  const own = await Deno.readTextFile(new URL("style.css", here));
  await Deno.writeTextFile(`${folder}/style.css`, `${pageStyle}\n${own}`);
  const files = (await namesIn(folder) ?? []).sort();
  await Deno.writeTextFile(`${folder}/${SEAL}`, JSON.stringify({ files }));
  return files;
}
