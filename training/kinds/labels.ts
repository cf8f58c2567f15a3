/**
 * Answers that somebody liked or did not: what a stage on labels trains on.
 *
 * @module
 */

import { paddedTo } from "../data/batches.ts";
import {
  answeredFit,
  dataOf,
  type EncodedLabel,
  type EncodedPair,
  labelFit,
} from "../data/examples.ts";
import { answeredConversations, checkSome } from "../data/checks.ts";
import { fitInto } from "../data/fit.ts";
import { answerMarks, matchedLabels, requireSeveralPrompts } from "../data/mismatched.ts";
import { labelForm } from "../feeds/forms.ts";
import { fittedNotes, requireRows } from "../data/material.ts";
import { joinedTables, readTable, rowAt, type RowTable } from "../data/table.ts";
import { labelTable } from "../data/table_forms.ts";
import { offlineLearner } from "./offline.ts";
import { encodedPairs, ownPairs } from "./pairs.ts";
import { entryOn, type KindRow, orderedRows, partsOf, type PreparedStage } from "./stage.ts";

/** Labels. */
export const labels: KindRow = {
  async prepare(settings, material, encoding) {
    const { tokenizer, context, watch, source, tables, keyOf } = encoding;
    const { dataset, examples } = material;
    requireRows(dataset, settings.objective.name, source);
    const told = {
      ...{ validation: dataset.validation.length, objective: settings.objective.name, source },
    };
    if (dataset.kind === "labels") {
      const checks = checkSome(tokenizer, examples.train, (own) => own, {
        ...{ source, watch },
        conversations: answeredConversations,
      });
      const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
      const fit = answeredFit(labelFit(tokenizer, context));
      const { rows, summary, marks } = await tables.keep(keyOf("labels"), labelTable, (add) => {
        const marked = (row: EncodedLabel) => add(row, answerMarks(row.sequence));
        return fitInto(examples.train, context, fit, marked, { tell });
      });
      const names = { what: "answers", header: "answers to train on" };
      return {
        notes: [...fittedNotes(summary, { ...told, ...names }), ...checks],
        data: { kind: "labels", train: rows, pairs: [], marks },
      };
    }
    const { rows, counts, checks, marks } = await encodedPairs(settings, material, encoding);
    return {
      notes: [
        ...fittedNotes(counts, { ...told, what: "pairs", header: "pairs as labels" }),
        ...checks,
      ],
      data: { kind: "labels", train: [], pairs: rows, ...marks && { marks } },
    };
  },
  async learner(plan) {
    const { train, pairs: candidates, marks } = dataOf(plan.prepared.data, "labels");
    const entry = entryOn(plan.settings.objective, "labels");
    const { context } = plan.model.config;
    const { pairs, cost, notes } = await ownPairs(plan, candidates);
    const answers = labelledAnswers(train, pairs);
    const { rows, truncated, longest } = matchedLabels(answers, context, marks);
    const source = orderedRows(plan.settings, labelForm, rows, {
      ...{ seed: partsOf(plan).seed, length: paddedTo(longest, context) },
    });
    const cut = truncated === 0 ? [] : [
      `${truncated} of ${rows.length} mismatched answers, those to other prompts, exceed the ` +
      `context of ${context} tokens behind their prompt: they are cut at their end.`,
    ];
    return await offlineLearner(plan, entry, labelForm, {
      source,
      cost,
      notes: [...notes, ...cut],
    });
  },
};

/**
 * Answers with labels, and pairs as two of them each: the chosen one, which is liked, and behind it the
 * rejected one.
 *
 * @param labels The answers.
 * @param pairs The pairs.
 * @returns The answers, and behind them those of the pairs.
 */
export function labelledAnswers(
  labels: RowTable<EncodedLabel>,
  pairs: RowTable<EncodedPair>,
): RowTable<EncodedLabel> {
  const sides = readTable(2 * pairs.length, {
    read: (index): EncodedLabel => {
      const { chosen, rejected } = rowAt(pairs, Math.floor(index / 2));
      return index % 2 === 0
        ? { sequence: chosen, label: true }
        : { sequence: rejected, label: false };
    },
  });
  return joinedTables(labels, sides);
}

/**
 * Refuses labels that are all of answers to one prompt, as far as they are known before the stage.
 *
 * @param prepared The stage's data.
 * @throws {UserError} Where they are.
 */
export function requirePrompts({ data }: Pick<PreparedStage, "data">): void {
  // Rejected answers of the model's own are not there yet.
  if (data.kind === "labels" && data.marks !== undefined) requireSeveralPrompts(data.marks);
}
