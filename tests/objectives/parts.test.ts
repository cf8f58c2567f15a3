/** Signals, combinators and rollouts, one by one: what they read, log and refuse. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { grad, linearWarmup } from "@unitune/autodiff";
import { gather, key, ones, ShapeError, type Tensor, tensor, zeros } from "@unitune/core";
import {
  advantage,
  againstReference,
  best,
  bestOfN,
  both,
  clipped,
  type Context,
  distilled,
  dpo,
  drGrpo,
  estimate,
  estimator,
  evaluationLoss,
  gae,
  gate,
  gold,
  grpo,
  grpoKl,
  indicator,
  kl,
  kto,
  type Model,
  modelOf,
  modelOfLogits,
  neftune,
  nll,
  type Objective,
  objective,
  on,
  onlineDpo,
  paired,
  pairwise,
  penalized,
  type Policy,
  ppo,
  ranked,
  rewardModel,
  rolloutsOf,
  sampled,
  scheduled,
  scheduledSampling,
  sft,
  summarize,
  sumOf,
  teacher,
  tokenReturns,
  weight,
} from "@unitune/objectives";
import { assertClose, context, idsOf, lossOf, type Parameters, policy } from "./arbitrary.ts";
import { actorCritic, worldOf } from "./worlds.ts";

const f64 = { dtype: "f64" } as const;
const world = worldOf({ seed: 13, distance: 0.3 });
const model = modelOf(policy, world.params);

function evaluated<B>(objective: Objective<B>, batch: B, at: Context = context, by: Model = model) {
  return objective.evaluate(by, objective.collect(by, batch, at), at);
}

async function numbers(metrics: Readonly<Record<string, Tensor>>) {
  const entries = Object.entries(metrics).map(async ([name, value]) => [name, await value.item()]);
  return new Map<unknown, unknown>(
    (await Promise.all(entries)).map(([name, value]) => [name, value]),
  );
}

/** A model whose predictions are given: the log-probabilities of tokens 0 and 1. */
function saying(probabilities: readonly number[]): Model {
  const logits = [probabilities.map((p) => [Math.log(1 - p), Math.log(p)])];
  return modelOfLogits({
    embed: (ids) => gather(zeros([2, 1], "f64"), ids),
    logits: () => tensor(logits, f64),
  });
}

Deno.test("metrics of pairs by hand: implicit rewards, their margins, log-probabilities", async () => {
  const side = (reference: number) => ({
    ids: idsOf([[0, 1, 1]]),
    mask: tensor([[0, 1, 1]]),
    referenceLogProbs: tensor([[0, reference, reference]], f64),
  });
  const metrics = await numbers(
    summarize(evaluated(
      dpo({ beta: 0.5 }),
      { chosen: side(-2), rejected: side(-0.5) },
      context,
      saying([0.5, 0.25]),
    )),
  );
  const logProb = Math.log(0.5) + Math.log(0.25);
  const close = (name: string, expected: number) =>
    assertAlmostEquals(Number(metrics.get(name)), expected, 1e-9, name);
  close("logps/chosen", logProb);
  close("logps/rejected", logProb);
  close("rewards/chosen", 0.5 * (logProb + 4));
  close("rewards/rejected", 0.5 * (logProb + 1));
  close("rewards/margins", 1.5);
  close("rewards/accuracies", 1);
  close("loss", Math.log1p(Math.exp(-1.5)));
});

Deno.test("metrics of rollouts by hand: rewards, their deviation in groups, lengths, clipping", async () => {
  const rollouts = {
    ids: idsOf([[0, 1, 1, 0], [0, 1, 1, 0]]),
    mask: tensor([[0, 1, 1, 1], [0, 1, 0, 0]]),
    rewards: tensor([1, 0], f64),
    temperature: 1,
    oldLogProbs: tensor([[0, -2, -0.1, -1], [0, -0.1, 0, 0]], f64),
    referenceLogProbs: zeros([2, 4], "f64"),
  };
  const sure = modelOfLogits({
    embed: (ids) => gather(zeros([2, 1], "f64"), ids),
    logits: (x) => zeros([...x.shape.slice(0, 2), 2], "f64"),
  });
  const metrics = await numbers(
    summarize(evaluated(grpoKl({ groupSize: 2 }), rollouts, context, sure)),
  );
  const close = (name: string, expected: number) =>
    assertAlmostEquals(Number(metrics.get(name)), expected, 1e-9, name);
  close("reward", 0.5);
  close("reward_std", Math.SQRT1_2);
  close("completions/mean_length", 2);
  close("completions/min_length", 1);
  close("completions/max_length", 3);
  // Ratios .5 e^2, .5 e^.1, .5 e of the better answer, .5 e^.1 of the worse.
  close("clip_ratio/high", 2 / 4);
  close("clip_ratio/low", 1 / 4);
  // x = log .5 at each token.
  close("kl", 2 - Math.LN2 - 1);
});

