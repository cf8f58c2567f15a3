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
  ones,
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
  formulaText,
  gradientText,
  type Model,
  modelOf,
  namesInGradient,
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
  type ScoredTriples,
  scoreTokens,
  type SlotTexts,
  slotTexts,
  summarize,
} from "@unitune/objectives";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { conditionColumns, conditionOf } from "./objective_filter.ts";
import { type FlagTable, kebabCase, parseFlags, wantsHelp } from "../flags/flags.ts";
import { flagLines, helpText } from "../flags/help.ts";
import { checkObjectives } from "../flags/check_objectives.ts";
import { settingFlags } from "../flags/settings.ts";
import type { Registries } from "../flags/registries.ts";
import { alignTable, WIDTH, wrapText, wrapWords } from "../terminal/layout.ts";
import { longest, nearest, type SettingTable, settingTable } from "@unitune/training";

const flags = {
  json: { kind: "boolean", help: "Prints one JSON object instead of text." },
  markdown: { kind: "boolean", help: "Prints docs/table.md: the whole table as a page." },
  where: {
    kind: "string",
    placeholder: "CONDITION",
    help: "Prints only the objectives that meet a condition: COLUMN=WORDS for what a column is, " +
      "COLUMN~WORDS for what is in it; several words are separated by commas, several columns by " +
      `spaces, and formulas are written without any. Columns are ${conditionColumns.join(", ")}.`,
  },
} as const satisfies FlagTable;

const usage =
  `Prints the objectives, each as preference estimation x transition optimization: the states at ` +
  `which the preferences of human and model are estimated, the signal, and how the model's ` +
  `transitions are optimized there.

  deno task objectives                          all objectives
  deno task objectives dpo                      one, with its value before the first step
  deno task objectives --where models=policy    those that ask no other model
  deno task objectives --where denominator=1    those whose gradient divides by no policy`;

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
const gold = scored([[0, 1, 3, 3], [0, 2, 0, 3], [1, 0, 2, 3], [1, 3, 3, 3]]);
const labels = tensor([1, 0, 1, 0]);
const answers = {
  ...chosen,
  rewards: labels,
  // The one reward that there is, by itself.
  rewardParts: reshape(labels, [4, 1]),
  rewardWeights: ones([4, 1]),
  temperature: 1,
  oldValues: evaluate(valuesOf(chosen)),
  // The last of two answers was given; a judge reads no more than the policy.
  given: tensor([0, 1, 0, 1].map((isGiven) => [0, 1, 1, 1].map((t) => t * isGiven))),
  privileged: { ids: chosen.ids, mask: chosen.mask, temperature: 1 },
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
  if (trains !== "policy") return "Reward models";
  return values ? `On ${data}, with a value head` : `On ${data}`;
}

/** Batches of each kind, of which the policy is the reference and the past. */
const batches: ScoredBatches = {
  demonstrations: chosen,
  pairs: { chosen, rejected },
  triples: { chosen, rejected, gold },
  labels: { ...chosen, labels, mismatched: rejected },
  steps: { ...chosen, labels: chosen.mask },
  rollouts: answers,
};

/** An entry with what `train` minimizes where it is told no more than the name. */
function rowOf(entry: ObjectiveEntry): Row {
  const models = { reference: policy, teacher: policy };
  const model = entry.trains === "policy" ? policy : newScorer;
  const description = describeEntry(entry);
  // The batch has two answers to each prompt, whatever the size of a group in training.
  const pairs = Object.hasOwn(entry.options, "groupSize") ? { groupSize: 2 } : {};
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
      case "triples": {
        const objective: Objective<ScoredTriples> = entry.make({}, models);
        return startOf(model, objective, batches.triples);
      }
      case "labels": {
        const objective: Objective<ScoredLabelledAnswers> = entry.make({}, models);
        return startOf(model, objective, batches.labels);
      }
      case "steps": {
        const objective: Objective<ScoredBatches["steps"]> = entry.make({}, models);
        return startOf(model, objective, batches.steps);
      }
      case "rollouts": {
        const objective: Objective<ScoredBatches["rollouts"]> = entry.make(pairs, models);
        return startOf(model, objective, batches.rollouts);
      }
      default:
        return entry satisfies never;
    }
  };
  return { entry, description, start };
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
  gradient: "gradient",
  stepZero: "at step 0",
};

