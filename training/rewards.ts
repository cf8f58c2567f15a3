/**
 * Rewards: what a sampled answer is worth, as plain functions of texts.
 *
 * A reward names the columns of the data that it reads and is given these alone, beside the prompt
 * and the answer. So nothing that it should not know can reach it: not the right answer unless it
 * asks for it, not what is kept aside, not what other rewards read.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "./errors.ts";
import { graphemeCount } from "./graphemes.ts";
import { message, setting } from "./message.ts";
import { editDistance, nearest } from "./nearest.ts";

/** An answer as a reward sees it. */
export interface Answered {
  /** What was asked. */
  readonly prompt: string;
  /** The answer, without the stop token at its end; other special tokens by name, as `<user>`. */
  readonly answer: string;
  /** Whether the answer is text that a stop token ends: not cut off, no special token inside. */
  readonly isEnded: boolean;
  /** Of the prompt's row, the columns that the reward reads. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** What an answer is worth; null where that cannot be said. */
export type RewardFunction = (answered: Answered) => number | null | Promise<number | null>;

/** A reward function and what it reads. */
export interface TextReward {
  /** What it is called. */
  readonly name: string;
  /** The columns that it reads. */
  readonly reads: readonly string[];
  /** What an answer is worth. */
  readonly score: RewardFunction;
}

/** The column that holds a right answer. */
export const GOLD = "completion";

/** The gold answer of a row, where it has one. */
function goldOf({ columns: { [GOLD]: gold } }: Answered): string | null {
  return typeof gold === "string" ? gold : null;
}

/**
 * 1 for the gold answer, which has to come to its end; 0 for any other. Null without a gold answer.
 *
 * @example
 * ```ts
 * import { exactMatch } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answered = { prompt: "sort 21", answer: "12", isEnded: true, columns: { completion: "12" } };
 * assertEquals(exactMatch.score(answered), 1);
 * assertEquals(exactMatch.score({ ...answered, isEnded: false }), 0);
 * assertEquals(exactMatch.score({ ...answered, columns: {} }), null);
 * ```
 */
export const exactMatch: TextReward = {
  name: "exact-match",
  reads: [GOLD],
  score: (answered) => {
    const gold = goldOf(answered);
    return gold === null ? null : Number(answered.isEnded && answered.answer === gold);
  },
};

/**
 * `1 - d / n` with d the edits that lead from the answer to the gold one, and n the characters of the
 * longer: 1 for the gold answer, 0 for one that has nothing of it. Null without a gold answer.
 * Characters are grapheme clusters: one emoji in place of another is one edit.
 *
 * @example
 * ```ts
 * import { editSimilarity } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const columns = { completion: "1234" };
 * const score = (answer: string) =>
 *   editSimilarity.score({ prompt: "", answer, isEnded: true, columns });
 * assertEquals([score("1234"), score("1243"), score("xyz!"), score("")], [1, 0.75, 0, 0]);
 * ```
 */
export const editSimilarity: TextReward = {
  name: "edit-similarity",
  reads: [GOLD],
  score: (answered) => {
    const gold = goldOf(answered);
    if (gold === null) return null;
    const longest = Math.max(graphemeCount(gold), graphemeCount(answered.answer));
    return longest === 0 ? 1 : 1 - editDistance(answered.answer, gold) / longest;
  },
};

/**
 * 1 where an answer has a form and comes to its end, 0 elsewhere.
 *
 * @example
 * ```ts
 * import { formatReward } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const digits = formatReward(/^\d+$/);
 * assertEquals(digits.score({ prompt: "", answer: "42", isEnded: true, columns: {} }), 1);
 * assertEquals(digits.score({ prompt: "", answer: "4 2", isEnded: true, columns: {} }), 0);
 * ```
 *
 * @param form What a well-formed answer looks like, from its beginning to its end.
 * @returns The reward.
 */
export function formatReward(form: RegExp): TextReward {
  return {
    name: "format",
    reads: [],
    score: ({ answer, isEnded }) => Number(isEnded && form.test(answer)),
  };
}

/**
 * `-max(0, n - free) / free`: nothing up to a length of `free` characters (grapheme clusters), and
 * less the longer an answer is beyond it.
 *
 * @example
 * ```ts
 * import { lengthPenalty } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { score } = lengthPenalty(4);
 * const worth = (answer: string) => score({ prompt: "", answer, isEnded: true, columns: {} });
 * assertEquals([worth("1234"), worth("123456")], [0, -0.5]);
 * ```
 *
 * @param free The characters that cost nothing; at least 1.
 * @returns The reward.
 */
export function lengthPenalty(free: number): TextReward {
  return {
    name: "length-penalty",
    reads: [],
    score: ({ answer }) => {
      const length = graphemeCount(answer);
      return length <= free ? 0 : (free - length) / free;
    },
  };
}

/**
 * A reward from a judge of answers: 1 where it is right and comes to its end, 0 where it is not. The
 * judge is given the prompt and the answer, and nothing else.
 *
 * @example
 * ```ts
 * import { verifierReward } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const even = verifierReward((_prompt, answer) => Number(answer) % 2 === 0);
 * assertEquals(even.score({ prompt: "pick", answer: "14", isEnded: true, columns: {} }), 1);
 * ```
 *
 * @param isRight Whether an answer to a prompt is right; undefined where that cannot be said.
 * @returns The reward.
 */
export function verifierReward(
  isRight: (prompt: string, answer: string) => boolean | undefined,
): TextReward {
  return {
    name: "verifier",
    reads: [],
    score: ({ prompt, answer, isEnded }) => {
      const right = isRight(prompt, answer);
      return right === undefined ? null : Number(right && isEnded);
    },
  };
}

/** A reward with its weight in a sum. */
export interface RewardTerm {
  /** The weight; any finite number. */
  readonly weight: number;
  /** The reward. */
  readonly reward: TextReward;
}

/** The reward of an answer, altogether and by each term. */
export interface AnswerReward {
  /** The weighted sum of the rewards that could be given; null where none could. */
  readonly total: number | null;
  /** Each reward by name, unweighted. */
  readonly parts: Readonly<Record<string, number | null>>;
}

/**
 * The weighted sum of rewards. Each sees the columns that it reads, and no others; one that cannot
 * be given is left out of the sum.
 *
 * @example
 * ```ts
 * import { exactMatch, formatReward, rewardOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const terms = [
 *   { weight: 1, reward: exactMatch },
 *   { weight: 0.5, reward: formatReward(/^\d+$/) },
 * ];
 * const answered = { prompt: "sort 21", answer: "12", isEnded: true };
 * assertEquals(await rewardOf(terms, { ...answered, columns: {} }), {
 *   total: 0.5,
 *   parts: { "exact-match": null, "format": 1 },
 * });
 * ```
 *
 * @param terms The rewards and their weights.
 * @param answered The answer, with all the columns of its row.
 * @returns The reward of the answer.
 */
export async function rewardOf(
  terms: readonly RewardTerm[],
  answered: Answered,
): Promise<AnswerReward> {
  const scored = await Promise.all(terms.map(async ({ weight, reward: { name, reads, score } }) => {
    const columns = Object.fromEntries(
      reads.filter((column) => Object.hasOwn(answered.columns, column))
        .map((column) => [column, answered.columns[column]]),
    );
    return { weight, name, value: await score({ ...answered, columns }) };
  }));
  const given = scored.flatMap(({ weight, value }) => value === null ? [] : [weight * value]);
  return {
    total: given.length === 0 ? null : given.reduce((sum, value) => sum + value, 0),
    parts: Object.fromEntries(scored.map(({ name, value }) => [name, value])),
  };
}

/**
 * Rewards from their names and weights: `verifier`, `exact-match+0.2*edit-similarity`.
 *
 * @param text The terms, joined by `+`.
 * @param known The rewards that there are.
 * @returns The terms.
 * @throws {UserError} Where one is unknown, named twice, or has no number for its weight.
 *
 * @example
 * ```ts
 * import { editSimilarity, exactMatch, parseRewards } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const terms = parseRewards("exact-match+0.2*edit-similarity", [exactMatch, editSimilarity]);
 * assertEquals(terms.map(({ weight }) => weight), [1, 0.2]);
 * ```
 */
export function parseRewards(text: string, known: readonly TextReward[]): readonly RewardTerm[] {
  const names = known.map(({ name }) => name);
  const terms = text.split("+").map((term) => {
    const [, factor = "1", name = ""] = /^(?:([^*]*)\*)?([^*]*)$/.exec(term.trim()) ?? [];
    const weight = factor.trim() === "" ? NaN : Number(factor);
    const reward = known.find((reward) => reward.name === name);
    if (reward === undefined) {
      const meant = nearest(name, names);
      const hint = meant === undefined ? `there are ${names.join(", ")}` : `did you mean ${meant}?`;
      throw new UserError(
        message(setting("rewards"), `: unknown reward ${quoted(name || term)}: ${hint}`),
      );
    }
    if (!Number.isFinite(weight)) {
      throw new UserError(
        message(
          setting("rewards"),
          `: a weight is a number, not ${quoted(factor)}: as in 0.5*${name}`,
        ),
      );
    }
    return { weight, reward };
  });
  const twice = terms.find(({ reward }, i) => terms.findIndex((t) => t.reward === reward) < i);
  if (twice !== undefined) {
    throw new UserError(message(setting("rewards"), ` names ${twice.reward.name} twice`));
  }
  return terms;
}
