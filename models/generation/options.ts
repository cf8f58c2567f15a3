/** The options of generation, and what they may be. */
import type { LanguageModelConfig } from "../language_model.ts";
import type { TextWatch } from "./completion.ts";

/** Options of generation. */
export interface GenerateOptions {
  /** Tokens generated at most for a prompt. */
  readonly maxNewTokens: number;
  /**
   * Divides the logits; 0 is greedy: always the most likely token (default 0). The policy that
   * samples has the logits `logits / temperature`; topK and topP truncate its draws, and are no
   * part of its log-probabilities.
   */
  readonly temperature?: number;
  /** Draws among this number of the likeliest tokens (default: all). No effect at temperature 0. */
  readonly topK?: number;
  /**
   * Draws among the smallest set of likeliest tokens with at least this probability (default 1: all
   * of them). No effect at temperature 0.
   */
  readonly topP?: number;
  /** The token, or several tokens, that end a completion (default none). */
  readonly stop?: number | readonly number[];
  /**
   * Makes a watch for the text of each completion, which ends with the token that completes a stop
   * string (default none); see `stopStrings`.
   */
  readonly watch?: () => TextWatch;
  /** Seed of the draws (default 0). */
  readonly seed?: number;
  /**
   * Number of the first prompt (default 0). The draws for a prompt depend on the seed and its
   * number, so that prompts may be completed in any batches.
   */
  readonly firstRow?: number;
  /**
   * The prompts that are completed at once, B (default: all of them). A completion that ends gives its
   * place to the next prompt.
   */
  readonly places?: number;
  /** Called with the number of completions so far, whenever there are more (default none). */
  readonly progress?: (completions: number) => void;
  /**
   * Ends generation, which then throws the signal's reason (default none). With a signal, the event
   * loop has a turn after each read of the tokens, so that timers and listeners can abort it.
   */
  readonly signal?: AbortSignal;
}

/** Options with their defaults. */
export interface Settled
  extends Required<Omit<GenerateOptions, "stop" | "watch" | "progress" | "signal">> {
  /** The tokens that end a completion. */
  readonly stops: ReadonlySet<number>;
  /** The number of tokens that there are. */
  readonly vocabulary: number;
}

function isNatural(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * Options with their defaults, all of them in range.
 *
 * @throws {RangeError} If one is not.
 */
export function settle(
  { vocabulary }: Pick<LanguageModelConfig, "vocabulary">,
  prompts: number,
  {
    maxNewTokens,
    temperature = 0,
    topK = vocabulary,
    topP = 1,
    stop = [],
    seed = 0,
    firstRow = 0,
    places = Math.max(prompts, 1),
  }: GenerateOptions,
): Settled {
  const stops = new Set([stop].flat());
  const isCount = (value: number) => isNatural(value) && value > 0;
  const rules: readonly (readonly [name: string, value: number, valid: boolean, rule: string])[] = [
    ["maxNewTokens", maxNewTokens, isCount(maxNewTokens), "an integer from 1"],
    ["temperature", temperature, temperature >= 0 && temperature < Infinity, "a number from 0"],
    ["topK", topK, isCount(topK), "an integer from 1"],
    ["topP", topP, topP > 0 && topP <= 1, "a probability above 0"],
    ...Array.from(stops, (stop) =>
      [
        "stop",
        stop,
        isNatural(stop) && stop < vocabulary,
        `a token id from 0 to ${vocabulary - 1}`,
      ] as const),
    ["firstRow", firstRow, isNatural(firstRow), "an integer from 0"],
    ["places", places, isCount(places), "an integer from 1"],
  ];
  for (const [name, value, valid, rule] of rules) {
    if (!valid) throw new RangeError(`generate: ${name} is ${value}, expected ${rule}`);
  }
  return { maxNewTokens, temperature, topK, topP, stops, seed, firstRow, places, vocabulary };
}

/**
 * Checks a prompt.
 *
 * @throws {RangeError} If it is empty, has an id outside the vocabulary, or fills the context.
 */
export function checkPrompt(
  { vocabulary, context }: Pick<LanguageModelConfig, "vocabulary" | "context">,
  prompt: readonly number[],
  index: number,
): void {
  if (prompt.length === 0) {
    throw new RangeError(`generate: prompt ${index} is empty; it needs at least one token`);
  }
  if (prompt.length >= context) {
    throw new RangeError(
      `generate: prompt ${index} has ${prompt.length} tokens, which leaves no room in a context of ` +
        `${context}: shorten it to at most ${context - 1}`,
    );
  }
  const wrong = prompt.find((id) => !isNatural(id) || id >= vocabulary);
  if (wrong !== undefined) {
    throw new RangeError(
      `generate: prompt ${index} has token ${wrong}; the vocabulary is 0 to ${vocabulary - 1}`,
    );
  }
}
