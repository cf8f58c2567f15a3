/** What objectives ask of models: no more than they need, of one pass through the hidden states. */
import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  dims,
  div,
  headLogits,
  key,
  leavesOf,
  mapTree,
  ones,
  reshape,
  slice,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import { actorCritic as withCritic, gpt } from "@unitune/models";
import {
  againstReference,
  type Context,
  type Demonstrations,
  dpo,
  estimate,
  type Estimation,
  gold,
  indicator,
  ipo,
  kto,
  type Model,
  modelOf,
  nll,
  type Objective,
  objective,
  type Policy,
  ppo,
  type Prediction,
  sampled,
  scoreTokens,
  type TokenEvidence,
} from "@unitune/objectives";
import { assertClose, context, idsOf, lossOf, type Parameters, policy } from "./arbitrary.ts";
import { actorCritic, entriesOf, scorer, worldOf } from "./worlds.ts";

/** The answers that a model can be asked for. */
type Question = Exclude<keyof Prediction, "hidden" | "vocabulary">;

/** The passes of a model, each with its key, and the answers that it was asked for. */
interface Notes {
  readonly passes: (Tensor | undefined)[];
  readonly asked: Set<Question>;
}

const noNotes = (): Notes => ({ passes: [], asked: new Set() });

/** A model whose questions are noted. */
function noted(model: Model, notes: Notes): Model {
  const noting = <A extends readonly unknown[], R>(
    question: Question,
    answer: (...args: A) => R,
  ) =>
  (...args: A) => {
    notes.asked.add(question);
    return answer(...args);
  };
  return {
    embed: model.embed,
    predict(embeddings, options) {
      notes.passes.push(options?.key);
      const prediction = model.predict(embeddings, options);
      return {
        ...prediction,
        logProbs: noting("logProbs", prediction.logProbs),
        entropy: noting("entropy", prediction.entropy),
        collision: noting("collision", prediction.collision),
        argmax: noting("argmax", prediction.argmax),
        draw: noting("draw", prediction.draw),
        logits: noting("logits", prediction.logits),
        distribution: noting("distribution", prediction.distribution),
        divergence: noting("divergence", prediction.divergence),
        scores: noting("scores", prediction.scores),
        values: noting("values", prediction.values),
      };
    },
  };
}

const world = worldOf({ seed: 13, distance: 0.3 });

/** With keys, so that own tokens are drawn where they are sampled. */
const dropout = key(2);
const random: Context = { ...context, keys: { step: key(1), batch: dropout } };

/** The notes of both stages of an objective. */
function notesOf<B>(
  objective: Objective<B>,
  policy: Policy<Parameters>,
  batch: B,
): { readonly collecting: Notes; readonly evaluating: Notes } {
  const [collecting, evaluating] = [noNotes(), noNotes()];
  const model = modelOf(policy, world.params);
  const collected = objective.collect(noted(model, collecting), batch, random);
  objective.evaluate(noted(model, evaluating), collected, random);
  return { collecting, evaluating };
}

/** The questions of several notes, in order. */
function questionsOf(...notes: readonly Notes[]): Question[] {
  return [...new Set(notes.flatMap(({ asked }) => [...asked]))].toSorted();
}

/** The loss of nearly every objective asks for log-probabilities, the metrics for the others. */
const usual: readonly Question[] = ["argmax", "entropy", "logProbs"];

/** The questions to the policy that learns, where they are not the usual ones. */
const toPolicy: Readonly<Record<string, readonly Question[]>> = {
  // An own token is drawn.
  "scheduled-sampling": ["argmax", "draw", "entropy", "logProbs"],
  wpo: ["argmax", "collision", "entropy", "logProbs"],
  // A divergence from a teacher is one of whole distributions.
  ...Object.fromEntries(
    ["distillation", "asft", "sdft", "opsd", "sdpo", "minillm", "gkd"].map((name) => [
      name,
      ["argmax", "divergence", "entropy", "logProbs"],
    ]),
  ),
  "reward-model": ["scores"],
  "process-reward-model": ["scores"],
  ppo: [...usual, "values"],
};

