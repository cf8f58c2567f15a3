/** The settings of a model as they are written: those of its own, beside those it was read with. */
import type { Architecture } from "../architectures/architecture.ts";
import type { ModelSettings } from "../architectures/settings.ts";
import type { LanguageModelConfig } from "../language_model.ts";
import type { TextTokens } from "./saved_model.ts";

/** Settings of a file that say where it lay or what lay beside it, and nothing of the model. */
const ofTheFile: readonly string[] = ["_name_or_path", "auto_map", "transformers_version"];

/** Settings of a head that is not written. */
const ofOtherHeads: readonly string[] = [
  ...["id2label", "label2id", "num_labels", "problem_type"],
];

/** Settings without some, by name. */
function without(settings: ModelSettings, names: readonly string[]): ModelSettings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}

/** Entries that differ from those of other settings. */
function changes(settings: ModelSettings, others: ModelSettings): ModelSettings {
  return Object.fromEntries(
    Object.entries(settings).filter(([name, value]) =>
      JSON.stringify(value) !== JSON.stringify(others[name])
    ),
  );
}

/**
 * The settings of a configuration, with those of the file that the model was read from.
 *
 * A file has more settings than a configuration reads: some change nothing that is computed here
 * (`initializer_range`), others say in a newer or older way what is read (`rope_parameters`). So all
 * of them stay, except where the model has changed since; and where the result would not be read as
 * the model's configuration again, none does.
 *
 * @param row The architecture.
 * @param config The configuration.
 * @param base The settings that the model was read with.
 * @returns The settings.
 */
export function keptSettings(
  row: Architecture,
  config: LanguageModelConfig,
  base: ModelSettings | undefined,
): ModelSettings {
  const own = row.writeConfig(config);
  if (base === undefined) return own;
  const changesSince = (settings: ModelSettings) =>
    changes(own, row.writeConfig(row.readConfig(settings)));
  const kept = {
    ...own,
    ...without(base, [...ofTheFile, ...ofOtherHeads]),
    ...changesSince(base),
  };
  return Object.keys(changesSince(kept)).length === 0 ? kept : own;
}

/** The settings of the tokens that begin, end and pad a text. */
const tokenNames = {
  bos_token_id: "bos",
  eos_token_id: "eos",
  pad_token_id: "pad",
} as const satisfies Readonly<Record<string, keyof TextTokens>>;

/** Tokens as settings, those that are known. */
export function tokenSettings(tokens: TextTokens): ModelSettings {
  return Object.fromEntries(
    Object.entries(tokenNames).flatMap(([name, own]) =>
      tokens[own] === undefined ? [] : [[name, tokens[own]]]
    ),
  );
}

/** The settings of tokens among others, those that are known. */
export function tokenSettingsIn(settings: ModelSettings): ModelSettings {
  const names = Object.keys(tokenNames);
  return Object.fromEntries(
    names.flatMap((name) => (settings[name] ?? null) === null ? [] : [[name, settings[name]]]),
  );
}
