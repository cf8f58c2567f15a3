/**
 * `deno task exposure`: how the model of a run does on prefixes of its own, beside those of right
 * answers, on tasks whose answers have steps.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import {
  conversationSplit,
  type Question,
  settingTable,
  silentWatch,
  taskMaterial,
  tasksNamed,
  trainSettings,
  UserError,
} from "@unitune/training";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { openDevice } from "../run/devices.ts";
import { readRunConfig } from "../run/run_config.ts";
import { readBase, type TrainedBase } from "../run/trained.ts";
import { comparedOnGold } from "../study/exposure/compared.ts";
import { createProbe, exposureMeasures } from "../study/exposure/probe.ts";
import type { Measures } from "../study/measures.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { alignTable } from "../terminal/layout.ts";

const { isShared: _isShared, isPlace: _isPlace, ...device } = settingTable.device;

const flags = {
  run: { kind: "string", placeholder: "DIR", help: "The run, whose latest model is measured." },
  questions: {
    kind: "integer",
    default: 200,
    min: 2,
    help: "The most questions of the test that are asked.",
  },
  gradients: {
    kind: "boolean",
    help: "Compares gradients of SFT, DFT and forms of IFT with those of GRPO.",
  },
  seed: { kind: "integer", default: 1, min: 0, help: "The seed of mistakes and sampled answers." },
  device: { ...device, group: "Flags" },
} as const satisfies FlagTable;

const usage = `Measures the exposure bias of a run's latest model on the test of its tasks, which \
have answers of steps: carry, order, maze, trace or word. docs/metrics.md defines the measures.

  deno task train --tasks maze --context 96 --steps 300 --out runs/maze
  deno task exposure --run runs/maze`;

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
        "a run of --tasks carry, order, maze, trace or word",
    );
  }
  if (typeof dataSeed !== "number") throw new UserError(`${folder}: its config.json has no seed`);
  // The test does not depend on the number of examples to train on.
  const own = trainSettings({ tasks: names.join("+"), examples: 2, seed: dataSeed });
  const exams = taskMaterial(own, silentWatch).test.get("test") ?? [];
  return conversationSplit("test", exams, tokenizer, model.config.context).questions;
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
  const { run, seed } = values;
  if (run === undefined) throw new UsageError("--run DIR is needed: the run that is measured");
  const base = await readBase(run);
  const questions = (await questionsOf(run, base)).slice(0, values.questions);
  using device = await openDevice(values.device);
  using probe = createProbe(base.model, base.tokenizer, device);
  const { models: { policy } } = base;
  const measures: Measures = {
    ...await exposureMeasures(probe, policy, questions, seed),
    ...values.gradients && await probe.projections(
      policy,
      questions.slice(0, COMPARED),
      { demonstrations: comparedOnGold },
      seed,
    ),
  };
  console.log(
    alignTable([
      ["", `${questions.length} questions`],
      ...Object.entries(measures).map(([name, value]) => [name, value.toFixed(3)]),
    ]).join("\n"),
  );
  return 0;
}

if (import.meta.main) await runCommand(() => exposureCommand(Deno.args));
