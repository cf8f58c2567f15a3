/**
 * The readers of files of rows, by the ending of their names.
 *
 * @module
 */

import { loadedModule } from "../../files/packaged.ts";
import { unpackedName } from "./compression.ts";
import { readJsonLines } from "./json_lines.ts";
import { readJsonList } from "./json_list.ts";
import { parquetReader } from "./parquet.ts";
import type { FoundRow, RowReader } from "./reader.ts";

/** The readers in a module that imports packages of npm. */
interface ReadersModule {
  readonly readers: Readonly<Record<string, RowReader>>;
}

function isReadersModule(value: object): value is ReadersModule {
  return "readers" in value && typeof value.readers === "object";
}

/** A reader in a module of its own, which is loaded when the first row is read. */
function packaged(module: string, ending: string, kind: string): RowReader {
  return async function* (bytes): AsyncGenerator<FoundRow> {
    const purpose = `${kind} files are read by packages of npm`;
    const url = new URL(module, import.meta.url);
    const { readers } = await loadedModule(url, purpose, "JSON needs none", isReadersModule);
    const reader = readers[ending];
    if (reader === undefined) throw new RangeError(`${module} reads no ${ending}`);
    yield* reader(bytes);
  };
}

/** What reads the rows of a file, by the ending of its name. */
export const rowReaders: Readonly<Record<string, RowReader>> = {
  ".jsonl": readJsonLines,
  ".json": readJsonList,
  ".csv": packaged("tables.ts", ".csv", "CSV"),
  ".tsv": packaged("tables.ts", ".tsv", "TSV"),
  ".parquet": parquetReader(),
};

/**
 * The ending by which a file of rows is read.
 *
 * @param name The name of the file, which may be packed.
 * @returns The ending; undefined if it is none of rows.
 */
export function rowEnding(name: string): string | undefined {
  const { inner } = unpackedName(name);
  return Object.keys(rowReaders).find((ending) => inner.toLowerCase().endsWith(ending));
}
