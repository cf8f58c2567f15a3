/**
 * `deno task train`: trains a GPT and tells what came of it.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { countParameters } from "@unitune/models";
import { openDevice } from "./devices.ts";
import { runCommand, UsageError, UserError } from "./errors.ts";
import {
  type FlagTable,
  givenFlags,
  type ParsedFlags,
  parseFlags,
  refuseInVain,
  wantsHelp,
  withConfig,
} from "./flags.ts";
import { helpText } from "./help.ts";
import { objectiveOf } from "./learner.ts";
import { prepare } from "./prepare.ts";
import { formatDuration, progressReporter, standardProgress } from "./progress.ts";
import { beforeAndAfter, matchByKind, readEvaluations, sampleLines } from "./report.ts";
import {
  createRun,
  latestCheckpoint,
  readJson,
  readRunConfig,
  runConfig,
  runPaths,
} from "./run_folder.ts";
import { checkSettings, settingFlags, type TrainSettings } from "./settings.ts";
import { type Run, type RunResult, train } from "./trainer.ts";

/** The settings, and where a run is kept and what it goes on from. */
const flags = {
  ...settingFlags,
  out: {
    kind: "string",
    placeholder: "DIR",
    group: "Run",
    help: "The run's folder; a new one under runs/ unless told.",
  },
  resume: {
    kind: "string",
    placeholder: "DIR",
    group: "Run",
    help: "Goes on with the run in a folder, from its last checkpoint and with its own settings.",
  },
  config: {
    kind: "string",
    placeholder: "FILE",
    group: "Run",
    help: "A JSON file of settings; flags win over it. A run's own config.json will do.",
  },
} as const satisfies FlagTable;

const usage = `Trains a GPT by supervised or by Intuitive Fine-Tuning.

  deno task train                                 the built-in tasks, about a minute
  deno task train --objective ift                 the same by Intuitive Fine-Tuning
  deno task train --data book.txt --preset nano-cpu
  deno task train --data rows.jsonl --prompt-column question --completion-column answer
  deno task train --resume runs/sft-tasks`;

type Parsed = ParsedFlags<typeof flags>;

/** What a run that is interrupted by SIGINT exits with, as a shell would have it. */
const INTERRUPTED = 130;

/** Plain lines of progress that a run has at most, about. */
const LINES = 20;

/** The settings of a new run, and the run itself once its data are read. */
async function newRun(parsed: Parsed): Promise<Run> {
  const { config, out } = parsed.values;
  const file = config === undefined ? {} : settingsIn(await readJson(config));
  const settings = settingsOf(parsed, file, config ?? "");
  const prepared = await prepare(settings);
  // Before the folder is made, so that a missing device leaves none behind.
  const { device, chosen } = await deviceFor(settings);
  const name = `${settings.objective}-${prepared.name}`;
  const folder = await createRun(out, name, runConfig(chosen, prepared));
  return { folder, settings: chosen, prepared, device };
}

/** The run that is gone on with. */
async function oldRun(parsed: Parsed, folder: string): Promise<Run> {
  const elsewhere = givenFlags(parsed).filter((flag) => !mayChange.includes(flag));
  if (elsewhere.length > 0) {
    throw new UsageError(
      `--resume goes on with the run's own settings: leave out ${elsewhere.join(", ")}`,
    );
  }
  const stored = await readRunConfig(folder);
  const settings = settingsOf(parsed, stored.settings, runPaths(folder).config);
  const prepared = await prepare(settings);
  if (stored.data.digest !== prepared.data.digest) {
    throw new UserError(
      `the data of ${folder} has changed since the run began: restore it, or start a new run`,
    );
  }
  const { device, chosen } = await deviceFor(settings);
  return { folder, settings: chosen, prepared, device };
}

/** The device that the settings ask for, and the settings with its name. */
async function deviceFor(settings: TrainSettings): Promise<{
  readonly device: Device;
  readonly chosen: TrainSettings;
}> {
  const device = await openDevice(settings.device, console.warn);
  return { device, chosen: { ...settings, device: device.name } };
}

