/**
 * `deno task train`: trains a model, and prints its results.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import {
  architectureOf,
  countParameters,
  isAdapted,
  type LanguageModel,
  withScore,
} from "@unitune/models";
import { carryOut, type Run, type RunResult } from "../run/carry_out.ts";
import { openDevice } from "../run/devices.ts";
import { holdFor, startFor } from "../run/shared_folder.ts";
import { oneProcess, type Team, together } from "../run/team.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { formulaText, objectiveRegistry } from "@unitune/objectives";
import {
  checkStages,
  type Collective,
  createLearner,
  describeExample,
  describeObjective,
  initialModels,
  memoryLimit,
  parseBytes,
  requireShares,
  type StepPlan,
  timetableOf,
  type TrainSettings,
  trainSettings,
  UserError,
  withAnswerLength,
} from "@unitune/training";
import {
  flagsAmong,
  type FlagTable,
  givenFlags,
  type ParsedFlags,
  parseFlags,
  wantsHelp,
} from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { shownWatch } from "../data/preparation_progress.ts";
import { prepare, type Prepared, type PrepareOptions } from "../data/prepare.ts";
import { tableCache, tablesFolder } from "../data/tables/table_cache.ts";
import { fitTable } from "../terminal/layout.ts";
import { formatDuration, progressReporter } from "../terminal/progress.ts";
import {
  kindCells,
  mainCells,
  momentsOf,
  readEvaluations,
  sampleLines,
} from "../report/summary.ts";
import { changeableFlags, runConfig } from "../run/run_config.ts";
import { openRewards } from "../rewards/open.ts";
import { parsePermissions } from "../rewards/permissions.ts";
import type { HeldRun } from "../run/run_folder.ts";
import { runPaths } from "../run/run_paths.ts";
import { type ConfigFile, jsonConfig, noConfig } from "../config/config_file.ts";
import { readConfig } from "../config/read_config.ts";
import { describeTrl, trlConfig } from "../config/trl.ts";
import { interruptible, type Interruption } from "../terminal/interruption.ts";
import type { Registries } from "../flags/registries.ts";
import { runFlags } from "../flags/run_flags.ts";
import { settingFlags } from "../flags/settings.ts";
import { splitStages, stageSettings, stagesName } from "../flags/stages.ts";
import {
  hasNamedTokenizer,
  newStart,
  readStart,
  type StartModel,
  storedType,
} from "../run/base.ts";
import type { BaseRecord } from "../run/base_record.ts";
import { modelIn } from "../run/located.ts";
import { describeSizes, lentModels, readBase, readRunTokenizer } from "../run/trained.ts";
import { requireRoom } from "../run/room.ts";
import { measurePace } from "../run/pace.ts";
import { planLines } from "../report/plan_text.ts";
import { shownMessage } from "../terminal/messages.ts";
import { taskCommand } from "../terminal/shell.ts";
import { terminalColumns } from "../terminal/terminal.ts";
import { aloud, silent, type Voice } from "../terminal/voice.ts";

const usage =
  `Trains a language model by supervised or Intuitive Fine-Tuning, on preferences, or by ` +
  `reinforcement learning on its own answers. Without flags it trains a small GPT on the built-in ` +
  `tasks for less than a minute.

  deno task train
  deno task train --objective ift
  deno task train --objective sft,dpo --steps 900,300 --learning-rate 3e-3,3e-4
  deno task train --objective sft,grpo --steps 150,300 --batch-size 32,128 \\
    --learning-rate 3e-3,5e-4
  deno task train --objective ift --from runs/sft-tasks --learning-rate 3e-4
  deno task train --model HuggingFaceTB/SmolLM2-135M-Instruct --data rows.jsonl --lora
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
  /** What is open until the command ends. */
  readonly opened: AsyncDisposableStack;
  /** The processes that carry it out. */
  readonly team: Team;
  /** What this process shows. */
  readonly voice: Voice;
  /** Stops the preparation. */
  readonly signal: AbortSignal;
}

/** The number of plain lines of progress, about. */
const LINES = 20;

/** A run whose folder this process has claimed, ready to be carried out. */
type ReadyRun = Run & { readonly held: HeldRun };

/** A run without its folder. */
type EquippedRun = Omit<Run, "folder" | "held">;

