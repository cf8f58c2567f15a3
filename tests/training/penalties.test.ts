/** Penalties of long and repetitive answers. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  accuracy,
  type Answered,
  editSimilarity,
  overlongPenalty,
  prepareTasks,
  repetitionPenalty,
  type TextReward,
  trainSettings,
  UserError,
  verifierReward,
} from "@unitune/training";
import { rewardTerms, unscorableNotes } from "../../training/rewards/terms.ts";
// scripts/trl/rewards.py writes it.
import trl from "./trl_rewards.json" with { type: "json" };

const answered: Answered = { prompt: "", answer: "", ids: [], isEnded: true, columns: {} };
const ofLength = (length: number) => ({ ...answered, ids: Array<number>(length).fill(7) });

/** Rounding of f64 in another order of operations. */
const ROUNDING = 1e-15;

Deno.test("TRL 1.13: the soft overlong punishment of DAPO", async () => {
  assertEquals(trl.version, "1.13.0");
  for (const { most, buffer, lengths, scores } of trl.overlong) {
    const own = await overlongPenalty({ most, buffer }).score(lengths.map(ofLength));
    scores.forEach((score, i) => assertAlmostEquals(own[i] ?? NaN, score, ROUNDING));
  }
});

Deno.test("TRL 1.13: the penalty of repeated n-grams", async () => {
  const answers = trl.answers.map((ids) => ({ ...answered, ids }));
  for (const { size, scores } of trl.repetition) {
    const own = await repetitionPenalty(size).score(answers);
    scores.forEach((score, i) => assertAlmostEquals(own[i] ?? NaN, score, ROUNDING));
  }
});

const known = { judges: [], longestAnswer: 16, longestText: 16 };

Deno.test("the settings of penalties: the greatest length, its last fifth, n-grams of three", async () => {
  const scores = async (rewards: string, ids: readonly number[], more: object = {}) => {
    const settings = trainSettings({ objective: "grpo", rewards, ...more });
    const [term] = rewardTerms(settings, known);
    return await term?.reward.score([{ ...answered, ids }]);
  };
  // 4 tokens more than the longest answer are 20; the last 4 are penalized.
  assertEquals(await scores("overlong-penalty", ofLength(16).ids), [0]);
  assertEquals(await scores("overlong-penalty", ofLength(17).ids), [-0.25]);
  assertEquals(await scores("overlong-penalty", ofLength(8).ids, { maxNewTokens: 9 }), [0]);
  assertEquals(await scores("overlong-penalty", ofLength(9).ids, { maxNewTokens: 9 }), [-1]);
  // A fifth of less than 5 tokens is one, at least.
  assertEquals(await scores("overlong-penalty", ofLength(1).ids, { maxNewTokens: 2 }), [0]);
  assertEquals(await scores("overlong-penalty", ofLength(2).ids, { maxNewTokens: 2 }), [-1]);
  assertEquals(await scores("overlong-penalty", ofLength(15).ids, { overlongBuffer: 10 }), [-0.5]);
  assertEquals(await scores("overlong-penalty", ofLength(10).ids, { overlongBuffer: 20 }), [-0.5]);
  assertThrows(
    () => rewardTerms(trainSettings({ objective: "grpo", overlongBuffer: 21 }), known),
    UserError,
    "overlongBuffer 21 is more than the 20 tokens of an answer: take a smaller one, or a larger " +
      "maxNewTokens",
  );
  assertEquals(await scores("repetition-penalty", [1, 2, 1, 2, 1]), [-1 / 3]);
  assertEquals(await scores("repetition-penalty", [1, 2, 1, 2], { repetitionNgram: 2 }), [-1 / 3]);
});

