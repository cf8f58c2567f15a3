/**
 * Runs of several stages: `--objective sft,dpo --steps 900,300` is the settings of two stages, in
 * which each goes on with the model of the one before.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import {
  readSettings,
  requireBudgets,
  requireShared,
  type SettingTable,
  settingTable,
  type TrainSettings,
  UserError,
} from "@unitune/training";
import {
  type ConfigEntry,
  type ConfigFile,
  type ConfigStage,
  noConfig,
} from "../config/config_file.ts";
import { UsageError } from "../terminal/errors.ts";
import {
  camelCase,
  flagsInVain,
  type FlagTable,
  kebabCase,
  type ParsedFlags,
  withConfig,
} from "./flags.ts";
import type { Registries } from "./registries.ts";
import { settingFlags } from "./settings.ts";

const settings: SettingTable = settingTable;

/** Whether all stages of a run share a setting; every other may have a value for each stage. */
const isShared = (name: string): boolean => settings[name]?.isShared === true;

/** A setting on a command line that may have a value for each stage. */
interface Staged {
  /** Its name, as it is written. */
  readonly name: string;
  /** Its name in camel case. */
  readonly key: string;
  /** Whether its value is a text, in which a comma is a character like any other. */
  readonly isText: boolean;
  /** Its value. */
  readonly value: string;
  /** The arguments that give it a value. */
  readonly written: (value: string) => readonly string[];
}

/** The arguments of a command line, in order, where those of a setting that is not shared are one. */
function partsOf(argv: readonly string[], table: FlagTable): readonly (string | Staged)[] {
  const parts: (string | Staged)[] = [];
  const flags = new Map(Object.entries(table));
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    const [, name = "", , inline] = /^--([^=]+)(=(.*))?$/s.exec(argument) ?? [];
    const key = camelCase(name);
    const flag = flags.get(key);
    const isStaged = flag !== undefined && flag.kind !== "boolean" && !isShared(key);
    const value = isStaged ? inline ?? argv[i + 1] : undefined;
    if (value === undefined) {
      parts.push(argument);
      continue;
    }
    const written = (own: string) => inline === undefined ? [argument, own] : [`--${name}=${own}`];
    parts.push({ name, key, isText: flag?.kind === "string", value, written });
    if (inline === undefined) i++;
  }
  return parts;
}

/**
 * A command line as one for each stage. Numbers and choices with commas are one for each stage. A
 * text, such as the name of a file, may have commas of its own: it is for all stages, or the flag is
 * repeated, once for each. Where there is one stage, commas mean nothing.
 *
 * @param argv The arguments.
 * @param count The stages, where the command line does not name their objectives.
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @returns The arguments of each stage.
 * @throws {UsageError} Where a flag has neither one value nor one for each stage.
 *
 * @example
 * ```ts
 * import { splitStages } from "./stages.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const argv = ["--objective", "sft,dpo", "--steps=9,3", "--seed", "1"];
 * assertEquals(splitStages([...argv, "--data", "a.jsonl", "--data", "b,c.jsonl"]), [
 *   ["--objective", "sft", "--steps=9", "--seed", "1", "--data", "a.jsonl"],
 *   ["--objective", "dpo", "--steps=3", "--seed", "1", "--data", "b,c.jsonl"],
 * ]);
 * ```
 */
export function splitStages(
  argv: readonly string[],
  count = 1,
  registries: Registries = {},
): string[][] {
  const names = objectivesIn(argv)?.split(",");
  const stages = names?.length ?? count;
  if (stages === 1) return [[...argv]];
  const parts = partsOf(argv, settingFlags(registries));
  const staged = parts.filter((part) => typeof part !== "string");
  const texts = Map.groupBy(staged.filter(({ isText }) => isText), ({ key }) => key);
  const valuesOf = ({ name, key, isText, value }: Staged): readonly string[] => {
    const values = isText ? texts.get(key)?.map(({ value }) => value) ?? [] : value.split(",");
    if (values.length === 1) return Array<string>(stages).fill(value);
    if (values.length !== stages) {
      throw new UsageError(
        `--${name} has ${values.length} values, and the run ${stages} stages` +
          `${names === undefined ? "" : ` (${names.join(", ")})`}: give one, or one for each`,
      );
    }
    const empty = values.indexOf("");
    if (empty < 0) return values;
    throw new UsageError(`--${name} names nothing for stage ${empty + 1}`);
  };
  const columns = new Map(staged.map((part) => [part, valuesOf(part)]));
  const isOf = (part: Staged, stage: number) => {
    const among = texts.get(part.key) ?? [part];
    return among.length === 1 || among[stage] === part;
  };
  return Array.from({ length: stages }, (_, stage) =>
    parts.flatMap((part) => {
      if (typeof part === "string") return [part];
      const value = columns.get(part)?.[stage];
      return value !== undefined && isOf(part, stage) ? part.written(value) : [];
    }));
}

