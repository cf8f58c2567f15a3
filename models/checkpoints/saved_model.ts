/** What a checkpoint holds, and the names of its tensors. */
import { type Tensor, zeros } from "@unitune/core";
import type { TensorNames } from "../architectures/architecture.ts";
import type { ModelSettings } from "../architectures/settings.ts";
import type { LanguageModel, ParametersOf } from "../language_model.ts";
import type { ScoreParameters } from "../scores.ts";

/** The tokens that begin, end and pad a text, if a model has them. */
export interface TextTokens {
  /** Id of the token that begins a text. */
  readonly bos?: number;
  /** Id of the token that ends a text, or ids of several that do. */
  readonly eos?: number | readonly number[];
  /** Id of the token that pads rows, which a head of one number does not read. */
  readonly pad?: number;
}

/** A language model with its parameters, as in a checkpoint. */
export interface SavedModel<M extends LanguageModel = LanguageModel> {
  /** The model. */
  readonly model: M;
  /** Its parameters. */
  readonly params: ParametersOf<M>;
  /** The head of one number, in a reward model. */
  readonly score?: ScoreParameters;
  /**
   * The settings of the `config.json` that the model was read from. Those that mean nothing here are
   * written again, since they mean something to others.
   */
  readonly settings?: ModelSettings;
}

/** The contents of a checkpoint. */
export interface Checkpoint<M extends LanguageModel = LanguageModel> extends SavedModel<M> {
  /** The tokens that begin, end and pad a text. */
  readonly tokens: TextTokens;
  /** The settings of its `config.json`. */
  readonly settings: ModelSettings;
}

/** The tensor of the head of one number. */
export const SCORE = "score.weight";

/** A head of one number of the right shape. */
export function emptyScore({ config }: LanguageModel): ScoreParameters {
  return { weight: zeros([1, config.width]) };
}

/** The name of a tensor of the head of one number, from its path. */
export function scoreName(path: string): string {
  return `score.${path}`;
}

/** The names of a model's tensors without the prefix, from their paths. */
export function bareNames(tensors: TensorNames): (path: string) => string {
  return (path) => withoutPrefix(tensors, tensors.nameOf(path));
}

/** A name without the prefix of the architecture. */
export function withoutPrefix({ prefix }: TensorNames, name: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/** Tensors by name in place of path. */
export function named(
  leaves: ReadonlyMap<string, Tensor>,
  nameOf: (path: string) => string,
): Map<string, Tensor> {
  return new Map([...leaves].map(([path, leaf]) => [nameOf(path), leaf]));
}
