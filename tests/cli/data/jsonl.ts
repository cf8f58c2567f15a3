/** Rows of a JSONL file as a dataset. */
import type { Columns, FormName } from "@unitune/cli";
import type { Dataset } from "@unitune/training";
import { gatherRows } from "../../../cli/data/formed_rows.ts";
import { splitRows } from "../../../cli/data/row_splits.ts";
import { bytesInMemory } from "../../../cli/data/readers/bytes_in_memory.ts";
import { readJsonLines } from "../../../cli/data/readers/json_lines.ts";

/** The dataset in the bytes of `data.jsonl`. */
export async function parseJsonl(
  bytes: Uint8Array,
  columns: Columns = {},
  needs: readonly FormName[] = [],
): Promise<Dataset> {
  const rows = readJsonLines(bytesInMemory("data.jsonl", bytes));
  const gathered = await gatherRows(rows, "data.jsonl", { columns, needs });
  return splitRows(gathered, "data.jsonl");
}

/** The dataset of rows; a text is a line as it stands. */
export function jsonl(
  rows: readonly unknown[],
  columns: Columns = {},
  needs: readonly FormName[] = [],
): Promise<Dataset> {
  const lines = rows.map((row) => typeof row === "string" ? row : JSON.stringify(row));
  return parseJsonl(new TextEncoder().encode(lines.join("\n")), columns, needs);
}

/** A dataset with its rows as lists, to be compared. */
export function listed({ kind, train, validation }: Dataset) {
  return { kind, train: [...train], validation: [...validation] };
}
