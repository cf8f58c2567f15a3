/**
 * Evaluation of a model on held-out data: prediction with the right prefixes, and free answers.
 *
 * @module
 */

import {
  cast,
  compile,
  type Device,
  equal,
  max,
  outline,
  slice,
  sub,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import {
  type EncodedSequence,
  generationBytes,
  type GenerationSizes,
  type LanguageModel,
  type Tokenizer,
} from "@unitune/models";
import {
  addEvaluations,
  type Demonstrations,
  evaluationStep,
  modelOf,
  sft,
  summarize,
} from "@unitune/objectives";
import { answerLimit } from "./sampling/answers.ts";
import { paddedLength, toBatch } from "./data/batches.ts";
import { classOf, inClasses, lengthClasses } from "./data/lengths.ts";
import { answersAtOnce, EVALUATION_ROWS } from "./limits.ts";
import { longest } from "./longest.ts";
import { createSampler } from "./sampling/sampler.ts";
import type { Question, Split } from "./data/splits.ts";

/** A free answer to a question. */
export interface Answer {
  /** The question. */
  readonly question: Question;
  /** The model's answer. Special tokens in it are written by name, and make it wrong. */
  readonly text: string;
  /** Whether the answer is right; undefined if answers are not judged. */
  readonly isRight?: boolean | undefined;
  /**
   * Whether every token of the right answer is the most likely one, given the tokens before it; false
   * if answers are not judged. If only one answer is right and the context has room for its end, this
   * equals `isRight`.
   */
  readonly isRightForced: boolean;
}

/** The evaluation of a split. */
export interface SplitReport {
  /** The name of the split. */
  readonly split: string;
  /** The metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The answers, in the order of the questions. */
  readonly answers: readonly Answer[];
}

/** Evaluates parameters of a model. */
export interface Evaluator extends Disposable {
  /** The cross-entropy of at least one sequence, in nats per learned token. */
  loss(params: unknown, sequences: readonly EncodedSequence[]): Promise<number>;
  /** Evaluates a split. */
  evaluate(params: unknown, split: Split): Promise<SplitReport>;
}

/** Options of an evaluator. */
export interface EvaluatorOptions {
  /** The sequences that are predicted at once (default 64); four times as many are answered. */
  readonly rows?: number;
  /** Texts that end a free answer, beside the tokenizer's stop tokens (default none). */
  readonly stopStrings?: readonly string[];
}

/** Sampling of continuations of running text: greedily, a small model soon repeats itself. */
const TEXT_TEMPERATURE = 0.8;

/**
 * The sizes of the free answers to a split's questions.
 *
 * @param questions The questions.
 * @param rows The sequences that are predicted at once.
 */
function answerSizes(questions: readonly Question[], rows: number): GenerationSizes {
  return {
    prompts: questions.length,
    longestPrompt: longest(questions, ({ ids }) => ids.length),
    maxNewTokens: answerLimit(
      longest(questions, ({ ids, sequence }) => sequence.ids.length - ids.length),
    ),
    places: answersAtOnce(rows),
  };
}

/**
 * The bytes that evaluations keep on the device while they answer questions.
 *
 * @param model The model.
 * @param splits The splits.
 * @param rows The sequences that are predicted at once.
 * @returns The most that a split takes.
 */
export function evaluationBytes(
  model: LanguageModel,
  splits: readonly Pick<Split, "questions">[],
  rows: number,
): number {
  return longest(splits, ({ questions }) => generationBytes(model, answerSizes(questions, rows)));
}

/** The memory of evaluations beside the model, in bytes. */
export interface EvaluationMemory {
  /** Keys and values while questions are answered. */
  readonly caches: number;
  /** What the largest program computes in; 0 where it is not planned. */
  readonly predictions: number;
}

/** The circumstances of evaluations. */
export interface EvaluationPlace {
  /** The sequences that are predicted at once. */
  readonly rows: number;
  /** The device to compute on. */
  readonly device: Device;
  /** Whether all is planned, and nothing else is done (default: programs are not planned). */
  readonly isOutline?: boolean;
}

/**
 * The memory of evaluations.
 *
 * @param model The model.
 * @param params Its parameters, of which only shapes are looked at.
 * @param splits The splits.
 * @param place The sequences that are predicted at once, and the device.
 * @returns The most that a split takes.
 */
export function evaluationMemory(
  model: LanguageModel,
  params: unknown,
  splits: readonly Split[],
  { rows, device, isOutline = false }: EvaluationPlace,
): EvaluationMemory {
  return {
    caches: evaluationBytes(model, splits, rows),
    // A plan takes as long as that of a forward pass, which a training finds in time by itself.
    predictions: isOutline ? predictionBytes(model, params, splits, { rows, device }) : 0,
  };
}

/**
 * The bytes that the largest program of an evaluation computes in: that which predicts as many rows at
 * once as there are at most, all as long as the longest.
 */
function predictionBytes(
  model: LanguageModel,
  params: unknown,
  splits: readonly Pick<Split, "sequences">[],
  { rows, device }: EvaluationPlace,
): number {
  const score = compile(evaluationStep({ policy: model, objective: sft() }), { device });
  const step = outline({ shape: [], dtype: "i32" });
  const own = longest(splits, ({ sequences }) => {
    if (sequences.length === 0) return 0;
    const length = paddedLength(sequences, model.config.context);
    const shape = [Math.min(rows, sequences.length), length];
    const batch = { ids: outline({ shape, dtype: "i32" }), mask: outline({ shape, dtype: "f32" }) };
    const { ownBytes, resultBytes } = score.plan({ params, step }, batch);
    return ownBytes + resultBytes;
  });
  score[Symbol.dispose]();
  return own;
}

/**
 * Makes an evaluator of a model. Its programs are compiled at their first use.
 *
 * Metrics with the right prefixes: `eval_loss` (nats per learned token), `eval_entropy`,
 * `eval_mean_token_accuracy` and `eval_num_tokens`. Metrics of questions: `eval_exact_match`, the
 * fraction of greedy free answers that are right; `eval_forced_exact_match`, the fraction of right
 * answers each of whose tokens is the most likely one given those before it; and
 * `eval_exact_match_gap`, the second minus the first, which is 0 if questions have only one right
 * answer. If there are several kinds of questions, the first two exist for each kind as well, as
 * `eval_exact_match/KIND`.
 *
 * @param model The model.
 * @param tokenizer The tokenizer of the model.
 * @param device The device to compute on.
 * @param options The size of batches.
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
  { rows: most = EVALUATION_ROWS, stopStrings = [] }: EvaluatorOptions = {},
): Evaluator {
  const { pad } = tokenizer;
  const { context, vocabulary } = model.config;
  const score = compile(evaluationStep({ policy: model, objective: sft() }), { device });
  const forced = compile(
    (params: unknown, batch: Demonstrations) => allRight(model, params, batch),
    { device },
  );
  const sampler = createSampler(model, tokenizer, device, { stopStrings });
  const step = tensor(0, { dtype: "i32" });

  const classesOf = (sequences: readonly EncodedSequence[]) =>
    lengthClasses(paddedLength(sequences, context));

  /** Batches of one size and few lengths, so that few programs serve all; the last is filled up. */
  const batchesOf = function* (sequences: readonly EncodedSequence[]) {
    const size = Math.min(most, sequences.length);
    const classes = classesOf(sequences);
    for (const rows of chunks(sequences, size)) {
      const length = classOf(classes, longest(rows, ({ ids }) => ids.length));
      yield toBatch(rows, { length, padding: pad, size, vocabulary });
    }
  };

  const predict = async (
    params: unknown,
    sequences: readonly EncodedSequence[],
  ): Promise<Readonly<Record<string, number>>> => {
    if (sequences.length === 0) return {};
    const sorted = inClasses(classesOf(sequences), sequences, ({ ids }) => ids.length);
    const parts = [...batchesOf(sorted)].map((batch) => score({ params, step }, batch));
    const whole = summarize(parts.reduce(addEvaluations));
    const { nll: _, ...metrics } = await readScalars(whole);
    return metrics;
  };

  const answer = async (params: unknown, questions: readonly Question[]) => {
    const isJudged = questions.some(({ isRight }) => isRight !== undefined);
    const sequences = questions.map(({ sequence }) => sequence);
    const flags: number[] = [];
    for (const batch of isJudged ? batchesOf(sequences) : []) {
      for (const flag of await forced(params, batch).data()) flags.push(flag);
    }
    const { maxNewTokens, places } = answerSizes(questions, most);
    const given = await sampler.sample(params, questions.map(({ ids }) => ids), {
      maxNewTokens,
      temperature: isJudged ? 0 : TEXT_TEMPERATURE,
      places,
    });
    return questions.map((question, i): Answer => {
      const { text, isText } = given[i] ?? never();
      const isRight = question.isRight && (isText && question.isRight(text));
      return { question, text, isRight, isRightForced: flags[i] === 1 };
    });
  };

  return {
    loss: async (params, sequences) => (await predict(params, sequences)).loss ?? NaN,
    async evaluate(params, { name, sequences, questions }) {
      const predicted = Object.entries(await predict(params, sequences));
      const answers = await answer(params, questions);
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
 * Reads scalars from the device together.
 *
 * @param scalars The scalars by name.
 * @returns The numbers by name.
 */
export async function readScalars(
  scalars: Readonly<Record<string, Tensor>>,
): Promise<Record<string, number>> {
  const entries = Object.entries(scalars).map(async ([name, scalar]) =>
    [name, await scalar.item()] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * 1 for rows each of whose learned tokens is the model's most likely one, otherwise 0: f32 `[B]`.
 */
function allRight(model: LanguageModel, params: unknown, batch: Demonstrations): Tensor {
  const { ids, mask, learned } = batch;
  const policy = modelOf(model, params);
  const { argmax } = policy.predict(policy.embed(slice(ids, 1, 0, -1)), {
    ...learned !== undefined && { needed: { mask: slice(mask, 1, 1), count: learned } },
  });
  const right = cast(equal(argmax(), slice(ids, 1, 1)), "f32"); // [B, T-1]
  const missed = where(equal(slice(mask, 1, 1), 0), 0, sub(1, right));
  return sub(1, max(missed, { axes: [1] }));
}

/** Exact match of free and of forced answers and their gap, for all questions and for each kind. */
function answerMetrics(answers: readonly Answer[]): Record<string, number> {
  const judged = answers.filter(({ isRight }) => isRight !== undefined);
  if (judged.length === 0) return {};
  const matches = (own: readonly Answer[]) => ({
    free: share(own, ({ isRight }) => isRight === true),
    forced: share(own, ({ isRightForced }) => isRightForced),
  });
  const named = ({ free, forced }: ReturnType<typeof matches>, suffix = "") => ({
    [`eval_exact_match${suffix}`]: free,
    [`eval_forced_exact_match${suffix}`]: forced,
  });
  const kinds = new Set(judged.map(({ question }) => question.kind));
  const all = matches(judged);
  return {
    ...named(all),
    eval_exact_match_gap: all.forced - all.free,
    ...(kinds.size === 1 ? {} : Object.fromEntries(
      [...kinds].flatMap((kind) => {
        const own = judged.filter(({ question }) => question.kind === kind);
        return Object.entries(named(matches(own), `/${kind}`));
      }),
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

function never(): never {
  throw new RangeError("createEvaluator: a question has no answer");
}
