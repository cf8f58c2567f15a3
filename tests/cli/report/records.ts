/**
 * What the golden pages show: a run in two stages and a study, as numbers, and drawings of each kind.
 * Nothing is trained.
 *
 *     deno run --lock=deno.lock --frozen --allow-read --allow-write tests/cli/report/records.ts
 *
 * writes `golden/*.html` again, which leave the style of all pages out, and the whole pages to
 * `runs/golden`. Look at these in a browser before the others are committed.
 */
import { page } from "@unitune/cli";
import { curves, intervals } from "@unitune/cli/plot";
import { pageStyle } from "../../../cli/report/page_style.ts";
import { type RunRecord, runRecordPage } from "../../../cli/report/run_page.ts";
import { arms, rewardModelArm } from "../../../cli/study/arms.ts";
import { type StudyRecord, studyRecordPage } from "../../../cli/study/study_page.ts";

/** A number in [0, 1) that looks random: the fractional part of a multiple of the golden ratio. */
const noise = (i: number) => (i * 0.618033988749895) % 1;

/** A number of few digits. */
const short = (value: number) => Number(value.toFixed(3));

/** The last step of each stage of the run. */
const [SFT, GRPO] = [32, 36] as const;

/** An evaluation on a split, the better the later. */
function evaluation(step: number, split: string, ease: number) {
  const match = short(ease * step / GRPO);
  return {
    ...{ step, split, stage: step > SFT ? "grpo" : "sft" },
    eval_loss: short(3 - 2.5 * match),
    eval_mean_token_accuracy: match,
    eval_exact_match: match,
    eval_forced_exact_match: short(match / 2 + 0.25),
    eval_exact_match_gap: short(0.25 - match / 2),
    "eval_exact_match/sort": match,
    "eval_exact_match/add": short(match ** 2),
  };
}

/** A model, with sizes of its own. */
const model = {
  ...{ modelType: "gpt2", vocabulary: 37, context: 32, layers: 1, width: 8 },
  rope: { theta: 1e4 },
};

/** A run that is one step short of its end. */
export const run: RunRecord = {
  folder: "runs/a & b",
  config: {
    settings: [
      { objective: "sft", steps: SFT, learningRate: 0.003, seed: 0, tasks: "sort,add", gamma: 1 },
      { objective: "grpo", steps: 5, learningRate: 0.001, seed: 0, tasks: "sort,add" },
    ],
    model,
    data: { kind: "conversations", digest: "0123456789abcdef" },
  },
  metrics: [
    evaluation(0, "held-out", 0.9),
    evaluation(0, "longer", 0.4),
    ...Array.from({ length: SFT }, (_, i) => {
      const loss = short(3 * Math.exp(-i / 10) + noise(i));
      return { step: i + 1, stage: "sft", loss, nll: loss, grad_norm: short(1 + noise(2 * i)) };
    }),
    evaluation(16, "held-out", 0.8),
    evaluation(16, "longer", 0.4),
    evaluation(SFT, "held-out", 0.9),
    evaluation(SFT, "longer", 0.4),
    ...[33, 34, 35].map((step) => ({
      ...{ step, stage: "grpo", loss: short(noise(step) - 0.5), nll: 0.5 },
      ...{ reward: short(noise(3 * step)), reward_std: 0.25 },
    })),
    evaluation(GRPO, "held-out", 1),
  ],
  samples: [
    { step: 0, split: "held-out", prompt: "sort 31", gold: "13", answer: "", right: false },
    { step: 0, split: "held-out", prompt: "add 1 2", gold: "3", answer: "3", right: true },
    { step: 33, split: "rollouts", prompt: "sort 21", answer: "12", reward: 1 },
    { step: 33, split: "rollouts", prompt: "say a", answer: "<b>" },
    { step: GRPO, split: "held-out", prompt: "sort 31", gold: "13", answer: "13", right: true },
    { step: GRPO, split: "held-out", prompt: "name it", gold: "x", answer: "y ".repeat(9) },
  ],
};

