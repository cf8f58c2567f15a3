/** Running text: what of it is for validation, and how much there may be. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
import fc from "fast-check";
import { joinedText, longestText, textDataset } from "../../../cli/data/text.ts";

const named = (...texts: readonly string[]) => texts.map((text) => ({ file: "a.txt", text }));

/** The parts of a single text. */
const split = (text: string, share?: number) => {
  const { train, validation } = textDataset(named(text), share);
  return [train, validation];
};

Deno.test("a text is cut between its characters, of which one at least is for validation", () => {
  const cat = "\u{1f408}";
  for (
    const [text, share, parts] of [
      ["ab", undefined, ["a", "b"]],
      ["0123456789", undefined, ["012345678", "9"]],
      ["0123456789", 0.5, ["01234", "56789"]],
      [`${cat}a`, undefined, [cat, "a"]],
      [`${cat}a`, 0.6, [cat, "a"]],
      [`a${cat}`, undefined, ["a", cat]],
      [`a${cat}b`, 0.5, ["a", `${cat}b`]],
      [`ab${cat}`, 0.25, ["ab", cat]],
      [`${cat}${cat}`, 0.25, [cat, cat]],
      ["abc", 0, ["abc", ""]],
    ] as const
  ) assertEquals(split(text, share), [...parts], `${text} ${share}`);
  for (const text of ["a", cat]) {
    assertThrows(() => split(text), UserError, "a.txt has 1 character: it takes 2");
    assertEquals(split(text, 0), [text, ""]);
  }
});

Deno.test("no part of a text is lost, or ends within a character", () => {
  const texts = fc.string({ unit: "binary", minLength: 2, maxLength: 20 })
    .filter((text) => text.trim() !== "" && text.isWellFormed() && [...text].length > 1);
  fc.assert(fc.property(texts, fc.double({ min: 0.01, max: 0.9, noNaN: true }), (text, share) => {
    const [train = "", validation = ""] = split(text, share);
    assertEquals(train + validation, text);
    assertEquals([train, validation].every((part) => part.isWellFormed() && part !== ""), true);
  }));
});

Deno.test("blank texts are left out, unless all are", () => {
  assertEquals(joinedText(named("", "a", " \n", "b")), "a\n\nb");
  assertEquals(joinedText(named("a", "")), "a");
  assertThrows(() => joinedText(named("", " ")), UserError);
});

Deno.test("a text is at most as long as the engine's strings", () => {
  assertEquals("a".repeat(longestText).length, longestText);
  assertThrows(() => "a".repeat(longestText + 1), RangeError);
  // 512 texts of a MiB, and an empty line between two of them.
  const texts = named(...Array<string>(512).fill("a".repeat(2 ** 20)));
  const message = `the texts have ${2 ** 29 + 2 * 511} characters, and running text has at most`;
  assertThrows(() => joinedText(texts), UserError, message);
});
