/**
 * Measures of exposure: how a model does on prefixes of its own, beside those of right answers.
 *
 * @module
 */

import { compile, type Device, slice, tensor } from "@unitune/core";
import type { LanguageModel, Tokenizer } from "@unitune/models";
import {
  type Demonstrations,
  grpo,
  modelOf,
  type Objective,
  type Rollouts,
} from "@unitune/objectives";
import {
  answerLimit,
  createSampler,
  END,
  longest,
  type Mistaken,
  mistaken,
  paddedLength,
  type Question,
  randomStream,
  readAnswer,
  solves,
  toBatch,
  type World,
} from "@unitune/training";
import { type AnswerRow, answerRow } from "../divergence.ts";
import type { Measures } from "../measures.ts";
import { cosines } from "./gradients.ts";
import {
  accuracies,
  byKind,
  distances,
  type Forced,
  type OwnAnswer,
  reach,
  type Reading,
  type WorldQuestion,
  worldQuestions,
} from "./readings.ts";
import { textOf } from "./tallies.ts";

/** The rows of a batch. */
const ROWS = 64;

/** Objectives by name whose gradients are compared with GRPO's. */
export interface Compared {
  /** Those that learn from right answers (default: none). */
  readonly demonstrations?: Readonly<Record<string, Objective<Demonstrations>>>;
  /** Those that learn from the answers that GRPO learns from (default: none). */
  readonly rollouts?: Readonly<Record<string, Objective<Rollouts>>>;
}

/** Measures the exposure of models of one kind. Questions whose task has no world are left out. */
export interface Probe extends Disposable {
  /** What the model says of right answers, and its own answers: an answer is decoded once. */
  readings(params: unknown, questions: readonly Question[]): Promise<readonly Reading[]>;
  /** Right steps after a forced wrong one. */
  recovery(params: unknown, questions: readonly Question[], seed: number): Promise<Measures>;
  /** Cosines of objectives' gradients with those of GRPO on own answers to the same prompts. */
  projections(
    params: unknown,
    questions: readonly Question[],
    compared: Compared,
    seed: number,
  ): Promise<Measures>;
}

/**
 * All measures of a model but those of gradients.
 *
 * @param probe The probe.
 * @param params The parameters of the model.
 * @param questions The questions.
 * @param seed The seed of the mistakes that are forced.
 * @returns The measures; none if no question's task has a world.
 */
export async function exposureMeasures(
  probe: Probe,
  params: unknown,
  questions: readonly Question[],
  seed: number,
): Promise<Measures> {
  const asked = worldQuestions(questions);
  if (asked.length === 0) return {};
  const readings = await probe.readings(params, asked);
  return {
    ...accuracies(readings),
    ...await probe.recovery(params, asked, seed),
    ...distances(readings),
    ...reach(readings),
  };
}

/**
 * Makes a probe of models.
 *
 * @param model The functions of the models.
 * @param tokenizer The tokenizer of the models.
 * @param device The device to compute on.
 * @returns The probe.
 */
