/**
 * Rewards: functions of prompts and sampled answers.
 *
 * A reward scores a batch of answers, so that one that asks another process or a model asks once. It
 * names the columns of the data that it reads, and gets only these beside the prompt and the answer.
 * So it cannot see anything else: not the right answer unless it names that column, not held-out
 * data, not the columns of other rewards.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { placeText, type Source } from "../data/dataset.ts";
import { UserError } from "../text/errors.ts";
import { graphemeCount } from "../text/graphemes.ts";
import { message, setting } from "../text/message.ts";
import { editDistance, nearest } from "../text/nearest.ts";

/** A prompt, and what its row says. */
export interface Asked {
  /** The text of the prompt. */
  readonly prompt: string;
  /** The columns of the prompt's row that the reward reads. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The input of a reward: an answer. */
export interface Answered extends Asked {
  /** The answer without its stop token; other special tokens are written by name, as `<user>`. */
  readonly answer: string;
  /** The tokens of the answer, with the stop token if one ended it. */
  readonly ids: readonly number[];
  /** Whether the answer is complete: ended by a stop token, without other special tokens. */
  readonly isEnded: boolean;
  /** The line of the prompt's row, for errors. */
  readonly source?: Source;
}

/** AnswerScores of answers, in their order: a finite number, or null for an answer that cannot be judged. */
export type AnswerScores = readonly (number | null)[];

/** AnswerScores each answer of a batch. */
export type RewardFunction = (answers: readonly Answered[]) => AnswerScores | Promise<AnswerScores>;

/** A reward function. */
export interface TextReward {
  /** The name. */
  readonly name: string;
  /** The names of the columns that it reads; `"all"` for all columns of the row. */
  readonly reads: readonly string[] | "all";
  /** What it needs in these columns, for errors (default: a text). */
  readonly needs?: string;
  /** Computes the rewards of answers. */
  readonly score: RewardFunction;
  /** Whether answers to a prompt can be judged at all (default: those to any prompt). */
  readonly isScorable?: (asked: Asked) => boolean;
}

/**
 * A function of one answer as one of a batch.
 *
 * @param score The reward of an answer; null if it cannot be judged.
 * @returns The function of a batch.
 *
 * @example
 * ```ts
 * import { eachAnswer, type TextReward } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const short: TextReward = {
 *   name: "short",
 *   reads: [],
 *   score: eachAnswer(({ answer }) => -answer.length),
 * };
 * const answered = { prompt: "", answer: "12", ids: [], isEnded: true, columns: {} };
 * assertEquals(await short.score([answered, { ...answered, answer: "1" }]), [-2, -1]);
 * ```
 */
export function eachAnswer(score: (answered: Answered) => number | null): RewardFunction {
  return (answers) => answers.map(score);
}

/** The name of the column with a right answer. */
export const GOLD = "completion";

/** The gold answer of a row; null if it has none. */
export function goldOf({ columns: { [GOLD]: gold } }: Asked): string | null {
  return typeof gold === "string" ? gold : null;
}

const hasGold = (asked: Asked): boolean => goldOf(asked) !== null;

/**
 * 1 for the complete gold answer, 0 for any other answer. Null without a gold answer.
 *
 * @example
 * ```ts
 * import { exactMatch } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const columns = { completion: "12" };
 * const answered = { prompt: "sort 21", answer: "12", ids: [], isEnded: true, columns };
 * const answers = [answered, { ...answered, isEnded: false }, { ...answered, columns: {} }];
 * assertEquals(await exactMatch.score(answers), [1, 0, null]);
 * ```
 */
export const exactMatch: TextReward = {
  name: "exact-match",
  reads: [GOLD],
  isScorable: hasGold,
  score: eachAnswer((answered) => {
    const gold = goldOf(answered);
    return gold === null ? null : Number(answered.isEnded && answered.answer === gold);
  }),
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
 * const answered = { prompt: "", ids: [], isEnded: true, columns: { completion: "1234" } };
 * const answers = ["1234", "1243", "xyz!", ""].map((answer) => ({ ...answered, answer }));
 * assertEquals(await editSimilarity.score(answers), [1, 0.75, 0, 0]);
 * ```
 */
export const editSimilarity: TextReward = {
  name: "edit-similarity",
  reads: [GOLD],
  isScorable: hasGold,
  score: eachAnswer((answered) => {
    const gold = goldOf(answered);
    if (gold === null) return null;
    const longest = Math.max(graphemeCount(gold), graphemeCount(answered.answer));
    return longest === 0 ? 1 : 1 - editDistance(answered.answer, gold) / longest;
  }),
};

/**
 * Makes a reward that is 1 for complete answers of a form, and 0 for all others.
 *
 * @example
 * ```ts
 * import { formatReward } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answered = { prompt: "", ids: [], isEnded: true, columns: {} };
 * const answers = ["42", "4 2"].map((answer) => ({ ...answered, answer }));
 * assertEquals(await formatReward(/^\d+$/).score(answers), [1, 0]);
 * ```
 *
 * @param form The form, which matches the whole answer.
 * @returns The reward.
 */
export function formatReward(form: RegExp): TextReward {
  return {
    name: "format",
    reads: [],
    score: eachAnswer(({ answer, isEnded }) => Number(isEnded && form.test(answer))),
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
 * const answered = { prompt: "", ids: [], isEnded: true, columns: {} };
 * const answers = ["1234", "123456"].map((answer) => ({ ...answered, answer }));
 * assertEquals(await lengthPenalty(4).score(answers), [0, -0.5]);
 * ```
 *
 * @param free The length without a penalty, in characters; at least 1.
 * @returns The reward.
 */
export function lengthPenalty(free: number): TextReward {
  return {
    name: "length-penalty",
    reads: [],
    score: eachAnswer(({ answer }) => {
      const length = graphemeCount(answer);
      return length <= free ? 0 : (free - length) / free;
    }),
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
 * const answered = { prompt: "pick", answer: "14", ids: [], isEnded: true, columns: {} };
 * assertEquals(await even.score([answered]), [1]);
 * ```
 *
 * @param isRight Tells whether an answer to a prompt is right; undefined if it cannot be judged,
 * which depends on the prompt alone.
 * @returns The reward.
 */
export function verifierReward(
  isRight: (prompt: string, answer: string) => boolean | undefined,
): TextReward {
  return {
    name: "verifier",
    reads: [],
    isScorable: ({ prompt }) => isRight(prompt, "") !== undefined,
    score: eachAnswer(({ prompt, answer, isEnded }) => {
      const right = isRight(prompt, answer);
      return right === undefined ? null : Number(right && isEnded);
    }),
  };
}

/** The column in which the reward model's judgment reaches its reward. */
export const JUDGMENT = "reward model";

/** The reward model's score of an answer. */
export const rewardModelReward: TextReward = {
  name: "reward-model",
  reads: [JUDGMENT],
  score: eachAnswer(({ columns: { [JUDGMENT]: score } }) =>
    typeof score === "number" ? score : null
  ),
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
 * Computes weighted sums of rewards. Each reward gets only the columns that it reads. Rewards that
 * are null are left out of the sum.
 *
 * @example
 * ```ts
 * import { exactMatch, formatReward, rewardsOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const terms = [
 *   { weight: 1, reward: exactMatch },
 *   { weight: 0.5, reward: formatReward(/^\d+$/) },
 * ];
 * const answered = { prompt: "sort 21", answer: "12", ids: [], isEnded: true, columns: {} };
 * assertEquals(await rewardsOf(terms, [answered]), [{
 *   total: 0.5,
 *   parts: { "exact-match": null, "format": 1 },
 * }]);
 * ```
 *
 * @param terms The rewards and their weights.
 * @param answers The answers, with all columns of their rows.
 * @returns The rewards of the answers, in their order.
 * @throws {UserError} If a reward gives something else than a finite number or null for each answer;
 * the message names the reward, the row and what was given.
 */
export async function rewardsOf(
  terms: readonly RewardTerm[],
  answers: readonly Answered[],
): Promise<readonly AnswerReward[]> {
  const scored = await Promise.all(terms.map(async ({ weight, reward }) => {
    const seen = answers.map((answered) => ({
      ...answered,
      columns: columnsFor(reward, answered.columns),
    }));
    const scores = readScores(reward.name, answers, await reward.score(seen));
    return { weight, name: reward.name, scores };
  }));
  return answers.map((_, i) => {
    const given = scored.flatMap(({ weight, scores }) => {
      const value = scores[i] ?? null;
      return value === null ? [] : [weight * value];
    });
    return {
      total: given.length === 0 ? null : given.reduce((sum, value) => sum + value, 0),
      parts: Object.fromEntries(scored.map(({ name, scores }) => [name, scores[i] ?? null])),
    };
  });
}

/** The columns that a reward sees. */
export function columnsFor({ reads }: TextReward, columns: Asked["columns"]): Asked["columns"] {
  // The judgment is no column of the row.
  const isSeen = (name: string) => reads === "all" ? name !== JUDGMENT : reads.includes(name);
  return Object.fromEntries(Object.entries(columns).filter(([name]) => isSeen(name)));
}

/**
 * Checks what a reward has given for a batch.
 *
 * @param name The name of the reward, for errors.
 * @param answers The answers.
 * @param given What it has given.
 * @returns The same, as a score for each answer.
 * @throws {UserError} If it is no list of finite numbers and nulls, one for each answer.
 *
 * @example
 * ```ts
 * import { readScores, UserError } from "@unitune/training";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const source = { file: "rows.jsonl", line: 7 };
 * const answers = [{ prompt: "", answer: "", ids: [], isEnded: true, columns: {}, source }];
 * assertEquals(readScores("mine", answers, [0.5]), [0.5]);
 * const wrong = () => readScores("mine", answers, [NaN]);
 * assertThrows(wrong, UserError, "the reward mine returned NaN for an answer to rows.jsonl:7");
 * ```
 */
export function readScores(
  name: string,
  answers: readonly Answered[],
  given: unknown,
): AnswerScores {
  const rule = "it has to return a list with a finite number, or null, for each answer";
  if (!Array.isArray(given)) {
    throw new UserError(`the reward ${name} returned ${shown(given)}: ${rule}`);
  }
  const scores: readonly unknown[] = given;
  if (scores.length !== answers.length) {
    throw new UserError(
      `the reward ${name} returned ${scores.length} score${scores.length === 1 ? "" : "s"} for ${
        placeOf(answers)
      }: ${rule}`,
    );
  }
  return answers.map((answered, i) => {
    const score = scores[i];
    if (isScore(score)) return score;
    throw new UserError(
      `the reward ${name} returned ${shown(score)} for ${placeOf([answered])}: ${rule}`,
    );
  });
}

/** Batches hold rewards as f32: a number that is infinite there is none. */
function isScore(value: unknown): value is number | null {
  return value === null || typeof value === "number" && Number.isFinite(Math.fround(value));
}

/** A value that a reward has given, for errors. */
function shown(value: unknown): string {
  return typeof value === "function" ? "a function" : quoted(value);
}

/** Rows that a message names. */
const SHOWN_ROWS = 3;

/**
 * Answers by the rows of their prompts, for errors: `4 answers to rows.jsonl:3, rows.jsonl:8`.
 *
 * @param answers The answers, at least one.
 * @returns The words.
 */
export function placeOf(answers: readonly Answered[]): string {
  const rows = [
    ...new Set(
      answers.map(({ source, prompt }) =>
        source === undefined ? quoted(prompt) : placeText(source)
      ),
    ),
  ];
  const more = rows.length - SHOWN_ROWS;
  const named = rows.slice(0, SHOWN_ROWS).join(", ") + (more > 0 ? ` and ${more} more rows` : "");
  return `${answers.length === 1 ? "an answer" : `${answers.length} answers`} to ${named}`;
}

/** A reward by its name, and its weight. */
export interface NamedTerm {
  /** The weight. */
  readonly weight: number;
  /** The name. */
  readonly name: string;
}

/** A term of a sum of rewards: a weight and `*`, and a name, which may be in double quotes. */
const TERM = /^\s*(?:([^*"]*)\*)?(?:"([^"]*)"|([^*"]*))\s*$/;

/** The terms of a sum: a `+` in double quotes joins none. */
function termsOf(text: string): readonly string[] {
  return text.split(/\+(?=(?:[^"]*"[^"]*")*[^"]*$)/);
}

/**
 * Reads the names and weights of a sum of rewards: `verifier`, `exact-match+0.2*edit-similarity`. A
 * name with `+` or `*` is written in double quotes: `0.5*"a+b.ts#score"`.
 *
 * @param text The terms, joined by `+`.
 * @returns The names and weights.
 * @throws {UserError} If a weight is not a number.
 *
 * @example
 * ```ts
 * import { namedTerms } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(namedTerms("exact-match+0.2*edit-similarity"), [
 *   { weight: 1, name: "exact-match" },
 *   { weight: 0.2, name: "edit-similarity" },
 * ]);
 * assertEquals(namedTerms('2*"a+b.ts#f"'), [{ weight: 2, name: "a+b.ts#f" }]);
 * ```
 */
export function namedTerms(text: string): readonly NamedTerm[] {
  return termsOf(text).map((term) => {
    const [, factor = "1", whole, plain = ""] = TERM.exec(term) ?? [];
    const name = whole ?? plain.trim();
    const weight = factor.trim() === "" ? NaN : Number(factor);
    if (Number.isFinite(weight)) return { weight, name: name || term };
    throw new UserError(
      message(
        setting("rewards"),
        `: a weight is a number, not ${quoted(factor)}: as in 0.5*${name}`,
      ),
    );
  });
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
  const terms = namedTerms(text).map(({ weight, name }) => {
    const reward = known.find((reward) => reward.name === name);
    if (reward !== undefined) return { weight, reward };
    const meant = nearest(name, names);
    const hint = meant === undefined ? `there are ${names.join(", ")}` : `did you mean ${meant}?`;
    throw new UserError(message(setting("rewards"), `: unknown reward ${quoted(name)}: ${hint}`));
  });
  const twice = terms.find(({ reward }, i) => terms.findIndex((t) => t.reward === reward) < i);
  if (twice !== undefined) {
    throw new UserError(message(setting("rewards"), ` names ${twice.reward.name} twice`));
  }
  return terms;
}
