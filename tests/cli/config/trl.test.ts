import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { tensor } from "@unitune/core";
import {
  cispoLoss,
  entryNamed,
  lossValue,
  type ObjectiveEntry,
  objectiveRegistry,
} from "@unitune/objectives";
import { randomStream, SettingsError, type TrainSettings, UserError } from "@unitune/training";
import { parseFlags, settingFlags } from "@unitune/cli";
import { parseYaml } from "@unitune/cli/yaml";
import { damaged } from "../../fuzz/mutations.ts";
import { jsonConfig, settingsIn } from "../../../cli/config/config_file.ts";
import { describeTrl, trainerLosses, trlConfig, trlLosses } from "../../../cli/config/trl.ts";
import {
  tripleLosses,
  trlKeys,
  type TrlReading,
  upperClips,
} from "../../../cli/config/trl_keys.ts";
import { stageSettings } from "../../../cli/flags/stages.ts";
import { clippedDefaults } from "../../../objectives/policy_gradient.ts";
import { classes, objectiveOf, trlTable } from "./trl_table.ts";

const flags = settingFlags();

/** A configuration of TRL beside a command line, as the command reads it. */
function converted(file: Readonly<Record<string, unknown>>, ...argv: string[]) {
  const { values, sources } = parseFlags(flags, argv);
  return trlConfig(jsonConfig(file, "trl.json"), {
    registry: objectiveRegistry,
    flag: (name) =>
      new Map(Object.entries(sources)).get(name) === "flag"
        ? new Map<string, unknown>(Object.entries(values)).get(name)
        : undefined,
  });
}

function settingsOf(
  file: Readonly<Record<string, unknown>>,
  ...argv: string[]
): TrainSettings {
  const [settings] = stageSettings([parseFlags(flags, argv)], converted(file, ...argv).config);
  assert(settings !== undefined);
  return settings;
}

function entryOf(name: string): ObjectiveEntry {
  const entry = entryNamed(objectiveRegistry, name);
  assert(entry !== undefined, name);
  return entry;
}

/** What a key is at a value, beside others. */
function readingOf(
  key: string,
  value: unknown,
  objective = "sft",
  others: Readonly<Record<string, unknown>> = {},
): TrlReading {
  const row = trlKeys[key];
  assert(row !== undefined, key);
  const valueOf = (other: string) => others[other] ?? undefined;
  const context = { objective: entryOf(objective), valueOf, flag: () => undefined };
  return value === null ? row.ofNull ?? { kind: "same" } : row.read(value, context);
}

Deno.test("every key of TRL's configurations has a row, and every row is such a key", () => {
  const known = new Set(Object.values(classes).flatMap((fields) => Object.keys(fields)));
  assertEquals(Object.keys(trlKeys).filter((key) => !known.has(key)), ["env"]);
  assertEquals([...known].filter((key) => !Object.hasOwn(trlKeys, key)), []);
});

Deno.test("the settings of every row are settings", () => {
  const names = Object.keys(flags);
  for (const [key, { sets = [] }] of Object.entries(trlKeys)) {
    assertEquals(sets.filter((name) => !names.includes(name)), [], key);
  }
  for (const name of [trlLosses, ...trainerLosses].flatMap(Object.values)) entryOf(name);
});

/**
 * The values of `loss_type` of each configuration of TRL 1.13, read in its classes, and the command
 * line beside them; `null` where Unitune has no such objective.
 */
const lossTypes: readonly (readonly [
  name: string,
  line: string,
  objectives: Readonly<Record<string, string | null>>,
])[] = [
  ["SFTConfig", "", { nll: "sft", chunked_nll: "sft", dft: "dft" }],
  ["DPOConfig", "", {
    ...{ sigmoid: "dpo", hinge: "hinge", ipo: "ipo", exo_pair: "exo", nca_pair: "nca" },
    ...{ robust: "robust", bco_pair: "bco", sppo_hard: "sppo", aot: "aot" },
    ...{ aot_unpaired: "aot-unpaired", apo_zero: "apo-zero", apo_down: "apo-down" },
    ...{ discopop: "discopop", sft: "sft", sigmoid_norm: "dpo-norm" },
  }],
  ["KTOConfig", "", { kto: "kto", apo_zero_unpaired: "apo-zero-unpaired" }],
  // A normalizer of the micro-batch would depend on how a batch is cut.
  ["GRPOConfig", "", {
    ...{ grpo: "grpo", bnpo: null, dr_grpo: "dr-grpo", dapo: "dapo", cispo: "cispo" },
    ...{ sapo: "sapo", luspo: "luspo", vespo: "vespo" },
  }],
  // CPO has the losses of DPO's pairs only as expressions, but for its own.
  ["CPOConfig", "--objective cpo", { sigmoid: "cpo" }],
  ["CPOConfig", "--objective simpo", { simpo: "simpo" }],
  ["CPOConfig", "--objective alpha-po", { alphapo: "alpha-po" }],
  ["CPOConfig", "", { simpo: "simpo", alphapo: "alpha-po" }],
  ["TPOConfig", "--objective tpo", { sigmoid: "tpo", hinge: "tpo", ipo: "tpo", "tpo-l": "tpo" }],
  ["TPOConfig", "", { "tpo-l": "tpo" }],
  ["OnlineDPOConfig", "--objective online-dpo", { sigmoid: "online-dpo" }],
  ["XPOConfig", "--objective xpo", { sigmoid: "xpo" }],
  ["SDPOConfig", "--objective sdpo", { dapo: "sdpo" }],
];

