/**
 * The curves of a run: metrics of its steps, smoothed, with its evaluations as points beside them.
 *
 * @module
 */

import { meaningOf } from "./glossary.ts";
import { figure, type Html, html, type PageSection, type Panel, panels } from "./page.ts";
import { type Curve, type CurvePoint, curves, type CurvesOptions } from "./plot.ts";
import { type Measurement, smoothed, thinned } from "./smoothing.ts";
import { type EvaluationLine, kindsOf, type StageSpan, type StepLine } from "./summary.ts";

/** What was measured in a run. */
export interface Measured {
  /** The logged steps, in order. */
  readonly steps: readonly StepLine[];
  /** The evaluations, in order. */
  readonly evaluations: readonly EvaluationLine[];
  /** The stages, whose beginnings are marked; none if there is only one. */
  readonly spans: readonly StageSpan[];
}

/** A chart: metrics over steps, and their counterparts on held-out data. */
interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly metrics: readonly string[];
  /** The metrics of evaluations that are drawn in the colours of `metrics`, in the same order. */
  readonly evaluated?: readonly string[];
}

const charts: readonly Chart[] = [
  { title: "Loss", unit: "loss", metrics: ["loss"] },
  { title: "Cross-entropy", unit: "nats per token", metrics: ["nll"], evaluated: ["eval_loss"] },
  { title: "Entropy", unit: "nats", metrics: ["entropy"], evaluated: ["eval_entropy"] },
  {
    title: "Token accuracy",
    unit: "fraction",
    metrics: ["mean_token_accuracy"],
    evaluated: ["eval_mean_token_accuracy"],
  },
  { title: "Agreement with the teacher", unit: "fraction", metrics: ["teacher_agreement"] },
  { title: "Rewards of answers", unit: "reward", metrics: ["reward", "reward_std"] },
  { title: "Distance from the reference", unit: "nats per token", metrics: ["kl"] },
  {
    title: "Implicit rewards",
    unit: "reward",
    metrics: ["rewards/chosen", "rewards/rejected", "rewards/margins"],
    evaluated: ["eval_rewards/chosen", "eval_rewards/rejected", "eval_rewards/margins"],
  },
  {
    title: "Preference accuracy",
    unit: "fraction",
    metrics: ["rewards/accuracies"],
    evaluated: ["eval_rewards/accuracies"],
  },
  {
    title: "Scores of steps",
    unit: "log-odds",
    metrics: ["rewards/right_steps", "rewards/wrong_steps"],
    evaluated: ["eval_rewards/right_steps", "eval_rewards/wrong_steps"],
  },
  {
    title: "Log-probabilities of answers",
    unit: "nats per answer",
    metrics: ["logps/chosen", "logps/rejected"],
    evaluated: ["eval_logps/chosen", "eval_logps/rejected"],
  },
  { title: "Length of answers", unit: "tokens", metrics: ["completions/mean_length"] },
  { title: "Gradient", unit: "norm", metrics: ["grad_norm"] },
  { title: "Learning rate", unit: "rate", metrics: ["learning_rate"] },
];

/** The height of a chart among others, in pixels. */
const HEIGHT = 240;

/** The most points of a curve: two for each pixel column of a chart would be 700. */
const MOST_POINTS = 600;

/** Curves are smoothed from so many points on, over a part of them. */
const SMOOTHED = { from: 30, part: 1 / 40 } as const;

/** A metric over steps. */
function pointsOf(lines: readonly StepLine[], metric: string): readonly Measurement[] {
  return lines.flatMap(({ step, metrics: { [metric]: y } }) =>
    y === undefined ? [] : [{ x: step, y }]
  );
}

/** Puts a gap between the points of two stages, since their objectives differ. */
function withGaps(stages: readonly (readonly Measurement[])[]): readonly CurvePoint[] {
  return stages.flatMap((points, i) => {
    const [first] = points;
    return i === 0 || first === undefined ? points : [{ x: first.x, y: NaN }, ...points];
  });
}

/** The curve of a metric of training steps, smoothed in each stage that has enough points. */
function trainingCurve(
  name: string,
  points: readonly Measurement[],
  spans: readonly StageSpan[],
): Curve {
  const stages = [
    ...Map.groupBy(points, ({ x }) => spans.findIndex(({ end }) => x <= end)).values(),
  ];
  const isSmoothed = stages.some(({ length }) => length >= SMOOTHED.from);
  const smooth = stages.map((own) =>
    own.length < SMOOTHED.from ? own : smoothed(own, own.length * SMOOTHED.part)
  );
  const drawn = (stages: readonly (readonly Measurement[])[]) =>
    withGaps(stages.map((own) => thinned(own, MOST_POINTS)));
  return { name, points: drawn(smooth), ...isSmoothed && { raw: drawn(stages) } };
}

/** The splits of evaluations, in order. */
function splitsOf(evaluations: readonly EvaluationLine[]): readonly string[] {
  return [...new Set(evaluations.map(({ split }) => split))];
}

/** A metric of the evaluations of a split as points. */
function evaluationCurve(
  evaluations: readonly EvaluationLine[],
  split: string,
  metric: string,
  looks: Pick<Curve, "name" | "color" | "dashed">,
): readonly Curve[] {
  const points = pointsOf(evaluations.filter((one) => one.split === split), metric);
  return points.length === 0 ? [] : [{ ...looks, points, dotted: true }];
}

