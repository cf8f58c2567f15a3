/**
 * Preferences: what a stage on pairs trains on.
 *
 * @module
 */

import { inRandomOrder } from "../data/batches.ts";
import { dataOf, type PairCandidate, pairsOf } from "../data/examples.ts";
import { answeredConversations, checkRows } from "../data/checks.ts";
import { describeFit } from "../data/fit.ts";
import { formLength, pairForm } from "../feeds/forms.ts";
import { fittedNotes, requireRows, trainingPairs } from "../data/material.ts";
import { type OwnPairs, withOwnAnswers } from "../sampling/own_answers.ts";
import { spread, spreadNote } from "../data/splits.ts";
import { offlineLearner } from "./offline.ts";
import { entryOn, type KindRow, type LearnerPlan, partsOf } from "./stage.ts";

/** Preferences. */
export const pairs: KindRow = {
  prepare(settings, material, { tokenizer, context, watch, source }) {
    const { dataset, examples } = material;
    requireRows(dataset, settings.objective.name, source);
    const { train, validation } = trainingPairs(settings, examples, source);
    const checks = checkRows(tokenizer, train.examples, {
      ...{ source, watch },
      conversations: answeredConversations,
    });
    const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
    const pairs = pairsOf(tokenizer, context, train.examples, { ...train, tell });
    const aside = pairsOf(tokenizer, context, validation.examples, validation);
    const whole = aside.rows.flatMap(({ chosen, rejected }) =>
      rejected === undefined ? [] : [{ chosen, rejected }]
    );
    return {
      notes: [
        fittedNotes(pairs, {
          ...{ what: "pairs", header: "pairs to train on", source },
          ...{ validation: dataset.validation.length, objective: settings.objective.name },
        }),
        describeFit(aside, "validation pairs") ?? [],
        spreadNote(whole.length, settings.evalExamples, "validation pairs") ?? [],
        checks,
      ].flat(),
      data: { kind: "pairs", train: pairs.rows, validation: spread(whole, settings.evalExamples) },
    };
  },
  async learner(plan) {
    const { train, validation } = dataOf(plan.prepared.data, "pairs");
    const entry = entryOn(plan.settings.objective, "pairs");
    const { pairs, cost, notes } = await ownPairs(plan, train);
    const length = formLength(pairs, pairForm, plan.model.config.context);
    const source = inRandomOrder(pairs, partsOf(plan).seed, length);
    return await offlineLearner(plan, entry, pairForm, { source, aside: validation, cost, notes });
  },
};

/**
 * Pairs, with rejected answers of the model's own where the data has none.
 *
 * @param plan The stage.
 * @param candidates The pairs of the data.
 * @returns The pairs, their cost, and what became of them.
 */
export function ownPairs(
  plan: LearnerPlan,
  candidates: readonly PairCandidate[],
): Promise<OwnPairs> {
  const { steps, batchSize, gradientAccumulation } = plan.settings;
  const { seed, reference } = partsOf(plan);
  const needed = steps * batchSize * gradientAccumulation;
  return withOwnAnswers(candidates, needed, plan.tokenizer, seed, reference);
}
