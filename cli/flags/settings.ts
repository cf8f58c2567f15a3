/**
 * What a training run can be told: one table, from which the command line, the configuration file,
 * the help and a run's `config.json` all come.
 *
 * @module
 */

import { architectures, presetNames } from "@unitune/models";
import { objectiveDefaults, ppoDefaults } from "@unitune/objectives";
import { UsageError } from "../terminal/errors.ts";
import { type FlagTable, type FlagValues, parseFlags, withConfig } from "./flags.ts";
import {
  allObjectives,
  inGroups,
  objectiveAliases,
  type ObjectiveName,
  objectiveNames,
  onPairs,
  onRollouts,
} from "./objective_names.ts";

/** The objectives that mix the model's own tokens into prior states. */
const intuitive: readonly ObjectiveName[] = [
  "ift",
  "scheduled-sampling",
  "intuitive-dpo",
  "intuitive-grpo",
];

/** Those with a strength of the preference, beta. */
const withBeta: readonly ObjectiveName[] = [
  ...objectiveNames.pairs,
  ...objectiveNames.labels,
  "online-dpo",
];

/** Those that clip the ratio of the policy to the one that sampled. */
const clipping = onRollouts.filter((name) =>
  !["reinforce", "cispo", "intuitive-grpo", "online-dpo", "best-of-n"].includes(name)
);

/** Those whose advantages are rewards less the mean of their group, scaled. */
const scaling: readonly ObjectiveName[] = [
  "grpo",
  "grpo-kl",
  "dapo",
  "gspo",
  "cispo",
  "intuitive-grpo",
];

/**
 * The least temperature of rollouts. Below, logits that differ by a tenth are 10 nats apart: what is
 * sampled is the most likely token, and gradients are a hundred times those at temperature 1.
 */
const LEAST_TEMPERATURE = 0.01;

/** The objectives by what they learn from. */
const objectiveHelp = "What is minimized; `deno task objectives` explains each. " +
  `On answers: ${objectiveNames.demonstrations.join(", ")}. On pairs: ${onPairs.join(", ")}. ` +
  `On labels: ${objectiveNames.labels.join(", ")}. On rollouts (sampled and rewarded answers): ` +
  `${onRollouts.join(", ")}. Several, joined by commas, are the stages of one run; other flags ` +
  `then take one value, or one for each stage, as in --steps 900,300.`;

/** Steps of a stage at most: devices count them in i32. */
const MOST_STEPS = 2 ** 31 - 1;

/** The presets of new models. */
const presets: readonly string[] = presetNames();

/** The same in words. */
const presetHelp: string = architectures.map(({ name, presets }) =>
  `${name}: ` +
  Object.entries(presets).map(([preset, { layers, width }]) =>
    `${preset} has ${layers} layers of width ${width}`
  ).join(", ")
).join("; ");

