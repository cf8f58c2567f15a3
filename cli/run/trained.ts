/**
 * The files of a checkpoint: models, in a form that other tools read, and the state of the
 * training.
 *
 * @module
 */

import {
  type Device,
  isStorage,
  leavesOf,
  outline,
  quoted,
  SafetensorsError,
  type StorageDType,
  tensor,
  type TensorData,
  uploaded,
} from "@unitune/core";
import {
  adapterCard,
  type Architecture,
  architectures,
  type BaseName,
  CheckpointError,
  checkpointFiles as modelFiles,
  encodeAdapter,
  type FileContent,
  hasSameTokens,
  isAdapted,
  type LanguageModel,
  mergeAdapter,
  modelCard,
  type ModelSettings,
  modelSizes,
  readAdapter,
  readCheckpoint,
  readTreeFile,
  type SavedModel,
  type ScoredParameters,
  type TextTokens,
  type Tokenizer,
  TokenizerError,
  treeFile,
  type WeightsDType,
} from "@unitune/models";
import {
  type BaseModel,
  type Dataset,
  longestRow,
  type Models,
  type StageData,
  type StateOptions,
  type Teacher,
  type TrainSettings,
  UserError,
} from "@unitune/training";
import type { Prepared } from "../data/prepare.ts";
import {
  checkpointSource,
  latestCheckpoint,
  offeringOlder,
  readCheckpointFiles,
  type SavedCheckpoint,
} from "./checkpoints.ts";
import type { BaseRecord } from "./base_record.ts";
import { locateModel, modelDigest } from "./located.ts";
import { placed, readPretrained } from "./pretrained.ts";
import { readTokenizerFiles, tokenizerTexts } from "./pretrained_tokenizer.ts";
import { readRunConfig } from "./run_config.ts";
import { taskCommand } from "../terminal/shell.ts";

/** The folders of the models that score in a checkpoint, by their names among those of a run. */
const judgeFolders = {
  rewardModel: "reward_model",
  processRewardModel: "process_reward_model",
} as const;

type JudgeName = keyof typeof judgeFolders;

const judgeNames = ["rewardModel", "processRewardModel"] as const satisfies readonly JudgeName[];

/** The folder of the teacher in a checkpoint. */
const TEACHER = "teacher";

const TOKENIZER = "tokenizer.json";

/** The model card. */
const CARD = "README.md";
const TRAINING = "training.safetensors";

/** Tells whether an error is about a file of tensors that is corrupt or of another model. */
const isTensorFault = (error: unknown): error is Error =>
  error instanceof CheckpointError || error instanceof SafetensorsError;

/** Tells whether an error is about the files of a tokenizer. */
const isTokenizerFault = (error: unknown): error is Error => error instanceof TokenizerError;

/** The parts of a run on which its checkpoints depend. */
export type CheckpointRun = Pick<
  Prepared,
  "model" | "tokenizer" | "architectures" | "base" | "modelSettings"
>;

/**
 * Makes the files of a checkpoint, which transformers or PEFT loads with its tokenizer. The tensors of
 * whole models, and the state of the training, are read while they are written, one by one.
 *
 * @param run The language model, its tokenizer, and the pretrained model that an adapter is of.
 * @param models The current models.
 * @param state The state of the learner.
 * @returns The contents of the files by name.
 */
