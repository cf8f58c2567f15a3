/**
 * The settings of a training: one table of settings, and those of its objective, which has a table
 * of its own.
 *
 * @module
 */

import { joined, message, setting, type UserMessage } from "./text/message.ts";
import {
  acceptedValue,
  type DataKind,
  defaultOf,
  describeEntry,
  entryNamed,
  faultOf,
  type GivenOptions,
  namesOf,
  objectiveDefaults,
  type ObjectiveDescription,
  type ObjectiveEntry,
  type ObjectiveRegistry,
  objectiveRegistry,
  type Option,
  type OptionValue,
  type OptionValues,
} from "@unitune/objectives";
import { quoted } from "@unitune/core";
import { EVALUATION_ROWS, MOST_QUESTIONS, MOST_SEQUENCES, VALIDATION_SHARE } from "./limits.ts";
import { parseBytes } from "./text/byte_count.ts";
import { UserError } from "./text/errors.ts";
import { nearest } from "./text/nearest.ts";
import { stopTexts } from "./text/stop_texts.ts";

/** A setting: an option of a training, whatever its objective. */
export type Setting = Option & {
  /** The heading that it is listed under. */
  readonly group: string;
  /** Whether all stages of a run have the same value (default: each may have its own). */
  readonly isShared?: boolean;
  /**
   * Whether it changes nothing that is computed, such as the place of something: a resumed run may
   * have another value (default: no).
   */
  readonly isPlace?: boolean;
  /**
   * Whether an objective may have an option of its name, whose value is then the setting's (default:
   * no).
   */
  readonly isOption?: boolean;
  /** The objectives for which it has an effect (default: all). */
  readonly appliesTo?: (entry: ObjectiveEntry) => boolean;
  /** The default, where it is the objective's. */
  readonly usual?: (entry: ObjectiveEntry) => OptionValue;
  /** The default where a pretrained model is trained; undefined where it is the same. */
  readonly pretrained?: (use: PretrainedUse) => OptionValue | undefined;
  /** It has an effect only where another setting, by its name, has one of these values. */
  readonly when?: Readonly<Record<string, readonly string[]>>;
  /** The values of `when` in words (default: all of them). */
  readonly scope?: string;
};

/** The use of a pretrained model, on which defaults depend. */
export interface PretrainedUse {
  /** The data that the objective reads. */
  readonly data: DataKind;
  /** Whether an adapter of it is trained, and not all of its parameters. */
  readonly isAdapted: boolean;
}

/** Settings by name. */
export type SettingTable = Readonly<Record<string, Setting>>;

/** Whether an objective learns from answers of the policy's own. */
const onRollouts = ({ data }: ObjectiveEntry): boolean => data === "rollouts";

/** Whether an objective learns from rows that are there before the training. */
const onGivenRows = (entry: ObjectiveEntry): boolean => !onRollouts(entry);

/**
 * The least temperature of rollouts. Below, logits that differ by a tenth are 10 nats apart: what is
 * sampled is the most likely token, and gradients are a hundred times those at temperature 1.
 */
const LEAST_TEMPERATURE = 0.01;

/** Whether an objective learns from demonstrations, and not from preferences or rewards. */
const onDemonstrations = ({ data }: PretrainedUse): boolean => data === "demonstrations";

/** Settings of adapters have an effect where one is trained. */
const ofAdapter = { when: { lora: ["true"] }, scope: "--lora" } as const;

/** Settings of an average have an effect where one is kept. */
const ofAverage = { when: { average: ["ema", "bema"] }, scope: "--average" } as const;

/** Steps of a stage at most: devices count them in i32. */
const MOST_STEPS = 2 ** 31 - 1;

