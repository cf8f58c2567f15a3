/**
 * `deno task objectives`: the paper's Table 1, extended to all objectives and printed from the
 * values that run; with a name, one objective in depth.
 *
 * @module
 */

import { evaluate, gather, type Head, reshape, sum, type Tensor, tensor } from "@unitune/core";
import {
  choiceNamed,
  type Demonstrations,
  type Model,
  modelOf,
  type Objective,
  type ObjectiveDescription,
  type Policy,
  scoreTokens,
  summarize,
} from "@unitune/objectives";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { alignTable, WIDTH, wrapText, wrapWords } from "../terminal/layout.ts";
import { longest, nearest } from "@unitune/training";
import {
  allObjectives,
  inGroups,
  type ObjectiveGroup,
  type ObjectiveName,
} from "../flags/objective_names.ts";
import { type Asked, type BatchOf, type Recipe, recipeOf } from "../run/recipes.ts";
import { settingFlags, trainSettings } from "../flags/settings.ts";

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

/** The same table as a reward model: its head has one output. */
const scorer = modelOf({ ...bigram, head: () => total }, table);

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

const chosen = scored([[0, 1, 2, 3], [0, 2, 1, 3], [1, 3, 0, 3], [1, 0, 0, 3]]);
const rejected = scored([[0, 3, 3, 3], [0, 2, 2, 3], [1, 1, 1, 3], [1, 2, 0, 3]]);
const labels = tensor([1, 0, 1, 0]);
const answers = { ...chosen, rewards: labels, temperature: 1 };

/** An objective and what it gives before the first step. */
interface Entry {
  readonly name: ObjectiveName;
  readonly group: ObjectiveGroup;
  readonly description: ObjectiveDescription;
  readonly start: () => Readonly<Record<string, Tensor>>;
}

function entryOf<B>(
  { name, group }: Pick<Entry, "name" | "group">,
  model: Model,
  objective: Objective<B>,
  batch: B,
): Entry {
  const context = { step: reshape(tensor([0], { dtype: "i32" }), []) };
  return {
    name,
    group,
    description: objective.description,
    start: () => {
      const collected = objective.collect(model, batch, context);
      return summarize(objective.evaluate(model, collected, context));
    },
  };
}

/** The headings of the groups. */
const headings: Readonly<Record<ObjectiveGroup, string>> = {
  demonstrations: "On demonstrations",
  pairs: "On pairs",
  rewardModels: "Reward models",
  labels: "On labels",
  rollouts: "On rollouts",
  actorCritics: "On rollouts, with a value head",
};

/** Data of every kind. */
const batches: { readonly [Group in ObjectiveGroup]: BatchOf<Group> } = {
  demonstrations: chosen,
  pairs: { chosen, rejected },
  rewardModels: { chosen, rejected },
  labels: { ...chosen, labels, mismatched: rejected },
  rollouts: answers,
  actorCritics: answers,
};

/** What `train` minimizes where it is told no more than the objective's name. */
function recipeNamed(objective: ObjectiveName): Recipe {
  return recipeOf(trainSettings({
    objective,
    ...(objective === "distillation" && { teacher: "the reference" }),
    // The data has two answers to each prompt.
    ...(inGroups.includes(objective) && { groupSize: 2 }),
  }));
}

/** The entry of a name of the command line's. */
function entryNamed(name: ObjectiveName): Entry {
  const recipe = recipeNamed(name);
  const own = { name, group: recipe.group };
  const asked: Asked = { start: policy, teacher: policy };
  switch (recipe.group) {
    case "demonstrations":
      return entryOf(own, policy, recipe.objective(asked), batches.demonstrations);
    case "pairs":
      return entryOf(own, policy, recipe.objective(asked), batches.pairs);
    case "rewardModels":
      return entryOf(own, scorer, recipe.objective(asked), batches.rewardModels);
    case "labels":
      return entryOf(own, policy, recipe.objective(asked), batches.labels);
    case "rollouts":
      return entryOf(own, policy, recipe.objective(asked), batches.rollouts);
    case "actorCritics":
      return entryOf(own, policy, recipe.objective(asked), batches.actorCritics);
    default:
      return recipe satisfies never;
  }
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
function wholeTable(): string[] {
  const all = Map.groupBy(allObjectives.map(entryNamed), ({ group }) => group);
  const summary = [...all.values()].flat().map(({ name, description }) => [
    name,
    showCell("forwardPasses", description),
    showCell("stepZero", description),
    showCell("models", description),
  ]);
  const blocks = [...all].flatMap(([group, entries]) => [
    "",
    headings[group],
    ...entries.flatMap(({ name, description }) => [
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
async function numbersOf({ start }: Entry): Promise<Readonly<Record<string, number>>> {
  const metrics = Object.entries(start());
  return Object.fromEntries(
    await Promise.all(metrics.map(async ([name, value]) => [name, await value.item()] as const)),
  );
}

async function oneInDepth(entry: Entry): Promise<string[]> {
  const { loss, ...metrics } = await numbersOf(entry);
  const known = entry.description.stepZero;
  return [
    entry.name,
    ...inDepth.filter((column) => column !== "stepZero").map((column) =>
      field(labelsOf[column], showCell(column, entry.description))
    ),
    "",
    wrapText("Before the first step, on four answers of a bigram table that is its own reference:"),
    field(
      "loss",
      `${loss?.toFixed(6)}${known === undefined ? "" : ` (by the formula ${known.toFixed(6)})`}`,
    ),
    ...Object.entries(metrics).map(([name, value]) => `  ${name.padEnd(28)}${value.toFixed(6)}`),
  ];
}

async function main(): Promise<void> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText(flags, usage));
    return;
  }
  const word = Deno.args.find((argument) => !argument.startsWith("-"));
  const { values } = parseFlags(flags, Deno.args.filter((argument) => argument !== word));
  if (word === undefined) {
    const described = () => allObjectives.map((name) => [name, entryNamed(name).description]);
    console.log(
      values.json
        ? JSON.stringify(Object.fromEntries(described()), null, 2)
        : wholeTable().join("\n"),
    );
    return;
  }
  const named = choiceNamed(settingFlags.objective, word);
  const name = allObjectives.find((one) => one === named);
  if (name === undefined) {
    const meant = nearest(word, allObjectives);
    throw new UsageError(
      `unknown objective ${JSON.stringify(word)}${
        meant === undefined ? "; `deno task objectives` lists them all" : `: did you mean ${meant}?`
      }`,
    );
  }
  const entry = entryNamed(name);
  console.log(
    values.json
      ? JSON.stringify(
        { name, ...entry.description, computed: await numbersOf(entry) },
        null,
        2,
      )
      : (await oneInDepth(entry)).join("\n"),
  );
}

if (import.meta.main) await runCommand(main);