export async function checkpointFiles(
  { model, tokenizer, architectures: rows, base, modelSettings: settings }: CheckpointRun,
  { policy, teacher, ...judges }: Models,
  state: unknown,
): Promise<Readonly<Record<string, FileContent>>> {
  const files = async (
    saved: SavedModel,
    texts: ReadonlyMap<string, string> = new Map(),
  ): Promise<readonly (readonly [string, FileContent])[]> => {
    const isRewardModel = saved.score !== undefined;
    if (!isAdapted(saved.model)) {
      const options = {
        ...{ tokens: textTokens(tokenizer), files: texts, architectures: rows },
        dtype: typeOf(saved.params),
      };
      return [
        ...modelFiles(saved, options),
        // A model that is handed back to the tools that it comes from.
        ...saved.settings === undefined ? [] : [[CARD, modelCard({ isRewardModel })] as const],
      ];
    }
    const adapter = { ...saved, model: saved.model };
    const own = adapterBase(base);
    // A model of the hub is recorded with its commit.
    const card = adapterCard(adapter, { ...own, isOnHub: own.revision !== undefined });
    return [...await encodeAdapter(adapter, own, rows), ...texts, [CARD, card]];
  };
  const inside = async (folder: string, saved: SavedModel) =>
    (await files(saved)).map(([name, content]) => [`${folder}/${name}`, content] as const);
  // The teacher is another model, whose settings are its own.
  const own = { model, ...settings && { settings } };
  const scoring = judgeNames.map(async (name) => {
    const judge = judges[name];
    if (judge === undefined) return [];
    return await inside(judgeFolders[name], { ...own, params: judge.model, score: judge.score });
  });
  return Object.fromEntries([
    ...await files({ ...own, params: policy }, tokenizer.files()),
    ...(await Promise.all(scoring)).flat(),
    ...teacher ? await inside(TEACHER, teacher) : [],
    [TRAINING, treeFile(state)],
  ]);
}

/** The type in which parameters are stored; f32 if they have several. */
function typeOf(params: unknown): WeightsDType {
  const [type, ...others] = new Set(leavesOf(params).map(({ dtype }) => dtype));
  return type !== undefined && isStorage(type) && others.length === 0 ? type : "f32";
}

/** The tokens that begin, end and pad a text, as settings of a model have them. */
export function textTokens(
  { begin: [bos], stops: [first, ...others], pad }: Tokenizer,
): TextTokens {
  return {
    ...bos !== undefined && { bos },
    ...first !== undefined && { eos: others.length === 0 ? first : [first, ...others] },
    pad,
  };
}

/** The name by which an adapter's file names the model that it is of. */
function adapterBase(base: BaseRecord | undefined): BaseName {
  if (base === undefined) throw new RangeError("an adapter without a record of its base");
  return { baseName: base.name, ...base.revision !== undefined && { revision: base.revision } };
}

/**
 * Reads the state of the learner from a checkpoint, tensor by tensor.
 *
 * @param checkpoint The checkpoint.
 * @param like A state of the same learner.
 * @param options The tensors that are wanted, outlines stand for the others; and the device to put them
 * on (default: the host).
 * @returns The state.
 * @throws {UserError} If the file is missing, corrupt, or of another model or optimizer.
 */
export async function readState<S>(
  checkpoint: SavedCheckpoint,
  like: S,
  { isWanted = () => true, device }: StateOptions = {},
): Promise<S> {
  const path = `${checkpoint.path}/${TRAINING}`;
  const place = (data: TensorData, name: string) => {
    if (!isWanted(name)) return outline(data);
    return device === undefined ? tensor(data.data, data) : uploaded(data, device);
  };
  return await reading(
    path,
    () => readTreeFile(like, checkpointSource(checkpoint), TRAINING, place),
    isTensorFault,
  );
}

/**
 * Reads a model of a checkpoint, whose weights are finite: a whole one, or an adapter of a pretrained
 * model.
 *
 * @param frozen The pretrained model.
 */
async function readModel(
  checkpoint: SavedCheckpoint,
  { architectures: rows = architectures, isOutline = false }: ReadOptions,
  frozen?: SavedModel,
  folder = "",
): Promise<SavedModel> {
  const source = checkpointSource(checkpoint, folder);
  return await reading<SavedModel>(
    `${checkpoint.path}/${folder}`,
    () =>
      frozen === undefined
        ? readCheckpoint(source, { architectures: rows, place: placed, isOutline })
        : readAdapter(source, frozen, { architectures: rows, place: placed }),
    isTensorFault,
  );
}

/** Options of reading models. */
export interface ReadOptions {
  /** The architectures that can be read (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** The device for a pretrained model that stays as it is (default: the host). */
  readonly device?: Device;
  /** The name or folder of that model, if it has moved (default: where it was). */
  readonly model?: string;
  /** Whether no weights are read: the parameters of whole models are outlines (default: no). */
  readonly isOutline?: boolean;
  /** Whether those of the policy alone are (default: no). */
  readonly isPolicyOutline?: boolean;
  /** The type of that model's weights (default: that of its files). */
  readonly weights?: "f32" | StorageDType;
}

