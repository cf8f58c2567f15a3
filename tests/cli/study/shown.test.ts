/** The numbers of a study's tables and pages, one by one, and what follows from its plan alone. */
import { assert, assertEquals } from "@std/assert";
import { rangeOf, studyRecordPage } from "../../../cli/study/study_page.ts";
import { type StudyName, studyPlan } from "../../../cli/study/studies.ts";
import { cellsOf, shownMeasures, studyColumns, studyRows } from "../../../cli/study/table.ts";
import { claimCells } from "../../../cli/study/claims.ts";
import { primaryOf } from "../../../cli/study/primary.ts";
import { bestPoint } from "../../../cli/study/results.ts";
import { scheduleOf } from "../../../cli/study/schedule.ts";
import { trialsOf } from "../../../cli/study/trials.ts";
import { progressOf } from "../../../cli/study/progress.ts";
import { inFolder, writeRows } from "../command.ts";
import { study } from "../report/records.ts";

const { plan, results } = study;
const [like] = results.results;
if (like === undefined) throw new Error("the study has results");

/** A result of an arm on a seed with some measures. */
const result = (arm: string, seed: number, measures: Readonly<Record<string, number>>) => ({
  ...like,
  ...{ arm, seed, measures, point: arm === "base" ? "" : "p" },
});

/** The rows of a study of two arms. */
const rowsOf = (own: readonly ReturnType<typeof result>[]) =>
  studyRows({ ...plan, arms: plan.arms.slice(0, 2) }, {
    ...{ chosen: { sft: "p", ift: "p" }, results: own },
  });

Deno.test("each measure has its decimals, of which the others have none", () => {
  const value = 0.123456;
  for (const { measure, title } of shownMeasures) {
    const rows = rowsOf([result("sft", 0, { [measure]: value })]);
    const [head = [], , sft = []] = cellsOf(rows, studyColumns(rows));
    const digits = ["sampled_entropy", "length"].includes(measure) ? 2 : 3;
    assertEquals(sft[head.indexOf(title)], value.toFixed(digits), measure);
  }
});

Deno.test("a seed on which both arms are equal is neither won nor lost, and costs are means", () => {
  const arm = (name: string, matches: readonly number[]) =>
    matches.map((exact_match, seed) => result(name, seed, { exact_match }));
  const rows = rowsOf([
    ...arm("sft", [0.5, 0.5, 0.5, 0, 1]),
    ...arm("ift", [0.75, 0.5, 0.5, 1, 0]),
  ]);
  assertEquals(rows.map(({ wins }) => wins), [[0, 0, 0], [0, 5, 0], [2, 2, 1]]);
  const { examples, forwardTokens, backwardTokens } = like.cost;
  const cost = [examples / 1000, forwardTokens / 1000, backwardTokens / 1000] as const;
  assertEquals(rows.map((row) => row.cost), [[0, 0, 0], cost, cost]);
});

Deno.test("of points that were tried, one without a measure counts as never right", () => {
  const point = (name: string, matches: readonly (number | undefined)[]) => ({
    point: { name, settings: {} },
    results: matches.map((match, seed) =>
      result("sft", seed, match === undefined ? {} : { "validation/exact_match": match })
    ),
  });
  const best = (...tried: readonly ReturnType<typeof point>[]) =>
    bestPoint(tried, primaryOf({}))?.name;
  assertEquals(best(point("a", [undefined, 0.5]), point("b", [0.25, 0.125])), "a");
  assertEquals(best(point("a", [undefined, 0.5]), point("b", [0.5, 0.125])), "b");
  assertEquals(best(point("a", [0.5]), point("b", [0.5])), "a");
  assertEquals(best(), undefined);
});

Deno.test("the page tells who gave an answer, and shows first what most arms have answered", () => {
  const { beliefs } = study;
  assert(beliefs !== undefined);
  const [answer] = study.answers;
  assert(answer !== undefined);
  const counts = [1, 3, 2];
  const page = studyRecordPage({
    ...study,
    beliefs: { ...beliefs, answeredBy: "ift" },
    answers: counts.flatMap((count, prompt) =>
      Array.from({ length: count }, (_, i) => ({ ...answer, arm: `a${i}`, prompt: `p${count}` }))
        .map((own) => ({ ...own, gold: `gold ${prompt}` }))
    ),
  });
  assert(page.includes("an answer of ift <code"));
  const places = counts.toSorted().toReversed().map((count) => page.indexOf(`>p${count}<`));
  assert(places.every((place) => place > 0));
  assertEquals(places, places.toSorted((a, b) => a - b));
  assert(studyRecordPage(study).includes("a right answer <code"));
});

Deno.test("what is left of a study takes as long as what is done, arm by arm", () => {
  const own = { ...plan, helpers: [], arms: plan.arms.slice(0, 2), seeds: 3 };
  const trial = (arm: string, seed: number, seconds: number) => ({
    ...result(arm, seed, {}),
    ...{ settings: "", commit: "", seconds },
  });
  assertEquals(scheduleOf(own, []), { done: 0, total: 9, spent: 0 });
  // Trials whose time is not known say nothing of the others.
  assertEquals(scheduleOf(own, [trial("sft", 0, 0)]), { done: 1, total: 9, spent: 0 });
  const done = [trial("base", 0, 1), trial("sft", 0, 5), trial("sft", 1, 0), trial("sft", 2, 0)];
  // Two checkpoints of a second, and three trials of the mean of all.
  assertEquals(scheduleOf(own, done), { done: 4, total: 9, spent: 6, left: 2 + 3 * 3 });
  assertEquals(scheduleOf(own, done.slice(0, 3)).left, 2 + 5 + 3 * 3);
  const more = [...done, trial("sft", 3, 5)];
  assertEquals(scheduleOf(own, more).left, 2 + 3 * 11 / 3);
});

