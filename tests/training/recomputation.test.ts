/** Blocks whose values are computed again for their gradient: the same bits, in less memory. */
import { assert, assertEquals } from "@std/assert";
import { adamw } from "@unitune/autodiff";
import { checkpoint } from "@unitune/autodiff";
import {
  compile,
  key,
  leavesOf,
  ones,
  outline,
  sizeOf,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import { adapt, gpt, type LanguageModel, languageModel, presetConfig } from "@unitune/models";
import { initTrainingState, sft, trainingStep } from "@unitune/objectives";

const gpt2 = gpt({ vocabulary: 40, context: 32, layers: 3, heads: 2, width: 32, dropout: 0.2 });
const llama = languageModel({ ...presetConfig("nano-llama", { vocabulary: 40 }), layers: 3 });
const adapted = adapt({ model: llama, params: llama.init(key(5)) }, {
  ...{ rank: 2, alpha: 4, dropout: 0.3, targets: "all-linear" },
  ...{ isRankStabilized: false, hasMagnitudes: true, saved: [] },
});

const neox = languageModel({
  ...{ modelType: "gpt_neox", vocabulary: 40, context: 32, layers: 3, heads: 2, width: 32 },
  ...{ hiddenWidth: 64, activation: "gelu", epsilon: 1e-5, isParallel: true, tied: false },
  ...{ hasAttentionBias: true, rotary: { base: 10_000, scaling: null }, rotaryShare: 0.25 },
});

const batch = {
  ids: tensor(Array.from({ length: 64 }, (_, i) => i * i % 40), { shape: [2, 32], dtype: "i32" }),
  mask: tensor(Array.from({ length: 64 }, (_, i) => Number(i % 32 > 3)), { shape: [2, 32] }),
};

const models: Readonly<Record<string, LanguageModel>> = { gpt2, llama, neox, adapted };

for (const [name, model] of Object.entries(models)) {
  Deno.test(`recomputation by block: ${name} has the same loss and update, in less memory`, async () => {
    using device = wasm({ threads: 1 });
    const run = async (policy: LanguageModel) => {
      const optimizer = adamw(1e-2);
      using step = compile(trainingStep({ policy, objective: sft(), optimizer }), { device });
      const state = initTrainingState(policy.init(key(1)), optimizer, key(2));
      const { ownBytes } = step.plan(state, batch);
      const result = step(step(state, batch).state, batch);
      const { loss } = result.metrics;
      const bits = await Promise.all(leavesOf([result.state, loss]).map((x: Tensor) => x.data()));
      return { ownBytes, bits };
    };
    const kept = await run(model);
    const again = await run({
      ...model,
      hidden: (params, embeddings, options) =>
        model.hidden(params, embeddings, { ...options, wrap: checkpoint }),
    });
    assertEquals(again.bits, kept.bits);
    assert(again.ownBytes < 0.9 * kept.ownBytes, `${again.ownBytes} of ${kept.ownBytes}`);
  });
}

Deno.test("without clipping, weights are updated as soon as their gradient is there", () => {
  using device = wasm({ threads: 1 });
  const policy = gpt({ vocabulary: 8, context: 8, layers: 6, heads: 1, width: 64, dropout: 0 });
  const optimizer = adamw(1e-2);
  using step = compile(trainingStep({ policy, objective: sft(), optimizer }), {
    device,
    donate: [0],
  });
  const state = initTrainingState(policy.init(key(1)), optimizer, key(2));
  const batch = { ids: outline({ shape: [1, 8], dtype: "i32" }), mask: ones([1, 8]) };
  const weights = leavesOf(state.params).reduce((total, { shape }) => total + 4 * sizeOf(shape), 0);
  const { ownBytes, resultBytes } = step.plan(state, batch);
  // Gradients of a block are a sixth of all, and their squares are as large.
  assert(ownBytes < 0.6 * weights, `${ownBytes} of ${weights}`);
  assert(resultBytes === 0, "every update takes the place of what it updates");
});
