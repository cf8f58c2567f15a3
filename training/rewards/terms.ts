/**
 * The rewards that a stage's settings name, and the prompts whose answers they can judge.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { TrainingPrompt, Unscorable } from "../data/examples.ts";
import type { RowTable } from "../data/table.ts";
import { UserError } from "../text/errors.ts";
import { message, setting } from "../text/message.ts";
import {
  columnsFor,
  editSimilarity,
  exactMatch,
  formatReward,
  GOLD,
  lengthPenalty,
  parseRewards,
  rewardModelReward,
  type RewardTerm,
  type TextReward,
} from "./rewards.ts";
import type { TrainSettings } from "../settings.ts";
import { maxNewTokensOf, UNKNOWN_LENGTH } from "../sampling/answer_length.ts";
import { accuracy } from "./accuracy.ts";
import { overlongPenalty, type OverlongSizes, repetitionPenalty } from "./penalties.ts";

/** Facts about the answers to a stage's prompts. */
export interface KnownAnswers {
  /** Rewards that come with the data, in addition to the built-in ones. */
  readonly judges: readonly TextReward[];
  /** The expected format of answers, if it is known. */
  readonly format?: RegExp;
  /** The tokens of the longest answer, without the stop token; 0 where none is known. */
  readonly longestAnswer: number;
  /** The characters of the longest answer; 0 where none is known. */
  readonly longestText: number;
}

/** The settings that rewards depend on. */
export type RewardSettings = Pick<
  TrainSettings,
  "rewards" | "format" | "maxNewTokens" | "overlongBuffer" | "repetitionNgram"
>;

/**
 * The rewards that the settings name.
 *
 * @param settings The settings of the stage.
 * @param known What is known of its answers.
 * @returns The rewards and their weights.
 * @throws {UserError} Where a reward is unknown, the form of answers is no regular expression, or the
 * penalty of long answers is longer than they are.
 */
export function rewardTerms(
  settings: RewardSettings,
  { judges, format, longestAnswer, longestText }: KnownAnswers,
): readonly RewardTerm[] {
  const { rewards, format: pattern, repetitionNgram } = settings;
  const form = pattern === undefined ? format : wholePattern(pattern);
  const known = [
    ...judges,
    exactMatch,
    accuracy,
    editSimilarity,
    ...(form === undefined ? [] : [formatReward(form)]),
    lengthPenalty(longestText === 0 ? UNKNOWN_LENGTH : longestText),
    overlongPenalty(overlongSizes(settings, maxNewTokensOf(settings, { longestAnswer }))),
    repetitionPenalty(repetitionNgram),
    rewardModelReward,
  ];
  const [first = exactMatch] = judges;
  return parseRewards(rewards ?? first.name, known);
}

/** The share of an answer's greatest length over which it is penalized, as in DAPO: 4096 of 20480. */
const OVERLONG_SHARE = 1 / 5;

/** The sizes of the penalty of long answers. */
function overlongSizes({ overlongBuffer }: RewardSettings, most: number): OverlongSizes {
  const buffer = overlongBuffer ?? Math.max(1, Math.floor(OVERLONG_SHARE * most));
  if (buffer <= most) return { most, buffer };
  throw new UserError(
    message(
      ...[setting("overlongBuffer"), ` ${buffer} is more than the ${most} tokens of an answer`],
      ...[": take a smaller one, or a larger ", setting("maxNewTokens")],
    ),
  );
}

