import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { graphOf, key } from "@unitune/core";
import { adamw } from "@unitune/autodiff";
import { gpt } from "@unitune/models";
import { ift, initTrainingState, sft, trainingStep } from "@unitune/objectives";
import { gigaflops, kindOf, productOperations, stepOperations } from "../../bench/arithmetic.ts";
import { allWorkloads, trainingBatches, type Workload } from "../../bench/workloads.ts";
import { describeKernel } from "../../core/lowering/describe.ts";
import { lower } from "../../core/lowering/lower.ts";

Deno.test("operations: the kernels that are products, from their names", () => {
  for (
    const [kernel, expected] of [
      ["matmul [2,3] x [3,4]", 2 * 2 * 3 * 4],
      ["matmul [5,2,3] x [5,3,4]", 5 * 2 * 2 * 3 * 4],
      ["matmul [2,3] x [3,4], 16 steps", 2 * 2 * 3 * 4],
      ["attention [2,8,4,16]", 2 * (2 * 2 * 4 * 16 * 8 * 8) / 2],
      ["attentionGradient [2,8,4,16]", 5 * (2 * 2 * 4 * 16 * 8 * 8) / 2],
      ["map [2,3], 5 steps, 1 stored", undefined],
      ["sum [2,3] over [4]", undefined],
    ] as const
  ) {
    assertEquals(productOperations(kernel), expected, kernel);
  }
  assertEquals(kindOf("reduceMax [512] over [32]"), "reduceMax");
});

Deno.test("operations: an operation a nanosecond is a GFLOP/s", () => {
  assertEquals(gigaflops(2e9, 1000), 2);
});

const small: Workload = {
  config: { vocabulary: 65, context: 32, layers: 2, heads: 2, width: 64, dropout: 0 },
  batch: 4,
};

Deno.test("operations: every parameter of a Llama is multiplied, as it has none of positions", () => {
  const { config } = allWorkloads["smollm2-135m"] ?? small;
  const step = stepOperations({ config, batch: 1 }, "sft");
  const attention = 3 * 2 * config.layers * config.width * config.context;
  assertEquals(step, config.context * (6 * 134_515_008 + attention));
});

for (const [name, objective] of [["sft", sft()], ["ift", ift()]] as const) {
  Deno.test(`operations: those of a step by ${name} are those of its kernels`, () => {
    const policy = gpt(small.config);
    const optimizer = adamw(1e-3);
    const step = trainingStep({ policy, objective, optimizer });
    const state = initTrainingState(policy.init(key(0)), optimizer, key(1));
    const [batch] = trainingBatches(small, 1);
    assert(batch !== undefined);
    const { kernels } = lower(graphOf(step, [state, batch]));
    const products = kernels.map((kernel) => productOperations(describeKernel(kernel)) ?? 0);
    const total = products.reduce((a, b) => a + b, 0);
    // The formula counts offsets and gains too, 1.5 % of this small model's parameters, and attention's
    // backward pass as four products where it has five, 1 % of this short context's operations.
    assertAlmostEquals(total / stepOperations(small, name), 1, 0.03);
  });
}

Deno.test("operations: linear in the batch, and IFT four thirds of SFT", () => {
  const twice = { ...small, batch: 2 * small.batch };
  assertEquals(stepOperations(twice, "sft"), 2 * stepOperations(small, "sft"));
  assertAlmostEquals(stepOperations(small, "ift") / stepOperations(small, "sft"), 4 / 3, 1e-12);
});
