/** Settings of a model in Hugging Face's `config.json`, and their refusals. */
import { quoted } from "@unitune/core";
import { CheckpointError } from "../checkpoints/checkpoint_error.ts";

/** The name of the file. */
export const CONFIG = "config.json";

/** The settings in a `config.json`: values of JSON by name. */
export type ModelSettings = { readonly [name: string]: unknown };

/**
 * The error for a setting that an architecture cannot read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { settingError } from "@unitune/models";
 *
 * assertEquals(
 *   settingError("GPT-2", "n_inner", 16, "null or 32").message,
 *   "config.json: n_inner is 16, expected null or 32: no other GPT-2 can be read",
 * );
 * ```
 *
 * @param architecture The readable name of the architecture.
 * @param name The setting.
 * @param value Its value; `undefined` if it is missing.
 * @param expected The values that can be read, in words.
 * @returns The error.
 */
export function settingError(
  architecture: string,
  name: string,
  value: unknown,
  expected: string,
): CheckpointError {
  const found = value === undefined ? "missing" : quoted(value);
  return new CheckpointError(
    `${CONFIG}: ${name} is ${found}, expected ${expected}: no other ${architecture} can be read`,
  );
}

/**
 * A setting that has to be a number.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { CheckpointError, numberSetting } from "@unitune/models";
 *
 * assertEquals(numberSetting("GPT-2", { n_embd: 8 }, "n_embd"), 8);
 * assertThrows(() => numberSetting("GPT-2", {}, "n_embd"), CheckpointError, "n_embd is missing");
 * ```
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings.
 * @param name The setting.
 * @returns Its value.
 * @throws {CheckpointError} If it is missing or no number.
 */
export function numberSetting(architecture: string, settings: ModelSettings, name: string): number {
  const setting = settings[name];
  if (typeof setting === "number") return setting;
  throw settingError(architecture, name, setting, "a number");
}

/** The values that can be read of each setting by name; the first is the one that is written. */
export type FixedSettings = Readonly<Record<string, readonly (string | number | boolean | null)[]>>;

/**
 * Refuses settings that change the result and are not supported. A missing setting has the
 * architecture's default, which must be among the values.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { CheckpointError, requireSettings } from "@unitune/models";
 *
 * const fixed = { activation_function: ["gelu_new", "gelu_pytorch_tanh"] };
 * requireSettings("GPT-2", {}, fixed);
 * assertThrows(
 *   () => requireSettings("GPT-2", { activation_function: "relu" }, fixed),
 *   CheckpointError,
 *   'activation_function is "relu", expected "gelu_new" or "gelu_pytorch_tanh"',
 * );
 * ```
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings.
 * @param fixed The values that can be read.
 * @throws {CheckpointError} If a setting has another value.
 */
export function requireSettings(
  architecture: string,
  settings: ModelSettings,
  fixed: FixedSettings,
): void {
  for (const [name, values] of Object.entries(fixed)) {
    const setting = settings[name];
    if (setting === undefined || values.some((value) => value === setting)) continue;
    const expected = values.map((value) => JSON.stringify(value)).join(" or ");
    throw settingError(architecture, name, setting, expected);
  }
}

/**
 * Reads the settings of one architecture. A setting that is missing or null takes the default, unless
 * a function says otherwise.
 */
export interface SettingReader {
  /** A number. Without a default it has to be there. */
  number(name: string, otherwise?: number): number;
  /** A number or null; a setting that is missing takes the default (default null). */
  optionalNumber(name: string, otherwise?: number): number | null;
  /** True or false. */
  boolean(name: string, otherwise: boolean): boolean;
  /** The value of a table under the name that the setting has. */
  choice<T>(name: string, table: Readonly<Record<string, T>>, otherwise: T): T;
}

/**
 * A reader of the settings of an architecture.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { CheckpointError, settingReader } from "@unitune/models";
 *
 * const read = settingReader("Llama", { hidden_size: 8, mlp_bias: "yes" });
 * assertEquals([read.number("hidden_size"), read.number("rope_theta", 10_000)], [8, 10_000]);
 * assertThrows(() => read.boolean("mlp_bias", false), CheckpointError, 'mlp_bias is "yes"');
 * ```
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings.
 * @returns The reader, whose functions throw {@linkcode CheckpointError}s that name the setting.
 */
export function settingReader(architecture: string, settings: ModelSettings): SettingReader {
  const valueOf = (name: string) => settings[name] ?? undefined;
  return {
    number(name, otherwise) {
      if (otherwise !== undefined && valueOf(name) === undefined) return otherwise;
      return numberSetting(architecture, settings, name);
    },
    optionalNumber(name, otherwise) {
      if (settings[name] === undefined) return otherwise ?? null;
      return settings[name] === null ? null : numberSetting(architecture, settings, name);
    },
    boolean(name, otherwise) {
      const value = valueOf(name);
      if (value === undefined) return otherwise;
      if (typeof value === "boolean") return value;
      throw settingError(architecture, name, value, "true or false");
    },
    choice(name, table, otherwise) {
      const value = valueOf(name);
      if (value === undefined) return otherwise;
      const chosen = typeof value === "string" && Object.hasOwn(table, value)
        ? table[value]
        : undefined;
      if (chosen !== undefined) return chosen;
      const expected = Object.keys(table).map((key) => JSON.stringify(key)).join(" or ");
      throw settingError(architecture, name, value, expected);
    },
  };
}

/**
 * Settings that transformers reads as floats alone: it refuses 30, or warns of it, and reads 30.0. The
 * names of those inside of others are among them.
 */
const floatSettings: readonly string[] = [
  ...["attn_logit_softcapping", "final_logit_softcapping"],
  ...["factor", "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow"],
  ...["attention_factor", "partial_rotary_factor"],
];

/**
 * The text of a `config.json`, by two spaces as transformers writes it.
 *
 * @param settings The settings; those that are undefined are left out.
 * @returns The text.
 */
export function settingsText(settings: ModelSettings): string {
  return `${objectText(settings, "")}\n`;
}

/** The text of an object that stands behind some spaces. */
function objectText(settings: ModelSettings, indent: string): string {
  const lines = Object.entries(settings).filter(([, value]) => value !== undefined).map(
    ([name, value]) => `${indent}  ${JSON.stringify(name)}: ${valueText(name, value, indent)}`,
  );
  return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${indent}}`;
}

/** The text of a setting whose line stands behind some spaces and two more. */
function valueText(name: string, value: unknown, indent: string): string {
  const inner = `${indent}  `;
  if (typeof value === "number" && Number.isInteger(value) && floatSettings.includes(name)) {
    return value.toFixed(1);
  }
  if (isSettings(value)) return objectText(value, inner);
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${inner}`);
}

/** Whether a value of JSON is an object. */
export function isSettings(value: unknown): value is ModelSettings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
