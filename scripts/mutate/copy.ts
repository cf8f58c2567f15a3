/** Copies of the tree, in which mutants live: the tree itself is never written. */
import { dirname } from "node:path";
import { pathsBelow } from "./repository.ts";

/** A copy of a tree. */
export interface Copy {
  /** The folder, as a path that ends with a slash. */
  readonly root: string;
  /** The variables of the tests: what they leave behind, and what they cache, is in the copy. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The folder in which Deno keeps packages and compiled modules, which the copies share. */
function cacheOfDeno(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  return denoDir;
}

/**
 * Copies a tree.
 *
 * @param root The folder, as a path that ends with a slash.
 * @param to The folder of the copy, as a path that ends with a slash; made if it is missing.
 * @returns The copy.
 */
export function copyTree(root: string, to: string): Copy {
  for (const path of pathsBelow(root)) {
    Deno.mkdirSync(dirname(to + path), { recursive: true });
    Deno.copyFileSync(root + path, to + path);
  }
  // Short: sockets and messages have room for paths of some length.
  const temporary = `${to}.t`;
  Deno.mkdirSync(temporary, { recursive: true });
  return {
    root: to,
    environment: {
      NO_COLOR: "1",
      TMPDIR: temporary,
      XDG_CACHE_HOME: `${temporary}/cache`,
      DENO_DIR: cacheOfDeno(),
    },
  };
}
