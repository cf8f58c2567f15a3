/**
 * Adapters in the files of PEFT: `adapter_config.json` and `adapter_model.safetensors`, whose tensors
 * are named as PEFT names them, without the adapter's own name.
 */
import { encodeSafetensors, key, type Tensor, type TensorData, toRawTensor } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import { architectureOf, architectures } from "../architectures/registry.ts";
import { settingsText } from "../architectures/settings.ts";
import { CheckpointError } from "../checkpoints/checkpoint_error.ts";
import { emptyScore, SCORE, scoreName } from "../checkpoints/saved_model.ts";
import { type CheckpointSource, missingFile, objectIn } from "../checkpoints/source.ts";
import { fillFrom, hostTensor } from "../checkpoints/fill.ts";
import { readTree } from "../checkpoints/tree_file.ts";
import { haveSameElements, storedTensors } from "../checkpoints/weights.ts";
import type { ScoreParameters } from "../scores.ts";
import {
  adapt,
  type AdaptedModel,
  type AdapterBase,
  type AdapterParameters,
  adapterParameters,
} from "./adapted_model.ts";
import { isNamed, moduleOf, savedModules, type SavedParameter, targetsThere } from "./modules.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  type BaseName,
  baseNameIn,
  peftSettings,
  readPeftSettings,
} from "./peft_settings.ts";

/** An adapted model with its parameters. */
export interface SavedAdapter {
  /** The model. */
  readonly model: AdaptedModel;
  /** The adapter's parameters. */
  readonly params: unknown;
  /** The head of one number, in a reward model. */
  readonly score?: ScoreParameters;
}

/** The beginning of the names of all tensors. */
const PREFIX = "base_model.model.";

/** The endings of the names of a change's parameters, by our names. */
const endings = {
  down: ".lora_A.weight",
  up: ".lora_B.weight",
  magnitudes: ".lora_magnitude_vector",
} as const;

/** The name of each parameter of an adapter in the file, by its path. */
function namesOf({ targets }: AdaptedModel, params: AdapterParameters): Map<string, string> {
  const names = new Map<string, string>();
  for (const { path, name } of targets.projections) {
    for (const part of Object.keys(params.changes[path] ?? {})) {
      const ending = Object.entries(endings).find(([own]) => own === part)?.[1];
      if (ending !== undefined) names.set(`changes.${path}.${part}`, PREFIX + name + ending);
    }
  }
  for (const { path, name } of targets.saved) names.set(`saved.${path}`, PREFIX + name);
  return names;
}

function nameIn(names: ReadonlyMap<string, string>, path: string): string {
  const name = names.get(path);
  if (name === undefined) throw new RangeError(`adapter: ${path} is no parameter of it`);
  return name;
}

/**
 * An adapter as the files that PEFT loads.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { adapt, encodeAdapter, filesSource, languageModel } from "@unitune/models";
 * import { presetConfig, readAdapter } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * const base = { model, params: model.init(key(0)) };
 * const adapted = adapt(base, {
 *   ...{ rank: 4, alpha: 8, dropout: 0, targets: ["q_proj", "v_proj"] },
 *   ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
 * });
 * const params = adapted.init(key(1));
 * const files = await encodeAdapter({ model: adapted, params }, { baseName: "my-model" });
 * assertEquals([...files.keys()], ["adapter_config.json", "adapter_model.safetensors"]);
 * const read = await readAdapter(filesSource(files), base);
 * assertEquals(read.model.adapter.rank, 4);
 * ```
 *
 * @param saved The adapted model, the adapter's parameters, and a head of one number, if it has one.
 * @param base The name of the base.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The files' bytes by name.
 */
export async function encodeAdapter(
  { model, params, score }: SavedAdapter,
  base: BaseName,
  rows: readonly Architecture[] = architectures,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { projections: known } = architectureOf(model.config.modelType, rows);
  const names = namesOf(model, adapterParameters(params));
  const leaves = new Map(
    [...await readTree(params)].map(([path, leaf]) => [nameIn(names, path), leaf]),
  );
  const head = score === undefined
    ? []
    : [...await readTree(score)].map(([path, leaf]) => [PREFIX + scoreName(path), leaf] as const);
  const { adapter, targets } = model;
  // A model with a head of one number has no other, which could be tied.
  const tied = score === undefined ? targets.saved.flatMap(tiedNames) : [];
  const copies = tied.flatMap(([copy, name]) => {
    const leaf = leaves.get(name);
    return leaf === undefined ? [] : [[copy, leaf] as const];
  });
  const saved = [...targets.saved.map(({ name }) => PREFIX + name), ...tied.map(([copy]) => copy)]
    .map((name) => moduleOf(name.slice(PREFIX.length)));
  const changed = (known?.names ?? []).filter((own) =>
    targets.projections.some(({ name }) => isNamed(name, own))
  );
  const settings = peftSettings(adapter, {
    ...base,
    targets: adapter.targets === "all-linear" ? changed : adapter.targets,
    saved: [...new Set([...saved, ...score === undefined ? [] : [SCORE_MODULE]])],
    isTransposed: known?.layout === "in-out",
    isTied: tied.length > 0,
    isRewardModel: score !== undefined,
  });
  const tensors = new Map(
    [...leaves, ...copies, ...head].map(([name, leaf]) => [name, toRawTensor(leaf)] as const),
  );
  return new Map([
    [ADAPTER_CONFIG, new TextEncoder().encode(settingsText(settings))],
    [ADAPTER_WEIGHTS, encodeSafetensors(tensors, { format: "pt" })],
  ]);
}

