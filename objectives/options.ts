/**
 * Options as a table: the row of an option defines the type of its value, its default, and the
 * check of a given value. The options of an objective are such a table, and so may be the settings
 * of a training and the flags of a command.
 */
import { describeOutlier, describeRange, inRange, quoted, type Range } from "@unitune/core";
import { sameName } from "./names.ts";

/** The part that every option has. */
export interface OptionBase {
  /** The effect of the option: a sentence or two. */
  readonly help: string;
  /** The default in words, for a row without one because it depends on other values. */
  readonly defaultHelp?: string;
}

/** An option whose value is a text. */
export interface StringOption extends OptionBase {
  /** A text. */
  readonly kind: "string";
  /** The default. */
  readonly default?: string;
  /** The word that stands for the value in a help text, such as `FILE`. */
  readonly placeholder?: string;
}

/** An option whose value is a finite number within limits. */
export interface NumberOption extends OptionBase, Omit<Range, "integer" | "infinite"> {
  /** A finite number, or a whole one. */
  readonly kind: "number" | "integer";
  /** The default. */
  readonly default?: number;
}

/** An option whose value is true or false. */
export interface BooleanOption extends OptionBase {
  /** True or false. */
  readonly kind: "boolean";
  /** The default (default false). */
  readonly default?: boolean;
}

/** An option whose value is one of some words. */
export interface ChoiceOption extends OptionBase {
  /** One of several words. */
  readonly kind: "choice";
  /** The words. */
  readonly choices: readonly string[];
  /** Other words for some of them. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The word that stands for the value in a help text, in place of all the choices. */
  readonly placeholder?: string;
  /** The default. */
  readonly default?: string;
}

/** One option. */
export type Option = StringOption | NumberOption | BooleanOption | ChoiceOption;

/** Options by name. */
export type OptionTable = Readonly<Record<string, Option>>;

/** The value of any option. */
export type OptionValue = string | number | boolean;

/** Unchecked values of options by name; undefined counts as not given. */
export type GivenOptions = Readonly<Record<string, OptionValue | undefined>>;

/** The type of the values that an option takes. */
export type GivenValue<O extends Option> = O extends { readonly kind: "boolean" } ? boolean
  : O extends { readonly kind: "number" | "integer" } ? number
  : O extends { readonly choices: readonly (infer Choice)[] } ? Choice
  : string;

/** The type of an option's value: undefined is possible if there is no default. */
export type ValueOf<O extends Option> = O extends { readonly kind: "boolean" } ? boolean
  : O extends { readonly default: OptionValue } ? GivenValue<O>
  : GivenValue<O> | undefined;

/** The values of all options of a table. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: ValueOf<Table[Name]>;
};

/** The range of a numeric option. */
function rangeOf({ kind, min, max, above, below }: NumberOption): Range {
  return {
    integer: kind === "integer",
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(above !== undefined && { above }),
    ...(below !== undefined && { below }),
  };
}

/**
 * The choice that a word stands for, in any spelling.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { choiceNamed } from "@unitune/objectives";
 *
 * const objective = { choices: ["iw-sft", "max-rl"], aliases: { "max-rl-gradient": "max-rl" } };
 * assertEquals(choiceNamed(objective, "iwSft"), "iw-sft");
 * assertEquals(choiceNamed(objective, "maxRlGradient"), "max-rl");
 * assertEquals(choiceNamed(objective, "sft"), undefined);
 * ```
 *
 * @param option The choices, and other words for them.
 * @param word The word.
 * @returns The choice; undefined if the word stands for none.
 */
export function choiceNamed(
  { choices, aliases = {} }: Pick<ChoiceOption, "choices" | "aliases">,
  word: string,
): string | undefined {
  const alias = sameName(word, Object.keys(aliases));
  return sameName(word, choices) ?? (alias === undefined ? undefined : aliases[alias]);
}

/**
 * The value that an option takes for a given one: a choice in its own spelling, any other value as it
 * is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { acceptedValue } from "@unitune/objectives";
 *
 * const rule = { kind: "choice", choices: ["adamw", "sgd"], help: "The rule." } as const;
 * assertEquals([acceptedValue(rule, "AdamW"), acceptedValue(rule, "adam")], ["adamw", undefined]);
 * const beta = { kind: "number", above: 0, help: "The strength." } as const;
 * assertEquals([acceptedValue(beta, 0.1), acceptedValue(beta, 0)], [0.1, undefined]);
 * ```
 *
 * @param option The option.
 * @param value The given value.
 * @returns The value; undefined if the option takes no such value.
 */
