/**
 * The built-in data: instruction tasks whose answers can be verified.
 *
 * | task | prompt | completion |
 * | --- | --- | --- |
 * | reverse | `reverse bead` | `daeb` |
 * | sort | `sort 3142` | `1234` |
 * | add | `add 12+7` | `19` |
 * | given | `given a3 c7: c` | `7` |
 * | pick | `pick even 23-58` | any even number from 23 to 58 |
 *
 * These tasks are small on purpose. A model of a hundred thousand parameters learns to reverse, sort
 * and pick in 1,500 steps of 32 examples; add and given take longer. A prompt, its completion and
 * three special tokens are at most 32 tokens of a character tokenizer, in every split.
 *
 * Five more have answers of many steps, each right or wrong in the state that the steps before it
 * have led to (see `training/worlds/`). They are used where they are named.
 *
 * | task | prompt | completion |
 * | --- | --- | --- |
 * | carry | `carry 47+38` | `7+8=15,4+3+1=8;85` |
 * | order | `order 3142` | `31 42 32` |
 * | maze | `maze a1 c1 c3` | `RRDD` |
 * | trace | `trace 3:+4-9` | `3+4:7,7-9:8` |
 * | word | `word Ann has 3 bags of 4 nuts. Ann finds 5. How many?` | `<<3*4=12>>12 <<12+5=17>>17 #### 17` |
 *
 * @module
 */

import type { Conversation, RowDataset } from "./dataset.ts";
import { integerFrom, type Random, randomStream, seedFrom, shuffled } from "../random.ts";
import { END, mistaken, readAnswer, rightAnswer, solves, type World } from "../worlds/world.ts";
import { worlds } from "../worlds/worlds.ts";
import type { Tell } from "./watch.ts";

/** The lengths of prompts: those in the training data, or longer ones. */
export type Reach = "trained" | "longer";

/** A kind of instruction. */
export interface Task {
  /** The first word of its prompts. */
  readonly name: string;
  /** Draws a prompt, and one of its right answers. */
  generate(random: Random, reach: Reach): {
    /** The instruction. */
    readonly prompt: string;
    /** A right answer. */
    readonly completion: string;
  };
  /** Tells whether an answer to one of its prompts is right. */
  verify(prompt: string, answer: string): boolean;
  /** Whether every prompt has only one right answer. */
  readonly hasOneAnswer: boolean;
  /** Likely mistakes, from a prompt and a right answer. */
  slips(random: Random, prompt: string, right: string): readonly string[];
  /** The characters of the task and of those that are learned with it. */
  readonly characters: ReadonlySet<string>;
  /** The format of answers. */
  readonly format: RegExp;
  /** What its steps do, if its answers have steps. Such a task is used where it is named. */
  readonly world?: World;
}

/** A prompt with a right answer. */
export interface TaskExample {
  /** The name of its task. */
  readonly task: string;
  /** The instruction. */
  readonly prompt: string;
  /** A right answer, perhaps one of several; see {@linkcode verifyAnswer}. */
  readonly completion: string;
  /** The right answer that noise has replaced by a wrong one; undefined without noise. */
  readonly intended?: string;
}

const letters = "abcdefghij";
const digits = "0123456789";

/** What tasks with short answers share: their characters, so that one model can read all of them. */
const short: Pick<Task, "characters" | "format"> = {
  characters: new Set(`reverse sort add given pick even odd +-:${letters}${digits}`),
  format: /^(?:[a-j]+|\d+)$/,
};

/**
 * The letters of a word, or the digits of a number to sort. Training data has one length only: with
 * several, so small a model would spend the whole run on learning where a word ends.
 */
const lengths: Readonly<Record<Reach, readonly [number, number]>> = {
  trained: [4, 4],
  longer: [5, 6],
};

