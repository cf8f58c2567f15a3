/**
 * What a checkpoint holds: the model for other tools and for sampling, and the training state for
 * resuming.
 *
 * @module
 */

import { SafetensorsError } from "@unitune/core";
import {
  CheckpointError,
  decodeCheckpoint,
  decodeTree,
  encodeCheckpoint,
  encodeTree,
  type Gpt,
  gpt,
  type GptParameters,
  type Tokenizer,
  tokenizerFromJSON,
} from "@unitune/models";
import type { TrainingState } from "@unitune/objectives";
import type { Dataset } from "./data/dataset.ts";
import { UserError } from "./errors.ts";
import type { FileContent } from "./files.ts";
import {
  latestCheckpoint,
  readCheckpointFiles,
  readJson,
  readRunConfig,
  type SavedCheckpoint,
} from "./run_folder.ts";

/** Parameters, optimizer, step and key: all that a run carries from step to step. */
export type RunState = TrainingState<GptParameters, unknown>;

const TOKENIZER = "tokenizer.json";
const TRAINING = "training.safetensors";

/** What tensors' files are refused with, where they are corrupt or of another model. */
const isTensorFault = (error: unknown): error is Error =>
  error instanceof CheckpointError || error instanceof SafetensorsError;

/** What a tokenizer's configuration is refused with. */
const isTokenizerFault = (error: unknown): error is Error => error instanceof TypeError;

/**
 * The files of a checkpoint.
 *
 * @param model The model.
 * @param tokenizer Its tokenizer.
 * @param state The training state.
 * @returns The files by name.
 */
export async function checkpointFiles(
  model: Gpt,
  tokenizer: Tokenizer,
  state: RunState,
): Promise<Record<string, FileContent>> {
  const tokens = { eos: tokenizer.special.stop };
  return {
    ...Object.fromEntries(await encodeCheckpoint(model.config, state.params, tokens)),
    [TOKENIZER]: `${JSON.stringify(tokenizer)}\n`,
    [TRAINING]: await encodeTree(state),
  };
}

/**
 * Reads the training state of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param like A state of the same model and optimizer.
 * @returns The state.
 * @throws {UserError} If the file is missing, corrupt, or of another model or optimizer.
 */
export async function readState(checkpoint: SavedCheckpoint, like: RunState): Promise<RunState> {
  const files = await readCheckpointFiles(checkpoint, [TRAINING]);
  const path = `${checkpoint.path}/${TRAINING}`;
  return reading(
    path,
    () => decodeTree(like, files.get(TRAINING) ?? new Uint8Array()),
    isTensorFault,
  );
}

/** A model that was trained, ready to be asked. */
export interface TrainedModel {
  /** The model. */
  readonly model: Gpt;
  /** Its parameters. */
  readonly params: GptParameters;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** What it was trained on: it goes on with a text, or answers. */
  readonly kind: Dataset["kind"];
}

/**
 * Reads the latest model of a run.
 *
 * @param folder The run's folder.
 * @returns The model with its tokenizer.
 * @throws {UserError} If there is none, or its files are corrupt or of different models.
 */
export async function readTrainedModel(folder: string): Promise<TrainedModel> {
  const { data: { kind } } = await readRunConfig(folder);
  const checkpoint = await latestCheckpoint(folder);
  if (checkpoint === undefined) {
    throw new UserError(`${folder} has no model yet: go on with it by train --resume ${folder}`);
  }
  const { path } = checkpoint;
  const files = await readCheckpointFiles(checkpoint, ["config.json", "model.safetensors"]);
  const { config, params } = reading(path, () => decodeCheckpoint(files), isTensorFault);
  const saved = await readJson(`${path}/${TOKENIZER}`);
  const tokenizer = reading(
    `${path}/${TOKENIZER}`,
    () => tokenizerFromJSON(saved),
    isTokenizerFault,
  );
  if (tokenizer.size !== config.vocabulary) {
    throw new UserError(
      `${path}: the model has ${config.vocabulary} tokens, but ${TOKENIZER} ${tokenizer.size}: ` +
        `take both from one checkpoint`,
    );
  }
  return { model: gpt(config), params, tokenizer, kind };
}

/** What is wrong with a file is the user's to put right, and told with its place. */
function reading<T>(path: string, read: () => T, isFault: (error: unknown) => error is Error): T {
  try {
    return read();
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new UserError(`can't read ${path}: ${error.message}`, { cause: error });
  }
}