/** Everything that a run needs except its folder: data, models to start from, device. */
async function equip(
  stages: readonly TrainSettings[],
  start: (device: Device) => Promise<StartModel | undefined>,
  line: CommandLine,
): Promise<EquippedRun> {
  const { registries: { architectures }, own, opened, team: { collective, threads }, voice } = line;
  const [first] = stages;
  for (const settings of stages) requireShares(settings, collective.size);
  const { rewardAllow, rewardTimeout, codeTimeout, rewardMemory } = own;
  const rewards = opened.use(
    await openRewards(stages, {
      ...{ seconds: rewardTimeout, programSeconds: codeTimeout, mebibytes: rewardMemory },
      ...rewardAllow !== undefined && { allowed: parsePermissions(rewardAllow) },
    }),
  );
  const device = opened.use(
    await openDevice(first?.device ?? "auto", voice.tell, {
      ...threads !== undefined && { threads },
      ...first && { precision: first.precision },
      ...first?.memory !== undefined && { memory: parseBytes(first.memory) },
    }),
  );
  const base = await start(device);
  // Of several processes each keeps its tables in memory: they would write the same files at once.
  const tables = own.cache && collective.size === 1 ? tablesFolder() : undefined;
  line.signal.throwIfAborted();
  const prepared = await prepareShown(stages, base, line, {
    rewards,
    ...architectures && { architectures },
    ...tables !== undefined && { tables: tableCache(tables) },
  });
  line.signal.throwIfAborted();
  if (!own.plan) requireRoom(stages, prepared, device, collective.size);
  return {
    // The name of the device in place of "auto".
    stages: stages.map((settings) => ({ ...settings, device: device.name })),
    prepared,
    device,
    collective,
    ...base?.models && { start: base.models },
  };
}

/** Reads the model that a run starts from, and shows the progress if that takes long. */
async function readShown(
  settings: TrainSettings | undefined,
  device: Device,
  { registries: { architectures }, own, voice, signal }: CommandLine,
): Promise<StartModel | undefined> {
  if (settings === undefined) return undefined;
  using watch = shownWatch(voice.progress(), signal);
  const name = settings.model ?? settings.from ?? "";
  return await readStart(settings, {
    device,
    isOutline: own.plan,
    ...architectures && { architectures },
    tell: watch.begin({ doing: `reading ${name}`, subject: name }),
  });
}

/** Prepares the data of a run, and shows the progress if that takes long. */
async function prepareShown(
  stages: readonly TrainSettings[],
  base: StartModel | undefined,
  { voice, signal }: CommandLine,
  options: PrepareOptions,
): Promise<Prepared> {
  const progress = voice.progress();
  using watch = shownWatch(progress, signal);
  return await prepare(stages, base, { ...options, watch, progress });
}

/** The parts of a new run, and its models; its folder is not made. */
async function equipNew(line: CommandLine): Promise<EquippedRun> {
  const { config, configFormat, fromStep } = line.own;
  if (fromStep !== undefined) {
    throw new UsageError("--from-step needs --resume with the folder of the run");
  }
  if (config === undefined && configFormat !== "unitune") {
    throw new UsageError("--config-format needs --config with the file");
  }
  const settings = await settingsOf(
    line,
    config === undefined ? noConfig : await readConfig(config),
  );
  const run = await equip(settings, (device) => readShown(settings[0], device, line), line);
  const { stages, prepared, start } = run;
  await checkStages({
    ...{ stages, prepared },
    lent: (stage, settings) => lentModels(stage, settings, prepared),
    ...start && { start },
  });
  return run;
}

/** Starts a new run. Its folder is made once everything else is ready. */
async function newRun(line: CommandLine): Promise<ReadyRun> {
  const { collective } = line.team;
  const run = await together(collective, () => equipNew(line));
  const { stages, prepared } = run;
  const name = `${stagesName(stages)}-${prepared.name}`;
  const held = line.opened.use(
    await startFor(collective, line.own.out, name, runConfig(stages, prepared)),
  );
  return { folder: held.folder, held, ...run };
}

