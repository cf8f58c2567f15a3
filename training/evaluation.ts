/**
 * Evaluation: how well a model predicts what was kept aside, and how well it answers freely.
 *
 * @module
 */

import {
  cast,
  compile,
  type Device,
  equal,
  max,
  slice,
  sub,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import type { EncodedSequence, LanguageModel, Tokenizer } from "@unitune/models";
import {
  addEvaluations,
  type Demonstrations,
  evaluationStep,
  modelOf,
  sft,
  summarize,
} from "@unitune/objectives";
import { answerLimit } from "./answers.ts";
import { paddedLength, toBatch } from "./batches.ts";
import { longest } from "./longest.ts";
import { createSampler } from "./sampler.ts";
import type { Question, Split } from "./splits.ts";

/** One free answer. */
export interface Answer {
  /** What was asked. */
  readonly question: Question;
  /** The model's answer; special tokens in it are shown by name, and make it wrong. */
  readonly text: string;
  /** Whether it is right; undefined where nothing is right or wrong. */
  readonly isRight?: boolean | undefined;
  /**
   * Whether every token of the right answer is the most likely one, given those before it. Where one
   * answer only is right, and the context has room for its end, this and a right free answer are the
   * same thing.
   */
  readonly isRightForced: boolean;
}

/** What an evaluation of a split gives. */
export interface SplitReport {
  /** The split's name. */
  readonly split: string;
  /** Numbers by the names under which they are logged. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The answers, in the order of the questions. */
  readonly answers: readonly Answer[];
}

/** Evaluates parameters of one model. */
export interface Evaluator extends Disposable {
  /** The loss on some sequences, at least one, in nats a learned token: the plain cross-entropy. */
  loss(params: unknown, sequences: readonly EncodedSequence[]): Promise<number>;
  /** Everything that there is to know of a split. */
  evaluate(params: unknown, split: Split): Promise<SplitReport>;
}

/** Sequences that are evaluated at once. */
const ROWS = 64;

/** How running text is gone on with: greedily, a small model soon goes round in circles. */
const TEXT_TEMPERATURE = 0.8;

/**
 * Prepares the evaluation of a model; its programs are compiled when first needed.
 *
 * Metrics: `eval_loss` (nats a learned token), `eval_entropy`, `eval_mean_token_accuracy` and
 * `eval_num_tokens` with the right prefixes at hand; and where there are questions,
 * `eval_exact_match`, the share of right free answers, greedily generated,
 * `eval_forced_exact_match`, the share of right answers whose every token is the most likely one
 * given those before it, and `eval_exact_match_gap`, the second less the first. Where one answer
 * only is right, both are the same and the last is 0. For several kinds of questions the first two
 * are also given for each, as `eval_exact_match/KIND`.
 *
 * @param model The model.
 * @param tokenizer Its tokenizer.
 * @param device Where to compute.
 * @returns The evaluator.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { key, reference } from "@unitune/core";
 * import { createEvaluator, questionOf } from "@unitune/training";
 * import { byteTokenizer, encodeConversation, gpt } from "@unitune/models";
 *
 * const tokenizer = byteTokenizer();
 * const sizes = { vocabulary: tokenizer.size, context: 8, layers: 1, heads: 1, width: 8 };
 * const model = gpt({ ...sizes, dropout: 0 });
 * const messages = [{ role: "user", content: "hi" }, { role: "assistant", content: "ho" }] as const;
 * const sequence = encodeConversation(tokenizer, messages);
 *
 * using evaluator = createEvaluator(model, tokenizer, reference());
 * const loss = await evaluator.loss(model.init(key(0)), [sequence]);
 * assert(Math.abs(loss - Math.log(tokenizer.size)) < 0.2); // Nothing is learned yet.
 * ```
 */
export function createEvaluator(
  model: LanguageModel,
  tokenizer: Tokenizer,
  device: Device,
): Evaluator {
  const { pad } = tokenizer.special;
  const { context } = model.config;
  const score = compile(evaluationStep({ policy: model, objective: sft() }), { device });
  const forced = compile(
    (params: unknown, batch: Demonstrations) => allRight(model, params, batch),
    { device },
  );
  const sampler = createSampler(model, tokenizer, device);
  const step = tensor(0, { dtype: "i32" });

  /** Chunks of one size, so that one program serves all; the last is filled up with padding. */
  const batchesOf = function* (sequences: readonly EncodedSequence[]) {
    const size = Math.min(ROWS, sequences.length);
    const length = paddedLength(sequences, context);
    for (const rows of chunks(sequences, size)) yield toBatch(rows, { length, padding: pad, size });
  };

  const predict = async (
    params: unknown,
    sequences: readonly EncodedSequence[],
  ): Promise<Readonly<Record<string, number>>> => {
    if (sequences.length === 0) return {};
    const parts = [...batchesOf(sequences)].map((batch) => score({ params, step }, batch));
    const whole = summarize(parts.reduce(addEvaluations));
    const { nll: _, ...metrics } = await readScalars(whole);
    return metrics;
  };

  const answer = async (params: unknown, questions: readonly Question[]) => {
    const sequences = questions.map(({ sequence }) => sequence);
    const flags: number[] = [];
    for (const batch of batchesOf(sequences)) {
      for (const flag of await forced(params, batch).data()) flags.push(flag);
    }
    const longestAnswer = longest(
      questions,
      ({ ids, sequence }) => sequence.ids.length - ids.length,
    );
    const given = await sampler.sample(params, questions.map(({ ids }) => ids), {
      maxNewTokens: answerLimit(longestAnswer),
      temperature: questions.every(({ isRight }) => isRight === undefined) ? TEXT_TEMPERATURE : 0,
      rows: 4 * ROWS,
    });
    return questions.map((question, i): Answer => {
      const { text = "", isText = true } = given[i] ?? {};
      const isRight = question.isRight && (isText && question.isRight(text));
      return { question, text, isRight, isRightForced: flags[i] === 1 };
    });
  };

  return {
    loss: async (params, sequences) => (await predict(params, sequences)).loss ?? NaN,
    async evaluate(params, { name, sequences, questions }) {
      const predicted = Object.entries(await predict(params, sequences));
      const answers = questions.length === 0 ? [] : await answer(params, questions);
      return {
        split: name,
        metrics: {
          ...Object.fromEntries(predicted.map(([metric, value]) => [`eval_${metric}`, value])),
          ...answerMetrics(answers),
        },
        answers,
      };
    },
    [Symbol.dispose]() {
      for (const compiled of [score, forced, sampler]) compiled[Symbol.dispose]();
    },
  };
}

/**
 * Reads scalars from the device, together.
 *
 * @param scalars Scalars by name.
 * @returns Numbers by name.
 */
export async function readScalars(
  scalars: Readonly<Record<string, Tensor>>,
): Promise<Record<string, number>> {
  const entries = Object.entries(scalars).map(async ([name, scalar]) =>
    [name, await scalar.item()] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Whether every learned token of a row is the model's most likely one: 1 or 0, f32 `[B]`. */
function allRight(model: LanguageModel, params: unknown, { ids, mask }: Demonstrations): Tensor {
  const policy = modelOf(model, params);
  const { argmax } = policy.predict(policy.embed(slice(ids, 1, 0, -1)));
  const right = cast(equal(argmax(), slice(ids, 1, 1)), "f32"); // [B, T-1]
  const missed = where(equal(slice(mask, 1, 1), 0), 0, sub(1, right));
  return sub(1, max(missed, { axes: [1] }));
}

/** Exact match of free and of forced answers, and their gap, for all questions and by kind. */
function answerMetrics(answers: readonly Answer[]): Record<string, number> {
  const judged = answers.filter(({ isRight }) => isRight !== undefined);
  if (judged.length === 0) return {};
  const matches = (own: readonly Answer[], suffix = "") => ({
    [`eval_exact_match${suffix}`]: share(own, ({ isRight }) => isRight === true),
    [`eval_forced_exact_match${suffix}`]: share(own, ({ isRightForced }) => isRightForced),
  });
  const kinds = Map.groupBy(judged, ({ question }) => question.kind);
  const all = matches(judged);
  return {
    ...all,
    eval_exact_match_gap: (all.eval_forced_exact_match ?? 0) - (all.eval_exact_match ?? 0),
    ...(kinds.size === 1 ? {} : Object.fromEntries(
      [...kinds].flatMap(([kind, own]) => Object.entries(matches(own, `/${kind}`))),
    )),
  };
}

function share<T>(elements: readonly T[], has: (element: T) => boolean): number {
  return elements.filter(has).length / elements.length;
}

function chunks<T>(elements: readonly T[], size: number): T[][] {
  const count = Math.ceil(elements.length / size);
  return Array.from({ length: count }, (_, i) => elements.slice(i * size, (i + 1) * size));
}
