/**
 * Rotary positions in Hugging Face's settings: `rope_theta` and `rope_scaling`, as most published
 * files have them, or `rope_parameters` in their place since transformers 5.
 */
import type { Rotary, RotaryScaling } from "./rotary.ts";
import { isSettings, type ModelSettings, settingError, settingReader } from "./settings.ts";

/** The base of Su et al., which is meant where none is given. */
export const DEFAULT_BASE = 10_000;

/** The values of YaRN's paper. */
const YARN = { highTurns: 32, lowTurns: 1 };

/** Where settings of rotary positions are, for errors and defaults. */
export interface Place {
  /** The readable name of the architecture. */
  readonly architecture: string;
  /** The names of the settings around, with a dot, such as `rope_scaling.`. */
  readonly prefix: string;
  /** The number of tokens in the model's context. */
  readonly context: number;
}

/** Settings that any scaling may have beside its own. */
const commonNames = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];

/** The settings of each scaling that can be read. */
const ownNames = {
  default: [],
  linear: ["factor"],
  llama3: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
  yarn: [
    "factor",
    "beta_fast",
    "beta_slow",
    "attention_factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "original_max_position_embeddings",
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type ScalingName = keyof typeof ownNames;

function isScalingName(name: unknown): name is ScalingName {
  return typeof name === "string" && Object.hasOwn(ownNames, name);
}

/** A reader of settings that are inside of others; errors name them with those around. */
function nestedReader({ architecture, prefix }: Place, settings: ModelSettings) {
  const named = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [prefix + name, value]),
  );
  const read = settingReader(architecture, named);
  return {
    number: (name: string, otherwise?: number) => read.number(prefix + name, otherwise),
    optionalNumber: (name: string) => read.optionalNumber(prefix + name),
    boolean: (name: string, otherwise: boolean) => read.boolean(prefix + name, otherwise),
  };
}

/** YaRN's factor of queries and keys: `0.1 m ln s + 1` for a scaling by s, above 1. */
function yarnMagnitude(factor: number, m = 1): number {
  return factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1;
}

/** The scaling that settings describe, or null for none. */
function readScaling(place: Place, settings: ModelSettings): RotaryScaling | null {
  const { architecture, prefix, context } = place;
  const name = settings.rope_type ?? settings.type ?? "default";
  if (!isScalingName(name)) {
    const expected = Object.keys(ownNames).map((name) => JSON.stringify(name)).join(" or ");
    throw settingError(architecture, `${prefix}rope_type`, name, expected);
  }
  const known: readonly string[] = [...commonNames, ...ownNames[name]];
  for (const [other, value] of Object.entries(settings)) {
    if (known.includes(other) || value === null) continue;
    throw settingError(
      architecture,
      prefix + other,
      value,
      `no such setting for ${name} positions`,
    );
  }
  const read = nestedReader(place, settings);
  const originalContext = read.number("original_max_position_embeddings", context);
  switch (name) {
    case "default":
      return null;
    case "linear":
      return { kind: name, factor: read.number("factor") };
    case "llama3":
      return {
        kind: name,
        factor: read.number("factor"),
        lowTurns: read.number("low_freq_factor"),
        highTurns: read.number("high_freq_factor"),
        originalContext,
      };
    case "yarn": {
      const factor = read.number("factor");
      const [m, all] = [read.optionalNumber("mscale"), read.optionalNumber("mscale_all_dim")];
      const magnitude = m && all
        ? yarnMagnitude(factor, m) / yarnMagnitude(factor, all)
        : yarnMagnitude(factor);
      return {
        kind: name,
        factor,
        lowTurns: read.number("beta_slow", YARN.lowTurns),
        highTurns: read.number("beta_fast", YARN.highTurns),
        originalContext,
        attentionFactor: read.number("attention_factor", magnitude),
        truncate: read.boolean("truncate", true),
      };
    }
    default:
      return name satisfies never;
  }
}