/** The first split of the evaluations, held-out data, beside the training steps. */
function counterparts(
  { metrics, evaluated = [] }: Chart,
  evaluations: readonly EvaluationLine[],
): readonly Curve[] {
  const [split] = splitsOf(evaluations);
  if (split === undefined) return [];
  return evaluated.flatMap((metric, i) =>
    evaluationCurve(
      evaluations,
      split,
      metric,
      metrics.length === 1
        ? { name: split, color: 1 }
        : { name: `${metrics[i]}, ${split}`, color: i, dashed: true },
    )
  );
}

/** The definitions of metrics, below their chart. */
function captionOf(metrics: readonly string[]): readonly Html[] {
  return metrics.map((metric, i) =>
    html`${i === 0 ? "" : html`<br>`}<code>${metric}</code>: ${meaningOf(metric)?.meaning ?? ""}.`
  );
}

/** Draws curves over steps in a width. */
function drawOver(
  spans: readonly StageSpan[],
  series: readonly Curve[],
  options: Pick<CurvesOptions, "title" | "y" | "height" | "legend">,
): (width: number) => string {
  const beginnings = spans.map(({ name, begin }) => ({ value: begin, label: name }));
  const x = { label: "step" };
  return (width) => curves(series, { ...options, x, width, beginnings, hover: true });
}

/** The chart of some metrics as a panel; none if none of them was logged. */
function panelOf(chart: Chart, { steps, evaluations, spans }: Measured): readonly Panel[] {
  const { title, unit, metrics } = chart;
  const logged = metrics.map((metric, color) => ({
    metric,
    color,
    points: pointsOf(steps, metric),
  }))
    // A single point is no curve.
    .filter(({ points }) => points.length > 1);
  if (logged.length === 0) return [];
  const measured = logged.flatMap(({ points }) => points.map(({ x }) => x));
  // Only the stages that have one of the metrics.
  const own = spans.filter(({ begin, end }) => measured.some((x) => begin < x && x <= end));
  const beside = counterparts(chart, evaluations);
  const name = (metric: string) => metrics.length === 1 && beside.length > 0 ? "training" : metric;
  const series = [
    ...logged.map(({ metric, color, points }) => ({
      ...trainingCurve(name(metric), points, spans),
      color,
    })),
    ...beside,
  ];
  const draw = drawOver(own, series, { title, y: { label: unit }, height: HEIGHT });
  return [{ title, draw, caption: captionOf(logged.map(({ metric }) => metric)) }];
}

/** Tells whether the loss of every step is its cross-entropy, so that one curve shows both. */
function isCrossEntropy(steps: readonly StepLine[]): boolean {
  return steps.every(({ metrics: { loss, nll } }) => loss === nll);
}

/**
 * The section with the metrics of training steps, and their counterparts on held-out data.
 *
 * @param measured What was measured.
 * @returns The section; none if no metric was logged twice.
 */
export function curvesSection(measured: Measured): readonly PageSection[] {
  const isSame = isCrossEntropy(measured.steps);
  const drawn = charts.filter(({ title }) => !isSame || title !== "Loss")
    .flatMap((chart) => panelOf(chart, measured));
  if (drawn.length === 0) return [];
  const same = isSame ? " The loss of every step is its cross-entropy." : "";
  return [{
    title: "Curves",
    body: html`<p>Points are evaluations. Curves of ${SMOOTHED.from} logged steps or more are
      smoothed; the thin lines behind them are the logged values.${same}</p>
      ${panels(drawn)}`,
  }];
}

/** The range of a fraction. */
const fraction = [0, 1] as const;

/** Exact match of each split, answered freely and, dashed, under teacher forcing. */
function matchCurves(evaluations: readonly EvaluationLine[], ending = ""): readonly Curve[] {
  return splitsOf(evaluations).flatMap((split, color) => [
    ...evaluationCurve(evaluations, split, `eval_exact_match${ending}`, { name: split, color }),
    ...evaluationCurve(evaluations, split, `eval_forced_exact_match${ending}`, {
      name: `${split}, forced`,
      color,
      dashed: true,
    }),
  ]);
}

/**
 * The section with the exact match of every split, and of each kind of question.
 *
 * @param measured What was measured.
 * @returns The section; none if answers were not judged.
 */
export function matchSection({ evaluations, spans }: Measured): readonly PageSection[] {
  const series = matchCurves(evaluations);
  if (series.length === 0) return [];
  const y = { label: "exact match", domain: fraction };
  const kinds = kindsOf(evaluations).map((kind): Panel => ({
    title: kind,
    draw: drawOver(spans, matchCurves(evaluations, `/${kind}`), {
      title: `Exact match of ${kind}`,
      y,
      height: HEIGHT,
      legend: false,
    }),
  }));
  const main = figure(
    drawOver(spans, series, { title: "Exact match", y }),
    "Fraction of prompts that the model answers correctly by greedy decoding. Forced: fraction of " +
      "gold answers whose every token the model predicts under teacher forcing.",
  );
  return [{
    title: "Exact match",
    body: kinds.length === 0 ? main : html`${main}<p>Each kind of question, in the same colours:</p>
      ${panels(kinds)}`,
  }];
}
