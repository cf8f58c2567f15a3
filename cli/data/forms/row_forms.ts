/**
 * The forms of rows, one entry each: the columns by which a form is known, and how a row is read.
 *
 * | form | columns | content of a row |
 * | --- | --- | --- |
 * | `messages` | `messages` | a conversation: a list of messages |
 * | `conversations` | `conversations` | the same, as ShareGPT has it |
 * | `pairs` | `prompt`, `chosen`, `rejected` | a prompt and two answers, the first preferred |
 * | `implicit-pairs` | `chosen`, `rejected` | two conversations or texts with the same beginning |
 * | `triples` | `prompt`, `chosen`, `rejected`, `reference` | the same, and a gold answer |
 * | `labels` | `prompt`, `completion`, `label` | a prompt and an answer, desirable (`true`) or not |
 * | `completions` | `prompt`, `completion` | a prompt and its answer |
 * | `scores` | `prompt`, `answers`, `scores` | a prompt and several answers, each with a score |
 * | `steps` | `prompt`, `completions`, `labels` | a prompt and the steps of an answer, right or wrong |
 * | `text` | `text` | a text |
 * | `privileged` | `prompt`, `privileged_context` | a prompt, and what a teacher knows beside it |
 * | `prompts` | `prompt` | a prompt; rewards read the other columns |
 *
 * Prompts and answers are texts or lists of messages, which have roles, contents and calls of tools
 * (`messages.ts`). Beside them, every row may have `tools` and `chat_template_kwargs`, with which its
 * messages are rendered. An answer whose messages repeat the prompt is read from behind it, and
 * earlier messages belong to the prompt. Other columns are ignored, unless rewards may read them.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { ChatMessage } from "@unitune/models";
import type { RowDetails, RowKind, Rows, Source } from "@unitune/training";
import { isNumber } from "../../files/guards.ts";
import { type JsonObject, kindOf, list, string, truth, wrong } from "../cells.ts";
import {
  type Answered,
  answerIn,
  isAnswered,
  requireAnswer,
  requireTurn,
  samePrompt,
  side,
} from "./answers.ts";
import type { ColumnName } from "./columns.ts";
import { commonPrompt } from "./common_prompt.ts";
import { messageList, rowDetails } from "./messages.ts";

/** The names of the columns with the prompt and the completion. */
export interface Columns {
  /** The column with the prompt (default `prompt`). */
  readonly prompt?: string | undefined;
  /** The column with the completion (default `completion`). */
  readonly completion?: string | undefined;
}

/** The forms of rows. */
export type FormName =
  | "messages"
  | "conversations"
  | "pairs"
  | "implicit-pairs"
  | "triples"
  | "labels"
  | "completions"
  | "scores"
  | "steps"
  | "text"
  | "privileged"
  | "prompts";

/** A row that was read. */
export type FormedRow = { [Kind in RowKind]: RowOf<Kind> }[RowKind];

/** A row of a kind. */
export interface RowOf<Kind extends RowKind> {
  /** The kind of its dataset. */
  readonly kind: Kind;
  /** The row. */
  readonly row: Rows[Kind];
}

/** A form of rows. */
export interface RowForm {
  /** Its name. */
  readonly name: FormName;
  /** The columns by which it is known. */
  readonly columns: readonly string[];
  /** What its rows are, in words. */
  readonly about: string;
  /** Reads a row. */
  readonly read: (row: JsonObject, source: Source) => FormedRow;
}

/** What the form of a row does not decide. */
interface Given {
  /** The names of the columns with the prompt and the completion. */
  readonly names: Readonly<Record<"prompt" | "completion", string>>;
  /** What the row has beside its messages. */
  readonly details: RowDetails;
}

/** An entry of the table, in which columns have their usual names. */
interface Entry {
  readonly columns: readonly ColumnName[];
  readonly about: string;
  readonly read: (row: JsonObject, source: Source, given: Given) => FormedRow;
}

