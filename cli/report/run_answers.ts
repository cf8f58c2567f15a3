/**
 * The answers of a run as sections of its page: of the first and the last evaluation side by side,
 * and the latest that were rewarded.
 *
 * @module
 */

import type { JsonLine } from "../files/json_lines.ts";
import { type Html, html, type PageSection, textTable, verbatim } from "./page.ts";

/**
 * An answer with the mark of its verdict.
 *
 * @param answer The answer.
 * @param isRight Whether it is right; undefined if it was not judged.
 * @returns The markup.
 */
export function judged(answer: string, isRight: boolean | undefined): Html {
  const text = verbatim(answer);
  if (isRight === undefined) return text;
  return isRight
    ? html`${text} <span class="right">✓</span>`
    : html`${text} <span class="wrong">✗</span>`;
}

/** The verdict in a line of `samples.jsonl`. */
function verdictIn({ right }: JsonLine): boolean | undefined {
  return typeof right === "boolean" ? right : undefined;
}

const ROLLOUTS = "rollouts";

/**
 * The section with the answers of the first and the last evaluation, side by side.
 *
 * @param samples The lines of `samples.jsonl`.
 * @returns The section; none without answers.
 */
export function answerSection(samples: readonly JsonLine[]): readonly PageSection[] {
  const evaluated = samples.filter(({ split }) => split !== ROLLOUTS);
  const [first, last] = [evaluated.at(0)?.step, evaluated.at(-1)?.step];
  const at = (step: unknown) => evaluated.filter((line) => line.step === step);
  const said = (line: JsonLine) => judged(String(line.answer), verdictIn(line));
  const isOnce = first === last;
  const rows = at(last).map((line) => {
    const before = isOnce
      ? undefined
      : at(first).find(({ prompt, split }) => prompt === line.prompt && split === line.split);
    return [
      String(line.split),
      verbatim(String(line.prompt)),
      verbatim(String(line.gold)),
      ...isOnce ? [] : [before === undefined ? "" : said(before)],
      said(line),
    ];
  });
  if (rows.length === 0) return [];
  const steps = [...new Set([first, last])].map((step) => `step ${step}`);
  return [{
    title: "Answers",
    body: textTable({ header: ["split", "prompt", "gold", ...steps], rows }),
  }];
}

/** The most rewarded answers that are shown. */
const SHOWN = 12;

/**
 * The section with the latest sampled answers and their rewards.
 *
 * @param samples The lines of `samples.jsonl`.
 * @returns The section; none without such answers.
 */
export function rolloutSection(samples: readonly JsonLine[]): readonly PageSection[] {
  const sampled = samples.filter(({ split }) => split === ROLLOUTS).slice(-SHOWN);
  if (sampled.length === 0) return [];
  return [{
    title: "Rewarded answers",
    body: textTable({
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