Deno.test("a helper that is new needs nothing, and any other the checkpoint of its seed", () => {
  const helper = { name: "teacher", about: "", settings: { objective: "sft" } };
  const own = { ...plan, helpers: [{ ...helper, isNew: true }], base: {}, shared: {} };
  const trials = trialsOf(own, "f");
  const needs = (arm: Parameters<typeof trials.needs>[0]) =>
    trials.needs(arm, 2).map(({ arm, seed }) => [arm, seed]);
  assertEquals(needs({ ...helper, isNew: true }), []);
  assertEquals(needs(helper), [["base", 2]]);
  assertEquals(needs({ ...helper, teacher: "teacher" }), [["base", 2], ["teacher", 2]]);
});

Deno.test("a probability has three decimals, or is told to be below 0.001", () => {
  const claim = { arm: "ift", against: "sft", measure: "exact_match", meaning: "it helps" };
  const difference = { mean: 0.5, low: 0.25, high: 0.75, count: 5 };
  const shown = (adjusted: number) =>
    claimCells([{ ...claim, difference, test: undefined, adjusted, outcome: "holds" }])[1];
  assertEquals(shown(0.0316), [
    ...["ift > sft", "exact_match", "+0.500 [+0.250, +0.750]", "0.032", "", "5", "holds"],
  ]);
  assertEquals([0.001, 0.00099, 1].map((p) => shown(p)?.[3]), ["0.001", "<0.001", "1.000"]);
});

Deno.test("trials log and save as often as their plan says, and else seldom", () => {
  const [stage = {}] = trialsOf({ ...plan, base: {}, shared: {} }, "f").base(0).stages;
  const often = trialsOf({ ...plan, base: { evalSteps: 7, loggingSteps: 3 } }, "f").base(0).stages;
  assertEquals([stage.evalSteps, stage.saveSteps, stage.loggingSteps], [1_000_000, 250, 20]);
  assertEquals([often[0]?.evalSteps, often[0]?.saveSteps, often[0]?.loggingSteps], [7, 250, 3]);
});

inFolder(
  "a curve over tokens needs no more than one run, and has no point without any",
  async (folder) => {
    const own = { ...plan, shared: { tokenBudget: 8e6 } };
    const run = result("sft", 0, {});
    const path = `${folder}/${run.run}`;
    await Deno.mkdir(path, { recursive: true });
    const lines = [
      { step: 0, split: "held-out", eval_exact_match: 0.25 },
      { step: 9, loss: 1, "cost/forward_tokens": 4e6, "cost/backward_tokens": 2e6 },
      { step: 9, split: "held-out", eval_exact_match: 0.75 },
      // Its cost was not logged.
      { step: 10, split: "held-out", eval_exact_match: 1 },
    ];
    const pointsOf = async (some: readonly unknown[]) => {
      await writeRows(`${path}/metrics.jsonl`, some);
      const { points } = await progressOf(
        folder,
        own,
        { chosen: { sft: "p" }, results: [run] },
        "sft",
      );
      return points.map(({ x, y }) => [x, y]);
    };
    assertEquals((await pointsOf(lines)).filter((_, i) => i % 4 === 0), [[0, 0.25], [4, 0.5], [
      8,
      0.75,
    ]]);
    assertEquals(await pointsOf(lines.slice(1, 2)), []);
  },
);

Deno.test("each form of a study has its seeds, its samples and its arms, unless others are chosen", () => {
  const sizes = (study: StudyName, quick: boolean) => {
    const { firstSeed, seeds, selectionSeeds, samples, rates } = studyPlan({
      ...{ study, quick, noise: 0 },
    });
    return [firstSeed, seeds, selectionSeeds, samples, rates.length];
  };
  assertEquals(sizes("objectives", false), [undefined, 5, 2, 8, 4]);
  assertEquals(sizes("objectives", true), [undefined, 5, 1, 4, 2]);
  assertEquals(sizes("exposure", false), [undefined, 15, 5, 4, 2]);
  assertEquals(sizes("exposure", true), [1000, 4, 1, 4, 1]);
  // Others than those of the quick form can be named, beside what they are compared with.
  const chosen = studyPlan({ quick: true, noise: 0.5, seeds: 2, firstSeed: 7, arms: "KTO,ppo" });
  assertEquals(chosen.arms.map(({ name }) => name), ["sft", "kto", "ppo"]);
  assertEquals([chosen.seeds, chosen.firstSeed, chosen.base.noise, chosen.shared.noise], [
    ...[2, 7, 0.5, 0.5],
  ]);
});

Deno.test("the range of curves has their bands, of fractions as far as these can go", () => {
  const curve = (...points: readonly { readonly y: number; low?: number; high?: number }[]) => ({
    ...{ name: "a", points: points.map((point, x) => ({ x, ...point })) },
  });
  const curves = [curve({ y: 0.5 }, { y: 0.25, low: -0.5, high: 1.5 }), curve({ y: NaN })];
  assertEquals([true, false].map((isFraction) => rangeOf(curves, isFraction)), [
    ...[[0, 1], [-0.5, 1.5]] as const,
  ]);
  const within = [curve({ y: 0.5, low: 0.25, high: 0.75 })];
  assertEquals(rangeOf(within, true), [0.25, 0.75]);
  assertEquals(rangeOf([curve({ y: 3 }, { y: 2 })], false), [2, 3]);
  assertEquals([rangeOf([], true), rangeOf([curve({ y: NaN })], true)], [undefined, undefined]);
});