/** The tasks with short answers, then those with steps. */
export const tasks: readonly Task[] = [
  oneAnswer(
    "reverse",
    // deno-lint-ignore unitune/no-spread-of-data -- a pair of bounds
    (random, reach) => spell(random, letters, integerFrom(random, ...lengths[reach])),
    (word) => [...word].reverse().join(""),
    (random, word, right) => [word, swapped(random, right), mistyped(random, right, letters)],
  ),
  oneAnswer(
    "sort",
    // deno-lint-ignore unitune/no-spread-of-data -- a pair of bounds
    (random, reach) => spell(random, digits, integerFrom(random, ...lengths[reach])),
    (number) => [...number].sort().join(""),
    (random, number, right) => [number, [...right].reverse().join(""), swapped(random, right)],
  ),
  oneAnswer(
    "add",
    (random, reach) => {
      const [low, high] = reach === "trained" ? [0, 99] : [100, 999];
      return `${integerFrom(random, low, high)}+${integerFrom(random, low, high)}`;
    },
    (sum) => String(sum.split("+").map(Number).reduce((a, b) => a + b, 0)),
    (_random, _sum, right) =>
      [1, -1, 10, -10].map((off) => Number(right) + off).filter((sum) => sum >= 0).map(String),
  ),
  oneAnswer(
    "given",
    (random, reach) => {
      const [low, high] = reach === "trained" ? [2, 2] : [3, 5];
      const names = shuffled(random, letters.slice(0, 5)).slice(0, integerFrom(random, low, high));
      const facts = names.map((name) => name + spell(random, digits, 1));
      return `${facts.join(" ")}: ${spell(random, names, 1)}`;
    },
    (facts) => {
      const [known = "", asked = ""] = facts.split(": ");
      return known.split(" ").find((fact) => fact.startsWith(asked))?.slice(1) ?? "";
    },
    (random, facts, right) => [
      ...facts.replace(/:.*/, "").split(" ").map((fact) => fact.slice(1)),
      mistyped(random, right, digits),
    ],
  ),
  {
    ...short,
    name: "pick",
    hasOneAnswer: false,
    generate: (random, reach) => {
      const [least, greatest] = reach === "trained" ? [10, 99] : [100, 999];
      // At least twenty numbers, ten of which are right.
      const low = integerFrom(random, least, greatest - 19);
      const high = integerFrom(random, low + 19, greatest);
      const remainder = integerFrom(random, 0, 1);
      const first = low + Math.abs(low % 2 - remainder);
      return {
        prompt: `pick ${remainder === 0 ? "even" : "odd"} ${low}-${high}`,
        completion: String(first + 2 * integerFrom(random, 0, Math.floor((high - first) / 2))),
      };
    },
    verify: (prompt, answer) => {
      const [, parity, low, high] = /^pick (even|odd) (\d+)-(\d+)$/.exec(prompt) ?? [];
      if (!/^[1-9]\d*$/.test(answer)) return false;
      const number = Number(answer);
      return number % 2 === (parity === "even" ? 0 : 1) &&
        Number(low) <= number && number <= Number(high);
    },
    slips: (random, prompt, right) => {
      const [, low, high] = /(\d+)-(\d+)$/.exec(prompt)?.map(Number) ?? [];
      const number = Number(right);
      const beyond = [(low ?? number) - 1, (high ?? number) + 1];
      return [number + 1, number - 1, ...shuffled(random, beyond)].map(String);
    },
  },
  ...Object.values(worlds).map(worldTask),
];

/**
 * The names of the tasks in a setting.
 *
 * @param names The names (default: the tasks with short answers).
 * @returns The tasks.
 */
export function tasksNamed(names?: readonly string[]): readonly Task[] {
  return tasks.filter(({ name, world }) => names?.includes(name) ?? world === undefined);
}

/** A task with one right answer, which is a function of the text after the task's name. */
function oneAnswer(
  name: string,
  argument: (random: Random, reach: Reach) => string,
  solve: (argument: string) => string,
  slips: (random: Random, argument: string, right: string) => readonly string[],
): Task {
  const argumentOf = (prompt: string) => prompt.slice(name.length + 1);
  const answer = (prompt: string) => solve(argumentOf(prompt));
  return {
    ...short,
    name,
    hasOneAnswer: true,
    generate: (random, reach) => {
      const prompt = `${name} ${argument(random, reach)}`;
      return { prompt, completion: answer(prompt) };
    },
    verify: (prompt, given) => given === answer(prompt),
    slips: (random, prompt, right) => slips(random, argumentOf(prompt), right),
  };
}

