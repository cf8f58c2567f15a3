/** The words that the page explains: the glossary of the reports, and a few of its own. */
import { meaningOf as glossaryEntry } from "@unitune/cli/glossary";

const own: Readonly<Record<string, string>> = {
  tokens_per_second: "number of tokens that any model reads or writes in a second of this training",
  "gold prefix": "the right answer's own tokens before a position: teacher forcing reads them",
  "own prefix": "the tokens that the model itself has said before a position",
  mix:
    "the temporal residual connection of Intuitive Fine-Tuning: each token read is (1 - lambda) " +
    "of the gold token's embedding and lambda of the model's own",
  lambda: "share of the model's own token in the mix; 0 is the gold prefix",
  success: "probability of ever reaching the goal from the start, computed exactly",
  "teacher-forced":
    "mean probability of the demonstrated move in the cells of the demonstration, " +
    "as if the policy were always there",
  distance: "mean squared difference from the optimal policy's transition matrix",
};

/** The meaning of a term; undefined if the glossary does not have it. */
export function meaningOf(name: string): string | undefined {
  return Object.hasOwn(own, name) ? own[name] : glossaryEntry(name)?.meaning;
}