function showCell(column: keyof ObjectiveDescription, description: ObjectiveDescription): string {
  if (column === "formula") return formulaText(description.formula);
  if (column === "gradient") return description.gradient.map(gradientText).join(" + ");
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

/** A row of the notation. */
interface NotationRow {
  readonly symbols: readonly string[];
  readonly meaning: string;
  /** Whether an objective may use it (default: every objective may). */
  readonly isFor?: (row: Pick<Row, "entry" | "description">) => boolean;
}

/** Tells whether an objective's formula defines a symbol. */
function defining(symbol: string): NonNullable<NotationRow["isFor"]> {
  return ({ description: { formula } }) => Object.hasOwn(formula.where, symbol);
}

/** The symbols of states, transitions, signals and losses; for an objective, each has one meaning. */
const notation: readonly NotationRow[] = [
  {
    symbols: ["s*_n", "s_n"],
    meaning: "the state after n tokens: the gold prefix, and the model's own; s+ and s- of the " +
      "chosen and the rejected answer; _end is after the whole answer",
  },
  {
    symbols: ["T", "T*"],
    meaning: "the model's and the human's transition matrix, T(a|s); T_ref and T_teacher are the " +
      "reference's and the teacher's",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  {
    symbols: ["rho0"],
    meaning: "the state that answers begin from: the prompt",
    isFor: ({ entry, description }) =>
      entry.data === "pairs" || entry.data === "labels" ||
      defining("beta")({ entry, description }) || defining("D")({ entry, description }),
  },
  {
    symbols: ["a", "pi", "pi*"],
    meaning: "a token; the model's and the human's prediction of the next one",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  {
    symbols: ["b", "t", "i", "M_b"],
    meaning: "a row of the batch; positions in its answer; the number of its answer tokens",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  {
    symbols: ["p", "l"],
    meaning:
      "probability and loss of a token, l = -log p; p_ref under the reference, p_old under " +
      "the policy that sampled",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  { symbols: ["e", "log"], meaning: "Euler's number; the natural logarithm" },
  {
    symbols: ["grad", "p(s)"],
    meaning: "the gradient in the policy's parameters; the probability of the token at a state s",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  {
    symbols: ["collision"],
    meaning: "sum_a p(a)^2, the probability that two draws agree",
    isFor: ({ entry }) => entry.name === "wpo",
  },
  {
    symbols: ["helped"],
    meaning: "1 for an answer with given tokens",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "gate"),
  },
  {
    symbols: ["pass rate"],
    meaning: "the share of a group's own answers that pass",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "gate"),
  },
  {
    symbols: ["sg", "1[...]"],
    meaning: "stop-gradient; 1 where the condition holds, else 0",
    isFor: ({ entry }) => entry.trains === "policy",
  },
  {
    symbols: ["lambda"],
    meaning: "the weight or the probability of the model's own token in a prior state",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "lambda"),
  },
  {
    symbols: ["w", "power", "cap"],
    meaning: "the weight of an answer, the power of its mean ratio, the largest weight",
    isFor: defining("power"),
  },
  {
    symbols: ["w", "ww", "wl"],
    meaning: "the weight of an answer, of the chosen and of the rejected one",
    isFor: (row) => row.entry.data === "pairs" && defining("w")(row),
  },
  {
    symbols: ["w", "k", "d"],
    meaning: "ratio of the whole answer; power and decay of its weight",
    isFor: defining("k, d"),
  },
  {
    symbols: ["w"],
    meaning: "the weight of a part after some steps",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "mixturePeak"),
  },
  {
    symbols: ["w", "H"],
    meaning: "the weight of the entropy bonus, which every step moves; the mean entropy of the " +
      "step before",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "entropyTarget"),
  },
  {
    symbols: ["high", "quantile"],
    meaning: "1 for a token of high entropy, else 0; the quantile is of the batch",
    isFor: defining("high"),
  },
  {
    symbols: ["keep"],
    meaning: "1 where the answer teaches, else 0",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "offPolicyThreshold"),
  },
  {
    symbols: ["c"],
    meaning: "the clipped log-ratio of a token",
    isFor: defining("c"),
  },
  {
    symbols: ["shift"],
    meaning: "the mean implicit reward of all answers so far",
    isFor: defining("shift"),
  },
  {
    symbols: ["c", "gamma"],
    meaning: "the loss of a token and of those after it, by which they are propagated; its decay " +
      "for each position",
    isFor: defining("c_bt"),
  },
  {
    symbols: ["JSD_x", "KL"],
    meaning: "generalised Jensen-Shannon divergence, x being the teacher's share; " +
      "Kullback-Leibler divergence",
    isFor: ({ entry }) =>
      entry.teacher || entry.reference === "model" && entry.trains === "policy" &&
        entry.data !== "pairs",
  },
  {
    symbols: ["D", "d", "ref"],
    meaning:
      "D = log pi/ref of an answer, ref being the reference's pi, or 1 where there is none; " +
      "Dw of the chosen, Dl of the rejected one, d = Dw - Dl",
    isFor: ({ entry, description }) =>
      entry.data === "labels" || defining("D")({ entry, description }) ||
      defining("beta")({ entry, description }),
  },
  {
    symbols: ["lw", "ll"],
    meaning: "log pi of the chosen and of the rejected answer; lw_ref, ll_ref under the reference",
    isFor: ({ entry }) => entry.data === "pairs" && entry.trains === "policy",
  },
  {
    symbols: ["aw", "al"],
    meaning: "the averages of lw and ll for each token",
    isFor: ({ entry }) => entry.data === "pairs" && entry.reference === "none",
  },
  { symbols: ["beta"], meaning: "the strength of the reference", isFor: defining("beta") },
  { symbols: ["eps"], meaning: "the label smoothing", isFor: defining("eps") },
  {
    symbols: ["tau"],
    meaning: "the temperature of the mixture",
    isFor: (row) => row.entry.data === "pairs" && defining("tau")(row),
  },
  {
    symbols: ["tau"],
    meaning: "the steepness of the gate",
    isFor: (row) => row.entry.data === "rollouts" && defining("tau")(row),
  },
  {
    symbols: ["sigmoid"],
    meaning: "sigmoid(x) = 1/(1 + e^-x)",
    isFor: ({ entry, description }) =>
      entry.data === "pairs" || entry.data === "labels" || entry.data === "steps" ||
      defining("beta")({ entry, description }) || defining("tau")({ entry, description }),
  },
  {
    symbols: ["relu", "odds"],
    meaning: "relu(x) = max(x, 0); odds(x) = e^x/(1 - e^x), of a log-probability x",
    isFor: ({ entry }) => entry.data === "pairs" && entry.trains === "policy",
  },
  {
    symbols: ["sort"],
    meaning: "the values of the batch in ascending order; x' is the value of x at the rank that " +
      "another one has",
    isFor: ({ entry }) => entry.data === "pairs" && entry.reference === "log-probs",
  },
  {
    symbols: ["kl"],
    meaning: "the divergence from the reference, estimated on mismatched answers",
    isFor: ({ description }) => description.data.includes("mismatched answers"),
  },
  {
    symbols: ["r", "rw", "rl"],
    meaning: "the score of an answer; of the chosen and of the rejected one",
    isFor: ({ entry }) => entry.trains === "reward model",
  },
  {
    symbols: ["r"],
    meaning: "the score of a step, the log-odds that it is right",
    isFor: ({ entry }) => entry.trains === "process reward model",
  },
  {
    symbols: ["r", "A"],
    meaning: "reward of an answer; advantage",
    isFor: (row) =>
      row.description.data.includes("old log-probs") || defining("rho")(row) ||
      Object.hasOwn(row.entry.options, "passingReward"),
  },
  {
    symbols: ["rho", "clip"],
    meaning: "ratio of the policy to the one that sampled; clip(x, from, to)",
    isFor: defining("rho"),
  },
  {
    symbols: ["given", "own"],
    meaning: "of tokens that were given to the policy, and of its own",
    isFor: ({ description }) => description.data.includes("given tokens"),
  },
  {
    symbols: ["H"],
    meaning: "the entropy of a prediction; H without indices is its mean over the batch",
    isFor: ({ entry: { options }, description: { formula } }) =>
      Object.hasOwn(options, "entropyWeight") ||
      ["H", "high"].some((name) => Object.hasOwn(formula.where, name)),
  },
  {
    symbols: ["q", "w"],
    meaning: "the pass rate of a group; the weight of its answers",
    isFor: defining("q"),
  },
  {
    symbols: ["keep", "sign"],
    meaning: "1 where a token has not moved too far from p_old, else 0; the sign of a number",
    isFor: ({ entry }) => Object.hasOwn(entry.options, "trust"),
  },
  {
    symbols: ["x", "KL"],
    meaning: "log p/p_ref of a token; the divergence from the reference, which x estimates",
    isFor: defining("x"),
  },
  {
    symbols: ["L"],
    meaning: "the most tokens of an answer, max-new-tokens",
    isFor: defining("L"),
  },
  {
    symbols: ["parted"],
    meaning: "the share of a teacher's disagreement that the tokens before have",
    isFor: defining("parted"),
  },
  {
    symbols: ["V", "R"],
    meaning: "predicted and actual return; V_old when the answer was sampled",
    isFor: ({ entry }) => entry.values,
  },
  {
    symbols: ["KL (k1)"],
    meaning: "the divergence from the reference, estimated by log p/p_ref of a token",
    isFor: ({ entry }) => entry.values,
  },
  {
    symbols: ["GAE(x, y)"],
    meaning: "generalised advantage estimation of discount x, and of decay y of later errors",
    isFor: ({ entry }) => entry.values,
  },
];

