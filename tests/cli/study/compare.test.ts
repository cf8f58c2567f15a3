/** Studies: intervals, choices by validation data only, going on, the page. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { glossary, glossaryMarkdown, meaningOf } from "../../../cli/report/glossary.ts";
import { arms, gridOf, rewardModelArm } from "../../../cli/study/arms.ts";
import { readUnfinished } from "../../../cli/study/standing.ts";
import { otherThan } from "../../../cli/study/measures.ts";
import { claimCells, claimNote, judgedClaims } from "../../../cli/study/claims.ts";
import {
  bonferroniLevel,
  holmAdjusted,
  pairedDifference,
  pairedTest,
} from "../../../cli/study/statistics.ts";
import { openCompact } from "../../../cli/study/compact.ts";
import { planDigest } from "../../../cli/study/plan.ts";
import { studyPlan } from "../../../cli/study/studies.ts";
import { scheduleOf } from "../../../cli/study/schedule.ts";
import type { TrialResult } from "../../../cli/study/trial.ts";
import { countTrials, type StudyPlan } from "../../../cli/study/plan.ts";
import type { StudyResults } from "../../../cli/study/results.ts";
import { readStudy } from "../../../cli/study/saved_study.ts";
import { carryOutStudy } from "../../../cli/study/study.ts";
import { trialsOf } from "../../../cli/study/trials.ts";
import {
  studyMarkdown,
  studyRemarks,
  studyRows,
  studyRuns,
  studyTried,
} from "../../../cli/study/table.ts";
import { estimateOf, prepare, silentProgress } from "@unitune/cli";
import { collectivesInMemory, trainSettings, UserError } from "@unitune/training";
import { borrowHands, lendHands } from "../../../cli/study/borrowed_hands.ts";
import { errorOf, type HandMaker, ownHands } from "../../../cli/study/workers.ts";
import fc from "fast-check";
import { pause } from "../kill.ts";
import { pooled } from "../../../cli/run/pool.ts";
import { assertRefused, compare, filesIn, inFolder, readRows, report, start } from "../command.ts";
import { requestsOf } from "../requests.ts";

Deno.test("an interval is Student's, of published data", () => {
  // Student's sleep data (Biometrika 1908): the extra hours of ten patients, two drugs; the paired
  // difference is 1.58 with the 95 % interval [0.70, 2.46].
  const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
  const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
  const bySeed = (values: readonly number[]) => new Map(values.map((value, seed) => [seed, value]));
  const { mean = NaN, low = NaN, high = NaN } = pairedDifference(bySeed(second), bySeed(first)) ??
    {};
  assertAlmostEquals(mean, 1.58, 1e-9);
  assertAlmostEquals(low, 0.7001, 1e-4);
  assertAlmostEquals(high, 2.4599, 1e-4);
  assertEquals(pairedDifference(new Map([[0, 1]]), new Map([[1, 1]])), undefined);
});

Deno.test("an interval has the quantile of its degrees of freedom, however many", () => {
  // scipy.stats.t.ppf(0.975, degrees), SciPy 1.17.1.
  const quantiles: readonly (readonly [degrees: number, quantile: number])[] = [
    ...[[1, 12.706204736174694], [2, 4.302652729749462], [3, 3.1824463052837078]] as const,
    ...[[4, 2.7764451051977934], [9, 2.262157162798205], [21, 2.0796138447276795]] as const,
    ...[[30, 2.0422724563012378], [31, 2.039513446396408], [100, 1.9839715185235518]] as const,
    [999, 1.9623414611334493],
  ];
  for (const [degrees, quantile] of quantiles) {
    // One value of 1, one of -1 and zeros have the mean 0 and the sum of squares 2.
    const values = Array.from({ length: degrees + 1 }, (_, i) => i === 0 ? 1 : i === 1 ? -1 : 0);
    const { mean, low, high } = estimateOf(values);
    const error = Math.sqrt(2 / degrees / (degrees + 1));
    assertEquals(mean, 0);
    // Sums of 500 terms are off by some units in the last place.
    assertAlmostEquals(high / error / quantile, 1, 1e-12);
    assertAlmostEquals(low, -high, 1e-15);
  }
  assertThrows(() => estimateOf([]), RangeError, "at least one value");
  assertEquals(estimateOf([5]), { mean: 5, low: NaN, high: NaN, count: 1 });
});

Deno.test("a paired test and its effect size are SciPy's", () => {
  const bySeed = (values: readonly number[]) => new Map(values.map((value, seed) => [seed, value]));
  const none = (count: number) => bySeed(new Array<number>(count).fill(0));
  // scipy.stats.ttest_1samp, and the d whose scipy.stats.nct has 0.025 on either side; SciPy 1.17.1.
  const cases = [
    // Student's sleep data again.
    {
      values: [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4],
      ...{ p: 0.002832890197384273, d: 1.2845575625910546 },
      ...{ low: 0.41462775638044946, high: 2.118016513981601 },
    },
    {
      values: [1, 2],
      ...{ p: 0.20483276469913345, d: 2.1213203435596424 },
      ...{ low: -0.6539329559611072, high: 5.0119288638772534 },
    },
    {
      values: [-1, -2, 0.5, -3, -1.5, 0.25],
      ...{ p: 0.09472991092054767, d: -0.8399850670648771 },
      ...{ low: -1.7585574892040632, high: 0.13501958863019722 },
    },
  ];
  for (const { values, p, d, low, high } of cases) {
    const test = pairedTest(bySeed(values), none(values.length));
    assertAlmostEquals(test?.p ?? NaN, p, 1e-12);
    assertAlmostEquals(test?.effect.mean ?? NaN, d, 1e-12);
    // Simpson's rule over ten deviations, and SciPy's own series; over nine it would be 3e-8.
    assertAlmostEquals(test?.effect.low ?? NaN, low, 1e-8);
    assertAlmostEquals(test?.effect.high ?? NaN, high, 1e-8);
  }
  for (const values of [[1], [2, 2]]) {
    assertEquals(pairedTest(bySeed(values), none(values.length)), undefined);
  }
});

Deno.test("claims are corrected for their number, by Bonferroni and by Holm", () => {
  // statsmodels.stats.multitest.multipletests(method="holm"), statsmodels 0.14; products of decimals.
  const adjusted = holmAdjusted([0.01, 0.04, 0.03, 0.005, 0.2, 0.04]);
  [0.05, 0.12, 0.12, 0.03, 0.2, 0.12].forEach((p, i) =>
    assertAlmostEquals(adjusted[i] ?? NaN, p, 1e-15)
  );
  assertEquals(holmAdjusted([]), []);
  // scipy.stats.t.ppf(1 - 0.05 / 8 / 2, 9) standard errors of the sleep data.
  const values = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];
  const { low, high } = estimateOf(values, bonferroniLevel(8));
  assertAlmostEquals(low, 0.20055458032798623, 1e-12);
  assertAlmostEquals(high, 2.959445419672014, 1e-12);
});

Deno.test("a claim holds, is refuted or open by its adjusted p-value", () => {
  const cost = { examples: 0, forwardTokens: 0, backwardTokens: 0 };
  const result = (arm: string, seed: number, exact_match: number) => ({
    ...{ arm, point: "", seed, run: "", cost, weights: "", measures: { exact_match } },
  });
  // Against an arm that is always at 0.5: far above, far below, and on both sides of it.
  const offsets = { up: [0.2, 0.21, 0.22], down: [-0.2, -0.21, -0.22], both: [-0.1, 0.1, 0.05] };
  const results: StudyResults = {
    chosen: {},
    results: [0, 1, 2].flatMap((seed) => [
      result("sft", seed, 0.5),
      ...Object.entries(offsets).map(([arm, by]) => result(arm, seed, 0.5 + (by[seed] ?? NaN))),
    ]),
  };
  const claims = [...Object.keys(offsets), "missing"].map((arm) => ({
    ...{ arm, against: "sft", measure: "exact_match", meaning: "" },
  }));
  const judged = judgedClaims({ ...plan, claims }, results);
  assertEquals(judged.map(({ arm, outcome }) => [arm, outcome]), [
    ["up", "holds"],
    ["down", "refuted"],
    ["both", "open"],
  ]);
  const cells = claimCells(judged).map(([claim, , difference, p]) => [claim, difference, p]);
  assertEquals(cells[1], ["up > sft", "+0.210 [+0.159, +0.261]", "0.003"]);
  // Of p = 0.00075 and four claims, and of an interval of 98.75 %.
  assertStringIncludes(claimNote({ claims }), "Student's of 98.75 % (Bonferroni over 4 claims)");
});

Deno.test("an interval moves with its values, and holds their mean", () => {
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2 });
  fc.assert(fc.property(values, fc.integer({ min: -9, max: 9 }), (values, shift) => {
    const [a, b] = [estimateOf(values), estimateOf(values.map((value) => value + shift))];
    assert(a.low <= a.mean && a.mean <= a.high);
    assertAlmostEquals(b.mean - a.mean, shift, 1e-9);
    assertAlmostEquals(b.high - b.low, a.high - a.low, 1e-6);
  }));
});

Deno.test("all arms see the same data for as many steps, and every setting of theirs is one", () => {
  assertEquals(new Set(arms.map(({ name }) => name)).size, arms.length);
  for (const arm of arms) {
    const common = ["examples", "tasks", "data", "noise", "dataSeed", "seed"];
    for (const name of arm.name === "sft-early" ? common : ["steps", ...common]) {
      assert(!(name in arm.settings) && !(name in (arm.tried ?? {})), `${arm.name}: ${name}`);
    }
    const grid = gridOf(arm, [1e-3, 1e-2], true);
    assertEquals(new Set(grid.map(({ name }) => name)).size, grid.length);
    for (const { settings } of grid) trainSettings({ ...arm.settings, ...settings });
  }
});

const tiny = { layers: 1, heads: 1, width: 8 };
const data = { tasks: "pick", examples: 40, noise: 0.2, warmupSteps: 0, batchSize: 8 };
const plan: StudyPlan = {
  firstSeed: 3,
  seeds: 2,
  selectionSeeds: 1,
  arms: arms.filter(({ name }) => ["sft", "dpo"].includes(name)),
  rates: [1e-3, 1e-2],
  isWholeGrid: false,
  helpers: [rewardModelArm],
  base: { ...tiny, ...data, steps: 4 },
  shared: { ...data, steps: 3 },
  samples: 2,
};

Deno.test("a document has differences seed by seed, what was tried, and the runs of what was chosen", () => {
  const cost = { examples: 6000, forwardTokens: 12_000, backwardTokens: 3000 };
  const result = (
    arm: string,
    point: string,
    seed: number,
    validation: number,
    length: number,
  ) => ({
    ...{ arm, point, seed, run: `runs/${arm}/${point}/seed-${seed}`, cost, weights: "" },
    measures: {
      "exact_match": validation / 2,
      "validation/exact_match": validation,
      "exact_match/pick": validation,
      length,
    },
  });
  const results = {
    chosen: { sft: "learningRate-0.001", dpo: "learningRate-0.0001,beta-0.1" },
    results: [
      result("base", "", 3, 0.25, 2),
      result("base", "", 4, 0.25, 2),
      result("sft", "learningRate-0.001", 3, 0.5, 2),
      result("sft", "learningRate-0.01", 3, 0.375, 2),
      result("sft", "learningRate-0.001", 4, 0.75, 3),
      result("dpo", "learningRate-0.0001,beta-0.1", 3, 0.75, 4),
      result("dpo", "learningRate-0.0001,beta-0.1", 4, 1, 5),
    ],
  };
  // The second seed chooses nothing.
  assertEquals(studyTried(plan, results), [
    "sft: lr 0.001: 0.500; lr 0.01: 0.375",
    "dpo: lr 0.0001, beta 0.1: 0.750",
  ]);
  assertEquals(studyRuns(plan, results), [
    "`runs/base/seed-N`: 0.125, 0.125",
    "`runs/sft/learningRate-0.001/seed-N`: 0.250, 0.375",
    "`runs/dpo/learningRate-0.0001,beta-0.1/seed-N`: 0.375, 0.500",
  ]);
  const [, side = ""] = studyMarkdown(plan, results).split("\n\n");
  assertEquals(side.split("\n"), [
    "|  | validation - sft | length - sft | nll | pick |",
    "| --- | --: | --: | --: | --: |",
    "| base | -0.375 [-1.963, +1.213] | -0.500 [-6.853, +5.853] |  | 0.250 |",
    "| sft |  |  |  | 0.625 |",
    "| dpo | +0.250 [+0.250, +0.250] | +2.000 [+2.000, +2.000] |  | 0.875 |",
  ]);
  // In thousands, the mean of two seeds.
  assertEquals(studyRows(plan, results).map(({ cost }) => cost), [
    [6, 12, 3],
    [6, 12, 3],
    [6, 12, 3],
  ]);
});

inFolder("a plan that was changed is refused, whatever is wrong in it", async (folder) => {
  const own = {
    arms: [{ name: "sft", settings: {} }],
    helpers: [],
    rates: [0.1],
    base: {},
    shared: {},
  };
  const whole = { ...own, seeds: 10_000, selectionSeeds: 1, firstSeed: 2 ** 31 - 1, samples: 1 };
  const told = async (changed: object) => {
    await Deno.writeTextFile(`${folder}/study.json`, JSON.stringify({ ...whole, ...changed }));
    return (await assertRejects(() => readStudy(folder), UserError)).message;
  };
  const unfinished = `the study in ${folder} is not finished: resume it by`;
  const watch = "or add --watch to see it as it is";
  assertEquals(await told({}), `${unfinished} deno task compare, ${watch}`);
  assertEquals(await told({ command: "mine" }), `${unfinished} mine, ${watch}`);
  for (
    const changed of [
      ...[{ arms: 1 }, { arms: [1] }, { arms: [{ settings: {} }] }, { arms: [{ name: "sft" }] }],
      ...[{ helpers: undefined }, { helpers: [1] }, { rates: 1 }, { rates: ["1"] }, { base: 1 }, {
        shared: 1,
      }, { command: 1 }],
      ...[{ seeds: 10_001 }, { seeds: 0.5 }, { selectionSeeds: -1 }, { samples: "1" }],
      ...[{ firstSeed: 2 ** 31 }, { firstSeed: -1 }],
    ]
  ) assertEquals(await told(changed), `${folder}/study.json is not a study's plan: it was changed`);
});

Deno.test("remarks are of rewards, preferences and what is known, and of nothing else", () => {
  const cost = { examples: 0, forwardTokens: 0, backwardTokens: 0 };
  const result = (arm: string, seed: number, measures: Readonly<Record<string, number>>) => ({
    ...{ arm, point: "", seed, run: `runs/${arm}`, cost, measures, weights: "" },
  });
  const remarked: StudyPlan = {
    ...plan,
    arms: arms.filter(({ name }) => ["sft", "ppo", "grpo", "dpo"].includes(name)),
    shared: { ...plan.shared, noise: 0 },
  };
  const results = [
    ...[0.25, 0.5].map((match, seed) => result("base", seed, { "validation/exact_match": match })),
    ...[0.5, 0.75].map((match, seed) => result("sft", seed, { exact_match: match })),
  ];
  const start = "exact match of the starting checkpoints on validation data: 0.250, 0.500";
  assertEquals(studyRemarks(remarked, { chosen: {}, results }), [start]);
  const more = [
    ...[0.25, 0.25].map((match, seed) => result("base", seed, { exact_match: match })),
    ...[0.5, 1].map((match, seed) => result("grpo", seed, { exact_match: match })),
    ...[0, 0.5].map((match, seed) => result("sft-early", seed, { exact_match: match })),
    result("dpo", 0, { "pairs/margin": 2, "pairs/margin_before": 0, "pairs/accuracy": 0.875 }),
    result("reward-model", 0, { "pairs/accuracy": 0.625 }),
  ];
  const told = studyRemarks(remarked, { chosen: {}, results: [...results, ...more] });
  assertEquals(told, [
    start,
    "grpo on the test: +0.125 [-1.463, +1.713] over sft, higher on 1 of 2 seeds (base: 0.250; grpo: " +
    "0.500, 1.000; sft: 0.500, 0.750); +0.500 [+0.500, +0.500] over sft-early",
    "dpo: the margins of held-out pairs rise from 0.000 to 2.000; the chosen answer has the higher " +
    "implicit reward in 0.875",
    "the reward model ranks held-out pairs correctly in 0.625",
  ]);
});

/** The study in a folder, without what stops it. */
const carriedOut = (folder: string) => ({
  ...{ folder, plan, command: "deno task compare --tiny", device: "wasm" } as const,
  progress: silentProgress,
});

