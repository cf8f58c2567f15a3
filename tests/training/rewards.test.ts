/** Rewards and what they may see; identities at the start; splits that do not leak. */
import { objectiveRegistry } from "@unitune/objectives";
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { wasm } from "@unitune/core";
import { actorCritic, withScore } from "@unitune/models";
import {
  type Answered,
  checkIdentities,
  type Cost,
  createLearner,
  dataOf,
  eachAnswer,
  editSimilarity,
  exactMatch,
  formatReward,
  GOLD,
  identitiesOf,
  initialModels,
  lengthPenalty,
  mistakeFor,
  namedTerms,
  parseRewards,
  type PreparedRun,
  prepareTasks,
  randomStream,
  readScores,
  reformatted,
  rewardsOf,
  type RewardTerm,
  rolloutFeed,
  type RolloutPlan,
  scoredByReference,
  type TaskExample,
  tasks,
  type TextReward,
  trainSettings,
  unscored,
  UserError,
  verifierReward,
  verifyAnswer,
  verifyPrompt,
} from "@unitune/training";
import fc from "fast-check";
// Not public: the reward that is a model.
import { rewardModelReward } from "../../training/rewards/rewards.ts";

const answered: Answered = { prompt: "sort 21", answer: "12", ids: [], isEnded: true, columns: {} };

Deno.test("a reward is given the columns that it reads and no others", async () => {
  const seen: Answered[] = [];
  const spy = (name: string, reads: TextReward["reads"]): TextReward => ({
    name,
    reads,
    score: eachAnswer((answered) => {
      seen.push(answered);
      return 1;
    }),
  });
  const terms = [spy("a", []), spy("b", [GOLD]), spy("c", ["none"]), spy("d", "all")]
    .map((reward) => ({ reward, weight: 1 }));
  const columns = { [GOLD]: "12", secret: "the answer to everything" };
  // The score of a reward model is no column of the row.
  await rewardsOf(terms, [{ ...answered, columns: { ...columns, "reward model": 3 } }]);
  assertEquals(seen.map(({ columns }) => columns), [{}, { [GOLD]: "12" }, {}, columns]);
  for (const { columns: _, ...rest } of seen) {
    const { columns: __, ...asked } = answered;
    assertEquals(rest, asked);
  }
});

Deno.test("rewards that come with the command: what each reads", () => {
  const read = [exactMatch, editSimilarity, formatReward(/./), lengthPenalty(3)]
    .map(({ name, reads }) => [name, reads]);
  assertEquals(read, [
    ["exact-match", [GOLD]],
    ["edit-similarity", [GOLD]],
    ["format", []],
    ["length-penalty", []],
  ]);
  assertEquals(verifierReward(verifyPrompt).reads, []);
});

Deno.test("a name in double quotes has any sign, and keeps its weight", () => {
  const terms = namedTerms('"a+b*c.ts#f" + -2*"+"+.5* plain +"x"');
  assertEquals(terms, [
    { weight: 1, name: "a+b*c.ts#f" },
    { weight: -2, name: "+" },
    { weight: 0.5, name: "plain" },
    { weight: 1, name: "x" },
  ]);
  // Quotes that are not closed, or inside of a name, are signs of it.
  assertEquals(namedTerms('a"b+c'), [{ weight: 1, name: 'a"b' }, { weight: 1, name: "c" }]);
  assertEquals(namedTerms('a"b"'), [{ weight: 1, name: 'a"b"' }]);
  assertThrows(() => namedTerms('x*"a"'), UserError, "a weight is a number");
});

Deno.test("a sum leaves out what cannot be said, and is null where nothing can", async () => {
  const terms = parseRewards("2*exact-match+-0.5*length-penalty", [exactMatch, lengthPenalty(1)]);
  const answers = [{ ...answered, columns: { [GOLD]: "12" } }, answered];
  const totals = async (own: readonly RewardTerm[]) =>
    (await rewardsOf(own, answers)).map(({ total }) => total);
  // Of two characters, one is free.
  assertEquals(await totals(terms), [2.5, 0.5]);
  assertEquals(await totals(terms.slice(0, 1)), [2, null]);
  const [first] = await rewardsOf(terms, answers);
  assertEquals(first?.parts, { "exact-match": 1, "length-penalty": -1 });
});

