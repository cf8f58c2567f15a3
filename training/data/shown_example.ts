/**
 * A training example, token by token, for people.
 *
 * @module
 */

import { describeTokens, type EncodedSequence, type Tokenizer } from "@unitune/models";
import { shortened } from "../text/graphemes.ts";
import type { PairCandidate, StageData } from "./examples.ts";

/** A sequence of an example. */
interface Part {
  /** What it is, in words. */
  readonly title: string;
  /** Its tokens; none where the model gives them later. */
  readonly sequence?: EncodedSequence;
}

/** Both sides of a pair. */
function sidesOf({ chosen, rejected }: PairCandidate): readonly Part[] {
  return [
    { title: "preferred answer", sequence: chosen },
    rejected === undefined
      ? { title: "rejected answer: the model gives it when the stage begins" }
      : { title: "rejected answer", sequence: rejected },
  ];
}

/** The sequences of the first example of a stage. */
function partsOf(data: StageData): readonly Part[] {
  switch (data.kind) {
    case "demonstrations": {
      const texts = data.packed?.row(0).texts;
      return texts === undefined
        ? [{ title: "example", sequence: data.source.row(0) }]
        : texts.map((sequence, i) => ({
          title: `example ${i + 1} of ${texts.length} in one packed row`,
          sequence,
        }));
    }
    case "pairs":
      return [...data.train.slice(0, 1)].flatMap(sidesOf);
    case "triples":
      return [...data.train.slice(0, 1)].flatMap(({ gold, chosen, rejected }) => [
        { title: "gold answer", sequence: gold },
        { title: "preferred answer", sequence: chosen },
        { title: "rejected answer", sequence: rejected },
      ]);
    case "labels":
      return [
        ...[...data.train.slice(0, 1)].map(({ sequence, label }) => ({
          title: label ? "answer that is liked" : "answer that is not liked",
          sequence,
        })),
        ...data.train.length > 0 ? [] : [...data.pairs.slice(0, 1)].flatMap(sidesOf),
      ];
    case "steps":
      return [...data.train.slice(0, 1)].map((sequence) => ({
        title: "answer in steps, whose labels are learned at their ends",
        sequence,
      }));
    case "rollouts":
      return [...data.train.slice(0, 1)].map(({ ids }) => ({
        title: "prompt, which the model answers",
        sequence: { ids, mask: ids.map(() => false) },
      }));
    default:
      return data satisfies never;
  }
}

/** Lines of a run of tokens in one state that are shown at its start and at its end. */
const SHOWN = 20;

/** The lines of a sequence; of a long run of tokens in one state, those at its ends. */
function linesOf(tokenizer: Tokenizer, sequence: EncodedSequence): readonly string[] {
  const { mask } = sequence;
  const lines = describeTokens(tokenizer, sequence);
  const starts = mask.flatMap((own, t) => own === mask[t - 1] ? [] : [t]);
  return starts.flatMap((start, run) => {
    const own = lines.slice(start, starts[run + 1]);
    const left = own.length - 2 * SHOWN;
    // One line in place of a few would save nothing.
    return left <= SHOWN ? own : [
      ...own.slice(0, SHOWN),
      `… ${left.toLocaleString("en-US")} more tokens that are ` +
      `${mask[start] === true ? "learned" : "given"} …`,
      ...own.slice(-SHOWN),
    ];
  });
}

/**
 * The first training example of a stage, token by token: place, id, whether the token is given or
 * learned, and its text. Of a pair or a triple, all answers are shown; of a packed row, every example; of
 * rollouts, the prompt.
 *
 * @param tokenizer The tokenizer.
 * @param data The data of the stage.
 * @param columns The most characters of a line (default 80).
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { describeExample, fitConversations, shuffledRows } from "@unitune/training";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const messages = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }] as const;
 * const { rows } = fitConversations(tokenizer, [{ messages }], 8);
 * const source = shuffledRows(rows, 0, 8);
 * assertEquals(describeExample(tokenizer, { kind: "demonstrations", source }), [
 *   "example: 5 tokens, of which 2 are learned",
 *   '  0    3  given    "<user>"',
 *   '  1  102  given    "a"',
 *   '  2    4  given    "<assistant>"',
 *   '  3  103  learned  "b"',
 *   '  4    1  learned  "<stop>"',
 * ]);
 * ```
 */
export function describeExample(
  tokenizer: Tokenizer,
  data: StageData,
  columns = 80,
): readonly string[] {
  return partsOf(data).flatMap(({ title, sequence }) => {
    if (sequence === undefined) return [title];
    const { ids, mask } = sequence;
    const learned = mask.filter((own) => own).length;
    const counts = learned === 0
      ? `${ids.length} tokens`
      : `${ids.length} tokens, of which ${learned} are learned`;
    return [
      `${title}: ${counts}`,
      ...linesOf(tokenizer, sequence).map((line) => shortened(`  ${line}`, Math.max(1, columns))),
    ];
  });
}