for (const [name, line, losses] of lossTypes) {
  Deno.test(`every loss_type of TRL's ${name} beside "${line}" is an objective, or refused`, () => {
    const argv = line.split(" ").filter((word) => word !== "");
    for (const [loss, objective] of Object.entries(losses)) {
      const file = {
        loss_type: loss,
        ...loss === "luspo" && { importance_sampling_level: "sequence" },
      };
      if (objective === null) {
        assertThrows(() => settingsOf(file, ...argv), UserError, "depends on how a batch");
        continue;
      }
      assertEquals(settingsOf(file, ...argv).objective.name, objective, loss);
    }
  });
}

Deno.test("the losses of TPO's pairs are those of TRL, and sums of DPO's losses are objectives", () => {
  const own = Object.entries(tripleLosses).map(([loss, pairLoss]) => {
    const { options } = settingsOf({ loss_type: loss }, "--objective", "tpo");
    return [options.pairLoss, pairLoss];
  });
  for (const [found, expected] of own) assertEquals(found, expected);
  assertEquals(settingsOf({ loss_type: ["sigmoid", "sft"] }).objective.name, "rpo");
  const mixed = { loss_type: ["sigmoid", "bco_pair", "sft"], loss_weights: [0.8, 0.2, 1] };
  assertEquals(settingsOf(mixed).objective.name, "mpo");
});

/** The defaults of TRL that mean something that Unitune does not do, or is not told. */
const refusedDefaults: Readonly<Record<string, readonly string[]>> = {
  SFTConfig: ["num_train_epochs", "lr_scheduler_type", "assistant_only_loss"],
  DPOConfig: ["num_train_epochs", "lr_scheduler_type"],
  KTOConfig: ["num_train_epochs", "lr_scheduler_type", "train_sampling_strategy"],
  GRPOConfig: ["num_train_epochs", "lr_scheduler_type"],
  RLOOConfig: ["num_train_epochs", "lr_scheduler_type", "beta"],
  RewardConfig: ["num_train_epochs", "lr_scheduler_type", "max_length"],
  DistillationConfig: ["num_train_epochs", "lr_scheduler_type"],
  CPOConfig: ["num_train_epochs", "lr_scheduler_type"],
  TPOConfig: ["num_train_epochs", "lr_scheduler_type"],
  GKDConfig: ["num_train_epochs", "lr_scheduler_type", "max_length", "assistant_only_loss"],
};

for (const [name, fields] of Object.entries(classes)) {
  Deno.test(`the defaults of ${name} are those of Unitune, set, idle or known to differ`, () => {
    const objective = objectiveOf(name);
    const readings = Object.entries(fields).map(([key, value]) =>
      [key, readingOf(key, value, objective, fields)] as const
    );
    const different = readings.flatMap(([key, { kind }]) => kind === "refused" ? [key] : []);
    assertEquals(different, refusedDefaults[name] ?? []);
  });
}

Deno.test("no key takes an odd value for what Unitune does anyway", () => {
  const same = Object.keys(trlKeys).filter((key) => readingOf(key, "odd").kind === "same");
  assertEquals(same, []);
  // A value that is refused is refused with a reason, by name.
  assertThrows(
    () => converted({ seed: 1, load_in_4bit: true }),
    UserError,
    `trl.json: "load_in_4bit" can't be true: Unitune does not quantize models`,
  );
});

/** Values that mean what Unitune does anyway, and the keys that take them and no other of these. */
const takenAsIs: readonly (readonly [values: readonly unknown[], keys: string])[] = [
  [
    [{}],
    "model_init_kwargs teacher_model_init_kwargs env dataset_kwargs chat_template_kwargs lr_scheduler_kwargs generation_kwargs",
  ],
  [
    [false, "n"],
    "use_peft load_in_8bit load_in_4bit packing auto_find_batch_size disable_dropout use_cpu use_weighting sync_ref_model scale_rewards normalize_advantages mask_truncated_completions use_bias_correction_kl use_adaptive_entropy load_best_model_at_end resume_from_checkpoint ignore_data_skip push_to_hub is_encoder_decoder",
  ],
  [[[]], "lora_target_parameters datasets reward_funcs optim_target_modules report_to"],
  [[0.1], "test_split_size"],
  [[true, "yes"], "completion_only_loss assistant_only_loss"],
  [[-1], "max_steps"],
  [[""], "optim_args"],
  [[1e-8], "adam_epsilon"],
  [
    [0],
    "label_smoothing_factor label_smoothing top_k min_p entropy_coef max_tool_calling_iterations",
  ],
  [[[1]], "loss_weights"],
  [
    [1],
    "ld_alpha desirable_weight undesirable_weight steps_per_generation top_p repetition_penalty top_entropy_quantile",
  ],
  [[0.05], "discopop_tau"],
];

