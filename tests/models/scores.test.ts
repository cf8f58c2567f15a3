/** A GPT with a head of one number: values, rewards, and their checkpoints. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { key, leafPaths, normal, slice, sum, type Tensor, tensor } from "@unitune/core";
import {
  actorCriticGpt,
  decodeCheckpoint,
  encodeCheckpoint,
  gpt,
  hasScore,
  rewardGpt,
  type ScoringGptParameters,
  withoutScore,
  withScore,
} from "@unitune/models";
import { type Model, modelOf, type Policy } from "@unitune/objectives";

const config = { vocabulary: 7, context: 6, layers: 2, heads: 2, width: 8, dropout: 0 };
const start = withScore(gpt(config).init(key(1)));
const params: ScoringGptParameters = {
  ...start,
  score: { weight: normal(key(2), [1, 8]) },
};
const ids = tensor([[1, 2, 3, 4], [5, 6, 0, 1]], { dtype: "i32" });

function valuesOf(params: ScoringGptParameters, ids: Tensor): Tensor {
  const model = modelOf(actorCriticGpt(config), params);
  return model.predict(model.embed(ids)).values();
}

Deno.test("an actor-critic and a reward model are policies", () => {
  const actor: Policy<ScoringGptParameters> = actorCriticGpt(config);
  const rewards: Policy<ScoringGptParameters> = rewardGpt(config);
  const [model, scorer] = [modelOf(actor, params), modelOf(rewards, params)];
  const { logits, values } = model.predict(model.embed(ids));
  assertEquals([logits().shape, values().shape], [[2, 4, 7], [2, 4]]);
  const { scores, values: none } = scorer.predict(scorer.embed(ids));
  assertEquals(scores().shape, [2, 4]);
  assertThrows(none, TypeError, "no value head");
});

Deno.test("a value depends on the tokens up to its own only, and so does not leak the future", async () => {
  const firstTwo = async (rows: number[][]) => {
    return await slice(valuesOf(params, tensor(rows, { dtype: "i32" })), 1, 0, 2).data();
  };
  assertEquals(await firstTwo([[1, 2, 3, 4]]), await firstTwo([[1, 2, 6, 0]]));
  assertNotEquals(await firstTwo([[1, 2, 3, 4]]), await firstTwo([[1, 3, 3, 4]]));
});

Deno.test("the head leaves the policy as it was, and learns together with the trunk", async () => {
  const logitsOf = (model: Model) => model.predict(model.embed(ids)).logits().data();
  assertEquals(
    await logitsOf(modelOf(actorCriticGpt(config), params)),
    await logitsOf(modelOf(gpt(config), withoutScore(params))),
  );
  const gradient = grad((p: ScoringGptParameters) => sum(valuesOf(p, ids)))(params);
  for (const [path, leaf] of leafPaths(gradient)) {
    // A layer normalization's own offset does not reach a key, nor a value an unread position.
    const isMoved = (await leaf.data()).some((x) => x !== 0);
    assert(isMoved, path);
  }
});

Deno.test("a model with the head is a GPT2ForSequenceClassification, and comes back bit by bit", async () => {
  const files = await encodeCheckpoint(config, params, { eos: 1 });
  const settings = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  assertEquals(settings.architectures, ["GPT2ForSequenceClassification"]);
  assertEquals(settings.num_labels, 1);
  const { params: restored } = decodeCheckpoint(files);
  assert(hasScore(restored));
  assertEquals(await restored.score.weight.data(), await params.score.weight.data());
  assertEquals(await restored.wte.weight.data(), await params.wte.weight.data());

  const plain = decodeCheckpoint(await encodeCheckpoint(config, withoutScore(params)));
  assert(!hasScore(plain.params));
});