/** The value of the last `--objective` on a command line. */
function objectivesIn(argv: readonly string[]): string | undefined {
  const at = argv.findLastIndex((argument) => /^--objective(=|$)/.test(argument));
  if (at < 0) return undefined;
  const [, inline] = /^--objective=(.*)$/.exec(argv[at] ?? "") ?? [];
  return inline ?? argv[at + 1];
}

/**
 * The settings of each stage from what its command line says and a configuration, of which the
 * command line wins.
 *
 * @param parsed What the command line says of each stage; see {@linkcode splitStages}.
 * @param config The configuration file. Settings without effect are no mistake in that of a run.
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @returns The settings of each stage.
 * @throws {UserError} Where they make no sense.
 *
 * @example
 * ```ts
 * import { splitStages, stageSettings } from "./stages.ts";
 * import { jsonConfig } from "../config/config_file.ts";
 * import { parseFlags, settingFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = splitStages(["--objective", "sft,dpo", "--beta", "0.2"]);
 * const parsed = lines.map((line) => parseFlags(settingFlags(), line));
 * const stages = stageSettings(parsed, jsonConfig({ steps: 5 }, "config.json"));
 * assertEquals(stages.map(({ objective, steps }) => [objective.name, steps]), [["sft", 5], ["dpo", 5]]);
 * assertEquals(stages[1]?.options.beta, 0.2);
 * ```
 */
export function stageSettings(
  parsed: readonly ParsedFlags<FlagTable>[],
  { path, stages: configs, isOfRun }: ConfigFile = noConfig,
  registries: Registries = {},
): readonly TrainSettings[] {
  const table = settingFlags(registries);
  if (configs.length !== 1 && configs.length !== parsed.length) {
    throw new UserError(
      `${path} holds ${configs.length} stages, and the command line names ${parsed.length}`,
    );
  }
  const resolved = parsed.map((own, stage) => {
    const config = configs[configs.length === 1 ? 0 : stage];
    if (config === undefined) throw new RangeError(`stageSettings: there is no stage ${stage}`);
    return { config, ...withConfig(table, own, config) };
  });
  const vain = resolved.map(({ config, ...own }) =>
    [...flagsInVain(table, own)].flatMap(([name, reason]): readonly Vain[] => {
      if (own.sources[camelCase(name)] === "flag") {
        const no = own.values[camelCase(name)] === false ? "no-" : "";
        const error = new UsageError(`--${no}${kebabCase(name)} ${reason}`);
        return [{ name, isOfStage: false, error }];
      }
      if (isOfRun) return [];
      const { place, written } = entryOf(config, name);
      const error = new UserError(`${place}: ${quoted(written)} ${reason}`);
      return [{ name, isOfStage: configs.length > 1, error }];
    })
  );
  for (const { name, isOfStage, error } of vain.flat()) {
    // A value that one stage has no use for may be meant for another, unless it is for one alone.
    const isAlways = vain.every((own) => own.some((other) => other.name === name));
    if (isOfStage || isAlways) throw error;
  }
  // Defaults depend on other settings, so those of the flags are left out.
  const stages = resolved.map(({ values, sources }) =>
    readSettings(
      Object.fromEntries(Object.entries(values).filter(([name]) => sources[name] !== "default")),
      registries.objectives,
    )
  );
  requireShared(stages);
  requireBudgets(stages);
  return stages;
}

/** A value without effect in a stage. */
interface Vain {
  /** The name of its setting. */
  readonly name: string;
  /** Whether it was given for the stage alone. */
  readonly isOfStage: boolean;
  /** The reason. */
  readonly error: UserError;
}

/** The entry of a configuration that gave a setting its value. */
function entryOf({ entries }: ConfigStage, name: string): ConfigEntry {
  const entry = entries.find((own) => kebabCase(own.name) === kebabCase(name));
  if (entry === undefined) throw new RangeError(`stageSettings: ${name} is not in the file`);
  return entry;
}

/**
 * The joint name of the stages of a run: `sft-dpo`.
 *
 * @param stages The settings of each stage.
 * @returns The objectives.
 */
export function stagesName(stages: readonly TrainSettings[]): string {
  return stages.map(({ objective: { name } }) => name).join("-");
}
