/**
 * What `objectives` tells of each objective beside its line of docs/table.md: its notation, and what
 * it gives before the first step; and the whole text of two objectives, and of a table of some. Run as a program, this writes `objectives.txt`, which a test compares with what is told:
 *
 *     deno run -A tests/cli/commands/objective_texts.ts
 */
import { type ObjectiveEntry, objectiveRegistry } from "@unitune/objectives";
import { notationOf } from "../../../cli/commands/objectives.ts";
import { objectives } from "../command.ts";

/** The place of what was told. */
export const known = new URL("objectives.txt", import.meta.url);

async function told(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await objectives(...argv);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** An objective in three lines: its name, its symbols, and its metrics to four digits. */
async function lines(entry: ObjectiveEntry): Promise<string> {
  const { computed } = JSON.parse(await told(entry.name, "--json"));
  const metrics = Object.entries<number>(computed).map(([name, value]) =>
    // A rounding error of a value that is 0 has no sign.
    `${name} ${Math.abs(value) < 5e-5 ? 0 : Number(value.toPrecision(4))}`
  );
  return [
    `==== ${entry.name} ====`,
    notationOf(entry).map(({ symbols }) => symbols.join(" ")).join(" | "),
    metrics.join(", "),
  ].join("\n");
}

/** The texts of all objectives. */
export async function objectiveTexts(): Promise<string> {
  const texts: string[] = [];
  for (const entry of objectiveRegistry) texts.push(await lines(entry));
  const where = ["--where", "denominator=1"];
  for (const argv of [["dpo"], ["dr-grpo"], where, [...where, "--markdown"]]) {
    texts.push(`==== objectives ${argv.join(" ")} ====\n${await told(...argv)}`);
  }
  return texts.join("\n");
}

if (import.meta.main) await Deno.writeTextFile(known, await objectiveTexts());
