/**
 * Reading a configuration file, JSON or YAML by the ending of its name. The package that reads YAML
 * is loaded from npm where a file of it is read, and nowhere else.
 *
 * @module
 */

import { extname } from "node:path";
import { loadedModule } from "../files/packaged.ts";
import { readJson, readText } from "../files/read.ts";
import { type ConfigFile, jsonConfig, type ParsedConfig, settingsIn } from "./config_file.ts";

/** The largest file of YAML that is read, in bytes: a package parses it, whatever it holds. */
const LARGEST = 2 ** 16;

/** The endings of the names of YAML files. */
const endings: readonly string[] = [".yaml", ".yml"];

/** The function of the module that reads YAML. */
interface YamlModule {
  readonly parseYaml: (text: string, path: string) => ParsedConfig;
}

function isYamlModule(value: object): value is YamlModule {
  return "parseYaml" in value && typeof value.parseYaml === "function";
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
  const { parseYaml } = await loadedModule(
    new URL("yaml.ts", import.meta.url),
    "YAML is read by a package of npm",
    "JSON needs none",
    isYamlModule,
  );
  return settingsIn(parseYaml(text, path));
}
