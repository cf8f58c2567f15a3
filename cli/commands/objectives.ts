/**
 * `deno task objectives`: the paper's Table 1, extended to all objectives and printed from the
 * values that run; with a name, one objective in depth.
 *
 * @module
 */

import {
  concat,
  dims,
  evaluate,
  gather,
  type Head,
  mul,
  quoted,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  type Demonstrations,
  describeEntry,
  entryNamed,
  type Model,
  modelOf,
  namesOf,
  type Objective,
  type ObjectiveDescription,
  type ObjectiveEntry,
  type ObjectiveRegistry,
  objectiveRegistry,
  type Policy,
  type ScoredBatches,
  type ScoredDemonstrations,
  type ScoredLabelledAnswers,
  type ScoredPairs,
  scoreTokens,
  summarize,
} from "@unitune/objectives";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { flagLines, helpText } from "../flags/help.ts";
import type { Registries } from "../flags/registries.ts";
import { alignTable, WIDTH, wrapText, wrapWords } from "../terminal/layout.ts";
import { longest, nearest } from "@unitune/training";

const flags = {
  json: { kind: "boolean", help: "Prints one JSON object instead of text." },
} as const satisfies FlagTable;

const usage =
  `Prints the objectives, each as preference estimation x transition optimization: the states at ` +
  `which the preferences of human and model are estimated, the signal, and how the model's ` +
  `transitions are optimized there.

  deno task objectives        all objectives
  deno task objectives dpo    one of them, with its value before the first step`;

/** A bigram table: the logits of the next token are a row of it. */
const table = tensor([[0.2, -0.4, 1, 0], [0.5, 0.1, -0.3, 0.6], [-1, 0.7, 0, 0.2], [
  0,
  0,
  0.4,
  -0.2,
]]);

const total: Head = (hidden) => sum(hidden, { axes: [-1], keepDims: true });

const bigram: Policy<Tensor> = {
  embed: gather,
  hidden: (_, embeddings) => embeddings,
  head: () => (hidden) => hidden,
  value: () => total,
};

const policy = modelOf(bigram, table);

/** A new reward model of the same table: it scores all answers 0. */
const newScorer = modelOf({ ...bigram, head: () => (hidden) => mul(total(hidden), 0) }, table);

/** Four answers to two prompts, as data of every kind: the policy is its reference and its past. */
function scored(rows: readonly (readonly number[])[]):
  & Demonstrations
  & Record<
    "referenceLogProbs" | "oldLogProbs",
    Tensor
  > {
  const ids = tensor(rows, { dtype: "i32" });
  const mask = tensor(rows.map((row) => row.map((_, t) => t === 0 ? 0 : 1)));
  const logProbs = evaluate(scoreTokens(policy, { ids }));
  return { ids, mask, referenceLogProbs: logProbs, oldLogProbs: logProbs };
}

/** The values of the states before each token, as a batch holds them. */
function valuesOf({ ids }: Demonstrations): Tensor {
  const before = policy.predict(policy.embed(slice(ids, 1, 0, -1))).values();
  const { B } = dims(before, "B T");
  return concat([zeros([B, 1], before.dtype), before], 1);
}

const chosen = scored([[0, 1, 2, 3], [0, 2, 1, 3], [1, 3, 0, 3], [1, 0, 0, 3]]);
const rejected = scored([[0, 3, 3, 3], [0, 2, 2, 3], [1, 1, 1, 3], [1, 2, 0, 3]]);
const labels = tensor([1, 0, 1, 0]);
const answers = {
  ...chosen,
  rewards: labels,
  temperature: 1,
  oldValues: evaluate(valuesOf(chosen)),
};

/** An objective and what it gives before the first step. */
interface Row {
  readonly entry: ObjectiveEntry;
  readonly description: ObjectiveDescription;
  readonly start: () => Readonly<Record<string, Tensor>>;
}

/** What an objective gives before the first step. */
function startOf<B>(model: Model, objective: Objective<B>, batch: B) {
  const context = { step: reshape(tensor([0], { dtype: "i32" }), []) };
  const collected = objective.collect(model, batch, context);
  return summarize(objective.evaluate(model, collected, context));
}

/** The headings of objectives: by the data that they read, and the model that they train. */
function headingOf({ data, trains, values }: ObjectiveEntry): string {
  if (trains === "reward model") return "Reward models";
  return values ? `On ${data}, with a value head` : `On ${data}`;
}

