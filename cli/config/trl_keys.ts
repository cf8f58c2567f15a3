/**
 * The keys of TRL's configurations, and what each is here. Source: TRL 1.13.0, its `SFTConfig`,
 * `DPOConfig`, `KTOConfig`, `GRPOConfig`, `RLOOConfig`, `RewardConfig` and `DistillationConfig`, which
 * extend `TrainingArguments` of transformers 5.18; `ModelConfig`, `ScriptArguments` and those of the
 * commands `trl grpo` and `trl rloo`, `DatasetMixtureConfig`; `CPOConfig`, `TPOConfig` and `GKDConfig`
 * of `trl.experimental`; and `env`.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { ObjectiveEntry } from "@unitune/objectives";

/** What a key with a value is. */
export type TrlReading =
  /** Unitune does the same without being told. */
  | { readonly kind: "same" }
  /** The settings of Unitune that mean the same, by name. */
  | { readonly kind: "settings"; readonly settings: Readonly<Record<string, unknown>> }
  /** It has no effect on what is trained; the reason is the rest of a sentence. */
  | { readonly kind: "idle"; readonly why: string }
  /** Unitune does something else; the reason is a sentence. */
  | { readonly kind: "refused"; readonly why: string };

/** What the reading of a key may depend on. */
export interface TrlContext {
  /** The objective that is trained. */
  readonly objective: ObjectiveEntry;
  /** The value of another key of the file; undefined where there is none, or null. */
  readonly valueOf: (key: string) => unknown;
  /** The value of a setting on the command line, which takes precedence over the file. */
  readonly flag: (setting: string) => unknown;
}

/** A key of TRL. */
export interface TrlKey {
  /** The settings that it may give values (default: none). */
  readonly sets?: readonly string[];
  /** Reads a value other than null. */
  readonly read: (value: unknown, context: TrlContext) => TrlReading;
  /** What null is (default: as if the key were absent). */
  readonly ofNull?: TrlReading;
}

const same: TrlReading = { kind: "same" };

const idle = (why: string): TrlReading => ({ kind: "idle", why });

const refused = (why: string): TrlReading => ({ kind: "refused", why });

const settings = (settings: Readonly<Record<string, unknown>>): TrlReading => ({
  kind: "settings",
  settings,
});

/** The words that TRL's command line reads as booleans. */
const words: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, t: true, y: true },
  ...{ false: false, no: false, f: false, n: false },
};

/**
 * A value as TRL reads it, whose command line parses texts: `"2e-5"`, which YAML 1.1 takes for a text,
 * is a number, and `yes` is true.
 */
function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const word = value.toLowerCase();
  if (Object.hasOwn(words, word)) return words[word];
  return value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
}

/** Whether a value is one of some, as JSON has them. */
function isAmong(value: unknown, values: readonly unknown[]): boolean {
  const own = [value, parsed(value)].map((one) => JSON.stringify(one));
  return values.some((one) => own.includes(JSON.stringify(one)));
}

/** A key that is a setting of another name. */
function sets(setting: string): TrlKey {
  return { sets: [setting], read: (value) => settings({ [setting]: parsed(value) }) };
}

/** A key that is a setting which holds a text. */
function setsText(setting: string): TrlKey {
  return { sets: [setting], read: (value) => settings({ [setting]: value }) };
}

/** A key that changes nothing that is trained here. */
function noEffect(why: string): TrlKey {
  return { read: () => idle(why) };
}

/** A key that is refused at any values but those at which Unitune does what TRL does. */
function only(values: readonly unknown[], why: string): TrlKey {
  return { read: (value) => isAmong(value, values) ? same : refused(why) };
}

/** A key that gives settings values where it is true. */
function ifTrue(values: Readonly<Record<string, unknown>>): TrlKey {
  return {
    sets: Object.keys(values),
    read: (value) => {
      const isOn = parsed(value);
      if (isOn === true) return settings(values);
      return isOn === false ? same : refused("it is true or false");
    },
  };
}