/** The trial of a result. */
function trialOf(trials: ReturnType<typeof trialsOf>, { arm, point, seed }: TrialResult) {
  if (arm === "base") return trials.base(seed);
  const known = [...plan.arms, ...plan.helpers].find(({ name }) => name === arm) ?? never();
  const grid = [...gridOf(known, plan.rates, plan.isWholeGrid), { name: "as-it-is", settings: {} }];
  return trials.of(known, grid.find(({ name }) => name === point) ?? never(), seed);
}

/**
 * Carries the study out among some processes of one worker each; a signal stops it in the last.
 */
async function study(
  folder: string,
  size: number,
  signal: AbortSignal = new AbortController().signal,
  update: (step: number) => void = () => {},
): Promise<StudyResults | undefined> {
  const own = { ...carriedOut(folder), progress: { ...silentProgress, update } };
  if (size === 1) return await carryOutStudy({ ...own, signal });
  const hands = ownHands(1, 2);
  const [results] = await Promise.all(
    collectivesInMemory(size).map(async (collective, rank) => {
      if (rank > 0) {
        const own = rank === size - 1 ? signal : new AbortController().signal;
        return await lendHands(collective, hands, own);
      }
      await using borrowed = borrowHands(collective, new Array<number>(size).fill(1));
      assertEquals(borrowed.makers.length, size - 1);
      return await carryOutStudy({
        ...own,
        hands: [...hands, ...borrowed.makers],
        signal: borrowed.signal,
      });
    }),
  );
  return results ?? undefined;
}