/** Batches of each kind, of which the policy is the reference and the past. */
const batches: ScoredBatches = {
  demonstrations: chosen,
  pairs: { chosen, rejected },
  labels: { ...chosen, labels, mismatched: rejected },
  rollouts: answers,
};

/** An entry with what `train` minimizes where it is told no more than the name. */
function rowOf(entry: ObjectiveEntry): Row {
  const models = { reference: policy, teacher: policy };
  const model = entry.trains === "policy" ? policy : newScorer;
  // The data has two answers to each prompt.
  const pairs = describeEntry(entry).groupSize === 1 ? {} : { groupSize: 2 };
  const start = () => {
    switch (entry.data) {
      case "demonstrations": {
        const objective: Objective<ScoredDemonstrations> = entry.make({}, models);
        return startOf(model, objective, batches.demonstrations);
      }
      case "pairs": {
        const objective: Objective<ScoredPairs> = entry.make({}, models);
        return startOf(model, objective, batches.pairs);
      }
      case "labels": {
        const objective: Objective<ScoredLabelledAnswers> = entry.make({}, models);
        return startOf(model, objective, batches.labels);
      }
      case "rollouts": {
        const objective: Objective<ScoredBatches["rollouts"]> = entry.make(pairs, models);
        return startOf(model, objective, batches.rollouts);
      }
      default:
        return entry satisfies never;
    }
  };
  return { entry, description: describeEntry(entry, pairs), start };
}

/** The columns of Table 1, in order: those of a line, then those that have a line of their own. */
const labelsOf: Readonly<Record<keyof ObjectiveDescription, string>> = {
  humanStates: "states, human",
  modelStates: "states, model",
  signal: "signal",
  transition: "transition",
  models: "models",
  data: "data",
  forwardPasses: "forward passes",
  sequences: "sequences",
  groupSize: "group size",
  learnedShare: "learned share",
  normalizer: "divided by",
  formula: "loss",
  stepZero: "at step 0",
};

function showCell(column: keyof ObjectiveDescription, description: ObjectiveDescription): string {
  const value = description[column];
  if (value === undefined) return "";
  if (column === "forwardPasses" && value === Infinity) return "one a position";
  if (typeof value === "number") return column === "stepZero" ? value.toFixed(4) : `${value}`;
  return typeof value === "string" ? value : value.join(", ");
}

const inDepth = [
  "humanStates",
  "modelStates",
  "signal",
  "transition",
  "formula",
  "normalizer",
  "models",
  "data",
  "forwardPasses",
  "sequences",
  "groupSize",
  "learnedShare",
  "stepZero",
] as const satisfies readonly (keyof ObjectiveDescription)[];

const notation: Readonly<Record<string, string>> = {
  "s*_n, s_n": "gold prefix, the model's own; s+, s- chosen and rejected",
  "T, T*": "the model's and the human's transition matrix, T(a|s)",
  "l, p": "loss and probability of a token, l = -log p; M_b answer tokens of row b",
  "D, d": "log pi/ref of an answer; Dw of the chosen, Dl of the rejected one, d = Dw - Dl",
  "lw, aw": "log pi of the chosen answer, summed and for each token; ll, al of the rejected",
  "A, rho": "advantage; ratio of the policy to the one that sampled",
  "s(x), sg": "sigmoid; stop-gradient",
};

/** A label and its value, wrapped beside it. */
function field(label: string, value: string): string {
  const indent = 18;
  const lines = wrapWords(value, WIDTH - indent);
  return `  ${label.padEnd(indent - 2)}${lines.join(`\n${" ".repeat(indent)}`)}`;
}

/** The whole table: a block of lines for each objective, so that it fits a terminal. */
function wholeTable(registry: ObjectiveRegistry): string[] {
  const rows = registry.map(rowOf);
  const summary = rows.map(({ entry: { name }, description }) => [
    name,
    showCell("forwardPasses", description),
    showCell("stepZero", description),
    showCell("models", description),
  ]);
  const groups = Map.groupBy(rows, ({ entry }) => headingOf(entry));
  const blocks = [...groups].flatMap(([heading, own]) => [
    "",
    heading,
    ...own.flatMap(({ entry: { name }, description }) => [
      "",
      name,
      field("states", statesOf(description)),
      ...(["signal", "transition", "formula", "normalizer", "data"] as const).map((column) =>
        field(labelsOf[column], showCell(column, description))
      ),
    ]),
  ]);
  return [
    ...leftAligned([["objective", "passes", "at step 0", "models"], ...summary]),
    ...blocks,
    "",
    "Notation",
    ...Object.entries(notation).map(([symbol, meaning]) => field(symbol, meaning)),
  ];
}

