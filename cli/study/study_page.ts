/**
 * The page of a study: its outcome in words, differences between arms with their intervals, curves,
 * tables, the models' predictions token by token, and answers.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { readJsonLines } from "../files/json_lines.ts";
import { metricsSection } from "../report/glossary.ts";
import {
  figure,
  type Html,
  html,
  page,
  type PageSection,
  type Panel,
  panels,
  table,
  terms,
  textTable,
  verbatim,
} from "../report/page.ts";
import { type Curve, curves, intervals } from "../report/plot.ts";
import { judged } from "../report/run_answers.ts";
import { readEvaluations } from "../report/summary.ts";
import { runPaths } from "../run/run_paths.ts";
import { BASE, BASELINE } from "./arms.ts";
import { type Belief, type Beliefs, readBeliefs } from "./beliefs.ts";
import { estimateOf, pairedDifference } from "./statistics.ts";
import {
  chosenResults,
  measuresBySeed,
  seedsOf,
  type StudyPlan,
  type StudyResults,
} from "./study.ts";
import { cellsOf, type ColumnGroup, studyColumns, studyRemarks, studyRows } from "./table.ts";
import { verdictOf } from "./verdict.ts";

/** The study whose page is written. */
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

/** An answer of an arm. */
export interface ArmAnswer {
  /** The arm. */
  readonly arm: string;
  /** The prompt. */
  readonly prompt: string;
  /** The right answer. */
  readonly gold: string;
  /** The answer. */
  readonly answer: string;
  /** Whether the answer is right. */
  readonly isRight: boolean;
}

