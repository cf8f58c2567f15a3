/** The tables and sentences of a study, as a whole. */
import { assertEquals } from "@std/assert";
import {
  cellsOf,
  showDifference,
  studyColumns,
  studyLines,
  studyMarkdown,
  studyRemarks,
  studyRows,
  studyRuns,
  studyTried,
} from "../../../cli/study/table.ts";
import { study } from "../report/records.ts";

const { plan, results } = study;

/** The same study with measures that only some studies have. */
const more = {
  ...results,
  results: results.results.map((result) => ({
    ...result,
    measures: {
      ...result.measures,
      recovery: result.arm === "ift" ? 0.5 : 0.25 + result.seed / 8,
      length: 4 + result.seed,
      kl_to_start: 0.01234,
      nll: 1.5,
      "exact_match/pick": (result.measures.exact_match ?? NaN) / 2,
      ...result.arm === "dpo" && {
        ...{ "pairs/margin_before": 0, "pairs/margin": 0.5 + result.seed, "pairs/accuracy": 0.75 },
      },
    },
  })),
};

Deno.test("a study is told by what it has measured", () => {
  assertEquals(
    studyLines(studyRows(plan, results)).join("\n"),
    `      exact              exact - sft   wins  mean@k  longer  k examples  k fwd
base  0.250  -0.250 [-0.250, -0.250]          0.200   0.125          64   1500
sft   0.500                                   0.450   0.250          64   1500
ift   0.700  +0.200 [+0.175, +0.225]  3/0/0   0.650   0.350          64   1500
dpo   0.500  +0.000 [-0.114, +0.114]  2/0/1   0.450   0.250          64   1500
ppo   0.310  -0.190 [-0.215, -0.165]  0/0/3   0.260   0.155          64   1500

      k bwd  settings
base    500
sft     500  lr 0.001
ift     500  lr 0.001
dpo     500  lr 0.001
ppo     500  lr 0.001`,
  );
  assertEquals(
    studyTried(plan, results).join("\n"),
    `sft: lr 0.001: 0.500
ift: lr 0.001: 0.700
dpo: lr 0.001: 0.510
ppo: lr 0.001: 0.300`,
  );
  assertEquals(
    studyRuns(plan, results).join("\n"),
    `\`runs/base/seed-N\`: 0.250, 0.300, 0.200
\`runs/sft/learningRate-0.001/seed-N\`: 0.500, 0.550, 0.450
\`runs/ift/learningRate-0.001/seed-N\`: 0.700, 0.740, 0.660
\`runs/dpo/learningRate-0.001/seed-N\`: 0.510, 0.500, 0.490
\`runs/ppo/learningRate-0.001/seed-N\`: 0.300, 0.360, 0.270`,
  );
  assertEquals(
    studyRemarks(plan, results).join("\n"),
    `exact match of the starting checkpoints on validation data: 0.250, 0.300, 0.200
ppo on the test: -0.190 [-0.215, -0.165] over sft, higher on 0 of 3 seeds (base: 0.250; ppo: 0.300, 0.360, 0.270; sft: 0.500, 0.550, 0.450)`,
  );
});

