/**
 * Command-line flags as a table with a row for each flag, from which the types of the values, the
 * checks, the help and the keys of a configuration file follow.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { abridged, quoted } from "@unitune/core";
import type { ConfigStage } from "../config/config_file.ts";
import { UsageError } from "../terminal/errors.ts";
import {
  acceptedValue,
  defaultOf,
  faultOf,
  type Option,
  type OptionValue,
  type ValueOf,
} from "@unitune/objectives";
import { nearest, UserError } from "@unitune/training";
import { alternatives } from "./words.ts";

/** An option on a command line. */
export type Flag = Option & {
  /** The heading of the flag in the help. */
  readonly group?: string;
  /**
   * The values of other flags, by their names, with which this flag has an effect (default: all).
   */
  readonly when?: Readonly<Record<string, readonly string[]>>;
  /** The values of `when` in words, if they are many. */
  readonly scope?: string;
  /** The command that lists the choices, if they are many. */
  readonly listedBy?: string;
};

/** The flags of a command, by name in kebab or camel case, without the dashes in front. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** `learning-rate` as `learningRate`. */
export type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The values of all flags, by name in camel case. */
export type FlagValues<Table extends FlagTable> = {
  readonly [Name in keyof Table & string as CamelCase<Name>]: ValueOf<Table[Name]>;
};

/** The source of a value. */
export type FlagSource = "default" | "config" | "flag";

/** The values of all flags, and their sources. */
export interface ParsedFlags<Table extends FlagTable> {
  /** The values, by name in camel case. */
  readonly values: FlagValues<Table>;
  /** The source of each value, by the same names: only given values can contradict each other. */
  readonly sources: Readonly<Record<CamelCase<keyof Table & string>, FlagSource>>;
}

/**
 * Reads the flags of a command line. The last value of a flag counts. A choice may be spelled in
 * any case, with or without hyphens.
 *
 * @param table The known flags.
 * @param argv The arguments, as in `Deno.args`.
 * @returns The values and their sources.
 * @throws {UsageError} If a flag is unknown (the nearest is suggested) or has no value, or its
 * value is of the wrong kind, out of its range or not among its choices.
 *
 * @example
 * ```ts
 * import { parseFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = {
 *   "learning-rate": { kind: "number", default: 1e-3, above: 0, help: "The peak learning rate." },
 *   data: { kind: "string", help: "A data file." },
 * } as const;
 *
 * const { values, sources } = parseFlags(table, ["--learning-rate", "0.01"]);
 * const rate: number = values.learningRate;
 * const data: string | undefined = values.data;
 * assertEquals([rate, data], [0.01, undefined]);
 * assertEquals(sources, { learningRate: "flag", data: "default" });
 * ```
 */
export function parseFlags<const Table extends FlagTable>(
  table: Table,
  argv: readonly string[],
): ParsedFlags<Table>;
export function parseFlags(table: FlagTable, argv: readonly string[]): ParsedFlags<FlagTable> {
  const entries = Object.entries(table).map(([name, flag]) => [kebabCase(name), flag] as const);
  const names = entries.map(([name]) => name);
  const boolean = entries.flatMap(([name, { kind }]) => kind === "boolean" ? [name] : []);
  const strays: string[] = [];
  const given: Record<string, unknown> = parseArgs(
    joinedNumbers(names.filter((name) => !boolean.includes(name)), argv),
    {
      string: names.filter((name) => !boolean.includes(name)),
      boolean,
      negatable: boolean,
      // Distinguishes a missing flag from `--no-flag`.
      default: Object.fromEntries(boolean.map((name) => [name, null])),
      unknown: (argument) => {
        strays.push(argument);
        return false;
      },
    },
  );

  // The arguments after `--`, which are not parsed as flags.
  if (Array.isArray(given._)) { for (const argument of given._) strays.push(String(argument)); }

  const values: Record<string, OptionValue | undefined> = {};
  const sources: Record<string, FlagSource> = {};
  for (const [name, flag] of entries) {
    const key = camelCase(name);
    const text = given[name] ?? undefined;
    if (text === "") {
      throw new UsageError(
        `--${name} needs a value (one that starts with a dash is written --${name}=-…)`,
      );
    }
    values[key] = text === undefined
      ? defaultOf(flag)
      : accepted(flag, fromText(flag, text), () => wrongValue(name, flag, text));
    sources[key] = text === undefined ? "default" : "flag";
  }
  for (const stray of strays) throw strayError(names, stray);
  // The parser reads `--flag=word` as true or false, whatever the word.
  for (const [name, flag] of entries) {
    if (flag.kind !== "boolean") continue;
    if (argv.some((argument) => argument.startsWith(`--no-${name}=`))) {
      throw new UsageError(`--no-${name} takes no value`);
    }
    const prefix = `--${name}=`;
    for (const argument of argv.filter((argument) => argument.startsWith(prefix))) {
      const word = argument.slice(prefix.length);
      if (word !== "true" && word !== "false") throw wrongValue(name, flag, word);
    }
  }
  return { values, sources };
}

