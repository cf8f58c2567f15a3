/** Architectures: a row describes everything that is particular to one. */
import type { LanguageModel, LanguageModelConfig } from "../language_model.ts";
import type { ModelSettings } from "./settings.ts";

/** The names of an architecture's tensors in Hugging Face's files. */
export interface TensorNames<C extends LanguageModelConfig = LanguageModelConfig> {
  /**
   * The prefix of the tensors below the head, with its dot, such as `transformer.`. Files of a model
   * without a head leave it out.
   */
  readonly prefix: string;
  /**
   * The name of a tensor from its path in the tree of parameters, such as
   * `transformer.h.0.ln_1.bias` from `h[0].ln_1.bias`. A tensor has the same elements in the same
   * order in the file as in the tree.
   */
  nameOf(path: string): string;
  /** Whether a tensor, named without the prefix, is a buffer: computed, and not read. */
  isBuffer(name: string): boolean;
  /**
   * The tied tensors of a model: names without the prefix under which a file may hold a tensor again,
   * with that tensor's own name.
   */
  tied(config: C): Readonly<Record<string, string>>;
}

/**
 * The projections of an architecture: its matrices except those of embeddings and heads. Its models
 * read them by `linear` (`out-in`) or `project` (`in-out`), which know the changes of adapters.
 */
export interface ProjectionNames {
  /** The names of the modules that are projections, without those of the modules around them. */
  readonly names: readonly string[];
  /** The axes of their weights. */
  readonly layout: "in-out" | "out-in";
  /** The names that PEFT changes unless told otherwise. */
  readonly usual: readonly string[];
  /**
   * The names of modules in the files of adapters that differ from those in the files of models
   * (default none): `transformers` names the modules anew, and keeps the tensors' names.
   */
  readonly renamed?: Readonly<Record<string, string>>;
}

/**
 * An architecture as a row of a registry: reading and writing its configuration, the names of its
 * tensors, the model, and sizes for new models. Every function that takes a list of architectures
 * takes rows from outside as well.
 *
 * @typeParam M The language models of the architecture.
 */
export interface Architecture<M extends LanguageModel = LanguageModel> {
  /** Its name in Hugging Face's `config.json`. */
  readonly modelType: M["config"]["modelType"];
  /** Its readable name. */
  readonly name: string;
  /**
   * The names of Hugging Face's classes: with a head over tokens, and with a head of one number.
   */
  readonly classes: { readonly languageModel: string; readonly rewardModel: string };
  /**
   * The model of a configuration.
   *
   * @throws {RangeError} If no model has such a configuration.
   */
  make(config: M["config"]): M;
  /**
   * The configuration that settings describe.
   *
   * @throws {CheckpointError} If a setting is missing, or changes the result and is not supported;
   * the error names it.
   */
  readConfig(settings: ModelSettings): M["config"];
  /** The settings of a configuration, as Hugging Face names them, without `model_type`. */
  writeConfig(config: M["config"]): ModelSettings;
  /** The names of its tensors. */
  readonly tensors: TensorNames<M["config"]>;
  /** The projections that an adapter can change (default: none can be). */
  readonly projections?: ProjectionNames;
  /**
   * The sizes on which shapes of parameters and results depend, by name, in the order in which they
   * are shown: models of the same sizes can exchange parameters.
   */
  sizes(config: M["config"]): Readonly<Record<string, number>>;
  /** Configurations of new models by name; the vocabulary is the tokenizer's. */
  readonly presets: Readonly<Record<string, NewModel<M["config"]>>>;
}

/** A configuration of a new model, whose vocabulary is not known yet. */
export type NewModel<C extends LanguageModelConfig = LanguageModelConfig> = Omit<C, "vocabulary">;

/**
 * The path of a tensor in a tree of parameters with dots alone, as Hugging Face writes it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dottedPath } from "@unitune/models";
 *
 * assertEquals(dottedPath("h[0].ln_1.bias"), "h.0.ln_1.bias");
 * ```
 *
 * @param path The path, as `leafPaths` of `@unitune/core` gives it.
 * @returns The path with `.0` in place of `[0]`.
 */
export function dottedPath(path: string): string {
  return path.replaceAll(/\[(\d+)\]/g, ".$1");
}