Deno.test("a penalty is taken from the reward of the whole answer, or token by token with values", async () => {
  const rollouts = {
    ids: idsOf([[0, 1, 1], [0, 1, 1]]),
    mask: tensor([[0, 1, 1], [0, 1, 0]]),
    // In f32, as rolloutsOf gives them whatever the policy's dtype.
    rewards: tensor([2, 1]),
    temperature: 1,
    oldLogProbs: tensor([[0, -1, -1], [0, -1, -9]], f64),
    referenceLogProbs: tensor([[0, -2, -2], [0, -3, 0]], f64),
  };
  const indifferent: Policy<Parameters> = {
    ...policy,
    value: () => (hidden) => zeros([...hidden.shape.slice(0, -1), 1], hidden.dtype),
  };
  const by = modelOf(indifferent, world.params);
  const raw = estimate(sampled, penalized({ coefficient: 0.5 }, advantage(estimator("raw"))));
  const { signal } = raw.collect(by, rollouts, context);
  await assertClose(signal.advantages, tensor([2 - 0.5 * 2, 1 - 0.5 * 2], f64));
  const byToken = estimate(sampled, penalized({ coefficient: 0.5 }, gae({ lambda: 1 })));
  const { signal: valued } = byToken.collect(by, rollouts, context);
  await assertClose(valued.advantages, tensor([[2 - 1, 2 - 0.5], [1 - 1, 0]], f64));
  await assertClose(valued.returns, valued.advantages);
  // Penalties of the batch, such as those of length, count beside.
  const penalties = tensor([[0, 0.25, 0.5], [0, 1, 7]], f64);
  const both = raw.collect(by, { ...rollouts, penalties }, context);
  await assertClose(both.signal.advantages, tensor([1 - 0.75, 0 - 1], f64));
  const twice = byToken.collect(by, { ...rollouts, penalties }, context);
  await assertClose(twice.signal.advantages, tensor([[1 - 0.75, 1.5 - 0.5], [0 - 1, 0]], f64));
});

Deno.test("a schedule follows the optimizer's steps; a weight and its field are those of the part", async () => {
  const warm = weight(linearWarmup({ peak: 1, warmup: 3 }), sft());
  const at = (step: number) => ({ step: tensor(step, { dtype: "i32" }) });
  const whole = await evaluationLoss(evaluated(sft(), world.demonstrations)).item();
  for (const [step, share] of [[0, 0.25], [1, 0.5], [9, 1]] as const) {
    const loss = evaluationLoss(evaluated(warm, world.demonstrations, at(step)));
    assertAlmostEquals(await loss.item(), share * whole, 1e-6);
  }
  const mixed = sumOf(on("pairs", dpo()), weight(-2, on("texts", sft())));
  const loss = evaluationLoss(
    evaluated(mixed, { pairs: world.pairs, texts: world.demonstrations }),
  );
  const pairs = await evaluationLoss(evaluated(dpo(), world.pairs)).item();
  assertAlmostEquals(await loss.item(), pairs - 2 * whole, 1e-9);
  assertThrows(() => weight(NaN, sft()), RangeError, "finite");
});

Deno.test("the gate opens to rollouts where they pass, to the demonstration where they do not", async () => {
  const rewards = tensor([1, 0, 0, 0], f64);
  const rollouts = { ...world.rollouts, rewards };
  const demonstrations = {
    ids: idsOf([[0, 1, 1], [1, 0, 1]]),
    mask: tensor([[0, 1, 1], [0, 1, 1]], f64),
  };
  const hpt = gate({ groupSize: 2 }, grpo({ groupSize: 2 }), sft());
  const { terms: [reinforced, supervised] } = evaluated(hpt, { rollouts, demonstrations });
  // One group of two rollouts is learned from, and the other group's one demonstration.
  assertEquals(await reinforced?.normalizer.item(), 2);
  assertEquals(await supervised?.normalizer.item(), 2);
  const second = { ids: idsOf([[1, 0, 1]]), mask: tensor([[0, 1, 1]], f64) };
  const [alone] = evaluated(sft(), second).terms;
  await assertClose(supervised?.total, alone?.total);
  const shut = gate({ groupSize: 2, threshold: 0.5 }, grpo({ groupSize: 2 }), sft());
  const { terms: [none] } = evaluated(shut, { rollouts, demonstrations });
  assertEquals(await none?.normalizer.item(), 0);

  assertThrows(() => gate({ groupSize: 1 }, grpo(), sft()), RangeError, "single member");
  assertThrows(() => gate({ groupSize: 2, threshold: 2 }, grpo(), sft()), RangeError, "threshold");
  assertThrows(
    () => hpt.collect(model, { rollouts, demonstrations: second }, context),
    ShapeError,
    "one for each group",
  );
});

