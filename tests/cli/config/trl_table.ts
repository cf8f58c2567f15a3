/**
 * The table of `docs/configuration.md`: the keys of TRL that are settings of Unitune, with the
 * defaults of both.
 *
 *     deno run --allow-read tests/cli/config/trl_table.ts
 */
import { trainSettings } from "@unitune/training";
import { trlKeys } from "../../../cli/config/trl_keys.ts";
import { kebabCase } from "../../../cli/flags/flags.ts";
import golden from "./trl_keys.json" with { type: "json" };

/** The fields of TRL's classes, with their defaults. */
export const classes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = golden.classes;

/** The objectives that TRL's trainers are for; every other class goes with any trainer. */
const objectives: Readonly<Record<string, string>> = {
  SFTConfig: "sft",
  DPOConfig: "dpo",
  KTOConfig: "kto",
  GRPOConfig: "grpo",
  RLOOConfig: "rloo",
  RewardConfig: "reward-model",
  DistillationConfig: "distillation",
  CPOConfig: "cpo",
  TPOConfig: "tpo",
  GKDConfig: "gkd",
};

/** The classes of trainers that need a teacher, without which there are no settings. */
const taught = ["DistillationConfig", "GKDConfig"];

/** The objective that a class of TRL is for. */
export function objectiveOf(name: string): string {
  return objectives[name] ?? "sft";
}

/** A default, as a file has it. */
function shown(value: unknown): string {
  const isSmall = typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3;
  return isSmall ? value.toExponential() : value === null ? "" : String(value);
}

/** Values by objective in words: one for all, or each with the objectives that have it. */
function inWords(values: readonly (readonly [objective: string, value: string])[]): string {
  const groups = [...Map.groupBy(values, ([, value]) => value)];
  if (groups.length === 1) return groups.map(([value]) => value).join();
  return groups.map(([value, own]) => `${value} (${own.map(([name]) => name).join(", ")})`.trim())
    .join(", ");
}

/** Rows of the table, in Markdown. */
export function trlTable(): readonly string[] {
  return Object.entries(trlKeys).flatMap(([key, { sets = [] }]) => {
    if (sets.length === 0) return [];
    const owners = Object.entries(classes).filter(([name, fields]) =>
      Object.hasOwn(fields, key) && !taught.includes(name)
    );
    const theirs = owners.map(([name, fields]) => [objectiveOf(name), shown(fields[key])] as const);
    // The first setting is the one that the key always gives a value.
    const [setting = ""] = sets;
    const ours = owners.flatMap(([name]): (readonly [string, string])[] => {
      const objective = objectiveOf(name);
      const { options, objective: _, ...settings } = trainSettings({ objective, model: "m" });
      const value = new Map<string, unknown>(Object.entries({ ...settings, ...options }))
        .get(setting);
      return value === undefined || value === "m" ? [] : [[objective, shown(value)]];
    });
    const flags = sets.map((setting) => `\`--${kebabCase(setting)}\``).join(", ");
    return [`| \`${key}\` | ${flags} | ${inWords(theirs)} | ${inWords(ours)} |`];
  });
}

if (import.meta.main) console.log(trlTable().join("\n"));
