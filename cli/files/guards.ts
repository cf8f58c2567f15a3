/**
 * What a value that was read from a file is.
 *
 * @module
 */

/** Whether it is an object of JSON. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether it is a finite number: JSON can spell larger ones than there are. */
export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

/** Whether it is a whole number from 0 on. */
export function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
