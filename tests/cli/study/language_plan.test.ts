/** The study on a pretrained model: its plan on a user's files, and a trial that is measured by a teacher. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { wasm } from "@unitune/core";
import {
  type GivenSettings,
  requireBudgets,
  requireShared,
  trainSettings,
  UserError,
} from "@unitune/training";
import { gridOf } from "../../../cli/study/arms.ts";
import { claimText, judgedClaims } from "../../../cli/study/claims.ts";
import { believers } from "../../../cli/study/beliefs.ts";
import type { LanguageMaterial } from "../../../cli/study/language_plan.ts";
import { planDigest } from "../../../cli/study/plan.ts";
import { planMarkdown } from "../../../cli/study/plan_text.ts";
import { primaryOf } from "../../../cli/study/primary.ts";
import { progressOf } from "../../../cli/study/progress.ts";
import { bestPoint } from "../../../cli/study/results.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { studyLines, studyRows, studyTried } from "../../../cli/study/table.ts";
import { carryOutTrial, readTrialResult, type TrialResult } from "../../../cli/study/trial.ts";
import { trialsOf } from "../../../cli/study/trials.ts";
import { verdictOf } from "../../../cli/study/verdict.ts";
import { compare, inFolder } from "../command.ts";

const material: LanguageMaterial = {
  ...{ model: "lm", teacher: "better", data: "rows.jsonl" },
  columns: { promptColumn: "question" },
  files: { "lm": "aa", "better": "bb", "rows.jsonl": "cc" },
};
const choice = { study: "language", noise: 0, material } as const;
const whole = studyPlan({ ...choice, quick: false });
const quick = studyPlan({ ...choice, quick: true });

Deno.test("all arms start from one checkpoint of the model, on the rows of the file, at one budget", () => {
  for (const plan of [whole, quick]) {
    const trials = trialsOf(plan, "f");
    const seed = plan.firstSeed ?? 0;
    const [base = {}] = trials.base(seed).stages;
    assertEquals([base.model, base.data, base.promptColumn], ["lm", "rows.jsonl", "question"]);
    for (const arm of plan.arms) {
      for (const point of gridOf(arm, plan.rates, plan.isWholeGrid)) {
        const stages = trials.of(arm, point, seed).stages.map((given) => trainSettings(given));
        requireShared(stages);
        requireBudgets(stages);
        for (const { data, model, from, dataSeed } of stages) {
          assertEquals(
            [data, model, from, dataSeed],
            ["rows.jsonl", undefined, `f/runs/base/seed-${seed}`, undefined],
          );
        }
        assertEquals(stages.at(-1)?.tokenBudget, plan.shared.tokenBudget);
        // The user's better model teaches where a teacher is needed, and nowhere else.
        const taught = stages.map(({ teacher }) => teacher);
        assertEquals(
          taught,
          arm.name === "sft-then-distillation" ? [undefined, "better"] : [undefined],
        );
      }
    }
    assertEquals(plan.judge, "better");
    assertGreater(plan.probed ?? 0, 0);
  }
  assertEquals([whole.seeds, quick.firstSeed], [10, 1000]);
});

Deno.test("the digest of a plan is of what its files hold, wherever they are", () => {
  const moved = studyPlan({
    ...choice,
    quick: false,
    material: {
      ...{ ...material, model: "x/lm", teacher: "x/better", data: "x/rows.jsonl" },
      files: { "x/lm": "aa", "x/better": "bb", "x/rows.jsonl": "cc" },
    },
  });
  assertEquals(planDigest(moved), planDigest(whole));
  for (const path of ["lm", "better", "rows.jsonl"]) {
    const files = { ...material.files, [path]: "dd" };
    const changed = studyPlan({ ...choice, quick: false, material: { ...material, files } });
    assert(planDigest(changed) !== planDigest(whole), path);
  }
  const text = planMarkdown(whole);
  for (const digest of ["aa", "bb", "cc"]) assertMatch(text, new RegExp(`\`${digest}\``));
  assertMatch(text, /decided by own_kl, of which less is better/);
});

Deno.test("rows of a file have no noise, and a study needs its files", () => {
  assertThrows(() => studyPlan({ ...choice, quick: false, noise: 0.1 }), UserError, "--noise");
  const { material: _, ...without } = choice;
  assertThrows(() => studyPlan({ ...without, quick: false }), RangeError, "without its files");
});

inFolder(
  "flags of the language study are named where they are missing or foreign",
  async (folder) => {
    const missing = await compare("--study", "language", "--plan", "--model", folder);
    assertEquals(missing.code, 2);
    assertMatch(missing.stderr, /needs --model.*--teacher.*--data/s);
    const foreign = await compare("--plan", "--completion-column", "answer");
    assertEquals(foreign.code, 2);
    assertMatch(foreign.stderr, /--completion-column is a flag of --study language/);
    const lost = await compare(
      ...["--study", "language", "--plan", "--model", folder, "--teacher", folder],
      ...["--data", `${folder}/none.jsonl`],
    );
    assertEquals(lost.code, 1);
    assertMatch(lost.stderr, /--data .*none\.jsonl: there is no such file/);
    const several = await compare(
      ...["--study", "language", "--plan", "--model", folder, "--teacher", folder],
      ...["--data", folder],
    );
    assertMatch(several.stderr, /the study reads one file of rows/);
    await Deno.writeTextFile(`${folder}/rows.jsonl`, "{}\n");
    const nowhere = await compare(
      ...["--study", "language", "--plan", "--model", folder, "--teacher", `${folder}/none`],
      ...["--data", `${folder}/rows.jsonl`],
    );
    assertEquals(nowhere.code, 1);
    assertMatch(nowhere.stderr, /--teacher .*none: there is no such folder/);
  },
);

/** Results in which `ift` is nearer to the better model than `sft`, and `ift-reach` farther away. */
const seeds = [0, 1, 2, 3];
const own = (arm: string, point: string, seed: number, own_kl: number): TrialResult => ({
  ...{ arm, point, seed, run: "", weights: "" },
  measures: { own_kl, "validation/own_kl": own_kl, "exact_match": 0 },
  cost: { examples: 0, forwardTokens: 0, backwardTokens: 0 },
});
const noise = [0.01, -0.01, 0.02, 0];
const results = {
  chosen: { "sft": "", "ift": "", "ift-reach": "" },
  results: seeds.flatMap((seed) => [
    own("sft", "", seed, 1 + (noise[seed] ?? 0)),
    own("ift", "", seed, 0.5),
    own("ift-reach", "", seed, 2),
  ]),
};
const primary = primaryOf(whole);
const measured = {
  ...whole,
  seeds: seeds.length,
  arms: whole.arms.filter(({ name }) => ["sft", "ift", "ift-reach"].includes(name)),
};

