/**
 * The models of a run, which its stages hand on.
 *
 * @module
 */

import { evaluate, leafPaths, mapTree, tensor, type TensorData } from "@unitune/core";
import type { LanguageModel, ScoredParameters } from "@unitune/models";

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
  evaluate(tree);
  const elements = new Map<string, TensorData>();
  for (const [path, leaf] of leafPaths(tree)) {
    elements.set(path, { dtype: leaf.dtype, shape: leaf.shape, data: await leaf.data() });
  }
  return mapTree(tree, (leaf, path) => {
    const { data, dtype, shape } = elements.get(path) ?? { ...leaf, data: [] };
    return tensor(data, { dtype, shape });
  });
}

/**
 * Models with tensors of their own.
 *
 * @param models The models.
 * @returns The same values.
 */
export async function copyModels(
  { policy, rewardModel, processRewardModel, teacher }: Models,
): Promise<Models> {
  return {
    policy: await copyTree(policy),
    ...rewardModel && { rewardModel: await copyTree(rewardModel) },
    ...processRewardModel && { processRewardModel: await copyTree(processRewardModel) },
    ...teacher && { teacher: { ...teacher, params: await copyTree(teacher.params) } },
  };
}