Deno.test("a key takes what Unitune does anyway, and no value beside it", () => {
  const near = [false, true, 0, 1, 2, -1, 0.05, 0.1, 1e-8, "", "yes", "n", [], [1], {}];
  const found = Object.keys(trlKeys).flatMap((key) => {
    const taken = near.filter((value) => readingOf(key, value).kind === "same");
    return taken.length === 0 ? [] : [[key, taken] as const];
  });
  const expected = takenAsIs.flatMap(([values, keys]) =>
    keys.split(" ").map((key) => [key, values] as const)
  );
  assertEquals(Object.fromEntries(found), Object.fromEntries(expected));
});

Deno.test("the words of TRL's command line are booleans, in any case", () => {
  const kindsOf = (words: readonly string[]) =>
    words.map((word) => readingOf("use_peft", word).kind);
  assertEquals(kindsOf(["true", "yes", "T", "Y"]), [
    "settings",
    "settings",
    "settings",
    "settings",
  ]);
  assertEquals(kindsOf(["False", "NO", "f", "n"]), ["same", "same", "same", "same"]);
  assertEquals(kindsOf(["maybe", ""]), ["refused", "refused"]);
});

/** Files of TRL, the command line beside them, and the settings that they are. */
const files: readonly (readonly [
  file: Readonly<Record<string, unknown>>,
  line: string,
  settings: Readonly<Record<string, unknown>>,
])[] = [
  [{ learning_rate: "2e-5", seed: 42 }, "", { learningRate: 2e-5, seed: 42 }],
  [{ learning_rate: 2e-5 }, "--learning-rate 1", { learningRate: 1 }],
  [{ per_device_train_batch_size: 4, gradient_accumulation_steps: 2 }, "", {
    ...{ batchSize: 4, gradientAccumulation: 2 },
  }],
  [{ weight_decay: 0.05, adam_beta1: 0.8, adam_beta2: 0.9, max_grad_norm: 0 }, "", {
    ...{ weightDecay: 0.05, beta1: 0.8, beta2: 0.9, gradientClip: 0 },
  }],
  // Steps, and shares of them, which are rounded up.
  [{ max_steps: 50, num_train_epochs: 3 }, "", { steps: 50 }],
  [{ num_train_epochs: 3 }, "--steps 9", { steps: 9 }],
  [{ max_steps: -1 }, "", { steps: 1500 }],
  [{ max_steps: 50, warmup_steps: 0.05, eval_steps: 0.5, logging_steps: 0.01 }, "", {
    ...{ warmupSteps: 3, evalSteps: 25, loggingSteps: 1 },
  }],
  [{ warmup_steps: 0.5, max_steps: 10 }, "--steps 30", { warmupSteps: 15 }],
  [{ warmup_steps: 0.5, max_steps: 1 }, "", { warmupSteps: 1 }],
  [{ warmup_steps: 0, save_steps: 1 }, "", { warmupSteps: 0, saveSteps: 1 }],
  [{ warmup_steps: 7, per_device_eval_batch_size: 3 }, "", { warmupSteps: 7, evalBatchSize: 3 }],
  // Experimental trainers.
  [{ loss_type: "tpo-l", tpo_alpha: 0.5, tpo_l_gamma: 0.2, beta: 2 }, "", {
    ...{ pairLoss: "length-mean", goldWeight: 0.5, targetMargin: 0.2, beta: 2 },
  }],
  [{ loss_type: "simpo", cpo_alpha: 0, simpo_gamma: 0.3, beta: 2 }, "", {
    ...{ objective: "simpo", targetMargin: 0.3, beta: 2 },
  }],
  [{ loss_type: "alphapo", cpo_alpha: 0, alpha: 0.5 }, "", { objective: "alpha-po", alpha: 0.5 }],
  [{ loss_type: "sigmoid", cpo_alpha: 1, tpo_alpha: 3 }, "--objective cpo", { objective: "cpo" }],
  [
    { lmbda: 0.25, seq_kd: true, beta: 0.3, max_new_tokens: 9 },
    "--objective gkd --teacher runs/a",
    { givenShare: 0.75, givenAnswers: "teacher", teacherShare: 0.3, maxNewTokens: 9 },
  ],
  [{ lmbda: 1, seq_kd: false }, "--objective gkd --teacher runs/a", {
    ...{ givenShare: 0, givenAnswers: "data" },
  }],
  [{ beta: 0.7 }, "--objective distillation --teacher runs/a", { teacherShare: 0.7 }],
  // Packing, and the order of rows.
  [{ packing: true, packing_strategy: "bfd" }, "", { packing: true }],
  [{ packing: false, packing_strategy: "wrapped", eval_packing: true }, "", { packing: false }],
  [{ train_sampling_strategy: "random" }, "", { batching: "random" }],
  [{ train_sampling_strategy: "group_by_length" }, "", { batching: "by-length" }],
  [{}, "--batching random", { batching: "random" }],
  // Schedules.
  [{ lr_scheduler_type: "cosine" }, "", { minLearningRate: 0 }],
  [
    { lr_scheduler_type: "cosine_with_min_lr", lr_scheduler_kwargs: { min_lr: 1e-6 } },
    "",
    { minLearningRate: 1e-6 },
  ],
  [
    {
      learning_rate: 0.5,
      lr_scheduler_type: "cosine_with_min_lr",
      lr_scheduler_kwargs: { min_lr_rate: 0.25 },
    },
    "",
    { minLearningRate: 0.125 },
  ],
  [{ lr_scheduler_type: "constant", learning_rate: 0.5 }, "", {
    ...{ learningRate: 0.5, minLearningRate: 0.5, warmupSteps: 0 },
  }],
  [{ lr_scheduler_type: "constant", warmup_steps: 0 }, "--learning-rate 0.25", {
    ...{ learningRate: 0.25, minLearningRate: 0.25, warmupSteps: 0 },
  }],
  [
    { lr_scheduler_type: "constant_with_warmup", learning_rate: 0.5, warmup_steps: 3 },
    "",
    { minLearningRate: 0.5, warmupSteps: 3 },
  ],
  [{ optim: "adamw_torch" }, "", { optimizer: "adamw" }],
  [{ optim: "paged_adamw_8bit" }, "", { optimizer: "adamw8bit" }],
  [{ optim: "adafactor" }, "", { optimizer: "adafactor" }],
  // Models and adapters.
  [{ model_name_or_path: "a/b", model_revision: "v1", max_length: 64 }, "", {
    ...{ model: "a/b", revision: "v1", context: 64, lora: false },
  }],
  [
    {
      ...{ model_name_or_path: "a/b", use_peft: "yes", lora_r: 8, lora_alpha: 8, use_dora: true },
      ...{ lora_dropout: 0.05, lora_target_modules: ["q_proj", "v_proj"], use_rslora: true },
      ...{ lora_modules_to_save: ["lm_head"], lora_target_parameters: null },
    },
    "",
    {
      ...{ lora: true, loraRank: 8, loraAlpha: 8, loraDropout: 0.05, dora: true },
      ...{ loraTargets: "q_proj+v_proj", loraRankStabilized: true, modulesToSave: "lm_head" },
    },
  ],
  [{ lora_r: 8, lora_target_modules: "all-linear" }, "--model a/b --lora", {
    ...{ lora: true, loraRank: 8, loraTargets: "all-linear" },
  }],
  [{ lora_r: 8, use_peft: false }, "", { lora: false, loraRank: 16 }],
  [{ disable_dropout: true, use_cpu: true }, "", { dropout: 0, device: "wasm" }],
  [{ disable_dropout: false, use_cpu: false }, "", { dropout: undefined, device: "auto" }],
  [{ dataset_name: "rows.jsonl", dataset_train_split: "train" }, "", { data: "rows.jsonl" }],
  [{ report_to: ["wandb", "tensorboard"] }, "", { tensorboard: true }],
  [{ report_to: "tensorboard" }, "", { tensorboard: true }],
  [{ report_to: "wandb" }, "", { tensorboard: false }],
  // Preferences.
  [{ loss_type: ["hinge"], beta: 0.3 }, "", { objective: "hinge", beta: 0.3 }],
  [{ loss_type: "robust", label_smoothing: 0.2 }, "", { objective: "robust", labelSmoothing: 0.2 }],
  [{ loss_type: "exo_pair", label_smoothing: 0.2 }, "", { objective: "exo", labelSmoothing: 0.2 }],
  [{ loss_type: "sigmoid", label_smoothing: 0 }, "--objective dpo", { labelSmoothing: 0 }],
  [{ beta: 0.5, loss_type: null }, "--objective ipo", { objective: "ipo", beta: 0.5 }],
  [{ loss_type: "sigmoid_norm", beta: 0.2 }, "", { objective: "dpo-norm", beta: 0.2 }],
  [{ loss_type: "apo_zero_unpaired" }, "", { objective: "apo-zero-unpaired" }],
  // A reference that moves, as TRL's does where the file says no more.
  [{ loss_type: "sigmoid", sync_ref_model: true }, "", {
    ...{ average: "ema", averageUse: "reference", averageRate: 0.6, averageSteps: 512 },
  }],
  [
    { sync_ref_model: true, ref_model_mixup_alpha: 0.2, ref_model_sync_steps: 64 },
    "--objective kto",
    { averageRate: 0.2, averageSteps: 64 },
  ],
  [{ sync_ref_model: false, ref_model_mixup_alpha: 0.2, ref_model_sync_steps: 64 }, "", {
    ...{ average: "none", averageRate: 0.05, averageSteps: 1 },
  }],
  // Rollouts.
  [{ loss_type: "sapo", sapo_temperature_pos: 2, sapo_temperature_neg: 3 }, "", {
    ...{ objective: "sapo", gatePositive: 2, gateNegative: 3 },
  }],
  [{ loss_type: "grpo", sapo_temperature_pos: 2, vespo_k_pos: 5 }, "", { objective: "grpo" }],
  [{ loss_type: "vespo", vespo_k_pos: 2, vespo_lambda_pos: 3, vespo_k_neg: 3 }, "", {
    objective: "vespo",
  }],
  [{ loss_type: "grpo", num_generations: 4, max_completion_length: 9, temperature: 0.9 }, "", {
    ...{ objective: "grpo", groupSize: 4, maxNewTokens: 9, temperature: 0.9 },
  }],
  [{ num_iterations: 2, epsilon: 0.1, epsilon_high: 0.1, beta: 0 }, "--objective grpo", {
    ...{ rolloutEpochs: 2, clipRange: 0.1 },
  }],
  [{ epsilon: 0.1, epsilon_high: 0.3 }, "--objective grpo --clip-range 0.3", { clipRange: 0.3 }],
  [{ epsilon_high: 0.2 }, "--objective grpo", { clipRange: 0.2 }],
  [{ loss_type: "dapo", epsilon_high: 0.28 }, "", { objective: "dapo", clipRange: 0.2 }],
  [{ loss_type: "cispo", epsilon: 0.1, epsilon_high: 5 }, "", { objective: "cispo" }],
  [{ loss_type: "dr_grpo", scale_rewards: false }, "", { objective: "dr-grpo" }],
  [{ loss_type: "grpo", scale_rewards: "batch" }, "", { scaleRewards: "batch" }],
  [{ loss_type: "grpo", scale_rewards: true }, "", { scaleRewards: "group" }],
  [{ loss_type: "grpo", scale_rewards: "none" }, "", { scaleRewards: "none" }],
  [{ loss_type: "grpo", importance_sampling_level: "sequence" }, "", { objective: "gspo" }],
  [{ loss_type: "grpo", beta: 0.01, use_bias_correction_kl: false }, "", {
    ...{ objective: "grpo-kl", klWeight: 0.01 },
  }],
  [
    {
      ...{ per_device_train_batch_size: 8, gradient_accumulation_steps: 2 },
      ...{ steps_per_generation: 2, generation_batch_size: 16, top_k: 0, top_p: 1.0 },
    },
    "--objective grpo",
    { batchSize: 8, gradientAccumulation: 2 },
  ],
  [{ steps_per_generation: 1 }, "--objective grpo", { gradientAccumulation: 1 }],
];

