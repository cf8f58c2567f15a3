/**
 * The objective of a training as a word of an address: a name of the registry with options, such as
 * `dpo(beta=0.2)`, or three parts, such as `gold*indicator*nll`.
 */
import { quoted } from "@unitune/core";
import {
  acceptedValue,
  entryNamed,
  faultOf,
  type GivenOptions,
  namesOf,
  type ObjectiveEntry,
  objectiveRegistry,
  type Option,
  type OptionTable,
  type OptionValue,
} from "@unitune/objectives";
import { nearest, UserError } from "@unitune/training";
import { composedEntry } from "./compose/composition.ts";

/** An objective to train by. */
export interface Lane {
  /** The word that stands for it in an address. */
  readonly word: string;
  readonly entry: ObjectiveEntry;
  /** The options that were given. */
  readonly options: GivenOptions;
}

/** The value of an option, from its text. */
function readValue(option: Option, text: string): OptionValue | undefined {
  switch (option.kind) {
    case "string":
    case "choice":
      return acceptedValue(option, text);
    case "boolean":
      return text === "true" || text === "false" ? text === "true" : undefined;
    case "number":
    case "integer":
      return text.trim() === "" ? undefined : acceptedValue(option, Number(text));
    default:
      return option satisfies never;
  }
}

/**
 * Reads an option's value, as a form or an address has it.
 *
 * @throws {UserError} If the option takes no such value.
 */
export function optionOf(name: string, option: Option, text: string): OptionValue {
  const value = readValue(option, text);
  if (value === undefined) throw new UserError(`${name} ${faultOf(option, text, quoted(text))}`);
  return value;
}

/** The options in a word, `a=1,b=2`. */
function readOptions(owner: string, table: OptionTable, text: string): GivenOptions {
  const pairs = text.split(",").filter((pair) => pair !== "").map((pair) => {
    const at = pair.indexOf("=");
    const [name, value] = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option === undefined) {
      const known = Object.keys(table).join(", ") || "none";
      throw new UserError(`${owner} has no option ${quoted(name)}: its options are ${known}`);
    }
    return [name, optionOf(`${owner}: ${name}`, option, value)] as const;
  });
  return Object.fromEntries(pairs);
}

/** The entry that the name in a word stands for. */
function entryOf(name: string): ObjectiveEntry {
  if (name.includes("*")) return composedEntry(name);
  const entry = entryNamed(objectiveRegistry, name);
  if (entry !== undefined) return entry;
  const meant = nearest(name, namesOf(objectiveRegistry).choices);
  throw new UserError(
    `there is no objective ${quoted(name)}` +
      (meant === undefined ? "" : `: did you mean ${meant}?`),
  );
}

/** The name in a word, without options. */
export function nameIn(word: string): string {
  const open = word.indexOf("(");
  return (open < 0 ? word : word.slice(0, open)).trim();
}

/**
 * Reads the word of a lane.
 *
 * @param word The word.
 * @returns The objective.
 * @throws {UserError} If the word names no objective, or an option that it does not have or take.
 */
export function laneOf(word: string): Lane {
  const open = word.indexOf("(");
  const options = open < 0 ? "" : word.slice(open + 1).replace(/\)$/, "");
  const entry = entryOf(nameIn(word));
  return { word, entry, options: readOptions(entry.name, entry.options, options) };
}

/** The word of an objective with some options; those at their defaults are left out. */
export function wordOf({ name, options: table }: ObjectiveEntry, options: GivenOptions): string {
  const given = Object.entries(options).filter(([option, value]) =>
    value !== undefined && value !== table[option]?.default
  );
  return given.length === 0
    ? name
    : `${name}(${given.map(([option, value]) => `${option}=${value}`).join(",")})`;
}

/** Why an objective cannot be trained by in the page; undefined if it can. */
export function untrainable({ trains }: ObjectiveEntry): string | undefined {
  return trains === "policy" ? undefined : `it trains a ${trains}, which answers nothing`;
}
