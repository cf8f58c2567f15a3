/** Rollouts as a type: tokens that a policy sampled, and the temperature that they were sampled at. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { add, compile, div, headLogits, leafPaths, type Tensor, tensor } from "@unitune/core";
import { decodeTree, encodeTree } from "@unitune/models";
import {
  best,
  bestOfN,
  type Demonstrations,
  distilled,
  estimate,
  evaluationLoss,
  gold,
  grpo,
  indicator,
  modelOf,
  nll,
  type Objective,
  objective,
  onlineDpo,
  type PackedSamples,
  paired,
  type Policy,
  ranked,
  type Rollouts,
  rolloutsOf,
  sampled,
  type ScoredDemonstrations,
  scoreTokens,
  sft,
  summarize,
  teacher,
} from "@unitune/objectives";
import fc from "fast-check";
import { assertClose, assertNear, context, type Parameters, policy, rowsOf } from "./arbitrary.ts";
import { theorem } from "./theorem.ts";
import { entriesOf, worldOf, worlds } from "./worlds.ts";

const temperatures = fc.constantFrom(0.25, 0.5, 2, 3);

/** The policy whose logits are divided by a number. */
function divided(policy: Policy<Parameters>, by: number): Policy<Parameters> {
  return {
    ...policy,
    head: (params) => (hidden) => div(headLogits(policy.head(params), hidden), by),
  };
}

/** Everything that an objective says of a batch, and the gradient of its loss. */
function saidOf<B>(
  policy: Policy<Parameters>,
  objective: Objective<B>,
  batch: B,
  params: Parameters,
): { readonly summary: Readonly<Record<string, Tensor>>; readonly gradient: Parameters } {
  const evaluated = (params: Parameters) => {
    const model = modelOf(policy, params);
    return objective.evaluate(model, objective.collect(model, batch, context), context);
  };
  return {
    summary: summarize(evaluated(params)),
    gradient: grad((params: Parameters) => evaluationLoss(evaluated(params)))(params),
  };
}

theorem(
  "rollouts at temperature T are learned from as those at 1 of the policy with logits / T",
  ({ dtype, tolerance }) =>
    fc.asyncProperty(worlds, temperatures, async (options, temperature) => {
      const world = worldOf({ ...options, dtype, temperature });
      const plain = { ...world, rollouts: { ...world.rollouts, temperature: 1 } };
      const onRollouts = ({ data }: { readonly data: string }) => data === "rollouts";
      // A teacher says what it expects at the temperature at which was sampled, too.
      const teacher = modelOf(divided(policy, temperature), world.reference);
      const others = entriesOf(plain, teacher).filter(onRollouts);
      for (const [i, entry] of entriesOf(world).filter(onRollouts).entries()) {
        const said = entry.use(({ policy, objective, batch }) =>
          saidOf(policy, objective, batch, world.params)
        );
        const expected = others[i]?.use(({ policy, objective, batch }) =>
          saidOf(divided(policy, temperature), objective, batch, world.params)
        );
        // Rewards less a KL are divided by a small deviation, and clipped ratios have kinks.
        await assertNear(said, expected, 10 * tolerance);
      }
    }),
  // That f32 agrees with f64 at a temperature is a theorem of its own, on every entry.
  { f64: 2 },
);

