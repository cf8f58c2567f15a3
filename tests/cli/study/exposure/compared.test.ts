/** The objectives whose gradients are compared are those of the arms of their names. */
import { assert, assertEquals } from "@std/assert";
import { evaluate, gather, type Tensor, tensor, zeros } from "@unitune/core";
import { type Objective, type Policy, type ScoredDemonstrations, sft } from "@unitune/objectives";
import { objectiveOptions, trainSettings } from "@unitune/training";
import { arms } from "../../../../cli/study/arms.ts";
import { comparedOnGold } from "../../../../cli/study/exposure/compared.ts";
import { lossGradient } from "../../../../cli/study/exposure/gradients.ts";
import { studyPlan } from "../../../../cli/study/studies.ts";

/** A bigram table: the logits of the next token are a row of it. */
const table = tensor([[0.2, -0.4, 1, 0], [0.5, 0.1, -0.3, 0.6], [-1, 0.7, 0, 0.2], [0, 0, 0.4, 0]]);
const bigram: Policy<Tensor> = {
  embed: gather,
  hidden: (_, embeddings) => embeddings,
  head: () => (hidden) => hidden,
};
const batch = {
  ids: tensor([[0, 1, 2, 3], [1, 3, 0, 2]], { dtype: "i32" }),
  mask: tensor([[0, 1, 1, 1], [0, 1, 1, 1]]),
  referenceLogProbs: zeros([2, 4]),
};

/** The gradient of an objective in the table. */
async function gradientOf(objective: Objective<ScoredDemonstrations>): Promise<readonly number[]> {
  return Array.from(await evaluate(lossGradient(bigram, objective)(table, batch)).data());
}

Deno.test("the gradient of a name is that of the arm of this name", async () => {
  const named = [...arms, ...studyPlan({ study: "exposure", quick: false, noise: 0 }).arms];
  const plain = await gradientOf(sft());
  for (const [name, objective] of Object.entries(comparedOnGold)) {
    const settings = trainSettings(named.find((arm) => arm.name === name)?.settings);
    const { objective: entry } = settings;
    assert(entry.data === "demonstrations", name);
    const gradient = await gradientOf(objective);
    assertEquals(gradient, await gradientOf(entry.make(objectiveOptions(settings))), name);
    assertEquals(`${gradient}` === `${plain}`, name === "sft", name);
  }
});