/** What the page of a study shows. */
export interface StudyRecord extends Pick<StudyPageContent, "command" | "plan" | "results"> {
  /** Validation exact match of each arm over steps, the mean over seeds with its interval. */
  readonly progress: readonly Curve[];
  /** What the models predict; undefined if there is no question. */
  readonly beliefs: Beliefs | undefined;
  /** Greedy answers to validation prompts. */
  readonly answers: readonly ArmAnswer[];
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

/** The greedy answers of an arm's first seed to validation prompts. */
async function answersOf(
  folder: string,
  results: StudyResults,
  arm: string,
): Promise<readonly ArmAnswer[]> {
  const [run] = chosenResults(results, arm);
  if (run === undefined) return [];
  const lines = await readJsonLines(runPaths(`${folder}/${run.run}`).samples);
  const last = lines.at(-1)?.step;
  return lines.flatMap(({ step, split, prompt, gold, answer, right }) =>
    step === last && split === "held-out" && typeof prompt === "string" &&
      typeof gold === "string" && typeof answer === "string"
      ? [{ arm, prompt, gold, answer, isRight: right === true }]
      : []
  );
}

/** The difference of each arm from further supervised training, with its interval. */
function differences({ plan, results }: StudyRecord, measure: string) {
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

/** The section with the differences of all arms from further supervised training. */
function differenceSection(record: StudyRecord): PageSection {
  const series = [
    { measure: "exact_match", name: "greedy" },
    { measure: "mean@k", name: "sampled (mean@k)" },
  ].map(({ measure, name }) => ({ name, rows: differences(record, measure) }));
  return {
    title: "Differences from more SFT",
    body: figure(
      (width) =>
        intervals(series, {
          title: "Exact match less that of further SFT",
          x: { label: "exact match less that of further SFT" },
          reference: { value: 0, label: "SFT" },
          width,
        }),
      "Test exact match less that of further SFT, the mean over seeds and its 95 % interval.",
    ),
  };
}

/** The colours of an arm and of further supervised training beside it. */
const [OWN, QUIET] = [0, 7] as const;

/** The range of the values and bands of curves; undefined if there are none. */
function rangeOf(curves: readonly Curve[]): readonly [number, number] | undefined {
  const values = curves.flatMap(({ points }) => points)
    .flatMap(({ y, low = y, high = y }) => [y, low, high]).filter(Number.isFinite);
  if (values.length === 0) return undefined;
  return values.reduce<readonly [number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

/** The section with a small chart for each arm, beside further supervised training. */
function progressSection({ progress }: StudyRecord): readonly PageSection[] {
  const domain = rangeOf(progress);
  if (domain === undefined) return [];
  const baseline = progress.filter(({ name }) => name === BASELINE)
    .map((curve) => ({ ...curve, color: QUIET, dashed: true }));
  const drawn = progress.filter(({ name }) => name !== BASELINE).map((curve): Panel => ({
    title: curve.name,
    draw: (width) =>
      curves([{ ...curve, color: OWN }, ...baseline], {
        title: `Validation exact match of ${curve.name} by step`,
        x: { label: "step" },
        y: { label: "validation exact match", domain },
        width,
        height: 220,
        hover: true,
      }),
  }));
  return [{
    title: "On the way",
    body: html`<p>Exact match on validation data while each arm trains, the mean over seeds with its
      95 % interval; ${BASELINE} is dashed in each chart.</p>
      ${panels(drawn)}`,
  }];
}

/** The tables of a study, in order. */
const groups: Readonly<Record<ColumnGroup, string>> = {
  results: "On the test",
  elsewhere: "On other data, and of the answers",
  cost: "What it took",
};

/** The section with the tables of a study, each with its columns explained. */
function tableSection({ plan, results }: StudyRecord): PageSection {
  const rows = studyRows(plan, results);
  const columns = studyColumns(rows);
  const tables = Object.entries(groups).map(([group, title]) => {
    const own = columns.filter((column) => column.group === group);
    const [header = [], ...cells] = cellsOf(rows, own);
    if (own.length === 0) return html``;
    return html`<h3>${title}</h3>
      ${table({ header, rows: cells })}
      ${terms(own.map(({ title, meaning }) => [title, `${meaning}.`]))}`;
  });
  return { title: "The table", body: html`${tables}` };
}

/** A probability with a bar of its length, and the token that the model would say in its place. */
function chanceCell({ chance, own, ownChance }: Belief, token: string): Html {
  const said = token === own ? "" : html`
    <small>(${verbatim(own)} ${ownChance.toFixed(2)})</small>
  `;
  const shown = chance.toFixed(2);
  return html`<span class="chance" style="--p:${shown}">${shown}</span>${said}`;
}

/** The section with each model's probability of each token of an answer, and its likeliest token. */
function beliefSection(beliefs: Beliefs | undefined): readonly PageSection[] {
  if (beliefs === undefined) return [];
  const { prompt, answer, answeredBy, tokens, rows } = beliefs;
  const kind = answeredBy === undefined ? "a right answer" : `an answer of ${answeredBy}`;
  return [{
    title: "What the models believe",
    body: html`<p>The prompt is <code>${prompt}</code>, ${kind} <code>${answer}</code>. Each column
      is a token of it: how likely the model holds it after the tokens before it, and in brackets
      the token that it would say in its place. That token is what the temporal residual of IFT
      mixes into the next state; SFT goes on as if it had said the right one. The arms are the
      checkpoint, more SFT, and those that won.</p>
      ${
      table({
        header: ["", ...tokens.map(verbatim)],
        rows: rows.map(({ arm, beliefs }) => [
          arm,
          ...beliefs.map((belief, i) => chanceCell(belief, tokens[i] ?? "")),
        ]),
      })
    }`,
  }];
}

/** The different answers to a prompt, each with the arms that gave it. */
function answerCell(answers: readonly ArmAnswer[]): readonly Html[] {
  return [...Map.groupBy(answers, ({ answer }) => answer)].map(([answer, own], i) => {
    const arms = own.map(({ arm }) => arm).join(", ");
    const isRight = own.some(({ isRight }) => isRight);
    return html`${i === 0 ? "" : html`<br>`}${judged(answer, isRight)} <small>${arms}</small>`;
  });
}

/** The section with answers of all arms to the same questions. */
function answerSection({ answers, plan }: StudyRecord): readonly PageSection[] {
  if (answers.length === 0) return [];
  const rows = [...Map.groupBy(answers, ({ prompt }) => prompt)].map(([prompt, own]) => [
    verbatim(prompt),
    verbatim(own[0]?.gold ?? ""),
    answerCell(own.filter(({ isRight }) => isRight)),
    answerCell(own.filter(({ isRight }) => !isRight)),
  ]);
  return [{
    title: "Answers side by side",
    body: textTable({
      header: ["prompt", "gold", "right", "wrong"],
      rows,
      caption: `Greedy answers of seed ${seedsOf(plan)[0]} to validation prompts.`,
    }),
  }];
}

/** The names of the measures of a study. */
function measuresOf({ results }: StudyResults): readonly string[] {
  return [...new Set(results.flatMap(({ measures }) => Object.keys(measures)))];
}

/**
 * The page of a study.
 *
 * @param record What it shows.
 * @returns The text of the HTML file.
 */
export function studyRecordPage(record: StudyRecord): string {
  const { command, plan, results, beliefs } = record;
  const [first = "", ...others] = verdictOf(studyRows(plan, results));
  const baseline = estimateOf([...measuresBySeed(results, BASELINE, "exact_match").values()]);
  const remarks = studyRemarks(plan, results);
  return page({
    title: "SFT, RLHF and IFT on the same data",
    lead: html`<p class="verdict">${first}</p>
      ${others.map((sentence) => html`<p>${sentence}</p>\n`)}
      <p class="quiet">Further SFT ends at an exact match of ${
      baseline.mean.toFixed(3)
    }. Differences
      from it are taken seed by seed; intervals are Student's, 95 %. ${plan.arms.length} ways to go
      on from one undertrained model, ${plan.seeds} seeds; made by <code>${command}</code>.</p>`,
    sections: [
      differenceSection(record),
      ...progressSection(record),
      tableSection(record),
      {
        title: "What it says",
        body: html`<ul>${remarks.map((remark) => html`<li>${remark}</li>\n`)}</ul>`,
      },
      ...beliefSection(beliefs),
      ...answerSection(record),
      metricsSection(measuresOf(results)),
    ],
  });
}

/**
 * Writes the page of a study.
 *
 * @param content The study.
 * @returns The text of the HTML file.
 * @throws {UserError} If a file of the study cannot be read, or the prompt cannot be encoded.
 */
export async function studyPage(content: StudyPageContent): Promise<string> {
  const { folder, command, plan, results } = content;
  const trained = plan.arms.map(({ name }) => name);
  const progress = await Promise.all(trained.map((arm) => progressOf(folder, results, arm)));
  const answers = await Promise.all(
    [BASE, ...trained].map((arm) => answersOf(folder, results, arm)),
  );
  const beliefs = await readBeliefs(content);
  return studyRecordPage({ command, plan, results, progress, beliefs, answers: answers.flat() });
}
