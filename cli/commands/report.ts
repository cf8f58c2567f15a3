/**
 * `deno task report`: writes the page of a run or of a comparison.
 *
 * @module
 */

import { liveStudyPage, studyPage } from "../study/study_page.ts";
import { holdsStudy, readPlan, readStudy } from "../study/saved_study.ts";
import { openDevice } from "../run/devices.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { readRunConfig } from "../run/run_config.ts";
import { type LivePage, serveLive } from "../report/live.ts";
import { liveRunPage, runPage } from "../report/run_page.ts";
import { requireReplaceable, writeSealed } from "../files/sealed.ts";
import { taskCommand } from "../terminal/shell.ts";
import { print } from "../terminal/terminal.ts";

const flags = {
  run: {
    kind: "string",
    placeholder: "DIR",
    help: "The folder of a run, as train printed it, or of a comparison.",
  },
  out: {
    kind: "string",
    placeholder: "FILE",
    help: "Where the page is written.",
    defaultHelp: "report.html in the folder",
  },
  prompt: {
    kind: "string",
    placeholder: "TEXT",
    help:
      "For a comparison: the prompt for which the page shows every model's predictions token by token.",
    defaultHelp: "a question of the test",
  },
  watch: {
    kind: "boolean",
    help:
      "Serves the page to browsers on this machine, and shows the run or comparison as it trains.",
  },
  port: {
    kind: "integer",
    default: 8001,
    min: 0,
    max: 65_535,
    when: { watch: ["true"] },
    scope: "--watch",
    help: "The port to serve on; 0 for a free one.",
  },
} as const satisfies FlagTable;

const usage =
  `Writes an HTML page of a run (settings, results before and after, curves, answers, metrics) ` +
  `or of a comparison. The page is one file and loads nothing.

  deno task report --run runs/sft-tasks
  deno task report --run runs/sft-tasks --watch
  deno task report --run runs/study-quick --watch
  deno task report --run runs/study-quick --prompt "pick even 23-58"`;

/** The page of a comparison. */
async function comparisonPage(folder: string, prompt: string | undefined): Promise<string> {
  const study = await readStudy(folder);
  using device = await openDevice("wasm");
  return await studyPage({ folder, device, ...study, ...(prompt !== undefined && { prompt }) });
}

/** Refuses the prompt that only the page of a comparison has a place for. */
async function requireNoPrompt(run: string, prompt: string | undefined): Promise<void> {
  await readRunConfig(run);
  if (prompt === undefined) return;
  throw new UsageError(
    `--prompt is for the folder of a comparison, and ${run} is a run: ask it by`,
    { command: taskCommand("sample", { run, prompt }) },
  );
}

/** The page of a run. */
async function ownPage(run: string, prompt: string | undefined): Promise<string> {
  await requireNoPrompt(run, prompt);
  return await runPage(run);
}

/** Serves a page until the process is ended. */
async function watch(read: () => Promise<LivePage>, port: number): Promise<never> {
  const server = serveLive(read, port);
  print(`open http://127.0.0.1:${server.addr.port}/ in a browser; Ctrl+C ends`);
  await server.finished;
  throw new RangeError("a server that nobody stops has ended");
}

/**
 * The command `report`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the run or comparison cannot be read.
 */
export async function reportCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values: { run: folder, out, prompt, watch: isWatched, port } } = parseFlags(flags, argv);
  if (folder === undefined) throw new UsageError("--run DIR is needed");
  const isStudy = await holdsStudy(folder);
  if (isWatched) {
    if (out !== undefined) throw new UsageError("--watch writes no file: omit --out");
    if (isStudy) await readPlan(folder);
    else await requireNoPrompt(folder, prompt);
    return await watch(() => isStudy ? liveStudyPage(folder, prompt) : liveRunPage(folder), port);
  }
  const path = out ?? `${folder}/report.html`;
  const instead = "write the page elsewhere by --out FILE";
  await requireReplaceable(path, instead);
  const page = await (isStudy ? comparisonPage : ownPage)(folder, prompt);
  await writeSealed(path, page, instead);
  print(`${path} shows the ${isStudy ? "comparison" : "run"}`);
  return 0;
}

if (import.meta.main) await runCommand(() => reportCommand(Deno.args));
