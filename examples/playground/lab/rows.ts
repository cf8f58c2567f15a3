/** Rows that a visitor pastes. */
import { pastedMaterial } from "@unitune/cli/rows";
import type { DataKind } from "@unitune/objectives";
import type { Material } from "@unitune/training";

/** The package that takes tables apart, which is loaded for a table alone. */
const tables = async () => (await import("npm:csv-parse@^7.0.3/browser/esm/sync")).parse;

/**
 * The rows of a text as material.
 *
 * @param rows JSON lines, a JSON list, or a table.
 * @param kind The kind of data that the objective reads.
 * @returns The material.
 * @throws {UserError} If they cannot be read; the message has the line.
 */
export function rowsMaterial(rows: string, kind: DataKind): Promise<Material> {
  return pastedMaterial(rows, kind, tables);
}
