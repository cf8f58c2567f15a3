/** The plan of the study of exposure: what all arms share, what is written down, what it claims. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { wasm } from "@unitune/core";
import {
  type GivenSettings,
  requireBudgets,
  requireShared,
  trainSettings,
} from "@unitune/training";
import { gridOf } from "../../../cli/study/arms.ts";
import { readBeliefs } from "../../../cli/study/beliefs.ts";
import { settingsDigest } from "../../../cli/study/compact.ts";
import { comparedOnGold } from "../../../cli/study/exposure/compared.ts";
import { planDigest } from "../../../cli/study/plan.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { planMarkdown } from "../../../cli/study/plan_text.ts";
import { countsOf, countTrials, type StudyPlan } from "../../../cli/study/plan.ts";
import { trialsOf } from "../../../cli/study/trials.ts";
import { carryOutTrial, readTrialResult } from "../../../cli/study/trial.ts";
import { compare, inFolder } from "../command.ts";

const choice = { study: "exposure", noise: 0 } as const;
const whole = studyPlan({ ...choice, quick: false });
const quick = studyPlan({ ...choice, quick: true });

/** Every trial of an arm or helper with the points of its grid, on the first seed. */
function firstTrials(plan: StudyPlan) {
  const trials = trialsOf(plan, "f");
  const [seed = NaN] = [plan.firstSeed ?? 0];
  return plan.arms.flatMap((arm) =>
    gridOf(arm, plan.rates, plan.isWholeGrid).map((point) => ({
      arm,
      trial: trials.of(arm, point, seed),
      needs: trials.needs(arm, seed),
    }))
  );
}

Deno.test("all arms have one budget, one checkpoint and the same rows, and stages share the budget", () => {
  for (const plan of [whole, quick]) {
    const { tokenBudget = NaN, examples } = plan.shared;
    const [task] = plan.tasks ?? [];
    // One arm answers all of its prompts before its first step, and so has fewer.
    const fewer = plan.arms.filter(({ settings }) => "examples" in settings);
    assert(fewer.every(({ name }) => name === "sft-then-dpo"));
    assertGreater(tokenBudget, 0);
    for (const { arm, trial, needs } of firstTrials(plan)) {
      const stages = trial.stages.map((given) => trainSettings(given));
      requireShared(stages);
      requireBudgets(stages);
      assertEquals(stages.at(-1)?.tokenBudget, tokenBudget, arm.name);
      assertEquals(
        stages.slice(0, -1).map((stage) => stage.tokenBudget),
        (arm.before ?? []).map(() => tokenBudget / 2),
      );
      for (const stage of stages) {
        assertEquals([stage.tasks, stage.examples, stage.from], [
          ...[task, arm.settings.examples ?? examples],
          `f/runs/base/seed-${plan.firstSeed ?? 0}`,
        ]);
      }
      // A trial starts from its checkpoint, and from its teacher.
      assertEquals(needs.map((need) => need.arm), [
        "base",
        ...arm.teacher === undefined ? [] : [arm.teacher],
      ]);
      if (arm.teacher === undefined) continue;
      const [, lender] = needs;
      assertEquals(stages[0]?.teacher, `f/runs/teacher/as-it-is/seed-${lender?.seed}`);
      // The teacher is a model of its own, and larger than the policy.
      const [its = {}] = lender?.stages ?? [];
      assertEquals(its.from, undefined);
      assertGreater(Number(its.width), Number(plan.base.width));
    }
  }
});

Deno.test("a trial's settings have one digest wherever its files are, and another if they change", () => {
  const [first] = firstTrials(whole);
  assert(first !== undefined);
  const elsewhere = trialsOf(whole, "elsewhere").of(first.arm, {
    name: first.trial.point,
    settings: { learningRate: Number(first.trial.stages[0]?.learningRate) },
  }, 0);
  assertEquals(settingsDigest(elsewhere), settingsDigest(first.trial));
  const [stage = {}] = first.trial.stages;
  const changed = { stages: [{ ...stage, batchSize: 31 }] };
  assert(settingsDigest(changed) !== settingsDigest(first.trial));
});

Deno.test("seeds have the tasks in turn, and settings are chosen on one seed of each", () => {
  const { tasks = [] } = whole;
  const trials = trialsOf(whole, "f");
  const own = (seed: number) => trials.base(seed).stages[0]?.tasks;
  assertEquals([0, 1, 4, 5, 14].map(own), ["carry", "order", "word", "carry", "word"]);
  assertEquals([whole.selectionSeeds, whole.seeds % tasks.length], [tasks.length, 0]);
  // A seed of the quick form has another task than one of the whole form would, and that is its own.
  assertEquals(trialsOf(quick, "f").base(1001).stages[0]?.tasks, "trace");
});

