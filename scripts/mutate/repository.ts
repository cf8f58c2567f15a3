/** The files of the repository, and the files that their imports name. */
import { posix } from "node:path";

/** The TypeScript files of a tree by their paths from its root, and how imports are resolved. */
export interface Repository {
  /** The folder, as a path that ends with a slash. */
  readonly root: string;
  /** The text of `deno.json`. */
  readonly configuration: string;
  /** The text of each file. */
  readonly files: ReadonlyMap<string, string>;
  /** The file that an import names; undefined if it is none of the tree's. */
  resolve(specifier: string, from: string): string | undefined;
}

/** Folders without source files. */
const skipped: readonly string[] = [".git", "node_modules", "runs", "coverage"];

/** The paths of all files below a folder, from the root. */
export function* pathsBelow(root: string, folder = ""): Generator<string> {
  const entries = [...Deno.readDirSync(root + folder)];
  for (const { name, isDirectory, isFile } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (skipped.includes(name)) continue;
    if (isDirectory) yield* pathsBelow(root, `${folder}${name}/`);
    else if (isFile) yield folder + name;
  }
}

/** The part of a `deno.json` that is read. */
interface Config {
  readonly name?: string;
  readonly exports?: string | Readonly<Record<string, string>>;
  readonly workspace?: readonly string[];
  readonly links?: readonly string[];
  readonly imports?: Readonly<Record<string, string>>;
}

/** The path that a relative one names beside a file. */
function beside(from: string, path: string): string {
  return posix.join(posix.dirname(from), path);
}

/** The names that packages and the configuration give to imports, with their paths. */
function aliasesOf(read: (path: string) => Config): ReadonlyMap<string, string> {
  const { workspace = [], links = [], imports = {} } = read("deno.json");
  const ofPackages = [...workspace, ...links].flatMap((folder) => {
    const config = `${beside("deno.json", folder)}/deno.json`;
    const { name = "", exports = {} } = read(config);
    const entries = typeof exports === "string" ? { ".": exports } : exports;
    return Object.entries(entries).map(([entry, file]): [string, string] => [
      name + entry.slice(1),
      beside(config, file),
    ]);
  });
  const ofFiles = Object.entries(imports).filter(([, target]) => target.startsWith("./"));
  return new Map([
    ...ofPackages,
    ...ofFiles.map(([name, file]): [string, string] => [name, beside("deno.json", file)]),
  ]);
}

/**
 * Reads the sources of a tree.
 *
 * @param root The folder, as a path that ends with a slash.
 * @returns Its TypeScript files.
 */
export function readRepository(root: string): Repository {
  const paths = [...pathsBelow(root)].filter((path) => path.endsWith(".ts"));
  const files = new Map(paths.map((path) => [path, Deno.readTextFileSync(root + path)]));
  const aliases = aliasesOf((path) => JSON.parse(Deno.readTextFileSync(root + path)));
  return {
    root,
    configuration: Deno.readTextFileSync(`${root}deno.json`),
    files,
    resolve(specifier, from) {
      const path = specifier.startsWith(".") ? beside(from, specifier) : aliases.get(specifier);
      return path !== undefined && files.has(path) ? path : undefined;
    },
  };
}
