/**
 * A run whose numbers and texts are hard to show: of all sizes, nearly equal, missing, and not finite;
 * very long, without a space, from right to left, and markup.
 */
import type { RunRecord } from "../../../cli/report/run_page.ts";
import { run } from "./records.ts";

/** A number in [0, 1) that looks random. */
const noise = (i: number) => (i * 0.618033988749895) % 1;

/** The answers; each has to be in the page in full. */
export const hardTexts: readonly string[] = [
  "word ".repeat(100),
  "x".repeat(500),
  "\u05e9\u05dc\u05d5\u05dd, \u05e2\u05d5\u05dc\u05dd! 123",
  "\u{1f469}\u200d\u{1f469}\u200d\u{1f467} \u{1f1e9}\u{1f1ea} e\u0301 ".repeat(9),
  "<script>alert(1)</script><img src=x onerror=alert(2)><b>",
  "one\n\n\ttwo\n    three",
  "",
];

const STEPS = 40;

function evaluation(step: number, split: string) {
  const match = step / (2 * STEPS);
  return {
    ...{ step, split, eval_loss: 1e-9 * step, eval_exact_match: match },
    eval_forced_exact_match: 1 - match,
    "eval_exact_match/a-kind-with-a-very-long-name-indeed": match,
  };
}

/** The answers at an evaluation. */
const answers = (step: number) =>
  hardTexts.map((answer, i) => ({
    ...{ step, split: "held-out", prompt: `prompt ${i} ${answer}`, gold: "g", answer },
    right: i % 2 === 0,
  }));

/** The run. */
export const extremes: RunRecord = {
  folder: "runs/a-long-name-".repeat(12),
  config: {
    ...run.config,
    settings: ["sft", "adaptive-entropy-grpo"].map((objective, i) => ({
      ...{ objective, steps: STEPS, learningRate: 10 ** (-9 * i) },
      data: `${"some/long/path/".repeat(12)}${i}.jsonl`,
    })),
  },
  metrics: [
    ...[0, STEPS, 2 * STEPS].flatMap((step) => [evaluation(step, "held-out")]),
    ...Array.from({ length: 2 * STEPS }, (_, i) => ({
      step: i + 1,
      loss: i === 20 ? NaN : (i % 2 === 0 ? 1 : -1) * 10 ** (i / 5 - 6),
      // Nearly equal, so that only rounding errors would be seen.
      ...{ nll: 3 + 1e-15 * noise(i), entropy: 1 + 1e-12 * noise(i), mean_token_accuracy: 1 },
      ...{ grad_norm: 1e-300 * noise(i), learning_rate: 1e-9 * noise(i) },
      ...{ "rewards/chosen": 123_456_789 + noise(i), "rewards/rejected": -1e12 * noise(i) },
      "completions/mean_length": 1_234_567 * noise(i),
      // One point is no curve, two are.
      ...i === 7 && { kl: 0.5 },
      ...i < 2 && { reward: 1e8 * i },
    })),
  ],
  samples: [...answers(0), ...answers(2 * STEPS)],
};