/**
 * Settings inside of others; none where they are missing or null.
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings around.
 * @param name The name of the settings.
 * @returns The settings.
 * @throws {CheckpointError} If there is something else under the name.
 */
export function nestedSettings(
  architecture: string,
  settings: ModelSettings,
  name: string,
): ModelSettings {
  const value = settings[name] ?? {};
  if (isSettings(value)) return value;
  throw settingError(architecture, name, value, "an object or null");
}

/** Rotary positions that settings describe. */
export interface RotarySettings {
  /** The positions. */
  readonly rotary: Rotary;
  /** The share of a head's elements that are rotated, or null where settings do not say. */
  readonly share: number | null;
}

/**
 * The rotary positions of settings that are in a place of their own.
 *
 * @param settings The settings, those inside `rope_scaling` or `rope_parameters`.
 * @param base The base where they have none.
 * @param place Where they are.
 * @returns The rotary positions.
 * @throws {CheckpointError} For a setting that changes the result and is not supported.
 */
export function readRotary(settings: ModelSettings, base: number, place: Place): RotarySettings {
  const read = nestedReader(place, settings);
  return {
    rotary: { base: read.number("rope_theta", base), scaling: readScaling(place, settings) },
    share: read.optionalNumber("partial_rotary_factor"),
  };
}

/**
 * The rotary positions of a model all of whose layers have the same. Where settings have both
 * `rope_scaling` and `rope_parameters`, the former count, as in transformers.
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings of the model.
 * @param context The number of tokens in the model's context.
 * @param baseName The name of the setting of the base.
 * @returns The rotary positions.
 * @throws {CheckpointError} For a setting that changes the result and is not supported.
 */
export function readSharedRotary(
  architecture: string,
  settings: ModelSettings,
  context: number,
  baseName = "rope_theta",
): RotarySettings {
  const name = settings.rope_scaling ? "rope_scaling" : "rope_parameters";
  const base = settingReader(architecture, settings).number(baseName, DEFAULT_BASE);
  const own = nestedSettings(architecture, settings, name);
  return readRotary(own, base, { architecture, prefix: `${name}.`, context });
}

/**
 * The rotary positions of a model all of whose layers have the same, with all elements rotated.
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings of the model.
 * @param context The number of tokens in the model's context.
 * @returns The rotary positions.
 * @throws {CheckpointError} For a setting that changes the result and is not supported.
 */
export function readFullRotary(
  architecture: string,
  settings: ModelSettings,
  context: number,
): Rotary {
  const { rotary, share } = readSharedRotary(architecture, settings, context);
  return allRotated(architecture, rotary, share);
}

/**
 * Rotary positions, if all elements of a head are rotated.
 *
 * @param architecture The readable name of the architecture.
 * @param rotary The positions.
 * @param share The share of a head's elements that are rotated, or null for all.
 * @returns The positions.
 * @throws {CheckpointError} If some elements are not rotated.
 */
export function allRotated(architecture: string, rotary: Rotary, share: number | null): Rotary {
  if (share === null || share === 1) return rotary;
  throw settingError(architecture, "partial_rotary_factor", share, "1");
}

/** The settings of a scaling, as `rope_scaling` has them. */
export function writeScaling(scaling: RotaryScaling | null): ModelSettings | null {
  if (scaling === null) return null;
  const { kind: rope_type, factor } = scaling;
  switch (scaling.kind) {
    case "linear":
      return { rope_type, factor };
    case "llama3":
      return {
        rope_type,
        factor,
        low_freq_factor: scaling.lowTurns,
        high_freq_factor: scaling.highTurns,
        original_max_position_embeddings: scaling.originalContext,
      };
    case "yarn":
      return {
        rope_type,
        factor,
        beta_slow: scaling.lowTurns,
        beta_fast: scaling.highTurns,
        attention_factor: scaling.attentionFactor,
        truncate: scaling.truncate,
        original_max_position_embeddings: scaling.originalContext,
      };
    default:
      return scaling satisfies never;
  }
}