/**
 * The task of a world. An answer that solves its prompt is right, though a wrong step was mended; a
 * likely mistake is a wrong step, after which all goes on as the world says, or as if the step had
 * been right; or a wrong last step.
 */
function worldTask(world: World): Task {
  return {
    name: world.name,
    hasOneAnswer: false,
    generate: (random, reach) => {
      const [least, greatest] = world.difficulty[reach];
      const prompt = world.draw(random, integerFrom(random, least, greatest));
      return { prompt, completion: rightAnswer(world.begin(prompt)) };
    },
    verify: (prompt, answer) => solves(world, prompt, answer),
    slips: (random, prompt, right) => {
      // Several, as some mistakes are mended.
      const early = Array.from({ length: SLIPS }, () => mistaken(world, prompt, random));
      const { before, text = "" } = readAnswer(world, prompt, right + END).steps.at(-1) ?? {};
      const opening = (right + END).slice(0, -text.length);
      return [
        ...early.flatMap((made) => {
          if (made === undefined) return [];
          const { before, step, rest, right: instead } = made;
          const blind = right.slice(before.length + instead.length);
          return [before + step + rest, before + step + blind];
        }),
        ...(before?.mistakes ?? []).map((last) => opening + last.slice(0, -1)),
      ];
    },
    // Steps are of the same characters in all worlds, so that one model can read all of them.
    characters: new Set(Object.values(worlds).flatMap(({ characters }) => [...characters])),
    format: world.format,
    world,
  };
}

/** The wrong steps that are tried before an answer with one of them is wrong as a whole. */
const SLIPS = 4;

/** A text with two neighbouring letters swapped. */
function swapped(random: Random, text: string): string {
  const at = integerFrom(random, 0, Math.max(0, text.length - 2));
  return text.slice(0, at) + [...text.slice(at, at + 2)].reverse().join("") + text.slice(at + 2);
}

/** A text with one letter replaced. */
function mistyped(random: Random, text: string, alphabet: ArrayLike<string>): string {
  const at = integerFrom(random, 0, Math.max(0, text.length - 1));
  return text.slice(0, at) + spell(random, alphabet, 1) + text.slice(at + 1);
}

/** A word of random letters of an alphabet. */
function spell(random: Random, alphabet: ArrayLike<string>, length: number): string {
  const pick = () => alphabet[integerFrom(random, 0, alphabet.length - 1)] ?? "";
  return Array.from({ length }, pick).join("");
}

/**
 * Tells whether an answer to an example's prompt is right, even if the example has another one.
 *
 * @param example The example.
 * @param answer The answer, without a stop token.
 * @returns True if the answer is right.
 *
 * @example
 * ```ts
 * import { verifyAnswer } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const example = { task: "pick", prompt: "pick even 23-58", completion: "40" };
 * assert(verifyAnswer(example, "24"));
 * assert(!verifyAnswer(example, "25"));
 * ```
 */
export function verifyAnswer({ task, prompt }: TaskExample, answer: string): boolean {
  return tasks.some(({ name, verify }) => name === task && verify(prompt, answer));
}

/**
 * Makes a wrong answer to an example's prompt by a likely mistake: swapped letters, a sum that is
 * off by one, the number of another fact, a number of the wrong parity.
 *
 * @param example The example.
 * @param random The source that chooses among several mistakes.
 * @returns A wrong answer.
 *
 * @example
 * ```ts
 * import { mistakeFor, randomStream, verifyAnswer } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const example = { task: "add", prompt: "add 12+7", completion: "19" };
 * const mistake = mistakeFor(example, randomStream(1));
 * assert(["18", "20", "9", "29"].includes(mistake) && !verifyAnswer(example, mistake));
 * ```
 */
