/**
 * The check of a list of objectives, to which an outside program may have added: by their names and
 * options they share one command line.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { type ObjectiveRegistry, squeezed } from "@unitune/objectives";
import { type SettingTable, settingTable, UserError } from "@unitune/training";
import { camelCase, kebabCase } from "./flags.ts";
import { runFlags } from "./run_flags.ts";
import { listed } from "./words.ts";

const table: SettingTable = settingTable;
const settings = new Map(Object.entries(table));

/** The flags of a command that are no settings. */
const ownFlags: readonly string[] = [...Object.keys(runFlags), "objective", "help"];

/** The settings that may also be options of an objective. */
const both = [...settings].flatMap(([name, { isOption }]) => isOption === true ? [name] : []);

const KEBAB_CASE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const CAMEL_CASE = /^[a-z][a-zA-Z0-9]*$/;
/** An alias may have other signs, as in `reinforce++`, but none that separates words or folders. */
const ALIAS = /^(?!-)[^,\/\\\s]+$/;

/**
 * Refuses objectives that cannot be told apart on a command line, or whose options cannot.
 *
 * @param registry The objectives.
 * @throws {UserError} If a name or an alias is another objective's, or is not in kebab case; or if an
 * option is not in camel case, has the name of a flag or a setting, or is of another kind than
 * another objective's option of its name.
 *
 * @example
 * ```ts
 * import { checkObjectives } from "./check_objectives.ts";
 * import { objectiveRegistry } from "@unitune/objectives";
 * import { UserError } from "@unitune/training";
 * import { assertThrows } from "@std/assert";
 *
 * checkObjectives(objectiveRegistry);
 * assertThrows(
 *   () => checkObjectives([...objectiveRegistry, ...objectiveRegistry.slice(0, 1)]),
 *   UserError,
 *   `the objective "sft": its name is that of another objective, "sft": choose another`,
 * );
 * ```
 */
export function checkObjectives(registry: ObjectiveRegistry): void {
  const names = new Map<string, string>();
  const kinds = new Map<string, { readonly kind: string; readonly owner: string }>();
  for (const { name, aliases, options } of registry) {
    const refuse = (fault: string) => new UserError(`the objective ${quoted(name)}: ${fault}`);
    if (!KEBAB_CASE.test(name)) throw refuse(`its name must be in kebab case, such as "my-sft"`);
    for (const word of [name, ...aliases]) {
      const what = word === name ? "its name" : `its alias ${quoted(word)}`;
      if (word !== name && !ALIAS.test(word)) {
        throw refuse(`${what} must be without commas, slashes and spaces`);
      }
      const other = names.get(squeezed(word));
      if (other !== undefined) {
        throw refuse(`${what} is that of another objective, ${quoted(other)}: choose another`);
      }
    }
    for (const word of [name, ...aliases]) names.set(squeezed(word), name);
    for (const [option, { kind }] of Object.entries(options)) {
      const what = `its option ${quoted(option)}`;
      if (!CAMEL_CASE.test(option)) {
        const meant = camelCase(option);
        const such = CAMEL_CASE.test(meant) ? meant : "myOption";
        throw refuse(`${what} must be in camel case, such as ${quoted(such)}`);
      }
      if (ownFlags.includes(option)) {
        throw refuse(`${what} has the name of train's own --${kebabCase(option)}: choose another`);
      }
      const setting = settings.get(option);
      if (setting !== undefined && !both.includes(option)) {
        throw refuse(
          `${what} has the name of a setting of every training: choose another (only ` +
            `${listed(both)} may be both)`,
        );
      }
      const known = setting === undefined
        ? kinds.get(option)
        : { kind: setting.kind, owner: "every training" };
      if (known !== undefined && known.kind !== kind) {
        throw refuse(
          `${what} is of the kind ${kind}, and of the kind ${known.kind} for ${known.owner}: one ` +
            `name stands for one kind of value`,
        );
      }
      if (known === undefined) kinds.set(option, { kind, owner: name });
    }
  }
}
