/** A trial that compares answers: its measures of held-out pairs are those that its run has logged. */
import { assert, assertEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import type { GivenSettings } from "@unitune/training";
import { carryOutTrial, readTrialResult } from "../../../cli/study/trial.ts";
import { inFolder, readRows } from "../command.ts";

inFolder(
  "the margins of pairs are those before the first step and after the last",
  async (folder) => {
    const settings = {
      ...{ tasks: "sort", examples: 40, steps: 2, batchSize: 4, warmupSteps: 0, evalSteps: 1 },
      ...{ evalExamples: 4, evalAnswers: 1, learningRate: 0.01 },
    };
    const measuresOf = async (arm: string, given: GivenSettings) => {
      const trial = { arm, point: "", seed: 0, stages: [{ ...settings, ...given }] };
      const { signal } = new AbortController();
      using device = wasm();
      const isDone = await carryOutTrial({ trial, folder, asked: { samples: 1 }, device, signal });
      assertEquals(isDone, true);
      return (await readTrialResult(folder, trial))?.measures ?? {};
    };
    const base = await measuresOf("base", { layers: 1, heads: 1, width: 8 });
    assert(!Object.keys(base).some((name) => name.startsWith("pairs/")));
    const dpo = await measuresOf("dpo", { objective: "dpo", from: `${folder}/runs/base/seed-0` });
    const lines = (await readRows(`${folder}/runs/dpo/seed-0/metrics.jsonl`))
      .filter((line) => "eval_rewards/accuracies" in line);
    assertEquals(lines.map(({ step }) => step), [0, 1, 2]);
    const [first, , last] = lines;
    assertEquals(
      [dpo["pairs/accuracy"], dpo["pairs/margin_before"], dpo["pairs/margin"]],
      [
        last?.["eval_rewards/accuracies"],
        first?.["eval_rewards/margins"],
        last?.["eval_rewards/margins"],
      ],
    );
    assertEquals(dpo["pairs/margin_before"], 0);
    assert(dpo["pairs/margin"] !== 0);
  },
);
