/**
 * Rewards of files: functions that a user has written, each in a process of its own.
 *
 * @module
 */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { abridged, quoted } from "@unitune/core";
import { type Answered, nearest, placeOf, readScores, UserError } from "@unitune/training";
import type { TextReward } from "@unitune/training";
import { digestOf } from "../files/digest.ts";
import { isRecord } from "../files/guards.ts";
import { readBytes } from "../files/read.ts";
import { decode } from "./frames.ts";
import { type Answer, type ModuleProcess, type ProcessOptions, startProcess } from "./process.ts";

/** A function of a file. */
export interface FunctionName {
  /** The file. */
  readonly file: string;
  /** The name of the function. */
  readonly name: string;
}

/** The endings of files with functions. */
const ENDING = /\.[cm]?[jt]s$/;

/**
 * The function that the name of a reward is of: `./my_rewards.ts#accuracy`.
 *
 * @param reward The name of the reward.
 * @returns The function; undefined if the name is of no file.
 * @throws {UserError} If it names a file alone, or one that is no TypeScript and no JavaScript.
 *
 * @example
 * ```ts
 * import { functionNamed } from "./function_reward.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const found = functionNamed("./my_rewards.ts#accuracy");
 * assertEquals(found, { file: "./my_rewards.ts", name: "accuracy" });
 * assertEquals(functionNamed("accuracy"), undefined);
 * ```
 */
export function functionNamed(reward: string): FunctionName | undefined {
  const at = reward.lastIndexOf("#");
  const [file, name] = at < 0 ? [reward, ""] : [reward.slice(0, at), reward.slice(at + 1)];
  const isCode = ENDING.test(file);
  if (at < 0 && !isCode) return undefined;
  if (!isCode) {
    throw new UserError(
      `--rewards: ${quoted(file)} is no file of TypeScript or JavaScript: a reward of a file is ` +
        `named as in ./my_rewards.ts#accuracy`,
    );
  }
  if (name !== "") return { file, name };
  throw new UserError(`--rewards: name a function of ${file}, as in ${file}#accuracy`);
}

/** A reward whose process runs, until it is disposed of. */
export interface RunningReward extends AsyncDisposable {
  /** The reward. */
  readonly reward: TextReward;
  /** A digest of its file. */
  readonly digest: string;
}

/** The limits and permissions of a reward's process. */
export type RewardOptions = Omit<ProcessOptions, "source">;

/** What a process does that serves a function. */
const MAIN = new URL("./function_main.ts", import.meta.url);

/** The module of a process that serves a function. */
function moduleOf({ file, name }: FunctionName): string {
  const [main, own] = [MAIN, pathToFileURL(resolve(file))].map(({ href }) => JSON.stringify(href));
  return `import { serve } from ${main};\nimport * as own from ${own};\n` +
    `serve(line, own, ${JSON.stringify(name)});`;
}

/**
 * Starts the process of a reward of a file, and loads the file there.
 *
 * @param own The function.
 * @param options Its limits and permissions, and who takes the lines that it writes.
 * @returns The reward, whose name is that of the file and the function.
 * @throws {UserError} If the file cannot be loaded, or has no such function.
 */
export async function startFunction(
  own: FunctionName,
  options: RewardOptions,
): Promise<RunningReward> {
  const { file, name } = own;
  const digest = digestOf(await readBytes(file));
  const child = await startProcess({ ...options, source: moduleOf(own) });
  try {
    await requireFunction(child, own, options);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  const title = `${file}#${name}`;
  return {
    digest,
    reward: {
      name: title,
      reads: "all",
      score: async (answers) => {
        const call = answers.map(({ source: _, ...answered }) => answered);
        const answer = await child.ask(call);
        return readScores(title, answers, returned(title, answer, answers, options));
      },
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Waits until a file is loaded, and refuses one without the function. */
async function requireFunction(
  { ready }: ModuleProcess,
  { file, name }: FunctionName,
  options: RewardOptions,
): Promise<void> {
  const answer = await ready;
  if (answer.kind !== "message") {
    throw new UserError(`can't load ${file}: ${failure(answer, options)}`);
  }
  const message = decode(answer.message);
  const functions = isRecord(message) && Array.isArray(message.functions)
    ? message.functions.map(String)
    : [];
  if (functions.includes(name)) return;
  const meant = nearest(name, functions);
  const hint = meant !== undefined
    ? `did you mean ${quoted(meant)}?`
    : functions.length === 0
    ? "it exports no function"
    : `it exports ${functions.map((own) => quoted(own)).join(", ")}`;
  throw new UserError(`${file} exports no function ${quoted(name)}: ${hint}`);
}

/** What a function has returned for a batch; an error if it has returned nothing. */
function returned(
  title: string,
  answer: Answer,
  answers: readonly Answered[],
  options: RewardOptions,
): unknown {
  const outcome = answer.kind === "message" ? decode(answer.message) : undefined;
  if (isRecord(outcome) && Object.hasOwn(outcome, "returned")) return outcome.returned;
  const why = isRecord(outcome)
    ? `it threw ${words(String(outcome.thrown))}`
    : failure(answer, options);
  throw new UserError(`the reward ${title} failed for ${placeOf(answers)}: ${why}`);
}

/** Why there is no message, in words. */
function failure(answer: Answer, { seconds, mebibytes }: RewardOptions): string {
  switch (answer.kind) {
    case "time":
      return `it took more than ${seconds} s, which --reward-timeout sets`;
    case "memory":
      return `it used more than ${mebibytes} MiB of memory, which --reward-memory sets`;
    case "ended":
      // The engine ends a process whose heap is full.
      return answer.signal !== null
        ? `its process was ended by ${answer.signal}, as it is with more than ${mebibytes} MiB of ` +
          `memory, which --reward-memory sets`
        : answer.error === undefined
        ? `its process ended with exit code ${answer.code}`
        : words(answer.error);
    case "message":
      return "it sent something else than the scores";
    default:
      return answer satisfies never;
  }
}

/** The most characters of an error's message that are shown. */
const LONGEST_ERROR = 300;

/** An error's message on one line. */
function words(message: string): string {
  return abridged(message.split("\n").map((line) => line.trim()).join(" "), LONGEST_ERROR);
}
