/** Feeds: who samples which answer, what a turn learns, and what is carried from step to step. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { key, type Tensor, tensor, wasm } from "@unitune/core";
import { decodeTree, encodeTree, generationBytes, gpt } from "@unitune/models";
import {
  drawnTurns,
  type Guidance,
  type ObjectiveDescription,
  objectiveRegistry,
  type ScoredDemonstrations,
  sft,
  unsolvedTurns,
} from "@unitune/objectives";
import {
  alone,
  type Collective,
  dataOf,
  demonstrationForm,
  describeObjective,
  eachAnswer,
  initialModels,
  pairForm,
  prepareTasks,
  rolloutFeed,
  type RolloutPlan,
  type RowForm,
  scoredByReference,
  type TextReward,
  trainSettings,
  unscored,
} from "@unitune/training";
import { inRandomOrder } from "../../training/data/batches.ts";
import { renewedFeed } from "../../training/feeds/renewed.ts";
import { groupAt, groupScore, movedGroups, replayOf } from "../../training/feeds/replay.ts";
import { othersOf } from "../../training/kinds/rollouts.ts";
import { answeredPrompt } from "../../training/sampling/answers.ts";
import { createScorer } from "../../training/sampling/scorer.ts";

const sized = { objective: "relift", examples: 64, layers: 1, heads: 1, width: 8 };
const settings = trainSettings(sized);
const prepared = await prepareTasks([settings]);
const { model, tokenizer } = prepared;
const { train, longestAnswer } = dataOf(prepared.stages[0]?.data ?? never(), "rollouts");
const prompts = [...train.slice(0, 32)];
const start = initialModels(settings, prepared);
const device = wasm();
const reference = { model, start, device };
const sizes = {
  ...{ groupSize: 2, batchSize: 4, microBatches: 1, maxNewTokens: 4, temperature: 1 },
  ...{ seed: 1, forwardPasses: 1, learnedShare: 1 },
};
/** Other parameters than those that a stage starts from. */
const moved = model.init(key(7));

function never(): never {
  throw new Error("unreachable");
}

Deno.test("batches have room for the longest prompt and answer, as the guidance reads or samples them", () => {
  const { vocabulary } = model.config;
  const small = gpt({ vocabulary, context: 40, layers: 1, heads: 1, width: 4, dropout: 0 });
  const teacher = { model: small, params: small.init(key(3)) };
  const lengths = (prompt: number, longestAnswer: number | undefined, guidance?: Guidance) => {
    const plan: RolloutPlan = {
      ...{ ...sizes, epochs: 1, maxNewTokens: 7, rewards: [] },
      prompts: [{ ids: Array<number>(prompt).fill(5), prompt: "", columns: {} }],
      ...longestAnswer !== undefined && { longestAnswer },
      ...guidance !== undefined && { guidance },
    };
    using feed = rolloutFeed(
      plan,
      small,
      tokenizer,
      { model: small, start: { policy: teacher.params, teacher }, device },
      unscored,
    );
    const [{ ids, given, privileged } = never()] = feed.outline();
    assertEquals([ids.shape[0], given !== undefined], [
      4,
      guidance !== undefined && guidance.kind !== "context",
    ]);
    return [ids.shape[1], ...privileged?.ids.shape.slice(1) ?? []];
  };
  const hint: Guidance = { kind: "hint", rows: "all", share: { description: "", at: () => 1 } };
  const context: Guidance = { kind: "context", from: "data" };
  const taught: Guidance = { kind: "turns", turns: drawnTurns({ author: "teacher" }) };
  // The answers of the data are not read, or by a teacher in their place.
  assertEquals([lengths(9, 20), lengths(10, 20), lengths(9, 20, taught)], [[16], [24], [16]]);
  // They and their stop token are learned in place of those that are sampled.
  assertEquals([6, 7].map((answer) => lengths(9, answer, { kind: "answer" })), [[16], [24]]);
  assertEquals(lengths(9, undefined, { kind: "answer" }), [16]);
  // Behind a hint as long as they are, as much is sampled again.
  assertEquals([lengths(10, 6, hint), lengths(11, 6, hint)], [[24], [32]]);
  assertEquals([lengths(16, undefined, hint), lengths(17, undefined, hint)], [[24], [32]]);
  // The prompt, a right answer, and the prompt once more with an answer of its own.
  assertEquals([lengths(9, 6, context), lengths(9, 7, context)], [[16, 32], [24, 40]]);
  assertEquals([lengths(9, 0, context), lengths(10, 0, context)], [[16, 32], [24, 40]]);
  // As much as the model sees, and a token more.
  assertEquals(lengths(38, 8, context), [41, 41]);
});

