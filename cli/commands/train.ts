/**
 * `deno task train`: trains a model, and prints its results.
 *
 * @module
 */

import { architectureOf, countParameters } from "@unitune/models";
import { carryOut, type Run, type RunResult } from "../run/carry_out.ts";
import { openDevice } from "../run/devices.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { formulaText } from "@unitune/objectives";
import {
  type BaseModel,
  checkStages,
  describeObjective,
  type Setting,
  settingTable,
  timetableOf,
  type TrainSettings,
  UserError,
  withAnswerLength,
} from "@unitune/training";
import {
  flagsAmong,
  type FlagTable,
  givenFlags,
  kebabCase,
  type ParsedFlags,
  parseFlags,
  wantsHelp,
} from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { shownWatch } from "../data/preparation_progress.ts";
import { prepare, type Prepared } from "../data/prepare.ts";
import { formatDuration, progressReporter, standardProgress } from "../terminal/progress.ts";
import {
  beforeAndAfter,
  matchByKind,
  momentsOf,
  readEvaluations,
  sampleLines,
} from "../report/summary.ts";
import { runConfig } from "../run/run_config.ts";
import { type HeldRun, holdRun, startRun } from "../run/run_folder.ts";
import { runPaths } from "../run/run_paths.ts";
import { readJson } from "../files/read.ts";
import { interruptible } from "../terminal/interruption.ts";
import type { Registries } from "../flags/registries.ts";
import { runFlags } from "../flags/run_flags.ts";
import { settingFlags } from "../flags/settings.ts";
import { splitStages, stageCount, stageSettings, stagesName } from "../flags/stages.ts";
import { describeSizes, lentModels, readBase } from "../run/trained.ts";
import { requireRoom } from "../run/room.ts";
import { shownMessage } from "../terminal/messages.ts";
import { taskCommand } from "../terminal/shell.ts";
import { print, say, tell } from "../terminal/terminal.ts";

const usage =
  `Trains a GPT by supervised or Intuitive Fine-Tuning, on preferences, or by reinforcement ` +
  `learning on its own answers. Without flags it trains on the built-in tasks for about a minute.

  deno task train
  deno task train --objective ift
  deno task train --objective sft,dpo --steps 900,300 --learning-rate 3e-3,3e-4
  deno task train --objective sft,grpo --steps 150,300 --batch-size 32,128 \\
    --learning-rate 3e-3,5e-4
  deno task train --objective ift --from runs/sft-tasks --learning-rate 3e-4
  deno task train --data book.txt --preset nano-cpu
  deno task train --data rows.jsonl --prompt-column q --completion-column a
  deno task train --resume runs/sft-tasks`;

/** A command line, with the objectives and architectures that it may name. */
interface CommandLine {
  readonly argv: readonly string[];
  readonly registries: Registries;
  readonly flags: FlagTable;
  /** All flags that it names; the settings among them are not read yet. */
  readonly parsed: ParsedFlags<FlagTable>;
  /** Those that are not settings. */
  readonly own: ParsedFlags<typeof runFlags>["values"];
}

/** The number of plain lines of progress, about. */
const LINES = 20;

/** A run whose folder this process has claimed, ready to be carried out. */
type ReadyRun = Run & { readonly held: HeldRun };

/** Everything that a run needs except its folder: data, models to start from, device. */
async function equip(
  stages: readonly TrainSettings[],
  from: string | undefined,
  { architectures }: Registries,
): Promise<Omit<Run, "folder" | "held">> {
  const base = from === undefined ? undefined : await readBase(from, architectures);
  const prepared = await prepareShown(stages, base, architectures);
  const [first] = stages;
  const device = await openDevice(first?.device ?? "auto", tell, first?.precision);
  requireRoom(stages, prepared, device.name);
  return {
    // The name of the device in place of "auto".
    stages: stages.map((settings) => ({ ...settings, device: device.name })),
    prepared,
    device,
    ...base && { start: base.models },
  };
}