/** Reads the model in a folder of a checkpoint; undefined if there is none. */
async function readOther(
  checkpoint: SavedCheckpoint,
  folder: string,
  options: ReadOptions,
  frozen?: SavedModel,
): Promise<SavedModel | undefined> {
  const isThere = Object.keys(checkpoint.files).some((name) => name.startsWith(`${folder}/`));
  if (!isThere) return undefined;
  return await readModel(checkpoint, options, frozen, `${folder}/`);
}

/** Reads the models of a checkpoint that score. */
async function readJudges(
  checkpoint: SavedCheckpoint,
  options: ReadOptions,
  frozen?: SavedModel,
): Promise<Pick<Models, JudgeName>> {
  const judges: { [Name in JudgeName]?: ScoredParameters<unknown> } = {};
  for (const name of judgeNames) {
    const folder = judgeFolders[name];
    const judge = await readOther(checkpoint, folder, options, frozen);
    if (judge === undefined) continue;
    const { params: model, score } = judge;
    if (score === undefined) {
      throw new UserError(
        `${checkpoint.path}/${folder} is no reward model: it has no head of one number`,
      );
    }
    judges[name] = { model, score };
  }
  return judges;
}

/**
 * Reads the models of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param expected A model of the required sizes (default: any sizes).
 * @param options The architectures, and the device.
 * @returns The models.
 * @throws {UserError} If files are missing or corrupt, or of other sizes.
 */
export async function readModels(
  checkpoint: SavedCheckpoint,
  expected?: LanguageModel,
  options: ReadOptions = {},
): Promise<Models> {
  return (await readWithModel(checkpoint, options, expected)).models;
}

/** The sizes of a model in words. */
export function describeSizes({ config }: LanguageModel, rows: readonly Architecture[]): string {
  return Object.entries(modelSizes(config, rows)).map(([name, size]) => `${name} ${size}`).join(
    ", ",
  );
}

/** The architecture and the sizes of a model: models that agree in them can exchange parameters. */
function kindOf({ config }: LanguageModel, rows: readonly Architecture[]): string {
  return JSON.stringify([config.modelType, modelSizes(config, rows)]);
}

/** The pretrained model that a checkpoint's adapter is of; undefined if it holds whole models. */
async function frozenOf(
  { path, config: { base } }: SavedCheckpoint,
  options: ReadOptions,
  expected?: LanguageModel,
): Promise<SavedModel | undefined> {
  if (base === undefined) return undefined;
  if (expected !== undefined && isAdapted(expected)) return expected.base;
  const { folder } = await locateModel(options.model ?? base.name, base.revision);
  if (await modelDigest(folder) !== base.digest) {
    throw new UserError(
      `the model in ${folder} is not the one that the adapter in ${path} was trained on: restore ` +
        `it, or name the right one by --model`,
    );
  }
  return await readPretrained(folder, { ...options, keepsStorage: true });
}

