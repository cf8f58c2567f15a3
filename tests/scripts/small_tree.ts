/** Trees of a few files, as small as a test needs. */
import { dirname } from "node:path";
import type { Repository } from "../../scripts/mutate/repository.ts";
import { readRepository } from "../../scripts/mutate/repository.ts";

/** Two packages, of which `low` hands on what its files have, and two tests. */
export const smallTree: Readonly<Record<string, string>> = {
  "deno.json": JSON.stringify({
    workspace: ["./low", "./high"],
    tasks: { go: "deno run high/program.ts" },
  }),
  "low/deno.json": JSON.stringify({ name: "@small/low", exports: "./mod.ts" }),
  "low/mod.ts":
    'export * from "./double.ts";\nexport { half as halve, type Half } from "./half.ts";\n',
  "low/double.ts": "/** Twice a number. */\nexport function double(x: number): number {\n" +
    "  return 2 * x;\n}\n",
  "low/half.ts": 'import { double } from "./double.ts";\nexport type Half = number;\n' +
    "export const half = (x: number): number => {\n" +
    "  let y = x;\n  while (double(y) > x) y -= 0.5;\n  return y;\n};\n",
  "high/deno.json": JSON.stringify({
    name: "@small/high",
    exports: { "./quarter": "./quarter.ts" },
  }),
  "high/quarter.ts":
    'import { halve } from "@small/low";\nimport type { Half } from "@small/low";\n' +
    "export const quarter = (x: Half): number => halve(halve(x));\n",
  "high/program.ts": 'import { quarter } from "@small/high/quarter";\nconsole.log(quarter(4));\n',
  "tests/low/double.test.ts": 'import { double } from "@small/low";\n' +
    'Deno.test("double", () => {\n  if (double(2) !== 4) throw new Error("2 * 2 is 4");\n});\n',
  "tests/high/quarter.test.ts": 'import { quarter } from "@small/high/quarter";\n' +
    'Deno.test("quarter", () => {\n  if (quarter(8) !== 2) throw new Error("8 / 4 is 2");\n});\n',
  "tests/high/program.test.ts": 'const configuration = "deno.json";\nconsole.log(configuration);\n',
};

/**
 * Writes files into a folder, reads them as a repository, and removes them at the end.
 *
 * @param files The files by their paths.
 * @param use Uses the repository, and a folder beside it that is removed as well.
 */
export async function withTree(
  files: Readonly<Record<string, string>>,
  use: (repository: Repository, place: string) => void | Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const root = `${folder}/tree/`;
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(root + path), { recursive: true });
      await Deno.writeTextFile(root + path, text);
    }
    await use(readRepository(root), `${folder}/beside/`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
