/**
 * The built-in tasks as what there is to train on.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { Example } from "./examples.ts";
import {
  generateTasks,
  mistakeFor,
  mistakeIn,
  reformatted,
  taskConversation,
  taskDataset,
  type TaskExample,
  tasks,
  tasksNamed,
  verifyAnswer,
  verifyPrompt,
  withNoise,
} from "./tasks.ts";
import type { Watch } from "./watch.ts";
import { UserError } from "../text/errors.ts";
import type { Material } from "./material.ts";
import { message, setting } from "../text/message.ts";
import { randomStream } from "../random.ts";
import { GOLD, verifierReward } from "../rewards/rewards.ts";
import type { TrainSettings } from "../settings.ts";
import type { Exam } from "./splits.ts";

/** Examples of the built-in tasks: each has a mistake beside its answer, and a worse one. */
function taskExamples(examples: readonly TaskExample[], seed: number): Example[] {
  const said = (role: "user" | "assistant", content: string) => [{ role, content }];
  return examples.map((example, i) => {
    const mistake = mistakeFor(example, randomStream(seed, REJECTED, i));
    const prompt = said("user", example.prompt);
    const chosen = said("assistant", example.completion);
    // Where noise has put a wrong answer first, the preference is the wrong way round, too.
    const rejected = said("assistant", example.intended ?? mistake);
    return {
      ...{ prompt, chosen, rejected },
      triple: {
        gold: chosen,
        chosen: said("assistant", mistake),
        rejected: example.intended === undefined
          ? said("assistant", mistakeIn(example, mistake, randomStream(seed, WORSE, i)))
          : rejected,
      },
      columns: { [GOLD]: example.completion },
      isRight: (answer: string) => verifyAnswer(example, answer),
    };
  });
}

/** The streams of a data seed for what is added to the generated examples. */
const NOISE = 1;
const REJECTED = 2;
const WORSE = 3;

/** The settings that the built-in tasks read. */
export type TaskSettings = Pick<
  TrainSettings,
  "tasks" | "examples" | "noise" | "dataSeed" | "seed"
>;

/**
 * Bytes of memory of an example of the built-in tasks, whatever it is learned by: its texts, its
 * mistakes, and the tokens and masks of all answers, measured as the heap's growth.
 */
const EXAMPLE_BYTES = 2500;

/** Memory that encoding takes for each byte of the examples. */
const ENCODING_LATER = 4;

/** The share of the memory that examples may take; the rest is for the training. */
const SHARE = 0.8;

/**
 * The built-in tasks as material: a right answer other than the example's counts as well.
 *
 * @param settings Which tasks, how many examples, and how many of them are wrong.
 * @param watch Follows the making of examples.
 * @returns The material.
 * @throws {UserError} Where a task is unknown, or memory will not do.
 */
export function taskMaterial(settings: TaskSettings, watch: Watch): Material {
  const subject = message(setting("examples"), ` ${settings.examples}`);
  watch.reserve(subject, settings.examples * EXAMPLE_BYTES, SHARE);
  const seed = settings.dataSeed ?? settings.seed;
  const names = settings.tasks === undefined ? undefined : taskNames(settings.tasks);
  const own = tasksNamed(names);
  const formats = new Set(own.map(({ format: { source } }) => source));
  const splits = generateTasks({
    seed,
    size: settings.examples,
    tell: watch.begin({
      doing: "generating examples",
      subject,
      later: ENCODING_LATER,
    }),
    ...(names !== undefined && { tasks: names }),
  });
  const train = withNoise(splits.train, settings.noise, randomStream(seed, NOISE)() * 2 ** 32);
  const exam = (example: TaskExample, prompt = example.prompt): Exam => ({
    conversation: taskConversation({ ...example, prompt }),
    kind: example.task,
    isRight: (answer) => verifyAnswer(example, answer),
  });
  return {
    name: "tasks",
    dataset: taskDataset({ ...splits, train }),
    characters: new Set(own.flatMap(({ characters }) => [...characters])),
    examples: {
      train: taskExamples(train, seed).map((example) => [example]),
      validation: taskExamples(splits.heldOut, seed).map((example) => [example]),
    },
    exams: new Map([
      ["held-out", splits.heldOut.map((example) => exam(example))],
      ["longer", splits.longer.map((example) => exam(example))],
      ["reformatted", splits.heldOut.map((example) => exam(example, reformatted(example.prompt)))],
    ]),
    unjudged: 0,
    test: new Map([
      ["test", splits.test.map((example) => exam(example))],
      ["longer", splits.longer.map((example) => exam(example))],
      ["reformatted", splits.test.map((example) => exam(example, reformatted(example.prompt)))],
    ]),
    mistaught: train.filter(({ intended }) => intended !== undefined)
      .map((example) => exam(example)),
    judges: [verifierReward(verifyPrompt)],
    format: new RegExp([...formats].join("|")),
    // Each example has a judge of its own.
    isListed: true,
  };
}

/** The names of tasks in a setting. */
function taskNames(text: string): readonly string[] {
  const names = text.split("+");
  const unknown = names.find((name) => tasks.every((task) => task.name !== name));
  if (unknown === undefined) return names;
  throw new UserError(
    message(
      setting("tasks"),
      `: there is no task ${quoted(unknown)}; there are ` +
        tasks.map(({ name }) => name).join(", "),
    ),
  );
}
