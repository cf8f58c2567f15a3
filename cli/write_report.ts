/**
 * `deno task report`: writes the page of a run.
 *
 * @module
 */

import { runCommand, UsageError } from "./errors.ts";
import { writeFileAtomically } from "./files.ts";
import { type FlagTable, parseFlags, wantsHelp } from "./flags.ts";
import { helpText } from "./help.ts";
import { readRunConfig } from "./run_folder.ts";
import { runPage } from "./run_page.ts";

const flags = {
  run: { kind: "string", placeholder: "DIR", help: "The run's folder, as train printed it." },
  out: {
    kind: "string",
    placeholder: "FILE",
    help: "The page; report.html in the run's folder unless told.",
  },
} as const satisfies FlagTable;

const usage = `Writes the page of a run: curves, splits before and after, answers, and what the
metrics are. It stands by itself, in one file.

  deno task report --run runs/sft-tasks`;

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const { values: { run, out } } = parseFlags(flags, Deno.args);
  if (run === undefined) throw new UsageError("--run DIR is needed");
  await readRunConfig(run);
  const path = out ?? `${run}/report.html`;
  await writeFileAtomically(path, await runPage(run));
  console.log(`${path} shows the run`);
}

if (import.meta.main) await runCommand(main);