export function createProbe(model: LanguageModel, tokenizer: Tokenizer, device: Device): Probe {
  const sampler = createSampler(model, tokenizer, device);
  const { pad, stops } = tokenizer;
  const { context, vocabulary } = model.config;
  const text = (id: number) => textOf((ids) => tokenizer.decode(ids), stops, id);

  const predictions = compile((params: unknown, batch: Demonstrations) => {
    const policy = modelOf(model, params);
    const { argmax, logProbs } = policy.predict(policy.embed(slice(batch.ids, 1, 0, -1)));
    return { likeliest: argmax(), logProbs: logProbs(slice(batch.ids, 1, 1)) };
  }, { device });

  const forced = async (
    params: unknown,
    questions: readonly Question[],
  ): Promise<readonly Forced[]> => {
    const sequences = questions.map(({ sequence }) => sequence);
    const length = paddedLength(sequences, context);
    const found: Forced[] = [];
    for (let from = 0; from < sequences.length; from += ROWS) {
      const some = sequences.slice(from, from + ROWS);
      const batch = toBatch(some, { length, padding: pad, size: ROWS });
      const { likeliest, logProbs } = predictions(params, batch);
      const [own, logs] = await Promise.all([likeliest.data(), logProbs.data()]);
      for (const [row, { ids, mask }] of some.entries()) {
        // Predictions at t - 1 are of the token at t.
        const learned = ids.flatMap((_, t) => mask[t] === true ? [t] : []);
        const at = (t: number) => row * (length - 1) + t - 1;
        found.push({
          hits: learned.map((t) => own[at(t)] === ids[t]),
          chances: learned.map((t) => Math.exp(logs[at(t)] ?? NaN)),
        });
      }
    }
    return found;
  };

  const answerIds = ({ ids, sequence }: Question): readonly number[] =>
    sequence.ids.slice(ids.length);

  const answer = async (
    params: unknown,
    prompts: readonly (readonly number[])[],
    questions: readonly Question[],
    options: { readonly temperature: number; readonly seed?: number },
  ): Promise<readonly OwnAnswer[]> => {
    const maxNewTokens = answerLimit(longest(questions, (question) => answerIds(question).length));
    const given = await sampler.sample(params, prompts, { maxNewTokens, places: ROWS, ...options });
    return given.map(({ ids }) => ({ ids, texts: ids.map(text) }));
  };

  return {
    async readings(params, questions) {
      const asked = worldQuestions(questions);
      const right = await forced(params, asked);
      const prompts = asked.map(({ ids }) => ids);
      const own = await answer(params, prompts, asked, { temperature: 0 });
      return asked.map((question, i) => ({
        question,
        gold: answerIds(question).map(text),
        forced: right[i] ?? { hits: [], chances: [] },
        own: own[i]?.texts ?? [],
      }));
    },
    async recovery(params, questions, seed) {
      const tried = worldQuestions(questions).flatMap((question, i) => {
        const made = mistaken(question.world, question.prompt, randomStream(seed, i));
        return made === undefined ? [] : [{ ...question, made }];
      });
      const after = (said: (made: Mistaken) => string) =>
        tried.map(({ ids, made }) => [...ids, ...tokenizer.encode(said(made))]);
      const [wrong, right] = [
        after(({ before, step }) => before + step),
        after(({ before, right }) => before + right),
      ];
      const own = await answer(params, wrong, tried, { temperature: 0 });
      const unharmed = await answer(params, right, tried, { temperature: 0 });
      const outcomes = tried.map(({ world, prompt, made }, i) => {
        const { before, step, right, rest } = made;
        const said = (own[i]?.texts ?? []).join("");
        const next = (opening: string, continuation: string) =>
          stepAfter(world, prompt, opening, continuation);
        return {
          next: next(before + step, said),
          control: next(before + right, (unharmed[i]?.texts ?? []).join("")),
          rest: said === rest + END,
          solved: said.endsWith(END) && solves(world, prompt, before + step + said.slice(0, -1)),
        };
      });
      return byKind(tried, (places) => {
        const share = (name: "next" | "control" | "rest" | "solved") =>
          places.filter((i) => outcomes[i]?.[name] === true).length / places.length;
        return {
          "step_recovery": share("next"),
          "step_recovery_control": share("control"),
          "answer_recovery": share("rest"),
          "solved_after_mistake": share("solved"),
        };
      });
    },
    async projections(params, questions, { demonstrations = {}, rollouts = {} }, seed) {
      const asked = worldQuestions(questions);
      if (asked.length === 0) return {};
      const each = asked.flatMap((question) => Array.from({ length: GROUP }, () => question));
      const prompts = each.map(({ ids }) => ids);
      const own = await answer(params, prompts, asked, { temperature: 1, seed });
      const judged = each.map((question, i) => rewardsOf(question, (own[i]?.texts ?? []).join("")));
      const batchOf = (rows: readonly AnswerRow[]) =>
        toBatch(rows, { length: paddedLength(rows, context), padding: pad, vocabulary });
      const sampled = batchOf(each.map(({ ids }, i) => answerRow(ids, own[i]?.ids ?? [])));
      const { logProbs } = sampler.score(params, { ...sampled, temperature: 1 });
      const rewarded = (reward: "solved" | "steps"): Rollouts => ({
        ...sampled,
        temperature: 1,
        oldLogProbs: logProbs,
        rewards: tensor(judged.map((one) => one[reward])),
      });
      const batches = { cosine: rewarded("solved"), step_cosine: rewarded("steps") };
      const gold = batchOf(asked.map(({ sequence }) => sequence));
      const compare = async <B>(
        objectives: Readonly<Record<string, Objective<B>>>,
        batch: B,
      ): Promise<Measures> => {
        if (Object.keys(objectives).length === 0) return {};
        const found = await cosines(
          model,
          params,
          { objective: grpo({ groupSize: GROUP }), batches },
          Object.fromEntries(
            Object.entries(objectives).map(([name, objective]) => [name, { objective, batch }]),
          ),
          device,
        );
        return Object.fromEntries(
          Object.entries(found).flatMap(([of, own]) =>
            Object.entries(own).map(([name, cosine]) => [`${of}/${name}`, cosine])
          ),
        );
      };
      const mean = (reward: "solved" | "steps") =>
        judged.reduce((total, one) => total + one[reward], 0) / judged.length;
      return {
        ...await compare(demonstrations, gold),
        ...await compare(rollouts, batches.cosine),
        "projection_reward": mean("solved"),
        "projection_step_reward": mean("steps"),
      };
    },
    [Symbol.dispose]() {
      for (const disposable of [sampler, predictions]) disposable[Symbol.dispose]();
    },
  };
}

/** The answers to a prompt whose rewards GRPO compares. */
const GROUP = 8;

/** The rewards of an answer: 1 if it solves its prompt, and the share of its steps that are right. */
function rewardsOf(
  { world, prompt }: WorldQuestion,
  said: string,
): Readonly<Record<"solved" | "steps", number>> {
  const { steps } = readAnswer(world, prompt, said);
  return {
    solved: Number(said.endsWith(END) && solves(world, prompt, said.slice(0, -1))),
    steps: steps.filter(({ isRight }) => isRight).length / Math.max(steps.length, 1),
  };
}

/** Whether the first step after the beginning of an answer is right. */
function stepAfter(world: World, prompt: string, opening: string, continuation: string): boolean {
  const { length } = readAnswer(world, prompt, opening).steps;
  return readAnswer(world, prompt, opening + continuation).steps[length]?.isRight === true;
}
