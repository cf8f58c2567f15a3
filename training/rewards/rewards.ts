/**
 * Rewards: functions of a prompt and a sampled answer.
 *
 * A reward names the columns of the data that it reads, and gets only these beside the prompt and
 * the answer. So it cannot see anything else: not the right answer unless it names that column, not
 * held-out data, not the columns of other rewards.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "../text/errors.ts";
import { graphemeCount } from "../text/graphemes.ts";
import { message, setting } from "../text/message.ts";
import { editDistance, nearest } from "../text/nearest.ts";

/** The input of a reward: an answer. */
export interface Answered {
  /** The text of the prompt. */
  readonly prompt: string;
  /** The answer without its stop token; other special tokens are written by name, as `<user>`. */
  readonly answer: string;
  /** Whether the answer is complete: ended by a stop token, without other special tokens. */
  readonly isEnded: boolean;
  /** The columns of the prompt's row that the reward reads. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The reward of an answer; null if it cannot be judged. */
export type RewardFunction = (answered: Answered) => number | null | Promise<number | null>;

/** A reward function. */
export interface TextReward {
  /** The name. */
  readonly name: string;
  /** The names of the columns that it reads. */
  readonly reads: readonly string[];
  /** Computes the reward of an answer. */
  readonly score: RewardFunction;
}

/** The name of the column with a right answer. */
export const GOLD = "completion";

/** The gold answer of a row; undefined if it has none. */
function goldOf({ columns: { [GOLD]: gold } }: Answered): string | null {
  return typeof gold === "string" ? gold : null;
}

/**
 * 1 for the complete gold answer, 0 for any other answer. Null without a gold answer.
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
 * `1 - d / n`, where d is the edit distance from the answer to the gold answer and n the length of
 * the longer: 1 for the gold answer, 0 for an answer that shares nothing with it. Null without a
 * gold answer. Characters are grapheme clusters: one emoji in place of another is one edit.
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
 * Makes a reward that is 1 for complete answers of a form, and 0 for all others.
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
 * @param form The form, which matches the whole answer.
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
 * Makes the reward `-max(0, n - free) / free` of an answer with n characters (grapheme clusters): 0
 * up to `free` characters, and below 0 for longer answers.
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
 * @param free The length without a penalty, in characters; at least 1.
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
 * Makes a reward from a verifier: 1 for complete right answers, 0 for all others. The verifier gets
 * the prompt and the answer, and nothing else.
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
 * @param isRight Tells whether an answer to a prompt is right; undefined if it cannot be judged.
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

/** The column in which the reward model's judgment reaches its reward. */
export const JUDGMENT = "reward model";

/** The reward model's score of an answer. */
export const rewardModelReward: TextReward = {
  name: "reward-model",
  reads: [JUDGMENT],
  score: ({ columns: { [JUDGMENT]: score } }) => typeof score === "number" ? score : null,
};

/** A term of a weighted sum of rewards. */
export interface RewardTerm {
  /** The weight; any finite number. */
  readonly weight: number;
  /** The reward. */
  readonly reward: TextReward;
}

/** The total reward of an answer, and its terms. */
export interface AnswerReward {
  /** The weighted sum of the rewards that are not null; null if all are. */
  readonly total: number | null;
  /** The unweighted rewards by name. */
  readonly parts: Readonly<Record<string, number | null>>;
}

/**
 * Computes a weighted sum of rewards. Each reward gets only the columns that it reads. Rewards that
 * are null are left out of the sum.
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
 * @param answered The answer, with all columns of its row.
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
 * Reads a weighted sum of rewards: `verifier`, `exact-match+0.2*edit-similarity`.
 *
 * @param text The terms, joined by `+`.
 * @param known The known rewards.
 * @returns The terms.
 * @throws {UserError} If a reward is unknown or named twice, or a weight is not a number.
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
