/** The settings of an experiment: some objectives, trained side by side from one checkpoint. */
import { type OptionTable, type OptionValues, optionValues } from "@unitune/objectives";
import { settingTable, tasksNamed } from "@unitune/training";

const { noise, seed, steps, batchSize, learningRate } = settingTable;

/** The settings that all objectives of an experiment share. */
export const experimentTable = {
  task: {
    kind: "choice",
    choices: tasksNamed().map(({ name }) => name),
    default: "pick",
    help: "The built-in task whose prompts the models learn to answer.",
  },
  noise,
  rows: {
    kind: "string",
    default: "",
    help: "Rows to learn in place of the task: JSON lines, or a table.",
  },
  context: {
    kind: "integer",
    default: 32,
    min: 8,
    max: 512,
    help: "The most tokens of a row, which are its characters. Longer rows are left out.",
  },
  baseSteps: {
    kind: "integer",
    default: 15,
    min: 1,
    max: 1000,
    help: "The steps of supervised fine-tuning that make the checkpoint from which all start.",
  },
  teacherSteps: {
    kind: "integer",
    default: 100,
    min: 1,
    max: 2000,
    help:
      "The further steps of supervised fine-tuning that make a teacher of the checkpoint, for " +
      "objectives that learn from one.",
  },
  steps: { ...steps, default: 200, max: 2000 },
  batchSize: { ...batchSize, default: 32, max: 256 },
  learningRate: { ...learningRate, default: 2e-3 },
  width: {
    kind: "integer",
    default: 32,
    min: 8,
    max: 128,
    help: "The width of the residual stream.",
  },
  layers: {
    kind: "integer",
    default: 2,
    min: 1,
    max: 6,
    help: "The number of transformer blocks.",
  },
  seed,
  seeds: {
    kind: "integer",
    default: 2,
    min: 1,
    max: 5,
    help: "The trainings of each objective, from this seed and those after it: a line is their " +
      "mean, a band their range.",
  },
} as const satisfies OptionTable;

/** The values of these settings. */
export type ExperimentValues = OptionValues<typeof experimentTable>;

/** An experiment. */
export interface Experiment {
  /** The settings that all objectives share. */
  readonly values: ExperimentValues;
  /** The objectives, as {@linkcode "./lanes.ts"} reads them. */
  readonly lanes: readonly string[];
}

/** The most objectives that are trained side by side. */
export const MOST_LANES = 3;

/** The steps between two evaluations, each of which leaves a checkpoint. */
export const EVALUATED_EVERY = 10;

/** The experiment that a visitor finds. */
export const firstExperiment: Experiment = {
  values: optionValues("experiment", experimentTable),
  lanes: ["sft", "grpo", "ift"],
};
