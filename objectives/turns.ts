/** The steps of a training on rollouts whose answers are right ones from the data. */
import { checkOptions, ranges } from "@unitune/core";
import { checkName } from "./checks.ts";
import type { Estimation } from "./estimation.ts";

/** The author of the answers that stand for right ones. */
export type TurnAuthor = "data" | "teacher";

/**
 * The steps that learn from right answers in place of the policy's own. Answers that are used for
 * several steps are of one turn. The right answers are those to the next prompts, in turns that
 * follow from their number and a draw; or those to prompts that the policy has failed, as soon as as
 * many of these wait as a step has answers.
 */
export type Turns =
  | {
    /** The prompts whose right answers are learned. */
    readonly prompts: "next";
    /** The turns in a few words. */
    readonly description: string;
    /** The author of the answers of such turns: the data, or the teacher (default `"data"`). */
    readonly author?: TurnAuthor;
    /**
     * Whether a turn has right answers.
     *
     * @param turn The number of turns before it.
     * @param random A source of numbers, uniform on [0, 1), of the turn's own.
     */
    readonly isGiven: (turn: number, random: () => number) => boolean;
  }
  | {
    /** The prompts whose right answers are learned. */
    readonly prompts: "unsolved";
    /** The turns in a few words. */
    readonly description: string;
    /** The reward from which an answer has passed. A prompt is failed if none of its answers has. */
    readonly passing: number;
  };

const givenWords: Readonly<Record<TurnAuthor, string>> = {
  data: "right answers",
  teacher: "the teacher's answers",
};

/** The author of the answers of given turns. */
export function authorOf(turns: Turns): TurnAuthor {
  return turns.prompts === "next" ? turns.author ?? "data" : "data";
}

/**
 * Right answers in one turn of a few: the policy's own in the turns before it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alternating } from "@unitune/objectives";
 *
 * const turns = alternating({ every: 3 });
 * const given = [0, 1, 2, 3, 4, 5].map((turn) =>
 *   turns.prompts === "next" && turns.isGiven(turn, () => 0)
 * );
 * assertEquals(given, [false, false, true, false, false, true]);
 * ```
 *
 * @param options The number of turns of which the last has right answers, an integer from 1 (default
 * 2).
 * @returns The turns.
 * @throws {RangeError} If the number is out of range.
 */
export function alternating({ every = 2 }: { readonly every?: number } = {}): Turns {
  checkOptions("alternating", { every: ranges.integerFrom(1) }, { every });
  return {
    prompts: "next",
    description: `every turn ${every} of ${every}`,
    isGiven: (turn) => turn % every === every - 1,
  };
}

/**
 * Right answers in turns that are drawn, as in generalised knowledge distillation (GKD, arXiv
 * 2306.13649).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { drawnTurns } from "@unitune/objectives";
 *
 * const turns = drawnTurns({ share: 0.25 });
 * const given = [0.2, 0.25].map((draw) => turns.prompts === "next" && turns.isGiven(0, () => draw));
 * assertEquals(given, [true, false]);
 * ```
 *
 * @param options The probability of right answers, from 0 to 1 (default 0.5), and their author
 * (default `"data"`; `"teacher"` for sequence-level distillation, arXiv 1606.07947).
 * @returns The turns.
 * @throws {RangeError} If the probability is out of range, or the author unknown.
 */
export function drawnTurns(
  { share = 0.5, author = "data" }: {
    readonly share?: number;
    readonly author?: TurnAuthor;
  } = {},
): Turns {
  checkOptions("drawnTurns", { share: ranges.share }, { share });
  checkName("drawnTurns: author", author, givenWords);
  return {
    prompts: "next",
    description: `turns drawn with probability ${share}`,
    author,
    isGiven: (_turn, random) => random() < share,
  };
}

/**
 * Right answers to prompts of which the policy has failed every answer, which are gathered until they
 * fill a step (ReLIFT, arXiv 2506.07527).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { unsolvedTurns } from "@unitune/objectives";
 *
 * assertEquals(unsolvedTurns().prompts, "unsolved");
 * ```
 *
 * @param options The reward from which an answer has passed, finite (default 1).
 * @returns The turns.
 * @throws {RangeError} If the reward is not finite.
 */
export function unsolvedTurns({ passing = 1 }: { readonly passing?: number } = {}): Turns {
  checkOptions("unsolvedTurns", { passing: ranges.finite }, { passing });
  return { prompts: "unsolved", description: "turns of failed prompts", passing };
}

/**
 * An estimation on batches whose answers are right ones in some turns, and the policy's own in the
 * others. What it compares stays the same: its description names the turns.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { alternating, estimate, indicator, inTurns, sampled } from "@unitune/objectives";
 *
 * const { data } = inTurns(alternating(), estimate(sampled, indicator)).description;
 * assertEquals(data, ["rollout", "given tokens"]);
 * ```
 *
 * @param turns The turns.
 * @param estimation On answers, whoever gave them.
 * @returns The same, its description with the turns.
 */
export function inTurns<B, C, E>(
  turns: Turns,
  estimation: Estimation<B, C, E>,
): Estimation<B, C, E> {
  const { description } = estimation;
  const given = givenWords[authorOf(turns)];
  return {
    ...estimation,
    description: {
      ...description,
      signal: `${description.signal}; ${given} in ${turns.description}`,
      data: [...new Set([...description.data, "given tokens"] as const)],
    },
  };
}