Deno.test("a hand of another process replies by itself, and hears when to stop", async () => {
  const trial = { arm: "sft", point: "", seed: 0, stages: [{}] };
  const asked = { samples: 1, probed: 0 };
  const order = { kind: "train", trial, folder: "f", asked, device: "wasm" } as const;
  const stopping = new AbortController();
  const heard: string[] = [];
  /** A hand that fails at once, or works until it is stopped. */
  const maker = (name: string): HandMaker => (signal) => ({
    work: ({ folder }) => {
      heard.push(`${name} works in ${folder}`);
      if (name === "1:0") return Promise.reject(new UserError("no rows"));
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve({ kind: "stopped" }))
      );
    },
    [Symbol.dispose]: () => heard.push(`${name} is free`),
  });
  await Promise.all(
    collectivesInMemory(3).map(async (collective, rank) => {
      if (rank > 0) {
        const makers = Array.from({ length: rank }, (_, hand) => maker(`${rank}:${hand}`));
        return await lendHands(collective, makers, new AbortController().signal);
      }
      await using borrowed = borrowHands(collective, [4, 1, 2]);
      const [first, , last, ...others] = borrowed.makers.map((make) => make(stopping.signal));
      assert(first !== undefined && last !== undefined);
      assertEquals(others, []);
      const working = last.work({ ...order, folder: "g" });
      const failed = await first.work(order);
      assert(failed.kind === "failed" && failed.isUserError && failed.message === "no rows");
      stopping.abort();
      assertEquals(await working, { kind: "stopped" });
      assertEquals(borrowed.signal.aborted, false);
    }),
  );
  assertEquals(heard.splice(0, 2).toSorted(), ["1:0 works in f", "2:1 works in g"]);
  assertEquals(heard.toSorted(), ["1:0 is free", "2:0 is free", "2:1 is free"]);
});

