/**
 * What code of others may do, as the user says it: `read=words.txt+net=localhost:8000`.
 *
 * @module
 */

import { nearest } from "@unitune/training";
import { quoted } from "@unitune/core";
import { UsageError } from "../terminal/errors.ts";

/** The name of a permission, which is Deno's. */
export type PermissionName =
  | "read"
  | "write"
  | "net"
  | "env"
  | "sys"
  | "run"
  | "ffi"
  | "import";

/** The permissions that can be given. */
const permissionNames: readonly PermissionName[] = [
  "read",
  "write",
  "net",
  "env",
  "sys",
  "run",
  "ffi",
  "import",
];

/** Permissions: each without limits, or for some places alone. */
export type Allowed = Readonly<Partial<Record<PermissionName, true | readonly string[]>>>;

/**
 * Reads permissions.
 *
 * @param text Names of permissions joined by `+`, each perhaps with places: `read=a.txt,b.txt+net`.
 * @returns The permissions.
 * @throws {UsageError} If a permission is unknown or named twice, or its places are empty.
 *
 * @example
 * ```ts
 * import { parsePermissions } from "./permissions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePermissions("read=a.txt,b.txt+net"), { read: ["a.txt", "b.txt"], net: true });
 * ```
 */
export function parsePermissions(text: string): Allowed {
  const allowed: Partial<Record<PermissionName, true | readonly string[]>> = {};
  for (const part of text.split("+")) {
    const [word = "", ...rest] = part.split("=");
    const name = permissionNames.find((name) => name === word);
    if (name === undefined) {
      const meant = nearest(word, permissionNames);
      const hint = meant === undefined
        ? `there are ${permissionNames.join(", ")}`
        : `did you mean ${meant}?`;
      throw new UsageError(`--reward-allow: there is no permission ${quoted(word)}: ${hint}`);
    }
    if (allowed[name] !== undefined) throw new UsageError(`--reward-allow names ${name} twice`);
    const places = rest.length === 0 ? undefined : rest.join("=").split(",");
    if (places?.includes("") === true) {
      throw new UsageError(`--reward-allow: ${name}= names a place that is empty`);
    }
    allowed[name] = places ?? true;
  }
  return allowed;
}

/**
 * Permissions as flags of `deno run`.
 *
 * @param allowed The permissions.
 * @returns The flags.
 *
 * @example
 * ```ts
 * import { permissionFlags } from "./permissions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const flags = permissionFlags({ read: ["a.txt", "b.txt"], net: true });
 * assertEquals(flags, ["--allow-read=a.txt,b.txt", "--allow-net"]);
 * ```
 */
export function permissionFlags(allowed: Allowed): readonly string[] {
  return Object.entries(allowed).map(([name, places]) =>
    places === true ? `--allow-${name}` : `--allow-${name}=${places.join(",")}`
  );
}