export function mistakeFor(example: TaskExample, random: Random): string {
  return mistakeIn(example, example.intended ?? example.completion, random);
}

/**
 * Makes another answer wrong by a likely mistake, or an answer that is wrong still worse.
 *
 * @param example The example.
 * @param answer An answer to its prompt.
 * @param random The source that chooses among several mistakes.
 * @returns A wrong answer, and another one.
 *
 * @example
 * ```ts
 * import { mistakeIn, randomStream, verifyAnswer } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const example = { task: "add", prompt: "add 12+7", completion: "19" };
 * const worse = mistakeIn(example, "20", randomStream(1));
 * assert(["21", "10", "30"].includes(worse) && !verifyAnswer(example, worse));
 * ```
 */
export function mistakeIn(example: TaskExample, answer: string, random: Random): string {
  const task = tasks.find(({ name }) => name === example.task);
  // A word such as "aa" has no other mistake; an additional letter is always one.
  const slips = [
    ...shuffled(random, task?.slips(random, example.prompt, answer) ?? []),
    answer + "a",
  ];
  return slips.find((slip) => slip !== answer && !verifyAnswer(example, slip)) ?? "";
}

/**
 * Replaces the answers of some examples by wrong ones, as in data that was written carelessly.
 *
 * @param examples The examples.
 * @param rate The probability of a wrong answer.
 * @param seed The seed of the choice of examples and mistakes.
 * @returns The examples, in the same order.
 *
 * @example
 * ```ts
 * import { generateTasks, verifyAnswer, withNoise } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const noisy = withNoise(generateTasks({ seed: 1, size: 1000 }).train, 0.2, 7);
 * const wrong = noisy.filter((example) => !verifyAnswer(example, example.completion));
 * assert(wrong.length > 150 && wrong.length < 250);
 * ```
 */
export function withNoise(
  examples: readonly TaskExample[],
  rate: number,
  seed: number,
): readonly TaskExample[] {
  if (rate === 0) return examples;
  return examples.map((example, number) => {
    const random = randomStream(seed, number);
    if (random() >= rate) return example;
    const { completion: intended } = example;
    return { ...example, completion: mistakeFor(example, random), intended };
  });
}

/**
 * Rewrites a prompt in a format that training data does not have: `reverse: bead` for `reverse
 * bead`.
 *
 * @param prompt A prompt.
 * @returns The same question in the other format.
 *
 * @example
 * ```ts
 * import { reformatted } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reformatted("pick even 23-58"), "pick: even 23-58");
 * ```
 */
export function reformatted(prompt: string): string {
  return prompt.replace(" ", ": ");
}

/**
 * Tells whether an answer to a prompt of any task is right, for rewards.
 *
 * @param prompt The prompt, as it was generated.
 * @param answer The answer, without a stop token.
 * @returns Whether the answer is right; undefined if no task has such prompts.
 *
 * @example
 * ```ts
 * import { verifyPrompt } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(verifyPrompt("sort 3142", "1234"), true);
 * assertEquals(verifyPrompt("translate bead", "perle"), undefined);
 * ```
 */
export function verifyPrompt(prompt: string, answer: string): boolean | undefined {
  const task = tasks.find(({ name }) => prompt.startsWith(`${name} `));
  return task?.verify(prompt, answer);
}

/** Options of the generated examples. */
export interface TaskOptions {
  /** The seed: the same options give the same examples. */
  readonly seed: number;
  /** The number of training examples (default 20,000). */
  readonly size?: number;
  /** The number of held-out examples (default 250). */
  readonly heldOut?: number;
  /** The number of further held-out examples, for a test (default 250). */
  readonly test?: number;
  /** The number of longer examples (default 250). */
  readonly longer?: number;
  /** The names of the tasks (default: those with short answers). */
  readonly tasks?: readonly string[];
  /** Called now and then with the number of training examples made so far (default: nothing is). */
  readonly tell?: Tell;
}

