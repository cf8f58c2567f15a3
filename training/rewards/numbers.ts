/**
 * Numbers as people and models write them: `1,234.50`, `3/4`, `1\frac{1}{2}`, `$5`, `20%`, `72 km/h`.
 *
 * They are compared exactly, as fractions of integers.
 *
 * @module
 */

/** A fraction; the denominator is above 0. */
export interface Fraction {
  /** The numerator, with the sign. */
  readonly numerator: bigint;
  /** The denominator. */
  readonly denominator: bigint;
}

/** A number as it is written: 20 % has the value 20 and the scale 1/100. */
export interface WrittenNumber {
  /** The number without its scale. */
  readonly value: Fraction;
  /** What a percent sign or a word such as million multiplies it by; 1 without any. */
  readonly scale: Fraction;
}

/** The most characters of a number with all that stands around it. */
const LONGEST = 120;

/** Words and signs that multiply the number before them, by their beginnings. */
const scales: readonly (readonly [RegExp, bigint, bigint])[] = [
  [/^(?:\\?%|per ?cent\b)/i, 1n, 100n],
  [/^hundred\b/i, 100n, 1n],
  [/^thousand\b/i, 1_000n, 1n],
  [/^million\b/i, 1_000_000n, 1n],
  [/^billion\b/i, 1_000_000_000n, 1n],
  [/^trillion\b/i, 1_000_000_000_000n, 1n],
];

/** What LaTeX writes for the same number, in order. */
const notations: readonly (readonly [RegExp, string])[] = [
  [/[\u2212\u2013]/g, "-"],
  [/[\u00a0\u2009\u202f]/g, " "],
  [/\{,\}/g, ","],
  // Spaces and delimiters. A space within a number separates thousands.
  [/\\[,;: ]|~/g, " "],
  [/\\!|\\(?:left|right)\b|\\[()[\]]/g, ""],
  [/\\(?:text(?:bf|rm)?|math(?:bf|rm)|mbox)\s*\{([^{}]*)\}/g, " $1 "],
  [/\^\s*\{?\\circ\}?|\\degree\b/g, "°"],
  [/\\[dt]frac/g, "\\frac"],
  [/\\frac\s*(\d)\s*(\d)/g, "\\frac{$1}{$2}"],
  [/\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g, " $1/$2"],
  [/\\([$%])/g, "$1"],
];

/** Digits with or without separators of thousands, and decimals. */
const DECIMAL = String.raw`(?:\d{1,3}(?:[, ]\d{3})+|\d+)(?:\.\d*)?|\.\d+`;

/** The whole part of a mixed number, a number, and a denominator. */
const MAGNITUDE = new RegExp(`^(?:(\\d+) +(?=[1-9]\\d* */))?(${DECIMAL})(?: */ *(${DECIMAL}))?`);

/** Signs and currencies before a number, behind `x =`. */
const BEFORE = /^(?:[a-z] *=)? *([-+]?) *[$€£¥₹]? *([-+]?) */i;

/** What may stand behind a number: words, such as a unit with its powers. No other number. */
const BEHIND = /^(?:[\p{L}\p{M}\s$€£¥₹°'"“”’(),.;:!/·*-]|(?<=\p{L})(?:[²³]|\s*\^ *\{?[23]\}?))*$/u;

/**
 * Reads a number. Separators of thousands, signs of currencies, LaTeX, and words behind the number
 * are understood; what holds another number, or none, is no number.
 *
 * @param text The number, as it is written.
 * @returns The number; undefined if it is none.
 *
 * @example
 * ```ts
 * import { isSameNumber, readNumber } from "@unitune/training";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const [a, b] = [readNumber("$1,234.50 a year"), readNumber("2469/2")];
 * assert(a !== undefined && b !== undefined && isSameNumber(a, b));
 * assertEquals(readNumber("5 or 6"), undefined);
 * ```
 */
export function readNumber(text: string): WrittenNumber | undefined {
  if (text.length > LONGEST) return undefined;
  const plain = notations.reduce(
    (written, [notation, meaning]) => written.replace(notation, meaning),
    text,
  ).replace(/^[\s*_{`]+|[\s*_}`]+$/g, "");
  const [before = "", sign = "", inner = ""] = BEFORE.exec(plain) ?? [];
  if (sign !== "" && inner !== "") return undefined;
  const found = MAGNITUDE.exec(plain.slice(before.length));
  const [magnitude = "", whole = "0", numerator, denominator = "1"] = found ?? [];
  if (numerator === undefined) return undefined;
  const [a, b] = [decimal(numerator), decimal(denominator)];
  if (b.numerator === 0n) return undefined;
  const behind = plain.slice(before.length + magnitude.length).trimStart();
  const [scale, words] = scaleOf(behind);
  if (!BEHIND.test(words)) return undefined;
  const part = product(a, { numerator: b.denominator, denominator: b.numerator });
  const size = BigInt(whole) * part.denominator + part.numerator;
  return {
    value: {
      numerator: `${sign}${inner}` === "-" ? -size : size,
      denominator: part.denominator,
    },
    scale,
  };
}

/** The fraction of a decimal number. */
function decimal(written: string): Fraction {
  const [whole = "", decimals = ""] = written.replace(/[, ]/g, "").split(".");
  return {
    numerator: BigInt(whole + decimals),
    denominator: 10n ** BigInt(decimals.length),
  };
}

/** The scale that follows a number, and what follows that. */
function scaleOf(behind: string): readonly [Fraction, string] {
  for (const [sign, numerator, denominator] of scales) {
    const [found] = sign.exec(behind) ?? [];
    if (found !== undefined) return [{ numerator, denominator }, behind.slice(found.length)];
  }
  return [{ numerator: 1n, denominator: 1n }, behind];
}

function product(a: Fraction, b: Fraction): Fraction {
  return {
    numerator: a.numerator * b.numerator,
    denominator: a.denominator * b.denominator,
  };
}

function areEqual(a: Fraction, b: Fraction): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator;
}

/**
 * Whether two numbers are the same. A scale that only one of them has may be understood: to the
 * question of how many percent, 20 and 20 % are the same answer, and so are 0.2 and 20 %.
 *
 * @param a A number.
 * @param b Another one.
 * @returns Whether they are exactly the same.
 */
export function isSameNumber(a: WrittenNumber, b: WrittenNumber): boolean {
  const isUnderstood = [a, b].some(({ scale }) => scale.numerator === scale.denominator);
  return areEqual(product(a.value, a.scale), product(b.value, b.scale)) ||
    isUnderstood && areEqual(a.value, b.value);
}
