/**
 * What a process that runs code of others says to the one that started it, as lines of JSON.
 *
 * The code may write to standard output as well. So each frame begins on a line of its own with a
 * token that only the two ends know.
 *
 * @module
 */

/** The first line that a process reads. */
export interface Orders {
  /** The word before each of its frames. */
  readonly token: string;
  /** The most memory of the process, in bytes. */
  readonly memory: number;
}

/** A frame: what the code has said, or why it will not say anything more. */
export type Reply =
  | {
    /** The code has sent a message. */
    readonly kind: "message";
    /** The message. */
    readonly message: string;
  }
  | {
    /** The memory is used up. */
    readonly kind: "memory";
  };

/** The key of an object that stands for a value that JSON has no text for. */
const APART = "$";

/** Values that JSON has no text for, by their own. */
const apart: ReadonlyMap<string, unknown> = new Map<string, unknown>(
  [NaN, Infinity, -Infinity, undefined].map((value) => [String(value), value]),
);

/** The most characters of a value's text. */
const LONGEST = 200;

/**
 * A value as JSON, in which numbers that are not finite and `undefined` stay what they are. Functions,
 * symbols and big integers become their texts.
 *
 * @param value The value.
 * @returns Its JSON.
 * @throws {TypeError} If it holds itself.
 *
 * @example
 * ```ts
 * import { decode, encode } from "./frames.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decode(encode([1, NaN, null, undefined])), [1, NaN, null, undefined]);
 * ```
 */
export function encode(value: unknown): string {
  return JSON.stringify(value, (_, own: unknown) => {
    const isPlain = typeof own === "number" ? Number.isFinite(own) : jsonTypes.has(typeof own);
    return isPlain ? own : { [APART]: String(own).slice(0, LONGEST) };
  });
}

/** The types of values that JSON has texts for, numbers apart. */
const jsonTypes: ReadonlySet<string> = new Set(["string", "boolean", "object"]);

/**
 * The value that {@linkcode encode} has written.
 *
 * @param text The JSON.
 * @returns The value.
 * @throws {SyntaxError} If it is no JSON.
 */
export function decode(text: string): unknown {
  return restored(JSON.parse(text));
}

function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored);
  if (typeof value !== "object" || value === null) return value;
  const own = Object.entries(value);
  const [[key, text] = []] = own;
  if (own.length === 1 && key === APART) {
    return apart.has(String(text)) ? apart.get(String(text)) : text;
  }
  return Object.fromEntries(own.map(([name, part]) => [name, restored(part)]));
}

/**
 * The lines of a stream of UTF-8.
 *
 * @param stream The bytes.
 * @param longest The most characters of a line (default: no limit); what follows is dropped.
 * @returns The lines, without their ends; an empty last one is left out.
 *
 * @example
 * ```ts
 * import { textLines } from "./frames.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const stream = ReadableStream.from(["a\nb", "c\n"].map((text) => new TextEncoder().encode(text)));
 * assertEquals(await Array.fromAsync(textLines(stream)), ["a", "bc"]);
 * ```
 */
export async function* textLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  longest = Infinity,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const [first = "", ...others] = chunk.split("\n");
    rest = (rest + first).slice(0, longest);
    for (const line of others) {
      yield rest;
      rest = line.slice(0, longest);
    }
  }
  if (rest !== "") yield rest;
}