/**
 * Adds the values of a configuration file to those of a command line. Flags take precedence over
 * the file, and the file over the defaults.
 *
 * @param table The flags that the file may set.
 * @param parsed The values of the command line, which may have further flags.
 * @param stage The settings in the file.
 * @returns The values of the table's flags, and their sources.
 * @throws {UserError} If the file has a key or a value that the command line would refuse.
 *
 * @example
 * ```ts
 * import { withConfig } from "./flags.ts";
 * import { jsonConfig } from "../config/config_file.ts";
 * import { parseFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = {
 *   steps: { kind: "integer", default: 100, min: 1, help: "Optimizer steps." },
 *   seed: { kind: "integer", default: 0, help: "The seed of everything random." },
 * } as const;
 *
 * const parsed = parseFlags(table, ["--steps", "5"]);
 * const { stages } = jsonConfig({ steps: 7, seed: 42 }, "config.json");
 * for (const stage of stages) {
 *   assertEquals(withConfig(table, parsed, stage).values, { steps: 5, seed: 42 });
 * }
 * ```
 */
export function withConfig<const Table extends FlagTable>(
  table: Table,
  parsed: ParsedFlags<NoInfer<Table>>,
  stage: ConfigStage,
): ParsedFlags<Table>;
export function withConfig(
  table: FlagTable,
  parsed: ParsedFlags<FlagTable>,
  { entries }: ConfigStage,
): ParsedFlags<FlagTable> {
  const flags = new Map(Object.entries(table).map(([name, flag]) => [camelCase(name), flag]));
  const keys = [...flags.keys()];
  const values = Object.fromEntries(keys.map((key) => [key, parsed.values[key]]));
  const sources = Object.fromEntries(keys.map((key) => [key, parsed.sources[key] ?? "default"]));
  const seen = new Set<string>();
  for (const { name: given, written, value, place } of entries) {
    const name = kebabCase(given);
    const key = camelCase(name);
    const flag = flags.get(key);
    if (flag === undefined) {
      const near = suggestion(name, keys.map(kebabCase), "");
      throw new UserError(`${place}: unknown key ${quoted(written)}${near}`);
    }
    if (seen.has(name)) {
      throw new UserError(`${place}: ${quoted(written)} says ${name} a second time`);
    }
    seen.add(name);
    const right = accepted(
      flag,
      value,
      () =>
        new UserError(
          `${place}: ${quoted(written)} ${stagesText(key, flag, value) ?? wrongText(flag, value)}`,
        ),
    );
    if (sources[key] === "flag") continue;
    values[key] = right;
    sources[key] = "config";
  }
  return { values, sources };
}

