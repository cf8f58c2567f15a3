/** `adapter_config.json`: the configuration of an adapter in the names of PEFT. */
import { abridged, printable, quoted } from "@unitune/core";
import { CheckpointError } from "../checkpoints/checkpoint_error.ts";
import type { JsonObject } from "../checkpoints/source.ts";
import type { AdapterConfig } from "./adapter_config.ts";

/** The file of the configuration. */
export const ADAPTER_CONFIG = "adapter_config.json";

/** The file of the parameters. */
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** The model that an adapter is of, as its file names it. */
export interface BaseName {
  /** A name on the hub, or a folder. */
  readonly baseName: string;
  /** The revision of a name on the hub. */
  readonly revision?: string;
}

/** The parts of a configuration that follow from the model. */
export interface WrittenFor extends BaseName {
  /** The names of the projections. */
  readonly targets: readonly string[];
  /** The full names of the modules that are trained as a whole. */
  readonly saved: readonly string[];
  /** Whether weights are `[in, out]` in the base's files. */
  readonly isTransposed: boolean;
  /** Whether a saved embedding is the head as well. */
  readonly isTied: boolean;
  /** Whether the adapter has a head of one number. */
  readonly isRewardModel: boolean;
}

/** The settings of a configuration, as PEFT 0.21 names them. */
export function peftSettings(
  { rank, alpha, dropout, isRankStabilized, hasMagnitudes }: AdapterConfig,
  own: WrittenFor,
): JsonObject {
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: own.baseName,
    bias: "none",
    ensure_weight_tying: own.isTied,
    fan_in_fan_out: own.isTransposed,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: own.saved.length === 0 ? null : own.saved,
    peft_type: "LORA",
    r: rank,
    rank_pattern: {},
    revision: own.revision ?? null,
    target_modules: own.targets,
    task_type: own.isRewardModel ? "SEQ_CLS" : "CAUSAL_LM",
    use_dora: hasMagnitudes,
    use_rslora: isRankStabilized,
  };
}

/** Settings that can be read with some values alone. */
const fixed: ReadonlyMap<string, readonly unknown[]> = new Map([
  ["peft_type", ["LORA"]],
  ["bias", ["none"]],
  // Other ways change the base's weights before the adapter is trained.
  ["init_lora_weights", [true, false, "gaussian", "eva", "orthogonal"]],
]);

/** Settings that are read, that only say how a training began, or what the adapter's files say. */
const harmless: ReadonlySet<string> = new Set([
  ...["r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "modules_to_save", "task_type"],
  ...["target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"],
  ...["base_model_name_or_path", "revision", "auto_mapping", "peft_version", "inference_mode"],
  ...["corda_config", "eva_config", "loftq_config", "lora_ga_config"],
  // The layers and the tensors say these, and the others refine settings that are refused.
  ...["fan_in_fan_out", "ensure_weight_tying", "megatron_core", "qalora_group_size"],
]);

/** Whether the tasks of PEFT that can be read have a head of one number. */
const tasks: ReadonlyMap<unknown, boolean> = new Map([["CAUSAL_LM", false], ["SEQ_CLS", true]]);

/** The settings that are read of a configuration. */
export interface ReadSettings extends Omit<AdapterConfig, "targets"> {
  /** The names of the projections; undefined if they are said in another way than by a list. */
  readonly targets: AdapterConfig["targets"] | undefined;
  /** Whether the adapter has a head of one number. */
  readonly isRewardModel: boolean;
}

/**
 * Reads a configuration.
 *
 * @throws {CheckpointError} If a setting is missing, or changes the result and is not supported; the
 * error names it.
 */
export function readPeftSettings(settings: JsonObject): ReadSettings {
  for (const [name, value] of Object.entries(settings)) {
    const values = fixed.get(name);
    if (values?.includes(value) || (values === undefined && harmless.has(name))) continue;
    if (!isEmpty(value)) throw wrong(name, value, values ?? []);
  }
  if (isEmpty(settings.peft_type)) throw wrong("peft_type", settings.peft_type, ["LORA"]);
  const { task_type: task = null, modules_to_save: saved } = settings;
  const isRewardModel = task === null ? false : tasks.get(task);
  if (isRewardModel === undefined) throw wrong("task_type", task, [...tasks.keys()]);
  return {
    rank: numberIn(settings, "r"),
    alpha: numberIn(settings, "lora_alpha"),
    dropout: isEmpty(settings.lora_dropout) ? 0 : numberIn(settings, "lora_dropout"),
    targets: targetsIn(settings),
    isRankStabilized: booleanIn(settings, "use_rslora"),
    hasMagnitudes: booleanIn(settings, "use_dora"),
    saved: isEmpty(saved) ? [] : namesIn("modules_to_save", saved),
    isRewardModel,
  };
}

/** The setting of targets, where it is a list or its shorthand, and no other setting leaves some out. */
function targetsIn(settings: JsonObject): AdapterConfig["targets"] | undefined {
  const { target_modules: targets, exclude_modules, layers_to_transform } = settings;
  if (!isEmpty(exclude_modules) || !isEmpty(layers_to_transform)) return undefined;
  if (typeof targets !== "string") return namesIn("target_modules", targets);
  return targets.toLowerCase() === "all-linear" ? "all-linear" : undefined;
}

/** Whether a setting has no effect, whatever it is. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === undefined || !value;
  return Object.keys(value).length === 0;
}

/**
 * The model that an adapter is of, as its file names it.
 *
 * @throws {CheckpointError} If the file names none.
 */
export function baseNameIn({ base_model_name_or_path: name, revision }: JsonObject): BaseName {
  if (typeof name !== "string" || name === "") {
    throw unlike("base_model_name_or_path", name, "the name or the folder of a model");
  }
  return { baseName: name, ...typeof revision === "string" && { revision } };
}

function numberIn(settings: JsonObject, name: string): number {
  const value = settings[name];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw unlike(name, value, "a number");
}

function booleanIn(settings: JsonObject, name: string): boolean {
  const { [name]: value = false } = settings;
  if (typeof value === "boolean") return value;
  throw unlike(name, value, "true or false");
}

function namesIn(name: string, value: unknown): readonly string[] {
  const isNames = (list: unknown): list is readonly string[] =>
    Array.isArray(list) && list.every((element) => typeof element === "string");
  if (isNames(value)) return value;
  throw unlike(name, value, "a list of names");
}

/** The error for a setting that is not of its type. */
function unlike(name: string, value: unknown, expected: string): CheckpointError {
  const found = value === undefined ? "missing" : quoted(value);
  return new CheckpointError(
    `${ADAPTER_CONFIG}: ${printable(abridged(name, 80))} is ${found}, expected ${expected}`,
  );
}

/** The error for a setting that would change the result. */
function wrong(name: string, value: unknown, values: readonly unknown[]): CheckpointError {
  const expected = values.length === 0 ? "none" : values.map((own) => quoted(own)).join(" or ");
  const { message } = unlike(name, value, expected);
  return new CheckpointError(`${message}: no other adapter can be read`);
}
