/**
 * The measures of a trained model, on questions that no choice of settings was based on.
 *
 * @module
 */

import { compile, type Device } from "@unitune/core";
import type { LanguageModel, Tokenizer } from "@unitune/models";
import { modelOf } from "@unitune/objectives";
import {
  answerLimit,
  createEvaluator,
  createSampler,
  type GivenAnswer,
  longest,
  paddedLength,
  type Question,
  type Split,
  tasks,
  toBatch,
} from "@unitune/training";
import { type AnswerBatch, answerDivergence, answerRow } from "./divergence.ts";

/** Measures by name; docs/metrics.md defines them. */
export type Measures = Readonly<Record<string, number>>;

/** The questions for every model. */
export interface Examination {
  /** The questions on which settings are chosen. */
  readonly validation: Split;
  /** The test: first the questions like those in training, then splits of other kinds. */
  readonly test: readonly Split[];
  /** The number of sampled answers to each question of the test. */
  readonly samples: number;
  /** The seed of the samples. */
  readonly seed: number;
}

/** Measures models of one kind. */
export interface Examiner extends Disposable {
  /** Measures exact match on the validation questions. */
  validate(params: unknown): Promise<Measures>;
  /** Measures everything on the test, compared with the model from which the training started. */
  examine(params: unknown, start: unknown): Promise<Measures>;
}

/** The rows of a batch. */
const ROWS = 128;

/**
 * Another character of the same kind: the next letter of those from a to j, or the next digit.
 *
 * @param character The character.
 * @returns The other one.
 */
export function otherThan(character: string): string {
  if (/\d/.test(character)) return String((Number(character) + 1) % 10);
  return character === "j" ? "a" : String.fromCharCode(character.charCodeAt(0) + 1);
}

/** Questions whose right answer is still determined after a wrong first token. */
function recoverable(questions: readonly Question[]): readonly Question[] {
  const single = new Set(tasks.flatMap(({ name, hasOneAnswer }) => hasOneAnswer ? [name] : []));
  return questions.filter(({ kind, gold }) => single.has(kind) && gold.length > 1);
}

/**
 * Makes an examiner of models.
 *
 * @param examination The questions.
 * @param model The functions of the models.
 * @param tokenizer The tokenizer of the models.
 * @param device The device to compute on.
 * @returns The examiner.
 */
export function createExaminer(
  { validation, test, samples, seed }: Examination,
  model: LanguageModel,
  tokenizer: Tokenizer,
  device: Device,
): Examiner {
  const evaluator = createEvaluator(model, tokenizer, device);
  const sampler = createSampler(model, tokenizer, device);
  const { pad } = tokenizer;

  /** Exact sums over the answer tokens of a batch: KL(pi || start) and the entropy of pi. */
  const distances = compile(
    (params: unknown, start: unknown, batch: AnswerBatch) =>
      answerDivergence(modelOf(model, params), modelOf(model, start), batch),
    { device },
  );

  const chunksOf = <T>(rows: readonly T[]) =>
    Array.from(
      { length: Math.ceil(rows.length / ROWS) },
      (_, i) => rows.slice(i * ROWS, (i + 1) * ROWS),
    );

  const answers = (
    params: unknown,
    prompts: readonly (readonly number[])[],
    maxNewTokens: number,
    temperature: number,
  ) => sampler.sample(params, prompts, { maxNewTokens, temperature, seed, places: ROWS });

  const longestOf = (questions: readonly Question[]) =>
    longest(questions, ({ ids, sequence }) => sequence.ids.length - ids.length);

  /** Measures of sampled answers: exact match, length, and the divergence from the start. */
  const sampled = async (
    params: unknown,
    start: unknown,
    questions: readonly Question[],
  ): Promise<Measures> => {
    const asked = questions.flatMap((question) => Array<Question>(samples).fill(question));
    const given = await answers(
      params,
      asked.map(({ ids }) => ids),
      answerLimit(longestOf(questions)),
      1,
    );
    const right = asked.map(({ isRight }, i) => isRightText(given[i], (text) => isRight?.(text)));
    const groups = questions.map((_, i) => right.slice(i * samples, (i + 1) * samples));
    const rows = asked.map(({ ids: prompt }, i) => answerRow(prompt, given[i]?.ids ?? []));
    const length = paddedLength(rows, model.config.context);
    let [kl, entropy, tokens] = [0, 0, 0];
    for (const some of chunksOf(rows)) {
      const batch = toBatch(some, { length, padding: pad, size: ROWS });
      const sums = distances(params, start, batch);
      kl += await sums.kl.item();
      entropy += await sums.entropy.item();
      tokens += await sums.tokens.item();
    }
    return {
      "mean@k": share(right),
      "pass@k": share(groups.map((group) => group.includes(true))),
      "length": given.reduce((total, { ids, isEnded }) => total + ids.length - Number(isEnded), 0) /
        Math.max(given.length, 1),
      "kl_to_start": kl / tokens,
      "sampled_entropy": entropy / tokens,
    };
  };

  /** The fraction of answers that continue rightly after a forced wrong first token. */
  const recovery = async (
    params: unknown,
    questions: readonly Question[],
  ): Promise<Measures> => {
    const asked = recoverable(questions);
    if (asked.length === 0) return {};
    const prompts = asked.map(({ ids, gold }) => [
      ...ids,
      ...tokenizer.encode(otherThan(gold.slice(0, 1))),
    ]);
    const given = await answers(params, prompts, answerLimit(longestOf(asked)), 0);
    const right = asked.map(({ gold }, i) =>
      isRightText(given[i], (text) => text === gold.slice(1))
    );
    return { recovery: share(right) };
  };

  const matches = async (params: unknown, split: Split) =>
    (await evaluator.evaluate(params, split)).metrics;

  return {
    async validate(params) {
      const { eval_exact_match: match = NaN } = await matches(params, validation);
      return { "validation/exact_match": match };
    },
    async examine(params, start) {
      const [first, ...beyond] = test;
      if (first === undefined) throw new RangeError("an examination without a test");
      const greedy = await matches(params, first);
      const kinds = Object.entries(greedy).flatMap(([name, value]): [string, number][] => {
        const [, kind] = /^eval_exact_match\/(.*)$/.exec(name) ?? [];
        return kind === undefined ? [] : [[`exact_match/${kind}`, value]];
      });
      const others: [string, number][] = [];
      for (const split of beyond) {
        const { eval_exact_match: match = NaN } = await matches(params, split);
        others.push([`${split.name}/exact_match`, match]);
      }
      return {
        "exact_match": greedy.eval_exact_match ?? NaN,
        ...Object.fromEntries(kinds),
        "gap": greedy.eval_exact_match_gap ?? NaN,
        "nll": greedy.eval_loss ?? NaN,
        "entropy": greedy.eval_entropy ?? NaN,
        ...Object.fromEntries(others),
        ...await sampled(params, start, first.questions),
        ...await recovery(params, first.questions),
      };
    },
    [Symbol.dispose]() {
      for (const disposable of [evaluator, sampler, distances]) disposable[Symbol.dispose]();
    },
  };
}

/** Tells whether an answer is text, and right. */
function isRightText(
  given: GivenAnswer | undefined,
  isRight: (text: string) => boolean | undefined,
): boolean {
  return given !== undefined && given.isText && isRight(given.text) === true;
}

function share(flags: readonly boolean[]): number {
  return flags.filter(Boolean).length / Math.max(flags.length, 1);
}