/**
 * The notation of an objective.
 *
 * @param entry The objective.
 * @returns The symbols that its description may use, and their meanings.
 */
export function notationOf(entry: ObjectiveEntry): readonly NotationRow[] {
  const row = { entry, description: describeEntry(entry) };
  return notation.filter(({ isFor }) => isFor === undefined || isFor(row));
}

/** The lines of a notation. */
function notationLines(rows: readonly NotationRow[]): string[] {
  return [
    "",
    "Notation",
    ...rows.map(({ symbols, meaning }) => field(symbols.join(", "), meaning)),
  ];
}

/** The meanings of the summary's columns. */
const heads: Readonly<Record<string, string>> = {
  passes: "forward passes over the batch in a step, with and without gradient",
  gradient: "minus the gradient of the loss, of one token, in the form of UPGE: 1[mask] " +
    "1/denominator advantage grad likelihood",
  "at step 0": "the loss before the first step, where it is known: with a policy that is its " +
    "reference, or a reward model that scores all answers 0",
};

/** Options whose default `train` takes from the data, which the numbers here can't. */
function fromData({ options }: ObjectiveEntry): string[] {
  const settings: SettingTable = settingTable;
  return Object.entries(options).flatMap(([name, row]) => {
    const setting = settings[name];
    if (setting === undefined || setting.default !== undefined) return [];
    return setting.defaultHelp === undefined
      ? []
      : [`${kebabCase(name)} is ${row.default} here; in \`train\` it is ${setting.defaultHelp}`];
  });
}

