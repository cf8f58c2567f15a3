/** Right answers among rollouts: what answers begin with, and what a teacher reads. */
import { assertEquals, assertThrows } from "@std/assert";
import { characterTokenizer, type ChatMessage } from "@unitune/models";
import type { Guidance, HintShare } from "@unitune/objectives";
import { promptFit, type TrainingPrompt, UserError } from "@unitune/training";
import {
  answerUse,
  beginningsOf,
  demonstratedAnswer,
  emptyPrivileged,
  givenTokens,
  privilegedRows,
  resumedAnswer,
} from "../../training/feeds/guidance.ts";

const tokenizer = characterTokenizer("abcd");
const [stop = -1] = tokenizer.stops;
const [a = 0, b = 0, c = 0, d = 0] = tokenizer.encode("abcd");
const promptOf = (ids: readonly number[], answer: readonly number[]): TrainingPrompt => ({
  ...{ ids, answer, prompt: "", columns: {} },
});
const prompts = [promptOf([a], [b, c, stop]), promptOf([a, d], [c, stop])]
  .flatMap((prompt) => [prompt, prompt]);
const of = (share: number): HintShare => ({ description: "", at: () => share });
const begin = (guidance: Guidance | undefined) =>
  beginningsOf(guidance, { prompts, groupSize: 2, step: 3, seed: 1 });

Deno.test("a demonstration is the last answer of its group, a hint a share of all or of the last", () => {
  assertEquals(begin(undefined), [[], [], [], []]);
  assertEquals(begin({ kind: "context", from: "data" }), [[], [], [], []]);
  assertEquals(begin({ kind: "answer" }), [[], [b, c, stop], [], [c, stop]]);
  assertEquals(begin({ kind: "hint", rows: "all", share: of(0.5) }), [[b], [b], [], []]);
  // The last token of an answer is never given.
  assertEquals(begin({ kind: "hint", rows: "last", share: of(1) }), [[], [b, c], [], [c]]);
});

Deno.test("the draw of a hint is one for a group, and another at another step and seed", () => {
  const share: HintShare = { description: "", at: (step, random) => (random() + step) % 1 };
  const long = Array.from({ length: 4 }, () => promptOf([a], new Array<number>(1001).fill(b)));
  const lengths = (step: number, seed: number) =>
    beginningsOf({ kind: "hint", rows: "all", share }, { prompts: long, groupSize: 2, step, seed })
      .map(({ length }) => length);
  const [first, second, third, fourth] = lengths(0, 1);
  assertEquals([first, third], [second, fourth]);
  assertEquals(new Set([first, third, lengths(1, 1)[0], lengths(0, 2)[0]]).size, 4);
  assertEquals(lengths(0, 1), lengths(0, 1));
});

Deno.test("demonstrations and hints are answers as the policy gives them", () => {
  const whole = demonstratedAnswer(tokenizer, [a], [b, c, stop]);
  assertEquals([whole.ids, whole.text, whole.isEnded], [[b, c, stop], "bc", true]);
  assertEquals(demonstratedAnswer(tokenizer, [a], [b]).isEnded, false);
  const rest = { ...demonstratedAnswer(tokenizer, [a, b], [c, stop]) };
  const resumed = resumedAnswer(tokenizer, [a], [b], rest);
  assertEquals([resumed.prompt, resumed.ids, resumed.text], [[a], [b, c, stop], "bc"]);
  assertEquals(resumedAnswer(tokenizer, [a, b], [], rest), rest);
});

Deno.test("given tokens are marked behind their prompts", async () => {
  const answers = [[a], [a, d]].map((prompt) => demonstratedAnswer(tokenizer, prompt, [c, stop]));
  const given = givenTokens(answers, [[c], []], 5);
  assertEquals([...await given.data()], [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("a teacher reads the prompt, a right answer and the prompt again, where there is room", async () => {
  const answers = prompts.map(({ ids }) => demonstratedAnswer(tokenizer, ids, [d, stop]));
  const judged = { answers, prompts, rewards: [0, 0.5, 0.4, null], groupSize: 2 };
  const layout = { length: 8, padding: 0, temperature: 0.5 };
  const rows = async (from: "data" | "group", length: number) => {
    const { ids, mask, temperature } = privilegedRows(from, judged, { ...layout, length });
    assertEquals(temperature, 0.5);
    const [all, learned] = [await ids.data(), await mask.data()];
    return answers.map((_, row) => {
      const own = [...all.slice(row * length, (row + 1) * length)];
      const start = learned.slice(row * length, (row + 1) * length).indexOf(1);
      assertEquals(own.slice(start, start + 2), [d, stop]);
      return own.slice(0, start);
    });
  };
  assertEquals((await rows("data", 8)).slice(0, 3), [
    [a, b, c, stop, a],
    [a, b, c, stop, a],
    [a, d, c, stop, a, d],
  ]);
  assertEquals((await rows("data", 7))[2], [a, d]);
  // The second answer of the first group has passed: its sibling reads it, and nobody else.
  assertEquals(await rows("group", 8), [[a, d, stop, a], [a], [a, d], [a, d]]);
  const empty = emptyPrivileged(4, layout);
  assertEquals([empty.ids.shape, empty.mask.shape, empty.temperature], [[4, 8], [4, 8], 0.5]);
});

Deno.test("prompts whose right answers are read keep them, need room for them, and have one", () => {
  const said = (role: "user" | "assistant", content: string): readonly ChatMessage[] => [
    { role, content },
  ];
  const example = { prompt: said("user", "a"), chosen: said("assistant", "bc"), columns: {} };
  const fitted = (guidance: Guidance | undefined, context: number) =>
    promptFit(tokenizer, context, answerUse(guidance)).fit(example).made;
  const row = (guidance: Guidance | undefined, context = 99) => {
    const made = fitted(guidance, context);
    return "row" in made ? made.row.answer ?? "none" : made.skipped;
  };
  assertEquals(row(undefined), "none");
  assertEquals(row({ kind: "context", from: "group" }), "none");
  assertEquals(row({ kind: "answer" }), [b, c, stop]);
  const whole = fitted({ kind: "answer" }, 99);
  const prompt = "row" in whole ? whole.row.ids.length : NaN;
  const hint: Guidance = { kind: "hint", rows: "all", share: of(1) };
  for (const guidance of [{ kind: "answer" } as const, hint]) {
    assertEquals(row(guidance, prompt + 3), [b, c, stop]);
    assertEquals(row(guidance, prompt + 2), "no room");
  }
  const context: Guidance = { kind: "context", from: "data" };
  assertEquals(row(context, 2 * prompt + 4), [b, c, stop]);
  assertEquals(row(context, 2 * prompt + 3), "no room");
  assertThrows(
    () =>
      promptFit(tokenizer, 99, answerUse({ kind: "answer" }))
        .fit({ prompt: example.prompt, columns: {} }),
    UserError,
    "has no right answer",
  );
});