inFolder("a study comes to the same results at once, in turns, and interrupted", async (folder) => {
  let done = 0;
  const controller = new AbortController();
  const cut = await study(`${folder}/cut`, 2, controller.signal, (step) => {
    done = step;
    if (step === 4) controller.abort();
  });
  assertEquals(cut, undefined);
  assertLess(done, countTrials(plan));
  assert(!("results.json" in await filesIn(`${folder}/cut`)));
  assertRefused(
    await report("--run", `${folder}/cut`),
    1,
    `the study in ${folder}/cut is not finished: resume it by deno task compare --tiny`,
  );

  const results = await study(`${folder}/cut`, 2);
  const whole = await study(`${folder}/whole`, 1, undefined, (step) => done = step);
  assertEquals(done, countTrials(plan));
  assertEquals(results, whole);
  assertEquals(
    await Deno.readTextFile(`${folder}/cut/results.json`),
    await Deno.readTextFile(`${folder}/whole/results.json`),
  );

  // Each number has a run, and each run's checkpoint is the one that was measured.
  const files = await filesIn(`${folder}/whole`);
  for (const { run, measures, arm } of whole?.results ?? []) {
    assert(`${run}/config.json` in files, run);
    for (const name of Object.keys(measures)) assert(meaningOf(name) !== undefined, name);
    const lines = await readRows(`${folder}/whole/${run}/metrics.jsonl`);
    const last = lines.findLast(({ split }) => split === "held-out");
    assertEquals(measures["validation/exact_match"], last?.eval_exact_match);
    if (arm === "dpo") assertEquals(measures["pairs/margin_before"], 0);
    // Three steps go a little way from the start.
    const { kl_to_start: kl = NaN } = measures;
    if (arm === "base") assertEquals(kl, 0);
    else if (arm === "dpo" || arm === "sft") assert(kl > 0 && kl < 1, `${run}: ${kl}`);
  }
  // What was chosen is the best on validation data of the first seed, and the first of equals.
  for (const [arm, point] of Object.entries(whole?.chosen ?? {})) {
    const scores = (whole ?? never()).results.filter((result) =>
      result.arm === arm && result.seed === 3
    )
      .map(({ point, measures }) => ({ point, score: measures["validation/exact_match"] ?? NaN }));
    const best = Math.max(...scores.map(({ score }) => score));
    assertEquals(point, scores.find(({ score }) => score === best)?.point);
  }
  assertEquals(studyRows(plan, whole ?? never()).map(({ arm }) => arm), ["base", "sft", "dpo"]);
  assertStringIncludes(
    studyRemarks(plan, whole ?? never())[0] ?? "",
    "0.2 of the training answers are wrong",
  );
  assert((whole ?? never()).results.every(({ measures }) => "mistaught/exact_match" in measures));

  // On another machine, where the file of results is, only what it lacks is trained, and the
  // checkpoint that this starts from; another file has the numbers of the same study.
  const path = `${folder}/results.json`;
  const file = { path, study: "tiny", plan: planDigest(plan), commit: "c0ffee" };
  const here = trialsOf(plan, `${folder}/whole`);
  const first = await openCompact(file);
  for (const result of (whole ?? never()).results) {
    if (result.arm === "dpo" && result.seed === 4) continue;
    await first.add(trialOf(here, result), result, { seconds: 2, processorSeconds: 1 });
  }
  const compact = await openCompact(file);
  const elsewhere = `${folder}/elsewhere`;
  const own = { ...carriedOut(elsewhere), signal: new AbortController().signal };
  // Where no trial may begin, none does.
  assertEquals(await carryOutStudy({ ...own, compact, mayBegin: () => false }), undefined);
  assert(!Object.keys(await filesIn(elsewhere)).some((name) => name.startsWith("runs/")));
  const left = scheduleOf(plan, compact.all());
  assertEquals(left, {
    done: countTrials(plan) - 1,
    total: countTrials(plan),
    spent: 2 * left.done,
    left: 2,
  });
  const continued = await carryOutStudy({ ...own, compact, hands: ownHands(1, 1) });
  assertEquals(continued, whole);
  const runs = new Set(
    Object.keys(await filesIn(elsewhere)).flatMap((name) => /^runs\/.*seed-\d/.exec(name) ?? []),
  );
  const dpo = (whole ?? never()).results.find(({ arm, seed }) => arm === "dpo" && seed === 4);
  assertEquals([...runs].toSorted(), ["runs/base/seed-4", dpo?.run]);
  const lines = (await Deno.readTextFile(path)).split("\n").slice(1, -2);
  assertEquals(lines.length, countTrials(plan));
  assertStringIncludes(lines.join("\n"), `"commit":"c0ffee"`);
  const kept = (await openCompact(file)).all();
  assertEquals(kept.length, countTrials(plan));
  // A worker of one thread knows what it took of its processor.
  assert(kept.every(({ processorSeconds = 0 }) => processorSeconds > 0));
  // Results of another plan, study or setting are not taken for these.
  const refused = (other: Partial<typeof file>) =>
    assertRejects(() => openCompact({ ...file, ...other }), UserError);
  assertStringIncludes((await refused({ plan: "0" })).message, "holds results by another plan");
  assertStringIncludes((await refused({ study: "huge" })).message, "of the study tiny");
  const [trial] = here.needs({ name: "sft", about: "", settings: {} }, 3);
  const { stages: [stage = {}] } = trial ?? never();
  assertThrows(
    () => compact.get({ ...trial ?? never(), stages: [{ ...stage, steps: 99 }] }),
    UserError,
    "was trained with other settings than the plan has",
  );

  // The page, with a prompt that somebody chose.
  const reported = (...args: readonly string[]) => report("--run", `${folder}/whole`, ...args);
  const { code, stdout, stderr } = await reported("--prompt", "pick even 23-58");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout, `${folder}/whole/report.html shows the comparison\n`);
  const page = await Deno.readTextFile(`${folder}/whole/report.html`);
  assertEquals(requestsOf(page), []);
  assertStringIncludes(page, "<code>deno task compare --tiny</code>");
  assertStringIncludes(page, `The prompt is <code dir="auto">pick even 23-58</code>`);
  assertRefused(
    await reported("--prompt", "pick 2€"),
    1,
    '--prompt: The character "€" (U+20AC) at position 6 is not in the vocabulary',
  );
  assertRefused(await reported("--prompt", "pick ".repeat(9)), 1, "shorten it by 16");

  // Read as a study that is under way, it has the same results.
  const { results: found, standing } = await readUnfinished(`${folder}/whole`);
  const inOrder = (results: readonly TrialResult[]) =>
    results.toSorted((a, b) => a.run < b.run ? -1 : 1);
  assertEquals(found.chosen, { ...whole?.chosen });
  assertEquals(inOrder(found.results), inOrder((whole ?? never()).results));
  assertEquals(standing, { measured: found.results.length, most: countTrials(plan), begun: [] });

  // What is wrong in one of several processes ends the study, in words, and no other is left behind.
  const { measures: _, ...run } = (whole ?? never()).results.at(-1) ?? never();
  await Deno.remove(`${folder}/whole/measures/${run.arm}`, { recursive: true });
  const config = `${folder}/whole/runs/base/seed-4/config.json`;
  await Deno.writeTextFile(config, "{}");
  await assertRejects(() => study(`${folder}/whole`, 2), UserError, `${config} is not a run's`);
});

