/** What a model has answered: judged with its special tokens in sight, and taught as it was said. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { said } from "../../../cli/sampling/answer_file.ts";
import {
  readGenerationSettings,
  stopStringsOf,
} from "../../../cli/sampling/generation_settings.ts";
import { speak } from "../../../cli/sampling/speech.ts";
import { createExaminer } from "../../../cli/study/measures.ts";
import { openDevice, prepare } from "@unitune/cli";
import { key } from "@unitune/core";
import {
  alone,
  type Collective,
  collectivesInMemory,
  createEvaluator,
  createLearner,
  createSampler,
  editSimilarity,
  type EncodedLabel,
  exactMatch,
  formatReward,
  givenAnswer,
  graphemeCount,
  graphemesOf,
  initialModels,
  lengthPenalty,
  mismatchedAnswers,
  type PairCandidate,
  questionOf,
  rolloutFeed,
  type RolloutPlan,
  shortened,
  trainSettings,
  unscored,
  UserError,
  withOwnAnswers,
} from "@unitune/training";
import {
  byteTokenizer,
  characterTokenizer,
  createGenerator,
  encodePrompt,
  gpt,
  specialIds,
} from "@unitune/models";
import fc from "fast-check";
import { assertRefused, inFolder, tiny, train, trained, writeRows } from "../command.ts";
import { scripted } from "../scripted.ts";

const tokenizer = characterTokenizer("abcd");
const { pad, stop, user } = specialIds;
const [a = 0, , c = 0, d = 0] = tokenizer.encode("abcd");
const prompt = encodePrompt(tokenizer, [{ role: "user", content: "a" }]);
/** The tokens that a scripted model says behind the prompt. */
const after = (...said: readonly number[]) => [...prompt.slice(1).map(() => a), ...said];

const context = 12;
const conversation = {
  messages: [
    { role: "user" as const, content: "a" },
    { role: "assistant" as const, content: "cd" },
  ],
};

Deno.test("decoding shows special tokens where it is told to", () => {
  const bytes = byteTokenizer();
  for (const { encode, decode } of [characterTokenizer("né"), bytes]) {
    const ids = [user, ...encode("n"), pad, ...encode("é"), stop];
    assertEquals(decode(ids), "né");
    assertEquals(decode(ids, { special: "shown" }), "<user>n<pad>é<stop>");
  }
  // A character that a special token parts is none.
  const [first = 0, second = 0] = bytes.encode("é");
  assertEquals(bytes.decode([first, pad, second], { special: "shown" }), "\ufffd<pad>\ufffd");
});

Deno.test("an answer with special tokens inside is not the text without them", async () => {
  using device = await openDevice("wasm");
  const question = questionOf({ conversation, kind: "all" }, tokenizer, context);
  assert(question !== undefined);
  const split = { name: "v", sequences: [question.sequence], questions: [question], notes: [] };
  const saying = async (...said: readonly number[]) => {
    const { model, params } = scripted(tokenizer, context, after(...said));
    using evaluator = createEvaluator(model, tokenizer, device);
    const { answers: [answer] } = await evaluator.evaluate(params, split);
    return [answer?.text, answer?.isRight];
  };
  assertEquals(await saying(c, d, stop), ["cd", true]);
  assertEquals(await saying(c, user, pad, d, stop), ["c<user><pad>d", false]);
  assertEquals(await saying(pad, c, d, stop), ["<pad>cd", false]);
});

Deno.test("special tokens are not taken for their names, written out in the gold answer", async () => {
  const literal = characterTokenizer("acdusepr<>");
  const gold = "c<user>d";
  const answer = { role: "assistant" as const, content: gold };
  const exam = { conversation: { messages: [...conversation.messages.slice(0, 1), answer] } };
  const question = questionOf({ ...exam, kind: "all" }, literal, 20);
  assert(question !== undefined);
  const split = { name: "v", sequences: [question.sequence], questions: [question], notes: [] };
  using device = await openDevice("wasm");
  const [first = 0, last = 0] = literal.encode("cd");
  for (
    const [said, isRight] of [
      [[first, user, last, stop], false],
      [[...literal.encode(gold), stop], true],
    ] as const
  ) {
    const { model, params } = scripted(literal, 20, after(...said));
    using evaluator = createEvaluator(model, literal, device);
    const { answers: [given] } = await evaluator.evaluate(params, split);
    assertEquals([given?.text, given?.isRight], [gold, isRight]);
  }
});

