/**
 * The help text of a command, from its table of flags.
 *
 * @module
 */

import type { NumberOption } from "@unitune/objectives";
import { type Flag, type FlagTable, kebabCase } from "./flags.ts";
import { alternatives } from "./words.ts";
import { WIDTH, wrapText, wrapWords } from "../terminal/layout.ts";

/** The column where descriptions begin. A flag that reaches it is on a line of its own. */
const indent = 28;

/**
 * Writes the help of a command in 80 columns: its usage, then its flags by group, each with its
 * value, its description, its condition, its range if it has a limit, and its default.
 *
 * @param table The flags.
 * @param usage The description of the command with examples. Lines that begin with a space are not
 * broken.
 * @returns The text, without a newline at its end.
 *
 * @example
 * ```ts
 * import { helpText } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = {
 *   steps: { kind: "integer", default: 100, min: 1, group: "Training", help: "Optimizer steps." },
 * } as const;
 *
 * assertEquals(
 *   helpText(table, "deno task train [flags]"),
 *   [
 *     "deno task train [flags]",
 *     "",
 *     "Training",
 *     "  --steps N                 Optimizer steps. (at least 1; default 100)",
 *     "",
 *     "Help",
 *     "  --help, -h                Show this text.",
 *   ].join("\n"),
 * );
 * ```
 */
export function helpText(table: FlagTable, usage: string): string {
  const lines = wrapText(usage).split("\n");
  const groups = Map.groupBy(Object.entries(table), ([, flag]) => flag.group ?? "Flags");
  for (const [group, flags] of groups) {
    const rows = flags.flatMap(([name, flag]) => flagLines(name, flag));
    // deno-lint-ignore unitune/no-spread-of-data -- flags of a table
    lines.push("", group, ...rows);
  }
  // deno-lint-ignore unitune/no-spread-of-data -- lines of one flag
  lines.push("", "Help", ...row("--help, -h", "Show this text."));
  return lines.join("\n");
}

/**
 * A flag in the help of a command.
 *
 * @param name Its name, in kebab or camel case.
 * @param flag The flag.
 * @returns Its lines, of at most 80 columns.
 */
export function flagLines(name: string, flag: Flag): string[] {
  return row(label(kebabCase(name), flag), about(flag));
}

/** A flag beside its description, or above it if the flag is too long. */
function row(left: string, description: string): string[] {
  const [first = "", ...rest] = wrapWords(description, WIDTH - indent);
  const beside = `  ${left}`.padEnd(indent);
  const continued = rest.map((line) => " ".repeat(indent) + line);
  return beside.length > indent || !beside.endsWith("  ")
    ? [`  ${left}`, " ".repeat(indent) + first, ...continued]
    : [beside + first, ...continued];
}

/** The flag with a placeholder for its value. */
function label(name: string, flag: Flag): string {
  switch (flag.kind) {
    case "boolean":
      return flag.default === true ? `--no-${name}` : `--${name}`;
    case "choice":
      return `--${name} ${flag.placeholder ?? flag.choices.join("|")}`;
    case "integer":
      return `--${name} N`;
    case "number":
      return `--${name} X`;
    case "string":
      return `--${name} ${flag.placeholder ?? "TEXT"}`;
    default:
      return flag satisfies never;
  }
}

/** The description with the condition, the range and the default, as far as there are any. */
function about(flag: Flag): string {
  const numeric = flag.kind === "number" || flag.kind === "integer";
  const notes = Object.entries(flag.when ?? {}).map(([name, values]) =>
    `with ${flag.scope ?? `--${kebabCase(name)} ${alternatives(values)}`}`
  );
  // deno-lint-ignore unitune/no-spread-of-data -- a limit or none
  if (numeric) notes.push(...range(flag));
  const byDefault = flag.defaultHelp ?? (flag.kind === "boolean" ? undefined : flag.default);
  if (byDefault !== undefined) notes.push(`default ${byDefault}`);
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}

/** The range of a number, where it has a limit. */
function range({ min, max, above, below }: NumberOption): string[] {
  const from = min ?? (above === undefined ? undefined : `above ${above}`);
  const to = max ?? (below === undefined ? undefined : `below ${below}`);
  if (from !== undefined && to !== undefined) return [`${from} to ${to}`];
  if (min !== undefined) return [`at least ${min}`];
  if (max !== undefined) return [`at most ${max}`];
  const open = from ?? to;
  return open === undefined ? [] : [`${open}`];
}
