/**
 * Right answers, or running text: what a stage on demonstrations trains on.
 *
 * @module
 */

import { shuffledRows, windowRows } from "../data/batches.ts";
import { conversationsOf, dataOf } from "../data/examples.ts";
import { checkRows } from "../data/checks.ts";
import { fitConversations } from "../data/fit.ts";
import { fitTexts } from "../data/texts.ts";
import { UserError } from "../text/errors.ts";
import { demonstrationForm } from "../feeds/forms.ts";
import { encodedText, fittedNotes } from "../data/material.ts";
import { offlineLearner } from "./offline.ts";
import { entryOn, type KindRow } from "./stage.ts";

/** Demonstrations. */
export const demonstrations: KindRow = {
  prepare({ objective }, { dataset }, { tokenizer, context, seed, watch, source }) {
    if (dataset.kind === "text") {
      const train = encodedText(tokenizer, dataset.train, `the training part of ${source}`, watch);
      const { length } = encodedText(
        tokenizer,
        dataset.validation,
        `the last tenth of ${source}`,
        watch,
      );
      return {
        data: { kind: "demonstrations", source: windowRows(train, seed, context) },
        notes: [
          `${train.length} tokens to train on, ${length} for validation`,
          ...(train.length <= context
            ? [`The text is shorter than the context of ${context} tokens: a row is all of it.`]
            : []),
        ],
      };
    }
    const told = { validation: dataset.validation.length, objective: objective.name, source };
    const begin = () => watch.begin({ doing: `encoding ${source}`, subject: source });
    if (dataset.kind === "texts") {
      const fitted = fitTexts(tokenizer, dataset.train, context, { tell: begin() });
      const empty = fitted.sources - fitted.total;
      return {
        notes: [
          ...fittedNotes(fitted, { ...told, what: "texts", header: "texts to train on" }),
          ...empty > 0 ? [`${empty} of ${fitted.sources} texts are empty, and skipped.`] : [],
        ],
        data: { kind: "demonstrations", source: shuffledRows(fitted.rows, seed, context) },
      };
    }
    const conversations = conversationsOf(dataset.train);
    if (conversations.length === 0) {
      throw new UserError(`${objective.name} learns from answers, and ${source} has none`);
    }
    const checks = checkRows(tokenizer, conversations, {
      ...{ source, watch },
      conversations: ({ messages }) => [{ messages, learnedFrom: 0 }],
    });
    const unanswered = dataset.train.length - conversations.length;
    const fitted = fitConversations(tokenizer, conversations, context, {
      unanswered,
      tell: begin(),
    });
    const { sources, total } = fitted;
    const each = total > sources ? `, one for each answer of ${sources} conversations` : "";
    return {
      notes: [
        ...fittedNotes(fitted, {
          ...{ ...told, what: "examples", header: `examples to train on${each}` },
        }),
        ...checks,
      ],
      data: { kind: "demonstrations", source: shuffledRows(fitted.rows, seed, context) },
    };
  },
  learner: (plan) => {
    const { source } = dataOf(plan.prepared.data, "demonstrations");
    const entry = entryOn(plan.settings.objective, "demonstrations");
    return offlineLearner(plan, entry, demonstrationForm, { source });
  },
};
