/**
 * Rows of files as rows of a dataset, and what is known of them.
 *
 * @module
 */

import { memoryTables, type RowKind, type TableStore, UserError } from "@unitune/training";
import type { FormOptions } from "./forms/recognition.ts";
import type { FoundRow } from "./readers/reader.ts";
import { formedRows } from "./row_former.ts";
import type { MarkedRows } from "./row_splits.ts";
import { gatherSummary } from "./row_summary.ts";
import { type RowsSummary, rowTable } from "./row_table.ts";

/** Rows that were read, all of one kind, and what is known of them. */
export interface GatheredRows extends RowsSummary, MarkedRows {}

/** Where rows are kept. */
export interface Keeping {
  /** Keeps them (default: in memory). */
  readonly tables?: TableStore;
  /** A text that names all that the rows depend on (default: they are not kept for another time). */
  readonly key?: string;
}

/**
 * Reads rows.
 *
 * @param found The rows; they are not read if they were kept before.
 * @param name The name of the data, for errors.
 * @param options The preferred forms, the names of columns, and where rows are kept.
 * @returns The rows, and what is known of them.
 * @throws {UserError} If a row is none of a dataset (the message has its place), or there is none.
 */
export async function gatherRows(
  found: AsyncIterable<FoundRow>,
  name: string,
  { tables = memoryTables, key, ...options }: FormOptions & Keeping = {},
): Promise<GatheredRows> {
  const { rows, marks, summary } = await tables.keep(key, rowTable, async (add) => {
    const gathering = gatherSummary();
    let kind: RowKind | undefined;
    for await (const { formed } of formedRows(found, options)) {
      kind ??= formed.kind;
      add(formed.row, [gathering.add(formed.row)]);
    }
    if (kind !== undefined) return gathering.summary(kind);
    throw new UserError(`${name} is empty: there is nothing to train on`);
  });
  return { ...summary, rows, marks };
}
