/**
 * `deno task exposure`: how the model of a run does on prefixes of its own, beside those of right
 * answers, on tasks whose answers have steps.
 *
 * @module
 */

import { type Device, quoted } from "@unitune/core";
import {
  conversationSplit,
  longestRow,
  type Question,
  readSettings,
  settingTable,
  silentWatch,
  taskMaterial,
  tasksNamed,
  trainSettings,
  UserError,
} from "@unitune/training";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { prepare } from "../data/prepare.ts";
import { openDevice } from "../run/devices.ts";
import { readRunConfig } from "../run/run_config.ts";
import { readBase, readTeacher, type TrainedBase } from "../run/trained.ts";
import { comparedOnGold } from "../study/exposure/compared.ts";
import { createExcessProbe } from "../study/exposure/excess.ts";
import { createProbe, exposureMeasures } from "../study/exposure/probe.ts";
import type { Measures } from "../study/measures.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { alignTable } from "../terminal/layout.ts";

const { isShared: _isShared, isPlace: _isPlace, ...device } = settingTable.device;

/** The most questions: as many as an evaluation has at most. */
const { max: MOST_ASKED } = settingTable.evalAnswers;

const flags = {
  run: { kind: "string", placeholder: "DIR", help: "The run, whose latest model is measured." },
  teacher: {
    kind: "string",
    placeholder: "DIR",
    help:
      "The run of a better model with the same tokens, by which a run on any rows is measured: " +
      "how far its model is from the better one in states of its own answers, beside those of right " +
      "ones. The validation rows of the run are asked.",
  },
  questions: {
    kind: "integer",
    default: 200,
    min: 2,
    max: MOST_ASKED,
    help: "The most questions that are asked.",
  },
  gradients: {
    kind: "boolean",
    help: "Compares gradients of SFT, DFT and forms of IFT with those of GRPO.",
  },
  seed: { kind: "integer", default: 1, min: 0, help: "The seed of mistakes and sampled answers." },
  device: { ...device, group: "Flags" },
} as const satisfies FlagTable;

const usage = `Measures the exposure bias of a run's latest model on the test of its tasks, which \
have answers of steps: carry, order, maze, trace or word. Of any other run it needs a better model, the \
teacher. docs/metrics.md defines the measures.

  deno task train --tasks maze --context 96 --steps 300 --out runs/maze
  deno task exposure --run runs/maze
  deno task exposure --run runs/sft-rows --teacher runs/larger`;

/** The questions whose gradients are compared: GRPO answers each of them several times. */
const COMPARED = 16;

/** The test of a run's tasks. */
async function questionsOf(
  folder: string,
  { tokenizer, model }: TrainedBase,
): Promise<readonly Question[]> {
  const { settings } = await readRunConfig(folder);
  const first = [settings].flat().at(0) ?? {};
  const { tasks, seed, dataSeed = seed } = first;
  const names = typeof tasks === "string" ? tasks.split("+") : [];
  if (tasksNamed(names).every(({ world }) => world === undefined)) {
    throw new UserError(
      `--run ${quoted(folder)}: it was not trained on a task whose answers have steps; give ` +
        "a run of --tasks carry, order, maze, trace or word, or name a better model by --teacher",
    );
  }
  if (typeof dataSeed !== "number") throw new UserError(`${folder}: its config.json has no seed`);
  // The test does not depend on the number of examples to train on.
  const own = trainSettings({ tasks: names.join("+"), examples: 2, seed: dataSeed });
  const exams = taskMaterial(own, silentWatch).test.get("test") ?? [];
  return conversationSplit("test", exams, tokenizer, model.config.context).questions;
}

/** The validation questions of a run. */
async function keptQuestions(
  folder: string,
  base: TrainedBase,
  most: number,
): Promise<readonly Question[]> {
  const { settings } = await readRunConfig(folder);
  const stages = [settings].flat().map((own) => readSettings({ ...own, evalAnswers: most }));
  const { splits: [split] } = await prepare(stages, base);
  if (split !== undefined && split.questions.length > 0) return split.questions;
  throw new UserError(`${folder}: the run has no validation prompts that could be asked`);
}

/** The measures by the worlds of a run's tasks. */
async function byWorlds(
  run: string,
  base: TrainedBase,
  { questions: most, gradients, seed, device }: {
    readonly questions: number;
    readonly gradients: boolean;
    readonly seed: number;
    readonly device: Device;
  },
): Promise<Measured> {
  const questions = (await questionsOf(run, base)).slice(0, most);
  using probe = createProbe(base.model, base.tokenizer, device);
  const { models: { policy } } = base;
  const measures = {
    ...await exposureMeasures(probe, policy, questions, seed),
    ...gradients && await probe.projections(
      policy,
      questions.slice(0, COMPARED),
      { demonstrations: comparedOnGold },
      seed,
    ),
  };
  return { measures, count: questions.length };
}

/** The measures by a better model. */
async function byTeacher(
  run: string,
  teacher: string,
  base: TrainedBase,
  { questions: most, seed, device }: {
    readonly questions: number;
    readonly seed: number;
    readonly device: Device;
  },
): Promise<Measured> {
  const questions = await keptQuestions(run, base, most);
  const better = await readTeacher(teacher, base, longestRow(base.model.config.context));
  using probe = createExcessProbe(base.model, better, base.tokenizer, device);
  const measures = await probe.measure(base.models.policy, questions, seed);
  return { measures, count: questions.length };
}

/** Measures, and the number of questions that they are of. */
interface Measured {
  readonly measures: Measures;
  readonly count: number;
}

/**
 * The command `exposure`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If there is no such run, or its tasks have no steps.
 */
export async function exposureCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const { values } = parseFlags(flags, argv);
  const { run } = values;
  if (run === undefined) throw new UsageError("--run DIR is needed: the run that is measured");
  if (values.gradients && values.teacher !== undefined) {
    throw new UsageError(
      "--gradients are compared by the worlds of a run's tasks: leave out --teacher, or --gradients",
    );
  }
  const base = await readBase(run);
  using device = await openDevice(values.device);
  const { measures, count } = values.teacher === undefined
    ? await byWorlds(run, base, { ...values, device })
    : await byTeacher(run, values.teacher, base, { ...values, device });
  console.log(
    alignTable([
      ["", `${count} questions`],
      ...Object.entries(measures).map(([name, value]) => [name, value.toFixed(3)]),
    ]).join("\n"),
  );
  return 0;
}

if (import.meta.main) await runCommand(() => exposureCommand(Deno.args));
