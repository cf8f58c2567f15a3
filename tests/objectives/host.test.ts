/** Tokens that are none, and masks that are none: an error where they are at hand, NaN elsewhere. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { compile, gather, key, normal, ShapeError, type Tensor, tensor } from "@unitune/core";
import {
  aggregate,
  averageOver,
  type Context,
  type Demonstrations,
  evaluationLoss,
  groupZScore,
  ift,
  klLoss,
  kto,
  ktoLoss,
  maskedMean,
  maskedSum,
  maskedWhiten,
  modelOfLogits,
  rewardModelLoss,
  sequenceLogProbs,
  sft,
  tokenLogProbs,
} from "@unitune/objectives";
import fc from "fast-check";

const VOCABULARY = 4;
const table = normal(key(0), [VOCABULARY, VOCABULARY]);
const modelOf = (weights: Tensor) =>
  modelOfLogits({ embed: (ids) => gather(weights, ids), logits: (embeddings) => embeddings });
const context: Context = { step: tensor(0, { dtype: "i32" }) };

function batchOf(ids: readonly number[], mask: readonly number[]): Demonstrations {
  return { ids: tensor([ids], { dtype: "i32" }), mask: tensor([mask]) };
}

/** The loss of SFT at some weights. */
function lossOf(batch: Demonstrations, weights = table): Tensor {
  const objective = sft();
  const model = modelOf(weights);
  return evaluationLoss(
    objective.evaluate(model, objective.collect(model, batch, context), context),
  );
}

/** Ids that are no tokens. */
const outside = fc.oneof(
  fc.integer({ min: VOCABULARY, max: 2 ** 31 - 1 }),
  fc.integer({ min: -(2 ** 31), max: -1 }),
);

Deno.test("targets outside the vocabulary: an error where they are on the host, with their place", () => {
  fc.assert(
    fc.property(outside, (id) => {
      assertThrows(
        () => lossOf(batchOf([0, 1, id], [0, 0, 1])),
        RangeError,
        `the token at [0, 2] is ${id}, and the model has tokens 0 to 3`,
      );
    }),
    { seed: 12, numRuns: 50 },
  );
  for (const objective of [sft(), ift({ lambda: 0.5 })]) {
    const model = modelOf(table);
    const batch = batchOf([0, 1, 9], [0, 0, 1]);
    assertThrows(
      () => objective.evaluate(model, objective.collect(model, batch, context), context),
      RangeError,
      "the token at [0, 2] is 9",
    );
  }
});

Deno.test("targets outside the vocabulary: NaN in a compiled function, whatever the device", async () => {
  using loss = compile(lossOf);
  await fc.assert(
    fc.asyncProperty(outside, async (id) => {
      assertEquals(await loss(batchOf([0, 1, id], [0, 0, 1])).item(), NaN);
      const logits = tensor([[0, 1, 2]]);
      assertEquals(await tokenLogProbs(logits, tensor([id], { dtype: "i32" })).item(), NaN);
    }),
    { seed: 12, numRuns: 20 },
  );
});

Deno.test("padding may be any id: neither the loss nor the gradient sees it", async () => {
  const at = (padding: number) => batchOf([0, 1, 2, padding], [0, 1, 1, 0]);
  const gradientOf = (batch: Demonstrations) =>
    grad((weights: Tensor) => lossOf(batch, weights))(table).data();
  const [expected, gradient] = [await lossOf(at(0)).item(), await gradientOf(at(0))];
  assert(gradient.every(Number.isFinite));
  for (const padding of [VOCABULARY, -1, -100, 2 ** 31 - 1]) {
    assertEquals(await lossOf(at(padding)).item(), expected);
    assertEquals(await gradientOf(at(padding)), gradient);
  }
});

Deno.test("masks other than 0 and 1 are refused where they are on the host, with their place", () => {
  const values = tensor([[-1, -2], [-3, -4]]);
  const takers: Readonly<Record<string, (mask: Tensor) => unknown>> = {
    aggregate: (mask) => aggregate(values, mask, "token"),
    sequenceLogProbs: (mask) => sequenceLogProbs(values, mask),
    klLoss: (mask) => klLoss(values, values, mask),
    demonstrations: (mask) => lossOf({ ids: tensor([[0, 1], [2, 3]], { dtype: "i32" }), mask }),
  };
  for (const [name, take] of Object.entries(takers)) {
    for (const value of [0.5, 2, -1, NaN, Infinity]) {
      assertThrows(
        () => take(tensor([[0, 1], [1, value]])),
        RangeError,
        `${name}: the mask is ${value} at [1, 1]; expected 0 or 1`,
      );
    }
    take(tensor([[0, 1], [1, 0]]));
  }
  assertThrows(() => averageOver(tensor([1, 2]), tensor([1, 3])), RangeError, "is 3 at [1]");
});

Deno.test("what is neither 0 nor 1 is refused wherever it tells what counts", () => {
  const x = tensor([1, 2]);
  for (const wrong of [0.5, 2, -1, NaN]) {
    const flags = tensor([1, wrong]);
    const refused: readonly (() => unknown)[] = [
      () => maskedSum(x, flags),
      () => maskedMean(x, flags),
      () => maskedWhiten(x, flags),
      () => groupZScore(x, { groupSize: 2, counted: flags }),
      () => ktoLoss(x, x, flags, 0),
      () => {
        const ids = [[0, 1], [0, 1]];
        const batch = { ids: tensor(ids, { dtype: "i32" }), mask: tensor(ids) };
        const objective = kto({ reference: modelOf(table) });
        objective.collect(modelOf(table), { ...batch, labels: flags, mismatched: batch }, context);
      },
    ];
    for (const make of refused) {
      assertThrows(make, RangeError, ` is ${wrong} at [1]; expected 0 or 1`);
    }
  }
});

Deno.test("a margin is one number for each pair, or one for all", async () => {
  const [chosen, rejected] = [tensor([1, 2]), tensor([0, 0])];
  const loss = (margin: Tensor) => rewardModelLoss(chosen, rejected, { margin });
  for (const margin of [tensor([[1], [2]]), tensor([1]), tensor([[1, 2]])]) {
    assertThrows(() => loss(margin), ShapeError, "rewardModelLoss");
  }
  assertEquals(await loss(tensor(1)).data(), await loss(tensor([1, 1])).data());
});
