/** The settings of a training: what they take, their defaults, and those for a pretrained model. */
import { assertEquals, assertThrows } from "@std/assert";
import { objectiveRegistry } from "@unitune/objectives";
import {
  evaluationSizes,
  objectiveOptions,
  type PretrainedUse,
  readSettings,
  SettingsError,
  type SettingTable,
  settingTable,
  trainSettings,
} from "@unitune/training";
import { taken } from "../objectives/option_words.ts";

const count = "a whole number, at least 1";
const countFrom0 = "a whole number, at least 0";
const size = "that of the preset";
const decay = "a number, at least 0, below 1";
const nonNegative = "a number, at least 0";
const positive = "a number, above 0";

/** What a setting takes, its default, and its marks: shared by all stages, a place. */
type Row = readonly [name: string, takes: string, usual: unknown, marks?: string];

const rows: readonly Row[] = [
  ["data", "a text", "the built-in tasks", "place"],
  ["split", "a text", "train"],
  ["promptColumn", "a text", undefined],
  ["completionColumn", "a text", undefined],
  ["stepSeparator", "a text", "\n"],
  ["validationData", "a text", "a share of the data", "shared place"],
  ["validationShare", decay, 0.1, "shared"],
  ["tokenizer", "a text", "characters", "shared"],
  ["tasks", "a text", "those with short answers"],
  ["examples", "a whole number, at least 2", 20_000],
  ["noise", "a number, at least 0, at most 1", 0],
  ["dataSeed", countFrom0, "the seed of the run"],
  ["rejected", "mistakes | model", "mistakes"],
  ["teacher", "a text", undefined, "place"],
  ["rewards", "a text", "verifier for the built-in tasks, else exact-match"],
  ["rewardModel", "a text", "the reward model of an earlier stage", "place"],
  ["temperature", nonNegative, 1],
  ["maxNewTokens", count, "4 more than the longest answer in the data"],
  ["rolloutEpochs", count, undefined],
  ["format", "a text", "that of the answers of the built-in tasks"],
  ["overlongBuffer", count, "a fifth of that length"],
  ["repetitionNgram", count, 3],
  ["from", "a text", undefined, "shared place"],
  ["model", "a text", undefined, "shared place"],
  ["revision", "a text", "main", "shared"],
  ["chatTemplate", "a text", "that of the model", "shared"],
  ["growEmbeddings", "true or false", undefined, "shared"],
  ["lora", "true or false", undefined, "shared"],
  ["dora", "true or false", undefined, "shared"],
  ["loraRank", count, 16, "shared"],
  ["loraAlpha", positive, 32, "shared"],
  ["loraDropout", decay, 0, "shared"],
  ["loraTargets", "a text", "all-linear", "shared"],
  ["loraRankStabilized", "true or false", undefined, "shared"],
  ["modulesToSave", "a text", "none", "shared"],
  ["preset", "a text", "nano", "shared"],
  ["layers", count, size, "shared"],
  ["heads", count, size, "shared"],
  ["width", count, size, "shared"],
  ["context", count, size, "shared"],
  ["dropout", decay, size, "shared"],
  // Devices count steps in 32 bits with a sign.
  ["steps", "a whole number, at least 1, at most 2147483647", 1500],
  ["tokenBudget", count, "the stage ends with its steps"],
  ["batchSize", count, 32],
  ["gradientAccumulation", count, 1],
  ["batchTokens", count, "passes have batch-size rows"],
  ["batching", "by-length | random", "by-length"],
  ["packing", "true or false", undefined],
  ["checkpointActivations", "auto | none | blocks", "auto", "place"],
  ["optimizer", "adamw | adamw8bit | adafactor | muon | rmsprop | lion | sgd", "adamw"],
  ["shardOptimizer", "true or false", undefined, "place"],
  ["learningRate", positive, 0.003],
  ["minLearningRate", nonNegative, "a tenth of the peak"],
  ["warmupSteps", countFrom0, 100],
  ["weightDecay", nonNegative, 0.1],
  ["beta1", decay, 0.9],
  ["beta2", decay, 0.99],
  ["gradientClip", nonNegative, 1],
  ["average", "none | ema | bema", "none"],
  ["averageUse", "result | reference", "result"],
  ["averageRate", "a number, above 0, at most 1", 0.05],
  ["averageSteps", count, 1],
  ["seed", countFrom0, 0, "shared"],
  ["device", "auto | wasm | native | webgpu | reference", "auto", "shared place"],
  ["weights", "auto | f32 | bf16 | f16", "auto", "shared"],
  ["precision", "f32 | f16 | bf16", "f32", "shared"],
  ["loggingSteps", count, 10, "shared"],
  ["tensorboard", "true or false", undefined, "shared place"],
  ["evalSteps", count, 250, "shared"],
  [
    "evalExamples",
    "a whole number, at least 1, at most 1024",
    "a fourth of the rows that are trained on between two evaluations, from 64 to 1024",
    "shared",
  ],
  [
    "evalAnswers",
    "a whole number, at least 1, at most 256",
    "a 24th of those rows, from 8 to 256",
    "shared",
  ],
  ["evalBatchSize", count, 64, "shared"],
  ["stop", "a text", undefined, "shared"],
  [
    "memory",
    "a text",
    "that of the machine up to 16 GiB on wasm, elsewhere what the device gives",
    "shared place",
  ],
  ["saveSteps", count, 250, "shared"],
];