/** The questions to another model; none, where the batch holds its log-probabilities. */
const toOthers: Readonly<Record<string, readonly Question[]>> = {
  ...Object.fromEntries(
    ["distillation", "asft", "sdft", "opsd", "sdpo", "gkd"].map((name) => [
      name,
      ["argmax", "distribution"],
    ]),
  ),
  minillm: ["argmax", "distribution", "logProbs"],
  "on-policy-distillation": ["logProbs"],
  "iw-opd": ["logProbs"],
  // The reference reads own tokens of its own, after a first pass that has metrics.
  "intuitive-dpo": usual,
};

const others = noNotes();

for (const { name, use } of entriesOf(world, noted(modelOf(policy, world.reference), others))) {
  Deno.test(`${name} asks models for no more than it needs, in as many passes as it says`, () =>
    use(({ policy, objective, batch }) => {
      others.passes.length = 0;
      others.asked.clear();
      const { collecting, evaluating } = notesOf(objective, policy, batch);
      assertEquals(questionsOf(collecting, evaluating), toPolicy[name] ?? usual);
      assertEquals(questionsOf(others), toOthers[name] ?? []);
      const withoutGradient = [...collecting.passes, ...others.passes];
      const { forwardPasses } = objective.description;
      assertEquals(withoutGradient.length + evaluating.passes.length, forwardPasses);
      // The passes with gradient drop out by the key of the batch, and no other passes do.
      for (const pass of withoutGradient) assertStrictEquals(pass, undefined);
      for (const pass of evaluating.passes) assertStrictEquals(pass, dropout);
    }));
}

Deno.test("a reference is asked for log-probabilities only, an entropy bonus for entropies", () => {
  const notes = noNotes();
  const reference = noted(modelOf(policy, world.reference), notes);
  for (const objective of [dpo({ reference }), ipo({ reference })]) {
    notesOf(objective, policy, world.pairs);
  }
  notesOf(kto({ reference }), policy, world.labels);
  assertEquals(questionsOf(notes), ["logProbs"]);
  const { evaluating } = notesOf(ppo({ entropyWeight: 0.01 }), actorCritic, world.rollouts);
  assertEquals(questionsOf(evaluating), [...usual, "values"]);
});

/** Whatever a first pass can read of a model, with the policy that has it; tokens have no gradient. */
const readings: Readonly<
  Record<
    Exclude<Question, "argmax" | "draw"> | "hidden" | "embed",
    [Policy<Parameters>, (model: Model, ids: Tensor) => Tensor]
  >
> = {
  embed: [policy, ({ embed }, ids) => embed(ids)],
  hidden: [policy, ({ embed, predict }, ids) => predict(embed(ids)).hidden],
  logProbs: [policy, ({ embed, predict }, ids) => predict(embed(ids)).logProbs(ids)],
  entropy: [policy, ({ embed, predict }, ids) => predict(embed(ids)).entropy()],
  collision: [policy, ({ embed, predict }, ids) => predict(embed(ids)).collision()],
  logits: [policy, ({ embed, predict }, ids) => predict(embed(ids)).logits()],
  distribution: [policy, ({ embed, predict }, ids) => {
    const [leaf] = leavesOf(predict(embed(ids)).distribution());
    if (leaf === undefined) throw new RangeError("a distribution has tensors");
    return leaf;
  }],
  divergence: [policy, ({ embed, predict }, ids) => {
    const teacher = modelOf(policy, world.reference);
    return predict(embed(ids)).divergence(teacher.predict(teacher.embed(ids)).distribution());
  }],
  scores: [scorer, ({ embed, predict }, ids) => predict(embed(ids)).scores()],
  values: [actorCritic, ({ embed, predict }, ids) => predict(embed(ids)).values()],
};

for (const [name, [policy, read]] of Object.entries(readings)) {
  Deno.test(`no gradient flows through what is collected: ${name}`, async () => {
    // A first pass that hands what it reads to the loss, whose only gradient would come from there.
    const leaky: Estimation<Demonstrations, Tensor, TokenEvidence> = {
      description: estimate(gold, indicator).description,
      collect: (model, { ids }) => {
        const { B } = dims(ids, "B T");
        return reshape(read(model, ids), [B, -1]);
      },
      evaluate: (_model, x) => ({
        evidence: { logProbs: () => x, mask: ones(x.shape) },
        metrics: {},
      }),
    };
    const loss = lossOf(objective(leaky, nll()), world.demonstrations, context, policy);
    const nothing = mapTree(world.params, ({ shape, dtype }) => zeros(shape, dtype));
    await assertClose(grad(loss)(world.params), nothing, 0);
  });
}