Deno.test("similarity is 1 for the gold answer alone, and symmetric", async () => {
  const word = fc.string({ maxLength: 8 });
  const compared = (answer: string, gold: string): Answered => ({
    ...answered,
    ...{ answer, columns: { [GOLD]: gold } },
  });
  await fc.assert(fc.asyncProperty(word, word, async (a, b) => {
    const scores = await editSimilarity.score([compared(a, b), compared(b, a)]);
    const [value, turned] = scores.map(Number);
    assert(value !== undefined && value >= 0 && value <= 1);
    assertEquals(value === 1, a === b);
    assertEquals(value, turned);
  }));
  assertEquals(await editSimilarity.score([compared("", "")]), [1]);
  assertEquals(await editSimilarity.score([{ ...answered, columns: {} }]), [null]);
});

Deno.test("a reward that gives no score for each answer is named, with the row and what it gave", async () => {
  const rowAt = (line: number): Answered => ({ ...answered, source: { file: "a.jsonl", line } });
  const answers = [3, 3, 5, 8, 9, 12].map(rowAt);
  const given = async (scores: unknown, of: readonly Answered[] = answers): Promise<string> => {
    const reward: TextReward = {
      ...{ name: "mine", reads: [] },
      score: (batch) => readScores("mine", batch, scores),
    };
    const { message } = await assertRejects(
      () => rewardsOf([{ weight: 1, reward }], of),
      UserError,
    );
    return message;
  };
  const rule = ": it has to return a list with a finite number, or null, for each answer";
  const each = (...scores: readonly unknown[]) => [...scores, 1, 1, 1, 1, 1, 1].slice(0, 6);
  const one = "the reward mine returned ";
  assertEquals(
    await given([1, 2]),
    `${one}2 scores for 6 answers to a.jsonl:3, a.jsonl:5, a.jsonl:8 and 2 more rows${rule}`,
  );
  assertEquals(
    await given([1], answers.slice(0, 4)),
    `${one}1 score for 4 answers to a.jsonl:3, a.jsonl:5, a.jsonl:8${rule}`,
  );
  assertEquals(
    await given([], answers.slice(1, 5)),
    `${one}0 scores for 4 answers to a.jsonl:3, a.jsonl:5, a.jsonl:8 and 1 more rows${rule}`,
  );
  assertEquals(await given(each(0, NaN)), `${one}NaN for an answer to a.jsonl:3${rule}`);
  assertEquals(
    await given(each(0, 1, Infinity)),
    `${one}Infinity for an answer to a.jsonl:5${rule}`,
  );
  // Infinite as f32.
  assertEquals(await given(each(1e300)), `${one}1e+300 for an answer to a.jsonl:3${rule}`);
  assertEquals(await given(each(undefined)), `${one}undefined for an answer to a.jsonl:3${rule}`);
  assertEquals(await given(each("1")), `${one}"1" for an answer to a.jsonl:3${rule}`);
  assertEquals(await given(each(true)), `${one}true for an answer to a.jsonl:3${rule}`);
  assertEquals(await given(each(Math.abs)), `${one}a function for an answer to a.jsonl:3${rule}`);
  assertEquals(await given(5), `${one}5${rule}`);
  // Without a file, the prompt is the place.
  assertEquals(await given([], [answered]), `${one}0 scores for an answer to "sort 21"${rule}`);
  assertEquals(readScores("mine", answers, each(null, -3e38)), [null, -3e38, 1, 1, 1, 1]);
});

Deno.test("names of rewards that make no sense are refused", () => {
  const known = [exactMatch, lengthPenalty(3)];
  for (
    const text of [
      "",
      "exact-match+",
      "exact",
      "a*exact-match",
      "*exact-match",
      "exact-match+exact-match",
    ]
  ) {
    assertThrows(() => parseRewards(text, known), UserError, "rewards");
  }
});

