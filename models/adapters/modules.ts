/** The modules of a model by their names, and trees of parameters with some of them changed. */
import { isTensor, leafPaths, quoted, type Tensor, transposeLast } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import type { LanguageModel } from "../language_model.ts";
import type { LowRank } from "../layers.ts";
import type { AdapterConfig } from "./adapter_config.ts";

/** A projection that an adapter changes. */
export interface Projection {
  /** Its path in the tree of parameters, such as `layers[0].self_attn.q_proj`. */
  readonly path: string;
  /** Its name in the files of adapters, such as `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  /** The number of its inputs. */
  readonly inputs: number;
  /** The number of its outputs. */
  readonly outputs: number;
}

/** A parameter of a module that is trained as a whole. */
export interface SavedParameter {
  /** Its path in the tree of parameters. */
  readonly path: string;
  /** Its name in the files of adapters. */
  readonly name: string;
  /** The names under which these files hold it again, since other modules are tied to its own. */
  readonly copies: readonly string[];
}

/** What an adapter changes of a model. */
export interface Targets {
  /** The projections. */
  readonly projections: readonly Projection[];
  /** The parameters that it replaces. */
  readonly saved: readonly SavedParameter[];
}

const WEIGHT = ".weight";

/** Whether a module's name is, or ends with, a given one. */
export function isNamed(name: string, target: string): boolean {
  return name === target || name.endsWith(`.${target}`);
}

/** The module of a tensor's name. */
export function moduleOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

/** The modules that a parameter is of: more than one where some are tied. */
function modulesOf({ name, copies }: SavedParameter): readonly string[] {
  return [name, ...copies].map(moduleOf);
}

/** A parameter of a model with its names. */
interface NamedParameter extends SavedParameter {
  readonly leaf: Tensor;
}

/** The parameters of a model with their names in the files of adapters. */
function namedParameters(
  { model, params }: ModelWithParameters,
  { tensors, projections }: Architecture,
): readonly NamedParameter[] {
  const nameOf = (name: string): string => {
    const module = projections?.renamed?.[moduleOf(name)];
    return module === undefined ? name : module + name.slice(name.lastIndexOf("."));
  };
  const tied = Object.entries(tensors.tied(model.config));
  return [...leafPaths(params)].map(([path, leaf]) => {
    const name = tensors.nameOf(path);
    const copies = tied.filter(([, original]) => tensors.prefix + original === name);
    return { path, leaf, name: nameOf(name), copies: copies.map(([copy]) => nameOf(copy)) };
  });
}

/**
 * The full names of the modules that PEFT means by names in `modules_to_save`: those that end with
 * one of them, as `input_layernorm` does with `norm`.
 */
export function savedModules(
  base: ModelWithParameters,
  row: Architecture,
  saved: readonly string[],
): readonly string[] {
  const modules = new Set(
    namedParameters(base, row).flatMap(modulesOf),
  );
  return saved.flatMap((own) => {
    const found = [...modules].filter((name) => name.endsWith(own));
    // A name of no module is left as it is, and refused by it.
    return found.length > 0 ? found : [own];
  });
}

/**
 * The names in a list of targets that are of modules which are not saved as a whole; all of them if
 * none is. PEFT ignores the others, unless all are.
 */
export function targetsThere(
  base: ModelWithParameters,
  row: Architecture,
  { targets, saved }: { readonly targets: readonly string[]; readonly saved: readonly string[] },
): readonly string[] {
  const modules = namedParameters(base, row).flatMap(modulesOf)
    .filter((name) => !saved.some((own) => isNamed(name, own)));
  const there = targets.filter((own) => modules.some((name) => isNamed(name, own)));
  return there.length > 0 ? there : targets;
}

/** A language model with its parameters. */
interface ModelWithParameters {
  readonly model: LanguageModel;
  readonly params: unknown;
}

/**
 * What an adapter changes of a model. A module that is trained as a whole is not changed as well.
 *
 * @throws {RangeError} If a name is of no module, or of one that cannot be changed.
 */
export function targetsOf(
  base: ModelWithParameters,
  row: Architecture,
  { targets, saved }: Pick<AdapterConfig, "targets" | "saved">,
): Targets {
  const { projections: known } = row;
  if (known === undefined) {
    throw new RangeError(`adapter: ${row.name} does not say which projections it has`);
  }
  const parameters = namedParameters(base, row);
  const modules = new Set(parameters.flatMap(modulesOf));
  for (const own of saved) {
    if ([...modules].some((name) => isNamed(name, own))) continue;
    throw new RangeError(
      `adapter: ${
        quoted(own)
      }, to be saved, is no module of ${row.name} with parameters of its own`,
    );
  }
  const isSaved = (own: SavedParameter) =>
    modulesOf(own).some((name) => saved.some((asked) => isNamed(name, asked)));
  const all = parameters.flatMap((own): readonly Projection[] => {
    const { path, name: tensorName, leaf: { shape } } = own;
    const name = moduleOf(tensorName);
    const isProjection = tensorName.endsWith(WEIGHT) &&
      known.names.some((own) => isNamed(name, own));
    if (!isProjection || isSaved(own)) return [];
    const [rows = NaN, columns = NaN] = shape;
    const [inputs, outputs] = known.layout === "in-out" ? [rows, columns] : [columns, rows];
    return [{ path: path.slice(0, -WEIGHT.length), name, inputs, outputs }];
  });
  const asked = targets === "all-linear" ? known.names : targets;
  for (const target of targets === "all-linear" ? [] : targets) {
    if (all.some(({ name }) => isNamed(name, target))) continue;
    const found = parameters.filter((own) => modulesOf(own).some((name) => isNamed(name, target)));
    const reason = found.length === 0
      ? `no module of ${row.name}; its projections are ${known.names.join(", ")}`
      : found.every(isSaved)
      ? `to be saved as a whole, and not changed as well: name it once`
      : `no projection of ${row.name}; its projections are ${known.names.join(", ")}; to train ` +
        `the module as a whole, name it among the modules to save`;
    throw new RangeError(`adapter: ${quoted(target)} is ${reason}`);
  }
  return {
    projections: all.filter(({ name }) => asked.some((target) => isNamed(name, target))),
    saved: parameters.filter(isSaved).map(({ path, name, copies }) => ({ path, name, copies })),
  };
}

/** The matrix of a projection as `[in, out]`. */
export function matrixOf(weight: Tensor, { projections }: Architecture): Tensor {
  return projections?.layout === "in-out" ? weight : transposeLast(weight);
}

/** A tree with adapters beside some weights, and other tensors in place of some. */
export function withChanges(
  tree: unknown,
  adapters: ReadonlyMap<string, LowRank>,
  others: ReadonlyMap<string, Tensor>,
  path = "",
): unknown {
  if (isTensor(tree)) return others.get(path) ?? tree;
  if (Array.isArray(tree)) {
    return tree.map((child, i) => withChanges(child, adapters, others, `${path}[${i}]`));
  }
  if (typeof tree !== "object" || tree === null) return tree;
  const entries = Object.entries(tree).map(([key, child]) =>
    [key, withChanges(child, adapters, others, path === "" ? key : `${path}.${key}`)] as const
  );
  const adapter = adapters.get(path);
  return Object.fromEntries(adapter === undefined ? entries : [...entries, ["adapter", adapter]]);
}
