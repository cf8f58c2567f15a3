/**
 * Rows as bytes: numbers as varints, everything else as JSON. A token takes one to three bytes, and
 * a mask as many as it has runs.
 *
 * @module
 */

import type { EncodedSequence } from "@unitune/models";

/** Takes the parts of a row, in order. */
export interface RecordWriter {
  /** Writes an integer of at least 0 and less than 2^32. */
  number(value: number): void;
  /** Writes a value of JSON. */
  json(value: unknown): void;
}

/** Gives the parts of a row, in the order in which they were written. */
export interface RecordReader {
  /** Reads an integer. */
  number(): number;
  /** Reads a value of JSON. */
  json(): unknown;
}

/** The bytes that a row's writer begins with. */
const FIRST_BYTES = 2 ** 12;

/** The most bytes of a varint of 32 bits. */
const LONGEST_NUMBER = 5;

/**
 * Writes rows as bytes, one after the other, into one buffer that is used again.
 *
 * @returns A function from what a row writes to its bytes, which stay as they are until the next
 * call.
 */
export function recordWriter(): (write: (to: RecordWriter) => void) => Uint8Array {
  let bytes = new Uint8Array(FIRST_BYTES);
  let end = 0;
  const encoder = new TextEncoder();
  const reserve = (more: number) => {
    if (end + more <= bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * bytes.length, end + more));
    larger.set(bytes.subarray(0, end));
    bytes = larger;
  };
  const number = (value: number) => {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new RangeError(`a record has integers from 0 to ${2 ** 32 - 1}, not ${value}`);
    }
    reserve(LONGEST_NUMBER);
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
    bytes[end++] = rest;
  };
  const json = (value: unknown) => {
    // Well-formed in any case: JSON escapes halves of surrogate pairs.
    const text = encoder.encode(JSON.stringify(value));
    number(text.length);
    reserve(text.length);
    bytes.set(text, end);
    end += text.length;
  };
  return (write) => {
    end = 0;
    write({ number, json });
    return bytes.subarray(0, end);
  };
}

/**
 * Reads the bytes of a row.
 *
 * @param bytes The bytes.
 * @returns Its parts.
 */
export function recordReader(bytes: Uint8Array): RecordReader {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = bytes[place++];
      if (byte === undefined) throw new RangeError("a record ends too early");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  return {
    number,
    json: () => {
      const length = number();
      place += length;
      const text = new TextDecoder().decode(bytes.subarray(place - length, place));
      const value: unknown = JSON.parse(text);
      return value;
    },
  };
}

/**
 * Writes a sequence: its length, its ids, and the lengths of the runs of its mask, of which the first
 * is of tokens that are not learned.
 *
 * @param to The writer.
 * @param sequence The sequence.
 */
export function writeSequence(to: RecordWriter, { ids, mask }: EncodedSequence): void {
  if (ids.length !== mask.length) {
    throw new RangeError(`a sequence of ${ids.length} ids has a mask of ${mask.length}`);
  }
  to.number(ids.length);
  for (const id of ids) to.number(id);
  let start = 0;
  for (let isLearned = false; start < mask.length; isLearned = !isLearned) {
    const end = mask.indexOf(!isLearned, start);
    const run = (end < 0 ? mask.length : end) - start;
    to.number(run);
    start += run;
  }
}

/**
 * Reads a sequence.
 *
 * @param from The reader.
 * @returns The sequence that {@linkcode writeSequence} has written.
 */
export function readSequence(from: RecordReader): EncodedSequence {
  const length = from.number();
  const ids: number[] = [];
  for (let i = 0; i < length; i++) ids.push(from.number());
  const mask: boolean[] = [];
  for (let isLearned = false; mask.length < length; isLearned = !isLearned) {
    const run = from.number();
    for (let i = 0; i < run; i++) mask.push(isLearned);
  }
  return { ids, mask };
}
