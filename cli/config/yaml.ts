/**
 * Configuration files in YAML 1.2, by the npm package `yaml`. It is an entry of its own, so that no
 * command fetches that package unless a file of YAML is read.
 *
 * @example
 * ```ts
 * import { parseYaml } from "@unitune/cli/yaml";
 * import { assertEquals } from "@std/assert";
 *
 * const { value, placeOf } = parseYaml("objective: dpo\nsteps: 300 # enough\n", "run.yaml");
 * assertEquals(value, { objective: "dpo", steps: 300 });
 * assertEquals(placeOf(["steps"]), "run.yaml:2:1");
 * ```
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type YAMLError,
} from "npm:yaml@^2.9.1";
import type { ParsedConfig } from "./config_file.ts";

export type { ParsedConfig } from "./config_file.ts";

/** The most levels of lists and maps: those of the stages, of a stage, and of two in a value. */
const MOST_LEVELS = 4;

/** The faults of a file by the package's codes, where its own words are those of a programmer. */
const faults: Partial<Record<YAMLError["code"], string>> = {
  MULTIPLE_DOCS: "a second document begins, and settings are one",
  RESOURCE_EXHAUSTION: "lists and maps are nested too deeply for settings",
};

/**
 * Parses a configuration file in YAML. Aliases (`*name`) and tags (`!name`) are refused: settings
 * need neither, and a few aliases can stand for values without end.
 *
 * @param text The text of the file.
 * @param path The path of the file, for errors.
 * @returns The value of the file, and the places in it, as `run.yaml:3:1`.
 * @throws {UserError} If the text is not YAML, a key is not a text or is there twice, or a value is
 * not one of JSON; the message names file, line and column.
 */
export function parseYaml(text: string, path: string): ParsedConfig {
  const lines = new LineCounter();
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const document = permitted(() =>
    parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  );
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    throw new UserError(
      `${placeAt(fault.pos[0])}: not YAML of settings: ${faults[fault.code] ?? fault.message}`,
    );
  }
  const root = document.contents;
  return {
    path,
    value: valueOf(root, (node, why) => new UserError(`${placeAt(node.range[0])}: ${why}`)),
    shape: "settings by name, such as steps: 100",
    placeOf: (keys) => placeAt(offsetOf(root, keys)),
  };
}

/** Runs the package's parser, which asks whether it should log what it does. */
function permitted<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
    throw new UserError(
      `Deno was not given the permission to read LOG_STREAM and LOG_TOKENS, for which the package ` +
        `that reads YAML asks: run the task as deno.json has it, or add ` +
        `--allow-env=LOG_STREAM,LOG_TOKENS`,
      { cause },
    );
  }
}

/** The value of a node, as JSON has it. */
function valueOf(
  node: ParsedNode | null,
  refusal: (node: ParsedNode, why: string) => UserError,
  level = 0,
): unknown {
  if (node === null) return null;
  if (isScalar(node)) return node.value;
  if (isAlias(node)) throw refusal(node, "an alias is not read: write the value itself");
  if (level === MOST_LEVELS) {
    throw refusal(node, "lists and maps are nested too deeply for settings");
  }
  if (isSeq(node)) return node.items.map((item) => valueOf(item, refusal, level + 1));
  const entries = new Map<string, unknown>();
  for (const { key, value } of node.items) {
    if (!isScalar(key) || typeof key.value !== "string") {
      const found = isScalar(key) ? `, not ${quoted(key.value)}` : "";
      throw refusal(key, `a key must be the name of a setting${found}`);
    }
    // The package compares each key with each; a map of thousands would take seconds.
    if (entries.has(key.value)) throw refusal(key, "the key is there a second time");
    entries.set(key.value, valueOf(value, refusal, level + 1));
  }
  return Object.fromEntries(entries);
}

/** The position of the key at a path, or of the item of a list. */
function offsetOf(root: ParsedNode | null, path: readonly (string | number)[]): number {
  let [node, offset] = [root, root?.range[0] ?? 0];
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      [node, offset] = [pair?.value ?? null, pair?.key.range[0] ?? offset];
    } else if (isSeq(node) && typeof step === "number") {
      node = node.items[step] ?? null;
      offset = node?.range[0] ?? offset;
    }
  }
  return offset;
}
