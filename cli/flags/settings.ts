/**
 * The settings of a training as flags: those of every training, and the options of the objectives in
 * a registry.
 *
 * @module
 */

import {
  type DataKind,
  defaultOf,
  namesOf,
  type NumberOption,
  type ObjectiveEntry,
  type ObjectiveRegistry,
  objectiveRegistry,
  type Option,
  type OptionValue,
} from "@unitune/objectives";
import { type Setting, type SettingTable, settingTable } from "@unitune/training";
import { type Architecture, architectures, presetNames } from "@unitune/models";
import { checkObjectives } from "./check_objectives.ts";
import type { Flag, FlagTable } from "./flags.ts";
import type { Registries } from "./registries.ts";
import { alternatives, listed } from "./words.ts";

/** A row of an objective's options. */
interface Use<Row> {
  readonly entry: ObjectiveEntry;
  readonly row: Row;
}

/** The words for data of each kind. */
const kindWords: Readonly<Record<DataKind, string>> = {
  demonstrations: "answers",
  pairs: "pairs",
  triples: "triples",
  labels: "labels",
  steps: "steps",
  rollouts: "rollouts",
};

/** The kinds of data of a registry's objectives, with the objectives on each. */
function byKind(registry: ObjectiveRegistry): ReadonlyMap<DataKind, readonly ObjectiveEntry[]> {
  return Map.groupBy(registry, ({ data }) => data);
}

/**
 * Objectives in words: those on whole kinds of data, or on almost all of one, by the kind; the others
 * by name. Undefined where all are named.
 */
function scopeOf(
  registry: ObjectiveRegistry,
  users: readonly ObjectiveEntry[],
): string | undefined {
  const parts = [...byKind(registry)].map(([kind, all]) => {
    const names = (among: readonly ObjectiveEntry[]) => among.map(({ name }) => name);
    const own = names(all.filter((entry) => users.includes(entry)));
    const others = names(all.filter((entry) => !users.includes(entry)));
    if (own.length <= others.length) return { kinds: [], named: own };
    const except = others.length === 0 ? "" : ` (not ${listed(others)})`;
    return { kinds: [`${kindWords[kind]}${except}`], named: [] };
  });
  const kinds = parts.flatMap((part) => part.kinds);
  const named = parts.flatMap((part) => part.named);
  if (kinds.length === 0) return undefined;
  const whole = `objectives on ${alternatives(kinds)}`;
  return named.length === 0 ? whole : `${whole}, and ${listed(named)}`;
}

/** The defaults of several objectives in words: the usual one, then those of others by their names. */
function defaultsOf(uses: readonly Use<OptionValue | string | undefined>[]): string | undefined {
  const known = uses.filter(({ row }) => row !== undefined);
  const groups = [...Map.groupBy(known, ({ row }) => row)].toSorted(([, a], [, b]) =>
    b.length - a.length
  );
  const [first, ...others] = groups;
  if (first === undefined) return undefined;
  const of = ([value, own]: typeof first) =>
    `${value} for ${listed(own.map(({ entry: { name } }) => name))}`;
  if (others.length === 0) return String(first[0]);
  return first[1].length > 1
    ? `${first[0]}; ${others.map(of).join(", ")}`
    : groups.map(of).join(", ");
}

/** The least strict of some limits; none where one of them is none. */
function loosest(
  rows: readonly NumberOption[],
  [closed, open]: readonly ["min", "above"] | readonly ["max", "below"],
  sign: 1 | -1,
): Pick<NumberOption, "min" | "above" | "max" | "below"> {
  const limits = rows.map(({ [closed]: reached, [open]: missed }) =>
    missed !== undefined && (reached === undefined || sign * missed >= sign * reached)
      ? { name: open, value: missed }
      : { name: closed, value: reached }
  );
  const [least] = limits.toSorted((a, b) =>
    sign * ((a.value ?? -sign * Infinity) - (b.value ?? -sign * Infinity)) ||
    Number(a.name === open) - Number(b.name === open)
  );
  return least?.value === undefined ? {} : { [least.name]: least.value };
}

