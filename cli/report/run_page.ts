/**
 * The page of a run: curves of its metrics, evaluations before and after, and answers.
 *
 * @module
 */

import { basename } from "node:path";
import { meaningOf, metricsSection } from "./glossary.ts";
import { mainMetrics } from "./summary.ts";
import { figure, html, page, type PageSection, table, verbatim } from "./page.ts";
import { type Curve, curves } from "./plot.ts";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
import { readRunConfig, type RunConfig } from "../run/run_config.ts";
import { runPaths } from "../run/run_paths.ts";

const numberIn = (line: JsonLine, name: string): number | undefined => {
  const value = line[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
};

/** A stage, which has the steps after `begin` up to `end`. */
interface StageSpan {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/** The stages of a run; none if the run has only one. */
function spansOf({ settings }: RunConfig): readonly StageSpan[] {
  const stages = [settings].flat();
  if (stages.length === 1) return [];
  let begin = 0;
  return stages.map(({ objective, steps }): StageSpan => {
    const end = begin + Number(steps);
    const span = { name: String(objective), begin, end };
    begin = end;
    return span;
  });
}

/** A figure: some metrics over steps. */
interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly metrics: readonly string[];
}

const charts: readonly Chart[] = [
  { title: "Loss", unit: "loss", metrics: ["loss"] },
  { title: "Prediction", unit: "nats a token", metrics: ["nll", "entropy"] },
  { title: "Agreement with the teacher", unit: "share", metrics: ["teacher_agreement"] },
  { title: "Rewards of answers", unit: "reward", metrics: ["reward", "reward_std"] },
  { title: "Distance from the reference", unit: "nats a token", metrics: ["kl"] },
  {
    title: "Implicit rewards",
    unit: "reward",
    metrics: ["rewards/chosen", "rewards/rejected", "rewards/margins"],
  },
  {
    title: "Log-probabilities of answers",
    unit: "nats an answer",
    metrics: ["logps/chosen", "logps/rejected"],
  },
  { title: "Length of answers", unit: "tokens", metrics: ["completions/mean_length"] },
  { title: "Gradient", unit: "norm", metrics: ["grad_norm"] },
];

function curveOf(lines: readonly JsonLine[], metric: string, name = metric): Curve {
  return {
    name,
    points: lines.flatMap((line) => {
      const [x, y] = [numberIn(line, "step"), numberIn(line, metric)];
      return x === undefined || y === undefined ? [] : [{ x, y }];
    }),
  };
}

/** Adds gaps between stages to a curve, since their objectives differ. */
function inStages({ points, ...curve }: Curve, spans: readonly StageSpan[]): Curve {
  const stageOf = (x: number) => spans.findIndex(({ end }) => x <= end);
  const parted = points.flatMap((point, i) => {
    const before = points[i - 1];
    return before === undefined || stageOf(before.x) === stageOf(point.x)
      ? [point]
      : [{ x: point.x, y: NaN }, point];
  });
  return { ...curve, points: parted };
}

function chartSection(
  { title, unit, metrics }: Chart,
  lines: readonly JsonLine[],
  spans: readonly StageSpan[],
): PageSection[] {
  const drawn = metrics.map((metric) => curveOf(lines, metric))
    .filter(({ points }) => points.length > 1);
  if (drawn.length === 0) return [];
  const measured = drawn.flatMap(({ points }) => points.map(({ x }) => x));
  // Only the stages that have the metric.
  const own = spans.filter(({ begin, end }) => measured.some((x) => begin < x && x <= end));
  const meanings = drawn.map(({ name }, i) =>
    html`${i === 0 ? "" : html`<br>`}<code>${name}</code>: ${meaningOf(name)?.meaning ?? ""}.`
  );
  return [{
    title,
    body: figure(
      (width) =>
        curves(drawn.map((curve) => inStages(curve, spans)), {
          title,
          x: { label: "step" },
          y: { label: unit },
          width,
          beginnings: own.map(({ name, begin }) => ({ value: begin, label: name })),
        }),
      meanings,
    ),
  }];
}

/** The section with exact match of each split, if answers were judged. */
function matchSection(
  evaluations: readonly JsonLine[],
  spans: readonly StageSpan[],
): PageSection[] {
  const metric = "eval_exact_match";
  const splits = [...new Set(evaluations.map(({ split }) => String(split)))];
  const drawn = splits
    .map((name) => curveOf(evaluations.filter(({ split }) => split === name), metric, name))
    .filter(({ points }) => points.length > 1);
  if (drawn.length === 0) return [];
  return [{
    title: "Exact match",
    body: figure(
      (width) =>
        curves(drawn, {
          title: "Exact match",
          x: { label: "step" },
          y: { label: "exact match", domain: [0, 1] },
          width,
          beginnings: spans.map(({ name, begin }) => ({ value: begin, label: name })),
        }),
      "Answers given freely and greedily that are right",
    ),
  }];
}

/** The section with the metrics of every split before training and after each finished stage. */
function splitSection(
  evaluations: readonly JsonLine[],
  spans: readonly StageSpan[],
): PageSection {
  const shown = mainMetrics.filter(({ metric }) => evaluations.some((line) => metric in line));
  const splits = [...new Set(evaluations.map(({ split }) => String(split)))];
  const rows = splits.flatMap((name) => {
    const own = evaluations.filter(({ split }) => split === name);
    const last = own.at(-1)?.step;
    const shownSteps = [0, ...spans.map(({ end }) => end), last];
    return own.filter(({ step }) => shownSteps.some((one) => one === step)).map((line) => {
      const stage = spans.find(({ end }) => end === line.step);
      return [
        `${name}, step ${line.step}${stage === undefined ? "" : `, after ${stage.name}`}`,
        ...shown.map(({ metric, digits }) => numberIn(line, metric)?.toFixed(digits) ?? ""),
      ];
    });
  });
  return {
    title: "Before and after",
    body: table({ header: ["", ...shown.map((column) => column.title)], rows }),
  };
}

/** The section with answers of the first and the last evaluation, side by side. */
function answerSection(samples: readonly JsonLine[]): PageSection[] {
  const judged = samples.filter(({ split }) => split !== "rollouts");
  const [first, last] = [judged.at(0)?.step, judged.at(-1)?.step];
  const at = (step: unknown) => judged.filter((line) => line.step === step);
  const mark = ({ answer, right }: JsonLine) =>
    html`${verbatim(String(answer))}${right === undefined ? "" : right === true ? " ✓" : " ✗"}`;
  const rows = at(last).map((line) => {
    const before = at(first).find(({ prompt, split }) =>
      prompt === line.prompt && split === line.split
    );
    return [
      verbatim(String(line.prompt)),
      verbatim(String(line.gold)),
      before === undefined ? "" : mark(before),
      mark(line),
    ];
  });
  if (rows.length === 0) return [];
  return [{
    title: "Answers",
    body: table({ header: ["prompt", "gold", `step ${first}`, `step ${last}`], rows }),
  }];
}

/** The section with the latest sampled answers and their rewards. */
function rolloutSection(samples: readonly JsonLine[]): PageSection[] {
  const sampled = samples.filter(({ split }) => split === "rollouts").slice(-12);
  if (sampled.length === 0) return [];
  return [{
    title: "Rewarded answers",
    body: table({
      header: ["prompt", "answer", "reward", "step"],
      rows: sampled.map(({ prompt, answer, reward, step }) => [
        verbatim(String(prompt)),
        verbatim(String(answer)),
        typeof reward === "number" ? reward.toFixed(2) : "unscorable",
        String(step),
      ]),
    }),
  }];
}

/**
 * Writes the page of a run.
 *
 * @param folder The folder of the run.
 * @returns The text of the HTML file.
 * @throws {UserError} If the run's files cannot be read.
 */
export async function runPage(folder: string): Promise<string> {
  const paths = runPaths(folder);
  const spans = spansOf(await readRunConfig(folder));
  const metrics = await readJsonLines(paths.metrics);
  const samples = await readJsonLines(paths.samples);
  const evaluations = metrics.filter((line) => "split" in line);
  const steps = metrics.filter((line) => !("split" in line));
  const named = [...new Set(metrics.flatMap((line) => Object.keys(line)))]
    .filter((name) => !["step", "stage", "split"].includes(name));
  const last = steps.at(-1);
  const stages = spans.map(({ name }) => name).join(", then ");
  const parts = stages === "" ? "" : `in the stages ${stages}, `;
  return page({
    title: basename(folder) || folder,
    lead: html`<p>A run of ${
      String(last?.step ?? 0)
    } steps, ${parts}in <code>${folder}</code>.</p>`,
    sections: [
      ...matchSection(evaluations, spans),
      splitSection(evaluations, spans),
      ...charts.flatMap((chart) => chartSection(chart, steps, spans)),
      ...answerSection(samples),
      ...rolloutSection(samples),
      metricsSection(named),
    ],
  });
}
