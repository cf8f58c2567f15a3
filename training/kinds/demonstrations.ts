/**
 * Right answers, or running text: what a stage on demonstrations trains on.
 *
 * @module
 */

import type { EncodedSequence } from "@unitune/models";
import { paddedTo, windowRows } from "../data/batches.ts";
import { conversationsIn, dataOf } from "../data/examples.ts";
import { checkSome } from "../data/checks.ts";
import { conversationFit, fitInto } from "../data/fit.ts";
import type { RowKind, Rows } from "../data/dataset.ts";
import type { RowTable } from "../data/table.ts";
import { packedRows } from "../data/packing.ts";
import { sequenceTable } from "../data/table_forms.ts";
import { textFit } from "../data/texts.ts";
import { UserError } from "../text/errors.ts";
import { message, setting } from "../text/message.ts";
import { demonstrationForm } from "../feeds/forms.ts";
import { packedForm } from "../feeds/packed.ts";
import type { TrainSettings } from "../settings.ts";
import { encodedText, fittedNotes } from "../data/material.ts";
import { offlineLearner } from "./offline.ts";
import { entryOn, type KindRow, orderedRows } from "./stage.ts";

/** Demonstrations. */
export const demonstrations: KindRow = {
  async prepare(settings, { dataset }, encoding) {
    const { objective } = settings;
    const { tokenizer, context, seed, watch, source, tables, keyOf } = encoding;
    if (dataset.kind === "text") {
      const train = encodedText(tokenizer, dataset.train, `the training part of ${source}`, watch);
      const part = `the validation part of ${source}`;
      const length = dataset.validation === ""
        ? 0
        : encodedText(tokenizer, dataset.validation, part, watch).length;
      return {
        data: { kind: "demonstrations", source: windowRows(train, seed, context) },
        notes: [
          `${train.length} tokens to train on, ${length} for validation`,
          ...settings.packing
            ? ["Rows of running text fill the context: there is nothing to pack."]
            : [],
          ...(train.length <= context
            ? [`The text is shorter than the context of ${context} tokens: a row is all of it.`]
            : []),
        ],
      };
    }
    const told = { validation: dataset.validation.length, objective: objective.name, source };
    const begin = () => watch.begin({ doing: `encoding ${source}`, subject: source });
    if (dataset.kind === "texts") {
      const texts = dataset.train;
      const fit = textFit(tokenizer, context);
      const { rows, summary } = await tables.keep(
        keyOf("texts"),
        sequenceTable,
        (add) => fitInto(texts, context, fit, add, { tell: begin() }),
      );
      const { sources, total, longest } = summary;
      const empty = sources - total;
      return {
        notes: [
          ...fittedNotes(summary, { ...told, what: "texts", header: "texts to train on" }),
          ...empty > 0 ? [`${empty} of ${sources} texts are empty, and skipped.`] : [],
        ],
        data: {
          kind: "demonstrations",
          ...sourcesOf(settings, rows, { seed, context, longest }),
        },
      };
    }
    const train: RowTable<Rows[RowKind]> = dataset.train;
    const checks = checkSome(tokenizer, train, conversationsIn, {
      ...{ source, watch },
      conversations: ({ messages, learnedFrom = 0 }) => [{ messages, learnedFrom }],
    });
    const fit = conversationFit(tokenizer, context);
    const { rows, summary } = await tables.keep(
      keyOf("demonstrations"),
      sequenceTable,
      (add) =>
        fitInto(
          train,
          context,
          (row) => {
            const found = conversationsIn(row);
            return found.length === 0 ? undefined : found.flatMap(fit);
          },
          add,
          { tell: begin() },
        ),
    );
    const { sources, total, longest } = summary;
    if (sources === 0) {
      throw new UserError(
        message(
          `${objective.name} learns from answers, and ${source} has none: give rows with answers, ` +
            `or an objective that learns from prompts, such as `,
          setting("objective"),
          " grpo",
        ),
      );
    }
    const each = total > sources ? `, one for each answer of ${sources} conversations` : "";
    return {
      notes: [
        ...fittedNotes(summary, {
          ...{ ...told, what: "examples", header: `examples to train on${each}` },
        }),
        ...checks,
      ],
      data: {
        kind: "demonstrations",
        ...sourcesOf(settings, rows, { seed, context, longest }),
      },
    };
  },
  learner: (plan) => {
    const { source, packed } = dataOf(plan.prepared.data, "demonstrations");
    const entry = entryOn(plan.settings.objective, "demonstrations");
    return packed === undefined
      ? offlineLearner(plan, entry, demonstrationForm, { source })
      : offlineLearner(plan, entry, packedForm(packed.length, source.length), { source: packed });
  },
};

/** Rows as a stage reads them, and packed where its settings say so. */
function sourcesOf(
  settings: TrainSettings,
  rows: RowTable<EncodedSequence>,
  { seed, context, longest }: {
    readonly seed: number;
    readonly context: number;
    readonly longest: number;
  },
) {
  const length = paddedTo(longest, context);
  return {
    source: orderedRows(settings, demonstrationForm, rows, { seed, length }),
    ...settings.packing && { packed: packedRows(rows, seed, context) },
  };
}