Deno.test("a reference that is asked is asked at the temperature of the batch, without dropout", async () => {
  const notes = noNotes();
  const reference = noted(modelOf(policy, world.reference), notes);
  const signal = estimate(sampled, againstReference(reference));
  const rollouts = { ...world.rollouts, temperature: 3 };
  const { signal: collected } = signal.collect(modelOf(policy, world.params), rollouts, random);
  const scores = scoreTokens(modelOf(policy, world.reference), rollouts);
  await assertClose(collected.referenceLogProbs, slice(scores, 1, 1));
  assertEquals(notes.passes, [undefined]);
});

Deno.test("an answer is made once, from hidden states that are made once", () => {
  let [passes, heads] = [0, 0];
  const counting: Policy<Parameters> = {
    ...policy,
    hidden: (...args) => (passes++, policy.hidden(...args)),
    head: (params) => (hidden) => (heads++, headLogits(policy.head(params), hidden)),
  };
  const states = gold.evaluate(modelOf(counting, world.params), world.demonstrations, context);
  assertEquals([passes, heads], [1, 0]);
  for (const ask of [states.logProbs, states.entropy, states.argmax, states.logits]) {
    assertStrictEquals(ask(), ask());
  }
  states.metrics();
  assertEquals([passes, heads], [1, 1]);
});

Deno.test("a critic reads the hidden states of the policy, dropout included, in one pass", async () => {
  const config = { vocabulary: 4, context: 8, layers: 2, heads: 2, width: 8, dropout: 0.5 };
  const critic = withCritic(gpt(config));
  const params = critic.init(key(1));
  const made: Tensor[] = [];
  const read: Tensor[] = [];
  const note = (notes: Tensor[], x: Tensor) => {
    notes.push(x);
    return x;
  };
  const watched: Policy<typeof params> = {
    ...critic,
    hidden: (...args) => note(made, critic.hidden(...args)),
    head: (params) => (hidden) => headLogits(critic.head(params), note(read, hidden)),
    value: (params) => (hidden) => headLogits(critic.value(params), note(read, hidden)),
  };
  const { rollouts } = worldOf({ seed: 13, distance: 0.3, dtype: "f32" });
  const objective = ppo();
  const model = modelOf(watched, params);
  const collected = objective.collect(model, rollouts, random);
  made.length = 0;
  read.length = 0;
  objective.evaluate(model, collected, random);
  assertEquals([made.length, read.length], [1, 2]);
  for (const states of read) assertStrictEquals(states, made[0]);
  const whole = critic.hidden(params, critic.embed(params, slice(rollouts.ids, 1, 0, -1)));
  assertNotEquals(await made[0]?.data(), await whole.data(), "nothing was dropped");
});

Deno.test("a vocabulary has a token for each row of a linear head, for each logit of a function", () => {
  const functional: Policy<Parameters> = {
    ...policy,
    head: (params) => (hidden) => headLogits(policy.head(params), hidden),
  };
  for (const each of [policy, functional]) {
    const model = modelOf(each, world.params);
    assertEquals(model.predict(model.embed(idsOf([[0, 1]]))).vocabulary(), 4);
  }
});

Deno.test("a temperature divides what the token head gives, and neither values nor scores", async () => {
  const ids = idsOf([[0, 1, 2]]);
  const head = { weight: tensor([[1, 2, 0], [0, 1, 1], [3, 0, 1]], { dtype: "f64" }), softcap: 2 };
  const heads: readonly Policy<Parameters>["head"][] = [
    () => head,
    () => ({ ...head, temperature: 0.5 }),
    () => (hidden) => headLogits(head, hidden),
  ];
  for (const head of heads) {
    const model = modelOf({ ...actorCritic, head }, world.params);
    const plain = model.predict(model.embed(ids));
    const asked = model.predict(model.embed(ids), { temperature: 4 });
    await assertClose(asked.logits(), div(plain.logits(), 4));
    await assertClose(asked.values(), plain.values());
  }
  const rewards = modelOf(scorer, world.params);
  const [plain, asked] = [1, 4].map((temperature) =>
    rewards.predict(rewards.embed(ids), { temperature }).scores()
  );
  await assertClose(asked, plain);
  const model = modelOf(policy, world.params);
  for (const temperature of [0, -1, NaN, Infinity]) {
    assertThrows(() => model.predict(model.embed(ids), { temperature }), RangeError, "temperature");
  }
});
