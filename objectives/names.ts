/** Names that are found in any spelling. */

/**
 * A name without the differences between spellings: case, hyphens, underscores, dots and spaces.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { squeezed } from "@unitune/objectives";
 *
 * assertEquals(["iw-sft", "iwSft", "IW_SFT"].map(squeezed), ["iwsft", "iwsft", "iwsft"]);
 * ```
 *
 * @param name The name.
 * @returns Its letters, in lower case.
 */
export function squeezed(name: string): string {
  return name.toLowerCase().replace(/[-_.\s]/g, "");
}

/**
 * The name that is written in another spelling: in kebab, camel or snake case, in capitals, with or
 * without hyphens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sameName } from "@unitune/objectives";
 *
 * assertEquals(sameName("rewardModel", ["ppo", "reward-model"]), "reward-model");
 * assertEquals(sameName("reward", ["ppo", "reward-model"]), undefined);
 * ```
 *
 * @param word The written word.
 * @param names The names, no two of which differ in spelling only.
 * @returns The name; undefined where the word is none of them.
 */
export function sameName<Name extends string>(
  word: string,
  names: Iterable<Name>,
): Name | undefined {
  const own = squeezed(word);
  for (const name of names) if (name === word || squeezed(name) === own) return name;
  return undefined;
}
