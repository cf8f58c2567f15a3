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
  type Gpt,
  gpt,
  type GptConfig,
  type GptParameters,
  gptSizes,
  hasScore,
  type ScoringGptParameters,
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
  model: Gpt,
  tokenizer: Tokenizer,
  { policy, rewardModel, teacher }: Models,
  state: unknown,
): Promise<Record<string, FileContent>> {
  const { config } = model;
  const encoded = async (
    { config, params }: Pick<Checkpoint, "config" | "params">,
    folder = "",
  ): Promise<Record<string, Uint8Array>> => {
    const { stop: eos, pad } = tokenizer.special;
    const files = await encodeCheckpoint(config, params, { eos, pad });
    return Object.fromEntries([...files].map(([name, bytes]) => [folder + name, bytes]));
  };
  return {
    ...await encoded({ config, params: policy }),
    ...rewardModel && await encoded({ config, params: rewardModel }, `${REWARD_MODEL}/`),
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
): Promise<ScoringGptParameters | undefined> {
  const params = (await readOther(checkpoint, REWARD_MODEL))?.params;
  if (params === undefined || hasScore(params)) return params;
  throw new UserError(
    `${checkpoint.path}/${REWARD_MODEL} is no reward model: it has no head of one number`,
  );
}

/**
 * Reads the models of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param expected The sizes that they must have; any unless told.
 * @returns The models.
 * @throws {UserError} If files are missing or corrupt, or of other sizes.
 */
export async function readModels(
  checkpoint: SavedCheckpoint,
  expected?: GptConfig,
): Promise<Models> {
  return (await readSizedModels(checkpoint, expected)).models;
}

/** The models of a checkpoint, and the sizes of the policy. */
async function readSizedModels(
  checkpoint: SavedCheckpoint,
  expected?: GptConfig,
): Promise<{ readonly config: GptConfig; readonly models: Models }> {
  const { params: policy, config } = await readModel(checkpoint);
  const sizes = (config: GptConfig) => gptSizes.map((name) => `${name} ${config[name]}`).join(", ");
  if (expected !== undefined && sizes(config) !== sizes(expected)) {
    throw new UserError(
      `${checkpoint.path} holds a model of other sizes than the run: ${
        sizes(config)
      } in place of ` +
        `${sizes(expected)}; restore the run's config.json`,
    );
  }
  const rewardModel = await readRewardModel(checkpoint);
  const teacher = await readOther(checkpoint, TEACHER);
  return {
    config,
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
    const { config, models } = await readSizedModels(checkpoint);
    return { tokenizer: await readTokenizer(checkpoint, config.vocabulary), config, models };
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
): Promise<ScoringGptParameters> {
  const { tokenizer, config, models: { rewardModel } } = await readBase(folder);
  if (rewardModel === undefined) {
    throw new UserError(`${folder} has trained no reward model: --objective reward-model does`);
  }
  const identity = (model: BaseModel) =>
    JSON.stringify([model.tokenizer, { ...model.config, dropout: 0 }]);
  if (identity({ tokenizer, config }) === identity(base)) return rewardModel;
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
  const { config, models: { policy: params } } = teacher;
  if (length <= longestRow(config.context)) return { config, params };
  throw new UserError(
    `the teacher of ${folder} sees ${config.context} tokens, and rows have ${length - 1}: take a ` +
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
  const { config, tokenizer, models: { policy: params } } = await readBase(folder);
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