/**
 * Some of the flags that were parsed, with their types.
 *
 * @param table The flags, which were among those that were parsed.
 * @param parsed The values of all flags, and their sources.
 * @returns The values and the sources of the table's flags.
 *
 * @example
 * ```ts
 * import { flagsAmong } from "./flags.ts";
 * import { type FlagTable, parseFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const own = { steps: { kind: "integer", default: 9, help: "Steps." } } as const;
 * const others: FlagTable = { seed: { kind: "integer", help: "The seed." } };
 * const { values } = flagsAmong(own, parseFlags({ ...own, ...others }, ["--seed", "1"]));
 * assertEquals(values.steps, 9);
 * ```
 */
export function flagsAmong<const Table extends FlagTable>(
  table: Table,
  parsed: ParsedFlags<FlagTable>,
): ParsedFlags<Table>;
export function flagsAmong(
  table: FlagTable,
  { values, sources }: ParsedFlags<FlagTable>,
): ParsedFlags<FlagTable> {
  const keys = Object.keys(table).map(camelCase);
  return {
    values: Object.fromEntries(keys.map((key) => [key, values[key]])),
    sources: Object.fromEntries(keys.map((key) => [key, sources[key] ?? "default"])),
  };
}

/**
 * Tells whether a command line asks for help, even if the rest of it is wrong.
 *
 * @param argv The arguments.
 * @returns True if `--help` or `-h` is among them.
 *
 * @example
 * ```ts
 * import { wantsHelp } from "@unitune/cli";
 * import { assert } from "@std/assert";
 *
 * assert(wantsHelp(["--stesp", "-h"]));
 * ```
 */
export function wantsHelp(argv: readonly string[]): boolean {
  return argv.includes("--help") || argv.includes("-h");
}

/**
 * Lists the flags that a command line sets.
 *
 * @param parsed The parsed command line.
 * @returns The names of the flags, with dashes.
 *
 * @example
 * ```ts
 * import { givenFlags } from "./flags.ts";
 * import { parseFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = { "batch-size": { kind: "integer", help: "Sequences." } } as const;
 * assertEquals(givenFlags(parseFlags(table, ["--batch-size", "8"])), ["--batch-size"]);
 * ```
 */
export function givenFlags({ sources }: Pick<ParsedFlags<FlagTable>, "sources">): string[] {
  return Object.entries(sources)
    .filter(([, source]) => source === "flag")
    .map(([key]) => `--${kebabCase(key)}`);
}

/**
 * Finds the flags whose given values have no effect, because of the value of another flag.
 *
 * @param table The known flags.
 * @param parsed The values of the table's flags, and their sources.
 * @returns The reason for each of them, by its name: the rest of a sentence that begins with it.
 *
 * @example
 * ```ts
 * import { flagsInVain } from "./flags.ts";
 * import { parseFlags } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = {
 *   optimizer: { kind: "choice", choices: ["adamw", "sgd"], default: "adamw", help: "The rule." },
 *   beta2: { kind: "number", when: { optimizer: ["adamw"] }, help: "A decay." },
 * } as const;
 * assertEquals(
 *   flagsInVain(table, parseFlags(table, ["--optimizer", "sgd", "--beta2", "0.9"])).get("beta2"),
 *   "has an effect only with --optimizer adamw, not with sgd",
 * );
 * ```
 */
export function flagsInVain<const Table extends FlagTable>(
  table: Table,
  parsed: ParsedFlags<NoInfer<Table>>,
): ReadonlyMap<string, string>;
export function flagsInVain(
  table: FlagTable,
  { values, sources }: ParsedFlags<FlagTable>,
): ReadonlyMap<string, string> {
  const given = Object.entries(table).filter(([name]) => sources[camelCase(name)] !== "default");
  return new Map(
    given.flatMap(([name, { when = {}, scope }]) =>
      Object.entries(when).flatMap(([other, needed]): [string, string][] => {
        const value = values[camelCase(other)];
        if (needed.includes(String(value))) return [];
        const where = scope ?? `--${kebabCase(other)} ${alternatives(needed)}`;
        const instead = typeof value === "boolean" ? "" : `, not with ${value}`;
        return [[name, `has an effect only with ${where}${instead}`]];
      })
    ),
  );
}