inFolder("a study of seeds without end is refused, and leaves nothing", async (folder) => {
  const out = ["--out", `${folder}/study`];
  for (const count of ["10001", "1e15"]) {
    assertRefused(await compare("--seeds", count, ...out), 2, "at most 10000");
  }
  const first = await compare("--first-seed", "9007199254740991", ...out);
  assertRefused(first, 2, "--first-seed must be a whole number, at least 0, at most 2147483647");
  assertEquals([...Deno.readDirSync(folder)], []);
});

inFolder("Ctrl+C stops all trainings of a study and says how to go on", async (folder) => {
  const out = `${folder}/study`;
  const args = ["--quick", "--arms", "sft", "--seeds", "2", "--jobs", "2", "--out", out];
  const command = start("compare", args).spawn();
  const bases = [0, 1].map((seed) => `runs/base/seed-${seed}`);
  // A line of a step: the evaluations before it say 0.
  const isTraining = async () => {
    const metrics = bases.map((run) => Deno.readTextFile(`${out}/${run}/metrics.jsonl`));
    return (await Promise.all(metrics).catch(() => [""])).every((lines) =>
      /"step":[1-9]/.test(lines)
    );
  };
  while (!await isTraining()) await pause(20);
  command.kill("SIGINT");
  const { code, stdout } = await command.output();
  assertEquals(code, 130);
  const told = new TextDecoder().decode(stdout);
  assertStringIncludes(told, `interrupted; resume it by\n  deno task compare ${args.join(" ")}`);
  // Both have kept the step that they were at.
  const files = Object.keys(await filesIn(out));
  for (const run of bases) {
    const steps = files.flatMap((path) =>
      path.startsWith(run) ? /step-(\d+)/.exec(path)?.[1] ?? [] : []
    );
    assertGreater(Math.max(...steps.map(Number)), 0);
  }
});

