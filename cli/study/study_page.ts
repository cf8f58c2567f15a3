/**
 * The page of a study: differences between arms with their intervals, curves, tables, answers, and
 * the models' predictions token by token.
 *
 * @module
 */

import { compile, type Device, logSoftmax, slice, type Tensor } from "@unitune/core";
import { createGenerator, type EncodedSequence } from "@unitune/models";
import { modelOf } from "@unitune/objectives";
import {
  figure,
  type Html,
  html,
  page,
  type PageSection,
  table,
  verbatim,
} from "../report/page.ts";
import { type Curve, curves, intervals } from "../report/plot.ts";
import {
  type BaseModel,
  givenAnswer,
  toBatch,
  trainSettings,
  verifyPrompt,
} from "@unitune/training";
import { readJsonLines } from "../files/json_lines.ts";
import { prepare } from "../data/prepare.ts";
import { readPrompt } from "../data/prompts.ts";
import { readEvaluations } from "../report/summary.ts";
import { runPaths } from "../run/run_paths.ts";
import { readBase } from "../run/trained.ts";
import { metricsSection } from "../report/glossary.ts";
import { BASE, BASELINE } from "./arms.ts";
import { estimateOf, pairedDifference } from "./statistics.ts";
import {
  chosenResults,
  measuresBySeed,
  seedsOf,
  type StudyPlan,
  type StudyResults,
} from "./study.ts";
import { studyCells, studyRemarks, studyRows } from "./table.ts";

/** The content of a study's page. */
export interface StudyPageContent {
  /** The study's folder. */
  readonly folder: string;
  /** The command that carried it out. */
  readonly command: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The results. */
  readonly results: StudyResults;
  /** The device on which models predict. */
  readonly device: Device;
  /** The prompt for the predictions (default: a question of the test). */
  readonly prompt?: string;
}

/** The curve of validation exact match: the mean over seeds with its interval. */
async function progressOf(folder: string, results: StudyResults, arm: string): Promise<Curve> {
  const bySteps = new Map<number, number[]>();
  for (const { run } of chosenResults(results, arm)) {
    for (
      const { step, split, metrics } of await readEvaluations(runPaths(`${folder}/${run}`).metrics)
    ) {
      const { eval_exact_match: match } = metrics;
      if (split !== "held-out" || match === undefined) continue;
      bySteps.set(step, [...bySteps.get(step) ?? [], match]);
    }
  }
  return {
    name: arm,
    points: [...bySteps].map(([x, values]) => {
      const { mean, low, high } = estimateOf(values);
      return Number.isNaN(low) ? { x, y: mean } : { x, y: mean, low, high };
    }),
  };
}

/** The most curves with bands: more bands hide each other. */
const MOST_BANDS = 8;

/** A curve without its band. */
function withoutBand({ name, points }: Curve): Curve {
  return { name, points: points.map(({ x, y }) => ({ x, y })) };
}

/** The difference of each arm from further supervised training, with its interval. */
function differences(plan: StudyPlan, results: StudyResults, measure: string) {
  const baseline = measuresBySeed(results, BASELINE, measure);
  return plan.arms.flatMap(({ name }) => {
    const difference = name === BASELINE
      ? undefined
      : pairedDifference(measuresBySeed(results, name, measure), baseline);
    if (difference === undefined) return [];
    const { mean: value, low, high } = difference;
    return [Number.isNaN(low) ? { name, value } : { name, value, low, high }];
  });
}

/** The arms whose predictions are shown, the checkpoint first. */
const BELIEVERS = [BASE, BASELINE, "dpo", "ift"];

/** A prediction of one token. */
interface Belief {
  readonly gold: string;
  readonly chance: number;
  readonly own: string;
  readonly ownChance: number;
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
  /** Whether the answer is right; undefined if that is unknown. */
  readonly isRight: boolean | undefined;
  readonly sequence: EncodedSequence;
}

/** A question of the test, with a gold answer of more than two characters if there is one. */
async function testQuestion(
  { plan }: StudyPageContent,
  seed: number,
  base: BaseModel,
): Promise<Asked | undefined> {
  const settings = trainSettings({ ...plan.base, dataSeed: seed });
  const { test: [test] } = await prepare(settings, base);
  const question = test?.questions.find(({ gold }) => gold.length > 2) ?? test?.questions[0];
  if (question === undefined) return undefined;
  const { prompt, gold: answer, sequence } = question;
  return { prompt, answer, isRight: true, sequence };
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
  for (const { params } of models) {
    const [own = { ids: [] }] = await generator.generate(params, [ids], {
      maxNewTokens: context,
      stop,
    });
    const said = givenAnswer(tokenizer, own);
    const all = [...ids, ...said.ids];
    const sequence = { ids: all, mask: all.map((_, t) => t >= ids.length) };
    const verdict = verifyPrompt(prompt, said.text);
    given.push({ prompt, answer: said.text, isRight: verdict && said.isText, sequence });
  }
  return given.find(({ isRight }) => isRight === true) ?? given[0];
}

/**
 * The section with each model's probability of each token of an answer, and its likeliest token.
 */