/** The models of a checkpoint, and the language model whose parameters they are. */
async function readWithModel(
  checkpoint: SavedCheckpoint,
  options: ReadOptions,
  expected?: LanguageModel,
): Promise<Pick<TrainedBase, "model" | "models" | "settings">> {
  const rows = options.architectures ?? architectures;
  const frozen = await frozenOf(checkpoint, options, expected);
  const { isOutline = false, isPolicyOutline = false } = options;
  const { params: policy, model, settings } = await readModel(
    checkpoint,
    { ...options, isOutline: isOutline || isPolicyOutline },
    frozen,
  );
  if (expected !== undefined && kindOf(model, rows) !== kindOf(expected, rows)) {
    throw new UserError(
      `${checkpoint.path} holds a model of other sizes than the run: ${
        describeSizes(model, rows)
      } in ` +
        `place of ${describeSizes(expected, rows)}; restore the run's config.json`,
    );
  }
  const judges = await readJudges(checkpoint, options, frozen);
  const teacher = await readOther(checkpoint, TEACHER, options);
  return {
    model,
    ...settings && { settings },
    models: { policy, ...judges, ...teacher && { teacher } },
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

/** A file's text; an ill-formed character is U+FFFD, which the file's reader refuses. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The tokenizer of a checkpoint. */
async function readTokenizer(checkpoint: SavedCheckpoint, vocabulary: number): Promise<Tokenizer> {
  const path = `${checkpoint.path}/${TOKENIZER}`;
  const names = tokenizerTexts.filter((name) => name in checkpoint.files);
  const files = await readCheckpointFiles(checkpoint, names);
  const texts = new Map([...files].map(([name, bytes]) => [name, textOf(bytes)]));
  const tokenizer = await reading(
    path,
    () => readTokenizerFiles(texts, { vocabulary }),
    isTokenizerFault,
  );
  if (tokenizer.size === vocabulary) return tokenizer;
  throw new UserError(
    `${checkpoint.path}: the model has ${vocabulary} tokens, but ${TOKENIZER} ${tokenizer.size}: ` +
      `take both from one checkpoint`,
  );
}

/**
 * Reads the tokenizer of a run from its latest checkpoint.
 *
 * @param folder The folder of the run.
 * @returns The tokenizer.
 * @throws {UserError} If there is no checkpoint, or its files are corrupt.
 */
export async function readRunTokenizer(folder: string): Promise<Tokenizer> {
  return await offeringOlder(folder, async () => {
    const checkpoint = await latestOf(folder);
    return await readTokenizer(checkpoint, checkpoint.config.model.vocabulary);
  });
}

/** The models of another run, from which a run starts. */
export interface TrainedBase extends BaseModel {
  /** The models. */
  readonly models: Models;
  /** The pretrained model that they are adapters of. */
  readonly record?: BaseRecord;
  /** The settings of the policy's `config.json`. */
  readonly settings?: ModelSettings;
}

/**
 * Reads the models of a run, to train them further.
 *
 * @param folder The folder of the run.
 * @param options The architectures, and the device for a pretrained model that stays as it is.
 * @returns The latest models, with their tokenizer.
 * @throws {UserError} If there are none, or files are corrupt.
 */
export async function readBase(folder: string, options: ReadOptions = {}): Promise<TrainedBase> {
  await readRunConfig(folder);
  return await offeringOlder(folder, async () => {
    const checkpoint = await latestOf(folder);
    const { model, models, settings } = await readWithModel(checkpoint, options);
    const tokenizer = await readTokenizer(checkpoint, model.config.vocabulary);
    const { base } = checkpoint.config;
    return {
      ...{ tokenizer, model, models },
      ...base && { record: base },
      ...settings && { settings },
    };
  });
}

/**
 * Reads the reward model of a run.
 *
 * @param folder The folder of the run.
 * @param base The model whose tokens and sizes it must share.
 * @param rows The architectures (default: those of `@unitune/models`).
 * @returns The parameters.
 * @throws {UserError} If there is none, or it reads other tokens.
 */
export async function readJudge(
  folder: string,
  base: BaseModel,
  rows: readonly Architecture[] = architectures,
): Promise<ScoredParameters<unknown>> {
  const { tokenizer, model, models: { rewardModel } } = await readBase(folder, {
    architectures: rows,
  });
  if (rewardModel === undefined) {
    throw new UserError(`${folder} has trained no reward model: --objective reward-model does`);
  }
  if (
    hasSameTokens(tokenizer, base.tokenizer) && kindOf(model, rows) === kindOf(base.model, rows)
  ) {
    return rewardModel;
  }
  throw new UserError(
    `the reward model of ${folder} has other tokens or sizes than the policy: train both from one run`,
  );
}

/**
 * The difference between the tokens of a teacher and those of its policy.
 *
 * @param its The teacher's.
 * @param others The policy's.
 * @returns The difference in words; undefined if they are equal.
 */
export function tokensApart(its: Tokenizer, others: Tokenizer): string | undefined {
  if (hasSameTokens(its, others)) return undefined;
  if (its.kind !== others.kind) return `reads ${its.kind}, and the policy ${others.kind}`;
  const [mine, theirs] = [new Set(its.tokens), new Set(others.tokens)];
  const list = (characters: ReadonlySet<string>) => quoted([...characters].join(""));
  const [more, less] = [mine.difference(theirs), theirs.difference(mine)];
  const parts = [
    ...(less.size > 0 ? [`does not know ${list(less)}`] : []),
    ...(more.size > 0 ? [`knows ${list(more)}, which the policy does not`] : []),
  ];
  return parts.length === 0 ? "has the same tokens in another order" : parts.join(" and ");
}

/**
 * Reads the policy of a run as a teacher.
 *
 * @param folder The folder of the run.
 * @param student The model whose tokens it must share.
 * @param length The length of the longest row, in tokens.
 * @param rows The architectures (default: those of `@unitune/models`).
 * @returns The policy and its model.
 * @throws {UserError} If there is none, or it has other tokens or too small a context.
 */
export async function readTeacher(
  folder: string,
  { tokenizer }: Pick<BaseModel, "tokenizer">,
  length: number,
  rows: readonly Architecture[] = architectures,
): Promise<Teacher> {
  const teacher = await readBase(folder, { architectures: rows });
  const apart = tokensApart(teacher.tokenizer, tokenizer);
  if (apart !== undefined) {
    throw new UserError(
      `the teacher of ${folder} ${apart}: its predictions are of other tokens. Train both on the ` +
        `same data, both with --tokenizer bytes, or one --from the other`,
    );
  }
  const { model, models: { policy: params } } = teacher;
  const { context } = model.config;
  if (length <= longestRow(context)) {
    // A checkpoint holds its teacher, wherever the teacher's own base is.
    return isAdapted(model)
      ? { model: model.base.model, params: mergeAdapter(model, params) }
      : { model, params };
  }
  throw new UserError(
    `the teacher of ${folder} sees ${context} tokens, and rows have ${length - 1}: take a ` +
      `smaller --context, or a teacher that was trained with a larger one`,
  );
}

/**
 * Reads the models of other runs that the settings of a stage name.
 *
 * @param stage The index of the stage, from 0.
 * @param settings The settings of the stage.
 * @param prepared The data of the run.
 * @returns The models that are named.
 * @throws {UserError} If one does not exist, or has other tokens.
 */
export async function lentModels(
  stage: number,
  settings: TrainSettings,
  prepared: Prepared,
): Promise<Omit<Models, "policy">> {
  const { rewardModel, teacher } = settings;
  const data = prepared.stages[stage]?.data;
  return {
    ...rewardModel !== undefined && data?.kind === "rollouts" && {
      rewardModel: await readJudge(rewardModel, prepared, prepared.architectures),
    },
    ...teacher !== undefined && settings.objective.teacher && data !== undefined && {
      teacher: await readTeacher(
        teacher,
        prepared,
        readTokens(data, prepared.model.config.context),
        prepared.architectures,
      ),
    },
  };
}

/** The tokens of the longest row that a teacher reads. */
function readTokens(data: StageData, context: number): number {
  return data.kind === "demonstrations" ? (data.packed ?? data.source).length : longestRow(context);
}

/** The model of a run, ready for use. */
export interface TrainedModel {
  /** The model. */
  readonly model: LanguageModel;
  /** The parameters of the model. */
  readonly params: unknown;
  /** The tokenizer of the model. */
  readonly tokenizer: Tokenizer;
  /** The kind of its data: a model of running text continues prompts, others answer them. */
  readonly kind: Dataset["kind"];
}

/**
 * Reads the latest model of a run.
 *
 * @param folder The folder of the run.
 * @param options The architectures, and the device for a pretrained model that stays as it is.
 * @returns The model with its tokenizer.
 * @throws {UserError} If there is none, or its files are corrupt or of different models.
 */
export async function readTrainedModel(
  folder: string,
  options: ReadOptions = {},
): Promise<TrainedModel> {
  const { data: { kind } } = await readRunConfig(folder);
  const { model, tokenizer, models: { policy: params } } = await readBase(folder, options);
  return { model, params, tokenizer, kind };
}

/** Reads a file, and turns its faults into errors for the user that name the file. */
async function reading<T>(
  path: string,
  read: () => T | Promise<T>,
  isFault: (error: unknown) => error is Error,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new UserError(`can't read ${path}: ${error.message}`, { cause: error });
  }
}
