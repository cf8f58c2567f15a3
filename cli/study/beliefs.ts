/**
 * What models of a study predict, token by token, in place of each token of an answer.
 *
 * @module
 */

import { compile, type Device, logSoftmax, slice, type Tensor } from "@unitune/core";
import { createGenerator, type EncodedSequence } from "@unitune/models";
import { modelOf } from "@unitune/objectives";
import {
  type BaseModel,
  givenAnswer,
  toBatch,
  trainSettings,
  verifyPrompt,
} from "@unitune/training";
import { prepare } from "../data/prepare.ts";
import { readPrompt } from "../data/prompts.ts";
import { readBase } from "../run/trained.ts";
import { BASE, BASELINE } from "./arms.ts";
import { meanOf } from "./statistics.ts";
import { dataOf } from "./trials.ts";
import type { StudyPlan } from "./plan.ts";
import { gainOf, primaryOf } from "./primary.ts";
import { chosenResults, measuresBySeed, type StudyResults } from "./results.ts";

/** The prediction of one token. */
export interface Belief {
  /** The probability of the answer's token. */
  readonly chance: number;
  /** The token that the model holds most likely. */
  readonly own: string;
  /** Its probability. */
  readonly ownChance: number;
}

/** The predictions of some models for the same answer. */
export interface Beliefs {
  /** The prompt. */
  readonly prompt: string;
  /** The answer. */
  readonly answer: string;
  /** The arm that gave the answer; undefined if the answer is known to be right. */
  readonly answeredBy: string | undefined;
  /** The tokens of the answer. */
  readonly tokens: readonly string[];
  /** The predictions of each arm, one for each token. */
  readonly rows: readonly { readonly arm: string; readonly beliefs: readonly Belief[] }[];
}

/** Where the models of a study are, and the prompt. */
export interface BeliefQuestion {
  /** The study's folder. */
  readonly folder: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The results. */
  readonly results: StudyResults;
  /** The device on which models predict. */
  readonly device: Device;
  /** The prompt (default: a question of the test). */
  readonly prompt?: string;
}

/** The most arms whose predictions are shown beside the checkpoint and further training. */
const WINNERS = 3;

/**
 * The arms whose predictions are shown: the checkpoint, further supervised training, and the arms
 * that won, the best first.
 *
 * @param plan The plan.
 * @param results The results.
 * @returns The names of the arms.
 */
export function believers(plan: StudyPlan, results: StudyResults): readonly string[] {
  const primary = primaryOf(plan);
  const scored = plan.arms.flatMap(({ name }) => {
    const values = [...measuresBySeed(results, name, primary.measure).values()];
    return name === BASELINE || values.length === 0
      ? []
      : [{ name, gain: gainOf(primary, meanOf(values)) }];
  });
  const winners = scored.toSorted((a, b) => b.gain - a.gain).slice(0, WINNERS);
  return [BASE, BASELINE, ...winners.map(({ name }) => name)];
}

/** A model whose predictions are shown. */
interface Believer {
  readonly arm: string;
  readonly params: unknown;
}

/** A prompt and an answer whose tokens are predicted. */
interface Asked {
  readonly prompt: string;
  readonly answer: string;
  /** The arm that gave the answer; undefined if the answer is known to be right. */
  readonly answeredBy: string | undefined;
  readonly sequence: EncodedSequence;
}

/** A question of the test, with a gold answer of more than two characters if there is one. */
async function testQuestion(
  plan: StudyPlan,
  seed: number,
  base: BaseModel,
): Promise<Asked | undefined> {
  const settings = trainSettings({ ...plan.base, ...dataOf(plan, seed) });
  const { test: [test] } = await prepare(settings, base);
  const question = test?.questions.find(({ gold }) => gold.length > 2) ?? test?.questions[0];
  if (question === undefined) return undefined;
  const { prompt, gold: answer, sequence } = question;
  return { prompt, answer, answeredBy: undefined, sequence };
}

/**
 * The user's prompt with the first right answer among those of the models, or with the first answer
 * if none is known to be right.
 */
async function ownQuestion(
  prompt: string,
  models: readonly Believer[],
  { tokenizer, model }: BaseModel,
  device: Device,
): Promise<Asked | undefined> {
  const { context } = model.config;
  const ids = readPrompt({ tokenizer, context, kind: "conversations" }, prompt);
  const { stops: stop } = tokenizer;
  using generator = createGenerator(model, { device });
  const given: Asked[] = [];
  for (const { arm, params } of models) {
    const [own = { ids: [] }] = await generator.generate(params, [ids], {
      maxNewTokens: context,
      stop,
    });
    const said = givenAnswer(tokenizer, own);
    const all = [...ids, ...said.ids];
    const sequence = { ids: all, mask: all.map((_, t) => t >= ids.length) };
    const isRight = verifyPrompt(prompt, said.text) === true && said.isText;
    given.push({ prompt, answer: said.text, answeredBy: isRight ? undefined : arm, sequence });
  }
  return given.find(({ answeredBy }) => answeredBy === undefined) ?? given[0];
}

/**
 * Reads what the models of a study predict for an answer.
 *
 * @param question The study and the prompt.
 * @returns The predictions; undefined if there is no question.
 * @throws {UserError} If the prompt cannot be encoded, or a model cannot be read.
 */
export async function readBeliefs(question: BeliefQuestion): Promise<Beliefs | undefined> {
  const { folder, plan, results, device, prompt } = question;
  const [first] = chosenResults(results, BASE);
  if (first === undefined) return undefined;
  const base = await readBase(`${folder}/${first.run}`);
  const { tokenizer, model } = base;
  const models: Believer[] = [];
  for (const arm of believers(plan, results)) {
    const run = chosenResults(results, arm).find(({ seed }) => seed === first.seed);
    if (run === undefined) continue;
    const { models: { policy } } = await readBase(`${folder}/${run.run}`);
    models.push({ arm, params: policy });
  }
  const asked = prompt === undefined
    ? await testQuestion(plan, first.seed, base)
    : await ownQuestion(prompt, models, base, device);
  if (asked === undefined) return undefined;

  using read = compile((params: unknown, ids: Tensor) => {
    const policy = modelOf(model, params);
    return logSoftmax(policy.predict(policy.embed(slice(ids, 1, 0, -1))).logits());
  }, { device });
  const { vocabulary } = model.config;
  const { sequence: { ids, mask }, ...words } = asked;
  const { ids: batch } = toBatch([asked.sequence], {
    length: ids.length,
    padding: tokenizer.pad,
  });
  const show = (id: number) => tokenizer.tokens[id] ?? String(id);
  const rows: { readonly arm: string; readonly beliefs: readonly Belief[] }[] = [];
  for (const { arm, params } of models) {
    const logProbs = await read(params, batch).data();
    const beliefs = ids.flatMap((id, t): Belief[] => {
      if (mask[t] !== true) return [];
      const at = Array.from(logProbs.slice((t - 1) * vocabulary, t * vocabulary));
      const own = at.indexOf(at.reduce((most, value) => Math.max(most, value), -Infinity));
      return [{
        chance: Math.exp(at[id] ?? NaN),
        own: show(own),
        ownChance: Math.exp(at[own] ?? NaN),
      }];
    });
    rows.push({ arm, beliefs });
  }
  const tokens = ids.flatMap((id, t) => mask[t] === true ? [show(id)] : []);
  return { ...words, tokens, rows };
}
