/**
 * Values of Parquet as JSON has them.
 *
 * @module
 */

/**
 * A value as JSON has it: whole numbers, points in time and bytes have types of their own in Parquet.
 * A whole number that is not exact in 64 bits of a float is text.
 *
 * @param value The value.
 * @returns The value as JSON has it.
 *
 * @example
 * ```ts
 * import { plainValue } from "./plain_value.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(plainValue({ count: 3n, at: new Date(0) }), { count: 3, at: "1970-01-01T00:00:00.000Z" });
 * ```
 */
export function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, plainValue(own)]));
}