Deno.test("a mistake is wrong, whatever the prompt", () => {
  fc.assert(
    fc.property(fc.constantFrom(...tasks), fc.integer(), (task, seed) => {
      const random = randomStream(seed);
      const example: TaskExample = { task: task.name, ...task.generate(random, "trained") };
      const mistake = mistakeFor(example, random);
      assert(!verifyAnswer(example, mistake), `${example.prompt}: ${mistake}`);
      assert(mistake.length > 0);
    }),
    { numRuns: 500 },
  );
});

/** Every text that a run may train on. */
function trainedOn({ stages, tokenizer }: PreparedRun): Set<string> {
  const prompts = new Set<string>();
  const add = (ids: readonly number[]) => prompts.add(tokenizer.decode(ids));
  for (const { data } of stages) {
    if (data.kind === "rollouts") { for (const { ids } of data.train) add(ids); }
    else if (data.kind === "demonstrations") {
      // An epoch has every row once.
      for (let i = 0; data.source.epoch(i) < 1; i++) {
        const { ids, mask } = data.source.row(i);
        add(ids.slice(0, mask.indexOf(true)));
      }
    } else if (data.kind === "triples") {
      for (const { gold: { ids, mask } } of data.train) add(ids.slice(0, mask.indexOf(true)));
    } else if (data.kind !== "steps") {
      for (const { prompt } of data.kind === "pairs" ? data.train : data.pairs) add(prompt);
    }
  }
  return prompts;
}

Deno.test("no prompt that is kept aside is trained on, by any kind of objective", async () => {
  for (const dataSeed of [0, 1, 2]) {
    const kinds = ["sft", "dpo", "tpo", "reward-model", "kto", "grpo", "ppo"] as const;
    const stages = kinds.map((objective) =>
      trainSettings({ objective, dataSeed, examples: 3000, noise: 0.1 })
    );
    const prepared = await prepareTasks(stages);
    const seen = trainedOn(prepared);
    assert(seen.size > 1000);
    for (const { name, questions } of prepared.splits) {
      for (const { ids, prompt } of questions) {
        assert(!seen.has(prepared.tokenizer.decode(ids)), `${name}: ${prompt}`);
      }
    }
    // Nor the pairs that are kept aside, nor the same questions in another form.
    const pairs = prepared.stages[1]?.data;
    assert(pairs?.kind === "pairs");
    for (const { chosen: { ids, mask } } of pairs.validation) {
      assert(!seen.has(prepared.tokenizer.decode(ids.slice(0, mask.indexOf(true)))));
    }
  }
});

Deno.test("what is kept aside does not depend on how much is trained on, nor on its noise", async () => {
  const kept = async (examples: number, noise: number) => {
    const { splits, test } = await prepareTasks([trainSettings({ dataSeed: 5, examples, noise })]);
    return [...splits, ...test].map(({ questions }) => {
      assert(questions.every(({ gold, isRight }) => isRight?.(gold)));
      return questions.map(({ prompt, gold }) => [prompt, gold]);
    });
  };
  assertEquals(await kept(100, 0), await kept(1000, 0.5));
});

Deno.test("questions in another form are the held-out ones, judged by the same rule", async () => {
  const { splits } = await prepareTasks([trainSettings({ examples: 100 })]);
  const of = (name: string) => splits.find((split) => split.name === name)?.questions ?? [];
  assertEquals(
    of("reformatted").map(({ prompt }) => prompt),
    of("held-out").map(({ prompt }) => reformatted(prompt)),
  );
  assert(of("reformatted").every(({ gold, isRight }) => isRight?.(gold)));
});