async function beliefs(content: StudyPageContent): Promise<PageSection | undefined> {
  const { folder, results, device, prompt } = content;
  const [first] = chosenResults(results, BASE);
  if (first === undefined) return undefined;
  const base = await readBase(`${folder}/${first.run}`);
  const { tokenizer, model } = base;
  const models: Believer[] = [];
  for (const arm of BELIEVERS) {
    const run = chosenResults(results, arm).find(({ seed }) => seed === first.seed);
    if (run === undefined) continue;
    const { models: { policy } } = await readBase(`${folder}/${run.run}`);
    models.push({ arm, params: policy });
  }
  const asked = prompt === undefined
    ? await testQuestion(content, first.seed, base)
    : await ownQuestion(prompt, models, base, device);
  if (asked === undefined) return undefined;

  using read = compile((params: unknown, ids: Tensor) => {
    const policy = modelOf(model, params);
    return logSoftmax(policy.predict(policy.embed(slice(ids, 1, 0, -1))).logits());
  }, { device });
  const { vocabulary } = model.config;
  const { ids, mask } = asked.sequence;
  const { ids: batch } = toBatch([asked.sequence], {
    length: ids.length,
    padding: tokenizer.pad,
  });
  const show = (id: number) => tokenizer.tokens[id] ?? String(id);
  const rows: (readonly string[])[] = [];
  for (const { arm, params } of models) {
    const logProbs = await read(params, batch).data();
    const said = ids.flatMap((id, t): Belief[] => {
      if (mask[t] !== true) return [];
      const at = Array.from(logProbs.slice((t - 1) * vocabulary, t * vocabulary));
      const own = at.indexOf(at.reduce((most, value) => Math.max(most, value), -Infinity));
      return [{
        gold: show(id),
        chance: Math.exp(at[id] ?? NaN),
        own: show(own),
        ownChance: Math.exp(at[own] ?? NaN),
      }];
    });
    rows.push([
      arm,
      ...said.map(({ gold, chance, own, ownChance }) =>
        `${chance.toFixed(2)}${gold === own ? "" : ` (${own} ${ownChance.toFixed(2)})`}`
      ),
    ]);
  }
  const header = ["", ...ids.flatMap((id, t) => mask[t] === true ? [show(id)] : [])];
  const kind = asked.isRight === true ? "a right answer" : `an answer of ${models[0]?.arm}`;
  return {
    title: "What the models believe",
    body: html`<p>The prompt is <code>${asked.prompt}</code>, ${kind} <code>${asked.answer}</code>.
      Each column is a token of it: how likely the model holds it after the tokens before it, and in
      brackets the token that it would say in its place. That token is what the temporal residual of
      IFT mixes into the next state; SFT goes on as if it had said the right one.</p>${
      table({ header, rows })
    }`,
  };
}

/** The section with answers of all arms to the same questions. */
async function samples({ folder, results, plan }: StudyPageContent): Promise<PageSection> {
  const answers = new Map<string, Map<string, Html>>();
  const names = [BASE, ...plan.arms.map(({ name }) => name)];
  for (const arm of names) {
    const [run] = chosenResults(results, arm);
    if (run === undefined) continue;
    const lines = await readJsonLines(runPaths(`${folder}/${run.run}`).samples);
    const last = lines.at(-1)?.step;
    for (const { step, split, prompt, answer, right } of lines) {
      if (step !== last || split !== "held-out") continue;
      if (typeof prompt !== "string" || typeof answer !== "string") continue;
      const own = answers.get(prompt) ?? new Map<string, Html>();
      own.set(arm, html`${verbatim(answer)}${right === true ? " ✓" : " ✗"}`);
      answers.set(prompt, own);
    }
  }
  return {
    title: "Answers side by side",
    body: table({
      header: ["prompt", ...names],
      rows: [...answers].map(([prompt, own]) => [
        verbatim(prompt),
        ...names.map((name) => own.get(name) ?? ""),
      ]),
      caption: `Greedy answers of seed ${
        seedsOf(plan)[0]
      } to validation prompts, ✓ right and ✗ wrong`,
    }),
  };
}

/**
 * Writes the page of a study.
 *
 * @param content The study.
 * @returns The text of the HTML file.
 */
export async function studyPage(content: StudyPageContent): Promise<string> {
  const { folder, command, plan, results } = content;
  const [head = [], ...rows] = studyCells(studyRows(plan, results));
  const lines = await Promise.all(
    plan.arms.map(({ name }) => progressOf(folder, results, name)),
  );
  const hasBands = lines.length <= MOST_BANDS;
  const measured = [
    { measure: "exact_match", name: "greedy" },
    { measure: "mean@k", name: "sampled (mean@k)" },
  ];
  const belief = await beliefs(content);
  const baseline = estimateOf([...measuresBySeed(results, BASELINE, "exact_match").values()]);
  return page({
    title: "SFT, RLHF and IFT on the same data",
    lead:
      html`<p>Made by <code>${command}</code>: ${plan.arms.length} ways to go on from one undertrained
      model, ${plan.seeds} seeds. Further supervised training ends at an exact match of
      ${baseline.mean.toFixed(3)}. Differences from it are taken seed by seed; intervals are
      Student's, 95 %.</p>`,
    sections: [
      {
        title: "Differences from more SFT",
        body: figure(
          (width) =>
            intervals(
              measured.map(({ measure, name }) => ({
                name,
                rows: differences(plan, results, measure),
              })),
              {
                title: "Exact match less that of further SFT",
                x: { label: "exact match less that of further SFT" },
                reference: { value: 0, label: "SFT" },
                width,
              },
            ),
          "Test exact match less that of further SFT, the mean over seeds and its 95 % interval",
        ),
      },
      {
        title: "On the way",
        body: figure(
          (width) =>
            curves(hasBands ? lines : lines.map(withoutBand), {
              title: "Validation exact match by step",
              x: { label: "step" },
              y: { label: "validation exact match" },
              width,
            }),
          `Exact match on validation data, the mean over seeds${
            hasBands ? " with its 95 % interval" : ""
          }`,
        ),
      },
      { title: "The table", body: table({ header: head, rows }) },
      {
        title: "What it says",
        body: html`<ul>${
          studyRemarks(plan, results).map((remark) => html`<li>${remark}</li>`)
        }</ul>`,
      },
      ...(belief === undefined ? [] : [belief]),
      await samples(content),
      metricsSection(),
    ],
  });
}