/** Metrics that some objectives have, on which pages have charts. */
const names = [
  ...["loss", "nll", "entropy", "mean_token_accuracy", "teacher_agreement", "reward", "reward_std"],
  ...["kl", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"],
  ...["rewards/right_steps", "rewards/wrong_steps", "logps/chosen", "logps/rejected"],
  ...["completions/mean_length", "grad_norm", "learning_rate"],
];

/** Each of the metrics at a step, of which no two are equal. */
const measured = (step: number, prefix = "") =>
  Object.fromEntries(names.map((name, i) => [`${prefix}${name}`, short(noise(step + 7 * i) + i)]));

/** A run of one stage that has logged every metric. */
export const manyMetrics: RunRecord = {
  ...run,
  folder: "runs/all",
  config: { ...run.config, settings: { objective: "dpo", steps: 3 } },
  metrics: [0, 1, 2, 3].flatMap((step) => [
    ...step === 0 ? [] : [{ step, ...measured(step) }],
    ...step % 2 === 0 ? [{ step, split: "validation", ...measured(step, "eval_") }] : [],
  ]),
  samples: [],
};

/** The exact match of each arm by seed. */
const matches: Readonly<Record<string, readonly number[]>> = {
  base: [0.25, 0.3, 0.2],
  sft: [0.5, 0.55, 0.45],
  ift: [0.7, 0.74, 0.66],
  dpo: [0.51, 0.5, 0.49],
  ppo: [0.3, 0.36, 0.27],
};

const trained = ["sft", "ift", "dpo", "ppo"] as const;

/** A study of four arms and three seeds: one arm is better, one is worse, one is unclear. */
export const study: StudyRecord = {
  command: "deno task compare --arms ift,dpo,ppo",
  plan: {
    ...{ seeds: 3, selectionSeeds: 1, rates: [1e-3], isWholeGrid: false, samples: 2 },
    helpers: [rewardModelArm],
    arms: trained.flatMap((name) => arms.filter((arm) => arm.name === name)),
    base: { steps: 4 },
    shared: { steps: 8, noise: 0 },
  },
  results: {
    chosen: Object.fromEntries(trained.map((arm) => [arm, "learningRate-0.001"])),
    results: Object.entries(matches).flatMap(([arm, values]) =>
      values.map((match, seed) => ({
        ...{ arm, seed, run: `runs/${arm}/seed-${seed}` },
        point: arm === "base" ? "" : "learningRate-0.001",
        measures: {
          "exact_match": match,
          "mean@k": short(match - 0.05),
          "longer/exact_match": short(match / 2),
          "validation/exact_match": match,
        },
        cost: { examples: 64_000, forwardTokens: 1_500_000, backwardTokens: 500_000 },
        weights: "",
      }))
    ),
  },
  progress: trained.map((name, i) => ({
    name,
    points: [0, 4, 8].map((x) => {
      const y = short(0.2 + (4 - i) * x / 100);
      return { x, y, low: short(y - 0.02), high: short(y + 0.03) };
    }),
  })),
  beliefs: {
    ...{ prompt: "sort 31", answer: "13", answeredBy: undefined, tokens: ["1", "3"] },
    rows: [
      {
        arm: "base",
        beliefs: [
          { chance: 0.25, own: "3", ownChance: 0.6 },
          { chance: 0.5, own: "3", ownChance: 0.5 },
        ],
      },
      {
        arm: "ift",
        beliefs: [
          { chance: 0.9, own: "1", ownChance: 0.9 },
          { chance: 1, own: "3", ownChance: 1 },
        ],
      },
    ],
  },
  answers: [
    ...["sft", "ift"].map((arm) => ({
      ...{ arm, prompt: "sort 31", gold: "13", answer: "13", isRight: true },
    })),
    ...["dpo", "ppo"].map((arm) => ({
      ...{ arm, prompt: "sort 31", gold: "13", answer: arm, isRight: false },
    })),
  ],
};

/** Points in steps of 10, of which one stands on no axis and one on none that is logarithmic. */
const points = [3, 1e-300, NaN, 0.5, -1, 2000, 8].map((y, i) => ({ x: 10 * i, y }));

/** The same with bands. */
const banded = points.map(({ x, y }) => ({ x, y, low: y / 2, high: 2 * y }));

const steps = { label: "step" } as const;

/** Curves and intervals of each kind. */
const drawings: Readonly<Record<string, string>> = {
  "curves on linear axes": curves(
    [
      { name: "dotted", points, dotted: true, raw: points.map(({ x, y }) => ({ x, y: y + 1 })) },
      { name: "banded & dashed", points: banded, dashed: true, color: 9 },
      { name: "a name that takes a row of its own in the legend of a narrow drawing", points: [] },
    ],
    {
      ...{ title: "linear", x: steps, y: { label: "loss" }, width: 400, hover: true },
      reference: { value: 1, label: "start" },
      beginnings: [{ value: 0, label: "sft" }, { value: 5, label: "dpo" }],
    },
  ),
  "curves on a logarithmic axis": curves([{ name: "banded", points: banded }], {
    ...{ title: "logarithmic", x: { label: "size", domain: [0, 80] }, height: 200 },
    y: { label: "loss", scale: "log", base: 2 },
  }),
  "nine curves": curves(
    Array.from("abcdefghi", (name, i) => ({ name, points: [{ x: 0, y: i }, { x: 1, y: 9 - i }] })),
    { title: "nine", x: steps, y: { label: "place" }, hover: true },
  ),
  "no curve": curves([{ name: "a", points: [{ x: 1, y: NaN }] }], {
    ...{ title: "none", x: steps, y: { label: "loss" } },
  }),
  "intervals": intervals(
    [
      {
        name: "greedy",
        rows: [{ name: "sft", value: 0.5, low: -1, high: 0.75 }, { name: "ift", value: 0.25 }],
      },
      { name: "sampled", rows: [{ name: "ift", value: 0.5, low: 0.125, high: 2 }] },
    ],
    {
      ...{ title: "intervals", x: { label: "exact match", domain: [0, 1] } },
      reference: { value: 0.375, label: "base" },
    },
  ),
  "bars": intervals([{ name: "time", rows: [{ name: "step", value: 3, low: 2, high: 4 }] }], {
    ...{ title: "bars", x: { label: "ms" }, bars: true, width: 300 },
  }),
  "no interval": intervals([{ name: "time", rows: [{ name: "step", value: NaN }] }], {
    ...{ title: "none", x: { label: "ms" } },
  }),
};

/** A page of all drawings. */
const drawingsPage = () =>
  page({
    title: "Drawings",
    sections: Object.entries(drawings).map(([title, drawing]) => ({
      title,
      body: { html: drawing },
    })),
  });

/** The pages by the names of their files. */
export const pages: Readonly<Record<string, () => string>> = {
  run: () => runRecordPage(run),
  study: () => studyRecordPage(study),
  metrics: () => runRecordPage(manyMetrics),
  drawings: drawingsPage,
};

/** The file of a page. */
export const goldenFile = (name: string): URL => new URL(`golden/${name}.html`, import.meta.url);

/** A page with a sign in place of the style of all pages; one without that style is as it was. */
export const withoutStyle = (page: string): string => page.replace(pageStyle, "{pageStyle}");

if (import.meta.main) {
  await Deno.mkdir("runs/golden", { recursive: true });
  for (const [name, make] of Object.entries(pages)) {
    const whole = make();
    await Deno.writeTextFile(`runs/golden/${name}.html`, whole);
    await Deno.writeTextFile(goldenFile(name), withoutStyle(whole));
  }
}
