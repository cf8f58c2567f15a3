/**
 * `deno task report`: writes the page of a run or of a comparison.
 *
 * @module
 */

import { studyPage } from "./compare/page.ts";
import { holdsStudy, readStudy } from "./compare/study.ts";
import { openDevice } from "./devices.ts";
import { runCommand, UsageError } from "./errors.ts";
import { type FlagTable, parseFlags, wantsHelp } from "./flags.ts";
import { helpText } from "./help.ts";
import { readRunConfig } from "./run_folder.ts";
import { runPage } from "./run_page.ts";
import { requireReplaceable, writeSealed } from "./sealed.ts";

const flags = {
  run: {
    kind: "string",
    placeholder: "DIR",
    help: "The run's folder, as train printed it, or that of a comparison.",
  },
  out: {
    kind: "string",
    placeholder: "FILE",
    help: "The page; report.html in the folder unless told.",
  },
  prompt: {
    kind: "string",
    placeholder: "TEXT",
    help:
      "Of a comparison: what its models are asked, to show what each believes token by token; " +
      "a question of its test unless told.",
  },
} as const satisfies FlagTable;

const usage = `Writes the page of a run: curves, splits before and after, answers, and what the
metrics are; or that of a comparison. It stands by itself, in one file.

  deno task report --run runs/sft-tasks
  deno task report --run runs/study-quick --prompt "pick even 23-58"`;

/** The page of a comparison. */
async function comparisonPage(folder: string, prompt: string | undefined): Promise<string> {
  const study = await readStudy(folder);
  using device = await openDevice("wasm");
  return await studyPage({ folder, device, ...study, ...(prompt !== undefined && { prompt }) });
}

/** The page of a run, which has no models to ask. */
async function ownPage(run: string, prompt: string | undefined): Promise<string> {
  await readRunConfig(run);
  if (prompt === undefined) return await runPage(run);
  throw new UsageError(
    `--prompt is for the folder of a comparison, and ${run} is a run: ask it by ` +
      `deno task sample --run ${run} --prompt ${JSON.stringify(prompt)}`,
  );
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const { values: { run: folder, out, prompt } } = parseFlags(flags, Deno.args);
  if (folder === undefined) throw new UsageError("--run DIR is needed");
  const isStudy = await holdsStudy(folder);
  const path = out ?? `${folder}/report.html`;
  const instead = "write the page elsewhere by --out FILE";
  await requireReplaceable(path, instead);
  const page = await (isStudy ? comparisonPage : ownPage)(folder, prompt);
  await writeSealed(path, page, instead);
  console.log(`${path} shows the ${isStudy ? "comparison" : "run"}`);
}

if (import.meta.main) await runCommand(main);