export function acceptedValue(option: Option, value: unknown): OptionValue | undefined {
  switch (option.kind) {
    case "string":
      return typeof value === "string" ? value : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "choice":
      return typeof value === "string" ? choiceNamed(option, value) : undefined;
    case "number":
    case "integer":
      return inRange(value, rangeOf(option)) ? value : undefined;
    default:
      return option satisfies never;
  }
}

/**
 * The values that an option takes, in words: `a whole number, at least 1`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeValues } from "@unitune/objectives";
 *
 * assertEquals(
 *   describeValues({ kind: "number", min: 0, below: 1, help: "The decay." }),
 *   "a number, at least 0, below 1",
 * );
 * ```
 *
 * @param option The option.
 * @returns The words.
 */
export function describeValues(option: Option): string {
  switch (option.kind) {
    case "string":
      return "a text";
    case "boolean":
      return "true or false";
    case "choice":
      return `one of ${option.choices.join(", ")}`;
    case "number":
    case "integer":
      return describeRange(rangeOf(option));
    default:
      return option satisfies never;
  }
}

/**
 * The fault of a value that an option does not take: `must be a number, above 0, not -1`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { faultOf } from "@unitune/objectives";
 *
 * const beta = { kind: "number", above: 0, help: "The strength." } as const;
 * assertEquals(faultOf(beta, -1), "must be a number, above 0, not -1");
 * assertEquals(faultOf(beta, 1e-50), "must be a number, above 0, not 1e-50, which is 0 in 32 bits");
 * ```
 *
 * @param option The option.
 * @param value The given value.
 * @param written The value as it was written (default: as JSON has it).
 * @returns The rest of a sentence that begins with the option's name.
 */
export function faultOf(option: Option, value: unknown, written: string = quoted(value)): string {
  const isNumeric = option.kind === "number" || option.kind === "integer";
  const got = isNumeric ? describeOutlier(value, rangeOf(option), written) : written;
  return `must be ${describeValues(option)}, not ${got}`;
}

/** The value of an option that was not given. */
export function defaultOf(option: Option): OptionValue | undefined {
  return option.kind === "boolean" ? option.default ?? false : option.default;
}

/** Whether values fit a table: all belong to its options, and each option takes its value. */
function areValuesOf<Table extends OptionTable>(
  table: Table,
  values: Readonly<Record<string, unknown>>,
): values is OptionValues<Table> {
  return Object.entries(table).every(([name, option]) => {
    const value = values[name];
    return value === undefined
      ? defaultOf(option) === undefined
      : acceptedValue(option, value) === value;
  });
}

/**
 * The values of all options: those given, and defaults for the others.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { optionValues } from "@unitune/objectives";
 *
 * const table = {
 *   beta: { kind: "number", above: 0, default: 0.1, help: "The strength." },
 *   margin: { kind: "number", min: 0, help: "The margin." },
 * } as const;
 * const { beta, margin } = optionValues("simpo", table, { margin: 1 });
 * const sum: number | undefined = margin && beta + margin;
 * assertEquals(sum, 1.1);
 * assertThrows(
 *   () => optionValues("simpo", table, { beta: 0 }),
 *   RangeError,
 *   "simpo: beta must be a number, above 0, not 0",
 * );
 * ```
 *
 * @param owner The name of the options' owner, for errors.
 * @param table The options.
 * @param given Some values.
 * @returns All values.
 * @throws {RangeError} If an option is unknown, or does not take its value.
 */
export function optionValues<const Table extends OptionTable>(
  owner: string,
  table: Table,
  given: Readonly<Record<string, unknown>> = {},
): OptionValues<Table> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      const known = Object.keys(table).join(", ") || "none";
      throw new RangeError(`${owner}: unknown option ${quoted(name)}; its options are ${known}`);
    }
  }
  const values = Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const value = given[name];
      if (value === undefined) return [name, defaultOf(option)];
      const accepted = acceptedValue(option, value);
      if (accepted !== undefined) return [name, accepted];
      throw new RangeError(`${owner}: ${name} ${faultOf(option, value)}`);
    }),
  );
  if (areValuesOf(table, values)) return values;
  throw new RangeError(`${owner}: a default is none of the values that its option takes`);
}