/** A label and its value, wrapped beside it. */
function field(label: string, value: string): string {
  const indent = 18;
  const lines = wrapWords(value, WIDTH - indent);
  return `  ${label.padEnd(indent - 2)}${lines.join(`\n${" ".repeat(indent)}`)}`;
}

/** The columns of an objective's block in the whole table. */
const blockColumns = [
  ...["signal", "transition", "formula", "normalizer", "gradient", "data"] as const,
];

/** The names in a gradient that its loss does not define. */
function definitionsText({ formula, gradient }: ObjectiveDescription): string {
  return Object.entries(namesInGradient(gradient))
    .filter(([name]) => !Object.hasOwn(formula.where, name))
    .map(([name, meaning]) => `${name} = ${meaning}`)
    .join(", ");
}

/** A line of the names in a gradient, where there are any. */
function definitionField(description: ObjectiveDescription): string[] {
  const text = definitionsText(description);
  return text === "" ? [] : [field("where", text)];
}

/** The slots of UPGE, by their heads. */
const slotHeads: readonly (readonly [string, keyof SlotTexts])[] = [
  ["stability mask", "mask"],
  ["denominator", "denominator"],
  ["advantage", "advantage"],
  ["likelihood", "likelihood"],
];

/** The terms of an objective's gradient, slot by slot. */
function gradientLines(description: ObjectiveDescription): string[] {
  return [
    "",
    wrapText(
      "In the form of UPGE, minus the gradient of the loss is a sum over tokens of mask x " +
        "1/denominator x advantage x gradient of the likelihood:",
    ),
    ...description.gradient.flatMap((term, i) => {
      const texts = slotTexts(term);
      const own = texts === undefined
        ? [field("no such form", gradientText(term))]
        : slotHeads.map(([head, slot]) => field(head, texts[slot]));
      return i === 0 ? own : ["", ...own];
    }),
    ...definitionField(description),
  ];
}

