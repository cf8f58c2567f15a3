/**
 * The configurations in the README of a dataset on the hub
 * ([manual configuration](https://huggingface.co/docs/hub/datasets-manual-configuration)), by the
 * package `yaml`, which is loaded from npm where this module is imported, and nowhere else.
 *
 * @module
 */

import { parse } from "npm:yaml@^2.9.1";
import { isRecord } from "../../files/guards.ts";
import type { DataConfig } from "./folder.ts";

/** The YAML between the lines of `---` at the start of a README. */
const FRONT = /^---\r?\n([\s\S]*?)\r?\n---(?:\r?\n|$)/;

const texts = (value: unknown): readonly string[] =>
  [value].flat().filter((one) => typeof one === "string");

/**
 * Reads the configurations.
 *
 * @param text The text of the README.
 * @returns Those that say which files they have; none without any.
 * @throws {Error} If the text is not YAML.
 *
 * @example
 * ```ts
 * import { configsIn } from "./readme.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "---\nconfigs:\n- config_name: main\n  data_files: a/*.csv\n---\n# Rows";
 * assertEquals(configsIn(text), [
 *   { name: "main", isDefault: false, splits: [{ split: "train", patterns: ["a/*.csv"] }] },
 * ]);
 * ```
 */
export function configsIn(text: string): readonly DataConfig[] {
  const front = FRONT.exec(text)?.[1];
  // An alias could stand for lists without end.
  const value: unknown = front === undefined ? undefined : parse(front, { maxAliasCount: 0 });
  const configs = isRecord(value) && Array.isArray(value.configs) ? value.configs : [];
  return configs.flatMap((config: unknown): DataConfig[] => {
    if (!isRecord(config)) return [];
    const { config_name: name, data_files: files, data_dir: folder } = config;
    const prefix = typeof folder === "string" ? `${folder.replace(/\/+$/, "")}/` : "";
    const splitOf = (split: unknown, patterns: unknown) => ({
      split: typeof split === "string" ? split : "train",
      patterns: texts(patterns).map((pattern) => `${prefix}${pattern}`),
    });
    const splits = isRecord(files)
      ? Object.entries(files).map(([split, patterns]) => splitOf(split, patterns))
      : [files].flat().flatMap((file: unknown) =>
        isRecord(file)
          ? [splitOf(file.split, file.path)]
          : file === undefined
          ? []
          : [splitOf("train", file)]
      );
    return [{
      name: typeof name === "string" ? name : "default",
      isDefault: config.default === true,
      splits: splits.length > 0 || prefix === ""
        ? splits
        : [{ split: undefined, patterns: [`${prefix}**`] }],
    }];
  });
}
