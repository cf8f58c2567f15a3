/** Batches that say at how few positions a wide token head has to predict. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { tensor, wasm } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import { sft } from "@unitune/objectives";
import {
  alone,
  initialModels,
  inRandomOrder,
  prepareTasks,
  toBatch,
  trainSettings,
} from "@unitune/training";
import { demonstrationForm } from "../../training/feeds/forms.ts";
import { offlineFeed } from "../../training/feeds/offline.ts";
import { type RolloutBatch, withLearned } from "../../training/feeds/rollouts.ts";
import { partsOf } from "../../training/kinds/stage.ts";

/** Rows of 65 tokens, of which the last 10 are learned: two have 128 positions, of which 20 count. */
const row: EncodedSequence = {
  ids: Array.from({ length: 65 }, (_, i) => i),
  mask: Array.from({ length: 65 }, (_, i) => i >= 55),
};
const rows = [row, row];
const [length, padding] = [65, 0];
/** The fewest tokens by which 128 positions have many logits. */
const WIDE = 2 ** 14;

Deno.test("a batch says how many tokens are learned where logits are many, and else nothing", () => {
  assertEquals(toBatch(rows, { length, padding, vocabulary: WIDE }).learned, 32);
  assertEquals("learned" in toBatch(rows, { length, padding, vocabulary: WIDE - 1 }), false);
  assertEquals("learned" in toBatch(rows, { length, padding }), false);
  // Rows of padding are positions as well.
  assertEquals(toBatch([row], { length, padding, size: 2, vocabulary: WIDE }).learned, 16);
});

Deno.test("batches of a feed are as many positions as their vocabulary says", async () => {
  const learnedOf = async (layout: { readonly vocabulary?: number }) => {
    const source = inRandomOrder(rows, 0, length);
    const batch = (some: readonly EncodedSequence[], _: unknown, padding: { length: number }) =>
      demonstrationForm.batch(some, { ...padding, padding: 0 });
    using feed = offlineFeed(source, demonstrationForm, batch, sft().description, {
      ...{ batchSize: 2, microBatches: 1, steps: 1, padding, ...layout },
    });
    const { batches: [first] } = await feed.next(null, {}, 0);
    return first?.learned;
  };
  assertEquals(await learnedOf({ vocabulary: WIDE }), 32);
  assertEquals(await learnedOf({}), undefined);
});

Deno.test("so do rollouts, whenever they were sampled", async () => {
  const { ids, mask } = toBatch(rows, { length, padding });
  const batch: RolloutBatch = {
    ...{ ids, mask, oldLogProbs: mask, temperature: 1 },
    rewards: tensor([0, 1]),
  };
  assertEquals((await withLearned(batch, WIDE)).learned, 32);
  assertStrictEquals(await withLearned(batch, WIDE - 1), batch);
});

Deno.test("positions are counted for the token head of a policy, and for no reward model's", async () => {
  using device = wasm({ threads: 1 });
  for (const [objective, isTokenHead] of [["sft", true], ["reward-model", false]] as const) {
    const settings = trainSettings({ objective, layers: 1, heads: 1, width: 8 });
    const prepared = await prepareTasks([settings]);
    const { model, tokenizer, stages: [data] } = prepared;
    if (data === undefined) throw new RangeError("there is no stage");
    const start = initialModels(settings, prepared);
    const { layout } = partsOf({
      evaluationBytes: 0,
      ...{ settings, stage: 0, prepared: data, model, tokenizer, start, device },
      collective: alone,
    });
    assertEquals(layout.vocabulary, isTokenHead ? model.config.vocabulary : undefined);
  }
});
