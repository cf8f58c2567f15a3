/**
 * The page of a run: its settings and data, its results before and after, curves of its metrics
 * with its evaluations, and answers.
 *
 * @module
 */

import { basename } from "node:path";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
import { readRunConfig, type RunConfig } from "../run/run_config.ts";
import { runPaths } from "../run/run_paths.ts";
import { metricsSection } from "./glossary.ts";
import { html, page, type PageSection, table } from "./page.ts";
import type { LivePage } from "./live.ts";
import { answerSection, rolloutSection } from "./run_answers.ts";
import { curvesSection, matchSection, type Measured } from "./run_curves.ts";
import { settingsSection } from "./run_settings.ts";
import {
  evaluationsIn,
  kindCells,
  mainCells,
  type Moment,
  momentsOf,
  spansOf,
  type StageSettings,
  stepsIn,
  type TableCells,
} from "./summary.ts";

/** What the page of a run shows. */
export interface RunRecord {
  /** The folder of the run. */
  readonly folder: string;
  /** The configuration. */
  readonly config: RunConfig;
  /** The lines of `metrics.jsonl`. */
  readonly metrics: readonly JsonLine[];
  /** The lines of `samples.jsonl`. */
  readonly samples: readonly JsonLine[];
}

/**
 * Reads what the page of a run shows.
 *
 * @param folder The folder of the run.
 * @returns The record of the run.
 * @throws {UserError} If the run's files cannot be read.
 */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  const paths = runPaths(folder);
  return {
    folder,
    config: await readRunConfig(folder),
    metrics: await readJsonLines(paths.metrics),
    samples: await readJsonLines(paths.samples),
  };
}

/** The objective and the number of steps of each stage. */
function stagesOf({ settings }: RunConfig): readonly StageSettings[] {
  return [settings].flat().map(({ objective, steps }) => ({
    objective: { name: String(objective) },
    steps: Number(steps),
  }));
}

/** How far a run is, in steps. */
export interface Extent {
  /** The last step that was logged or evaluated. */
  readonly done: number;
  /** The number of steps of all stages. */
  readonly total: number;
}

/**
 * How far a run is.
 *
 * @param record The record of the run.
 * @returns The last step in its record, and the number of its steps.
 *
 * @example
 * ```ts
 * import { extentOf } from "./run_page.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const metrics = [{ step: 0, split: "held-out" }, { step: 8, loss: 1 }];
 * const settings = [{ objective: "sft", steps: 10 }, { objective: "dpo", steps: 5 }];
 * assertEquals(extentOf({ config: { settings }, metrics }), { done: 8, total: 15 });
 * ```
 */
export function extentOf(
  { config: { settings }, metrics }: {
    readonly config: Pick<RunConfig, "settings">;
    readonly metrics: readonly JsonLine[];
  },
): Extent {
  const steps = metrics.flatMap(({ step }) => typeof step === "number" ? [step] : []);
  return {
    done: steps.reduce((most, step) => Math.max(most, step), 0),
    total: [settings].flat().reduce((total, { steps }) => total + Number(steps), 0),
  };
}

/** The moments of a run's tables: its start, the ends of its stages, and the latest evaluation. */
function momentsUpTo(
  stages: readonly StageSettings[],
  evaluations: Measured["evaluations"],
): readonly Moment[] {
  const moments = momentsOf(stages);
  const step = evaluations.at(-1)?.step;
  const isKnown = step === undefined || moments.some((moment) => moment.step === step);
  return isKnown ? moments : [...moments, { step, name: `at step ${step}` }];
}

/** The section with the metrics of every split, before training and after each finished stage. */
function resultSection(
  evaluations: Measured["evaluations"],
  moments: readonly Moment[],
): readonly PageSection[] {
  const tables = [mainCells(evaluations, moments), kindCells(evaluations, moments)]
    .flatMap(([header, ...rows]: TableCells) =>
      header === undefined ? [] : [table({ header, rows })]
    );
  return tables.length === 0 ? [] : [{ title: "Before and after", body: html`${tables}` }];
}

/**
 * The page of a run.
 *
 * @param record The record of the run.
 * @returns The text of the HTML file.
 */
export function runRecordPage(record: RunRecord): string {
  const { folder, config, metrics, samples } = record;
  const stages = stagesOf(config);
  const spans = spansOf(stages);
  const names = spans.map(({ name }) => name);
  const evaluations = evaluationsIn(metrics);
  const measured = {
    steps: stepsIn(metrics),
    evaluations,
    spans: stages.length === 1 ? [] : spans,
  };
  const logged = [...new Set(metrics.flatMap((line) => Object.keys(line)))]
    .filter((name) => !["step", "stage", "split"].includes(name));
  const { done, total } = extentOf(record);
  const extent = done < total ? `${done} of ${total} steps so far` : `${done} steps`;
  return page({
    title: basename(folder) || folder,
    lead: html`<p>A run of ${names.join(", then ")}: ${extent}, in <code>${folder}</code>.</p>`,
    sections: [
      settingsSection(folder, config, names),
      ...resultSection(evaluations, momentsUpTo(stages, evaluations)),
      ...matchSection(measured),
      ...curvesSection(measured),
      ...answerSection(samples),
      ...rolloutSection(samples),
      metricsSection(logged),
    ],
  });
}

/**
 * Writes the page of a run.
 *
 * @param folder The folder of the run.
 * @returns The text of the HTML file.
 * @throws {UserError} If the run's files cannot be read.
 */
export async function runPage(folder: string): Promise<string> {
  return runRecordPage(await readRunRecord(folder));
}

/**
 * The page of a run as it is now.
 *
 * @param folder The folder of the run.
 * @returns The page; it is final after the last step.
 * @throws {UserError} If the run's files cannot be read.
 */
export async function liveRunPage(folder: string): Promise<LivePage> {
  const record = await readRunRecord(folder);
  const { done, total } = extentOf(record);
  return { page: runRecordPage(record), isFinal: done >= total };
}