const plan = (maxNewTokens: number): RolloutPlan => ({
  prompts: [{ ids: prompt, prompt: "a", columns: { completion: "cd" } }],
  rewards: [exactMatch, formatReward(/^.+$/)].map((reward) => ({ weight: 1, reward })),
  ...{ groupSize: 1, batchSize: 1, microBatches: 1, epochs: 1, maxNewTokens, temperature: 0.01 },
  ...{ seed: 1, forwardPasses: 1, learnedShare: 1 },
});

Deno.test("a rollout is rewarded as it was said, and taught no stop token that was not", async () => {
  using device = await openDevice("wasm");
  const rollout = async (maxNewTokens: number, ...said: readonly number[]) => {
    const { model, params } = scripted(tokenizer, context, after(...said));
    const reference = { model, start: { policy: params }, device };
    using feed = rolloutFeed(plan(maxNewTokens), model, tokenizer, reference, unscored);
    const { batches: [batch], samples: [sample] } = await feed.next(params, feed.empty, 0);
    assert(batch !== undefined && sample !== undefined);
    const [ids, mask] = [await batch.ids.data(), await batch.mask.data()];
    return { ...sample, taught: Array.from(ids).filter((_, t) => mask[t] === 1) };
  };
  const right = await rollout(4, c, d, stop);
  assertEquals([right.answer, right.reward, right.taught], ["cd", 2, [c, d, stop]]);
  const turned = await rollout(6, c, user, pad, d, stop);
  assertEquals([turned.answer, turned.reward], ["c<user><pad>d", 0]);
  assertEquals(turned.taught, [c, user, pad, d, stop]);
  const cut = await rollout(2, c, d, stop);
  assertEquals([cut.answer, cut.reward, cut.taught], ["cd", 0, [c, d]]);
});

Deno.test("the answers that grow at once are those of a micro-batch, or 64", async () => {
  using device = await openDevice("wasm");
  const { model, params } = scripted(tokenizer, context, after(c, d, stop));
  const placesOf = async (batchSize: number, microBatches: number) => {
    const sizes: number[] = [];
    const observed: typeof model = {
      ...model,
      emptyCache(batch, columns) {
        sizes.push(batch);
        return model.emptyCache(batch, columns);
      },
    };
    const reference = { model: observed, start: { policy: params }, device };
    const sizedPlan = { ...plan(3), batchSize, microBatches };
    using feed = rolloutFeed(sizedPlan, observed, tokenizer, reference, unscored);
    const { samples } = await feed.next(params, feed.empty, 0);
    assertEquals(samples.map(({ answer }) => answer), Array(batchSize * microBatches).fill("cd"));
    return Math.max(...sizes);
  };
  assertEquals(await placesOf(3, 2), 6);
  assertEquals(await placesOf(33, 2), 64);
  assertEquals(await placesOf(66, 1), 66);
});

Deno.test("a stop string ends answers of rollouts, evaluations and the model's own, and is learned", async () => {
  using device = await openDevice("wasm");
  const stopStrings = ["dc", "b"];
  const { model, params } = scripted(tokenizer, context, after(c, d, d, c, d, stop));
  const reference = { model, start: { policy: params }, device, stopStrings };
  using feed = rolloutFeed(plan(8), model, tokenizer, reference, unscored);
  const { batches: [batch], samples: [sample], metrics } = await feed.next(params, feed.empty, 0);
  assert(batch !== undefined && sample !== undefined);
  const [ids, mask] = [await batch.ids.data(), await batch.mask.data()];
  assertEquals(Array.from(ids).filter((_, t) => mask[t] === 1), [c, d, d, c]);
  assertEquals([sample.answer, sample.reward], ["cd", 2]);
  assertEquals(await metrics["completions/clipped_ratio"]?.item(), 0);

  const candidate = {
    prompt,
    chosen: { ids: [...prompt, c, stop], mask: [false, false, false, true, true] },
    isRight: (answer: string) => answer === "c",
  };
  const { pairs } = await withOwnAnswers([candidate], 1, tokenizer, 0, reference);
  assertEquals([...pairs].map(({ rejected }) => rejected.ids), [[...prompt, c, d, d, c]]);

  const question = questionOf({ conversation, kind: "all" }, tokenizer, context);
  assert(question !== undefined);
  const split = { name: "v", sequences: [question.sequence], questions: [question], notes: [] };
  using evaluator = createEvaluator(model, tokenizer, device, { stopStrings });
  const { answers: [given] } = await evaluator.evaluate(params, split);
  assertEquals([given?.text, given?.isRight], ["cd", true]);
});

