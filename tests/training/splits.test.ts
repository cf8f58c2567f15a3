/** Held-out parts of the data: what of them is predicted and asked, and what is said of the rest. */
import { assertEquals } from "@std/assert";
import { byteTokenizer, characterTokenizer } from "@unitune/models";
import { conversationSplit, messageText, type Split, textSplit } from "@unitune/training";
// Not public: the splits of other kinds of data.
import { promptSplit, textsSplit } from "../../training/data/splits.ts";

const notesOf = ({ notes }: Split) => notes.map((note) => messageText(note));

const letters = characterTokenizer("abcdefgh");

const exams = [..."abc"].map((letter) => ({
  conversation: {
    messages: [
      { role: "user", content: letter },
      { role: "assistant", content: letter },
    ] as const,
  },
  kind: "all",
}));

Deno.test("of more conversations than are looked at, the numbers are told", () => {
  const split = (evalExamples: number, evalAnswers: number) =>
    conversationSplit("v", exams, letters, 8, { evalExamples, evalAnswers });
  const cases: readonly [examples: number, answers: number, notes: string[]][] = [
    [3, 3, []],
    [2, 3, ["evaluations look at 2 of 3 v examples and answer 3, evenly spread."]],
    [3, 2, ["evaluations look at 3 of 3 v examples and answer 2, evenly spread."]],
    [1, 4, ["evaluations look at 1 of 3 v examples and answer 3, evenly spread."]],
  ];
  for (const [examples, answers, notes] of cases) {
    const own = split(examples, answers);
    assertEquals(notesOf(own), notes);
    assertEquals(own.sequences.length, examples);
    assertEquals(own.questions.length, Math.min(3, answers));
  }
  const { questions } = split(3, 2);
  assertEquals(questions.map(({ prompt }) => prompt), ["a", "b"]);
  const unanswered = conversationSplit("v", exams, letters, 8, { unanswered: 2 });
  assertEquals(notesOf(unanswered), [
    "2 of 5 v examples skipped, without an answer to learn from.",
  ]);
});

const bytes = byteTokenizer();

/** A text of so many letters, as ids. */
const idsOf = (length: number) =>
  bytes.encode("abcdefghijklmnopqrstuvwxyz".repeat(9).slice(0, length));

Deno.test("the windows of a text share a token each, and the first three begin questions", () => {
  const windows = (length: number, context: number) => {
    const { sequences, questions } = textSplit("v", idsOf(length), bytes, context);
    return {
      read: sequences.map(({ ids }) => bytes.decode(ids)),
      asked: questions.map(({ prompt, gold }) => `${prompt}+${gold}`),
    };
  };
  // A window has a token more than the context, which is only predicted.
  assertEquals(windows(7, 3), { read: ["abcd", "defg"], asked: ["ab+cd", "de+fg"] });
  // The last window may be shorter, down to a token that is read and one that is predicted.
  assertEquals(windows(8, 3), { read: ["abcd", "defg", "gh"], asked: ["ab+cd", "de+fg"] });
  // Of a window of three tokens, no half is a beginning.
  assertEquals(windows(7, 2), { read: ["abc", "cde", "efg"], asked: [] });
  assertEquals(windows(5, 9), { read: ["abcde"], asked: ["ab+cde"] });
  assertEquals(windows(2, 9), { read: ["ab"], asked: [] });
  assertEquals(windows(19, 3).asked, ["ab+cd", "gh+ij", "mn+op"]);
});

Deno.test("of more windows, texts or prompts than are looked at, the numbers are told", () => {
  const limits = { evalExamples: 2, evalAnswers: 1 };
  const windows = textSplit("v", idsOf(10), bytes, 3, limits);
  assertEquals([windows.sequences.length, windows.questions.length], [2, 1]);
  assertEquals(notesOf(windows), [
    "evaluations look at 2 of 3 windows of the v text, evenly spread.",
  ]);
  assertEquals(notesOf(textSplit("v", idsOf(7), bytes, 3, limits)), []);

  const texts = ["abcd", "ab", "abc", "efgh", "fgha"].map((text) => ({ text }));
  const whole = textsSplit("v", texts, letters, 8);
  assertEquals(whole.sequences.map(({ ids }) => ids.length), [5, 3, 4, 5, 5]);
  // Three texts of those with four tokens or more, their end among them.
  assertEquals(whole.questions.map(({ prompt }) => prompt), ["ab", "ab", "ef"]);
  assertEquals([notesOf(whole), whole.questions[0]?.kind], [[], "text"]);
  const few = textsSplit("v", texts, letters, 8, limits);
  assertEquals(few.sequences.map(({ ids }) => ids.length), [5, 4]);
  assertEquals(few.questions.length, 1);
  assertEquals(notesOf(few), ["evaluations look at 2 of 5 v texts, evenly spread."]);
  assertEquals(notesOf(textsSplit("v", texts.slice(0, 2), letters, 8, limits)), []);

  const prompts = [..."abc"].map((content) => ({
    prompt: [{ role: "user", content }] as const,
    columns: {},
  }));
  const asked = promptSplit("v", prompts, letters, 8, { evalAnswers: 2 });
  assertEquals(asked.questions.map(({ prompt, gold, kind }) => [prompt, gold, kind]), [
    ["a", "", "all"],
    ["b", "", "all"],
  ]);
  const learned = asked.questions.flatMap(({ sequence: { mask } }) => mask);
  assertEquals([asked.sequences, learned.some((own) => own)], [[], false]);
  assertEquals(notesOf(asked), ["evaluations look at 2 of 3 v prompts, evenly spread."]);
  assertEquals(notesOf(promptSplit("v", prompts, letters, 8, { evalAnswers: 3 })), []);
});
