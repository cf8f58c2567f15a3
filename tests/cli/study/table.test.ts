/** The tables and sentences of a study, as a whole. */
import { assertEquals } from "@std/assert";
import {
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
