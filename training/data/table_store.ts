/**
 * Where tables are kept: their rows as bytes, which are written once and read by number.
 *
 * @module
 */

import { type RecordReader, recordReader, type RecordWriter, recordWriter } from "./records.ts";
import { readTable, type RowTable } from "./table.ts";

/** How the rows of a table are written and read, and what else is known of them. */
export interface TableForm<Row, Summary> {
  /** Writes a row. */
  readonly write: (row: Row, to: RecordWriter) => void;
  /** Reads the row again. */
  readonly read: (from: RecordReader) => Row;
  /** Tells whether a value of JSON is the summary of such a table. */
  readonly isSummary: (value: unknown) => value is Summary;
}

/** A table with its summary. */
export interface StoredTable<Row, Summary> {
  /** The rows. */
  readonly rows: RowTable<Row>;
  /** What is known of all of them, which JSON can express. */
  readonly summary: Summary;
  /**
   * The numbers by which the rows were marked, one row after the other: what is known of each without
   * reading it.
   */
  readonly marks: Float64Array;
}

/** Adds a row to a table, with the numbers that mark it: as many as all others have (default: none). */
export type AddRow<Row> = (row: Row, marks?: readonly number[]) => void;

/** Keeps tables. */
export interface TableStore {
  /**
   * The table of a key: one that was kept before, or a new one.
   *
   * @param key All that the rows depend on, as a text; undefined for rows that are never kept for
   * another time.
   * @param form How its rows are written and read.
   * @param fill Adds the rows, in order, and returns the summary.
   * @returns The table.
   */
  keep<Row, Summary>(
    key: string | undefined,
    form: TableForm<Row, Summary>,
    fill: (add: AddRow<Row>) => Summary | Promise<Summary>,
  ): Promise<StoredTable<Row, Summary>>;
}

/** Numbers that are added at the end. */
export interface GrowingNumbers {
  /** Adds a number. */
  add(value: number): void;
  /** The numbers so far. */
  values(): Float64Array<ArrayBuffer>;
}

/** The numbers for which a list has room at first. */
const ROOM = 2 ** 10;

/**
 * A list of numbers that grows, 8 bytes a number.
 *
 * @returns The list, which is empty.
 */
export function growingNumbers(): GrowingNumbers {
  let numbers = new Float64Array(ROOM);
  let length = 0;
  return {
    add(value) {
      if (length === numbers.length) {
        const larger = new Float64Array(2 * length);
        larger.set(numbers);
        numbers = larger;
      }
      numbers[length++] = value;
    },
    values: () => numbers.subarray(0, length),
  };
}

/** The bytes of rows that are held together. */
const BLOCK = 2 ** 20;

/** Bytes of rows in memory, in blocks, which are never copied to grow. */
export interface MemoryRecords {
  /** Adds the bytes of a row, and its marks. */
  add(bytes: Uint8Array, marks: readonly number[]): void;
  /** The number of rows so far. */
  rows(): number;
  /** The number of bytes so far. */
  bytes(): number;
  /** The blocks so far: the bytes of all rows, in order. */
  blocks(): readonly Uint8Array[];
  /** Where the rows begin, and where the last one ends. */
  offsets(): Float64Array<ArrayBuffer>;
  /** The marks of the rows. */
  marks(): Float64Array<ArrayBuffer>;
  /** The bytes of the row at an index. */
  at(index: number): Uint8Array;
}

/**
 * Bytes of rows in memory.
 *
 * @returns No row yet.
 */
export function memoryRecords(): MemoryRecords {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  const offsets = growingNumbers();
  const marks = growingNumbers();
  let end = 0;
  offsets.add(end);
  const add = (bytes: Uint8Array, own: readonly number[]) => {
    for (let done = 0; done < bytes.length;) {
      const place = end % BLOCK;
      if (place === 0) blocks.push(new Uint8Array(BLOCK));
      const piece = bytes.subarray(done, done + BLOCK - place);
      (blocks.at(-1) ?? never()).set(piece, place);
      done += piece.length;
      end += piece.length;
    }
    offsets.add(end);
    own.forEach(marks.add);
  };
  const copy = (from: number, to: number): Uint8Array => {
    const bytes = new Uint8Array(to - from);
    for (let place = from; place < to;) {
      const start = place % BLOCK;
      const piece = blocks[Math.floor(place / BLOCK)]?.subarray(start, start + to - place) ??
        never();
      bytes.set(piece, place - from);
      place += piece.length;
    }
    return bytes;
  };
  return {
    add,
    rows: () => offsets.values().length - 1,
    bytes: () => end,
    blocks: () => blocks.map((block, i) => block.subarray(0, end - i * BLOCK)),
    offsets: offsets.values,
    marks: marks.values,
    at: (index) => {
      const known = offsets.values();
      return copy(known[index] ?? never(), known[index + 1] ?? never());
    },
  };
}

function never(): never {
  throw new RangeError("bytes of a row that is none");
}

/**
 * Keeps tables in memory, as bytes, for as long as they are used.
 *
 * @example
 * ```ts
 * import { memoryTables } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const form = {
 *   write: (row: number, to: { number(value: number): void }) => to.number(row),
 *   read: (from: { number(): number }) => from.number(),
 *   isSummary: (value: unknown) => typeof value === "string",
 * };
 * const { rows, summary } = await memoryTables.keep(undefined, form, (add) => {
 *   [3, 300].forEach((row) => add(row));
 *   return "two rows";
 * });
 * assertEquals([[...rows], summary], [[3, 300], "two rows"]);
 * ```
 */
export const memoryTables: TableStore = {
  keep: async (_key, form, fill) => {
    const records = memoryRecords();
    const bytesOf = recordWriter();
    const summary = await fill((row, marks = []) => {
      records.add(bytesOf((to) => form.write(row, to)), marks);
    });
    return memoryTable(records, form, summary);
  },
};

/**
 * The table of rows whose bytes are in memory.
 *
 * @param records The bytes.
 * @param form How rows are read.
 * @param summary The summary.
 * @returns The table.
 */
export function memoryTable<Row, Summary>(
  records: MemoryRecords,
  { read }: Pick<TableForm<Row, Summary>, "read">,
  summary: Summary,
): StoredTable<Row, Summary> {
  return {
    rows: readTable(records.rows(), { read: (index) => read(recordReader(records.at(index))) }),
    summary,
    marks: records.marks(),
  };
}

/**
 * Keeps tables as lists of the rows themselves, for rows that no bytes can express, such as those
 * with a function.
 *
 * @example
 * ```ts
 * import { listTables } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const form = {
 *   write: () => {},
 *   read: () => ({ isRight: (answer: string) => answer === "4" }),
 *   isSummary: (value: unknown) => value === null,
 * };
 * const row = form.read();
 * const { rows } = await listTables.keep(undefined, form, (add) => {
 *   add(row);
 *   return null;
 * });
 * assert(rows.at(0) === row);
 * ```
 */
export const listTables: TableStore = {
  keep: async <Row, Summary>(
    _key: string | undefined,
    _form: TableForm<Row, Summary>,
    fill: (add: AddRow<Row>) => Summary | Promise<Summary>,
  ) => {
    const rows: Row[] = [];
    const marks = growingNumbers();
    const summary = await fill((row, own = []) => {
      rows.push(row);
      own.forEach(marks.add);
    });
    return { rows, summary, marks: marks.values() };
  },
};
