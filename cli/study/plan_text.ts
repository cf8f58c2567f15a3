/**
 * A study's plan as a text: what is trained, tried, chosen by and claimed, before anything is.
 *
 * @module
 */

import type { GivenSettings } from "@unitune/training";
import { listed } from "../flags/words.ts";
import { type Arm, gridOf } from "./arms.ts";
import { claimText } from "./claims.ts";
import { planDigest } from "./plan.ts";
import { countTrials, seedsOf, type StudyPlan } from "./plan.ts";
import { type PrimaryMeasure, primaryOf } from "./primary.ts";
import { markdownTable } from "./table.ts";

/** Settings in words: `objective ift, gamma 0.5`. */
function settingsText(settings: GivenSettings): string {
  return Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ");
}

/** The stages of an arm in words. */
function stagesText({ before = [], settings }: Arm): string {
  const earlier = before.map(({ share, settings }) =>
    `${100 * share} % of the budget: ${settingsText(settings)}`
  );
  return [...earlier, settingsText(settings)].join("; then ");
}

/** A measure, and which of its values are better. */
function measureText({ measure, isLess }: PrimaryMeasure): string {
  return `${measure}, of which ${isLess ? "less" : "more"} is better`;
}

/** The files that settings name, with what is known of them. */
function filesText(files: Readonly<Record<string, string>>): string {
  const own = Object.entries(files).map(([path, digest]) => `\`${path}\` (SHA-256 \`${digest}\`)`);
  return `Files: ${listed(own)}.`;
}

/**
 * The plan in Markdown.
 *
 * @param plan The plan.
 * @returns Its digest, and tables of its arms, helpers and claims.
 */
export function planMarkdown(plan: StudyPlan): string {
  const { arms, helpers, claims = [], rates, isWholeGrid, selectionSeeds, base, shared } = plan;
  const seeds = seedsOf(plan);
  const range = (of: readonly number[]) => [...new Set([of.at(0), of.at(-1)])].join(" to ");
  const { primary, files } = plan;
  const { tokenBudget } = shared;
  return [
    `Digest of the plan: \`${planDigest(plan)}\``,
    "",
    `Seeds: ${range(seeds)}${
      plan.tasks === undefined ? "" : `, which have the tasks ${plan.tasks.join(", ")} in turn`
    }. Settings are chosen on validation data of seeds ${
      range(seeds.slice(0, selectionSeeds))
    }. Answers to a test question: ${plan.samples} sampled, one greedy.${
      plan.probed === undefined ? "" : ` Exposure is measured by ${plan.probed} of the questions.`
    }${
      plan.projected === undefined
        ? ""
        : ` Gradients are compared on ${plan.projected} of them, at the checkpoint.`
    } Trials: at most ${countTrials(plan)}.`,
    "",
    ...primary === undefined
      ? []
      : [`The study is decided by ${measureText(primaryOf(plan))}.`, ""],
    ...files === undefined ? [] : [filesText(files), ""],
    `Checkpoint: ${settingsText(base)}.`,
    "",
    `All arms: ${settingsText(shared)}.`,
    "",
    markdownTable([
      ["arm", "what it is", "settings", "learning rates", "seeds"],
      ...arms.map((arm) => [
        arm.name,
        arm.about,
        stagesText(arm),
        gridOf(arm, rates, isWholeGrid).map(({ settings }) => settings.learningRate).join(", "),
        String(arm.seeds ?? plan.seeds),
      ]),
    ]),
    "",
    ...helpers.map((helper) =>
      `Beside the arms: ${helper.name}, ${helper.about} (${settingsText(helper.settings)}).`
    ),
    "",
    ...claims.length === 0 ? [] : [
      markdownTable([
        ["claim", "measure", "what it would mean"],
        ...claims.map(({ measure, meaning, ...claim }) => [
          claimText(claim),
          measure,
          meaning,
        ]),
      ]),
      "",
    ],
    ...tokenBudget === undefined ? [] : [
      `Every arm ends with the step that brings its cost to ${tokenBudget} tokens: those that any ` +
      `model reads or writes, and twice those with a gradient.${
        helpers.length === 0
          ? ""
          : ` ${listed(helpers.map(({ name }) => name))} costs extra, and is reported beside.`
      }`,
      "",
    ],
  ].join("\n");
}
