/** A plan in Markdown, with the parts that only some plans have, and without them. */
import { assertEquals } from "@std/assert";
import { planDigest, type StudyPlan } from "../../../cli/study/plan.ts";
import { planMarkdown } from "../../../cli/study/plan_text.ts";

const plan: StudyPlan = {
  ...{ seeds: 2, selectionSeeds: 1, rates: [0.1], isWholeGrid: false, samples: 3 },
  ...{ helpers: [], base: { layers: 1 }, shared: { steps: 9 } },
  arms: [{ name: "sft", about: "more", settings: { objective: "sft" } }],
};

Deno.test("a small plan is told in a few lines", () => {
  assertEquals(
    planMarkdown(plan),
    `Digest of the plan: \`${planDigest(plan)}\`

Seeds: 0 to 1. Settings are chosen on validation data of seeds 0. Answers to a test question: 3 sampled, one greedy. Trials: at most 4.

Checkpoint: layers 1.

All arms: steps 9.

| arm | what it is | settings | learning rates | seeds |
| --- | --: | --: | --: | --: |
| sft | more | objective sft | 0.1 | 2 |

`,
  );
});

Deno.test("a plan with tasks, exposure, stages, helpers, claims and a budget tells all of them", () => {
  const large: StudyPlan = {
    ...plan,
    ...{ firstSeed: 5, tasks: ["maze", "word"], probed: 7, projected: 4 },
    shared: { tokenBudget: 1000 },
    arms: [{
      ...{ name: "rl", about: "rewards", seeds: 1, settings: { objective: "grpo" } },
      before: [{ share: 0.25, settings: { objective: "sft" } }],
    }],
    helpers: [{ name: "teacher", about: "a judge", settings: { width: 8 } }],
    claims: [{ arm: "rl", against: "sft", measure: "exact_match", meaning: "it helps" }],
  };
  assertEquals(
    planMarkdown(large),
    `Digest of the plan: \`${planDigest(large)}\`

Seeds: 5 to 6, which have the tasks maze, word in turn. Settings are chosen on validation data of seeds 5. Answers to a test question: 3 sampled, one greedy. Exposure is measured by 7 of the questions. Gradients are compared on 4 of them, at the checkpoint. Trials: at most 5.

Checkpoint: layers 1.

All arms: tokenBudget 1000.

| arm | what it is | settings | learning rates | seeds |
| --- | --: | --: | --: | --: |
| rl | rewards | 25 % of the budget: objective sft; then objective grpo | 0.1 | 1 |

Beside the arms: teacher, a judge (width 8).

| claim | measure | what it would mean |
| --- | --: | --: |
| rl > sft | exact_match | it helps |

Every arm ends with the step that brings its cost to 1000 tokens: those that any model reads or writes, and twice those with a gradient. teacher costs extra, and is reported beside.
`,
  );
});
