/**
 * Numbers of bytes as people write and read them.
 *
 * @module
 */

/** Bytes of the units that sizes are given in, by their lower-case names. */
const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  ...{ kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
};

/**
 * The number of bytes that a text names, such as `3GB`, `1.5 GiB` or `4096`: GB are powers of 1000,
 * GiB of 1024.
 *
 * @param text The text.
 * @returns The number of whole bytes; undefined if the text names none.
 *
 * @example
 * ```ts
 * import { parseBytes } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["3GB", "1.5 GiB", "64"].map(parseBytes), [3e9, 1.5 * 2 ** 30, 64]);
 * assertEquals(["3 apples", "", "-1GB"].map(parseBytes), [undefined, undefined, undefined]);
 * ```
 */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const name = unit.toLowerCase();
  if (number === undefined || !Object.hasOwn(units, name)) return undefined;
  return Math.floor(Number(number) * (units[name] ?? NaN));
}

/**
 * A number of bytes for people, in the largest unit that it has one of.
 *
 * @param bytes The number.
 * @returns The text, with three digits.
 *
 * @example
 * ```ts
 * import { showBytes } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([100, 1536, 2 ** 32].map(showBytes), ["100 bytes", "1.5 KiB", "4 GiB"]);
 * ```
 */
export function showBytes(bytes: number): string {
  const names = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(names.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${names[power]}`;
}
