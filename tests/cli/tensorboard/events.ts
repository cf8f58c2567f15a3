/** Event files as a reader sees them, apart from the code that writes them. */
import { assert, assertEquals } from "@std/assert";

/** Joins bytes. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** An event with scalars, and its time. */
export interface ReadEvent {
  readonly time: number;
  readonly event: { readonly step: number; readonly scalars: Readonly<Record<string, number>> };
}

/** The content of a field of a protocol buffer, by its number: a number, or bytes. */
type Field = readonly [number: number, content: number | Uint8Array];

/** The fields of a protocol buffer. */
function fieldsIn(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = view.getUint8(at++);
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = key >>> 3;
    switch (key & 7) {
      case 0:
        fields.push([number, varint()]);
        break;
      case 1:
        fields.push([number, view.getFloat64(at, true)]);
        at += 8;
        break;
      case 2: {
        const length = varint();
        fields.push([number, bytes.subarray(at, at + length)]);
        at += length;
        break;
      }
      case 5:
        fields.push([number, view.getFloat32(at, true)]);
        at += 4;
        break;
      default:
        throw new RangeError(`a field of kind ${key & 7}`);
    }
  }
  return fields;
}

/** The fields of a number that hold messages or texts. */
function partsOf(fields: readonly Field[], number: number): Uint8Array[] {
  return fields.flatMap(([own, content]) =>
    own === number && content instanceof Uint8Array ? [content] : []
  );
}

/** The number in a field; 0 where there is none, as in every protocol buffer. */
function numberOf(fields: readonly Field[], number: number): number {
  const content = fields.find(([own]) => own === number)?.[1] ?? 0;
  assert(typeof content === "number");
  return content;
}

/** The events in an event file after the first, which has to be that of a file's start. */
export function scalarsIn(file: Uint8Array): ReadEvent[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const events: Field[][] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    events.push(fieldsIn(file.subarray(at + 12, at + 12 + length)));
    at += 12 + length + 4;
  }
  const decoder = new TextDecoder();
  const [start = [], ...others] = events;
  assertEquals(partsOf(start, 3).map((text) => decoder.decode(text)), ["brain.Event:2"]);
  return others.map((fields) => {
    const values = partsOf(fields, 5).flatMap((summary) => partsOf(fieldsIn(summary), 1))
      .map(fieldsIn);
    const scalars = values.map((value) =>
      [partsOf(value, 1).map((tag) => decoder.decode(tag)).join(), numberOf(value, 2)] as const
    );
    const event = { step: numberOf(fields, 2), scalars: Object.fromEntries(scalars) };
    return { time: numberOf(fields, 1), event };
  });
}
