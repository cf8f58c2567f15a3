/** Texts that end answers, as a setting writes them. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "@unitune/training";
// Not public: how a setting is read.
import { stopTexts } from "../../training/text/stop_texts.ts";

Deno.test("stop strings are parted by |, and signs are escaped", () => {
  assertEquals(stopTexts(undefined), []);
  assertEquals(stopTexts("a"), ["a"]);
  assertEquals(stopTexts("ab|\\n|c\\|d\\t\\\\|\u{1f408}"), ["ab", "\n", "c|d\t\\", "\u{1f408}"]);
  const refused = (text: string, message: string) => {
    assertEquals(assertThrows(() => stopTexts(text), UserError).message, message);
  };
  const empty = "a stop string is empty; write \\| for the character |";
  for (const text of ["", "a|", "|a", "a||b"]) refused(text, `${JSON.stringify(text)}: ${empty}`);
  const known = "\\n, \\t, \\| and \\\\ are known";
  refused("a\\x", `"a\\\\x": a stop string has the escape "\\\\x"; ${known}`);
  refused("a\\", `"a\\\\": a stop string has the escape "\\\\"; ${known}`);
});