Deno.test("a study with noise, of many measures, is told by all of them", () => {
  assertEquals(
    studyLines(studyRows(plan, more)).join("\n"),
    `      exact              exact - sft   wins  mean@k  recovery  longer     KL
base  0.250  -0.250 [-0.250, -0.250]          0.200     0.375   0.125  0.012
sft   0.500                                   0.450     0.375   0.250  0.012
ift   0.700  +0.200 [+0.175, +0.225]  3/0/0   0.650     0.500   0.350  0.012
dpo   0.500  +0.000 [-0.114, +0.114]  2/0/1   0.450     0.375   0.250  0.012
ppo   0.310  -0.190 [-0.215, -0.165]  0/0/3   0.260     0.375   0.155  0.012

      length  k examples  k fwd  k bwd  settings
base    5.00          64   1500    500
sft     5.00          64   1500    500  lr 0.001
ift     5.00          64   1500    500  lr 0.001
dpo     5.00          64   1500    500  lr 0.001
ppo     5.00          64   1500    500  lr 0.001`,
  );
  assertEquals(
    studyMarkdown(plan, more),
    `|  | exact | exact - sft | wins | mean@k | recovery | longer | KL | length | k examples | k fwd | k bwd | settings |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| base | 0.250 | -0.250 [-0.250, -0.250] |  | 0.200 | 0.375 | 0.125 | 0.012 | 5.00 | 64 | 1500 | 500 |  |
| sft | 0.500 |  |  | 0.450 | 0.375 | 0.250 | 0.012 | 5.00 | 64 | 1500 | 500 | lr 0.001 |
| ift | 0.700 | +0.200 [+0.175, +0.225] | 3/0/0 | 0.650 | 0.500 | 0.350 | 0.012 | 5.00 | 64 | 1500 | 500 | lr 0.001 |
| dpo | 0.500 | +0.000 [-0.114, +0.114] | 2/0/1 | 0.450 | 0.375 | 0.250 | 0.012 | 5.00 | 64 | 1500 | 500 | lr 0.001 |
| ppo | 0.310 | -0.190 [-0.215, -0.165] | 0/0/3 | 0.260 | 0.375 | 0.155 | 0.012 | 5.00 | 64 | 1500 | 500 | lr 0.001 |

|  | validation - sft | recovery - sft | length - sft | nll | pick |
| --- | --: | --: | --: | --: | --: |
| base | -0.250 [-0.250, -0.250] | +0.000 [+0.000, +0.000] | +0.000 [+0.000, +0.000] | 1.500 | 0.125 |
| sft |  |  |  | 1.500 | 0.250 |
| ift | +0.200 [+0.175, +0.225] | +0.125 [-0.186, +0.436] | +0.000 [+0.000, +0.000] | 1.500 | 0.350 |
| dpo | +0.000 [-0.114, +0.114] | +0.000 [+0.000, +0.000] | +0.000 [+0.000, +0.000] | 1.500 | 0.250 |
| ppo | -0.190 [-0.215, -0.165] | +0.000 [+0.000, +0.000] | +0.000 [+0.000, +0.000] | 1.500 | 0.155 |`,
  );
  assertEquals(
    studyRemarks({ ...plan, shared: { ...plan.shared, noise: 0.1 } }, more).join("\n"),
    `0.1 of the training answers are wrong, the same ones for all arms. In their pairs the wrong answer is the chosen one. Verifiers, validation data and the test have no noise; mistaught is the exact match on the prompts whose training answers are wrong
exact match of the starting checkpoints on validation data: 0.250, 0.300, 0.200
ppo on pick, which has many correct answers: -0.095 [-0.107, -0.083] over sft, higher on 0 of 3 seeds (base: 0.125; ppo: 0.150, 0.180, 0.135; sft: 0.250, 0.275, 0.225)
dpo: the margins of held-out pairs rise from 0.000, 0.000, 0.000 to 0.500, 1.500, 2.500; the chosen answer has the higher implicit reward in 0.750, 0.750, 0.750`,
  );
});

/** The results of some arms, each with measures seed by seed. */
const resultsOf = (
  arms: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>,
) => ({
  chosen: Object.fromEntries(Object.keys(arms).map((arm) => [arm, "p"])),
  results: Object.entries(arms).flatMap(([arm, seeds]) =>
    seeds.map((measures, seed) => ({
      ...{ arm, point: "p", seed, run: `runs/${arm}`, measures, weights: "" },
      cost: { examples: 1000 * (seed + 1), forwardTokens: 5000, backwardTokens: 8600 },
    }))
  ),
});
const armsNamed = (...names: readonly string[]) => ({
  ...plan,
  arms: names.map((name) => ({ name, about: name, settings: { objective: name } })),
});

Deno.test("each measure has a column with its digits, where any arm has it", () => {
  const measures: readonly (readonly [measure: string, title: string, cell: string])[] = [
    ["mean@k", "mean@k", "0.123"],
    ["pass@k", "pass@k", "0.123"],
    ["gap", "gap", "0.123"],
    ["recovery", "recovery", "0.123"],
    ["token_gap", "token gap", "0.123"],
    ["step_gap", "step gap", "0.123"],
    ["step_recovery", "step recovery", "0.123"],
    ["state_distance", "state distance", "0.123"],
    ["reached_share", "reached", "0.123"],
    ["gold_kl", "gold KL", "0.123"],
    ["own_kl", "own KL", "0.123"],
    ["excess_error", "excess", "0.123"],
    ["longer/exact_match", "longer", "0.123"],
    ["reformatted/exact_match", "reformatted", "0.123"],
    ["mistaught/exact_match", "mistaught", "0.123"],
    ["kl_to_start", "KL", "0.123"],
    ["sampled_entropy", "entropy", "0.12"],
    ["length", "length", "0.12"],
  ];
  for (const [measure, title, cell] of measures) {
    const rows = studyRows(
      armsNamed("sft", "ift"),
      resultsOf({ sft: [{ exact_match: 0.5 }], ift: [{ exact_match: 0.5, [measure]: 0.123456 }] }),
    );
    const [heads = [], base = [], sft = [], ift = []] = cellsOf(rows, studyColumns(rows));
    const at = (row: readonly string[]) => row[heads.indexOf(title)];
    assertEquals([at(base), at(sft), at(ift)], ["", "", cell], measure);
    assertEquals(heads, [
      ...["", "exact", "exact - sft", "wins", title, "k examples", "k fwd", "k bwd", "settings"],
    ]);
  }
});