/** The settings of a run: flags of `train`, and all that a configuration file may hold. */
export const settingFlags = {
  data: {
    kind: "string",
    placeholder: "FILE",
    group: "Data",
    help: "A data file. Plain text (.txt), or rows (.jsonl) with the columns that the objective " +
      "reads: text; messages; prompt and completion; prompt, chosen and rejected; prompt, " +
      "completion and label; or prompt alone.",
    defaultHelp: "the built-in tasks",
  },
  "prompt-column": {
    kind: "string",
    placeholder: "NAME",
    group: "Data",
    help: "The column of a .jsonl file that holds the prompt.",
  },
  "completion-column": {
    kind: "string",
    placeholder: "NAME",
    group: "Data",
    help: "The column of a .jsonl file that holds the completion.",
  },
  tokenizer: {
    kind: "choice",
    choices: ["characters", "bytes"],
    default: "characters",
    group: "Data",
    help: "characters makes one token of each character of the data, bytes one of each byte of " +
      "UTF-8.",
  },
  tasks: {
    kind: "string",
    placeholder: "NAMES",
    group: "Data",
    help: "Some of the built-in tasks, joined by +: reverse, sort, add, given, pick.",
    defaultHelp: "all of them",
  },
  examples: {
    kind: "integer",
    default: 20_000,
    min: 2,
    group: "Data",
    help: "The number of training examples of the built-in tasks.",
  },
  noise: {
    kind: "number",
    default: 0,
    min: 0,
    max: 1,
    group: "Data",
    help: "The fraction of the built-in tasks' training answers that are made wrong.",
  },
  "data-seed": {
    kind: "integer",
    min: 0,
    group: "Data",
    help: "The seed of the built-in tasks' examples.",
    defaultHelp: "the seed of the run",
  },
  rejected: {
    kind: "choice",
    choices: ["mistakes", "model"],
    default: "mistakes",
    group: "Data",
    when: { objective: [...onPairs, ...objectiveNames.labels] as readonly string[] },
    scope: "objectives on pairs or labels",
    help: "The source of rejected answers where the data has none: plausible mistakes, or wrong " +
      "answers that the model gave before the stage.",
  },
  objective: {
    kind: "choice",
    choices: allObjectives as readonly ObjectiveName[],
    aliases: objectiveAliases,
    placeholder: "NAME",
    default: "sft",
    group: "Objective",
    help: objectiveHelp as string,
  },
  normalizer: {
    kind: "choice",
    choices: ["token", "sequence"],
    default: objectiveDefaults.normalizer,
    group: "Objective",
    when: { objective: ["sft", "dft", "distillation"] },
    help: "Whether the loss is averaged over all answer tokens of the batch, or over each " +
      "sequence first and then over sequences.",
  },
  lambda: {
    kind: "number",
    default: objectiveDefaults.lambda,
    min: 0,
    max: 1,
    group: "Objective",
    when: { objective: intuitive as readonly string[] },
    scope: "--objective ift, scheduled-sampling or intuitive-*",
    help: "The weight of the model's own token in each prior state.",
  },
  "lambda-schedule": {
    kind: "choice",
    choices: ["fixed", "linear", "noisy"],
    default: "fixed",
    group: "Objective",
    when: { objective: intuitive as readonly string[] },
    scope: "--objective ift, scheduled-sampling or intuitive-*",
    help: "fixed keeps lambda constant, linear raises it from 0 over the warm-up, noisy adds " +
      "noise to it.",
  },
  gamma: {
    kind: "number",
    default: objectiveDefaults.gamma,
    min: 0,
    max: 1,
    group: "Objective",
    when: { objective: ["ift"] },
    help: "The decay by which the loss of a later token reaches an earlier one, for each " +
      "position between them.",
  },
  propagation: {
    kind: "choice",
    choices: ["as-run", "as-run-detached", "eq21", "eq21-decay", "none"],
    default: objectiveDefaults.propagation,
    group: "Objective",
    when: { objective: ["ift"] },
    help: "The form of the relation propagation; docs of @unitune/objectives give the formulas.",
  },
  embeddings: {
    kind: "choice",
    choices: ["live", "synchronised"],
    default: "live",
    group: "Objective",
    when: { objective: ["ift", "intuitive-dpo", "intuitive-grpo"] },
    help: "live lets the gradient reach the embedding table through the mixed embeddings; " +
      "synchronised does not, as in the paper's code.",
  },
  beta: {
    kind: "number",
    above: 0,
    group: "Objective",
    when: { objective: withBeta as readonly string[] },
    scope: "objectives on pairs or labels, and online-dpo",
    help: "The strength of the reference, or of the preference for objectives without a " +
      "reference.",
    defaultHelp: "0.1; 2 for simpo",
  },
  "label-smoothing": {
    kind: "number",
    min: 0,
    below: 0.5,
    group: "Objective",
    when: { objective: ["dpo", "robust", "exo", "cpo"] },
    help: "The assumed probability that a preference is reversed.",
    defaultHelp: "0; 0.1 for robust, 0.001 for exo",
  },
  "target-margin": {
    kind: "number",
    min: 0,
    group: "Objective",
    when: { objective: ["simpo", "reward-model"] },
    help: "The margin by which the chosen answer is to win.",
    defaultHelp: "half of beta for simpo, 0 for reward-model",
  },
  teacher: {
    kind: "string",
    placeholder: "DIR",
    group: "Objective",
    when: { objective: ["distillation"] },
    help: "The run whose policy is the teacher. It must have the same tokens; its size is free.",
  },
  "teacher-share": {
    kind: "number",
    default: 0.5,
    min: 0,
    max: 1,
    group: "Objective",
    when: { objective: ["distillation"] },
    help: "The teacher's weight in the mixture that both models are compared with: 0 gives " +
      "KL(teacher, student), 1 gives KL(student, teacher).",
  },
  rewards: {
    kind: "string",
    placeholder: "TERMS",
    group: "Rollouts",
    when: { objective: onRollouts as readonly string[] },
    scope: "objectives on rollouts",
    help: "The reward of an answer: a weighted sum, such as verifier+0.2*length-penalty, of " +
      "verifier, exact-match, edit-similarity, format, length-penalty and reward-model.",
    defaultHelp: "verifier for the built-in tasks, else exact-match",
  },
  "reward-model": {
    kind: "string",
    placeholder: "DIR",
    group: "Rollouts",
    when: { objective: onRollouts as readonly string[] },
    scope: "objectives on rollouts",
    help: "The run whose reward model judges answers.",
    defaultHelp: "the reward model of an earlier stage",
  },
  "group-size": {
    kind: "integer",
    min: 1,
    group: "Rollouts",
    when: { objective: inGroups as readonly string[] },
    scope: "objectives on groups of rollouts",
    help: "The number of answers to each prompt.",
    defaultHelp: "8; 2 for online-dpo",
  },
  "scale-rewards": {
    kind: "choice",
    choices: ["group", "batch", "none"],
    default: "group",
    group: "Rollouts",
    when: { objective: scaling as readonly string[] },
    scope: "grpo and its kin",
    help:
      "Advantages are rewards less the mean of their group, divided by the standard deviation " +
      "of the group, by that of the (micro-)batch, or by nothing.",
  },
  temperature: {
    kind: "number",
    default: 1,
    min: 0,
    group: "Rollouts",
    when: { objective: [...onRollouts, "distillation"] as readonly string[] },
    scope: "objectives on rollouts, and distillation",
    help:
      "Divides the logits of the policy that samples answers, at least 0.01 for rollouts; every " +
      "log-probability, ratio and KL is of that policy. Of distillation: of both models.",
  },
  "max-new-tokens": {
    kind: "integer",
    min: 1,
    group: "Rollouts",
    when: { objective: onRollouts as readonly string[] },
    scope: "objectives on rollouts",
    help: "The most tokens of an answer.",
    defaultHelp: "4 more than the longest answer in the data",
  },
  "rollout-epochs": {
    kind: "integer",
    min: 1,
    group: "Rollouts",
    when: { objective: onRollouts as readonly string[] },
    scope: "objectives on rollouts",
    help: "Optimizer steps on the same answers before new ones are sampled.",
    defaultHelp: "1; 4 for ppo",
  },
  "clip-range": {
    kind: "number",
    above: 0,
    group: "Rollouts",
    when: { objective: clipping as readonly string[] },
    scope: "objectives on rollouts that clip",
    help: "How far a ratio may move from 1 before it is clipped.",
    defaultHelp: "0.2; 0.0003 for gspo",
  },
  format: {
    kind: "string",
    placeholder: "REGEXP",
    group: "Rollouts",
    when: { objective: onRollouts as readonly string[] },
    scope: "objectives on rollouts",
    help: "The regular expression that a whole answer must match, for the reward format.",
    defaultHelp: "letters or digits for the built-in tasks",
  },
  "kl-weight": {
    kind: "number",
    min: 0,
    group: "Rollouts",
    when: { objective: ["ppo", "grpo-kl"] },
    help: "The weight of the divergence from the policy that the stage started with.",
    defaultHelp: "0.05 for ppo, 0.04 for grpo-kl",
  },
  "value-weight": {
    kind: "number",
    default: ppoDefaults.valueWeight,
    min: 0,
    group: "Rollouts",
    when: { objective: ["ppo"] },
    help: "The weight of the value loss.",
  },
  "gae-lambda": {
    kind: "number",
    default: ppoDefaults.lambda,
    min: 0,
    max: 1,
    group: "Rollouts",
    when: { objective: ["ppo"] },
    help: "The lambda of generalised advantage estimation: 0 looks ahead to the next value, 1 " +
      "to the end of the answer.",
  },
  whiten: {
    kind: "boolean",
    default: ppoDefaults.whiten,
    group: "Rollouts",
    when: { objective: ["ppo"] },
    help: "Uses advantages as they are, without normalising them to z-scores over the batch.",
  },
  from: {
    kind: "string",
    placeholder: "DIR",
    group: "Model",
    help: "The run whose model is trained further. Its sizes and its tokens are kept.",
  },
  preset: {
    kind: "choice",
    choices: presets,
    default: "nano",
    group: "Model",
    help: `The architecture and sizes of a new model. ${presetHelp}.`,
  },
  layers: {
    kind: "integer",
    min: 1,
    group: "Model",
    help: "The number of transformer blocks.",
    defaultHelp: "that of the preset",
  },
  heads: {
    kind: "integer",
    min: 1,
    group: "Model",
    help: "The number of attention heads in a block.",
    defaultHelp: "that of the preset",
  },
  width: {
    kind: "integer",
    min: 1,
    group: "Model",
    help: "The width of the residual stream.",
    defaultHelp: "that of the preset",
  },
  context: {
    kind: "integer",
    min: 1,
    group: "Model",
    help: "The number of tokens that the model can see.",
    defaultHelp: "that of the preset",
  },
  dropout: {
    kind: "number",
    min: 0,
    below: 1,
    group: "Model",
    help: "The probability with which training zeroes an activation.",
    defaultHelp: "that of the preset",
  },
  steps: {
    kind: "integer",
    default: 1500,
    min: 1,
    max: MOST_STEPS,
    group: "Optimization",
    help: "The number of optimizer steps.",
  },
  "batch-size": {
    kind: "integer",
    default: 32,
    min: 1,
    group: "Optimization",
    help: "The number of sequences in a forward pass.",
  },
  "gradient-accumulation": {
    kind: "integer",
    default: 1,
    min: 1,
    group: "Optimization",
    help: "The number of forward passes in a step. Without dropout, 8 passes of 1 sequence " +
      "equal 1 pass of 8.",
  },
  optimizer: {
    kind: "choice",
    choices: ["adamw", "rmsprop", "lion", "sgd"],
    default: "adamw",
    group: "Optimization",
    help: "The optimizer.",
  },
  "learning-rate": {
    kind: "number",
    default: 3e-3,
    above: 0,
    group: "Optimization",
    help: "The peak learning rate.",
  },
  "min-learning-rate": {
    kind: "number",
    min: 0,
    group: "Optimization",
    help: "The learning rate at the end of the cosine schedule.",
    defaultHelp: "a tenth of the peak",
  },
  "warmup-steps": {
    kind: "integer",
    default: 100,
    min: 0,
    group: "Optimization",
    help: "The number of steps over which the learning rate rises to its peak.",
  },
  "weight-decay": {
    kind: "number",
    default: 0.1,
    min: 0,
    group: "Optimization",
    when: { optimizer: ["adamw", "lion"] },
    help: "Decoupled weight decay of the weight matrices; each step multiplies it by the " +
      "learning rate.",
  },
  beta1: {
    kind: "number",
    default: 0.9,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "lion", "sgd"] },
    help: "The decay of the mean of the gradients; for sgd, the momentum.",
  },
  beta2: {
    kind: "number",
    default: 0.99,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "rmsprop", "lion"] },
    help: "The decay of the mean of the squared gradients.",
  },
  "gradient-clip": {
    kind: "number",
    default: 1,
    min: 0,
    group: "Optimization",
    help: "The largest allowed norm of the gradient; 0 disables clipping.",
  },
  seed: {
    kind: "integer",
    default: 0,
    min: 0,
    group: "Run",
    help: "The seed of everything random.",
  },
  device: {
    kind: "choice",
    choices: ["auto", "wasm", "webgpu", "reference"],
    default: "auto",
    group: "Run",
    help: "Where to compute: wasm is the processor, webgpu a graphics processor, reference " +
      "plain TypeScript (slow); auto is a graphics processor where there is one, else wasm.",
  },
  precision: {
    kind: "choice",
    choices: ["f32", "f16"],
    default: "f32",
    group: "Run",
    help: "The format that operands of matrix products are rounded to, on a graphics processor " +
      "that has f16. Sums, parameters and the optimizer's state are always f32.",
  },
  "logging-steps": {
    kind: "integer",
    default: 10,
    min: 1,
    group: "Run",
    help: "The number of steps between two lines of metrics.jsonl.",
  },
  "eval-steps": {
    kind: "integer",
    default: 250,
    min: 1,
    group: "Run",
    help: "The number of steps between two evaluations on validation data.",
  },
  "save-steps": {
    kind: "integer",
    default: 250,
    min: 1,
    group: "Run",
    help: "The number of steps between two checkpoints.",
  },
} as const satisfies FlagTable;