Deno.test("the answers that grow at once take what their author's caches do, of a mixture twice", () => {
  const { vocabulary, context } = model.config;
  const wide = gpt({ vocabulary, context, layers: 1, heads: 1, width: 16, dropout: 0 });
  const teacher = { model: wide, params: wide.init(key(3)) };
  const taught: Guidance = { kind: "turns", turns: drawnTurns({ author: "teacher" }) };
  const hint: Guidance = { kind: "hint", rows: "all", share: { description: "", at: () => 1 } };
  const bytesOf = (given: Partial<RolloutPlan>, collective: Collective = alone) => {
    using feed = rolloutFeed(
      { ...sizes, prompts, longestPrompt: 9, epochs: 1, rewards: [], ...given },
      model,
      tokenizer,
      { ...reference, start: { ...start, teacher }, collective },
      unscored,
    );
    return feed.generationBytes;
  };
  const bytes = (completions: number, { by = model, longestPrompt = 9, places = 64 } = {}) => {
    const [prompts, maxNewTokens] = [Math.ceil(completions / 2), sizes.maxNewTokens];
    return generationBytes(by, { prompts, completions, longestPrompt, maxNewTokens, places });
  };
  assertEquals(bytesOf({}), bytes(4));
  // Of more answers, 64 grow at once, or those of a micro-batch.
  assertEquals(bytesOf({ microBatches: 32 }), bytes(128));
  assertEquals(bytesOf({ batchSize: 128 }), bytes(128, { places: 128 }));
  assertEquals(bytesOf({ others: { referenceShare: 0.5 } }), 2 * bytes(4));
  assertEquals(bytesOf({ guidance: taught }), bytes(4, { by: wide }));
  // They grow behind a hint of a right answer, and its stop token.
  assertEquals(bytesOf({ guidance: hint, longestAnswer: 7 }), bytes(4, { longestPrompt: 17 }));
  // A process has those of its own micro-batches: of three, the second of two has two.
  assertEquals(bytesOf({ microBatches: 3 }, { ...alone, rank: 1, size: 2 }), bytes(8));
  // A group that is not whole has a prompt as well.
  assertEquals(bytesOf({ batchSize: 3, microBatches: 2 }, { ...alone, size: 2 }), bytes(3));
});

Deno.test("the others of a group are given by whom the objective compares with", () => {
  const compared = objectiveRegistry.filter(({ data }) => data === "rollouts").flatMap(
    ({ name, teacher }) => {
      const settings = trainSettings({ objective: name, ...teacher && { teacher: "run" } });
      const others = othersOf(settings, describeObjective(settings));
      return others === "policy" ? [] : [[name, others] as const];
    },
  );
  assertEquals(Object.fromEntries(compared), {
    "a-star-po": "reference",
    "xpo": "reference",
    "nash-md": { referenceShare: 0.5 },
  });
});