for (const [file, line, expected] of files) {
  Deno.test(`TRL's ${JSON.stringify(file)} beside "${line}"`, () => {
    const { objective, options, ...settings } = settingsOf(
      file,
      ...line.split(" ").filter((word) => word !== ""),
    );
    const all = new Map<string, unknown>(
      Object.entries({ ...settings, ...options, objective: objective.name }),
    );
    assertEquals(
      Object.fromEntries(Object.keys(expected).map((name) => [name, all.get(name)])),
      expected,
    );
  });
}

/** Files of TRL that are refused, and why. */
const refused: readonly (readonly [
  file: unknown,
  line: string,
  message: string,
])[] = [
  [{ learning_rat: 1 }, "", `TRL 1.13 has no key "learning_rat": did you mean learning_rate?`],
  [{ stesp: 1, toString: 2 }, "", `trl.json: TRL 1.13 has no key "stesp"`],
  [
    [{ seed: 1 }, { seed: 1 }],
    "",
    "trl.json is not TRL's: it has the settings of a run, or of stages",
  ],
  [
    { settings: { seed: 1 } },
    "",
    "trl.json is not TRL's: it has the settings of a run, or of stages",
  ],
  [{ seed: "many" }, "", `trl.json: "seed" must be a whole number, at least 0, not "many"`],
  [
    { packing: true, packing_strategy: "wrapped" },
    "",
    `"packing_strategy" can't be "wrapped": rows are packed by best-fit decreasing`,
  ],
  [{ packing_strategy: "bfd_split" }, "--packing", `"packing_strategy" can't be "bfd_split"`],
  [
    { packing: true },
    "--objective dpo",
    "has an effect only with objectives on answers, not with dpo",
  ],
  [
    { train_sampling_strategy: "sequential" },
    "",
    `"train_sampling_strategy" can't be "sequential": the order of rows is random`,
  ],
  [
    { num_train_epochs: 3 },
    "",
    `"num_train_epochs" can't be 3: Unitune counts steps: add max_steps`,
  ],
  [
    { warmup_steps: 0.1 },
    "",
    `can't be 0.1: a share of the steps needs their number: add max_steps`,
  ],
  [{ warmup_steps: 0.1, max_steps: -1 }, "", "a share of the steps needs their number"],
  [
    { lr_scheduler_type: "linear" },
    "",
    "Unitune's schedules are cosine, cosine_with_min_lr, constant",
  ],
  [{ lr_scheduler_type: "constant" }, "", `"constant" needs learning_rate beside it`],
  [{ lr_scheduler_type: "constant_with_warmup" }, "", "needs learning_rate beside it"],
  [
    { lr_scheduler_type: "constant", learning_rate: 1, warmup_steps: 5 },
    "",
    "constant ignores warmup_steps: write constant_with_warmup",
  ],
  [{ lr_scheduler_type: "cosine_with_min_lr" }, "", "it needs lr_scheduler_kwargs with min_lr"],
  [
    { lr_scheduler_type: "cosine_with_min_lr", lr_scheduler_kwargs: { min_lr: 1, min_lr_rate: 1 } },
    "",
    "it needs lr_scheduler_kwargs with min_lr or min_lr_rate, and nothing else",
  ],
  [
    { lr_scheduler_type: "cosine_with_min_lr", lr_scheduler_kwargs: { min_lr: 1, a: 1 } },
    "",
    "and nothing else",
  ],
  [
    { lr_scheduler_type: "cosine_with_min_lr", lr_scheduler_kwargs: { min_lr_rate: 0.1 } },
    "",
    `"cosine_with_min_lr" needs learning_rate beside it`,
  ],
  [
    { lr_scheduler_type: "cosine", lr_scheduler_kwargs: { num_cycles: 2 } },
    "",
    "has no options but",
  ],
  [{ optim: "lion_32bit" }, "", "others are chosen by --optimizer"],
  [{ sync_ref_model: 5 }, "--objective dpo", `"sync_ref_model" can't be 5: it is true or false`],
  [{ loss_type: "vespo", vespo_lambda_neg: 3 }, "", `"vespo_lambda_neg" can't be 3: it is 2`],
  [{ loss_type: "vespo", vespo_lambda_pos: 2 }, "", `"vespo_lambda_pos" can't be 2: it is 3`],
  [{ loss_type: "vespo", vespo_k_neg: 2 }, "", `"vespo_k_neg" can't be 2: it is 3`],
  [{ loss_type: "vespo", vespo_k_pos: 3 }, "", `"vespo_k_pos" can't be 3: it is 2`],
  [{ use_cpu: 5 }, "", `"use_cpu" can't be 5: it is true or false`],
  [{ max_length: null }, "", `"max_length" can't be null: rows are cut where the context ends`],
  [{ max_length: 9 }, "--objective reward-model", "TRL leaves out longer rows, Unitune cuts them"],
  [{ max_length: 9 }, "--objective grpo", "set max_completion_length or context instead"],
  [
    { loss_type: "hinge" },
    "--objective dpo",
    `can't be "hinge": it is the objective hinge, and --objective names dpo`,
  ],
  [{ loss_type: ["sigmoid", "hinge"] }, "", "of sums of losses there are rpo, sigmoid + sft with"],
  [{ loss_type: ["sigmoid", "sft"], loss_weights: [1, 2] }, "", "of sums of losses there are rpo"],
  [{ cpo_alpha: 0.5 }, "--objective cpo", "the likelihood of the chosen answer weighs 1 in cpo"],
  [{ cpo_alpha: 1, loss_type: "simpo" }, "", "weighs 0 in simpo"],
  [{ is_encoder_decoder: true }, "", "models are decoders"],
  [{ loss_type: "luspo" }, "", "add importance_sampling_level: sequence"],
  [{ loss_type: "sigmoi" }, "", `"loss_type" can't be "sigmoi": did you mean sigmoid?`],
  [{ loss_type: "vespo_of_others" }, "", "Unitune does not have it under TRL's name"],
  [{ loss_type: 5 }, "", "Unitune does not have it under TRL's name"],
  [{ label_smoothing: 0.1 }, "--objective dpo", "TRL has none in the loss of dpo: leave it out"],
  [{ beta: 0.1 }, "", `"beta" can't be 0.1: Unitune's sft has no beta`],
  [{ beta: 0.1 }, "--objective grpo", "Unitune's grpo has no KL to the reference, as with beta: 0"],
  [{ beta: 0.05 }, "--objective rloo", "Unitune's rloo has no KL to the reference"],
  [{ beta: 0.1, loss_type: "grpo" }, "", "add use_bias_correction_kl: false"],
  [
    { beta: 0.1, loss_type: "grpo", use_bias_correction_kl: true },
    "--objective grpo-kl",
    "add use_bias_correction_kl: false",
  ],
  [{ epsilon_high: 0.3 }, "--objective grpo", "it is 0.2 in Unitune's grpo"],
  [{ epsilon_high: 0.2, loss_type: "dapo" }, "", "it is 0.28 in Unitune's dapo"],
  [
    { importance_sampling_level: "sequence" },
    "--objective grpo",
    "gspo and luspo alone have ratios of sequences",
  ],
  [
    { scale_rewards: "group", loss_type: "dr_grpo" },
    "",
    "dr-grpo does not scale rewards: write none",
  ],
  [{ steps_per_generation: 4 }, "--objective grpo", "samples the answers of one step at a time"],
  [{ generation_batch_size: 4 }, "--objective grpo", "samples the answers of one step at a time"],
  [{ num_generations: 4 }, "", `trl.json: "num_generations" has an effect only with`],
  [{ batch_size: 4 }, "", `TRL 1.13 has no key "batch_size"`],
  [
    { lora_target_modules: [["q"]], use_peft: true, model_name_or_path: "a", lora_r: 0 },
    "",
    `trl.json: "lora_r" must be a whole number, at least 1, not 0`,
  ],
];