Deno.test("answers of no known length are long beyond 64 characters or tokens", async () => {
  const scoreOf = async (name: string, longestText: number, answer: string) => {
    const settings = trainSettings({ objective: "grpo", rewards: name });
    const [term] = rewardTerms(settings, { judges: [], longestAnswer: longestText, longestText });
    return await term?.reward.score([{ ...ofLength(answer.length), answer }]);
  };
  assertEquals(await scoreOf("length-penalty", 0, "a".repeat(64)), [0]);
  assertEquals(await scoreOf("length-penalty", 0, "a".repeat(80)), [-0.25]);
  assertEquals(await scoreOf("length-penalty", 1, "aa"), [-1]);
  // The last 12 of 64 tokens are penalized; of the 5 after one, the last.
  assertEquals(await scoreOf("overlong-penalty", 0, "a".repeat(61)), [-0.75]);
  assertEquals(await scoreOf("overlong-penalty", 1, "a".repeat(5)), [-1]);
});

Deno.test("the reward of a run that names none is that of its data, or that of equal answers", () => {
  const named = (judges: readonly TextReward[], given: object = {}) => {
    const settings = trainSettings({ objective: "grpo", ...given });
    return rewardTerms(settings, { ...known, judges }).map(({ reward }) => reward.name);
  };
  const own = { ...accuracy, name: "own" };
  assertEquals([named([]), named([own, { ...own, name: "other" }])], [["exact-match"], ["own"]]);
  assertEquals(named([own], { rewards: "format+own", format: "a|b" }), ["format", "own"]);
  const { message } = assertThrows(() => named([], { format: "(" }), UserError);
  assertEquals(message.slice(0, 46), "format: Invalid regular expression: /^(?:()$/s");
});

Deno.test("a form is matched by the whole of an answer, line ends and all", async () => {
  const settings = trainSettings({ objective: "grpo", rewards: "format", format: "a.|b" });
  const [term] = rewardTerms(settings, known);
  const given = ["a\n", "b", "ab", "bb", "a\u{1f600}", "xb"];
  const scores = await term?.reward.score(given.map((answer) => ({ ...answered, answer })));
  assertEquals(scores, [1, 1, 1, 0, 1, 0]);
});

Deno.test("accuracy cannot judge answers to rows without a final number, which are counted", async () => {
  const settings = trainSettings({
    ...{ objective: "grpo", rewards: "accuracy+verifier", tasks: "add+reverse", examples: 40 },
  });
  const { notes } = await prepareTasks([settings]);
  const told = notes.map(String).filter((note) => note.includes("the reward accuracy"));
  assertEquals(told.length, 1);
  assertEquals(
    told[0]?.replace(/\d+ of 40/, "N of 40"),
    `the reward accuracy cannot judge answers to N of 40 prompts, whose rows have no ` +
      `"completion" with a final number: it is left out of the sum there.`,
  );
});

Deno.test("the note on a reward names the columns that it misses, and what becomes of the answers", () => {
  const all: TextReward = { name: "mine", reads: "all", score: () => [] };
  const two: TextReward = { name: "both", reads: ["a", "b"], score: () => [] };
  const told = (...rewards: readonly TextReward[]) => {
    const found = rewards.slice(0, 1).map((reward) => ({ reward, count: 3 }));
    return unscorableNotes(found, rewards.map((reward) => ({ reward, weight: 1 })), 5);
  };
  const of = (name: string) => `the reward ${name} cannot judge answers to 3 of 5 prompts`;
  assertEquals(told(), []);
  assertEquals(told(verifierReward(() => undefined)), [
    `${of("verifier")}: answers to them teach nothing.`,
  ]);
  assertEquals(told(all), [`${of("mine")}: answers to them teach nothing.`]);
  assertEquals(told(editSimilarity), [
    `${of("edit-similarity")}, whose rows have no "completion": answers to them teach nothing.`,
  ]);
  assertEquals(told(accuracy, all), [
    `${
      of("accuracy")
    }, whose rows have no "completion" with a final number: it is left out of the ` +
    `sum there.`,
  ]);
  assertEquals(told(two, all), [
    `${of("both")}, whose rows have no "a" and "b": it is left out of the sum there.`,
  ]);
});
