/** Batches that say at how few positions a wide token head has to predict. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { key, tensor, wasm } from "@unitune/core";
import { type EncodedSequence, gpt } from "@unitune/models";
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
import { readingOf, type RolloutBatch } from "../../training/feeds/rollouts.ts";
import { createScorer } from "../../training/sampling/scorer.ts";
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

Deno.test("a scorer scores the learned tokens of a wide vocabulary, and no others", async () => {
  const config = { vocabulary: WIDE, context: 64, layers: 1, heads: 1, width: 4, dropout: 0 };
  const model = gpt(config);
  const params = model.init(key(1));
  using device = wasm({ threads: 1 });
  const scorer = createScorer(model, device);
  const scoresIn = async (layout: { readonly vocabulary?: number }) =>
    [...(await scorer.scoreAll(params, [row], { length, padding, rows: 2, ...layout })).values()]
      .flatMap((own) => [...own]);
  const all = await scoresIn({});
  const learned = await scoresIn({ vocabulary: WIDE });
  assert(all.slice(1).every((own) => own < 0));
  // What no position precedes is 0. Of 16 positions, 6 are others than the learned ones.
  assertEquals([all[0], learned[0]], [0, 0]);
  assertEquals(learned.slice(7, 55), Array.from({ length: 48 }, () => NaN));
  learned.slice(55).forEach((own, i) => assertAlmostEquals(own, all[55 + i] ?? NaN, 1e-5));
  scorer[Symbol.dispose]();
});

Deno.test("so do rollouts, whenever they were sampled, and what a group has in common", async () => {
  const { ids, mask } = toBatch(rows, { length, padding });
  const batch: RolloutBatch = {
    ...{ ids, mask, oldLogProbs: mask, temperature: 1 },
    rewards: tensor([0, 1]),
  };
  const sizes = { groupSize: 1, longest: 60, rest: 9 };
  assertEquals(await readingOf(batch, { ...sizes, vocabulary: WIDE }), { learned: 32 });
  assertEquals(await readingOf(batch, { ...sizes, vocabulary: WIDE - 1 }), {});
  const { prefix, ...others } = await readingOf(batch, {
    ...{ ...sizes, groupSize: 2 },
    vocabulary: WIDE - 1,
  });
  assertEquals([others, [...await prefix?.lengths.data() ?? []]], [{}, [55, 55]]);
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
      evaluation: { caches: 0, predictions: 0 },
      ...{ settings, stage: 0, prepared: data, model, tokenizer, start, device },
      collective: alone,
    });
    assertEquals(layout.vocabulary, isTokenHead ? model.config.vocabulary : undefined);
  }
});