Deno.test("the quick study tries less, on less data, and knows its arms by any spelling", () => {
  const choice = { firstSeed: 0, seeds: 3, arms: "DPO,sft", noise: 0.1 };
  const [whole, quick] = [false, true].map((quick) => studyPlan({ ...choice, quick }));
  assert(whole !== undefined && quick !== undefined);
  for (const { arms } of [whole, quick]) {
    assertEquals(arms.map(({ name }) => name), ["sft", "dpo"]);
  }
  // Three checkpoints, three reward models; four or two rates, and two or one of DPO's betas, on the
  // seeds that choose; one trial of an arm on each other seed.
  assertEquals(countTrials(whole), 6 + 2 * (4 + 4 * 2) + 2 * 1);
  assertEquals(countTrials(quick), 6 + 1 * (2 + 2 * 1) + 2 * 2);
  assertEquals([whole.base, quick.base].map(({ steps, noise }) => [steps, noise]), [
    [150, 0.1],
    [50, 0.1],
  ]);
  assertEquals([whole.shared.steps, quick.shared.steps], [400, 200]);
  assertEquals(
    [whole.base, whole.shared, quick.base, quick.shared].map((
      { examples, evalSteps, warmupSteps },
    ) => [examples, evalSteps, warmupSteps]),
    [[2000, 100, 20], [2000, 100, 20], [100, 60, 10], [100, 60, 10]],
  );
  assertEquals([whole.samples, quick.samples], [8, 4]);
  assertEquals("firstSeed" in quick, false);
  assertEquals(studyPlan({ ...choice, quick: true, firstSeed: 1 }).firstSeed, 1);
  assertThrows(() => studyPlan({ ...choice, quick: true, arms: "dpp" }), UserError, "mean dpo?");
});

