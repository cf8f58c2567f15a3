/**
 * Answers that somebody liked or did not: what a stage on labels trains on.
 *
 * @module
 */

import { inRandomOrder } from "../data/batches.ts";
import {
  dataOf,
  type EncodedLabel,
  type EncodedPair,
  type Example,
  labelsOf,
  pairsOf,
} from "../data/examples.ts";
import { answeredConversations, checkRows } from "../data/checks.ts";
import { matchedLabels, mismatchedAnswers } from "../data/mismatched.ts";
import { formLength, labelForm } from "../feeds/forms.ts";
import { fittedNotes, requireRows, trainingPairs } from "../data/material.ts";
import { offlineLearner } from "./offline.ts";
import { ownPairs } from "./pairs.ts";
import { entryOn, type KindRow, partsOf, type PreparedStage } from "./stage.ts";

/** Labels. */
export const labels: KindRow = {
  prepare(settings, material, { tokenizer, context, watch, source }) {
    const { dataset, examples } = material;
    requireRows(dataset, settings.objective.name, source);
    const check = (rows: readonly Example[]) =>
      checkRows(tokenizer, rows, { source, watch, conversations: answeredConversations });
    const begin = () => watch.begin({ doing: `encoding ${source}`, subject: source });
    const told = {
      ...{ validation: dataset.validation.length, objective: settings.objective.name, source },
    };
    if (dataset.kind === "labels") {
      const checks = check(examples.train);
      const rows = labelsOf(tokenizer, context, examples.train, { tell: begin() });
      const names = { what: "answers", header: "answers to train on" };
      return {
        notes: [...fittedNotes(rows, { ...told, ...names }), ...checks],
        data: { kind: "labels", train: rows.rows, pairs: [] },
      };
    }
    const { train } = trainingPairs(settings, examples, source);
    const checks = check(train.examples);
    const pairs = pairsOf(tokenizer, context, train.examples, { ...train, tell: begin() });
    return {
      notes: [
        ...fittedNotes(pairs, { ...told, what: "pairs", header: "pairs as labels" }),
        ...checks,
      ],
      data: { kind: "labels", train: [], pairs: pairs.rows },
    };
  },
  async learner(plan) {
    const { train, pairs: candidates } = dataOf(plan.prepared.data, "labels");
    const entry = entryOn(plan.settings.objective, "labels");
    const { context } = plan.model.config;
    const { pairs, cost, notes } = await ownPairs(plan, candidates);
    const { rows, truncated, total } = matchedLabels(labelledAnswers(train, pairs), context);
    const source = inRandomOrder(
      rows,
      partsOf(plan).seed,
      formLength(rows, labelForm, context),
    );
    const cut = truncated === 0 ? [] : [
      `${truncated} of ${total} mismatched answers, those to other prompts, exceed the context of ` +
      `${context} tokens behind their prompt: they are cut at their end.`,
    ];
    return await offlineLearner(plan, entry, labelForm, {
      source,
      cost,
      notes: [...notes, ...cut],
    });
  },
};

/** Answers with labels, and pairs as two of them each: the chosen one is liked. */
function labelledAnswers(
  labels: readonly EncodedLabel[],
  pairs: readonly EncodedPair[],
): readonly EncodedLabel[] {
  return [
    ...labels,
    ...pairs.flatMap(({ chosen, rejected }) => [
      { sequence: chosen, label: true },
      { sequence: rejected, label: false },
    ]),
  ];
}

/**
 * Refuses labels that are all of answers to one prompt, as far as they are known before the stage.
 *
 * @param prepared The stage's data.
 * @throws {UserError} Where they are.
 */
export function requirePrompts({ data }: Pick<PreparedStage, "data">): void {
  if (data.kind !== "labels") return;
  const { train, pairs } = data;
  // Rejected answers of the model's own are not there yet.
  const known = pairs.flatMap(({ chosen, rejected }) =>
    rejected === undefined ? [] : [{ chosen, rejected }]
  );
  if (known.length === pairs.length) mismatchedAnswers(labelledAnswers(train, known));
}