Deno.test("scheduled sampling replaces by its probability: none, all, and none without keys", async () => {
  const keys = { step: key(1), batch: key(2) };
  const at = { ...context, keys };
  const loss = (lambda: number, by: Context) =>
    evaluationLoss(
      evaluated(scheduledSampling({ lambda, own: "argmax" }), world.demonstrations, by),
    );
  const gold = evaluationLoss(evaluated(sft(), world.demonstrations));
  await assertClose(loss(0, at), gold);
  await assertClose(loss(1, context), gold);
  // All replaced is an intuitive state without any gold.
  const all = scheduled({ lambda: 1, own: "argmax" });
  const { logits } = all.evaluate(model, all.collect(model, world.demonstrations, at), at);
  const { logits: gentle } = all.evaluate(
    model,
    all.collect(model, world.demonstrations, context),
    context,
  );
  assert(
    await assertClose(logits(), gentle()).then(() => false, () => true),
    "own tokens were read",
  );
});

Deno.test("NEFTune's noise is there with keys only, bounded by alpha / sqrt(L D)", async () => {
  const keys = { step: key(1), batch: key(2) };
  const noisy = neftune(gold, { alpha: 3 });
  let seen: Tensor | undefined;
  const spy = modelOfLogits({
    embed: (ids) => gather(zeros([4, 4], "f64"), ids),
    logits: (x) => seen = x,
  });
  noisy.evaluate(spy, world.demonstrations, context);
  assertEquals((await seen?.data())?.some((x) => x !== 0), false);
  noisy.evaluate(spy, world.demonstrations, { ...context, keys });
  const noise = [...await seen?.data() ?? []];
  const [, length = 0, width = 0] = seen?.shape ?? [];
  const bound = 3 / Math.sqrt(length * width);
  assert(noise.every((x) => Math.abs(x) <= bound) && noise.some((x) => Math.abs(x) > bound / 2));
  assertThrows(() => neftune(gold, { alpha: -1 }), RangeError, "alpha");
});

Deno.test("rollouts are built row by row, and what does not fit is an error", async () => {
  const samples = [
    { prompt: [0, 1], completion: [2, 3] },
    { prompt: [1], completion: [3] },
  ];
  const rollouts = await rolloutsOf(model, samples, (_, row) => row === 1, { length: 5, pad: 2 });
  assertEquals([...await rollouts.ids.data()], [0, 1, 2, 3, 2, 1, 3, 2, 2, 2]);
  assertEquals([...await rollouts.mask.data()], [0, 0, 1, 1, 0, 0, 1, 0, 0, 0]);
  assertEquals([...await rollouts.rewards.data()], [0, 1]);
  const loss = lossOf(objective(estimate(sampled, indicator), nll()), rollouts)(world.params);
  const old = [...await rollouts.oldLogProbs.data()];
  assertAlmostEquals(await loss.item(), -((old[2] ?? 0) + (old[3] ?? 0) + (old[6] ?? 0)) / 3, 1e-9);

  await assertRejects(() => rolloutsOf(model, [], () => 1), RangeError, "at least one sample");
  await assertRejects(
    () => rolloutsOf(model, samples, () => NaN),
    RangeError,
    "finite reward for row 0",
  );
  await assertRejects(
    () => rolloutsOf(model, samples, () => 1, { length: 3 }),
    RangeError,
    "at least 4",
  );
});

Deno.test("ranking takes the best over the worst; equal rewards teach nothing", async () => {
  const { rollouts } = world;
  const chosen = best(estimate(sampled, indicator), { groupSize: 4 });
  const rewarded = { ...rollouts, rewards: tensor([0, 3, 2, -1], f64) };
  const { states } = chosen.collect(model, rewarded, context);
  const ids = [...await rollouts.ids.data()];
  assertEquals([...await states.ids.data()], ids.slice(6, 12));
  const equal = { ...rollouts, rewards: ones([4], "f64") };
  assertAlmostEquals(
    await evaluationLoss(evaluated(onlineDpo(), equal)).item(),
    Math.LN2,
    1e-12,
  );
  const online = ranked(paired(estimate(sampled, againstReference("precomputed"))), {
    groupSize: 4,
  });
  const both = online.collect(model, rewarded, context);
  assertEquals([...await both.rejected.states.ids.data()], ids.slice(18, 24));
  assertThrows(() => bestOfN({ groupSize: 1 }), RangeError, "single member");
  assertThrows(
    () => bestOfN({ groupSize: 3 }).collect(model, rollouts, context),
    ShapeError,
    "multiple of groupSize 3",
  );
});

