/** Mutants that are no faults, each with its reason. */
import type { Mutant } from "./mutants.ts";

/** A mutant equivalent to the code, identified by parts that survive edits elsewhere. */
export interface Explanation {
  /** The file, as a path from the root. */
  readonly file: string;
  /** The functions and constants around the change: `makeTensor.item`. */
  readonly inside: string;
  /** The change as a line of code, or several, without indentation. */
  readonly before: string;
  /** The line of the mutant in its place. */
  readonly after: string;
  /** The reason why no test can tell the two apart. */
  readonly because: string;
}

/** Lines without their indentation. */
const flush = (lines: string) => lines.split("\n").map((line) => line.trim()).join("\n");

/** Whether an explanation is about a mutant. */
export function explains(
  explanation: Explanation,
  mutant: Pick<Mutant, "file" | "inside" | "before" | "after">,
): boolean {
  return explanation.file === mutant.file && explanation.inside === mutant.inside &&
    explanation.before === flush(mutant.before) && explanation.after === flush(mutant.after);
}
