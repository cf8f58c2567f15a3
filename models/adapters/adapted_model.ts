/**
 * An adapter as a language model: its parameters are those of the adapter, and those of the base are
 * constants.
 */
import {
  add,
  foldKey,
  inFloats,
  leafPaths,
  mul,
  type Tensor,
  transposeLast,
  uniform,
  zeros,
} from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import { architectureOf, architectures } from "../architectures/registry.ts";
import type { LanguageModel } from "../language_model.ts";
import { columnNorms, type LowRank, mergedWeight } from "../layers.ts";
import { type AdapterConfig, checkAdapterConfig, scaleOf } from "./adapter_config.ts";
import { matrixOf, type Projection, type Targets, targetsOf, withChanges } from "./modules.ts";

/** The parameters of the change of a projection, of `in` inputs and `out` outputs. */
export interface LowRankParameters {
  /** A, `[r, in]`. */
  readonly down: Tensor;
  /** B, `[out, r]`. */
  readonly up: Tensor;
  /** The norms of the changed weights of each output, `[out]`, in DoRA. */
  readonly magnitudes?: Tensor;
}

/** The parameters of an adapter. */
export interface AdapterParameters {
  /** The changes, by the paths of the projections. */
  readonly changes: Readonly<Record<string, LowRankParameters>>;
  /** The parameters of modules that are trained as a whole, by their paths. */
  readonly saved: Readonly<Record<string, Tensor>>;
}

/** Whether a tree is the parameters of an adapter. */
function isParameters(tree: unknown): tree is AdapterParameters {
  return typeof tree === "object" && tree !== null && "changes" in tree && "saved" in tree;
}

/** A tree whose type was forgotten, as the parameters of an adapter. */
export function adapterParameters(tree: unknown): AdapterParameters {
  if (isParameters(tree)) return tree;
  throw new TypeError("expected the parameters of an adapter, got another tree");
}

/** A language model with its parameters, which an adapter leaves as they are. */
export interface AdapterBase {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
}

/** A language model whose parameters are those of an adapter of another one. */
export interface AdaptedModel extends LanguageModel<AdapterParameters> {
  /** The configuration of the adapter. */
  readonly adapter: AdapterConfig;
  /** The model that the adapter changes. */
  readonly base: AdapterBase;
  /** What the adapter changes of it. */
  readonly targets: Targets;
  /** The base's parameters with an adapter beside the weights that it changes. */
  changed(params: AdapterParameters, key?: Tensor): unknown;
}

/**
 * Whether a language model is an adapter of another one.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { gpt, gptPresets, isAdapted } from "@unitune/models";
 *
 * assert(!isAdapted(gpt({ ...gptPresets.nano, vocabulary: 65 })));
 * ```
 *
 * @param model The language model.
 * @returns Whether {@linkcode adapt} has made it.
 */
export function isAdapted(model: LanguageModel): model is AdaptedModel {
  return "adapter" in model && "base" in model;
}

/**
 * A language model that is an adapter of another one: with A and B of rank r, each target W becomes
 * `W + s B A`. New adapters have B = 0, and so predict as the base does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { adapt, countParameters, languageModel, presetConfig } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * const adapted = adapt({ model, params: model.init(key(0)) }, {
 *   ...{ rank: 4, alpha: 8, dropout: 0, targets: ["q_proj", "v_proj"] },
 *   ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
 * });
 * assertEquals(Object.keys(adapted.init(key(1)).changes).length, 2 * model.config.layers);
 * ```
 *
 * @param base The model and its parameters.
 * @param config The configuration of the adapter.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The adapted model.
 * @throws {RangeError} If the configuration is out of range, or names what cannot be changed.
 */
export function adapt(
  base: AdapterBase,
  config: AdapterConfig,
  rows: readonly Architecture[] = architectures,
): AdaptedModel {
  checkAdapterConfig(config);
  const { model } = base;
  const row = architectureOf(model.config.modelType, rows);
  const targets = targetsOf(base, row, config);
  const changed = (params: AdapterParameters, key?: Tensor) =>
    withChanges(
      inFloats(base.params),
      new Map(
        targets.projections.map(({ path }, site) =>
          [path, lowRankOf(partOf(params.changes, path), config, site, key)] as const
        ),
      ),
      new Map(targets.saved.map(({ path }) => [path, partOf(params.saved, path)] as const)),
    );
  return {
    config: model.config,
    adapter: config,
    base,
    targets,
    changed,
    init: (key) => initialAdapter(key, base, row, config, targets),
    embed: (params, ids) => model.embed(changed(params), ids),
    hidden: (params, embeddings, options) =>
      model.hidden(changed(params, options?.key), embeddings, options),
    head: (params) => model.head(changed(params)),
    emptyCache: (batch, columns) => model.emptyCache(batch, columns),
    decode: (params, ids, cache, place) => model.decode(changed(params), ids, cache, place),
  };
}