/** The whole table: a block of lines for each objective, so that it fits a terminal. */
function wholeTable(rows: readonly Row[]): string[] {
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
    ...own.flatMap(({ entry, description }) => [
      "",
      entry.name,
      field("states", statesOf(description)),
      ...blockColumns.map((column) => field(labelsOf[column], showCell(column, description))),
      ...definitionField(description),
      ...fromData(entry).map((told) => field("by default", told)),
    ]),
  ]);
  return [
    ...leftAligned([["objective", "passes", "at step 0", "models"], ...summary]),
    "",
    ...Object.entries(heads).map(([head, meaning]) => field(head, meaning)),
    ...blocks,
    ...notationLines(notation),
  ];
}

/** How to read the table, and how to write a line of it. */
const PREAMBLE = `# The table of objectives

\`deno task objectives --markdown > docs/table.md\` writes this page from the values that run. Every
objective is a line: **preference estimation x transition optimization**, as in Table 1 of Intuitive
Fine-Tuning (arXiv 2405.11870), extended.

**How to read a line.** _States_ are those at which the preferences of human and model are estimated:
\`s*_n\` is the gold prefix of n tokens, \`s_n\` the model's own, \`s+\` and \`s-\` those of the chosen and
the rejected answer. The _signal_ is what the model is compared with there. The _transition_ says how
its predictions are moved, the _loss_ by what formula, and _divided by_ what its sum is divided by. The
_models_ are those that are evaluated, the _passes_ how often over a batch in a step. _At step 0_ is the
loss before the first step, where it is known. \`deno task objectives NAME\` explains the symbols of a
line and its options; \`deno task objectives --where models=policy\` prints the lines that meet a
condition, such as \`"kind=pairs data~reference"\` or \`"denominator=p_old mask=1"\`.

**How to write a line.** Choose states (\`gold\`, \`intuitive\`, \`sampled\`), a signal (\`indicator\`,
\`againstReference\`, \`advantage\`, \`teacher\`) and an optimization (\`nll\`, \`pairwise\`, \`clipped\`,
\`distilled\`), and join them: \`objective(estimate(states, signal), optimization)\`. Types refuse an
optimization that needs what the signal does not give, or that ignores what it gives. \`sumOf\`,
\`weight\` and \`weighed\` combine losses. A row in \`objectives/registry/\` gives the expression a name,
its data and its options; then \`train --objective NAME\` runs it, and it is a line here. In a program
of your own, \`defineObjective\` makes the row, and both commands are functions that take a list with it
(\`tests/cli/commands/outside_program.ts\`). A part that is new says its columns: states and signals what
they are, an optimization its move, its formula, what it is divided by, and the slots of its gradient;
the example of \`tokenwise\` is a whole one.
`;

/** How to read the table of gradients. */
const GRADIENTS = `## As gradients

The sequel of that paper, UPGE (arXiv 2509.04419), gives the gradients of SFT and RL one form. Here
all objectives have it, as far as they can:

\`-grad loss = sum over tokens of mask x (1 / denominator) x advantage x grad likelihood\`,

where the sum is divided as in the tables above. The _stability mask_ is 1 for the tokens that are
learned: all of them, those \`given\` to the policy, its \`own\`, or those for which a condition holds.
The _denominator_ divides the probability p of the token: p itself gives the gradient of log p, the
policy that sampled (\`p_old\`) an importance ratio, 1 the gradient of p. The _advantage_ says how much
the token is to be raised: 1 for a target, A where the signal gives an advantage. For pairs and labels
it is minus the slope of the loss in the log-ratio of the answer. The _likelihood_ is the state at which
p is raised. An objective has a line for each term of its loss; pairs have one for each side. The
gradient of a term over the whole vocabulary, of values or of scores has no such form, and its line says
so.

These lines come from the parts as well: the states give the likelihood, the signal gives A, and the
optimization gives the mask, the denominator and the use of A. For every objective, a test evaluates the
slots in plain numbers and compares the sum with the gradient of the loss. So a new optimization names
its slots (\`slots\`), written as expressions (\`write\`), and a false one fails the test.
`;

/** A cell of a Markdown table. */
function cell(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll("|", "\\|")}\``;
}

