/** Rewards that cannot be given: refused before the first step where none can, else told. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  accuracy,
  type Asked,
  editSimilarity,
  exactMatch,
  gatherUnscorable,
  lengthPenalty,
  requireScorable,
  type TextReward,
  type TrainingPrompt,
  unscorable,
  UserError,
} from "@unitune/training";
import fc from "fast-check";
import { assertRefused, inFolder, tiny, train, trained, writeRows } from "../command.ts";

const onRollouts = ["--group-size", "2"];

inFolder("rows whose answers no reward can judge are refused before a step", async (folder) => {
  const rows = (row: unknown) => Array.from({ length: 12 }, () => row);
  const answers = await writeRows(`${folder}/answers.jsonl`, rows({ prompt: "ab", answer: "ba" }));
  const run = ["--objective", "grpo", ...onRollouts, ...tiny, "--out", `${folder}/run`];
  const none = await train(...run, "--data", answers);
  assertRefused(
    none,
    1,
    `grpo cannot train on these prompts: the reward exact-match reads a text in the column ` +
      `"completion", which no row has (there are "answer"). Name the column of right answers by ` +
      `--completion-column, or another reward by --rewards`,
  );
  // One reward of several that can judge nothing is no reward, either.
  const sum = await train(...run, "--data", answers, "--rewards", "length-penalty+edit-similarity");
  assertRefused(sum, 1, "the reward edit-similarity reads a text");
  const bare = await writeRows(`${folder}/bare.jsonl`, rows({ prompt: "ab" }));
  const alone = await train(...run, "--data", bare);
  assertRefused(alone, 1, "which no row has (there are no columns but the prompt)");
  // Nothing was written: the same folder will do, and so will what the sentence says.
  const { stdout } = await trained(...run, "--data", answers, "--completion-column", "answer");
  assert(!stdout.includes("cannot judge"), stdout);
});

inFolder("rows of which some can be judged are trained on, and the others told", async (folder) => {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    prompt: "ab",
    completion: "ba",
    label: i % 5 !== 0,
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = ["--objective", "rloo", ...onRollouts, "--data", data, ...tiny];
  const alone = await trained(...run, "--out", `${folder}/one`);
  assertStringIncludes(
    alone.stdout,
    `the reward exact-match cannot judge answers to 2 of 10 prompts, whose rows have no ` +
      `"completion": answers to them teach nothing.`,
  );
  const sum = await trained(
    ...[...run, "--out", `${folder}/two`, "--rewards", "exact-match+0.1*length-penalty"],
  );
  assertStringIncludes(sum.stdout, "2 of 10 prompts");
  assertStringIncludes(sum.stdout, "it is left out of the sum there.");
});

Deno.test("a reward is refused where it can judge nothing, and counted where it can judge some", () => {
  const columns = fc.constantFrom<Record<string, unknown>>(
    ...[{}, { completion: "a" }, { completion: 5 }, { completion: null }, { answer: "a" }],
  );
  fc.assert(
    fc.property(fc.array(columns, { minLength: 1, maxLength: 9 }), (all) => {
      const prompts = all.map((columns): TrainingPrompt => ({ ids: [3], prompt: "", columns }));
      const terms = [exactMatch, lengthPenalty(3)].map((reward) => ({ weight: 1, reward }));
      const without = all.filter(({ completion }) => typeof completion !== "string").length;
      const found = unscorable(terms, prompts);
      assertEquals(found, without === 0 ? [] : [{ reward: exactMatch, count: without }]);
      let refused = false;
      try {
        requireScorable("grpo", found, prompts);
      } catch (error) {
        refused = error instanceof UserError;
      }
      assertEquals(refused, without === all.length);
    }),
  );
});

Deno.test("the columns that are there are told, as many as are read at a glance", () => {
  const told = (count: number, more = "") => {
    const columns = Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`c${i}${more}`, "a"]),
    );
    const prompts = [{ ids: [3], prompt: "", columns }];
    const found = unscorable([{ weight: 1, reward: exactMatch }], prompts);
    const { message } = assertThrows(() => requireScorable("grpo", found, prompts), UserError);
    return /\((there .*?)\)/.exec(message)?.[1];
  };
  assertEquals(told(0), "there are no columns but the prompt");
  assertEquals(told(2), 'there are "c0", "c1"');
  const six = 'there are "c0", "c1", "c2", "c3", "c4", "c5"';
  assertEquals(told(6), six);
  assertEquals(told(7), `${six} and others`);
  const long = "a".repeat(39);
  assertEquals(told(1, long.slice(1)), `there are "c0${long.slice(1)}"`);
  assertEquals(told(1, long), `there are "c0${long.slice(1)}…" (41 characters`);
});

Deno.test("prompts are not read again for the rewards of every run, and for others they are", () => {
  const columns = [{ completion: "#### 3" }, { completion: "a" }, { completion: 5 }, {}];
  const prompts = columns.map((columns): TrainingPrompt => ({ ids: [3], prompt: "", columns }));
  const gathering = gatherUnscorable();
  prompts.forEach(gathering.add);
  const known = gathering.counts();
  assertEquals(known, { "exact-match": 2, "accuracy": 3, "edit-similarity": 2 });
  const terms = [exactMatch, accuracy, editSimilarity, lengthPenalty(3)]
    .map((reward) => ({ weight: 1, reward }));
  assertEquals(unscorable(terms, [], known), unscorable(terms, prompts));
  // Another function of the same name may judge otherwise.
  const own = { ...exactMatch, isScorable: () => true };
  assertEquals(unscorable([{ weight: 1, reward: own }], prompts, known), []);
});

Deno.test("whether answers to a prompt can be judged is asked with the columns that are read", () => {
  const seen: Asked[] = [];
  const reward = (reads: TextReward["reads"]): TextReward => ({
    ...{ name: "spy", reads, score: () => [] },
    isScorable: (asked) => {
      seen.push(asked);
      return false;
    },
  });
  const prompts = [{ ids: [3], prompt: "1+1", columns: { completion: "2", level: 3 } }];
  const rewards = [reward(["level"]), reward([]), reward("all")];
  const found = unscorable(rewards.map((reward) => ({ weight: 1, reward })), prompts);
  assertEquals(found, rewards.map((reward) => ({ reward, count: 1 })));
  const columns = [{ level: 3 }, {}, { completion: "2", level: 3 }];
  assertEquals(seen, columns.map((columns) => ({ prompt: "1+1", columns })));
  // One that does not say is asked nothing.
  const { isScorable: _, ...silent } = reward([]);
  assertEquals(unscorable([{ weight: 1, reward: silent }], prompts), []);
});