/**
 * Arguments with negative numbers joined to their flags by `=`: the parser takes what starts with a
 * dash for a flag, and no flag starts with a digit.
 */
function joinedNumbers(names: readonly string[], argv: readonly string[]): string[] {
  const isFlag = (argument: string | undefined) =>
    argument !== undefined && argument.startsWith("--") && names.includes(argument.slice(2));
  const isNumber = (argument: string | undefined) => /^-[.\d]/.test(argument ?? "");
  return argv.flatMap((argument, i) => {
    if (isNumber(argument) && isFlag(argv[i - 1])) return [];
    const next = argv[i + 1];
    return isFlag(argument) && isNumber(next) ? [`${argument}=${next}`] : [argument];
  });
}

/** Choices that an error lists beside the one that was meant. */
const MOST_LISTED = 8;

/** The fault of a value, and a suggestion. */
function wrongText(flag: Flag, given: unknown): string {
  const meant = flag.kind === "choice" && typeof given === "string"
    ? nearest(given, [...flag.choices, ...Object.keys(flag.aliases ?? {})])
    : undefined;
  const near = meant === undefined ? "" : `: did you mean ${acceptedValue(flag, meant)}?`;
  if (flag.listedBy !== undefined) {
    return `can't be ${quoted(given)}${near || ";"} \`${flag.listedBy}\` lists them all`;
  }
  // The one that was meant is not to be looked for behind forty others; --help has them all.
  const isLong = flag.kind === "choice" && flag.choices.length > MOST_LISTED;
  if (meant !== undefined && isLong) return `can't be ${quoted(given)}${near}`;
  return `${faultOf(flag, fromText(flag, given), quoted(given))}${near}`;
}

/** What to write in a file in place of a value for each of several stages, joined by commas. */
function stagesText(key: string, flag: Flag, given: unknown): string | undefined {
  const parts = typeof given === "string" ? given.split(",") : [];
  const values = parts.map((part) => acceptedValue(flag, fromText(flag, part)));
  if (values.length < 2 || values.includes(undefined)) return undefined;
  const stages = JSON.stringify(values.map((value) => ({ [key]: value })));
  return `can't be ${
    quoted(given)
  }: in a file, stages are a JSON array of objects, as in ${stages}`;
}

function wrongValue(name: string, flag: Flag, given: unknown): UsageError {
  return new UsageError(`--${name} ${wrongText(flag, given)}`);
}

/** A flag's value as its kind reads a command line's text. */
function fromText(flag: Flag, given: unknown): unknown {
  const numeric = flag.kind === "number" || flag.kind === "integer";
  return numeric && typeof given === "string" && given.trim() !== "" ? Number(given) : given;
}

/** The value that a flag takes for a given one. */
function accepted(flag: Flag, value: unknown, error: () => Error): OptionValue {
  const own = acceptedValue(flag, value);
  if (own === undefined) throw error();
  return own;
}

/** The error for an argument that is not a flag of the table. */
function strayError(names: readonly string[], argument: string): UsageError {
  if (!/^-./.test(argument)) {
    return new UsageError(
      `unexpected argument ${quoted(argument)}: a value follows its flag`,
    );
  }
  const written = argument.split("=", 1).join("");
  const name = written.replace(/^-+(no-)?/, "");
  return new UsageError(`unknown flag ${abridged(written, 80)}${suggestion(name, names, "--")}`);
}

function suggestion(name: string, names: readonly string[], dashes: string): string {
  const meant = nearest(name, names);
  return meant === undefined ? "" : `: did you mean ${dashes}${meant}?`;
}

/** A name in camel case. */
export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** A name in kebab case. */
export function kebabCase(name: string): string {
  return name.replace(/_/g, "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
