/** The site as files: the scripts in one bundle, the page, its style and the service worker. */
import { fileURLToPath } from "node:url";
import { pageStyle, UsageError } from "@unitune/cli";
import { contentPolicy, pageHeaders, type PageHub } from "./policy.ts";

/** The file that says that a folder holds the site, so that another build may replace it. */
const SEAL = "playground.json";

const here = new URL("./", import.meta.url);

/** Runs Deno in the root of the repository; gives what it prints. */
async function deno(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: fileURLToPath(new URL("../../", here)),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/**
 * The scripts, in groups that share what their members import. WebGPU's are a group of their own, so
 * that nobody loads them who computes by WebAssembly.
 */
const groups = [
  ["page_entry.tsx", "worker_entry.ts", "own_worker_entry.ts"],
  ["webgpu_worker_entry.ts", "webgpu_own_worker_entry.ts"],
] as const;

/** Bundles the scripts. */
async function bundle(folder: string): Promise<void> {
  const options = ["--quiet", "--lock=deno.lock", "--frozen", "--platform", "browser", "--minify"];
  for (const group of groups) {
    const entries = group.map((name) => fileURLToPath(new URL(name, here)));
    await deno(["bundle", ...options, "--code-splitting", "--outdir", folder, ...entries]);
  }
}

/** The scripts with which the first view begins: the page's and the worker's. */
const firstEntries = ["page_entry.js", "worker_entry.js"] as const;

/** A module as `deno info --json` describes it. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier: string };
    readonly isDynamic?: boolean;
  }[];
}

/** The addresses of an entry and of all that it imports before it runs. */
async function importedBy(entry: string): Promise<readonly string[]> {
  const { roots, modules }: {
    readonly roots: readonly string[];
    readonly modules: readonly ModuleInfo[];
  } = JSON.parse(await deno(["info", "--json", "--no-lock", entry]));
  const found = new Set(roots);
  // A set goes on with what is added to it.
  for (const address of found) {
    const { dependencies = [] } = modules.find(({ specifier }) => specifier === address) ?? {};
    for (const { code, isDynamic } of dependencies) {
      if (code !== undefined && isDynamic !== true) found.add(code.specifier);
    }
  }
  return [...found];
}

/** The size of a file as a host sends it, by gzip. */
async function compressedSize(file: URL): Promise<number> {
  const packed = (await Deno.open(file)).readable.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(packed).arrayBuffer()).byteLength;
}

/** The bytes of script, compressed, that the first view loads. */
async function sizeOfFirstLoad(folder: string): Promise<number> {
  const path = await Deno.realPath(folder);
  const lists = await Promise.all(firstEntries.map((name) => importedBy(`${path}/${name}`)));
  const addresses = [...new Set(lists.flat())];
  const sizes = await Promise.all(addresses.map((address) => compressedSize(new URL(address))));
  return sizes.reduce((sum, size) => sum + size, 0);
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

/** A site that was built. */
export interface Site {
  /** The names of its files. */
  readonly files: readonly string[];
  /** The bytes of script, compressed by gzip, that the first view loads. */
  readonly firstLoad: number;
}

/**
 * Builds the site.
 *
 * @param folder The folder, which is made. Only an earlier build in it is replaced.
 * @param hub The hub that the page may read (default: none, so that it makes no request).
 * @returns The files, and the size of the first load.
 * @throws {UsageError} If the folder holds other files.
 */
export async function build(folder: string, hub?: PageHub): Promise<Site> {
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
  const firstLoad = await sizeOfFirstLoad(folder);
  await Deno.writeTextFile(`${folder}/style.css`, `${pageStyle}\n${await source("style.css")}`);
  return { files: await finish(folder, hub), firstLoad };
}

const source = (name: string) => Deno.readTextFile(new URL(name, here));

/**
 * Writes the files that say what the page may do, beside its scripts and its style: the page, the
 * service worker, and the seal.
 *
 * @param folder The folder of the scripts.
 * @param hub The hub that the page may read (default: none).
 * @returns The names of all files.
 */
export async function finish(folder: string, hub?: PageHub): Promise<readonly string[]> {
  const [page, worker] = ["index.html", "service_worker.js"] as const;
  const parts = (await namesIn(folder) ?? []).filter((name) => /\.(?:js|css)$/.test(name));
  const scripts = parts.filter((name) => name !== worker).sort();
  const html = (await source(page))
    .replace("{{policy}}", contentPolicy(hub))
    .replace("{{hub}}", hub?.endpoint ?? "");
  await Deno.writeTextFile(`${folder}/${page}`, html);
  await Deno.writeTextFile(
    `${folder}/${worker}`,
    `const headers = ${JSON.stringify(pageHeaders(hub))};\n` +
      `const names = ${JSON.stringify([page, ...scripts])};\n${await source(worker)}`,
  );
  const files = [page, worker, ...scripts];
  await Deno.writeTextFile(`${folder}/${SEAL}`, JSON.stringify({ files }));
  return files;
}
