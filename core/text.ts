/**
 * Text from outside, such as file names, the names of tensors, prompts and settings, as messages and
 * terminals may show it: no character of it controls the terminal, and none of it is without bound.
 */

/**
 * Characters that do something other than to stand for themselves: controls (C0, DEL, C1), marks
 * and overrides of direction, characters without width, separators of lines and paragraphs, halves
 * of surrogate pairs, and tags. Joiners (U+200C, U+200D), which spell words and emoji, stay.
 */
const ACTIVE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;

/** Escapes that have a letter, as in JSON. */
const LETTERS: ReadonlyMap<string, string> = new Map([
  ["\b", "\\b"],
  ["\t", "\\t"],
  ["\n", "\\n"],
  ["\f", "\\f"],
  ["\r", "\\r"],
]);

function escaped(character: string): string {
  const letter = LETTERS.get(character);
  if (letter !== undefined) return letter;
  const digits = (character.codePointAt(0) ?? 0).toString(16).padStart(4, "0");
  return digits.length === 4 ? `\\u${digits}` : `\\u{${digits}}`;
}

/**
 * A text on one line that controls nothing: control characters, overrides of direction, line
 * separators and characters without width stand as the escapes of JavaScript.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { printable } from "@unitune/core";
 *
 * assertEquals(printable("a\x1b[2Jb\n\u202ec"), "a\\u001b[2Jb\\n\\u202ec");
 * ```
 *
 * @param text The text.
 * @returns It, with escapes.
 */
export function printable(text: string): string {
  return text.replace(ACTIVE, escaped);
}

/**
 * A text of any number of lines that controls nothing: as {@linkcode printable}, but newlines and
 * tabs stay.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { printableLines } from "@unitune/core";
 *
 * assertEquals(printableLines("a\r\n\tb\x07"), "a\\r\n\tb\\u0007");
 * ```
 *
 * @param text The text.
 * @returns It, with escapes.
 */
export function printableLines(text: string): string {
  return text.replace(
    ACTIVE,
    (character) => character === "\n" || character === "\t" ? character : escaped(character),
  );
}

/**
 * A text of bounded length: a note takes the place of the characters left out of its middle.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { abridged } from "@unitune/core";
 *
 * assertEquals(abridged("short", 40), "short");
 * assertEquals(abridged("a".repeat(1000) + "z", 6), "aaaa… (995 characters left out) …az");
 * ```
 *
 * @param text The text.
 * @param limit The most characters (UTF-16 code units) of it that are kept.
 * @returns It, or its beginning and its end.
 */
export function abridged(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // The end of a message says what to do; its beginning, where.
  const end = Math.floor(limit / 3);
  const left = (text.length - limit).toLocaleString("en-US");
  const [head, tail] = [text.slice(0, limit - end), text.slice(text.length - end)];
  return `${head}… (${left} characters left out) …${tail}`.toWellFormed();
}

/**
 * A value of unknown origin, as messages show it: as JSON, on one line, without control characters,
 * and cut to a bounded length, followed by the whole length of a text that was cut.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quoted } from "@unitune/core";
 *
 * assertEquals(quoted("wte.weight"), '"wte.weight"');
 * assertEquals(quoted([1, { a: null }]), '[1,{"a":null}]');
 * assertEquals(quoted("x".repeat(300), 5), '"xxxxx…" (300 characters)');
 * ```
 *
 * @param value A text, a number, or any other value that JSON has.
 * @param limit The most characters of it that are shown.
 * @returns Its text.
 */
export function quoted(value: unknown, limit = 80): string {
  if (typeof value === "string") {
    if (value.length <= limit) return printable(JSON.stringify(value));
    const start = value.slice(0, limit).toWellFormed();
    const length = value.length.toLocaleString("en-US");
    return `${printable(JSON.stringify(`${start}…`))} (${length} characters)`;
  }
  // Written no further than it is shown: a value may be larger than memory has room for its text.
  const text = printable(jsonUpTo(value, limit));
  return text.length <= limit ? text : `${text.slice(0, limit).toWellFormed()}…`;
}

/** The JSON of a value; of a long one, a beginning of at least `room` characters. */
function jsonUpTo(value: unknown, room: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, room + 1));
  if (typeof value !== "object" || value === null) return String(value);
  if (room <= 0) return "…";
  const isList = Array.isArray(value);
  let text = isList ? "[" : "{";
  let separator = "";
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    const element: unknown = Reflect.get(value, key);
    const name = isList ? "" : `${JSON.stringify(key.slice(0, room))}:`;
    text += separator + name + jsonUpTo(element, room - text.length - name.length);
    separator = ",";
    if (text.length > room) return text;
  }
  return text + (isList ? "]" : "}");
}