/** The plans of a new run, stage by stage, as text. */
async function planText(line: CommandLine): Promise<string> {
  const { stages, prepared, device, start, collective } = await equipNew(line);
  const first = start ?? initialModels(stages[0] ?? trainSettings(), prepared);
  const pace = await measurePace(device);
  const blocks: string[] = [];
  for (const [stage, settings] of stages.entries()) {
    const models = { ...first, ...await lentModels(stage, settings, prepared) };
    // A stage before may train the reward model that this one asks.
    const rewardModel = models.rewardModel ?? withScore(prepared.model, models.policy);
    const planOf = async (checkpointActivations: "none" | "blocks"): Promise<StepPlan> => {
      using learner = await createLearner({
        ...{ settings: { ...settings, checkpointActivations }, stage, prepared, device },
        ...{ start: { ...models, rewardModel }, isOutline: true },
        ...collective && { collective },
      });
      if (learner.plan === undefined) throw new RangeError("a learner without a plan");
      return learner.plan;
    };
    const plans = { settings, kept: await planOf("none"), again: await planOf("blocks") };
    blocks.push([
      `${settings.objective.name} on ${prepared.name}: ${sizesOf(prepared)} on ${device.name}`,
      ...planLines(plans, { limit: memoryLimit(settings, device), device: device.name, pace }),
    ].join("\n"));
  }
  return blocks.join("\n\n");
}

/** Opens a run to resume it. Its folder is claimed before anything in it is read. */
async function oldRun(line: CommandLine, folder: string): Promise<ReadyRun> {
  const elsewhere = givenFlags(line.parsed).filter((flag) => !mayChange.includes(flag));
  if (elsewhere.length > 0) {
    throw new UsageError(
      `--resume keeps the run's own settings: leave out ${elsewhere.join(", ")}`,
    );
  }
  const { collective } = line.team;
  const held = line.opened.use(await holdFor(collective, folder, line.own.fromStep));
  return await together(collective, () => equipOld(line, folder, held));
}

/** Everything that a run needs to be resumed, beside its folder. */
async function equipOld(line: CommandLine, folder: string, held: HeldRun): Promise<ReadyRun> {
  const settings = await settingsOf(line, jsonConfig(held.config, runPaths(folder).config));
  const [first] = settings;
  const isBased = first?.from !== undefined || first?.model !== undefined;
  const weights = first && storedType(first);
  // Where nothing else is said, the model is where the run has recorded it.
  const moved = givenFlags(line.parsed).includes("--model") ? first?.model : undefined;
  // Once a run has a checkpoint, it no longer needs the model from which it started, unless that
  // stays as it is and only an adapter is in the checkpoint.
  const isUnderWay = held.saved !== undefined && isBased;
  const hasTokenizer = held.saved !== undefined && first !== undefined && hasNamedTokenizer(first);
  const run = await equip(
    settings,
    async (device) =>
      hasTokenizer
        ? newStart(first, await readRunTokenizer(folder), line.registries.architectures)
        : isUnderWay
        ? await readBase(folder, {
          ...line.registries,
          device,
          ...moved !== undefined && { model: moved },
          ...weights && { weights },
        })
        : await readShown(first, device, line),
    line,
  );
  if (held.config.data.digest !== run.prepared.data.digest) {
    throw new UserError(
      `the data of ${folder} has changed since the run began: restore it, or start a new run`,
    );
  }
  requireSameBase(run.prepared.base, held.config.base);
  tellChanges(line.voice, run.prepared.functions, held.config.functions);
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

/** Tells of rewards whose files are others than they were: mended ones may go on. */
function tellChanges(
  { tell }: Voice,
  now: Prepared["functions"] = {},
  then: Readonly<Record<string, unknown>> = {},
): void {
  for (const [reward, digest] of Object.entries(now)) {
    if (then[reward] === digest) continue;
    tell(
      `the file of the reward ${reward} has changed since the run began: from here on, answers are ` +
        `scored by it as it is now`,
    );
  }
}

/** Refuses another pretrained model than the one that an adapter is of. */
function requireSameBase(now: BaseRecord | undefined, then: BaseRecord | undefined): void {
  if (now === undefined || then === undefined || now.digest === then.digest) return;
  throw new UserError(
    `the model in ${now.name} is not the one that the run began with, ${then.name}: restore it, or ` +
      `name the right one by --model`,
  );
}

/** The flags that a resumed run accepts: they change no results. */
const mayChange: readonly string[] = [
  ...["--resume", "--from-step", "--show-example", "--cache"],
  ...["--reward-allow", "--reward-timeout", "--code-timeout", "--reward-memory"],
  ...changeableFlags,
];

/** Flags as texts: the stages, of which a value may be a list, are known once all flags are. */
function unread(flags: FlagTable): FlagTable {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) =>
      [name, flag.kind === "boolean" ? flag : { kind: "string", help: flag.help }] as const
    ),
  );
}

