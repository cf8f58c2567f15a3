/**
 * Events of TensorBoard as records: protocol buffers of the messages `Event` and `Summary`, with the
 * fields that scalars need. Sources: `event.proto` and `summary.proto` of TensorBoard 2.21.
 *
 * ```text
 * Event          double wall_time = 1, int64 step = 2, string file_version = 3, Summary summary = 5,
 *                SourceMetadata source_metadata = 10
 * Summary        repeated Value value = 1
 * Value          string tag = 1, float simple_value = 2
 * SourceMetadata string writer = 1
 * ```
 *
 * @module
 */

import { concatenated } from "../files/concatenated.ts";
import { HEAD, recordOf } from "./record.ts";

/** The kinds of fields in a protocol buffer, by their numbers there. */
const wire = { varint: 0, double: 1, bytes: 2, float: 5 } as const;

/** A whole number in groups of 7 bits, the lowest first, where the highest bit says that more follow. */
function varint(value: number): Uint8Array {
  const groups: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) groups.push(rest % 128 | 128);
  return Uint8Array.from([...groups, rest]);
}

/** A field: its number and kind, and its content. */
function field(number: number, kind: keyof typeof wire, content: Uint8Array): Uint8Array {
  return concatenated([varint(number << 3 | wire[kind]), content]);
}

/** A field that holds a text or a message. */
function bytesField(number: number, content: Uint8Array): Uint8Array {
  return field(number, "bytes", concatenated([varint(content.length), content]));
}

function textField(number: number, text: string): Uint8Array {
  return bytesField(number, new TextEncoder().encode(text));
}

function doubleField(number: number, value: number): Uint8Array {
  const content = new DataView(new ArrayBuffer(8));
  content.setFloat64(0, value, true);
  return field(number, "double", new Uint8Array(content.buffer));
}

function floatField(number: number, value: number): Uint8Array {
  const content = new DataView(new ArrayBuffer(4));
  content.setFloat32(0, value, true);
  return field(number, "float", new Uint8Array(content.buffer));
}

/** Scalars of one step. */
export interface ScalarEvent {
  /** The step. */
  readonly step: number;
  /** The values by tag, which TensorBoard keeps in f32. */
  readonly scalars: Readonly<Record<string, number>>;
}

/** What an event file may hold: the event at its beginning, or scalars. */
export type FileEvent = "start" | ScalarEvent;

/**
 * The record of an event. Its length does not depend on the time.
 *
 * @param event The event.
 * @param time The time of the event, in seconds since 1970.
 * @returns The bytes of the record.
 *
 * @example
 * ```ts
 * import { eventRecord, timeOf } from "./event.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const record = eventRecord({ step: 10, scalars: { "train/loss": 0.5 } }, 1.25);
 * assertEquals(timeOf(record, 0), 1.25);
 * ```
 */
export function eventRecord(event: FileEvent, time: number): Uint8Array<ArrayBuffer> {
  return recordOf(concatenated([doubleField(1, time), ...contentOf(event)]));
}

/** The fields of an event after its time. */
function contentOf(event: FileEvent): readonly Uint8Array[] {
  if (event === "start") {
    return [textField(3, "brain.Event:2"), bytesField(10, textField(1, "unitune"))];
  }
  const values = Object.entries(event.scalars).map(([tag, value]) =>
    bytesField(1, concatenated([textField(1, tag), floatField(2, value)]))
  );
  // A protocol buffer leaves out a number that is 0.
  const step = event.step === 0 ? [] : [field(2, "varint", varint(event.step))];
  return [...step, bytesField(5, concatenated(values))];
}

/**
 * The time in a record.
 *
 * @param bytes The bytes of a file.
 * @param at The position of a record in it.
 * @returns The time, in seconds since 1970; NaN where the file ends before.
 */
export function timeOf(bytes: Uint8Array, at: number): number {
  // The time is the first field, behind one byte with its number.
  const begin = at + HEAD + 1;
  if (begin + 8 > bytes.length) return NaN;
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(begin, true);
}
