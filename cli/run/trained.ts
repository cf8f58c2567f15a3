/**
 * What a checkpoint holds: the model for other tools and for sampling, and the training state for
 * resuming.
 *
 * @module
 */

import { leafPaths, quoted, SafetensorsError } from "@unitune/core";
import {
  type Checkpoint,
  CheckpointError,
  decodeCheckpoint,
  decodeTree,
  encodeCheckpoint,
  encodeTree,
  type LanguageModel,
  modelSizes,
  type SavedModel,
  type ScoredParameters,
  type Tokenizer,
  tokenizerFromJSON,
} from "@unitune/models";
import { type Dataset, longestRow, type Models, type Teacher, UserError } from "@unitune/training";
import type { FileContent } from "../files/write.ts";
import type { BaseModel, Prepared } from "../data/prepare.ts";
import { asksTeacher } from "./recipes.ts";
import {
  latestCheckpoint,
  offeringOlder,
  readCheckpointFiles,
  readRunConfig,
  type SavedCheckpoint,
} from "./run_folder.ts";
import type { TrainSettings } from "../flags/settings.ts";
import { taskCommand } from "../terminal/shell.ts";

/** The folders of other models than the policy in a checkpoint. */
const REWARD_MODEL = "reward_model";
const TEACHER = "teacher";

/** The files of a model. */
const MODEL = ["config.json", "model.safetensors"] as const;

const TOKENIZER = "tokenizer.json";
const TRAINING = "training.safetensors";

/** What tensors' files are refused with, where they are corrupt or of another model. */
const isTensorFault = (error: unknown): error is Error =>
  error instanceof CheckpointError || error instanceof SafetensorsError;

/** What a tokenizer's configuration is refused with. */
const isTokenizerFault = (error: unknown): error is Error =>
  error instanceof TypeError || error instanceof SyntaxError;

/**
 * The files of a checkpoint.
 *
 * @param model The model.
 * @param tokenizer Its tokenizer.
 * @param models The models as they are now.
 * @param state The learner's state.
 * @returns The files by name.
 */
export async function checkpointFiles(
  model: LanguageModel,
  tokenizer: Tokenizer,
  { policy, rewardModel, teacher }: Models,
  state: unknown,
): Promise<Record<string, FileContent>> {
  const encoded = async (saved: SavedModel, folder = ""): Promise<Record<string, Uint8Array>> => {
    const { stop: eos, pad } = tokenizer.special;
    const files = await encodeCheckpoint(saved, { eos, pad });
    return Object.fromEntries([...files].map(([name, bytes]) => [folder + name, bytes]));
  };
  const judge = rewardModel &&
    { model, params: rewardModel.model, score: rewardModel.score };
  return {
    ...await encoded({ model, params: policy }),
    ...judge && await encoded(judge, `${REWARD_MODEL}/`),
    ...teacher && await encoded(teacher, `${TEACHER}/`),
    [TOKENIZER]: `${JSON.stringify(tokenizer)}\n`,
    [TRAINING]: await encodeTree(state),
  };
}

/**
 * Reads the state of a checkpoint's learner.
 *
 * @param checkpoint The checkpoint.
 * @param like A state of the same learner.
 * @returns The state.
 * @throws {UserError} If the file is missing, corrupt, or of another model or optimizer.
 */
export async function readState<S>(checkpoint: SavedCheckpoint, like: S): Promise<S> {
  const files = await readCheckpointFiles(checkpoint, [TRAINING]);
  const path = `${checkpoint.path}/${TRAINING}`;
  return reading(
    path,
    () => decodeTree(like, files.get(TRAINING) ?? new Uint8Array()),
    isTensorFault,
  );
}

/** Reads a model of a checkpoint. */
async function readModel(checkpoint: SavedCheckpoint, folder = ""): Promise<Checkpoint> {
  const read = await readCheckpointFiles(checkpoint, MODEL.map((name) => folder + name));
  const files = new Map([...read].map(([name, bytes]) => [name.slice(folder.length), bytes]));
  const path = `${checkpoint.path}/${folder}`;
  const model = reading(path, () => decodeCheckpoint(files), isTensorFault);
  await refuseNonFinite(path, model);
  return model;
}