Deno.test("an answer that is said stops before a stop string, of which nothing is shown", async () => {
  const parts: string[] = [];
  const spoken = async (stopStrings: readonly string[]) => {
    const { model, params } = scripted(tokenizer, context, after(c, d, d, c, d, stop));
    using generator = createGenerator(model);
    const write = (text: string) => parts.push(text);
    const speech = { generator, params, tokenizer, write, stopStrings };
    return await speak(speech, prompt, { maxNewTokens: 8 });
  };
  for (const stops of [["dca", "dc"], ["dc"]]) {
    const { text, tokens, isEnded } = await spoken(stops);
    assertEquals([text, tokens, isEnded, parts.splice(0).join("")], ["cd", 4, true, "cd"]);
  }
  // What was held back is said where it is no stop string after all.
  assertEquals((await spoken(["da"])).text, "cddcd");
  const answer = { ids: [c, d, d, c], isEnded: true, stopString: "dc" };
  assertEquals(said(answer, { tokenizer }), "cd");
});

Deno.test("stop strings of generation_config.json are read, and those that are given come before", () => {
  const read = (text: string) => readGenerationSettings(text, "f");
  const settings = read('{ "stop_strings": ["a", "b"] }');
  assertEquals(settings.unapplied, []);
  assertEquals(stopStringsOf({}, settings), ["a", "b"]);
  assertEquals(stopStringsOf({}, read('{ "stop_strings": "a" }')), ["a"]);
  assertEquals(stopStringsOf({ stop: "c" }, settings), ["c"]);
  assertEquals(stopStringsOf({}, read("{}")), []);
  assertEquals(stopStringsOf({}, undefined), []);
  for (const wrong of ['""', "[1]", '["a", ""]']) {
    assertThrows(() => read(`{ "stop_strings": ${wrong} }`), UserError, "f: stop_strings is ");
  }
});

Deno.test("a setting of stop strings that is no list of texts is refused", () => {
  assertEquals(trainSettings({ stop: "a|b" }).stop, "a|b");
  for (const stop of ["a|", "\\x", "\\"]) {
    const error = assertThrows(() => trainSettings({ stop }), UserError, "a stop string ");
    assert(error.message.startsWith("stop is "), error.message);
  }
});

Deno.test("a rejected answer of the model's own ends by a stop token only if it said one", async () => {
  using device = await openDevice("wasm");
  const candidate = {
    prompt,
    chosen: { ids: [...prompt, c, d, stop], mask: [false, false, false, true, true, true] },
    isRight: (answer: string) => answer === "cd",
  };
  const rejected = async (...said: readonly number[]) => {
    const { model, params } = scripted(tokenizer, context, after(...said));
    const reference = { model, start: { policy: params }, device };
    const { pairs } = await withOwnAnswers([candidate], 1, tokenizer, 0, reference);
    return [...pairs].map(({ rejected: { ids, mask } }) => ids.filter((_, t) => mask[t]));
  };
  assertEquals(await rejected(d, stop), [[d, stop]]);
  assertEquals(await rejected(c, user, d, stop), [[c, user, d, stop]]);
  // It goes on until the room is used up: 3 tokens of the chosen answer and 4 more.
  const long = [d, d, d, d, d, d, d, d, d];
  assertEquals(await rejected(...long), [long.slice(0, 7)]);
  const { model, params } = scripted(tokenizer, context, after(c, d, stop));
  const reference = { model, start: { policy: params }, device };
  // What the model answers rightly, and what is the chosen answer itself, is rejected by nobody.
  const wrongly = { ...candidate, isRight: () => false };
  for (const own of [candidate, wrongly]) {
    let message = "";
    try {
      await withOwnAnswers([own], 1, tokenizer, 0, reference);
    } catch (error) {
      if (error instanceof UserError) ({ message } = error);
    }
    assert(message.includes("gives no wrong answer"), message);
  }
});