const all: SettingTable = settingTable;

Deno.test("settings take what is documented, and have the defaults that are", () => {
  const found = Object.entries(all).map(([name, setting]) => [
    name,
    taken(setting),
    setting.default ?? setting.defaultHelp,
    [setting.isShared ? ["shared"] : [], setting.isPlace ? ["place"] : []].flat().join(" "),
  ]);
  assertEquals(found, rows.map(([name, takes, usual, marks = ""]) => [name, takes, usual, marks]));
});

/** Defaults for a pretrained model by use: all parameters or an adapter, by kind of data. */
const pretrained: Readonly<Record<string, readonly number[]>> = {
  "demonstrations": [1024, 100, 2, 4, 2e-5, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "demonstrations, adapter": [1024, 100, 2, 4, 1e-4, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "pairs": [1024, 100, 2, 4, 1e-6, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "pairs, adapter": [1024, 100, 2, 4, 1e-5, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "labels": [1024, 100, 2, 4, 1e-6, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "labels, adapter": [1024, 100, 2, 4, 1e-5, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "rollouts": [1024, 100, 8, 1, 1e-6, 10, 0, 0.999, 50, 64, 8, 4, 50],
  "rollouts, adapter": [1024, 100, 8, 1, 1e-5, 10, 0, 0.999, 50, 64, 8, 4, 50],
};

Deno.test("a pretrained model has defaults of its own", () => {
  const names = Object.keys(all).filter((name) => all[name]?.pretrained !== undefined);
  assertEquals(names, [
    "context",
    "steps",
    "batchSize",
    "gradientAccumulation",
    "learningRate",
    "warmupSteps",
    "weightDecay",
    "beta2",
    "evalSteps",
    "evalExamples",
    "evalAnswers",
    "evalBatchSize",
    "saveSteps",
  ]);
  const uses = (["demonstrations", "pairs", "labels", "rollouts"] as const).flatMap((data) =>
    [false, true].map((isAdapted): PretrainedUse => ({ data, isAdapted }))
  );
  const found = uses.map((use) => [
    use.isAdapted ? `${use.data}, adapter` : use.data,
    names.map((name) => all[name]?.pretrained?.(use)),
  ]);
  assertEquals(Object.fromEntries(found), pretrained);
});

Deno.test("a setting applies to the objectives that it is for", () => {
  const namesFor = (name: string) =>
    objectiveRegistry.filter((entry) => all[name]?.appliesTo?.(entry)).map(({ name }) => name);
  const sampling = objectiveRegistry.filter(({ data }) => data === "rollouts")
    .map(({ name }) => name);
  const limited = Object.keys(all).filter((name) => all[name]?.appliesTo !== undefined);
  assertEquals(limited, [
    "stepSeparator",
    "rejected",
    "teacher",
    "rewards",
    "rewardModel",
    "temperature",
    "maxNewTokens",
    "rolloutEpochs",
    "format",
    "overlongBuffer",
    "repetitionNgram",
    "batchTokens",
    "batching",
    "packing",
  ]);
  for (const name of limited.slice(3, -3)) assertEquals(namesFor(name), sampling, name);
  const given = objectiveRegistry.map(({ name }) => name).filter((name) =>
    !sampling.includes(name)
  );
  for (const name of limited.slice(-3, -1)) assertEquals(namesFor(name), given, name);
  assertEquals(
    namesFor("packing"),
    objectiveRegistry.filter(({ data }) => data === "demonstrations").map(({ name }) => name),
  );
  const taught = ["distillation", "on-policy-distillation", "minillm", "iw-opd", "gkd"];
  assertEquals(namesFor("teacher"), taught);
  assertEquals(namesFor("stepSeparator"), ["process-reward-model"]);
  assertEquals(
    namesFor("rejected"),
    objectiveRegistry.filter(({ data }) => data === "pairs" || data === "labels")
      .map(({ name }) => name),
  );
});

Deno.test("PPO learns from each rollout four times, others once", () => {
  for (const entry of objectiveRegistry) {
    assertEquals(all["rolloutEpochs"]?.usual?.(entry), entry.name === "ppo" ? 4 : 1, entry.name);
  }
});

Deno.test("evaluations follow the rows that are trained on between two of them, unless told", () => {
  const sizes = (...stages: readonly Parameters<typeof trainSettings>[0][]) => {
    const { evalExamples, evalAnswers } = evaluationSizes(stages.map((one) => trainSettings(one)));
    return [evalExamples, evalAnswers];
  };
  const run = { steps: 100, batchSize: 48, evalSteps: 250 };
  // 4800 rows, evaluated before and after.
  assertEquals(sizes(run), [600, 100]);
  assertEquals(sizes({ ...run, evalSteps: 50 }), [400, 66]);
  assertEquals(sizes({ ...run, evalSteps: 51 }), [400, 66]);
  assertEquals(sizes({ ...run, gradientAccumulation: 2 }), [1024, 200]);
  assertEquals(sizes(run, { ...run, steps: 1 }), [303, 50]);
  assertEquals(sizes({ ...run, steps: 4 }), [64, 8]);
  assertEquals(sizes({ ...run, steps: 10_000 }), [1024, 256]);
  assertEquals(sizes({ ...run, evalExamples: 7, evalAnswers: 3 }), [7, 3]);
  assertEquals(sizes({ ...run, model: "m" }), [64, 8]);
  assertEquals(evaluationSizes([trainSettings(run)]).trainedRows, 2400);
});

Deno.test("settings that nobody has are refused, and those of other objectives have no effect", () => {
  const refused = (given: Readonly<Record<string, unknown>>, message: string) => {
    assertEquals(assertThrows(() => readSettings(given), SettingsError).message, message);
  };
  refused({ nonsense: 1 }, 'there is no setting "nonsense"');
  refused({ learningRat: 1 }, 'there is no setting "learningRat": did you mean learningRate?');
  refused({ objective: "sfd" }, 'there is no objective "sfd": did you mean sft?');
  refused({ objective: 5 }, "there is no objective 5");
  refused({ clipRange: -1 }, "clipRange must be a number, above 0, not -1");
  const most = "at least 1, at most 2147483647";
  refused({ steps: 1.5 }, `steps must be a whole number, ${most}, not 1.5`);
  const optionsOf = (given: Readonly<Record<string, unknown>>) =>
    objectiveOptions(readSettings(given));
  assertEquals(optionsOf({ objective: "sft", clipRange: 0.3, beta: 2 }), { normalizer: "token" });
  assertEquals(optionsOf({ objective: "dpo", beta: undefined, steps: undefined }), {
    ...{ beta: 0.1, labelSmoothing: 0 },
  });
  // A value that some objective takes may be given to others, but not to one that does not take it.
  assertEquals(optionsOf({ objective: "sft", labelSmoothing: 0.5 }), { normalizer: "token" });
  assertEquals(optionsOf({ objective: "dpo", labelSmoothing: 0.5 }).labelSmoothing, 0.5);
  refused(
    { objective: "robust", labelSmoothing: 0.5 },
    "labelSmoothing of robust must be a number, at least 0, below 0.5, not 0.5",
  );
  const half = "labelSmoothing must be a number, at least 0, at most 0.5, not 0.6";
  refused({ objective: "sft", labelSmoothing: 0.6 }, half);
});