/**
 * One option for those of several objectives that have its name, all of one kind: it takes what any
 * of them takes.
 */
function merged(name: string, uses: readonly Use<Option>[]): Option {
  const rows = uses.map(({ row }) => row);
  const [first] = rows;
  if (first === undefined) throw new RangeError(`the option ${name} is of no objective`);
  const { help } = first;
  const told = defaultsOf(
    uses.map(({ entry, row }) => ({ entry, row: row.default ?? row.defaultHelp })),
  );
  const defaultHelp = told === undefined ? {} : { defaultHelp: told };
  const agree = rows.every((row) => defaultOf(row) === defaultOf(first));
  switch (first.kind) {
    case "boolean":
      return agree ? first : { kind: "boolean", help, ...defaultHelp };
    case "string":
      return agree ? first : { kind: "string", help, ...defaultHelp };
    case "choice": {
      const all = rows.filter((row) => row.kind === "choice");
      const choices = [...new Set(all.flatMap(({ choices }) => choices))];
      return agree ? { ...first, choices } : { kind: "choice", choices, help, ...defaultHelp };
    }
    case "number":
    case "integer": {
      const all = rows.flatMap((row) =>
        row.kind === "number" || row.kind === "integer" ? [row] : []
      );
      return {
        kind: first.kind,
        help,
        ...loosest(all, ["min", "above"], 1),
        ...loosest(all, ["max", "below"], -1),
        ...agree && first.default !== undefined ? { default: first.default } : defaultHelp,
      };
    }
    default:
      return first satisfies never;
  }
}

/** A setting as a flag, which has an effect for the objectives that read it. */
function settingFlag(name: string, setting: Setting, registry: ObjectiveRegistry): Flag {
  const { isShared: _isShared, isPlace: _isPlace, isOption: _isOption, ...row } = setting;
  const { appliesTo, usual, pretrained, ...flag } = row;
  const readers = registry.filter((entry) =>
    appliesTo === undefined || appliesTo(entry) || Object.hasOwn(entry.options, name)
  );
  const told = usual && defaultsOf(readers.map((entry) => ({ entry, row: usual(entry) })));
  const otherwise = told ?? defaultOf(flag) ?? flag.defaultHelp;
  const defaultHelp = pretrained === undefined
    ? told
    : `${otherwise}; with --model ${pretrainedDefaults(pretrained, byKind(registry).keys())}`;
  return {
    ...flag,
    ...defaultHelp !== undefined && { defaultHelp },
    ...appliesTo !== undefined && effect(registry, readers),
  };
}

/** The defaults for pretrained models in words: `2e-5 for answers, 1e-6 for pairs`. */
function pretrainedDefaults(
  pretrained: NonNullable<Setting["pretrained"]>,
  kinds: Iterable<DataKind>,
): string {
  const all = [...kinds];
  const [whole, adapted] = [false, true].map((isAdapted) => {
    const groups = Map.groupBy(all, (data) => pretrained({ data, isAdapted }));
    return groups.size === 1
      ? [...groups.keys()].join()
      : [...groups].map(([value, own]) =>
        `${value} for ${listed(own.map((kind) => kindWords[kind]))}`
      ).join(", ");
  });
  return whole === adapted ? `${whole}` : `${whole}; with --lora ${adapted}`;
}

/** The objectives for which a flag has an effect. */
function effect(
  registry: ObjectiveRegistry,
  users: readonly ObjectiveEntry[],
): Pick<Flag, "when" | "scope"> {
  const scope = scopeOf(registry, users);
  return {
    when: { objective: users.map(({ name }) => name) },
    ...scope !== undefined && { scope },
  };
}