/** The settings of a training, beside its objective and the options of that. */
export const settingTable = {
  data: {
    isPlace: true,
    kind: "string",
    placeholder: "DATA",
    group: "Data",
    help:
      "Files of data: one, a pattern such as rows/*.parquet, a folder, or hub:OWNER/NAME; several are " +
      "joined by +, with shares as in 3*a.jsonl+1*b.jsonl. Files are plain text (.txt), or have rows " +
      "(.jsonl, .json, .csv, .tsv, .parquet) with the columns that the objective reads: text; " +
      "messages; prompt and completion; prompt, chosen and rejected, also with a gold reference; " +
      "prompt, completion and label; " +
      "prompt, completions and labels of steps; or prompt alone.",
    defaultHelp: "the built-in tasks",
  },
  split: {
    kind: "string",
    placeholder: "NAME",
    group: "Data",
    help: "The split of a folder or of a dataset of the hub.",
    defaultHelp: "train",
  },
  promptColumn: {
    kind: "string",
    placeholder: "NAME",
    group: "Data",
    help: "The column of a file of rows that holds the prompt.",
  },
  completionColumn: {
    kind: "string",
    placeholder: "NAME",
    group: "Data",
    help: "The column of a file of rows that holds the completion.",
  },
  stepSeparator: {
    kind: "string",
    default: "\n",
    placeholder: "TEXT",
    group: "Data",
    appliesTo: ({ data }: ObjectiveEntry): boolean => data === "steps",
    help: "The text behind each step of an answer, at whose last token the step is judged.",
    defaultHelp: "a line end",
  },
  validationData: {
    isPlace: true,
    kind: "string",
    placeholder: "DATA",
    isShared: true,
    group: "Data",
    help:
      "Files whose rows or text are kept for validation, of the same form as the data, and named " +
      "in the same way; of a folder or a dataset of the hub, the split validation.",
    defaultHelp: "a share of the data",
  },
  validationShare: {
    kind: "number",
    default: VALIDATION_SHARE,
    min: 0,
    below: 1,
    isShared: true,
    group: "Data",
    help: "The share of a data file, from its end, that is kept for validation; 0 for none.",
  },
  tokenizer: {
    kind: "string",
    placeholder: "TOKENIZER",
    default: "characters",
    isShared: true,
    group: "Data",
    help:
      "The tokenizer of a new model: characters makes one token of each character of the data, " +
      "bytes one of each byte of UTF-8; or that of a folder with a tokenizer.json, such as " +
      "`deno task tokenizer` writes.",
  },
  tasks: {
    kind: "string",
    placeholder: "NAMES",
    group: "Data",
    help:
      "Some of the built-in tasks, joined by +: reverse, sort, add, given and pick, with short " +
      "answers; carry, order, maze, trace and word, with answers of many steps.",
    defaultHelp: "those with short answers",
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
  dataSeed: {
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
    appliesTo: ({ data }: ObjectiveEntry): boolean => data === "pairs" || data === "labels",
    help: "The source of rejected answers where the data has none: plausible mistakes, or wrong " +
      "answers that the model gave before the stage.",
  },
  teacher: {
    isPlace: true,
    kind: "string",
    placeholder: "DIR",
    group: "Objective",
    appliesTo: ({ teacher }: ObjectiveEntry): boolean => teacher,
    help: "The run whose policy is the teacher. It must have the same tokens; its size is free.",
  },
  rewards: {
    kind: "string",
    placeholder: "TERMS",
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "The reward of an answer: a weighted sum, such as accuracy+0.2*length-penalty, of " +
      "verifier, exact-match, accuracy (the final number), edit-similarity, format, " +
      "length-penalty, overlong-penalty, repetition-penalty and reward-model; and with " +
      "`deno task train:rewards`, of code and of your own functions: ./my_rewards.ts#helpful.",
    defaultHelp: "verifier for the built-in tasks, else exact-match",
  },
  rewardModel: {
    isPlace: true,
    kind: "string",
    placeholder: "DIR",
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "The run whose reward model judges answers.",
    defaultHelp: "the reward model of an earlier stage",
  },
  temperature: {
    isOption: true,
    kind: "number",
    default: 1,
    min: 0,
    group: "Rollouts",
    appliesTo: onRollouts,
    help:
      "Divides the logits of the policy that samples answers, at least 0.01 for rollouts; every " +
      "log-probability, ratio and KL is of that policy. In distillation it divides the logits " +
      "of both models.",
  },
  maxNewTokens: {
    isOption: true,
    kind: "integer",
    min: 1,
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "The most tokens of an answer.",
    defaultHelp: "4 more than the longest answer in the data",
  },
  rolloutEpochs: {
    kind: "integer",
    min: 1,
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "Optimizer steps on the same answers before new ones are sampled.",
    usual: ({ rolloutEpochs }: ObjectiveEntry): number => rolloutEpochs,
  },
  format: {
    kind: "string",
    placeholder: "REGEXP",
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "The regular expression that a whole answer must match, for the reward format.",
    defaultHelp: "that of the answers of the built-in tasks",
  },
  overlongBuffer: {
    kind: "integer",
    min: 1,
    group: "Rollouts",
    appliesTo: onRollouts,
    help: "The last tokens before the greatest length of an answer, over which the reward " +
      "overlong-penalty falls from 0 to -1 (arXiv 2503.14476).",
    defaultHelp: "a fifth of that length",
  },
  repetitionNgram: {
    kind: "integer",
    default: 3,
    min: 1,
    group: "Rollouts",
    appliesTo: onRollouts,
    help:
      "The number of tokens in the n-grams whose repetition the reward repetition-penalty counts.",
  },
  from: {
    isPlace: true,
    kind: "string",
    placeholder: "DIR",
    isShared: true,
    group: "Model",
    help: "The run whose model is trained further. Its sizes and its tokens are kept.",
  },
  model: {
    isPlace: true,
    kind: "string",
    placeholder: "MODEL",
    isShared: true,
    group: "Model",
    help:
      "The pretrained model that is trained: a folder in the layout of Hugging Face, or a name " +
      "on the hub, such as HuggingFaceTB/SmolLM2-135M-Instruct, that was downloaded before.",
  },
  revision: {
    kind: "string",
    placeholder: "NAME",
    isShared: true,
    group: "Model",
    help: "The branch, tag or commit of a model on the hub.",
    defaultHelp: "main",
  },
  chatTemplate: {
    kind: "string",
    placeholder: "TEMPLATE",
    isShared: true,
    group: "Model",
    help:
      "The chat template in place of the model's: chatml, llama3, alpaca, a file in Jinja, or " +
      "none, with which rows of texts are read as they are.",
    defaultHelp: "that of the model",
  },
  growEmbeddings: {
    kind: "boolean",
    isShared: true,
    group: "Model",
    help:
      "Adds the tokens that the chat template needs and the model lacks. Their embeddings begin " +
      "as the mean of all.",
  },
  lora: {
    kind: "boolean",
    isShared: true,
    group: "Adapter",
    help:
      "Trains an adapter, low-rank changes of the projections (arXiv 2106.09685), and leaves the " +
      "parameters of the pretrained model as they are.",
  },
  dora: {
    kind: "boolean",
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "Trains the norms of the changed projections as well (arXiv 2402.09353).",
  },
  loraRank: {
    kind: "integer",
    default: 16,
    min: 1,
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "The rank r of the changes.",
  },
  loraAlpha: {
    kind: "number",
    default: 32,
    above: 0,
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "The changes are scaled by alpha / r.",
  },
  loraDropout: {
    kind: "number",
    default: 0,
    min: 0,
    below: 1,
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "The probability with which training zeroes an input of the changes.",
  },
  loraTargets: {
    kind: "string",
    placeholder: "NAMES",
    default: "all-linear",
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help:
      "The projections that are changed: names joined by +, such as q_proj+v_proj, or all-linear.",
  },
  loraRankStabilized: {
    kind: "boolean",
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "Scales the changes by alpha / sqrt(r) (arXiv 2312.03732).",
  },
  modulesToSave: {
    kind: "string",
    placeholder: "NAMES",
    isShared: true,
    group: "Adapter",
    ...ofAdapter,
    help: "Modules that are trained as a whole: names joined by +, such as embed_tokens+lm_head.",
    defaultHelp: "none",
  },
  preset: {
    kind: "string",
    placeholder: "NAME",
    default: "nano",
    isShared: true,
    group: "Model",
    help: "The architecture and sizes of a new model.",
  },
  layers: {
    kind: "integer",
    min: 1,
    isShared: true,
    group: "Model",
    help: "The number of transformer blocks.",
    defaultHelp: "that of the preset",
  },
  heads: {
    kind: "integer",
    min: 1,
    isShared: true,
    group: "Model",
    help: "The number of attention heads in a block.",
    defaultHelp: "that of the preset",
  },
  width: {
    kind: "integer",
    min: 1,
    isShared: true,
    group: "Model",
    help: "The width of the residual stream.",
    defaultHelp: "that of the preset",
  },
  context: {
    kind: "integer",
    min: 1,
    isShared: true,
    group: "Model",
    pretrained: () => 1024,
    help:
      "The number of tokens that the model can see. With --model, the most tokens of a training " +
      "row; longer rows are cut.",
    defaultHelp: "that of the preset",
  },
  dropout: {
    kind: "number",
    min: 0,
    below: 1,
    isShared: true,
    group: "Model",
    help: "The probability with which training zeroes an activation.",
    defaultHelp: "that of the preset",
  },
  steps: {
    kind: "integer",
    default: 1500,
    pretrained: () => 100,
    min: 1,
    max: MOST_STEPS,
    group: "Optimization",
    help: "The number of optimizer steps.",
  },
  tokenBudget: {
    kind: "integer",
    min: 1,
    group: "Optimization",
    help:
      "The tokens at which the stage ends, counted from the start of the run: those that any model " +
      "reads or writes, and twice those with a gradient. The step that reaches them is the last, " +
      "however many there were, and steps is the most. The learning rate follows the tokens in " +
      "place of the steps.",
    defaultHelp: "the stage ends with its steps",
  },
  batchSize: {
    kind: "integer",
    default: 32,
    pretrained: ({ data }: PretrainedUse): number => data === "rollouts" ? 8 : 2,
    min: 1,
    group: "Optimization",
    help: "The number of sequences in a forward pass.",
  },
  gradientAccumulation: {
    kind: "integer",
    default: 1,
    pretrained: ({ data }: PretrainedUse): number => data === "rollouts" ? 1 : 4,
    min: 1,
    group: "Optimization",
    help: "The number of forward passes in a step. Without dropout, 8 passes of 1 sequence " +
      "equal 1 pass of 8.",
  },
  batchTokens: {
    kind: "integer",
    min: 1,
    group: "Optimization",
    appliesTo: onGivenRows,
    help: "The most tokens of a forward pass, padding counted: the batch-size x " +
      "gradient-accumulation rows of a step are cut into passes of as many rows as fit, at least " +
      "one. Without dropout, the gradient is the same however they are cut.",
    defaultHelp: "passes have batch-size rows",
  },
  batching: {
    kind: "choice",
    choices: ["by-length", "random"],
    default: "by-length",
    group: "Optimization",
    appliesTo: onGivenRows,
    help: "by-length puts rows of similar length into one forward pass, within windows of 64 " +
      "passes that the seed draws, so that less is padded; random does not.",
  },
  packing: {
    kind: "boolean",
    group: "Optimization",
    appliesTo: ({ data }: ObjectiveEntry): boolean => data === "demonstrations",
    help: "Puts several rows behind each other in one row of the context's length, by best-fit " +
      "decreasing within windows of 1,024 rows that the seed draws. Each row is predicted as if it " +
      "were alone. batch-size then counts packed rows.",
  },
  checkpointActivations: {
    isPlace: true,
    kind: "choice",
    choices: ["auto", "none", "blocks"],
    default: "auto",
    group: "Optimization",
    help: "With blocks, the values inside of each block of the model are computed again for its " +
      "gradient instead of being kept: less memory, more time, the same results. auto does so " +
      "where a step would not fit into memory.",
  },
  optimizer: {
    kind: "choice",
    choices: ["adamw", "adamw8bit", "adafactor", "muon", "rmsprop", "lion", "sgd"],
    default: "adamw",
    group: "Optimization",
    help:
      "The optimizer. adamw8bit is AdamW with moments of 8 bits; adafactor keeps a number for " +
      "each row and column of a matrix; muon orthogonalizes the steps of matrices, except for " +
      "embeddings and heads, which AdamW trains.",
  },
  shardOptimizer: {
    isPlace: true,
    kind: "boolean",
    group: "Optimization",
    help: "Shares out the optimizer's state among the processes that train together, tensor by " +
      "tensor: each keeps and updates its part, and gives the new weights to the others. The " +
      "results are the same. In one process it has no effect.",
  },
  learningRate: {
    kind: "number",
    default: 3e-3,
    // Full: those of TRL's SFTTrainer, DPOTrainer and GRPOTrainer. An adapter takes higher ones.
    pretrained: (use: PretrainedUse): number =>
      onDemonstrations(use) ? (use.isAdapted ? 1e-4 : 2e-5) : use.isAdapted ? 1e-5 : 1e-6,
    above: 0,
    group: "Optimization",
    help: "The peak learning rate.",
  },
  minLearningRate: {
    kind: "number",
    min: 0,
    group: "Optimization",
    help: "The learning rate at the end of the cosine schedule.",
    defaultHelp: "a tenth of the peak",
  },
  warmupSteps: {
    isOption: true,
    kind: "integer",
    default: objectiveDefaults.warmupSteps,
    // A tenth of the usual steps.
    pretrained: () => 10,
    min: 0,
    group: "Optimization",
    help: "The number of steps over which the learning rate rises to its peak.",
  },
  weightDecay: {
    kind: "number",
    default: 0.1,
    pretrained: () => 0,
    min: 0,
    group: "Optimization",
    when: { optimizer: ["adamw", "adamw8bit", "adafactor", "muon", "lion"] },
    help: "Decoupled weight decay of the weight matrices; each step multiplies it by the " +
      "learning rate.",
  },
  beta1: {
    kind: "number",
    default: 0.9,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "adamw8bit", "muon", "lion", "sgd"] },
    help: "The decay of the mean of the gradients; for sgd, the momentum; for muon, that of what " +
      "AdamW trains.",
  },
  beta2: {
    kind: "number",
    default: 0.99,
    pretrained: () => 0.999,
    min: 0,
    below: 1,
    group: "Optimization",
    when: { optimizer: ["adamw", "adamw8bit", "muon", "rmsprop", "lion"] },
    help: "The decay of the mean of the squared gradients; for muon, that of what AdamW trains.",
  },
  gradientClip: {
    kind: "number",
    default: 1,
    min: 0,
    group: "Optimization",
    help: "The largest allowed norm of the gradient; 0 disables clipping.",
  },
  average: {
    kind: "choice",
    choices: ["none", "ema", "bema"],
    default: "none",
    group: "Optimization",
    help: "The average of the weights that the training keeps: ema is the exponential moving " +
      "average, bema the one that is corrected for its lag (arXiv 2508.00180).",
  },
  averageUse: {
    kind: "choice",
    choices: ["result", "reference"],
    default: "result",
    group: "Optimization",
    ...ofAverage,
    help:
      "The use of the average. As the result, it is evaluated, saved and handed on in place of " +
      "the last weights. As the reference, it is what the objective compares the policy with: a " +
      "reference that follows (TR-DPO, arXiv 2404.09656), or the averaged self as a teacher (sdft, " +
      "sdpo).",
  },
  averageRate: {
    kind: "number",
    default: 0.05,
    above: 0,
    max: 1,
    group: "Optimization",
    when: { average: ["ema"] },
    scope: "--average ema",
    help: "The weight of the present weights in each update of the average.",
  },
  averageSteps: {
    kind: "integer",
    default: 1,
    min: 1,
    group: "Optimization",
    ...ofAverage,
    help: "The number of steps between two updates of the average.",
  },
  seed: {
    kind: "integer",
    default: 0,
    min: 0,
    isShared: true,
    group: "Run",
    help: "The seed of everything random.",
  },
  device: {
    isPlace: true,
    kind: "choice",
    choices: ["auto", "wasm", "native", "webgpu", "reference"],
    default: "auto",
    isShared: true,
    group: "Run",
    help: "Where to compute: wasm is the processor; native is the processor too, by C that is " +
      "compiled on the machine, for tasks whose name ends in :native; webgpu is a graphics " +
      "processor, reference plain TypeScript (slow); auto is a graphics processor where there is one, else wasm.",
  },
  weights: {
    kind: "choice",
    choices: ["auto", "f32", "bf16", "f16"],
    default: "auto",
    isShared: true,
    group: "Optimization",
    help:
      "The type that the model's weights are stored in. Of bf16 and f16, a step's weights are " +
      "rounded up or down at random, so that small changes stay on average; gradients and the " +
      "optimizer's state are f32. For an adapter, the type of the model below it. auto is f32, and " +
      "below an adapter the type of the model's files.",
  },
  precision: {
    kind: "choice",
    choices: ["f32", "f16", "bf16"],
    default: "f32",
    isShared: true,
    group: "Run",
    help:
      "The format that operands of matrix products are rounded to: f16 on a graphics processor " +
      "that has it, bf16 by --device native on a processor with AMX or AVX-512 BF16. Sums are " +
      "always f32.",
  },
  loggingSteps: {
    kind: "integer",
    default: 10,
    min: 1,
    isShared: true,
    group: "Run",
    help: "The number of steps between two lines of metrics.jsonl.",
  },
  tensorboard: {
    isPlace: true,
    kind: "boolean",
    isShared: true,
    group: "Run",
    help: "Writes the metrics as events for TensorBoard as well, into the folder of the run.",
  },
  evalSteps: {
    kind: "integer",
    default: 250,
    pretrained: () => 50,
    min: 1,
    isShared: true,
    group: "Run",
    help: "The number of steps between two evaluations on validation data.",
  },
  evalExamples: {
    kind: "integer",
    pretrained: () => 64,
    min: 1,
    max: MOST_SEQUENCES,
    isShared: true,
    group: "Run",
    help: "The most validation examples that an evaluation predicts; they are evenly spread.",
    defaultHelp:
      `a fourth of the rows that are trained on between two evaluations, from 64 to ${MOST_SEQUENCES}`,
  },
  evalAnswers: {
    kind: "integer",
    pretrained: () => 8,
    min: 1,
    max: MOST_QUESTIONS,
    isShared: true,
    group: "Run",
    help:
      "The most validation prompts that an evaluation answers freely; they are evenly spread. " +
      "Of texts, up to three are continued, by fewer tokens in short runs.",
    defaultHelp: `a 24th of those rows, from 8 to ${MOST_QUESTIONS}`,
  },
  evalBatchSize: {
    kind: "integer",
    default: EVALUATION_ROWS,
    pretrained: () => 4,
    min: 1,
    isShared: true,
    group: "Run",
    help: "The number of sequences that an evaluation predicts at once.",
  },
  stop: {
    kind: "string",
    placeholder: "TEXTS",
    isShared: true,
    group: "Run",
    help:
      "Texts that end a sampled answer, in rollouts and evaluations, beside the model's stop tokens. " +
      "They are no part of its text, and their tokens are learned. Several are separated by |; \\n " +
      "is a line end, \\t a tab, \\| and \\\\ the characters themselves.",
  },
  memory: {
    isPlace: true,
    isShared: true,
    kind: "string",
    placeholder: "SIZE",
    group: "Run",
    help:
      "The most memory that the training may take on its device, such as 3GB or 6GiB. On wasm, a " +
      "training that needs more than 4 GiB has addresses of 64 bits, which reach 16 GiB, and takes " +
      "somewhat longer.",
    defaultHelp: "that of the machine up to 16 GiB on wasm, elsewhere what the device gives",
  },
  saveSteps: {
    kind: "integer",
    default: 250,
    pretrained: () => 50,
    min: 1,
    isShared: true,
    group: "Run",
    help: "The number of steps between two checkpoints.",
  },
} as const satisfies SettingTable;