/** Generated examples. In each split, the tasks take turns. */
export interface TaskSplits {
  /** The training examples. Prompts may repeat, with the same or another right answer. */
  readonly train: readonly TaskExample[];
  /** Held-out examples of the same lengths, with distinct prompts that training does not have. */
  readonly heldOut: readonly TaskExample[];
  /** Further held-out examples, for a test after choices were made on the others. */
  readonly test: readonly TaskExample[];
  /** Examples that are longer than all training examples: more letters, digits or facts. */
  readonly longer: readonly TaskExample[];
}

/**
 * Generates examples of the tasks. The held-out and the longer examples depend on the seed and on
 * their own number, not on the size of the training set.
 *
 * @param options The seed and the sizes.
 * @returns The splits.
 * @throws {RangeError} If there are fewer distinct held-out or longer prompts than asked for.
 *
 * @example
 * ```ts
 * import { generateTasks, verifyAnswer } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const { train, heldOut } = generateTasks({ seed: 1, size: 1000 });
 * const seen = new Set(train.map((example) => example.prompt));
 * assert(heldOut.every((example) => !seen.has(example.prompt)));
 * assert(heldOut.every((example) => verifyAnswer(example, example.completion)));
 * ```
 */
export function generateTasks(options: TaskOptions): TaskSplits {
  const { seed, size = 20_000, heldOut: heldOutSize = 250 } = options;
  const { test: testSize = 250, longer: longerSize = 250 } = options;
  const own = tasksNamed(options.tasks);
  if (own.length === 0) throw new RangeError("There is no task to generate examples of");
  // One stream a split, so that no split's size moves another.
  const seeds = randomStream(seed);
  const stream = () => randomStream(seedFrom(seeds));
  const unseen = new Set<string>();
  const keptAside = generate(own, stream(), "trained", heldOutSize + testSize, unseen, true);
  const longer = generate(own, stream(), "longer", longerSize, new Set(), true);
  const train = generate(own, stream(), "trained", size, unseen, false, options.tell);
  return {
    train,
    heldOut: keptAside.slice(0, heldOutSize),
    test: keptAside.slice(heldOutSize),
    longer,
  };
}

/** Examples between two looks at how far the generation is. */
const STRIDE = 1024;

/** So many draws that all are taken means that there are hardly any others. */
const patience = 1000;

/**
 * Examples of the tasks in turn, whose prompts are not among the taken ones; distinct prompts are
 * taken as they come.
 */
function generate(
  own: readonly Task[],
  random: Random,
  reach: Reach,
  size: number,
  taken: Set<string>,
  distinct: boolean,
  tell: Tell = () => {},
): TaskExample[] {
  const draw = (task: Task): TaskExample => {
    for (let attempt = 0; attempt < patience; attempt++) {
      const example = task.generate(random, reach);
      if (taken.has(example.prompt)) continue;
      if (distinct) taken.add(example.prompt);
      return { task: task.name, ...example };
    }
    throw new RangeError(`There are not enough prompts of the task "${task.name}" for ${size}`);
  };
  const examples: TaskExample[] = [];
  while (examples.length < size) {
    for (const task of own.slice(0, size - examples.length)) {
      examples.push(draw(task));
      if (examples.length % STRIDE === 0) tell(examples.length, size);
    }
  }
  return examples;
}

/**
 * An example as a conversation: the prompt is the user's, the completion the assistant's.
 *
 * @param example The example.
 * @returns The conversation.
 */
export function taskConversation({ prompt, completion }: TaskExample): Conversation {
  return {
    messages: [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ],
  };
}

/**
 * The training and the held-out examples as a dataset.
 *
 * @param splits The examples.
 * @returns The dataset; what is held out is its validation part.
 */
export function taskDataset(
  { train, heldOut }: Pick<TaskSplits, "train" | "heldOut">,
): RowDataset<"conversations"> {
  return {
    kind: "conversations",
    train: train.map(taskConversation),
    validation: heldOut.map(taskConversation),
  };
}
