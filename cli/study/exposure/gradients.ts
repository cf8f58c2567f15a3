/**
 * The directions of gradients: how far an objective's agrees with that of reinforcement learning.
 *
 * @module
 */

import { valueAndGradAux } from "@unitune/autodiff";
import {
  add,
  compile,
  type Device,
  inFloats,
  leavesOf,
  mul,
  sum,
  type Tensor,
  tensor,
  zipTrees,
} from "@unitune/core";
import { evaluationLoss, modelOf, type Objective, type Policy } from "@unitune/objectives";

/** An objective and what it learns from. */
export interface Learned<B> {
  /** The objective. */
  readonly objective: Objective<B>;
  /** The batch. */
  readonly batch: B;
}

/**
 * The gradient of an objective's loss on a batch, with respect to the parameters.
 *
 * @param policy The policy.
 * @param objective The objective. What it remembers is as before its first step.
 * @returns The gradient as a function of parameters and batch, to be compiled.
 */
export function lossGradient<P, B>(
  policy: Policy<P>,
  objective: Objective<B>,
): (params: P, batch: B) => P {
  return (params, batch) => {
    const context = { step: tensor(0, { dtype: "i32" }) };
    const weights = inFloats(params);
    const collected = objective.collect(modelOf(policy, weights), batch, context);
    return valueAndGradAux((own: P) => ({
      value: evaluationLoss(objective.evaluate(modelOf(policy, own), collected, context)),
      aux: {},
    }))(weights).gradient;
  };
}

/** The inner products of two trees of one form: `<a, b>`, `<a, a>` and `<b, b>`. */
function products<P>(a: P, b: P): readonly [Tensor, Tensor, Tensor] {
  const dot = (x: P, y: P) =>
    leavesOf(zipTrees(x, y, mul)).map((product) => sum(product)).reduce(add);
  return [dot(a, b), dot(a, a), dot(b, b)];
}

/** An objective and some batches of it, by name. */
export interface Directions<R> {
  /** The objective. */
  readonly objective: Objective<R>;
  /** The batches. */
  readonly batches: Readonly<Record<string, R>>;
}

/**
 * Compares the gradients of some objectives with those of another one, at the same parameters, by the
 * cosine of their angle, `<a, b> / (|a| |b|)`: the share of a small step along one that is a step
 * along the other. A gradient that is 0, such as that of rewards which are all equal, has no direction: NaN.
 *
 * @param policy The policy.
 * @param params Its parameters.
 * @param of The other objective, such as that of reinforcement learning, and its batches.
 * @param learned The objectives by name, with their batches.
 * @param device The device to compute on.
 * @returns For each batch of the other objective the cosine of each objective, by name.
 */
export async function cosines<P, B, R>(
  policy: Policy<P>,
  params: P,
  of: Directions<R>,
  learned: Readonly<Record<string, Learned<B>>>,
  device: Device,
): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> {
  using direction = compile(lossGradient(policy, of.objective), { device });
  const others = Object.entries(of.batches).map(([name, batch]) =>
    [name, direction(params, batch), new Map<string, number>()] as const
  );
  for (const [name, { objective, batch }] of Object.entries(learned)) {
    using compared = compile(
      (at: P, own: B, given: P) => products(lossGradient(policy, objective)(at, own), given),
      { device },
    );
    for (const [, other, found] of others) {
      const [both, own, given] = await Promise.all(
        compared(params, batch, other).map((product) => product.item()),
      );
      found.set(name, (both ?? NaN) / Math.sqrt((own ?? NaN) * (given ?? NaN)));
    }
  }
  return Object.fromEntries(others.map(([name, , found]) => [name, Object.fromEntries(found)]));
}
