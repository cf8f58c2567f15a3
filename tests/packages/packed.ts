/** The packages that run in a page, as archives of npm. */
import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** All packages that run in a page. */
export const packages = ["core", "autodiff", "models", "objectives", "training"] as const;

/** Runs a command that has to succeed; gives what it prints. */
export async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd })
    .output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(success, `${command} ${args.join(" ")}\n${out}\n${err}`);
  return out;
}

/** Packs the packages into a folder; the paths of the archives, in the order of the packages. */
export async function packInto(folder: string): Promise<readonly string[]> {
  const archives: string[] = [];
  for (const name of packages) {
    const archive = `${folder}/${name}.tgz`;
    const pack = ["pack", "--allow-dirty", "--no-source-maps", "--output", archive];
    await run(Deno.execPath(), pack, `${root}/${name}`);
    archives.push(archive);
  }
  return archives;
}

/** The README's example as a module that exports its last loss as `told`. */
export async function exampleOfReadme(): Promise<string> {
  const readme = await Deno.readTextFile(`${root}/README.md`);
  const example = /```ts\n([^]*?)```/.exec(readme)?.[1];
  assert(example !== undefined);
  const own = 'const assert = (fact: boolean) => { if (!fact) throw new Error("no"); };';
  const alone = example.replace('import { assert } from "@std/assert";', own);
  return `${alone}\nexport const told = losses.at(-1);\n`;
}
