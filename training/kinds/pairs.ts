/**
 * Preferences: what a stage on pairs trains on.
 *
 * @module
 */

import { firstOf } from "@unitune/models";
import { paddedTo } from "../data/batches.ts";
import {
  answeredFit,
  candidateOf,
  dataOf,
  type EncodedPair,
  type PairCandidate,
  pairFit,
  type PairParts,
} from "../data/examples.ts";
import { answeredConversations, checkSome } from "../data/checks.ts";
import {
  describeFit,
  type FitCounts,
  fitInto,
  fitRows,
  longestRow,
  readFit,
  readLength,
} from "../data/fit.ts";
import { formLength, pairForm } from "../feeds/forms.ts";
import {
  fittedNotes,
  type Material,
  pairedExamples,
  requirePairs,
  requireRows,
} from "../data/material.ts";
import { evaluationSizes } from "../evaluation_sizes.ts";
import { answerMarks } from "../data/mismatched.ts";
import { type OwnPairs, withOwnAnswers } from "../sampling/own_answers.ts";
import { spreadNote } from "../data/splits.ts";
import { foundRows, mappedTable, type RowTable, spread } from "../data/table.ts";
import { pairTable } from "../data/table_forms.ts";
import { noCost } from "../learner/cost.ts";
import type { TrainSettings } from "../settings.ts";
import { offlineLearner } from "./offline.ts";
import {
  type Encoding,
  entryOn,
  type KindRow,
  type LearnerPlan,
  orderedRows,
  partsOf,
} from "./stage.ts";

/** Preferences. */
export const pairs: KindRow = {
  async prepare(settings, material, encoding) {
    const { tokenizer, context, source } = encoding;
    const { dataset, examples } = material;
    requireRows(dataset, settings.objective.name, source);
    const { rows, counts, checks } = await encodedPairs(settings, material, encoding);
    const found = foundRows(examples.validation, pairedExamples(settings));
    const { evalExamples } = evaluationSizes([settings]);
    const fit = readFit(settings.objective, context, (length) => pairFit(tokenizer, length));
    const aside = fitRows(spread(found, evalExamples), context, fit, {
      unanswered: examples.validation.length - found.length,
    });
    return {
      notes: [
        fittedNotes(counts, {
          ...{ what: "pairs", header: "pairs to train on", source },
          ...{ validation: dataset.validation.length, objective: settings.objective.name },
        }),
        describeFit(aside, "validation pairs") ?? [],
        spreadNote(found.length, evalExamples, "validation pairs") ?? [],
        checks,
      ].flat(),
      data: {
        kind: "pairs",
        train: rows,
        longest: counts.longest,
        validation: aside.rows.flatMap(({ chosen, rejected }) =>
          rejected === undefined ? [] : [{ chosen, rejected }]
        ),
      },
    };
  },
  async learner(plan) {
    const { train, longest, validation } = dataOf(plan.prepared.data, "pairs");
    const entry = entryOn(plan.settings.objective, "pairs");
    const context = readLength(entry, plan.model.config.context);
    const { pairs, cost, notes } = await ownPairs(plan, train);
    const length = plan.settings.rejected === "model"
      ? formLength(pairs, pairForm, context)
      : paddedTo(longest, context);
    const { seed } = partsOf(plan);
    const source = orderedRows(plan.settings, pairForm, pairs, { seed, length });
    return await offlineLearner(plan, entry, pairForm, { source, aside: validation, cost, notes });
  },
};

/** Training pairs as tokens, and what is told of them. */
export interface EncodedPairs {
  /** The pairs. */
  readonly rows: RowTable<PairCandidate>;
  /** Their counts. */
  readonly counts: FitCounts;
  /** Notes on what a chat template makes of them. */
  readonly checks: readonly string[];
  /**
   * What is known of their answers without their tokens, the preferred one of each pair first;
   * undefined where the others are to be the model's own.
   */
  readonly marks?: Float64Array;
}

/**
 * The training pairs of a stage as tokens.
 *
 * @param settings The settings of the stage.
 * @param material Its data.
 * @param encoding How rows become tokens.
 * @returns The pairs.
 * @throws {UserError} Where the data has one answer to a prompt, and rejected ones are to be its own.
 */
export async function encodedPairs(
  settings: TrainSettings,
  { examples }: Pick<Material, "examples">,
  { tokenizer, context, watch, source, tables, keyOf }: Encoding,
): Promise<EncodedPairs> {
  requirePairs(settings, examples.train, source);
  const find = pairedExamples(settings);
  const checks = checkSome(tokenizer, examples.train, find, {
    ...{ source, watch },
    conversations: answeredConversations,
  });
  const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
  const { objective, rejected } = settings;
  const fit = answeredFit(readFit(objective, context, (length) => pairFit(tokenizer, length)));
  const isOwn = rejected === "model";
  const form = [
    isOwn ? "pairs of the model" : "pairs",
    ...objective.trains === "policy" ? [] : ["read whole"],
  ].join(", ");
  const { rows, summary, marks } = await tables.keep(keyOf(form), pairTable, (add) => {
    const marked = (row: PairParts) =>
      add(row, [row.chosen, row.rejected ?? []].flat().flatMap(answerMarks));
    return fitInto(examples.train, context, (own) => fit(find(own)), marked, { tell });
  });
  return {
    rows: mappedTable(rows, (parts) => candidateOf(tokenizer, parts)),
    counts: summary,
    checks,
    ...!isOwn && { marks },
  };
}

/**
 * Pairs, with rejected answers of the model's own where the data has none.
 *
 * @param plan The stage.
 * @param candidates The pairs of the data.
 * @returns The pairs, their cost, and what became of them.
 */
export async function ownPairs(
  plan: LearnerPlan,
  candidates: RowTable<PairCandidate>,
): Promise<OwnPairs> {
  if (plan.isOutline === true) {
    // An answer of the model's own stands there as one that is as long as the preferred one.
    const pairs = mappedTable(
      candidates,
      ({ chosen, rejected = chosen }): EncodedPair => ({ chosen, rejected }),
    );
    return { pairs, cost: noCost, notes: [] };
  }
  const { steps, batchSize, gradientAccumulation, objective } = plan.settings;
  const { seed, reference } = partsOf(plan);
  const needed = steps * batchSize * gradientAccumulation;
  const own = await withOwnAnswers(candidates, needed, plan.tokenizer, seed, reference);
  if (objective.trains === "policy") return own;
  // An answer may be as long as a policy's context lets it be.
  const length = longestRow(readLength(objective, plan.model.config.context));
  return {
    ...own,
    pairs: mappedTable(own.pairs, ({ chosen, rejected }) => ({
      chosen: firstOf(chosen, length),
      rejected: firstOf(rejected, length),
    })),
  };
}
