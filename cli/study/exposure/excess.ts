/**
 * Exposure bias where no world says what is right: how far a model is from a better one in the states
 * of its own answers, beside those of right answers.
 *
 * @module
 */

import { compile, type Device } from "@unitune/core";
import type { LanguageModel, Tokenizer } from "@unitune/models";
import { modelOf } from "@unitune/objectives";
import {
  answerLimit,
  createSampler,
  longest,
  longestRow,
  paddedLength,
  type Question,
  toBatch,
} from "@unitune/training";
import { type AnswerBatch, answerDivergence, type AnswerRow, answerRow } from "../divergence.ts";
import type { Measures } from "../measures.ts";

/** The rows of a batch. */
const ROWS = 16;

/** A model with its parameters. */
export interface ModelAt {
  /** The functions. */
  readonly model: LanguageModel;
  /** The parameters. */
  readonly params: unknown;
}

/** Compares models with a better one. */
export interface ExcessProbe extends Disposable {
  /**
   * The divergence KL(o || p) of a model p from the better one o, in nats per token: `gold_kl` in the
   * states of right answers, `own_kl` in those of answers that p has sampled at temperature 1 to the
   * same prompts, the stop token and as many tokens as there are counted alike; and
   * `excess_error = own_kl / gold_kl - 1`, which is 0 without exposure bias.
   */
  measure(params: unknown, questions: readonly Question[], seed: number): Promise<Measures>;
}

/**
 * Makes a probe of models of one kind, by a better one with the same tokens. It takes the better one
 * for the truth: a difference between both that its own faults make is counted as well.
 *
 * Source: Arora et al., "Why exposure bias matters: an imitation learning perspective of error
 * accumulation in language generation", 2022 (arXiv 2204.01171), whose ExAccErr it is, per token.
 *
 * @param model The functions of the models.
 * @param better The better model.
 * @param tokenizer The tokenizer of both.
 * @param device The device to compute on.
 * @returns The probe.
 */
export function createExcessProbe(
  model: LanguageModel,
  better: ModelAt,
  tokenizer: Tokenizer,
  device: Device,
): ExcessProbe {
  const sampler = createSampler(model, tokenizer, device);
  const context = Math.min(model.config.context, better.model.config.context);

  const divergences = compile((params: unknown, truth: unknown, batch: AnswerBatch) => {
    const { kl, tokens } = answerDivergence(
      modelOf(better.model, truth),
      modelOf(model, params),
      batch,
    );
    return { kl, tokens };
  }, { device });

  /** KL(o || p) over the answers of rows, in nats per token. */
  const meanOf = async (params: unknown, rows: readonly AnswerRow[]): Promise<number> => {
    const length = paddedLength(rows, context);
    let [kl, tokens] = [0, 0];
    for (let from = 0; from < rows.length; from += ROWS) {
      const some = rows.slice(from, from + ROWS);
      const batch = toBatch(some, { length, padding: tokenizer.pad, size: ROWS });
      const sums = divergences(params, better.params, batch);
      kl += await sums.kl.item();
      tokens += await sums.tokens.item();
    }
    return kl / tokens;
  };

  return {
    async measure(params, questions, seed) {
      const maxNewTokens = answerLimit(
        longest(questions, ({ ids, sequence }) => sequence.ids.length - ids.length),
      );
      const prompts = questions.map(({ ids }) => ids);
      const given = await sampler.sample(params, prompts, {
        ...{ maxNewTokens, seed, temperature: 1, places: ROWS },
      });
      const most = longestRow(context);
      const own = given.map(({ ids }, i) => {
        const prompt = prompts[i] ?? [];
        return answerRow(prompt, ids.slice(0, most - prompt.length));
      });
      const [gold, reached] = [
        await meanOf(params, questions.map(({ sequence }) => sequence)),
        await meanOf(params, own),
      ];
      return { gold_kl: gold, own_kl: reached, excess_error: reached / gold - 1 };
    },
    [Symbol.dispose]() {
      for (const disposable of [sampler, divergences]) disposable[Symbol.dispose]();
    },
  };
}
