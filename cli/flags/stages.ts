/**
 * Runs of several stages: `--objective sft,dpo --steps 900,300` is the settings of two stages, in
 * which each goes on with the model of the one before.
 *
 * @module
 */

import {
  readSettings,
  type SettingTable,
  settingTable,
  type TrainSettings,
  UserError,
} from "@unitune/training";
import { UsageError } from "../terminal/errors.ts";
import { camelCase, flagsInVain, type FlagTable, type ParsedFlags, withConfig } from "./flags.ts";
import type { Registries } from "./registries.ts";
import { settingFlags } from "./settings.ts";

const settings: SettingTable = settingTable;

/** Whether all stages of a run share a setting; every other may have a value for each stage. */
const isShared = (name: string): boolean => settings[name]?.isShared === true;

/**
 * A command line as one for each stage: a value with commas is one for each, any other is for all.
 * Where there is one stage, commas mean nothing.
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
 * assertEquals(splitStages(argv), [
 *   ["--objective", "sft", "--steps=9", "--seed", "1"],
 *   ["--objective", "dpo", "--steps=3", "--seed", "1"],
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
  const table: FlagTable = settingFlags(registries);
  const valuesOf = (name: string, value: string): string[] => {
    const parts = value.split(",");
    if (parts.length === stages) return parts;
    if (parts.length === 1) return Array<string>(stages).fill(value);
    throw new UsageError(
      `--${name} has ${parts.length} values, and the run ${stages} stages` +
        `${names === undefined ? "" : ` (${names.join(", ")})`}: give one, or one for each`,
    );
  };
  const lines = Array.from({ length: stages }, (): string[] => []);
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    const [, name = "", , inline] = /^--([^=]+)(=(.*))?$/.exec(argument) ?? [];
    const key = camelCase(name);
    const flag = Object.hasOwn(table, key) ? table[key] : undefined;
    const isStaged = flag !== undefined && flag.kind !== "boolean" && !isShared(key);
    const value = isStaged ? inline ?? argv[i + 1] : undefined;
    if (value === undefined) {
      lines.forEach((line) => line.push(argument));
      continue;
    }
    const values = valuesOf(name, value);
    lines.forEach((line, stage) => {
      const own = values[stage] ?? "";
      line.push(...(inline === undefined ? [argument, own] : [`--${name}=${own}`]));
    });
    if (inline === undefined) i++;
  }
  return lines;
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
 * @param config Settings of one stage, for all of them, or a list of those of each, as JSON has them.
 * @param file Where they come from, for errors.
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @returns The settings of each stage.
 * @throws {UserError} Where they make no sense.
 *
 * @example
 * ```ts
 * import { splitStages, stageSettings } from "./stages.ts";
 * import { parseFlags, settingFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = splitStages(["--objective", "sft,dpo", "--beta", "0.2"]);
 * const parsed = lines.map((line) => parseFlags(settingFlags(), line));
 * const stages = stageSettings(parsed, { steps: 5 }, "config.json");
 * assertEquals(stages.map(({ objective, steps }) => [objective.name, steps]), [["sft", 5], ["dpo", 5]]);
 * assertEquals(stages[1]?.options.beta, 0.2);
 * ```
 */
export function stageSettings(
  parsed: readonly ParsedFlags<FlagTable>[],
  config: unknown = {},
  file = "",
  registries: Registries = {},
): readonly TrainSettings[] {
  const table = settingFlags(registries);
  const configs: readonly unknown[] = Array.isArray(config) && config.length > 0
    ? config
    : [config];
  if (configs.length !== 1 && configs.length !== parsed.length) {
    throw new UserError(
      `${file} holds ${configs.length} stages, and the command line names ${parsed.length}`,
    );
  }
  // A flag that one stage has no use for may be meant for another.
  const vain = parsed.map((own) => flagsInVain(table, own));
  for (const [name, message] of vain[0] ?? []) {
    if (vain.every((own) => own.has(name))) throw new UsageError(message);
  }
  const stages = parsed.map((own, stage) => {
    const { values } = configs.length === 1
      ? withConfig(table, own, configs[0], file)
      : withConfig(table, own, configs[stage], `${file}, stage ${stage + 1}`);
    return readSettings(values, registries.objectives);
  });
  checkStages(stages);
  return stages;
}

/**
 * Refuses stages with different values of a setting that all stages of a run share.
 *
 * @param stages The settings of each stage; at least one.
 * @throws {UserError} Where there are such.
 */
export function checkStages(stages: readonly TrainSettings[]): void {
  const [first] = stages;
  const common = (settings: TrainSettings | undefined) =>
    Object.entries(settings ?? {}).filter(([name]) => isShared(name));
  for (const stage of stages) {
    const own = new Map<string, unknown>(common(stage));
    for (const [name, value] of common(first)) {
      if (own.get(name) === value) continue;
      throw new UserError(`all stages of a run share ${name}: ${value}, and ${own.get(name)}`);
    }
  }
}

/**
 * What the stages of a run are called together: `sft-dpo`.
 *
 * @param stages The settings of each stage.
 * @returns The objectives.
 */
export function stagesName(stages: readonly TrainSettings[]): string {
  return stages.map(({ objective: { name } }) => name).join("-");
}
