/** Damage to files and to JSON: seeded, so that the same numbers damage the same way. */
import { integerFrom, type Random } from "@unitune/training";

/** Texts that readers have stumbled over, each of which may come to stand anywhere in a file. */
const oddTexts: readonly string[] = [
  ...["\0", "\x1b]0;title\x07", "\x1b[2J", "\x7f", "\x9b31m", "\u202eabc", "\u2066", "\u2028"],
  ...["\ufeff", "\r\n", "\r", "\n", "\n\n", "\t", "", " ", "\ud83d\ude00", "\u0301"],
  ...["NaN", "Infinity", "-Infinity", "1e400", "-1", "0.5", "9007199254740993", "1e15", "null"],
  ...["true", "[]", "{}", "[", "]", "{", "}", '"', "\\", "\\u0000", "\\ud800", "\\u202e"],
  ...['"__proto__":1,', '"constructor":{},', "//", ",", ":", "'", "</script>", "%s", "../", "$&"],
];

/** Bytes that are no UTF-8. */
const oddBytes: readonly (readonly number[])[] = [
  ...[[0xff], [0xfe, 0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [
    0xe2,
    0x82,
  ]],
  ...[[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0xc0, 0x7f], [0xff, 0xff, 0x7f, 0x7f]],
];

/** One of some values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[integerFrom(random, 0, values.length - 1)];
  if (value === undefined) throw new RangeError("nothing to pick from");
  return value;
}

/** Bytes in which a piece is replaced by others. */
function spliced(bytes: Uint8Array, start: number, end: number, by: Iterable<number>): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, start), ...by, ...bytes.subarray(end)]);
}

type Damage = (random: Random, bytes: Uint8Array) => Uint8Array;

const place = (random: Random, bytes: Uint8Array) => integerFrom(random, 0, bytes.length);

const damages: readonly Damage[] = [
  // A bit.
  (random, bytes) => {
    const at = integerFrom(random, 0, Math.max(0, bytes.length - 1));
    return bytes.map((byte, i) => i === at ? byte ^ (1 << integerFrom(random, 0, 7)) : byte);
  },
  // A byte.
  (random, bytes) => {
    const at = place(random, bytes);
    return spliced(bytes, at, at + 1, [integerFrom(random, 0, 255)]);
  },
  // What was written of a file.
  (random, bytes) => bytes.slice(0, place(random, bytes)),
  // A piece that is lost, or written twice.
  (random, bytes) => {
    const at = place(random, bytes);
    return spliced(bytes, at, at + integerFrom(random, 1, 40), []);
  },
  (random, bytes) => {
    const [at, to] = [place(random, bytes), place(random, bytes)];
    return spliced(bytes, to, to, bytes.slice(at, at + integerFrom(random, 1, 80)));
  },
  // Something odd, in addition or in place of as much.
  (random, bytes) => {
    const odd = new TextEncoder().encode(pick(random, oddTexts));
    const at = place(random, bytes);
    return spliced(bytes, at, at + pick(random, [0, odd.length]), odd);
  },
  (random, bytes) => {
    const odd = pick(random, oddBytes);
    const at = place(random, bytes);
    return spliced(bytes, at, at + pick(random, [0, odd.length]), odd);
  },
  // Something odd at either end.
  (random, bytes) => spliced(bytes, 0, 0, new TextEncoder().encode(pick(random, oddTexts))),
  (random, bytes) => {
    const odd = new TextEncoder().encode(pick(random, oddTexts));
    return spliced(bytes, bytes.length, bytes.length, odd);
  },
  // A number.
  (random, bytes) => {
    const digits = [...bytes.keys()].filter((i) => bytes[i] !== undefined && isDigit(bytes[i]));
    if (digits.length === 0) return bytes;
    const at = pick(random, digits);
    const odd = pick(random, [
      "-1",
      "0",
      "1e400",
      "1e15",
      "0.5",
      "99999999999999999999",
      "NaN",
      '"1"',
    ]);
    return spliced(bytes, at, at + 1, new TextEncoder().encode(odd));
  },
  // Another encoding.
  (_, bytes) => Uint8Array.from([0xff, 0xfe, ...[...bytes].flatMap((byte) => [byte, 0])]),
  () => new Uint8Array(),
];

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

/** Bytes that are damaged, once or a few times. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  let result = bytes;
  for (let times = pick(random, [1, 1, 1, 2, 3]); times > 0; times--) {
    // Of large files the beginning, where all that is read as text stands, and now and then the rest.
    const part = result.length > 4096 && random() < 0.5 ? 4096 : result.length;
    const tail = result.subarray(part);
    result = Uint8Array.from([...pick(random, damages)(random, result.subarray(0, part)), ...tail]);
  }
  return result;
}

/** A number that JSON can spell and JavaScript has not, written by {@linkcode jsonOf}. */
const BEYOND = "<beyond>";

/** Values that nobody expects. */
const oddValues: readonly (() => unknown)[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    0.5,
    -0,
    1,
    2,
    7,
    100,
    1e15,
    2 ** 53,
    1e308,
    -1e308,
    2 ** 31,
    BEYOND,
  ]
    .map((value) => () => value),
  ...oddTexts.map((text) => () => text),
  () => [],
  () => ({}),
  () => [[[]]],
  () => "a".repeat(300_000),
  () => "\x1b]0;title\x07".repeat(1000),
  () => nested(2000),
  () => Array<number>(1000).fill(1),
];

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

const oddKeys = [
  "__proto__",
  "constructor",
  "toString",
  "length",
  "",
  "\x1b[31m",
  "\u202e",
  "a".repeat(300_000),
];

/** A value of JSON in which something is another value, goes, comes, or has another name. */
export function mutated(random: Random, value: unknown): unknown {
  const odd = () => pick(random, oddValues)();
  if (typeof value !== "object" || value === null || random() < 0.05) return odd();
  if (Array.isArray(value)) {
    if (value.length === 0 || random() < 0.1) return [...value, odd()];
    const at = integerFrom(random, 0, value.length - 1);
    if (random() < 0.15) return value.toSpliced(at, 1);
    if (random() < 0.1) return [...value, value[at]];
    return value.with(at, mutated(random, value[at]));
  }
  const entries: [string, unknown][] = Object.entries(value);
  if (entries.length === 0 || random() < 0.1) {
    return Object.fromEntries([...entries, [pick(random, oddKeys), odd()]]);
  }
  const at = integerFrom(random, 0, entries.length - 1);
  const [name, own] = entries[at] ?? ["", undefined];
  const chance = random();
  if (chance < 0.15) return Object.fromEntries(entries.toSpliced(at, 1));
  if (chance < 0.25) return Object.fromEntries(entries.with(at, [pick(random, oddKeys), own]));
  return Object.fromEntries(entries.with(at, [name, mutated(random, own)]));
}

/** A value as JSON; with numbers beyond those of JavaScript, and now and then a key twice. */
export function jsonOf(random: Random, value: unknown): string {
  const text = (JSON.stringify(value) ?? "null").replaceAll(JSON.stringify(BEYOND), "1e400");
  return random() < 0.05 ? text.replace(/"([a-z]+)":/, '"$1":0,"$1":') : text;
}
