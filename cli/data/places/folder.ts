/**
 * The files of a split, in a folder or a repository as the hub has them
 * ([its conventions](https://huggingface.co/docs/hub/datasets-file-names-and-splits)).
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import { loadedModule } from "../../files/packaged.ts";
import { readText } from "../../files/read.ts";
import { listed } from "../../flags/words.ts";
import { rowEnding } from "../readers/row_readers.ts";
import { isTextFile } from "../text.ts";
import { filesBelow, patternExpression } from "./glob.ts";

/** A configuration of a dataset: some of its files, by split. */
export interface DataConfig {
  /** Its name. */
  readonly name: string;
  /** Whether it is meant where none is named. */
  readonly isDefault: boolean;
  /** The patterns of the files of each split; of an undefined one, names tell the split. */
  readonly splits: readonly {
    readonly split: string | undefined;
    readonly patterns: readonly string[];
  }[];
}

/** What is asked of a folder. */
export interface SplitQuestion {
  /** The name of the folder in messages. */
  readonly name: string;
  /** The split. */
  readonly split: string;
  /** The configuration (default: the default one, or the only one). */
  readonly config?: string | undefined;
}

/** The split that is meant where none is named. */
export const TRAIN = "train";

/** What begins the name of a dataset of the hub. */
export const HUB = "hub:";

/** The folder of a dataset of the hub. */
export interface HubFolder {
  /** The folder. */
  readonly folder: string;
  /** The configuration. */
  readonly config?: string | undefined;
}

/**
 * The files of a folder, and its README.
 *
 * @param folder The folder.
 * @returns The files from the folder on, and the text of its README, empty without one.
 * @throws {UserError} If they can't be read.
 */
export async function listFolder(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly readme: string }> {
  const files = await filesBelow(folder);
  const readme = files.includes("README.md") ? await readText(`${folder}/README.md`) : "";
  return { files, readme };
}

/** Other words for a split, in the names of files. */
const words: Readonly<Record<string, readonly string[]>> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing", "eval", "evaluation"],
};

/** Whether the name of a file says that it is of a split. */
function isOf(split: string, file: string): boolean {
  return (words[split] ?? [split]).some((word) =>
    file.toLowerCase().split(/[^a-z0-9]+/).includes(word.toLowerCase())
  );
}

/** The files of a split among some, by their names; where no name has a split, all are for training. */
function byName(split: string, files: readonly string[]): readonly string[] {
  const found = files.filter((file) => isOf(split, file));
  const hasSplits = Object.keys(words).some((other) => files.some((file) => isOf(other, file)));
  return found.length === 0 && !hasSplits && split === TRAIN ? files : found;
}

/** Files beside the data that have an ending of data. */
const others =
  /(?:^|\/)(?:(?:dataset_infos?|dataset_dict|state|config|package)\.json|(?:readme|license|notice)\.txt)$/i;

/** The files of data: those of rows, or else those of running text. */
function dataIn(files: readonly string[]): readonly string[] {
  const own = files.filter((file) => !others.test(file));
  const rows = own.filter((file) => rowEnding(file) !== undefined);
  return rows.length > 0 ? rows : own.filter(isTextFile);
}

/**
 * The files of a split.
 *
 * @param files The files of a folder, from it on.
 * @param configs The configurations in its README.
 * @param question The split, and the configuration.
 * @returns The files, in order of their names.
 * @throws {UserError} If there is no such configuration or split, several configurations, or a part
 * of a file is missing.
 *
 * @example
 * ```ts
 * import { splitFiles } from "./folder.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const files = ["README.md", "data/test-0.parquet", "data/train-0.parquet"];
 * const question = { name: "folder", split: "train" };
 * assertEquals(splitFiles(files, [], question), ["data/train-0.parquet"]);
 * ```
 */
export function splitFiles(
  files: readonly string[],
  configs: readonly DataConfig[],
  question: SplitQuestion,
): readonly string[] {
  const { name, split } = question;
  const data = dataIn(files);
  const config = configOf(configs, question);
  const own = config?.splits.flatMap(({ split: named, patterns }) => {
    const expressions = patterns.map(patternExpression);
    const matching = data.filter((file) => expressions.some((own) => own.test(file)));
    return named === undefined ? byName(split, matching) : named === split ? matching : [];
  });
  const found = [...new Set(own ?? byName(split, data))].toSorted();
  if (found.length > 0) {
    requireParts(found, name);
    return found;
  }
  const named = config?.splits.flatMap(({ split }) => split ?? []) ??
    Object.keys(words).filter((other) => byName(other, data).length > 0);
  throw new UserError(
    `${name} has no files of the split ${quoted(split)}: ` +
      (named.length > 0
        ? `it has ${namesOf([...new Set(named)])}, named by --split`
        : `it has none of data`),
  );
}

/** The most names of splits or configurations that a message shows. */
const MOST_NAMES = 12;

/** The most characters that a message shows of such a name. */
const LONGEST_NAME = 40;

/** Names of splits or configurations, as messages list them. */
function namesOf(names: readonly string[]): string {
  return listed(names.slice(0, MOST_NAMES).map((name) => quoted(name, LONGEST_NAME)));
}

/** The configuration that is asked for; undefined if there are none. */
function configOf(
  configs: readonly DataConfig[],
  { name, config }: SplitQuestion,
): DataConfig | undefined {
  const [first, ...more] = configs;
  const names = namesOf(configs.map(({ name }) => name));
  if (config !== undefined) {
    const own = configs.find(({ name }) => name === config);
    if (own !== undefined) return own;
    throw new UserError(
      `${name} has no configuration ${quoted(config)}: ` +
        (first === undefined ? "leave it out" : `it has ${names}`),
    );
  }
  const usual = configs.find(({ isDefault }) => isDefault) ??
    configs.find(({ name }) => name === "default") ?? (more.length === 0 ? first : undefined);
  if (usual !== undefined || first === undefined) return usual;
  throw new UserError(`${name} has the configurations ${names}: name one, as in ${name}:NAME`);
}

/** Refuses files that are parts of more than there are: `train-00000-of-00002.parquet`. */
function requireParts(files: readonly string[], name: string): void {
  const there = new Set(files);
  for (const file of files) {
    const [, before = "", count = "", after = ""] = /^(.*-)\d{5}-of-(\d{5})(.*)$/.exec(file) ?? [];
    for (let i = 0; i < Number(count); i++) {
      const part = `${before}${String(i).padStart(5, "0")}-of-${count}${after}`;
      if (!there.has(part)) throw new UserError(`${part} of ${name} is missing`);
    }
  }
}

function isReadmeModule(
  value: object,
): value is { readonly configsIn: (text: string) => readonly DataConfig[] } {
  return "configsIn" in value && typeof value.configsIn === "function";
}

/**
 * The configurations in a README; a package reads them where there are some.
 *
 * @param text The text of the README.
 * @param name The name of its folder, for errors.
 * @returns The configurations.
 * @throws {UserError} If the package can't be loaded, or the README is damaged.
 */
export async function readmeConfigs(text: string, name: string): Promise<readonly DataConfig[]> {
  if (!/^---\r?\n[\s\S]*?^configs:/m.test(text)) return [];
  const { configsIn } = await loadedModule(
    new URL("readme.ts", import.meta.url),
    "the configurations of datasets are read by a package of npm",
    "files and patterns of files need none",
    isReadmeModule,
  );
  try {
    return configsIn(text);
  } catch (cause) {
    throw new UserError(`the README.md of ${name} has no YAML at its start that can be read`, {
      cause,
    });
  }
}
