/**
 * The page of a study: its outcome in words, differences between arms with their intervals, curves,
 * tables, the models' predictions token by token, and answers.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { shortened } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
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
import type { LivePage } from "../report/live.ts";
import { type Curve, curves, intervals } from "../report/plot.ts";
import { judged } from "../report/run_answers.ts";
import { openDevice } from "../run/devices.ts";
import { runPaths } from "../run/run_paths.ts";
import { BASE, BASELINE } from "./arms.ts";
import { type Belief, type Beliefs, readBeliefs } from "./beliefs.ts";
import { claimCells, claimNote, claimText, judgedClaims } from "./claims.ts";
import { mechanismTables } from "./mechanism.ts";
import { planDigest, seedsOf, validationSplit } from "./plan.ts";
import { primaryOf } from "./primary.ts";
import { progressOf } from "./progress.ts";
import { meanOf, pairedDifference } from "./statistics.ts";
import { readUnfinished, type Standing } from "./standing.ts";
import { chosenResults, measuresBySeed, type StudyResults } from "./results.ts";
import { isStudyFinished, readStudy, type SavedStudy } from "./saved_study.ts";
import {
  cellsOf,
  type ColumnGroup,
  showPoint,
  studyColumns,
  studyRemarks,
  studyRows,
} from "./table.ts";
import { verdictOf } from "./verdict.ts";

/** The study whose page is written. */
export interface StudyPageContent extends SavedStudy {
  /** The study's folder. */
  readonly folder: string;
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
export interface StudyRecord extends SavedStudy {
  /** How far the study is; undefined if it is finished. */
  readonly standing?: Standing | undefined;
  /** A metric of validation data of each arm over steps, the mean over seeds with its interval. */
  readonly progress: readonly Curve[];
  /** What the models predict; undefined if there is no question. */
  readonly beliefs: Beliefs | undefined;
  /** Greedy answers to validation prompts. */
  readonly answers: readonly ArmAnswer[];
}

/**
 * The greedy answers of an arm on the first seed to validation prompts: those at its end, and those at
 * its start, which are of the checkpoint.
 */
async function answersOf(
  folder: string,
  { plan, results }: Pick<StudyRecord, "plan" | "results">,
  arm: string,
): Promise<readonly ArmAnswer[]> {
  const [ofSeed] = seedsOf(plan);
  const run = chosenResults(results, arm).find(({ seed }) => seed === ofSeed);
  if (run === undefined) return [];
  const lines = (await readJsonLines(runPaths(`${folder}/${run.run}`).samples))
    .filter(({ split }) => split === validationSplit(plan));
  const at = (moment: JsonLine | undefined, name: string) =>
    lines.flatMap(({ step, prompt, gold, answer, right }) =>
      step === moment?.step && typeof prompt === "string" && typeof gold === "string" &&
        typeof answer === "string"
        ? [{ arm: name, prompt, gold, answer, isRight: right === true }]
        : []
    );
  return [...at(lines.at(0), BASE), ...at(lines.at(-1), arm)];
}

/** Answers without those that an arm has given to the same prompt before. */
function distinct(answers: readonly ArmAnswer[]): readonly ArmAnswer[] {
  const byArm = Map.groupBy(answers, ({ arm, prompt }) => JSON.stringify([arm, prompt]));
  return [...byArm.values()].flatMap((own) => own.slice(0, 1));
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
  const { drawn, noun } = primaryOf(record.plan);
  const series = drawn.map(({ measure, name }) => ({ name, rows: differences(record, measure) }));
  return {
    title: "Differences from more SFT",
    body: figure(
      (width) =>
        intervals(series, {
          title: `${capitalized(noun)} less that of further SFT`,
          x: { label: `${noun} less that of further SFT` },
          reference: { value: 0, label: "SFT" },
          width,
        }),
      `Test ${noun} less that of further SFT, the mean over seeds and its 95 % interval.`,
    ),
  };
}

const capitalized = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** The colours of an arm and of further supervised training beside it. */
const [OWN, QUIET] = [0, 7] as const;

/**
 * The range of the values of curves and of their bands.
 *
 * @param curves The curves.
 * @param isFraction Whether values are fractions: then what is beyond 0 and 1 counts as 0 and 1.
 * @returns The least and the greatest of them; undefined if there are none.
 */
export function rangeOf(
  curves: readonly Curve[],
  isFraction: boolean,
): readonly [number, number] | undefined {
  const values = curves.flatMap(({ points }) => points)
    .flatMap(({ y, low = y, high = y }) => [y, low, high]).filter(Number.isFinite)
    // An interval of few seeds may go beyond what a fraction can be.
    .map((value) => isFraction ? Math.min(Math.max(value, 0), 1) : value);
  if (values.length === 0) return undefined;
  return values.reduce<readonly [number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

/** The section with a small chart for each arm, beside further supervised training. */
function progressSection({ progress, plan }: StudyRecord): readonly PageSection[] {
  const { curve: { noun, isFraction } } = primaryOf(plan);
  const domain = rangeOf(progress, isFraction);
  if (domain === undefined) return [];
  const unit = plan.shared.tokenBudget === undefined ? "step" : "million tokens";
  const baseline = progress.filter(({ name }) => name === BASELINE)
    .map((curve) => ({ ...curve, color: QUIET, dashed: true }));
  const drawn = progress.filter(({ name }) => name !== BASELINE).map((curve): Panel => ({
    title: curve.name,
    draw: (width) =>
      curves([{ ...curve, color: OWN }, ...baseline], {
        title: `Validation ${noun} of ${curve.name} by ${unit}`,
        x: { label: unit },
        y: { label: `validation ${noun}`, domain },
        width,
        height: 220,
        hover: true,
      }),
  }));
  return [{
    title: "On the way",
    body: html`<p>${
      capitalized(noun)
    } on validation data while each arm trains, the mean over seeds with its
      95 % interval; ${BASELINE} is dashed in each chart.</p>
      ${panels(drawn)}`,
  }];
}

/** The tables of a study, in order. */
const groups: Readonly<Record<ColumnGroup, string>> = {
  results: "On the test",
  exposure: "Gold states and own states",
  elsewhere: "On other data, and of the answers",
  cost: "What it took",
};

/** The section with the tables of a study, each with its columns explained. */
function tableSection({ plan, results }: StudyRecord): PageSection {
  const rows = studyRows(plan, results);
  const columns = studyColumns(rows, primaryOf(plan));
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

/** The section with the tables of the mechanism. */
function mechanismSection({ plan, results }: StudyRecord): readonly PageSection[] {
  const tables = mechanismTables(plan, results).map((
    { title, cells: [header = [], ...rows], note },
  ) =>
    html`<h3>${title}</h3>
      ${table({ header, rows })}
      <p>${note}</p>`
  );
  return tables.length === 0 ? [] : [{ title: "Why", body: html`${tables}` }];
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
    body: html`<p>The prompt is ${verbatim(prompt)}, ${kind} ${verbatim(answer)}. Each column
      is a token of it: how likely the model holds it after the tokens before it, and in brackets
      the token that it would say in its place. That token is what the temporal residual of IFT
      mixes into the next state; SFT goes on as if it had said the right one. The models are the
      checkpoint, more SFT, and the best of the other arms.</p>
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

/** The most characters of an answer that are shown. */
const MOST_CHARACTERS = 240;

/** The different answers to a prompt, each with the arms that gave it; long ones are cut. */
function answerCell(answers: readonly ArmAnswer[]): readonly Html[] {
  return [...Map.groupBy(answers, ({ answer }) => answer)].map(([answer, own], i) => {
    const arms = own.map(({ arm }) => arm).join(", ");
    const isRight = own.some(({ isRight }) => isRight);
    const shown = judged(shortened(answer, MOST_CHARACTERS), isRight);
    return html`${i === 0 ? "" : html`<br>`}${shown} <small>${arms}</small>`;
  });
}

/** The most prompts whose answers are shown. */
const MOST_PROMPTS = 12;

/** The section with answers of all arms to the same questions: those that most arms have answered. */
function answerSection({ answers, plan }: StudyRecord): readonly PageSection[] {
  if (answers.length === 0) return [];
  const byPrompt = [...Map.groupBy(answers, ({ prompt }) => prompt)]
    .toSorted(([, a], [, b]) => b.length - a.length).slice(0, MOST_PROMPTS);
  const rows = byPrompt.map(([prompt, own]) => [
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
      caption:
        `Greedy answers of seed ${seedsOf(plan)[0]} to validation prompts. Of long ones, the ` +
        `beginning is shown.`,
    }),
  }];
}

/** The section with the trials that were begun in a study that is not finished. */
function begunSection(standing: Standing | undefined): readonly PageSection[] {
  if (standing === undefined || standing.begun.length === 0) return [];
  return [{
    title: "Under way",
    body: table({
      header: ["arm", "seed", "step", "settings"],
      rows: standing.begun.map(({ arm, point, seed, step, steps }) => [
        ...[arm, seed, `${step} of ${steps}`, showPoint(point)],
      ]),
    }),
  }];
}

/** How far a study is that is not finished. */
function extentText({ measured, most }: Standing): Html {
  return html`<p class="verdict">So far, ${measured} trials are measured, of at most ${most}. The
    settings of each arm are the best of those that were.</p>`;
}

/** The section with sentences beside the table. */
function remarkSection(remarks: readonly string[]): readonly PageSection[] {
  if (remarks.length === 0) return [];
  const items = remarks.map((remark) => html`<li>${remark}</li>\n`);
  return [{ title: "Beside the table", body: html`<ul>${items}</ul>` }];
}

/** The section with what the study claimed before it began, and what came of it. */
function claimSection({ plan, results }: StudyRecord): readonly PageSection[] {
  const claims = judgedClaims(plan, results);
  if (claims.length === 0) return [];
  const [header = [], ...rows] = claimCells(claims);
  const meanings = claims.map(({ meaning, measure, ...claim }): [string, string] => [
    `${claimText(claim)}, ${measure}`,
    `${meaning}.`,
  ]);
  return [{
    title: "What was claimed beforehand",
    body: html`${table({ header, rows })}
      <p>${claimNote(plan)}</p>
      ${terms(meanings)}
      <p class="quiet">The digest of the plan is <code>${planDigest(plan)}</code>.</p>`,
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
  const { command, plan, results, beliefs, standing } = record;
  const isFinished = standing === undefined;
  const [first = "", ...others] = verdictOf(
    studyRows(plan, results),
    { isFinished, primary: primaryOf(plan) },
  );
  const { measure, noun } = primaryOf(plan);
  const baseline = [...measuresBySeed(results, BASELINE, measure).values()];
  return page({
    title: plan.title ?? "SFT, RLHF and IFT on the same data",
    lead: html`${isFinished ? [] : extentText(standing)}<p class="verdict">${first}</p>
      ${others.map((sentence) => html`<p>${sentence}</p>\n`)}
      <p class="quiet">${
      baseline.length === 0 ? "" : `The ${noun} of further SFT is ${meanOf(baseline).toFixed(3)}. `
    }Differences
      from it are taken seed by seed; intervals are Student's, 95 %. ${plan.arms.length} ways to go
      on from one undertrained model, ${plan.seeds} seeds; made by <code>${command}</code>.</p>`,
    sections: [
      ...begunSection(standing),
      ...isFinished ? claimSection(record) : [],
      differenceSection(record),
      ...progressSection(record),
      tableSection(record),
      ...mechanismSection(record),
      ...remarkSection(studyRemarks(plan, results)),
      ...beliefSection(beliefs),
      ...answerSection(record),
      metricsSection(measuresOf(results)),
    ],
  });
}

/** Reads the curves and answers of a study. */
async function readRuns(
  folder: string,
  { plan, results }: SavedStudy,
): Promise<Pick<StudyRecord, "progress" | "answers">> {
  const trained = plan.arms.map(({ name }) => name);
  const progress = await Promise.all(trained.map((arm) => progressOf(folder, plan, results, arm)));
  const answers = await Promise.all(
    trained.map((arm) => answersOf(folder, { plan, results }, arm)),
  );
  return { progress, answers: distinct(answers.flat()) };
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
  // Curves, answers and predictions are of the runs in the folder; others have only their measures.
  const there = await Promise.all(results.results.map(({ run }) => isThere(`${folder}/${run}`)));
  const own = { ...results, results: results.results.filter((_, i) => there[i]) };
  const beliefs = await readBeliefs({ ...content, results: own });
  return studyRecordPage({
    ...{ command, plan, results, beliefs },
    ...await readRuns(folder, { command, plan, results: own }),
  });
}

/**
 * The page of a study as it is now. One that is not finished has no predictions: the arms that won
 * are not known yet.
 *
 * @param folder The folder of the study.
 * @param prompt The prompt for the predictions (default: a question of the test).
 * @returns The page; it is final when the study is finished.
 * @throws {UserError} If a file of the study cannot be read, or the prompt cannot be encoded.
 */
export async function liveStudyPage(folder: string, prompt?: string): Promise<LivePage> {
  if (!await isStudyFinished(folder)) {
    const study = await readUnfinished(folder);
    const record = { ...study, beliefs: undefined, ...await readRuns(folder, study) };
    return { page: studyRecordPage(record), isFinal: false };
  }
  using device = await openDevice("wasm");
  const study = await readStudy(folder);
  const page = await studyPage({ folder, device, ...study, ...prompt !== undefined && { prompt } });
  return { page, isFinal: true };
}
