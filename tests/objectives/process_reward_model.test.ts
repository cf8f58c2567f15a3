/** The loss of process reward models: as TRL computes it, and of batches that are none. */
import { grad } from "@unitune/autodiff";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { reshape, ShapeError, sin, slice, sub, type Tensor, tensor } from "@unitune/core";
import {
  evaluationLoss,
  type LabelledSteps,
  modelOf,
  modelOfLogits,
  type Policy,
  processRewardModel,
  scoredSteps,
  stepDefaults,
  stepLoss,
  summarize,
} from "@unitune/objectives";
import { context } from "./arbitrary.ts";

/** A loss with two logits a token, and its gradients: scripts/trl/steps.py has written them. */
interface Computed {
  readonly loss: number;
  readonly hidden: readonly number[];
  readonly weight: readonly (readonly number[])[];
}

const golden: {
  readonly labels: readonly (readonly number[])[];
  readonly all: Computed;
  readonly last: Computed;
} = JSON.parse(await Deno.readTextFile(new URL("trl_steps.json", import.meta.url)));

/** Numbers that the script has as well. */
const wave = (...shape: readonly number[]): Tensor => {
  const size = shape.reduce((product, length) => product * length);
  const places = Array.from({ length: size }, (_, i) => 1.7 * (i + 1));
  return reshape(sin(tensor(places, { dtype: "f64" })), shape);
};

const [B, T, D] = [2, 5, 3];
const params = { hidden: wave(B, T, D), weight: wave(2, D) };

/** A reward model whose hidden states are parameters; its score is the difference of two logits. */
const judge: Policy<typeof params> = {
  embed: ({ hidden }) => hidden,
  hidden: (_, embeddings) => embeddings,
  head: ({ weight }) => ({ weight: sub(slice(weight, 0, 1, 2), slice(weight, 0, 0, 1)) }),
};

const batch: LabelledSteps = {
  ids: tensor(golden.labels.map((row) => row.map(() => 0)), { dtype: "i32" }),
  mask: tensor(golden.labels.map((row) => row.map((label) => Number(label !== -100)))),
  labels: tensor(golden.labels.map((row) => row.map((label) => Number(label === 1)))),
};

for (const [which, lastStepOnly] of [["all", false], ["last", true]] as const) {
  Deno.test(`the loss of steps and its gradient are TRL's, of ${which} steps`, async () => {
    const objective = processRewardModel({ lastStepOnly });
    const lossOf = (own: typeof params) =>
      evaluationLoss(objective.evaluate(modelOf(judge, own), batch, context));
    const expected = golden[which];
    assertAlmostEquals(await lossOf(params).item(), expected.loss, 1e-14);
    const gradient = grad(lossOf)(params);
    const close = (own: ArrayLike<number>, theirs: readonly number[]) => {
      assertEquals(own.length, theirs.length);
      theirs.forEach((value, i) => assertAlmostEquals(own[i] ?? NaN, value, 1e-14));
    };
    close(await gradient.hidden.data(), expected.hidden);
    close(await gradient.weight.data(), expected.weight.flat());
    assert(expected.hidden.some((value) => value !== 0));
  });
}

Deno.test("all steps count unless the last alone is asked for", () => {
  assertEquals(stepDefaults, { lastStepOnly: false });
  assertEquals(scoredSteps().description.signal, "labels of the steps");
  assertEquals(scoredSteps({ lastStepOnly: true }).description.signal, "label of the last step");
});

/** A model whose scores are the ids less 2. */
const counting = modelOfLogits({
  embed: (ids) => sub(reshape(ids, [...ids.shape, 1]), 2),
  logits: (embeddings) => embeddings,
});

Deno.test("right and wrong steps have their mean scores, and a tie is a wrong step's", async () => {
  const steps: LabelledSteps = {
    ids: tensor([[5, 1, 2, 9], [2, 4, 0, 9]], { dtype: "i32" }),
    mask: tensor([[1, 1, 1, 0], [1, 1, 1, 0]]),
    labels: tensor([[1, 1, 0, 1], [1, 0, 0, 0]]),
  };
  const own = modelOfLogits({
    embed: (ids) => reshape(tensor([[3, -1, 0, 7], [0, 2, -2, 7]]), [...ids.shape, 1]),
    logits: (embeddings) => embeddings,
  });
  const values = summarize(processRewardModel().evaluate(own, steps, context));
  const found = Object.fromEntries(
    await Promise.all(
      Object.entries(values).map(async ([name, value]) => [name, await value.item()] as const),
    ),
  );
  assertAlmostEquals(found["rewards/right_steps"] ?? NaN, 2 / 3, 1e-6);
  assertEquals(found["rewards/wrong_steps"], 0);
  assertAlmostEquals(found["rewards/step_accuracies"] ?? NaN, 3 / 6, 1e-6);
});

Deno.test("batches that are none are refused, with what is wrong", () => {
  const { collect } = processRewardModel();
  assertThrows(
    () => collect(counting, { ...batch, labels: tensor([[1]]) }, context),
    ShapeError,
    "scoredSteps: got labels [1, 1]; expected [2, 5], one for each token",
  );
  const wrong = tensor(golden.labels.map((row) => row.map(() => 2)));
  assertThrows(
    () => collect(counting, { ...batch, labels: wrong }, context),
    RangeError,
    "scoredSteps: a label is 2 at [0, 0]; expected 0 or 1",
  );
  const { mask, labels } = batch;
  assertThrows(() => stepLoss(tensor([[1]]), labels, mask), ShapeError);
  assertThrows(() => stepLoss(labels, tensor([[1]]), mask), ShapeError, "stepLoss");
});