/** The settings of each stage. Flags take precedence over a configuration file. */
async function settingsOf(
  { argv, registries, flags, own, voice }: CommandLine,
  config: ConfigFile,
): Promise<readonly TrainSettings[]> {
  const lines = splitStages(argv, config.stages.length, registries);
  const parsed = await Promise.all(lines.map((line) => withModel(parseFlags(flags, line))));
  const file = own.configFormat === "trl" ? ofTrl(config, parsed, registries, voice) : config;
  return stageSettings(parsed, file, registries);
}

/** A configuration of TRL as one of Unitune; tells what became of its keys. */
function ofTrl(
  config: ConfigFile,
  [first, ...others]: readonly ParsedFlags<FlagTable>[],
  { objectives: registry = objectiveRegistry }: Registries,
  { say }: Voice,
): ConfigFile {
  if (first === undefined || others.length > 0) {
    throw new UsageError("--config-format trl is for a run of one stage");
  }
  const { values, sources } = first;
  const converted = trlConfig(config, {
    registry,
    flag: (name) => sources[name] === "flag" ? values[name] : undefined,
  });
  say(describeTrl(converted));
  return converted.config;
}

/**
 * Flags in which `--from` names a run: a folder with a model in the layout of Hugging Face is that of
 * `--model`, and one with an adapter names its model.
 */
async function withModel(parsed: ParsedFlags<FlagTable>): Promise<ParsedFlags<FlagTable>> {
  const { values, sources } = parsed;
  const { from, model } = values;
  if (typeof from !== "string" || model !== undefined) return parsed;
  const found = await modelIn(from);
  if (found === undefined) return parsed;
  const { isAdapted } = found;
  // A new adapter is one of the model; the run's own models are whole.
  const start = isAdapted || values.lora !== true ? found.from : undefined;
  return {
    values: { ...values, from: start, model: found.model, ...isAdapted && { lora: true } },
    sources: { ...sources, model: "flag", ...isAdapted && { lora: "flag" } },
  };
}

/** The text before the training: data, losses, evaluation, model and folder. */
function introduction({ folder, stages, prepared, device }: Run, done: number): string {
  const { model, name } = prepared;
  const { vocabulary } = model.config;
  const notes = prepared.notes.map(shownMessage);
  const losses = stages.map((settings, i) => {
    const data = prepared.stages[i]?.data;
    const told = data === undefined ? settings : withAnswerLength(settings, data);
    const { formula, normalizer } = describeObjective(told);
    const label = stages.length === 1 ? "loss" : `loss of ${settings.objective.name}`;
    return `${label}: ${formulaText(formula)} (divided by ${normalizer})`;
  });
  return [
    `${stages.map(({ objective: { name } }) => name).join(", ")} on ${name}: ${notes[0]}`,
    ...notes.slice(1),
    ...losses,
    `evaluation: cross-entropy in nats per token; uniform guessing gives ` +
    `ln ${vocabulary} = ${Math.log(vocabulary).toFixed(4)}`,
    `model: ${sizesOf(prepared)} on ${device.name}`,
    ...stages.flatMap((settings) =>
      settings.model === undefined ? [] : [pace(settings, stages.length > 1, model.config.context)]
    ),
    `run: ${folder}${done > 0 ? `, resumed at step ${done}` : ""}`,
  ].join("\n");
}

/** The settings of a stage whose defaults follow the model. */
function pace(
  { objective, steps, batchSize, gradientAccumulation, learningRate, evalSteps, ...own }:
    TrainSettings,
  isStaged: boolean,
  context: number,
): string {
  const label = isStaged ? `steps of ${objective.name}` : "steps";
  const rows = gradientAccumulation === 1 ? batchSize : `${gradientAccumulation} x ${batchSize}`;
  const length = Math.min(context, own.context ?? context);
  return `${label}: ${steps} of ${rows} rows of at most ${length} tokens, learning rate ` +
    `${learningRate}, evaluated every ${evalSteps} steps`;
}

/** The architecture of a model, its parameters and sizes, and its adapter, in words. */
function sizesOf({ model, architectures: rows }: Prepared): string {
  return `${architectureOf(model.config.modelType, rows).name} of ` +
    `${countOf(isAdapted(model) ? model.base.model : model)} parameters ` +
    `(${describeSizes(model, rows)})${adapterIn(model)}`;
}

/** The number of parameters of a model, in words. */
function countOf(model: LanguageModel): string {
  return countParameters(model).toLocaleString("en-US");
}