/** The values of all settings, beside the objective and its options. */
export type SettingValues = Omit<OptionValues<typeof settingTable>, "rolloutEpochs"> & {
  /** Optimizer steps on the same rollouts. */
  readonly rolloutEpochs: number;
};

/** The settings of a training, or of one stage of it. */
export interface TrainSettings extends SettingValues {
  /** The objective. */
  readonly objective: ObjectiveEntry;
  /** The values of the objective's options that are not settings of every training. */
  readonly options: GivenOptions;
}

/**
 * Settings by name as they are given: any of the table, the objective's name, and options of it or of
 * others, which are then without effect.
 */
export type GivenSettings =
  & Partial<Omit<SettingValues, "rolloutEpochs">>
  & { readonly objective?: string; readonly rolloutEpochs?: number }
  & GivenOptions;

/** Settings are wrong, or contradict each other. */
export class SettingsError extends UserError {
  /** The kind of error. */
  override readonly name = "SettingsError";
}

/** The value that an option takes for a given one. */
function accepted(name: UserMessage, option: Option, value: unknown): OptionValue {
  const own = acceptedValue(option, value);
  if (own === undefined) throw new SettingsError(message(name, ` ${faultOf(option, value)}`));
  return own;
}

const table: SettingTable = settingTable;

/** Whether every training has a setting of the name. */
const isSetting = (name: string): boolean => Object.hasOwn(table, name);

