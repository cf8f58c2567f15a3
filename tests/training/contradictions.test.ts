/** Settings that contradict each other are refused, each by a sentence, and their neighbours are not. */
import { assertThrows } from "@std/assert";
import { type GivenSettings, SettingsError, trainSettings } from "@unitune/training";

const columns = "promptColumn and completionColumn name columns of a data file, and none is given";
const kept = "validationData and validationShare are for a data file, and none is given";
const builtIn = "tasks, noise and dataSeed are of the built-in tasks: leave them out with data";

const refused: readonly (readonly [settings: GivenSettings, message: string])[] = [
  [{ promptColumn: "q" }, columns],
  [{ completionColumn: "a" }, columns],
  [{ validationData: "b.jsonl" }, kept],
  [{ validationShare: 0.2 }, kept],
  [{ data: "a.jsonl", validationData: "b.jsonl", validationShare: 0.2 }, "leave out one of them"],
  [{ data: "a.jsonl", tasks: "sort" }, builtIn],
  [{ data: "a.jsonl", noise: 0.1 }, builtIn],
  [{ data: "a.jsonl", dataSeed: 1 }, builtIn],
  [{ learningRate: 0.1, minLearningRate: 0.2 }, "minLearningRate 0.2 is above learningRate 0.1"],
  [{ objective: "distillation" }, "learns from a teacher's predictions: name the run"],
  [{ objective: "grpo", temperature: 0 }, "temperature 0 is below"],
  [{ objective: "grpo", batchSize: 12 }, "batchSize 12 is no multiple of groupSize 8"],
  [
    { average: "ema", averageUse: "reference" },
    "averageUse reference: sft has no reference that an average could be",
  ],
  [{ objective: "psft", average: "ema", averageUse: "reference" }, "psft has no reference that an"],
  [{ average: "bema", averageSteps: 51, steps: 50 }, "averageSteps 51 is above steps 50"],
  [{ from: "run", layers: 1 }, "from keeps the sizes of its model: leave out layers"],
  [{ from: "run", heads: 1, width: 8 }, "leave out heads, width"],
  [{ from: "run", context: 8 }, "leave out context"],
  [{ model: "m", layers: 1 }, "model keeps the sizes of its model: leave out layers"],
  [{ model: "m", lora: true, growEmbeddings: true }, "lora keeps the tokens of its model"],
  [{ lora: true }, "lora is of a pretrained model: name one by model"],
  [{ chatTemplate: "chatml" }, "chatTemplate is of a pretrained model"],
  [{ growEmbeddings: true }, "growEmbeddings is of a pretrained model"],
  [{ memory: "1048575B" }, 'memory "1048575B" is no size from 1 MiB, such as 3GB or 6GiB'],
  [{ memory: "much" }, 'memory "much" is no size from 1 MiB'],
  [{ revision: "main" }, "revision is of a pretrained model"],
];

const accepted: readonly GivenSettings[] = [
  {},
  { data: "a.jsonl", promptColumn: "q", completionColumn: "a" },
  { data: "a.jsonl", validationData: "b.jsonl" },
  { data: "a.jsonl", validationShare: 0.2 },
  { tasks: "sort", noise: 0.1, dataSeed: 1 },
  { learningRate: 0.1, minLearningRate: 0.1 },
  { objective: "distillation", teacher: "run" },
  { objective: "grpo", batchSize: 16 },
  { objective: "sft", batchSize: 12, temperature: 0 },
  { averageUse: "reference", averageSteps: 51, steps: 50 },
  { average: "ema", averageSteps: 50, steps: 50 },
  { objective: "dpo", average: "ema", averageUse: "reference" },
  { layers: 1, heads: 1, width: 8, context: 8 },
  { from: "run" },
  { memory: "1MiB" },
  { model: "m", context: 8, revision: "main", chatTemplate: "chatml", lora: true },
  { model: "m", growEmbeddings: true },
];

Deno.test("settings that contradict each other are refused, and others are not", () => {
  for (const [given, message] of refused) {
    assertThrows(() => trainSettings(given), SettingsError, message);
  }
  for (const given of accepted) trainSettings(given);
});
