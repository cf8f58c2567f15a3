/** Copies of the tree, in which mutants live: the tree itself is never written. */
import { dirname } from "node:path";
import { pathsBelow } from "./repository.ts";

/** A copy of a tree. */
export interface Copy {
  /** The folder, as a path that ends with a slash. */
  readonly root: string;
  /** A folder of the copy for temporary files of the tests. */
  readonly temporary: string;
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
  const temporary = `${to}.temporary`;
  Deno.mkdirSync(temporary, { recursive: true });
  return { root: to, temporary };
}