Deno.test("only what was sampled are rollouts", () => {
  const { demonstrations, pairs, rollouts, params } = worldOf({ seed: 1, distance: 0.1 });
  const model = modelOf(policy, params);
  const onSampled = best(estimate(sampled, indicator));
  const onSampledPairs = ranked(paired(estimate(sampled, teacher(model))));

  const ours: Objective<Rollouts> = objective(onSampled, nll());
  sampled.collect(model, rollouts, context);
  // Rollouts are tokens to learn from, too.
  sft().collect(model, rollouts, context);

  // @ts-expect-error: demonstrations have no old log-probabilities and no temperature.
  const onDemonstrations: Objective<Demonstrations> = objective(
    estimate(sampled, indicator),
    nll(),
  );
  // @ts-expect-error: log-probabilities of a reference are not those of a sampler.
  const onScored: Objective<ScoredDemonstrations> = objective(estimate(sampled, indicator), nll());
  // @ts-expect-error: samples that are not scored by the policy that gave them.
  const onPacked: Objective<PackedSamples> = objective(onSampled, nll());
  // @ts-expect-error: the same of best of N.
  const ofCatalogue: Objective<PackedSamples> = bestOfN();
  // @ts-expect-error: the same of pairs.
  const ofPairs: Objective<PackedSamples & ScoredDemonstrations> = onlineDpo();
  const { temperature: _unknown, ...withoutTemperature } = rollouts;
  assertThrows(
    // @ts-expect-error: the temperature is unknown.
    () => grpo({ groupSize: 2 }).collect(model, withoutTemperature, context),
    TypeError,
    "sampled: got a batch without temperature; expected rollouts",
  );
  // @ts-expect-error: pairs of demonstrations.
  assertThrows(() => objective(onSampledPairs, distilled()).collect(model, pairs, context));
  assertThrows(
    // @ts-expect-error: demonstrations.
    () => sampled.collect(model, demonstrations, context),
    TypeError,
    "sampled: got a batch without oldLogProbs and temperature; expected rollouts",
  );
  assertEquals(
    [ours, onDemonstrations, onScored, onPacked, ofCatalogue, ofPairs].map(({ description }) =>
      description.models.includes("policy")
    ),
    Array(6).fill(true),
  );
});

Deno.test("samples are scored at the temperature that they are said to be drawn at", async () => {
  const { params } = worldOf({ seed: 2, distance: 0, dtype: "f32" });
  const model = modelOf(policy, params);
  const samples = [{ prompt: [0, 1], completion: [2, 3] }, { prompt: [1], completion: [3] }];
  const rollouts = await rolloutsOf(model, samples, () => 1, { temperature: 2 });
  assertEquals(rollouts.temperature, 2);
  const halved = modelOf(divided(policy, 2), params);
  await assertClose(rollouts.oldLogProbs, scoreTokens(halved, { ids: rollouts.ids }));
  // The policy that sampled: every ratio is 1 where the objective asks it.
  const { logits, targets } = sampled.evaluate(model, rollouts, context);
  const atOne = gold.evaluate(halved, { ...rollouts, temperature: 1 }, context);
  await assertClose(logits(), atOne.logits());
  assertEquals(targets.shape, [2, 3]);
  for (const temperature of [0, -1, NaN, Infinity]) {
    await assertRejects(
      () => rolloutsOf(model, samples, () => 1, { temperature }),
      RangeError,
      "temperature: expected",
    );
    assertThrows(
      () => sampled.evaluate(model, { ...rollouts, temperature }, context),
      RangeError,
      "temperature: expected",
    );
  }
});

Deno.test("rollouts pass through programs and files as they are", async () => {
  const { rollouts, params } = worldOf({ seed: 3, distance: 0.2, temperature: 2, dtype: "f32" });
  const restored = decodeTree(rollouts, await encodeTree(rollouts));
  assertEquals(restored.temperature, 2);
  assertEquals([...leafPaths(restored).keys()], [...leafPaths(rollouts).keys()]);
  const shift = compile(
    (batch: Rollouts): Rollouts => ({ ...batch, rewards: add(batch.rewards, 1) }),
    { donate: [0] },
  );
  const shifted = shift(restored);
  assertEquals(shifted.temperature, 2);
  assertEquals(await rowsOf(shifted.oldLogProbs), await rowsOf(rollouts.oldLogProbs));

  // One program for each temperature: it is no number that a program reads.
  const { collect, evaluate } = grpo({ groupSize: 2 });
  const loss = compile((params: Parameters, batch: Rollouts) => {
    const model = modelOf(policy, params);
    return evaluationLoss(evaluate(model, collect(model, batch, context), context));
  });
  const moved = { ...rollouts, rewards: tensor([1, 0, 0.5, 1]) };
  const [hot, cold] = [loss(params, moved), loss(params, { ...moved, temperature: 0.5 })];
  assertEquals(await hot.item() === await cold.item(), false);
  assertEquals(loss.statistics().length, 2);
});
