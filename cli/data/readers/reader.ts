/**
 * What reads the rows of a file, whatever they mean.
 *
 * @module
 */

import type { Source } from "@unitune/training";

/** The bytes of a file. */
export interface ByteSource {
  /** The name of the file, for errors. */
  readonly name: string;
  /** The number of bytes. */
  readonly size: number;
  /** All bytes in turn, in pieces of any size. */
  chunks(): AsyncIterable<Uint8Array>;
  /** The bytes from `start` up to `end`. */
  part(start: number, end: number): Promise<Uint8Array>;
}

/** A row as a file has it. */
export interface FoundRow {
  /** The value; a row of a table is an object of its columns. */
  readonly row: unknown;
  /** Its place. */
  readonly source: Source;
}

/** Reads the rows of one kind of file, in order. */
export type RowReader = (bytes: ByteSource) => AsyncIterable<FoundRow>;