for (const [file, line, message] of refused) {
  Deno.test(`TRL's ${JSON.stringify(file)} beside "${line}" is refused`, () => {
    const argv = line.split(" ").filter((word) => word !== "");
    const error = assertThrows(() => {
      const { values, sources } = parseFlags(flags, argv);
      const flag = (name: string) =>
        new Map(Object.entries(sources)).get(name) === "flag"
          ? new Map<string, unknown>(Object.entries(values)).get(name)
          : undefined;
      const { config } = trlConfig(jsonConfig(file, "trl.json"), {
        registry: objectiveRegistry,
        flag,
      });
      stageSettings([parseFlags(flags, argv)], config);
    }, UserError);
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, "trl.json");
  });
}

Deno.test("the upper clips and the cap are those of the objectives", async () => {
  assertEquals(upperClips.dapo, clippedDefaults.dapo.epsilonHigh);
  assertEquals(upperClips.gspo, clippedDefaults.gspo.epsilonHigh);
  assertEquals(upperClips.luspo, clippedDefaults.luspo.epsilonHigh);
  // CISPO's default cap: a ratio of 100 is cut to it.
  const [logProbs, old] = [tensor([[Math.log(100)]]), tensor([[0]])];
  const parts = [logProbs, old, tensor([1]), tensor([[1]])] as const;
  assertEquals(
    await lossValue(cispoLoss(...parts)).item(),
    await lossValue(cispoLoss(...parts, { cap: upperClips.cispo ?? NaN })).item(),
  );
});