/** A number of steps, or a share of all of them, which transformers rounds up. */
function setsSteps(setting: string): TrlKey {
  return {
    sets: [setting],
    read: (value, context) => {
      const count = parsed(value);
      if (typeof count !== "number" || count <= 0 || count >= 1) {
        return settings({ [setting]: count });
      }
      const total = stepsOf(context);
      return total === undefined
        ? refused("a share of the steps needs their number: add max_steps")
        : settings({ [setting]: Math.ceil(count * total) });
    },
  };
}

/** The number of steps, if it is known; TRL's is -1 where epochs are counted. */
function stepsOf({ valueOf, flag }: TrlContext): number | undefined {
  const steps = flag("steps") ?? parsed(valueOf("max_steps"));
  return typeof steps === "number" && steps > 0 ? steps : undefined;
}

/** A key of an adapter, which TRL reads where `use_peft` is true. */
function ofAdapter(setting: string, read: (value: unknown) => unknown = parsed): TrlKey {
  return {
    sets: [setting],
    read: (value, { valueOf, flag }) =>
      isAmong(valueOf("use_peft"), [true]) || flag("lora") === true
        ? settings({ [setting]: read(value) })
        : idle("use_peft is not true"),
  };
}

/** Names in a list, or one name, as Unitune writes them. */
function joinedNames(value: unknown): unknown {
  return Array.isArray(value) ? value.join("+") : value;
}

