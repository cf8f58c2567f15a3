/** The modules of a model by their names, and trees of parameters with some of them changed. */
import { isTensor, leafPaths, quoted, type Tensor, transposeLast } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import type { LowRank } from "../layers.ts";
import type { AdapterConfig } from "./adapter_config.ts";

/** A projection that an adapter changes. */
export interface Projection {
  /** Its path in the tree of parameters, such as `layers[0].self_attn.q_proj`. */
  readonly path: string;
  /** Its name in Hugging Face's files, such as `model.layers.0.self_attn.q_proj`. */
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
  /** Its name in Hugging Face's files. */
  readonly name: string;
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
function isNamed(name: string, target: string): boolean {
  return name === target || name.endsWith(`.${target}`);
}

/**
 * What an adapter changes of a model.
 *
 * @throws {RangeError} If a name is of no module, or of one that cannot be changed.
 */
export function targetsOf(
  params: unknown,
  row: Architecture,
  { targets, saved }: Pick<AdapterConfig, "targets" | "saved">,
): Targets {
  const leaves = [...leafPaths(params)].map(([path, leaf]) => {
    const name = row.tensors.nameOf(path);
    return { path, name, leaf, module: name.slice(0, name.lastIndexOf(".")) };
  });
  const { projections: known } = row;
  if (known === undefined) {
    throw new RangeError(`adapter: ${row.name} does not say which projections it has`);
  }
  const all = leaves.flatMap(({ path, module, name, leaf: { shape } }): readonly Projection[] => {
    if (!name.endsWith(WEIGHT) || !known.names.some((own) => isNamed(module, own))) return [];
    const [rows = NaN, columns = NaN] = shape;
    const [inputs, outputs] = known.layout === "in-out" ? [rows, columns] : [columns, rows];
    return [{ path: path.slice(0, -WEIGHT.length), name: module, inputs, outputs }];
  });
  const modules = new Set(leaves.map(({ module }) => module));
  const asked = targets === "all-linear" ? known.names : targets;
  for (const target of asked) {
    if (all.some(({ name }) => isNamed(name, target))) continue;
    const isThere = [...modules].some((name) => isNamed(name, target));
    throw new RangeError(
      `adapter: ${quoted(target)} is ${isThere ? "no projection" : "no module"} of ${row.name}; ` +
        `its projections are ${known.names.join(", ")}` +
        (isThere ? `; to train the module as a whole, name it among the modules to save` : ""),
    );
  }
  for (const module of saved) {
    if ([...modules].some((name) => isNamed(name, module))) continue;
    throw new RangeError(`adapter: ${quoted(module)}, to be saved, is no module of ${row.name}`);
  }
  return {
    projections: all.filter(({ name }) => asked.some((target) => isNamed(name, target))),
    saved: leaves.filter(({ module }) => saved.some((own) => isNamed(module, own)))
      .map(({ path, name }) => ({ path, name })),
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