Deno.test("turns: right answers to prompts that were failed are learned as soon as they fill a step", async () => {
  const failing: TextReward = { name: "never", reads: [], score: eachAnswer(() => 0) };
  const plan: RolloutPlan = {
    prompts,
    rewards: [{ reward: failing, weight: 1 }],
    ...{ ...sizes, epochs: 2, longestAnswer },
    guidance: { kind: "turns", turns: unsolvedTurns() },
  };
  using feed = rolloutFeed(plan, model, tokenizer, reference, unscored);
  const turns: Awaited<ReturnType<typeof feed.next>>[] = [];
  let experience = feed.empty;
  for (const index of [0, 2, 4, 6]) {
    // What is carried is a tree of tensors, which goes through a file and comes back.
    const saved = decodeTree(feed.empty, await encodeTree(experience));
    const turn = await feed.next(start.policy, saved, index);
    turns.push(turn);
    experience = (await feed.next(start.policy, turn.experience, index + 1)).experience;
    assertEquals(experience, turn.experience);
  }
  const given = await Promise.all(turns.map(({ metrics }) => metrics["given_answers"]?.item()));
  assertEquals(given, [0, 0, 1, 0]);
  assertEquals(turns.map(({ samples }) => samples.length), [4, 4, 0, 4]);
  const [, , taught = never(), last = never()] = turns;
  // The metrics of rewards are those of the latest answers of the policy.
  assertEquals(Object.keys(taught.metrics), Object.keys(last.metrics));
  const [batch = never()] = taught.batches;
  assertEquals(await batch.given?.data(), await batch.mask.data());
  assertEquals(
    await last.batches[0]?.given?.data(),
    new Float32Array((await batch.mask.data()).length),
  );
  // All four rows are right answers to the four prompts of the first two turns.
  const failed = new Set(
    turns.slice(0, 2).flatMap(({ samples }) => samples.map(({ prompt }) => prompt)),
  );
  const [ids, length] = [await batch.ids.data(), batch.ids.shape[1] ?? never()];
  const rows = [0, 1, 2, 3].map((row) => ids.slice(row * length, (row + 1) * length));
  const learned = rows.map((row) =>
    prompts.find(({ ids, answer = [] }) => [...ids, ...answer].every((id, t) => row[t] === id))
      ?.prompt
  );
  assertEquals(new Set(learned), failed);
  assertEquals([await experience.turns?.data()].map((place) => place?.[0]), [6]);
  // Nothing was sampled: one pass for log-probabilities, and that of the step.
  assertEquals(taught.cost.forwardTokens, 2 * taught.cost.backwardTokens);
  assertEquals(last.cost.forwardTokens, 3 * last.cost.backwardTokens);
});

Deno.test("the others of a group are sampled by the policy before the stage, or by a mixture of both", async () => {
  const silent: TextReward = { name: "silent", reads: [], score: eachAnswer(() => 0) };
  const answersBy = async (
    others: NonNullable<RolloutPlan["others"]> = "policy",
    before: unknown = start.policy,
  ) => {
    using feed = rolloutFeed(
      { ...sizes, prompts, epochs: 1, rewards: [{ reward: silent, weight: 1 }], others },
      model,
      tokenizer,
      { ...reference, start: { ...start, policy: before } },
      unscored,
    );
    const { samples, metrics, batches, experience } = await feed.next(moved, feed.empty, 0);
    for (const { reward, rewards } of samples) assertEquals([reward, rewards], [0, { silent: 0 }]);
    // The share of all places that no token takes.
    const { size } = await batches[0]?.ids.data().then(({ length: size }) => ({ size })) ?? never();
    const tokens = await experience.tokens.item();
    assertAlmostEquals(await metrics["padding"]?.item() ?? NaN, 1 - tokens / size, 1e-6);
    return samples.map(({ prompt, answer }) => `${prompt}: ${answer}`);
  };
  const ofReference = await answersBy("reference");
  const ofPolicy = await answersBy("reference", moved);
  // The first of each group is the policy's, whoever gives the other.
  assertEquals([ofReference[0], ofReference[2]], [ofPolicy[0], ofPolicy[2]]);
  assertNotEquals([ofReference[1], ofReference[3]], [ofPolicy[1], ofPolicy[3]]);
  assertEquals((await answersBy())[0], ofPolicy[0]);
  // A mixture at the ends of its share is one of its models, between them neither.
  assertEquals(await answersBy({ referenceShare: 1 }), ofReference);
  assertEquals(await answersBy({ referenceShare: 0 }), ofPolicy);
  const between = await answersBy({ referenceShare: 0.5 });
  assertNotEquals(between, ofReference);
  assertNotEquals(between, ofPolicy);
});

