/**
 * JSON whose keys have escapes. `JSON.parse` of V8 12.8 to 14.6 may read such a key as another one,
 * which an earlier object had in its place (nodejs/node#63785): after `{"h":[],"\\":0}`, the key
 * `"\""` in `{"h":1,"\"":2}` is a backslash. Vocabularies are objects of such keys.
 */

/** Starts a key that stands for another one; a key that starts so itself is replaced, too. */
const MARK = "\ue000";

/**
 * The value of a JSON text, in which every key is what the text says.
 *
 * @param text The text.
 * @returns The value.
 * @throws {SyntaxError} If the text is not JSON.
 */
export function parseJson(text: string): unknown {
  const keys: string[] = [];
  let marked = "";
  let copied = 0;
  for (let start = text.indexOf('"'); start >= 0;) {
    const end = endOfString(text, start);
    const string = text.slice(start, end);
    const isUnsafe = (string.includes("\\") || string.includes(MARK)) && isBeforeColon(text, end);
    if (isUnsafe) {
      marked += `${text.slice(copied, start)}"${MARK}${keys.length}"`;
      copied = end;
      // A string is read rightly where it is a value.
      keys.push(JSON.parse(string));
    }
    start = text.indexOf('"', end);
  }
  return keys.length === 0
    ? JSON.parse(text)
    : unmarked(JSON.parse(marked + text.slice(copied)), keys);
}

/** The place after the quote that ends a string, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** Whether the next character that is no space is a colon. */
function isBeforeColon(text: string, place: number): boolean {
  let next = place;
  while (/\s/.test(text.charAt(next))) next++;
  return text[next] === ":";
}

/** A value with the keys that marks stand for. */
function unmarked(value: unknown, keys: readonly string[]): unknown {
  if (Array.isArray(value)) {
    return value.map((element) => unmarked(element, keys));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => {
      const original = key.startsWith(MARK) ? keys[Number(key.slice(MARK.length))] : key;
      if (original === undefined) throw new SyntaxError("a mark of a key without its key");
      return [original, unmarked(field, keys)];
    }),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