Deno.test("rejected answers of the model's own are sampled once, by one process or another", async () => {
  using device = await openDevice("wasm");
  const sizes = { vocabulary: tokenizer.size, context, layers: 1, heads: 1, width: 4, dropout: 0 };
  const model = gpt(sizes);
  const params = model.init(key(3));
  const candidates = [c, d, c, d, d].map((first) => ({
    prompt,
    chosen: { ids: [...prompt, first, stop], mask: [false, false, false, true, true] },
    isRight: () => false,
  }));
  const asked: number[] = [];
  const observed = {
    ...model,
    emptyCache(batch: number, columns: number) {
      asked.push(batch);
      return model.emptyCache(batch, columns);
    },
  };
  const sampledBy = async (collective: Collective) => {
    const reference = { model: observed, start: { policy: params }, device, collective };
    const { pairs, cost } = await withOwnAnswers(candidates, 5, tokenizer, 0, reference);
    return { rejected: [...pairs].map(({ rejected }) => rejected), cost };
  };
  const one = await sampledBy(alone);
  assert(new Set(one.rejected.map(({ ids }) => ids.join())).size > 1);
  // The prompt is read once, and answered in each place.
  assertEquals(asked.splice(0), [1, 5]);
  // They are drawn as the policy gives them: two tokens of an answer, and four more at most.
  using sampler = createSampler(model, tokenizer, device);
  const options = { maxNewTokens: 6, temperature: 1, seed: 0, firstRow: 0 };
  const drawn = await sampler.sample(params, candidates.map(({ prompt }) => prompt), options);
  assertEquals(one.rejected.map(({ ids }) => ids), drawn.map(({ ids }) => [...prompt, ...ids]));
  // Of six processes one has nothing to ask.
  for (
    const { size, shares } of [{ size: 2, shares: [1, 1, 2, 3] }, {
      size: 6,
      shares: new Array<number>(10).fill(1),
    }]
  ) {
    const all = await Promise.all(collectivesInMemory(size).map(sampledBy));
    for (const own of all) assertEquals(own, one);
    assertEquals(asked.splice(0).toSorted(), shares);
  }
});

Deno.test("prompts that give no pair of the model's own are counted and told", async () => {
  using device = await openDevice("wasm");
  const candidate = (isRight: boolean, ...answer: readonly number[]) => ({
    prompt,
    chosen: { ids: [...prompt, ...answer, stop], mask: [false, false, false, true, true, true] },
    isRight: () => isRight,
  });
  // The model says "cd" to each of them.
  const { model, params } = scripted(tokenizer, context, after(c, d, stop));
  const reference = { model, start: { policy: params }, device };
  const notesOf = async (candidates: readonly PairCandidate[]) =>
    (await withOwnAnswers(candidates, candidates.length, tokenizer, 0, reference)).notes;
  const [wrong, right, same] = [
    candidate(false, d, c),
    candidate(true, c, d),
    candidate(false, c, d),
  ];
  assertEquals(await notesOf([wrong, wrong]), []);
  assertEquals(await notesOf([wrong, right, right, same]), [
    "3 of 4 prompts give no pair: the model answers 2 rightly, and it gives the preferred answer " +
    "itself to 1.",
  ]);
  assertEquals(await notesOf([wrong, same]), [
    "1 of 2 prompts give no pair: it gives the preferred answer itself to 1.",
  ]);
});

inFolder(
  "kto tells how many mismatched answers are cut, in each stage that has some",
  async (folder) => {
    // Of 20 training rows every other is a long prompt: the long answer does not fit behind it.
    const rows = Array.from({ length: 22 }, (_, i) => ({
      prompt: i % 2 === 0 ? "a".repeat(8) : "b",
      completion: i % 2 === 0 ? "b" : "a".repeat(6),
      label: i % 3 !== 0,
    }));
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const kto = [...["--data", data, "--batch-size", "4"], ...tiny];
    const note = "mismatched answers, those to other prompts, exceed the context of ";
    const told = async (name: string, objective: string, context: string) => {
      const args = ["--objective", objective, "--context", context, "--out", `${folder}/${name}`];
      const { stdout, stderr } = await trained(...kto, ...args);
      return (stdout + stderr).split("\n").filter((line) => line.includes(note));
    };
    assertEquals(await told("cut", "kto", "14"), [
      `10 of 19 ${note}14 tokens behind their prompt: they are cut at their end.`,
    ]);
    assertEquals(await told("whole", "kto", "24"), []);
    const [line = ""] = await told("stages", "sft,kto", "14");
    assert(line.startsWith("stage 2: 10 of 19 "), line);
  },
);

