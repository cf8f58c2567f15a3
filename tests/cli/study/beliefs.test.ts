/** What the models of a study predict: whose answer is shown, and each of its tokens. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { mapTree, wasm, zeros } from "@unitune/core";
import { carryOut, createRun, prepare, runConfig } from "@unitune/cli";
import { type Models, noCost, trainSettings } from "@unitune/training";
import { readPrompt } from "../../../cli/data/prompts.ts";
import { arms } from "../../../cli/study/arms.ts";
import { readBeliefs } from "../../../cli/study/beliefs.ts";
import type { TrialResult } from "../../../cli/study/trial.ts";
import { inFolder } from "../command.ts";
import { scripted } from "../scripted.ts";

/** A step that changes no weight of a scripted model in f32. */
const still = {
  ...{ examples: 40, layers: 1, heads: 1, steps: 1, batchSize: 2, warmupSteps: 0 },
  ...{ learningRate: 1e-12, evalExamples: 1, evalAnswers: 1, evalSteps: 100, dropout: 0 },
};

/** Studies of models that say what they are told, in a folder. */
async function studiesIn(folder: string, tasks: string) {
  const { tokenizer } = await prepare(trainSettings({ ...still, tasks }));
  // A scripted model has as many channels as tokens.
  const settings = trainSettings({ ...still, tasks, width: tokenizer.size });
  const prepared = await prepare(settings);
  const { context } = prepared.model.config;
  const device = wasm();

  /** Makes the run of an arm, and returns its result. */
  const resultOf = async (
    arm: string,
    policy: Models["policy"],
    { seed = 0, match = 0 } = {},
  ): Promise<TrialResult> => {
    const run = `runs/${arm}/seed-${seed}`;
    await createRun(`${folder}/${run}`, arm, runConfig([settings], prepared));
    await carryOut({
      ...{ folder: `${folder}/${run}`, stages: [settings], prepared, device },
      start: { policy },
    });
    return {
      ...{ arm, point: "", seed, run, cost: noCost, weights: "" },
      measures: { exact_match: match },
    };
  };
  const believed = (results: readonly TrialResult[], prompt?: string) => {
    const named = arms.filter(({ name }) => results.some(({ arm }) => arm === name));
    const plan = {
      ...{ seeds: 2, selectionSeeds: 1, rates: [1], isWholeGrid: false, samples: 1 },
      ...{ helpers: [], arms: named, base: { ...still, tasks }, shared: {} },
    };
    return readBeliefs({
      ...{ folder, plan, results: { chosen: {}, results }, device },
      ...prompt !== undefined && { prompt },
    });
  };

  /** The weights with which a prompt is answered by a text, and those that have no opinion. */
  const saying = (prompt: string, answer: string) => {
    const ids = readPrompt({ tokenizer, context, kind: "conversations" }, prompt);
    const before = new Array<number>(ids.length - 1).fill(tokenizer.stop);
    return scripted(tokenizer, context, [...before, ...tokenizer.encode(answer), tokenizer.stop])
      .params;
  };
  const unsure = mapTree(saying("", ""), ({ shape }) => zeros(shape));
  return { tokenizer, prepared, resultOf, believed, saying, unsure };
}

/** Rounded: a logit that is 50 above the others leaves them 1e-20. */
const rounded = (value: number) => Number(value.toFixed(6));

inFolder("the first right answer to a prompt is shown, token by token", async (folder) => {
  const { tokenizer, resultOf, believed, saying, unsure } = await studiesIn(folder, "sort");
  const prompt = "sort 31";
  const base = await resultOf("base", saying(prompt, "31"));
  const results = [
    base,
    await resultOf("sft", saying(prompt, "13"), { match: 0.5 }),
    await resultOf("ift", saying(prompt, "33"), { match: 0.25 }),
    await resultOf("dpo", unsure, { match: 0.75 }),
    // Of an arm that has no model with the checkpoint's seed, nothing is shown.
    await resultOf("ppo", unsure, { seed: 1, match: 0.1 }),
  ];
  const shown = await believed(results, prompt);
  assert(shown !== undefined);
  const { rows, tokens, ...words } = shown;
  assertEquals(words, { prompt, answer: "13", answeredBy: undefined });
  assertEquals(tokens.slice(0, 2), ["1", "3"]);
  assertEquals(rows.map(({ arm }) => arm), ["base", "sft", "dpo", "ift"]);
  const [first = "", even] = [tokenizer.tokens[0], rounded(1 / tokenizer.size)];
  assertEquals(
    rows.map(({ beliefs }) =>
      beliefs.slice(0, 2).map(({ chance, own, ownChance }) => [
        ...[rounded(chance), own, rounded(ownChance)],
      ])
    ),
    [
      [[0, "3", 1], [0, "1", 1]],
      [[1, "1", 1], [1, "3", 1]],
      // Of tokens that are equally likely, the first counts as the model's own.
      [[even, first, even], [even, first, even]],
      [[0, "3", 1], [1, "3", 1]],
    ],
  );
  for (const { beliefs } of rows) assertEquals(beliefs.length, tokens.length);

  // Where no answer is right, or nobody knows, the first one is shown, with who gave it.
  const [, , ...wrong] = results;
  for (const [asked, own] of [[prompt, [base, ...wrong]], ["31 sort", results]] as const) {
    const { answer, answeredBy } = await believed(own, asked) ?? {};
    assertEquals([answer, answeredBy], ["31", "base"], asked);
  }
});

inFolder("without a prompt, a question of the test with a long answer is shown", async (folder) => {
  const { tokenizer, prepared, resultOf, believed, unsure } = await studiesIn(folder, "given+add");
  assertEquals(await believed([]), undefined);
  const { prompt, answer, answeredBy, tokens, rows } =
    await believed([await resultOf("base", unsure)]) ?? {};
  const questions = prepared.test[0]?.questions ?? [];
  const long = questions.find(({ gold }) => gold.length > 2);
  assert(long !== undefined && questions[0] !== undefined && questions[0] !== long);
  assert(questions.findIndex(({ gold }) => gold.length > 1) < questions.indexOf(long));
  assertEquals([prompt, answer, answeredBy], [long.prompt, long.gold, undefined]);
  assertEquals(tokens?.slice(0, long.gold.length), [...long.gold]);
  const [own] = rows ?? [];
  assertEquals(own?.arm, "base");
  for (const { chance } of own?.beliefs ?? []) {
    // The exponential of a logarithm in f32.
    assertAlmostEquals(chance, 1 / tokenizer.size, 1e-6);
  }
});

inFolder("where no answer is long, the first question of the test is shown", async (folder) => {
  const { prepared, resultOf, believed, unsure } = await studiesIn(folder, "given");
  const [first] = prepared.test[0]?.questions ?? [];
  const { prompt } = await believed([await resultOf("base", unsure)]) ?? {};
  assertEquals(prompt, first?.prompt);
});