/** The whole table as a page. */
function tablePage(rows: readonly Row[]): string {
  const heads = [
    ...["objective", "states", "signal", "transition", "loss", "divided by", "models", "passes"],
    "at step 0",
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const groups = Map.groupBy(rows, ({ entry }) => headingOf(entry));
  const tables = [...groups].flatMap(([heading, own]) => [
    "",
    `## ${heading}`,
    "",
    line(heads),
    line(heads.map(() => "---")),
    ...own.map(({ entry, description }) =>
      line([
        entry.name,
        cell(statesOf(description)),
        cell(description.signal),
        cell(description.transition),
        cell(formulaText(description.formula)),
        description.normalizer,
        description.models.join(", "),
        showCell("forwardPasses", description),
        showCell("stepZero", description),
      ])
    ),
  ]);
  const gradients = [...groups].flatMap(([heading, own]) => [
    "",
    `### ${heading}, as gradients`,
    "",
    line(["objective", ...slotHeads.map(([head]) => head), "where"]),
    line(["---", ...slotHeads.map(() => "---"), "---"]),
    ...own.flatMap(({ entry, description }) =>
      description.gradient.map((term, i) => {
        const texts = slotTexts(term);
        const cells = texts === undefined
          ? [gradientText(term), "", "", ""]
          : slotHeads.map(([, slot]) => cell(texts[slot]));
        const where = i === 0 ? cell(definitionsText(description)) : "";
        return line([entry.name, ...cells, where]);
      })
    ),
  ]);
  return [PREAMBLE.trimEnd(), ...tables, "", GRADIENTS.trimEnd(), ...gradients].join("\n");
}

/**
 * The page of all objectives, docs/table.md.
 *
 * @param registry The objectives.
 * @returns Its Markdown.
 */
export function tableDocument(registry: ObjectiveRegistry): string {
  return tablePage(registry.map(rowOf));
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
function optionLines({ options }: ObjectiveEntry, registry: ObjectiveRegistry): string[] {
  // A setting of all trainings has its own default, whatever the objective's.
  const flags = settingFlags({ objectives: registry });
  const rows = Object.entries(options).map(([name, row]) => {
    const flag = Object.hasOwn(settingTable, name) ? flags[name] : undefined;
    return [name, flag ?? row] as const;
  });
  if (rows.length === 0) return [];
  return [
    "",
    "Options of `train`",
    ...rows.flatMap(([name, row]) => flagLines(name, row)),
  ];
}

async function oneInDepth(row: Row, registry: ObjectiveRegistry): Promise<string[]> {
  const { entry, description } = row;
  const { loss, ...metrics } = await numbersOf(row);
  const { stepZero: known } = description;
  return [
    entry.name,
    ...inDepth.filter((column) => isTold(column, description)).map((column) =>
      field(labelsOf[column], showCell(column, description))
    ),
    ...fromData(entry).map((told) => field("by default", told)),
    ...gradientLines(description),
    ...notationLines(notationOf(entry)),
    ...optionLines(entry, registry),
    "",
    wrapText(
      "Before the first step, on two answers to each of two prompts, of a bigram table that is its " +
        "own reference:",
    ),
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
  checkObjectives(registry);
  // A condition is the word after its flag.
  const [word, another] = argv.filter((argument, i) =>
    !argument.startsWith("-") && argv[i - 1] !== "--where"
  );
  if (another !== undefined) {
    throw new UsageError(`objectives takes one objective, not ${quoted(another)} beside it`);
  }
  const { values } = parseFlags(flags, argv.filter((argument) => argument !== word));
  if (word === undefined) {
    const isMet = values.where === undefined ? () => true : conditionOf(values.where);
    const rows = registry.map(rowOf).filter(isMet);
    if (rows.length === 0) throw new UsageError(`no objective meets ${quoted(values.where)}`);
    const described = () => rows.map(({ entry, description }) => [entry.name, description]);
    console.log(
      values.json
        ? JSON.stringify(Object.fromEntries(described()), null, 2)
        : values.markdown
        ? tablePage(rows)
        : wholeTable(rows).join("\n"),
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
        meant === undefined ? ";" : `: did you mean ${meant}?`
      } \`deno task objectives\` lists them all`,
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
      : (await oneInDepth(row, registry)).join("\n"),
  );
  return 0;
}

if (import.meta.main) await runCommand(() => objectivesCommand(Deno.args));
