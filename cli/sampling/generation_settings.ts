/**
 * The settings with which a model's makers would have it generate: `generation_config.json`.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { GenerateOptions } from "@unitune/models";
import { stopTexts, UserError } from "@unitune/training";
import { isRecord } from "../files/guards.ts";

/** The name of the file. */
export const GENERATION_CONFIG = "generation_config.json";

/** The settings of generation that a folder has. */
export interface GenerationSettings {
  /** Whether the file says that tokens are drawn, or that they are not. */
  readonly isStated: boolean;
  /** 0 where the makers would not sample. */
  readonly temperature: number;
  /** The number of likeliest tokens that are drawn among. */
  readonly topK?: number;
  /** The probability of the likeliest tokens that are drawn among. */
  readonly topP?: number;
  /** The most tokens of an answer. */
  readonly maxNewTokens?: number;
  /** Texts that end an answer. */
  readonly stopStrings?: readonly string[];
  /** Settings that would change the answers and are not applied, such as `repetition_penalty 1.1`. */
  readonly unapplied: readonly string[];
}

/** What `transformers` takes for `top_k` where it samples and the file says nothing. */
const TOP_K = 50;

/** Settings that are not applied: the number with which they change nothing, if there is one. */
const unappliedSettings: Readonly<
  Record<string, { readonly neutral?: number; readonly isForDraws?: true }>
> = {
  repetition_penalty: { neutral: 1 },
  encoder_repetition_penalty: { neutral: 1 },
  no_repeat_ngram_size: { neutral: 0 },
  num_beams: { neutral: 1 },
  num_beam_groups: { neutral: 1 },
  diversity_penalty: { neutral: 0 },
  penalty_alpha: { neutral: 0 },
  guidance_scale: { neutral: 1 },
  min_length: { neutral: 0 },
  min_new_tokens: { neutral: 0 },
  exponential_decay_length_penalty: {},
  bad_words_ids: {},
  force_words_ids: {},
  constraints: {},
  sequence_bias: {},
  suppress_tokens: {},
  begin_suppress_tokens: {},
  forced_bos_token_id: {},
  forced_eos_token_id: {},
  dola_layers: {},
  watermarking_config: {},
  min_p: { neutral: 0, isForDraws: true },
  top_h: { isForDraws: true },
  typical_p: { neutral: 1, isForDraws: true },
  epsilon_cutoff: { neutral: 0, isForDraws: true },
  eta_cutoff: { neutral: 0, isForDraws: true },
};

function changesNothing(value: unknown, neutral: number | undefined): boolean {
  return value === undefined || value === null || value === neutral ||
    (Array.isArray(value) && value.length === 0);
}

/**
 * Reads the text of `generation_config.json`, as `transformers` does: without `do_sample` the most
 * likely token is taken; with it the temperature is 1 and top-k is 50, unless the file says otherwise.
 *
 * @param text The text.
 * @param file The path of the file, for errors.
 * @returns The settings.
 * @throws {UserError} If it is no JSON object, or a setting is out of its range.
 *
 * @example
 * ```ts
 * import { readGenerationSettings } from "./generation_settings.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = `{ "do_sample": true, "temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.1 }`;
 * assertEquals(readGenerationSettings(text, "generation_config.json"), {
 *   isStated: true,
 *   temperature: 0.6,
 *   topK: 50,
 *   topP: 0.9,
 *   unapplied: ["repetition_penalty 1.1"],
 * });
 * ```
 */
