/**
 * What each command tells of itself: its flags with their ranges, defaults and conditions. Run as a
 * program, this writes `helps.txt`, which the test beside it compares with what is told:
 *
 *     deno run -A tests/cli/commands/helps.ts
 */
import { compareCommand } from "@unitune/cli/compare";
import { dataCommand } from "@unitune/cli/data";
import { doctorCommand } from "@unitune/cli/doctor";
import { downloadCommand } from "@unitune/cli/download";
import { mergeCommand } from "@unitune/cli/merge";
import { objectivesCommand } from "@unitune/cli/objectives";
import { pushCommand } from "@unitune/cli/push";
import { reportCommand } from "@unitune/cli/report";
import { sampleCommand } from "@unitune/cli/sample";
import { tokenizerCommand } from "@unitune/cli/tokenizer";
import { trainCommand } from "@unitune/cli/train";
import { exposureCommand } from "../../../cli/commands/exposure.ts";
import { helpOf } from "../command.ts";

/** The commands by name. */
const commands: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  train: (argv) => trainCommand(argv),
  sample: (argv) => sampleCommand(argv),
  data: dataCommand,
  objectives: (argv) => objectivesCommand(argv),
  report: reportCommand,
  compare: (argv) => compareCommand(argv),
  exposure: exposureCommand,
  merge: (argv) => mergeCommand(argv),
  tokenizer: tokenizerCommand,
  download: downloadCommand,
  push: pushCommand,
  doctor: doctorCommand,
};

/** The place of what was told. */
export const known = new URL("helps.txt", import.meta.url);

/** The help of all commands, each after its name. */
export async function helps(): Promise<string> {
  const texts: string[] = [];
  for (const [name, command] of Object.entries(commands)) {
    texts.push(`==== ${name} ====\n\n${await helpOf(command)}`);
  }
  return texts.join("\n");
}

if (import.meta.main) await Deno.writeTextFile(known, await helps());