/** The objective of a name; the first of the registry where no name is given. */
function objectiveNamed(registry: ObjectiveRegistry, word: unknown): ObjectiveEntry {
  const entry = word === undefined ? registry[0] : entryNamed(registry, String(word));
  if (entry !== undefined) return entry;
  const meant = nearest(String(word), namesOf(registry).choices);
  throw new SettingsError(
    `there is no objective ${quoted(word)}${meant === undefined ? "" : `: did you mean ${meant}?`}`,
  );
}

/**
 * Refuses a setting that neither the table nor any objective has. One of another objective is without
 * effect, so that the same settings may serve several.
 */
function requireKnown(registry: ObjectiveRegistry, name: string, value: unknown): void {
  if (isSetting(name)) return;
  const rows = registry.flatMap(({ options: { [name]: row } }) => row === undefined ? [] : [row]);
  const [first] = rows;
  if (first === undefined) {
    const known = [
      ...Object.keys(table),
      ...registry.flatMap(({ options }) => Object.keys(options)),
    ];
    const meant = nearest(name, known);
    throw new SettingsError(
      `there is no setting ${quoted(name)}${meant === undefined ? "" : `: did you mean ${meant}?`}`,
    );
  }
  if (rows.every((row) => acceptedValue(row, value) === undefined)) {
    throw new SettingsError(message(setting(name), ` ${faultOf(first, value)}`));
  }
}