/** A weight that is no number makes every answer none: such a model is of no use to anybody. */
async function refuseNonFinite(path: string, { params }: Checkpoint): Promise<void> {
  for (const [name, leaf] of leafPaths(params)) {
    const data = await leaf.data();
    const place = data.findIndex((element) => !Number.isFinite(element));
    if (place < 0) continue;
    throw new UserError(
      `can't use the model in ${path}: element ${place} of ${name} is ${
        data[place]
      }: the file is ` +
        `damaged, or its training has diverged; take another checkpoint`,
    );
  }
}

/** Reads the model in a folder of a checkpoint, where it has one. */
async function readOther(
  checkpoint: SavedCheckpoint,
  folder: string,
): Promise<Checkpoint | undefined> {
  if (!MODEL.some((name) => `${folder}/${name}` in checkpoint.files)) return undefined;
  return await readModel(checkpoint, `${folder}/`);
}

/** Reads the reward model of a checkpoint, where it has one. */
async function readRewardModel(
  checkpoint: SavedCheckpoint,
): Promise<ScoredParameters<unknown> | undefined> {
  const judge = await readOther(checkpoint, REWARD_MODEL);
  if (judge === undefined) return undefined;
  const { params: model, score } = judge;
  if (score !== undefined) return { model, score };
  throw new UserError(
    `${checkpoint.path}/${REWARD_MODEL} is no reward model: it has no head of one number`,
  );
}

/**
 * Reads the models of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param expected The model whose sizes they must have (default: any).
 * @returns The models.
 * @throws {UserError} If files are missing or corrupt, or of other sizes.
 */
export async function readModels(
  checkpoint: SavedCheckpoint,
  expected?: LanguageModel,
): Promise<Models> {
  return (await readWithModel(checkpoint, expected)).models;
}

/** The sizes of a model in words. */
export function describeSizes({ config }: LanguageModel): string {
  return Object.entries(modelSizes(config)).map(([name, size]) => `${name} ${size}`).join(", ");
}

/** The sizes of a model with its architecture: models that agree can exchange parameters. */
function kindOf({ config }: LanguageModel): string {
  return JSON.stringify([config.modelType, modelSizes(config)]);
}

/** The models of a checkpoint, and the language model whose parameters they are. */
async function readWithModel(
  checkpoint: SavedCheckpoint,
  expected?: LanguageModel,
): Promise<{ readonly model: LanguageModel; readonly models: Models }> {
  const { params: policy, model } = await readModel(checkpoint);
  if (expected !== undefined && kindOf(model) !== kindOf(expected)) {
    throw new UserError(
      `${checkpoint.path} holds a model of other sizes than the run: ${describeSizes(model)} in ` +
        `place of ${describeSizes(expected)}; restore the run's config.json`,
    );
  }
  const rewardModel = await readRewardModel(checkpoint);
  const teacher = await readOther(checkpoint, TEACHER);
  return {
    model,
    models: { policy, ...rewardModel && { rewardModel }, ...teacher && { teacher } },
  };
}

/** The latest checkpoint of a run. */
async function latestOf(folder: string): Promise<SavedCheckpoint> {
  const checkpoint = await latestCheckpoint(folder);
  if (checkpoint !== undefined) return checkpoint;
  throw new UserError(`${folder} has no model yet: go on with it by`, {
    command: taskCommand("train", { resume: folder }),
  });
}

/** The tokenizer of a checkpoint. */
async function readTokenizer(checkpoint: SavedCheckpoint, vocabulary: number): Promise<Tokenizer> {
  const path = `${checkpoint.path}/${TOKENIZER}`;
  const files = await readCheckpointFiles(checkpoint, [TOKENIZER]);
  const tokenizer = reading(
    path,
    () => tokenizerFromJSON(JSON.parse(new TextDecoder().decode(files.get(TOKENIZER)))),
    isTokenizerFault,
  );
  if (tokenizer.size === vocabulary) return tokenizer;
  throw new UserError(
    `${checkpoint.path}: the model has ${vocabulary} tokens, but ${TOKENIZER} ${tokenizer.size}: ` +
      `take both from one checkpoint`,
  );
}

/** What a run starts from that goes on with the model of another. */
export interface TrainedBase extends BaseModel {
  /** Its models. */
  readonly models: Models;
}

/**
 * Reads what another run has trained, to go on with it.
 *
 * @param folder The run's folder.
 * @returns Its latest models, with tokenizer and sizes.
 * @throws {UserError} If there are none, or files are corrupt.
 */