Deno.test("the answers, hints and turns of a seed are the same in every version", async () => {
  const silent: TextReward = { name: "silent", reads: [], score: eachAnswer(() => 0) };
  const toldBy = async (guidance?: Guidance) => {
    using feed = rolloutFeed(
      {
        ...{
          ...sizes,
          prompts,
          epochs: 1,
          rewards: [{ reward: silent, weight: 1 }],
          longestAnswer,
        },
        ...guidance !== undefined && { guidance },
      },
      model,
      tokenizer,
      reference,
      unscored,
    );
    const told: unknown[] = [];
    let experience = feed.empty;
    for (const index of [0, 1, 2, 3]) {
      const next = await feed.next(start.policy, experience, index);
      experience = next.experience;
      const given = await next.batches[0]?.given?.data() ?? [];
      told.push(
        guidance === undefined
          ? next.samples.map(({ prompt, answer }) => `${prompt} ${answer}`)
          : Array.from(given).reduce((sum, own) => sum + own, 0),
      );
    }
    return told;
  };
  assertEquals((await toldBy()).slice(0, 1), [
    ["sort 6542 tj39", "sort 6542 sb44", "given c2 e4: e <user>sh3", "given c2 e4: e 8bj9"],
  ]);
  const share = { description: "", at: (_step: number, random: () => number) => random() };
  assertEquals(await toldBy({ kind: "hint", rows: "all", share }), [6, 2, 0, 4]);
  assertEquals(await toldBy({ kind: "turns", turns: drawnTurns({ share: 0.5 }) }), [14, 0, 0, 15]);
});

Deno.test("a teacher of another size answers in its turns, and all of its tokens are given", async () => {
  const silent: TextReward = { name: "silent", reads: [], score: eachAnswer(() => 0) };
  const { model: taller } = await prepareTasks([trainSettings({ ...sized, width: 16 })]);
  const answersBy = async (share: number, width: number) => {
    const teacher = width === 16
      ? { model: taller, params: taller.init(key(3)) }
      : { model, params: start.policy };
    using feed = rolloutFeed(
      {
        ...{ ...sizes, groupSize: 1, prompts, epochs: 1 },
        rewards: [{ reward: silent, weight: 1 }],
        guidance: { kind: "turns", turns: drawnTurns({ share, author: "teacher" }) },
      },
      model,
      tokenizer,
      { ...reference, start: { ...start, teacher } },
      unscored,
    );
    const { batches: [batch = never()], samples, metrics, cost } = await feed.next(
      start.policy,
      feed.empty,
      0,
    );
    return {
      ids: await batch.ids.data(),
      given: await batch.given?.data(),
      mask: await batch.mask.data(),
      samples: samples.length,
      isGiven: await metrics["given_answers"]?.item(),
      passes: cost.forwardTokens / cost.backwardTokens,
    };
  };
  const [own, asItself, taught] = [
    await answersBy(0, 8),
    await answersBy(1, 8),
    await answersBy(1, 16),
  ];
  assertEquals([own.isGiven, own.samples], [0, 4]);
  assertEquals(own.given, new Float32Array(own.mask.length));
  for (const { given, mask, isGiven, samples, passes } of [asItself, taught]) {
    assertEquals([isGiven, samples], [1, 0]);
    assertEquals(given, mask);
    // It samples, the policy scores, and learns.
    assertEquals(passes, 3);
  }
  // A teacher that is the policy says what the policy would have said.
  assertEquals(asItself.ids, own.ids);
  assertNotEquals(taught.ids, own.ids);
  assertThrows(
    () =>
      rolloutFeed(
        {
          ...{ ...sizes, groupSize: 1, prompts, epochs: 1, rewards: [] },
          guidance: { kind: "turns", turns: drawnTurns({ author: "teacher" }) },
        },
        model,
        tokenizer,
        reference,
        unscored,
      ),
    RangeError,
    "there is no teacher",
  );
});