/** The optimizers whose steps are those of AdamW in f32. */
const adamw = ["adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "paged_adamw_32bit"];

/** The optimizers of TRL by ours. */
const optimizers: Readonly<Record<string, readonly string[]>> = {
  adamw,
  adamw8bit: ["adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"],
  adafactor: ["adafactor"],
};

/** The upper clip bound of objectives with one of their own, and the cap of CISPO's ratios. */
export const upperClips: Readonly<Record<string, number>> = {
  ...{ dapo: 0.28, gspo: 4e-4, luspo: 2.5e-3, cispo: 5 },
};

/** The losses of TPO's pairs by those of TRL. */
export const tripleLosses: Readonly<Record<string, string>> = {
  ...{ sigmoid: "sigmoid", hinge: "hinge", ipo: "ipo", "tpo-l": "length-mean" },
};

/** The least rate at the end of the schedule, of which the file gives the peak. */
function schedule(name: unknown, context: TrlContext): TrlReading {
  const { valueOf, flag } = context;
  const peak = flag("learningRate") ?? parsed(valueOf("learning_rate"));
  const needsPeak = refused(`${quoted(name)} needs learning_rate beside it`);
  const extra = valueOf("lr_scheduler_kwargs");
  const options: Readonly<Record<string, unknown>> = typeof extra === "object" && extra !== null
    ? { ...extra }
    : {};
  switch (name) {
    case "cosine":
      return settings({ minLearningRate: 0 });
    case "cosine_with_min_lr": {
      const { min_lr: least, min_lr_rate: share, ...others } = options;
      const [low, part] = [parsed(least), parsed(share)];
      if (Object.keys(others).length > 0 || (low === undefined) === (part === undefined)) {
        return refused("it needs lr_scheduler_kwargs with min_lr or min_lr_rate, and nothing else");
      }
      if (typeof low === "number") return settings({ minLearningRate: low });
      if (typeof peak !== "number") return needsPeak;
      return settings({ minLearningRate: Number(part) * peak });
    }
    case "constant":
      if (typeof peak !== "number") return needsPeak;
      if (!isAmong(valueOf("warmup_steps") ?? 0, [0])) {
        return refused("constant ignores warmup_steps: write constant_with_warmup");
      }
      return settings({
        minLearningRate: peak,
        ...valueOf("warmup_steps") === undefined && { warmupSteps: 0 },
      });
    case "constant_with_warmup":
      return typeof peak === "number" ? settings({ minLearningRate: peak }) : needsPeak;
    default:
      return refused(
        "Unitune's schedules are cosine, cosine_with_min_lr, constant and " +
          "constant_with_warmup",
      );
  }
}

/** The weight beta of a reference. */
function beta(value: unknown, { objective, valueOf }: TrlContext): TrlReading {
  const { name, data, options } = objective;
  if (Object.hasOwn(options, "beta")) return settings({ beta: parsed(value) });
  if (objective.teacher && Object.hasOwn(options, "teacherShare")) {
    return settings({ teacherShare: parsed(value) });
  }
  if (name === "grpo-kl") {
    return isAmong(valueOf("use_bias_correction_kl"), [false])
      ? settings({ klWeight: parsed(value) })
      : refused(
        "TRL multiplies the KL by the importance ratio, Unitune does not: add " +
          "use_bias_correction_kl: false",
      );
  }
  if (data === "rollouts" && isAmong(value, [0])) return same;
  return refused(
    data === "rollouts"
      ? `Unitune's ${name} has no KL to the reference, as with beta: 0; grpo-kl has one`
      : `Unitune's ${name} has no beta`,
  );
}

/** The greatest length of a row. */
function maxLength(value: unknown, { objective }: TrlContext): TrlReading {
  if (objective.trains !== "policy") {
    return refused("TRL leaves out longer rows, Unitune cuts them: set context instead");
  }
  return objective.data === "rollouts"
    ? refused("TRL has it for given answers: set max_completion_length or context instead")
    : settings({ context: parsed(value) });
}

/** The order in which rows are read. */
function samplingStrategy(value: unknown, { objective }: TrlContext): TrlReading {
  if (objective.data === "rollouts" && isAmong(value, ["random"])) return same;
  if (isAmong(value, ["random"])) return settings({ batching: "random" });
  if (isAmong(value, ["group_by_length"])) return settings({ batching: "by-length" });
  return refused("the order of rows is random, with rows of similar length together or not");
}

/** The sampled answers that a key counts have to be those of one step. */
function sampledAtOnce(count: (context: TrlContext) => unknown): TrlKey {
  return {
    read: (value, context) =>
      isAmong(value, [count(context)])
        ? same
        : refused("Unitune samples the answers of one step at a time"),
  };
}

/** The product of two counts, where both are known. */
function product(a: unknown, b: unknown): unknown {
  return typeof a === "number" && typeof b === "number" ? a * b : undefined;
}

const ofPython = "it is about Python's process";
const ofSpeed = "it changes speed or memory alone";
const ofPrecision = "Unitune computes in f32";
const ofDevices = "one device trains";
const ofDisplay = "it is about what is shown";
const ofTrackers = "it is for a tracker that Unitune does not write";
const ofHub = "`deno task push` uploads a model";
const ofVllm = "the policy that is trained samples by itself";
const ofOtherLosses = "it is for another loss";

/** A key of a moving reference, read beside `sync_ref_model`. */
const ofMovingReference: TrlKey = {
  read: (_, { valueOf }) =>
    isAmong(valueOf("sync_ref_model"), [true]) ? same : idle("sync_ref_model is not true"),
};

/** A key that is a setting of some objectives, and of no effect on others. */
function ofObjectives(
  names: readonly string[],
  setting: string,
  valueOf: (value: unknown) => unknown = parsed,
): TrlKey {
  return {
    sets: [setting],
    read: (value, { objective: { name } }) =>
      names.includes(name) ? settings({ [setting]: valueOf(value) }) : idle(ofOtherLosses),
  };
}

/** The weight of the chosen answer's likelihood in CPO, which has one, and in SimPO, which has none. */
const likelihoods: Readonly<Record<string, number>> = { cpo: 1, simpo: 0, "alpha-po": 0 };

/** A key of VESPO's weight, which is that of the paper. */
function ofVespo(usual: number): TrlKey {
  return {
    read: (value, { objective: { name } }) => {
      if (name !== "vespo") return idle(ofOtherLosses);
      return isAmong(value, [usual]) ? same : refused(`it is ${usual}`);
    },
  };
}

/** The keys by name. */
export const trlKeys: Readonly<Record<string, TrlKey>> = {
  // What is trained, on what, and by which rewards: ModelConfig and ScriptArguments.
  model_name_or_path: setsText("model"),
  model_revision: setsText("revision"),
  dtype: noEffect(ofPrecision),
  attn_implementation: noEffect(ofSpeed),
  trust_remote_code: noEffect("no code of a model is run"),
  model_init_kwargs: only([{}], "settings of a model are not changed"),
  use_peft: ifTrue({ lora: true }),
  lora_r: ofAdapter("loraRank"),
  lora_alpha: ofAdapter("loraAlpha"),
  lora_dropout: ofAdapter("loraDropout"),
  lora_target_modules: ofAdapter("loraTargets", joinedNames),
  lora_modules_to_save: ofAdapter("modulesToSave", joinedNames),
  use_rslora: ofAdapter("loraRankStabilized"),
  use_dora: ofAdapter("dora"),
  lora_target_parameters: only(
    [[]],
    "adapters are of projections: name them in lora_target_modules",
  ),
  lora_task_type: noEffect("it follows from the objective"),
  load_in_8bit: only([false], "Unitune does not quantize models"),
  load_in_4bit: only([false], "Unitune does not quantize models"),
  bnb_4bit_quant_type: noEffect("Unitune does not quantize models"),
  use_bnb_nested_quant: noEffect("Unitune does not quantize models"),
  bnb_4bit_quant_storage: noEffect("Unitune does not quantize models"),
  dataset_name: setsText("data"),
  dataset_config: only([], "name a file of rows in dataset_name"),
  dataset_train_split: only(["train"], "name a file of rows in dataset_name"),
  dataset_test_split: only(["test"], "validation rows are a share of the data"),
  dataset_streaming: noEffect(ofSpeed),
  ignore_bias_buffers: noEffect(ofDevices),
  datasets: only([[]], "name one file of rows in dataset_name"),
  streaming: noEffect(ofSpeed),
  test_split_size: only([0.1], "a tenth of the rows is for validation"),
  reward_funcs: only([[]], "they are functions of Python: name rewards by rewards, or --rewards"),
  reward_model_name_or_path: only([], "name the run that trained a reward model by --reward-model"),
  teacher_model_name_or_path: only([], "name the run that trained a teacher by --teacher"),
  teacher_model_revision: only([], "name the run that trained a teacher by --teacher"),
  teacher_model_init_kwargs: only([{}], "settings of a model are not changed"),
  env: only([{}], "set variables of the environment in the shell"),
  chat_template_path: setsText("chatTemplate"),
  eos_token: only([], "the tokenizer of the model says which tokens stop an answer"),
  pad_token: noEffect("padding is masked"),

  // Rows.
  dataset_text_field: only(["text"], "the column with running text is called text"),
  dataset_kwargs: only([{}], "rows are always prepared"),
  dataset_num_proc: noEffect(ofSpeed),
  max_length: {
    sets: ["context"],
    read: maxLength,
    ofNull: refused("rows are cut where the context ends: set context instead"),
  },
  truncation_mode: only(["keep_start"], "the end of a long row is cut"),
  shuffle_dataset: noEffect("the order of rows follows from the seed"),
  packing: ifTrue({ packing: true }),
  packing_strategy: {
    read: (value, { valueOf, flag }) => {
      if (!isAmong(valueOf("packing"), [true]) && flag("packing") !== true) {
        return idle("packing is not true");
      }
      return isAmong(value, ["bfd"])
        ? same
        : refused("rows are packed by best-fit decreasing, and cut where the context ends: bfd");
    },
  },
  eval_packing: noEffect("rows are evaluated one by one, to the same loss"),
  padding_free: noEffect(ofSpeed),
  pad_to_multiple_of: noEffect(ofSpeed),
  completion_only_loss: only([true], "prompts are never learned"),
  assistant_only_loss: only(
    [true],
    "the assistant's turns alone are learned: set it to true, or leave it out",
  ),
  label_names: noEffect(ofPython),
  remove_unused_columns: noEffect("columns are read by name"),
  train_sampling_strategy: {
    sets: ["batching"],
    read: samplingStrategy,
  },
  length_column_name: noEffect("lengths are counted"),
  chat_template_kwargs: only([{}], "write them in the rows, in a column chat_template_kwargs"),

  // Optimization.
  max_steps: {
    sets: ["steps"],
    read: (value) => {
      const steps = parsed(value);
      return typeof steps === "number" && steps < 0 ? same : settings({ steps });
    },
  },
  num_train_epochs: {
    read: (_, context) =>
      stepsOf(context) === undefined
        ? refused("Unitune counts steps: add max_steps, or give --steps")
        : same,
  },
  per_device_train_batch_size: sets("batchSize"),
  gradient_accumulation_steps: sets("gradientAccumulation"),
  auto_find_batch_size: only([false], "batches have one size"),
  learning_rate: sets("learningRate"),
  lr_scheduler_type: { sets: ["minLearningRate", "warmupSteps"], read: schedule },
  lr_scheduler_kwargs: {
    read: (value, { valueOf }) =>
      isAmong(value, [{}]) || valueOf("lr_scheduler_type") === "cosine_with_min_lr"
        ? same
        : refused("the schedule has no options but those of cosine_with_min_lr"),
  },
  warmup_steps: setsSteps("warmupSteps"),
  optim: {
    sets: ["optimizer"],
    read(value) {
      const own = Object.entries(optimizers).find(([, names]) => isAmong(value, names));
      return own === undefined
        ? refused(
          "it is adamw_torch, adamw_8bit, adafactor or their kin; others are chosen by --optimizer",
        )
        : settings({ optimizer: own[0] });
    },
  },
  optim_args: only([""], "the optimizer has no further options"),
  optim_target_modules: only([[]], "the optimizer is one for all parameters"),
  weight_decay: sets("weightDecay"),
  adam_beta1: sets("beta1"),
  adam_beta2: sets("beta2"),
  adam_epsilon: only([1e-8], "AdamW's epsilon is 1e-8"),
  max_grad_norm: sets("gradientClip"),
  label_smoothing_factor: only([0], "answers are learned without smoothing"),
  neftune_noise_alpha: only([], "embeddings get no noise"),
  disable_dropout: ifTrue({ dropout: 0 }),
  router_aux_loss_coef: noEffect("no model here is a mixture of experts"),
  average_tokens_across_devices: noEffect(ofDevices),
  bf16: noEffect(ofPrecision),
  fp16: noEffect(ofPrecision),
  bf16_full_eval: noEffect(ofPrecision),
  fp16_full_eval: noEffect(ofPrecision),
  tf32: noEffect(ofPrecision),
  cast_lm_head_to_fp32: noEffect(ofPrecision),
  gradient_checkpointing: noEffect(ofSpeed),
  gradient_checkpointing_kwargs: noEffect(ofSpeed),
  activation_offloading: noEffect(ofSpeed),
  torch_compile: noEffect(ofSpeed),
  torch_compile_backend: noEffect(ofSpeed),
  torch_compile_mode: noEffect(ofSpeed),
  use_liger_kernel: noEffect(ofSpeed),
  liger_kernel_config: noEffect(ofSpeed),
  use_cache: noEffect(ofSpeed),
  torch_empty_cache_steps: noEffect(ofSpeed),
  seed: sets("seed"),
  data_seed: only([], "one seed is for everything random"),
  full_determinism: noEffect("runs are deterministic"),
  use_cpu: ifTrue({ device: "wasm" }),

  // Objectives, which are named by losses: trl.ts has their table.
  loss_type: {
    sets: ["objective", "pairLoss"],
    read: (value, { objective: { name } }) =>
      settings({
        objective: name,
        ...name === "tpo" && { pairLoss: tripleLosses[String([value].flat()[0])] },
      }),
  },
  loss_weights: {
    read: (value, { valueOf }) => {
      // Where the losses are several, they were found together with their weights.
      const isSum = [valueOf("loss_type")].flat().length > 1;
      return isSum || isAmong(value, [[1]]) ? same : refused("a loss is not a sum of several");
    },
  },
  beta: { sets: ["beta", "klWeight", "teacherShare"], read: beta },
  label_smoothing: {
    sets: ["labelSmoothing"],
    read: (value, { objective: { name } }) => {
      if (name === "exo" || name === "robust") return settings({ labelSmoothing: parsed(value) });
      return isAmong(value, [0])
        ? same
        : refused(`TRL has none in the loss of ${name}: leave it out`);
    },
  },
  ld_alpha: only([1], "all tokens of an answer count alike"),
  f_divergence_type: only(["reverse_kl"], "the divergence is the reverse KL"),
  f_alpha_divergence_coef: noEffect("the divergence is the reverse KL"),
  use_weighting: only([false], "pairs have no weights"),
  discopop_tau: only([0.05], "it is 0.05"),
  desirable_weight: only([1], "liked and disliked answers count alike"),
  undesirable_weight: only([1], "liked and disliked answers count alike"),
  center_rewards_coefficient: only([], "rewards are not drawn to a mean of 0"),
  tpo_alpha: ofObjectives(["tpo"], "goldWeight"),
  tpo_l_gamma: ofObjectives(["tpo"], "targetMargin"),
  simpo_gamma: ofObjectives(["simpo", "alpha-po"], "targetMargin"),
  alpha: ofObjectives(["alpha-po"], "alpha"),
  cpo_alpha: {
    read: (value, { objective: { name } }) => {
      const weight = likelihoods[name];
      if (weight === undefined) return idle(ofOtherLosses);
      return isAmong(value, [weight])
        ? same
        : refused(`the likelihood of the chosen answer weighs ${weight} in ${name}`);
    },
  },
  lmbda: ofObjectives(["gkd"], "givenShare", (share) => 1 - Number(parsed(share))),
  seq_kd: ofObjectives(
    ["gkd"],
    "givenAnswers",
    (isOn) => isAmong(isOn, [true]) ? "teacher" : isAmong(isOn, [false]) ? "data" : isOn,
  ),
  sync_ref_model: {
    sets: ["average", "averageUse", "averageRate", "averageSteps"],
    read: (value, { valueOf }) => {
      const isOn = parsed(value);
      if (isOn === false) return same;
      if (isOn !== true) return refused("it is true or false");
      return settings({
        ...{ average: "ema", averageUse: "reference" },
        // The defaults are TRL's: this key alone says that its reference moves.
        averageRate: parsed(valueOf("ref_model_mixup_alpha") ?? 0.6),
        averageSteps: parsed(valueOf("ref_model_sync_steps") ?? 512),
      });
    },
  },
  ref_model_mixup_alpha: ofMovingReference,
  ref_model_sync_steps: ofMovingReference,
  precompute_ref_log_probs: noEffect("they are always computed once"),
  precompute_ref_batch_size: noEffect(ofSpeed),

  // Rollouts.
  num_generations: sets("groupSize"),
  num_generations_eval: noEffect("evaluations take the most likely answer"),
  max_completion_length: sets("maxNewTokens"),
  max_new_tokens: sets("maxNewTokens"),
  num_iterations: sets("rolloutEpochs"),
  steps_per_generation: sampledAtOnce(({ valueOf }) =>
    parsed(valueOf("gradient_accumulation_steps") ?? 1)
  ),
  generation_batch_size: sampledAtOnce(({ valueOf }) =>
    product(
      parsed(valueOf("per_device_train_batch_size")),
      parsed(valueOf("gradient_accumulation_steps") ?? 1),
    )
  ),
  temperature: sets("temperature"),
  top_p: only([1], "answers are sampled from the whole distribution"),
  top_k: only([0], "answers are sampled from the whole distribution"),
  min_p: only([0], "answers are sampled from the whole distribution"),
  repetition_penalty: only([1], "answers are sampled from the whole distribution"),
  generation_kwargs: only([{}], "answers are sampled from the whole distribution"),
  cache_implementation: noEffect(ofSpeed),
  epsilon: {
    sets: ["clipRange"],
    read: (value, { objective: { options } }) =>
      Object.hasOwn(options, "clipRange")
        ? settings({ clipRange: parsed(value) })
        : idle("ratios are not clipped below"),
  },
  epsilon_high: {
    read: (value, { objective: { name }, valueOf, flag }) => {
      const own = Object.hasOwn(upperClips, name)
        ? upperClips[name]
        : flag("clipRange") ?? parsed(valueOf("epsilon") ?? 0.2);
      return isAmong(value, [own]) ? same : refused(`it is ${own} in Unitune's ${name}`);
    },
  },
  delta: only([], "ratios have no other upper bound than epsilon_high"),
  importance_sampling_level: {
    read: (value, { objective: { name } }) =>
      isAmong(value, [name === "gspo" || name === "luspo" ? "sequence" : "token"]) ? same : refused(
        "gspo and luspo alone have ratios of sequences: gspo is loss_type: grpo with this level " +
          "sequence",
      ),
  },
  scale_rewards: {
    sets: ["scaleRewards"],
    read: (value, { objective: { name, options } }) => {
      const isNone = isAmong(value, [false, "none"]);
      if (!Object.hasOwn(options, "scaleRewards")) {
        return isNone ? same : refused(`${name} does not scale rewards: write none`);
      }
      return settings({
        scaleRewards: isNone ? "none" : isAmong(value, [true]) ? "group" : value,
      });
    },
  },
  multi_objective_aggregation: only(["sum_then_normalize"], "rewards are summed, then normalized"),
  reward_weights: only([], "weights stand in rewards: verifier+0.2*length-penalty"),
  reward_clip_range: only([], "rewards are not clipped"),
  normalize_advantages: only([false], "advantages are those of the objective"),
  mask_truncated_completions: only([false], "answers that were cut off are learned"),
  use_bias_correction_kl: {
    read: (value, { valueOf }) => {
      if (isAmong(value, [false])) return same;
      return isAmong(valueOf("beta") ?? 0, [0])
        ? idle("beta is 0")
        : refused("the KL is not multiplied by the importance ratio: write false");
    },
  },
  top_entropy_quantile: only([1], "all tokens of an answer count alike"),
  entropy_coef: only([0], "there is no bonus for entropy"),
  use_adaptive_entropy: only([false], "there is no bonus for entropy"),
  entropy_coef_min: noEffect("there is no bonus for entropy"),
  entropy_coef_max: noEffect("there is no bonus for entropy"),
  entropy_coef_delta: noEffect("there is no bonus for entropy"),
  entropy_target: noEffect("there is no bonus for entropy"),
  off_policy_mask_threshold: only([], "all answers are learned"),
  max_tool_calling_iterations: only([0], "answers call no tools"),
  sapo_temperature_neg: ofObjectives(["sapo"], "gateNegative"),
  sapo_temperature_pos: ofObjectives(["sapo"], "gatePositive"),
  vespo_k_pos: ofVespo(2),
  vespo_lambda_pos: ofVespo(3),
  vespo_k_neg: ofVespo(3),
  vespo_lambda_neg: ofVespo(2),
  ds3_gather_for_generation: noEffect(ofDevices),
  use_vllm: noEffect(ofVllm),
  vllm_mode: noEffect(ofVllm),
  vllm_model_impl: noEffect(ofVllm),
  vllm_enable_sleep_mode: noEffect(ofVllm),
  vllm_structured_outputs_regex: only([], "answers follow no pattern"),
  vllm_server_base_url: noEffect(ofVllm),
  vllm_server_host: noEffect(ofVllm),
  vllm_server_port: noEffect(ofVllm),
  vllm_server_timeout: noEffect(ofVllm),
  vllm_group_port: noEffect(ofVllm),
  vllm_gpu_memory_utilization: noEffect(ofVllm),
  vllm_max_model_length: noEffect(ofVllm),
  vllm_tensor_parallel_size: noEffect(ofVllm),
  vllm_importance_sampling_correction: noEffect(ofVllm),
  vllm_importance_sampling_mode: noEffect(ofVllm),
  vllm_importance_sampling_clip_max: noEffect(ofVllm),
  vllm_importance_sampling_clip_min: noEffect(ofVllm),
  vllm_importance_sampling_cap: noEffect(ofVllm),
  use_transformers_continuous_batching: noEffect(ofSpeed),
  transformers_continuous_batching_config: noEffect(ofSpeed),
  use_transformers_paged: noEffect(ofSpeed),

  // Evaluation, checkpoints, and what is shown.
  is_encoder_decoder: only([false], "models are decoders"),
  generate_during_eval: noEffect("evaluations always answer some prompts"),
  do_train: noEffect(ofPython),
  do_eval: noEffect("validation data is always evaluated"),
  do_predict: noEffect(ofPython),
  eval_strategy: noEffect("validation data is evaluated every eval_steps"),
  eval_steps: setsSteps("evalSteps"),
  eval_delay: noEffect("validation data is evaluated every eval_steps"),
  eval_on_start: noEffect("validation data is evaluated at the start and at the end"),
  per_device_eval_batch_size: sets("evalBatchSize"),
  prediction_loss_only: noEffect(ofDisplay),
  eval_do_concat_batches: noEffect(ofPython),
  eval_use_gather_object: noEffect(ofDevices),
  eval_accumulation_steps: noEffect(ofSpeed),
  include_for_metrics: noEffect(ofPython),
  batch_eval_metrics: noEffect(ofPython),
  output_dir: noEffect("--out names the folder"),
  save_strategy: noEffect("a checkpoint is saved every save_steps"),
  save_steps: setsSteps("saveSteps"),
  save_total_limit: noEffect("the two latest checkpoints are kept"),
  save_only_model: noEffect("a checkpoint can always be resumed"),
  save_on_each_node: noEffect(ofDevices),
  enable_jit_checkpoint: noEffect("a signal always saves a checkpoint"),
  load_best_model_at_end: only([false], "the model at the end is the last one"),
  metric_for_best_model: noEffect("the model at the end is the last one"),
  greater_is_better: noEffect("the model at the end is the last one"),
  resume_from_checkpoint: only([false], "a run is resumed by --resume"),
  ignore_data_skip: only([false], "a resumed run goes on in its data where it was"),
  restore_callback_states_from_checkpoint: noEffect(ofPython),
  logging_strategy: noEffect("metrics are written every logging_steps"),
  logging_steps: setsSteps("loggingSteps"),
  logging_first_step: noEffect(ofDisplay),
  log_on_each_node: noEffect(ofDevices),
  logging_nan_inf_filter: noEffect("a loss that is not finite stops the run"),
  include_num_input_tokens_seen: noEffect("metrics have the number of tokens"),
  log_level: noEffect(ofDisplay),
  log_level_replica: noEffect(ofDisplay),
  disable_tqdm: noEffect(ofDisplay),
  log_completions: noEffect("samples.jsonl has some of the sampled answers"),
  log_completions_hub_repo: noEffect(ofHub),
  log_multimodal: noEffect(ofDisplay),
  num_completions_to_print: noEffect(ofDisplay),
  log_unique_prompts: noEffect(ofDisplay),
  report_to: {
    sets: ["tensorboard"],
    read: (value) =>
      [value].flat().includes("tensorboard")
        ? settings({ tensorboard: true })
        : isAmong(value, ["none", []])
        ? same
        : idle(ofTrackers),
  },
  run_name: noEffect(ofTrackers),
  project: noEffect(ofTrackers),
  trackio_space_id: noEffect(ofTrackers),
  trackio_bucket_id: noEffect(ofTrackers),
  trackio_static_space_id: noEffect(ofTrackers),
  push_to_hub: only([false], "a model is uploaded by `deno task push` when it is trained"),
  hub_token: noEffect(ofHub),
  hub_private_repo: noEffect(ofHub),
  hub_model_id: noEffect(ofHub),
  hub_strategy: noEffect(ofHub),
  hub_always_push: noEffect(ofHub),
  hub_revision: noEffect(ofHub),

  // Processes and devices.
  accelerator_config: noEffect(ofDevices),
  parallelism_config: noEffect(ofDevices),
  dataloader_drop_last: noEffect("every batch is full"),
  dataloader_num_workers: noEffect(ofSpeed),
  dataloader_pin_memory: noEffect(ofSpeed),
  dataloader_persistent_workers: noEffect(ofSpeed),
  dataloader_prefetch_factor: noEffect(ofSpeed),
  dataloader_multiprocessing_context: noEffect(ofSpeed),
  dataloader_in_order: noEffect(ofSpeed),
  ddp_find_unused_parameters: noEffect(ofDevices),
  ddp_bucket_cap_mb: noEffect(ofDevices),
  ddp_broadcast_buffers: noEffect(ofDevices),
  ddp_static_graph: noEffect(ofDevices),
  ddp_backend: noEffect(ofDevices),
  ddp_timeout: noEffect(ofDevices),
  fsdp: noEffect(ofDevices),
  fsdp_config: noEffect(ofDevices),
  deepspeed: noEffect(ofDevices),
  local_rank: noEffect(ofDevices),
  debug: noEffect(ofPython),
  skip_memory_metrics: noEffect(ofDisplay),
};
