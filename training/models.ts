/**
 * The models of a run, which its stages hand on.
 *
 * @module
 */

import { evaluate, leafPaths, mapTree, tensor, type TensorData } from "@unitune/core";
import type { GptConfig, GptParameters, ScoringGptParameters } from "@unitune/models";

/** The models of a run. */
export interface Models {
  /** What answers. */
  readonly policy: GptParameters;
  /** What judges answers, once it has been trained. */
  readonly rewardModel?: ScoringGptParameters;
  /** Whose predictions a stage learns from. It is that stage's, and not handed on. */
  readonly teacher?: Teacher;
}

/** A model of the policy's tokens, and of sizes of its own. */
export interface Teacher {
  /** Its sizes. */
  readonly config: GptConfig;
  /** Its parameters. */
  readonly params: GptParameters;
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
export async function copyModels({ policy, rewardModel, teacher }: Models): Promise<Models> {
  return {
    policy: await copyTree(policy),
    ...rewardModel && { rewardModel: await copyTree(rewardModel) },
    ...teacher && { teacher: { ...teacher, params: await copyTree(teacher.params) } },
  };
}
