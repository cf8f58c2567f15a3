/** Right answers among rollouts: what answers begin with, and what a teacher reads. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { characterTokenizer, type ChatMessage } from "@unitune/models";
import {
  alternating,
  drawnTurns,
  type Guidance,
  type HintShare,
  unsolvedTurns,
} from "@unitune/objectives";
import { promptFit, type TrainingPrompt, UserError } from "@unitune/training";
import {
  answerUse,
  demonstratedAnswer,
  emptyPrivileged,
  givenTokens,
  type ModelAuthor,
  plannedAnswers,
  privilegedRows,
  resumedAnswer,
  startAfter,
  turnOf,
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

/** Who writes each answer of two groups of two, and behind which tokens. */
const planned = (
  guidance: Guidance | undefined,
  { isGiven = false, others = "policy" }: {
    readonly isGiven?: boolean;
    readonly others?: ModelAuthor;
  } = {},
) =>
  plannedAnswers(guidance, { prompts, groupSize: 2, others, isGiven, step: 3, seed: 1 })
    .map(({ author, beginning }): readonly (string | number)[] => [author, ...beginning]);

Deno.test("each answer has its author: a model behind the tokens that are given, or the data", () => {
  const own = [["policy"], ["policy"], ["policy"], ["policy"]];
  const turns: Guidance = { kind: "turns", turns: alternating() };
  for (const guidance of [undefined, { kind: "context", from: "data" } as const, turns]) {
    assertEquals(planned(guidance), own);
  }
  const theirs = [["data", b, c, stop], ["data", c, stop]];
  const [first = [], second = []] = theirs;
  assertEquals(planned({ kind: "answer" }), [["policy"], first, ["policy"], second]);
  assertEquals(planned(turns, { isGiven: true }), [first, first, second, second]);
  assertEquals(planned(undefined, { others: "reference" }), [
    ["policy"],
    ["reference"],
    ["policy"],
    ["reference"],
  ]);
  assertEquals(planned(undefined, { others: "mixture" })[1], ["mixture"]);
  const taught: Guidance = { kind: "turns", turns: drawnTurns({ author: "teacher" }) };
  assertEquals(planned(taught), own);
  assertEquals(planned(taught, { isGiven: true })[3], ["teacher"]);
  // So prompts need no right answers.
  assertEquals(answerUse(taught), undefined);
  assertThrows(() => drawnTurns({ author: JSON.parse('"a parent"') }), RangeError, "author");
  assertEquals(planned({ kind: "hint", rows: "all", share: of(0.5) }), [
    ["policy", b],
    ["policy", b],
    ["policy"],
    ["policy"],
  ]);
  // The last token of an answer is never given.
  assertEquals(planned({ kind: "hint", rows: "last", share: of(1) }), [
    ["policy"],
    ["policy", b, c],
    ["policy"],
    ["policy", c],
  ]);
});

Deno.test("turns follow from their number and a draw, or from prompts that were failed", () => {
  const layout = { answers: 4, groupSize: 2, seed: 1 };
  const turn = (guidance: Guidance | undefined, number: number, waiting: readonly number[] = []) =>
    turnOf(guidance, { ...layout, number }, { next: 4, waiting });
  const own = { prompts: [4, 4, 5, 5], isGiven: false, after: { next: 6, waiting: [] } };
  assertEquals(turn(undefined, 2), own);
  assertEquals(turn({ kind: "answer" }, 2), own);
  const alternate: Guidance = { kind: "turns", turns: alternating({ every: 3 }) };
  assertEquals(turn(alternate, 1), own);
  assertEquals(turn(alternate, 2), {
    prompts: [4, 5, 6, 7],
    isGiven: true,
    after: { next: 8, waiting: [] },
  });
  const drawn: Guidance = { kind: "turns", turns: drawnTurns({ share: 0.25 }) };
  const draws = (seed: number) =>
    Array.from(
      { length: 64 },
      (_, number) => turnOf(drawn, { ...layout, number, seed }, { next: 0, waiting: [] }).isGiven,
    );
  assertEquals(draws(1), draws(1));
  assertNotEquals(draws(1), draws(2));
  const given = draws(1).filter((isGiven) => isGiven).length;
  assert(8 <= given && given <= 24, `${given} of 64`);

  const unsolved: Guidance = { kind: "turns", turns: unsolvedTurns() };
  const short = turn(unsolved, 2, [0, 1, 2]);
  assertEquals(short, { ...own, after: { next: 6, waiting: [0, 1, 2] } });
  assertEquals(turn(unsolved, 3, [0, 1, 2, 3, 1]), {
    prompts: [0, 1, 2, 3],
    isGiven: true,
    after: { next: 4, waiting: [1] },
  });
  assertEquals(turn(unsolved, 3, [3, 2, 1, 0]).prompts, [3, 2, 1, 0]);
  const after = (rewards: readonly (number | null)[], guidance = unsolved, before = short) => {
    const { next, waiting } = startAfter(guidance, before, rewards, 2);
    assertEquals([next, ...waiting.slice(0, 3)], [6, 0, 1, 2]);
    return waiting.slice(3);
  };
  assertEquals(after([0, 0.9, 1, 0]), [4]);
  assertEquals(after([0, 1, null, 0]), [5]);
  assertEquals(after([null, null, 0, 0]), [5]);
  assertEquals(after([0, 0, 0, 0]), [4, 5]);
  const lenient: Guidance = { kind: "turns", turns: unsolvedTurns({ passing: 0.5 }) };
  assertEquals(after([0, 0.5, 0.4, 0], lenient), [5]);
  assertEquals(after([0, 0, 0, 0], alternate), []);
  assertEquals(after([0, 0, 0, 0], unsolved, { ...short, isGiven: true }), []);
});

Deno.test("the draw of a hint is one for a group, and another at another step and seed", () => {
  const share: HintShare = { description: "", at: (step, random) => (random() + step) % 1 };
  const long = Array.from({ length: 4 }, () => promptOf([a], new Array<number>(1001).fill(b)));
  const lengths = (step: number, seed: number) =>
    plannedAnswers(
      { kind: "hint", rows: "all", share },
      { prompts: long, groupSize: 2, isGiven: false, step, seed },
    ).map(({ beginning }) => beginning.length);
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
  const judged = { answers, prompts, rewards: [0.4, 0.5, 0.5, null], groupSize: 2 };
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
  // One answer of each group has passed: its sibling reads it, and nobody else.
  assertEquals(await rows("group", 8), [[a, d, stop, a], [a], [a, d], [a, d, d, stop, a, d]]);
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
  const turns: Guidance = { kind: "turns", turns: alternating() };
  for (const guidance of [{ kind: "answer" } as const, turns, hint]) {
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
