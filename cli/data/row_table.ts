/**
 * The rows of data files in a table.
 *
 * @module
 */

import {
  type Dataset,
  mappedTable,
  type RowDataset,
  type RowKind,
  type Rows,
  type RowTable,
  type TableForm,
} from "@unitune/training";
import { isRecord } from "../files/guards.ts";

/** What is known of rows without reading them again. */
export interface RowsSummary {
  /** The kind of all of them. */
  readonly kind: RowKind;
  /** Their characters, each once. */
  readonly characters: string;
  /** A digest of what they say. */
  readonly digest: string;
}

/** The columns that a row of each kind has. */
const required: { readonly [Kind in RowKind]: readonly (keyof Rows[Kind] & string)[] } = {
  texts: ["text"],
  conversations: ["messages"],
  pairs: ["prompt", "chosen", "rejected"],
  labels: ["prompt", "completion", "label"],
  scores: ["prompt", "answers"],
  steps: ["prompt", "steps", "labels"],
  prompts: ["prompt", "columns"],
};

/** The kinds of rows. */
const kinds = Object.keys(required).filter(isKind);

function isKind(name: unknown): name is RowKind {
  return typeof name === "string" && Object.hasOwn(required, name);
}

/** Tells whether a value is a row of a kind. */
function isRowOf<Kind extends RowKind>(kind: Kind, value: unknown): value is Rows[Kind] {
  return isRecord(value) && required[kind].every((column) => Object.hasOwn(value, column));
}

function isRow(value: unknown): value is Rows[RowKind] {
  return kinds.some((kind) => isRowOf(kind, value));
}

/** Rows as JSON. */
export const rowTable: TableForm<Rows[RowKind], RowsSummary> = {
  write: (row, to) => to.json(row),
  read: (from) => {
    const row = from.json();
    if (isRow(row)) return row;
    throw new RangeError("a record has no row where one was written");
  },
  isSummary: (value): value is RowsSummary =>
    isRecord(value) && isKind(value.kind) && typeof value.characters === "string" &&
    typeof value.digest === "string",
};

/** Datasets of each kind of rows. */
const datasets: { readonly [Kind in RowKind]: (parts: Parts<Kind>) => Dataset } = {
  texts: (parts) => ({ kind: "texts", ...parts }),
  conversations: (parts) => ({ kind: "conversations", ...parts }),
  pairs: (parts) => ({ kind: "pairs", ...parts }),
  labels: (parts) => ({ kind: "labels", ...parts }),
  scores: (parts) => ({ kind: "scores", ...parts }),
  steps: (parts) => ({ kind: "steps", ...parts }),
  prompts: (parts) => ({ kind: "prompts", ...parts }),
};

type Parts<Kind extends RowKind> = Pick<RowDataset<Kind>, "train" | "validation">;

/**
 * Rows of a kind as a dataset.
 *
 * @param kind The kind.
 * @param train The rows to train on.
 * @param validation The rows that are kept aside.
 * @returns The dataset.
 */
export function datasetOf<Kind extends RowKind>(
  kind: Kind,
  train: RowTable<Rows[RowKind]>,
  validation: RowTable<Rows[RowKind]>,
): Dataset {
  const ofKind = (rows: RowTable<Rows[RowKind]>) =>
    mappedTable(rows, (row) => {
      if (isRowOf(kind, row)) return row;
      throw new RangeError(`a row among ${kind} that is none of them`);
    });
  return datasets[kind]({ train: ofKind(train), validation: ofKind(validation) });
}

/**
 * What a row says, as a text: where it was read from is none of it.
 *
 * @param row The row.
 * @returns JSON.
 *
 * @example
 * ```ts
 * import { saidText } from "./row_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { text: "a", source: { file: "rows.jsonl", line: 3 } };
 * assertEquals(saidText(row), '{"text":"a"}');
 * ```
 */
export function saidText({ source: _, ...row }: Rows[RowKind]): string {
  return JSON.stringify(row);
}