Deno.test("the order of prompts is always random", () => {
  const reading = (strategy: string) => readingOf("train_sampling_strategy", strategy, "grpo").kind;
  assertEquals(["random", "group_by_length"].map(reading), ["same", "settings"]);
});

Deno.test("what became of the keys is told", () => {
  assertEquals(
    describeTrl(converted({ bf16: true, max_steps: 5, packing: false, lora_r: 4 })).split("\n"),
    [
      "trl.json has settings of TRL, read as those of Unitune: max_steps as --steps",
      "keys of TRL that change nothing here: bf16 (Unitune computes in f32), lora_r (use_peft is " +
      "not true)",
      "settings that the file leaves out have Unitune's defaults, not TRL's: " +
      "docs/configuration.md compares them",
    ],
  );
  assertEquals(describeTrl(converted({ packing: false })).split("\n").length, 1);
});

Deno.test("damaged configurations of TRL are read, or refused in a sentence", () => {
  const text = `# A comment in which damage does not matter${" at all".repeat(20)}.
loss_type: [sigmoid]
beta: 0.1
learning_rate: "2e-5"
lr_scheduler_type: cosine_with_min_lr
lr_scheduler_kwargs: {min_lr_rate: 0.1}
warmup_steps: 0.05
max_steps: 100
use_peft: true
model_name_or_path: a/b
lora_target_modules: [q_proj, v_proj]
report_to: [tensorboard]
bf16: yes
`;
  let [read, refusals] = [0, 0];
  for (let number = 0; number < 500; number++) {
    const bytes = damaged(randomStream(8, number), new TextEncoder().encode(text));
    try {
      const file = settingsIn(parseYaml(new TextDecoder().decode(bytes), "f.yaml"));
      const { config } = trlConfig(file, { registry: objectiveRegistry, flag: () => undefined });
      stageSettings([parseFlags(flags, [])], config);
      read++;
    } catch (error) {
      assert(error instanceof UserError, `${number}: ${error}`);
      // Settings that contradict each other are named as flags, without a place.
      const hasPlace = error.message.startsWith("f.yaml");
      assert(hasPlace || error instanceof SettingsError, `${number}: ${error.message}`);
      assert(error.message.length < 1000, `${number}: ${error.message}`);
      refusals++;
    }
  }
  // Some damage does not matter, most does.
  assert(read > 20 && refusals > 200, `${read} read, ${refusals} refused`);
});