/** Prepares the data of a run, and shows the progress if that takes long. */
async function prepareShown(
  stages: readonly TrainSettings[],
  base: BaseModel | undefined,
  architectures: Registries["architectures"],
): Promise<Prepared> {
  using watch = shownWatch(standardProgress());
  return await prepare(stages, base, { watch, ...architectures && { architectures } });
}

/** Starts a new run. Its folder is made once everything else is ready. */
async function newRun(line: CommandLine): Promise<ReadyRun> {
  const { config, out, fromStep } = line.own;
  if (fromStep !== undefined) {
    throw new UsageError("--from-step needs --resume with the folder of the run");
  }
  const file = config === undefined ? {} : await readJson(config);
  const settings = settingsOf(line, file, config ?? "");
  const run = await equip(settings, settings[0]?.from, line.registries);
  const { stages, prepared, start } = run;
  await checkStages({
    ...{ stages, prepared },
    lent: (stage, settings) => lentModels(stage, settings, prepared),
    ...start && { start },
  });
  const name = `${stagesName(stages)}-${prepared.name}`;
  const held = await startRun(out, name, runConfig(stages, prepared));
  return { folder: held.folder, held, ...run };
}

/** Opens a run to resume it. Its folder is claimed before anything in it is read. */
async function oldRun(line: CommandLine, folder: string): Promise<ReadyRun> {
  const elsewhere = givenFlags(line.parsed).filter((flag) => !mayChange.includes(flag));
  if (elsewhere.length > 0) {
    throw new UsageError(
      `--resume keeps the run's own settings: leave out ${elsewhere.join(", ")}`,
    );
  }
  const held = await holdRun(folder, line.own.fromStep);
  const settings = settingsOf(line, held.config, runPaths(folder).config);
  const from = settings[0]?.from;
  // Once a run has a checkpoint, it no longer needs the run from which it started.
  const isUnderWay = held.saved !== undefined;
  const start = from !== undefined && isUnderWay ? folder : from;
  const run = await equip(settings, start, line.registries);
  if (held.config.data.digest !== run.prepared.data.digest) {
    throw new UserError(
      `the data of ${folder} has changed since the run began: restore it, or start a new run`,
    );
  }
  const [made, stored] = [run.prepared.model.config, held.config.model].map((model) =>
    JSON.stringify(Object.entries(model).toSorted())
  );
  if (made !== stored) {
    throw new UserError(
      `${runPaths(folder).config} has other model sizes than its settings give: it was changed, ` +
        `put it back`,
    );
  }
  return { folder, held, ...run };
}

/** The flags that a resumed run accepts: they tell where things are, and change no results. */
const mayChange: readonly string[] = [
  "resume",
  "fromStep",
  ...Object.entries<Setting>(settingTable).flatMap(([name, { isPlace }]) => isPlace ? [name] : []),
].map((name) => `--${kebabCase(name)}`);

/** Flags as texts: the stages, of which a value may be a list, are known once all flags are. */
function unread(flags: FlagTable): FlagTable {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) =>
      [name, flag.kind === "boolean" ? flag : { kind: "string", help: flag.help }] as const
    ),
  );
}

/** The settings of each stage. Flags take precedence over a configuration file. */
function settingsOf(
  { argv, registries, flags }: CommandLine,
  file: unknown,
  path: string,
): readonly TrainSettings[] {
  const lines = splitStages(argv, stageCount(file), registries);
  return stageSettings(lines.map((line) => parseFlags(flags, line)), file, path, registries);
}

