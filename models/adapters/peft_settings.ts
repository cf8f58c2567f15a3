/** `adapter_config.json`: the configuration of an adapter in the names of PEFT. */
import { printable, quoted } from "@unitune/core";
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
  /** The full names of the projections. */
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
  { rank, alpha, dropout, targets, isRankStabilized, hasMagnitudes }: AdapterConfig,
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
    // PEFT reads a list by the ends of names, of which the whole names are the safest.
    target_modules: targets === "all-linear" ? own.targets : targets,
    task_type: own.isRewardModel ? "SEQ_CLS" : "CAUSAL_LM",
    use_dora: hasMagnitudes,
    use_rslora: isRankStabilized,
  };
}

/** Settings under which another adapter than ours would be read, and their values without effect. */
const inert: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ["LORA"],
  bias: ["none"],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [false],
  alora_invocation_tokens: [],
  arrow_config: [],
  layer_replication: [],
  trainable_token_indices: [],
  monteclora_config: [],
  velora_config: [],
  kasa_config: [],
  // Others change the base's weights before the adapter is trained.
  init_lora_weights: [true, false, "gaussian", "eva", "orthogonal"],
};

/** Settings of lists and records, which have no effect where they are empty. */
const empty = ["rank_pattern", "alpha_pattern", "target_parameters"] as const;

/** The settings that are read of a configuration. */
export interface ReadSettings extends Omit<AdapterConfig, "targets"> {
  /** Whether a saved embedding is the head as well. */
  readonly isTied: boolean;
}

/**
 * Reads a configuration. The projections are those of which the file of parameters has changes.
 *
 * @throws {CheckpointError} If a setting is missing, or changes the result and is not supported; the
 * error names it.
 */
export function readPeftSettings(settings: JsonObject): ReadSettings {
  for (const [name, values] of Object.entries(inert)) {
    const value = settings[name];
    if (value === undefined || value === null || values.includes(value)) continue;
    const expected = [...values, ...values.length === 0 ? [null] : []].map((own) => quoted(own));
    throw wrong(name, value, expected.join(" or "));
  }
  for (const name of empty) {
    const value = settings[name];
    const isEmpty = typeof value !== "object" || value === null || Object.keys(value).length === 0;
    if (!isEmpty) throw wrong(name, value, "none: all changes have one rank and one alpha");
  }
  const { modules_to_save: saved } = settings;
  return {
    rank: numberIn(settings, "r"),
    alpha: numberIn(settings, "lora_alpha"),
    dropout: settings.lora_dropout === undefined ? 0 : numberIn(settings, "lora_dropout"),
    isRankStabilized: settings.use_rslora === true,
    hasMagnitudes: settings.use_dora === true,
    saved: saved === undefined || saved === null ? [] : namesIn("modules_to_save", saved),
    isTied: settings.ensure_weight_tying === true,
  };
}

/**
 * The model that an adapter is of, as its file names it.
 *
 * @throws {CheckpointError} If the file names none.
 */
export function baseNameIn({ base_model_name_or_path: name, revision }: JsonObject): BaseName {
  if (typeof name !== "string" || name === "") {
    throw wrong("base_model_name_or_path", name, "the name or the folder of a model");
  }
  return { baseName: name, ...typeof revision === "string" && { revision } };
}

function numberIn(settings: JsonObject, name: string): number {
  const value = settings[name];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(name, value, "a number");
}

function namesIn(name: string, value: unknown): readonly string[] {
  const isNames = (list: unknown): list is readonly string[] =>
    Array.isArray(list) && list.every((element) => typeof element === "string");
  if (isNames(value)) return value;
  throw wrong(name, value, "a list of names");
}

function wrong(name: string, value: unknown, expected: string): CheckpointError {
  const found = value === undefined ? "missing" : quoted(value);
  return new CheckpointError(
    `${ADAPTER_CONFIG}: ${printable(name)} is ${found}, expected ${expected}: no other adapter ` +
      `can be read`,
  );
}