/** A conversation in a column. */
function conversation(column: "messages" | "conversations"): Entry {
  return {
    columns: [column],
    about: "conversations",
    read: (row, source, { details }) => {
      const messages = messageList(row[column], column, source);
      if (isAnswered(messages)) {
        return { kind: "conversations", row: { messages, ...details } };
      }
      throw wrong(source, "there is no message of the assistant: nothing to learn from");
    },
  };
}

/** Refuses a pair without a preference. */
function requirePreference({ chosen, rejected }: Rows["pairs"], source: Source): void {
  if (JSON.stringify(chosen) !== JSON.stringify(rejected)) return;
  throw wrong(source, `"chosen" and "rejected" are the same: no preference to learn from`);
}

/** The pair in a row, whose prompt may be longer in one of its answers, or in another one beside them. */
function pairIn(
  row: JsonObject,
  source: Source,
  asked: readonly ChatMessage[],
  ...others: readonly Answered[]
): Rows["pairs"] {
  const chosen = answerIn(row.chosen, asked, "chosen", source);
  const rejected = answerIn(row.rejected, asked, "rejected", source);
  const pair = { prompt: asked, chosen: chosen.answer, rejected: rejected.answer };
  requirePreference(pair, source);
  const all = others.length === 0 ? `"chosen" and "rejected"` : "the answers";
  return { ...pair, prompt: samePrompt(asked, [chosen, rejected, ...others], all, source) };
}

/** The lists in two columns, which have as many elements. */
function together(
  row: JsonObject,
  columns: readonly [string, string],
  source: Source,
): readonly [readonly unknown[], readonly unknown[]] {
  const [a, b] = columns.map((column) => list(row[column], column, source));
  if (a !== undefined && a.length === b?.length) return [a, b];
  throw wrong(
    source,
    `${columns.map((column) => quoted(column)).join(" and ")} have ${a?.length} and ${b?.length} ` +
      `elements: give one for each`,
  );
}

