/**
 * The rewards of a run that need processes: functions of files, and code.
 *
 * @module
 */

import { abridged } from "@unitune/core";
import { namedTerms, type TextReward, type TrainSettings, UserError } from "@unitune/training";
import { tell } from "../terminal/terminal.ts";
import { codeReward } from "./code.ts";
import { functionNamed, startFunction } from "./function_reward.ts";
import type { Allowed } from "./permissions.ts";

/** What the processes of rewards may do and need. */
export interface RewardsOptions {
  /** The permissions of functions of files (default: none). */
  readonly allowed?: Allowed;
  /** The most seconds for a file to load, and for a function to score a batch (default 60). */
  readonly seconds?: number;
  /** The most seconds for the program of an answer (default 5). */
  readonly programSeconds?: number;
  /** The most memory of a function, and of a program, in MiB (default 512). */
  readonly mebibytes?: number;
  /** Takes the lines that functions write (default: standard error). */
  readonly output?: (line: string) => void;
}

/** The defaults of {@linkcode RewardsOptions}. */
export const rewardDefaults = { seconds: 60, programSeconds: 5, mebibytes: 512 } as const;

/** Rewards whose processes run, until they are disposed of. */
export interface OpenRewards extends AsyncDisposable {
  /** The rewards that the settings of a stage name. */
  of(settings: Pick<TrainSettings, "rewards">): readonly TextReward[];
  /** Digests of the files of functions, by the names of the rewards. */
  readonly digests: Readonly<Record<string, string>>;
}

/** The name of the reward that runs programs. */
const CODE = "code";

/** The most characters of a line that a function writes. */
const LONGEST_LINE = 1000;

/** The names of a stage's rewards. */
function namesOf({ rewards }: Pick<TrainSettings, "rewards">): readonly string[] {
  return rewards === undefined ? [] : namedTerms(rewards).map(({ name }) => name);
}

/**
 * Starts the processes of the rewards that stages name. Each function has one; a program has one of
 * its own, while it runs.
 *
 * @param stages The settings of the stages.
 * @param options Permissions and limits.
 * @returns The rewards.
 * @throws {UserError} If this process may not start others, a file cannot be loaded, or it has no such
 * function.
 */
export async function openRewards(
  stages: readonly Pick<TrainSettings, "rewards">[],
  options: RewardsOptions = {},
): Promise<OpenRewards> {
  const { seconds, programSeconds, mebibytes } = { ...rewardDefaults, ...options };
  const output = options.output ?? ((line: string) => tell(abridged(line, LONGEST_LINE)));
  const names = new Set(stages.flatMap(namesOf));
  await using running = new AsyncDisposableStack();
  const rewards = new Map<string, TextReward>();
  const digests: Record<string, string> = {};
  for (const name of names) {
    const own = functionNamed(name);
    if (own === undefined && name !== CODE) continue;
    await requirePermission(name);
    if (own === undefined) {
      rewards.set(name, codeReward({ seconds: programSeconds, mebibytes }));
    } else {
      const { allowed } = options;
      const limits = { seconds, mebibytes, output, ...allowed && { allowed } };
      const { reward, digest } = running.use(await startFunction(own, limits));
      rewards.set(name, reward);
      digests[name] = digest;
    }
  }
  const kept = running.move();
  return {
    digests,
    of: (settings) => namesOf(settings).flatMap((name) => rewards.get(name) ?? []),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Refuses a reward with a process where none may be started. */
async function requirePermission(reward: string): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "run", command: Deno.execPath() });
  if (state === "granted") return;
  throw new UserError(
    `the reward ${reward} runs in a process of its own, which this task may not start: use ` +
      "`deno task train:rewards` with the same flags",
  );
}