/** What a resumed run may be told: where things are, which changes nothing that is computed. */
const mayChange: readonly string[] = ["--resume", "--device", "--data"];

/** The settings in a configuration file: a person's, or a run's own, which has more in it. */
function settingsIn(config: unknown): unknown {
  return typeof config === "object" && config !== null && "settings" in config
    ? config.settings
    : config;
}

/** The settings of the command line over those of a file. */
function settingsOf(parsed: Parsed, file: unknown, path: string): TrainSettings {
  refuseInVain(flags, parsed);
  const { values } = withConfig(settingFlags, parsed, file, path);
  checkSettings(values);
  return values;
}

/** What is about to be done. */
function introduction({ folder, settings, prepared, device }: Run, done: number): string {
  const { config, name, notes } = prepared;
  const { formula, normalizer } = objectiveOf(settings).description;
  const parameters = countParameters(config).toLocaleString("en-US");
  return [
    `${settings.objective} on ${name}: ${notes[0]}`,
    ...notes.slice(1),
    `loss: ${formula} (divided by ${normalizer})`,
    `evaluation: cross-entropy in nats a token; guessing gives ln ${config.vocabulary} = ` +
    Math.log(config.vocabulary).toFixed(4),
    `model: GPT of ${parameters} parameters (layers ${config.layers}, heads ${config.heads}, ` +
    `width ${config.width}, context ${config.context}, vocabulary ${config.vocabulary}) on ` +
    device.name,
    `run: ${folder}${done > 0 ? `, resumed at step ${done}` : ""}`,
  ].join("\n");
}

/** What came of it. */
async function conclusion(
  { folder }: Run,
  { checkpoint: { path, position }, reports }: RunResult,
): Promise<string> {
  const evaluations = await readEvaluations(runPaths(folder).metrics);
  const blocks = [
    beforeAndAfter(evaluations, position.step),
    matchByKind(evaluations, position.step),
    sampleLines(reports[0]?.answers ?? []),
  ];
  return [
    ...blocks.filter((block) => block.length > 0).map((block) => `\n${block.join("\n")}`),
    `\nthe model is in ${path}`,
    `ask it: deno task sample --run ${folder} --prompt "..."`,
  ].join("\n");
}

/** Trains, with its progress shown, until it is done or interrupted. */
async function carryOut(run: Run): Promise<RunResult> {
  const { steps, loggingSteps } = run.settings;
  const lineEvery = Math.max(loggingSteps, Math.ceil(steps / LINES));
  using progress = progressReporter(standardProgress(), steps, lineEvery);
  const controller = new AbortController();
  // The second interruption is the system's, which ends the process at once.
  const interrupt = () => {
    Deno.removeSignalListener("SIGINT", interrupt);
    progress.print("stopping after this step, with a checkpoint (once more: at once)");
    controller.abort();
  };
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    return await train({ ...run, progress, signal: controller.signal });
  } finally {
    if (!controller.signal.aborted) Deno.removeSignalListener("SIGINT", interrupt);
  }
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const started = performance.now();
  const parsed = parseFlags(flags, Deno.args);
  const { resume } = parsed.values;
  const run = resume === undefined ? await newRun(parsed) : await oldRun(parsed, resume);
  const { folder, settings: { steps } } = run;
  const done = (await latestCheckpoint(folder))?.position.step ?? 0;
  if (done === steps) {
    // What a kill left after the last checkpoint is tidied up all the same.
    await train(run);
    console.log(`${folder} is complete: all ${steps} steps are done.`);
    return 0;
  }
  console.log(introduction(run, done));
  const result = await carryOut(run);
  if (!result.isComplete) {
    console.log(
      `interrupted after step ${result.checkpoint.position.step}; go on with: ` +
        `deno task train --resume ${folder}`,
    );
    return INTERRUPTED;
  }
  console.log(await conclusion(run, result));
  console.log(`${formatDuration((performance.now() - started) / 1000)} in all`);
  return 0;
}

if (import.meta.main) await runCommand(main);