Deno.test("groups of equal rewards are replaced by the best of earlier ones, in proportion to their scores", () => {
  assertEquals([groupScore([1, 1, null]), groupScore([null, null]), groupScore([2])], [0, 0, 0]);
  // |A| = 0.5 / (s + 1e-4), s = sqrt(1/2), for both.
  const half = Math.SQRT1_2;
  assertEquals(groupScore([0, null, 1]), 1 / (half + 1e-4) * half);
  // Of three answers the mean is 1/3, and s = sqrt(1/3).
  const third = Math.sqrt(1 / 3);
  assertAlmostEquals(groupScore([0, 0, 1]), 4 / 3 / (third + 1e-4) * third, 1e-12);
  const value = (score: number) => ({ score, tokens: 0 });
  const [fresh, kept] = [[0, 3, 0].map(value), [2, 5, 0].map(value)];
  // Kept are 5, 3 and 2, by the numbers 4, 1 and 3; of 10 the draws 0.45 and then 0.5 of 5.
  const draws = (numbers: readonly number[]) => {
    const left = [...numbers];
    return () => left.shift() ?? never();
  };
  assertEquals(replayOf(fresh, kept, draws([0.45, 0.61])), { batch: [4, 1, 3], kept: [4, 1, 3] });
  assertEquals(replayOf(fresh, kept, draws([0.51, 0.7])).batch, [1, 1, 4]);
  // A draw where two of them meet is the second.
  assertEquals(replayOf(fresh, kept, draws([0.5, 0])).batch, [1, 1, 4]);
  assertEquals(replayOf(fresh, kept, draws([0.81, 0])).batch, [3, 1, 4]);
  // Where sums are rounded so that a draw is beyond the last group, it is that one.
  assertEquals(replayOf(fresh, kept, draws([1, 0])).batch, [3, 1, 4]);
  // A newer group has to be better; where there are too few, groups are drawn again.
  assertEquals(replayOf([value(5)], [value(5)], draws([])), { batch: [0], kept: [1] });
  assertEquals(replayOf([value(0), value(0)], [value(5)], draws([0.9, 0.9])).batch, [2, 2]);
  assertEquals(replayOf([value(0)], [value(0)], draws([])), { batch: [0], kept: [1] });
  // Whatever differs at all teaches something.
  assertEquals(replayOf([value(0.5)], [value(5)], draws([])).batch, [0]);
  assertThrows(() => groupAt(fresh, kept, 6), RangeError, "there is no group 6");
});

Deno.test("replay: the rows of earlier groups come again, behind a saved state", async () => {
  // Only the first collection has groups whose answers differ.
  let judged = 0;
  const once: TextReward = {
    name: "once",
    reads: [],
    score: eachAnswer(() => judged++ < 4 ? judged % 2 : 0),
  };
  using feed = rolloutFeed(
    { ...sizes, prompts, epochs: 1, rewards: [{ reward: once, weight: 1 }], kept: 3 },
    model,
    tokenizer,
    reference,
    unscored,
  );
  // A checkpoint before the first step reads what is carried.
  await encodeTree(feed.empty);
  const { report, tokens } = feed.empty;
  // A file of tensors has them in the order of their names.
  assertEquals(Object.keys(report), [
    ...["completions/clipped_ratio", "replayed_groups", "rewards/once", "unscorable"],
  ]);
  for (const value of [...Object.values(report), tokens]) assertEquals(await value.item(), 0);
  const first = await feed.next(start.policy, feed.empty, 0);
  const saved = decodeTree(feed.empty, await encodeTree(first.experience));
  const second = await feed.next(moved, saved, 1);
  const rowsOf = async ({ batches }: typeof first) => {
    const [{ ids, oldLogProbs, rewards } = never()] = batches;
    const [tokens, old, own] = await Promise.all([ids, oldLogProbs, rewards].map((x) => x.data()));
    const length = ids.shape[1] ?? never();
    const groups = [0, 1].map((group) => {
      const part = (x: ArrayLike<number>, row: number) =>
        Array.from(x).slice(group * 2 * row, (group + 1) * 2 * row);
      return JSON.stringify([
        part(tokens ?? [], length),
        part(old ?? [], length),
        part(own ?? [], 1),
      ]);
    });
    return groups.toSorted();
  };
  // Two groups of one score, each with its own tokens, and room for a third.
  const { values } = first.experience.kept ?? never();
  const [a = NaN, ofA = NaN, b = NaN, ofB = NaN, ...none] = await values.data();
  const score = groupScore([1, 0]);
  for (const own of [a, b]) assertAlmostEquals(own, score, 1e-6);
  assertEquals([none, ofA + ofB], [[0, 0], await first.experience.tokens.item()]);
  assertEquals(await rowsOf(second), await rowsOf(first));
  // Later groups are no better, so that the same are kept.
  assertEquals(await second.experience.kept?.values.data(), await values.data());
  const told = ({ metrics }: typeof first) => metrics["replayed_groups"]?.item();
  assertEquals([await told(first), await told(second)], [0, 1]);
  assertEquals(await second.experience.tokens.item(), await first.experience.tokens.item());
  assertEquals(Object.keys(second.metrics), Object.keys(first.metrics));
});

