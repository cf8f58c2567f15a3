/**
 * Patterns of file names: `*` and `?` for characters of a name, `**` for folders, `[abc]` for one of
 * some characters, `{a,b}` for one of some texts.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { fileError } from "../../files/file_error.ts";

/** The signs of a pattern, and what they are as a regular expression. */
const signs: readonly (readonly [sign: RegExp, expression: (found: string) => string])[] = [
  [/^\*\*\//, () => "(?:[^/]+/)*"],
  [/^\*\*/, () => ".*"],
  [/^\*/, () => "[^/]*"],
  [/^\?/, () => "[^/]"],
  [
    /^\[!?[^\]/]+\]/,
    (found) => `[${found.slice(1, -1).replace(/^!/, "^").replace(/\\/g, "\\\\")}]`,
  ],
  [/^\{[^{}/]*\}/, (found) => `(?:${found.slice(1, -1).split(",").map(literal).join("|")})`],
];

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether a text has signs of a pattern. */
export function isPattern(text: string): boolean {
  return /[*?]|\[[^\]/]+\]|\{[^{}/]*,[^{}/]*\}/.test(text);
}

/**
 * A pattern as a regular expression.
 *
 * @param pattern The pattern, with `/` between folders.
 * @returns The expression, for whole names.
 *
 * @example
 * ```ts
 * import { patternExpression } from "./glob.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const names = ["train-0.parquet", "data/train-0.parquet", "data/en/train-0.parquet"];
 * const matching = (pattern: string) => names.map((name) => patternExpression(pattern).test(name));
 * assertEquals(matching("data/*"), [false, true, false]);
 * assertEquals(matching("**" + "/train-?.{csv,parquet}"), [true, true, true]);
 * ```
 */
export function patternExpression(pattern: string): RegExp {
  let [rest, expression] = [pattern, ""];
  while (rest !== "") {
    const [sign, written] = signs.find(([sign]) => sign.test(rest)) ?? [/^[\s\S]/, literal];
    const [found = ""] = sign.exec(rest) ?? [];
    expression += written(found);
    rest = rest.slice(found.length);
  }
  return new RegExp(`^${expression}$`);
}

/** The most files that a pattern is compared with. */
const MOST = 1_000_000;

/**
 * The files below a folder, in order of their names.
 *
 * @param folder The folder.
 * @returns Their paths from the folder on, with `/` between folders; hidden files are left out.
 * @throws {UserError} If a folder can't be read.
 */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  const visit = async (path: string) => {
    const entries = await Array.fromAsync(Deno.readDir(`${folder}/${path}`));
    for (const name of entries.map(({ name }) => name).toSorted()) {
      if (name.startsWith(".")) continue;
      const own = path === "" ? name : `${path}/${name}`;
      // The files of a cache are links.
      const { isDirectory } = await Deno.stat(`${folder}/${own}`);
      if (isDirectory) await visit(own);
      else files.push(own);
      if (files.length > MOST) throw new UserError(`${folder} has more than ${MOST} files`);
    }
  };
  try {
    await visit("");
  } catch (error) {
    throw fileError(error, "read", folder);
  }
  return files;
}

/**
 * The files that match a pattern, in order of their names.
 *
 * @param pattern The pattern; a path from the current folder or the root on.
 * @returns Their paths.
 * @throws {UserError} If a folder can't be read.
 */
export async function filesMatching(pattern: string): Promise<readonly string[]> {
  const parts = pattern.replaceAll("\\", "/").split("/");
  const first = parts.findIndex(isPattern);
  const folder = parts.slice(0, first).map((part) => `${part}/`).join("");
  const expression = patternExpression(parts.slice(first).join("/"));
  const found = (await filesBelow(folder === "" ? "." : folder)).filter((name) =>
    expression.test(name)
  );
  return found.map((name) => folder + name);
}
