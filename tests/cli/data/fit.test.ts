/** What does not fit a context is cut or skipped, counted and told, whatever an objective reads. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  describeFit,
  type Example,
  labelsOf,
  pairsOf,
  promptsOf,
  requireFit,
  UserError,
} from "@unitune/training";
import { characterTokenizer, type Message } from "@unitune/models";
import fc from "fast-check";
import { assertRefused, inFolder, tiny, train, trained, writeRows } from "../command.ts";

const tokenizer = characterTokenizer("abc");
const user = (content: string): Message[] => [{ role: "user", content }];
const assistant = (content: string): Message[] => [{ role: "assistant", content }];

const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
const examples: fc.Arbitrary<Example[]> = fc.array(
  fc.tuple(text, text, text).map(([prompt, chosen, rejected]) => ({
    prompt: user(prompt),
    chosen: assistant(chosen),
    rejected: assistant(rejected === chosen ? `${rejected}a` : rejected),
    columns: {},
  })),
  { maxLength: 12 },
);
const context = fc.integer({ min: 1, max: 24 });

Deno.test("of rows, those that are left and those that were skipped are all of them", () => {
  fc.assert(fc.property(examples, context, (rows, context) => {
    const fits = {
      pairs: pairsOf(tokenizer, context, rows),
      labels: labelsOf(tokenizer, context, rows),
      prompts: promptsOf(tokenizer, context, rows),
    };
    for (const fitted of Object.values(fits)) {
      const skipped = Object.values(fitted.skipped).reduce((sum, count) => sum + count, 0);
      assertEquals(fitted.rows.length + skipped, fitted.total);
      assert(fitted.truncated <= fitted.rows.length);
      // Where nothing is told, nothing was done; and the context that is named does for all.
      const told = describeFit(fitted, "rows");
      assertEquals(told === undefined, skipped + fitted.truncated === 0);
    }
    assertEquals([fits.pairs.total, fits.labels.total], [rows.length, 2 * rows.length]);
    for (const [make, fitted] of [[pairsOf, fits.pairs], [labelsOf, fits.labels]] as const) {
      const whole = make(tokenizer, Math.max(1, fitted.wholeContext), rows);
      assertEquals(describeFit(whole, "rows"), undefined);
    }
    const least = fits.pairs.leastContext;
    if (rows.length > 0 && least <= 24) {
      const { skipped } = pairsOf(tokenizer, least, rows);
      assert(skipped["no room"] < rows.length);
    }
  }));
});

Deno.test("no pair is left whose two answers are equal after the cut", () => {
  fc.assert(fc.property(examples, context, (rows, context) => {
    for (const { chosen, rejected } of pairsOf(tokenizer, context, rows).rows) {
      assert(JSON.stringify(chosen) !== JSON.stringify(rejected));
      for (const side of [chosen, rejected]) assert(side?.mask.includes(true));
    }
  }));
});

Deno.test("nothing left of some rows is refused, with what to do", () => {
  fc.assert(fc.property(examples, context, (rows, context) => {
    const fitted = pairsOf(tokenizer, context, rows);
    let message: string | undefined;
    try {
      requireFit(fitted, "pairs");
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      ({ message } = error);
    }
    assertEquals(message !== undefined, rows.length > 0 && fitted.rows.length === 0);
    if (message !== undefined) assertMatch(message, /context \d/);
  }));
});

const pair = { prompt: "ab", chosen: `${"a".repeat(30)}b`, rejected: `${"a".repeat(30)}c` };
const short = { prompt: "ba", chosen: "b", rejected: "c" };
const half = { prompt: "ab", chosen: "a".repeat(30), rejected: "b" };
const long = { prompt: "ab".repeat(20), chosen: "b", rejected: "c" };
const times = (count: number, row: unknown) => Array.from({ length: count }, () => row);

inFolder(
  "pairs that are cut are told, and those that are equal then are skipped",
  async (folder) => {
    const run = (name: string) => [...tiny, "--out", `${folder}/${name}`];
    const equal = await writeRows(`${folder}/equal.jsonl`, times(12, pair));
    // A model that scores reads the last token as well.
    for (const [objective, context] of [["dpo", 35], ["reward-model", 36], ["kto", 35]] as const) {
      const none = await train("--objective", objective, "--data", equal, ...run(objective));
      assertRefused(
        none,
        1,
        "none of the 10 training pairs fits a context of 24 tokens: 10 have two answers that are " +
          `equal after the cut: --context ${context} fits all of them`,
      );
    }
    const rows = [...times(3, pair), ...times(4, short), half, half, long];
    const mixed = await writeRows(`${folder}/mixed.jsonl`, [
      ...rows,
      ...[{ ...pair, prompt: "ba" }, { ...short, prompt: "ab" }],
    ]);
    const { stdout } = await trained("--objective", "dpo", "--data", mixed, ...run("mixed"));
    assertStringIncludes(
      stdout,
      "6 of 10 training pairs exceed the context of 24 tokens: 2 cut at the end of the answer; " +
        "1 skipped, with no room for an answer; 3 skipped, whose two answers are equal after the " +
        "cut. --context 43 fits all of them.",
    );
    assertStringIncludes(stdout, "1 of 2 validation pairs exceed the context of 24 tokens");
    assertStringIncludes(stdout, "1 of 2 validation examples exceed the context of 24 tokens");
  },
);

inFolder("labels, prompts and demonstrations that are cut or skipped are told", async (folder) => {
  const run = (name: string) => [...tiny, "--out", `${folder}/${name}`];
  const label = (prompt: string, completion: string, label: boolean) => ({
    ...{ prompt, completion, label },
  });
  const labels = await writeRows(`${folder}/labels.jsonl`, [
    ...[label("ab", "a".repeat(30), true), label("ab".repeat(20), "b", true)],
    ...[label("ba", "b", false), label("ab", "b", true), label("ba", "ab", true)],
    ...times(4, label("ab", "b", true)),
    ...[label("bb", "b", true), label("ab", "b", false)],
  ]);
  const kto = await trained("--objective", "kto", "--data", labels, ...run("kto"));
  assertStringIncludes(
    kto.stdout,
    "2 of 9 training answers exceed the context of 24 tokens: 1 cut at the end of the answer; " +
      "1 skipped, with no room for an answer. --context 43 fits all of them.",
  );
  // What nobody liked is no right answer, in training or in validation.
  const sft = await trained("--objective", "sft", "--data", labels, ...run("sft"));
  assertStringIncludes(
    sft.stdout,
    "1 of 9 training examples skipped, without an answer to learn from.",
  );
  assertStringIncludes(
    sft.stdout,
    "1 of 2 validation examples skipped, without an answer to learn from.",
  );
  const prompts = await writeRows(`${folder}/prompts.jsonl`, [
    ...times(6, { prompt: "ab" }),
    ...times(3, { prompt: "ab".repeat(20) }),
    ...[{ prompt: "ba".repeat(20) }, { prompt: "ba" }],
  ]);
  const rollouts = ["--objective", "reinforce", "--rewards", "length-penalty"];
  const asked = await trained(...rollouts, "--data", prompts, ...run("reinforce"));
  assertStringIncludes(
    asked.stdout,
    "3 of 9 training prompts exceed the context of 24 tokens: 3 skipped, with no room for an " +
      "answer. --context 43 fits all of them.",
  );
  assertStringIncludes(asked.stdout, "1 of 2 validation prompts exceed the context of 24 tokens");
  const questions = await writeRows(
    `${folder}/long.jsonl`,
    times(11, { prompt: "ab".repeat(20) }),
  );
  assertRefused(
    await train(...rollouts, "--data", questions, ...run("long")),
    1,
    "none of the 9 training prompts fits a context of 24 tokens: the shortest prompt needs " +
      "--context 43",
  );
});

inFolder(
  "a character that a model does not know is told with its line, of any row",
  async (folder) => {
    const run = ["--device", "wasm", "--steps", "1", "--batch-size", "4"];
    const known = await writeRows(`${folder}/known.jsonl`, times(12, short));
    await trained("--objective", "dpo", "--data", known, ...tiny, "--out", `${folder}/base`);
    const strange: Record<string, unknown> = {
      dpo: { ...short, rejected: "é" },
      kto: { prompt: "ba", completion: "é", label: false },
      reinforce: { prompt: "é" },
    };
    for (const [objective, row] of Object.entries(strange)) {
      const rows: Record<string, unknown> = {
        dpo: short,
        kto: { prompt: "ba", completion: "b", label: true },
        reinforce: { prompt: "ba" },
      };
      const data = await writeRows(`${folder}/${objective}.jsonl`, [
        ...times(3, rows[objective]),
        ...[row, ...times(8, rows[objective])],
      ]);
      const refused = await train(
        ...["--objective", objective, "--data", data, "--from", `${folder}/base`, ...run],
        ...["--out", `${folder}/${objective}`],
        ...(objective === "reinforce" ? ["--rewards", "length-penalty"] : []),
      );
      assertRefused(refused, 1, `${objective}.jsonl:4: The character "é"`);
    }
  },
);
