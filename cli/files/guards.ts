/**
 * Type guards for values that were read from a file.
 *
 * @module
 */

/** Tells whether a value is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tells whether a value is a finite number: JSON text such as `1e999` is read as infinity. */
export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

/** Tells whether a value is a whole number, at least 0. */
export function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