Deno.test("less of a divergence is better: in the choice, the claims, the verdict and the order", () => {
  const point = (name: string, value: number) => ({
    point: { name, settings: {} },
    results: [own("ift", name, 0, value)],
  });
  assertEquals(bestPoint([point("a", 2), point("b", 1), point("c", 3)], primary)?.name, "b");
  // A point that was not measured does not win.
  const unmeasured = {
    point: { name: "d", settings: {} },
    results: [{ ...own("ift", "d", 0, 0), measures: {} }],
  };
  assertEquals(bestPoint([unmeasured, point("b", 1)], primary)?.name, "b");
  const claims = judgedClaims({
    ...measured,
    claims: [
      { arm: "ift", against: "sft", measure: "own_kl", isLess: true, meaning: "" },
      { arm: "ift-reach", against: "sft", measure: "own_kl", isLess: true, meaning: "" },
      { arm: "ift-reach", against: "sft", measure: "own_kl", meaning: "" },
    ],
  }, results);
  assertEquals(claims.map(({ outcome }) => outcome), ["holds", "refuted", "holds"]);
  assertEquals(claims.map(claimText), ["ift < sft", "ift-reach < sft", "ift-reach > sft"]);
  const rows = studyRows(measured, results);
  const [better = "", worse = ""] = verdictOf(rows, { primary });
  assertMatch(better, /^Better than further SFT in divergence in own states: ift -0\.505/);
  assertMatch(worse, /^Worse than further SFT: ift-reach \+0\.995/);
  assertEquals(believers(measured, results), ["base", "sft", "ift", "ift-reach"]);
  const [head = ""] = studyLines(rows, primary);
  assertMatch(head, /^\s+own KL\s+own KL - sft\s+wins\s+exact/);
  assertEquals(studyTried(measured, results)[1], ": 0.500".replace(/^/, "ift: "));
});

inFolder(
  "a trial of rows is measured by the better model, on a half that chose nothing",
  async (folder) => {
    const rows = Array.from({ length: 60 }, (_, i) =>
      JSON.stringify({
        prompt: `say ${i}`,
        completion: `${i} it is`,
      }));
    const data = `${folder}/rows.jsonl`;
    await Deno.writeTextFile(data, rows.join("\n"));
    const common = {
      ...{ data, steps: 1, batchSize: 4, gradientAccumulation: 1, warmupSteps: 0, evalSteps: 100 },
      ...{ evalExamples: 4, evalAnswers: 4, validationShare: 0.2 },
    };
    const { signal } = new AbortController();
    const measuresOf = async (arm: string, given: GivenSettings, judge?: string) => {
      const trial = { arm, point: "", seed: 0, stages: [{ ...common, ...given }] };
      const asked = { samples: 1, probed: 2, ...judge !== undefined && { judge } };
      await carryOutTrial({ trial, folder, asked, device: wasm(), signal });
      return (await readTrialResult(folder, trial))?.measures ?? {};
    };
    const sizes = { layers: 1, heads: 1, width: 8, context: 64 };
    const unjudged = await measuresOf("larger", sizes);
    assert(!("own_kl" in unjudged));
    const judge = `${folder}/runs/larger/seed-0`;
    // A model that has learned hardly anything more is the better model itself.
    const same = await measuresOf("base", { model: judge, learningRate: 1e-12 }, judge);
    for (const name of ["gold_kl", "own_kl", "validation/gold_kl", "validation/own_kl"]) {
      // Weights move by 1e-12 at most, and probabilities are known to 1e-7.
      assertAlmostEquals(same[name] ?? NaN, 0, 1e-6, name);
    }
    const base = `${folder}/runs/base/seed-0`;
    const further = await measuresOf("sft", { from: base, learningRate: 0.1 }, judge);
    assertGreater(further.gold_kl, 0);
    assertGreater(further.kl_to_start, 0);
    assert(
      further.gold_kl !== further["validation/gold_kl"],
      "both halves have the same questions",
    );
    // Its curve is of the loss on the validation rows, before and after its one step.
    const trained = await readTrialResult(folder, { arm: "sft", point: "", seed: 0 });
    const plan = { ...whole, shared: { data } };
    const found = { chosen: { sft: "" }, results: trained === undefined ? [] : [trained] };
    const { points } = await progressOf(folder, plan, found, "sft");
    assertEquals(points.map(({ x }) => x), [0, 1]);
    for (const { y } of points) assertGreater(y, 0);
  },
);
