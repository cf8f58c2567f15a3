/** A language model with a head of one number: values, rewards, and their checkpoints. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  decodeSafetensors,
  encodeSafetensors,
  key,
  leafPaths,
  normal,
  slice,
  sum,
  type Tensor,
  tensor,
  toRawTensor,
  zeros,
} from "@unitune/core";
import {
  actorCritic,
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
  gpt,
  gpt2,
  type GptParameters,
  rewardModelOn,
  type ScoredParameters,
  withScore,
} from "@unitune/models";
import { type Model, modelOf, type Policy } from "@unitune/objectives";

const config = { vocabulary: 7, context: 6, layers: 2, heads: 2, width: 8, dropout: 0 };
type Parameters = ScoredParameters<GptParameters>;

const trunk = gpt(config);
const params: Parameters = {
  ...withScore(trunk, trunk.init(key(1))),
  score: { weight: normal(key(2), [1, 8]) },
};
const ids = tensor([[1, 2, 3, 4], [5, 6, 0, 1]], { dtype: "i32" });

function valuesOf(params: Parameters, ids: Tensor): Tensor {
  const model = modelOf(actorCritic(trunk), params);
  return model.predict(model.embed(ids)).values();
}

Deno.test("an actor-critic and a reward model are policies", () => {
  const actor: Policy<Parameters> = actorCritic(trunk);
  const rewards: Policy<Parameters> = rewardModelOn(trunk);
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
    await logitsOf(modelOf(actorCritic(trunk), params)),
    await logitsOf(modelOf(trunk, params.model)),
  );
  const gradient = grad((p: Parameters) => sum(valuesOf(p, ids)))(params);
  for (const [path, leaf] of leafPaths(gradient)) {
    // A layer normalization's own offset does not reach a key, nor a value an unread position.
    const isMoved = (await leaf.data()).some((x) => x !== 0);
    assert(isMoved, path);
  }
});

Deno.test("a model with the head is a GPT2ForSequenceClassification, and comes back bit by bit", async () => {
  const files = await encodeCheckpoint({ model: trunk, params: params.model, score: params.score });
  const settings = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  assertEquals(settings.architectures, ["GPT2ForSequenceClassification"]);
  assertEquals(settings.num_labels, 1);
  const restored = await decodeCheckpoint(files, [gpt2]);
  assertEquals(await restored.score?.weight.data(), await params.score.weight.data());
  assertEquals(await restored.params.wte.weight.data(), await params.model.wte.weight.data());

  const plain = await decodeCheckpoint(
    await encodeCheckpoint({ model: trunk, params: params.model }),
  );
  assertEquals(plain.score, undefined);
});

Deno.test("a head of another width is neither saved nor read", async () => {
  const score = { weight: zeros([1, 4]) };
  await assertRejects(
    () => encodeCheckpoint({ model: trunk, params: params.model, score }),
    CheckpointError,
    "score.weight is f32[1, 4], expected f32[1, 8]",
  );
  const files = await encodeCheckpoint({ model: trunk, params: params.model, score: params.score });
  const { tensors } = decodeSafetensors(files.get("model.safetensors") ?? new Uint8Array());
  const other = new Map(tensors).set(
    "score.weight",
    toRawTensor({
      ...{ dtype: "f32", shape: [2, 8], data: new Float32Array(16) },
    }),
  );
  await assertRejects(
    () => decodeCheckpoint(new Map([...files, ["model.safetensors", encodeSafetensors(other)]])),
    CheckpointError,
    "score.weight is f32[2, 8], expected f32[1, 8]",
  );
});
