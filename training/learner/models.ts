/**
 * The models of a run, which its stages hand on.
 *
 * @module
 */

import {
  type Device,
  evaluate,
  leafPaths,
  leavesOf,
  mapTree,
  outline,
  type StorageDType,
  storedAs,
  type Tensor,
  tensor,
  type TensorData,
  uploaded,
} from "@unitune/core";
import { isAdapted, type LanguageModel, type ScoredParameters } from "@unitune/models";
import type { TrainSettings } from "../settings.ts";

/** The models of a run, as parameters of its language model. Only that model looks into them. */
export interface Models {
  /** The parameters of the policy, which answers. */
  readonly policy: unknown;
  /** The parameters of the reward model, which judges answers, once it has been trained. */
  readonly rewardModel?: ScoredParameters<unknown>;
  /** The parameters of the model that judges steps of answers, once it has been trained. */
  readonly processRewardModel?: ScoredParameters<unknown>;
  /** The model from whose predictions a stage learns. It is that stage's, and not handed on. */
  readonly teacher?: Teacher;
}

/** A language model of the policy's tokens, of an architecture and sizes of its own. */
export interface Teacher {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
}

/**
 * A tree with tensors of its own, so that who gives the first away still has the second.
 *
 * @param tree Nested records and arrays of tensors.
 * @returns The same values.
 *
 * @example
 * ```ts
 * import { copyTree } from "@unitune/training";
 * import { tensor } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const one = { weight: tensor([1, 2]) };
 * const other = await copyTree(one);
 * one.weight[Symbol.dispose]();
 * assertEquals(await other.weight.data(), new Float32Array([1, 2]));
 * ```
 */
export async function copyTree<T>(tree: T): Promise<T> {
  return await withElements(tree, () => true);
}

/**
 * The same tree with its elements on the host. Tensors that have theirs there stay as they are, and
 * share them: who gives one of them away takes it from both trees. So do outlines, and tensors on a
 * device that may keep them.
 *
 * @param tree Nested records and arrays of tensors.
 * @param keeper The device that keeps its tensors (default: none does).
 * @returns The same values.
 */
export async function hostTree<T>(tree: T, keeper?: Device): Promise<T> {
  return await withElements(tree, ({ cell: { value } }) => {
    if (value.kind === "device") return value.device !== keeper;
    return value.kind !== "host" && value.kind !== "outline";
  });
}

/**
 * A tree with tensors of its own on a device.
 *
 * @param tree A tree with its elements on the host, as {@linkcode hostTree} gives it.
 * @param device The device.
 * @returns The same values.
 *
 * @example
 * ```ts
 * import { hostTree, uploadTree } from "./models.ts";
 * import { mul, tensor, wasm } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const one = await hostTree({ weight: mul(tensor([1, 2]), 3) });
 * const other = uploadTree(one, wasm());
 * one.weight[Symbol.dispose]();
 * assertEquals(other.weight.cell.value.kind, "device");
 * assertEquals(await other.weight.data(), new Float32Array([3, 6]));
 * ```
 */
export function uploadTree<T>(tree: T, device: Device): T {
  return mapTree(tree, ({ dtype, shape, cell: { value } }) => {
    if (value.kind === "host") return uploaded({ dtype, shape, data: value.data }, device);
    throw new RangeError(`uploadTree: got a tensor that is ${value.kind}, and not on the host`);
  });
}

/**
 * The models that a stage starts from, with the policy's weights in the type that the settings want.
 * The models that it is compared with have the same weights.
 *
 * @param models The models, which nobody gives away.
 * @param model The language model; an adapter's own parameters stay as they are.
 * @param settings The type.
 * @returns The models.
 */
export async function storedModels(
  models: Models,
  model: LanguageModel,
  { weights }: Pick<TrainSettings, "weights">,
): Promise<Models> {
  if (weights === "auto" || isAdapted(model)) return models;
  return { ...models, policy: await storedTree(models.policy, weights) };
}

/** A tree whose tensors have a type; outlines stay such. */
async function storedTree<T>(tree: T, dtype: "f32" | StorageDType): Promise<T> {
  const isOther = (leaf: Tensor) => leaf.dtype !== dtype;
  const outlined = mapTree(
    tree,
    (leaf) => leaf.cell.value.kind === "outline" ? outline({ shape: leaf.shape, dtype }) : leaf,
  );
  if (!leavesOf(outlined).some(isOther)) return outlined;
  return await withElements(outlined, isOther, (elements) => storedAs(elements, dtype));
}

/**
 * A tree in which some tensors are others of their elements (default: of the same), one by one, so
 * that few elements are there twice.
 */
async function withElements<T>(
  tree: T,
  isOther: (leaf: Tensor) => boolean,
  elementsOf: (elements: TensorData) => TensorData = (same) => same,
): Promise<T> {
  evaluate(tree);
  const made = new Map<string, Tensor>();
  for (const [path, leaf] of leafPaths(tree)) {
    if (!isOther(leaf)) continue;
    // Made before the next is read.
    const own = { dtype: leaf.dtype, shape: leaf.shape, data: await leaf.data() };
    const { data, dtype, shape } = elementsOf(own);
    made.set(path, tensor(data, { dtype, shape }));
  }
  return mapTree(tree, (leaf, path) => made.get(path) ?? leaf);
}

/**
 * Models with tensors of their own.
 *
 * @param models The models.
 * @returns The same values.
 */
export async function copyModels(models: Models): Promise<Models> {
  return await mapModels(models, copyTree);
}

/**
 * Models with their elements on the host, as {@linkcode hostTree} has them.
 *
 * @param models The models, which nobody gives away.
 * @param keeper The device that keeps its tensors (default: none does).
 * @returns The same values.
 */
export async function hostModels(models: Models, keeper?: Device): Promise<Models> {
  return await mapModels(models, (tree) => hostTree(tree, keeper));
}

/** Models with other tensors, whose values a function gives tree by tree. */
async function mapModels(
  { policy, rewardModel, processRewardModel, teacher }: Models,
  make: <T>(tree: T) => Promise<T>,
): Promise<Models> {
  return {
    policy: await make(policy),
    ...rewardModel && { rewardModel: await make(rewardModel) },
    ...processRewardModel && { processRewardModel: await make(processRewardModel) },
    ...teacher && { teacher: { ...teacher, params: await make(teacher.params) } },
  };
}