/** Whether values are those of all settings. */
function areSettings(values: GivenOptions): values is GivenOptions & SettingValues {
  return Object.entries(table).every(([name, row]) => {
    const value = values[name];
    return value === undefined
      ? defaultOf(row) === undefined && row.usual === undefined
      : acceptedValue(row, value) === value;
  });
}

/**
 * Settings with defaults in place of those that are not given.
 *
 * @param given Some settings.
 * @param registry The objectives.
 * @returns All of them.
 * @throws {SettingsError} Where a setting is unknown or does not take its value, or two contradict
 * each other.
 *
 * @example
 * ```ts
 * import { trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps, objective, options } = trainSettings({ steps: 50, objective: "dpo", beta: 0.5 });
 * assertEquals([steps, objective.name], [50, "dpo"]);
 * assertEquals(options, { beta: 0.5, labelSmoothing: 0 });
 * ```
 */
export function trainSettings(
  given: GivenSettings = {},
  registry: ObjectiveRegistry = objectiveRegistry,
): TrainSettings {
  return readSettings(given, registry);
}

/**
 * {@linkcode trainSettings} of values that nobody has checked, such as those of a file.
 *
 * @param given Some settings.
 * @param registry The objectives.
 * @returns All of them.
 * @throws {SettingsError} Where a setting is unknown or does not take its value, or two contradict
 * each other.
 */
