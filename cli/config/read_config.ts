/**
 * Reading a configuration file, JSON or YAML by the ending of its name. The package that reads YAML
 * is loaded from npm where a file of it is read, and nowhere else.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { extname } from "node:path";
import { readJson, readText } from "../files/read.ts";
import { type ConfigFile, jsonConfig, type ParsedConfig, settingsIn } from "./config_file.ts";

/** The largest file of YAML that is read, in bytes: a package parses it, whatever it holds. */
const LARGEST = 2 ** 16;

/** The endings of the names of YAML files. */
const endings: readonly string[] = [".yaml", ".yml"];

/**
 * A name that is not known before the program runs: a package that the code names is fetched before
 * the first line of any command, whether it is used or not.
 */
const MODULE: string = ["@unitune/cli", "yaml"].join("/");

/** The function of `@unitune/cli/yaml`. */
interface YamlModule {
  readonly parseYaml: (text: string, path: string) => ParsedConfig;
}

function isYamlModule(value: unknown): value is YamlModule {
  return typeof value === "object" && value !== null && "parseYaml" in value;
}

async function yamlModule(): Promise<YamlModule> {
  const loaded: unknown = await import(MODULE).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(
      `YAML is read by a package of npm, which cannot be loaded: ${reason}; JSON needs none`,
      { cause },
    );
  });
  if (isYamlModule(loaded)) return loaded;
  throw new RangeError(`${MODULE} is not the module of this version`);
}

/**
 * Reads a configuration file.
 *
 * @param path The path of the file: YAML if it ends in `.yaml` or `.yml`, else JSON.
 * @returns The settings in it. Neither their names nor their values are checked.
 * @throws {UserError} If the file can't be read, or is not what its name says.
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  if (!endings.includes(extname(path).toLowerCase())) {
    return jsonConfig(await readJson(path), path);
  }
  const text = await readText(path, LARGEST);
  const { parseYaml } = await yamlModule();
  return settingsIn(parseYaml(text, path));
}