Deno.test("what is measured of sampled answers is of what was said", async () => {
  using device = await openDevice("wasm");
  const question = questionOf({ conversation, kind: "reverse" }, tokenizer, context);
  assert(question !== undefined);
  const split = { name: "test", sequences: [question.sequence], questions: [question], notes: [] };
  const measured = async (...said: readonly number[]) => {
    const { model, params } = scripted(tokenizer, context, after(...said));
    const examination = { validation: split, test: [split], samples: 2, seed: 0 };
    using examiner = createExaminer(examination, model, tokenizer, device);
    const { "mean@k": share, length, recovery } = await examiner.examine(params, params);
    return [share, length, recovery];
  };
  assertEquals(await measured(c, d, stop), [1, 2, 1]);
  assertEquals(await measured(c, pad, d, stop), [0, 3, 0]);
  // Behind a wrong first token, what the model says is the rest of the right answer, or is not.
  assertEquals(await measured(a, d, stop), [0, 2, 1]);
  assertEquals(await measured(c, stop), [0, 1, 0]);
});

Deno.test("an answer has the tokens that were generated, and ends where a stop token was", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 2, max: tokenizer.size - 1 }), { maxLength: 6 }),
    fc.option(fc.nat(tokenizer.size - 1), { nil: undefined }),
    (said, stop) => {
      const given = givenAnswer(tokenizer, { ids: said, ...stop !== undefined && { stop } });
      assertEquals(given.isEnded, stop !== undefined);
      assertEquals(given.ids, stop === undefined ? said : [...said, stop]);
      assertEquals(given.isText, said.every((id) => id > 4));
      assertEquals(given.isText, given.text === tokenizer.decode(said));
    },
  ));
});

const labelOf = (ask: number, answer: number): EncodedLabel => ({
  sequence: { ids: [user, ask, 4, answer, stop], mask: [false, false, false, true, true] },
  label: true,
});
const askOf = ({ sequence: { ids } }: EncodedLabel) => ids[1];

Deno.test("kto's mismatched answers are to other prompts, however many answers each has", () => {
  const answers = fc.array(fc.integer({ min: 5, max: 8 }), { minLength: 2, maxLength: 30 });
  fc.assert(fc.property(answers, (asks) => {
    const rows = asks.map((ask, i) => labelOf(ask, i));
    if (new Set(asks).size < 2) {
      assertThrows(() => mismatchedAnswers(rows), UserError, "are to one prompt");
      return;
    }
    const others = mismatchedAnswers(rows);
    assertEquals(others.length, rows.length);
    others.forEach((other, i) => {
      const [own, foreign] = [rows[i], rows[other]];
      assert(own !== undefined && foreign !== undefined);
      assertNotEquals(askOf(foreign), askOf(own));
    });
  }));
});

Deno.test("of pairs as labels, each answer is mismatched with another of its kind, once", () => {
  const rows = [5, 6, 7].flatMap((ask) => [labelOf(ask, 8), labelOf(ask, 9)]);
  const others = mismatchedAnswers(rows);
  assertEquals(others.toSorted((x, y) => x - y), [0, 1, 2, 3, 4, 5]);
  others.forEach((other, i) => assertEquals(other % 2, i % 2));
});

