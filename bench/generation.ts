/** The speed of generation: greedy, with a cache of keys and values. */
import { type Device, evaluate, key } from "@unitune/core";
import { createGenerator } from "@unitune/models";
import { interleaved, type Measuring, type Spread } from "./measure.ts";
import { type AnyWorkload, modelOf, randomTokens } from "./workloads.ts";

/** The measurements of generation for some prompts at once. */
export interface GenerationReport {
  /** Prompts that are completed at once. */
  readonly batch: number;
  /** Tokens of a prompt. */
  readonly promptTokens: number;
  /** Tokens that complete it. */
  readonly newTokens: number;
  /** Milliseconds from the prompts to all completions. */
  readonly milliseconds: Spread;
  /** New tokens of all prompts a second, at the median. */
  readonly tokensPerSecond: number;
}

/** Prompts that are completed at once. */
const BATCHES = [1, 64] as const;

/** Tokens of a prompt; completions fill the rest of the context. */
const PROMPT_TOKENS = 8;

/**
 * Measures generation from a model that was not trained: no token is a stop token, so every
 * completion is as long as the context allows.
 *
 * @param workload The model.
 * @param device The device to compute on.
 * @param measuring The number of times that each batch is timed.
 * @returns A report for each number of prompts.
 */
export async function measureGeneration(
  workload: AnyWorkload,
  device: Device,
  measuring: Measuring,
): Promise<GenerationReport[]> {
  const model = modelOf(workload);
  const params = evaluate(model.init(key(0)), device);
  const newTokens = workload.config.context - PROMPT_TOKENS;
  using generator = createGenerator(model, { device });
  const subjects = BATCHES.map((batch) => {
    const tokens = randomTokens(workload, batch * PROMPT_TOKENS);
    const prompts = Array.from(
      { length: batch },
      (_, row) => tokens.slice(row * PROMPT_TOKENS, (row + 1) * PROMPT_TOKENS),
    );
    return {
      batch,
      async run() {
        await generator.generate(params, prompts, { maxNewTokens: newTokens });
      },
    };
  });
  const measured = await interleaved(subjects, measuring);
  return measured.map(({ subject: { batch }, time }) => ({
    batch,
    promptTokens: PROMPT_TOKENS,
    newTokens,
    milliseconds: time,
    tokensPerSecond: 1000 * batch * newTokens / time.median,
  }));
}
