/**
 * `deno task frozen-lake`: trains the game's policy by every method, prints which of the paper's
 * claims hold, and writes a report.
 *
 * @module
 */
import {
  fileError,
  type FlagTable,
  helpText,
  makeFolder,
  parseFlags,
  progressReporter,
  requireReplaceable,
  runCommand,
  say,
  standardProgress,
  UsageError,
  wantsHelp,
  writeSealed,
} from "@unitune/cli";
import { nearest } from "@unitune/training";
import { findingsOf, ordering } from "./claims.ts";
import { gameOf } from "./dynamics.ts";
import { type MethodRuns, problemOf, runMethod } from "./experiment.ts";
import { type Lake, maps, parseLake } from "./lake.ts";
import { methods } from "./methods.ts";
import { distanceSvg, reportPage } from "./report.ts";
import { runVariant, type VariantResult, variants } from "./sweep.ts";
import { findingLines, gridLines, resultLines, sweepLines } from "./view.ts";

const flags = {
  map: {
    kind: "string",
    default: "paper",
    placeholder: "NAME|FILE",
    help: `A map: ${Object.keys(maps).join(", ")}, or a file of rows of S, F, H and G.`,
  },
  slippery: {
    kind: "boolean",
    help: "Makes the lake slippery: only one move in three goes where it was meant to.",
  },
  show: {
    kind: "string",
    default: "IFT",
    placeholder: "METHOD",
    help: "The method whose policy is drawn in the terminal.",
  },
  out: {
    kind: "string",
    default: "runs/frozen-lake",
    placeholder: "DIR",
    help: "The folder for report.html and distance.svg.",
  },
  steps: {
    kind: "integer",
    default: 400,
    min: 1,
    group: "Training",
    help: "The number of optimizer steps.",
  },
  seeds: {
    kind: "integer",
    default: 10,
    min: 2,
    group: "Training",
    help: "The number of seeds: each method is trained once for each, from other weights.",
  },
  seed: { kind: "integer", default: 0, min: 0, group: "Training", help: "The first seed." },
  width: {
    kind: "integer",
    default: 64,
    min: 1,
    group: "Training",
    help: "The width of the hidden layer.",
  },
  activation: {
    kind: "choice",
    choices: ["none", "relu", "tanh"],
    default: "relu",
    group: "Training",
    help: "The activation after the first layer.",
  },
  input: {
    kind: "choice",
    choices: ["cell", "row-column"],
    default: "cell",
    group: "Training",
    help: "What the policy reads: the cell as a one-hot vector, or its row and its column.",
  },
  optimizer: {
    kind: "choice",
    choices: ["adam", "rmsprop", "sgd"],
    default: "adam",
    group: "Training",
    help: "The optimizer.",
  },
  "learning-rate": {
    kind: "number",
    default: 0.002,
    above: 0,
    group: "Training",
    help: "The learning rate.",
  },
  "sweep-seeds": {
    kind: "integer",
    default: 5,
    min: 0,
    group: "Sweep",
    help: "The number of seeds for each setting of the sweep; 0 skips the sweep.",
  },
  "sweep-steps": {
    kind: "integer",
    default: 160,
    min: 1,
    group: "Sweep",
    help: "The number of optimizer steps for each setting; the paper's figure shows 160.",
  },
} as const satisfies FlagTable;

const usage =
  `Trains a policy of two layers on Frozen Lake by SFT, DPO, ORPO, IFT and others, and compares ` +
  `each with the optimal policy, exactly and over seeds (arXiv 2405.11870, section 5.3). It takes ` +
  `about a minute.

  deno task frozen-lake
  deno task frozen-lake --map 4x4 --slippery --show PPO
  deno task frozen-lake --seeds 3 --steps 160 --sweep-seeds 0`;

/** The lake of a name, or of a file. */
async function lakeOf(map: string): Promise<Lake> {
  const named = Object.entries(maps).find(([name]) => name === map);
  if (named !== undefined) return parseLake(named[1], `the map ${map}`);
  let text: string;
  try {
    text = await Deno.readTextFile(map);
  } catch (error) {
    const meant = nearest(map, Object.keys(maps));
    if (error instanceof Deno.errors.NotFound && meant !== undefined) {
      throw new UsageError(
        `--map: no map and no file ${JSON.stringify(map)}: did you mean ${meant}?`,
      );
    }
    throw fileError(error, "read", map);
  }
  return parseLake(text, map);
}