/** The adapter of a model, in words. */
function adapterIn(model: LanguageModel): string {
  if (!isAdapted(model)) return "";
  const { rank, hasMagnitudes } = model.adapter;
  const kind = hasMagnitudes ? "DoRA" : "LoRA";
  return `, with a ${kind} adapter of rank ${rank} and ${countOf(model)} parameters,`;
}

/** The first training example of each stage, token by token. */
function exampleLines({ stages, prepared }: Run): string {
  const { tokenizer } = prepared;
  return prepared.stages.flatMap(({ data }, i) => [
    stages.length === 1 ? "" : `\nstage ${i + 1}, ${stages[i]?.objective.name}`,
    ...describeExample(tokenizer, data, terminalColumns()),
  ]).join("\n");
}

/** The text after the training: evaluations, sample answers, and the next command. */
async function conclusion(
  { folder, stages }: Run,
  { checkpoint: { path }, reports }: RunResult,
): Promise<string> {
  const evaluations = await readEvaluations(runPaths(folder).metrics);
  const moments = momentsOf(stages);
  const blocks = [
    fitTable(mainCells(evaluations, moments)),
    fitTable(kindCells(evaluations, moments)),
    sampleLines(reports[0]?.answers ?? []),
  ];
  return [
    ...blocks.filter((block) => block.length > 0).map((block) => `\n${block.join("\n")}`),
    `\nthe model is in ${path}; ask it:`,
    `  ${taskCommand("sample", { run: folder })} --prompt "..."`,
  ].join("\n");
}

/**
 * Prepares something, unless a signal stops that.
 *
 * @returns What was made, or the exit code of the signal.
 */
async function untilStopped<T>(
  { size }: Pick<Collective, "size">,
  prepare: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly made: T } | Pick<Interruption, "exitCode">> {
  // A process that stops alone would leave the others waiting for it.
  if (size > 1) return { made: await prepare(new AbortController().signal) };
  using interruption = interruptible();
  const { signal } = interruption;
  try {
    return { made: await prepare(signal) };
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    return { exitCode: interruption.exitCode };
  }
}

/** Trains until the run is finished or a signal interrupts it, and shows the progress. */
async function trainShown(
  run: Run,
  voice: Voice,
): Promise<RunResult & { readonly exitCode: number }> {
  const { total: steps } = timetableOf(run.stages);
  const lineEvery = run.stages.reduce(
    (most, { loggingSteps }) => Math.max(most, loggingSteps),
    Math.ceil(steps / LINES),
  );
  using progress = progressReporter(voice.progress(), steps, lineEvery);
  using interruption = interruptible(() =>
    progress.print("stopping after this step, with a checkpoint (once more: at once)")
  );
  const { signal } = interruption;
  // Nobody else reads the models that the command has read.
  const result = await carryOut({ ...run, ownsStart: true, progress, signal });
  return { ...result, exitCode: interruption.exitCode };
}

/**
 * The command `train`.
 *
 * @param argv The command line.
 * @param registries The objectives and the architectures (default: those of Unitune).
 * @param team The processes that carry it out (default: this one). Only the first of them shows and
 * writes anything.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, the data cannot be read, or the training fails.
 */
export async function trainCommand(
  argv: readonly string[],
  registries: Registries = {},
  team: Team = oneProcess,
): Promise<number> {
  const voice = team.collective.rank === 0 ? aloud : silent;
  const { say, print } = voice;
  const flags: FlagTable = { ...settingFlags(registries), ...runFlags };
  if (wantsHelp(argv)) {
    print(helpText(flags, usage));
    return 0;
  }
  const started = performance.now();
  const parsed = parseFlags({ ...unread(flags), ...runFlags }, argv);
  await using opened = new AsyncDisposableStack();
  const { values: own } = flagsAmong(runFlags, parsed);
  const { resume } = own;
  if (own.plan && resume !== undefined) {
    throw new UsageError(
      "--plan is for a new run: leave out --resume, or give --config with the " +
        "config.json of the run",
    );
  }
  const ready = await untilStopped(team.collective, async (signal) => {
    const line = { argv, registries, flags, parsed, own, opened, team, voice, signal };
    if (own.plan) return await planText(line);
    return resume === undefined ? await newRun(line) : await oldRun(line, resume);
  });
  if ("exitCode" in ready) {
    voice.tell("stopped before the first step: nothing was changed");
    return ready.exitCode;
  }
  const { made: run } = ready;
  if (typeof run === "string") {
    say(run);
    return 0;
  }
  const { folder, held } = run;
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
  if (own.showExample) print(exampleLines(run));
  const result = await trainShown(run, voice);
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
