/** What fits the terminal that nobody widened. */
import { assert } from "@std/assert";
import { WIDTH } from "../../cli/terminal/layout.ts";

/**
 * Every line fits 80 columns. A longer one is a single word, such as a path; or a command, which is
 * one line so that it can be copied.
 */
export function assertFits(text: string): void {
  for (const line of text.split("\n")) {
    const isWord = !line.trim().includes(" ");
    assert(
      line.length <= WIDTH || isWord || line.startsWith("  deno task "),
      `${line.length}: ${line}`,
    );
  }
}