/** The names in the file of the copies of a parameter, each with the parameter's own. */
function tiedNames({ name, copies }: SavedParameter): (readonly [copy: string, name: string])[] {
  return copies.map((copy) => [PREFIX + copy, PREFIX + name]);
}

/** Options of reading an adapter. */
export interface ReadAdapterOptions {
  /** The architectures, the base's among them (default: those of this package). */
  readonly architectures?: readonly Architecture[];
  /** Makes a tensor of elements and its name (default: `tensor`, which keeps it on the host). */
  readonly place?: (data: TensorData, name: string) => Tensor;
}

/**
 * The adapter in the files of PEFT, on the model that it is of.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { CheckpointError, filesSource, languageModel } from "@unitune/models";
 * import { presetConfig, readAdapter } from "@unitune/models";
 *
 * const config = new TextEncoder().encode('{ "peft_type": "LOHA", "r": 8, "lora_alpha": 8 }');
 * const files = new Map([["adapter_config.json", config]]);
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * await assertRejects(
 *   () => readAdapter(filesSource(files), { model, params: model.init(key(0)) }),
 *   CheckpointError,
 *   'peft_type is "LOHA", expected "LORA"',
 * );
 * ```
 *
 * @param source The files.
 * @param base The model and its parameters.
 * @param options The architectures, and where tensors are put.
 * @returns The adapted model and the adapter's parameters.
 * @throws {CheckpointError} If a file is missing, a setting is not one that can be read, or tensors
 * are missing, unknown or of the shapes of another base.
 * @throws {SafetensorsError} If the file of parameters is truncated or corrupt.
 */
export async function readAdapter(
  source: CheckpointSource,
  base: AdapterBase,
  { architectures: rows = architectures, place = hostTensor }: ReadAdapterOptions = {},
): Promise<SavedAdapter> {
  const settings = await objectIn(source, ADAPTER_CONFIG);
  if (settings === undefined) throw missingFile(source, ADAPTER_CONFIG);
  const row = architectureOf(base.model.config.modelType, rows);
  const { isRewardModel, ...config } = readPeftSettings(settings);
  const stored = new Map(await storedTensors(source, ADAPTER_WEIGHTS));
  const saved = savedModules(
    base,
    row,
    config.saved.filter((name) => !(isRewardModel && isHead(name))),
  );
  const asked = config.targets ?? changedModules(stored);
  const targets = asked === "all-linear"
    ? asked
    : targetsThere(base, row, { targets: asked, saved });
  const model = onBase(base, rows, { ...config, targets, saved });
  for (const [copy, name] of isRewardModel ? [] : model.targets.saved.flatMap(tiedNames)) {
    const [tied, own] = [stored.get(copy), stored.get(name)];
    stored.delete(copy);
    if (own === undefined) continue;
    if (tied !== undefined && await haveSameElements(source, tied, own)) continue;
    throw new CheckpointError(
      `${ADAPTER_WEIGHTS}: ${name} is ${tied === undefined ? "there without" : "another than"} ` +
        `${copy}, and the base's embedding and head are one: train the adapter with ` +
        `ensure_weight_tying`,
    );
  }
  const like: SavedParameters = {
    params: model.init(key(0)),
    ...isRewardModel && { score: emptyScore(base.model) },
  };
  const names = new Map(
    [...namesOf(model, like.params)].map(([path, name]) => [`params.${path}`, name]),
  );
  const filled = await fillFrom(like, stored, {
    ...{ source, place },
    tell: () => {},
    remedy: `the adapter is of another base, or of another configuration: take both files from ` +
      `one folder, and the base that ${ADAPTER_CONFIG} names`,
    nameOf: (path) => path.startsWith("score.") ? PREFIX + path : nameIn(names, path),
  });
  return { model, ...filled };
}

/** The parameters of an adapted model. */
type SavedParameters = Pick<SavedAdapter, "score"> & { readonly params: AdapterParameters };

/** The module of the head of one number. */
const SCORE_MODULE = moduleOf(SCORE);

/** Whether a module is a head of one number: PEFT names these two, of which a model has one. */
function isHead(name: string): boolean {
  return name === SCORE_MODULE || name === "classifier";
}

/** The adapted model, with faults of the configuration as those of the file. */
function onBase(
  base: AdapterBase,
  rows: readonly Architecture[],
  config: AdaptedModel["adapter"],
): AdaptedModel {
  try {
    return adapt(base, config, rows);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointError(`${ADAPTER_CONFIG}: ${cause.message}`, { cause });
  }
}

/** The full names of the modules that the file has changes of. */
function changedModules(stored: ReadonlyMap<string, unknown>): readonly string[] {
  return [...stored.keys()].flatMap((name) =>
    name.startsWith(PREFIX) && name.endsWith(endings.down)
      ? [name.slice(PREFIX.length, -endings.down.length)]
      : []
  );
}

/**
 * The model that the adapter in some files is of, as they name it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adapterBaseIn, filesSource } from "@unitune/models";
 *
 * const config = new TextEncoder().encode('{ "base_model_name_or_path": "my-model" }');
 * const source = filesSource(new Map([["adapter_config.json", config]]));
 * assertEquals(await adapterBaseIn(source), { baseName: "my-model" });
 * ```
 *
 * @param source The files.
 * @returns The name of the base.
 * @throws {CheckpointError} If the configuration is missing, or names no base.
 */
export async function adapterBaseIn(source: CheckpointSource): Promise<BaseName> {
  const settings = await objectIn(source, ADAPTER_CONFIG);
  if (settings === undefined) throw missingFile(source, ADAPTER_CONFIG);
  return baseNameIn(settings);
}