/** The settings of a run, or of one stage of it. */
export type TrainSettings = FlagValues<typeof settingFlags>;

/** How many answers to a prompt are compared. */
export function groupSizeOf({ objective, groupSize }: TrainSettings): number {
  if (!inGroups.includes(objective)) return 1;
  if (groupSize !== undefined) return groupSize;
  return objective === "online-dpo"
    ? objectiveDefaults.rankedGroupSize
    : objectiveDefaults.groupSize;
}

/**
 * Settings with defaults in place of what is not given.
 *
 * @param given Some settings.
 * @returns All of them.
 * @throws {UserError} Where a value is out of its range, or two contradict each other.
 *
 * @example
 * ```ts
 * import { trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps, objective } = trainSettings({ steps: 50 });
 * assertEquals([steps, objective], [50, "sft"]);
 * ```
 */
export function trainSettings(given: Partial<TrainSettings> = {}): TrainSettings {
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  const defaults = parseFlags(settingFlags, []);
  const { values } = withConfig(settingFlags, defaults, Object.fromEntries(known), "the settings");
  checkSettings(values);
  return values;
}

/**
 * Refuses settings that contradict each other.
 *
 * @param settings The settings.
 * @throws {UsageError} Where they do.
 */
export function checkSettings(settings: TrainSettings): void {
  const { data, promptColumn, completionColumn, learningRate, minLearningRate } = settings;
  const { tasks, noise, dataSeed, objective, batchSize, from, teacher, temperature } = settings;
  if (data === undefined && (promptColumn !== undefined || completionColumn !== undefined)) {
    throw new UsageError(
      "--prompt-column and --completion-column name columns of a --data file, and none is given",
    );
  }
  if (data !== undefined && (tasks !== undefined || noise > 0 || dataSeed !== undefined)) {
    throw new UsageError(
      "--tasks, --noise and --data-seed are of the built-in tasks: leave them out with --data",
    );
  }
  if (minLearningRate !== undefined && minLearningRate > learningRate) {
    throw new UsageError(
      `--min-learning-rate ${minLearningRate} is above --learning-rate ${learningRate}`,
    );
  }
  if (objective === "distillation" && teacher === undefined) {
    throw new UsageError(
      "distillation learns from a teacher's predictions: name the run that trained one by --teacher",
    );
  }
  if (onRollouts.includes(objective) && temperature < LEAST_TEMPERATURE) {
    throw new UsageError(
      `--temperature ${temperature} is below ${LEAST_TEMPERATURE}, where all answers to a prompt ` +
        `are the same and ${objective} has nothing to compare: give 1, or a little less`,
    );
  }
  if (temperature <= 0) {
    throw new UsageError(`--temperature must be above 0 for ${objective}, not ${temperature}`);
  }
  const groupSize = groupSizeOf(settings);
  if (inGroups.includes(objective) && groupSize < 2) {
    throw new UsageError(`--group-size must be at least 2: ${objective} compares answers`);
  }
  if (onRollouts.includes(objective) && batchSize % groupSize !== 0) {
    throw new UsageError(
      `--batch-size ${batchSize} is no multiple of --group-size ${groupSize}: all answers to a ` +
        `prompt are in one batch`,
    );
  }
  const sizes = ["layers", "heads", "width", "context"] as const;
  const own = sizes.filter((size) => settings[size] !== undefined);
  if (from !== undefined && own.length > 0) {
    throw new UsageError(
      `--from keeps the sizes of its model: leave out ${own.map((size) => `--${size}`).join(", ")}`,
    );
  }
}
