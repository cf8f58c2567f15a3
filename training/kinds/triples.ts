/**
 * Preferences with a gold answer each: what a stage on triples trains on.
 *
 * @module
 */

import { paddedTo } from "../data/batches.ts";
import { checkSome, tripleConversations } from "../data/checks.ts";
import { dataOf, type Example, tripleFit } from "../data/examples.ts";
import { describeFit, fitInto, fitRows } from "../data/fit.ts";
import { fittedNotes } from "../data/material.ts";
import { spreadNote } from "../data/splits.ts";
import { spread } from "../data/table.ts";
import { tripleTable } from "../data/table_forms.ts";
import { evaluationSizes } from "../evaluation_sizes.ts";
import { tripleForm } from "../feeds/forms.ts";
import { UserError } from "../text/errors.ts";
import { offlineLearner } from "./offline.ts";
import { entryOn, type KindRow, orderedRows, partsOf } from "./stage.ts";

/** Triples. */
export const triples: KindRow = {
  async prepare(settings, { dataset, examples }, encoding) {
    const { tokenizer, context, watch, source, tables, keyOf } = encoding;
    const { objective } = settings;
    const { evalExamples } = evaluationSizes([settings]);
    const checks = checkSome(tokenizer, examples.train, (own) => own, {
      ...{ source, watch },
      conversations: tripleConversations,
    });
    const ofExample = tripleFit(tokenizer, context);
    const fit = ([example]: readonly Example[]) =>
      example === undefined ? undefined : ofExample(example);
    const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
    const { rows, summary } = await tables.keep(
      keyOf("triples"),
      tripleTable,
      (add) => fitInto(examples.train, context, fit, add, { tell }),
    );
    if (summary.total === 0) {
      throw new UserError(
        `${objective.name} learns from three answers to a prompt, and ${source} has fewer: give rows ` +
          `with prompt, chosen, rejected and reference, or with prompt, answers and scores`,
      );
    }
    const aside = fitRows(spread(examples.validation, evalExamples), context, fit);
    const { validation } = dataset;
    return {
      notes: [
        fittedNotes(summary, {
          ...{ what: "triples", header: "triples to train on", source },
          ...{ validation: validation.length, objective: objective.name },
        }),
        describeFit(aside, "validation triples") ?? [],
        spreadNote(validation.length, evalExamples, "validation triples") ?? [],
        checks,
      ].flat(),
      data: { kind: "triples", train: rows, longest: summary.longest, validation: aside.rows },
    };
  },
  learner(plan) {
    const { train, longest, validation } = dataOf(plan.prepared.data, "triples");
    const entry = entryOn(plan.settings.objective, "triples");
    const length = paddedTo(longest, plan.model.config.context);
    const source = orderedRows(plan.settings, tripleForm, train, {
      ...{ seed: partsOf(plan).seed, length },
    });
    return offlineLearner(plan, entry, tripleForm, { source, aside: validation });
  },
};
