/** The results as a page. */
import { estimateOf, figure, type Html, html, page, table } from "@unitune/cli";
import { curves, intervals, type IntervalSeries, standaloneSvg } from "@unitune/cli/plot";
import { bestDistance, type Finding, lastDistance, ordering, type Verdict } from "./claims.ts";
import {
  afterWrongStep,
  type Budget,
  cellGroups,
  distance,
  type MethodRuns,
  type Problem,
  type Run,
  type Snapshot,
  snapshotOf,
} from "./experiment.ts";
import { drawGrid, gridNumbers, gridScript, gridStyle } from "./grid.ts";
import { decisionCells, placeOf } from "./lake.ts";
import { type Method, type MethodGroup, methods } from "./methods.ts";
import type { VariantResult } from "./sweep.ts";
import { cellsOf, columns, showEstimate, sweepCounts, sweepParts } from "./view.ts";

/** The contents of a report. */
export interface Report {
  /** The map's name. */
  readonly map: string;
  readonly problem: Problem;
  readonly budget: Budget;
  readonly results: readonly MethodRuns[];
  readonly findings: readonly Finding[];
  readonly sweep: readonly VariantResult[];
  readonly sweepBudget: Budget;
}

/** The number of steps between two points of a curve. */
const CURVE_EVERY = 4;

/** A function of a run at some steps, over seeds: a curve with its band. */
function bandOf(
  name: string,
  runs: readonly Run[],
  steps: readonly number[],
  of: (run: Run, index: number) => number,
) {
  const points = steps.map((step, i) => {
    const { mean, low, high } = estimateOf(runs.map((run) => of(run, i)));
    return { x: step, y: mean, low, high };
  });
  return { name, points };
}

function inGroups(results: readonly MethodRuns[], ...groups: readonly MethodGroup[]) {
  return results.filter(({ method }) => groups.includes(method.group));
}

function named(results: readonly MethodRuns[], ...names: readonly string[]) {
  return names.flatMap((name) => results.filter(({ method }) => method.name === name));
}

/** The names of the methods that have a colour of their own, in the order of the palette. */
const coloured = methods.filter(({ variantOf }) => variantOf === undefined).map(({ name }) => name);

/** The colour of a method, the same in every figure; variants of a method are dashed. */
function looksOf(
  { name, variantOf }: Method,
): { readonly color: number; readonly dashed: boolean } {
  return { color: coloured.indexOf(variantOf ?? name), dashed: variantOf !== undefined };
}

/** Draws the distance curves of some methods in a width. */
function distanceCurves(
  { budget }: Report,
  results: readonly MethodRuns[],
): (width: number) => string {
  const steps = Array.from({ length: budget.steps + 1 }, (_, i) => i)
    .filter((step) => step % CURVE_EVERY === 0 || step === budget.steps);
  const series = results.map(({ method, runs }) => ({
    ...bandOf(method.name, runs, steps, ({ distances }, i) => distances[steps[i] ?? 0] ?? NaN),
    ...looksOf(method),
  }));
  return (width) =>
    curves(series, {
      title: "Distance to the optimal policy over training",
      width,
      x: { label: "optimizer step" },
      y: { label: "mean squared distance" },
    });
}

/**
 * The distance curves of the paper's methods and of the methods that explain them, as a file of its
 * own.
 */
export function distanceSvg(report: Report): string {
  const shown = inGroups(report.results, "paper", "cause");
  return standaloneSvg(distanceCurves(report, shown)(720));
}

/** A function of each method's runs, over seeds. */
function rowsOf(
  name: string,
  results: readonly MethodRuns[],
  of: (run: Run) => number,
): IntervalSeries {
  return {
    name,
    rows: results.map(({ method, runs }) => {
      const { mean, low, high } = estimateOf(runs.map(of));
      return { name: method.name, value: mean, low, high };
    }),
  };
}

/** Best and last distances of some methods. */
function bestAndLast(results: readonly MethodRuns[], caption: string): Html {
  const series = [
    rowsOf("best", results, bestDistance),
    rowsOf("at the end", results, lastDistance),
  ];
  return figure(
    (width) =>
      intervals(series, {
        title: "Best and last distance",
        width,
        x: { label: "mean squared distance" },
      }),
    caption,
  );
}

