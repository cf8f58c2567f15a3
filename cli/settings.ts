/**
 * What a training run can be told: one table, from which the command line, the configuration file,
 * the help and a run's `config.json` all come.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { type FlagTable, type FlagValues, parseFlags, withConfig } from "./flags.ts";

/** The settings of a run: flags of `train`, and all that a configuration file may hold. */
export const settingFlags = {
  data: {
    kind: "string",
    placeholder: "FILE",
    group: "Data",
    help: "Plain text (.txt) or rows (.jsonl) with text, messages, or prompt and completion. " +
      "Without it, the built-in instruction tasks.",
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
    help: "One token a character of the data, or one a byte of UTF-8.",
  },
  objective: {
    kind: "choice",
    choices: ["sft", "ift"],
    default: "sft",
    group: "Objective",
    help: "Supervised fine-tuning, or Intuitive Fine-Tuning (arXiv 2405.11870).",
  },
  normalizer: {
    kind: "choice",
    choices: ["token", "sequence"],
    default: "token",
    group: "Objective",
    when: { objective: ["sft"] },
    help: "The loss is a mean over all answer tokens, or over sequences of their means.",
  },
  lambda: {
    kind: "number",
    default: 0.2,
    min: 0,
    max: 1,
    group: "Objective",
    when: { objective: ["ift"] },
    help: "The share of the model's own token in each prior state.",
  },
  "lambda-schedule": {
    kind: "choice",
    choices: ["fixed", "linear", "noisy"],
    default: "fixed",
    group: "Objective",
    when: { objective: ["ift"] },
    help: "Lambda at every step, in a straight line from 0 over the warm-up, or with noise.",
  },
  gamma: {
    kind: "number",
    default: 0.95,
    min: 0,
    max: 1,
    group: "Objective",
    when: { objective: ["ift"] },
    help: "How much of a later token's loss reaches an earlier one, for each position.",
  },
  propagation: {
    kind: "choice",
    choices: ["as-run", "as-run-detached", "eq21", "eq21-decay", "none"],
    default: "as-run",
    group: "Objective",
    when: { objective: ["ift"] },
    help: "The form of the relation propagation; see the documentation of the objectives.",
  },
  embeddings: {
    kind: "choice",
    choices: ["live", "synchronised"],
    default: "live",
    group: "Objective",
    when: { objective: ["ift"] },
    help: "Whether a gradient reaches the table through the mixed embeddings; synchronised: it " +
      "does not, as in the paper's code.",
  },
  preset: {
    kind: "choice",
    choices: ["nano", "nano-cpu", "baby"],
    default: "nano",
    group: "Model",
    help: "Sizes of the GPT: 2 layers of 64, 4 of 128, or 6 of 384.",
  },
  layers: { kind: "integer", min: 1, group: "Model", help: "Transformer blocks." },
  heads: { kind: "integer", min: 1, group: "Model", help: "Attention heads in a block." },
  width: { kind: "integer", min: 1, group: "Model", help: "Width of the residual stream." },
  context: { kind: "integer", min: 1, group: "Model", help: "Tokens that the model can see." },
  dropout: {
    kind: "number",
    min: 0,
    below: 1,
    group: "Model",
    help: "Probability that training zeroes an activation.",
  },
  steps: {
    kind: "integer",
    default: 1500,
    min: 1,
    group: "Optimization",
    help: "Optimizer steps.",
  },
  "batch-size": {
    kind: "integer",
    default: 32,
    min: 1,
    group: "Optimization",
    help: "Sequences in a forward pass.",
  },
  "gradient-accumulation": {
    kind: "integer",
    default: 1,
    min: 1,
    group: "Optimization",
    help: "Forward passes in a step; but for dropout, 8 of 1 sequence are the step of 1 of 8.",
  },
  optimizer: {
    kind: "choice",
    choices: ["adamw", "rmsprop", "lion", "sgd"],
    default: "adamw",
    group: "Optimization",
    help: "The rule that turns gradients into updates.",
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
    help: "The learning rate at the end of the cosine; a tenth of the peak unless told.",
  },
  "warmup-steps": {
    kind: "integer",
    default: 100,
    min: 0,
    group: "Optimization",
    help: "Steps in which the learning rate rises to its peak.",
  },
  "weight-decay": {
    kind: "number",
    default: 0.1,
    min: 0,
    group: "Optimization",
    when: { optimizer: ["adamw", "lion"] },
    help: "Decay of weight matrices for each step, times the learning rate.",
  },
  beta1: {
    kind: "number",
    default: 0.9,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "lion", "sgd"] },
    help: "Decay of the mean of gradients; sgd's momentum.",
  },
  beta2: {
    kind: "number",
    default: 0.99,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "rmsprop", "lion"] },
    help: "Decay of the mean of squared gradients.",
  },
  "gradient-clip": {
    kind: "number",
    default: 1,
    min: 0,
    group: "Optimization",
    help: "The largest norm of a gradient; 0 for any.",
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
    help: "Where to compute: on the processor by WebAssembly, on a graphics processor, or in " +
      "plain TypeScript, slowly; auto is a graphics processor where there is one, else wasm.",
  },
  "logging-steps": {
    kind: "integer",
    default: 10,
    min: 1,
    group: "Run",
    help: "Steps between two lines of metrics.jsonl.",
  },
  "eval-steps": {
    kind: "integer",
    default: 250,
    min: 1,
    group: "Run",
    help: "Steps between two evaluations on validation data.",
  },
  "save-steps": {
    kind: "integer",
    default: 250,
    min: 1,
    group: "Run",
    help: "Steps between two checkpoints.",
  },
} as const satisfies FlagTable;

/** The settings of a run. */
export type TrainSettings = FlagValues<typeof settingFlags>;

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
  if (data === undefined && (promptColumn !== undefined || completionColumn !== undefined)) {
    throw new UsageError(
      "--prompt-column and --completion-column name columns of a --data file, and none is given",
    );
  }
  if (minLearningRate !== undefined && minLearningRate > learningRate) {
    throw new UsageError(
      `--min-learning-rate ${minLearningRate} is above --learning-rate ${learningRate}`,
    );
  }
}
