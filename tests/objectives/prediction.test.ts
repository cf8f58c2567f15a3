/** What objectives ask of models: no more than they need, of one pass through the hidden states. */
import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { div, headLogits, key, slice, type Tensor, tensor } from "@unitune/core";
import { actorCriticGpt } from "@unitune/models";
import {
  type Context,
  dpo,
  gold,
  ipo,
  kto,
  type Model,
  modelOf,
  type Objective,
  type Policy,
  ppo,
  type Prediction,
} from "@unitune/objectives";
import { assertClose, context, idsOf, type Parameters, policy } from "./arbitrary.ts";
import { actorCritic, entriesOf, worldOf } from "./worlds.ts";

/** The answers that a model can be asked for. */
type Question = Exclude<keyof Prediction, "hidden" | "vocabulary">;

/** How often a model was asked to read, and what it was asked for then. */
interface Notes {
  passes: number;
  readonly asked: Set<Question>;
}

/** A model whose questions are noted. */
function noted(model: Model, notes: Notes): Model {
  const noting = <A extends readonly unknown[]>(
    question: Question,
    answer: (...args: A) => Tensor,
  ) =>
  (...args: A) => {
    notes.asked.add(question);
    return answer(...args);
  };
  return {
    embed: model.embed,
    predict(...args) {
      notes.passes++;
      const prediction = model.predict(...args);
      return {
        ...prediction,
        logProbs: noting("logProbs", prediction.logProbs),
        entropy: noting("entropy", prediction.entropy),
        argmax: noting("argmax", prediction.argmax),
        logits: noting("logits", prediction.logits),
        scores: noting("scores", prediction.scores),
        values: noting("values", prediction.values),
      };
    },
  };
}

const world = worldOf({ seed: 13, distance: 0.3 });

/** With keys, so that own tokens are drawn where they are sampled. */
const random: Context = { ...context, keys: { step: key(1), batch: key(2) } };

function notesOf<B>(objective: Objective<B>, policy: Policy<Parameters>, batch: B): Notes {
  const notes: Notes = { passes: 0, asked: new Set() };
  const model = noted(modelOf(policy, world.params), notes);
  objective.evaluate(model, objective.collect(model, batch, random), random);
  return notes;
}

/** The loss of nearly every objective asks for log-probabilities, the metrics for the others. */
const usual: readonly Question[] = ["argmax", "entropy", "logProbs"];

/** The questions to the policy that learns, where they are not the usual ones. */
const toPolicy: Readonly<Record<string, readonly Question[]>> = {
  // An own token is drawn from the whole distribution.
  scheduledSampling: [...usual, "logits"],
  // A divergence from a teacher is one of whole distributions.
  distillation: [...usual, "logits"],
  rewardModel: ["scores"],
  ppo: [...usual, "values"],
};

/** The questions to another model; none, where the batch holds its log-probabilities. */
const toOthers: Readonly<Record<string, readonly Question[]>> = {
  distillation: ["logits"],
  // The reference reads own tokens of its own, after a first pass that has metrics.
  intuitiveDpo: usual,
};

const others: Notes = { passes: 0, asked: new Set() };

for (const { name, use } of entriesOf(world, noted(modelOf(policy, world.reference), others))) {
  Deno.test(`${name} asks models for no more than it needs, in as many passes as it says`, () =>
    use(({ policy, objective, batch }) => {
      others.passes = 0;
      others.asked.clear();
      const { passes, asked } = notesOf(objective, policy, batch);
      assertEquals([...asked].toSorted(), toPolicy[name] ?? usual);
      assertEquals([...others.asked].toSorted(), toOthers[name] ?? []);
      assertEquals(passes + others.passes, objective.description.forwardPasses);
    }));
}

Deno.test("a reference is asked for log-probabilities only, an entropy bonus for entropies", () => {
  const notes: Notes = { passes: 0, asked: new Set() };
  const reference = noted(modelOf(policy, world.reference), notes);
  for (const objective of [dpo({ reference }), ipo({ reference })]) {
    notesOf(objective, policy, world.pairs);
  }
  notesOf(kto({ reference }), policy, world.labels);
  assertEquals([...notes.asked], ["logProbs"]);
  const { asked } = notesOf(ppo({ entropyWeight: 0.01 }), actorCritic, world.rollouts);
  assertEquals([...asked].toSorted(), [...usual, "values"]);
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
  const gpt = actorCriticGpt(config);
  const params = gpt.init(key(1));
  const made: Tensor[] = [];
  const read: Tensor[] = [];
  const note = (notes: Tensor[], x: Tensor) => {
    notes.push(x);
    return x;
  };
  const watched: Policy<typeof params> = {
    ...gpt,
    hidden: (...args) => note(made, gpt.hidden(...args)),
    head: (params) => (hidden) => headLogits(gpt.head(params), note(read, hidden)),
    value: (params) => (hidden) => headLogits(gpt.value(params), note(read, hidden)),
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
  const whole = gpt.hidden(params, gpt.embed(params, slice(rollouts.ids, 1, 0, -1)));
  assertNotEquals(await made[0]?.data(), await whole.data(), "nothing was dropped");
});

Deno.test("a temperature divides what the head gives, and no values", async () => {
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
  const model = modelOf(policy, world.params);
  for (const temperature of [0, -1, NaN, Infinity]) {
    assertThrows(() => model.predict(model.embed(ids), { temperature }), RangeError, "temperature");
  }
});
