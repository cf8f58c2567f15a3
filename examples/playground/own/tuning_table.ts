/** The settings of an adapter's training. */
import {
  objectiveRegistry,
  type OptionTable,
  type OptionValues,
  optionValues,
} from "@unitune/objectives";
import { settingTable } from "@unitune/training";
import { untrainable } from "../lanes.ts";

const { steps, batchSize, learningRate } = settingTable;

/** The settings of a training. */
export const tuningTable = {
  objective: {
    kind: "choice",
    choices: objectiveRegistry
      .filter((entry) => untrainable(entry) === undefined && !entry.teacher)
      .map(({ name }) => name),
    default: "sft",
    help: "The objective that the adapter learns by.",
  },
  steps: { ...steps, default: 30, max: 2000 },
  batchSize: { ...batchSize, default: 4, max: 64 },
  learningRate: { ...learningRate, default: 1e-3 },
  rank: {
    kind: "integer",
    default: 8,
    min: 1,
    max: 256,
    help: "The rank of the changes (LoRA), which are scaled by 2.",
  },
  context: {
    kind: "integer",
    default: 256,
    min: 8,
    max: 4096,
    help: "The most tokens of a row. Longer rows are left out.",
  },
} as const satisfies OptionTable;

/** A training as the page asks for it. */
export interface Tuning {
  /** JSON lines, a JSON list, or a table. */
  readonly rows: string;
  readonly values: OptionValues<typeof tuningTable>;
}

/** The settings that a visitor finds. */
export const firstTuning: Tuning["values"] = optionValues("tuning", tuningTable);