/** A part of an adapter's parameters, or of its base's. */
function partOf<T>(parts: Readonly<Record<string, T>>, path: string): T {
  const part = Object.hasOwn(parts, path) ? parts[path] : undefined;
  if (part !== undefined) return part;
  throw new RangeError(`adapter: the parameters are of another adapter: they have no ${path}`);
}

/** The leaves of a tree by their paths. */
function leavesByPath(tree: unknown): (path: string) => Tensor {
  const leaves = Object.fromEntries(leafPaths(tree));
  return (path) => partOf(leaves, path);
}

/** Separates the keys of an adapter's dropout from those of its base. */
const DROPOUT = 0x10a;

/** A change as the layers read it; each projection has dropout of its own. */
function lowRankOf(
  params: LowRankParameters,
  config: AdapterConfig,
  site: number,
  key: Tensor | undefined,
): LowRank {
  const hasDropout = key !== undefined && config.dropout > 0;
  return {
    ...params,
    scale: scaleOf(config),
    ...hasDropout && {
      dropout: { rate: config.dropout, key: foldKey(foldKey(key, DROPOUT), site) },
    },
  };
}

/**
 * New parameters: A uniform within `1 / sqrt(in)` (He et al. 2015 with a = sqrt 5, as PyTorch's
 * linear layers and PEFT), B zeros, magnitudes and saved modules those of the base.
 */
function initialAdapter(
  key: Tensor,
  { params }: AdapterBase,
  row: Architecture,
  { rank, hasMagnitudes }: AdapterConfig,
  { projections, saved }: Targets,
): AdapterParameters {
  const leafOf = leavesByPath(inFloats(params));
  const change = ({ path, inputs, outputs }: Projection, site: number): LowRankParameters => {
    const unit = uniform(foldKey(key, site), [rank, inputs]);
    return {
      down: mul(add(mul(unit, 2), -1), 1 / Math.sqrt(inputs)),
      up: zeros([outputs, rank]),
      ...hasMagnitudes && {
        magnitudes: columnNorms(matrixOf(leafOf(`${path}.weight`), row)),
      },
    };
  };
  return {
    changes: Object.fromEntries(projections.map((own, site) => [own.path, change(own, site)])),
    saved: Object.fromEntries(saved.map(({ path }) => [path, mul(leafOf(path), 1)])),
  };
}

/**
 * The base's parameters with an adapter's changes in them: the model predicts without the adapter as
 * it does with it, up to rounding.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, leafPaths } from "@unitune/core";
 * import { adapt, languageModel, mergeAdapter, presetConfig } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * const params = model.init(key(0));
 * const adapted = adapt({ model, params }, {
 *   ...{ rank: 4, alpha: 8, dropout: 0, targets: "all-linear" },
 *   ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
 * });
 * const merged = mergeAdapter(adapted, adapted.init(key(1)));
 * assertEquals([...leafPaths(merged).keys()], [...leafPaths(params).keys()]);
 * ```
 *
 * @param model The adapted model.
 * @param params The adapter's parameters.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns Parameters of the base, computed when first read.
 */
export function mergeAdapter(
  { base, adapter, targets }: AdaptedModel,
  params: unknown,
  rows: readonly Architecture[] = architectures,
): unknown {
  const row = architectureOf(base.model.config.modelType, rows);
  const leafOf = leavesByPath(inFloats(base.params));
  const { changes, saved } = adapterParameters(params);
  const isTransposed = row.projections?.layout === "out-in";
  const merged = targets.projections.map(({ path }, site) => {
    const matrix = mergedWeight(
      matrixOf(leafOf(`${path}.weight`), row),
      lowRankOf(partOf(changes, path), adapter, site, undefined),
    );
    return [`${path}.weight`, isTransposed ? transposeLast(matrix) : matrix] as const;
  });
  return withChanges(
    base.params,
    new Map(),
    new Map([
      ...targets.saved.map(({ path }) => [path, partOf(saved, path)] as const),
      ...merged,
    ]),
  );
}
