/**
 * Conditions on objectives, as `deno task objectives --where` takes them.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import {
  formulaText,
  type ObjectiveDescription,
  type ObjectiveEntry,
  type SlotTexts,
  slotTexts,
  squeezed,
} from "@unitune/objectives";
import { nearest } from "@unitune/training";
import { UsageError } from "../terminal/errors.ts";

/** An objective and its description. */
interface Described {
  /** Its row in the registry. */
  readonly entry: ObjectiveEntry;
  /** Its row of Table 1. */
  readonly description: ObjectiveDescription;
}

/** What a condition may ask for: one word, or several of which the order does not count. */
type Words = string | readonly string[];

/** A slot of the terms of a gradient that have the form of UPGE. */
const slot = (name: keyof SlotTexts) => ({ description }: Described): Words =>
  description.gradient.flatMap((term) => slotTexts(term)?.[name] ?? []);

/** Columns of names, whose spelling does not count. */
const names: Readonly<Record<string, (row: Described) => Words>> = {
  name: ({ entry }) => entry.name,
  kind: ({ entry }) => entry.data,
  trains: ({ entry }) => entry.trains,
  models: ({ description }) => description.models,
  data: ({ description }) => description.data,
  signal: ({ description }) => description.signal,
  divided: ({ description }) => description.normalizer,
  passes: ({ description }) => `${description.forwardPasses}`,
  group: ({ description }) => `${description.groupSize}`,
  options: ({ entry }) => Object.keys(entry.options),
  gradient: ({ description }) => [...new Set(description.gradient.map(({ kind }) => kind))],
};

/** Columns of formulas, of which only the spaces do not count: `s-` is not `s`, nor `P` p. */
const formulas: Readonly<Record<string, (row: Described) => Words>> = {
  transition: ({ description }) => description.transition,
  loss: ({ description }) => formulaText(description.formula),
  states: ({ description }) => [description.humanStates, description.modelStates],
  mask: slot("mask"),
  denominator: slot("denominator"),
  advantage: slot("advantage"),
  likelihood: slot("likelihood"),
};

const withoutSpaces = (text: string) => text.replace(/\s/g, "");

/** The columns that conditions are on, and what of their spelling counts. */
const columns = new Map(
  ([[names, squeezed], [formulas, withoutSpaces]] as const).flatMap(([table, spelled]) =>
    Object.entries(table).map(([name, of]) => [name, { of, spelled }] as const)
  ),
);

/** The names of the columns that conditions are on. */
export const conditionColumns: readonly string[] = [...columns.keys()];

/** Whether an objective meets a condition. */
export type Condition = (row: Described) => boolean;

/** The comparison of a column with the words of a condition. */
const comparisons: Readonly<
  Record<"=" | "~", (own: readonly string[], asked: readonly string[]) => boolean>
> = {
  "=": (own, asked) => own.length === asked.length && asked.every((word) => own.includes(word)),
  "~": (own, asked) => asked.every((word) => own.some((one) => one.includes(word))),
};

/**
 * A condition from its text: columns with what they are (`=`), or with what is in them (`~`),
 * separated by spaces. Several words are separated by commas, in any order; names may be in any
 * spelling, and of formulas the spaces are left out.
 *
 * @param text Such as `models=policy data~reward`.
 * @returns The condition, which holds where all parts do.
 * @throws {UsageError} If a part is no condition, or its column unknown.
 *
 * @example
 * ```ts
 * import { conditionOf } from "./objective_filter.ts";
 * import { describeEntry, objectiveRegistry } from "@unitune/objectives";
 * import { assertEquals } from "@std/assert";
 *
 * const isMet = conditionOf("kind=pairs models=policy");
 * const names = objectiveRegistry
 *   .filter((entry) => isMet({ entry, description: describeEntry(entry) }))
 *   .map(({ name }) => name);
 * assertEquals(names, ["orpo", "simpo", "alpha-po", "cpo"]);
 * ```
 */
export function conditionOf(text: string): Condition {
  const parts = text.split(/\s+/).filter((part) => part !== "").map(partOf);
  if (parts.length > 0) return (row) => parts.every((part) => part(row));
  throw new UsageError("--where needs a condition, such as models=policy");
}

/** One column of a condition. */
function partOf(text: string): Condition {
  const [, name = "", sign, words = ""] = /^([a-z]+)([=~])(.+)$/i.exec(text) ?? [];
  if (sign !== "=" && sign !== "~") {
    throw new UsageError(
      `--where: ${quoted(text)} is no condition; write COLUMN=WORDS or COLUMN~WORDS, such as ` +
        "models=policy,reference",
    );
  }
  const column = columns.get(name);
  if (column === undefined) {
    const near = nearest(name, conditionColumns);
    throw new UsageError(
      `--where: there is no column ${quoted(name)}${
        near === undefined ? "." : `: did you mean ${near}?`
      } Columns are ${conditionColumns.join(", ")}`,
    );
  }
  const { of, spelled } = column;
  const asked = words.split(",").map(spelled);
  return (row) => comparisons[sign]([of(row)].flat().map(spelled), asked);
}