export async function readBase(folder: string): Promise<TrainedBase> {
  await readRunConfig(folder);
  return await offeringOlder(folder, async () => {
    const checkpoint = await latestOf(folder);
    const { model, models } = await readWithModel(checkpoint);
    const tokenizer = await readTokenizer(checkpoint, model.config.vocabulary);
    return { tokenizer, model, models };
  });
}

/**
 * Reads the reward model that a run has trained.
 *
 * @param folder The run's folder.
 * @param base The tokens and sizes that it must have.
 * @returns The parameters.
 * @throws {UserError} If there is none, or it reads other tokens.
 */
export async function readJudge(
  folder: string,
  base: BaseModel,
): Promise<ScoredParameters<unknown>> {
  const { tokenizer, model, models: { rewardModel } } = await readBase(folder);
  if (rewardModel === undefined) {
    throw new UserError(`${folder} has trained no reward model: --objective reward-model does`);
  }
  const identity = (base: BaseModel) => JSON.stringify([base.tokenizer, kindOf(base.model)]);
  if (identity({ tokenizer, model }) === identity(base)) return rewardModel;
  throw new UserError(
    `the reward model of ${folder} has other tokens or sizes than the policy: train both from one run`,
  );
}

/** How the tokens of a model differ from others, in words; undefined where they do not. */
function tokensApart(its: Tokenizer, others: Tokenizer): string | undefined {
  const [own, other] = [its, others].map((tokenizer) => tokenizer.toJSON());
  if (own === undefined || other === undefined) return undefined;
  if (own.kind !== other.kind) return `reads ${own.kind}, and the policy ${other.kind}`;
  if (own.kind === "bytes" || other.kind === "bytes") return undefined;
  const [mine, theirs] = [new Set(own.characters), new Set(other.characters)];
  const list = (characters: ReadonlySet<string>) => quoted([...characters].join(""));
  const [more, less] = [mine.difference(theirs), theirs.difference(mine)];
  const parts = [
    ...(less.size > 0 ? [`does not know ${list(less)}`] : []),
    ...(more.size > 0 ? [`knows ${list(more)}, which the policy does not`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(" and ");
}

/**
 * Reads the policy that a run has trained, to learn from its predictions.
 *
 * @param folder The run's folder.
 * @param student The tokens that it must have.
 * @param length The tokens of the longest row that it is to read.
 * @returns The policy and its sizes.
 * @throws {UserError} If there is none, or it reads other tokens or fewer of them at once.
 */
export async function readTeacher(
  folder: string,
  { tokenizer }: Pick<BaseModel, "tokenizer">,
  length: number,
): Promise<Teacher> {
  const teacher = await readBase(folder);
  const apart = tokensApart(teacher.tokenizer, tokenizer);
  if (apart !== undefined) {
    throw new UserError(
      `the teacher of ${folder} ${apart}: its predictions are of other tokens. Train both on the ` +
        `same data, both with --tokenizer bytes, or one --from the other`,
    );
  }
  const { model, models: { policy: params } } = teacher;
  const { context } = model.config;
  if (length <= longestRow(context)) return { model, params };
  throw new UserError(
    `the teacher of ${folder} sees ${context} tokens, and rows have ${length - 1}: take a ` +
      `smaller --context, or a teacher that was trained with a larger one`,
  );
}

/**
 * The models of other runs that a stage's settings name.
 *
 * @param stage The number of the stage, from 0.
 * @param settings Its settings.
 * @param prepared What the run trains on.
 * @returns Those that there are.
 * @throws {UserError} If one is not there, or of other tokens.
 */
export async function lentModels(
  stage: number,
  settings: TrainSettings,
  prepared: Prepared,
): Promise<Omit<Models, "policy">> {
  const { rewardModel, teacher } = settings;
  const data = prepared.stages[stage]?.data;
  return {
    ...rewardModel !== undefined && data?.kind === "prompts" && {
      rewardModel: await readJudge(rewardModel, prepared),
    },
    ...teacher !== undefined && asksTeacher(settings) && data?.kind === "demonstrations" && {
      teacher: await readTeacher(teacher, prepared, data.source.length),
    },
  };
}

/** A model that was trained, ready to be asked. */
export interface TrainedModel {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
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
  const { model, tokenizer, models: { policy: params } } = await readBase(folder);
  return { model, params, tokenizer, kind };
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