Deno.test("the documentation has the table of keys and defaults", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/configuration.md", import.meta.url));
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  // `deno fmt` has aligned the columns.
  const cells = (row: string) => row.split("|").map((cell) => cell.trim());
  assertEquals(rows.map(cells), trlTable().map(cells));
});

/** What a key is at a value for an objective, beside other keys. */
const besideOthers: readonly (readonly [
  key: string,
  value: unknown,
  objective: string,
  others: Readonly<Record<string, unknown>>,
  kind: TrlReading["kind"],
  settings?: Readonly<Record<string, unknown>>,
])[] = [
  ["loss_weights", [1], "dpo", {}, "same"],
  ["loss_weights", [2], "dpo", {}, "refused"],
  ["loss_weights", [1, 2], "dpo", { loss_type: "sigmoid" }, "refused"],
  ["loss_weights", [1, 2], "rpo", { loss_type: ["sigmoid", "sft"] }, "same"],
  ["cpo_alpha", 1, "dpo", {}, "idle"],
  ["cpo_alpha", 1, "cpo", {}, "same"],
  ["cpo_alpha", 2, "cpo", {}, "refused"],
  ["seq_kd", true, "gkd", {}, "settings", { givenAnswers: "teacher" }],
  ["seq_kd", false, "gkd", {}, "settings", { givenAnswers: "data" }],
  ["seq_kd", "some", "gkd", {}, "settings", { givenAnswers: "some" }],
  ["steps_per_generation", 1, "grpo", {}, "same"],
  ["steps_per_generation", 2, "grpo", {}, "refused"],
  ["steps_per_generation", 2, "grpo", { gradient_accumulation_steps: 2 }, "same"],
  ["generation_batch_size", 8, "grpo", { per_device_train_batch_size: 8 }, "same"],
  ["generation_batch_size", 16, "grpo", { per_device_train_batch_size: 8 }, "refused"],
  ["generation_batch_size", 0, "grpo", { per_device_train_batch_size: 8 }, "refused"],
  [
    ...["generation_batch_size", 16, "grpo"] as const,
    ...[{ per_device_train_batch_size: 8, gradient_accumulation_steps: 2 }, "same"] as const,
  ],
  ["scale_rewards", false, "grpo", {}, "settings", { scaleRewards: "none" }],
  ["scale_rewards", "none", "grpo", {}, "settings", { scaleRewards: "none" }],
  ["scale_rewards", "none", "dr-grpo", {}, "same"],
  ["use_bias_correction_kl", false, "grpo", { beta: 0.1 }, "same"],
  ["use_bias_correction_kl", true, "grpo", {}, "idle"],
  ["use_bias_correction_kl", true, "grpo", { beta: 0 }, "idle"],
  ["use_bias_correction_kl", true, "grpo", { beta: 0.1 }, "refused"],
  ["ref_model_mixup_alpha", 0.5, "dpo", { sync_ref_model: true }, "same"],
  ["ref_model_mixup_alpha", 0.5, "dpo", { sync_ref_model: false }, "idle"],
  ["ref_model_mixup_alpha", 0.5, "dpo", {}, "idle"],
  ["beta", 0.5, "gkd", {}, "settings", { teacherShare: 0.5 }],
  ["beta", 0.5, "on-policy-distillation", {}, "refused"],
  ["warmup_steps", 0.5, "sft", { max_steps: 0 }, "refused"],
  ["warmup_steps", 0.5, "sft", { max_steps: -1 }, "refused"],
  ["warmup_steps", 0.5, "sft", { max_steps: 3 }, "settings", { warmupSteps: 2 }],
];

Deno.test("a key that depends on others and the objective is read beside them", () => {
  for (const [key, value, objective, others, kind, settings] of besideOthers) {
    const reading = readingOf(key, value, objective, others);
    const about = `${key} ${JSON.stringify([value, objective, others])}`;
    assertEquals(reading.kind, kind, about);
    if (reading.kind === "settings") assertEquals(reading.settings, settings, about);
  }
});