/** The method of a name. */
function methodNamed(name: string) {
  const method = methods.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (method !== undefined) return method;
  const meant = nearest(name, methods.map((one) => one.name));
  throw new UsageError(
    `--show: no method ${JSON.stringify(name)}; ${
      meant === undefined
        ? `there are ${methods.map((one) => one.name).join(", ")}`
        : `did you mean ${meant}?`
    }`,
  );
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const { values } = parseFlags(flags, Deno.args);
  const { steps, seeds, seed, sweepSeeds, sweepSteps, slippery, out } = values;
  if (sweepSeeds === 1) throw new UsageError("--sweep-seeds: an interval needs at least 2");
  const shown = methodNamed(values.show);
  const lake = await lakeOf(values.map);
  const game = gameOf(lake, slippery);
  const { width, activation, input, optimizer, learningRate } = values;
  const setting = { width, activation, input, optimizer, learningRate };
  const problem = await problemOf(game, setting);
  await makeFolder(out);
  const [path, plot] = [`${out}/report.html`, `${out}/distance.svg`];
  const instead = "choose another --out";
  // Checked now, rather than after the training.
  for (const written of [path, plot]) await requireReplaceable(written, instead);
  const budget = { steps, seeds: Array.from({ length: seeds }, (_, i) => seed + i) };
  const small = {
    steps: sweepSteps,
    seeds: Array.from({ length: sweepSeeds }, (_, i) => seed + i),
  };
  const ofPaper = methods.filter(({ group }) => group === "paper");
  const swept = sweepSeeds === 0 ? [] : variants;
  const all = methods.length * seeds * steps +
    swept.length * ofPaper.length * sweepSeeds * sweepSteps;

  const results: MethodRuns[] = [];
  const sweep: VariantResult[] = [];
  {
    using progress = progressReporter(standardProgress(), all, Math.ceil(all / 20));
    let done = 0;
    const onStep = () => progress.update(++done);
    progress.update(0);
    for (const method of methods) {
      progress.phase(method.name);
      results.push(await runMethod(problem, method, budget, onStep));
    }
    for (const [i, variant] of swept.entries()) {
      progress.phase(`setting ${i + 1} of ${swept.length}`);
      sweep.push(await runVariant(lake, variant, ofPaper, small, onStep));
    }
  }
  const findings = findingsOf(results);
  const report = { map: values.map, problem, budget, results, findings, sweep, sweepBudget: small };
  await writeSealed(path, reportPage(report), instead);
  await writeSealed(plot, distanceSvg(report), instead);

  const [run] = results.find(({ method }) => method === shown)?.runs ?? [];
  const { optimal, suboptimal } = problem.trajectories;
  const lines = [
    `${values.map} map, ${slippery ? "slippery" : "not slippery"}; ` +
    `trajectories of ${optimal.actions.length} and ${suboptimal.actions.length} moves`,
    `two layers, ${width} wide, ${activation}, of the ${input}; ${optimizer} at ${learningRate}; ` +
    `${seeds} seeds, ${steps} steps`,
    "",
    "start, best, end: mean squared difference from the optimal policy's matrix",
    "±, [a, b]: 95 % interval over seeds",
    "success: exact probability of reaching the goal, at the end of training",
    "after a slip: the same probability, from the cells to which one wrong step leads",
    "cells: the number of cells that were read in training",
    "closeness: of these cells to the cells that the policy visits, 0 to 1",
    "",
    ...resultLines(results),
    "",
    "The paper's claims; one holds where the difference below it is above 0:",
    "",
    ...findingLines(findings),
    "",
    ...(sweep.length === 0 ? [] : [
      `The ordering under ${sweep.length} settings of what the paper leaves open:`,
      "",
      ...sweepLines(sweep, ordering),
    ]),
    ...(run === undefined ? [] : [
      `${shown.name}, seed ${run.seed}, at its best, step ${run.best.step}; ` +
      `success ${run.best.success.toFixed(3)}; [ ]: not an optimal move`,
      "",
      ...gridLines(problem, run.best),
      "",
    ]),
    `report: ${path}`,
  ];
  say(lines.join("\n"));
}

if (import.meta.main) await runCommand(main);