/** The text before the training: data, losses, evaluation, model and folder. */
function introduction({ folder, stages, prepared, device }: Run, done: number): string {
  const { model, name } = prepared;
  const { modelType, vocabulary } = model.config;
  const notes = prepared.notes.map(shownMessage);
  const losses = stages.map((settings, i) => {
    const data = prepared.stages[i]?.data;
    const told = data === undefined ? settings : withAnswerLength(settings, data);
    const { formula, normalizer } = describeObjective(told);
    const label = stages.length === 1 ? "loss" : `loss of ${settings.objective.name}`;
    return `${label}: ${formulaText(formula)} (divided by ${normalizer})`;
  });
  const parameters = countParameters(model).toLocaleString("en-US");
  return [
    `${stages.map(({ objective: { name } }) => name).join(", ")} on ${name}: ${notes[0]}`,
    ...notes.slice(1),
    ...losses,
    `evaluation: cross-entropy in nats per token; uniform guessing gives ` +
    `ln ${vocabulary} = ${Math.log(vocabulary).toFixed(4)}`,
    `model: ${
      architectureOf(modelType, prepared.architectures).name
    } of ${parameters} parameters ` +
    `(${describeSizes(model, prepared.architectures)}) on ${device.name}`,
    `run: ${folder}${done > 0 ? `, resumed at step ${done}` : ""}`,
  ].join("\n");
}

/** The text after the training: evaluations, sample answers, and the next command. */
async function conclusion(
  { folder, stages }: Run,
  { checkpoint: { path }, reports }: RunResult,
): Promise<string> {
  const evaluations = await readEvaluations(runPaths(folder).metrics);
  const moments = momentsOf(stages);
  const blocks = [
    beforeAndAfter(evaluations, moments),
    matchByKind(evaluations, moments),
    sampleLines(reports[0]?.answers ?? []),
  ];
  return [
    ...blocks.filter((block) => block.length > 0).map((block) => `\n${block.join("\n")}`),
    `\nthe model is in ${path}; ask it:`,
    `  ${taskCommand("sample", { run: folder })} --prompt "..."`,
  ].join("\n");
}

/** Trains until the run is finished or a signal interrupts it, and shows the progress. */
async function trainShown(run: Run): Promise<RunResult & { readonly exitCode: number }> {
  const { total: steps } = timetableOf(run.stages);
  const loggingSteps = run.stages[0]?.loggingSteps ?? 1;
  const lineEvery = Math.max(loggingSteps, Math.ceil(steps / LINES));
  using progress = progressReporter(standardProgress(), steps, lineEvery);
  using interruption = interruptible(() =>
    progress.print("stopping after this step, with a checkpoint (once more: at once)")
  );
  const result = await carryOut({ ...run, progress, signal: interruption.signal });
  return { ...result, exitCode: interruption.exitCode };
}

/**
 * The command `train`.
 *
 * @param argv The command line.
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, the data cannot be read, or the training fails.
 */
export async function trainCommand(
  argv: readonly string[],
  registries: Registries = {},
): Promise<number> {
  const flags: FlagTable = { ...settingFlags(registries), ...runFlags };
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const started = performance.now();
  const parsed = parseFlags({ ...unread(flags), ...runFlags }, argv);
  const line = { argv, registries, flags, parsed, own: flagsAmong(runFlags, parsed).values };
  const { resume } = line.own;
  const run = resume === undefined ? await newRun(line) : await oldRun(line, resume);
  const { folder } = run;
  using held = run.held;
  const { total: steps } = timetableOf(run.stages);
  const done = held.saved?.position.step ?? 0;
  if (done === steps) {
    // Removes what a killed process left after the last checkpoint.
    await carryOut(run);
    say(
      `${folder} is complete: all ${steps} steps are done.\n` +
        `A run keeps its settings; to train its model further, start another from it:\n  ` +
        taskCommand("train", { from: folder }),
    );
    return 0;
  }
  say(introduction(run, done));
  const result = await trainShown(run);
  if (!result.isComplete) {
    say(
      `interrupted after step ${result.checkpoint.position.step}; go on with\n  ` +
        taskCommand("train", { resume: folder }),
    );
    return result.exitCode;
  }
  say(await conclusion(run, result));
  print(`${formatDuration((performance.now() - started) / 1000)} in all`);
  return 0;
}

if (import.meta.main) await runCommand(() => trainCommand(Deno.args));