Deno.test("what a batch or a model lacks is named", () => {
  const { rollouts, pairs } = world;
  const wrong: readonly [() => unknown, new () => Error, string][] = [
    [() => evaluated(ppo(), rollouts), TypeError, "give it a head `value`"],
    [() => evaluated(rewardModel(), pairs), ShapeError, "expected [..., 1]"],
    [
      () => evaluated(grpo({ groupSize: 2 }), { ...rollouts, rewards: ones([3], "f64") }),
      ShapeError,
      "rewards [3]",
    ],
    [
      () => evaluated(grpo({ groupSize: 2 }), { ...rollouts, oldLogProbs: ones([4, 2], "f64") }),
      ShapeError,
      "oldLogProbs [4, 2]",
    ],
    [() => evaluated(grpo({ groupSize: 8 }), rollouts), ShapeError, "multiple of groupSize 8"],
    [() => grpo({ groupSize: 1 }), RangeError, "single member"],
    [() => drGrpo({ maxLength: 0 }), RangeError, "a number, above 0"],
    [() => pairwise({ form: "dpo", beta: -1 }), RangeError, "beta"],
    [() => clipped({ epsilon: -1 }), RangeError, "epsilon"],
    [() => penalized({ coefficient: -1 }, gae()), RangeError, "coefficient"],
    [() => gae({ lambda: 2 }), RangeError, "lambda"],
  ];
  for (const [f, error, message] of wrong) assertThrows(f, error, message);
  // @ts-expect-error: no such form.
  assertThrows(() => pairwise({ form: "dop" }), RangeError, "expected one of dpo, hinge");
  // @ts-expect-error: no such estimator.
  assertThrows(() => estimator("mean"), RangeError, "expected one of raw");
});

Deno.test("both signals ask the policy once, each other model once", () => {
  let asked = 0;
  const counting: Model = { ...model, predict: (x) => (asked++, model.predict(x)) };
  let others = 0;
  const other = (temperature: number): Model => ({
    ...model,
    predict: (x) => (others++, model.predict(x, { temperature })),
  });
  const whole = objective(
    estimate(gold, both(teacher(other(2)), againstReference(other(3)))),
    sumOf(distilled(), kl()),
  );
  evaluated(whole, world.demonstrations, context, counting);
  assertEquals([asked, others], [1, 2]);
  assertEquals(whole.description.forwardPasses, 3);
  // Two signals that ask one model read the same pass.
  const one = teacher(other(2));
  const twice = objective(estimate(gold, both(one, one)), distilled());
  evaluated(twice, world.demonstrations, context, counting);
  assertEquals([asked, others], [2, 3]);
  assertEquals(twice.description.forwardPasses, 2);
});

Deno.test("signals that ask for one pass count it once, and one behind another prompt by itself", () => {
  const [plain, behind] = [teacher("self"), teacher("self", { reading: "privileged" })];
  const judged = tokenReturns({ by: "self" });
  const judgedBehind = tokenReturns({ by: "self", reading: "privileged" });
  const estimations = [
    estimate(sampled, both(plain, judged)),
    estimate(sampled, both(behind, judgedBehind)),
    estimate(sampled, both(plain, gae())),
    estimate(sampled, both(plain, behind)),
    estimate(sampled, both(judged, judgedBehind)),
    estimate(sampled, both(teacher(model), plain)),
  ];
  assertEquals(
    estimations.map(({ description }) => description.forwardPasses),
    [2, 2, 2, 3, 3, 3],
  );
});

Deno.test("KTO of a reference that is asked is KTO of its log-probabilities in the batch", async () => {
  const { referenceLogProbs: _, ...answers } = world.labels;
  const { ids, mask } = world.labels.mismatched;
  const unscored = { ...answers, mismatched: { ids, mask } };
  const asked = kto({ beta: 0.5, reference: modelOf(policy, world.reference) });
  const [a, b] = [lossOf(asked, unscored), lossOf(kto({ beta: 0.5 }), world.labels)];
  await assertClose(a(world.params), b(world.params));
  await assertClose(grad(a)(world.params), grad(b)(world.params));
  assertEquals(asked.description.data, ["demonstration", "label", "mismatched answers"]);
  assertEquals([asked.description.forwardPasses, kto().description.forwardPasses], [4, 2]);
  // @ts-expect-error: nobody has scored these answers.
  assertThrows(() => evaluated(kto(), unscored), TypeError);
});

Deno.test("PPO learns values as well as a policy, whitened or not", async () => {
  const by = modelOf(actorCritic, world.params);
  for (const whiten of [false, true]) {
    const { terms } = evaluated(ppo({ whiten, entropyWeight: 0.01 }), world.rollouts, context, by);
    assertEquals(terms.length, 3);
    for (const { total } of terms) assert(Number.isFinite(await total.item()));
  }
});