/** The human's states and the model's, once where they are the same. */
function statesOf({ humanStates, modelStates }: ObjectiveDescription): string {
  return humanStates === modelStates
    ? `${humanStates}, human and model`
    : `human ${humanStates}; model ${modelStates}`;
}

/** alignTable, with the last column to the left. */
function leftAligned(rows: readonly (readonly string[])[]): string[] {
  const lines = alignTable(rows.map((row) => row.slice(0, -1)));
  return lines.map((line, i) => {
    const width = longest(lines, (other) => other.length);
    return `${line.padEnd(width)}  ${rows[i]?.at(-1) ?? ""}`;
  });
}

/** Metrics at the start, as numbers. */
async function numbersOf({ start }: Row): Promise<Readonly<Record<string, number>>> {
  const metrics = Object.entries(start());
  return Object.fromEntries(
    await Promise.all(metrics.map(async ([name, value]) => [name, await value.item()] as const)),
  );
}

/** Whether a column is shown: the value at step 0 has a line of its own, and a count of 1 has none. */
function isTold(column: keyof ObjectiveDescription, description: ObjectiveDescription): boolean {
  const isCount = column === "sequences" || column === "groupSize" || column === "learnedShare";
  return column !== "stepZero" && !(isCount && description[column] === 1);
}

/** The options of an objective, as flags of `train`. */
function optionLines({ options }: ObjectiveEntry): string[] {
  const rows = Object.entries(options);
  if (rows.length === 0) return [];
  return [
    "",
    "Options of `train`",
    ...rows.flatMap(([name, row]) => flagLines(name, row)),
  ];
}

async function oneInDepth(row: Row): Promise<string[]> {
  const { entry, description } = row;
  const { loss, ...metrics } = await numbersOf(row);
  const { stepZero: known } = description;
  return [
    entry.name,
    ...inDepth.filter((column) => isTold(column, description)).map((column) =>
      field(labelsOf[column], showCell(column, description))
    ),
    ...optionLines(entry),
    "",
    wrapText("Before the first step, on four answers of a bigram table that is its own reference:"),
    field(
      "loss",
      `${loss?.toFixed(6)}${known === undefined ? "" : ` (by the formula ${known.toFixed(6)})`}`,
    ),
    ...Object.entries(metrics).map(([name, value]) => `  ${name.padEnd(28)}${value.toFixed(6)}`),
  ];
}

/**
 * The command `objectives`.
 *
 * @param argv The command line.
 * @param registries The objectives (default: those of `@unitune/objectives`).
 * @returns The exit code.
 * @throws {UsageError} If the command line is wrong.
 */
export async function objectivesCommand(
  argv: readonly string[],
  { objectives: registry = objectiveRegistry }: Registries = {},
): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const word = argv.find((argument) => !argument.startsWith("-"));
  const { values } = parseFlags(flags, argv.filter((argument) => argument !== word));
  if (word === undefined) {
    const described = () =>
      registry.map(rowOf).map(({ entry, description }) => [entry.name, description]);
    console.log(
      values.json
        ? JSON.stringify(Object.fromEntries(described()), null, 2)
        : wholeTable(registry).join("\n"),
    );
    return 0;
  }
  const entry = entryNamed(registry, word);
  if (entry === undefined) {
    const { choices, aliases } = namesOf(registry);
    const near = nearest(word, [...choices, ...Object.keys(aliases)]);
    const meant = near === undefined ? undefined : entryNamed(registry, near)?.name;
    throw new UsageError(
      `unknown objective ${quoted(word)}${
        meant === undefined ? "; `deno task objectives` lists them all" : `: did you mean ${meant}?`
      }`,
    );
  }
  const row = rowOf(entry);
  console.log(
    values.json
      ? JSON.stringify(
        { name: entry.name, ...row.description, computed: await numbersOf(row) },
        null,
        2,
      )
      : (await oneInDepth(row)).join("\n"),
  );
  return 0;
}

if (import.meta.main) await runCommand(() => objectivesCommand(Deno.args));