export function readGenerationSettings(text: string, file: string): GenerationSettings {
  const settings = objectIn(text, file);
  const number = (name: string, rule: string, isRight: (value: number) => boolean) => {
    const value = settings[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number" && isRight(value)) return value;
    throw new UserError(`${file}: ${name} is ${quoted(value)}, expected ${rule}`);
  };
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  const isSampled = settings.do_sample === true;
  const temperature = number("temperature", "a number from 0", (value) => value >= 0) ?? 1;
  // 0 is as many as there are.
  const topK = number("top_k", "an integer from 0", isCount) ?? (isSampled ? TOP_K : 0);
  const topP = number("top_p", "a probability above 0", (value) => value > 0 && value <= 1);
  const maxNewTokens = number("max_new_tokens", "an integer from 1", (n) => isCount(n) && n > 0);
  const stopStrings = stopStringsIn(settings.stop_strings, file);
  const unapplied = Object.entries(unappliedSettings).filter(([name, { neutral, isForDraws }]) =>
    !changesNothing(settings[name], neutral) && (isSampled || !isForDraws)
  ).map(([name]) => `${name} ${quoted(settings[name], 40)}`);
  return {
    isStated: typeof settings.do_sample === "boolean",
    temperature: isSampled ? temperature : 0,
    ...topK > 0 && { topK },
    ...topP !== undefined && topP < 1 && { topP },
    ...maxNewTokens !== undefined && { maxNewTokens },
    ...stopStrings.length > 0 && { stopStrings },
    unapplied,
  };
}

/** One text or several. */
function stopStringsIn(value: unknown, file: string): readonly string[] {
  const strings: readonly unknown[] = value === undefined || value === null ? [] : [value].flat();
  return strings.map((string) => {
    if (typeof string === "string" && string !== "") return string;
    throw new UserError(
      `${file}: stop_strings is ${quoted(value)}, expected a text or several, none of them empty`,
    );
  });
}

function objectIn(text: string, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(`${file} is not JSON: ${why}`, { cause: error });
  }
  if (isRecord(value)) return value;
  throw new UserError(`${file} is a JSON object, not ${quoted(value)}`);
}

/** The options of generation that a command line may give. */
export interface GivenOptions {
  /** The temperature. */
  readonly temperature?: number | undefined;
  /** The number of likeliest tokens. */
  readonly topK?: number | undefined;
  /** The probability of the likeliest tokens. */
  readonly topP?: number | undefined;
  /** The most tokens of an answer. */
  readonly maxNewTokens?: number | undefined;
  /** Texts that end an answer, as a setting lists them. */
  readonly stop?: string | undefined;
}

/** The texts that end an answer: those that are given come first, then those of the model's folder. */
export function stopStringsOf(
  { stop }: Pick<GivenOptions, "stop">,
  settings: GenerationSettings | undefined,
): readonly string[] {
  return stop === undefined ? settings?.stopStrings ?? [] : stopTexts(stop);
}

/**
 * The options of generation: those that are given come first, then those of the model's folder.
 *
 * @param given The options of the command line.
 * @param settings The settings of the folder, if it has some.
 * @param longest The most tokens of an answer, if neither says.
 * @returns The options.
 *
 * @example
 * ```ts
 * import { generationOptions } from "./generation_settings.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const settings = { isStated: true, temperature: 0.6, topK: 20, unapplied: [] };
 * assertEquals(generationOptions({ topK: 5 }, settings, 200), {
 *   maxNewTokens: 200,
 *   temperature: 0.6,
 *   topK: 5,
 * });
 * // Nothing is drawn at temperature 0.
 * assertEquals(generationOptions({ temperature: 0 }, settings, 200), {
 *   maxNewTokens: 200,
 *   temperature: 0,
 * });
 * ```
 */
export function generationOptions(
  given: GivenOptions,
  settings: GenerationSettings | undefined,
  longest: number,
): Pick<GenerateOptions, "maxNewTokens" | "temperature" | "topK" | "topP"> & {
  readonly temperature: number;
} {
  const temperature = given.temperature ?? settings?.temperature ?? 0;
  const maxNewTokens = given.maxNewTokens ?? settings?.maxNewTokens ?? longest;
  const drawn = temperature > 0 ? settings : undefined;
  const [topK, topP] = [given.topK ?? drawn?.topK, given.topP ?? drawn?.topP];
  return {
    maxNewTokens,
    temperature,
    ...topK !== undefined && { topK },
    ...topP !== undefined && { topP },
  };
}

/**
 * Options of generation in words.
 *
 * @param options The options.
 * @returns `"temperature 0.6, top-k 20"`.
 */
export function describeOptions(
  { temperature, topK, topP }: ReturnType<typeof generationOptions>,
): string {
  if (temperature === 0) return "greedy: always the most likely token";
  return [
    `temperature ${temperature}`,
    ...topK === undefined ? [] : [`top-k ${topK}`],
    ...topP === undefined ? [] : [`top-p ${topP}`],
  ].join(", ");
}
