/**
 * What the reader of Parquet files and its thread say to each other.
 *
 * @module
 */

/** What the thread says. */
export type Said =
  /** Bytes are needed. */
  | { readonly kind: "ask"; readonly start: number; readonly end: number }
  /** The rows of a row group, in order; undefined in the place of a value that is missing. */
  | { readonly kind: "rows"; readonly rows: readonly unknown[] }
  /** A file that cannot be read. */
  | { readonly kind: "damage"; readonly place: string; readonly why: string }
  /** All rows were said. */
  | { readonly kind: "end" };

/** What the thread is told: the bytes that it has asked for, or to go on. */
export type Told =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "next" };

/** What the thread knows from the start. */
export interface Given {
  /** The number of bytes of the file. */
  readonly size: number;
}
