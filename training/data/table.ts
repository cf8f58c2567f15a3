/**
 * Tables of rows: a row is read by its index, wherever the rows are held. A list is a table; so is
 * what is read from a file, or made of the rows of another table when it is asked for.
 *
 * @module
 */

/** Rows by index. Every list is one. */
export interface RowTable<Row> extends Iterable<Row> {
  /** The number of rows. */
  readonly length: number;
  /** The row at an index, from the end where it is negative; undefined where there is none. */
  at(index: number): Row | undefined;
  /** The rows from an index to before another one, as `slice` of a list takes them. */
  slice(start?: number, end?: number): RowTable<Row>;
}

/** The functions that read the rows of a table. */
export interface RowReader<Row> {
  /** Reads the row at an index, which is in the table. */
  readonly read: (index: number) => Row;
  /** Reads the rows from an index to before another one, in order (default: one by one). */
  readonly scan?: (start: number, end: number) => Iterable<Row>;
}

/** The index of the first row of a slice, or of the row behind it. */
function bound(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : Math.min(index, length);
}

/**
 * A table whose rows are read when they are asked for.
 *
 * @param length The number of rows.
 * @param reader Reads a row.
 * @returns The table.
 *
 * @example
 * ```ts
 * import { readTable } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const squares = readTable(5, { read: (index) => index ** 2 });
 * assertEquals([...squares.slice(1, -1)], [1, 4, 9]);
 * assertEquals([squares.at(-1), squares.at(5)], [16, undefined]);
 * ```
 */
export function readTable<Row>(length: number, reader: RowReader<Row>): RowTable<Row> {
  return part(reader, 0, length);
}

/** The rows of a reader from `first` to before `end`. */
function part<Row>(reader: RowReader<Row>, first: number, end: number): RowTable<Row> {
  const length = Math.max(0, end - first);
  const { read, scan = oneByOne(read) } = reader;
  return {
    length,
    at: (index) => {
      const place = index < 0 ? length + index : index;
      return place >= 0 && place < length ? read(first + place) : undefined;
    },
    slice: (start = 0, end = length) =>
      part(reader, first + bound(start, length), first + bound(end, length)),
    [Symbol.iterator]: () => scan(first, first + length)[Symbol.iterator](),
  };
}

function oneByOne<Row>(
  read: (index: number) => Row,
): (start: number, end: number) => Iterable<Row> {
  return function* (start, end) {
    for (let index = start; index < end; index++) yield read(index);
  };
}

/**
 * The row of a table at an index.
 *
 * @param table The table.
 * @param index The index, from 0.
 * @returns The row.
 * @throws {RangeError} If there is none.
 *
 * @example
 * ```ts
 * import { rowAt } from "@unitune/training";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(rowAt(["a", "b"], 1), "b");
 * assertThrows(() => rowAt(["a", "b"], 2), RangeError, "there is no row 2 in a table of 2");
 * ```
 */
export function rowAt<Row>(table: RowTable<Row>, index: number): Row {
  const row = index < 0 ? undefined : table.at(index);
  if (row !== undefined) return row;
  throw new RangeError(`there is no row ${index} in a table of ${table.length}`);
}

/**
 * A table of rows that are made of those of another one, each when it is asked for.
 *
 * @param table The other table.
 * @param make Makes a row.
 * @returns The table.
 *
 * @example
 * ```ts
 * import { mappedTable } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const lengths = mappedTable(["a", "bcd"], (text) => text.length);
 * assertEquals([...lengths, lengths.at(1)], [1, 3, 3]);
 * ```
 */
export function mappedTable<Row, Made>(
  table: RowTable<Row>,
  make: (row: Row) => Made,
): RowTable<Made> {
  return readTable(table.length, {
    read: (index) => make(rowAt(table, index)),
    *scan(start, end) {
      for (const row of table.slice(start, end)) yield make(row);
    },
  });
}

/**
 * The rows of a table, and then those of another one.
 *
 * @param first The table.
 * @param second The other one.
 * @returns All of them.
 *
 * @example
 * ```ts
 * import { joinedTables } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const joined = joinedTables(["a"], ["b", "c"]);
 * assertEquals([joined.at(0), joined.at(1), ...joined], ["a", "b", "a", "b", "c"]);
 * ```
 */
export function joinedTables<Row>(first: RowTable<Row>, second: RowTable<Row>): RowTable<Row> {
  const { length } = first;
  return readTable(length + second.length, {
    read: (index) => index < length ? rowAt(first, index) : rowAt(second, index - length),
    *scan(start, end) {
      yield* first.slice(start, end);
      yield* second.slice(Math.max(0, start - length), Math.max(0, end - length));
    },
  });
}

/**
 * Some rows of a table, by their indices.
 *
 * @param table The table.
 * @param indices The indices of the rows, in the order in which they are wanted.
 * @returns The rows.
 *
 * @example
 * ```ts
 * import { pickedRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...pickedRows(["a", "b", "c"], [2, 0])], ["c", "a"]);
 * ```
 */
export function pickedRows<Row>(
  table: RowTable<Row>,
  indices: ArrayLike<number>,
): RowTable<Row> {
  return readTable(indices.length, { read: (index) => rowAt(table, indices[index] ?? -1) });
}

/**
 * What is found in the rows of a table, each of which has one such thing or none. All rows are read
 * once, and again when what was found in one is asked for.
 *
 * @param table The table.
 * @param find Finds it in a row.
 * @returns What was found, in the order of the rows.
 *
 * @example
 * ```ts
 * import { foundRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const evens = foundRows([1, 2, 3, 4], (number) => number % 2 === 0 ? [`${number}`] : []);
 * assertEquals([evens.length, evens.at(1)], [2, "4"]);
 * ```
 */
export function foundRows<Row, Found>(
  table: RowTable<Row>,
  find: (row: Row) => readonly Found[],
): RowTable<Found> {
  const indices: number[] = [];
  let index = 0;
  for (const row of table) {
    if (find(row).length > 0) indices.push(index);
    index += 1;
  }
  return mappedTable(pickedRows(table, indices), (row) => rowAt(find(row), 0));
}

/**
 * At most so many rows of a table, evenly spread.
 *
 * @param table The table.
 * @param most The most rows.
 * @returns The rows, in order; all of them where there are no more.
 *
 * @example
 * ```ts
 * import { spread } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(spread([1, 2, 3, 4, 5], 2), [1, 3]);
 * ```
 */
export function spread<Row>(table: RowTable<Row>, most: number): readonly Row[] {
  const { length } = table;
  if (length <= most) return [...table];
  return Array.from({ length: most }, (_, i) => rowAt(table, Math.floor(i * length / most)));
}
