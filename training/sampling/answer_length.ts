/**
 * The greatest length of a sampled answer, at which a rollout stops and by which Dr. GRPO divides.
 *
 * @module
 */

import { answerLimit } from "./answers.ts";
import type { StageData } from "../data/examples.ts";
import type { TrainSettings } from "../settings.ts";

/** Tokens or characters of an answer at most, where none is known. */
export const UNKNOWN_LENGTH = 64;

/**
 * The most tokens of an answer that a stage samples: as many as the settings say, else some more
 * than the longest answer in its data.
 *
 * @param settings The settings of the stage.
 * @param data Its prompts.
 * @returns The number of tokens.
 *
 * @example
 * ```ts
 * import { maxNewTokensOf, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const data = { longestAnswer: 5 };
 * assertEquals(maxNewTokensOf(trainSettings(), data), 9);
 * assertEquals(maxNewTokensOf(trainSettings({ maxNewTokens: 12 }), data), 12);
 * ```
 */
export function maxNewTokensOf(
  { maxNewTokens }: Pick<TrainSettings, "maxNewTokens">,
  { longestAnswer }: Pick<Extract<StageData, { readonly kind: "rollouts" }>, "longestAnswer">,
): number {
  return maxNewTokens ?? (longestAnswer === 0 ? UNKNOWN_LENGTH : answerLimit(longestAnswer));
}

/**
 * The settings of a stage with the length of its answers, which an objective may divide by.
 *
 * @param settings The settings.
 * @param data What the stage trains on; without prompts nothing is sampled.
 * @returns The settings.
 */
export function withAnswerLength(settings: TrainSettings, data: StageData): TrainSettings {
  return data.kind === "rollouts"
    ? { ...settings, maxNewTokens: maxNewTokensOf(settings, data) }
    : settings;
}
