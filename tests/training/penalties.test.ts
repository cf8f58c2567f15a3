/** Penalties of long and repetitive answers. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  type Answered,
  overlongPenalty,
  prepareTasks,
  repetitionPenalty,
  trainSettings,
  UserError,
} from "@unitune/training";
import { rewardTerms } from "../../training/rewards/terms.ts";

const answered: Answered = { prompt: "", answer: "", ids: [], isEnded: true, columns: {} };
const ofLength = (length: number) => ({ ...answered, ids: Array<number>(length).fill(7) });

// Of TRL 1.13: get_soft_overlong_punishment(L, c) and get_repetition_penalty_reward(n, -1).
const overlong: readonly (readonly [number, number, readonly (readonly [number, number])[]])[] = [
  [100, 20, [[0, 0], [1, 0], [80, 0], [81, -0.05], [99, -0.95], [100, -1], [101, -1]]],
  [10, 10, [[0, 0], [1, -0.1], [9, -0.9], [10, -1], [11, -1]]],
  [7, 3, [[4, 0], [5, -0.3333333333333333], [6, -0.6666666666666666], [7, -1], [8, -1]]],
];
const rows = [[], [5], [1, 2, 3, 4], [5, 5, 5, 5, 5], [1, 2, 3, 1, 2, 3, 1, 2, 3], [
  ...[1, 1, 2, 2, 1, 1],
]];
const repetition: readonly (readonly [number, readonly number[]])[] = [
  [1, [0, 0, 0, -0.8, -0.6666666666666667, -0.6666666666666667]],
  [2, [0, 0, 0, -0.75, -0.625, -0.19999999999999996]],
  [3, [0, 0, 0, -0.6666666666666667, -0.5714285714285714, 0]],
];

/** Rounding of f64 in another order of operations. */
const ROUNDING = 1e-15;

Deno.test("TRL 1.13: the soft overlong punishment of DAPO", async () => {
  for (const [most, buffer, cases] of overlong) {
    const scores = await overlongPenalty({ most, buffer }).score(
      cases.map(([length]) => ofLength(length)),
    );
    cases.forEach(([, score], i) => assertAlmostEquals(scores[i] ?? NaN, score, ROUNDING));
  }
});

Deno.test("TRL 1.13: the penalty of repeated n-grams", async () => {
  for (const [size, expected] of repetition) {
    const scores = await repetitionPenalty(size).score(rows.map((ids) => ({ ...answered, ids })));
    expected.forEach((score, i) => assertAlmostEquals(scores[i] ?? NaN, score, ROUNDING));
  }
  // Tokens are whole: 1, 21 is not 12, 1.
  assertEquals(await repetitionPenalty(2).score([{ ...answered, ids: [1, 21, 12, 1, 1] }]), [0]);
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
