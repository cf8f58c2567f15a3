/**
 * Answers of a language model to prompts, and their log-probabilities under the policy that sampled
 * them.
 *
 * @module
 */

import { compile, concat, type Device, dims, slice, type Tensor, zeros } from "@unitune/core";
import {
  type CachedModel,
  createGenerator,
  type GenerateOptions,
  stopStrings,
  type Tokenizer,
} from "@unitune/models";
import { modelOf, type Policy, scoreTokens } from "@unitune/objectives";
import { answeredPrompt, type GivenAnswer, givenAnswer } from "./answers.ts";
import { paddedLength, toBatch } from "../data/batches.ts";
import { type ScoredBatch, scoredPart } from "./scorer.ts";

/** An answer to a prompt. */
export interface SampledAnswer extends GivenAnswer {
  /** The prompt's tokens. */
  readonly prompt: readonly number[];
}

/** Options of sampling: those of generation, whose ends are the sampler's. */
export type SamplingOptions = Omit<GenerateOptions, "stop" | "watch">;

/** Options of a sampler. */
export interface SamplerOptions {
  /** Texts that end an answer, beside the tokenizer's stop tokens (default none). */
  readonly stopStrings?: readonly string[];
}

/** A batch's tokens under a policy. */
export interface BatchScores {
  /** Log-probabilities at the batch's temperature, `[B, T]`; see {@linkcode scoreTokens}. */
  readonly logProbs: Tensor;
  /** The value of the state before each token, `[B, T]`, where the policy has a critic. */
  readonly values?: Tensor;
}

/** Samples answers. */
export interface AnswerSampler<P> extends Disposable {
  /**
   * An answer to each prompt. The draws for a prompt depend on the seed and its number alone,
   * however many are answered at once.
   */
  sample(
    params: P,
    prompts: readonly (readonly number[])[],
    options: SamplingOptions,
  ): Promise<readonly SampledAnswer[]>;
}

/** Samples answers of one language model, and scores them. */
export interface Sampler<P> extends AnswerSampler<P> {
  /** Scores a batch's tokens, in one pass; the learned ones where it says how many there are. */
  score(params: P, batch: ScoredBatch): BatchScores;
  /**
   * The log-probabilities of the tokens of answers at a temperature (default 1), one list an
   * answer: those of the policy that samples at this temperature.
   */
  logProbs(
    params: P,
    answers: readonly Pick<SampledAnswer, "prompt" | "ids">[],
    temperature?: number,
  ): Promise<readonly (readonly number[])[]>;
}

/**
 * Prepares sampling from a model that gives logits of the next token alone, such as a mixture of two.
 *
 * @param model The model.
 * @param tokenizer Its tokenizer.
 * @param device Where to compute.
 * @param options The texts that end an answer.
 * @returns The sampler.
 */
export function createAnswerSampler<P, C>(
  model: CachedModel<P, C>,
  tokenizer: Tokenizer,
  device: Device,
  { stopStrings: strings = [] }: SamplerOptions = {},
): AnswerSampler<P> {
  const ends = {
    stop: tokenizer.stops,
    ...strings.length > 0 && { watch: stopStrings(tokenizer, strings) },
  };
  const generator = createGenerator(model, { device });
  return {
    async sample(params, prompts, options) {
      const completions = await generator.generate(params, prompts, { ...ends, ...options });
      return completions.map((completion, i) => ({
        prompt: prompts[i] ?? [],
        ...givenAnswer(tokenizer, completion),
      }));
    },
    [Symbol.dispose]: () => generator[Symbol.dispose](),
  };
}

/**
 * Prepares sampling from a language model; programs are compiled when first needed.
 *
 * @param model The language model.
 * @param tokenizer Its tokenizer.
 * @param device Where to compute.
 * @param options The texts that end an answer.
 * @returns The sampler.
 *
 * @example
 * ```ts
 * import { createSampler } from "@unitune/training";
 * import { key, reference } from "@unitune/core";
 * import { byteTokenizer, encodePrompt, gpt } from "@unitune/models";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const sizes = { vocabulary: tokenizer.size, context: 8, layers: 1, heads: 1, width: 8 };
 * const model = gpt({ ...sizes, dropout: 0 });
 * const params = model.init(key(0));
 * const prompt = encodePrompt(tokenizer, [{ role: "user", content: "hi" }]);
 *
 * using sampler = createSampler(model, tokenizer, reference());
 * const answers = await sampler.sample(params, [prompt], { maxNewTokens: 3, temperature: 0.7 });
 * const [logProbs = []] = await sampler.logProbs(params, answers, 0.7);
 * assertEquals(logProbs.length, answers[0]?.ids.length);
 * assert(logProbs.every((one) => one < 0));
 * ```
 */
export function createSampler<P, C>(
  model: CachedModel<P, C> & Policy<P>,
  tokenizer: Tokenizer,
  device: Device,
  options: SamplerOptions = {},
): Sampler<P> {
  const { context, vocabulary } = model.config;
  const { pad } = tokenizer;
  const hasValues = model.value !== undefined;
  const sampler = createAnswerSampler(model, tokenizer, device, options);
  const scores = compile(
    (params: P, batch: ScoredBatch): BatchScores => {
      const policy = modelOf(model, params);
      const logProbs = scoreTokens(policy, batch);
      if (!hasValues) return { logProbs };
      const read = slice(batch.ids, 1, 0, -1);
      const { prefix } = batch;
      const { values } = policy.predict(policy.embed(read), prefix && { prefix });
      return { logProbs, values: beforeTokens(values()) };
    },
    { device },
  );
  const score: Sampler<P>["score"] = (params, batch) => scores(params, scoredPart(batch));
  return {
    score,
    sample: sampler.sample,
    async logProbs(params, answers, temperature = 1) {
      const sequences = answers.map(({ prompt, ids }) => answeredPrompt(prompt, ids));
      const length = paddedLength(sequences, context);
      const batch = toBatch(sequences, { length, padding: pad, vocabulary });
      const values = await score(params, { ...batch, temperature }).logProbs.data();
      return answers.map(({ prompt, ids }, row) => {
        const start = row * length + prompt.length;
        return Array.from(values.slice(start, start + ids.length));
      });
    },
    [Symbol.dispose]() {
      sampler[Symbol.dispose]();
      scores[Symbol.dispose]();
    },
  };
}

/** The values of the states before each token, `[B, T]`, from those of states `[B, T-1]`. */
function beforeTokens(values: Tensor): Tensor {
  const { B } = dims(values, "B S", "beforeTokens: values");
  return concat([zeros([B, 1], values.dtype), values], 1);
}