Deno.test("the error of a trial is the user's where it was in its worker", () => {
  for (const isUserError of [true, false]) {
    const error = errorOf({ kind: "failed", isUserError, message: "no rows", stack: "there" });
    assertEquals([error.message, error.stack], ["no rows", "there"]);
    assertEquals(error instanceof UserError, isUserError);
  }
  const bare = errorOf({ kind: "failed", isUserError: false, message: "", stack: undefined });
  assert(bare.stack !== undefined);
});

Deno.test("a wrong character is another one of the same kind", () => {
  for (const kind of ["0123456789", "abcdefghij"]) {
    const others = [...kind].map(otherThan);
    assertEquals(others.toSorted(), [...kind]);
    assert(others.every((other, i) => other !== kind[i]));
  }
});

Deno.test("tasks are begun in their order, as many at once as there are hands", async () => {
  const steps = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 20 });
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (tasks, count) => {
    const begun: number[] = [];
    let [now, most] = [0, 0];
    const hand = async ([number, length]: readonly [number: number, length: number]) => {
      begun.push(number);
      most = Math.max(most, ++now);
      for (let i = 0; i < length; i++) await Promise.resolve();
      now--;
      if (length === 3) throw new RangeError(`${number}`);
      return number;
    };
    const pool = pooled(Array.from({ length: count }, () => hand));
    const ends = await Promise.allSettled(tasks.map((length, i) => pool([i, length])));
    assertEquals(begun, [...tasks.keys()]);
    assertEquals(most, Math.min(count, tasks.length));
    // A task that fails takes no hand with it.
    assertEquals(
      ends.map((end) => end.status === "fulfilled" ? end.value : end.reason.message),
      tasks.map((length, i) => length === 3 ? `${i}` : i),
    );
  }));
});

