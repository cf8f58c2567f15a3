/**
 * Configuration files as what they say: settings by name for all stages of a run, or for each, and
 * the place of each setting, which errors name.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { isRecord } from "../files/guards.ts";

/** A setting in a configuration file. */
export interface ConfigEntry {
  /** The setting, as a flag's name in kebab, camel or snake case. */
  readonly name: string;
  /** The key in the file. */
  readonly written: string;
  /** The value, as JSON has it. */
  readonly value: unknown;
  /** The place of the key, for errors: a file, or a file with line and column. */
  readonly place: string;
}

/** The settings of one stage, or of all of them. */
export interface ConfigStage {
  /** Their place, for errors. */
  readonly place: string;
  /** The settings, in order. */
  readonly entries: readonly ConfigEntry[];
}

/** The settings in a configuration file. */
export interface ConfigFile {
  /** The path of the file. */
  readonly path: string;
  /** The settings of each stage, or one list for all stages. */
  readonly stages: readonly ConfigStage[];
  /** Whether a run wrote them: it writes all settings, also those that its objective has no use for. */
  readonly isOfRun: boolean;
}

/** A file that was parsed: values as JSON has them, and their places. */
export interface ParsedConfig {
  /** The path of the file. */
  readonly path: string;
  /** The value of the whole file. */
  readonly value: unknown;
  /** What a stage has to be, in words: `a JSON object of flags, such as {"steps": 100}`. */
  readonly shape: string;
  /** The place of the value at a path of keys and positions, or of its key, for errors. */
  readonly placeOf: (path: readonly (string | number)[]) => string;
}

/**
 * The settings in a parsed file: an object for all stages, or a list of those of each; or the
 * configuration of a run, which holds more.
 *
 * @param parsed The file.
 * @returns The settings. Neither their names nor their values are checked.
 * @throws {UserError} If a stage is no object.
 */
export function settingsIn({ path, value, shape, placeOf }: ParsedConfig): ConfigFile {
  const isOfRun = isRecord(value) && Object.hasOwn(value, "settings");
  const above = isOfRun ? ["settings"] : [];
  const settings = isOfRun ? value.settings : value;
  const stages: readonly unknown[] = Array.isArray(settings) && settings.length > 0
    ? settings
    : [settings];
  return {
    path,
    isOfRun,
    stages: stages.map((stage, i) => {
      const own = stages === settings ? [...above, i] : above;
      const place = placeOf(own);
      if (!isRecord(stage)) throw new UserError(`${place} must hold ${shape}`);
      return {
        place,
        entries: Object.entries(stage).map(([key, value]) => ({
          ...{ name: key, written: key, value },
          place: placeOf([...own, key]),
        })),
      };
    }),
  };
}

/**
 * The settings in a value that was read from JSON, whose places are files and stages.
 *
 * @param value The value.
 * @param path The path of the file, for errors.
 * @returns The settings.
 * @throws {UserError} If a stage is no object.
 *
 * @example
 * ```ts
 * import { jsonConfig } from "./config_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { stages } = jsonConfig([{ steps: 900 }, { steps: 300 }], "c.json");
 * assertEquals(stages.map(({ place }) => place), ["c.json, stage 1", "c.json, stage 2"]);
 * assertEquals(stages[1]?.entries.map(({ name, value }) => [name, value]), [["steps", 300]]);
 * ```
 */
export function jsonConfig(value: unknown, path: string): ConfigFile {
  return settingsIn({
    path,
    value,
    shape: `a JSON object of flags, such as {"steps": 100}`,
    placeOf: (keys) => {
      const stage = keys.find((key) => typeof key === "number");
      return stage === undefined ? path : `${path}, stage ${stage + 1}`;
    },
  });
}

/** The settings where there is no configuration file. */
export const noConfig: ConfigFile = {
  path: "",
  stages: [{ place: "", entries: [] }],
  isOfRun: false,
};