Deno.test("noise is as much as was asked for, and turns preferences round", async () => {
  const prepared = await prepareTasks([
    trainSettings({ objective: "dpo", examples: 2000, noise: 0.3 }),
  ]);
  const { train } = dataOf(prepared.stages[0]?.data ?? never(), "pairs");
  const answer = ({ ids, mask }: { ids: readonly number[]; mask: readonly boolean[] }) =>
    prepared.tokenizer.decode(ids.slice(mask.indexOf(true), -1));
  const wrong = [...train].filter(({ chosen, isRight }) => !isRight(answer(chosen)));
  assert(Math.abs(wrong.length / train.length - 0.3) < 0.04, `${wrong.length}`);
  for (const { rejected, isRight } of wrong) assert(rejected && isRight(answer(rejected)));
  // Those that a model is asked again are of these, and a right answer is one that is right.
  const ids = new Set(wrong.map(({ prompt }) => prompt.join()));
  const [{ questions } = never()] = prepared.mistaught;
  assert(questions.length > 200);
  for (const { ids: prompt, gold, isRight } of questions) {
    assert(ids.has(prompt.join()) && isRight?.(gold) === false);
  }
  assertEquals((await prepareTasks([trainSettings({ examples: 100 })])).mistaught, []);
});

function never(): never {
  throw new Error("unreachable");
}

Deno.test("rollouts: rewards see the prompt's own row, and the reward model's word where asked", async () => {
  const settings = trainSettings({ objective: "grpo", layers: 1, heads: 1, width: 8 });
  const prepared = await prepareTasks([settings]);
  const { model, tokenizer } = prepared;
  const seen: Answered[] = [];
  const spy: TextReward = {
    name: "spy",
    reads: [GOLD],
    score: eachAnswer((answered) => {
      seen.push(answered);
      return answered.answer.length;
    }),
  };
  const { train } = dataOf(prepared.stages[0]?.data ?? never(), "rollouts");
  const lined = [...train.slice(0, 3)].map((row, i) => ({
    ...row,
    source: { file: "a", line: i + 1 },
  }));
  const plan: RolloutPlan = {
    prompts: lined,
    rewards: [{ reward: spy, weight: 1 }],
    ...{ groupSize: 2, batchSize: 4, microBatches: 1, epochs: 2, maxNewTokens: 4, temperature: 1 },
    ...{ seed: 1, forwardPasses: 1, learnedShare: 1 },
  };
  using device = wasm();
  const start = initialModels(settings, prepared);
  using feed = rolloutFeed(plan, model, tokenizer, { model, start, device }, unscored);
  const first = await feed.next(start.policy, feed.empty, 0);
  assertEquals(seen.length, 4);
  for (const { prompt, columns, source, answer, ids, isEnded } of seen) {
    const row = lined.find((row) => row.prompt === prompt);
    assertEquals(columns, { [GOLD]: row?.columns[GOLD] });
    assertEquals(source, row?.source);
    assertEquals(tokenizer.decode(ids, { special: "shown" }), isEnded ? `${answer}<stop>` : answer);
  }
  // Sampling, scoring and learning are a pass each, and the reward model's judgment one more.
  const passes = ({ forwardTokens, backwardTokens }: Cost) => forwardTokens / backwardTokens;
  assertEquals(passes(first.cost), 3);
  const rewardModel = withScore(model, start.policy);
  using judged = rolloutFeed(
    { ...plan, rewards: [{ reward: rewardModelReward, weight: 1 }] },
    model,
    tokenizer,
    { model, start: { ...start, rewardModel }, device },
    unscored,
  );
  const { cost, samples } = await judged.next(start.policy, judged.empty, 0);
  assertEquals(passes(cost), 4);
  assertEquals(
    samples.map(({ rewards }) => Object.keys(rewards)),
    [0, 1, 2, 3].map(() => [
      "reward-model",
    ]),
  );
  // The second step uses the same answers, the third new ones; the same number gives the same.
  const second = await feed.next(start.policy, first.experience, 1);
  assertEquals([seen.length, second.samples.length], [4, 0]);
  const third = await feed.next(start.policy, second.experience, 2);
  assertEquals(seen.length, 8);
  const again = await feed.next(start.policy, feed.empty, 2);
  assertEquals(again.samples, third.samples);
  assertNotEquals(first.samples, third.samples);
});

