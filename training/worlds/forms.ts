/**
 * The forms of steps, read by a state machine: one character after the other, without looking ahead
 * or back.
 *
 * @module
 */

/** A place of a form that characters of a kind fill: at least one, at most some. */
export interface Slot {
  /** The characters of the kind. */
  readonly kind: string;
  /** The most characters. */
  readonly most: number;
}

/** The form of a step: fixed texts, and slots between them. */
export type Form = readonly (string | Slot)[];

/** The decimal digits. */
export const digits = "0123456789";

/** A place for one digit. */
export const digit: Slot = { kind: digits, most: 1 };

/** A place for a whole number of at most six digits. */
export const whole: Slot = { kind: digits, most: 6 };

/**
 * Reads a text by a form. A slot takes characters of its kind until it is full or another character
 * comes. So a form has no slot before a text or slot that begins with a character of its kind,
 * unless it is full then.
 *
 * @param form The form.
 * @param text The text.
 * @returns The texts of the slots; undefined if the text has another form.
 *
 * @example
 * ```ts
 * import { digit, readForm, whole } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readForm([digit, "+", digit, "="], "8+6="), ["8", "6"]);
 * assertEquals(readForm([whole, ","], "14,"), ["14"]);
 * assertEquals(readForm([whole, ","], "14"), undefined);
 * ```
 */
export function readForm(form: Form, text: string): readonly string[] | undefined {
  const slots: string[] = [];
  let at = 0;
  for (const part of form) {
    if (typeof part === "string") {
      if (!text.startsWith(part, at)) return undefined;
      at += part.length;
      continue;
    }
    const from = at;
    while (at < text.length && at - from < part.most && part.kind.includes(text.charAt(at))) at++;
    if (at === from) return undefined;
    slots.push(text.slice(from, at));
  }
  return at === text.length ? slots : undefined;
}