export function readSettings(
  given: Readonly<Record<string, unknown>>,
  registry: ObjectiveRegistry = objectiveRegistry,
): TrainSettings {
  const { objective: word, ...others } = given;
  const objective = objectiveNamed(registry, word);
  const told = new Map<string, unknown>(
    Object.entries(others).filter(([, value]) => value !== undefined),
  );
  for (const [name, value] of told) requireKnown(registry, name, value);
  const { data } = objective;
  const isAdapted = told.get("lora") === true;
  const byModel = (row: Setting) =>
    told.has("model") ? row.pretrained?.({ data, isAdapted }) : undefined;
  const values: GivenOptions = Object.fromEntries(
    Object.entries(table).map(([name, row]) => {
      const value = told.get(name);
      return [
        name,
        value === undefined
          ? byModel(row) ?? row.usual?.(objective) ?? defaultOf(row)
          : accepted(message(setting(name)), row, value),
      ];
    }),
  );
  const options: Record<string, OptionValue | undefined> = {};
  for (const [name, option] of Object.entries(objective.options)) {
    const value = isSetting(name) ? values[name] : told.get(name);
    const own = value === undefined
      ? defaultOf(option)
      : accepted(message(setting(name), ` of ${objective.name}`), option, value);
    if (!isSetting(name)) options[name] = own;
  }
  if (!areSettings(values)) throw new RangeError("trainSettings: a default is out of its range");
  const settings = { ...values, objective, options };
  checkSettings(settings);
  return settings;
}