Deno.test("an arm is compared on the seeds that the baseline has, and its cost is a mean", () => {
  const exact = (...values: readonly number[]) => values.map((exact_match) => ({ exact_match }));
  const rows = studyRows(
    armsNamed("sft", "ift", "dpo", "ppo"),
    resultsOf({
      sft: exact(0.5, 0.5, 0.5),
      ift: exact(0.5, 0.75, 0.25, 1),
      dpo: [{}],
      ppo: exact(0.5),
    }),
  );
  const cells = cellsOf(rows, studyColumns(rows));
  assertEquals(cells.map((row) => row.filter((_, i) => i !== 2)), [
    ["", "exact", "wins", "k examples", "k fwd", "k bwd", "settings"],
    ["base", "", "", "", "", "", ""],
    ["sft", "0.500", "", "2", "5", "9", "p"],
    // The fourth seed has no other to be compared with.
    ["ift", "0.625", "1/1/1", "3", "5", "9", "p"],
    ["dpo", "", "", "", "", "", "p"],
    ["ppo", "0.500", "0/1/0", "1", "5", "9", "p"],
  ]);
  assertEquals(rows.map(({ cost }) => cost.join()), [
    ...["0,0,0", "2,5,8.6", "2.5,5,8.6", "1,5,8.6", "1,5,8.6"],
  ]);
  assertEquals(rows.at(-1)?.difference, { mean: 0, low: NaN, high: NaN, count: 1 });
  assertEquals(
    [0, -0, 0.0004, -0.0004, -0.0006, 0.25].map((mean) =>
      showDifference({ mean, low: NaN, high: NaN, count: 1 })
    ),
    ["+0.000", "+0.000", "+0.000", "+0.000", "-0.001", "+0.250"],
  );
});

Deno.test("what is remarked depends on what was measured, seed by seed", () => {
  const pick = (...values: readonly number[]) =>
    values.map((value) => ({ "exact_match/pick": value, exact_match: 1 }));
  const own = armsNamed("sft", "sft-early", "ppo", "grpo", "ift");
  const measured = {
    base: [{ "exact_match/pick": 0.25, "validation/exact_match": 0.125 }],
    sft: pick(0.5),
    ppo: pick(0.5, 0.75),
    grpo: pick(0.75),
    ift: pick(1),
  };
  const startLine = "exact match of the starting checkpoints on validation data: 0.125";
  const onPick = "on pick, which has many correct answers";
  assertEquals(studyRemarks(own, resultsOf(measured)), [
    startLine,
    `ppo ${onPick}: +0.000 over sft, higher on 0 of 2 seeds (base: 0.250; ppo: 0.500, 0.750; ` +
    `sft: 0.500)`,
    `grpo ${onPick}: +0.250 over sft, higher on 1 of 1 seeds (base: 0.250; grpo: 0.750; sft: 0.500)`,
  ]);
  const early = {
    ...measured,
    "sft-early": pick(0.625),
    "reward-model": [{ "pairs/accuracy": 0.75 }],
  };
  assertEquals(
    studyRemarks(own, resultsOf({ ...early, base: [{ "exact_match/pick": 0.5 }] })).slice(1),
    [
      `grpo ${onPick}: +0.250 over sft, higher on 1 of 1 seeds (base: 0.500; grpo: 0.750; sft: 0.500); ` +
      `+0.125 over sft-early`,
      "the reward model ranks held-out pairs correctly in 0.750",
    ],
  );
  // An arm that has no seed in common with the baseline is not compared.
  assertEquals(studyRemarks(own, resultsOf({ ...measured, sft: [] })), [startLine]);
  assertEquals(studyRemarks(own, resultsOf({})), []);
});

Deno.test("the second table has means of one seed or more, and none of what was not measured", () => {
  const own = armsNamed("sft", "ift", "dpo");
  const results = resultsOf({
    base: [{}],
    sft: [{ nll: 1, recovery: 0.5 }, { nll: 2, recovery: 0.5 }],
    ift: [{ nll: 1.5, recovery: 0.75, "exact_match/sort": 0.25 }],
    dpo: [],
  });
  const [, second] = studyMarkdown(own, results).split("\n\n");
  assertEquals(second?.split("\n"), [
    "|  | recovery - sft | nll | sort |",
    "| --- | --: | --: | --: |",
    "| base |  |  |  |",
    "| sft |  | 1.500 |  |",
    "| ift | +0.250 | 1.500 | 0.250 |",
    "| dpo |  |  |  |",
  ]);
});
