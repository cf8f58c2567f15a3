/** The arms of the study, and the points that are tried of each. */
import { assert, assertEquals } from "@std/assert";
import { arms, gridOf, rewardModelArm } from "../../../cli/study/arms.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { isTrialResult } from "../../../cli/study/trial.ts";

const [whole, quick] = [false, true].map((quick) =>
  studyPlan({ quick, firstSeed: 0, seeds: 2, noise: 0 })
);

Deno.test("each arm has its settings, and tries its rates with what is its own", () => {
  assert(whole !== undefined && quick !== undefined);
  assertEquals([whole.selectionSeeds, quick.selectionSeeds], [2, 1]);
  assertEquals(quick.arms.map(({ name }) => name), [
    ...["sft", "sft-early", "dft", "ift", "dpo", "orpo", "ppo", "grpo"],
  ]);
  assertEquals(whole.arms, arms);
  const pointsIn = ({ rates, isWholeGrid }: typeof whole) =>
    Object.fromEntries(arms.map((arm) => [
      arm.name,
      gridOf(arm, rates, isWholeGrid).map(({ settings }) => Object.values(settings).join(" ")),
    ]));
  const plain = ["0.0001", "0.0003", "0.001", "0.003"];
  const sampled = ["0.00003", "0.00009", "0.0003", "0.0009"];
  const paired = ["0.00001", "0.00003", "0.0001", "0.0003"];
  const each = (rates: readonly string[], values: readonly number[]) =>
    rates.flatMap((rate) => values.map((value) => `${rate} ${value}`));
  assertEquals(pointsIn(whole), {
    "sft": plain,
    "sft-early": each(plain, [50, 100, 200]),
    "dft": plain,
    "ift": plain,
    "ift-detached": plain,
    "ift-lambda": plain,
    "ift-propagation": plain,
    "dpo": each(paired, [0.1, 0.5]),
    "ipo": each(paired, [0.1, 0.5]),
    "kto": each(paired, [0.1, 0.5]),
    "orpo": each(plain, [0.1, 0.5]),
    "simpo": paired,
    "ppo": sampled,
    "grpo": sampled,
    "rloo": sampled,
  });
  const few = pointsIn(quick);
  assertEquals([few.sft, few["sft-early"], few.dpo, few.grpo], [
    ["0.001", "0.003"],
    ["0.001 50", "0.003 50"],
    ["0.0001 0.1", "0.0003 0.1"],
    ["0.0003", "0.0009"],
  ]);
  const others = arms.flatMap(({ settings: { objective, ...own } }) =>
    Object.keys(own).length === 0 ? [] : [[objective, own]]
  );
  assertEquals(others, [
    ["ift", { propagation: "as-run-detached" }],
    ["ift", { propagation: "none" }],
    ["ift", { lambda: 0 }],
    ["ppo", { batchSize: 128 }],
    ["grpo", { batchSize: 128 }],
    ["rloo", { batchSize: 128 }],
  ]);
  assertEquals([quick.base.learningRate, quick.base.tasks], [1e-3, "pick"]);
  const { examples, steps, learningRate, evalSteps } = rewardModelArm.settings;
  assertEquals([examples, steps, learningRate, evalSteps], [20_000, 600, 2e-3, 1_000_000]);
});

Deno.test("a result of a trial is known by all of its parts", () => {
  const result = {
    ...{ arm: "sft", point: "learningRate-0.001", seed: 0, run: "runs/sft" },
    // JSON has null for NaN.
    measures: { exact_match: 0.5, recovery: null },
    cost: { examples: 1, forwardTokens: 2, backwardTokens: 3 },
  };
  assert(isTrialResult(result));
  assert(isTrialResult({ ...result, point: "", measures: {} }));
  for (const name of Object.keys(result)) {
    assert(!isTrialResult({ ...result, [name]: undefined }), name);
    assert(!isTrialResult({ ...result, [name]: [1] }), name);
  }
  assert(!isTrialResult({ ...result, seed: -1 }) && !isTrialResult({ ...result, seed: 0.5 }));
  assert(!isTrialResult({ ...result, measures: { exact_match: "0.5" } }));
  for (const name of Object.keys(result.cost)) {
    assert(!isTrialResult({ ...result, cost: { ...result.cost, [name]: null } }), name);
  }
  assert(!isTrialResult(null) && !isTrialResult([]));
});
