/**
 * Answers in steps with labels: what a stage on steps trains on.
 *
 * @module
 */

import { paddedTo } from "../data/batches.ts";
import { dataOf } from "../data/examples.ts";
import { describeFit, fitInto, fitRows, readFit, readLength } from "../data/fit.ts";
import { fittedNotes } from "../data/material.ts";
import { spreadNote } from "../data/splits.ts";
import { stepsFit } from "../data/steps.ts";
import { spread } from "../data/table.ts";
import { stepTable } from "../data/table_forms.ts";
import { evaluationSizes } from "../evaluation_sizes.ts";
import { stepForm } from "../feeds/forms.ts";
import { UserError } from "../text/errors.ts";
import { offlineLearner } from "./offline.ts";
import { entryOn, type KindRow, orderedRows, partsOf } from "./stage.ts";

/** Answers in steps. */
export const steps: KindRow = {
  async prepare(settings, { dataset }, encoding) {
    const { tokenizer, context, watch, source, tables, keyOf } = encoding;
    const { objective, stepSeparator } = settings;
    const { evalExamples } = evaluationSizes([settings]);
    if (dataset.kind !== "steps") {
      throw new UserError(
        `${objective.name} learns from answers in steps, each with a label, and there are none in ` +
          `${source}: give rows with prompt, completions and labels`,
      );
    }
    const fit = readFit(objective, context, stepsFit(tokenizer, stepSeparator));
    const tell = watch.begin({ doing: `encoding ${source}`, subject: source });
    const { rows, summary } = await tables.keep(
      keyOf(`steps by ${JSON.stringify(stepSeparator)}`),
      stepTable,
      (add) => fitInto(dataset.train, context, fit, add, { tell }),
    );
    const { validation } = dataset;
    const aside = fitRows(spread(validation, evalExamples), context, fit);
    return {
      notes: [
        fittedNotes(summary, {
          ...{ what: "answers", header: "answers in steps to train on", source },
          ...{ validation: validation.length, objective: objective.name },
        }),
        describeFit(aside, "validation answers") ?? [],
        spreadNote(validation.length, evalExamples, "validation answers") ?? [],
      ].flat(),
      data: { kind: "steps", train: rows, longest: summary.longest, validation: aside.rows },
    };
  },
  learner(plan) {
    const { train, longest, validation } = dataOf(plan.prepared.data, "steps");
    const entry = entryOn(plan.settings.objective, "steps");
    const length = paddedTo(longest, readLength(entry, plan.model.config.context));
    const { seed } = partsOf(plan);
    const source = orderedRows(plan.settings, stepForm, train, { seed, length });
    return offlineLearner(plan, entry, stepForm, { source, aside: validation });
  },
};