/** The preset of a new model, with those of all architectures as choices. */
function presetFlag(rows: readonly Architecture[]): Flag {
  const { isShared: _isShared, placeholder: _placeholder, help, ...flag } = settingTable.preset;
  const about = rows.flatMap(({ name, presets }) => {
    const sizes = Object.entries(presets).map(([preset, { layers, width }]) =>
      `${preset} has ${layers} layers of width ${width}`
    );
    return sizes.length === 0 ? [] : [`${name}: ${sizes.join(", ")}`];
  });
  return {
    ...flag,
    kind: "choice",
    choices: presetNames(rows),
    help: `${help} ${about.join("; ")}.`,
  };
}

/** The objectives by the data that they read. */
function objectiveHelp(registry: ObjectiveRegistry): string {
  const kinds = [...byKind(registry)].map(([kind, entries]) => {
    const about = kind === "rollouts" ? " (sampled and rewarded answers)" : "";
    return `On ${kindWords[kind]}${about}: ${entries.map(({ name }) => name).join(", ")}.`;
  });
  return `What is minimized; \`deno task objectives\` explains each. ${kinds.join(" ")} A name ` +
    `is found in any spelling (camel or snake case), and by its aliases. Several, ` +
    `joined by commas, are the stages of one run; other flags then take one value, or one for ` +
    `each stage: numbers and choices joined by commas, as in --steps 900,300; texts by repeating ` +
    `the flag, as in --data a.jsonl --data b.jsonl.`;
}

/**
 * The settings of a training as flags of a command, and as all that a configuration file may hold.
 *
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @returns The flags.
 * @throws {UserError} If the names of the objectives, or of their options, collide.
 *
 * @example
 * ```ts
 * import { helpText, settingFlags } from "@unitune/cli";
 * import { defineObjective, estimate, gold, indicator, nll, objective } from "@unitune/objectives";
 * import { objectiveRegistry, weight } from "@unitune/objectives";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const mine = defineObjective({
 *   name: "my-sft",
 *   data: "demonstrations",
 *   reference: "none",
 *   teacher: false,
 *   values: false,
 *   trains: "policy",
 *   options: { zeal: { kind: "number", above: 0, default: 2, help: "The weight of the loss." } },
 *   make: ({ zeal }) => objective(estimate(gold, indicator), weight(zeal, nll())),
 * });
 * const help = helpText(settingFlags({ objectives: [...objectiveRegistry, mine] }), "");
 * assertStringIncludes(help, "--zeal X");
 * ```
 */
export function settingFlags(registries: Registries = {}): FlagTable {
  const { objectives: registry = objectiveRegistry, architectures: rows = architectures } =
    registries;
  checkObjectives(registry);
  const settings: SettingTable = settingTable;
  const flags = Object.entries(settings).map(([name, setting]) =>
    [
      name,
      setting === settingTable.preset ? presetFlag(rows) : settingFlag(name, setting, registry),
    ] as const
  );
  const uses = Map.groupBy(
    registry.flatMap((entry) =>
      Object.entries(entry.options).map(([name, row]) => ({ name, entry, row }))
    ).filter(({ name }) => !Object.hasOwn(settings, name)),
    ({ name }) => name,
  );
  const options = [...uses].map(([name, own]) => {
    const users = own.map(({ entry }) => entry);
    const group = users.every(({ data }) => data === "rollouts") ? "Rollouts" : "Objective";
    return [name, { ...merged(name, own), group, ...effect(registry, users) }] as const;
  });
  const [first] = registry;
  const objective: Flag = {
    kind: "choice",
    ...namesOf(registry),
    placeholder: "NAME",
    listedBy: "deno task objectives",
    ...first !== undefined && { default: first.name },
    group: "Objective",
    help: objectiveHelp(registry),
  };
  // The objective leads its group.
  const leader = flags.findIndex(([, { group }]) => group === objective.group);
  return Object.fromEntries([
    ...flags.slice(0, leader),
    ["objective", objective],
    ...flags.slice(leader),
    ...options,
  ]);
}