Deno.test("claims are on arms with all seeds, of which there are fifteen", () => {
  const names = new Map(whole.arms.map((arm) => [arm.name, arm]));
  for (const { arm, against } of whole.claims ?? []) {
    for (const name of [arm, against]) assertEquals(names.get(name)?.seeds, undefined, name);
  }
  assertEquals([whole.seeds, whole.firstSeed ?? 0], [15, 0]);
  // The quick form has seeds that chose nothing, and claims only on its own arms.
  assertGreater(quick.firstSeed ?? 0, whole.seeds);
  assertEquals([quick.base, quick.shared], [whole.base, whole.shared]);
  const { seeds, selectionSeeds, samples, probed, projected } = quick;
  assertEquals([seeds, selectionSeeds, samples, probed, projected], [4, 1, 4, 50, 16]);
  const own = quick.arms.map(({ name }) => name);
  const claims = quick.claims ?? [];
  assertGreater(claims.length, 0);
  for (const { arm, against } of claims) assert(own.includes(arm) && own.includes(against));
});

Deno.test("trials are counted by arm: grids on the seeds that choose, one trial on each other", () => {
  const counts = countsOf(whole);
  const { length: rates } = whole.rates;
  assertEquals(counts.get("base"), 15);
  assertEquals(counts.get("sft"), 5 * rates + 10);
  assertEquals(counts.get("dft"), 5 * rates);
  assertEquals(
    countTrials(whole),
    [...counts.values()].reduce((total, count) => total + count),
  );
});

inFolder("a trial is measured by its exposure where the plan says so", async (folder) => {
  for (const { probed, projected } of [whole, quick]) {
    for (const count of [probed, projected]) assertGreater(count ?? 0, 0);
  }
  const settings = {
    ...{ tasks: "order", examples: 8, steps: 1, batchSize: 4, warmupSteps: 0, evalSteps: 100 },
    ...{ evalExamples: 1, evalAnswers: 1 },
  };
  const measuresOf = async (arm: string, given: GivenSettings) => {
    const trial = { arm, point: "", seed: 0, stages: [{ ...settings, ...given }] };
    const { signal } = new AbortController();
    const asked = { samples: 1, probed: 2, projected: 2 };
    await carryOutTrial({ trial, folder, asked, device: wasm(), signal });
    return (await readTrialResult(folder, trial))?.measures ?? {};
  };
  const checkpoint = await measuresOf("base", { layers: 1, heads: 1, width: 8, context: 96 });
  for (const name of ["token_gap", "step_gap", "step_recovery", "state_distance"]) {
    assert(name in checkpoint, name);
  }
  for (const name of Object.keys(comparedOnGold)) assert(`step_cosine/${name}` in checkpoint, name);
  // The page asks the models of a seed a question of that seed's task.
  const result = await readTrialResult(folder, { arm: "base", point: "", seed: 0 });
  using device = wasm();
  const { prompt = "" } = await readBeliefs({
    ...{ folder, device, plan: { ...whole, tasks: ["order"] } },
    results: { chosen: {}, results: result === undefined ? [] : [result] },
  }) ?? {};
  assertMatch(prompt, /^order \d/);
  // An arm without a teacher has no gradients of its own; one with a teacher has them where it starts.
  const run = `${folder}/runs/base/seed-0`;
  const taught = await measuresOf("taught", {
    ...{ from: run, teacher: run, objective: "on-policy-distillation" },
  });
  assert("step_cosine/taught" in taught);
  assertEquals(taught.projection_step_reward, checkpoint.projection_step_reward);
  assertEquals(Object.keys(taught).filter((name) => name.startsWith("cosine/")), ["cosine/taught"]);
});

/** A Markdown text without what its formatter changes. */
const plain = (text: string) => text.replaceAll(/-+:?/g, "-").replaceAll(/\s+/g, " ").trim();

Deno.test("docs/study_two_plan.md has the plan that the command carries out", async () => {
  const document = await Deno.readTextFile("docs/study_two_plan.md");
  assertStringIncludes(plain(document), plain(planMarkdown(whole)));
  assertStringIncludes(document, planDigest(whole));
  const { code, stdout } = await compare("--study", "exposure", "--plan");
  assertEquals({ code, stdout }, { code: 0, stdout: `${planMarkdown(whole)}\n` });
});