function verdictTable(findings: readonly Finding[]): Html {
  return html`
    <div class="table">
      <table class="claims">
        <thead>
          <tr>
            <th>claim</th>
            <th>here (the difference is above 0 if it holds)</th>
          </tr>
        </thead>
        <tbody>${findings.map(({ claim, verdict, difference, measured }) =>
          html`
            <tr>
              <th scope="row">${claim}<small>${measured}</small></th>
              <td class="verdict ${verdict.replaceAll(" ", "-")}">${verdict}<small>${showEstimate(
                difference,
              )}</small></td>
            </tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

/** The distance at the end, by groups of cells: it shows why pairs mislead. */
function causeTable({ problem, results }: Report): Html {
  const groups = cellGroups(problem);
  const parts = [
    [`optimal trajectory (${groups.optimal.length} cells)`, groups.optimal],
    [`sub-optimal one only (${groups.suboptimal.length})`, groups.suboptimal],
    [`neither (${groups.others.length})`, groups.others],
  ] as const;
  const shown = parts.filter(([, cells]) => cells.length > 0);
  const start = results[0]?.runs.map(({ snapshots }) => snapshots[0]) ?? [];
  const rowOf = (name: string, snapshots: readonly (Snapshot | undefined)[]) => [
    name,
    ...shown.map(([, cells]) =>
      showEstimate(
        estimateOf(snapshots.map((one) => distance(one?.matrix ?? [], problem.optimum, cells))),
      )
    ),
  ];
  return table({
    caption: "Distance at the end of training, by cells",
    header: ["", ...shown.map(([name]) => name)],
    rows: [
      rowOf("before training", start),
      ...inGroups(results, "paper", "cause").map(({ method, runs }) =>
        rowOf(method.name, runs.map(({ last }) => last))
      ),
    ],
  });
}

/** The number of moves of the sub-optimal trajectory that are optimal in their cells. */
function rejectedButRight({ trajectories, optimal }: Problem): Html {
  const { actions: moves, cells } = trajectories.suboptimal;
  const right = moves.filter((move, t) => (optimal[cells[t] ?? -1]?.[move] ?? 0) > 0).length;
  return html`<strong>${right} of ${moves.length} are optimal where they are made</strong>`;
}

function beliefSection(report: Report): Html {
  const { problem, results } = report;
  const lost = afterWrongStep(problem.game, problem.trajectories);
  const shown = inGroups(results, "paper", "beyond", "cause");
  const [sft] = named(results, "SFT");
  const steps = sft?.runs[0]?.snapshots.map(({ step }) => step) ?? [];
  const ofSft = (name: string, of: (snapshot: Snapshot) => number) =>
    bandOf(name, sft?.runs ?? [], steps, ({ snapshots }, i) => {
      const snapshot = snapshots[i];
      return snapshot === undefined ? NaN : of(snapshot);
    });
  const beliefs = [
    ofSft(
      "teacher-forced estimate: the next move is correct",
      ({ teacherForced }) => teacherForced,
    ),
    ofSft("actual: the game reaches the goal", ({ success }) => success),
    ofSft("actual: by the demonstrated moves alone", ({ pathProbability }) => pathProbability),
  ];
  return html`<p>Teacher forcing evaluates the policy at the demonstrated cells, as if the
policy were always there: it sets the probability of having come there to 1. So it measures how likely
the next move is correct. The probability that the game succeeds is about the product over the moves.</p>
${
    figure(
      (width) =>
        curves(beliefs, {
          title: "Teacher-forced estimate of SFT's policy, and its actual success",
          width,
          x: { label: "optimizer step" },
          y: { label: "probability", domain: [0, 1] },
        }),
      "SFT over training. The gap between the first curve and the second is the overestimate.",
    )
  }
<p>SFT was never shown what to do after a wrong step.</p>
${
    lost.length === 0
      ? html`<p>On this map no wrong step leaves the optimal trajectory without ending the game.</p>`
      : html`<p>One wrong step leads to the cells ${
        lost.map((cell) => placeOf(problem.game.lake, cell)).join(", ")
      } (row, column) without ending the game. The probability to reach the goal from there:</p>
${
        figure(
          (width) =>
            intervals([
              rowsOf("from the start", shown, ({ last }) => last.success),
              rowsOf("after one wrong step", shown, ({ last }) => last.recovery),
            ], {
              title: "Probability to reach the goal after one wrong step",
              width,
              x: { label: "probability to reach the goal", domain: [0, 1] },
            }),
          "At the end of training: exact probabilities, over seeds.",
        )
      }`
  }`;
}

/** The line under a drawing. */
function captionOf({ optimum, game }: Problem, { matrix, success }: Snapshot): string {
  const far = distance(matrix, optimum, decisionCells(game.lake));
  return `distance ${far.toFixed(4)}, reaches the goal with probability ${success.toFixed(3)}`;
}

function policiesSection({ problem, results, budget }: Report): Html {
  const shown = inGroups(results, "paper", "cause", "beyond").flatMap(({ method, runs }) => {
    const [run] = runs;
    return run === undefined ? [] : [{ method, run }];
  });
  const steps = shown[0]?.run.snapshots.map(({ step }) => step) ?? [];
  const data = {
    steps,
    lakes: shown.map(({ method, run }) => ({
      name: method.name,
      moments: run.snapshots.map((snapshot) => ({
        ...gridNumbers(problem, snapshot),
        told: captionOf(problem, snapshot),
      })),
    })),
  };
  const optimal = snapshotOf(problem, 0, problem.optimum);
  // It must not contain a text that ends the element around it.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return html`<p>Seed ${
    budget.seeds[0] ?? 0
  }. The shade of a cell is the probability of ever being there, red in
holes. The strength of an arrow is the probability of its move. Hollow arrows are not optimal.</p>
<div id="time" hidden><label>Time <input type="range" min="0" value="0"></label>
<output></output></div>
<div class="lakes">
<figure>${{ html: drawGrid(problem, optimal, "The optimal policy") }}
<figcaption><strong>optimal</strong><br>${captionOf(problem, optimal)}</figcaption></figure>
${
    shown.map(({ method, run }) =>
      html`
        <figure
          data-method="${method.name}">${{
            html: drawGrid(problem, run.last, `The policy of ${method.name}`),
          }}<figcaption><strong>${method.name}</strong><br><span class="told">${captionOf(
            problem,
            run.last,
          )}</span></figcaption></figure>
      `
    )
  }</div>
<script type="application/json" id="lake-data">${{ html: json }}</script>`;
}

function sweepSection({ sweep, sweepBudget }: Report): Html {
  const methodNames = sweep[0]?.results.map(({ method }) => method.name) ?? [];
  return html`<p>The paper does not state whether the lake is slippery, the width of the policy, the
activation after its first layer, the input encoding of a cell, the optimizer or the learning rate. The
sweep crosses these settings, with ${sweepBudget.seeds.length} seeds and ${sweepBudget.steps} steps each. On a slippery lake, distances are to
the optimal policy of that lake, which the demonstrations do not show.</p>
${
    sweepParts(sweep).map(({ name, part }) =>
      table({
        caption: `Number of settings of ${part.length}, ${name}`,
        header: ["", "holds", "undecided", "does not hold"],
        rows: sweepCounts(part, ordering),
      })
    )
  }
<details><summary>Every setting: mean best distance</summary>${
    table({
      header: ["setting", ...methodNames],
      rows: sweep.map(({ variant, results }) => [
        `${variant.slippery ? "slippery, " : ""}${variant.input}, ${variant.activation}, ` +
        `width ${variant.width}, ${variant.optimizer} ${variant.learningRate}`,
        ...results.map(({ runs }) => estimateOf(runs.map(bestDistance)).mean.toFixed(4)),
      ]),
    })
  }</details>`;
}

function settingsSection({ problem, budget, results }: Report): Html {
  const { width, activation, input, optimizer, learningRate } = problem.setting;
  const { optimal, suboptimal } = problem.trajectories;
  const letters = (moves: readonly number[]) => moves.map((move) => "LDRU"[move]).join("");
  return html`
    <ul>
      <li>Trajectories, found by search: <code>${letters(optimal.actions)}</code> (optimal) and
    <code>${letters(suboptimal.actions)}</code> (sub-optimal).</li>
      <li>The policy: two layers, ${width} wide, ${activation} between them; its input is the ${input}.
    ${optimizer} at ${learningRate}, ${budget.steps} steps, seeds ${budget.seeds.join(
      ", ",
    )}: all methods start from the same weights.</li>
      <li>Distance: the mean squared difference from the transition matrix of the optimal policy, over moves and
    over cells with a decision to make. The optimal policy has the same two layers and is distilled from the
    optimal matrix, in which equally good moves are equally likely.</li>
      <li>Success: the probability of ever reaching the goal, from linear systems; nothing is sampled.</li>
      <li>After a slip: the probability at the end of training to reach the goal from the cells to which one wrong
      step from the optimal trajectory leads.</li>
      <li>Cells: the number of distinct cells that the method reads. Closeness: 1 minus the total variation between
      the cells that the method reads and the cells that games of the policy visit.</li>
      <li>Intervals: 95 %, by Student's t over seeds. Differences are between runs of the same seed.</li>
    </ul>
    ${table({
      caption: "Methods",
      header: ["", "data and settings"],
      rows: results.map(({ method }) => [method.name, method.note]),
    })}
  `;
}

const style = `
:root{--hole:#dfe3e8;--goal:#e3f3ec}
@media screen and (prefers-color-scheme:dark){:root{--hole:#2b323a;--goal:#17382d}}
.claims th[scope=row]{white-space:normal;min-width:11em}
.claims small{display:block;color:var(--quiet);font-weight:400}
.claims td{vertical-align:top}
.claims thead th{white-space:normal}
.verdict{font-weight:600}
.holds{color:var(--series-2)}
.does-not-hold{color:var(--series-5)}
#time{position:sticky;top:0;background:var(--back);padding:8px 0;z-index:1}
#time[hidden]{display:none}
#time input{width:min(420px,60vw);vertical-align:middle}
summary{cursor:pointer;color:var(--accent)}
@media print{#time{display:none}details::details-content{content-visibility:visible;display:block}}
`;

/**
 * The report: one page that stands by itself.
 *
 * @param report The contents.
 * @returns The file's text.
 */
export function reportPage(report: Report): string {
  const { results, findings, map, problem, sweep } = report;
  const found = (verdict: Verdict) => findings.filter((one) => one.verdict === verdict).length;
  return page({
    title: "Frozen Lake: what SFT, DPO, ORPO, PPO and IFT believe",
    lead: html`<p>A two-layer policy learns the way over a lake (${map} map,
${
      problem.game.slippery
        ? ""
        : "not "
    }slippery) by several objectives, all from the same initial weights.
Of ${findings.length} claims that arXiv 2405.11870, section 5.3, makes or implies, <strong>${
      found("holds")
    } hold here, ${found("does not hold")} do not, and ${
      found("undecided")
    } are undecided</strong>.</p>`,
    sections: [
      { title: "Claims", body: verdictTable(findings) },
      {
        title: "Distance to the optimal policy",
        body: html`${
          figure(
            distanceCurves(report, inGroups(results, "paper")),
            "The paper's four methods. Bands: 95 % intervals over seeds.",
          )
        }${
          figure(
            distanceCurves(report, [...named(results, "IFT"), ...inGroups(results, "beyond")]),
            "Beyond the paper: a pairwise objective without a reference, and rewards for the policy's own games.",
          )
        }${
          bestAndLast(
            inGroups(results, "paper", "cause", "beyond"),
            "The lowest distance during training, and the distance at its end.",
          )
        }`,
      },
      {
        title: "Why pairs mislead here",
        body: html`<p>DPO and ORPO make the moves of the sub-optimal trajectory less likely. Of
these moves, ${rejectedButRight(problem)}.
A detour is wrong only where it begins; from there on, no better way exists. Where the rejected move is
optimal, making it less likely leads away from the optimal policy. In <em>falls</em> the rejected move is
a step into a hole, from every cell of the optimal trajectory that is next to one.</p>
${
          figure(
            distanceCurves(report, named(results, "SFT", "DPO", "DPO falls", "ORPO", "ORPO falls")),
            "The same objectives with another rejected trajectory.",
          )
        }${causeTable(report)}`,
      },
      { title: "The policies", body: policiesSection(report) },
      { title: "Teacher forcing, and wrong steps", body: beliefSection(report) },
      {
        title: "Effects of IFT's parts",
        body: html`${
          ([["propagation", "Forms of the propagation, lambda 0.2, gamma 0.95."], [
            "lambda",
            "Share of the own state, propagation as run, gamma 0.95.",
          ], ["gamma", "Decay gamma, propagation as run, lambda 0.2."]] as const).map((
            [group, caption],
          ) => bestAndLast([...named(results, "SFT", "IFT"), ...inGroups(results, group)], caption))
        }`,
      },
      ...(sweep.length === 0
        ? []
        : [{ title: "Settings that the paper leaves open", body: sweepSection(report) }]),
      {
        title: "All methods",
        body: table({
          header: ["", ...columns.map(({ title }) => title)],
          rows: results.map((result) => [result.method.name, ...cellsOf(result)]),
        }),
      },
      { title: "Settings and measures", body: settingsSection(report) },
    ],
    style: gridStyle + style,
    script: gridScript,
  });
}
