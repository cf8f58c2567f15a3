/** The GPT of @unitune/models is a policy as it stands. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { evaluate, key, zeros } from "@unitune/core";
import { gpt, type GptParameters, type GptSizes } from "@unitune/models";
import {
  dpo,
  evaluationLoss,
  evaluationStep,
  intuitiveDpo,
  ipo,
  modelOf,
  type Policy,
} from "@unitune/objectives";
import { fiveObjectives } from "../../examples/objectives/own_policy.ts";
import { pairs, scoredBy, VOCABULARY } from "../../examples/objectives/task.ts";

const config: GptSizes = {
  vocabulary: VOCABULARY,
  context: 4,
  layers: 2,
  heads: 2,
  width: 16,
  dropout: 0,
};

Deno.test("a GPT is trained by the lines that train a bigram table, by five objectives", async () => {
  const model = gpt(config);
  const courses = await fiveObjectives(model, evaluate(model.init(key(3))));
  const measures = new Map(courses.map((course) => [course.objective, course]));
  assertEquals([...measures.keys()], ["sft", "ift", "dpo", "distillation", "grpo"]);
  for (const { objective, measure, first, last } of courses) {
    const better = measure === "reward" ? last > first + 0.1 : last < 0.8 * first;
    assert(better, `${objective}: ${measure} from ${first} to ${last}`);
  }
  assertAlmostEquals(measures.get("dpo")?.first ?? NaN, Math.LN2, 1e-4);
});

Deno.test("a GPT that is asked as its own reference: pairwise losses are at their step-0 values", async () => {
  const model: Policy<GptParameters> = gpt({ ...config, dropout: 0.5 });
  const params = evaluate(gpt(config).init(key(3)));
  const reference = modelOf(model, params);
  for (const objective of [dpo({ reference }), ipo({ reference }), intuitiveDpo(reference)]) {
    const evaluation = evaluationStep({ policy: model, objective })(
      { params, step: zeros([], "i32") },
      {
        chosen: scoredBy(reference, pairs.chosen),
        rejected: scoredBy(reference, pairs.rejected),
      },
    );
    // Without keys nothing drops out, so both models say the same.
    const { stepZero = NaN } = objective.description;
    assertAlmostEquals(await evaluationLoss(evaluation).item(), stepZero, 1e-4 * (1 + stepZero));
  }
});