inFolder("kto says why it cannot compare the answers to one prompt", async (folder) => {
  const rows = (prompts: readonly string[]) =>
    Array.from({ length: 12 }, (_, i) => ({
      prompt: prompts[i % prompts.length],
      completion: i % 2 === 0 ? "ba" : "b",
      label: i % 2 === 0,
    }));
  const one = await writeRows(`${folder}/one.jsonl`, rows(["ab"]));
  const two = await writeRows(`${folder}/two.jsonl`, rows(["ab", "ba"]));
  const run = ["--objective", "kto", ...tiny, "--out", `${folder}/run`];
  const refused = await train(...run, "--data", one);
  assertRefused(refused, 1, "all 10 answers are to one prompt: add rows with other prompts");
  // Refused before a folder was made: the same one can be used.
  assertEquals((await train(...run, "--data", two)).code, 0);
});

/** Characters as people count them, each of more than one code unit or code point. */
const wide = ["🙂", "👩‍👩‍👧", "e\u0301", "\r\n", "🇩🇪", "한"];

Deno.test("characters are counted as people count them", async () => {
  for (const character of wide) {
    assertEquals([graphemeCount(character), graphemesOf(`${character}x`)], [1, [character, "x"]]);
  }
  const answered = { prompt: "", ids: [], isEnded: true };
  const compared = [["🙂", "🙃"], ["a🙂", "a🙃"], ["👩‍👩‍👧b", "👩‍👩‍👦b"]].map(
    ([answer = "", completion]) => ({ ...answered, answer, columns: { completion } }),
  );
  assertEquals(await editSimilarity.score(compared), [0, 0.5, 0.5]);
  const long = ["🙂🙃", "🙂🙃👩‍👩‍👧"].map((answer) => ({ ...answered, answer, columns: {} }));
  assertEquals(await lengthPenalty(2).score(long), [0, -0.5]);
});

Deno.test("a text is cut between characters", () => {
  const text = fc.array(fc.constantFrom(...wide, "a", " "), { maxLength: 9 });
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 9 }), (characters, most) => {
    const whole = characters.join("");
    const all = graphemesOf(whole);
    assertEquals(all.join(""), whole);
    const short = shortened(whole, most);
    assertEquals(short, all.length <= most ? whole : `${all.slice(0, most - 1).join("")}…`);
  }));
});

Deno.test("plain characters are counted the same with and without the table of Unicode", () => {
  fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
    const segmented = [...new Intl.Segmenter("en").segment(text)].map(({ segment }) => segment);
    assertEquals(graphemesOf(text), segmented);
    assertEquals(graphemeCount(text), segmented.length);
  }));
});

inFolder("every pair that is kept aside is looked at, once, wherever it stands", async (folder) => {
  // 1 to 70 pairs for validation: the last tenth of the rows. Their prompts differ in length.
  const pair = (i: number) => ({
    prompt: "ab".repeat(1 + i % 4),
    chosen: "b".repeat(1 + i % 7),
    rejected: "a".repeat(1 + i % 3),
  });
  // What is kept aside is not trained on.
  const train = (count: number) =>
    Array.from({ length: 9 * count }, (_, i) => ({ ...pair(i), prompt: "ba".repeat(1 + i % 4) }));
  using device = await openDevice("wasm");
  const measured = async (name: string, rows: readonly unknown[]) => {
    const data = await writeRows(`${folder}/${name}.jsonl`, rows);
    const settings = trainSettings({
      ...{ objective: "dpo", data, layers: 1, heads: 1, width: 16, context: 24 },
      ...{ batchSize: 4, steps: 2, evalExamples: 1024 },
    });
    const prepared = await prepare(settings);
    const start = initialModels(settings, prepared);
    using learner = await createLearner({ settings, stage: 0, prepared, start, device });
    const values = await learner.validate(learner.init());
    return values["eval_logps/chosen"] ?? NaN;
  };
  for (const count of [1, 31, 40, 70]) {
    const kept = Array.from({ length: count }, (_, i) => pair(i));
    const inOrder = await measured("a", [...train(count), ...kept]);
    const turned = await measured("b", [...train(count), ...kept.toReversed()]);
    // The sum of the same f32 numbers in another order.
    assertAlmostEquals(turned, inOrder, 1e-4);
    if (count < 2) continue;
    // The last pair counts: with another one in its place the mean is another.
    const other = { ...pair(0), chosen: "b".repeat(15) };
    const changed = await measured("c", [...train(count), ...kept.slice(0, -1), other]);
    assert(Math.abs(changed - inOrder) > 1e-2 / count, `${count}: ${changed}, ${inOrder}`);
  }
});