/**
 * The values of an objective's options: its own, and those that are settings of every training.
 *
 * @param settings The settings of a stage.
 * @returns The values; options without a value are left out.
 *
 * @example
 * ```ts
 * import { objectiveOptions, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const settings = trainSettings({ objective: "dr-grpo", maxNewTokens: 12 });
 * assertEquals(objectiveOptions(settings), { groupSize: 8, clipRange: 0.2, maxNewTokens: 12 });
 * ```
 */
export function objectiveOptions({ objective, options, ...settings }: TrainSettings): GivenOptions {
  const values = new Map<string, OptionValue | undefined>(Object.entries(settings));
  return Object.fromEntries(
    Object.keys(objective.options)
      .map((name) => [name, isSetting(name) ? values.get(name) : options[name]] as const)
      .filter(([, value]) => value !== undefined),
  );
}

/**
 * The description of the objective that a stage has.
 *
 * @param settings The settings of a stage.
 * @returns Its row of Table 1.
 *
 * @example
 * ```ts
 * import { describeObjective, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(describeObjective(trainSettings()).normalizer, "answer tokens of the batch");
 * ```
 */
export function describeObjective(settings: TrainSettings): ObjectiveDescription {
  return describeEntry(settings.objective, objectiveOptions(settings));
}

/**
 * Settings as a file keeps them: by name, the objective's among them. {@linkcode trainSettings} reads
 * them back.
 *
 * @param settings The settings of a stage.
 * @returns The values; settings without a value are left out.
 *
 * @example
 * ```ts
 * import { trainSettings, writtenSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const settings = trainSettings({ objective: "ift", gamma: 0.5 });
 * const written = writtenSettings(settings);
 * assertEquals([written.objective, written.gamma], ["ift", 0.5]);
 * assertEquals(trainSettings(written), settings);
 * ```
 */
export function writtenSettings(
  { objective: { name }, options, ...values }: TrainSettings,
): Readonly<Record<string, OptionValue>> {
  return Object.fromEntries(
    Object.entries<OptionValue | undefined>({ objective: name, ...values, ...options })
      .flatMap(([name, value]) => value === undefined ? [] : [[name, value]]),
  );
}

/**
 * Refuses settings that contradict each other.
 *
 * @param settings The settings.
 * @throws {SettingsError} Where they do.
 */
export function checkSettings(settings: TrainSettings): void {
  const { data, promptColumn, completionColumn, learningRate, minLearningRate } = settings;
  const { tasks, noise, dataSeed, objective, batchSize, teacher, temperature } = settings;
  if (data === undefined && (promptColumn !== undefined || completionColumn !== undefined)) {
    throw new SettingsError(
      message(
        ...[setting("promptColumn"), " and ", setting("completionColumn"), " name columns of a "],
        ...[setting("data"), " file, and none is given"],
      ),
    );
  }
  const { validationData, validationShare } = settings;
  const isShared = validationShare !== VALIDATION_SHARE;
  if (data === undefined && (validationData !== undefined || isShared)) {
    throw new SettingsError(
      message(
        ...[setting("validationData"), " and ", setting("validationShare"), " are for a "],
        ...[
          setting("data"),
          " file, and none is given: the built-in tasks have splits of their own",
        ],
      ),
    );
  }
  if (validationData !== undefined && isShared) {
    throw new SettingsError(
      message(
        ...[setting("validationShare"), " is a share of the data, and ", setting("validationData")],
        " names a file: leave out one of them",
      ),
    );
  }
  if (data !== undefined && (tasks !== undefined || noise > 0 || dataSeed !== undefined)) {
    throw new SettingsError(
      message(
        ...[setting("tasks"), ", ", setting("noise"), " and ", setting("dataSeed")],
        ...[" are of the built-in tasks: leave them out with ", setting("data")],
      ),
    );
  }
  requireStopTexts(settings);
  if (minLearningRate !== undefined && minLearningRate > learningRate) {
    throw new SettingsError(
      message(
        ...[setting("minLearningRate"), ` ${minLearningRate} is above `],
        ...[setting("learningRate"), ` ${learningRate}`],
      ),
    );
  }
  if (objective.teacher && teacher === undefined) {
    throw new SettingsError(
      message(
        `${objective.name} learns from a teacher's predictions: name the run that trained one by `,
        setting("teacher"),
      ),
    );
  }
  if (onRollouts(objective)) {
    if (temperature < LEAST_TEMPERATURE) {
      throw new SettingsError(
        message(
          setting("temperature"),
          ` ${temperature} is below ${LEAST_TEMPERATURE}, where all answers to a prompt are the ` +
            `same and ${objective.name} has nothing to compare: give 1, or a little less`,
        ),
      );
    }
    const { groupSize } = describeObjective(settings);
    if (batchSize % groupSize !== 0) {
      throw new SettingsError(
        message(
          ...[setting("batchSize"), ` ${batchSize} is no multiple of `, setting("groupSize")],
          ` ${groupSize}: all answers to a prompt are in one batch`,
        ),
      );
    }
  }
  requireAverage(settings);
  requireMemory(settings);
  requireBase(settings);
}