Deno.test("every objective starts where its formula says, or is stopped with an explanation", () => {
  for (const { name: objective } of objectiveRegistry) {
    const settings = trainSettings({ objective, batchSize: 8, teacher: "runs/teacher" });
    for (const { metric, value } of identitiesOf(settings)) {
      checkIdentities(objective, [{ metric, value, because: "", otherwise: "" }], {
        [metric]: value * (1 + 1e-5),
      });
      assertThrows(
        () =>
          checkIdentities(objective, identitiesOf(settings), {
            [metric]: value + 0.01 * Math.max(1, value),
          }),
        UserError,
        `${objective} was stopped before its first step: its ${metric} is `,
      );
    }
  }
});

Deno.test("an identity holds to a ten-thousandth, and no further, in both directions", () => {
  const settings = trainSettings({ objective: "dpo" });
  // By what a value may be off: a ten-thousandth of 1, or of a value that is larger.
  for (const value of [0, Math.LN2, 1, 52]) {
    const identity = { metric: "loss", value, because: "", otherwise: "" };
    const check = (off: number) =>
      checkIdentities(settings.objective.name, [identity], {
        loss: value + off * 1e-4 * Math.max(1, value),
      });
    for (const off of [0, 0.9, -0.9]) check(off);
    for (const off of [1.1, -1.1, 10, -10, NaN, Infinity]) {
      assertThrows(() => check(off), UserError, "its loss is ");
    }
  }
});

Deno.test("a policy that is not its reference is not trained by DPO", async () => {
  const tiny = { layers: 1, heads: 1, width: 8, examples: 50, batchSize: 4, steps: 1 };
  const settings = trainSettings({ objective: "dpo", beta: 1, ...tiny });
  const prepared = await prepareTasks([settings]);
  using device = wasm();
  const start = initialModels(settings, prepared);
  using learner = await createLearner({ settings, stage: 0, prepared, start, device });
  const other = initialModels(trainSettings({ ...tiny, seed: 9 }), prepared);
  using wrong = await createLearner({ settings, stage: 0, prepared, start: other, device });
  const state = learner.init();
  await assertRejects(
    // The state of one learner, given to another with another reference.
    () => wrong.step(state, 0),
    UserError,
    "and has to be 0.693147, since the policy is its own reference",
  );
  await learner.step(state, 0);
});

Deno.test("answers cost their sampling and a pass of scores, with values or without, and of a reference", async () => {
  const settings = trainSettings({ objective: "ppo", layers: 1, heads: 1, width: 8 });
  const prepared = await prepareTasks([settings]);
  const { model, tokenizer } = prepared;
  const { train } = dataOf(prepared.stages[0]?.data ?? never(), "rollouts");
  const plan: RolloutPlan = {
    prompts: train.slice(0, 3),
    rewards: [],
    ...{ groupSize: 1, batchSize: 4, microBatches: 1, epochs: 2, maxNewTokens: 4, temperature: 1 },
    ...{ seed: 1, forwardPasses: 1, learnedShare: 1 },
  };
  using device = wasm();
  const { policy } = initialModels(settings, prepared);
  const reference = { model, start: { policy }, device };
  const critic = actorCritic(model);
  using alone = rolloutFeed(plan, model, tokenizer, reference, unscored);
  using valued = rolloutFeed(plan, critic, tokenizer, reference, unscored);
  using referred = rolloutFeed(plan, model, tokenizer, reference, scoredByReference(reference));
  const fed = [
    await alone.next(policy, alone.empty, 0),
    await valued.next(withScore(model, policy), valued.empty, 0),
    await referred.next(policy, referred.empty, 0),
  ];
  // The third reading is that of the step.
  assertEquals(fed.map(({ cost }) => cost.forwardTokens / cost.backwardTokens), [3, 3, 4]);
});
