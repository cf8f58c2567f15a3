import { assert, assertEquals, assertMatch } from "@std/assert";
import { abridged, printable, printableLines, quoted } from "@unitune/core";
import fc from "fast-check";

/** What no terminal and no message may get: controls, overrides of direction, other ends of lines. */
// deno-lint-ignore no-control-regex
const ACTIVE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

const active = fc.constantFrom(
  ...["\0", "\x07", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u061c"],
  ...["\u200b", "\u200e", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\ufeff"],
  ...["\ud800", "\udfff", "\u{e0041}"],
);
const text = fc.array(fc.oneof(fc.string({ unit: "binary" }), active)).map((parts) =>
  parts.join("")
);

Deno.test("printable text has no character that does something, whatever it was", () => {
  fc.assert(fc.property(text, (given) => {
    assert(!ACTIVE.test(printable(given)), JSON.stringify(printable(given)));
    assert(printable(given).isWellFormed());
    assertEquals(printable(printable(given)), printable(given));
  }));
});

Deno.test("lines stay lines, and nothing else of them does something", () => {
  fc.assert(fc.property(text, (given) => {
    const shown = printableLines(given);
    assert(!ACTIVE.test(shown.replaceAll(/[\n\t]/g, "")));
    assertEquals(
      shown.split("\n").map(printable).join("\n"),
      printable(given).replaceAll("\\n", "\n"),
    );
  }));
});

Deno.test("words, accents and emoji of several parts are shown as they are", () => {
  const words = "naïve Ωμέγα שלום سلام हिन्दी 日本語 👩‍👩‍👧‍👦 🏳️‍🌈 می‌خواهم e\u0301";
  assertEquals(printable(words), words);
});

Deno.test("a control character is shown by its escape", () => {
  assertEquals(
    printable("\x1b]0;t\x07\u202e\0\x9b\r\n\t\u{e0041}\ud800"),
    "\\u001b]0;t\\u0007\\u202e\\u0000\\u009b\\r\\n\\t\\u{e0041}\\ud800",
  );
});

Deno.test("whatever a value is, it is quoted in few characters that do nothing", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.jsonValue(), text),
      fc.integer({ min: 1, max: 200 }),
      (value, limit) => {
        const shown = quoted(value, limit);
        assert(!ACTIVE.test(shown));
        // An escape takes up to 9 characters; the whole length of a text is told after it.
        assert(shown.length <= 9 * limit + 40, `${shown.length} characters`);
      },
    ),
  );
});

Deno.test("a text of just as many characters as are shown is shown whole", () => {
  assertEquals(quoted("abc", 3), '"abc"');
  assertEquals(quoted("abcd", 3), '"abc…" (4 characters)');
  assertEquals(quoted("a".repeat(80)), `"${"a".repeat(80)}"`);
  assertEquals(quoted("a".repeat(81)), `"${"a".repeat(80)}…" (81 characters)`);
  assertEquals(quoted([1, 2], 5), "[1,2]");
  assertEquals(quoted([1, 23], 5), "[1,23…");
});

Deno.test("a short value is quoted as JSON", () => {
  fc.assert(fc.property(fc.jsonValue({ stringUnit: "grapheme-ascii" }), (value) => {
    const json = JSON.stringify(value);
    if (json.length <= 80) assertEquals(quoted(value), JSON.stringify(JSON.parse(json)));
  }));
});

Deno.test("what is long is quoted by its beginning, without writing out the rest", () => {
  assertEquals(quoted("a".repeat(300_000), 3), '"aaa…" (300,000 characters)');
  let deep: unknown = 0;
  for (let i = 0; i < 1_000_000; i++) deep = [deep];
  assertEquals(quoted(deep, 4), "[[[[…");
  const wide = Array<number>(1e6).fill(1);
  assertEquals(quoted({ wide, more: wide }, 14), '{"wide":[1,1,1…');
  assertMatch(quoted({ ["k".repeat(1e6)]: 1 }, 10), /^\{"k{8}…$/);
});

Deno.test("a long message keeps its beginning and its end", () => {
  fc.assert(fc.property(fc.string(), fc.integer({ min: 3, max: 100 }), (given, limit) => {
    const shown = abridged(given, limit);
    if (given.length <= limit) return assertEquals(shown, given);
    assert(shown.includes(`… (${given.length - limit} characters left out) …`));
    assertEquals(shown.slice(0, 1).toWellFormed(), given.slice(0, 1).toWellFormed());
  }));
});