Deno.test("groups move between the batches of a step and those that are kept, with all of their rows", async () => {
  const rows = (...numbers: readonly number[]) => ({ row: tensor(numbers) });
  const { batches, kept } = movedGroups(
    [rows(0, 1, 2, 3), rows(4, 5, 6, 7)],
    rows(8, 9, 10, 11),
    { batch: [0, 4, 5, 3], kept: [1, 4] },
    { groupSize: 2, device },
  );
  const found = await Promise.all([...batches, kept].map(({ row }) => row.data()));
  assertEquals(found.map((own) => [...own]), [[0, 1, 8, 9], [10, 11, 6, 7], [2, 3, 8, 9]]);
});

/** Checks that a renewed reference is the policy of the first of two steps, also behind a saved state. */
async function checkRenewed<Row, B>(
  rows: readonly Row[],
  form: RowForm<Row, unknown, B>,
  description: ObjectiveDescription,
  scoredParts: (batch: B) => readonly ScoredDemonstrations[],
) {
  const source = inRandomOrder(rows, 1, 24);
  const layout = { batchSize: 1, microBatches: 2, steps: 6, padding: tokenizer.pad };
  using feed = renewedFeed(source, form, description, layout, { steps: 2, reference });
  using scorer = createScorer(model, device);
  const policies = [start.policy, moved, moved, start.policy];
  let experience = feed.empty;
  const costs: number[] = [];
  for (const [index, by] of [start.policy, start.policy, moved, moved].entries()) {
    const saved = decodeTree(feed.empty, await encodeTree(experience));
    const { batches, cost, ...step } = await feed.next(policies[index], saved, index);
    assertEquals(batches.length, 2);
    for (const part of batches.flatMap(scoredParts)) {
      const onRows = async (values: Tensor) => {
        const mask = await part.mask.data();
        return Array.from(await values.data(), (value, i) => (mask[i] ?? 0) * value);
      };
      const expected = await onRows(scorer.score(by, part));
      (await onRows(part.referenceLogProbs)).forEach((value, i) => {
        assert(Math.abs(value - (expected[i] ?? NaN)) < 1e-5, `step ${index}`);
      });
    }
    experience = step.experience;
    costs.push(cost.forwardTokens - cost.backwardTokens);
  }
  // The rows of two steps are scored at the first of them.
  assert(costs[0] !== undefined && costs[0] > 0 && costs[2] !== undefined && costs[2] > 0);
  assertEquals([costs[1], costs[3]], [0, 0]);
  const outlines = scoredParts(feed.outline()[0] ?? never());
  for (const { referenceLogProbs } of outlines) assertEquals(referenceLogProbs.shape, [1, 24]);
}

Deno.test("a renewed reference is the policy of the first of some steps, of each side of a row", async () => {
  const rows = prompts.slice(0, 6).map(({ ids, answer = [] }) => answeredPrompt(ids, answer));
  await checkRenewed(rows, demonstrationForm, sft().description, (batch) => [batch]);
  const pairs = prompts.slice(0, 6).map(({ ids, answer = [] }) => ({
    chosen: answeredPrompt(ids, answer),
    rejected: answeredPrompt(ids, answer.toReversed()),
  }));
  // A pass forward and back over both sides, and nothing else.
  const description = { ...sft().description, sequences: 2, forwardPasses: 2 };
  await checkRenewed(pairs, pairForm, description, ({ chosen, rejected }) => [chosen, rejected]);
});

Deno.test("the divergence from the reference is the mean of k3 over the tokens of answers", async () => {
  using scoring = scoredByReference(reference);
  const zeros = tensor([[0, 0, 0]]);
  const batch = {
    ...{
      ids: tensor([[1, 2, 3]], { dtype: "i32" }),
      mask: tensor([[0, 1, 1]]),
      rewards: tensor([0]),
    },
    ...{ temperature: 1, oldLogProbs: tensor([[-9, -1, -2]]), referenceLogProbs: zeros },
  };
  const { kl = NaN } = await scoring.report([
    { ...batch, referenceLogProbs: tensor([[0, -1.5, -2]]) },
    { ...batch, mask: zeros },
  ]);
  // exp(-1/2) + 1/2 - 1 of one token, 0 of the other.
  assertAlmostEquals(kl, (Math.exp(-0.5) - 0.5) / 2, 1e-7);
  assertEquals(await scoring.report([{ ...batch, mask: zeros }]), { kl: 0 });
});
