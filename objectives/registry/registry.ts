/** The registry of this package's objectives. */
import { choiceNamed } from "../options.ts";
import { comparedRolloutEntries } from "./compared_rollouts.ts";
import { demonstrationEntries } from "./demonstrations.ts";
import type { ObjectiveEntry, ObjectiveRegistry } from "./entry.ts";
import { labelEntries, pairEntries } from "./pairs.ts";
import { rolloutEntries } from "./rollouts.ts";
import { shapedRolloutEntries } from "./shaped_rollouts.ts";
import { stepEntries } from "./steps.ts";
import { taughtRolloutEntries } from "./taught_rollouts.ts";
import { tripleEntries } from "./triples.ts";
import { unitedDemonstrationEntries, unitedRolloutEntries } from "./united.ts";

/**
 * All objectives of this package, in the order of the data that they read. A registry with another
 * objective is a list with another entry.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { objectiveRegistry } from "@unitune/objectives";
 *
 * const critics = objectiveRegistry.filter(({ values }) => values);
 * assertEquals(critics.map(({ name }) => name), ["ppo"]);
 * ```
 */
export const objectiveRegistry: ObjectiveRegistry = [
  ...demonstrationEntries,
  ...unitedDemonstrationEntries,
  ...pairEntries,
  ...tripleEntries,
  ...labelEntries,
  ...stepEntries,
  ...rolloutEntries,
  ...unitedRolloutEntries,
  ...shapedRolloutEntries,
  ...comparedRolloutEntries,
  ...taughtRolloutEntries,
];

/**
 * The entry with a name or alias, in any spelling.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { entryNamed, objectiveRegistry } from "@unitune/objectives";
 *
 * assertEquals(entryNamed(objectiveRegistry, "rewardModel")?.trains, "reward model");
 * assertEquals(entryNamed(objectiveRegistry, "REINFORCE++")?.name, "reinforce-plus-plus");
 * assertEquals(entryNamed(objectiveRegistry, "reward"), undefined);
 * ```
 *
 * @param registry The objectives.
 * @param word The name.
 * @returns The entry; undefined if the registry has none with the name.
 */
export function entryNamed(registry: ObjectiveRegistry, word: string): ObjectiveEntry | undefined {
  const name = choiceNamed(namesOf(registry), word);
  return registry.find((entry) => entry.name === name);
}

/**
 * The names and aliases of a registry's objectives, as the choices of an option.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { namesOf, objectiveRegistry } from "@unitune/objectives";
 *
 * const { choices, aliases } = namesOf(objectiveRegistry);
 * assertEquals([choices[0], aliases["max-rl-gradient"]], ["sft", "max-rl"]);
 * ```
 *
 * @param registry The objectives.
 * @returns The names, and the name for each alias.
 */
export function namesOf(registry: ObjectiveRegistry): {
  readonly choices: readonly string[];
  readonly aliases: Readonly<Record<string, string>>;
} {
  return {
    choices: registry.map(({ name }) => name),
    aliases: Object.fromEntries(
      registry.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name])),
    ),
  };
}