/** A regular expression that a text matches from its beginning to its end. */
function wholePattern(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`, "su");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(message(setting("format"), `: ${why}`), { cause: error });
  }
}

/** The rewards of every run that judge answers by columns of their rows. */
const byColumns: readonly TextReward[] = [exactMatch, accuracy, editSimilarity];

/** Tells whether a reward can judge answers to a prompt. */
function isScorable(reward: TextReward, { prompt, columns }: TrainingPrompt): boolean {
  return reward.isScorable?.({ prompt, columns: columnsFor(reward, columns) }) !== false;
}

/** Counts of prompts whose answers a reward cannot judge, by the reward's name. */
export type UnscorableCounts = Readonly<Record<string, number>>;

/** Counts, while prompts are read, those whose answers the rewards of every run cannot judge. */
export interface UnscorableGathering {
  /** Counts a prompt. */
  add(prompt: TrainingPrompt): void;
  /** The counts so far. */
  counts(): UnscorableCounts;
}

/**
 * Begins to count prompts whose answers the rewards of every run cannot judge.
 *
 * @returns No prompt yet.
 */
export function gatherUnscorable(): UnscorableGathering {
  const counts = new Map(byColumns.map(({ name }) => [name, 0]));
  return {
    add(prompt) {
      for (const reward of byColumns) {
        const { name } = reward;
        if (!isScorable(reward, prompt)) counts.set(name, (counts.get(name) ?? NaN) + 1);
      }
    },
    counts: () => Object.fromEntries(counts),
  };
}

/**
 * The rewards that cannot judge the answers to some prompts.
 *
 * @param terms The rewards.
 * @param prompts The prompts.
 * @param known Counts of the rewards of every run (default: the prompts are read).
 * @returns Those rewards, with the number of prompts.
 *
 * @example
 * ```ts
 * import { exactMatch, unscorable } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const prompt = { ids: [3], prompt: "1+1" };
 * const prompts = [{ ...prompt, columns: { completion: "2" } }, { ...prompt, columns: {} }];
 * const found = unscorable([{ weight: 1, reward: exactMatch }], prompts);
 * assertEquals(found, [{ reward: exactMatch, count: 1 }]);
 * ```
 */
export function unscorable(
  terms: readonly RewardTerm[],
  prompts: RowTable<TrainingPrompt>,
  known: UnscorableCounts = {},
): readonly Unscorable[] {
  const counted = (reward: TextReward) => {
    let count = 0;
    for (const prompt of prompts) count += Number(!isScorable(reward, prompt));
    return count;
  };
  return terms.flatMap(({ reward }) => {
    if (reward.isScorable === undefined) return [];
    const own = byColumns.includes(reward) ? known[reward.name] : undefined;
    const count = own ?? counted(reward);
    return count === 0 ? [] : [{ reward, count }];
  });
}

/**
 * Refuses rewards that can judge no answer at all: a run by them would learn nothing.
 *
 * @param objective The objective, for the error.
 * @param found What {@linkcode unscorable} found.
 * @param prompts The prompts.
 * @throws {UserError} Where there is such a reward; it names the columns that the reward needs.
 */
export function requireScorable(
  objective: string,
  found: readonly Unscorable[],
  prompts: RowTable<TrainingPrompt>,
): void {
  const none = found.find(({ count }) => count === prompts.length);
  if (none === undefined) return;
  const { name, reads, needs = "a text" } = none.reward;
  if (reads === "all" || reads.length === 0) {
    throw new UserError(
      message(
        `${objective} cannot train on these prompts: the reward ${name} can judge no answer to ` +
          `any of them; name another by `,
        setting("rewards"),
      ),
    );
  }
  const columns = Object.keys(prompts.at(0)?.columns ?? {});
  const there = columns.length === 0
    ? "there are no columns but the prompt"
    : `there are ${columns.slice(0, SHOWN).map((name) => quoted(name, LONGEST_NAME)).join(", ")}${
      columns.length > SHOWN ? " and others" : ""
    }`;
  const needed = reads.map((name) => quoted(name)).join(" and ");
  throw new UserError(
    message(
      `${objective} cannot train on these prompts: the reward ${name} reads ${needs} in the column ` +
        `${needed}, which no row has (${there}). `,
      ...reads.includes(GOLD)
        ? ["Name the column of right answers by ", setting("completionColumn"), ", or another"]
        : ["Name another"],
      " reward by ",
      setting("rewards"),
    ),
  );
}

/**
 * Notes for the user on prompts whose answers cannot all be judged.
 *
 * @param found What {@linkcode unscorable} found.
 * @param terms All rewards.
 * @param total The number of prompts.
 * @returns A sentence for each such reward.
 */
export function unscorableNotes(
  found: readonly Unscorable[],
  terms: readonly RewardTerm[],
  total: number,
): readonly string[] {
  const effect = terms.length === 1
    ? "answers to them teach nothing"
    : "it is left out of the sum there";
  return found.map(({ reward: { name, reads, needs }, count }) => {
    const columns = reads === "all" ? [] : reads.map((column) => quoted(column));
    const lacked = needs === undefined ? "" : ` with ${needs}`;
    const why = columns.length === 0
      ? ""
      : `, whose rows have no ${columns.join(" and ")}${lacked}`;
    return `the reward ${name} cannot judge answers to ${count} of ${total} prompts${why}: ${effect}.`;
  });
}

/** Columns that an error names. */
const SHOWN = 6;

/** Characters of such a column's name. */
const LONGEST_NAME = 40;
