/**
 * The settings and the data of a run, as a section of its page.
 *
 * @module
 */

import { type FlagTable, kebabCase } from "../flags/flags.ts";
import { settingFlags } from "../flags/settings.ts";
import type { RunConfig } from "../run/run_config.ts";
import { taskCommand } from "../terminal/shell.ts";
import { details, facts, type Html, html, type PageSection, table, terms } from "./page.ts";

/** Settings by name, as a file keeps them. */
type StageConfig = Readonly<Record<string, unknown>>;

/** The settings that are shown at once, where a stage has them. The rest can be unfolded. */
const mainSettings = [
  ...["objective", "data", "split", "tasks", "examples", "noise", "validationData"],
  ...["from", "model", "preset", "loraRank", "steps", "batchSize", "gradientAccumulation"],
  ...["optimizer", "learningRate", "precision", "device", "seed"],
] as const;

/** Settings that say nothing unless another one is on. */
const dependent: Readonly<Record<string, string>> = { loraRank: "lora" };

/** Whether a stage has a setting that says something of it. */
function says(stage: StageConfig, name: string): boolean {
  const { [name]: other } = dependent;
  return name in stage && (other === undefined || stage[other] === true);
}

/** A value of a configuration file in words. */
function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

/** The numbers and words of a model's configuration. */
function modelText(model: Readonly<Record<string, unknown>>): string {
  return Object.entries(model)
    .filter(([, value]) => typeof value !== "object")
    .map(([name, value]) => `${kebabCase(name)} ${shown(value)}`).join(", ");
}

/** Every setting of a stage but its objective, with the help of its flag. */
function allSettings({ objective: _, ...stage }: StageConfig, flags: FlagTable): Html {
  return terms(
    Object.entries(stage).map(([name, value]) => [
      html`<code>${kebabCase(name)}</code> ${shown(value)}`,
      Object.hasOwn(flags, name) ? flags[name]?.help ?? "" : "",
    ]),
  );
}

/** The characters of a digest that tell data apart. */
const DIGEST = 12;

/**
 * The section with the settings and the data of a run.
 *
 * @param folder The folder of the run.
 * @param config Its configuration.
 * @param names The names of its stages, one for each.
 * @returns The section.
 */
export function settingsSection(
  folder: string,
  { settings, model, data }: RunConfig,
  names: readonly string[],
): PageSection {
  const stages: readonly StageConfig[] = [settings].flat();
  const values = mainSettings.filter((name) => stages.some((stage) => says(stage, name)))
    .map((name) => ({
      name: kebabCase(name),
      values: stages.map((stage) => says(stage, name) ? shown(stage[name]) : ""),
    }));
  const isShared = ({ values }: { readonly values: readonly string[] }) =>
    values.every((value) => value === values[0]);
  const own = values.filter((row) => !isShared(row));
  const isBuiltIn = stages.every((stage) => !("data" in stage));
  const source = isBuiltIn ? "built-in tasks, " : "";
  const flags = settingFlags();
  const unfolded = stages.map((stage, i) =>
    details(
      stages.length === 1 ? "All settings" : `All settings of ${names[i]}`,
      allSettings(stage, flags),
    )
  );
  const again = taskCommand("train", { config: `${folder}/config.json` });
  return {
    title: "Settings and data",
    body: html`${
      facts([
        ["rows", `${source}${data.kind} (digest ${data.digest.slice(0, DIGEST)})`],
        ["sizes", modelText(Object.fromEntries(Object.entries(model)))],
        ...values.filter(isShared).map(({ name, values: [value = ""] }) => [name, value] as const),
      ])
    }${
      own.length === 0 ? "" : table({
        header: ["", ...names],
        rows: own.map(({ name, values }) => [name, ...values]),
      })
    }${unfolded}<p>The same training again: <code>${again}</code></p>`,
  };
}