/** The forms, in order of preference. */
const entries: { readonly [Name in FormName]: Entry } = {
  messages: conversation("messages"),
  conversations: conversation("conversations"),
  pairs: {
    columns: ["prompt", "chosen", "rejected"],
    about: "preferences between two answers",
    read: (row, source, { names: { prompt }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      return { kind: "pairs", row: { ...pairIn(row, source, asked), ...details } };
    },
  },
  "implicit-pairs": {
    columns: ["chosen", "rejected"],
    about: "preferences between two answers",
    read: (row, source, { details }) => {
      const pair = { ...commonPrompt(row, source), ...details };
      requirePreference(pair, source);
      requireAnswer(pair.chosen, "chosen", source);
      requireAnswer(pair.rejected, "rejected", source);
      return { kind: "pairs", row: pair };
    },
  },
  triples: {
    columns: ["prompt", "chosen", "rejected", "reference"],
    about: "preferences with a gold answer each",
    read: (row, source, { names: { prompt }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      const gold = answerIn(row.reference, asked, "reference", source);
      const pair = pairIn(row, source, asked, gold);
      return { kind: "pairs", row: { ...pair, gold: gold.answer, ...details } };
    },
  },
  labels: {
    columns: ["prompt", "completion", "label"],
    about: "answers with labels",
    read: (row, source, { names: { prompt, completion }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      const answered = answerIn(row[completion], asked, completion, source);
      return {
        kind: "labels",
        row: {
          prompt: answered.prompt,
          completion: answered.answer,
          label: truth(row.label, "label", source),
          ...details,
        },
      };
    },
  },
  completions: {
    columns: ["prompt", "completion"],
    about: "prompts with answers",
    read: (row, source, { names: { prompt, completion }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      const { prompt: before, answer } = answerIn(row[completion], asked, completion, source);
      return {
        kind: "conversations",
        row: { messages: [...before, ...answer], learnedFrom: before.length, ...details },
      };
    },
  },
  scores: {
    columns: ["prompt", "answers", "scores"],
    about: "answers with scores",
    read: (row, source, { names: { prompt }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      const [answers, scores] = together(row, ["answers", "scores"], source);
      if (answers.length < 2) {
        throw wrong(source, `"answers" has ${answers.length}: it takes 2 to compare them`);
      }
      const answered = answers.map((answer, i) => answerIn(answer, asked, `answers[${i}]`, source));
      return {
        kind: "scores",
        row: {
          prompt: samePrompt(asked, answered, `"answers"`, source),
          answers: answered.map(({ answer }, i) => ({ answer, score: scoreIn(scores, i, source) })),
          ...details,
        },
      };
    },
  },
  steps: {
    columns: ["prompt", "completions", "labels"],
    about: "answers in steps with labels",
    read: (row, source, { names: { prompt }, details }) => {
      const asked = side(row[prompt], prompt, "user", source);
      const [steps, labels] = together(row, ["completions", "labels"], source);
      if (steps.length === 0) throw wrong(source, `"completions" has no step`);
      return {
        kind: "steps",
        row: {
          prompt: asked,
          steps: steps.map((step, i) => string(step, `completions[${i}]`, source)),
          labels: labels.map((label, i) => truth(label, `labels[${i}]`, source)),
          ...details,
        },
      };
    },
  },
  text: {
    columns: ["text"],
    about: "texts",
    read: (row, source) => ({
      kind: "texts",
      // Nothing is rendered with a text, and no reward reads its columns.
      row: { text: string(row.text, "text", source), source },
    }),
  },
  privileged: {
    columns: ["prompt", "privileged_context"],
    about: "prompts with what a teacher knows beside them",
    read: (row, source, { names: { prompt }, details }) => {
      side(row.privileged_context, "privileged_context", "user", source);
      return promptOf(row, source, prompt, details);
    },
  },
  prompts: {
    columns: ["prompt"],
    about: "prompts",
    read: (row, source, { names: { prompt }, details }) => promptOf(row, source, prompt, details),
  },
};

function scoreIn(scores: readonly unknown[], i: number, source: Source): number {
  const score = scores[i];
  if (isNumber(score)) return score;
  const given = typeof score === "number" ? "one that is not finite" : kindOf(score);
  throw wrong(source, `${quoted(`scores[${i}]`)} is a number, not ${given}`);
}

/** A prompt, with the other columns of its row. */
function promptOf(
  row: JsonObject,
  source: Source,
  prompt: string,
  details: RowDetails,
): FormedRow {
  const columns = beside(row, prompt);
  const asked = side(row[prompt], prompt, "user", source);
  requireTurn({ prompt: asked, answer: [] }, source);
  return { kind: "prompts", row: { prompt: asked, ...details, columns } };
}

/** The columns of a row beside its prompt. */
function beside(row: JsonObject, prompt: string): JsonObject {
  const { [prompt]: _, ...columns } = row;
  return columns;
}

const formNames = Object.keys(entries).filter((name): name is FormName => name in entries);

/**
 * The forms that rows may have, in order of preference. With a named completion column, only forms
 * with a completion are tried; with a named prompt column, only forms with a prompt.
 *
 * @param columns The names of columns.
 * @param keepsColumns Whether rows keep all their columns beside the prompt, or what they have in its
 * place, for rewards (default: no).
 * @returns The forms.
 *
 * @example
 * ```ts
 * import { rowForms } from "./row_forms.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const forms = rowForms({ completion: "answer" });
 * assertEquals(forms.map(({ name }) => name), ["labels", "completions"]);
 * assertEquals(forms[1]?.columns, ["prompt", "answer"]);
 * ```
 */
export function rowForms(
  { prompt, completion }: Columns = {},
  keepsColumns = false,
): readonly RowForm[] {
  const names = { prompt: prompt ?? "prompt", completion: completion ?? "completion" };
  const named = completion !== undefined
    ? "completion"
    : prompt !== undefined
    ? "prompt"
    : undefined;
  return formNames.flatMap((name) => {
    const { columns: usual, about, read } = entries[name];
    if (named !== undefined && !usual.includes(named)) return [];
    const columns = usual.map((column) =>
      column === "prompt" || column === "completion" ? names[column] : column
    );
    const [first = ""] = columns;
    return [{
      name,
      columns,
      about,
      read: (row, source) => {
        const details = {
          ...rowDetails(row, columns, source),
          ...keepsColumns && { columns: beside(row, first) },
        };
        return read(row, source, { names, details });
      },
    }];
  });
}