function never(): never {
  throw new Error("unreachable");
}

Deno.test("the test is kept from training and from choices", async () => {
  const { test, splits, stages } = await prepare(trainSettings({ examples: 5000 }));
  const prompts = (of: typeof test, name: string) =>
    new Set(of.find((split) => split.name === name)?.questions.map(({ prompt }) => prompt));
  const [tested, chosenBy] = [prompts(test, "test"), prompts(splits, "held-out")];
  assertEquals([tested.size, tested.isDisjointFrom(chosenBy)], [250, true]);
  const { data } = stages[0] ?? never();
  assert(data.kind === "demonstrations");
  const ids = new Set(
    Array.from({ length: 5000 }, (_, i) => {
      const { ids, mask } = data.source.row(i);
      return ids.slice(0, mask.indexOf(true)).join();
    }),
  );
  for (const { questions } of test) {
    for (const { ids: prompt } of questions) assert(!ids.has(prompt.join()));
  }
});

Deno.test("docs/metrics.md is the glossary, and no name stands twice", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/metrics.md", import.meta.url));
  const words = (text: string) => text.replaceAll(/\s+/g, " ");
  assertEquals(words(text), words(glossaryMarkdown()));
  const names = glossary.flatMap(({ entries }) => entries.map(({ name }) => name));
  assertEquals(new Set(names).size, names.length);
  assertGreater(names.length, 40);
});