/** Refuses an average that nothing uses, or that stays as it was. */
function requireAverage(
  { average, averageUse, averageSteps, steps, objective }: TrainSettings,
): void {
  if (average === "none") return;
  const isFixed = objective.reference === "none" || objective.referenceSteps !== undefined;
  if (averageUse === "reference" && isFixed) {
    throw new SettingsError(
      message(
        ...[
          setting("averageUse"),
          ` reference: ${objective.name} has no reference that an average `,
        ],
        ...["could be; give result, or another objective, such as ", setting("objective"), " dpo"],
      ),
    );
  }
  if (averageSteps > steps) {
    throw new SettingsError(
      message(
        ...[setting("averageSteps"), ` ${averageSteps} is above `, setting("steps"), ` ${steps}: `],
        "the average would stay what the weights are at the start",
      ),
    );
  }
}

/**
 * Refuses stages whose budgets of tokens can't be told apart: all of them are counted from the start of
 * the run.
 *
 * @param stages The settings of each stage.
 * @throws {SettingsError} If a stage with a budget follows one without, or one with as large a budget.
 */
export function requireBudgets(
  stages: readonly Pick<TrainSettings, "tokenBudget" | "objective">[],
): void {
  for (const [stage, { tokenBudget, objective: { name } }] of stages.entries()) {
    const before = stages[stage - 1];
    if (tokenBudget === undefined || before === undefined) continue;
    if (before.tokenBudget !== undefined && before.tokenBudget < tokenBudget) continue;
    const earlier = before.tokenBudget === undefined
      ? "has none"
      : `ends at ${before.tokenBudget} tokens`;
    throw new SettingsError(
      message(
        ...[
          setting("tokenBudget"),
          ` ${tokenBudget} of ${name} counts from the start of the run, `,
        ],
        ...[`and the stage before, ${before.objective.name}, ${earlier}: give that a smaller one`],
      ),
    );
  }
}

/** Refuses texts that are no list of stop strings. */
function requireStopTexts({ stop }: TrainSettings): void {
  try {
    stopTexts(stop);
  } catch (error) {
    if (error instanceof UserError) {
      throw new SettingsError(message(setting("stop"), ` is ${error.message}`));
    }
    throw error;
  }
}

/** The least memory: what a WebAssembly memory begins with. */
const LEAST_MEMORY = 2 ** 20;

/** Refuses a limit of memory that is no size. */
function requireMemory({ memory }: TrainSettings): void {
  if (memory === undefined || (parseBytes(memory) ?? 0) >= LEAST_MEMORY) return;
  throw new SettingsError(
    message(setting("memory"), ` ${quoted(memory)} is no size from 1 MiB, such as 3GB or 6GiB`),
  );
}

/** Refuses settings of new models beside a model that is there, and others without the one they need. */
function requireBase(settings: TrainSettings): void {
  const { model, from, lora, chatTemplate, growEmbeddings, revision } = settings;
  const based = model !== undefined ? "model" : from !== undefined ? "from" : undefined;
  const sizes = ["layers", "heads", "width", ...model === undefined ? ["context"] : []] as const;
  const own = Object.entries(settings).flatMap(([name, value]) =>
    sizes.some((size) => size === name) && value !== undefined ? [name] : []
  );
  if (based !== undefined && own.length > 0) {
    const given = joined(own.map((size) => message(setting(size))), ", ");
    throw new SettingsError(
      message(setting(based), " keeps the sizes of its model: leave out ", given),
    );
  }
  if (lora && growEmbeddings) {
    throw new SettingsError(
      message(
        ...[setting("lora"), " keeps the tokens of its model: leave out "],
        ...[setting("growEmbeddings"), ", and take a chat template that needs no others"],
      ),
    );
  }
  if (model !== undefined) return;
  const ofModel = {
    lora,
    chatTemplate: chatTemplate !== undefined,
    growEmbeddings,
    revision: revision !== undefined,
  };
  const [vain] = Object.entries(ofModel).filter(([, isGiven]) => isGiven);
  if (vain === undefined) return;
  throw new SettingsError(
    message(setting(vain[0]), " is of a pretrained model: name one by ", setting("model")),
  );
}

/**
 * Refuses stages with different values of a setting that all stages of a run share.
 *
 * @param stages The settings of each stage.
 * @throws {SettingsError} Where there are such.
 */
export function requireShared(stages: readonly TrainSettings[]): void {
  const shared = Object.keys(table).filter((name) => table[name]?.isShared === true);
  const valuesOf = (stage: TrainSettings) => new Map<string, unknown>(Object.entries(stage));
  const shown = (value: unknown) => value === undefined ? "left out" : `${value}`;
  const [first, ...others] = stages.map(valuesOf);
  for (const name of shared) {
    const value = first?.get(name);
    const other = others.find((own) => own.get(name) !== value);
    if (other === undefined) continue;
    throw new SettingsError(
      message(
        "all stages of a run share ",
        setting(name),
        `: it is ${shown(value)} in one and ${shown(other.get(name))} in another`,
      ),
    );
  }
}
