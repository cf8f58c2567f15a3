/**
 * The parts of a path.
 *
 * @module
 */

/** Removes the slashes at the end of a path. */
export function withoutSlash(path: string): string {
  return path.replace(/[/\\]+$/, "");
}

/** The folder that a path lies in. */
export function parentOf(path: string): string {
  const trimmed = withoutSlash(path);
  const slash = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  if (slash < 0) return ".";
  return slash === 0 ? "/" : trimmed.slice(0, slash);
}

/**
 * The last name in a path.
 *
 * @param path The path; slashes at its end are ignored.
 * @returns The name, or the path itself if it has none.
 *
 * @example
 * ```ts
 * import { nameOf } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["runs/a", "runs/a/", "a.txt", "/"].map(nameOf), ["a", "a", "a.txt", "/"]);
 * ```
 */
export function nameOf(path: string): string {
  return withoutSlash(path).replace(/^.*[/\\]/, "") || path;
}
